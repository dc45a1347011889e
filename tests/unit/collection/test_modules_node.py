"""What is read of a node, and how a unit is brought to serve."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.coderack.core.plugins.modules import node_facts, unit

Run = Callable[..., dict[str, Any]]

# Captured: loopback 8101 and every address 443 listen; 22 has a connection, which is no listener.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1FA5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1101 1 0000000000000000 100 0 0 10 0
   1: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1102 1 0000000000000000 100 0 0 10 0
   2: 0F02000A:0016 0202000A:C1A4 01 00000000:00000000 02:000AF2C5 00000000     0        0 1103 4 0000000000000000 20 4 31 10 -1
   3: 0F02000A:0016 0202000A:C1A6 06 00000000:00000000 03:00000B5F 00000000     0        0 0 3 0000000000000000
"""  # noqa: E501 - as the kernel prints it
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1106 1 0000000000000000 100 0 0 10 0
"""  # noqa: E501 - as the kernel prints it


def process(proc: Path, number: int, name: str, cgroup: str, *descriptors: str) -> None:
    folder = proc / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cgroup").write_text(cgroup)
    for index, target in enumerate(descriptors):
        (folder / "fd" / str(index)).symlink_to(target)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(TCP)
    (tmp_path / "net/tcp6").write_text(TCP6)
    (tmp_path / "self").symlink_to("71")
    process(tmp_path, 1, "systemd", "0::/init.scope\n", "/dev/null", "socket:[1103]")
    process(
        tmp_path,
        71,
        "haproxy",
        "0::/system.slice/coderack-hold.service\n",
        "/dev/null",
        "pipe:[7]",
        "socket:[1101]",
    )
    # Docker's own cgroup on a host with the old hierarchy, one line for each controller.
    process(
        tmp_path,
        72,
        "nginx",
        "2:cpu:/system.slice/nginx.service\n1:name=systemd:/system.slice/nginx.service\n",
        "socket:[1106]",
    )
    return tmp_path


def test_only_listening_sockets_count() -> None:
    assert node_facts.parse_table(TCP) == {"1101": 8101, "1102": 443}
    assert node_facts.parse_table(TCP6) == {"1106": 80}
    assert node_facts.parse_table(TCP.splitlines()[0]) == {}


def test_every_listener_has_its_process_and_unit(proc: Path) -> None:
    found = sorted(node_facts.listeners(proc), key=lambda listener: int(listener["port"]))
    assert found == [
        {"port": 80, "process": "nginx", "unit": "nginx.service"},
        # Nobody's descriptor: a socket of the kernel, or of another namespace.
        {"port": 443, "process": "", "unit": ""},
        {"port": 8101, "process": "haproxy", "unit": "coderack-hold.service"},
    ]


def test_a_host_without_ipv6_is_read(proc: Path) -> None:
    (proc / "net/tcp6").unlink()
    assert {listener["port"] for listener in node_facts.listeners(proc)} == {443, 8101}


def test_processes_that_end_meanwhile_are_left_out(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.iterdir

    def iterdir(path: Path) -> Any:
        if path == proc / "72/fd":
            raise ProcessLookupError
        return whole(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    (proc / "71/comm").unlink()
    (proc / "71/cgroup").unlink()
    found = {listener["port"]: listener["process"] for listener in node_facts.listeners(proc)}
    assert found == {80: "", 443: "", 8101: ""}


def test_places_are_those_of_current_releases(tmp_path: Path) -> None:
    for name, release, place in (("coder", "r1", 0), ("coder", "r2", 3), ("gone", "r1", 1)):
        folder = tmp_path / name / release
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(json.dumps({"name": name, "place": place}))
    (tmp_path / "coder/current").symlink_to("r2")
    assert node_facts.places(tmp_path) == {"coder": 3}
    assert node_facts.places(tmp_path / "none") == {}


def test_the_module_reads_this_machine(tmp_path: Path, run_module: Run) -> None:
    result = run_module(node_facts, check=True, releases_path=str(tmp_path))
    assert not result["changed"]
    assert result["places"] == {}
    assert isinstance(result["listeners"], list)


# Units

ACTIVE = {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
UNKNOWN = {"ActiveState": "inactive", "UnitFileState": "", "NeedDaemonReload": "no"}


@pytest.mark.parametrize(
    ("changes", "renew", "wanted"),
    [
        ({}, "", []),
        ({}, "restart", ["daemon-reload", "reset-failed", "restart"]),
        ({}, "reload", ["daemon-reload", "reload"]),
        ({"NeedDaemonReload": "yes"}, "", ["daemon-reload"]),
        ({"UnitFileState": "disabled"}, "", ["enable"]),
        (
            {"UnitFileState": "disabled"},
            "restart",
            ["daemon-reload", "enable", "reset-failed", "restart"],
        ),
        ({"ActiveState": "failed"}, "", ["reset-failed", "start"]),
        ({"ActiveState": "failed"}, "restart", ["daemon-reload", "reset-failed", "start"]),
        ({"ActiveState": "failed"}, "reload", ["daemon-reload", "reset-failed", "start"]),
        ({"ActiveState": "activating"}, "", ["reset-failed", "start"]),
        ({"ActiveState": "activating"}, "restart", ["daemon-reload", "reset-failed", "restart"]),
        ({"ActiveState": "activating"}, "reload", ["daemon-reload", "reset-failed", "start"]),
        ({"ActiveState": "deactivating"}, "", ["reset-failed", "start"]),
        (UNKNOWN, "", ["enable", "reset-failed", "start"]),
        (UNKNOWN, "restart", ["daemon-reload", "enable", "reset-failed", "start"]),
    ],
)
def test_each_state_has_its_actions(changes: dict[str, str], renew: str, wanted: list[str]) -> None:
    assert unit.wanted_actions({**ACTIVE, **changes}, renew) == wanted


class Systemd:
    """Answers the module's commands and remembers them."""

    def __init__(self, state: dict[str, str], fails: str = "") -> None:
        self.state = state
        self.fails = fails
        self.commands: list[list[str]] = []

    def __call__(
        self, _: AnsibleModule, command: list[str], check_rc: bool = False
    ) -> tuple[int, str, str]:
        self.commands.append(command)
        if command[1] == "show":
            return 0, "".join(f"{name}={value}\n" for name, value in self.state.items()), ""
        if command[0] == "journalctl":
            return 0, "port 8000 is taken\n", ""
        return (1, "", "Job failed.\n") if command[1] == self.fails else (0, "", "")


