"""One container for one unit: what is held, drained, stopped and started, and in which order."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable

import pytest

from coderack import containers, logs, supervise
from coderack.errors import CoderackError
from coderack.slots import Proxy
from coderack.supervise import Service, Supervisor
from unit.node import fake_docker
from unit.node.node_fakes import Web, install, path_with, serving, wait_for

NAME = "coderack-engine-coder"
ARGUMENTS = ("--network", "x", "vllm@sha256:1", "serve")


@dataclass(frozen=True)
class FakeProxy(Proxy):
    """Writes down what it is told, beside what Docker is told."""

    events: Path = Path()
    fails: set[str] = field(default_factory=set)
    drains: bool = True
    known: dict[str, str] = field(default_factory=dict)

    def set(self, backend: str, slot: str | None) -> None:
        self._say(f"slot {backend} {slot or 'hold'}")
        if "set" in self.fails:
            raise CoderackError("HAProxy does not answer.")
        self.known[backend] = slot or "hold"

    def decided(self) -> dict[str, str]:
        return dict(self.known)

    def is_open(self, backend: str, slot: str) -> bool:
        if "is_open" in self.fails:
            raise CoderackError("HAProxy does not answer.")
        return "behind" not in self.fails

    def drain(self, backend: str, slot: str, timeout_s: float) -> bool:
        self._say(f"drain {backend} {slot} {timeout_s:.0f}")
        if "drain" in self.fails:
            raise CoderackError("HAProxy does not answer.")
        return self.drains

    def _say(self, event: str) -> None:
        with self.events.open("a") as events:
            events.write(f"{event}\n")


@dataclass
class Stand:
    """A supervisor's world."""

    folder: Path
    web: Web
    service: Service
    proxy: FakeProxy
    ready: bool = True

    @property
    def events(self) -> list[str]:
        return self.proxy.events.read_text().splitlines() if self.proxy.events.exists() else []

    @property
    def short(self) -> list[str]:
        """Events without the arguments of Docker's commands."""
        return [" ".join(e.split()[:2]) if e.startswith("docker") else e for e in self.events]

    @property
    def pid(self) -> int:
        file = self.folder / f"{NAME}.container"
        return int(json.loads(file.read_text())["pid"]) if file.exists() else 0

    def start_container(self, service: Service | None = None) -> int:
        """Leave a container as an earlier supervisor does that was killed; forget the events."""
        containers.create(NAME, (service or self.service).spec, list(ARGUMENTS))
        containers.start(NAME)
        self.proxy.events.unlink()
        return self.pid

    def run(self, **changes: object) -> int:
        service = replace(self.service, **changes)  # type: ignore[arg-type]
        return Supervisor(service).run()


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    folder = tmp_path / "docker"
    install(folder, "docker", Path(fake_docker.__file__).read_text())
    monkeypatch.setenv("PATH", path_with(folder))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr(supervise, "POLL_S", 0.03)
    monkeypatch.setattr(supervise, "DOCKER_PATIENCE_S", 0.3)
    monkeypatch.setattr(logs, "RETRY_S", 0.1)
    quick = types.SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: time.sleep(0.03))
    monkeypatch.setattr(supervise, "time", quick)
    before = signal.getsignal(signal.SIGTERM)
    with serving(lambda _: (200 if made.ready else 503, b"", {})) as web:
        proxy = FakeProxy("hold", events=folder / "events")
        service = Service(NAME, proxy, "coder", "a", f"{web.url}/health", 20, 30, 7, ARGUMENTS)
        made = Stand(folder, web, service, proxy)
        yield made
    signal.signal(signal.SIGTERM, before)
    for file in folder.glob("*.container"):
        fake_docker.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)


