"""Lookup: a folder of Python sources as one executable zipapp, in base64."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: zipapp
short_description: A folder of Python sources as one executable zipapp, in base64
description:
  - The same sources give the same bytes, on any controller and at any time.
options:
  _terms:
    description: The folder; its packages are imported by name.
    required: true
  package:
    description: The package whose C(__main__) runs.
    type: str
    required: true
author: coderack
"""

EXAMPLES = r"""
- name: Show the size
  ansible.builtin.debug:
    msg: "{{ lookup('coderack.core.zipapp', 'node', package='coderack') | length }}"
"""

RETURN = r"""
_raw:
  description: The zipapp in base64.
  type: list
  elements: str
"""

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

SHEBANG = b"#!/usr/bin/python3\n"
# The first moment that a zip archive can express: content alone decides the bytes.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


class LookupModule(LookupBase):  # type: ignore[misc] # ansible-core has no types
    """Builds the archive in memory."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return one base64 text for each folder."""
        self.set_options(var_options=variables, direct=kwargs)
        return [build(Path(term), self.get_option("package")) for term in terms]


def build(root: Path, package: str) -> str:
    """Return the zipapp of `root/package` in base64.

    Raises:
        AnsibleError: there is no such package.
    """
    sources = sorted((root / package).rglob("*.py"))
    if not sources:
        raise AnsibleError(f"{root / package} has no Python sources.")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources:
            _add(archive, str(path.relative_to(root)), path.read_bytes())
        main = f"import sys\nfrom {package}.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
        _add(archive, "__main__.py", main.encode())
    return base64.b64encode(SHEBANG + stream.getvalue()).decode()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, TIMESTAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
