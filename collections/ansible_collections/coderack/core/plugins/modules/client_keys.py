"""Module: have the declared client keys, as secrets on the node and as hashes for the gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: client_keys
short_description: Have the declared client keys
description:
  - Each declared key has a secret in a file of its own, made once and kept.
  - The gateway gets one file that holds only the sha256 of each secret and what the key may do.
  - A key that is no longer declared is revoked. Its secret stays in its file and works again
    should the key come back.
options:
  keys:
    description: The declared keys.
    type: list
    elements: dict
    required: true
    suboptions:
      alias: {description: The key's name., type: str, required: true}
      models:
        description: Names that it may ask for; all where empty.
        type: list
        elements: str
        default: []
  secrets_path:
    description: Folder of the secrets.
    type: path
    required: true
  keyring_path:
    description: The file for the gateway.
    type: path
    required: true
  keyring_owner:
    description: Who may read that file.
    type: str
    required: true
attributes:
  check_mode: {support: full, description: Says what it would make.}
  diff_mode: {support: full, description: Shows the file for the gateway, which holds no secret.}
author: coderack
"""

EXAMPLES = r"""
- name: Have the client keys
  coderack.core.client_keys:
    keys: [{alias: default}, {alias: alice, models: [coder]}]
    secrets_path: /etc/coderack/secrets/keys
    keyring_path: /etc/coderack/gateway/keyring.json
    keyring_owner: "2001"
"""

RETURN = r"""
changed_paths:
  description: What was made or changed.
  returned: always
  type: list
  elements: str
"""

import hashlib
import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.coderack.core.plugins.module_utils import file_changes, random_secret

KEY_PREFIX = "sk-"
ROOT = {"owner": "root", "group": "root"}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "keys": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "alias": {"type": "str", "required": True},
                    "models": {"type": "list", "elements": "str", "default": []},
                },
            },
            "secrets_path": {"type": "path", "required": True, "no_log": False},
            "keyring_path": {"type": "path", "required": True, "no_log": False},
            "keyring_owner": {"type": "str", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    changes = file_changes.Changes(module)
    folder = Path(module.params["secrets_path"])
    changes.directory({"path": str(folder), "mode": "0700", **ROOT})
    keyring = {}
    for key in module.params["keys"]:
        path = folder / key["alias"]
        secret = path.read_bytes() if path.is_file() else random_secret.generate(KEY_PREFIX)
        changes.file({"path": str(path), "mode": "0600", **ROOT}, secret, secret=True)
        keyring[hashlib.sha256(secret).hexdigest()] = key
    content = json.dumps(keyring, indent=2, sort_keys=True) + "\n"
    changes.file(
        {
            "path": module.params["keyring_path"],
            "mode": "0600",
            "owner": module.params["keyring_owner"],
            "group": "root",
        },
        content.encode(),
    )
    module.exit_json(changed=bool(changes.paths), changed_paths=changes.paths, diff=changes.diffs)


if __name__ == "__main__":
    main()
