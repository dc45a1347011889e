"""Which slot of each backend may take requests: journal first, HAProxy second.

A backend has the servers `a`, `b` and `hold`, of which one alone is ready. `hold` is a port where
nothing listens: a request is retried against it, one try a second, until a slot opens. (With a
second server ready HAProxy alternates between the two without that pause, and has used up its
retries in a moment.) The journal says which slot is open. Whatever it does not say for certain
(no file, a cut file, an unknown name) means: held.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from coderack.errors import CoderackError
from coderack.files import locked, write_atomic
from coderack.haproxy import Master

STATE = Path("/var/lib/coderack/slots")
RUN = Path("/run/coderack")
SLOTS = ("a", "b")
HOLD = "hold"
DRAINED_SAMPLES = 3
SAMPLE_INTERVAL_S = 0.2


def variable(backend: str) -> str:
    """Name of the variable by which the HAProxy configuration learns a backend's open slot."""
    return "CODERACK_SLOT_" + backend.upper().replace("-", "_").replace(".", "_")


@dataclass(frozen=True)
class BackendState:
    """The open slot or `hold`, and how many requests wait."""

    slot: str
    waiting: int


@dataclass(frozen=True)
class Proxy:
    """One HAProxy of coderack (`hold` or `edge`) and the journal of its slots."""

    name: str
    state: Path = STATE
    run: Path = RUN

    @property
    def journal(self) -> Path:
        """The file that says which slots are open."""
        return self.state / f"{self.name}.json"

    @property
    def rendered(self) -> Path:
        """The configuration file that hands the journal to HAProxy at a start or reload."""
        return self.run / self.name / "slots.cfg"

    @property
    def master(self) -> Master:
        """The running HAProxy."""
        return Master(self.run / self.name / "master.sock")

    def open_slots(self) -> dict[str, str]:
        """Return the open slot by backend; a journal that cannot be trusted opens none."""
        return {backend: slot for backend, slot in self.decided().items() if slot != HOLD}

    def decided(self) -> dict[str, str]:
        """Return a slot or `hold` for each backend; of one that is missing, nothing is known."""
        try:
            document = json.loads(self.journal.read_text(encoding="utf-8"))
            slots = document["slots"]
            if document["sha256"] != _digest(slots):
                return {}
            return {backend: slot for backend, slot in slots.items() if slot in (*SLOTS, HOLD)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def render(self, backends: list[str]) -> None:
        """Write `rendered` from the journal, with a line for every backend.

        HAProxy's master keeps variables over a reload, so a held backend is said too.
        """
        slots = self.open_slots()
        lines = [f"    setenv {variable(name)} {slots.get(name, HOLD)}" for name in backends]
        write_atomic(self.rendered, "\n".join(["global", *lines, ""]))

    def set(self, backend: str, slot: str | None) -> None:
        """Open `slot` of `backend` and close the other, or hold every request with None.

        Raises:
            CoderackError: HAProxy does not answer or does not obey; the journal is then already
                written, and HAProxy follows it at its next start or reload.
        """
        with locked(self.state / f"{self.name}.lock"):
            server = slot or HOLD
            slots = {**self.decided(), backend: server}
            document = {"slots": slots, "sha256": _digest(slots)}
            write_atomic(self.journal, json.dumps(document, indent=2) + "\n")
            self.master.set_ready(backend, server, True)
            for other in {*SLOTS, HOLD} - {server}:
                self.master.set_ready(backend, other, False)

    def drain(self, backend: str, slot: str, timeout_s: float) -> bool:
        """Wait until no request runs on `slot`, in any worker, in three samples running.

        Returns:
            False when requests still ran after `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        clear = 0
        while True:
            clear = clear + 1 if self.master.sessions(backend, slot) == 0 else 0
            if clear == DRAINED_SAMPLES:
                return True
            # Samples that are clear so far may become enough, also with no time left.
            if not clear and time.monotonic() > deadline:
                return False
            time.sleep(SAMPLE_INTERVAL_S)

    def is_open(self, backend: str, slot: str) -> bool:
        """Whether HAProxy sends the requests of `backend` to `slot` at this moment.

        Raises:
            CoderackError: HAProxy does not answer.
        """
        server = self.master.servers(self.master.serving(), backend).get(slot)
        return server is not None and server.ready

    def states(self) -> dict[str, BackendState]:
        """Return what HAProxy does with the requests of each backend at this moment."""
        worker = self.master.serving()
        found = {}
        for name in sorted(self.master.backends(HOLD)):
            servers = self.master.servers(worker, name)
            ready = [slot for slot in SLOTS if slot in servers and servers[slot].ready]
            waiting = self.master.unserved(worker, name, SLOTS)
            found[name] = BackendState(ready[0] if ready else HOLD, waiting)
        return found

    def settle(self, backends: list[str], timeout_s: float) -> None:
        """Wait until no request of these backends is held by the serving worker.

        Raises:
            CoderackError: requests were still held after `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while held := self._held(backends):
            if time.monotonic() > deadline:
                raise CoderackError(
                    f"{self.name} still holds requests for {', '.join(held)}; a reload now would"
                    " strand them.",
                    "coderack status, and reload once these serve",
                )
            time.sleep(SAMPLE_INTERVAL_S)

    def _held(self, backends: list[str]) -> list[str]:
        worker = self.master.serving()
        return [name for name in backends if self.master.unserved(worker, name, SLOTS) > 0]


def _digest(slots: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(slots, sort_keys=True).encode()).hexdigest()
