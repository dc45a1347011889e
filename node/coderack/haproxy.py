"""HAProxy's master socket: ask and steer every worker, also the ones a reload left behind."""

from __future__ import annotations

import csv
import io
import socket
from dataclasses import dataclass
from pathlib import Path

from coderack.errors import CoderackError

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Worker:
    """One worker process; `old` ones finish their requests after a reload."""

    pid: int
    old: bool


@dataclass(frozen=True)
class Server:
    """One `server` line as a worker sees it."""

    name: str
    status: str
    sessions: int

    @property
    def ready(self) -> bool:
        """Whether requests may be sent to it; servers without checks report `no check`."""
        return not self.status.startswith("MAINT")


class Master:
    """The master process of one HAProxy, reached over its CLI socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, line: str) -> str:
        """Send one line and return the answer.

        Raises:
            CoderackError: nobody listens, or the answer did not come.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(TIMEOUT_S)
                connection.connect(str(self.path))
                connection.sendall(line.encode() + b"\n")
                connection.shutdown(socket.SHUT_WR)
                parts: list[bytes] = []
                while True:
                    part = connection.recv(65536)
                    if not part:
                        return b"".join(parts).decode()
                    parts.append(part)
        except OSError as error:
            unit = f"coderack-{self.path.parent.name}"
            raise CoderackError(
                f"HAProxy does not answer on {self.path}: {error}.", f"systemctl status {unit}"
            ) from error

    def workers(self) -> list[Worker]:
        """Return the serving worker first, then the old ones."""
        return parse_workers(self.command("show proc"))

    def serving(self) -> Worker:
        """Return the worker that takes new requests.

        Raises:
            CoderackError: there is none at this moment.
        """
        for worker in self.workers():
            if not worker.old:
                return worker
        unit = f"coderack-{self.path.parent.name}"
        raise CoderackError("HAProxy has no serving worker.", f"systemctl status {unit}")

    def servers(self, worker: Worker, backend: str) -> dict[str, Server]:
        """Return the servers of `backend` as `worker` sees them, and itself as `BACKEND`."""
        answer = self.command(f"@!{worker.pid} show stat {backend} 6 -1")
        return parse_servers(answer)

    def backends(self, server: str) -> list[str]:
        """Return the names of the backends that have a server of this name."""
        text = self.command(f"@!{self.serving().pid} show stat -1 4 -1")
        rows = csv.DictReader(io.StringIO(text.lstrip("# ")))
        return [row["pxname"] for row in rows if row.get("svname") == server and row["pxname"]]

    def set_ready(self, backend: str, server: str, ready: bool) -> None:
        """Let the serving worker use `server`, or stop it from doing so; read back.

        Raises:
            CoderackError: HAProxy says no, or says something else afterwards.
        """
        state = "ready" if ready else "maint"
        worker = self.serving()
        answer = self.command(f"@!{worker.pid} set server {backend}/{server} state {state}")
        seen = self.servers(worker, backend).get(server)
        if seen is None or seen.ready != ready:
            raise CoderackError(
                f"HAProxy did not set {backend}/{server} to {state}: {answer.strip() or seen}.",
                f"systemctl reload coderack-{self.path.parent.name}",
            )

    def unserved(self, worker: Worker, backend: str, servers: tuple[str, ...]) -> int:
        """Count the requests of `backend` that run on none of `servers`.

        A request that waits for its next try is on no server at all, so none of them counts it.
        """
        rows = self.servers(worker, backend)
        if "BACKEND" not in rows:
            return 0
        return rows["BACKEND"].sessions - sum(rows[n].sessions for n in servers if n in rows)

    def sessions(self, backend: str, server: str) -> int:
        """Count the sessions that run on `server`, in the serving and in old workers."""
        total = 0
        for worker in self.workers():
            seen = self.servers(worker, backend).get(server)
            total += seen.sessions if seen else 0
        return total


def parse_workers(text: str) -> list[Worker]:
    """Parse the answer to `show proc`."""
    workers = []
    old = False
    for line in text.splitlines():
        if line.startswith("#"):
            old = line.startswith("# old")
            continue
        fields = line.split()
        if len(fields) >= 2 and fields[1] == "worker":
            workers.append(Worker(pid=int(fields[0]), old=old))
    return workers


def parse_servers(text: str) -> dict[str, Server]:
    """Parse the answer to `show stat` (CSV with a leading `# `)."""
    rows = csv.DictReader(io.StringIO(text.lstrip("# ")))
    return {
        row["svname"]: Server(row["svname"], row["status"], int(row["scur"] or 0))
        for row in rows
        if row.get("svname") and row.get("status")
    }
