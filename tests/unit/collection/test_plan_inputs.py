"""Every rule about what an operator writes: what trips it, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.coderack.core.plugins.module_utils.plan import findings, inputs

SOUND: dict[str, Any] = {"name": "coder", "model": "stand-in", "gpus": []}
# The options of some roles, as their argument_specs have them.
OPTIONS = {
    "edge": {"edge_bind", "edge_port", "edge_names", "edge_maxconn"},
    "litellm": {"litellm_image", "litellm_uid"},
    "node": {"node_source"},
    "preflight": {"preflight_keys", "preflight_models", "preflight_subnet"},
    "vllm": {"vllm_cache_path", "vllm_shm_size", "vllm_uid"},
}


def rules(found: list[findings.Finding]) -> list[str]:
    return [finding.rule for finding in found]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("coderack_deploymnets", "coderack_deployments"),
        ("coderack_key", "coderack_keys"),
        ("coderack_modells", "coderack_models"),
        ("coderack_lockfiles", "coderack_lock_files"),
        ("edge_prot", "edge_port"),
        ("edge_max_conn", "edge_maxconn"),
        ("litellm_imge", "litellm_image"),
        ("vllm_cahce_path", "vllm_cache_path"),
        ("node_sources", "node_source"),
    ],
)
def test_a_misspelt_variable_gets_the_right_name(name: str, meant: str) -> None:
    (finding,) = inputs.check_names([name], OPTIONS)
    assert finding.rule == "variable-unknown"
    assert finding.where == name
    assert f"Did you mean {meant!r}?" in finding.what


def test_a_coderack_variable_without_a_likeness_is_found_without_a_suggestion() -> None:
    (finding,) = inputs.check_names(["coderack_zzz"], OPTIONS)
    assert finding.what == "no such variable."
    assert "coderack_deployments" in finding.next_step


@pytest.mark.parametrize(
    "name",
    [
        *inputs.INPUTS,
        *sorted(option for options in OPTIONS.values() for option in options),
        # Other people's, and what the playbook itself registers.
        "node_exporter_port",
        "node_name",
        "node_role",
        "edge_router_address",
        "preflight_plan",
        "vllm",
        "vllm_exporter",
        "ansible_user",
        "__edge_files",
    ],
)
def test_known_and_foreign_variables_are_left_alone(name: str) -> None:
    assert inputs.check_names([name], OPTIONS) == []


@pytest.mark.parametrize("deployments", [None, "coder", {}, [], {"name": "coder"}])
def test_there_has_to_be_a_list_of_deployments(deployments: object) -> None:
    (finding,) = inputs.check_deployments(deployments)
    assert (finding.rule, finding.where) == ("deployments-missing", "coderack_deployments")


@pytest.mark.parametrize(
    ("change", "rule", "where"),
    [
        ({"names": "x"}, "deployment-field-unknown", ".names"),
        ({7: "x"}, "deployment-field-unknown", ".7"),
        ({"name": 7}, "deployment-field-type", ".name"),
        ({"model": ["stand-in"]}, "deployment-field-type", ".model"),
        ({"gpus": 0}, "deployment-field-type", ".gpus"),
        ({"gpus": None}, "deployment-field-type", ".gpus"),
        ({"aliases": "claude-*"}, "deployment-field-type", ".aliases"),
        ({"max_model_len": "8192"}, "deployment-field-type", ".max_model_len"),
        ({"max_model_len": 8192.5}, "deployment-field-type", ".max_model_len"),
        ({"max_model_len": True}, "deployment-field-type", ".max_model_len"),
        ({"gpu_memory_utilization": "0.9"}, "deployment-field-type", ".gpu_memory_utilization"),
        ({"gpu_memory_utilization": True}, "deployment-field-type", ".gpu_memory_utilization"),
        ({"engine_args": ["--x"]}, "deployment-field-type", ".engine_args"),
        ({"environment": "A=1"}, "deployment-field-type", ".environment"),
        ({"name": ""}, "served-name", ".name"),
        ({"name": "qwen/coder"}, "served-name", ".name"),
        ({"name": "Coder"}, "served-name", ".name"),
        ({"name": "coder_1"}, "served-name", ".name"),
        ({"name": "-coder"}, "served-name", ".name"),
        ({"name": "coder."}, "served-name", ".name"),
        ({"name": "c" * 49}, "served-name", ".name"),
        ({"name": "coder\n"}, "served-name", ".name"),
        ({"aliases": ["a b"]}, "alias", ".aliases"),
        ({"aliases": ["*-claude"]}, "alias", ".aliases"),
        ({"aliases": ["*"]}, "alias", ".aliases"),
        ({"aliases": [7]}, "alias", ".aliases"),
        ({"aliases": ["a/b"]}, "alias", ".aliases"),
        ({"aliases": ["x", "x"]}, "name-twice", ""),
        ({"aliases": ["coder"]}, "name-twice", ""),
    ],
)
def test_each_fault_of_a_deployment_is_found_once(
    change: dict[Any, Any], rule: str, where: str
) -> None:
    (finding,) = inputs.check_deployments([{**SOUND, **change}])
    assert finding.rule == rule
    assert finding.where == (f"coderack_deployments[0]{where}" if where else "coderack_deployments")
    assert finding.fatal


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "c"},
        {"name": "c" * 48},
        {"name": "qwen2.5-coder-7b"},
        {"gpus": [0, 1]},
        {"aliases": ["claude-*", "gpt-4o", "qwen2.5:7b"]},
        {"max_model_len": 8192},
        {"gpu_memory_utilization": 0.5},
        {"gpu_memory_utilization": 1},
        {"engine_args": {"seed": 1}},
        {"environment": {"A": "1"}},
    ],
)
def test_a_sound_deployment_has_no_finding(change: dict[str, Any]) -> None:
    assert inputs.check_deployments([{**SOUND, **change}]) == []


@pytest.mark.parametrize("field", inputs.REQUIRED_FIELDS)
def test_a_missing_field_is_found(field: str) -> None:
    deployment = {name: value for name, value in SOUND.items() if name != field}
    (finding,) = inputs.check_deployments([deployment])
    assert (finding.rule, finding.what) == ("deployment-field-missing", f"{field} is missing.")


def test_an_unknown_field_gets_the_right_name() -> None:
    (finding,) = inputs.check_deployments([{**SOUND, "max_model_length": 1}])
    assert "Did you mean 'max_model_len'?" in finding.what


def test_a_deployment_that_is_no_mapping_is_found_beside_the_others() -> None:
    found = inputs.check_deployments([SOUND, "coder", {**SOUND, "name": "a/b"}])
    assert [finding.where for finding in found] == [
        "coderack_deployments[1]",
        "coderack_deployments[2].name",
    ]


@pytest.mark.parametrize(
    ("first", "second", "repeated"),
    [
        ({"name": "coder"}, {"name": "coder"}, "coder"),
        ({"aliases": ["fim"]}, {"name": "fim"}, "fim"),
        ({"name": "fim"}, {"name": "coder", "aliases": ["fim"]}, "fim"),
        ({"aliases": ["claude-*"]}, {"name": "fim", "aliases": ["claude-*"]}, "claude-*"),
    ],
)
def test_a_name_belongs_to_one_deployment(
    first: dict[str, Any], second: dict[str, Any], repeated: str
) -> None:
    (finding,) = inputs.check_deployments([{**SOUND, **first}, {**SOUND, **second}])
    assert finding.rule == "name-twice"
    assert repr(repeated) in finding.what


def test_deployments_apart_have_no_finding() -> None:
    deployments = [{**SOUND, "aliases": ["a"]}, {**SOUND, "name": "fim", "aliases": ["b"]}]
    assert inputs.check_deployments(deployments) == []


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ({"alias": "a"}, "keys-type"),
        (None, "keys-type"),
        (["alice"], "key-alias"),
        ([{}], "key-alias"),
        ([{"alias": "../root"}], "key-alias"),
        ([{"alias": "Alice"}], "key-alias"),
        ([{"alias": 7}], "key-alias"),
        ([{"alias": inputs.SMOKE_KEY}], "key-reserved"),
        ([{"alias": "alice", "model": []}], "key-field-unknown"),
        ([{"alias": "alice", "models": "coder"}], "key-models"),
        ([{"alias": "alice"}, {"alias": "alice", "models": ["coder"]}], "key-twice"),
    ],
)
def test_each_fault_of_a_key_is_found(keys: object, rule: str) -> None:
    assert rules(inputs.check_keys(keys)) == [rule]


@pytest.mark.parametrize("keys", [[], [{"alias": "a"}, {"alias": "b.c-d", "models": ["coder"]}]])
def test_sound_keys_have_no_finding(keys: object) -> None:
    assert inputs.check_keys(keys) == []


def test_the_sound_deployments_are_those_without_a_finding_of_their_own() -> None:
    deployments = [*({**SOUND, "name": f"n{i}"} for i in range(10)), {**SOUND, "name": "a/b"}]
    found = inputs.check_deployments(deployments)
    assert list(inputs.sound(deployments, found)) == list(range(10))
    assert inputs.sound(None, inputs.check_deployments(None)) == {}


def test_the_report_has_the_fatal_findings_first_in_their_order() -> None:
    def finding(rule: str, fatal: bool) -> findings.Finding:
        return findings.Finding(rule, "here", "is wrong.", "correct it", fatal)

    report = findings.report(
        [finding("a", False), finding("b", True), finding("c", False), finding("d", True)]
    )
    assert report.splitlines() == [
        "[refused: b] here: is wrong. Next: correct it",
        "[refused: d] here: is wrong. Next: correct it",
        "[warning: a] here: is wrong. Next: correct it",
        "[warning: c] here: is wrong. Next: correct it",
    ]


@pytest.mark.parametrize(
    ("value", "wanted", "said"),
    [
        (True, int, False),
        (True, float, False),
        (True, bool, True),
        (1, bool, False),
        (1, float, True),
        (1.0, int, False),
        ("1", int, False),
    ],
)
def test_types_are_those_of_yaml(value: object, wanted: type, said: bool) -> None:
    assert inputs.is_a(value, wanted) is said
