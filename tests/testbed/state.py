"""The state folder: written atomically, and used by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from testbed.config import STATE
from testbed.steps import say


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == data:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_lock(path: Path, images: Mapping[str, str], models: Mapping[str, str]) -> None:
    """Write the digests and revisions that the test bed serves, sorted by name."""
    content = {"images": dict(sorted(images.items())), "models": dict(sorted(models.items()))}
    write_atomic(path, yaml.safe_dump(content, sort_keys=False).encode())


def inputs_hash(values: Mapping[str, object], files: Iterable[Path] = ()) -> str:
    """Return a short hash of plain values and of files or whole folders."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for file in files:
        members = [file] if file.is_file() else sorted(file.rglob("*"))
        for member in members:
            if not member.is_file() or "__pycache__" in member.parts:
                continue
            mode = "x" if os.access(member, os.X_OK) else "-"
            name = f"{file.name}/{member.relative_to(file)}" if member != file else file.name
            content = hashlib.sha256(member.read_bytes()).hexdigest()
            digest.update(f"{name}\0{mode}\0{content}\n".encode())
    return digest.hexdigest()[:16]


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the state folder: two runs of the test bed would build the same things twice."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "busy").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of the test bed")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
