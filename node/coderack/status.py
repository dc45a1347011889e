"""`coderack status`: the units and the open slots, on one screen."""

from __future__ import annotations

import json

from coderack.probe import systemctl
from coderack.slots import Proxy

PROPERTIES = "Id,ActiveState,SubState,StatusText,NRestarts"


def collect() -> dict[str, list[dict[str, str]]]:
    """Return `units` (what systemd says) and `slots` (what the journals say)."""
    shown = systemctl("show", "coderack-*.service", "--property", PROPERTIES)
    units = []
    for block in shown.split("\n\n"):
        pairs = (line.partition("=") for line in block.splitlines())
        unit = {name: value for name, _, value in pairs}
        if unit.get("Id") and not unit["Id"].startswith("coderack-healthcheck"):
            units.append(unit)
    slots = [
        {"proxy": proxy, "backend": backend, "slot": slot}
        for proxy in ("edge", "hold")
        for backend, slot in sorted(Proxy(proxy).open_slots().items())
    ]
    return {"units": sorted(units, key=lambda unit: unit["Id"]), "slots": slots}


def main(as_json: bool) -> int:
    """Print the status; 1 when a unit failed."""
    document = collect()
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        for unit in document["units"]:
            state = f"{unit['ActiveState']} ({unit['SubState']})"
            restarts = f"restarts {unit.get('NRestarts', '0')}"
            print(f"{unit['Id']:<40} {state:<22} {restarts:<12} {unit.get('StatusText', '')}")
        for row in document["slots"]:
            print(f"{row['proxy']:<5} {row['backend']:<34} open: slot {row['slot']}")
    return 1 if any(unit["ActiveState"] == "failed" for unit in document["units"]) else 0
