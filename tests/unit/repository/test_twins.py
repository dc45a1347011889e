"""What has to say the same in two places."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.coderack.core.plugins.module_utils.plan import resolve

ROLES = Path(__file__).resolve().parents[3] / "roles"


def allowed_paths(role: str) -> list[str]:
    text = (ROLES / role / "templates" / "haproxy.cfg.j2").read_text(encoding="utf-8")
    (found,) = re.findall(r"unless \{ path (.*) \}", text)
    return str(found).split()


def test_edge_and_hold_forward_the_same_paths() -> None:
    assert allowed_paths("edge") == allowed_paths("hold")
    assert len(allowed_paths("edge")) == 7


def test_a_releases_record_and_its_id_leave_out_the_same() -> None:
    """Else a change that only the gateway reads would restart an engine."""
    text = (ROLES / "vllm" / "vars" / "main.yml").read_text(encoding="utf-8")
    assert f"rejectattr('key', 'in', {list(resolve.GATEWAY_FIELDS)!r})" in text
