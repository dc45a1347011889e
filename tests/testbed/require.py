"""Tools that the test bed needs on the machine itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed.errors import TestbedError
from testbed.steps import step


def require(tool: str, package: str) -> None:
    """Make sure that a tool is on PATH; as root on Debian or Ubuntu, install its package."""
    if not shutil.which(tool):
        install(tool, package)


def require_file(path: Path, package: str) -> None:
    """Make sure that a file is there; as root on Debian or Ubuntu, install its package."""
    if not path.is_file():
        install(str(path), package)


def install(what: str, package: str) -> None:
    """Install a package for the sake of `what`, or say how a person does it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise TestbedError(
            f"{what} is missing on this machine. Install it "
            f"(Debian, Ubuntu: sudo apt-get install {package}) and run the command again."
        )
    # RUNLEVEL: only the program is wanted, not a service that starts with it.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with step(f"install {package}"):
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", package],
        ):
            result = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if result.returncode:
                raise TestbedError(
                    f"{' '.join(command)} failed on this machine:\n{result.stderr[-2000:]}\n"
                    f"Repair apt, or install {package} by hand, and run the command again."
                )
