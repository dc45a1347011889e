"""What every role keeps to: names, defaults, and what no task may do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/tasks/main.yml"))
NAMES = [role.name for role in ROLES]
TASK_FILES = sorted(
    path
    for pattern in ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "playbooks/*.yml")
    for path in ROOT.glob(pattern)
) + sorted(ROOT.glob("molecule/**/*.yml"))
BLOCKS = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
# A default that is not there on purpose: the variable says what to set where it is used.
UNDEFINED = re.compile(r"\{\{ undef\(hint=.+\) \}\}")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.is_file() else None


def tasks(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every task, block and play of a file."""
    document = load(path)
    pending = list(document) if isinstance(document, list) else []
    while pending:
        task = pending.pop(0)
        yield task
        for key in BLOCKS:
            pending += task.get(key) or []


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def specs(role: Path) -> dict[str, Any]:
    entries: dict[str, Any] = load(role / "meta/argument_specs.yml")["argument_specs"]
    return {name: option for entry in entries.values() for name, option in entry["options"].items()}


def test_there_are_roles_and_tasks_to_look_at() -> None:
    assert len(ROLES) >= 11
    assert sum(len(list(tasks(path))) for path in TASK_FILES) > 50


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_defaults_and_argument_specs_agree(role: Path) -> None:
    options = specs(role)
    defaults = {
        name: value
        for name, value in (load(role / "defaults/main.yml") or {}).items()
        if not UNDEFINED.fullmatch(str(value))
    }
    assert defaults == {
        name: option["default"] for name, option in options.items() if "default" in option
    }
    required = {name for name, option in options.items() if option.get("required")}
    assert required == options.keys() - defaults.keys()


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_a_default_is_of_its_type(role: Path) -> None:
    types = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}
    wrong = [
        name
        for name, option in specs(role).items()
        if "default" in option
        and option["type"] != "raw"
        and type(option["default"]) is not types[option["type"]]
    ]
    assert wrong == []


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_variables_and_options_have_the_roles_prefix(role: Path) -> None:
    names = {*specs(role), *(load(role / "defaults/main.yml") or {})}
    assert [name for name in names if not name.startswith(f"{role.name}_")] == []
    internal = load(role / "vars/main.yml") or {}
    assert [name for name in internal if not name.startswith(f"__{role.name}_")] == []


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_registers_loop_variables_and_tags_have_the_roles_prefix(role: Path) -> None:
    own = (f"{role.name}_", f"__{role.name}_")
    strange = []
    for path in (*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")):
        for task in tasks(path):
            control = task.get("loop_control", {})
            names = [control.get("loop_var"), control.get("index_var"), task.get("register")]
            names += [name for name in task.get("vars", {}) if not name.startswith("ansible_")]
            tags = task.get("tags", [])
            names += [tags] if isinstance(tags, str) else tags
            strange += [name for name in names if name and not f"{name}_".startswith(own)]
    assert strange == []


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_every_internal_variable_is_used(role: Path) -> None:
    texts = "".join(
        path.read_text()
        for folder in ("tasks", "handlers", "templates", "vars", "defaults")
        for path in role.glob(f"{folder}/*")
    )
    defined = [*(load(role / "vars/main.yml") or {}), *(load(role / "defaults/main.yml") or {})]
    unused = [name for name in defined if len(re.findall(rf"\b{name}\b", texts)) < 2]
    assert unused == []


@pytest.mark.parametrize("path", TASK_FILES, ids=relative)
def test_no_task_hides_a_failure_or_sets_a_fact(path: Path) -> None:
    found = [
        (task.get("name"), key)
        for task in tasks(path)
        for key in ("ignore_errors", "ignore_unreachable", "set_fact", "ansible.builtin.set_fact")
        if key in task
    ]
    assert found == []


@pytest.mark.parametrize("path", TASK_FILES, ids=relative)
def test_no_task_runs_a_shell(path: Path) -> None:
    """House rule 7: logic lives in Python, with tests."""
    shells = ("shell", "ansible.builtin.shell", "raw", "ansible.builtin.raw")
    assert [task.get("name") for task in tasks(path) if any(key in task for key in shells)] == []


@pytest.mark.parametrize("path", TASK_FILES, ids=relative)
def test_only_variables_name_what_a_container_runs(path: Path) -> None:
    """House rule 4: a digest comes from a lock, and never from a task."""
    written = [
        value
        for task in tasks(path)
        for module, arguments in task.items()
        if module.startswith("community.docker.docker_image") and isinstance(arguments, dict)
        for value in [arguments["name"]]
        if not re.fullmatch(r"\{\{ \w+ \}\}", value)
    ]
    assert written == []
