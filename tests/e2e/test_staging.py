"""Staging from a hub that cuts, corrupts and refuses: the old state stays, a re-run continues."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from e2e.node import Endpoint, Node, ask

REPOSITORY = "coderack/sharded"
STORE = "/var/lib/coderack/models"
SHARD = "model-00003-of-00004.safetensors"
MIB = 1024 * 1024


@pytest.fixture
def revision(node: Node) -> str:
    lock = yaml.safe_load((node.root / ".testbed" / "lock.yml").read_text(encoding="utf-8"))
    return str(lock["models"][REPOSITORY])


@pytest.fixture(autouse=True)
def clean(node: Node, endpoint: Endpoint) -> Iterator[None]:
    forget = f"rm -rf {STORE}/coderack--sharded {STORE}/.staging/*"
    node.testbed("fault", "clear")
    node.run(forget)
    yield
    node.testbed("fault", "clear")
    node.run(forget)
    assert ask(endpoint, "chat").fault == ""


def stage(node: Node, revision: str, **options: object) -> tuple[int, str]:
    image = node.run("docker inspect -f '{{.Config.Image}}' coderack-engine-coder")
    model = {"repository": REPOSITORY, "revision": revision, "image": image}
    done = node.playbook("tests/e2e/stage.yml", {"model_store_models": [model], **options})
    return done.returncode, done.stdout


def final(node: Node, revision: str) -> str:
    return node.run(f"ls {STORE}/coderack--sharded/{revision} 2>/dev/null", check=False)


def test_a_model_is_staged_once(node: Node, revision: str) -> None:
    code, output = stage(node, revision)
    assert code == 0, output
    assert "changed=1" in output
    manifest = json.loads(
        node.run(f"cat {STORE}/coderack--sharded/{revision}/coderack-manifest.json")
    )
    assert manifest["revision"] == revision
    assert len(manifest["files"]) == 5
    code, output = stage(node, revision)
    assert code == 0, output
    assert "changed=0" in output


def test_a_cut_download_names_the_file_and_continues(node: Node, revision: str) -> None:
    node.testbed("fault", "set", f"{REPOSITORY}/{SHARD}", "--cut-after", str(5 * MIB))
    code, output = stage(node, revision)
    assert code != 0
    assert SHARD in output
    assert "run the playbook again" in output
    assert final(node, revision) == ""
    kept = node.run(f"ls {STORE}/.staging/*/*.safetensors", check=False)
    node.testbed("fault", "clear")
    code, output = stage(node, revision)
    assert code == 0, output
    assert SHARD in final(node, revision)
    assert kept


def test_a_flipped_byte_is_found_and_only_that_file_comes_again(node: Node, revision: str) -> None:
    node.testbed("fault", "set", f"{REPOSITORY}/{SHARD}", "--flip-at", str(7 * MIB))
    code, output = stage(node, revision)
    assert code != 0
    assert f"{SHARD} is not what the hub" in output
    assert final(node, revision) == ""
    left = node.run(f"ls {STORE}/.staging/*/*.safetensors")
    assert SHARD not in left
    assert left.count("safetensors") == 3
    node.testbed("fault", "clear")
    code, output = stage(node, revision)
    assert code == 0, output
    node.run(f"coderack verify {REPOSITORY} {revision} --store={STORE}")


def test_a_wrong_revision_is_refused(node: Node) -> None:
    wrong = "f" * 40
    code, output = stage(node, wrong)
    assert code != 0
    assert f"refused {REPOSITORY} at revision {wrong}" in output
    assert final(node, wrong) == ""


def test_a_full_disk_is_refused_before_the_download(node: Node, revision: str) -> None:
    node.run("mkdir -p /mnt/small && mount -t tmpfs -o size=40m tmpfs /mnt/small")
    try:
        code, output = stage(node, revision, model_store_path="/mnt/small")
        assert code != 0
        assert "needs 1.1 GiB more on /mnt/small, which has 0.0 GiB free" in output
        assert node.run("find /mnt/small -name '*.safetensors*'") == ""
    finally:
        node.run("umount /mnt/small")


def test_a_shard_changed_after_staging_is_found(node: Node, revision: str) -> None:
    assert stage(node, revision)[0] == 0
    shard = f"{STORE}/coderack--sharded/{revision}/{SHARD}"
    node.run(f"printf x | dd of={shard} bs=1 seek=1000 conv=notrunc status=none")
    report = node.run(f"coderack verify {REPOSITORY} {revision} --store={STORE}", check=False)
    assert f"{shard} is not as staged" in report
