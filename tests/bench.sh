#!/usr/bin/env bash
# What the extension costs a server: latencies, memory per connection, rates. Called by `make bench`.
set -euo pipefail

bindir=$("$PG_CONFIG" --bindir)
export PATH=$bindir:$PATH
unset PGPORT PGDATABASE PGDATA PGOPTIONS
dir=$(mktemp -d /tmp/pg_embed_bench.XXXXXX)
export PGHOST=$dir PGUSER=postgres PGDATABASE=postgres
trap 'pg_ctl -D "$dir/data" -m fast -w stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT

initdb -D "$dir/data" -A trust -U postgres -E UTF8 --no-locale >/dev/null
printf "listen_addresses = ''\nunix_socket_directories = '%s'\n" "$dir" >>"$dir/data/postgresql.conf"
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", v[int((NR + 1) / 2)] }'; }

# The first embedding of a connection in ms, the median of 21 connections.
first() {
    for _ in $(seq 21); do
        printf '%s\n' '\timing on' "SELECT embed_text('green sleeveless summer wear for a party in may') IS NULL" ';' |
            sql | awk '/^Time/ { print $2 }'
    done | median
}

# Private memory of a connection after its first embedding, in MB; beside it, that of a connection without pg_embed.
private() {
    sql -c "${1}" -c "SELECT pg_backend_pid()" -c "SELECT pg_sleep(2)" >"$dir/pid" &
    sleep 1
    awk '/^Private_Dirty/ { printf "%.1f", $2 / 1024 }' "/proc/$(grep -E '^[0-9]+$' "$dir/pid" | tail -n 1)/smaps_rollup"
    wait
}

# Texts a second of one embed_texts call, the median of three.
rate() {
    for _ in 1 2 3; do
        printf '%s\n' "SET pg_embed.threads = $1;" '\timing on' \
            'SELECT array_length(embed_texts((SELECT array_agg(line ORDER BY n) FROM texts)), 1);' |
            sql | awk -v n="$(sql -c 'SELECT count(*) FROM texts')" '/^Time/ { print n / $2 * 1000 }'
    done | median
}

for preload in '' pg_embed; do
    echo "shared_preload_libraries = '$preload'" >>"$dir/data/postgresql.conf"
    pg_ctl -D "$dir/data" -m fast -w stop >/dev/null 2>&1 || true
    pg_ctl -D "$dir/data" -l "$dir/log" -w start >/dev/null
    sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE'
    sql -c "SELECT embed_text('compile')" >/dev/null
    echo "shared_preload_libraries = '$preload'"
    echo "  first embedding of a connection: $(first) ms"
    echo "  private memory after it: $(private "SELECT embed_text('a dress') IS NULL") MB, without pg_embed $(private 'SELECT 1') MB"
done

sql -c 'CREATE TABLE texts (n serial, line text)'
if [ -n "${BENCH_TEXTS:-}" ]; then
    # One text a line, whatever is in it: no delimiter and no quote that occurs.
    sql -c "\\copy texts (line) FROM '$BENCH_TEXTS' (FORMAT csv, DELIMITER e'\\x02', QUOTE e'\\x01')"
else
    sql -c "INSERT INTO texts (line) SELECT repeat('a green summer dress ', 1 + i * 7 % 24) || i FROM generate_series(0, 999) AS i"
fi

# Without the memo, twelve tokens each time.
echo "SELECT embed_text('green sleeveless summer wear for a party in may');" >"$dir/warm.sql"
sql -c 'ALTER SYSTEM SET pg_embed.memo_size = 0' -c 'SELECT pg_reload_conf()' >/dev/null
echo "warm embed_text of 12 tokens: $(pgbench -n -f "$dir/warm.sql" -T 5 2>/dev/null | awk '/^latency average/ { print $4 }') ms"
for threads in 1 2; do
    echo "embed_texts with $threads threads: $(rate $threads) texts a second"
done
