"""What the machine has to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import require
from testbed.errors import TestbedError


def test_what_is_there_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(require, "install", lambda what, package: installed.append(package))
    present = tmp_path / "keyring.gpg"
    present.touch()
    require.require("sh", "dash")
    require.require_file(present, "keyring")
    assert installed == []
    require.require("no-such-tool", "tool-package")
    require.require_file(tmp_path / "missing", "file-package")
    assert installed == ["tool-package", "file-package"]


def test_who_may_not_install_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(TestbedError, match="sudo apt-get install some-package"):
        require.require("no-such-tool", "some-package")
