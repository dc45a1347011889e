"""Module: what the plan needs to know of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_facts
short_description: What the plan needs to know of a node
description:
  - Reads the listening sockets, and what coderack deployed here before. Changes nothing.
options:
  releases_path:
    description: Folder of the releases.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Reads only.}
author: coderack
"""

EXAMPLES = r"""
- name: Read what the plan needs
  coderack.core.node_facts:
    releases_path: /var/lib/coderack/releases
  register: preflight_node
"""

RETURN = r"""
listeners:
  description: The listening TCP sockets, each with C(port), C(process) and C(unit).
  returned: always
  type: list
  elements: dict
places:
  description: Place on the network of every deployment, by name.
  returned: always
  type: dict
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

LISTEN = "0A"
SOCKET = re.compile(r"socket:\[(\d+)\]")
UNIT = re.compile(r"([^/]+\.service)")


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={"releases_path": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    module.exit_json(
        changed=False,
        listeners=listeners(Path("/proc")),
        places=places(Path(module.params["releases_path"])),
    )


def listeners(proc: Path) -> list[dict[str, Any]]:
    """Return every listening TCP socket with the process and the unit that own it."""
    ports = {}
    # A host without IPv6 has no tcp6.
    for table in proc.glob("net/tcp*"):
        ports.update(parse_table(table.read_text(encoding="ascii")))
    owners = {}
    for descriptor in descriptors(proc):
        try:
            found = SOCKET.fullmatch(os.readlink(descriptor))
        except OSError:
            continue
        if found and found[1] in ports:
            owners[found[1]] = descriptor.parent.parent
    return [
        {"port": port, "process": _process(owners.get(inode)), "unit": _unit(owners.get(inode))}
        for inode, port in ports.items()
    ]


def descriptors(proc: Path) -> Iterator[Path]:
    """Yield every open descriptor of every process; a process may end in the meantime."""
    for process in proc.glob("[0-9]*"):
        try:
            yield from list((process / "fd").iterdir())
        except OSError:
            continue


def parse_table(text: str) -> dict[str, int]:
    """Return the port of every listening socket in `/proc/net/tcp`, by inode."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return {row[9]: int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == LISTEN}


def places(releases: Path) -> dict[str, int]:
    """Return the place of every deployment that has a current release."""
    found = {}
    for path in releases.glob("*/current/release.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        found[document["name"]] = document["place"]
    return found


def _process(folder: Path | None) -> str:
    try:
        return (folder / "comm").read_text(encoding="utf-8").strip() if folder else ""
    except OSError:
        return ""


def _unit(folder: Path | None) -> str:
    try:
        text = (folder / "cgroup").read_text(encoding="utf-8") if folder else ""
    except OSError:
        return ""
    found = UNIT.findall(text)
    return str(found[-1]) if found else ""


if __name__ == "__main__":
    main()
