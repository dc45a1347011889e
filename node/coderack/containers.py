"""The few Docker commands that the node needs, through Docker's own client."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

from coderack.errors import CoderackError

SPEC_LABEL = "coderack.spec"
COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Container:
    """What Docker knows of one container; `pid` is 0 when it does not run."""

    name: str
    spec: str
    running: bool
    pid: int
    exit_code: int
    oom_killed: bool


def docker(*arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
    """Run one docker command and return what it prints.

    Raises:
        CoderackError: it failed; the message is Docker's own.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError as error:
        raise CoderackError("docker is not installed.", "playbooks/site.yml") from error
    except subprocess.TimeoutExpired as error:
        raise CoderackError(
            f"docker {arguments[0]} gave no answer in {timeout_s:.0f} s.", "systemctl status docker"
        ) from error
    if done.returncode:
        raise CoderackError(
            f"docker {arguments[0]} failed: {done.stderr.strip()}", "systemctl status docker"
        )
    return done.stdout


def inspect(name: str) -> Container | None:
    """Return the container, or None where there is none of that name."""
    names = docker("ps", "--all", "--quiet", "--filter", f"name=^/?{re.escape(name)}$").split()
    if not names:
        return None
    document = json.loads(docker("inspect", names[0]))[0]
    state = document["State"]
    return Container(
        name=name,
        spec=(document["Config"].get("Labels") or {}).get(SPEC_LABEL, ""),
        running=bool(state["Running"]),
        pid=int(state["Pid"]),
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state.get("OOMKilled")),
    )


def create(name: str, spec: str, arguments: list[str]) -> None:
    """Create a container that Docker neither restarts nor pulls for.

    The name, the label and both of these belong to coderack; everything else is in the unit.
    """
    docker(
        "create",
        *("--name", name),
        *("--label", f"{SPEC_LABEL}={spec}"),
        *("--restart", "no"),
        *("--pull", "never"),
        *arguments,
    )


def start(name: str) -> None:
    """Start a created container."""
    docker("start", name)


def stop(name: str, grace_s: int) -> None:
    """Send SIGTERM, then SIGKILL after `grace_s` seconds."""
    docker("stop", "--time", str(grace_s), name, timeout_s=grace_s + COMMAND_TIMEOUT_S)


def remove(name: str) -> None:
    """Remove a container, running or not."""
    docker("rm", "--force", name)
