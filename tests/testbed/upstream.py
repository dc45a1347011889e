"""The upstream container: registry, model hub and apt repository under their real host names."""

from __future__ import annotations

import io
import json
import tarfile
import time
from pathlib import Path

import requests
import yaml
from docker.models.containers import Container

from testbed import dockerd, state
from testbed.config import (
    HERE,
    HOSTS,
    HUB_HOSTS,
    INPUTS_LABEL,
    NETWORK,
    PACKAGE_HOSTS,
    REGISTRY_HOSTS,
    STAND_IN,
    STATE,
    STATE_VOLUME,
    UPSTREAM,
    WEIGHTS,
    image_tag,
)
from testbed.errors import TestbedError
from testbed.hub import server as hub_server
from testbed.registry import Registry
from testbed.steps import say, step

REGISTRY_PORT = 5000
READY_SECONDS = 60


def build_context(weights: Path) -> dict[str, bytes]:
    """Return the build context of the upstream image."""
    nginx = (HERE / "upstream" / "nginx.conf").read_text()
    for placeholder, hosts in (
        ("@REGISTRY_HOSTS@", REGISTRY_HOSTS),
        ("@HUB_HOSTS@", HUB_HOSTS),
        ("@PACKAGE_HOSTS@", PACKAGE_HOSTS),
    ):
        nginx = nginx.replace(placeholder, " ".join(hosts))
    packages = yaml.safe_load((HERE / "packages.yml").read_text())
    return {
        "Dockerfile": (HERE / "upstream" / "Dockerfile").read_bytes(),
        "bin/upstream": (HERE / "upstream" / "upstream.sh").read_bytes(),
        "bin/certificates.sh": (HERE / "upstream" / "certificates.sh").read_bytes(),
        "etc/nginx/nginx.conf": nginx.encode(),
        "etc/testbed/registry.yml": (HERE / "upstream" / "registry.yml").read_bytes(),
        "etc/testbed/hosts": "".join(f"{host}\n" for host in HOSTS).encode(),
        "srv/packages.json": json.dumps(packages).encode(),
        "srv/python/testbed/__init__.py": (HERE / "__init__.py").read_bytes(),
        "srv/python/testbed/aptrepo.py": (HERE / "aptrepo.py").read_bytes(),
        **dockerd.read_folder(HERE / "hub", "srv/python/testbed/hub/"),
        **dockerd.read_folder(weights, f"srv/hub/{STAND_IN}/"),
    }


def inputs(base_inputs: str) -> str:
    """Return the hash of what the upstream container is made from."""
    return state.inputs_hash(
        {"base": base_inputs, "hosts": HOSTS},
        [
            HERE / "upstream",
            HERE / "hub",
            HERE / "aptrepo.py",
            HERE / "packages.yml",
            Path(__file__),
            WEIGHTS,
        ],
    )


def running_container() -> Container:
    """Return the upstream container, or say how to start it."""
    container = dockerd.find_container(UPSTREAM)
    if container is None or container.status != "running":
        raise TestbedError(
            "the upstream container does not run.\nStart it: PYTHONPATH=tests python -m testbed up"
        )
    return container


def registry() -> Registry:
    """Return a client of the upstream registry."""
    return Registry(f"http://{dockerd.address(running_container())}:{REGISTRY_PORT}")


def hub_url() -> str:
    """Return the model hub's address, without TLS, for this machine."""
    return f"http://{dockerd.address(running_container())}:{hub_server.PORT}"


def wait_until_ready(container: Container) -> None:
    """Wait until every part of the container answers."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        container.reload()
        if container.status != "running":
            break
        ip = dockerd.address(container)
        probes = [
            f"http://{ip}:{REGISTRY_PORT}/v2/",
            f"http://{ip}:{hub_server.PORT}/api/models/coderack/sharded",
            f"http://{ip}/",
        ]
        try:
            for probe in probes:
                requests.get(probe, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
            continue
        return
    log = container.logs(tail=25).decode(errors="replace")
    raise TestbedError(f"{UPSTREAM} did not become ready:\n{log}")


def export_ca(container: Container) -> bytes:
    """Write the test CA to the state folder and return it."""
    stream, _ = container.get_archive("/var/lib/testbed/tls/ca.pem")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        member = tar.extractfile("ca.pem")
        if member is None:
            raise TestbedError(f"{UPSTREAM} has no CA. Run `down --images` and `up` again.")
        ca = member.read()
    state.write_atomic(STATE / "ca.pem", ca)
    return ca


def ensure(base_inputs: str) -> bytes:
    """Make the upstream container, unless it runs as it should; return the test CA."""
    made_from = inputs(base_inputs)
    container = dockerd.find_container(UPSTREAM)
    if container is not None and container.labels.get(INPUTS_LABEL) == made_from:
        if container.status == "running":
            say("upstream: running")
        else:
            with step("upstream: start"):
                container.start()
                wait_until_ready(container)
        return export_ca(container)
    with step("upstream") as running:
        tag = image_tag("upstream", "bookworm")
        if not dockerd.has_image(tag, made_from):
            context = build_context(WEIGHTS)
            dockerd.build_image(running, tag, made_from, image_tag("base", "bookworm"), context)
        running.now("starting")
        dockerd.ensure_network()
        dockerd.ensure_volume(STATE_VOLUME)
        if container is not None:
            dockerd.remove_container(container)
        container = start(tag, made_from)
        wait_until_ready(container)
        return export_ca(container)


def start(tag: str, made_from: str) -> Container:
    """Start the container under all its host names."""
    client = dockerd.engine()
    endpoint = client.api.create_endpoint_config(aliases=list(HOSTS))
    return client.containers.run(
        tag,
        detach=True,
        name=UPSTREAM,
        hostname="upstream",
        labels=dockerd.labels(made_from),
        network=NETWORK,
        networking_config={NETWORK: endpoint},
        volumes={STATE_VOLUME: {"bind": "/var/lib/testbed", "mode": "rw"}},
        init=True,
    )
