"""What holds across files: pins, catalogue, example inventories and generated documents."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.coderack.core.plugins.action.plan import role_options
from ansible_collections.coderack.core.plugins.module_utils.plan import (
    addresses,
    catalog,
    inputs,
    resolve,
)
from testbed.hub.repository import hub_revision

ROOT = Path(__file__).parents[3]
CATALOG = ROOT / "catalog"
README_TOOL = ROOT / "tools/role_readmes.py"
MODULE = re.compile(r"^\s*(?:- )?([a-z_]+\.[a-z_]+)\.[a-z_]+:", re.MULTILINE)
PLAIN = ("*.yml", "*.j2", "*.py", "*.sh", "*.cfg")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def texts(*folders: str) -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for folder in folders
        for pattern in PLAIN
        for path in sorted((ROOT / folder).rglob(pattern))
    }


def shipped_version(collection: str) -> str:
    """Return the version of a collection in the installed `ansible` package."""
    package = importlib.util.find_spec("ansible")
    assert package is not None
    assert package.origin is not None
    manifest = (
        Path(package.origin).parents[1]
        / "ansible_collections"
        / collection.replace(".", "/")
        / "MANIFEST.json"
    )
    version: str = json.loads(manifest.read_text())["collection_info"]["version"]
    return version


REQUIRED = {
    entry["name"]: entry["version"] for entry in load(ROOT / "requirements.yml")["collections"]
}


@pytest.mark.parametrize("collection", REQUIRED)
def test_collections_are_pinned_as_the_locked_package_ships_them(collection: str) -> None:
    assert REQUIRED[collection] == shipped_version(collection)


def test_every_used_collection_is_required_and_no_other() -> None:
    sources = "\n".join(texts("roles", "playbooks", "molecule").values())
    used = set(MODULE.findall(sources)) - {"ansible.builtin", "coderack.core"}
    settings = (ROOT / "ansible.cfg").read_text()
    callbacks = re.findall(r"^callbacks_enabled = (\w+\.\w+)\.", settings, re.MULTILINE)
    assert used | set(callbacks) == set(REQUIRED)


def test_nothing_says_latest() -> None:
    sources = texts("roles", "playbooks", "catalog", "inventory", "templates", "molecule", "node")
    assert len(sources) > 80
    assert [path for path, text in sources.items() if re.search(r"\blatest\b", text)] == []


# Catalogue


def test_the_catalogue_loads_and_every_file_has_its_names_own_name() -> None:
    known = catalog.load(CATALOG, [], [])
    for folder, things in (("models", known.profiles), ("engines", known.engines)):
        assert sorted(things) == sorted(path.stem for path in (CATALOG / folder).glob("*.yml"))
    assert {engine.device for engine in known.engines.values()} <= {"cuda", "cpu"}


def test_every_profile_has_its_engine_and_every_image_its_line_in_the_lock() -> None:
    known = catalog.load(CATALOG, [], [])
    assert {profile.engine for profile in known.profiles.values()} <= set(known.engines)
    images = {engine.image for engine in known.engines.values()} | {known.gateway_image}
    assert set(load(CATALOG / "lock.yml")["images"]) == images


def test_no_image_of_the_catalogue_has_a_floating_tag() -> None:
    known = catalog.load(CATALOG, [], [])
    for image in [*(engine.image for engine in known.engines.values()), known.gateway_image]:
        assert re.fullmatch(r".+:v\d+\.\d+\.\d+", image)


def test_the_stand_ins_revision_is_that_of_its_weights() -> None:
    profile = catalog.load(CATALOG, [], []).profiles["stand-in"]
    assert profile.revision == hub_revision(ROOT / "tests/testbed/model/weights")


# Inventories


@pytest.mark.parametrize("inventory", ["inventory/demo", "inventory/example-8xh200"])
def test_an_example_inventory_makes_a_plan(inventory: str) -> None:
    variables = load(ROOT / inventory / "group_vars/gpu_nodes.yml")
    deployments = variables["coderack_deployments"]
    found = inputs.check_names(variables, role_options(ROOT / "roles"))
    found += inputs.check_deployments(deployments)
    found += inputs.check_keys(variables.get("coderack_keys", []))
    # The demo's own lock is there only while its test bed runs.
    known = catalog.load(CATALOG, variables.get("coderack_models", []), [])
    releases, more = resolve.resolve(
        inputs.sound(deployments, found), known, addresses.Network("172.30.0.0/24"), {}
    )
    assert [str(finding) for finding in found + more if finding.fatal] == []
    assert [release["name"] for release in releases] == [each["name"] for each in deployments]


# Generated documents


def readmes(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, README_TOOL, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_role_readmes_are_up_to_date() -> None:
    done = readmes("--check")
    assert done.returncode == 0, done.stderr


SPECS = """
argument_specs:
  main:
    short_description: A thing
    description:
      - Writes C(/etc/thing) for O(thing_user).
    options:
      thing_user: {type: str, required: true, description: Either a | b.}
      thing_list:
        type: list
        elements: dict
        default: []
        description: [Things., Many.]
        options:
          name: {type: str, default: "", description: Its name.}
"""
README = """\
# thing

<!-- Generated from meta/argument_specs.yml by tools/role_readmes.py: edit that file. -->

A thing.

Writes `/etc/thing` for `thing_user`.

## Options

| option | type | default | required | description |
| --- | --- | --- | --- | --- |
| `thing_user` | str |  | yes | Either a \\| b. |
| `thing_list` | list of dict | `[]` | no | Things. Many. |
| `thing_list[].name` | str | `""` | no | Its name. |
"""


def test_a_readme_is_generated_and_an_outdated_one_is_named(tmp_path: Path) -> None:
    role = tmp_path / "thing"
    (role / "meta").mkdir(parents=True)
    (role / "meta/argument_specs.yml").write_text(SPECS)
    assert readmes("--check", "--roles", tmp_path).returncode == 1
    assert not (role / "README.md").exists()
    assert readmes("--roles", tmp_path).returncode == 0
    assert (role / "README.md").read_text() == README
    assert readmes("--check", "--roles", tmp_path).returncode == 0
    (role / "README.md").write_text(README + "By hand.\n")
    done = readmes("--check", "--roles", tmp_path)
    assert done.returncode == 1
    assert "Out of date: thing/README.md. Next: " in done.stderr
