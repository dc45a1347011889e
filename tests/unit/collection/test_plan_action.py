"""The plan as a playbook runs it: one report for every fault, or releases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
IMAGE = "docker.io/vllm/vllm-openai-cpu:v0.32.0"
GATEWAY = "ghcr.io/berriai/litellm:v1.106.0"
DIGEST = "sha256:" + "5" * 64
SOUND = {"name": "coder", "model": "stand-in", "gpus": [], "aliases": ["claude-*"]}


def run_plan(
    folder: Path, variables: dict[str, Any], **arguments: Any
) -> subprocess.CompletedProcess[str]:
    """Run a play on this machine whose one task, beside the one that keeps it, is the plan."""
    task = {
        "catalog_path": str(ROOT / "catalog"),
        "roles_path": str(ROOT / "roles"),
        "deployments": "{{ coderack_deployments | default(none) }}",
        "keys": "{{ coderack_keys | default([]) }}",
        "subnet": "172.30.0.0/24",
        "edge_port": 443,
        "node": {"places": {}, "listeners": []},
        **arguments,
    }
    play = {
        "name": "Plan",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": variables,
        "tasks": [
            {"name": "Plan", "coderack.core.plan": task, "register": "preflight_plan"},
            {
                "name": "Keep",
                "ansible.builtin.copy": {
                    "content": "{{ preflight_plan | to_json }}",
                    "dest": str(folder / "plan.json"),
                    "mode": "0600",
                },
            },
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "play.yml"],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_fault_is_in_one_report(tmp_path: Path) -> None:
    done = run_plan(
        tmp_path,
        {
            "coderack_deployments": [
                {**SOUND, "name": "a/b"},
                {**SOUND, "name": "fim", "model": "stand-inn", "aliases": []},
                {**SOUND, "name": "cpu", "gpus": [0], "aliases": []},
            ],
            "coderack_keys": [{"alias": "Alice"}],
            "coderack_deploymnets": [],
            "edge_prot": 8443,
            "node_exporter_port": 9100,
        },
        subnet="172.30.0.0/24",
        node={
            "places": {},
            "listeners": [{"port": 443, "process": "nginx", "unit": "nginx.service"}],
        },
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    assert not (tmp_path / "plan.json").exists()
    assert "Nothing was changed. 7 to correct:" in output
    for words in (
        "[refused: variable-unknown] coderack_deploymnets: no such variable. Did you mean"
        " 'coderack_deployments'?",
        "[refused: variable-unknown] edge_prot: no such variable. Did you mean 'edge_port'?",
        "[refused: served-name] coderack_deployments[0].name: 'a/b'",
        "[refused: model-unknown] coderack_deployments[1] (fim).model: the catalogue has no"
        " profile 'stand-inn'. Did you mean 'stand-in'?",
        "[refused: gpus] coderack_deployments[2] (cpu).gpus",
        "[refused: key-alias] coderack_keys[0].alias: 'Alice'",
        "[refused: port-taken] port 443, wanted for the edge: nginx (unit nginx.service)",
    ):
        assert words in output
    assert "node_exporter_port" not in output
    assert "Traceback" not in output


def test_a_sound_inventory_becomes_releases(tmp_path: Path) -> None:
    (tmp_path / "lock.yml").write_text(yaml.safe_dump({"images": {IMAGE: DIGEST, GATEWAY: DIGEST}}))
    done = run_plan(
        tmp_path,
        {"coderack_deployments": [SOUND], "coderack_keys": [{"alias": "alice"}]},
        lock_files=[str(tmp_path / "lock.yml")],
        node={"places": {"gone": 0, "coder": 2}, "listeners": []},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plan = json.loads((tmp_path / "plan.json").read_text())
    (release,) = plan["releases"]
    assert release["name"] == "coder"
    assert release["place"] == 2
    assert plan["absent"] == ["gone"]
    assert plan["client_keys"] == [{"alias": "alice"}, {"alias": "coderack-smoke"}]
    assert plan["gateway_image"] == f"ghcr.io/berriai/litellm@{DIGEST}"
    assert plan["gateway"] == {"a": "172.30.0.8", "b": "172.30.0.9"}
    assert plan["bridge"] == "172.30.0.1"
    assert plan["models"] == [
        {
            "repository": release["repository"],
            "revision": release["revision"],
            "image": f"docker.io/vllm/vllm-openai-cpu@{DIGEST}",
        }
    ]
    assert not plan["changed"]


def test_missing_deployments_and_unusable_files_are_reported_too(tmp_path: Path) -> None:
    done = run_plan(
        tmp_path, {}, lock_files=[str(tmp_path / "lock.yml")], subnet="172.30.0.0/28", edge_port=0
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    for words in (
        "Nothing was changed. 4 to correct:",
        "[refused: deployments-missing]",
        "[refused: subnet] preflight_subnet",
        "[refused: edge-port]",
        "[refused: catalog] catalogue:",
    ):
        assert words in output
    assert "Traceback" not in output
