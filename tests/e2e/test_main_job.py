"""What `make demo` promises."""

from __future__ import annotations

import json
import re
import subprocess

from e2e.node import Endpoint, Load, Node, post


def test_curl_gets_a_tool_call(endpoint: Endpoint) -> None:
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "What is the weather? call get_weather"}],
        "tools": [
            {
                "name": "get_weather",
                "description": "The weather of a city",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
            }
        ],
    }
    done = subprocess.run(
        [
            *("curl", "-sS", "--fail-with-body", "--cacert", endpoint.ca_file),
            *("-H", f"x-api-key: {endpoint.api_key}", "-H", "content-type: application/json"),
            *("-d", json.dumps(body), f"{endpoint.base_url}/v1/messages"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    calls = [block for block in answer["content"] if block["type"] == "tool_use"]
    assert answer["stop_reason"] == "tool_use"
    assert [(call["name"], call["input"]) for call in calls] == [("get_weather", {"city": "Paris"})]


def test_a_second_run_changes_nothing(node: Node) -> None:
    done = node.playbook("playbooks/site.yml")
    assert done.returncode == 0, done.stdout[-3000:]
    recap = re.search(r"ok=(\d+)\s+changed=(\d+)", done.stdout)
    assert recap
    print(f"no-op site.yml: {recap[1]} tasks ok")
    assert recap[2] == "0"


def test_the_stand_in_calls_tools_twenty_times_out_of_twenty(node: Node) -> None:
    source = node.root / "tests" / "testbed" / "model"
    node.run("rm -rf /tmp/testbed && mkdir -p /tmp/testbed/model")
    subprocess.run(["docker", "cp", f"{source}/.", f"{node.name}:/tmp/testbed/model"], check=True)
    report = node.run(
        "python3 /tmp/testbed/model/prove.py --base-url http://172.30.0.16:8000"
        ' --api-key "$(cat /etc/coderack/secrets/engine/api_key)" --model coder --rounds 20'
    )
    assert "20/20" in report


def test_a_new_alias_renews_the_gateway_and_leaves_the_engine_alone(
    node: Node, endpoint: Endpoint
) -> None:
    before = node.engine_process()
    deployment = {"name": "coder", "model": "stand-in", "gpus": []}
    aliases = ["claude-*", "gpt-local"]
    extra = {"coderack_deployments": [{**deployment, "aliases": aliases}]}
    with Load(endpoint) as load:
        done = node.playbook("playbooks/site.yml", extra)
    assert done.returncode == 0, done.stdout[-3000:]
    assert load.faults == []
    assert node.engine_process() == before
    body = {
        "model": "gpt-local",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "say hi"}],
    }
    assert post(endpoint, "/v1/messages", body)[0] == 200
    assert node.playbook("playbooks/site.yml").returncode == 0
    assert post(endpoint, "/v1/messages", body)[0] == 400


def test_a_changed_deployment_is_swapped_without_a_lost_request(
    node: Node, endpoint: Endpoint
) -> None:
    before = node.engine_process()
    deployment = {"name": "coder", "model": "stand-in", "gpus": [], "aliases": ["claude-*"]}
    extra = {"coderack_deployments": [{**deployment, "max_model_len": 65536}]}
    with Load(endpoint) as load:
        done = node.playbook("playbooks/site.yml", extra)
    assert done.returncode == 0, done.stdout[-3000:]
    assert load.faults == []
    assert node.engine_process() != before
    assert "max_model_len 65536" in done.stdout
    assert node.playbook("playbooks/site.yml").returncode == 0


def test_a_given_certificate_is_served(node: Node, endpoint: Endpoint) -> None:
    """The node trusts its authority and finds the name, as a company's own would have it."""
    folder = "/etc/ssl/given"
    node.run(
        f"mkdir -p {folder} && openssl req -x509 -newkey rsa:2048 -nodes -days 30"
        f" -subj /CN=llm.example.test -addext subjectAltName=DNS:llm.example.test"
        f" -keyout {folder}/key.pem -out {folder}/chain.pem"
        f" && cp {folder}/chain.pem /usr/local/share/ca-certificates/given.crt"
        " && update-ca-certificates && echo 127.0.0.1 llm.example.test >>/etc/hosts"
    )
    given = {
        "edge_names": ["llm.example.test"],
        "edge_certificate_file": f"{folder}/chain.pem",
        "edge_private_key_file": f"{folder}/key.pem",
    }
    done = node.playbook("playbooks/site.yml", given)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "names llm.example.test" in done.stdout
    assert node.playbook("playbooks/site.yml").returncode == 0
    assert post(endpoint, "/v1/messages", {})[0] == 400
