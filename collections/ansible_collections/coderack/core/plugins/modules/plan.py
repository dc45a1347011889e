"""Documentation of the `plan` action, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan
short_description: Resolve the inventory into releases, or refuse with one report
description:
  - Runs on the controller and changes nothing.
  - Checks names, deployments, keys and ports, and reports every fault at once.
options:
  catalog_path: {description: Folder of the catalogue., type: path, required: true}
  roles_path: {description: Folder of the roles., type: path, required: true}
  deployments: {description: The declared deployments., type: raw, required: true}
  keys: {description: The declared client keys., type: raw, required: true}
  models:
    description: Profiles beside the catalogue's.
    type: list
    elements: dict
    default: []
  lock_files:
    description: Locks that add to the catalogue's.
    type: list
    elements: path
    default: []
  subnet: {description: The node's internal network., type: str, required: true}
  edge_port: {description: Port of the edge., type: int, required: true}
  node: {description: What M(coderack.core.node_facts) returned., type: dict, required: true}
attributes:
  check_mode: {support: full, description: Changes nothing.}
  diff_mode: {support: none, description: Changes nothing.}
author: coderack
"""

EXAMPLES = r"""
- name: Make the plan
  coderack.core.plan:
    catalog_path: catalog
    roles_path: roles
    deployments: "{{ coderack_deployments }}"
    keys: [{alias: default}]
    subnet: 172.30.0.0/24
    edge_port: 443
    node: "{{ preflight_node }}"
"""

RETURN = r"""
releases:
  description: The deployments, resolved.
  returned: success
  type: list
  elements: dict
bridge:
  description: The host's address on the internal network.
  returned: success
  type: str
gateway:
  description: The gateway's addresses by slot.
  returned: success
  type: dict
gateway_image:
  description: The gateway's image, by digest where a lock has it.
  returned: success
  type: str
models:
  description: The models to have on the node, each with an image that can download it.
  returned: success
  type: list
  elements: dict
absent:
  description: Deployments that the node has and the inventory no longer declares.
  returned: success
  type: list
  elements: str
client_keys:
  description: The client keys, with the smoke suite's own.
  returned: success
  type: list
  elements: dict
subnet:
  description: The internal network.
  returned: success
  type: str
"""
