"""The hub's files, revision and ranges."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from testbed.hub import hub_revision
from testbed.hub.faults import damage
from testbed.hub.ranges import UnsatisfiableError, parse_range
from testbed.hub.repository import list_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "config.json").write_bytes(b"hello\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_revision_follows_the_documented_formula(folder: Path) -> None:
    lines = (
        f"model.safetensors\0{hashlib.sha256(b'weights').hexdigest()}\n"
        f"sub/config.json\0{hashlib.sha256(b'hello' + bytes([10])).hexdigest()}\n"
    )
    assert hub_revision(folder) == hashlib.sha1(lines.encode()).hexdigest()


@pytest.mark.parametrize("change", ["content", "name", "new file"])
def test_revision_changes_with_any_file(folder: Path, change: str) -> None:
    before = hub_revision(folder)
    if change == "content":
        (folder / "model.safetensors").write_bytes(b"weightS")
    elif change == "name":
        (folder / "model.safetensors").rename(folder / "other.safetensors")
    else:
        (folder / "README.md").write_bytes(b"")
    assert hub_revision(folder) != before


def test_large_files_carry_sha256_and_others_git_blob_ids(folder: Path) -> None:
    model, config = list_files(folder)
    assert (model.lfs, model.etag) == (True, hashlib.sha256(b"weights").hexdigest())
    # What `git hash-object` prints for a file that holds "hello" and a newline.
    assert (config.lfs, config.etag) == (False, "ce013625030ba8dba906f756967f9e9ca394464a")
    assert model.describe()["lfs"] == {"sha256": model.sha256, "size": 7, "pointerSize": 126}
    assert "lfs" not in config.describe()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-500", (0, 99)),
        ("bytes=-", None),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
    ],
)
def test_range(header: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_range_outside_the_file(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        parse_range(header, 100)


def test_faults_count_from_the_start_of_the_file() -> None:
    assert damage(b"abc", 10, {}) == b"abc"
    assert damage(b"abc", 10, {"cut_after": 11}) == b"a"
    assert damage(b"abc", 10, {"cut_after": 5}) == b""
    assert damage(b"abc", 10, {"cut_after": 13}) == b"abc"
    assert damage(b"abc", 10, {"flip_at": 11}) == b"a\x9dc"
    assert damage(b"abc", 10, {"flip_at": 9}) == b"abc"
