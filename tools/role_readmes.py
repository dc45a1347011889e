"""Generate the README of every role from its argument specs.

Run without arguments it writes roles/*/README.md; with --check it writes nothing and fails where
one is out of date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SPECS = "meta/argument_specs.yml"
NOTE = "<!-- Generated from meta/argument_specs.yml by tools/role_readmes.py: edit that file. -->"
# Ansible's markup for options, values and code, all of which Markdown shows as code.
MARKUP = re.compile(r"\b[COV]\(([^)]*)\)")


def main(arguments: list[str]) -> int:
    """Write or check every README, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is outdated")
    parser.add_argument("--roles", type=Path, default=ROOT / "roles", help="folder of the roles")
    options = parser.parse_args(arguments)
    outdated = []
    for specs in sorted(options.roles.glob(f"*/{SPECS}")):
        role = specs.parent.parent
        document = yaml.safe_load(specs.read_text(encoding="utf-8"))
        wanted = render(role.name, document["argument_specs"])
        readme = role / "README.md"
        if readme.is_file() and readme.read_text(encoding="utf-8") == wanted:
            continue
        outdated.append(readme)
        if not options.check:
            readme.write_text(wanted, encoding="utf-8")
    if options.check and outdated:
        names = ", ".join(f"{path.parent.name}/{path.name}" for path in outdated)
        print(f"Out of date: {names}. Next: python3 tools/role_readmes.py", file=sys.stderr)
        return 1
    return 0


def render(role: str, specs: dict[str, Any]) -> str:
    """Return the README of a role.

    Args:
        role: Its name.
        specs: Its entry points, as `argument_specs` has them.
    """
    main_entry = specs["main"]
    lines = [f"# {role}", "", NOTE, "", f"{_text(main_entry['short_description'])}.", ""]
    for paragraph in _paragraphs(main_entry.get("description", [])):
        lines += [_text(paragraph), ""]
    for entry, spec in specs.items():
        lines += [f"## Options of `{entry}`" if len(specs) > 1 else "## Options", ""]
        lines += [
            "| option | type | default | required | description |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += _rows(spec.get("options", {}))
        lines.append("")
    return "\n".join(lines)


def _rows(options: dict[str, Any], parent: str = "") -> list[str]:
    rows = []
    for name, option in options.items():
        path = f"{parent}{name}"
        kind = option.get("type", "str")
        cells = [
            f"`{path}`",
            f"{kind} of {option['elements']}" if "elements" in option else kind,
            f"`{_default(option['default'])}`" if "default" in option else "",
            "yes" if option.get("required") else "no",
            _text(" ".join(_paragraphs(option["description"]))),
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        nested = f"{path}[]." if option.get("elements") == "dict" else f"{path}."
        rows += _rows(option.get("options", {}), nested)
    return rows


def _default(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _paragraphs(description: str | list[str]) -> list[str]:
    return [description] if isinstance(description, str) else description


def _text(markup: str) -> str:
    return MARKUP.sub(r"`\1`", markup.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
