"""Action: resolve the inventory into releases on the controller, or refuse with one report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ansible_collections.coderack.core.plugins.module_utils.plan import (
    addresses,
    catalog,
    findings,
    inputs,
    node,
    resolve,
)


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    """Runs the plan; see modules/plan.py for its arguments."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `releases` and `network`, or fail with every finding."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "catalog_path": {"type": "path", "required": True},
                "roles_path": {"type": "path", "required": True},
                "deployments": {"type": "raw", "required": True},
                "keys": {"type": "raw", "required": True},
                "models": {"type": "list", "elements": "dict", "default": []},
                "lock_files": {"type": "list", "elements": "path", "default": []},
                "subnet": {"type": "str", "required": True},
                "edge_port": {"type": "int", "required": True},
                "node": {"type": "dict", "required": True},
            }
        )
        found = inputs.check_names(task_vars or {}, role_options(Path(arguments["roles_path"])))
        found += inputs.check_deployments(arguments["deployments"])
        found += inputs.check_keys(arguments["keys"])
        sound = inputs.sound(arguments["deployments"], found)
        network = addresses.Network(arguments["subnet"])
        unusable = addresses.check_subnet(arguments["subnet"])
        found += unusable
        releases: list[dict[str, Any]] = []
        try:
            known = catalog.load(
                Path(arguments["catalog_path"]),
                arguments["models"],
                [Path(path) for path in arguments["lock_files"]],
            )
            found += resolve.check_digest("the gateway", known.gateway_image, known)
            if not unusable:
                releases, more = resolve.resolve(sound, known, network, arguments["node"]["places"])
                found += more
        except catalog.CatalogError as error:
            found.append(findings.Finding("catalog", "catalogue", str(error), "correct that file"))
        ports = {release["port"]: f"the hold of {release['name']}" for release in releases}
        ports[arguments["edge_port"]] = "the edge"
        found += node.check_edge_port(arguments["edge_port"], releases)
        found += node.check_ports(ports, arguments["node"]["listeners"])
        if any(finding.fatal for finding in found):
            count = sum(finding.fatal for finding in found)
            result["failed"] = True
            result["msg"] = f"Nothing was changed. {count} to correct:\n{findings.report(found)}"
            return result
        result.update(
            changed=False,
            warnings=[str(finding) for finding in found],
            releases=releases,
            models=models(releases),
            absent=sorted(arguments["node"]["places"].keys() - {r["name"] for r in releases}),
            client_keys=[*arguments["keys"], {"alias": inputs.SMOKE_KEY}],
            subnet=network.subnet,
            bridge=network.bridge,
            gateway=network.gateway(),
            gateway_image=known.reference(known.gateway_image),
        )
        return result


def models(releases: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return each model once, with an image that can download it."""
    by_place = {
        (release["repository"], release["revision"]): {
            "repository": release["repository"],
            "revision": release["revision"],
            "image": release["image"],
        }
        for release in releases
    }
    return list(by_place.values())


def role_options(roles: Path) -> dict[str, set[str]]:
    """Return the documented options of every role, by role."""
    options = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        options[path.parent.parent.name] = {
            option for entry in specs.values() for option in entry.get("options", {})
        }
    return options
