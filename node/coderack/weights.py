"""Weights by repository and commit: fetched once, verified file by file, then never changed.

A model lives in `STORE/REPOSITORY/REVISION` (the repository's slash becomes `--`), made by one
rename from `STORE/.staging/...`. A folder under its final name is complete and verified; its
manifest holds the sha256 of every file. The download itself is the hub's own client, `hf`, in a
container; a run that was cut goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coderack.errors import CoderackError
from coderack.files import fsync_directory, locked, write_atomic

MANIFEST = "coderack-manifest.json"
CHUNK_BYTES = 8 * 1024 * 1024
API_TIMEOUT_S = 30.0
PROGRESS_S = 10.0
# Room that a filesystem needs beside the weights, so that nothing else on it fails.
MARGIN_BYTES = 1024**3


@dataclass(frozen=True)
class RemoteFile:
    """One file as the hub's metadata describes it.

    Attributes:
        path: Relative to the repository.
        size: Bytes.
        sha256: Of the content, where the hub stores the file as a large one; else empty.
        git_sha1: Git's blob id, which is what the hub has for small files.
    """

    path: str
    size: int
    sha256: str
    git_sha1: str


@dataclass(frozen=True)
class Hub:
    """Where models come from.

    Attributes:
        endpoint: Base URL of the hub or of a mirror.
        ca_file: The certificates to trust.
        token_file: Holds the access token, or nothing for public models.
    """

    endpoint: str
    ca_file: Path
    token_file: Path | None

    def files(self, repository: str, revision: str) -> list[RemoteFile]:
        """Ask the hub which files the revision has.

        Raises:
            CoderackError: no such repository or revision, no access, or no answer.
        """
        url = f"{self.endpoint}/api/models/{repository}/revision/{revision}?blobs=true"
        request = urllib.request.Request(url)  # noqa: S310 - the operator's own https endpoint
        token = self.token_file.read_text(encoding="utf-8").strip() if self.token_file else ""
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(  # noqa: S310 - the operator's own https endpoint
                request, timeout=API_TIMEOUT_S, context=context
            ) as answer:
                return parse_files(json.load(answer), repository, revision)
        except urllib.error.HTTPError as error:
            code = error.headers.get("X-Error-Code", "") or str(error.code)
            raise CoderackError(
                f"The hub at {self.endpoint} refused {repository} at revision {revision}: {code}.",
                "check repository, revision and token of the model's profile",
            ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise CoderackError(
                f"The hub at {self.endpoint} gave no usable answer for {repository}: {error}.",
                f"curl -v {self.endpoint} from the node",
            ) from error


@dataclass(frozen=True)
class Model:
    """A model at a fixed commit, in the store."""

    store: Path
    repository: str
    revision: str

    @property
    def folder(self) -> Path:
        """The final place."""
        return self.store / self.repository.replace("/", "--") / self.revision

    @property
    def staging(self) -> Path:
        """Where it grows until it is verified."""
        name = f"{self.repository.replace('/', '--')}@{self.revision}"
        return self.store / ".staging" / name

    @property
    def staged(self) -> bool:
        """Whether the verified model is there."""
        return (self.folder / MANIFEST).is_file()


def parse_files(document: object, repository: str, revision: str) -> list[RemoteFile]:
    """Read the hub's answer to `/api/models/.../revision/...?blobs=true`.

    Raises:
        CoderackError: the answer is for another commit or lacks sizes and hashes.
    """
    if not isinstance(document, dict) or document.get("sha") != revision:
        found = document.get("sha") if isinstance(document, dict) else None
        raise CoderackError(
            f"The hub answered for commit {found} of {repository} instead of {revision}.",
            "pin the full commit SHA in the model's profile",
        )
    try:
        return [
            RemoteFile(
                path=entry["rfilename"],
                size=int((entry.get("lfs") or entry)["size"]),
                sha256=(entry.get("lfs") or {}).get("sha256", ""),
                git_sha1=entry["blobId"],
            )
            for entry in document["siblings"]
        ]
    except (KeyError, TypeError) as error:
        raise CoderackError(
            f"The hub's metadata of {repository} lacks {error}; nothing could be verified.",
            "use a hub or mirror that answers ?blobs=true",
        ) from error


def stage(model: Model, hub: Hub, uid: int, download: list[str]) -> bool:
    """Bring `model` into the store, verified.

    Args:
        model: What to stage.
        hub: Its metadata's source.
        uid: The user that downloads; it loses the files before they are verified.
        download: The command that downloads into `model.staging`, resuming what is there.

    Returns:
        Whether anything was done.

    Raises:
        CoderackError: refused, cut, full or wrong; what is good stays in `model.staging`.
    """
    if model.staged:
        return False
    files = hub.files(model.repository, model.revision)
    _check_names(model, files)
    with locked(model.staging.parent / f"{model.staging.name}.lock"):
        if model.staged:
            return False
        model.staging.mkdir(exist_ok=True)
        _check_space(model, files)
        _own(model.staging, uid)
        _download(model, files, download)
        _own(model.staging, 0)
        manifest = {file.path: _verified_sha256(model.staging / file.path, file) for file in files}
        _finish(model, manifest)
    return True


def verify(model: Model) -> list[str]:
    """Hash every file of a staged model again; return the paths that are not as staged."""
    if not model.staged:
        raise CoderackError(f"{model.folder} is not staged.", "playbooks/site.yml")
    manifest: dict[str, str] = json.loads((model.folder / MANIFEST).read_text(encoding="utf-8"))[
        "files"
    ]
    wrong = []
    for path, expected in manifest.items():
        file = model.folder / path
        if not file.is_file() or _hash(file, "sha256") != expected:
            wrong.append(path)
    return wrong


def _check_names(model: Model, files: Iterable[RemoteFile]) -> None:
    for file in files:
        parts = Path(file.path).parts
        if Path(file.path).is_absolute() or ".." in parts:
            raise CoderackError(f"{model.repository} has a file outside its folder: {file.path!r}.")
        if file.path == MANIFEST or parts[0] == ".cache":
            raise CoderackError(f"{model.repository} has a file {file.path!r}, a name kept free.")


def _check_space(model: Model, files: list[RemoteFile]) -> None:
    missing = sum(file.size for file in files) - _present_bytes(model.staging)
    free = shutil.disk_usage(model.staging).free
    if missing + MARGIN_BYTES > free:
        raise CoderackError(
            f"{model.repository} needs {_gib(missing + MARGIN_BYTES)} more on {model.store},"
            f" which has {_gib(free)} free.",
            f"free space there or set model_store_path (du -xsh {model.store}/*)",
        )


def _own(folder: Path, uid: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        # The hub has no links; what root does here must not follow one out of the folder.
        if path.is_symlink():
            path.unlink()
        else:
            os.chown(path, uid, uid)


def _download(model: Model, files: list[RemoteFile], command: list[str]) -> None:
    total = sum(file.size for file in files)
    done = threading.Event()
    progress = threading.Thread(target=_progress, args=(model, total, done), daemon=True)
    progress.start()
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    finally:
        done.set()
        progress.join()
    if ran.returncode:
        lines = ran.stdout.decode(errors="replace").strip().splitlines()
        missing = [f.path for f in files if not (model.staging / f.path).is_file()]
        raise CoderackError(
            f"The download of {model.repository} stopped"
            f" (not here yet: {', '.join(missing[:3]) or 'nothing'}): {' '.join(lines[-3:])}",
            "run the playbook again; it goes on where it stopped",
        )


def _progress(model: Model, total: int, done: threading.Event) -> None:
    began, before = time.monotonic(), _present_bytes(model.staging)
    while not done.wait(PROGRESS_S):
        now = _present_bytes(model.staging)
        rate = max(now - before, 1) / (time.monotonic() - began)
        print(
            f"{model.repository}: {_gib(now)} of {_gib(total)}, {rate / 1e6:.0f} MB/s,"
            f" {max(total - now, 0) / rate:.0f} s left",
            flush=True,
        )


def _verified_sha256(path: Path, file: RemoteFile) -> str:
    """Return the sha256 of a downloaded file; a wrong file is deleted so that it comes anew."""
    if not path.is_file():
        raise CoderackError(f"{file.path} was not downloaded.", "run the playbook again")
    size = path.stat().st_size
    sha256 = _hash(path, "sha256")
    good = (
        sha256 == file.sha256
        if file.sha256
        else _hash(path, "sha1", f"blob {size}\0".encode()) == file.git_sha1
    )
    if size != file.size or not good:
        path.unlink()
        raise CoderackError(
            f"{file.path} is not what the hub's metadata says"
            f" ({size} of {file.size} bytes, sha256 {sha256}); it was deleted.",
            "run the playbook again; this file alone is fetched anew",
        )
    return sha256


def _finish(model: Model, manifest: dict[str, str]) -> None:
    shutil.rmtree(model.staging / ".cache", ignore_errors=True)
    # What a killed run left behind, or the download added, was never verified.
    for path in list(model.staging.rglob("*")):
        if path.is_file() and path.relative_to(model.staging).as_posix() not in manifest:
            path.unlink()
    document = {
        "repository": model.repository,
        "revision": model.revision,
        "files": manifest,
    }
    write_atomic(model.staging / MANIFEST, json.dumps(document, indent=2, sort_keys=True) + "\n")
    for path in [model.staging, *model.staging.rglob("*")]:
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
        _fsync(path)
    model.folder.parent.mkdir(parents=True, exist_ok=True)
    os.rename(model.staging, model.folder)
    fsync_directory(model.folder.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(path: Path, algorithm: str, prefix: bytes = b"") -> str:
    digest = hashlib.new(algorithm, prefix, usedforsecurity=False)
    with path.open("rb") as stream:
        while True:
            chunk = stream.read(CHUNK_BYTES)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


def _present_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _gib(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"
