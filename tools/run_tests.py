"""`make test`, `make test-fast`, `make lint`: run the parts in turn and print their times."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from testbed.require import require

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
TYPED = (
    "node/coderack",
    "collections/ansible_collections/coderack",
    "tools",
    "tests",
    "benchmarks",
    "molecule/tests",
)
DEMO_NODE = "coderack-demo"


@dataclass(frozen=True)
class Part:
    """One command of the test run."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


TESTBED = {"PYTHONPATH": "tests"}
LINT = [
    Part("ruff", ["ruff", "check", "."]),
    Part("ruff format", ["ruff", "format", "--check", "."]),
    Part("mypy", ["mypy", *TYPED]),
    Part("yamllint", ["yamllint", "--strict", "."]),
    Part("ansible-lint", ["ansible-lint", "--offline", "--strict", "-q"]),
]
# Most of them wait for a process or a socket, so more run at once than there are cores.
FAST = [*LINT, Part("unit tests", [PYTHON, "-m", "pytest", "-n", "4"])]
ALL = [
    *FAST,
    Part("test bed", [PYTHON, "-m", "testbed", "up"], TESTBED),
    Part("node away", [PYTHON, "-m", "testbed", "node", "remove", DEMO_NODE], TESTBED),
    Part("demo", [PYTHON, "tools/demo.py"]),
    Part("end to end", [PYTHON, "-m", "pytest", "tests/e2e"]),
    Part("node away again", [PYTHON, "-m", "testbed", "node", "remove", DEMO_NODE], TESTBED),
    # It described the node that is gone.
    Part("endpoint away", ["rm", "-rf", ".demo"]),
    Part("molecule default", ["molecule", "test", "--scenario-name", "default"]),
    Part("molecule trixie", ["molecule", "test", "--scenario-name", "trixie"]),
]
# Commands that tests use, with the Debian packages that have them.
COMMANDS = {"haproxy": "haproxy", "openssl": "openssl", "curl": "curl"}
SUITES = {"lint": LINT, "fast": FAST, "all": ALL}


def main(arguments: list[str]) -> int:
    """Run one suite; stops at the first part that fails."""
    if len(arguments) != 1 or arguments[0] not in SUITES:
        print(f"usage: run_tests.py {'|'.join(SUITES)}", file=sys.stderr)
        return 2
    if arguments[0] != "lint":
        for command, package in COMMANDS.items():
            require(command, package)
    times: list[tuple[str, float]] = []
    failed = ""
    for part in SUITES[arguments[0]]:
        print(f"\n== {part.name}", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            part.command, cwd=ROOT, env={**os.environ, **part.environment}, check=False
        )
        times.append((part.name, time.monotonic() - began))
        if done.returncode:
            failed = part.name
            break
    print()
    for name, seconds in times:
        print(f"{name:<20} {seconds:7.1f} s{'  FAILED' if name == failed else ''}")
    print(f"{'in all':<20} {sum(seconds for _, seconds in times):7.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
