#!/bin/sh
# Runs in a container: makes /opt/venv from pinned packages. Each line it prints is progress.
set -eu
cd /build
export UV_CACHE_DIR=/build/cache UV_NO_PROGRESS=1 VIRTUAL_ENV=/opt/venv
echo "making /opt/venv"
uv venv -q --python /usr/bin/python3 /opt/venv
echo "installing packages"
install() { uv pip install --no-deps --require-hashes -r requirements.txt "$@"; }
# torch for CPU is not in the usual index. Where no configured place has it, uv knows PyTorch's.
if ! install 2>output; then
    cat output
    grep -q "torch" output || exit 1
    echo "installing packages, torch from PyTorch's own index"
    install --torch-backend cpu
fi
rm -rf cache
if [ -x finish.sh ]; then ./finish.sh; fi
echo "compiling bytecode"
# Unchecked: the layer's files lose their times below, so times could not be compared anyway.
/opt/venv/bin/python -m compileall -q -j 2 --invalidation-mode unchecked-hash /opt/venv/lib \
    >compile.log || true
find /opt -print0 | xargs -0 touch -h -d @0
echo "done"
