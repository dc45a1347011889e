"""The shell scripts that `make` calls before Python is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.mark.parametrize(
    ("uid", "commands", "said"),
    [
        (1000, [], "only root can install one"),
        (0, [], "installed by hand on this system"),
        (1000, ["docker", "dockerd"], "not running or not yours to use"),
    ],
)
def test_without_docker_it_says_what_to_do(
    tmp_path: Path, uid: int, commands: list[str], said: str
) -> None:
    """PATH holds nothing but what is named here; a `docker` there does not answer."""
    for name, code in {"id": f"echo {uid}", **dict.fromkeys(commands, "exit 1")}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(TOOLS / "docker.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
