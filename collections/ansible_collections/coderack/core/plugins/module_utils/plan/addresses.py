"""Fixed addresses and ports on the node's internal network.

A deployment keeps its place for as long as it exists, whatever else comes and goes: its address is
part of its release, so a new one would restart a model for nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ansible_collections.coderack.core.plugins.module_utils.plan.findings import Finding

GATEWAY_OFFSET = 8
ENGINE_OFFSET = 16
PORT_OFFSET = 8101
SLOTS = ("a", "b")
MAX_DEPLOYMENTS = 64


@dataclass(frozen=True)
class Network:
    """The internal network; HAProxy on the host has its first address."""

    subnet: str

    def address(self, offset: int) -> str:
        """Return the address that lies `offset` above the network's own."""
        return str(ipaddress.ip_network(self.subnet)[offset])

    @property
    def bridge(self) -> str:
        """Where containers reach the host."""
        return self.address(1)

    def gateway(self) -> dict[str, str]:
        """Addresses of the gateway by slot."""
        return {slot: self.address(GATEWAY_OFFSET + i) for i, slot in enumerate(SLOTS)}

    def engine(self, place: int) -> dict[str, str]:
        """Addresses by slot of the engine at `place`."""
        first = ENGINE_OFFSET + place * len(SLOTS)
        return {slot: self.address(first + i) for i, slot in enumerate(SLOTS)}


def check_subnet(subnet: str) -> list[Finding]:
    """Find a subnet that is none, or that has no room for every place."""
    last = ENGINE_OFFSET + MAX_DEPLOYMENTS * len(SLOTS)
    try:
        if ipaddress.IPv4Network(subnet).num_addresses > last:
            return []
        what = f"{subnet} has no room for {MAX_DEPLOYMENTS} deployments."
    except ValueError as error:
        what = f"{error}."
    return [Finding("subnet", "preflight_subnet", what, "use a free /24 such as 172.30.0.0/24")]


def allocate(names: list[str], taken: dict[str, int]) -> dict[str, int]:
    """Give each deployment a place, keeping those that the node already gave.

    Args:
        names: The deployments.
        taken: Places by name, as the node has them.

    Raises:
        ValueError: more deployments than places.
    """
    places = {name: taken[name] for name in names if name in taken}
    # A place whose deployment goes away stays its own for this run: it may still be in use.
    free = (i for i in range(MAX_DEPLOYMENTS) if i not in taken.values())
    for name in names:
        if name not in places:
            place = next(free, None)
            if place is None:
                raise ValueError(f"a node has room for {MAX_DEPLOYMENTS} deployments")
            places[name] = place
    return places


def port(place: int) -> int:
    """Port of the hold for the deployment at `place`."""
    return PORT_OFFSET + place
