"""Resolve deployments into releases."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.coderack.core.plugins.module_utils.plan import addresses
from ansible_collections.coderack.core.plugins.module_utils.plan.catalog import (
    Catalog,
    Engine,
    Profile,
)
from ansible_collections.coderack.core.plugins.module_utils.plan.findings import Finding, nearest

ENGINE_PORT = 8000
MODEL_MOUNT = "/model"
# What coderack itself decides; a profile or deployment that sets one would break the service.
OWN_ARGS = (
    "model",
    "served-model-name",
    "max-model-len",
    "host",
    "port",
    "api-key",
    "shutdown-timeout",
    "root-path",
    "override-generation-config",
    "default-chat-template-kwargs",
)
# What only the gateway reads: a change of these makes no other engine.
GATEWAY_FIELDS = ("aliases", "supports_reasoning")
DRAIN_S = 120
ID_DIGITS = 12


@dataclass(frozen=True)
class Release:
    """One deployment, ready to be written to a node.

    Attributes:
        id: Changes with anything that the engine is started with.
        name: The served name.
        aliases: Other names for it; one may end in `*`.
        model: The profile's name.
        repository: On the hub.
        revision: Commit.
        image: By digest where the lock has one.
        device: `cuda` or `cpu`.
        gpus: Indexes of the GPUs.
        window: Tokens.
        start_timeout_s: Seconds.
        drain_timeout_s: Seconds.
        supports_reasoning: Whether clients may switch thinking on.
        place: On the node's network.
        port: Of the hold.
        addresses: Of the engine, by slot.
        serve: The content of `serve.yaml`.
        environment: Of the engine.
    """

    id: str
    name: str
    aliases: list[str]
    model: str
    repository: str
    revision: str
    image: str
    device: str
    gpus: list[int]
    window: int
    start_timeout_s: int
    drain_timeout_s: int
    supports_reasoning: bool
    place: int
    port: int
    addresses: dict[str, str]
    serve: dict[str, Any]
    environment: dict[str, str]


def resolve(
    deployments: dict[int, dict[str, Any]],
    catalog: Catalog,
    network: addresses.Network,
    taken: dict[str, int],
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the releases as plain data, and what stands against them.

    Args:
        deployments: Those that `inputs.check_deployments` finds sound, by index.
        catalog: What they refer to.
        network: Of the node.
        taken: Places that the node already gave, by name.
    """
    findings: list[Finding] = []
    releases = []
    try:
        places = addresses.allocate([d["name"] for d in deployments.values()], taken)
    except ValueError as error:
        return [], [_no_place(str(error))]
    for index, deployment in deployments.items():
        where = f"coderack_deployments[{index}] ({deployment['name']})"
        profile = catalog.profiles.get(deployment["model"])
        if profile is None:
            findings.append(_unknown_model(where, deployment["model"], catalog))
            continue
        engine = catalog.engines.get(profile.engine)
        if engine is None:
            findings.append(_unknown_engine(where, profile, catalog))
            continue
        findings += _check_gpus(where, deployment, engine)
        findings += _check_args(where, _engine_args(deployment, profile))
        findings += _check_window(where, deployment, profile)
        findings += check_digest(where, engine.image, catalog)
        place = places[deployment["name"]]
        releases.append(_release(deployment, profile, engine, catalog, network, place))
    return releases, findings


def _release(
    deployment: dict[str, Any],
    profile: Profile,
    engine: Engine,
    catalog: Catalog,
    network: addresses.Network,
    place: int,
) -> dict[str, Any]:
    window = deployment.get("max_model_len", profile.window)
    serve = {
        **_engine_args(deployment, profile),
        "model": MODEL_MOUNT,
        "served-model-name": [deployment["name"]],
        "host": "0.0.0.0",  # noqa: S104 - inside a container on an internal network
        "port": ENGINE_PORT,
        "max-model-len": window,
        "shutdown-timeout": DRAIN_S,
    }
    # Set in the engine, these hold on every API and survive a swap without the gateway.
    sampling = {**profile.sampling, **deployment.get("sampling", {})}
    template = {**profile.chat_template_kwargs, **deployment.get("chat_template_kwargs", {})}
    if sampling:
        serve["override-generation-config"] = sampling
    if template:
        serve["default-chat-template-kwargs"] = template
    if engine.device == "cuda":
        serve.setdefault("tensor-parallel-size", len(deployment["gpus"]))
        if "gpu_memory_utilization" in deployment:
            serve["gpu-memory-utilization"] = deployment["gpu_memory_utilization"]
    release = Release(
        id="",
        name=deployment["name"],
        aliases=list(deployment.get("aliases", [])),
        model=profile.name,
        repository=profile.repository,
        revision=profile.revision,
        image=catalog.reference(engine.image),
        device=engine.device,
        gpus=list(deployment["gpus"]),
        window=window,
        start_timeout_s=profile.start_timeout_s,
        drain_timeout_s=DRAIN_S,
        supports_reasoning=profile.supports_reasoning,
        place=place,
        port=addresses.port(place),
        addresses=network.engine(place),
        serve=serve,
        environment={**profile.environment, **deployment.get("environment", {})},
    )
    document = asdict(release)
    document["id"] = release_id(document)
    return document


