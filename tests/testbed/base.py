"""Base systems: Debian root file systems from the machine's own package sources."""

from __future__ import annotations

import subprocess

from testbed import apt_sources, dockerd, state
from testbed.config import STATE, image_tag
from testbed.errors import TestbedError
from testbed.require import require
from testbed.steps import say, step

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
    require("mmdebstrap", "mmdebstrap")
    with step(f"base system {suite}") as running:
        archive = STATE / "build" / f"base-{suite}.tar"
        archive.parent.mkdir(parents=True, exist_ok=True)
        sources = apt_sources.machine_sources(suite)
        running.now("mmdebstrap")
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            *[f"--dpkgopt=path-exclude={path}" for path in EXCLUDED],
            *[f"--aptopt={line}" for line in apt_sources.machine_proxies()],
            suite,
            str(archive),
            *sources,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise TestbedError(
                f"mmdebstrap could not make {suite} from "
                f"{sources or 'its default sources'}:\n{result.stderr[-2000:]}\n"
                "Check that `apt-get update` works on this machine and run the command again."
            )
        running.now("docker import")
        name, _, version = tag.partition(":")
        label_changes = [f"LABEL {key}={value}" for key, value in dockerd.labels(made_from).items()]
        dockerd.engine().api.import_image_from_file(
            str(archive), repository=name, tag=version, changes=label_changes
        )
        archive.unlink()
    return made_from
