"""Staging against a fake hub and a fake download: what is in the store is whole and verified."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable

import pytest

from coderack import weights
from coderack.errors import CoderackError
from coderack.weights import MANIFEST, Hub, Model
from unit.node.node_fakes import Web, free_port, path_with, serving, wait_for

NODE = Path(weights.__file__).parents[1]
REVISION = "0123456789abcdef0123456789abcdef01234567"
UID = 10_017
# The hashes of these contents are well known: git's blob ids and FIPS 180's first example.
HELLO = b"hello world\n"
HELLO_GIT = "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"
HELLO_SHA256 = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447"
ABC = b"abc"
ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
EMPTY_GIT = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
CONTENTS = {
    "__init__.py": b"",
    "config.json": HELLO,
    "model.safetensors": ABC,
    "onnx/tokenizer.json": HELLO,
}
SHA256 = {
    "__init__.py": EMPTY_SHA256,
    "config.json": HELLO_SHA256,
    "model.safetensors": ABC_SHA256,
    "onnx/tokenizer.json": HELLO_SHA256,
}
SIBLINGS: list[dict[str, Any]] = [
    {"rfilename": "__init__.py", "size": 0, "blobId": EMPTY_GIT},
    {"rfilename": "config.json", "size": 12, "blobId": HELLO_GIT},
    {
        "rfilename": "model.safetensors",
        # The hub's blob id of a large file is that of its pointer, which is not downloaded.
        "size": 3,
        "blobId": "0" * 40,
        "lfs": {"sha256": ABC_SHA256, "size": 3, "pointerSize": 126},
    },
    {"rfilename": "onnx/tokenizer.json", "size": 12, "blobId": HELLO_GIT},
]
# As `hf download`: complete files stay, others come under .cache first.
DOWNLOAD = """
import json, os, sys, time
from pathlib import Path
source, target, folder, *faults = sys.argv[1:]
target, folder = Path(target), Path(folder)
faults = dict(fault.split(":", 1) for fault in faults)
with (folder / "runs").open("a") as log:
    log.write(f"{os.getpid()} {target.stat().st_uid}\\n")
