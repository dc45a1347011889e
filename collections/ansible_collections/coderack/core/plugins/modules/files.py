"""Module: write a set of files and folders in one step."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: files
short_description: Write a set of files and folders in one step
description:
  - Makes folders and files as declared and removes what is listed as absent.
  - One step for everything that a role writes, because each Ansible task costs about half a second.
  - Files are replaced as a whole, by a rename.
options:
  directories:
    description: Folders to have, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      mode: {description: Permissions., type: str, default: "0755"}
      owner: {description: Name or number of the owner., type: str, default: root}
      group: {description: Name or number of the group., type: str, default: root}
  files:
    description: Files to have.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      content: {description: The text., type: str}
      content_base64: {description: The bytes in base64, type: str}
      content_of:
        description: Files on the node to join, kept out of diffs.
        type: list
        elements: path
      mode: {description: Permissions., type: str, default: "0644"}
      owner: {description: Name or number of the owner., type: str, default: root}
      group: {description: Name or number of the group., type: str, default: root}
  links:
    description: Symbolic links to have, replaced by a rename.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      target: {description: What it points to., type: str, required: true}
  absent:
    description: Files and links to remove.
    type: list
    elements: path
    default: []
attributes:
  check_mode: {support: full, description: Says what it would change.}
  diff_mode: {support: full, description: Shows text files before and after.}
author: coderack
"""

EXAMPLES = r"""
- name: Write the gateway's configuration
  coderack.core.files:
    directories:
      - {path: /etc/coderack/gateway, mode: "0750"}
    files:
      - {path: /etc/coderack/gateway/config.yaml, content: "a: 1\n", mode: "0640"}
"""

RETURN = r"""
changed_paths:
  description: What was written, changed or removed.
  returned: always
  type: list
  elements: str
"""

import base64
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.coderack.core.plugins.module_utils import file_changes

CONTENTS = ("content", "content_base64", "content_of")
OWNERSHIP = {
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "mode": {"type": "str", "default": "0755"},
                    **OWNERSHIP,
                },
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "content_base64": {"type": "str"},
                    "content_of": {"type": "list", "elements": "path"},
                    "mode": {"type": "str", "default": "0644"},
                    **OWNERSHIP,
                },
                "required_one_of": [CONTENTS],
                "mutually_exclusive": [CONTENTS],
            },
            "links": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "target": {"type": "str", "required": True},
                },
            },
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    changes = file_changes.Changes(module)
    for directory in module.params["directories"]:
        changes.directory(directory)
    for file in module.params["files"]:
        missing = [path for path in file["content_of"] or [] if not Path(path).is_file()]
        if missing and module.check_mode:
            # An earlier step would have made them.
            changes.paths.append(file["path"])
        elif missing:
            module.fail_json(
                msg=f"{file['path']} is to be joined from {missing[0]}, a missing file"
            )
        else:
            changes.file(file, content_of(file), secret=file["content_of"] is not None)
    for link in module.params["links"]:
        changes.link(Path(link["path"]), link["target"])
    for path in module.params["absent"]:
        changes.absent(Path(path))
    module.exit_json(changed=bool(changes.paths), changed_paths=changes.paths, diff=changes.diffs)


def content_of(file: dict[str, Any]) -> bytes:
    """Return the wanted bytes of a declared file."""
    if file["content"] is not None:
        return str(file["content"]).encode()
    if file["content_of"] is not None:
        # A file without a newline at its end must not run into the next.
        parts = [Path(path).read_bytes() for path in file["content_of"]]
        return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)
    return base64.b64decode(file["content_base64"])


if __name__ == "__main__":
    main()