@pytest.fixture
def systemd_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Systemd]:
    def make(state: dict[str, str], fails: str = "") -> Systemd:
        systemd = Systemd(state, fails)
        monkeypatch.setattr(
            AnsibleModule, "run_command", lambda *arguments, **named: systemd(*arguments, **named)
        )
        return systemd

    return make


def test_a_unit_that_serves_is_left_alone(
    run_module: Run, systemd_of: Callable[..., Systemd]
) -> None:
    systemd = systemd_of(ACTIVE)
    result = run_module(unit, name="coderack-edge.service")
    assert not result["changed"]
    assert [command[1] for command in systemd.commands] == ["show"]


@pytest.mark.parametrize(
    ("reloads", "actions"), [(False, ["reset-failed", "restart"]), (True, ["reload"])]
)
def test_a_unit_reads_its_files_anew_once(
    run_module: Run,
    systemd_of: Callable[..., Systemd],
    tmp_path: Path,
    reloads: bool,
    actions: list[str],
) -> None:
    def run() -> list[list[str]]:
        systemd = systemd_of(ACTIVE)
        result = run_module(
            unit,
            name="coderack-edge.service",
            reads=[str(file), str(tmp_path / "missing")],
            reloads=reloads,
            stamps_path=str(tmp_path / "stamps"),
        )
        assert result["changed"] == bool(systemd.commands[1:])
        return systemd.commands[1:]

    file = tmp_path / "edge.cfg"
    file.write_text("one")
    anew = [
        ["systemctl", "daemon-reload"],
        *(["systemctl", action, "coderack-edge.service"] for action in actions),
    ]
    assert run() == anew
    assert run() == []
    file.write_text("two")
    assert run() == anew
    assert run() == []


@pytest.mark.parametrize("check", [False, True])
def test_what_was_not_done_is_done_by_the_next_run(
    run_module: Run, systemd_of: Callable[..., Systemd], tmp_path: Path, check: bool
) -> None:
    """A reload that was refused, or only foretold, does not count as one."""
    file = tmp_path / "edge.cfg"
    file.write_text("new")
    given = {
        "name": "coderack-edge.service",
        "reads": [str(file)],
        "reloads": True,
        "stamps_path": str(tmp_path / "stamps"),
    }
    systemd_of(ACTIVE, fails="" if check else "reload")
    assert run_module(unit, check=check, **given).get("failed", False) is not check
    systemd = systemd_of(ACTIVE)
    assert run_module(unit, **given)["changed"]
    assert ["systemctl", "reload", "coderack-edge.service"] in systemd.commands


def test_check_mode_only_says_what_it_would_do(
    run_module: Run, systemd_of: Callable[..., Systemd]
) -> None:
    systemd = systemd_of(UNKNOWN)
    result = run_module(unit, check=True, name="coderack-edge.service")
    assert result["changed"]
    assert result["actions"] == ["enable", "reset-failed", "start"]
    assert [command[1] for command in systemd.commands] == ["show"]


def test_reading_units_anew_alone_is_no_change(
    run_module: Run, systemd_of: Callable[..., Systemd]
) -> None:
    systemd = systemd_of({**ACTIVE, "NeedDaemonReload": "yes"})
    assert not run_module(unit, name="coderack-edge.service")["changed"]
    assert systemd.commands[1:] == [["systemctl", "daemon-reload"]]


def test_a_failure_carries_the_units_last_words(
    run_module: Run, systemd_of: Callable[..., Systemd]
) -> None:
    systemd_of(UNKNOWN, fails="start")
    result = run_module(unit, name="coderack-edge.service")
    assert result["failed"]
    assert result["msg"] == (
        "coderack-edge.service could not start: Job failed.\n"
        "Its last lines:\nport 8000 is taken\n"
        "Next: journalctl -u coderack-edge.service on the node; correct the cause and run the"
        " playbook again."
    )
