"""The machine's way to Python packages, handed to a build in a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from testbed import dockerd
from testbed.config import ROOT
from testbed.errors import TestbedError

CA_BUNDLE = "/build/ca-bundle.crt"


@dataclass
class Access:
    """Environment and read-only mounts that give a container the machine's package sources."""

    environment: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, str] = field(default_factory=dict)

    def translate(self, location: str, up: int = 0) -> str:
        """Mount a local folder, or the one `up` levels above it; return its place inside."""
        path = Path(location.removeprefix("file://"))
        if not (path.is_absolute() and path.is_dir()):
            return location
        root = path.parents[up - 1] if up else path
        inside = self.mounts.setdefault(str(root), f"/build/sources/{len(self.mounts)}")
        return f"file://{Path(inside) / path.relative_to(root)}"


def parse_config(text: str) -> dict[str, str]:
    """Parse the output of `pip config list`; the environment wins over files, as in pip."""
    values: dict[str, str] = {}
    for line in sorted(text.splitlines(), key=lambda line: line.startswith(":env:")):
        name, equals, value = line.partition("=")
        if equals:
            values[name.rpartition(".")[2]] = value.strip().strip("'\"").replace("\\n", " ")
    return values


def pip_config() -> dict[str, str]:
    """Return the machine's pip configuration; empty where there is no pip."""
    for command in (["python3", "-m", "pip"], ["pip3"], ["pip"]):
        if shutil.which(command[0]):
            result = subprocess.run(
                [*command, "config", "list"], capture_output=True, text=True, check=False
            )
            if result.returncode == 0:
                return parse_config(result.stdout)
    return {}


def access() -> Access:
    """Translate the machine's pip configuration for uv in a container."""
    config = pip_config()
    given = Access(environment=dockerd.proxies())
    # The pages of an index in a folder link to files beside that folder, hence one level up.
    indexes = [given.translate(url, up=1) for url in config.get("extra-index-url", "").split()]
    links = [given.translate(url) for url in config.get("find-links", "").split()]
    if "index-url" in config:
        given.environment["UV_DEFAULT_INDEX"] = given.translate(config["index-url"], up=1)
    # For build.sh, which asks them only after the usual index.
    given.environment["EXTRA_INDEXES"] = " ".join(f"--index={url}" for url in indexes)
    if links:
        given.environment["UV_FIND_LINKS"] = ",".join(links)
    bundle = os.environ.get("SSL_CERT_FILE") or config.get("cert", "")
    if bundle and Path(bundle).is_file():
        given.mounts[str(Path(bundle).resolve())] = CA_BUNDLE
        given.environment["SSL_CERT_FILE"] = CA_BUNDLE
    return given


def find_uv() -> Path:
    """Return the project's uv, or another one on this machine."""
    places = [ROOT / ".uv" / "bin" / "uv", Path(sys.executable).parent / "uv"]
    on_path = shutil.which("uv")
    for place in [*places, *([Path(on_path)] if on_path else [])]:
        if place.is_file():
            return place.resolve()
    raise TestbedError(f"uv is missing in {ROOT}/.uv. Run: make .venv")
