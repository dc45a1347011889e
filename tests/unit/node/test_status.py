"""`coderack status`, from what systemctl was seen to print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coderack import slots, status
from coderack.slots import Proxy
from unit.node.node_fakes import install, path_with

# systemd separates units by an empty line, and StatusText may hold an equals sign.
SHOWN = """\
Id=coderack-hold.service
ActiveState=active
SubState=running
StatusText=Ready.
NRestarts=0

Id=coderack-healthcheck-coder.service
ActiveState=failed
SubState=failed
StatusText=
NRestarts=0

Id=coderack-engine-coder.service
ActiveState=activating
SubState=start
StatusText=starting for 12 s, a=b
NRestarts=3
"""
SYSTEMCTL = """
import sys
from pathlib import Path
assert sys.argv[1:3] == ["show", "coderack-*.service"], sys.argv
print((Path(__file__).parent / "answer").read_text(), end="")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "systemctl", SYSTEMCTL)
    (tmp_path / "answer").write_text(SHOWN)
    monkeypatch.setenv("PATH", path_with(tmp_path))
    state = tmp_path / "state"
    state.mkdir()
    for proxy, opened in {"hold": {"fim": "b", "coder": "a"}, "edge": {"gateway": "a"}}.items():
        document = {"slots": opened, "sha256": slots._digest(opened)}
        (state / f"{proxy}.json").write_text(json.dumps(document))
    monkeypatch.setattr(status, "Proxy", lambda name: Proxy(name, state))
    return tmp_path


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "units": [
            {
                "Id": "coderack-engine-coder.service",
                "ActiveState": "activating",
                "SubState": "start",
                "StatusText": "starting for 12 s, a=b",
                "NRestarts": "3",
            },
            {
                "Id": "coderack-hold.service",
                "ActiveState": "active",
                "SubState": "running",
                "StatusText": "Ready.",
                "NRestarts": "0",
            },
        ],
        "slots": [
            {"proxy": "edge", "backend": "gateway", "slot": "a"},
            {"proxy": "hold", "backend": "coder", "slot": "a"},
            {"proxy": "hold", "backend": "fim", "slot": "b"},
        ],
    }


def test_screen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(as_json=False) == 0
    # How wide the columns are is nobody's business here.
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "coderack-engine-coder.service activating (start) restarts 3 starting for 12 s, a=b",
        "coderack-hold.service active (running) restarts 0 Ready.",
        "edge gateway open: slot a",
        "hold coder open: slot a",
        "hold fim open: slot b",
    ]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failed_unit_is_status_1(
    folder: Path, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "answer").write_text(SHOWN.replace("activating", "failed"))
    assert status.main(as_json) == 1


def test_no_units(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "answer").write_text("")
    assert status.main(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["units"] == []
