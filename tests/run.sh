#!/usr/bin/env bash
# Runs every test against the installed extension; the last line is "N passed, M failed".
#   run.sh          all of it
#   run.sh server   the part that needs a server, as scripts/as-server-user.sh calls it
set -euo pipefail
shopt -s nullglob

report() { echo "$1: $2 passed, $3 failed"; }

regress() {
    local names total passed out=$PWD/out log=$PWD/regress.log args
    names=(sql/*.sql)
    names=("${names[@]##*/}")
    names=("${names[@]%.sql}")
    total=${#names[@]}
    if [ -f schedule ]; then
        total=$(awk '/^test:/ { n += NF - 1 } END { print n + 0 }' schedule)
        args=(--schedule=schedule)
    else
        args=("${names[@]}")
    fi
    if [ "$total" = 0 ]; then
        report regress 0 0
        return
    fi
    mkdir "$out"
    echo "==> pg_regress: $total files"
    if ! "$PG_REGRESS" --temp-instance="$out/instance" --bindir="$bindir" --inputdir="$PWD" \
        --outputdir="$out" --encoding=UTF8 --no-locale "${args[@]}" 2>&1 | tee "$log"; then
        if [ -f "$out/regression.diffs" ]; then
            cat "$out/regression.diffs"
        fi
        tail -n 50 "$out"/log/*.log || true
    fi
    # Versions before 16 print "test NAME ... ok" (or just "NAME ... ok" in a group), later ones "ok 1 - NAME".
    passed=$(grep -cE '^ok [0-9]|\.\.\. ok( |$)' "$log" || true)
    report regress "$passed" $((total - passed))
}

tap() {
    local file passed=0 failed=0
    export TESTDIR=$PWD TESTDATADIR=$PWD/tmp_check TESTLOGDIR=$PWD/tmp_check/log
    export PERL5LIB=$pgxs/test/perl${PERL5LIB:+:$PERL5LIB}
    if [ ! -f "$pgxs/test/perl/PostgreSQL/Test/Cluster.pm" ]; then
        echo "==> the tests in t/ are left out: they need the Perl modules that come with PostgreSQL 15 or newer"
        report TAP 0 0
        return
    fi
    mkdir -p "$TESTLOGDIR"
    for file in t/*.pl; do
        echo "==> prove $file"
        if prove "$file"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            local base
            base=$(basename "$file" .pl)
            tail -n 50 "$TESTLOGDIR"/*"$base"* || true
        fi
    done
    report TAP "$passed" "$failed"
}

if [ "${1:-}" = server ]; then
    cd "$(dirname "$0")"
    bindir=$("$PG_CONFIG" --bindir)
    pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
    export PATH=$bindir:$PATH PG_REGRESS=$pgxs/test/regress/pg_regress
    unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS
    regress
    tap
    exit
fi

cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0

echo "==> cargo test"
status=0
cargo test --release -p embedder --no-fail-fast 2>&1 | tee "$log" || status=$?
cargo test --release --manifest-path examples/catalog/Cargo.toml --no-fail-fast 2>&1 | tee -a "$log" || status=$?
read -r p f < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' "$log")
# A crate that does not compile has no results to count.
if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
passed=$((passed + p)) failed=$((failed + f))

status=0
scripts/as-server-user.sh tests/run.sh server 2>&1 | tee "$log" || status=$?
for part in regress TAP; do
    read -r p f < <(awk -v part="$part:" '$1 == part { p = $2; f = $4 } END { print p + 0, f == "" ? 1 : f }' "$log")
    passed=$((passed + p)) failed=$((failed + f))
done
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
