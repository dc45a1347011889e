#!/bin/sh
# Uses the Docker Engine that runs; else, as root on Debian or Ubuntu, installs and starts one.
set -eu

say() { printf '%s\n' "docker: $*" >&2; }

fail() {
    say "$1"
    exit 1
}

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

answers && exit 0

if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    [ "$(id -u)" = 0 ] || fail "no Docker Engine runs here, and only root can install one. Run make as root (sudo make demo), or install and start Docker: https://docs.docker.com/engine/install/"
    command -v apt-get >/dev/null || fail "no Docker Engine runs here, and it is installed by hand on this system: https://docs.docker.com/engine/install/"
    packages=docker.io
    # Debian 13 has the client in a package of its own.
    apt-get -qq update
    if apt-cache show docker-cli >/dev/null 2>&1; then packages="docker.io docker-cli"; fi
    say "installing $packages"
    # shellcheck disable=SC2086 # two package names
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages iptables >/dev/null
fi

[ "$(id -u)" = 0 ] || fail "the Docker Engine is not running or not yours to use. Start it (sudo systemctl start docker) or join its group."
if [ -d /run/systemd/system ]; then
    systemctl start docker
else
    say "starting dockerd in the background; its log is /var/log/dockerd.log"
    # A session of its own: Ctrl-C at make is not meant for it.
    setsid nohup dockerd >>/var/log/dockerd.log 2>&1 </dev/null &
fi

waited=0
until answers; do
    waited=$((waited + 1))
    [ "$waited" -lt 60 ] || fail "dockerd did not answer within 60 s. See /var/log/dockerd.log or journalctl -u docker."
    sleep 1
done
