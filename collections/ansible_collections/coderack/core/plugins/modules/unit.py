"""Module: have a systemd unit serve, and say why it does not."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: unit
short_description: Have a systemd unit serve, and say why it does not
description:
  - Enables a unit and starts it, or restarts it once where it was given something new to read.
  - Waits until the unit is active, also when systemd was already starting it.
  - A failure carries the last lines of the unit's journal.
options:
  name:
    description: The unit.
    type: str
    required: true
  reads:
    description:
      - Files that the unit reads, itself among them. Where they differ from those of its last start
        or reload by this module, it has to read them anew, whichever run changed them.
    type: list
    elements: path
    default: []
  reloads:
    description: Whether a reload is enough for that; else it restarts.
    type: bool
    default: false
  stamps_path:
    description: Folder that remembers what each unit has read.
    type: path
    default: /var/lib/coderack/units
attributes:
  check_mode: {support: full, description: Says what it would do.}
  diff_mode: {support: none, description: Has nothing to compare.}
author: coderack
"""

EXAMPLES = r"""
- name: Run the gateway
  coderack.core.unit:
    name: coderack-gateway.service
    reads: [/etc/systemd/system/coderack-gateway.service, /etc/coderack/gateway/config.yaml]
"""

RETURN = r"""
actions:
  description: What was or would be done.
  returned: always
  type: list
  elements: str
"""

import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

JOURNAL_LINES = 25
PROPERTIES = ("ActiveState", "UnitFileState", "NeedDaemonReload")


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "reads": {"type": "list", "elements": "path", "default": []},
            "reloads": {"type": "bool", "default": False},
            "stamps_path": {"type": "path", "default": "/var/lib/coderack/units"},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    stamp = Path(module.params["stamps_path"]) / f"{name}.sha256"
    wanted = digest(module.params["reads"])
    renew = ""
    if module.params["reads"] and read(stamp) != wanted:
        renew = "reload" if module.params["reloads"] else "restart"
    actions = wanted_actions(properties(module, name), renew)
    if not module.check_mode:
        for action in actions:
            apply(module, action, name)
        if renew:
            # Last, so that a run which failed before is made good by the next.
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(wanted, encoding="ascii")
    module.exit_json(changed=bool(set(actions) - {"daemon-reload"}), actions=actions)


def digest(paths: list[str]) -> str:
    """Return a hash over the files; a missing one counts as empty."""
    hashes = [hashlib.sha256(read_bytes(Path(path))).hexdigest() for path in paths]
    return hashlib.sha256("\n".join([*paths, *hashes]).encode()).hexdigest()


def read_bytes(path: Path) -> bytes:
    """Return the content, empty where there is none."""
    return path.read_bytes() if path.is_file() else b""


def read(path: Path) -> str:
    """Return the text, empty where there is none."""
    return read_bytes(path).decode(errors="replace")


def properties(module: AnsibleModule, name: str) -> dict[str, str]:
    """Ask systemd for the unit's state; an unknown unit has empty ones."""
    command = ["systemctl", "show", name, "--property", ",".join(PROPERTIES)]
    _, output, _ = module.run_command(command, check_rc=True)
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def wanted_actions(state: dict[str, str], renew: str) -> list[str]:
    """Return the systemctl commands that bring the unit to serve, in order.

    Args:
        state: What systemd says of it.
        renew: `restart` or `reload` where it has something new to read, else empty.
    """
    actions = []
    if renew or state.get("NeedDaemonReload") == "yes":
        actions.append("daemon-reload")
    if state.get("UnitFileState") != "enabled":
        actions.append("enable")
    active = state.get("ActiveState")
    if renew == "restart" and active in ("active", "activating"):
        # What a person asked for is no crash, so it does not count against the start limit.
        actions += ["reset-failed", "restart"]
    elif renew == "reload" and active == "active":
        actions.append("reload")
    elif active != "active":
        actions += ["reset-failed", "start"]
    return actions


def apply(module: AnsibleModule, action: str, name: str) -> None:
    """Run one systemctl command, or fail with the unit's own last words."""
    arguments = [] if action == "daemon-reload" else [name]
    code, _, error = module.run_command(["systemctl", action, *arguments])
    if not code:
        return
    _, journal, _ = module.run_command(
        ["journalctl", "--unit", name, "--no-pager", "--output", "cat", "-n", str(JOURNAL_LINES)]
    )
    module.fail_json(
        msg=f"{name} could not {action}: {error.strip()}\n"
        f"Its last lines:\n{journal.rstrip()}\n"
        f"Next: journalctl -u {name} on the node; correct the cause and run the playbook again."
    )


if __name__ == "__main__":
    main()
