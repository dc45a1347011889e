"""What edge, gateway and hold add to a request, at concurrency 1.

Runs on the node. Sends the same chat completion of one token, not streamed, by three ways in turn:
straight to the engine; through the hold; through edge, gateway and hold. Every round takes each way
once and begins with another one, so that a busy moment of the machine meets all of them alike.
Keys are read from files. The standard library is enough.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import statistics
import sys
import time
import urllib.parse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PATH = "/v1/chat/completions"
PROMPT = "Please say hi"
TIMEOUT_S = 60.0
FEWEST_REQUESTS = 20
ENGINE, HOLD, EDGE = "engine", "hold", "edge"
WAYS = {ENGINE: "engine", HOLD: "hold, engine", EDGE: "edge, gateway, hold, engine"}
# What is added, and the two ways that differ by it.
ADDED = {
    "hold": (HOLD, ENGINE),
    "edge and gateway": (EDGE, HOLD),
    "all three": (EDGE, ENGINE),
}


class BenchmarkError(Exception):
    """A fault that ends the run; the message is for a person."""


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile of some durations, in milliseconds."""

    p50_ms: float
    p95_ms: float


class Way:
    """One way to the engine, on one connection for as long as the other side keeps it open."""

    def __init__(self, url: str, key: str, model: str, tls: ssl.SSLContext | None) -> None:
        """Prepare the request; the first `ask` connects."""
        parts = urllib.parse.urlsplit(url)
        self._url = url
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
        )
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._body = json.dumps(
            {
                "model": model,
                "max_tokens": 1,
                "temperature": 0,
                "messages": [{"role": "user", "content": PROMPT}],
            }
        ).encode()
        self.connections = 0

    def ask(self) -> tuple[float, int]:
        """Send the request; return its duration in seconds and the tokens of its prompt.

        The time to connect counts where a new connection is needed.

        Raises:
            BenchmarkError: no answer, or another one than one token.
        """
        began = time.perf_counter()
        try:
            if self._connection.sock is None:
                self._connection.connect()
                self.connections += 1
            self._connection.request("POST", PATH, self._body, self._headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchmarkError(f"{self._url}: {type(error).__name__}: {error}") from error
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise BenchmarkError(f"{self._url}: HTTP {answer.status}: {text[:200]!r}")
        return seconds, prompt_tokens(self._url, text)


def prompt_tokens(url: str, text: bytes) -> int:
    """Return the prompt's length in tokens.

    Raises:
        BenchmarkError: the answer is not a completion of one token.
    """
    try:
        usage = json.loads(text)["usage"]
        prompt, completion = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{url}: not a completion: {text[:200]!r}") from error
    if completion != 1:
        raise BenchmarkError(f"{url}: {completion} tokens came instead of one")
    return prompt


def spread(seconds: list[float]) -> Spread:
    """Return median and 95th percentile, interpolated between neighbours."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Spread(p50_ms=cuts[49] * 1000, p95_ms=cuts[94] * 1000)


def differences(longer: list[float], shorter: list[float]) -> list[float]:
    """Subtract round by round: what a slow moment did to both falls out."""
    if len(longer) != len(shorter):
        raise ValueError(f"{len(longer)} and {len(shorter)} rounds cannot be paired")
    return [one - other for one, other in zip(longer, shorter)]


def summarise(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return the spread of each way, of each difference, and the ratio of the medians."""
    ways = {name: spread(durations) for name, durations in seconds.items()}
    added = {
        name: spread(differences(seconds[longer], seconds[shorter]))
        for name, (longer, shorter) in ADDED.items()
    }
    return {
        "ways": {name: asdict(each) for name, each in ways.items()},
        "added": {name: asdict(each) for name, each in added.items()},
        "ratio_p50": {
            name: ways[longer].p50_ms / ways[shorter].p50_ms
            for name, (longer, shorter) in ADDED.items()
        },
    }


def order(round_number: int) -> list[str]:
    """Return the ways in the order of a round; each is first, second and third equally often."""
    names = list(WAYS)
    first = round_number % len(names)
    return names[first:] + names[:first]


def measure(ways: dict[str, Way], rounds: int, warm_up: int) -> tuple[dict[str, list[float]], int]:
    """Return the durations by way, without the warm-up, and the prompt's tokens.

    Raises:
        BenchmarkError: a request failed, or the ways did not ask for the same.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    lengths = set()
    for number in range(warm_up + rounds):
        for name in order(number):
            duration, tokens = ways[name].ask()
            lengths.add(tokens)
            if number >= warm_up:
                seconds[name].append(duration)
    if len(lengths) != 1:
        raise BenchmarkError(f"prompts of {sorted(lengths)} tokens arrived: not the same request")
    return seconds, lengths.pop()


def table(report: dict[str, Any]) -> str:
    """Return the report for a person."""
    lines = [f"{'way':<30} {'p50 ms':>8} {'p95 ms':>8} {'connections':>12}"]
    for name, label in WAYS.items():
        row = report["ways"][name]
        lines.append(
            f"{label:<30} {row['p50_ms']:>8.2f} {row['p95_ms']:>8.2f}"
            f" {report['connections'][name]:>12}"
        )
    lines += [
        "",
        f"{'added by (round by round)':<30} {'p50 ms':>8} {'p95 ms':>8} {'p50 ratio':>12}",
    ]
    for name, row in report["added"].items():
        lines.append(
            f"{name:<30} {row['p50_ms']:>8.2f} {row['p95_ms']:>8.2f}"
            f" {report['ratio_p50'][name]:>12.2f}"
        )
    before, after = report["load_average"]
    lines += [
        "",
        f"{report['requests']} requests a way after {report['warm_up']} to warm up,"
        f" {report['prompt_tokens']} tokens in, 1 out; load average {before:.2f} before,"
        f" {after:.2f} after",
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the parser; the defaults are a node's own places for its first deployment."""
    top = argparse.ArgumentParser(description="overhead of edge, gateway and hold, on the node")
    top.add_argument("--engine-url", default="http://172.30.0.16:8000")
    top.add_argument("--hold-url", default="http://172.30.0.1:8101")
    top.add_argument("--edge-url", default="https://127.0.0.1")
    top.add_argument("--engine-key-file", type=Path, required=True)
    top.add_argument("--client-key-file", type=Path, required=True)
    top.add_argument("--ca-file", type=Path, required=True, help="to verify the edge with")
    top.add_argument("--model", default="coder", help="served name")
    top.add_argument("--requests", type=int, default=300, help="by each way")
    top.add_argument("--warm-up", type=int, default=20, help="rounds that are not counted")
    top.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    return top


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure and return the report.

    Raises:
        BenchmarkError: a request failed, or there are too few of them.
        OSError: a file cannot be read.
    """
    if given.requests < FEWEST_REQUESTS:
        raise BenchmarkError(f"--requests: {FEWEST_REQUESTS} at least, for a 95th percentile")
    engine_key = given.engine_key_file.read_text(encoding="utf-8").strip()
    client_key = given.client_key_file.read_text(encoding="utf-8").strip()
    tls = ssl.create_default_context(cafile=str(given.ca_file))
    ways = {
        ENGINE: Way(given.engine_url, engine_key, given.model, None),
        HOLD: Way(given.hold_url, engine_key, given.model, None),
        EDGE: Way(given.edge_url, client_key, given.model, tls),
    }
    before = os.getloadavg()[0]
    seconds, tokens = measure(ways, given.requests, given.warm_up)
    return {
        "requests": given.requests,
        "warm_up": given.warm_up,
        "prompt_tokens": tokens,
        **summarise(seconds),
        "connections": {name: way.connections for name, way in ways.items()},
        "load_average": [before, os.getloadavg()[0]],
    }


def main(argv: list[str]) -> int:
    """Print the table and write the report; 1 where nothing could be measured."""
    given = parser().parse_args(argv)
    try:
        report = run(given)
        if given.json:
            given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (BenchmarkError, OSError) as error:
        print(f"overhead: {error}", file=sys.stderr)
        return 1
    print(table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