for name, content in json.loads(Path(source).read_text()).items():
    content = content.encode()
    file, partial = target / name, target / ".cache" / (name + ".incomplete")
    if file.is_file() and file.stat().st_size == len(content) or faults.get("omit") == name:
        continue
    for path in (file, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
    if faults.get("cut") == name:
        partial.write_bytes(content[:len(content) // 2])
        sys.exit("one\\ntwo\\nConnection broken: IncompleteRead\\nthree\\n")
    if faults.get("full") == name:
        sys.exit("OSError: [Errno 28] No space left on device")
    if faults.get("link") == name:
        file.symlink_to(folder / "outside")
        continue
    if faults.get("pause") == name:
        (folder / "paused").touch()
        while (folder / "paused").exists():
            time.sleep(0.01)
    if faults.get("flip") == name:
        content = bytes([content[0] ^ 1]) + content[1:]
    if faults.get("long") == name:
        content += b"x"
    partial.write_bytes(content)
    partial.rename(file)
    with (folder / "fetched").open("a") as log:
        log.write(name + "\\n")
"""


@dataclass
class Stand:
    """A model, its hub and its download."""

    folder: Path
    web: Web
    ca_file: Path
    document: dict[str, Any]
    tokens: list[str | None] = field(default_factory=list)

    @property
    def model(self) -> Model:
        return Model(self.folder / "store", "Qwen/Qwen2.5-Coder-7B", REVISION)

    @property
    def hub(self) -> Hub:
        return Hub(self.web.url, self.ca_file, None)

    @property
    def fetched(self) -> list[str]:
        log = self.folder / "fetched"
        return log.read_text().split() if log.exists() else []

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Process and owner of the folder, for each run of the download."""
        log = self.folder / "runs"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines]

    def command(self, *faults: str, model: Model | None = None) -> list[str]:
        (self.folder / "download.py").write_text(DOWNLOAD)
        contents = {name: content.decode() for name, content in CONTENTS.items()}
        (self.folder / "contents.json").write_text(json.dumps(contents))
        return [
            *(sys.executable, "-SE", str(self.folder / "download.py")),
            *(str(self.folder / "contents.json"), str((model or self.model).staging)),
            *(str(self.folder), *faults),
        ]

    def stage(self, *faults: str) -> bool:
        return weights.stage(self.model, self.hub, UID, self.command(*faults))

    def present(self) -> set[str]:
        folder = self.model.staging
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix() for path in files}


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _certificate(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def stand(tmp_path: Path, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    document = {"id": "Qwen/Qwen2.5-Coder-7B", "sha": REVISION, "siblings": SIBLINGS}
    (tmp_path / "outside").write_text("of the store")
    # Only root gives files away; the ownership itself is tested where that is possible.
    if os.geteuid():
        monkeypatch.setattr(os, "chown", lambda *_: None)

    def respond(request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
        made.tokens.append(request.headers["Authorization"])
        path = f"/api/models/Qwen/Qwen2.5-Coder-7B/revision/{REVISION}?blobs=true"
        if request.path != path:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        return 200, json.dumps(made.document).encode(), {}

    with serving(respond) as web:
        made = Stand(tmp_path, web, ca_file, document)
        yield made


def _certificate(folder: Path) -> Path:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=hub", "-keyout", str(folder / "key")),
            *("-addext", "subjectAltName=DNS:localhost", "-out", str(folder / "crt")),
        ],
        check=True,
        capture_output=True,
    )
    return folder / "crt"


def test_a_model_is_staged_and_verified(stand: Stand) -> None:
    assert stand.stage()
    folder = stand.model.folder
    assert folder == stand.folder / "store" / "Qwen--Qwen2.5-Coder-7B" / REVISION
    assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert json.loads((folder / MANIFEST).read_text()) == {
        "repository": "Qwen/Qwen2.5-Coder-7B",
        "revision": REVISION,
        "files": SHA256,
    }
    assert {path.name for path in folder.iterdir()} == {
        *("__init__.py", "config.json", "model.safetensors", "onnx", MANIFEST)
    }
    assert not stand.model.staging.exists()
    assert weights.verify(stand.model) == []


def test_the_second_run_does_nothing_and_asks_nobody(stand: Stand) -> None:
    stand.stage()
    asked = len(stand.tokens)
    # Neither the hub nor the command is needed, and not even the certificate.
    nobody = Hub(f"http://127.0.0.1:{free_port()}", Path("/nowhere"), Path("/nowhere"))
    assert weights.stage(stand.model, nobody, UID, ["/nowhere"]) is False
    assert len(stand.tokens) == asked == 1
    assert len(stand.runs) == 1


def test_permissions_do_not_depend_on_the_umask(stand: Stand) -> None:
    before = os.umask(0o077)
    try:
        stand.stage()
    finally:
        os.umask(before)
    for path in [stand.model.folder, *stand.model.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_downloading_user_loses_the_files(stand: Stand) -> None:
    with pytest.raises(CoderackError):
        stand.stage("cut:model.safetensors")
    stand.stage()
    assert [uid for _, uid in stand.runs] == [UID, UID]
    for path in [stand.model.folder, *stand.model.folder.rglob("*")]:
        assert (path.stat().st_uid, path.stat().st_gid) == (0, 0), path


def test_files_are_taken_away_before_they_are_hashed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    hashed = weights._hash
    monkeypatch.setattr(os, "chown", lambda _path, uid, _gid: order.append(f"owner {uid}"))

    def hash_(path: Path, algorithm: str, prefix: bytes = b"") -> str:
        order.append("hash")
        return hashed(path, algorithm, prefix)

    monkeypatch.setattr(weights, "_hash", hash_)
    stand.stage()
    assert [step for step, before in zip(order, ["", *order]) if step != before] == [
        *(f"owner {UID}", "owner 0", "hash")
    ]


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (404, {"X-Error-Code": "RevisionNotFound"}, "RevisionNotFound"),
        (401, {"X-Error-Code": "GatedRepo"}, "GatedRepo"),
        (502, {}, "502"),
    ],
)
def test_the_hub_refuses(stand: Stand, status: int, headers: dict[str, str], code: str) -> None:
    stand.web.respond = lambda _: (status, b"{}", headers)
    with pytest.raises(CoderackError, match=f"refused Qwen/.* at revision {REVISION}: {code}"):
        stand.stage()
    assert stand.runs == []


def test_a_revision_that_is_not_there(stand: Stand) -> None:
    other = replace(stand.model, revision="f" * 40)
    with pytest.raises(CoderackError, match=f"at revision {'f' * 40}: RevisionNotFound"):
        weights.stage(other, stand.hub, UID, stand.command())


@pytest.mark.parametrize("sha", ["f" * 40, None, REVISION[:7]])
def test_the_hub_answers_for_another_commit(stand: Stand, sha: str | None) -> None:
    stand.document["sha"] = sha
    with pytest.raises(CoderackError, match=f"for commit {sha} .* instead of {REVISION}"):
        stand.stage()
    assert stand.runs == []


@pytest.mark.parametrize(
    ("entry", "lacks"),
    [
        ({"rfilename": "config.json"}, "size"),
        ({"rfilename": "config.json", "size": 12}, "blobId"),
        ({"size": 12, "blobId": HELLO_GIT}, "rfilename"),
        ({"rfilename": "x", "size": None, "blobId": HELLO_GIT}, "int"),
    ],
)
def test_metadata_without_hashes(stand: Stand, entry: dict[str, object], lacks: str) -> None:
    stand.document["siblings"] = [*SIBLINGS, entry]
    with pytest.raises(CoderackError, match=f"lacks .*{lacks}.*; nothing could be verified"):
        stand.stage()


def _cut_answer(request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    request.close_connection = True
    return 200, b'{"sha": ', {"Content-Length": "1000"}


def _late_answer(_: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    time.sleep(0.3)
    return 200, b"{}", {}


@pytest.mark.parametrize(
    "respond",
    [_cut_answer, _late_answer, lambda _: (200, b"<html>", {}), lambda _: (200, b"\xff", {})],
    ids=["cut", "late", "html", "bytes"],
)
def test_the_hub_gives_no_usable_answer(
    stand: Stand,
    monkeypatch: pytest.MonkeyPatch,
    respond: Callable[[BaseHTTPRequestHandler], tuple[int, bytes, dict[str, str]]],
) -> None:
    monkeypatch.setattr(weights, "API_TIMEOUT_S", 0.1)
    stand.web.respond = respond
    with pytest.raises(CoderackError, match=r"gave no usable answer .*curl -v http://127.0.0.1"):
        stand.stage()


def test_the_hub_is_not_there(stand: Stand) -> None:
    hub = replace(stand.hub, endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(CoderackError, match=r"gave no usable answer .*Connection refused"):
        hub.files("Qwen/Qwen2.5-Coder-7B", REVISION)


def test_only_the_given_certificates_are_trusted(stand: Stand, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stand.ca_file, stand.ca_file.parent / "key")
    stand.web.socket = context.wrap_socket(stand.web.socket, server_side=True)
    hub = replace(stand.hub, endpoint=f"https://localhost:{stand.web.server_address[1]}")
    assert len(hub.files("Qwen/Qwen2.5-Coder-7B", REVISION)) == len(SIBLINGS)
    with pytest.raises(CoderackError, match="CERTIFICATE_VERIFY_FAILED"):
        replace(hub, ca_file=_certificate(tmp_path)).files("Qwen/Qwen2.5-Coder-7B", REVISION)


@pytest.mark.parametrize(
    ("content", "sent"), [(None, None), ("", None), ("\n", None), ("hf_x\n", "Bearer hf_x")]
)
def test_the_token_is_sent_only_when_there(
    stand: Stand, content: str | None, sent: str | None
) -> None:
    token_file = None
    if content is not None:
        token_file = stand.folder / "token"
        token_file.write_text(content)
    replace(stand.hub, token_file=token_file).files("Qwen/Qwen2.5-Coder-7B", REVISION)
    assert stand.tokens == [sent]


def test_the_token_does_not_follow_a_redirect(stand: Stand) -> None:
    (stand.folder / "token").write_text("hf_x")

    def redirect(request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
        assert request.headers["Authorization"] == "Bearer hf_x"
        return 302, b"", {"Location": stand.web.url + request.path}

    with serving(redirect) as other:
        hub = Hub(other.url, stand.ca_file, stand.folder / "token")
        assert hub.files("Qwen/Qwen2.5-Coder-7B", REVISION)
    assert stand.tokens == [None]


def test_a_cut_download_goes_on_where_it_stopped(stand: Stand) -> None:
    with pytest.raises(CoderackError) as caught:
        stand.stage("cut:model.safetensors")
    assert str(caught.value) == (
        "The download of Qwen/Qwen2.5-Coder-7B stopped (not here yet: model.safetensors,"
        " onnx/tokenizer.json): two Connection broken: IncompleteRead three"
        " Next: run the playbook again; it goes on where it stopped"
    )
    assert not stand.model.staged
    assert stand.fetched == ["__init__.py", "config.json"]
    assert stand.stage()
    assert stand.fetched == list(CONTENTS)


def test_a_disk_that_fills_up(stand: Stand) -> None:
    with pytest.raises(CoderackError, match="No space left on device"):
        stand.stage("full:onnx/tokenizer.json")
    assert stand.present() == {"__init__.py", "config.json", "model.safetensors"}
    assert stand.stage()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "onnx/tokenizer.json"])
@pytest.mark.parametrize("fault", ["flip", "long"])
def test_a_wrong_file_is_deleted_and_alone_fetched_anew(
    stand: Stand, fault: str, name: str
) -> None:
    with pytest.raises(CoderackError) as caught:
        stand.stage(f"{fault}:{name}")
    assert str(caught.value).startswith(f"{name} is not what the hub's metadata says")
    assert "it was deleted. Next: run the playbook again" in str(caught.value)
    assert not stand.model.staged
    assert stand.present() == set(CONTENTS) - {name}
    assert stand.stage()
    assert stand.fetched == [*CONTENTS, name]


def test_a_size_that_the_hub_lies_about(stand: Stand) -> None:
    stand.document["siblings"] = [{**SIBLINGS[1], "size": 13}]
    with pytest.raises(CoderackError, match=r"config.json .* \(12 of 13 bytes, sha256 a948904f"):
        stand.stage()


def test_a_file_that_did_not_come(stand: Stand) -> None:
    with pytest.raises(CoderackError, match=r"onnx/tokenizer.json was not downloaded"):
        stand.stage("omit:onnx/tokenizer.json")
    assert not stand.model.staged
    assert stand.stage()


def test_a_link_out_of_the_store_is_removed(stand: Stand) -> None:
    with pytest.raises(CoderackError, match=r"config.json was not downloaded"):
        stand.stage("link:config.json")
    outside = stand.folder / "outside"
    assert not (stand.model.staging / "config.json").is_symlink()
    assert outside.read_text() == "of the store"
    assert outside.stat().st_uid == os.geteuid()
    assert stand.stage()


def test_a_linked_folder_is_not_entered(stand: Stand) -> None:
    away = stand.folder / "away"
    away.mkdir()
    (away / "file").write_text("of the store")
    stand.model.staging.mkdir(parents=True)
    (stand.model.staging / "onnx").symlink_to(away)
    assert stand.stage()
    assert [path.name for path in away.iterdir()] == ["file"]
    assert (away / "file").stat().st_uid == os.geteuid()


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "a/../../b", ".."])
def test_names_outside_the_folder_are_refused(stand: Stand, name: str) -> None:
    stand.document["siblings"] = [*SIBLINGS, {**SIBLINGS[0], "rfilename": name}]
    with pytest.raises(CoderackError, match="has a file outside its folder"):
        stand.stage()
    assert stand.runs == []


def test_nothing_unverified_comes_into_the_store(stand: Stand) -> None:
    # What a killed run or the download itself may leave.
    staging = stand.model.staging
    (staging / "onnx").mkdir(parents=True)
    for name in (f".{MANIFEST}.x7", "onnx/extra.bin", "model-2.safetensors"):
        (staging / name).write_text("?")
    assert stand.stage()
    folder = stand.model.folder
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == {*CONTENTS, MANIFEST}


def _disk(free: int) -> Callable[[Path], object]:
    usage = shutil.disk_usage("/")
    return lambda _: usage._replace(free=free)


def test_too_little_disk(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = weights.MARGIN_BYTES + sum(len(content) for content in CONTENTS.values())
    monkeypatch.setattr(shutil, "disk_usage", _disk(needed - 1))
    with pytest.raises(CoderackError, match=r"needs 1.0 GiB more on .*store, which has 1.0 GiB"):
        stand.stage()
    assert stand.runs == []
    monkeypatch.setattr(shutil, "disk_usage", _disk(needed))
    assert stand.stage()


def test_what_is_there_needs_no_more_disk(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CoderackError):
        stand.stage("full:model.safetensors")
    monkeypatch.setattr(shutil, "disk_usage", _disk(weights.MARGIN_BYTES + len(ABC) + len(HELLO)))
    assert stand.stage()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda folder: (folder / "config.json").write_bytes(b"hello_world\n"), ["config.json"]),
        (lambda folder: (folder / "model.safetensors").unlink(), ["model.safetensors"]),
        (lambda folder: (folder / "onnx").rename(folder / "moved"), ["onnx/tokenizer.json"]),
    ],
    ids=["changed", "gone", "moved"],
)
def test_verify_finds_a_later_change(
    stand: Stand, change: Callable[[Path], object], wrong: list[str]
) -> None:
    stand.stage()
    change(stand.model.folder)
    assert weights.verify(stand.model) == wrong


