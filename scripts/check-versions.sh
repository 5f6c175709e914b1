#!/usr/bin/env bash
# Compiles and lints the extension for each of PostgreSQL 14 to 18 but the one that PG_CONFIG names, which is built anyhow.
# The headers of the others come from the suites that have them, and are kept below deps/headers.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
declare -A suites=([14]=jammy [15]=bookworm [16]=noble [17]=trixie [18]=sid)

. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"

here=$(pg_major "${PG_CONFIG:-pg_config}")

tmp=$(mktemp -d /tmp/pg_embed-headers.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# The headers of a version, and a pg_config that leads to them.
fetch_headers() {
    local major=$1 headers=$root/deps/headers/$1
    say "headers of PostgreSQL $major: downloading"
    # A mirror of sid that stands still has an expired Release file.
    use_suite deb "${suites[$major]}" -o Acquire::Check-Valid-Until=false &&
        (cd "$tmp" && "${other_apt[@]}" download "postgresql-server-dev-$major") ||
        die "could not download postgresql-server-dev-$major"
    rm -rf "$headers" "$headers.new"
    mkdir -p "$headers.new"
    dpkg -x "$tmp/postgresql-server-dev-${major}"_*.deb "$headers.new"
    cat >"$headers.new/pg_config" <<EOF
#!/bin/sh
case \$1 in
--version) echo "PostgreSQL $major.0" ;;
--includedir-server) echo "$headers/usr/include/postgresql/$major/server" ;;
*) echo "$headers" ;;
esac
EOF
    chmod +x "$headers.new/pg_config"
    mv "$headers.new" "$headers"
}

for major in 14 15 16 17 18; do
    [ "$major" != "$here" ] || continue
    [ -x "$root/deps/headers/$major/pg_config" ] || fetch_headers "$major"
    say "PostgreSQL $major: cargo clippy"
    PGRX_PG_CONFIG_PATH=$root/deps/headers/$major/pg_config \
        cargo clippy --no-default-features --features "pg$major" -- -D warnings ||
        die "does not compile without warnings for PostgreSQL $major"
done
