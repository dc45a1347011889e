"""Slow is not dead, and only an engine that is dead three times in a row is restarted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from coderack import probe
from coderack.probe import Probe
from unit.node.node_fakes import Web, free_port, install, path_with, serving

UNIT = "coderack-engine-coder.service"
SYSTEMCTL = """
import sys
from pathlib import Path
folder = Path(__file__).parent
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
print((folder / "answer").read_text())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "systemctl", SYSTEMCTL)
    (tmp_path / "answer").write_text("active")
    (tmp_path / "key").write_text("secret\n")
    monkeypatch.setenv("PATH", path_with(tmp_path))
    monkeypatch.setattr(probe, "TIMEOUT_S", 5)
    return tmp_path


@pytest.fixture
def engine() -> Iterator[Web]:
    with serving(lambda _: (200, b"{}", {})) as web:
        yield web


@pytest.fixture
def asked(folder: Path, engine: Web) -> Probe:
    return Probe(UNIT, engine.url, folder / "key", "coder", folder / "health" / "coder.json")


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def _state(asked: Probe) -> dict[str, object]:
    state: dict[str, object] = json.loads(asked.state.read_text())
    return state


@pytest.mark.parametrize(
    ("status", "verdict", "result"),
    [
        (200, "alive", 0),
        (400, "alive", 0),
        (401, "alive", 0),
        (429, "alive", 0),
        (499, "alive", 0),
        (500, "dead", 1),
        (503, "dead", 1),
    ],
)
def test_answers(asked: Probe, engine: Web, status: int, verdict: str, result: int) -> None:
    engine.respond = lambda _: (status, b"{}", {})
    assert probe.run(asked) == result
    assert _state(asked) == {
        "verdict": verdict,
        "seen": f"HTTP {status}",
        "dead_in_a_row": result,
    }


def test_one_token_is_asked_for(asked: Probe, engine: Web) -> None:
    seen: list[tuple[str, str]] = []

    def respond(request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
        seen.append((f"{request.command} {request.path}", request.headers["Authorization"]))
        return 200, b"{}", {}

    engine.respond = respond
    probe.run(asked)
    assert seen == [("POST /v1/completions", "Bearer secret")]


def _cut(request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    request.close_connection = True
    return 200, b"{", {"Content-Length": "1000"}


def _late(_: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    time.sleep(0.4)
    return 500, b"", {}


def test_a_cut_answer_is_dead(asked: Probe, engine: Web) -> None:
    engine.respond = _cut
    assert probe.run(asked) == 1
    assert str(_state(asked)["seen"]).startswith("IncompleteRead")


def test_a_refused_connection_is_dead(asked: Probe, folder: Path) -> None:
    refused = Probe(UNIT, f"http://127.0.0.1:{free_port()}", folder / "key", "coder", asked.state)
    assert probe.run(refused) == 1
    assert str(_state(asked)["seen"]).startswith("ConnectionRefusedError")


def test_slow_is_never_counted(
    asked: Probe, engine: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.1)
    # Python 3.9 has a name of its own for a socket's time-out.
    engine.respond = _late
    for _ in range(probe.DEAD_IN_A_ROW):
        assert probe.run(asked) == 0
    assert _state(asked)["verdict"] == "slow"
    assert _calls(folder) == [f"is-active {UNIT}"] * 3


@pytest.mark.parametrize("status", [200, None])
def test_dead_in_a_row_begins_anew(
    asked: Probe, engine: Web, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.respond = lambda _: (500, b"", {})
    assert [probe.run(asked) for _ in range(2)] == [1, 1]
    assert _state(asked)["dead_in_a_row"] == 2
    if status:
        engine.respond = lambda _: (status, b"", {})
    else:
        engine.respond = _late
        monkeypatch.setattr(probe, "TIMEOUT_S", 0.1)
    assert probe.run(asked) == 0
    assert _state(asked)["dead_in_a_row"] == 0


def test_the_third_dead_in_a_row_restarts(asked: Probe, engine: Web, folder: Path) -> None:
    engine.respond = lambda _: (500, b"", {})
    assert [probe.run(asked) for _ in range(3)] == [1, 1, 1]
    assert _calls(folder) == [
        *([f"is-active {UNIT}"] * 3),
        f"restart --no-block {UNIT}",
    ]
    # The new one gets its three chances.
    assert not asked.state.exists()
    assert probe.run(asked) == 1
    assert len(_calls(folder)) == 5


@pytest.mark.parametrize("active", ["activating", "deactivating", "inactive", "failed"])
def test_a_unit_that_is_not_active_is_not_probed(
    asked: Probe, engine: Web, folder: Path, active: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "answer").write_text(active)
    assert probe.run(asked) == 0
    assert engine.requests == []
    assert not asked.state.exists()
    assert capsys.readouterr().out == f"{UNIT} is {active}: not probed\n"


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"dead_in_a_row": null}', '{"dead_in_a_row": "x"}', "{}", "\x00" * 60],
)
def test_a_damaged_state_counts_as_never(asked: Probe, engine: Web, damage: str) -> None:
    asked.state.parent.mkdir()
    asked.state.write_text(damage)
    engine.respond = lambda _: (500, b"", {})
    assert probe.run(asked) == 1
    assert _state(asked)["dead_in_a_row"] == 1