def release_id(document: dict[str, Any]) -> str:
    """Return the content's address: the same inputs give the same id.

    What belongs to the gateway does not make another engine.
    """
    left_out = ("id", *GATEWAY_FIELDS)
    content = {key: value for key, value in document.items() if key not in left_out}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def _engine_args(deployment: dict[str, Any], profile: Profile) -> dict[str, Any]:
    # vLLM takes both spellings, and one argument in both would be set twice.
    given = (profile.engine_args, deployment.get("engine_args", {}))
    return {str(name).replace("_", "-"): value for each in given for name, value in each.items()}


def _no_place(what: str) -> Finding:
    return Finding(
        "deployments-too-many",
        "coderack_deployments",
        f"{what}, those counted that still run there.",
        "remove some, and run the playbook once before you add others",
    )


def _unknown_model(where: str, model: str, catalog: Catalog) -> Finding:
    return Finding(
        "model-unknown",
        f"{where}.model",
        f"the catalogue has no profile {model!r}.{nearest(model, catalog.profiles)}",
        "use one of " + ", ".join(sorted(catalog.profiles)) + ", or add one to coderack_models",
    )


def _unknown_engine(where: str, profile: Profile, catalog: Catalog) -> Finding:
    return Finding(
        "engine-unknown",
        f"{where}.model",
        f"profile {profile.name!r} wants engine {profile.engine!r}, which the catalogue lacks."
        f"{nearest(profile.engine, catalog.engines)}",
        "use one of " + ", ".join(sorted(catalog.engines)),
    )


def _check_gpus(where: str, deployment: dict[str, Any], engine: Engine) -> list[Finding]:
    gpus = deployment["gpus"]
    if any(isinstance(gpu, bool) or not isinstance(gpu, int) or gpu < 0 for gpu in gpus):
        what = f"{gpus!r} is not a list of GPU indexes."
    elif len(set(gpus)) != len(gpus):
        what = f"{gpus!r} names a GPU twice."
    elif engine.device == "cuda" and not gpus:
        what = f"engine {engine.name} needs GPUs, and none is given."
    elif engine.device == "cpu" and gpus:
        what = f"engine {engine.name} uses no GPU, and {gpus!r} are given."
    else:
        return []
    return [Finding("gpus", f"{where}.gpus", what, "list the indexes that nvidia-smi -L prints")]


def _check_args(where: str, arguments: dict[str, Any]) -> list[Finding]:
    return [
        Finding(
            "engine-arg-reserved",
            f"{where}.engine_args",
            f"{name!r} is set by coderack itself.",
            "remove it; the deployment's own fields set what may differ",
        )
        for name in arguments
        if name in OWN_ARGS
    ]


def _check_window(where: str, deployment: dict[str, Any], profile: Profile) -> list[Finding]:
    window = deployment.get("max_model_len", profile.window)
    if 1 <= window <= profile.window:
        return []
    return [
        Finding(
            "window",
            f"{where}.max_model_len",
            f"{window} tokens do not fit {profile.name}, whose window is {profile.window}.",
            f"use at most {profile.window}",
        )
    ]


def check_digest(where: str, image: str, catalog: Catalog) -> list[Finding]:
    """Warn of an image whose digest no lock has."""
    if image in catalog.digests:
        return []
    return [
        Finding(
            "digest-unknown",
            where,
            f"no lock has the digest of {image}, so its tag decides what runs.",
            f"docker pull {image}, then put the digest that it prints into a lock file",
            fatal=False,
        )
    ]
