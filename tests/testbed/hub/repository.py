"""A model repository in a folder: its files, their hashes and its revision."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
SHARDS = 4
SHARD_SIZE = 16 << 20


@dataclass(frozen=True)
class File:
    """One file of a repository as the hub describes it."""

    path: str
    size: int
    blob_id: str
    sha256: str
    lfs: bool

    @property
    def etag(self) -> str:
        """Return the hub's ETag: sha256 of a large file, git's blob id of any other."""
        return self.sha256 if self.lfs else self.blob_id

    def describe(self) -> dict[str, object]:
        """Return the file as an entry of the hub's `siblings`."""
        entry: dict[str, object] = {
            "rfilename": self.path,
            "size": self.size,
            "blobId": self.blob_id,
        }
        if self.lfs:
            entry["lfs"] = self.lfs_entry("sha256")
        return entry

    def tree_entry(self) -> dict[str, object]:
        """Return the file as an entry of the hub's `tree`."""
        entry: dict[str, object] = {
            "type": "file",
            "path": self.path,
            "size": self.size,
            "oid": self.blob_id,
        }
        if self.lfs:
            entry["lfs"] = self.lfs_entry("oid")
        return entry

    def lfs_entry(self, key: str) -> dict[str, object]:
        """Return the large-file part; `siblings` and `tree` name the hash differently."""
        pointer_size = len(lfs_pointer(self.sha256, self.size))
        return {key: self.sha256, "size": self.size, "pointerSize": pointer_size}


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return the text that git itself stores for a large file."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


def git_blob_id(content: bytes) -> str:
    """Return git's id of a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def read_file(folder: Path, path: Path) -> File:
    """Hash one file of a repository."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    size, sha256, lfs = path.stat().st_size, digest.hexdigest(), path.suffix == ".safetensors"
    content = lfs_pointer(sha256, size) if lfs else path.read_bytes()
    return File(path.relative_to(folder).as_posix(), size, git_blob_id(content), sha256, lfs)


def list_files(folder: Path) -> list[File]:
    """Return a repository's files, sorted by path."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted((read_file(folder, path) for path in paths), key=lambda file: file.path)


def revision(files: list[File]) -> str:
    """Return the revision of a list of files.

    It is the sha1 of one line for each file, sorted by path: its path, a NUL byte, its sha256 in
    hexadecimal, a newline. So it changes with any content or name, and with nothing else.
    """
    lines = "".join(f"{file.path}\0{file.sha256}\n" for file in files)
    return hashlib.sha1(lines.encode(), usedforsecurity=False).hexdigest()


def hub_revision(folder: Path | str) -> str:
    """Return the revision (40 hexadecimal digits) under which the hub serves a folder."""
    return revision(list_files(Path(folder)))


def write_sharded(folder: Path) -> None:
    """Write a repository of four 16 MiB shards, the same bytes every time, to test downloads."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, SHARDS + 1):
        data = random.Random(number).randbytes(SHARD_SIZE)
        (folder / f"model-{number:05}-of-{SHARDS:05}.safetensors").write_bytes(data)
    (folder / "config.json").write_text('{"model_type": "none", "shards": 4}\n')
