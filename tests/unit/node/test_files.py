"""A file is the old one or the new one, and one process at a time changes it."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from coderack import files

NODE = Path(files.__file__).parents[1]
HOLDER = """
import sys
from pathlib import Path
from coderack.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_an_interrupted_write_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "journal"
    files.write_atomic(path, "old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["journal"]


def test_the_content_is_on_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        order.append("folder" if folder else f"content of {os.fstat(descriptor).st_size} bytes")

    rename = os.replace

    def replace(source: str, target: Path) -> None:
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    files.write_atomic(tmp_path / "journal", "new")
    assert order == ["content of 3 bytes", "rename", "folder"]


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_mode_does_not_depend_on_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        files.write_atomic(tmp_path / "new" / "file", "ü", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "file").stat().st_mode) == mode
    assert (tmp_path / "new" / "file").read_bytes() == "ü".encode()


def test_a_lock_excludes_another_process_until_it_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    holders = []
    for _ in range(2):
        holders.append(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(NODE)},
            )
        )
        if len(holders) == 1:
            stdout = holders[0].stdout
            assert stdout
            assert stdout.readline() == "locked\n"
    first, second = holders
    assert second.stdout
    # Long enough for the second to have started and asked for the lock.
    assert select.select([second.stdout], [], [], 0.5)[0] == []
    first.kill()
    first.wait()
    assert second.stdout.readline() == "locked\n"
    second.communicate()
    first.communicate()
