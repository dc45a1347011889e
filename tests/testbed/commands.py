"""What the commands do, in the order in which the parts need each other."""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor

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
        # Downloading packages and bootstrapping nodes wait for different things.
        with ThreadPoolExecutor() as pool:
            pushed = pool.submit(images.ensure_all, bookworm)
            nodes = pool.submit(ensure_node_images, suites, bookworm, ca)
            digests = pushed.result()
            nodes.result()
        models = {name: revision(name) for name in (STAND_IN, SHARDED)}
        state.write_lock(STATE / "lock.yml", digests, models)
    say(f"up: {time.monotonic() - started:.1f} s")


def ensure_node_images(suites: list[str], bookworm: str, ca: bytes) -> None:
    """Make the node images that are not there yet."""
    for suite in suites:
        base_inputs = bookworm if suite == "bookworm" else base.ensure(suite)
        node.ensure_image(suite, base_inputs, ca)


def revision(model: str) -> str:
    """Return the revision that the hub serves of a model."""
    answer = requests.get(f"{upstream.hub_url()}/api/models/{model}", timeout=10)
    answer.raise_for_status()
    return str(answer.json()["sha"])


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
    """Set the fault of one file, replacing the one that it had."""
    owner, _, rest = options.path.partition("/")
    model, _, path = rest.partition("/")
    url = f"{upstream.hub_url()}/{owner}/{model}/resolve/main/{path}"
    if "X-Error-Code" in requests.head(url, timeout=10).headers or not path:
        raise TestbedError(
            f"the hub has no file {options.path}. Write owner/name/file, such as "
            f"{SHARDED}/config.json."
        )
    fault = {"cut_after": options.cut_after, "flip_at": options.flip_at, "status": options.status}
    given = {key: value for key, value in fault.items() if value is not None}
    tell_hub(json.dumps({options.path: given}))
    say(f"fault of {options.path}: {given}")


def fault_clear() -> None:
    """Clear all faults."""
    tell_hub()
    say("faults cleared")


def tell_hub(*arguments: str) -> None:
    """Hand faults to the hub."""
    command = ["python3", "-m", "testbed.hub.faults", *arguments]
    status, output = dockerd.execute(upstream.running_container(), *command)
    if status:
        raise TestbedError(f"the hub did not take the fault:\n{output}")


def down(with_images: bool) -> None:
    """Remove what carries the test bed's label; the registry's content only with the images."""
    client = dockerd.engine()
    mine: dict[str, str | list[str] | bool] = {"label": LABEL}
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
            dockerd.remove_images()
