#!/usr/bin/env bash
# packages.sh DISTRIBUTION: makes the packages in a clean file system, as scripts/root.sh makes them, and installs them in
# another: first search, upgrade under a running server, removal. The other forms are called in there:
#   packages.sh make     makes them, with a lower version too
#   packages.sh install  installs them
# The last line is "packages: N passed, M failed".
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"
. "$root/tests/checks.sh"

# Of the same sources, and older by Debian's order.
old_version=$(extension_version)~old-1

make_packages() {
    apt_update
    apt_install make git ca-certificates lintian
    make deps
    PATH=$HOME/.cargo/bin:$PATH
    make deb
    make deb DEB_VERSION="$old_version"
    lintian --profile debian --fail-on error,warning dist/*.deb
    cp dist/* out/
    pack_pgvector
}

# pgvector as `make deps` has installed it, unless a package has.
pack_pgvector() {
    local sharedir
    sharedir=$(pg_config --sharedir)
    dpkg -S "$sharedir/extension/vector.control" >/dev/null 2>&1 ||
        tar -cPf out/pgvector.tar "$(pg_config --pkglibdir)/vector.so" "$sharedir"/extension/vector*
}

# --- in the clean file system

sql() { runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

search="SELECT title FROM products ORDER BY embedding <-> embed_text('green sleeveless summer wear') LIMIT 1"

# lines FILE AT_LEAST: waits until the file has so many lines.
lines() {
    local _
    for _ in $(seq 300); do
        [ "$(wc -l <"$1")" -lt "$2" ] || return 0
        sleep 0.1
    done
    return 1
}

# goes_on WHAT: each open session has answered twice more.
goes_on() {
    local n all=yes
    for n in 1 2; do
        lines "$logs/$n" $(($(wc -l <"$logs/$n") + 2)) || all="session $n does not answer: $(tail -n 3 "$logs/$n")"
    done
    is "$1" "$all" yes
}

files() { find "$data" -path '*pg_embed*' | sort; }

packages_of() { find /src/out -name '*.deb' | if [ "$1" = old ]; then grep "_${old_version}_"; else grep -v "_${old_version}_"; fi; }

install_packages() {
    local major cluster data logs n start before
    local options=(-y -q --no-install-recommends -o Dpkg::Use-Pty=0)
    export DEBIAN_FRONTEND=noninteractive
    apt_update
    major=$(packages_of new | sed -n 's|.*/postgresql-\([0-9]*\)-pg-embed_.*|\1|p')
    data=/var/lib/postgresql/$major/main
    logs=$(mktemp -d)
    # The second "server" of this test is one that has been there before.
    [ ! -f out/pgvector.tar ] || tar -xPf out/pgvector.tar

    start=$(date +%s.%N)
    # shellcheck disable=SC2046 # Names without spaces.
    apt-get install "${options[@]}" $(packages_of old) >"$logs/apt" 2>&1 || { tail -n 20 "$logs/apt"; die "apt-get install failed"; }
    installed=$(date +%s.%N)
    pg_ctlcluster "$major" main start
    sql <<'END'
CREATE EXTENSION pg_embed CASCADE;
CREATE TABLE products (title text, embedding vector(384) GENERATED ALWAYS AS (embed_text(title)) STORED);
INSERT INTO products VALUES ('red coat of wool for the winter'), ('green dress without sleeves for the summer');
END
    is "the first search" "$(sql -c "$search")" 'green dress without sleeves for the summer'
    awk -v s="$start" -v i="$installed" -v e="$(date +%s.%N)" 'BEGIN {
        printf "==> from apt-get install to the first search: %.1f s, %.1f s of it apt-get\n", e - s, i - s }'

    sql -c "ALTER SYSTEM SET shared_preload_libraries = 'pg_embed'"
    pg_ctlcluster "$major" main restart
    sql -c "CREATE TABLE articles (body text, embedding vector(384))" \
        -c "SELECT embed_watch('articles', 'embedding', ARRAY['body'])" >/dev/null 2>&1
    # Another text each time, so that each is embedded; one of them reads, the other writes rows that a worker embeds.
    for n in 1 2; do
        case $n in
        1) echo "SELECT vector_dims(embed_text(clock_timestamp()::text)) \\watch 0.2" ;;
        2) echo "INSERT INTO articles VALUES (clock_timestamp()) RETURNING 1 \\watch 0.2" ;;
        esac >"$logs/$n.sql"
        runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 <"$logs/$n.sql" >"$logs/$n" 2>&1 &
    done
    goes_on "sessions answer"

    before=$(cat "$data/postmaster.pid")
    # shellcheck disable=SC2046
    apt-get install "${options[@]}" $(packages_of new) >"$logs/apt" 2>&1 || { tail -n 20 "$logs/apt"; not_ok "the upgrade"; }
    is "all packages are upgraded" "$(dpkg-query -W -f '${Version}\n' '*pg-embed*' | grep -c -- "$old_version")" 0
    goes_on "sessions answer after the upgrade"
    is "a new session does" "$(sql -c "$search")" 'green dress without sleeves for the summer'
    is "the server was not restarted" "$(cat "$data/postmaster.pid")" "$before"
    sleep 3
    is "the worker goes on" "$(sql -c "SELECT count(*) FROM articles WHERE embedding IS NULL AND body::timestamptz < now() - interval '2 s'")" 0

    before=$(files)
    apt-get remove "${options[@]}" '*pg-embed*' >"$logs/apt" 2>&1 || { tail -n 20 "$logs/apt"; not_ok "the removal"; }
    is "all files are removed" "$(find /usr/lib /usr/share -path '*pg[-_]embed*' | head -n 3)" ''
    is "the data directory is left alone" "$(files)" "$before"
    goes_on "sessions answer after the removal"
    is "rows are there" "$(sql -c 'SELECT count(*), count(embedding) FROM products')" '2|2'

    # shellcheck disable=SC2046
    apt-get install "${options[@]}" $(packages_of new) >"$logs/apt" 2>&1 || { tail -n 20 "$logs/apt"; not_ok "the second installation"; }
    pg_ctlcluster "$major" main restart -m fast
    is "installed again, and the server restarted: a search" "$(sql -c "$search")" 'green dress without sleeves for the summer'
    is "the server's log has nothing of crashes" "$(grep -cE 'PANIC|XX000|terminated by signal' /var/log/postgresql/*.log)" 0
    pg_ctlcluster "$major" main stop
    echo "packages: $passed passed, $failed failed"
    [ "$failed" = 0 ]
}

case ${1:-} in
make) cd "$root" && make_packages ;;
install) cd "$root" && install_packages ;;
?*)
    out=$(mktemp -d /tmp/pg_embed-packages.XXXXXX)
    trap 'rm -rf "$out"' EXIT
    OUT=$out "$root/scripts/root.sh" "$1" tests/packages.sh make
    OUT=$out "$root/scripts/root.sh" "$1" tests/packages.sh install
    ;;
*)
    echo "usage: $0 DISTRIBUTION" >&2
    exit 2
    ;;
esac
