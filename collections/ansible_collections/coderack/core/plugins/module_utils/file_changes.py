"""Bring files and folders to a declared state, with diffs, or only say what would change."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule


class Changes:
    """Applies changes, or in check mode only notes them.

    Attributes:
        paths: What was or would be changed.
        diffs: Before and after, in Ansible's form.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.paths: list[str] = []
        self.diffs: list[dict[str, str]] = []

    def directory(self, wanted: dict[str, Any]) -> None:
        """Have the folder `wanted["path"]`."""
        path = Path(wanted["path"])
        if not path.is_dir():
            self._note(path, "", "(folder)\n")
            if self.module.check_mode:
                return
            path.mkdir(parents=True)
        self._attributes(path, wanted)

    def file(self, wanted: dict[str, Any], content: bytes, secret: bool = False) -> None:
        """Have the file `wanted["path"]` with `content`; a secret's diff shows nothing of it."""
        path = Path(wanted["path"])
        before = path.read_bytes() if path.is_file() else None
        if before != content:
            self._note(path, *_shown(before, content, secret))
            if self.module.check_mode:
                return
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                # Before the rename, so that no moment has the content under other permissions.
                self._attributes(Path(temporary), wanted, note=False)
                os.replace(temporary, path)
            except BaseException:  # the module ends by SystemExit, and a secret must not stay
                os.unlink(temporary)
                raise
        self._attributes(path, wanted)

    def link(self, path: Path, target: str) -> None:
        """Have the symbolic link `path` point to `target`."""
        before = os.readlink(path) if path.is_symlink() else ""
        if before == target:
            return
        self._note(path, f"-> {before}\n" if before else "", f"-> {target}\n")
        if not self.module.check_mode:
            temporary = path.with_name(f".{path.name}.new")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(target)
            os.replace(temporary, path)

    def absent(self, path: Path) -> None:
        """Remove a file."""
        if path.is_symlink() or path.exists():
            self._note(path, "(there)\n", "")
            if not self.module.check_mode:
                path.unlink()

    def _attributes(self, path: Path, wanted: dict[str, Any], note: bool = True) -> None:
        changed = False
        for apply, value in (
            (self.module.set_owner_if_different, wanted["owner"]),
            (self.module.set_group_if_different, wanted["group"]),
            (self.module.set_mode_if_different, wanted["mode"]),
        ):
            changed = apply(str(path), value, changed)
        if changed and note and str(path) not in self.paths:
            self.paths.append(str(path))

    def _note(self, path: Path, before: str, after: str) -> None:
        self.paths.append(str(path))
        self.diffs.append(
            {
                "before": before,
                "after": after,
                "before_header": str(path),
                "after_header": str(path),
            }
        )


def _shown(before: bytes | None, after: bytes, secret: bool) -> tuple[str, str]:
    try:
        texts = ((before or b"").decode(), after.decode())
    except UnicodeDecodeError:
        return "" if before is None else "(other bytes)\n", "(these bytes)\n"
    if secret:
        return "" if before is None else "(another secret)\n", "(a secret)\n"
    return texts
