"""Files, secrets and client keys: what a run writes, what a second run and check mode leave."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.coderack.core.plugins.modules import client_keys, files, secret_files

Run = Callable[..., dict[str, Any]]
ME = {"owner": str(os.getuid()), "group": str(os.getgid())}
FOREIGN = 12345


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return everything in a folder: permissions, owner, content."""
    return {
        str(path.relative_to(folder)): (
            mode(path),
            path.lstat().st_uid,
            os.readlink(path).encode()
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b"",
        )
        for path in folder.rglob("*")
    }


def declared(folder: Path, text: str = "a: 1\n") -> dict[str, Any]:
    return {
        "directories": [{"path": str(folder / "etc"), "mode": "0750", **ME}],
        "files": [
            {"path": str(folder / "etc/config"), "content": text, "mode": "0640", **ME},
            {
                "path": str(folder / "etc/program"),
                "content_base64": base64.b64encode(b"\x00\xff").decode(),
                "mode": "0755",
                **ME,
            },
        ],
        "links": [{"path": str(folder / "etc/current"), "target": "config"}],
        "absent": [str(folder / "old")],
    }


def test_files_are_made_and_a_second_run_changes_nothing(tmp_path: Path, run_module: Run) -> None:
    (tmp_path / "old").write_text("x")
    result = run_module(files, **declared(tmp_path))
    assert result["changed"]
    assert result["changed_paths"] == [
        str(tmp_path / name) for name in ("etc", "etc/config", "etc/program", "etc/current", "old")
    ]
    made = tree(tmp_path)
    uid = os.getuid()
    assert made == {
        "etc": (0o750, uid, b""),
        "etc/config": (0o640, uid, b"a: 1\n"),
        "etc/program": (0o755, uid, b"\x00\xff"),
        "etc/current": (0o777, uid, b"config"),
    }
    inode = (tmp_path / "etc/config").stat().st_ino
    again = run_module(files, **declared(tmp_path))
    assert not again["changed"]
    assert again["changed_paths"] == []
    assert again["diff"] == []
    assert tree(tmp_path) == made
    assert (tmp_path / "etc/config").stat().st_ino == inode


def test_a_changed_file_is_shown_before_and_after(tmp_path: Path, run_module: Run) -> None:
    run_module(files, **declared(tmp_path))
    result = run_module(files, **declared(tmp_path, "a: 2\n"))
    path = str(tmp_path / "etc/config")
    assert result["changed_paths"] == [path]
    assert result["diff"] == [
        {"before": "a: 1\n", "after": "a: 2\n", "before_header": path, "after_header": path}
    ]
    assert (tmp_path / "etc/config").read_text() == "a: 2\n"
    assert mode(tmp_path / "etc/config") == 0o640


def test_check_mode_says_what_a_run_would_do_and_does_nothing(
    tmp_path: Path, run_module: Run
) -> None:
    (tmp_path / "old").write_text("x")
    before = tree(tmp_path)
    foreseen = run_module(files, check=True, **declared(tmp_path))
    assert tree(tmp_path) == before
    assert foreseen == run_module(files, **declared(tmp_path))
    (tmp_path / "etc/config").chmod(0o600)
    (tmp_path / "etc/current").unlink()
    (tmp_path / "etc/current").symlink_to("program")
    before = tree(tmp_path)
    foreseen = run_module(files, check=True, **declared(tmp_path))
    assert foreseen["changed_paths"] == [
        str(tmp_path / "etc/config"),
        str(tmp_path / "etc/current"),
    ]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["etc", "etc/config"])
def test_permissions_and_owner_are_put_right(tmp_path: Path, run_module: Run, name: str) -> None:
    run_module(files, **declared(tmp_path))
    made = tree(tmp_path)
    (tmp_path / name).chmod(0o777)
    os.chown(tmp_path / name, FOREIGN, FOREIGN)
    result = run_module(files, **declared(tmp_path))
    assert result["changed_paths"] == [str(tmp_path / name)]
    assert tree(tmp_path) == made
    assert (tmp_path / name).stat().st_gid == os.getgid()


