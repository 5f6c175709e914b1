#!/usr/bin/env bash
# matrix.sh DISTRIBUTION...: `make test` in a clean file system of each of these (scripts/root.sh), and a table of what became of it. The whole output is in target/matrix/DISTRIBUTION.log.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || { echo "usage: $0 DISTRIBUTION..." >&2; exit 2; }
logs=$PWD/target/matrix
mkdir -p "$logs"
table=()
failed=0
for name; do
    echo "==> $name: see $logs/$name.log"
    start=$SECONDS status=0
    scripts/root.sh "$name" sh -c '
        apt-get update -q &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends make ca-certificates &&
        make test' >"$logs/$name.log" 2>&1 || status=$?
    version=$(sed -nE 's/^==> PostgreSQL ([0-9]+): present/\1/p' "$logs/$name.log" | head -1)
    read -r passed bad skipped < <(awk '/^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 }
        END { print p + 0, f == "" ? "none" : f, s + 0 }' FS='[ ,]+' "$logs/$name.log")
    out=$(sed -n 's/^left out: //p' "$logs/$name.log" | paste -sd ';' | sed 's/;/; /g')
    table+=("$name|${version:-?}|$passed|$bad|$skipped|$(((SECONDS - start + 30) / 60))|${out:-nothing}")
    [ "$status" = 0 ] || failed=1
done
{
    echo 'distribution|PostgreSQL|passed|failed|skipped|minutes|left out within files that passed'
    printf '%s\n' "${table[@]}"
} | column -t -s '|'
exit "$failed"
