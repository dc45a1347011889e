"""Signed apt repositories from a list of packages; runs inside the upstream container.

Needs dpkg-deb, apt-ftparchive and gpg, which the upstream image has.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KEY_HOME = Path("/var/lib/testbed/gnupg")
KEY_NAME = "coderack test bed"
KEYRING = "cuda-archive-keyring.gpg"


def run(*command: str, folder: Path | None = None) -> bytes:
    """Run a command and return what it printed."""
    environment = {**os.environ, "GNUPGHOME": str(KEY_HOME), "SOURCE_DATE_EPOCH": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stderr.decode()}")
    return result.stdout


def control(package: dict[str, Any]) -> str:
    """Return the control file of a package."""
    fields = {
        "Package": package["name"],
        "Version": package["version"],
        "Architecture": package.get("architecture", "all"),
        "Maintainer": f"{KEY_NAME} <testbed@example.invalid>",
        "Depends": ", ".join(package.get("depends", [])),
        "Provides": ", ".join(package.get("provides", [])),
        "Conflicts": ", ".join(package.get("conflicts", [])),
        "Description": package.get("description", "stand-in of the coderack test bed"),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def build_package(package: dict[str, Any], target: Path) -> None:
    """Build one .deb into a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        contents = {"DEBIAN/control": control(package)}
        contents |= {f"DEBIAN/{name}": text for name, text in package.get("scripts", {}).items()}
        contents |= {name.lstrip("/"): text for name, text in package.get("files", {}).items()}
        for name, text in contents.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            # A script is what starts like one; nothing else needs the bit.
            path.chmod(0o755 if text.startswith("#!") else 0o644)
        root.chmod(0o755)
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(target))


def ensure_key() -> None:
    """Make the signing key once, in the state volume: nodes trust it longer than this container."""
    if (KEY_HOME / "done").exists():
        return
    shutil.rmtree(KEY_HOME, ignore_errors=True)
    KEY_HOME.mkdir(parents=True, mode=0o700)
    run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", KEY_NAME, "rsa2048", "sign", "0")
    (KEY_HOME / "done").touch()


def build_repository(folder: Path, packages: list[dict[str, Any]]) -> None:
    """Build a flat repository: packages, index, signed release and the key to check it with."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        build_package(package, folder)
    (folder / "Packages").write_bytes(run("apt-ftparchive", "packages", ".", folder=folder))
    release = run("apt-ftparchive", "-o", "APT::FTPArchive::Release::Origin=NVIDIA",
                  "-o", "APT::FTPArchive::Release::Label=NVIDIA CUDA", "release", ".",
                  folder=folder)  # fmt: skip
    (folder / "Release").write_bytes(release)
    sign = ("gpg", "--batch", "--yes")
    run(*sign, "--clearsign", "-o", "InRelease", "Release", folder=folder)
    run(*sign, "--detach-sign", "--armor", "-o", "Release.gpg", "Release", folder=folder)
    (folder / KEYRING).write_bytes(run("gpg", "--export", KEY_NAME))


def main() -> None:
    """Build every repository of a JSON file (argument 1) under a folder (argument 2)."""
    ensure_key()
    repositories = json.loads(Path(sys.argv[1]).read_text())
    for path, packages in repositories.items():
        build_repository(Path(sys.argv[2]) / path, packages)


if __name__ == "__main__":
    main()