def test_a_link_is_pointed_anew_and_a_file_in_its_place_gives_way(
    tmp_path: Path, run_module: Run
) -> None:
    link = tmp_path / "current"
    link.write_text("a file")
    for target in ("one", "two"):
        result = run_module(files, links=[{"path": str(link), "target": target}])
        assert result["changed"]
        assert os.readlink(link) == target
    assert result["diff"][0]["before"] == "-> one\n"
    assert list(tree(tmp_path)) == ["current"]


def test_a_dangling_link_can_be_absent(tmp_path: Path, run_module: Run) -> None:
    (tmp_path / "current").symlink_to("nothing")
    assert run_module(files, absent=[str(tmp_path / "current")])["changed"]
    assert not (tmp_path / "current").is_symlink()
    assert not run_module(files, absent=[str(tmp_path / "current")])["changed"]


def joined(folder: Path) -> dict[str, Any]:
    return {
        "path": str(folder / "tls.pem"),
        "content_of": [str(folder / "chain"), str(folder / "key")],
        "mode": "0600",
        **ME,
    }


def test_joined_files_stay_out_of_the_diff(tmp_path: Path, run_module: Run) -> None:
    (tmp_path / "chain").write_text("CHAIN\n")
    (tmp_path / "key").write_text("HIDDEN\n")
    for content in ("HIDDEN\n", "HIDDEN-2\n"):
        (tmp_path / "key").write_text(content)
        result = run_module(files, files=[joined(tmp_path)])
        assert result["changed_paths"] == [str(tmp_path / "tls.pem")]
        assert "HIDDEN" not in json.dumps(result)
        assert "CHAIN" not in json.dumps(result)
        assert (tmp_path / "tls.pem").read_text() == f"CHAIN\n{content}"
    assert not run_module(files, files=[joined(tmp_path)])["changed"]


def test_a_missing_part_fails_except_in_check_mode(tmp_path: Path, run_module: Run) -> None:
    (tmp_path / "chain").write_text("CHAIN\n")
    assert run_module(files, check=True, files=[joined(tmp_path)])["changed"]
    result = run_module(files, files=[joined(tmp_path)])
    assert result["failed"]
    assert str(tmp_path / "key") in result["msg"]
    assert not (tmp_path / "tls.pem").exists()


@pytest.mark.parametrize("contents", [{}, {"content": "a", "content_base64": "YQ=="}])
def test_a_file_has_one_content(tmp_path: Path, run_module: Run, contents: dict[str, str]) -> None:
    result = run_module(files, files=[{"path": str(tmp_path / "x"), **contents}])
    assert result["failed"]


def test_a_failure_in_the_middle_leaves_no_other_file(tmp_path: Path, run_module: Run) -> None:
    wanted = {"path": str(tmp_path / "x"), "content": "a", "owner": "no-such-user", "group": "0"}
    assert run_module(files, files=[wanted])["failed"]
    assert tree(tmp_path) == {}


# Secrets


def secrets_in(folder: Path) -> dict[str, Any]:
    return {
        "secrets": [
            {"path": str(folder / "engine/api_key"), "owner": str(FOREIGN)},
            {
                "path": str(folder / "gateway/engine_key"),
                "copy_of": str(folder / "engine/api_key"),
                "mode": "0640",
            },
            {"path": str(folder / "gateway/master_key"), "prefix": "sk-"},
        ]
    }


def test_secrets_are_made_once_and_kept(tmp_path: Path, run_module: Run) -> None:
    result = run_module(secret_files, **secrets_in(tmp_path))
    made = tree(tmp_path)
    engine = made["engine/api_key"][2]
    master = made["gateway/master_key"][2]
    assert made["engine/api_key"][:2] == (0o600, FOREIGN)
    assert made["gateway/engine_key"] == (0o640, 0, engine)
    assert master.startswith(b"sk-")
    assert len(engine) >= 40
    assert made["engine"][0] == 0o711
    for secret in (engine, master):
        assert secret.decode() not in json.dumps(result)
    again = run_module(secret_files, **secrets_in(tmp_path))
    assert not again["changed"]
    assert tree(tmp_path) == made


def test_a_copy_follows_its_source(tmp_path: Path, run_module: Run) -> None:
    run_module(secret_files, **secrets_in(tmp_path))
    (tmp_path / "engine/api_key").write_text("rotated")
    result = run_module(secret_files, **secrets_in(tmp_path))
    assert result["changed_paths"] == [str(tmp_path / "gateway/engine_key")]
    assert (tmp_path / "gateway/engine_key").read_text() == "rotated"
    assert "rotated" not in json.dumps(result)


