"""Helpers: run something on the node, run a playbook against it, send it requests."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUEST_TIMEOUT_S = 300.0
ENGINE_PROCESS = "docker inspect -f '{{.State.Pid}}' coderack-engine-coder"


@dataclass(frozen=True)
class Endpoint:
    """What `.demo/endpoint.json` says."""

    base_url: str
    api_key: str
    ca_file: str


@dataclass(frozen=True)
class Node:
    """The simulated node, reached through Docker."""

    name: str
    root: Path

    def run(self, command: str, check: bool = True) -> str:
        """Run a shell command on the node and return what it prints."""
        done = subprocess.run(
            ["docker", "exec", self.name, "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return (done.stdout + done.stderr).strip()

    def testbed(self, *arguments: str) -> None:
        """Run a command of the test bed."""
        subprocess.run(
            [self._python(), "-m", "testbed", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": "tests"},
            check=True,
            capture_output=True,
        )

    def playbook(
        self, path: str, extra: dict[str, Any] | None = None, *options: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook against the node."""
        return subprocess.run(
            [
                str(Path(self._python()).with_name("ansible-playbook")),
                *("-i", "inventory/demo", path),
                *("--extra-vars", json.dumps(extra or {})),
                *options,
            ],
            cwd=self.root,
            env={**os.environ, "PATH": f"{Path(self._python()).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def engine_process(self) -> str:
        """Return the process id of the engine's container."""
        return self.run(ENGINE_PROCESS)

    def wait_for(self, command: str, seconds: float) -> None:
        """Wait until a command succeeds on the node."""
        deadline = time.monotonic() + seconds
        while True:
            done = subprocess.run(
                ["docker", "exec", self.name, "sh", "-c", command], capture_output=True, check=False
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{command} did not succeed in {seconds} s"
            time.sleep(0.5)

    def _python(self) -> str:
        return str(self.root / ".venv" / "bin" / "python")


@dataclass(frozen=True)
class Answer:
    """One request as its client saw it; `fault` is empty when all was well."""

    kind: str
    seconds: float
    fault: str


KINDS: dict[str, tuple[str, str, bool]] = {
    "chat": ("/v1/chat/completions", "coder", False),
    "chat streamed": ("/v1/chat/completions", "coder", True),
    "messages": ("/v1/messages", "claude-sonnet-4-6", False),
    "messages streamed": ("/v1/messages", "claude-sonnet-4-6", True),
}


def ask(endpoint: Endpoint, kind: str) -> Answer:
    """Send one request and read the whole answer."""
    path, model, stream = KINDS[kind]
    body = {
        "model": model,
        "max_tokens": 40,
        "stream": stream,
        "messages": [{"role": "user", "content": "Please say hi"}],
    }
    began = time.monotonic()
    try:
        status, text = post(endpoint, path, body)
        fault = "" if status == 200 else f"HTTP {status}: {text[:300]}"
        if not fault:
            fault = _fault_in(text, path, stream)
    except (OSError, http.client.HTTPException) as error:
        fault = repr(error)
    return Answer(kind, time.monotonic() - began, fault)


def post(endpoint: Endpoint, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """POST a JSON body with the endpoint's key; returns status and text."""
    address = urllib.parse.urlsplit(endpoint.base_url)
    connection = http.client.HTTPSConnection(
        address.netloc,
        timeout=REQUEST_TIMEOUT_S,
        context=ssl.create_default_context(cafile=endpoint.ca_file),
    )
    headers = {"Authorization": f"Bearer {endpoint.api_key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _fault_in(text: str, path: str, stream: bool) -> str:
    if stream:
        last = "[DONE]" if path.endswith("completions") else "message_stop"
        whole = last in text and '"error"' not in text
    else:
        whole = "Hello from coderack." in text
    return "" if whole else f"not whole: {text[-300:]}"


@dataclass
class Load:
    """Clients that ask without a pause, one thread for each kind of request."""

    endpoint: Endpoint
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Load:
        """Start the clients and wait until each had an answer."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._loop, args=(kind,)) for kind in KINDS]
        for thread in self._threads:
            thread.start()
        while {answer.kind for answer in self.answers} != set(KINDS):
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the running requests end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _loop(self, kind: str) -> None:
        while not self._stop.is_set():
            self.answers.append(ask(self.endpoint, kind))

    @property
    def faults(self) -> list[Answer]:
        """The answers that were not whole."""
        return [answer for answer in self.answers if answer.fault]

    @property
    def longest_s(self) -> float:
        """The longest that a request took."""
        return max(answer.seconds for answer in self.answers)


@dataclass
class Once:
    """One request of each kind, sent on entering and waited for on leaving."""

    endpoint: Endpoint
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Once:
        """Send them."""
        self._threads = [threading.Thread(target=self._ask, args=(kind,)) for kind in KINDS]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for all answers."""
        for thread in self._threads:
            thread.join()

    def _ask(self, kind: str) -> None:
        self.answers.append(ask(self.endpoint, kind))
