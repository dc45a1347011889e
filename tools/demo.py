"""`make demo`: one simulated node, from nothing to tool calls that went through every part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE = "coderack-demo"
SUITE = "bookworm"
ENDPOINT = ROOT / ".demo" / "endpoint.json"
INVENTORY = ["-i", "inventory/demo"]


class StepError(Exception):
    """A step that failed; its own output has said why."""


def run(*command: str) -> None:
    """Run a command from the repository's root, with its output shown.

    Raises:
        StepError: it failed.
    """
    environment = {
        **os.environ,
        "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT / 'node'}",
    }
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise StepError(" ".join(command))


def test_bed() -> None:
    """Make the outside world and the node."""
    run(sys.executable, "-m", "testbed", "up", "--os", SUITE)
    run(sys.executable, "-m", "testbed", "node", "create", NODE, "--os", SUITE)


def site() -> None:
    """Turn the node into a service, as in production."""
    run("ansible-playbook", *INVENTORY, "playbooks/site.yml")
    run("ansible-playbook", *INVENTORY, "playbooks/endpoint.yml")


def smoke() -> None:
    """Ask the service from this machine, as a client would."""
    endpoint = json.loads(ENDPOINT.read_text(encoding="utf-8"))
    os.environ["CODERACK_API_KEY"] = endpoint["api_key"]
    run(
        *(sys.executable, "-m", "coderack", "smoke"),
        *("--base-url", endpoint["base_url"]),
        *("--ca-file", endpoint["ca_file"]),
        *("--model", endpoint["models"][0]),
    )


def main() -> int:
    """Run the steps and say how to use the result."""
    steps: list[tuple[str, Callable[[], None]]] = [
        ("test bed", test_bed),
        ("site.yml", site),
        ("smoke suite from this machine", smoke),
    ]
    began = time.monotonic()
    times = []
    for name, step in steps:
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        try:
            step()
        except StepError as error:
            print(f"\nmake demo stopped at: {error}", file=sys.stderr)
            return 1
        times.append(f"{name} {time.monotonic() - start:.0f} s")
    endpoint = json.loads(ENDPOINT.read_text(encoding="utf-8"))
    print(f"\n{', '.join(times)}; {time.monotonic() - began:.0f} s in all")
    print(f"\nBase URL  {endpoint['base_url']}")
    print(f"Key       {endpoint['api_key']}")
    print("\nPoint Claude Code at it:")
    print(f"  export ANTHROPIC_BASE_URL={endpoint['base_url']}")
    print(f"  export ANTHROPIC_AUTH_TOKEN={endpoint['api_key']}")
    print(f"  export NODE_EXTRA_CA_CERTS={endpoint['ca_file']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
