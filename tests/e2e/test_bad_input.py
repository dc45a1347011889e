"""Inventories that cannot work: one clear report, and nothing on the node has changed."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.node import Node

CODER: dict[str, Any] = {"name": "coder", "model": "stand-in", "gpus": [], "aliases": ["claude-*"]}
FINGERPRINT = (
    "find /etc/coderack /etc/systemd/system /etc/docker /usr/local/bin /var/lib/coderack/releases"
    " -type f -exec sha256sum {} + | sort | sha256sum;"
    " docker ps --all --quiet | sort; docker images --quiet | sort"
)
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown model": (
        {"coderack_deployments": [{**CODER, "model": "stand-inn"}]},
        ["model-unknown", "no profile 'stand-inn'. Did you mean 'stand-in'?"],
    ),
    "missing field": (
        {"coderack_deployments": [{"name": "coder", "gpus": []}]},
        ["deployment-field-missing", "coderack_deployments[0]: model is missing"],
    ),
    "no deployments": ({"coderack_deployments": None}, ["deployments-missing"]),
    "misspelt variable": (
        {"coderack_deployment": []},
        ["variable-unknown", "Did you mean 'coderack_deployments'?"],
    ),
    "misspelt role option": (
        {"vllm_shm_sise": "1g"},
        ["variable-unknown", "Did you mean 'vllm_shm_size'?"],
    ),
    "slash in the served name": (
        {"coderack_deployments": [{**CODER, "name": "team/coder"}]},
        ["served-name", "'team/coder' cannot be a served name"],
    ),
    "several at once": (
        {
            "coderack_deployments": [{**CODER, "modell": "x"}, CODER],
            "coderack_keys": [{"alias": "A b"}],
        },
        ["4 to correct", "deployment-field-unknown", "name-twice", "key-alias"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_before_anything_changes(node: Node, case: str) -> None:
    extra, expected = CASES[case]
    before = node.run(FINGERPRINT)
    done = node.playbook("playbooks/site.yml", extra)
    assert done.returncode != 0
    assert "Nothing was changed." in done.stdout
    for text in expected:
        assert text in done.stdout
    assert "changed=0" in done.stdout
    assert node.run(FINGERPRINT) == before


def test_a_taken_port_is_refused(node: Node) -> None:
    node.run("systemd-run --unit squatter python3 -m http.server 8443")
    try:
        node.wait_for("ss -Hltn 'sport = :8443' | grep -q .", 20)
        before = node.run(FINGERPRINT)
        done = node.playbook("playbooks/site.yml", {"edge_port": 8443})
        assert done.returncode != 0
        assert "port 8443, wanted for the edge" in done.stdout
        assert "unit squatter.service" in done.stdout
        assert node.run(FINGERPRINT) == before
    finally:
        node.run("systemctl stop squatter")
