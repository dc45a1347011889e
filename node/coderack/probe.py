"""Ask an engine for one token; restart it only when it is certainly dead.

Slow is not dead: an engine that is busy with long prompts answers late, and a restart would make it
worse. Only an answer that a living engine does not give counts: a refused connection or a 5xx.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from coderack.files import write_atomic

DEAD_IN_A_ROW = 3
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Verdict:
    """Of one probe: `alive`, `slow` or `dead`, and what was seen."""

    name: str
    seen: str


@dataclass(frozen=True)
class Probe:
    """What to ask, and the unit that answers for it."""

    unit: str
    url: str
    key_file: Path
    model: str
    state: Path


def ask_for_one_token(probe: Probe) -> Verdict:
    """Send one completion of one token straight to the engine."""
    parts = urllib.parse.urlsplit(probe.url)
    key = probe.key_file.read_text(encoding="utf-8").strip()
    body = json.dumps({"model": probe.model, "prompt": "ping", "max_tokens": 1})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/v1/completions", body, headers)
        answer = connection.getresponse()
        answer.read()
    except socket.timeout:  # the name of TimeoutError before Python 3.10
        return Verdict("slow", f"no token within {TIMEOUT_S:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        return Verdict("dead", f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    if answer.status >= 500:
        return Verdict("dead", f"HTTP {answer.status}")
    return Verdict("alive", f"HTTP {answer.status}")


def run(probe: Probe) -> int:
    """Probe once, remember the outcome, and restart the unit when it is dead; 1 when it is."""
    active = systemctl("is-active", probe.unit)
    if active != "active":
        print(f"{probe.unit} is {active}: not probed")
        with contextlib.suppress(FileNotFoundError):
            probe.state.unlink()
        return 0
    verdict = ask_for_one_token(probe)
    failures = failures_so_far(probe.state) + 1 if verdict.name == "dead" else 0
    document = {"verdict": verdict.name, "seen": verdict.seen, "dead_in_a_row": failures}
    write_atomic(probe.state, json.dumps(document) + "\n")
    print(f"{probe.unit} is {verdict.name}: {verdict.seen}")
    if failures >= DEAD_IN_A_ROW:
        print(f"{probe.unit} was dead {failures} times in a row: restarting it")
        probe.state.unlink()
        systemctl("restart", "--no-block", probe.unit)
    return 1 if failures else 0


def failures_so_far(state: Path) -> int:
    """How often in a row the engine was dead; an unreadable state counts as never."""
    try:
        return int(json.loads(state.read_text(encoding="utf-8"))["dead_in_a_row"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def systemctl(*arguments: str) -> str:
    """Run systemctl and return what it prints."""
    done = subprocess.run(
        ["systemctl", *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout.strip()
