"""The same journal and commands against a real HAProxy, with the configuration that is shipped."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from coderack.errors import CoderackError
from coderack.slots import BackendState, Proxy
from unit.node.node_fakes import Respond, Web, free_port, wait_for

REPOSITORY = Path(__file__).parents[3]
BOUND_S = 20


@pytest.fixture(scope="module", autouse=True)
def haproxy() -> str:
    """Find the program; tests install nothing."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not found:
        pytest.fail("no haproxy here, and these tests need the real one (apt-get install haproxy)")
    return found


def _configuration(front: int, a: int, b: int) -> str:
    """Fill the shipped templates by hand: Python 3.9 on a node has no Jinja."""
    hold = (REPOSITORY / "roles/hold/templates/haproxy.cfg.j2").read_text()
    defaults = hold[hold.index("\ndefaults") : hold.index("{% for")]
    defaults = re.sub(r"(?m)^    errorfile .*\n", "", defaults)
    defaults = defaults.replace("{{ hold_bound_s * 2 }}", str(2 * BOUND_S))
    defaults = defaults.replace("{{ hold_bound_s }}", str(BOUND_S))
    servers = (REPOSITORY / "templates/slots.cfg.j2").read_text()
    servers = servers[servers.index("#}") + 2 :]
    for name, value in {
        "'{'": "{",
        "'}'": "}",
        "slots.variable": "CODERACK_SLOT_CODER",
        "slots.addresses.a": f"127.0.0.1:{a}",
        "slots.addresses.b": f"127.0.0.1:{b}",
    }.items():
        servers = servers.replace("{{ " + name + " }}", value)
    assert "{{" not in defaults + servers
    return (
        f"global\n    maxconn 100\n{defaults}\n"
        f"frontend in_coder\n    bind 127.0.0.1:{front}\n    default_backend coder\n"
        f"backend coder\n{servers}"
    )


