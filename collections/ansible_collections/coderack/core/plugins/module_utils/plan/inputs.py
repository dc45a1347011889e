"""Check what the operator wrote in the inventory, before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.coderack.core.plugins.module_utils.plan.findings import Finding, nearest

PREFIX = "coderack_"
# What an operator may set, beside the variables of the roles.
INPUTS = {
    "coderack_deployments": "the models to serve, a list",
    "coderack_keys": "the client keys, a list",
    "coderack_models": "profiles beside those of the catalogue, a list",
    "coderack_lock_files": "locks that add to catalog/lock.yml, paths on the controller",
}
DEPLOYMENT_FIELDS = {
    "name": str,
    "model": str,
    "gpus": list,
    "aliases": list,
    "max_model_len": int,
    "gpu_memory_utilization": float,
    "engine_args": dict,
    "environment": dict,
    "sampling": dict,
    "chat_template_kwargs": dict,
}
REQUIRED_FIELDS = ("name", "model", "gpus")
# The smoke suite has a key of its own, so that no person's key is spent on it.
SMOKE_KEY = "coderack-smoke"
KEY_FIELDS = ("alias", "models")
SERVED_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,46}[a-z0-9])?")
ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*\*?")


def check_names(
    variables: Collection[str], role_options: Mapping[str, Collection[str]]
) -> list[Finding]:
    """Find misspelt variables: `coderack_*` names, and near misses of a role's options.

    Args:
        variables: Every variable name of the host.
        role_options: The documented options of each role.
    """
    findings = []
    for name in sorted(variables):
        if name.startswith(PREFIX) and name not in INPUTS:
            meant = nearest(name, INPUTS, PREFIX)
            findings.append(_unknown(name, meant, ", ".join(sorted(INPUTS))))
        for role, options in role_options.items():
            prefix = f"{role}_"
            # Other people's variables may begin like a role's, so a near miss alone is a fault.
            if name.startswith(prefix) and name not in options:
                meant = nearest(name, options, prefix)
                findings += [_unknown(name, meant, f"in roles/{role}/README.md")] if meant else []
    return findings


def check_deployments(deployments: object) -> list[Finding]:
    """Find what is wrong with each deployment by itself and with all of them together."""
    where = "coderack_deployments"
    if not isinstance(deployments, list) or not deployments:
        return [
            Finding(
                "deployments-missing",
                where,
                "is not a list with at least one deployment.",
                "copy inventory/example-8xh200 and edit its group_vars",
            )
        ]
    findings = []
    for index, deployment in enumerate(deployments):
        findings += _check_deployment(f"{where}[{index}]", deployment)
    sound = [d for d in deployments if isinstance(d, dict)]
    findings += _check_unique(where, sound)
    return findings


def check_keys(keys: object) -> list[Finding]:
    """Find client keys that cannot be made."""
    if not isinstance(keys, list):
        return [Finding("keys-type", "coderack_keys", "is not a list.", "write a list of keys")]
    findings = []
    aliases = []
    for index, key in enumerate(keys):
        where = f"coderack_keys[{index}]"
        fields = key if isinstance(key, dict) else {}
        alias = fields.get("alias")
        aliases.append(alias)
        if not isinstance(alias, str) or not SERVED_NAME.fullmatch(alias):
            findings.append(
                Finding(
                    "key-alias",
                    f"{where}.alias",
                    f"{alias!r} is not a name of small letters, digits, dots and dashes.",
                    "give the key such an alias",
                )
            )
        if alias == SMOKE_KEY:
            findings.append(
                Finding(
                    "key-reserved",
                    f"{where}.alias",
                    f"{alias!r} is the smoke suite's own key.",
                    "choose another alias",
                )
            )
        findings += [
            Finding(
                "key-field-unknown",
                f"{where}.{name}",
                f"is not a field of a key.{nearest(name, KEY_FIELDS)}",
                "use one of " + ", ".join(KEY_FIELDS),
            )
            for name in fields
            if name not in KEY_FIELDS
        ]
        if not isinstance(fields.get("models", []), list):
            findings.append(
                Finding(
                    "key-models",
                    f"{where}.models",
                    f"{fields['models']!r} is not a list.",
                    "list the names that the key may ask for, or leave the field out",
                )
            )
    findings += _repeated("key-twice", "coderack_keys", "alias", aliases)
    return findings


def sound(deployments: object, findings: list[Finding]) -> dict[int, dict[str, Any]]:
    """Return the deployments, by index, that have no finding of their own."""
    wheres = [finding.where for finding in findings]
    return {
        index: deployment
        for index, deployment in enumerate(deployments if isinstance(deployments, list) else [])
        if not any(where.startswith(f"coderack_deployments[{index}]") for where in wheres)
    }


def is_a(value: object, wanted: type) -> bool:
    """Say whether a value from YAML is of a type; to Python alone, `true` is an int."""
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, (int, float) if wanted is float else wanted)


def _check_deployment(where: str, deployment: object) -> list[Finding]:
    if not isinstance(deployment, dict):
        return [Finding("deployment-type", where, "is not a mapping.", "give it name: and model:")]
    findings = []
    for name in REQUIRED_FIELDS:
        if name not in deployment:
            findings.append(
                Finding("deployment-field-missing", where, f"{name} is missing.", f"add {name}:")
            )
    for name, value in deployment.items():
        wanted = DEPLOYMENT_FIELDS.get(name)
        if wanted is None:
            findings.append(
                Finding(
                    "deployment-field-unknown",
                    f"{where}.{name}",
                    f"is not a field of a deployment.{nearest(name, DEPLOYMENT_FIELDS)}",
                    "use one of " + ", ".join(DEPLOYMENT_FIELDS),
                )
            )
        elif not is_a(value, wanted):
            findings.append(
                Finding(
                    "deployment-field-type",
                    f"{where}.{name}",
                    f"{value!r} is not of type {wanted.__name__}.",
                    "correct it",
                )
            )
    return findings + _check_served_names(where, deployment)


def _check_served_names(where: str, deployment: dict[str, Any]) -> list[Finding]:
    findings = []
    name = deployment.get("name")
    if isinstance(name, str) and not SERVED_NAME.fullmatch(name):
        findings.append(
            Finding(
                "served-name",
                f"{where}.name",
                f"{name!r} cannot be a served name: it is part of URLs, units and container names,"
                " and Claude Code takes no slash in a model's name.",
                "use small letters, digits, dots and dashes, 48 at most",
            )
        )
    aliases = deployment.get("aliases")
    for alias in aliases if isinstance(aliases, list) else []:
        if not isinstance(alias, str) or not ALIAS.fullmatch(alias):
            findings.append(
                Finding(
                    "alias",
                    f"{where}.aliases",
                    f"{alias!r} cannot be an alias.",
                    "use letters, digits, '.', '_', ':' and '-', with one '*' at the end at most",
                )
            )
    return findings


def _check_unique(where: str, deployments: list[dict[str, Any]]) -> list[Finding]:
    names = [deployment.get("name") for deployment in deployments]
    for deployment in deployments:
        aliases = deployment.get("aliases")
        names += aliases if isinstance(aliases, list) else []
    # HAProxy knows a deployment's slot by a variable, whose name has neither dots nor dashes.
    alike = [str(deployment.get("name")).replace(".", "-") for deployment in deployments]
    findings = _repeated("name-twice", where, "name or alias", names)
    return findings or _repeated("name-alike", where, "name, with '.' read as '-',", alike)


def _repeated(rule: str, where: str, kind: str, names: list[Any]) -> list[Finding]:
    repeated = sorted({str(name) for name in names if name and names.count(name) > 1})
    return [
        Finding(rule, where, f"{kind} {name!r} occurs more than once.", "keep one of them")
        for name in repeated
    ]


def _unknown(name: str, meant: str, list_of_names: str) -> Finding:
    return Finding(
        "variable-unknown",
        name,
        f"no such variable.{meant}",
        f"correct or remove it; known are {list_of_names}",
    )