def test_verify_of_a_model_that_is_not_there(stand: Stand) -> None:
    with pytest.raises(CoderackError, match="is not staged"):
        weights.verify(stand.model)


def test_large_files_are_hashed_in_chunks(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "CHUNK_BYTES", 2)
    assert stand.stage()
    assert weights.verify(stand.model) == []


def _thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    return thread, results


def test_two_runs_of_one_model_download_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "PROGRESS_S", 0.05)
    first, done = _thread(lambda: stand.stage("pause:config.json"))
    wait_for((stand.folder / "paused").exists, "the first run downloading")
    second, nothing = _thread(stand.stage)
    second.join(0.3)
    assert second.is_alive()
    (stand.folder / "paused").unlink()
    first.join(15)
    second.join(15)
    assert (done, nothing) == ([True], [False])
    assert len(stand.runs) == 1
    # The wait of the first was long enough for a line of progress.
    assert "Qwen/Qwen2.5-Coder-7B: 0.0 GiB of 0.0 GiB, 0 MB/s, " in capsys.readouterr().out


def test_models_do_not_wait_for_each_other(stand: Stand) -> None:
    # A version's dot in the name must not make both use one lock.
    first, _ = _thread(lambda: stand.stage("pause:config.json"))
    wait_for((stand.folder / "paused").exists, "the first run downloading")
    other = Model(stand.folder / "store", "Qwen/Qwen2.5-Coder-32B", REVISION)
    whole = stand.web.respond
    stand.web.respond = lambda _: (200, json.dumps(stand.document).encode(), {})
    second, staged = _thread(
        lambda: weights.stage(other, stand.hub, UID, stand.command(model=other))
    )
    second.join(15)
    (stand.folder / "paused").unlink()
    first.join(15)
    stand.web.respond = whole
    assert staged == [True]