class Stand:
    """A hold with two engines behind it; `slow` requests wait until `finish` is set."""

    def __init__(self, program: str, folder: Path) -> None:
        self.proxy = Proxy("hold", folder / "state", folder / "run")
        self.finish = threading.Event()
        self.front = free_port()
        self.webs = {"a": Web(self._respond("a")), "b": Web(self._respond("b"))}
        self._clients = ThreadPoolExecutor(20)
        self._configuration = folder / "haproxy.cfg"
        ports = {slot: web.server_address[1] for slot, web in self.webs.items()}
        self._configuration.write_text(_configuration(self.front, **ports))
        self.proxy.render(["coder"])
        self._process = subprocess.Popen(
            [
                *(program, "-W", "-S", str(self.proxy.master.path)),
                *("-f", str(self.proxy.rendered), "-f", str(self._configuration)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._serving_pid()

    def ask(self, path: str = "/") -> Future[str]:
        """Send a request in the background; its result is the slot that answered."""
        url = f"http://127.0.0.1:{self.front}{path}"

        def get() -> str:
            with urllib.request.urlopen(url, timeout=BOUND_S) as answer:
                body: bytes = answer.read()
                return body.decode()

        return self._clients.submit(get)

    def held(self) -> int:
        """Count what is held, as `settle` does."""
        master = self.proxy.master
        return master.unserved(master.serving(), "coder", ("a", "b"))

    def running(self, slot: str) -> int:
        """Count what runs on a slot, as `drain` does."""
        return self.proxy.master.sessions("coder", slot)

    def ready(self) -> set[str]:
        """Return the servers that the serving worker may use."""
        master = self.proxy.master
        servers = master.servers(master.serving(), "coder")
        return {name for name in ("a", "b", "hold") if servers[name].ready}

    def reload(self) -> None:
        """Do what the unit's ExecReload does, and wait for the new worker."""
        self.proxy.render(["coder"])
        before = self.pid
        self._process.send_signal(signal.SIGUSR2)
        wait_for(lambda: self._serving_pid() != before, "a new worker")
        self.pid = self._serving_pid()

    def restart_engine(self, slot: str) -> None:
        """Listen again on the port that an engine had before it crashed."""
        self.webs[slot] = Web(self._respond(slot), self.webs[slot].server_address[1])

    def close(self) -> None:
        """End everything."""
        self.finish.set()
        self._process.terminate()
        self._process.wait(10)
        self._clients.shutdown()
        for web in self.webs.values():
            web.end()

    def _respond(self, slot: str) -> Respond:
        def respond(request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
            if request.path == "/slow":
                self.finish.wait(BOUND_S)
            return 200, slot.encode(), {}

        return respond

    def _serving_pid(self) -> int:
        deadline = time.monotonic() + 10
        while True:
            try:
                return self.proxy.master.serving().pid
            except CoderackError:
                assert self._process.poll() is None, "haproxy refused its configuration"
                assert time.monotonic() < deadline
                time.sleep(0.02)


@pytest.fixture
def stand(haproxy: str) -> Iterator[Stand]:
    # pytest's own folder is too long for a UNIX socket's name.
    with tempfile.TemporaryDirectory(prefix="coderack-") as folder:
        stand = Stand(haproxy, Path(folder))
        try:
            yield stand
        finally:
            stand.close()


def test_held_requests_are_answered_once_a_slot_opens(stand: Stand) -> None:
    asked = [stand.ask() for _ in range(10)]
    wait_for(lambda: stand.held() == 10, "ten held requests")
    # Most of its time a held request is on no server; settle must see it at every moment.
    for _ in range(20):
        with pytest.raises(CoderackError, match="still holds requests for coder"):
            stand.proxy.settle(["coder"], 0)
        time.sleep(0.01)
    assert not any(future.done() for future in asked)
    assert stand.proxy.states() == {"coder": BackendState("hold", 10)}
    stand.proxy.set("coder", "b")
    assert [future.result(10) for future in asked] == ["b"] * 10
    assert stand.proxy.states() == {"coder": BackendState("b", 0)}
    stand.proxy.settle(["coder"], 1)


def test_settle_does_not_wait_for_requests_that_run(stand: Stand) -> None:
    stand.proxy.set("coder", "a")
    slow = stand.ask("/slow")
    wait_for(lambda: stand.running("a") == 1, "a running request")
    stand.proxy.settle(["coder"], 1)
    assert not slow.done()


def test_a_crash_holds_and_recovers(stand: Stand) -> None:
    stand.proxy.set("coder", "a")
    assert stand.ask().result(10) == "a"
    stand.webs["a"].end()
    asked = [stand.ask() for _ in range(5)]
    wait_for(lambda: stand.held() == 5, "five held requests")
    # Longer than one try.
    time.sleep(1.3)
    assert not any(future.done() for future in asked)
    stand.restart_engine("a")
    assert [future.result(10) for future in asked] == ["a"] * 5


def test_a_crash_is_answered_by_the_other_slot(stand: Stand) -> None:
    stand.proxy.set("coder", "a")
    stand.webs["a"].end()
    asked = stand.ask()
    wait_for(lambda: stand.held() == 1, "a held request")
    stand.proxy.set("coder", "b")
    assert asked.result(10) == "b"
    stand.restart_engine("a")


@pytest.mark.parametrize(("slot", "ready"), [("a", {"a"}), ("b", {"b"}), (None, {"hold"})])
def test_a_reload_keeps_what_is_open(stand: Stand, slot: str | None, ready: set[str]) -> None:
    # The other state first: HAProxy's master keeps variables over a reload.
    stand.proxy.set("coder", "b" if slot != "b" else "a")
    stand.reload()
    stand.proxy.set("coder", slot)
    stand.reload()
    assert stand.ready() == ready


def test_a_cut_journal_holds(stand: Stand) -> None:
    stand.proxy.set("coder", "a")
    journal = stand.proxy.journal
    journal.write_bytes(journal.read_bytes()[:-20])
    stand.reload()
    assert stand.ready() == {"hold"}
    asked = stand.ask()
    wait_for(lambda: stand.held() == 1, "a held request")
    stand.proxy.set("coder", "a")
    assert asked.result(10) == "a"


@pytest.mark.parametrize("reloads", [0, 1, 2])
def test_drain_waits_for_requests_also_in_old_workers(stand: Stand, reloads: int) -> None:
    stand.proxy.set("coder", "a")
    slow = stand.ask("/slow")
    wait_for(lambda: stand.running("a") == 1, "a running request")
    for _ in range(reloads):
        stand.reload()
    stand.proxy.set("coder", "b")
    assert stand.ask().result(10) == "b"
    assert not stand.proxy.drain("coder", "a", 0.5)
    assert not slow.done()
    stand.finish.set()
    assert stand.proxy.drain("coder", "a", 5)
    assert slow.result(10) == "a"


def test_a_client_that_leaves_is_held_no_longer(stand: Stand) -> None:
    with socket.create_connection(("127.0.0.1", stand.front)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: hold\r\n\r\n")
        wait_for(lambda: stand.held() == 1, "a held request")
    wait_for(lambda: stand.held() == 0, "the request given up")
