"""`coderack status`, from what systemctl was seen to print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coderack import status
from coderack.errors import CoderackError
from coderack.slots import BackendState
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


STATES = {
    "edge": {"gateway": BackendState("a", 0)},
    "hold": {"coder": BackendState("hold", 3), "fim": BackendState("b", 0)},
}


class FakeProxy:
    """A proxy that says what it does, or does not answer."""

    silent = False

    def __init__(self, name: str) -> None:
        self.name = name

    def states(self) -> dict[str, BackendState]:
        if self.silent and self.name == "edge":
            raise CoderackError("HAProxy does not answer on its socket.", "look")
        return STATES[self.name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "systemctl", SYSTEMCTL)
    (tmp_path / "answer").write_text(SHOWN)
    monkeypatch.setenv("PATH", path_with(tmp_path))
    monkeypatch.setattr(status, "Proxy", FakeProxy)
    return tmp_path


def screen(capsys: pytest.CaptureFixture[str]) -> list[str]:
    # How wide the columns are is nobody's business here.
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(as_json=True) == 1
    document = json.loads(capsys.readouterr().out)
    assert [unit["Id"] for unit in document["units"]] == [
        "coderack-engine-coder.service",
        "coderack-hold.service",
    ]
    assert document["units"][0]["StatusText"] == "starting for 12 s, a=b"
    assert document["backends"] == [
        {"proxy": "edge", "backend": "gateway", "slot": "a", "waiting": 0},
        {"proxy": "hold", "backend": "coder", "slot": "hold", "waiting": 3},
        {"proxy": "hold", "backend": "fim", "slot": "b", "waiting": 0},
    ]


def test_screen_says_what_is_held(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(as_json=False) == 1
    assert screen(capsys) == [
        "coderack-engine-coder.service activating (start) restarts 3 starting for 12 s, a=b",
        "coderack-hold.service active (running) restarts 0 Ready.",
        "edge gateway open: slot a, 0 waiting",
        "hold coder HELD, 3 waiting",
        "hold fim open: slot b, 0 waiting",
    ]


def test_a_silent_proxy_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProxy, "silent", True)
    assert status.main(as_json=False) == 1
    assert "edge HAProxy does not answer on its socket." in screen(capsys)


@pytest.mark.parametrize(
    ("slot", "state", "code"), [("a", "active", 0), ("hold", "active", 1), ("a", "failed", 1)]
)
def test_the_exit_status_says_whether_all_is_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch, slot: str, state: str, code: int
) -> None:
    monkeypatch.setitem(STATES, "hold", {"coder": BackendState(slot, 0)})
    answer = folder / "answer"
    answer.write_text(SHOWN.replace("ActiveState=active\n", f"ActiveState={state}\n"))
    assert status.main(as_json=True) == code
