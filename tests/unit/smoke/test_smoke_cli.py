"""The command line: keys, usage, exit status, and the three outputs."""

from __future__ import annotations

import io
import json
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from smoke_fake import CLIENT_KEY, ENGINE_KEY, WINDOW, Stack

from coderack.smoke import cli, report
from coderack.smoke.core import Asked, Result


@pytest.fixture
def base(stack: Stack, tmp_path: Path) -> list[str]:
    (tmp_path / "key").write_text(CLIENT_KEY + "\n")
    (tmp_path / "engine").write_text(ENGINE_KEY)
    return [
        *("--base-url", stack.url("edge"), "--api-key-file", str(tmp_path / "key")),
        *("--engine-url", stack.url("engine"), "--engine-key-file", str(tmp_path / "engine")),
        *("--hold-url", stack.url("hold"), "--gateway-url", stack.url("gateway")),
    ]


def test_all_passes(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / "out.json"), str(tmp_path / "out.xml")]
    more = ["--expect-window", str(WINDOW), "--json", files[0], "--junit", files[1]]
    assert cli.main([*base, *more]) == 0
    out = capsys.readouterr().out
    assert "31 passed, 0 failed, 1 skipped in " in out.splitlines()[-1]
    assert "\x1b" not in out
    assert 'get_weather({"city": "Paris"})' in out
    document = json.loads(Path(files[0]).read_text())
    assert document["schema"] == "coderack.smoke/1"
    assert (document["ok"], document["passed"], document["skipped"]) == (True, 31, 1)
    assert document["checks"][0]["reason"] == "the base URL is not https"
    assert document["model"] == "coder"
    suite = ET.parse(files[1]).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("32", "0", "1")


def test_a_failure_is_status_1_and_told_in_full(
    stack: Stack, base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.world.break_at("engine", "call-as-text")
    files = [str(tmp_path / "out.json"), str(tmp_path / "out.xml")]
    more = ["--only", "chat-tool,chat", "--json", files[0], "--junit", files[1]]
    assert cli.main([*base, *more]) == 1
    out = capsys.readouterr().out
    assert "FAIL  chat-tool" in out
    assert "layer     engine" in out
    assert "next      journalctl -u coderack-engine-coder" in out
    assert "--tool-call-parser does not fit the model" in out
    assert "1 passed, 1 failed, 0 skipped" in out
    document = json.loads(Path(files[0]).read_text())
    assert document["ok"] is False
    chat, tool = document["checks"]
    assert chat["failure"] is None
    assert tool["failure"]["layer"] == "engine"
    assert tool["failure"]["suspects"] == ["engine"]
    assert [one["layer"] for one in tool["failure"]["asked"]] == [
        *("edge", "engine", "hold", "gateway"),
    ]
    failure = ET.parse(files[1]).getroot().find("testcase/failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("engine: ")
    assert "expected: one call of get_weather" in (failure.text or "")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--only", "chat-tol"], "there is no check chat-tol; did you mean chat-tool?"),
        (["--only", ","], "--only names no check"),
        (["--base-url", "localhost:1"], "--base-url localhost:1: not an http or https URL"),
        (["--base-url", "http://h:99999"], "not an http or https URL"),
        (["--base-url", "https://h/v1"], "without /v1"),
        (["--base-url", "http://127.0.0.1:1"], "cannot reach http://127.0.0.1:1"),
        (["--base-url", "http://no-such-host.invalid"], "cannot reach"),
        (["--api-key-file", "/no/such/file"], "cannot read the key file /no/such/file"),
        (["--ca-file", "/no/such/file"], "--ca-file /no/such/file"),
        (["--only", "chat", "--json", "/no/such/dir/x"], "cannot write /no/such/dir/x"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    base: list[str], more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*base, *more]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_nothing_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "give --base-url" in capsys.readouterr().err


def test_an_unknown_option_is_status_2() -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--api-key", "secret"])
    assert stop.value.code == 2


@pytest.mark.parametrize("source", ["environment", "stdin"])
def test_the_key_without_a_file(stack: Stack, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["--base-url", stack.url("edge"), "--only", "chat"]
    if source == "environment":
        monkeypatch.setenv("CODERACK_API_KEY", CLIENT_KEY)
    else:
        monkeypatch.delenv("CODERACK_API_KEY", raising=False)
        monkeypatch.setattr("sys.stdin", io.StringIO(CLIENT_KEY + "\n"))
        args += ["--api-key-file", "-"]
    assert cli.main(args) == 0


def test_no_key_at_all(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CODERACK_API_KEY", raising=False)
    assert cli.main(["--base-url", stack.url("edge")]) == 2
    assert "no client key" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "two keys", "one\ntwo", "kéy"])
def test_a_key_file_that_holds_no_key(
    stack: Stack, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(text, encoding="utf-8")
    args = ["--base-url", stack.url("edge"), "--api-key-file", str(tmp_path / "key")]
    assert cli.main(args) == 2
    assert "does not hold one key" in capsys.readouterr().err


def test_a_port_that_accepts_and_hangs_up_is_the_edges_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERACK_API_KEY", "x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        assert cli.main(["--base-url", url, "--only", "edge-tls", "--timeout", "0.1"]) == 1
    assert "layer     edge" in capsys.readouterr().out


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 32


def test_colours_are_for_terminals() -> None:
    out = io.StringIO()
    result = Result("x", "X", "fail", 0.1, expected="a", seen="b", layer="none")
    report.Table(out, colour=True, width=3).row(result)
    assert "\x1b[31mFAIL\x1b[0m" in out.getvalue()
    assert "the same question passed when it was asked again" in out.getvalue()


def test_control_characters_do_not_break_the_xml() -> None:
    asked = (Asked("edge", "fail", "\x00\x1b[0m"),)
    result = Result("x", "X", "fail", 0.1, seen="\x00\ud800 <&>", layer="edge", asked=asked)
    root = ET.fromstring(report.as_junit([result], 0.1))
    assert root[0][0].get("message") == "edge: ?? <&>"
