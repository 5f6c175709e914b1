#!/usr/bin/env bash
# pgspot.sh [FILE...]: has pgspot look for what an attacker could put in the way of the extension's scripts, of all of them
# or of those named; fails on each error, and on each warning that is not argued for below. pgspot is installed below
# deps/pgspot if it is not there.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
version=0.9.4
home=$root/deps/pgspot

. "$root/scripts/apt.sh"

# Warnings that stay: a pattern for the whole line without its line number, and why it is right. Errors cannot be listed.
#   'PS017: Unqualified object reference: something|why that is no danger'
argued=()

pgspot() { PYTHONPATH=$home python3 -m pgspot "$@"; }

if ! pgspot --version 2>/dev/null | grep -qF " $version"; then
    have python3 || apt_install python3
    need_pip
    say "pip install pgspot==$version"
    rm -rf "$home"
    python3 -m pip install -q --disable-pip-version-check --target "$home" "pgspot==$version" ||
        die "pip could not install pgspot==$version"
fi

# Under a search_path that pgspot deems safe it lets every unqualified name pass. We want all of them qualified all the
# same, so it does not get to see that the path is set.
hide_path() { sed -E "s/(set_config\('|SET (LOCAL )?)search_path\b/\1hidden.path/I" "$1"; }

is_argued_for() {
    local entry
    for entry in "${argued[@]}"; do
        [[ ! "$1" =~ ^${entry%%|*}$ ]] || return 0
    done
    return 1
}

[ $# -gt 0 ] || set -- "$root"/sql/pg_embed--*.sql
failed=0
for file; do
    # It ends with 1 where it finds anything; what else stops it leaves no summary.
    found=$(hide_path "$file" | pgspot 2>&1) || true
    grep -q '^ *Errors: [0-9]* Warnings: [0-9]* Unknown: 0' <<<"$found" ||
        { printf '%s\n' "$found" >&2; die "pgspot could not read all of $(basename "$file")"; }
    bad=0
    errors=$(sed -nE 's/^ *Errors: ([0-9]+) .*/\1/p' <<<"$found")
    while IFS= read -r line; do
        # It does not say which are the errors: where there is one, all are shown.
        [ "$errors" != 0 ] || ! is_argued_for "${line% at line *}" || continue
        bad=$((bad + 1))
        echo "$(basename "$file"): $line" >&2
    done < <(grep -E '^PS[0-9]+:' <<<"$found" || true)
    [ "$bad" -ge "$errors" ] || bad=$errors
    say "pgspot: $(basename "$file"): $bad to mend"
    [ "$bad" = 0 ] || failed=1
done
exit "$failed"
