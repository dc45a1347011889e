"""Places on the network, releases and what stands against them, and the node's ports."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.coderack.core.plugins.module_utils.plan import (
    addresses,
    catalog,
    findings,
    node,
    resolve,
)

NETWORK = addresses.Network("172.30.0.0/24")
CUDA_IMAGE = "reg/vllm:v1"
CPU_IMAGE = "reg/vllm-cpu:v1"
DIGEST = "sha256:" + "5" * 64


def profile(**changes: Any) -> catalog.Profile:
    fields: dict[str, Any] = {
        "name": "big",
        "repository": "org/big",
        "revision": "a" * 40,
        "engine": "cuda",
        "window": 4096,
        "start_timeout_s": 60,
        "supports_reasoning": True,
        "engine_args": {"tool-call-parser": "hermes"},
        "environment": {"A": "1"},
    }
    return catalog.Profile(**{**fields, **changes})


def known(**changes: Any) -> catalog.Catalog:
    profiles = {
        "big": profile(**changes),
        "small": profile(name="small", engine="cpu"),
        "lost": profile(name="lost", engine="cudda"),
    }
    engines = {
        "cuda": catalog.Engine("cuda", CUDA_IMAGE, "cuda"),
        "cpu": catalog.Engine("cpu", CPU_IMAGE, "cpu"),
    }
    return catalog.Catalog(profiles, engines, {CUDA_IMAGE: DIGEST}, "reg/gateway:v1")


def deployment(**changes: Any) -> dict[str, Any]:
    return {"name": "coder", "model": "big", "gpus": [0, 1], **changes}


def resolve_one(
    changes: dict[str, Any], taken: dict[str, int] | None = None, **of_profile: Any
) -> tuple[list[dict[str, Any]], list[findings.Finding]]:
    return resolve.resolve({0: deployment(**changes)}, known(**of_profile), NETWORK, taken or {})


def release(
    changes: dict[str, Any] | None = None, taken: dict[str, int] | None = None, **of_profile: Any
) -> dict[str, Any]:
    (made,), found = resolve_one(changes or {}, taken, **of_profile)
    assert found == []
    return made


# Addresses


def test_addresses_are_apart_and_inside_the_subnet() -> None:
    given = [NETWORK.bridge, *NETWORK.gateway().values()]
    for place in range(addresses.MAX_DEPLOYMENTS):
        given += NETWORK.engine(place).values()
    assert len(given) == len(set(given)) == 3 + 2 * addresses.MAX_DEPLOYMENTS
    assert all(address.startswith("172.30.0.") for address in given)
    assert NETWORK.bridge == "172.30.0.1"
    assert NETWORK.engine(0) == {"a": "172.30.0.16", "b": "172.30.0.17"}


def test_a_deployment_keeps_its_place_whatever_comes_and_goes() -> None:
    places: dict[str, int] = {}
    for names in (["a"], ["b", "a"], ["c", "b", "a"], ["c", "a"], ["d", "c", "a"]):
        before = dict(places)
        places = addresses.allocate(names, before)
        assert set(places) == set(names)
        assert len(set(places.values())) == len(names)
        assert {name: places[name] for name in names if name in before} == {
            name: place for name, place in before.items() if name in names
        }


def test_the_place_of_a_deployment_that_goes_is_not_given_away_in_the_same_run() -> None:
    assert addresses.allocate(["new"], {"old": 0}) == {"new": 1}


def test_a_full_node_is_a_finding() -> None:
    names = [f"n{number}" for number in range(addresses.MAX_DEPLOYMENTS)]
    assert len(addresses.allocate(names, {})) == addresses.MAX_DEPLOYMENTS
    with pytest.raises(ValueError, match="room for 64"):
        addresses.allocate([*names, "one-more"], {})
    taken = {name: place for place, name in enumerate(names)}
    releases, found = resolve_one({}, taken)
    assert releases == []
    assert [finding.rule for finding in found] == ["deployments-too-many"]


@pytest.mark.parametrize("subnet", ["172.30.0.0/24", "10.0.0.0/16"])
def test_a_roomy_subnet_has_no_finding(subnet: str) -> None:
    assert addresses.check_subnet(subnet) == []


@pytest.mark.parametrize("subnet", ["", "172.30.0.0/25", "172.30.0.1/24", "fd00::/64", "x/24"])
def test_a_subnet_that_cannot_be_used_is_found(subnet: str) -> None:
    assert [finding.rule for finding in addresses.check_subnet(subnet)] == ["subnet"]


# Releases


def test_a_release_says_what_the_engine_is_started_with() -> None:
    made = release({"aliases": ["claude-*"], "gpu_memory_utilization": 0.5})
    assert made["image"] == f"reg/vllm@{DIGEST}"
    assert made["serve"] == {
        "model": "/model",
        "served-model-name": ["coder"],
        "host": "0.0.0.0",
        "port": 8000,
        "max-model-len": 4096,
        "shutdown-timeout": 120,
        "tensor-parallel-size": 2,
        "gpu-memory-utilization": 0.5,
        "tool-call-parser": "hermes",
    }
    assert (made["place"], made["port"], made["addresses"]["a"]) == (0, 8101, "172.30.0.16")
    assert made["aliases"] == ["claude-*"]


def test_a_cpu_engine_gets_no_argument_for_gpus() -> None:
    (made,), found = resolve_one({"model": "small", "gpus": [], "gpu_memory_utilization": 0.5})
    assert [finding.rule for finding in found] == ["digest-unknown"]
    assert not found[0].fatal
    assert made["image"] == CPU_IMAGE
    assert "tensor-parallel-size" not in made["serve"]
    assert "gpu-memory-utilization" not in made["serve"]


@pytest.mark.parametrize("name", ["tensor-parallel-size", "tensor_parallel_size"])
def test_a_given_tensor_parallel_size_stays(name: str) -> None:
    assert release({"engine_args": {name: 1}})["serve"]["tensor-parallel-size"] == 1
    assert "tensor_parallel_size" not in release({"engine_args": {name: 1}})["serve"]


def test_a_deployment_wins_over_its_profile_in_either_spelling() -> None:
    made = release({"engine_args": {"tool_call_parser": "x"}, "environment": {"A": "2", "B": "3"}})
    assert made["serve"]["tool-call-parser"] == "x"
    assert "tool_call_parser" not in made["serve"]
    assert made["environment"] == {"A": "2", "B": "3"}


@pytest.mark.parametrize(
    ("changes", "rule", "said"),
    [
        ({"model": "bigg"}, "model-unknown", "Did you mean 'big'?"),
        ({"model": "lost"}, "engine-unknown", "Did you mean 'cuda'?"),
        ({"gpus": []}, "gpus", "needs GPUs"),
        ({"gpus": [0, 0]}, "gpus", "names a GPU twice"),
        ({"gpus": [-1]}, "gpus", "not a list of GPU indexes"),
        ({"gpus": ["0"]}, "gpus", "not a list of GPU indexes"),
        ({"gpus": [True]}, "gpus", "not a list of GPU indexes"),
        ({"gpus": [[0]]}, "gpus", "not a list of GPU indexes"),
        ({"max_model_len": 4097}, "window", "whose window is 4096"),
        ({"max_model_len": 0}, "window", "whose window is 4096"),
        ({"max_model_len": -1}, "window", "whose window is 4096"),
        *(
            ({"engine_args": {name: "x"}}, "engine-arg-reserved", "set by coderack itself")
            for name in (*resolve.OWN_ARGS, "served_model_name", "max_model_len")
        ),
    ],
)
def test_each_fault_is_found_once(changes: dict[str, Any], rule: str, said: str) -> None:
    _, found = resolve_one(changes)
    (finding,) = found
    assert finding.rule == rule
    assert said in finding.what
    assert finding.where.startswith("coderack_deployments[0] (coder)")


def test_gpus_given_to_a_cpu_engine_are_found() -> None:
    _, found = resolve_one({"model": "small", "gpus": [0]})
    assert [finding.rule for finding in found if finding.fatal] == ["gpus"]


@pytest.mark.parametrize("length", [1, 4096])
def test_a_length_inside_the_window_is_taken(length: int) -> None:
    made = release({"max_model_len": length})
    assert made["window"] == made["serve"]["max-model-len"] == length


def test_an_argument_of_coderacks_own_in_a_profile_is_found_too() -> None:
    _, found = resolve_one({}, engine_args={"api_key": "x"})
    assert [finding.rule for finding in found] == ["engine-arg-reserved"]


def test_the_index_in_a_finding_is_the_inventorys() -> None:
    _, found = resolve.resolve({3: deployment(model="bigg")}, known(), NETWORK, {})
    assert found[0].where.startswith("coderack_deployments[3]")


def test_faults_of_one_deployment_do_not_hide_another() -> None:
    releases, found = resolve.resolve(
        {0: deployment(model="bigg"), 1: deployment(name="fim"), 2: deployment(name="c", gpus=[])},
        known(),
        NETWORK,
        {},
    )
    assert [made["name"] for made in releases] == ["fim", "c"]
    assert [finding.rule for finding in found] == ["model-unknown", "gpus"]


def test_the_same_inputs_give_the_same_id_and_aliases_do_not_count() -> None:
    first = release({"aliases": ["a"], "engine_args": {"x": 1, "y": 2}})
    second = release({"aliases": ["b", "c"], "engine_args": {"y": 2, "x": 1}})
    assert first["id"] == second["id"]
    assert len(first["id"]) == resolve.ID_DIGITS


def test_every_other_input_gives_another_id() -> None:
    inputs: list[tuple[dict[str, Any], dict[str, int], dict[str, Any]]] = [
        ({}, {}, {}),
        ({"name": "other"}, {}, {}),
        ({"gpus": [0, 2]}, {}, {}),
        ({"gpus": [0]}, {}, {}),
        ({"max_model_len": 4095}, {}, {}),
        ({"gpu_memory_utilization": 0.5}, {}, {}),
        ({"engine_args": {"seed": 1}}, {}, {}),
        ({"environment": {"B": "1"}}, {}, {}),
        ({}, {"coder": 1}, {}),
        ({}, {}, {"repository": "org/other"}),
        ({}, {}, {"revision": "b" * 40}),
        ({}, {}, {"window": 4095}),
        ({}, {}, {"start_timeout_s": 61}),
        ({"sampling": {"top_p": 0.5}}, {}, {}),
        ({"chat_template_kwargs": {"thinking": True}}, {}, {}),
        ({}, {}, {"engine_args": {}}),
        ({}, {}, {"environment": {}}),
    ]
    ids = [release(change, taken, **of_profile)["id"] for change, taken, of_profile in inputs]
    same = [
        (inputs[i], inputs[j])
        for i, j in itertools.combinations(range(len(ids)), 2)
        # A window and a max_model_len of the same length are the same to an engine.
        if ids[i] == ids[j] and {i, j} != {4, 11}
    ]
    assert same == []
    assert ids[4] == ids[11]


@pytest.mark.parametrize("field", [*resolve.Release.__dataclass_fields__])
def test_the_id_covers_every_field_but_itself_and_the_gateways(field: str) -> None:
    document = release()
    changed = resolve.release_id({**document, field: "changed"}) != document["id"]
    assert changed is (field not in ("id", "aliases", "supports_reasoning"))


def test_sampling_and_template_are_the_profiles_with_the_deployments_over_them() -> None:
    made = release(
        {"sampling": {"top_p": 0.5}, "chat_template_kwargs": {"thinking": False}},
        sampling={"temperature": 1.0, "top_p": 0.9},
        chat_template_kwargs={"thinking": True, "effort": "low"},
    )
    assert made["serve"]["override-generation-config"] == {"temperature": 1.0, "top_p": 0.5}
    assert made["serve"]["default-chat-template-kwargs"] == {"thinking": False, "effort": "low"}
    bare = release()["serve"]
    assert not {"override-generation-config", "default-chat-template-kwargs"} & bare.keys()


# Ports


def listener(port: int, process: str = "nginx", unit: str = "nginx.service") -> dict[str, Any]:
    return {"port": port, "process": process, "unit": unit}


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        (listener(443), "nginx (unit nginx.service) listens there."),
        (listener(443, unit=""), "nginx listens there."),
        (listener(443, "", ""), "a process listens there."),
        (listener(443, "haproxy", "haproxy.service"), "haproxy (unit haproxy.service)"),
    ],
)
def test_a_port_that_another_has_is_found(owner: dict[str, Any], said: str) -> None:
    (finding,) = node.check_ports({443: "the edge", 8101: "the hold"}, [listener(22), owner])
    assert finding.rule == "port-taken"
    assert finding.where == "port 443, wanted for the edge"
    assert said in finding.what


def test_coderacks_own_listeners_are_no_fault() -> None:
    own = listener(443, "haproxy", "coderack-edge.service")
    assert node.check_ports({443: "the edge"}, [own, listener(22)]) == []


@pytest.mark.parametrize(("port", "said"), [(0, "not a port"), (65536, "not a port")])
def test_an_edge_port_that_is_none_is_found(port: int, said: str) -> None:
    (finding,) = node.check_edge_port(port, [])
    assert said in finding.what


def test_the_edge_cannot_have_the_port_of_a_hold() -> None:
    made = release()
    (finding,) = node.check_edge_port(made["port"], [made])
    assert finding.rule == "edge-port"
    assert "the hold of coder" in finding.what
    assert node.check_edge_port(443, [made]) == []