@pytest.mark.skipif(os.geteuid() != 0, reason="a program of its own gives files to root")
def test_a_run_killed_in_the_middle_is_taken_up(stand: Stand) -> None:
    command = [
        *(sys.executable, "-m", "coderack", "stage", stand.model.repository, REVISION),
        *("--store", str(stand.model.store), "--endpoint", f"{stand.web.url}/"),
        *("--ca-file", str(stand.ca_file), "--uid", str(os.geteuid())),
        *("--container", "coderack-stage-test", "--"),
    ]
    docker = stand.folder / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >>{stand.folder}/removed\n')
    docker.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(NODE), "PATH": path_with(stand.folder)}
    process = subprocess.Popen(
        [*command, *stand.command("pause:model.safetensors")], env=environment
    )
    wait_for((stand.folder / "paused").exists, "the download running")
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Its download lives on as a container would; here it ends too.
    os.kill(stand.runs[0][0], signal.SIGKILL)
    assert not stand.model.staged
    again = subprocess.run(
        [*command, *stand.command()], env=environment, capture_output=True, text=True, check=False
    )
    assert again.stdout == f"{stand.model.folder} staged and verified\n", again.stderr
    assert stand.fetched == list(CONTENTS)
    assert weights.verify(stand.model) == []
    # What the killed run started under that name is gone before the next download begins.
    assert (stand.folder / "removed").read_text() == "rm --force coderack-stage-test\n" * 2


@pytest.mark.parametrize("step", ["write_atomic", "_fsync", "rename"])
def test_a_run_killed_at_the_end_is_taken_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "rename" else weights, step, kill)
        with pytest.raises(KeyboardInterrupt):
            stand.stage()
    assert not stand.model.folder.exists()
    assert stand.stage()
    assert stand.fetched == list(CONTENTS)
    assert weights.verify(stand.model) == []
