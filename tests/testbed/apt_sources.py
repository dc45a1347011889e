"""The machine's own Debian package sources, to be used for the test bed's base systems."""

from __future__ import annotations

import platform
import shutil
import subprocess

ARCHIVES = ("", "-updates", "-security")


def parse_stanzas(text: str) -> list[dict[str, str]]:
    """Parse the output of `apt-get indextargets` into one dictionary for each target."""
    stanzas = []
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
        stanza = {key: value.strip() for key, _, value in pairs}
        if stanza:
            stanzas.append(stanza)
    return stanzas


def debian_sources(stanzas: list[dict[str, str]], codename: str, suite: str) -> list[str]:
    """Return the Debian archives among the targets as source lines for `suite`.

    `codename` is the machine's own release. Third-party archives say another Origin; Origin is
    absent as long as `apt-get update` never ran, and is then not held against a source.
    """
    lines = []
    for stanza in stanzas:
        release = stanza.get("Release", "")
        if (
            stanza.get("Created-By") == "Packages"
            and release in [codename + archive for archive in ARCHIVES]
            and stanza.get("Component") == "main"
            and stanza.get("Origin", "Debian") == "Debian"
        ):
            line = f"deb {stanza['Repo-URI']} {suite}{release[len(codename) :]} main"
            if line not in lines:
                lines.append(line)
    return lines


def machine_sources(suite: str) -> list[str]:
    """Return source lines for `suite` from this machine's apt; none where it is not Debian."""
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian" or not shutil.which("apt-get"):
        return []
    for extra in ([], ["--no-release-info"]):
        output = subprocess.run(
            ["apt-get", "indextargets", *extra], capture_output=True, text=True, check=True
        ).stdout
        lines = debian_sources(parse_stanzas(output), release.get("VERSION_CODENAME", ""), suite)
        if lines:
            return lines
    return []


def machine_proxies() -> list[str]:
    """Return the machine's apt proxy settings as lines of apt configuration."""
    if not shutil.which("apt-config"):
        return []
    output = subprocess.run(
        ["apt-config", "dump", "--no-empty"], capture_output=True, text=True, check=True
    ).stdout
    prefixes = ("acquire::http::proxy", "acquire::https::proxy")
    return [line for line in output.splitlines() if line.lower().startswith(prefixes)]
