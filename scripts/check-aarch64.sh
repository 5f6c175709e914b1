#!/usr/bin/env bash
# Compiles and lints the extension for aarch64 on x86_64, with the headers of this machine's PostgreSQL, and runs the
# embedder's tests in an emulator, with ONNX Runtime for aarch64. That one is kept below deps/aarch64. Takes half an hour on
# two cores; what the emulator cannot run, or not in such a time, is named.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. scripts/apt.sh
. scripts/project.sh
. scripts/wheel.sh

target=aarch64-unknown-linux-gnu
cross=/usr/aarch64-linux-gnu
deps=$root/deps/aarch64
ort=libonnxruntime.so.1.28.0
# Of one text with this many tokens, the emulator makes a vector in half a minute.
longest=256

[ "$(uname -m)" = x86_64 ] || die "is for x86_64: make test does more on another machine"
PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || die "no pg_config: run make deps, or set PG_CONFIG"
[ -f deps/all-MiniLM-L6-v2/model.safetensors ] || die "the model is missing: run make deps"

tmp=$(mktemp -d /tmp/pg_embed-aarch64.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# --- what it takes

packages=()
have aarch64-linux-gnu-gcc || packages+=(gcc-aarch64-linux-gnu)
[ -f "$cross/include/stdio.h" ] || packages+=(libc6-dev-arm64-cross)
[ -f "$cross/lib/libstdc++.so.6" ] || packages+=(libstdc++6-arm64-cross)
have qemu-aarch64 || packages+=(qemu-user)
[ ${#packages[@]} = 0 ] || apt_install "${packages[@]}"

have rustup || die "rustup is missing, which is to bring Rust's library for aarch64"
if ! rustup target list --installed | grep -qx "$target"; then
    say "rustup target add $target"
    rustup target add "$target" || die "rustup could not install Rust's library for aarch64"
fi

runtime_matches() { grep " aarch64/$ort\$" scripts/SHA256SUMS | (cd deps && sha256sum -c --status); }

if ! runtime_matches 2>/dev/null; then
    say "ONNX Runtime 1.28.0 for aarch64: downloading"
    fetch_onnxruntime "$tmp" aarch64 ||
        die "pip could not download onnxruntime: check the network"
    mkdir -p "$deps"
    unzip -q -o -j "$wheel" "onnxruntime/capi/$ort" -d "$deps"
    runtime_matches || die "$deps/$ort does not have the SHA-256 in scripts/SHA256SUMS"
fi

# What the emulated program finds below /. ONNX Runtime asks /proc/cpuinfo for the processor and fails at what this
# machine's says; QEMU 7.2 makes none up for Arm.
mkdir -p "$tmp/root/proc"
ln -s "$cross"/* "$tmp/root/"
cat >"$tmp/root/proc/cpuinfo" <<'EOF'
processor	: 0
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x3
CPU part	: 0xd0c
CPU revision	: 1
EOF

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--target=aarch64-linux-gnu -isystem $cross/include"
export PGRX_PG_CONFIG_PATH=$PG_CONFIG
export PG_EMBED_MODEL=$root/deps/all-MiniLM-L6-v2 PG_EMBED_RUNTIME=$deps/$ort
# The processor that the file above describes. QEMU's own, "max", takes several times as long.
export QEMU_CPU=neoverse-n1 QEMU_LD_PREFIX=$tmp/root
# One place, also for what is compiled in another directory.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}

# --- compiler and lints

features=(--no-default-features --features "pg$(pg_major "$PG_CONFIG")")
say "aarch64: cargo build, with this machine's headers of PostgreSQL $(pg_major "$PG_CONFIG")"
cargo build --locked --release --target "$target" "${features[@]}" || die "does not compile for aarch64"
say "aarch64: cargo clippy"
# In the profile of the build, whose bindings are there. C's char is u8 on Arm, so a cast to u8 that is needed here is not
# needed there.
cargo clippy --locked --release --target "$target" --workspace --all-targets "${features[@]}" -- \
    -D warnings -A clippy::unnecessary_cast || die "does not compile without warnings for aarch64"

# --- tests

failed=0
# embedder_tests [OPTION...], in the current directory
embedder_tests() { cargo test --locked --release --target "$target" -p embedder --no-fail-fast "$@" || failed=1; }
leave_out() { echo "left out: $1: $2"; }

say "aarch64: cargo test"
embedder_tests -- --skip processes_that_need_it_at_once_share_one_compiled_model \
    --skip a_batch_does_without_a_compiled_model_that_is_deleted --skip every_component_agrees \
    --skip many_texts_are_as_one_by_one_in_their_order --skip tokens_are_as_their_texts \
    --skip texts_have_vectors_close_to_the_exact_ones --skip random_tokens_have_vectors_close_to_the_exact_ones \
    --skip other_models_are_close_to_themselves_and_the_same_with_any_instructions

# What the test does that is left out for it.
say "aarch64: four processes that need a compiled model at once"
open=$(cargo test --locked --release --target "$target" -p embedder --test open --no-run 2>&1 |
    sed -n 's/.*Executable tests\/open\.rs (\(.*\))/\1/p')
children=()
for i in 1 2 3 4; do
    PG_EMBED_TEST_CACHE=$tmp/cache qemu-aarch64 "$open" --exact opens_in_the_directory_of_the_environment --nocapture \
        >"$tmp/open.$i" 2>&1 &
    children+=($!)
done
for child in "${children[@]}"; do wait "$child" || failed=1; done
if [ "$(grep -ho 'inode=[0-9]*' "$tmp"/open.? | sort | uniq -c | awk '{ print $1 }')" = 4 ]; then
    echo "they share one"
else
    cat "$tmp"/open.?
    failed=1
fi

# with_texts CONDITION TEST: the test with those reference texts whose number of tokens, n, is as awk's CONDITION says. It is
# compiled in a copy of the workspace, because it includes the file.
golden=tests/golden/minilm.jsonl
with_texts() {
    local copy=$tmp/copy
    rm -rf "$copy"
    mkdir -p "$copy/tests/golden"
    cp -R Cargo.toml Cargo.lock embedder src "$copy"
    awk '{ match($0, /"tokens": [0-9]+, "embedding"/); n = substr($0, RSTART + 10) + 0 }'" $1" "$golden" >"$copy/$golden"
    say "aarch64: $2, with $(wc -l <"$copy/$golden") of $(wc -l <"$golden") texts"
    (cd "$copy" && embedder_tests --test reference -- --exact "$2" --nocapture && [ "$failed" = 0 ]) || failed=1
}
with_texts "n <= 32 || n == $longest && !long++" every_component_agrees
with_texts "n <= 6" many_texts_are_as_one_by_one_in_their_order

leave_out every_component_agrees "most texts of more than 32 tokens, for each of which the emulator takes up to a minute"
leave_out many_texts_are_as_one_by_one_in_their_order "texts of more than 6 tokens: it makes each vector six times"
leave_out tokens_are_as_their_texts "it takes the emulator most of an hour"
leave_out a_batch_does_without_a_compiled_model_that_is_deleted "it takes the emulator most of an hour"
leave_out texts_have_vectors_close_to_the_exact_ones "int8 vectors are those of this machine: the compiled model is compared"
leave_out random_tokens_have_vectors_close_to_the_exact_ones "as above"
leave_out other_models_are_close_to_themselves_and_the_same_with_any_instructions "as above"
leave_out processes_that_need_it_at_once_share_one_compiled_model \
    "it starts itself, which is not a program of this machine; the four processes stand for it"
leave_out "the tests with a server" "there is no PostgreSQL for aarch64 here; make test runs them on such a machine"
[ "$failed" = 0 ] || die "tests failed"
say "aarch64: everything that was run passed"
