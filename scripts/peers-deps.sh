#!/usr/bin/env bash
# Brings what `make bench-peers` compares pg_embed with, and only what is missing: PL/Python from the distribution, everything
# else from PyPI into deps/peers/python, for the distribution's Python, because that is the one PL/Python runs. Then has the
# model's files made that they read, in deps/peers/models.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
peers=$root/deps/peers
bench=$root/tests/bench/peers

. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"

tmp=$(mktemp -d /tmp/pg_embed-deps.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# The wheel of PyTorch is linked with CUDA's libraries, which are 2 GB of packages and do nothing on a processor. In their
# place comes one library, under all their names, whose functions answer cudaErrorNoDevice. transformers asks once a call,
# which takes 20 us.
put_no_cuda() {
    local lib=$1/torch/lib name
    have gcc || apt_install build-essential
    nm -D --defined-only "$lib"/*.so* | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' >"$tmp/defined"
    readelf -W --dyn-syms "$lib"/*.so* |
        awk '$5 == "GLOBAL" && $7 == "UND" && $8 ~ /^(__cuda|cu|nv|nccl)/ { print $8 }' | sort -u |
        awk -F@ 'FILENAME == ARGV[1] { defined[$1]; next } !($1 in defined)' "$tmp/defined" - >"$tmp/missing"
    awk -F@ '
        function label(name) { printf ".globl %s\n.type %s, @function\n%s:\n", name, name, name }
        BEGIN { print ".text" }
        seen[$1]++ { next }
        $1 ~ /Get.*(String|Name)$/ { texts[$1]; next }
        { codes[$1] }
        END {
            for (name in codes) label(name)
            print "mov $100, %eax\nret"
            for (name in texts) label(name)
            print "lea text(%rip), %rax\nret\ntext: .asciz \"no CUDA\"\n.section .note.GNU-stack, \"\", @progbits"
        }' "$tmp/missing" >"$tmp/no_cuda.s"
    # The loader wants each symbol in the version that it was linked with.
    awk -F@ '$2 { names[$2] = names[$2] $1 "; " } END { for (v in names) print v " { " names[v] "};" }' \
        "$tmp/missing" >"$tmp/no_cuda.map"
    gcc -shared -nostdlib -Wl,--version-script="$tmp/no_cuda.map" -o "$lib/libno_cuda.so" "$tmp/no_cuda.s"
    readelf -d "$lib"/*.so* | sed -n 's/.*(NEEDED).*\[\(lib\(cu\|nv\|nccl\).*\)\]/\1/p' | sort -u |
        while IFS= read -r name; do ln -sf libno_cuda.so "$lib/$name"; done
}

[ "$(uname -m)" = x86_64 ] || die "the packages in $bench/requirements.txt are for x86_64"

major=$(pg_major "${PG_CONFIG:-pg_config}")
if ! [ -f "$("${PG_CONFIG:-pg_config}" --sharedir)/extension/plpython3u.control" ]; then
    apt_install "postgresql-plpython3-$major"
fi
say "PL/Python: present"

# stamped NAME FILE...: whether it was made with these files as they are.
stamped() { (cd "$root" && sha256sum "${@:2}") 2>/dev/null | cmp -s - "$peers/$1.made"; }
stamp() { (cd "$root" && sha256sum "${@:2}") >"$peers/$1.made"; }

mkdir -p "$peers"
packages=(tests/bench/peers/requirements.txt scripts/peers-deps.sh)
if ! stamped python "${packages[@]}"; then
    need_pip /usr/bin/python3
    say "pip install -r tests/bench/peers/requirements.txt: 2 GB on disk"
    rm -rf "$peers/python" "$peers/python.made"
    /usr/bin/python3 -m pip install -q --disable-pip-version-check --no-deps --target "$peers/python" \
        -r "$bench/requirements.txt" || die "pip could not install what is in $bench/requirements.txt"
    put_no_cuda "$peers/python"
    stamp python "${packages[@]}"
fi
say "packages of the peers: present"

sources=(deps/all-MiniLM-L6-v2/model.safetensors tests/bench/peers/requirements.txt tests/bench/peers/graphs.py
    tests/bench/peers/openvino_models.py tests/bench/peers/texts.py)
if ! stamped models "${sources[@]}"; then
    say "models of the peers: making them takes a minute"
    rm -rf "$peers/models" "$peers/models.made"
    make --no-print-directory -C "$root" catalog
    generator=${CARGO_TARGET_DIR:-$root/examples/catalog/target}/release/catalog-generator
    # Another catalogue than the one that is measured with.
    "$generator" --rows 300 --seed 2 "$tmp/catalog" >/dev/null
    python() { PYTHONPATH=$peers/python PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 /usr/bin/python3 "$@"; }
    {
        python "$bench/graphs.py" "$root/deps/all-MiniLM-L6-v2" "$peers/models" &&
            python "$bench/openvino_models.py" "$tmp/catalog" "$peers/models"
    } >"$tmp/models.log" 2>&1 || { tail -30 "$tmp/models.log" >&2; die "the models could not be made"; }
    stamp models "${sources[@]}"
fi
say "models of the peers: present"
