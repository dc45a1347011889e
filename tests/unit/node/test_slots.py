"""The journal of slots, what it renders, and what HAProxy is told in which order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coderack import slots
from coderack.errors import CoderackError
from coderack.slots import Proxy
from unit.node.node_fakes import OLD, PROC, SERVING, FakeMaster


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    monkeypatch.setattr(slots, "SAMPLE_INTERVAL_S", 0.01)
    return Proxy("hold", tmp_path / "state", tmp_path / "run")


@pytest.fixture
def master(proxy: Proxy) -> Iterator[FakeMaster]:
    fake = FakeMaster(proxy.master.path)
    yield fake
    fake.close()


def _journal(proxy: Proxy, slots_by_backend: object, digest: str | None = None) -> None:
    assert isinstance(slots_by_backend, dict)
    proxy.state.mkdir(parents=True, exist_ok=True)
    document = {
        "slots": slots_by_backend,
        "sha256": slots._digest(slots_by_backend) if digest is None else digest,
    }
    proxy.journal.write_text(json.dumps(document, indent=2) + "\n")


def test_what_was_opened_is_read_back(proxy: Proxy, master: FakeMaster) -> None:
    proxy.set("coder", "a")
    assert proxy.open_slots() == {"coder": "a"}
    proxy.set("coder", "b")
    assert proxy.open_slots() == {"coder": "b"}
    proxy.set("coder", None)
    assert proxy.open_slots() == {}


def test_other_backends_keep_their_slots(proxy: Proxy, master: FakeMaster) -> None:
    _journal(proxy, {"fim": "b"})
    proxy.set("coder", "a")
    assert proxy.open_slots() == {"fim": "b", "coder": "a"}


def test_no_journal_opens_nothing(proxy: Proxy) -> None:
    assert proxy.open_slots() == {}


def test_a_changed_journal_opens_nothing(proxy: Proxy) -> None:
    _journal(proxy, {"coder": "a"})
    assert proxy.open_slots() == {"coder": "a"}
    proxy.journal.write_text(proxy.journal.read_text().replace('"a"', '"b"'))
    assert proxy.open_slots() == {}


def test_a_cut_journal_never_opens(proxy: Proxy, master: FakeMaster) -> None:
    proxy.set("coder", "a")
    whole = proxy.journal.read_bytes()
    # Only the newline at the very end says nothing.
    assert json.loads(whole[:-1]) == json.loads(whole)
    for length in range(len(whole) - 1):
        proxy.journal.write_bytes(whole[:length])
        assert proxy.open_slots() == {}, length


def test_a_zeroed_or_flipped_journal_never_opens_another_slot(
    proxy: Proxy, master: FakeMaster
) -> None:
    proxy.set("coder", "a")
    whole = proxy.journal.read_bytes()
    for position in range(len(whole)):
        for damage in (0, whole[position] ^ 1, whole[position] ^ 0x80):
            proxy.journal.write_bytes(whole[:position] + bytes([damage]) + whole[position + 1 :])
            assert proxy.open_slots() in ({}, {"coder": "a"}), position


@pytest.mark.parametrize("name", ["c", "hold", "A", "", None, 1, ["a"]])
def test_unknown_slot_names_open_nothing(proxy: Proxy, name: object) -> None:
    _journal(proxy, {"coder": name, "fim": "b"})
    assert proxy.open_slots() == {"fim": "b"}


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "7", '"a"', "{}", '{"slots": ["a"], "sha256": ""}', "\x00" * 90]
)
def test_other_documents_open_nothing(proxy: Proxy, text: str) -> None:
    proxy.state.mkdir()
    proxy.journal.write_text(text)
    assert proxy.open_slots() == {}


def test_a_list_with_a_right_digest_opens_nothing(proxy: Proxy) -> None:
    proxy.state.mkdir()
    listed: object = ["a"]
    proxy.journal.write_text(json.dumps({"slots": listed, "sha256": slots._digest(listed)}))  # type: ignore[arg-type]
    assert proxy.open_slots() == {}


@pytest.mark.parametrize(
    ("backend", "variable"),
    [
        ("coder", "CODERACK_SLOT_CODER"),
        ("coder-fim", "CODERACK_SLOT_CODER_FIM"),
        ("qwen2.5-coder", "CODERACK_SLOT_QWEN2_5_CODER"),
    ],
)
def test_variable(backend: str, variable: str) -> None:
    assert slots.variable(backend) == variable


def test_render_says_held_backends_too(proxy: Proxy) -> None:
    _journal(proxy, {"coder": "b", "gone": "a"})
    proxy.render(["coder", "coder-fim"])
    assert proxy.rendered.read_text() == (
        "global\n    setenv CODERACK_SLOT_CODER b\n    setenv CODERACK_SLOT_CODER_FIM hold\n"
    )


def test_render_without_a_journal_holds(proxy: Proxy) -> None:
    proxy.render(["coder"])
    assert proxy.rendered.read_text() == "global\n    setenv CODERACK_SLOT_CODER hold\n"


@pytest.mark.parametrize(
    ("slot", "server", "closed"),
    [("a", "a", {"b", "hold"}), ("b", "b", {"a", "hold"}), (None, "hold", {"a", "b"})],
)
def test_one_server_opens_before_the_others_close(
    proxy: Proxy, master: FakeMaster, slot: str | None, server: str, closed: set[str]
) -> None:
    # The other way round there would be a moment without any server, which is a 503.
    proxy.set("coder", slot)
    assert master.settings[0] == f"coder/{server} state ready"
    assert set(master.settings[1:]) == {f"coder/{other} state maint" for other in closed}
    assert all(f"@!{OLD} set" not in command for command in master.commands)
    assert {name for name, state in master.states.items() if state != "MAINT"} == {server}


def test_the_journal_comes_before_haproxy(proxy: Proxy, master: FakeMaster) -> None:
    master.disobeys = True
    with pytest.raises(CoderackError, match="HAProxy did not set coder/b to ready"):
        proxy.set("coder", "b")
    assert proxy.open_slots() == {"coder": "b"}
    assert len(master.settings) == 1


def test_haproxy_has_no_such_backend(proxy: Proxy, master: FakeMaster) -> None:
    del master.states["b"]
    with pytest.raises(CoderackError, match="No such server"):
        proxy.set("coder", "b")


def test_haproxy_is_not_there(proxy: Proxy) -> None:
    with pytest.raises(CoderackError, match=r"does not answer on .*systemctl status coderack-hold"):
        proxy.set("coder", "a")
    assert proxy.open_slots() == {"coder": "a"}


@pytest.mark.parametrize("call", ["set", "settle"])
def test_no_serving_worker(proxy: Proxy, master: FakeMaster, call: str) -> None:
    master.proc = PROC.replace(f"{SERVING}           worker", f"{SERVING}           other")
    with pytest.raises(CoderackError, match="no serving worker"):
        proxy.set("coder", "a") if call == "set" else proxy.settle(["coder"], 0.05)


@pytest.mark.parametrize("worker", [SERVING, OLD])
def test_drain_waits_for_every_worker(proxy: Proxy, master: FakeMaster, worker: int) -> None:
    master.sessions[worker, "a"] = 1
    assert not proxy.drain("coder", "a", 0.1)
    assert proxy.drain("coder", "b", 5)
    threading.Timer(0.15, master.sessions.clear).start()
    began = time.monotonic()
    assert proxy.drain("coder", "a", 5)
    assert time.monotonic() - began >= 0.14


def test_drain_wants_three_clear_samples_running(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [0, 0, 1, 0, 0, 0, 9]
    seen = iter(samples)
    monkeypatch.setattr("coderack.haproxy.Master.sessions", lambda *_: next(seen))
    assert proxy.drain("coder", "a", 5)
    assert next(seen) == 9


def test_settle_counts_requests_between_two_tries(proxy: Proxy, master: FakeMaster) -> None:
    # As captured: two in the backend, one of them running on `a`, none on `hold`.
    master.sessions.update({(SERVING, "BACKEND"): 2, (SERVING, "a"): 1})
    with pytest.raises(CoderackError, match="hold still holds requests for coder; a reload"):
        proxy.settle(["coder", "unknown"], 0.05)
    master.sessions[SERVING, "a"] = 2
    proxy.settle(["coder"], 0.05)


def test_settle_leaves_old_workers_alone(proxy: Proxy, master: FakeMaster) -> None:
    # What an old worker holds is stranded already; waiting for it would be for ever.
    master.sessions[OLD, "BACKEND"] = 1
    proxy.settle(["coder"], 0.05)
