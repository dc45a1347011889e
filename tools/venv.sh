#!/bin/sh
# Makes .venv from uv.lock, every package by hash. Called by `make .venv`.
set -eu
cd "$(dirname "$0")/.."

# make puts .venv first on PATH, and a .venv must not be made from itself.
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vxF "$PWD/.venv/bin" | paste -s -d : -)

say() { printf '%s\n' "venv: $*" >&2; }

# A pyenv shim is on PATH even where it cannot run, so each candidate has to prove itself.
runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

find_python() {
    for name in python3 python3.14 python3.13 python3.12; do
        path=$(command -v "$name" 2>/dev/null) || continue
        if runs "$path"; then echo "$path"; return; fi
    done
    root=$(pyenv root 2>/dev/null) || return 0
    for path in "$root"/versions/3.1[2-9]*/bin/python3; do
        if runs "$path"; then echo "$path"; return; fi
    done
}

# uv comes from its wheel, by hash, in a small environment of its own.
install_uv() {
    [ -x .uv/bin/uv ] && cmp -s tools/uv-requirements.txt .uv/requirements.txt && return
    rm -rf .uv
    if ! "$1" -m venv .uv >/dev/null 2>&1; then
        rm -rf .uv
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            say "$1 cannot make a virtual environment. Install its venv module (Debian, Ubuntu: sudo apt-get install python3-venv), then run make again."
            exit 1
        fi
        say "installing python3-venv"
        apt-get -qq update >&2
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >&2
        "$1" -m venv .uv
    fi
    .uv/bin/pip install -q --require-hashes -r tools/uv-requirements.txt >&2
    cp tools/uv-requirements.txt .uv/requirements.txt
}

python=$(find_python)
if [ -n "$python" ]; then
    install_uv "$python"
    say "Python $("$python" -c 'import platform; print(platform.python_version())') from $python"
    .uv/bin/uv sync -q --locked --no-python-downloads --python "$python"
else
    install_uv python3
    say "no Python 3.12 or newer on PATH or in pyenv: uv fetches one"
    .uv/bin/uv sync -q --locked --managed-python --python 3.13
fi
# Molecule looks for ansible-config on PATH: this lets .venv/bin/molecule work when called bare.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cat >"$site/coderack_path.pth" <<'EOF'
import os, sys; os.environ["PATH"] = os.pathsep.join([os.path.join(sys.prefix, "bin"), os.environ.get("PATH", os.defpath)])
EOF
# Last, so that a run which was cut is not taken for a whole one.
touch .venv/.complete
