"""Lock writing, input hashes, and the machine's own package sources."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from testbed import machine_pip
from testbed.apt_sources import debian_sources, parse_stanzas
from testbed.state import inputs_hash, write_atomic, write_lock

TARGETS = """\
MetaKey: main/binary-amd64/Packages
Created-By: Packages
Component: main
Origin: Debian
Release: bookworm
Repo-URI: http://mirror.example/debian/

MetaKey: main/i18n/Translation-en
Created-By: Translations
Component: main
Origin: Debian
Release: bookworm
Repo-URI: http://mirror.example/debian/

MetaKey: main/binary-amd64/Packages
Created-By: Packages
Component: main
Release: bookworm-security
Repo-URI: http://mirror.example/debian-security/

MetaKey: contrib/binary-amd64/Packages
Created-By: Packages
Component: contrib
Origin: Debian
Release: bookworm
Repo-URI: http://mirror.example/debian/

MetaKey: main/binary-amd64/Packages
Created-By: Packages
Component: main
Origin: Vendor
Release: bookworm
Repo-URI: https://vendor.example/apt/

MetaKey: main/binary-amd64/Packages
Created-By: Packages
Component: main
Origin: Debian
Release: bookworm-backports
Repo-URI: http://mirror.example/debian/
"""


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_debian_sources_of_the_machine_are_used_for_either_suite(suite: str) -> None:
    assert debian_sources(parse_stanzas(TARGETS), "bookworm", suite) == [
        f"deb http://mirror.example/debian/ {suite} main",
        f"deb http://mirror.example/debian-security/ {suite}-security main",
    ]


def test_pip_configuration_becomes_uv_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, index = tmp_path / "wheels", tmp_path / "index" / "simple"
    wheels.mkdir()
    index.mkdir(parents=True)
    text = (
        f":env:.find-links='{wheels}'\n"
        "global.find-links='/elsewhere'\n"
        f"global.extra-index-url='file://{index} https://more.example/simple'\n"
    )
    monkeypatch.setattr(machine_pip, "pip_config", lambda: machine_pip.parse_config(text))
    given = machine_pip.access()
    assert given.environment["UV_FIND_LINKS"] == "file:///build/sources/1"
    assert given.environment["EXTRA_INDEXES"] == (
        "--index=file:///build/sources/0/simple --index=https://more.example/simple"
    )
    assert given.mounts[str(index.parent)] == "/build/sources/0"
    assert given.mounts[str(wheels)] == "/build/sources/1"


def test_lock_is_sorted_and_replaced_whole(tmp_path: Path) -> None:
    lock = tmp_path / "state" / "lock.yml"
    write_lock(lock, {"b:1": "sha256:2", "a:1": "sha256:1"}, {"owner/name": "0" * 40})
    assert yaml.safe_load(lock.read_text()) == {
        "images": {"a:1": "sha256:1", "b:1": "sha256:2"},
        "models": {"owner/name": "0" * 40},
    }
    assert lock.read_text().index("a:1") < lock.read_text().index("b:1")
    assert [path.name for path in lock.parent.iterdir()] == ["lock.yml"]


def test_unchanged_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"same")
    before = path.stat().st_ino
    write_atomic(path, b"same")
    assert path.stat().st_ino == before
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_inputs_hash_sees_values_names_contents_and_modes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "a"
    file.write_text("1")
    seen = {inputs_hash({}, [folder]), inputs_hash({"key": 1}, [folder])}
    file.chmod(0o755)
    seen.add(inputs_hash({}, [folder]))
    file.write_text("2")
    seen.add(inputs_hash({}, [folder]))
    file.rename(folder / "b")
    seen.add(inputs_hash({}, [folder]))
    assert len(seen) == 5
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "b.pyc").write_text("noise")
    assert inputs_hash({}, [folder]) in seen
