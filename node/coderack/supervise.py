"""Keep one container running for one systemd unit, and open its slot only while it serves.

The container runs detached. The supervisor watches its process through a pidfd, so a restart of
dockerd (with live-restore), or of the supervisor itself, leaves a healthy container alone: the next
supervisor finds it by its spec and attaches again. Every stop holds requests first, drains, and
only then signals the container.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import select
import signal
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from coderack import containers
from coderack.errors import CoderackError
from coderack.logs import LogFollower
from coderack.slots import Proxy

POLL_S = 0.5
PROBE_TIMEOUT_S = 5.0
DOCKER_PATIENCE_S = 60.0
SLOT_CHECK_S = 5.0


@dataclass(frozen=True)
class Service:
    """What a unit declares about its container.

    Attributes:
        container: Its name.
        proxy: Where its requests come from.
        backend: The backend in that proxy.
        slot: The slot that it fills.
        ready_url: Answers 200 once requests can be served.
        start_timeout_s: How long a start may take.
        drain_timeout_s: How long running requests may take to end before a stop.
        stop_grace_s: How long the container may take to end after SIGTERM.
        arguments: Of `docker create`: options, image, command.
    """

    container: str
    proxy: Proxy
    backend: str
    slot: str
    ready_url: str
    start_timeout_s: float
    drain_timeout_s: float
    stop_grace_s: int
    arguments: tuple[str, ...]

    @property
    def spec(self) -> str:
        """Changes with anything in the unit that would make another container."""
        return hashlib.sha256("\0".join(self.arguments).encode()).hexdigest()


class Supervisor:
    """Runs one `Service` until it is told to stop or the container ends."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._logs = LogFollower(service.container)

    def run(self) -> int:
        """Supervise; returns the exit status for systemd."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            pid = self._attach_or_start()
            with _pidfd(pid) as process:
                if not self._wait_ready(process):
                    return self._leave(process)
                notify("READY=1")
                self._keep_open(process)
                return self._leave(process)
        finally:
            self._logs.stop()

    def _attach_or_start(self) -> int:
        """Return the process id of a running container of this very spec."""
        service = self.service
        found = _with_patience(lambda: containers.inspect(service.container))
        from_start = True
        if found and found.running and found.spec == service.spec:
            say(f"attached to the running container {service.container}")
            from_start = False
        else:
            self._hold()
            if found:
                containers.remove(service.container)
            notify("STATUS=starting the container")
            containers.create(service.container, service.spec, list(service.arguments))
            containers.start(service.container)
        self._logs.start(from_start)
        now = containers.inspect(service.container)
        if now is None or not now.running:
            raise CoderackError(
                f"container {service.container} ended as soon as it was started"
                f" (exit status {now.exit_code if now else 'unknown'}).",
                f"docker logs {service.container}",
            )
        return now.pid

    def _wait_ready(self, process: int) -> bool:
        """Wait for `ready_url`; False when the process ended or a stop was asked for.

        Raises:
            CoderackError: the start took longer than it may; the container is stopped.
        """
        began = time.monotonic()
        while not answers(self.service.ready_url):
            if self._wait(process, POLL_S):
                return False
            spent = time.monotonic() - began
            notify(f"STATUS=starting for {spent:.0f} s")
            if spent > self.service.start_timeout_s:
                # An attached container may have its slot open.
                self._hold()
                self._stop_container()
                raise CoderackError(
                    f"{self.service.ready_url} did not answer 200 within"
                    f" {self.service.start_timeout_s:.0f} s.",
                    "read the container's log above",
                )
        say(f"ready after {time.monotonic() - began:.1f} s")
        return not self._stopping

    def _keep_open(self, process: int) -> None:
        """Open the slot, and again where the proxy no longer knows of it; until a reason to leave.

        A hold that somebody decided stays. One that comes from a lost journal, or from a proxy
        that did not answer, would otherwise last until a person notices.
        """
        opened = False
        while True:
            if not opened or self._lost():
                opened = self._open()
            if self._wait(process, SLOT_CHECK_S):
                return

    def _lost(self) -> bool:
        """Whether the slot is closed although nobody decided so."""
        service = self.service
        decided = service.proxy.decided().get(service.backend)
        if decided != service.slot:
            return decided is None
        try:
            # A reload beside a change can leave HAProxy behind its journal.
            return not service.proxy.is_open(service.backend, service.slot)
        except CoderackError:
            return True

    def _open(self) -> bool:
        try:
            self.service.proxy.set(self.service.backend, self.service.slot)
        except CoderackError as error:
            say(str(error))
            notify("STATUS=ready, but its requests are held")
            return False
        notify(f"STATUS=serving in slot {self.service.slot}")
        return True

    def _wait(self, process: int, timeout_s: float | None) -> bool:
        """Sleep until the process ends or a stop is asked for; False when time ran out first."""
        if self._stopping:
            return True
        readable, _, _ = select.select([process, self._wake_read], [], [], timeout_s)
        return bool(readable)

    def _leave(self, process: int) -> int:
        """End in order: after a stop request, or because the container ended by itself."""
        if self._stopping:
            notify("STOPPING=1", "STATUS=holding requests and draining")
            self._hold()
            if not self._drain():
                say(f"requests still ran after {self.service.drain_timeout_s:.0f} s")
            self._stop_container()
            return 0
        self._hold()
        ended = containers.inspect(self.service.container)
        status = f"exit status {ended.exit_code}" if ended else "removed"
        reason = ", out of memory" if ended and ended.oom_killed else ""
        say(f"the container ended by itself ({status}{reason}); requests are held")
        return 1

    def _hold(self) -> None:
        # A stop goes on without the proxy: with it gone, nothing can arrive either.
        try:
            self.service.proxy.set(self.service.backend, None)
        except CoderackError as error:
            say(str(error))

    def _drain(self) -> bool:
        service = self.service
        try:
            return service.proxy.drain(service.backend, service.slot, service.drain_timeout_s)
        except CoderackError as error:
            say(str(error))
            return True

    def _stop_container(self) -> None:
        containers.stop(self.service.container, self.service.stop_grace_s)

    def _on_sigterm(self, _signal: int, _frame: object) -> None:
        self._stopping = True
        os.write(self._wake_write, b"x")


def answers(url: str) -> bool:
    """Whether GET `url` gives 200 (plain HTTP, inside the node)."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def notify(*states: str) -> None:
    """Tell systemd (sd_notify); silent where systemd did not start the program."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.connect("\0" + address[1:] if address.startswith("@") else address)
        connection.sendall("\n".join(states).encode())


def say(text: str) -> None:
    """Print one line to the journal."""
    print(f"coderack: {text}", flush=True)


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise CoderackError(f"process {pid} of the container ended at once.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _with_patience(ask: Callable[[], containers.Container | None]) -> containers.Container | None:
    """Ask Docker again while it starts: at boot the unit does not wait for it."""
    deadline = time.monotonic() + DOCKER_PATIENCE_S
    while True:
        try:
            return ask()
        except CoderackError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
