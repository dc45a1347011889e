"""Read the catalogue: model profiles, engines and the lock."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import yaml

from ansible_collections.coderack.core.plugins.module_utils.plan.inputs import is_a

COMMIT = re.compile(r"[0-9a-f]{40}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class CatalogError(Exception):
    """A catalogue file that cannot be used."""


@dataclass(frozen=True)
class Profile:
    """A model as coderack serves it.

    Attributes:
        name: What deployments call it.
        repository: On the model hub.
        revision: Full commit SHA.
        engine: Name of the engine that serves it.
        window: Longest context, in tokens.
        start_timeout_s: How long a start may take, in seconds.
        engine_args: Arguments of `vllm serve`, long names without dashes.
        environment: Of the engine.
        supports_reasoning: Whether clients may switch thinking on.
        sampling: What a request that names no temperature and the like gets.
        chat_template_kwargs: What the chat template gets unless a request says otherwise.
    """

    name: str
    repository: str
    revision: str
    engine: str
    window: int
    start_timeout_s: int
    supports_reasoning: bool
    engine_args: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """A build of vLLM.

    Attributes:
        name: What profiles call it.
        image: Repository and tag; the digest is in the lock.
        device: `cuda` or `cpu`.
    """

    name: str
    image: str
    device: str


@dataclass(frozen=True)
class Gateway:
    """The gateway before all engines.

    Attributes:
        image: Repository and tag; the digest is in the lock.
    """

    image: str


@dataclass(frozen=True)
class Catalog:
    """Everything that deployments can refer to, and the image of the gateway."""

    profiles: dict[str, Profile]
    engines: dict[str, Engine]
    digests: dict[str, str]
    gateway_image: str

    def reference(self, image: str) -> str:
        """Return `image` by digest in place of its tag, or as it is where nobody resolved it."""
        digest = self.digests.get(image)
        return f"{image.rpartition(':')[0]}@{digest}" if digest else image


def load(folder: Path, extra_profiles: list[dict[str, Any]], locks: list[Path]) -> Catalog:
    """Read a catalogue folder, then the operator's own profiles and locks over it.

    Raises:
        CatalogError: a file is missing, is not what its type asks for, or names no commit.
    """
    profiles = {}
    for path in sorted((folder / "models").glob("*.yml")):
        profile = _profile(_mapping(path), str(path))
        profiles[profile.name] = profile
    for document in extra_profiles:
        profile = _profile(document, f"coderack_models: {document.get('name')}")
        profiles[profile.name] = profile
    engines = {}
    for path in sorted((folder / "engines").glob("*.yml")):
        engine = _build(Engine, _mapping(path), str(path))
        engines[engine.name] = engine
    digests: dict[str, str] = {}
    for path in [folder / "lock.yml", *locks]:
        digests.update(_digests(path))
    path = folder / "gateway.yml"
    gateway = _build(Gateway, _mapping(path), str(path))
    return Catalog(profiles, engines, digests, gateway.image)


def _profile(document: dict[str, Any], where: str) -> Profile:
    profile: Profile = _build(Profile, document, where)
    if not COMMIT.fullmatch(str(profile.revision)):
        raise CatalogError(
            f"{where}: revision {profile.revision!r} is not a full commit SHA (40 hex digits)."
        )
    return profile


def _build(kind: Any, document: dict[str, Any], where: str) -> Any:
    try:
        made = kind(**document)
    except TypeError as error:
        problem = str(error).replace(f"{kind.__name__}.__init__() ", "")
        raise CatalogError(f"{where}: {problem}.") from error
    for name, hint in get_type_hints(kind).items():
        wanted = get_origin(hint) or hint
        if not is_a(getattr(made, name), wanted):
            value = getattr(made, name)
            raise CatalogError(f"{where}: {name} {value!r} is not of type {wanted.__name__}.")
    return made


def _digests(path: Path) -> dict[str, str]:
    images = _mapping(path).get("images") or {}
    if not isinstance(images, dict):
        raise CatalogError(f"{path}: images is not a mapping of references to digests.")
    known = {image: digest for image, digest in images.items() if digest}
    for image, digest in known.items():
        if not DIGEST.fullmatch(str(digest)):
            raise CatalogError(f"{path}: {image}: {digest!r} is not a sha256 digest.")
    return known


def _mapping(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CatalogError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise CatalogError(f"{path}: not a mapping.")
    return document
