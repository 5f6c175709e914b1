#!/usr/bin/env bash
# as-server-user.sh SCRIPT [ARGS]: runs SCRIPT (a path inside the project) in a temporary copy of the pages, Makefile, docs/,
# scripts/, tests/, examples/ and deps/clients/, for tests also deps/models/, with the example's programs in deps/catalog/, and
# removes the copy afterwards.
# PostgreSQL refuses to run as root, so root's call becomes one as user postgres; the copy is there
# because that user may not be able to read the clone. Passes on PG_CONFIG, ROWS, SHARDS, CATALOG, MODEL, SERVE, BENCH_TEXTS,
# COLLECTION, STS, LEAVE_OUT, UPGRADE_FROM, PEERS, MODELS, TEXTS and ROUNDS; what SCRIPT puts into the directories
# SCREENSHOTS and REPORT is copied back.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SCRIPT [ARGS]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || { echo "no pg_config: run make deps, or set PG_CONFIG" >&2; exit 1; }

# Short and under /tmp: the path of a Unix socket inside it may have 107 bytes at most.
dir=$(mktemp -d /tmp/pg_embed.XXXXXX)

# Directories of the user's, by the names of their variables. The script may not be allowed to write there.
declare -A results

cleanup() {
    local name pidfile pid
    for name in "${!results[@]}"; do
        cp -R "$dir/results/$name/." "${results[$name]}/" || true
    done
    # A script that was interrupted may have left a server behind.
    while IFS= read -r pidfile; do
        pid=$(head -n 1 "$pidfile" 2>/dev/null) || continue
        if [ "$(readlink "/proc/$pid/cwd")" = "$(dirname "$pidfile")" ]; then
            kill -QUIT "$pid" || true
        fi
    done < <(find "$dir" -name postmaster.pid)
    # A server that is just stopping may still be writing: one more try.
    rm -rf "$dir" 2>/dev/null || { sleep 1; rm -rf "$dir"; }
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "$dir/deps/catalog"
cp "$root"/*.md "$root/LICENSE" "$root/Makefile" "$dir/"
folders=(docs scripts tests deps/clients)
# Some 770 MB, which only these read.
case $1 in tests/run.sh | tests/bench.sh | tests/bench/models.sh) folders+=(deps/models) ;; esac
for folder in "${folders[@]}"; do
    [ ! -d "$root/$folder" ] || cp -R "$root/$folder" "$dir/$folder"
done
# Without what cargo leaves there, but with the programs.
tar -C "$root" --exclude='examples/*/target' -cf - examples | tar -C "$dir" -xf -
for program in catalog-server catalog-generator; do
    built=${CARGO_TARGET_DIR:-$root/examples/catalog/target}/release/$program
    [ ! -f "$built" ] || cp "$built" "$dir/deps/catalog/"
done
# The files that the user names, and the directories of collections, are copied for the same reason.
for name in CATALOG BENCH_TEXTS COLLECTION STS; do
    if [ -f "${!name:-}" ] || [[ $name =~ ^(COLLECTION|STS)$ && -d ${!name:-} ]]; then
        mkdir "$dir/$name"
        cp -RL "${!name}" "$dir/$name/"
        declare -x "$name=$dir/$name/$(basename "${!name}")"
    fi
done
# A model is large, and so are the benchmark's peers: copied only if the server's user cannot read them where they are.
for file in MODEL/modules.json PEERS/models.made; do
    name=${file%%/*}
    [ -f "${!name:-}/${file#*/}" ] || continue
    large=$(cd "${!name}" && pwd)
    if [ "$(id -u)" = 0 ] &&
        ! { unreadable=$(cd / && runuser -u postgres -- find -L "$large" ! -readable 2>&1) && [ -z "$unreadable" ]; }; then
        mkdir "$dir/$name"
        cp -RL "$large" "$dir/$name/"
        large=$dir/$name/$(basename "$large")
    fi
    declare -x "$name=$large"
done
for name in SCREENSHOTS REPORT; do
    [ -n "${!name:-}" ] || continue
    mkdir -p "${!name}" "$dir/results/$name"
    results[$name]=$(cd "${!name}" && pwd)
    declare -x "$name=$dir/results/$name"
done
mkdir "$dir/tmp"
export PG_CONFIG TMPDIR=$dir/tmp HOME=$dir
# make exports them empty where the user names none.
[ -n "${CATALOG:-}" ] || unset CATALOG
[ -n "${ROWS:-}" ] || unset ROWS
[ -n "${MODEL:-}" ] || unset MODEL
[ -n "${BENCH_TEXTS:-}" ] || unset BENCH_TEXTS

run=()
if [ "$(id -u)" = 0 ]; then
    chown -R postgres: "$dir"
    # The copied catalogue may have been readable by root only; now postgres owns it.
    chmod -R u+rwX "$dir"
    run=(runuser -u postgres --)
fi
cd "$dir"
script=$1
shift
"${run[@]}" "./$script" "$@"
