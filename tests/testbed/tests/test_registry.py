"""The registry client against a small registry that wants tokens."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from testbed.errors import TestbedError
from testbed.registry import MANIFEST, Registry

INDEX = "application/vnd.oci.image.index.v1+json"
TOKEN = "a-token"


class FakeRegistry(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}

    def add_manifest(self, tag: str, content: bytes, media_type: str) -> str:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.manifests[tag] = self.manifests[digest] = (content, media_type)
        return digest


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeRegistry

    def log_message(self, *args: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def handle_any(self) -> None:
        body = self.read()
        path, _, query = self.path.partition("?")
        if path == "/token":
            self.reply(200, json.dumps({"token": TOKEN}).encode())
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="{self.server.url}/token",service="fake",scope="pull"'
            self.reply(401, WWW_Authenticate=challenge)
        elif "/blobs/uploads/" in path:
            self.upload(path, query, body)
        elif "/manifests/" in path and self.command == "PUT":
            self.server.add_manifest(path.rpartition("/")[2], body, self.headers["Content-Type"])
            self.reply(201)
        else:
            self.fetch(path)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815

    def upload(self, path: str, query: str, body: bytes) -> None:
        if self.command == "PATCH":
            self.server.blobs["upload"] = body
        if self.command == "PUT":
            self.server.blobs[query.removeprefix("state=1&digest=")] = self.server.blobs["upload"]
        self.reply(202, Location=f"{self.server.url}{path}?state=1")

    def fetch(self, path: str) -> None:
        name = path.rpartition("/")[2]
        if "/blobs/" in path and name in self.server.blobs:
            self.reply(200, self.server.blobs[name])
        elif "/manifests/" in path and name in self.server.manifests:
            content, media_type = self.server.manifests[name]
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            self.reply(200, content, Content_Type=media_type, Docker_Content_Digest=digest)
        else:
            self.reply(404)


@pytest.fixture
def fakes() -> Iterator[list[FakeRegistry]]:
    servers = [FakeRegistry(), FakeRegistry()]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


def test_pushed_layers_match_their_digests(fakes: list[FakeRegistry]) -> None:
    server = fakes[0]
    registry = Registry(server.url)
    layer = registry.push_layer("owner/name", [b"one", b"two"])
    packed = server.blobs[layer.digest]
    assert gzip.decompress(packed) == b"onetwo"
    assert layer.digest == "sha256:" + hashlib.sha256(packed).hexdigest()
    assert layer.diff_id == "sha256:" + hashlib.sha256(b"onetwo").hexdigest()
    assert layer.size == len(packed)

    digest = registry.push_image("owner/name", "v1", [layer], {"User": "1000"})
    assert registry.digest("owner/name", "v1") == digest
    manifest = json.loads(server.manifests["v1"][0])
    config = json.loads(server.blobs[manifest["config"]["digest"]])
    assert config["rootfs"]["diff_ids"] == [layer.diff_id]
    assert config["config"] == {"User": "1000"}


def test_copy_takes_the_image_for_amd64_and_keeps_its_digest(fakes: list[FakeRegistry]) -> None:
    source, target = fakes
    source_client, target_client = Registry(source.url), Registry(target.url)
    layer = source_client.push_layer("owner/name", [b"content"])
    amd64 = source_client.push_image("owner/name", "amd64", [layer], {})
    index = {
        "manifests": [
            {"digest": "sha256:0", "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": amd64, "platform": {"os": "linux", "architecture": "amd64"}},
        ]
    }
    source.add_manifest("v1", json.dumps(index).encode(), INDEX)

    notes: list[str] = []
    digest = target_client.copy_from(source_client, "owner/name", "v1", "copied", notes.append)
    assert digest == amd64 == target_client.digest("owner/name", "copied")
    assert target.manifests["copied"] == (source.manifests[amd64][0], MANIFEST)
    assert target.blobs[layer.digest] == source.blobs[layer.digest]
    assert len(notes) == 2
    target_client.copy_from(source_client, "owner/name", "v1", "copied", notes.append)
    assert len(notes) == 2  # nothing is copied twice


def test_missing_image_is_named(fakes: list[FakeRegistry]) -> None:
    registry = Registry(fakes[0].url)
    assert registry.digest("owner/name", "absent") is None
    with pytest.raises(TestbedError, match="owner/name:absent"):
        registry.manifest("owner/name", "absent")