def test_a_copy_of_nothing_fails_and_makes_no_secret_of_its_own(
    tmp_path: Path, run_module: Run
) -> None:
    copy = {"path": str(tmp_path / "copy"), "copy_of": str(tmp_path / "none")}
    result = run_module(secret_files, secrets=[copy])
    assert result["failed"]
    assert copy["copy_of"] in result["msg"]
    assert tree(tmp_path) == {}


def test_owner_and_permissions_of_a_secret_are_put_right(tmp_path: Path, run_module: Run) -> None:
    run_module(secret_files, **secrets_in(tmp_path))
    made = tree(tmp_path)
    path = tmp_path / "engine/api_key"
    path.chmod(0o644)
    os.chown(path, 0, 0)
    result = run_module(secret_files, **secrets_in(tmp_path))
    assert result["changed_paths"] == [str(path)]
    assert tree(tmp_path) == made


def test_an_empty_secret_is_none(tmp_path: Path, run_module: Run) -> None:
    (tmp_path / "key").write_text("")
    assert run_module(secret_files, secrets=[{"path": str(tmp_path / "key")}])["changed"]
    assert len((tmp_path / "key").read_text()) >= 40


def test_check_mode_makes_no_secret(tmp_path: Path, run_module: Run) -> None:
    assert run_module(secret_files, check=True, **secrets_in(tmp_path))["changed"]
    assert tree(tmp_path) == {}


# Client keys


def keys_in(folder: Path, *keys: dict[str, Any]) -> dict[str, Any]:
    return {
        "keys": list(keys),
        "secrets_path": str(folder / "keys"),
        "keyring_path": str(folder / "keyring.json"),
        "keyring_owner": str(FOREIGN),
    }


ALICE = {"alias": "alice"}
BOB = {"alias": "bob", "models": ["coder"]}


def secret_of(folder: Path, alias: str) -> str:
    return (folder / "keys" / alias).read_text()


def test_the_keyring_holds_hashes_and_what_they_may_do(tmp_path: Path, run_module: Run) -> None:
    result = run_module(client_keys, **keys_in(tmp_path, ALICE, BOB))
    text = (tmp_path / "keyring.json").read_text()
    secrets = {alias: secret_of(tmp_path, alias) for alias in ("alice", "bob")}
    assert json.loads(text) == {
        hashlib.sha256(secrets["alice"].encode()).hexdigest(): {"alias": "alice", "models": []},
        hashlib.sha256(secrets["bob"].encode()).hexdigest(): BOB,
    }
    for secret in secrets.values():
        assert secret.startswith("sk-")
        assert secret not in text
        assert secret not in json.dumps(result)
    made = tree(tmp_path)
    assert made["keys"][:2] == (0o700, 0)
    assert made["keys/alice"][:2] == (0o600, 0)
    assert made["keyring.json"][:2] == (0o600, FOREIGN)


def test_client_keys_are_kept(tmp_path: Path, run_module: Run) -> None:
    run_module(client_keys, **keys_in(tmp_path, ALICE, BOB))
    made = tree(tmp_path)
    assert not run_module(client_keys, **keys_in(tmp_path, BOB, ALICE))["changed"]
    assert tree(tmp_path) == made


def test_a_key_that_is_no_longer_declared_is_revoked_and_can_come_back(
    tmp_path: Path, run_module: Run
) -> None:
    run_module(client_keys, **keys_in(tmp_path, ALICE, BOB))
    both = (tmp_path / "keyring.json").read_text()
    result = run_module(client_keys, **keys_in(tmp_path, ALICE))
    assert result["changed_paths"] == [str(tmp_path / "keyring.json")]
    keyring = json.loads((tmp_path / "keyring.json").read_text())
    assert [key["alias"] for key in keyring.values()] == ["alice"]
    run_module(client_keys, **keys_in(tmp_path, ALICE, BOB))
    assert (tmp_path / "keyring.json").read_text() == both


def test_check_mode_makes_no_client_key(tmp_path: Path, run_module: Run) -> None:
    assert run_module(client_keys, check=True, **keys_in(tmp_path, ALICE))["changed"]
    assert tree(tmp_path) == {}
