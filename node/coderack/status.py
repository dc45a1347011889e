"""`coderack status`: the units and what the proxies do with requests, on one screen."""

from __future__ import annotations

import json
from typing import Any

from coderack.errors import CoderackError
from coderack.probe import systemctl
from coderack.slots import HOLD, Proxy

PROPERTIES = "Id,ActiveState,SubState,StatusText,NRestarts"
PROXIES = ("edge", "hold")


def units() -> list[dict[str, str]]:
    """Return what systemd says of coderack's services, but for the healthchecks' short runs."""
    shown = systemctl("show", "coderack-*.service", "--property", PROPERTIES)
    found = []
    for block in shown.split("\n\n"):
        pairs = (line.partition("=") for line in block.splitlines())
        unit = {name: value for name, _, value in pairs}
        if unit.get("Id") and not unit["Id"].startswith("coderack-healthcheck"):
            found.append(unit)
    return sorted(found, key=lambda unit: unit["Id"])


def backends() -> list[dict[str, Any]]:
    """Return what each proxy does with each backend; `slot` is empty for one that is silent."""
    rows: list[dict[str, Any]] = []
    for name in PROXIES:
        try:
            states = Proxy(name).states()
        except CoderackError as error:
            rows.append({"proxy": name, "backend": "", "slot": "", "fault": error.what})
            continue
        for backend, state in states.items():
            row = {"proxy": name, "backend": backend, "slot": state.slot, "waiting": state.waiting}
            rows.append(row)
    return rows


def main(as_json: bool) -> int:
    """Print the status; 1 when a unit failed, a proxy is silent or requests are held."""
    document: dict[str, list[dict[str, Any]]] = {"units": units(), "backends": backends()}
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        for unit in document["units"]:
            print(unit_line(unit))
        for row in document["backends"]:
            print(backend_line(row))
    failed = any(unit["ActiveState"] == "failed" for unit in document["units"])
    return 1 if failed or any(row["slot"] in ("", HOLD) for row in document["backends"]) else 0


def unit_line(unit: dict[str, str]) -> str:
    """Return one unit as a line of the screen."""
    state = f"{unit['ActiveState']} ({unit['SubState']})"
    restarts = f"restarts {unit.get('NRestarts') or '0'}"
    return f"{unit['Id']:<40} {state:<22} {restarts:<12} {unit.get('StatusText', '')}".rstrip()


def backend_line(row: dict[str, Any]) -> str:
    """Return one backend as a line of the screen."""
    if not row["slot"]:
        return f"{row['proxy']:<5} {row['fault']}"
    what = "HELD" if row["slot"] == HOLD else f"open: slot {row['slot']}"
    return f"{row['proxy']:<5} {row['backend']:<34} {what}, {row['waiting']} waiting"
