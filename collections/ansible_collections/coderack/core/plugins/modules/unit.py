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
  renewed:
    description: Whether the unit or what it reads has changed, so that it has to read it anew.
    type: bool
    default: false
  reloads:
    description: Whether a reload is enough for that; else it restarts.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Says what it would do.}
  diff_mode: {support: none, description: Has nothing to compare.}
author: coderack
"""

EXAMPLES = r"""
- name: Run the gateway
  coderack.core.unit:
    name: coderack-gateway.service
    renewed: "{{ __litellm_files is changed }}"
"""

RETURN = r"""
actions:
  description: What was or would be done.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

JOURNAL_LINES = 25
PROPERTIES = ("ActiveState", "UnitFileState", "NeedDaemonReload")


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "renewed": {"type": "bool", "default": False},
            "reloads": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    renew = (
        ("reload" if module.params["reloads"] else "restart") if module.params["renewed"] else ""
    )
    actions = wanted_actions(properties(module, name), renew)
    for action in [] if module.check_mode else actions:
        apply(module, action, name)
    module.exit_json(changed=bool(set(actions) - {"daemon-reload"}), actions=actions)


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
