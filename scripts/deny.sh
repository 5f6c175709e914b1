#!/usr/bin/env bash
# Checks the crates of both workspaces with cargo-deny, as packaging/deny.toml has it: their licences, their sources, which are
# there twice, and security advisories where their database can be had. cargo-deny is installed below deps/cargo-deny if it
# is not there.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

. scripts/apt.sh
. scripts/project.sh

# Unoptimised, it takes half the time to compile, and two seconds to run.
CARGO_PROFILE_DEV_DEBUG=0 cargo_tool deny 0.20.2 --debug --no-default-features

tmp=$(mktemp -d /tmp/pg_embed-deny.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
{
    cat packaging/deny.toml
    # One list for what is in the packages and for what they are made with.
    echo '[licenses]'
    echo 'private = { ignore = true }'
    sed -n 's/^accepted = /allow = /p' packaging/about.toml
} >"$tmp/deny.toml"

checks=(licenses bans sources)
# A network that does not lead there is no fault of the project's.
if timeout 60 cargo deny --config "$tmp/deny.toml" fetch db >"$tmp/log" 2>&1; then
    checks+=(advisories)
else
    say "cargo-deny: ADVISORIES NOT CHECKED, their database cannot be had: $(grep -m 1 '^fatal' "$tmp/log" || echo "no answer")"
fi

# check WORKSPACE [OPTION...]
check() {
    local manifest=$1/Cargo.toml
    shift
    say "cargo-deny: $manifest: ${checks[*]}"
    # Crates for other systems are looked at too, to see that they are not in.
    cargo fetch -q --locked --manifest-path "$manifest"
    cargo deny --frozen --manifest-path "$manifest" --config "$tmp/deny.toml" check "$@" "${checks[@]}"
}
failed=0
check . -D warnings || failed=1
# It needs only some of what is allowed.
check examples/catalog -A unmatched-skip -A unnecessary-skip -A license-not-encountered || failed=1
exit "$failed"
