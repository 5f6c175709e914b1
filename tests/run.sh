#!/usr/bin/env bash
# Runs every test against the installed extension; the last line is "N passed, M failed, K skipped". A file of cluster
# tests that cannot be run here has failed, unless LEAVE_OUT names it: LEAVE_OUT="031_page 042_pg_upgrade".
#   run.sh              all of it
#   run.sh server       the part that needs a server, as scripts/as-server-user.sh calls it
#   run.sh file t/FILE  one file of that
set -euo pipefail
shopt -s nullglob

report() { echo "$1: $2 passed, $3 failed, ${4:-0} skipped"; }

pgvector_version() { sed -n "s/^default_version = '\(.*\)'/\1/p" "$("$PG_CONFIG" --sharedir)/extension/vector.control"; }

regress() {
    local total passed out=$PWD/out log=$PWD/regress.log
    mkdir "$out"
    cp schedule "$out/schedule"
    if [ "$(printf '0.7\n%s\n' "$(pgvector_version)" | sort -V | head -n 1)" != 0.7 ]; then
        echo "left out: halfvec: pgvector $(pgvector_version) has none"
        sed -i '/^test: halfvec$/d' "$out/schedule"
    fi
    total=$(awk '/^test:/ { n += NF - 1 } END { print n + 0 }' "$out/schedule")
    echo "==> pg_regress: $total files"
    if ! "$PG_REGRESS" --temp-instance="$out/instance" --bindir="$bindir" --inputdir="$PWD" \
        --outputdir="$out" --encoding=UTF8 --no-locale --schedule="$out/schedule" 2>&1 | tee "$log"; then
        if [ -f "$out/regression.diffs" ]; then
            cat "$out/regression.diffs"
        fi
        tail -n 50 "$out"/log/*.log || true
    fi
    # Versions before 16 print "test NAME ... ok" (or just "NAME ... ok" in a group), later ones "ok 1 - NAME".
    passed=$(grep -cE '^ok [0-9]|\.\.\. ok( |$)' "$log" || true)
    report regress "$passed" $((total - passed))
}

# One file's tests; prints all of it at once, since others run beside it, and leaves what became of it in results/.
tap_file() {
    local file=$1 base out start=$SECONDS result=passed
    base=$(basename "$file" .pl)
    out=$TESTLOGDIR/$base.out
    if ! prove "$file" >"$out" 2>&1; then
        result=failed
        tail -n 50 "$TESTLOGDIR/regress_log_$base" "$TESTLOGDIR/${base}"_*.log >>"$out" 2>/dev/null || true
    elif grep -q '^Result: NOTESTS' "$out"; then
        [[ " ${LEAVE_OUT:-} " == *" $base "* ]] && result=skipped || result=failed
    fi
    echo "$result" >"results/$base"
    echo "==> prove $file: $result, $((SECONDS - start)) s"
    [ "$result" = passed ] || cat "$out"
    grep '^ok .* # skip' "$TESTLOGDIR/regress_log_$base" | sed -E "s|.* # skip |left out: $base: |" | sort -u || true
}

tap() {
    # Most of them wait most of the time.
    printf '%s\0' t/*.pl | xargs -0 -n 1 -P "$(nproc)" ./run.sh file
    report TAP "$(grep -lx passed results/* | wc -l)" "$(grep -lx failed results/* | wc -l)" \
        "$(grep -lx skipped results/* | wc -l)"
}

case ${1:-} in
server | file)
    cd "$(dirname "$0")"
    bindir=$("$PG_CONFIG" --bindir)
    pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
    export PATH=$bindir:$PATH PG_REGRESS=$pgxs/test/regress/pg_regress
    export TESTDIR=$PWD TESTDATADIR=$PWD/tmp_check TESTLOGDIR=$PWD/tmp_check/log
    # The first is where scripts/test-deps.sh puts them if the server lacks them.
    export PERL5LIB=$PWD/../deps/clients/perl:$pgxs/test/perl${PERL5LIB:+:$PERL5LIB}
    unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS
    export PG_EMBED_TEST_MODELS=$PWD/../deps/models
    mkdir -p "$TESTLOGDIR" results
    ;;&
server)
    regress
    tap
    exit
    ;;
file)
    tap_file "$2"
    exit
    ;;
esac

cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0
skipped=0

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
    read -r p f s < <(awk -v part="$part:" '$1 == part { p = $2; f = $4; s = $6 }
        END { print p + 0, f == "" ? 1 : f, s + 0 }' "$log")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
