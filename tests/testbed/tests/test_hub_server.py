"""The hub's answers over HTTP, without TLS and without Docker."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from testbed.hub import faults, hub_revision, server

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    folder = root / "owner" / "name"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(CONTENT)
    (folder / "config.json").write_bytes(b"{}")
    return root


@pytest.fixture(scope="module")
def url(repositories: Path) -> Iterator[str]:
    running = server.Server(repositories, port=0)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def test_model_at_a_revision_with_blobs(url: str, repositories: Path) -> None:
    revision = hub_revision(repositories / "owner" / "name")
    answer = requests.get(
        f"{url}/api/models/owner/name/revision/{revision}", {"blobs": "true"}, timeout=5
    ).json()
    assert answer["sha"] == revision
    assert [entry["rfilename"] for entry in answer["siblings"]] == [
        "config.json",
        "model.safetensors",
    ]
    assert answer["siblings"][1]["lfs"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    tree = requests.get(f"{url}/api/models/owner/name/tree/{revision}", timeout=5).json()
    assert tree[1]["lfs"]["oid"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/models/owner/other", "RepoNotFound"),
        (f"/api/models/owner/name/revision/{'0' * 40}", "RevisionNotFound"),
        ("/owner/name/resolve/main/absent.json", "EntryNotFound"),
        (f"/owner/name/resolve/{'0' * 40}/config.json", "RevisionNotFound"),
    ],
)
def test_refusals(url: str, path: str, code: str) -> None:
    for method in ("GET", "HEAD"):
        answer = requests.request(method, url + path, timeout=5)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, code)


def test_download_whole_and_resumed(url: str, repositories: Path) -> None:
    file = f"{url}/owner/name/resolve/main/model.safetensors"
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    head = requests.head(file, timeout=5)
    assert head.headers["X-Repo-Commit"] == hub_revision(repositories / "owner" / "name")
    assert head.headers["ETag"] == head.headers["X-Linked-ETag"] == f'"{sha256}"'
    assert head.headers["X-Linked-Size"] == head.headers["Content-Length"] == str(len(CONTENT))
    assert requests.get(file, timeout=5).content == CONTENT
    rest = requests.get(file, headers={"Range": "bytes=1000-"}, timeout=5)
    assert (rest.status_code, rest.content) == (206, CONTENT[1000:])
    assert rest.headers["Content-Range"] == f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"
    beyond = requests.get(file, headers={"Range": f"bytes={len(CONTENT)}-"}, timeout=5)
    assert beyond.status_code == 416


def test_faults(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "faults.json"
    monkeypatch.setattr(server, "read_fault", lambda path: faults.read_fault(path, state))
    file = f"{url}/owner/name/resolve/main/model.safetensors"

    state.write_text('{"owner/name/model.safetensors": {"flip_at": 3}}')
    flipped = requests.get(file, timeout=5).content
    assert [i for i, byte in enumerate(flipped) if byte != CONTENT[i]] == [3]
    resumed = requests.get(file, headers={"Range": "bytes=3-4"}, timeout=5).content
    assert resumed == flipped[3:5]

    state.write_text('{"owner/name/model.safetensors": {"cut_after": 100}}')
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(file, timeout=5)

    state.write_text('{"owner/name/model.safetensors": {"status": 503}}')
    assert requests.get(file, timeout=5).status_code == 503
    other = f"{url}/owner/name/resolve/main/config.json"
    assert requests.get(other, timeout=5).content == b"{}"
