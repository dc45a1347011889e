"""Copy a container's log to the journal of its unit, where people look for it."""

from __future__ import annotations

import subprocess
import threading
import time

RETRY_S = 2.0


class LogFollower:
    """Runs `docker logs --follow`, and again whenever dockerd was restarted."""

    def __init__(self, container: str) -> None:
        self._container = container
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self, from_start: bool) -> None:
        """Follow in the background, from the container's first line or from now on."""
        since = 0.0 if from_start else time.time()
        self._thread = threading.Thread(target=self._follow, args=(since,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the last lines through, then end."""
        self._stopping.set()
        if self._process and self._thread:
            self._thread.join(timeout=RETRY_S)
            self._process.terminate()

    def _follow(self, since: float) -> None:
        while not self._stopping.is_set():
            command = ["docker", "logs", "--follow", "--since", f"{since:.3f}", self._container]
            began = time.monotonic()
            self._process = subprocess.Popen(command, stderr=subprocess.STDOUT)
            self._process.wait()
            # A short life means that dockerd was not there: what was not read is still to come.
            if time.monotonic() - began > RETRY_S:
                since = time.time()
            self._stopping.wait(RETRY_S)
