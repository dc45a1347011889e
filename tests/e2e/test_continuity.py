"""Restarts, crashes, reloads and a reboot, with clients that ask all the while."""

from __future__ import annotations

import subprocess
import time

import pytest

from e2e.node import ENGINE_PROCESS, KINDS, Endpoint, Load, Node, Once, ask

SERVING = "systemctl is-active -q coderack-engine-coder coderack-gateway"


@pytest.mark.parametrize("unit", ["coderack-gateway", "coderack-engine-coder"])
def test_a_restart_by_hand_holds_and_answers(node: Node, endpoint: Endpoint, unit: str) -> None:
    with Load(endpoint) as load:
        began = time.monotonic()
        node.run(f"systemctl restart {unit}")
        restart_s = time.monotonic() - began
    assert load.faults == []
    # Without a request that waited, the restart would have proven nothing.
    assert load.longest_s > restart_s / 2


@pytest.mark.parametrize("unit", ["coderack-edge", "coderack-hold"])
def test_a_reload_loses_nothing(node: Node, endpoint: Endpoint, unit: str) -> None:
    workers = f"pgrep -P $(systemctl show -P MainPID {unit})"
    before = node.run(workers)
    with Load(endpoint) as load:
        for _ in range(3):
            node.run(f"systemctl reload {unit}")
            time.sleep(1)
    assert load.faults == []
    assert not set(node.run(workers).split()) & set(before.split())


def test_a_restart_of_dockerd_leaves_the_engine_alone(node: Node, endpoint: Endpoint) -> None:
    before = node.engine_process()
    with Load(endpoint) as load:
        node.run("systemctl restart docker")
        time.sleep(3)
    assert load.faults == []
    assert node.engine_process() == before
    node.run(SERVING)


def test_a_killed_supervisor_attaches_to_the_engine_again(node: Node, endpoint: Endpoint) -> None:
    before = node.engine_process()
    with Load(endpoint) as load:
        node.run("systemctl kill --signal KILL --kill-whom main coderack-engine-coder")
        time.sleep(8)
    node.wait_for(SERVING, 30)
    assert load.faults == []
    assert node.engine_process() == before


def test_a_crashed_engine_comes_back_and_new_requests_wait_for_it(
    node: Node, endpoint: Endpoint
) -> None:
    before = node.engine_process()
    node.run("docker kill --signal KILL coderack-engine-coder")
    answers = [ask(endpoint, kind) for kind in KINDS]
    assert [answer.fault for answer in answers] == [""] * len(KINDS)
    assert answers[0].seconds > 2
    assert node.engine_process() != before
    node.wait_for(SERVING, 60)


def test_the_healthcheck_restarts_a_dead_engine(node: Node, endpoint: Endpoint) -> None:
    before = node.engine_process()
    probe = "systemctl start coderack-healthcheck-coder.service"
    refuse = "OUTPUT -d 172.30.0.16 -p tcp --dport 8000 -j REJECT --reject-with tcp-reset"
    node.run("systemctl stop coderack-healthcheck-coder.timer")
    try:
        # As an API server that is gone while its container runs: every connection is refused.
        node.run(f"iptables -I {refuse}")
        try:
            for _ in range(3):
                node.run(probe)
        finally:
            node.run(f"iptables -D {refuse}")
        node.wait_for(f"[ $({ENGINE_PROCESS}) != {before} ]", 60)
        node.wait_for(SERVING, 120)
    finally:
        node.run("systemctl start coderack-healthcheck-coder.timer")
    assert ask(endpoint, "chat").fault == ""


@pytest.mark.parametrize("damage", ["rm {}", "truncate -s 20 {}", "sed -i s/a/b/ {}"])
def test_a_slot_journal_that_cannot_be_trusted_means_hold(
    node: Node, endpoint: Endpoint, damage: str
) -> None:
    journal = "/var/lib/coderack/slots/hold.json"
    # The supervisor would repair the journal within seconds.
    node.run("systemctl kill --signal STOP --kill-whom main coderack-engine-coder")
    try:
        node.run(damage.format(journal) + " && systemctl restart coderack-hold")
        assert "setenv CODERACK_SLOT_CODER hold" in node.run("cat /run/coderack/hold/slots.cfg")
        with Once(endpoint) as held:
            time.sleep(4)
            assert held.answers == []
            node.run("systemctl kill --signal CONT --kill-whom main coderack-engine-coder")
    finally:
        node.run("systemctl kill --signal CONT --kill-whom main coderack-engine-coder")
    assert [answer.fault for answer in held.answers] == [""] * len(KINDS)
    assert "open: slot a" in node.run("coderack status")


def test_a_reload_waits_while_something_is_held(node: Node, endpoint: Endpoint) -> None:
    node.run("coderack slot hold coder hold")
    with Once(endpoint) as held:
        time.sleep(2)
        reload = subprocess.Popen(
            ["docker", "exec", node.name, "systemctl", "reload", "coderack-hold"]
        )
        time.sleep(3)
        assert reload.poll() is None
        assert held.answers == []
        node.run("coderack slot hold coder a")
        assert reload.wait(60) == 0
    assert [answer.fault for answer in held.answers] == [""] * len(KINDS)


def test_a_reboot_needs_nobody(node: Node, endpoint: Endpoint) -> None:
    subprocess.run(["docker", "restart", "--time", "120", node.name], check=True)
    deadline = time.monotonic() + 180
    while ask(endpoint, "messages").fault:
        assert time.monotonic() < deadline, node.run("coderack status", check=False)
        time.sleep(1)
    assert [ask(endpoint, kind).fault for kind in KINDS] == [""] * len(KINDS)
    assert "0 loaded units" in node.run("systemctl --failed")
