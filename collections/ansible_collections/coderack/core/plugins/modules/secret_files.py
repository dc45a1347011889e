"""Module: have random secrets in files, made once and kept."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secret_files
short_description: Have random secrets in files, made once and kept
description:
  - A file that is there keeps its content; only owner and permissions are put right.
  - A file with O(secrets[].copy_of) always has the content of the other file.
  - Neither results nor diffs hold a secret.
options:
  secrets:
    description: The files, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where., type: path, required: true}
      prefix: {description: What a generated secret begins with., type: str, default: ""}
      copy_of: {description: Have the content of this file., type: path}
      mode: {description: Permissions., type: str, default: "0600"}
      owner: {description: Name or number of the owner., type: str, default: root}
      group: {description: Name or number of the group., type: str, default: root}
attributes:
  check_mode: {support: full, description: Says what it would make.}
  diff_mode: {support: full, description: Names the files.}
author: coderack
"""

EXAMPLES = r"""
- name: Have the engine's key
  coderack.core.secret_files:
    secrets:
      - path: /etc/coderack/secrets/engine/api_key
        owner: "2000"
      - path: /etc/coderack/secrets/gateway/engine_key
        copy_of: /etc/coderack/secrets/engine/api_key
"""

RETURN = r"""
changed_paths:
  description: What was made or changed.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.coderack.core.plugins.module_utils import file_changes, random_secret


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "secrets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "path": {"type": "path", "required": True},
                    "prefix": {"type": "str", "default": ""},
                    "copy_of": {"type": "path"},
                    "mode": {"type": "str", "default": "0600"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                },
            }
        },
        supports_check_mode=True,
    )
    changes = file_changes.Changes(module)
    for wanted in module.params["secrets"]:
        changes.directory(
            {
                "path": str(Path(wanted["path"]).parent),
                "mode": "0711",
                "owner": "root",
                "group": "root",
            }
        )
        content = existing(wanted["copy_of"] or wanted["path"])
        # In check mode an earlier entry or step would have made the other file.
        if wanted["copy_of"] and not content and not module.check_mode:
            module.fail_json(
                msg=f"{wanted['path']} is to be a copy of {wanted['copy_of']}, a missing file"
            )
        changes.file(wanted, content or random_secret.generate(wanted["prefix"]), secret=True)
    module.exit_json(changed=bool(changes.paths), changed_paths=changes.paths, diff=changes.diffs)


def existing(path: str) -> bytes:
    """Return the secret in `path`, empty where there is none."""
    file = Path(path)
    return file.read_bytes() if file.is_file() else b""


if __name__ == "__main__":
    main()
