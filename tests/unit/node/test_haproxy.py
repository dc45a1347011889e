"""What HAProxy 2.6 was seen to answer, after a reload and with a request held."""

from __future__ import annotations

from pathlib import Path

import pytest

from coderack import haproxy
from coderack.errors import CoderackError
from coderack.haproxy import Master, Server, Worker, parse_servers, parse_workers
from unit.node.node_fakes import OLD, PROC, SERVING, STAT, FakeMaster


def test_workers_after_a_reload() -> None:
    assert parse_workers(PROC) == [Worker(SERVING, old=False), Worker(OLD, old=True)]


def test_programs_are_no_workers() -> None:
    # The sections of `show proc` in HAProxy's management guide.
    program = "1244            foo             0               0d00h00m00s     -"
    text = f"{PROC.strip()}\n{program}\n# old programs\n{program}\n"
    assert parse_workers(text) == parse_workers(PROC)


@pytest.mark.parametrize("text", ["", "\n", "Permission denied\n"])
def test_no_workers(text: str) -> None:
    assert parse_workers(text) == []


def test_servers_with_one_draining_and_one_held() -> None:
    assert parse_servers(STAT) == {
        "a": Server("a", "MAINT", 1),
        "b": Server("b", "MAINT", 0),
        "hold": Server("hold", "no check", 0),
        "BACKEND": Server("BACKEND", "UP", 2),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No such proxy.\n\n",
        "Can't find the target PID matching the prefix '@!99999'\n",
        STAT.splitlines()[0] + "\n\n",
    ],
)
def test_no_servers(text: str) -> None:
    assert parse_servers(text) == {}


@pytest.mark.parametrize(
    ("status", "ready"),
    [("no check", True), ("UP", True), ("MAINT", False), ("MAINT (via x/y)", False)],
)
def test_ready(status: str, ready: bool) -> None:
    assert Server("a", status, 0).ready is ready


def test_sessions_of_all_workers(tmp_path: Path) -> None:
    fake = FakeMaster(tmp_path / "master.sock")
    fake.sessions.update({(SERVING, "a"): 2, (OLD, "a"): 3, (OLD, "b"): 1})
    assert Master(tmp_path / "master.sock").sessions("coder", "a") == 5
    fake.close()


def test_a_silent_haproxy_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeMaster(tmp_path / "hold" / "master.sock")
    monkeypatch.setattr(haproxy, "TIMEOUT_S", 0.1)
    fake.delay_s = 0.4
    with pytest.raises(CoderackError, match=r"timed out.*systemctl status coderack-hold"):
        Master(tmp_path / "hold" / "master.sock").workers()
    fake.close()
