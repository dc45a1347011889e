"""What the test bed asks of the machine's Docker Engine, through its SDK."""

from __future__ import annotations

import functools
import io
import os
import tarfile
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from testbed.config import INPUTS_LABEL, LABEL, NETWORK
from testbed.errors import TestbedError
from testbed.steps import Step

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@functools.cache
def engine() -> docker.DockerClient:
    """Return a client of the machine's Docker Engine, or say that there is none."""
    try:
        return docker.from_env(timeout=600)
    except DockerException as error:
        raise TestbedError(
            f"no Docker Engine answers on this machine: {error}\n"
            "Install and start one (Debian, Ubuntu: sudo apt-get install docker.io), then run "
            "the command again."
        ) from error


def labels(inputs: str = "") -> dict[str, str]:
    """Return the labels that mark an object as the test bed's own."""
    return {LABEL: "1", INPUTS_LABEL: inputs} if inputs else {LABEL: "1"}


def proxies() -> dict[str, str]:
    """Return the machine's proxy settings, for containers that download."""
    return {name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ}


def has_image(tag: str, inputs: str) -> bool:
    """Tell whether an image is there and was made from these inputs."""
    try:
        return engine().images.get(tag).labels.get(INPUTS_LABEL) == inputs
    except ImageNotFound:
        return False


def find_container(name: str) -> Container | None:
    """Return a container by its name, or None."""
    try:
        return engine().containers.get(name)
    except NotFound:
        return None


def address(container: Container) -> str:
    """Return a running container's address on the test bed's network."""
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    return str(networks.get(NETWORK, {}).get("IPAddress", ""))


def ensure_network() -> None:
    """Make the test bed's network, unless it is there."""
    try:
        engine().networks.get(NETWORK)
    except NotFound:
        engine().networks.create(NETWORK, driver="bridge", labels=labels())


def ensure_volume(name: str) -> None:
    """Make a volume, unless it is there."""
    try:
        engine().volumes.get(name)
    except NotFound:
        engine().volumes.create(name, labels=labels())


def import_image(archive: Path, tag: str, inputs: str) -> None:
    """Make an image of a root file system."""
    repository, _, version = tag.partition(":")
    changes = [f"LABEL {key}={value}" for key, value in labels(inputs).items()]
    engine().api.import_image_from_file(
        str(archive), repository=repository, tag=version, changes=changes
    )


def build_image(running: Step, tag: str, inputs: str, base: str, context: dict[str, bytes]) -> None:
    """Build an image on `base` from file names and contents (names in bin/ get mode 755)."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in sorted(context.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(entry, io.BytesIO(data))
    archive.seek(0)
    output: list[str] = []
    # The machine's own network also reaches proxies and package caches on its loopback.
    for line in engine().api.build(
        fileobj=archive,
        custom_context=True,
        tag=tag,
        labels=labels(inputs),
        buildargs={**proxies(), "BASE": base},
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
    ):
        text = str(line.get("stream", line.get("error", ""))).strip()
        if text:
            output.append(text)
            running.now(text.splitlines()[0][:100])
        if "error" in line:
            tail = "\n".join(output[-25:])
            raise TestbedError(f"building image {tag} failed:\n{tail}")
    # What had the tag before; images that a container still uses stay.
    engine().images.prune(filters={"dangling": True, "label": LABEL})


def remove_images() -> None:
    """Remove the test bed's images, those built on others first."""
    images = engine().images.list(filters={"label": LABEL})
    for image in sorted(images, key=lambda image: str(image.attrs["Created"]), reverse=True):
        try:
            engine().images.remove(str(image.id), force=True)
        except ImageNotFound:
            continue  # went with the image that was built on it


def read_folder(folder: Path, prefix: str = "") -> dict[str, bytes]:
    """Return a folder's files for a build context, under a prefix."""
    return {
        f"{prefix}{path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def remove_container(container: Container) -> None:
    """Remove a container, with a word on what stands in the way."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        raise TestbedError(f"container {container.name} cannot be removed: {error}") from error


def execute(container: Container, *command: str) -> tuple[int, str]:
    """Run a command in a container; return its exit status and what it printed."""
    status, output = container.exec_run(list(command))
    text = output if isinstance(output, bytes) else b"".join(output)
    return status or 0, text.decode(errors="replace").strip()
