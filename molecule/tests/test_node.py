"""What runs, listens, is owned and readable by whom on a node after site.yml."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

ENGINE = "coderack-engine-coder"
GATEWAY = "coderack-gateway"
CONTAINERS = (ENGINE, GATEWAY)


def inspect(host: Host, container: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(host.check_output("docker inspect %s", container))[0]
    return document


@pytest.mark.parametrize("unit", ["firewall", "hold", "edge", "gateway", "engine-coder"])
def test_units_are_active_and_come_back_after_a_boot(host: Host, unit: str) -> None:
    service = host.service(f"coderack-{unit}")
    assert service.is_running
    assert service.is_enabled


def test_the_healthcheck_timer_is_armed_and_its_service_succeeds(host: Host) -> None:
    assert host.service("coderack-healthcheck-coder.timer").is_enabled
    assert "coderack-healthcheck-coder.timer" in host.check_output("systemctl list-timers --all")
    host.check_output("systemctl start coderack-healthcheck-coder.service")
    state = json.loads(host.file("/var/lib/coderack/health/coder.json").content_string)
    assert state["verdict"] == "alive"


def test_the_distributions_own_haproxy_stays_off(host: Host) -> None:
    assert host.run("systemctl is-enabled haproxy.service").stdout.strip() == "masked"
    assert not host.service("haproxy").is_running


def test_only_haproxy_listens_and_only_where_it_should(host: Host) -> None:
    listening = host.check_output("ss -Hltnp")
    by_haproxy = {line.split()[3] for line in listening.splitlines() if '"haproxy"' in line}
    assert by_haproxy == {"0.0.0.0:443", "172.30.0.1:8101"}
    assert "docker-proxy" not in listening
    assert not [line for line in listening.splitlines() if "vllm" in line or "litellm" in line]


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_are_hardened(host: Host, container: str) -> None:
    document = inspect(host, container)
    settings = document["HostConfig"]
    assert settings["ReadonlyRootfs"]
    assert settings["CapDrop"] == ["ALL"]
    assert not settings["CapAdd"]
    assert "no-new-privileges" in settings["SecurityOpt"]
    assert not settings["Privileged"]
    assert not settings["PortBindings"]
    assert settings["RestartPolicy"]["Name"] == "no"
    assert settings["IpcMode"] == "private"
    assert settings["LogConfig"]["Config"]["max-size"]
    assert document["Config"]["User"].split(":")[0] not in ("", "0", "root")
    assert "@sha256:" in document["Config"]["Image"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_no_process_of_a_container_is_root(host: Host, container: str) -> None:
    users = host.check_output("docker top %s -eo pid,uid", container).splitlines()[1:]
    assert users
    assert not [line for line in users if line.split()[1] == "0"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_cannot_reach_outside(host: Host, container: str) -> None:
    program = (
        "import socket,sys\n"
        "for target in (('192.0.2.1', 443), (sys.argv[1], 443)):\n"
        "    try: socket.create_connection(target, timeout=3)\n"
        "    except OSError: continue\n"
        "    sys.exit(f'reached {target}')\n"
        "try: socket.getaddrinfo('huggingface.co', 443)\n"
        "except OSError: sys.exit(0)\n"
        "sys.exit('resolved a name')\n"
    )
    gateway = host.check_output("ip route show default").split()[2]
    result = host.run("docker exec %s python3 -c %s %s", container, program, gateway)
    assert result.rc == 0, result.stderr


def test_the_outside_is_there_for_whoever_has_a_way(host: Host) -> None:
    """The counterpart of the test above: staging has a way out, so the names do resolve."""
    image = inspect(host, ENGINE)["Config"]["Image"]
    program = "import socket; socket.create_connection(('huggingface.co', 443), timeout=5)"
    host.check_output(
        "docker run --rm --network coderack-stage --entrypoint python3 %s -c %s", image, program
    )


def test_containers_cannot_reach_each_other(host: Host) -> None:
    program = (
        "import socket,sys\n"
        "try: socket.create_connection(('172.30.0.16', 8000), timeout=3)\n"
        "except OSError: sys.exit(0)\n"
        "sys.exit('the gateway reached the engine around the hold')\n"
    )
    result = host.run("docker exec %s python3 -c %s", GATEWAY, program)
    assert result.rc == 0, result.stderr


def test_containers_reach_nothing_on_the_host_but_the_hold(host: Host) -> None:
    address = host.check_output("ip -4 -o addr show dev eth0").split()[3].split("/")[0]
    program = (
        "import socket,sys\n"
        "for target in (('172.30.0.1', 443), ('172.30.0.1', 9999), (sys.argv[1], 443)):\n"
        "    try: socket.create_connection(target, timeout=3)\n"
        "    except OSError: continue\n"
        "    sys.exit(f'reached {target}')\n"
        "socket.create_connection(('172.30.0.1', 8101), timeout=3)\n"
    )
    host.check_output("systemd-run --unit listener python3 -m http.server 9999")
    try:
        host.check_output("timeout 20 sh -c 'until ss -Hltn | grep -q :9999; do sleep 0.2; done'")
        result = host.run("docker exec %s python3 -c %s %s", GATEWAY, program, address)
    finally:
        host.check_output("systemctl stop listener")
    assert result.rc == 0, result.stderr


SECRETS = {
    "/etc/coderack/secrets/engine/api_key": 2000,
    "/etc/coderack/secrets/gateway/master_key": 2001,
    "/etc/coderack/secrets/gateway/engine_api_key": 2001,
    "/etc/coderack/secrets/model_store/hf_token": 2002,
    "/etc/coderack/secrets/keys/default": 0,
    "/etc/coderack/secrets/keys/narrow": 0,
    "/etc/coderack/secrets/keys/coderack-smoke": 0,
    "/etc/coderack/secrets/edge/ca.key": 0,
    "/etc/coderack/secrets/edge/key.pem": 0,
    "/etc/coderack/edge/tls.pem": 0,
}


@pytest.mark.parametrize("path", SECRETS)
def test_secrets_belong_to_their_reader_alone(host: Host, path: str) -> None:
    file = host.file(path)
    assert file.is_file
    assert file.mode == 0o600
    assert file.uid == SECRETS[path]


def test_no_other_user_can_read_a_secret(host: Host) -> None:
    # find fails over the folders that it may not enter, which is the point.
    found = host.run(
        "setpriv --reuid=65534 --regid=65534 --clear-groups"
        " find /etc/coderack /var/lib/coderack -type f -readable"
        " \\( -path '*/secrets/*' -o -name '*.pem' -o -name keyring.json \\)"
    )
    assert found.stdout.split() == ["/etc/coderack/edge/ca.pem"]


def test_secrets_are_not_in_arguments_environments_or_journals(host: Host) -> None:
    secrets = [
        host.file(path).content_string.strip()
        for path in SECRETS
        if "edge" not in path and "hf_token" not in path
    ]
    places = {
        "arguments": host.check_output("ps -eo args"),
        "docker inspect": "".join(json.dumps(inspect(host, name)) for name in CONTAINERS),
        "units": host.check_output("cat /etc/systemd/system/coderack-*"),
        "journal": host.check_output("journalctl --no-pager --output cat"),
        "releases": host.check_output("cat /var/lib/coderack/releases/coder/current/*"),
        "environments": host.check_output("cat /proc/[0-9]*/environ | tr '\\0' '\\n'"),
    }
    for secret in secrets:
        assert len(secret) > 30
        for place, text in places.items():
            assert secret not in text, f"a secret is in the {place}"


def test_weights_belong_to_root_and_match_their_manifest(host: Host) -> None:
    folders = host.check_output("ls -d /var/lib/coderack/models/coderack--stand-in/*").split()
    assert len(folders) == 1
    revision = folders[0].rsplit("/", 1)[1]
    assert host.check_output("find %s ! -user root", folders[0]) == ""
    host.check_output(
        "coderack verify coderack/stand-in %s --store=/var/lib/coderack/models", revision
    )


def test_nothing_is_left_of_the_staging(host: Host) -> None:
    assert host.check_output("find /var/lib/coderack/models/.staging -name '*@*' -type d") == ""


def test_a_narrow_key_uses_only_its_models(host: Host) -> None:
    program = (
        "import json,ssl,sys,urllib.request,urllib.error\n"
        "context=ssl.create_default_context(cafile='/etc/coderack/edge/ca.pem')\n"
        "key=open('/etc/coderack/secrets/keys/narrow').read().strip()\n"
        "body=json.dumps({'model':sys.argv[1],'max_tokens':4,"
        "'messages':[{'role':'user','content':'say hi'}]}).encode()\n"
        "request=urllib.request.Request('https://127.0.0.1/v1/chat/completions',body,"
        "{'Authorization':'Bearer '+key,'Content-Type':'application/json'})\n"
        "try: print(urllib.request.urlopen(request,context=context).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    assert host.check_output("python3 -c %s coder", program).strip() == "200"
    assert host.check_output("python3 -c %s claude-sonnet-4-6", program).strip() in ("401", "403")
