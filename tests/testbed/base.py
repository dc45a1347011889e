"""Base systems: Debian root file systems from the machine's own package sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from testbed import apt_sources, dockerd, state
from testbed.config import STATE, image_tag
from testbed.errors import TestbedError
from testbed.require import require, require_file
from testbed.steps import say, step

# Ubuntu has the tools without the keys of the system that they are to make.
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Documentation and translations only cost time, in every layer and every node.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def inputs(suite: str) -> str:
    """Return the hash of what a base system is made from."""
    return state.inputs_hash(
        {
            "suite": suite,
            "sources": apt_sources.machine_sources(suite),
            "proxies": apt_sources.machine_proxies(),
            "excluded": EXCLUDED,
        }
    )


def ensure(suite: str) -> str:
    """Make the base image of a Debian release, unless it is there; return its inputs' hash."""
    tag, made_from = image_tag("base", suite), inputs(suite)
    if dockerd.has_image(tag, made_from):
        say(f"base system {suite}: up to date")
        return made_from
    with step(f"base system {suite}") as running:
        archive = STATE / "build" / f"base-{suite}.tar"
        archive.parent.mkdir(parents=True, exist_ok=True)
        require_file(DEBIAN_KEYRING, "debian-archive-keyring")
        try:
            require("mmdebstrap", "mmdebstrap")
            bootstrap = mmdebstrap
        except TestbedError as error:
            say(f"{error}\nUsing debootstrap instead.")
            require("debootstrap", "debootstrap")
            bootstrap = debootstrap
        running.now(bootstrap.__name__)
        bootstrap(suite, archive, apt_sources.machine_sources(suite))
        running.now("docker import")
        dockerd.import_image(archive, tag, made_from)
        archive.unlink()
    return made_from


def mmdebstrap(suite: str, archive: Path, sources: list[str]) -> None:
    """Make a root file system with mmdebstrap."""
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        *[f"--dpkgopt=path-exclude={path}" for path in EXCLUDED],
        *[f"--aptopt={line}" for line in apt_sources.machine_proxies()],
        suite,
        str(archive),
        *sources,
    )


def debootstrap(suite: str, archive: Path, sources: list[str]) -> None:
    """Make a root file system with debootstrap, which is slower and reads one source only."""
    root = archive.with_suffix("")
    shutil.rmtree(root, ignore_errors=True)
    mirror = [sources[0].split()[1]] if sources else []
    run("debootstrap", "--variant=minbase", suite, str(root), *mirror)
    if sources:
        (root / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in sources))
    proxies = "".join(f"{line}\n" for line in apt_sources.machine_proxies())
    (root / "etc/apt/apt.conf.d/99proxies").write_text(proxies)
    excluded = "".join(f"path-exclude={path}\n" for path in EXCLUDED)
    (root / "etc/dpkg/dpkg.cfg.d/99excluded").write_text(excluded)
    run(
        "tar", "-C", str(root), "--exclude=./var/cache/apt/archives/*.deb", "-cf", str(archive), "."
    )
    shutil.rmtree(root)


def run(*command: str) -> None:
    """Run a command, or say what it complained of."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise TestbedError(
            f"{' '.join(command)} failed:\n{(result.stdout + result.stderr)[-2000:]}\n"
            "Check that `apt-get update` works on this machine and run the command again."
        )
