"""Engine and gateway images: copied from their registry, or built from Python packages."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
from docker.models.containers import Container

from testbed import dockerd, machine_pip, state, upstream
from testbed.config import HERE, STATE, image_tag
from testbed.errors import TestbedError
from testbed.registry import Layer, Registry
from testbed.steps import Step, say, step

PYTHON = image_tag("python", "bookworm")
CHUNK = 4 << 20
PATH = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """An image as production pulls it, and how to build the same from packages."""

    name: str
    host: str
    repository: str
    tag: str
    entrypoint: tuple[str, ...]
    user: str
    uid: int
    gid: int

    @property
    def reference(self) -> str:
        """Return the reference that the lock and the roles use."""
        host = "docker.io" if self.host == "registry-1.docker.io" else self.host
        return f"{host}/{self.repository}:{self.tag}"

    @property
    def folder(self) -> Path:
        """Return the folder with the pinned packages."""
        return HERE / "images" / self.name


IMAGES = (
    Image(
        name="litellm",
        host="ghcr.io",
        repository="berriai/litellm",
        tag="v1.106.0",
        entrypoint=("litellm",),
        user="litellm",
        uid=1000,
        gid=1000,
    ),
    Image(
        name="vllm",
        host="registry-1.docker.io",
        repository="vllm/vllm-openai-cpu",
        tag="v0.32.0",
        entrypoint=("vllm", "serve"),
        user="vllm",
        uid=2000,
        gid=0,
    ),
)


def ensure_all(base_inputs: str) -> dict[str, str]:
    """Make sure that the upstream registry has every image; return digests by reference."""
    return {image.reference: ensure(image, base_inputs) for image in IMAGES}


def ensure(image: Image, base_inputs: str) -> str:
    """Make sure that the upstream registry has an image; return its digest.

    It is pushed under a tag that names its inputs, and then under the tag that production uses:
    a run that was cut in between finds out by the first.
    """
    registry = upstream.registry()
    made_from = state.inputs_hash(
        {"base": base_inputs, "image": image.__dict__},
        [image.folder, HERE / "images" / "build.sh", HERE / "images" / "Dockerfile"],
    )
    key = f"inputs-{made_from}"
    digest = registry.digest(image.repository, key)
    if digest is None:
        with step(f"image {image.reference}") as running:
            digest = copy(image, registry, key, running) or build(
                image, registry, key, base_inputs, running
            )
    else:
        say(f"image {image.reference}: up to date")
    if registry.digest(image.repository, image.tag) != digest:
        content, media_type = registry.manifest(image.repository, key)
        registry.put_manifest(image.repository, image.tag, content, media_type)
    return digest


def copy(image: Image, registry: Registry, key: str, running: Step) -> str | None:
    """Copy the image from its real registry; None where that cannot be reached."""
    source = Registry(f"https://{image.host}", timeout=(5, 60))
    running.now(f"asking {image.host}")
    try:
        source.manifest(image.repository, image.tag)
    except (requests.RequestException, TestbedError) as error:
        reason = type(error).__name__ if isinstance(error, requests.RequestException) else error
        say(f"{image.reference} cannot be had from its registry ({reason}): building it")
        return None
    return registry.copy_from(source, image.repository, image.tag, key, running.now)


def build(image: Image, registry: Registry, key: str, base_inputs: str, running: Step) -> str:
    """Build the image from Python packages, layer by layer into the registry."""
    base_layers = push_base(image, registry, base_inputs, running)
    container = install(image, running)
    try:
        running.now("pushing the layer of packages")
        top = user_layer(image, read_file(container, "/etc/passwd"))
        # The engine locks a container while it hands out an archive: the big one comes last.
        packages, _ = container.get_archive("/opt", chunk_size=CHUNK)
        layers = [
            *base_layers,
            registry.push_layer(image.repository, packages),
            registry.push_layer(image.repository, [top]),
        ]
    finally:
        dockerd.remove_container(container)
    config: dict[str, object] = {
        "Entrypoint": list(image.entrypoint),
        "Env": [f"PATH={PATH}", "PYTHONUNBUFFERED=1"],
        "User": f"{image.uid}:{image.gid}",
        "WorkingDir": f"/home/{image.user}",
    }
    return registry.push_image(image.repository, key, layers, config)


def push_base(image: Image, registry: Registry, base_inputs: str, running: Step) -> list[Layer]:
    """Push the layers of Debian with Python, on which the packages lie."""
    made_from = state.inputs_hash({"base": base_inputs}, [HERE / "images" / "Dockerfile"])
    if not dockerd.has_image(PYTHON, made_from):
        running.now("building the base with Python")
        context = {"Dockerfile": (HERE / "images" / "Dockerfile").read_bytes()}
        dockerd.build_image(running, PYTHON, made_from, image_tag("base", "bookworm"), context)
    running.now("pushing the base layers")
    archive = STATE / "build" / f"{image.name}-base.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("wb") as file:
        for chunk in dockerd.engine().images.get(PYTHON).save(chunk_size=CHUNK):
            file.write(chunk)
    layers = []
    with tarfile.open(archive) as tar:
        for name in saved_layers(tar):
            layers.append(registry.push_layer(image.repository, read_member(tar, name)))
    archive.unlink()
    return layers


def saved_layers(tar: tarfile.TarFile) -> list[str]:
    """Return the names of the layers in the output of `docker save`, lowest first."""
    manifest = json.loads(b"".join(read_member(tar, "manifest.json")))
    return [str(name) for name in manifest[0]["Layers"]]


def read_member(tar: tarfile.TarFile, name: str) -> Iterator[bytes]:
    """Yield the content of a file in an archive."""
    member = tar.getmember(name)
    if member.issym():  # `docker save` links a layer that it already wrote
        member = tar.getmember(str(Path(name).parent / member.linkname))
    content = tar.extractfile(member)
    while content is not None and (chunk := content.read(CHUNK)):
        yield chunk


def read_file(container: Container, path: str) -> bytes:
    """Return the content of a small file in a container."""
    stream, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        return b"".join(read_member(tar, Path(path).name))


def install(image: Image, running: Step) -> Container:
    """Install the pinned packages in a container of the base; return it, stopped."""
    access = machine_pip.access()
    name = f"coderack-testbed-build-{image.name}"
    left_over = dockerd.find_container(name)
    if left_over is not None:
        dockerd.remove_container(left_over)
    mounts = {**access.mounts, str(machine_pip.find_uv()): "/usr/local/bin/uv"}
    container = dockerd.engine().containers.create(
        PYTHON,
        ["/build/build.sh"],
        name=name,
        labels=dockerd.labels(),
        # The machine's own network also reaches proxies and package caches on its loopback.
        network_mode="host",
        environment={**access.environment, "PROGRAM": image.entrypoint[0]},
        volumes={source: {"bind": target, "mode": "ro"} for source, target in mounts.items()},
    )
    files = {path.name: path.read_bytes() for path in image.folder.iterdir() if path.is_file()}
    files["build.sh"] = (HERE / "images" / "build.sh").read_bytes()
    container.put_archive("/", pack({f"build/{name}": data for name, data in files.items()}))
    container.start()
    lines: list[str] = []
    for line in container.logs(stream=True, follow=True):
        lines.append(line.decode(errors="replace").rstrip())
        running.now(lines[-1][:100])
    if container.wait()["StatusCode"]:
        tail = "\n".join(lines[-25:])
        dockerd.remove_container(container)
        raise TestbedError(
            f"installing the packages of {image.reference} failed:\n{tail}\n"
            "Check that `pip download` works on this machine and run the command again."
        )
    return container


def pack(files: dict[str, bytes]) -> bytes:
    """Return a tar archive of executable files owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def user_layer(image: Image, passwd: bytes) -> bytes:
    """Return the top layer: the image's user and its home."""
    home = f"home/{image.user}"
    line = f"{image.user}:x:{image.uid}:{image.gid}::/{home}:/bin/sh\n"
    content = passwd + line.encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("etc/passwd")
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, io.BytesIO(content))
        folder = tarfile.TarInfo(home)
        folder.type, folder.mode, folder.uid, folder.gid = (
            tarfile.DIRTYPE,
            0o775,
            image.uid,
            image.gid,
        )
        tar.addfile(folder)
    return buffer.getvalue()
