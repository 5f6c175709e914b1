#!/usr/bin/env bash
# Fails unless the version is the same wherever it stands, and the upgrade scripts form one line that leads to it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. scripts/apt.sh
. scripts/project.sh

version=$(extension_version)
failed=0
# same WHERE FOUND
same() {
    [ "$2" = "$version" ] || { echo "one-version: $1 has version \"$2\", pg_embed.control \"$version\"" >&2; failed=1; }
}

same Cargo.toml "$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)"
same "Cargo.lock (pg_embed)" "$(sed -n '/^name = "pg_embed"/{n;s/^version = "\(.*\)"/\1/p}' Cargo.lock)"
same CHANGELOG.md "$(sed -n 's/^## \([0-9.]*\).*/\1/p' CHANGELOG.md | head -1)"
for path in 'm["version"]' 'm["provides"]["pg_embed"]["version"]'; do
    same "META.json, $path" "$(python3 -c "import json; m = json.load(open('META.json')); print($path)")"
done

# What the README says of others' versions is what is built for.
said() { grep -qF "$2" "$1" || { echo "one-version: $1 does not say \"$2\"" >&2; failed=1; }; }
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
majors=$(sed -n 's/^pg\([0-9]*\) = .*/\1/p' Cargo.toml)
said README.md "| $rust or newer |"
said README.md "localhost/pg_embed:$version-pg"
said README.md "| ${majors//$'\n'/, } |"
said docs/badges/postgresql.svg ">$(head -1 <<<"$majors") to $(tail -1 <<<"$majors")<"

[ -f "sql/pg_embed--$version.sql" ] || { echo "one-version: there is no sql/pg_embed--$version.sql" >&2; failed=1; }

# From each version there is one step at most, and from the first of them the steps lead to this one.
steps=()
for file in sql/pg_embed--*--*.sql; do
    step=${file#sql/pg_embed--}
    steps+=("${step%.sql}")
done
from=$(printf '%s\n' "${steps[@]%%--*}" | sort -V | head -1)
for _ in "${steps[@]}"; do
    next=()
    for step in "${steps[@]}"; do
        [ "${step%%--*}" != "$from" ] || next+=("${step##*--}")
    done
    [ ${#next[@]} = 1 ] || { echo "one-version: ${#next[@]} scripts lead on from $from" >&2; failed=1; break; }
    from=${next[0]}
done
same "the end of the upgrade scripts" "$from"
[ "$failed" = 0 ] || exit 1
say "version $version: the same everywhere"
