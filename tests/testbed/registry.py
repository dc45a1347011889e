"""A client of the registry API: enough to push images layer by layer and to copy them."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import requests

from testbed.errors import TestbedError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
ACCEPT = ", ".join((MANIFEST, "application/vnd.oci.image.manifest.v1+json", *INDEXES))
CHUNK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """A pushed layer: its descriptor in the manifest, and its digest before compression."""

    digest: str
    size: int
    diff_id: str


def sha256(data: bytes) -> str:
    """Return a digest as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    """One registry, by its base URL."""

    def __init__(self, url: str, timeout: float | tuple[float, float] = 120) -> None:
        """Keep the address; nothing is sent yet."""
        self.url = url
        self.timeout = timeout
        self.session = requests.Session()

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        """Send a request, with a token when the registry asks for one; 404 is an answer."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        send: Callable[..., requests.Response] = self.session.request
        response = send(method, url, timeout=self.timeout, **options)
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code == requests.codes.unauthorized and challenge.startswith("Bearer "):
            self.authorize(challenge)
            response = send(method, url, timeout=self.timeout, **options)
        if response.status_code >= requests.codes.bad_request and (
            response.status_code != requests.codes.not_found
        ):
            raise TestbedError(
                f"{method} {url} answered {response.status_code}: {response.text[:500]}"
            )
        return response

    def authorize(self, challenge: str) -> None:
        """Fetch an anonymous token, as the registry's answer says where."""
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = fields.pop("realm")
        answer = self.session.get(realm, params=fields, timeout=self.timeout)
        answer.raise_for_status()
        token = answer.json().get("token") or answer.json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of a tag, or None where there is none."""
        path = f"/v2/{repository}/manifests/{reference}"
        response = self.request("HEAD", path, headers={"Accept": ACCEPT})
        return response.headers.get("Docker-Content-Digest") if response.ok else None

    def manifest(self, repository: str, reference: str) -> tuple[bytes, str]:
        """Return a manifest as it was pushed, and its media type; of an index, amd64's."""
        path = f"/v2/{repository}/manifests/{reference}"
        response = self.request("GET", path, headers={"Accept": ACCEPT})
        if not response.ok:
            raise TestbedError(f"{self.url} has no image {repository}:{reference}")
        content_type = response.headers["Content-Type"]
        if content_type in INDEXES:
            for entry in response.json()["manifests"]:
                platform = entry.get("platform", {})
                if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
                    return self.manifest(repository, entry["digest"])
            raise TestbedError(f"{repository}:{reference} has no image for linux/amd64")
        return response.content, content_type

    def put_manifest(self, repository: str, tag: str, content: bytes, media_type: str) -> str:
        """Push a manifest under a tag; return its digest."""
        path = f"/v2/{repository}/manifests/{tag}"
        self.request("PUT", path, data=content, headers={"Content-Type": media_type})
        return sha256(content)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Tell whether a repository has a blob."""
        return self.request("HEAD", f"/v2/{repository}/blobs/{digest}").ok

    def push_stream(
        self, repository: str, chunks: Iterable[bytes], digest: Callable[[], str]
    ) -> str:
        """Push a blob whose digest is known only when all of it was sent."""
        start = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        upload = self.request(
            "PATCH",
            start.headers["Location"],
            data=iter(chunks),
            headers={"Content-Type": "application/octet-stream"},
        )
        location, name = upload.headers["Location"], digest()
        joint = "&" if "?" in location else "?"
        self.request("PUT", f"{location}{joint}digest={name}")
        return name

    def push_blob(self, repository: str, data: bytes) -> str:
        """Push a small blob, unless it is there."""
        digest = sha256(data)
        if not self.has_blob(repository, digest):
            self.push_stream(repository, [data], lambda: digest)
        return digest

    def push_layer(self, repository: str, tar: Iterable[bytes]) -> Layer:
        """Push the stream of a tar archive as a gzip layer, compressing as it passes."""
        raw, packed, size = hashlib.sha256(), hashlib.sha256(), 0
        # Level 1: two cores spend their time here, and the layers never leave the machine.
        compressor = zlib.compressobj(1, zlib.DEFLATED, 31)

        def compress() -> Iterator[bytes]:
            nonlocal size
            for chunk in tar:
                raw.update(chunk)
                data = compressor.compress(chunk)
                if data:
                    packed.update(data)
                    size += len(data)
                    yield data
            data = compressor.flush()
            packed.update(data)
            size += len(data)
            yield data

        digest = self.push_stream(repository, compress(), lambda: f"sha256:{packed.hexdigest()}")
        return Layer(digest, size, f"sha256:{raw.hexdigest()}")

    def push_image(
        self, repository: str, tag: str, layers: list[Layer], config: dict[str, object]
    ) -> str:
        """Push the configuration and the manifest over pushed layers; return its digest."""
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created_by": "coderack testbed"} for _ in layers],
        }
        data = json.dumps(document, sort_keys=True).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": CONFIG,
                "size": len(data),
                "digest": self.push_blob(repository, data),
            },
            "layers": [
                {"mediaType": LAYER, "size": layer.size, "digest": layer.digest} for layer in layers
            ],
        }
        content = json.dumps(manifest, sort_keys=True).encode()
        return self.put_manifest(repository, tag, content, MANIFEST)

    def copy_from(
        self, source: Registry, repository: str, tag: str, key: str, note: Callable[[str], None]
    ) -> str:
        """Copy an image with all its blobs, unchanged, to the tag `key`; return its digest."""
        content, media_type = source.manifest(repository, tag)
        manifest = json.loads(content)
        for blob in [manifest["config"], *manifest["layers"]]:
            digest = blob["digest"]
            if self.has_blob(repository, digest):
                continue
            note(f"{repository}: copying {blob['size'] >> 20} MiB")
            response = source.request("GET", f"/v2/{repository}/blobs/{digest}", stream=True)
            self.push_stream(repository, response.iter_content(CHUNK), lambda name=digest: name)  # type: ignore[misc]
        return self.put_manifest(repository, key, content, media_type)
