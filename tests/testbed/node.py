"""Simulated nodes: containers with systemd as PID 1 and room for a Docker Engine of their own."""

from __future__ import annotations

import time

from docker.errors import NotFound
from docker.models.containers import Container
from docker.types import LogConfig

from testbed import dockerd, state
from testbed.config import HERE, HUB_HOSTS, INPUTS_LABEL, NETWORK, image_tag
from testbed.errors import TestbedError
from testbed.steps import Step, say, step

BOOT_SECONDS = 60
NODE_LABEL = "coderack.testbed.node"


def inputs(base_inputs: str, ca: bytes) -> str:
    """Return the hash of what a node image is made from."""
    return state.inputs_hash({"base": base_inputs, "ca": ca.decode()}, [HERE / "node"])


def ensure_image(suite: str, base_inputs: str, ca: bytes) -> None:
    """Make the node image of a Debian release, unless it is there."""
    tag, made_from = image_tag("node", suite), inputs(base_inputs, ca)
    if dockerd.has_image(tag, made_from):
        say(f"node image {suite}: up to date")
        return
    unit = "testbed-sysctl.service"
    context = {
        "Dockerfile": (HERE / "node" / "Dockerfile").read_bytes(),
        f"etc/systemd/system/{unit}": (HERE / "node" / unit).read_bytes(),
        "ca.crt": ca,
    }
    with step(f"node image {suite}") as running:
        dockerd.build_image(running, tag, made_from, image_tag("base", suite), context)


def volume(name: str) -> str:
    """Return the name of a node's volume for its own Docker Engine."""
    return f"{name}-docker"


def find(name: str) -> Container | None:
    """Return a node's container; another container of that name is not touched."""
    container = dockerd.find_container(name)
    if container is not None and NODE_LABEL not in container.labels:
        raise TestbedError(
            f"container {name} exists and is not a node of the test bed. Choose another name."
        )
    return container


def create(name: str, suite: str) -> None:
    """Make a node, or start it, or leave it alone when it runs."""
    tag = image_tag("node", suite)
    container = find(name)
    if container is not None:
        image = dockerd.engine().images.get(tag)
        if container.attrs["Image"] != image.id:
            say(f"node {name} was made from another image; `node remove {name}` to renew it")
        if container.status == "running":
            say(f"node {name}: running at {dockerd.address(container)}")
            return
    with step(f"node {name} ({suite})") as running:
        if container is None:
            dockerd.ensure_volume(volume(name))
            container = run(name, tag)
        else:
            container.start()
        wait_until_booted(container, running)
        say(f"node {name}: {dockerd.address(container)}")


def run(name: str, tag: str) -> Container:
    """Run a node's container with the least it needs for systemd and an inner Docker Engine."""
    image = dockerd.engine().images.get(tag)
    return dockerd.engine().containers.run(
        tag,
        detach=True,
        name=name,
        hostname=name,
        labels={
            **dockerd.labels(image.labels[INPUTS_LABEL]),
            NODE_LABEL: "1",
        },
        network=NETWORK,
        # SYS_PTRACE: as on a real host, root sees which process listens on a port.
        cap_add=["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"],
        security_opt=["seccomp=unconfined"],
        cgroupns="host",
        volumes={
            "/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"},
            # The inner engine cannot stack overlayfs on the container's own overlayfs.
            volume(name): {"bind": "/var/lib/docker", "mode": "rw"},
        },
        shm_size="2g",
        log_config=LogConfig(type="json-file", config={"max-size": "10m"}),
    )


def wait_until_booted(container: Container, running: Step) -> None:
    """Wait until systemd has started everything and names resolve."""
    deadline = time.monotonic() + BOOT_SECONDS
    status = ""
    while time.monotonic() < deadline:
        container.reload()
        if container.status != "running":
            log = container.logs(tail=25).decode(errors="replace")
            raise TestbedError(f"node {container.name} stopped while booting:\n{log}")
        status = dockerd.execute(container, "systemctl", "is-system-running")[1]
        running.now(f"systemd: {status}")
        if status in ("running", "degraded"):
            break
        time.sleep(0.3)
    else:
        raise TestbedError(
            f"node {container.name}: systemd is still '{status}' after {BOOT_SECONDS} s"
        )
    if status == "degraded":
        failed = dockerd.execute(container, "systemctl", "--failed", "--plain", "--no-legend")[1]
        say(f"node {container.name}: degraded: {failed}")
    name = HUB_HOSTS[0]
    if dockerd.execute(container, "getent", "hosts", name)[0]:
        raise TestbedError(
            f"node {container.name} cannot resolve {name}: is the upstream container running?\n"
            "Run: PYTHONPATH=tests python -m testbed up"
        )


def remove(name: str) -> None:
    """Remove a node and its volume."""
    container = find(name)
    with step(f"node {name}: remove"):
        if container is not None:
            dockerd.remove_container(container)
        try:
            dockerd.engine().volumes.get(volume(name)).remove(force=True)
        except NotFound:
            return


def address(name: str) -> str:
    """Return a running node's address on the test bed's network."""
    container = find(name)
    ip = dockerd.address(container) if container is not None else ""
    if not ip:
        raise TestbedError(
            f"node {name} does not run.\n"
            f"Create it: PYTHONPATH=tests python -m testbed node create {name}"
        )
    return ip
