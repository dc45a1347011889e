"""The command line: what units write must arrive, and errors are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coderack import __main__ as program
from coderack import containers, probe, slots, supervise, weights
from coderack.errors import CoderackError

# As the unit's template has it.
RUN = [
    *("run", "coderack-engine-coder", "--proxy", "hold", "--backend", "coder", "--slot", "a"),
    *("--ready-url", "http://192.0.2.1:8000/health", "--start-timeout", "1800"),
    *("--drain-timeout", "600", "--stop-grace", "120", "--"),
    *("--network", "coderack", "--read-only", "--ulimit", "nofile=16384:16384"),
    *("--entrypoint", "/bin/sh", "vllm@sha256:1", "/release/start.sh"),
]
STAGE = [
    *("stage", "Qwen/Qwen2.5-Coder-7B", "f" * 40, "--store=/store"),
    *("--endpoint=https://hub.test/", "--ca-file=/ca", "--token-file=/token", "--uid=10017"),
    "--container=coderack-stage-f",
    *("--", "docker", "run", "--rm", "--user=1:1", "image", "download", "--revision=x"),
]


class _Seen(Exception):  # noqa: N818 - a way out of the program, not an error
    pass


def _see(*given: object) -> Any:
    raise _Seen(*given)


def test_run_as_units_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "Supervisor", _see)
    with pytest.raises(_Seen) as seen:
        program.main(RUN)
    assert seen.value.args == (
        supervise.Service(
            container="coderack-engine-coder",
            proxy=slots.Proxy("hold"),
            backend="coder",
            slot="a",
            ready_url="http://192.0.2.1:8000/health",
            start_timeout_s=1800.0,
            drain_timeout_s=600.0,
            stop_grace_s=120,
            arguments=tuple(RUN[RUN.index("--") + 1 :]),
        ),
    )


def test_stage_as_the_role_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(containers, "remove", removed.append)
    monkeypatch.setattr(weights, "stage", _see)
    with pytest.raises(_Seen) as seen:
        program.main(STAGE)
    assert seen.value.args == (
        weights.Model(Path("/store"), "Qwen/Qwen2.5-Coder-7B", "f" * 40),
        weights.Hub("https://hub.test", Path("/ca"), Path("/token")),
        10017,
        STAGE[STAGE.index("--") + 1 :],
    )
    assert removed == ["coderack-stage-f"]


def test_probe_as_timers_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "run", _see)
    unit = "coderack-engine-coder-fim.service"
    with pytest.raises(_Seen) as seen:
        program.main(["probe", unit, "--url", "u", "--model", "coder-fim", "--key-file", "/key"])
    state = Path("/var/lib/coderack/health/coder-fim.json")
    assert seen.value.args == (probe.Probe(unit, "u", Path("/key"), "coder-fim", state),)


@pytest.mark.parametrize(
    ("arguments", "method", "given"),
    [
        (["slot", "edge", "gateway", "b"], "set", ("gateway", "b")),
        (["slot", "hold", "coder", "hold"], "set", ("coder", None)),
        (["render", "hold", "coder", "fim"], "render", (["coder", "fim"],)),
        (["render", "hold"], "render", ([],)),
        (["settle", "hold", "coder"], "settle", (["coder"], 60.0)),
        (["settle", "hold", "--timeout", "5"], "settle", ([], 5.0)),
    ],
)
def test_slots(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], method: str, given: tuple[object, ...]
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(slots.Proxy, method, lambda *a: seen.extend(a))
    assert program.main(arguments) == 0
    assert seen == [slots.Proxy(arguments[1]), *given]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["slot", "hold", "coder", "c"],
        ["slot", "gateway", "coder", "a"],
        ["render", "other"],
        ["probe", "unit"],
        RUN[: RUN.index("--")],
        [*RUN[:4], *RUN[6:]],
        ["--slot", *RUN],
        [*STAGE[:3], *STAGE[4:]],
        STAGE[: STAGE.index("--")],
        [word.replace("10017", "root") for word in STAGE],
    ],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        program.main(arguments)
    assert left.value.code == 2
    assert "usage: coderack" in capsys.readouterr().err


def test_an_error_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise CoderackError("The disk is full.", "free space")

    monkeypatch.setattr(slots.Proxy, "render", fail)
    assert program.main(["render", "hold"]) == 1
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "coderack: The disk is full. Next: free space\n")


def test_verify_names_every_wrong_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong: list[str] = []
    monkeypatch.setattr(weights, "verify", lambda _: wrong)
    arguments = ["verify", "org/model", "f" * 40, "--store", "/store"]
    assert program.main(arguments) == 0
    wrong.extend(["a", "b/c"])
    assert program.main(arguments) == 1
    folder = f"/store/org--model/{'f' * 40}"
    assert capsys.readouterr().err == (
        f"coderack: {folder}/a is not as staged\ncoderack: {folder}/b/c is not as staged\n"
    )
