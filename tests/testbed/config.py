"""Names and places that the parts of the test bed share."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STATE = ROOT / ".testbed"

# Every container, image, network and volume of the test bed carries this label; `down` removes
# nothing else.
LABEL = "coderack.testbed"
INPUTS_LABEL = "coderack.testbed.inputs"
NETWORK = "coderack-testbed"
UPSTREAM = "coderack-testbed-upstream"
STATE_VOLUME = "coderack-testbed-state"

# The host names that the upstream container answers for.
REGISTRY_HOSTS = (
    "registry-1.docker.io",
    "docker.io",
    "index.docker.io",
    "auth.docker.io",
    "ghcr.io",
)
HUB_HOSTS = ("huggingface.co",)
PACKAGE_HOSTS = ("developer.download.nvidia.com", "nvidia.github.io")
HOSTS = REGISTRY_HOSTS + HUB_HOSTS + PACKAGE_HOSTS

SUITES = ("bookworm", "trixie")

STAND_IN = "coderack/stand-in"
SHARDED = "coderack/sharded"
WEIGHTS = HERE / "model" / "weights"


def image_tag(name: str, suite: str) -> str:
    """Return the local tag of one of the test bed's images."""
    return f"coderack-testbed-{name}:{suite}"
