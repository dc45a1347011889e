"""What the commands do, in the order in which the parts need each other."""

from __future__ import annotations

import argparse
import json
import time

import requests

from testbed import base, dockerd, images, node, state, upstream
from testbed.config import LABEL, SHARDED, STAND_IN, STATE, STATE_VOLUME
from testbed.errors import TestbedError
from testbed.steps import say, step


def up(suites: list[str]) -> None:
    """Make everything that is not there yet."""
    started = time.monotonic()
    with state.exclusive():
        bookworm = base.ensure("bookworm")
        ca = upstream.ensure(bookworm)
        digests = images.ensure_all(bookworm)
        for suite in suites:
            base_inputs = bookworm if suite == "bookworm" else base.ensure(suite)
            node.ensure_image(suite, base_inputs, ca)
        models = {name: revision(name) for name in (STAND_IN, SHARDED)}
        served = {name: commit for name, commit in models.items() if commit}
        state.write_lock(STATE / "lock.yml", digests, served)
    say(f"up: {time.monotonic() - started:.1f} s")


def revision(model: str) -> str:
    """Return the revision that the hub serves of a model; empty where it has none."""
    answer = requests.get(f"{upstream.hub_url()}/api/models/{model}", timeout=10)
    return str(answer.json()["sha"]) if answer.ok else ""


def node_create(name: str, suite: str) -> None:
    """Make a node; its image is made on the way if `up` left it out."""
    with state.exclusive():
        container = upstream.running_container()
        node.ensure_image(suite, base.ensure(suite), upstream.export_ca(container))
    node.create(name, suite)


def node_remove(name: str) -> None:
    """Remove a node."""
    node.remove(name)


def node_address(name: str) -> None:
    """Print a node's address, and nothing else."""
    print(node.address(name))


def fault_set(options: argparse.Namespace) -> None:
    """Set the fault of one file, replacing any other."""
    owner, _, rest = options.path.partition("/")
    model, _, path = rest.partition("/")
    answer = requests.head(
        f"{upstream.hub_url()}/{owner}/{model}/resolve/main/{path}", timeout=10
    )
    if answer.headers.get("X-Error-Code") or not path:
        raise TestbedError(
            f"the hub has no file {options.path}. Write owner/name/file, such as "
            f"{SHARDED}/config.json."
        )
    fault = {"cut_after": options.cut_after, "flip_at": options.flip_at, "status": options.status}
    write_faults({options.path: {key: value for key, value in fault.items() if value is not None}})
    say(f"fault set: {options.path}")


def fault_clear() -> None:
    """Clear all faults."""
    write_faults({})
    say("faults cleared")


def write_faults(faults: dict[str, dict[str, int]]) -> None:
    """Hand the faults to the hub."""
    command = ["python3", "-m", "testbed.hub.faults", json.dumps(faults)]
    result = upstream.running_container().exec_run(command)
    if result.exit_code:
        raise TestbedError(f"the hub did not take the fault: {result.output.decode()}")


def down(with_images: bool) -> None:
    """Remove what carries the test bed's label; the registry's content only with the images."""
    client = dockerd.engine()
    mine = {"label": LABEL}
    with state.exclusive(), step("down"):
        for container in client.containers.list(all=True, filters=mine):
            say(f"remove container {container.name}")
            dockerd.remove_container(container)
        for network in client.networks.list(filters=mine):
            network.remove()
        for volume in client.volumes.list(filters=mine):
            if with_images or volume.name != STATE_VOLUME:
                volume.remove(force=True)
        if with_images:
            for image in client.images.list(filters=mine):
                say(f"remove image {', '.join(image.tags) or image.short_id}")
                client.images.remove(image.id, force=True)
