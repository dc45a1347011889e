#!/bin/sh
# Runs in a container: makes /opt/venv from pinned packages. Each line it prints is progress.
# Environment: PROGRAM, which must run at the end; EXTRA_INDEXES, uv options or nothing.
set -eu
cd /build
export UV_CACHE_DIR=/build/cache UV_NO_PROGRESS=1 VIRTUAL_ENV=/opt/venv
echo "making /opt/venv"
uv venv -q --python /usr/bin/python3 /opt/venv

install() {
    # shellcheck disable=SC2086 # options, or none
    uv pip install --no-deps --only-binary :all: --require-hashes -r requirements.txt $1 2>output
}
# The usual index comes first: another one may hold a poorer wheel of the same version. torch for
# CPU is not in the usual index; where no configured place has it, uv knows PyTorch's own.
echo "installing packages"
install "" || { cat output && echo "trying the extra indexes" && install "--index-strategy unsafe-best-match $EXTRA_INDEXES"; } \
    || { cat output && echo "trying PyTorch's index" && install "--torch-backend cpu"; } \
    || { cat output && exit 1; }
rm -rf cache
if [ -x finish.sh ]; then ./finish.sh; fi
echo "compiling bytecode"
# Unchecked: the layer's files lose their times below, so times could not be compared anyway.
# Some packages carry files that are no Python for this version; compileall reports those.
/opt/venv/bin/python -m compileall -q -j 2 --invalidation-mode unchecked-hash /opt/venv/lib \
    >compile.log || true
echo "trying $PROGRAM"
HOME=/build "/opt/venv/bin/$PROGRAM" --version
find /opt -exec touch -h -d @0 {} +
