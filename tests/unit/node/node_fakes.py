"""Stand-ins: HAProxy's master socket, small HTTP servers, commands first on PATH."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable

CAPTURED = Path(__file__).parent / "captured"
PROC = (CAPTURED / "show_proc_after_reload.txt").read_text(encoding="utf-8")
STAT = (CAPTURED / "show_stat_held.csv").read_text(encoding="utf-8")
SERVING, OLD = 19882, 19215
# Makes an answer: status, body, and headers besides the length.
Respond = Callable[[BaseHTTPRequestHandler], "tuple[int, bytes, dict[str, str]]"]


class FakeMaster:
    """Answers as the HAProxy that was captured did, keeps the servers' states, records commands.

    `sessions` holds, by worker and server (or BACKEND), what `show stat` reports as running.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.commands: list[str] = []
        self.proc = PROC
        self.states = {"a": "MAINT", "b": "MAINT", "hold": "no check"}
        self.sessions: dict[tuple[int, str], int] = {}
        self.disobeys = False
        self.delay_s = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(20)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def settings(self) -> list[str]:
        """The `set server` commands so far, without the worker."""
        return [
            command.partition("set server ")[2]
            for command in self.commands
            if "set server" in command
        ]

    def close(self) -> None:
        """Stop answering."""
        # A blocked accept() returns only after a shutdown.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            # Who asked may have given up.
            with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line = connection.makefile("r", encoding="utf-8").readline().strip()
                self.commands.append(line)
                time.sleep(self.delay_s)
                connection.sendall(self._answer(line).encode())

    def _answer(self, line: str) -> str:
        if line == "show proc":
            return self.proc
        match = re.match(r"@!(\d+) (.*)", line)
        assert match, line
        pid, command = int(match[1]), match[2]
        if not re.search(rf"(?m)^{pid} ", self.proc):
            return f"Can't find the target PID matching the prefix '@!{pid}'\n"
        if change := re.fullmatch(r"set server coder/(\w+) state (\w+)", command):
            if change[1] not in self.states:
                return "No such server.\n\n"
            if not self.disobeys:
                self.states[change[1]] = "MAINT" if change[2] == "maint" else "no check"
            return "\n"
        match = re.fullmatch(r"show stat (\w+) (\d+) -1", command)
        assert match, line
        return self._stat(pid, int(match[2])) if match[1] == "coder" else "No such proxy.\n\n"

    def _stat(self, pid: int, types: int) -> str:
        rows = list(csv.DictReader(io.StringIO(STAT[2:])))
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            if types & (2 if row["svname"] == "BACKEND" else 4):
                row["scur"] = str(self.sessions.get((pid, row["svname"]), 0))
                row["status"] = self.states.get(row["svname"], row["status"])
                writer.writerow(row)
        return f"# {text.getvalue()}\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer()

    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, Web)
        server.requests.append(self)
        try:
            status, body, headers = server.respond(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


class Web(ThreadingHTTPServer):
    """An HTTP server on a free loopback port; `respond` makes each answer."""

    daemon_threads = True

    def __init__(self, respond: Respond, port: int = 0) -> None:
        self.respond = respond
        self.requests: list[BaseHTTPRequestHandler] = []
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def end(self) -> None:
        """Close the port: whoever comes now is refused."""
        self.shutdown()
        self.server_close()


@contextlib.contextmanager
def serving(respond: Respond) -> Iterator[Web]:
    """Run a `Web` for a while."""
    web = Web(respond)
    try:
        yield web
    finally:
        web.end()


def free_port() -> int:
    """Return a loopback port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def install(folder: Path, name: str, program: str) -> None:
    """Put a Python program as the command `name` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    # -S -E: the fake starts for every call, and needs nothing but the standard library.
    file.write_text(f"#!{sys.executable} -SE\n{program}", encoding="utf-8")
    file.chmod(0o755)


def path_with(folder: Path) -> str:
    """Return a PATH that finds the commands of `folder` first."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 15.0) -> None:
    """Wait until `condition` holds, or fail the test."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)