def _when(condition: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Act from beside the supervisor, which owns the main thread and its signals."""

    def wait() -> None:
        wait_for(condition, "what the test waits for")
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_whole_life(stand: Stand) -> None:
    _when(lambda: "slot coder a" in stand.events, _terminate)
    assert stand.run() == 0
    spec = stand.service.spec
    assert stand.events == [
        "slot coder hold",
        f"docker create --name {NAME} --label coderack.spec={spec} --restart no --pull never"
        f" {' '.join(ARGUMENTS)}",
        f"docker start {NAME}",
        "slot coder a",
        "slot coder hold",
        "drain coder a 30",
        f"docker stop --time 7 {NAME}",
    ]
    assert not fake_docker.alive(stand.pid)


def test_a_slot_opens_only_when_the_container_answers(stand: Stand) -> None:
    stand.ready = False

    def answer() -> None:
        assert "slot coder a" not in stand.events
        stand.ready = True

    _when(lambda: len(stand.web.requests) > 3, answer)
    _when(lambda: "slot coder a" in stand.events, _terminate)
    assert stand.run() == 0
    assert len(stand.web.requests) > 3
    assert stand.short[2:4] == ["docker start", "slot coder a"]


def test_a_stop_while_it_starts_never_opens(stand: Stand) -> None:
    stand.ready = False
    _when(lambda: len(stand.web.requests) > 1, _terminate)
    assert stand.run() == 0
    assert stand.short == [
        *("slot coder hold", "docker create", "docker start"),
        *("slot coder hold", "drain coder a 30", "docker stop"),
    ]


def test_a_container_that_dies_is_held(stand: Stand, capfd: pytest.CaptureFixture[str]) -> None:
    (stand.folder / "oom").touch()
    _when(lambda: "slot coder a" in stand.events, lambda: os.kill(stand.pid, signal.SIGKILL))
    assert stand.run() == 1
    assert stand.short[-2:] == ["slot coder a", "slot coder hold"]
    assert (
        "the container ended by itself (exit status 137, out of memory); requests are held"
        in capfd.readouterr().out
    )


def test_a_container_that_dies_while_it_starts(stand: Stand) -> None:
    stand.ready = False
    _when(lambda: stand.web.requests, lambda: os.kill(stand.pid, signal.SIGKILL))
    assert stand.run() == 1
    assert "slot coder a" not in stand.events


def test_a_container_that_someone_removed(stand: Stand, capfd: pytest.CaptureFixture[str]) -> None:
    _when(lambda: "slot coder a" in stand.events, lambda: containers.remove(NAME))
    assert stand.run() == 1
    assert "the container ended by itself" in capfd.readouterr().out


def test_a_supervisor_attaches_to_its_own_container(stand: Stand) -> None:
    pid = stand.start_container()
    _when(lambda: stand.events, _terminate)
    assert stand.run() == 0
    # No hold before, and no container made.
    assert stand.short == [*("slot coder a", "slot coder hold", "drain coder a 30", "docker stop")]
    assert stand.pid == pid


def test_an_attached_container_that_dies_is_held(stand: Stand) -> None:
    pid = stand.start_container()
    _when(lambda: stand.events, lambda: os.kill(pid, signal.SIGKILL))
    assert stand.run() == 1
    assert stand.short == ["slot coder a", "slot coder hold"]


def test_another_spec_replaces_the_container(stand: Stand) -> None:
    pid = stand.start_container(replace(stand.service, arguments=("other",)))
    _when(lambda: "slot coder a" in stand.events, _terminate)
    assert stand.run() == 0
    assert stand.short[:5] == [
        *("slot coder hold", "docker rm", "docker create", "docker start", "slot coder a")
    ]
    assert not fake_docker.alive(pid)


def test_a_dead_container_is_replaced(stand: Stand) -> None:
    os.kill(stand.start_container(), signal.SIGKILL)
    _when(lambda: "slot coder a" in stand.events, _terminate)
    assert stand.run() == 0
    assert stand.short[:3] == ["slot coder hold", "docker rm", "docker create"]


def test_a_container_with_a_similar_name_is_another(stand: Stand) -> None:
    # Docker's filter is a regular expression, in which a dot is any character.
    stand.start_container()
    assert containers.inspect(NAME)
    assert containers.inspect(NAME.replace("-", ".")) is None
    assert containers.inspect(NAME[:-1]) is None
    assert containers.inspect(NAME[1:]) is None


@pytest.mark.parametrize("attached", [False, True])
def test_never_ready_is_held_and_stopped(stand: Stand, attached: bool) -> None:
    stand.ready = False
    if attached:
        stand.start_container()
    with pytest.raises(CoderackError, match=r"/health did not answer 200 within 0 s.*log above"):
        stand.run(start_timeout_s=0.1)
    # An attached container may have its slot open.
    assert stand.short[-2:] == ["slot coder hold", "docker stop"]
    assert not fake_docker.alive(stand.pid)


def test_a_container_that_ends_at_once(stand: Stand) -> None:
    (stand.folder / "exits").write_text("3")
    with pytest.raises(CoderackError, match=r"as soon as it was started \(exit status 3\).*logs"):
        stand.run()
    assert "slot coder a" not in stand.events


def test_docker_says_no(stand: Stand) -> None:
    # The name is taken, so to say: Docker's own words reach the person.
    install(stand.folder, "docker", "import sys\nsys.exit(sys.argv[1] != 'ps' and 'no such image')")
    with pytest.raises(CoderackError, match="docker create failed: no such image"):
        stand.run()


def test_docker_that_comes_up_late_is_awaited(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "DOCKER_PATIENCE_S", 20)
    (stand.folder / "down").touch()
    timer = threading.Timer(0.15, (stand.folder / "down").unlink)
    timer.start()
    _when(lambda: "slot coder a" in stand.events, _terminate)
    assert stand.run() == 0


def test_docker_that_never_comes_up(stand: Stand) -> None:
    (stand.folder / "down").touch()
    with pytest.raises(CoderackError, match="docker ps failed: Cannot connect to the Docker"):
        stand.run()
    # Nobody knows whether the container runs and serves: nothing was touched.
    assert stand.events == []


def test_docker_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CoderackError, match="docker is not installed"):
        containers.inspect(NAME)


def test_docker_hangs(stand: Stand) -> None:
    install(stand.folder, "docker", "import time\ntime.sleep(5)")
    with pytest.raises(CoderackError, match="docker ps gave no answer in 0 s"):
        containers.docker("ps", timeout_s=0.2)


@pytest.mark.parametrize("fails", ["set", "drain"])
def test_a_stop_goes_on_without_the_proxy(stand: Stand, fails: str) -> None:
    def stop() -> None:
        stand.proxy.fails.add(fails)
        _terminate()

    _when(lambda: "slot coder a" in stand.events, stop)
    assert stand.run() == 0
    assert stand.short[-3:] == ["slot coder hold", "drain coder a 30", "docker stop"]


def test_a_slot_opens_once_the_proxy_answers(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "SLOT_CHECK_S", 0.05)
    stand.proxy.fails.add("set")

    def tries() -> int:
        return stand.events.count("slot coder a")

    def answer() -> None:
        stand.proxy.fails.clear()
        before = tries()
        _when(lambda: tries() > before, _terminate)

    _when(lambda: tries() >= 2, answer)
    assert stand.run() == 0
    assert stand.proxy.known == {"coder": "hold"}


def test_a_lost_journal_is_written_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "SLOT_CHECK_S", 0.05)

    def forget() -> None:
        stand.proxy.known.clear()
        _when(lambda: stand.proxy.known == {"coder": "a"}, _terminate)

    _when(lambda: stand.proxy.known == {"coder": "a"}, forget)
    assert stand.run() == 0
    assert stand.events.count("slot coder a") == 2


def test_a_proxy_behind_its_journal_is_told_again(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "SLOT_CHECK_S", 0.05)

    def fall_behind() -> None:
        stand.proxy.fails.add("behind")
        _when(lambda: stand.events.count("slot coder a") >= 2, _terminate)

    _when(lambda: stand.proxy.known == {"coder": "a"}, fall_behind)
    assert stand.run() == 0


@pytest.mark.parametrize("fails", [set(), {"is_open"}])
def test_a_hold_that_somebody_decided_stays(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, fails: set[str]
) -> None:
    """Also while the proxy is away: what it does then says nothing about what was decided."""
    monkeypatch.setattr(supervise, "SLOT_CHECK_S", 0.05)

    def hold() -> None:
        stand.proxy.known["coder"] = "hold"
        stand.proxy.fails.update(fails)
        time.sleep(0.3)
        _terminate()

    _when(lambda: stand.proxy.known == {"coder": "a"}, hold)
    assert stand.run() == 0
    assert stand.events.count("slot coder a") == 1


def test_requests_that_do_not_end_are_said(stand: Stand, capfd: pytest.CaptureFixture[str]) -> None:
    service = replace(stand.service, proxy=replace(stand.proxy, drains=False))
    _when(lambda: "slot coder a" in stand.events, _terminate)
    assert Supervisor(service).run() == 0
    assert "requests still ran after 30 s" in capfd.readouterr().out
    assert stand.short[-1] == "docker stop"


def test_systemd_is_told(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(stand.folder / "notify"))
        systemd.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(stand.folder / "notify"))
        _when(lambda: "slot coder a" in stand.events, _terminate)
        stand.run()
        told = [systemd.recv(1000).decode() for _ in range(4)]
    assert told == [
        "STATUS=starting the container",
        "READY=1",
        "STATUS=serving in slot a",
        "STOPPING=1\nSTATUS=holding requests and draining",
    ]


@pytest.mark.parametrize("attached", [False, True])
def test_the_containers_log_reaches_the_journal(
    stand: Stand, attached: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    if attached:
        stand.start_container()
    seen: list[str] = []

    def logged() -> bool:
        seen.append(capfd.readouterr().out)
        return f"log of {NAME}" in "".join(seen)

    _when(logged, _terminate)
    assert stand.run() == 0
    # From the first line of a new container; an attached one's was copied before.
    first = f"log of {NAME} ['--since', '0.000']" in "".join(seen)
    assert first is not attached


@pytest.mark.parametrize(
    ("changed", "same"),
    [({"arguments": ("other",)}, False), ({"arguments": ("a b",)}, False), ({"slot": "b"}, True)],
)
def test_spec(stand: Stand, changed: dict[str, object], same: bool) -> None:
    other = replace(stand.service, **changed)  # type: ignore[arg-type]
    assert (other.spec == stand.service.spec) is same


def test_spec_keeps_arguments_apart(stand: Stand) -> None:
    one, two = (replace(stand.service, arguments=a) for a in (("a", "b"), ("a b",)))
    assert one.spec != two.spec


def test_answers(stand: Stand) -> None:
    assert supervise.answers(stand.service.ready_url)
    stand.ready = False
    assert not supervise.answers(stand.service.ready_url)
    stand.web.end()
    assert not supervise.answers(stand.service.ready_url)
