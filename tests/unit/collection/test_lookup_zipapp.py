"""The program that is shipped to nodes: the same bytes every time, and they run."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.coderack.core.plugins.lookup import zipapp

NODE = Path(__file__).parents[3] / "node"


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    copy = shutil.copytree(NODE, tmp_path / "elsewhere")
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    (copy / "coderack/__pycache__").mkdir(exist_ok=True)
    (copy / "coderack/__pycache__/x.pyc").write_bytes(b"x")
    assert zipapp.build(copy, "coderack") == zipapp.build(NODE, "coderack")


def test_other_sources_give_other_bytes(tmp_path: Path) -> None:
    copy = shutil.copytree(NODE, tmp_path / "elsewhere")
    with (copy / "coderack/errors.py").open("a") as stream:
        stream.write("# changed\n")
    assert zipapp.build(copy, "coderack") != zipapp.build(NODE, "coderack")


def test_the_archive_runs(tmp_path: Path) -> None:
    program = tmp_path / "coderack"
    program.write_bytes(base64.b64decode(zipapp.build(NODE, "coderack")))
    assert program.read_bytes().startswith(b"#!/usr/bin/python3\n")
    answers = {}
    for argument in ("--help", "no-such"):
        answers[argument] = subprocess.run(
            ["python3", program, argument],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
    assert answers["--help"].returncode == 0, answers["--help"].stderr
    assert answers["--help"].stdout.startswith("usage: coderack")
    assert answers["no-such"].returncode == 2


def test_a_folder_without_the_package_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="has no Python sources"):
        zipapp.build(tmp_path, "coderack")
