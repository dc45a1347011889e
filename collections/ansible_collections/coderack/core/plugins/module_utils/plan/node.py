"""Check the plan against what the node reported."""

from __future__ import annotations

from typing import Any

from ansible_collections.coderack.core.plugins.module_utils.plan.findings import Finding

HIGHEST_PORT = 65535


def check_ports(
    wanted: dict[int, str], listeners: list[dict[str, Any]], own_units: str = "coderack-"
) -> list[Finding]:
    """Find ports that somebody else listens on.

    Args:
        wanted: What each port is for.
        listeners: `port`, `process` and `unit` of every listening socket.
        own_units: How the names of coderack's own units begin.
    """
    findings = []
    for port, purpose in sorted(wanted.items()):
        others = [
            listener
            for listener in listeners
            if listener["port"] == port and not listener["unit"].startswith(own_units)
        ]
        if others:
            owner = others[0]
            unit = f" (unit {owner['unit']})" if owner["unit"] else ""
            findings.append(
                Finding(
                    "port-taken",
                    f"port {port}, wanted for {purpose}",
                    f"{owner['process'] or 'a process'}{unit} listens there.",
                    f"ss -ltnp 'sport = :{port}' on the node; stop it, or choose another port",
                )
            )
    return findings


def check_edge_port(port: int, releases: list[dict[str, Any]]) -> list[Finding]:
    """Find an edge port that is none, or that a hold of a release has."""
    holds = {release["port"]: release["name"] for release in releases}
    if not 1 <= port <= HIGHEST_PORT:
        what = f"{port} is not a port."
    elif port in holds:
        what = f"{port} is the port of the hold of {holds[port]}."
    else:
        return []
    return [Finding("edge-port", "edge_port", what, "choose another port, such as 443")]
