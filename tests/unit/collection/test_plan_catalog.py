"""The catalogue: what is read, what is laid over it, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.coderack.core.plugins.module_utils.plan import catalog

REVISION = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "5" * 64
OTHER_DIGEST = "sha256:" + "6" * 64
PROFILE: dict[str, Any] = {
    "name": "small",
    "repository": "org/small",
    "revision": REVISION,
    "engine": "vllm-1-cpu",
    "window": 4096,
    "start_timeout_s": 60,
    "supports_reasoning": False,
}
FILES: dict[str, Any] = {
    "models/small.yml": PROFILE,
    "engines/vllm-1-cpu.yml": {"name": "vllm-1-cpu", "image": "reg/vllm:v1", "device": "cpu"},
    "gateway.yml": {"image": "reg:5000/litellm:v2"},
    "lock.yml": {"images": {"reg/vllm:v1": None}},
}


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, document in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return folder


def without(document: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != field}


def test_a_sound_catalogue_is_read(tmp_path: Path) -> None:
    known = catalog.load(write(tmp_path, FILES), [], [])
    assert known.profiles["small"].repository == "org/small"
    assert known.profiles["small"].engine_args == {}
    assert known.engines["vllm-1-cpu"].device == "cpu"
    assert known.gateway_image == "reg:5000/litellm:v2"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("models/small.yml", "a: [", "small.yml: while parsing"),
        ("models/small.yml", "- a list", "small.yml: not a mapping."),
        ("models/small.yml", without(PROFILE, "window"), "missing 1 required .* 'window'"),
        ("models/small.yml", {**PROFILE, "windows": 1}, "unexpected keyword argument 'windows'"),
        ("models/small.yml", {**PROFILE, "revision": REVISION[:12]}, "not a full commit SHA"),
        ("models/small.yml", {**PROFILE, "revision": REVISION + "0"}, "not a full commit SHA"),
        ("models/small.yml", {**PROFILE, "revision": "main"}, "not a full commit SHA"),
        ("models/small.yml", {**PROFILE, "revision": REVISION.upper()}, "not a full commit SHA"),
        ("models/small.yml", {**PROFILE, "revision": 7}, "revision 7 is not of type str"),
        ("models/small.yml", {**PROFILE, "window": "4096"}, "window '4096' is not of type int"),
        ("models/small.yml", {**PROFILE, "window": True}, "window True is not of type int"),
        ("models/small.yml", {**PROFILE, "engine_args": ["x"]}, "is not of type dict"),
        ("models/small.yml", {**PROFILE, "supports_reasoning": "no"}, "is not of type bool"),
        ("engines/vllm-1-cpu.yml", {"name": "vllm-1-cpu"}, "missing 2 required"),
        ("gateway.yml", {"picture": "x"}, "unexpected keyword argument 'picture'"),
        ("lock.yml", {"images": {"reg/vllm:v1": "sha256:12"}}, "not a sha256 digest"),
        ("lock.yml", {"images": {"reg/vllm:v1": 12}}, "12 is not a sha256 digest"),
        ("lock.yml", {"images": ["reg/vllm:v1"]}, "images is not a mapping"),
        ("lock.yml", "images: {", "lock.yml: while parsing"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: Any, said: str
) -> None:
    write(tmp_path, {**FILES, name: content})
    with pytest.raises(catalog.CatalogError, match=said) as raised:
        catalog.load(tmp_path, [], [])
    assert str(raised.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("name", ["gateway.yml", "lock.yml"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path, without(FILES, name))
    with pytest.raises(catalog.CatalogError, match=f"{name}.*No such file"):
        catalog.load(tmp_path, [], [])


def test_a_missing_lock_of_the_operator_is_named(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with pytest.raises(catalog.CatalogError, match=r"mine\.yml.*No such file"):
        catalog.load(tmp_path, [], [tmp_path / "mine.yml"])


def test_profiles_of_the_inventory_come_before_the_catalogues(tmp_path: Path) -> None:
    extra = [{**PROFILE, "window": 99}, {**PROFILE, "name": "mine"}]
    known = catalog.load(write(tmp_path, FILES), extra, [])
    assert known.profiles["small"].window == 99
    assert known.profiles["mine"].window == 4096


@pytest.mark.parametrize("name", ["mine", None])
def test_a_bad_profile_of_the_inventory_is_named(tmp_path: Path, name: str | None) -> None:
    write(tmp_path, FILES)
    with pytest.raises(catalog.CatalogError, match=f"^coderack_models: {name}: "):
        catalog.load(tmp_path, [{**PROFILE, "name": name, "revision": "main"}], [])


def test_an_image_is_referred_to_by_digest_where_a_lock_has_it(tmp_path: Path) -> None:
    locks = {"a.yml": {"images": {"reg/vllm:v1": DIGEST}}, "b.yml": {"images": None}}
    write(tmp_path, {**FILES, **locks})
    assert catalog.load(tmp_path, [], []).reference("reg/vllm:v1") == "reg/vllm:v1"
    known = catalog.load(tmp_path, [], [tmp_path / "a.yml", tmp_path / "b.yml"])
    assert known.reference("reg/vllm:v1") == f"reg/vllm@{DIGEST}"


def test_a_registrys_port_is_no_tag(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "lock.yml": {"images": {"reg:5000/litellm:v2": DIGEST}}})
    known = catalog.load(tmp_path, [], [])
    assert known.reference(known.gateway_image) == f"reg:5000/litellm@{DIGEST}"


def test_later_locks_win_and_null_takes_nothing_away(tmp_path: Path) -> None:
    locks = {
        "lock.yml": {"images": {"reg/vllm:v1": DIGEST}},
        "a.yml": {"images": {"reg/vllm:v1": OTHER_DIGEST}},
        "b.yml": {"images": {"reg/vllm:v1": None}},
    }
    write(tmp_path, {**FILES, **locks})
    known = catalog.load(tmp_path, [], [tmp_path / "a.yml", tmp_path / "b.yml"])
    assert known.digests == {"reg/vllm:v1": OTHER_DIGEST}
