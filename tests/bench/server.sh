#!/usr/bin/env bash
# What preloading, the background worker and a backfill cost everybody else on a server. Called by tests/bench.sh.
# Two servers run side by side, of which only the second preloads pg_embed; rounds take turns between them.
set -euo pipefail

. "$(dirname "$0")/common.sh"
find_postgres
trap 'stop_server "$dir/without"; stop_server "$dir/with"; rm -rf "$dir"' EXIT

# Disks and autovacuum have no part in what is measured here.
lines=('synchronous_commit = off' 'autovacuum = off' 'shared_buffers = 128MB')
make_server "$dir/without" "${lines[@]}"
# So the postmaster tells of each process that it starts.
make_server "$dir/with" "${lines[@]}" "shared_preload_libraries = 'pg_embed'" 'log_min_messages = debug1'
restart_server "$dir/without"
restart_server "$dir/with"
export PGHOST=$dir/with
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
# In MB.
memory() { awk -v name="$2:" '$1 == name { printf "%.1f", $2 / 1024 }' "/proc/$1/${3:-status}" 2>/dev/null || true; }
sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE'
sql -c "SELECT embed_text('compile')" >/dev/null

# --- What sessions pay that never embed.

echo 'SELECT 1;' >"$dir/one.sql"
for _ in 1 2 3 4 5; do
    for server in without with; do
        PGHOST=$dir/$server pgbench -C -n -f "$dir/one.sql" -T 3 2>/dev/null | awk '/^tps/ { print $3 }' >>"$dir/$server.connections"
    done
done
without=$(median <"$dir/without.connections") with=$(median <"$dir/with.connections")
echo "connections a second, one statement each: $without without preloading, $with with it, ratio $(ratio "$with" "$without")"

# A statement that a parallel worker executes, which is started for it and ends with it.
forced=$([ "$(sql -c 'SHOW server_version_num')" -ge 160000 ] && echo debug_parallel_query || echo force_parallel_mode)
for _ in 1 2 3 4 5; do
    for server in without with; do
        PGHOST=$dir/$server PGOPTIONS="-c $forced=on" pgbench -n -f "$dir/one.sql" -T 3 2>/dev/null |
            awk '/^latency average/ { print $4 }' >>"$dir/$server.parallel"
    done
done
without=$(median <"$dir/without.parallel") with=$(median <"$dir/with.parallel")
echo "start and end of a parallel worker: $without ms without preloading, $with ms with it, ratio $(ratio "$without" "$with")"
stop_server "$dir/without"

# --- How long writers wait for others' locks: eight of them, each row by itself, beside work that does not end.

sql <<'SQL'
CREATE TABLE docs (id int PRIMARY KEY, price int DEFAULT 0, line text, embedding vector(384));
INSERT INTO docs (id, line) SELECT i, repeat('the product is a green summer dress of cotton ', 7) || i FROM generate_series(1, 20000) AS i;
VACUUM ANALYZE docs;
SQL
echo '\set id random(1, 20000)
UPDATE docs SET price = price + 1 WHERE id = :id;' >"$dir/update.sql"
# The log has the time of each transaction from the moment at which it was due, and how much of it was over when it began:
# a writer that waits keeps its next transactions waiting too, which only the first of the two shows.
quantiles() {
    sort -n | awk '{ v[NR] = $1 } END { printf "p50 %.1f ms, p99 %.1f ms, at most %.1f ms", v[int((NR + 1) / 2)], v[int(NR * 0.99)], v[NR] }'
}
writers() {
    rm -f "$dir"/writers.*
    (cd "$dir" && pgbench -n -M prepared -c 8 -j 2 -R 400 -T 20 -l --log-prefix=writers -f "$dir/update.sql" >/dev/null 2>&1)
    cat "$dir"/writers.* >"$dir/updates"
    echo "$(awk '{ print ($3 - $7) / 1000 }' "$dir/updates" | quantiles); from when it was due" \
        "$(awk '{ print $3 / 1000 }' "$dir/updates" | quantiles); of $(wc -l <"$dir/updates")"
}
echo "single-row updates of 8 writers, tokens a text: $(sql -c 'SELECT embed_token_count(line) FROM docs LIMIT 1')"
echo "  alone: $(writers)"
sql -c "CALL embed_backfill('docs', 'embedding', ARRAY['line'])" >/dev/null 2>&1 &
sleep 1
echo "  beside a backfill: $(writers)"
sql -c "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL embed_backfill%'" >/dev/null
wait
echo "    it did $(sql -c 'SELECT count(embedding) FROM docs') rows"
sql -c 'UPDATE docs SET embedding = NULL' -c "SELECT embed_watch('docs', 'embedding', ARRAY['line'])" >/dev/null
sleep 1
echo "  beside a busy worker: $(writers)"
echo "    it did $(sql -c 'SELECT count(embedding) FROM docs') rows"
sql -c "SELECT embed_unwatch('docs', 'embedding')" -c 'DROP TABLE docs' >/dev/null

# --- What it costs to have watched tables to which nothing is written.

sql >/dev/null <<'SQL'
SELECT format('CREATE TABLE idle_%s (line text, embedding vector(384))', i) FROM generate_series(1, 200) AS i \gexec
SELECT embed_watch(format('idle_%s', i)::regclass, 'embedding', ARRAY['line']) FROM generate_series(1, 200) AS i;
SELECT format('INSERT INTO idle_%s VALUES (''a green dress'')', i) FROM generate_series(1, 200) AS i \gexec
SQL
while [ "$(sql -c "SELECT sum((xpath('//c/text()', query_to_xml(format('SELECT count(*) AS c FROM idle_%s WHERE embedding IS NULL', i), true, true, '')))[1]::text::int)
    FROM generate_series(1, 200) AS i")" != 0 ]; do sleep 1; done
sleep 10
# Ticks of the launcher and of the workers that are there; and those of the workers that have ended, which the postmaster
# counts. This script does not connect meanwhile, and there is no autovacuum.
ticks() {
    local pid sum=0
    for pid in $(pgrep -P "$postmaster" -f 'pg_embed (launcher|worker)'); do
        sum=$((sum + $(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat" 2>/dev/null || echo 0)))
    done
    echo $((sum + $(awk '{ sub(/.*\) /, ""); print $14 + $15 }' "/proc/$postmaster/stat")))
}
started() { grep -c 'starting background worker process "pg_embed worker' "$dir/with/log" || true; }
postmaster=$(head -n 1 "$dir/with/data/postmaster.pid")
before=$(ticks) count=$(started)
sleep 60
awk -v ticks=$(($(ticks) - before)) -v hz="$(getconf CLK_TCK)" -v workers=$(($(started) - count)) 'BEGIN {
    printf "200 idle watched tables, 60 s: %.2f %% of a core, %d workers started\n", 100 * ticks / hz / 60, workers }'
sql -c 'SET client_min_messages = warning' -c 'SELECT embed_unwatch(relation, embedding) FROM embed_watched' >/dev/null

# --- Memory.

# Starts statements in a session of their own that stays for a while; its process is in $pid.
session() {
    sql -c 'SELECT pg_backend_pid()' "$@" -c "SELECT pg_sleep(${stay:-0})" >"$dir/session" 2>/dev/null &
    until pid=$(grep -m 1 -E '^[0-9]+$' "$dir/session"); do sleep 0.05; done
}
stay=15 session -c 'SET pg_embed.threads = 8' -c "SELECT array_length(embed_texts(array_agg('text number ' || i)), 1) FROM generate_series(1, 4000) AS i"
until grep -q '^4000$' "$dir/session"; do sleep 0.1; done
at_once=$(memory "$pid" Private_Dirty smaps_rollup)
sleep 10
echo "private memory after a call with 8 threads: $at_once MB at once, $(memory "$pid" Private_Dirty smaps_rollup) MB 10 s later"
wait

sql -c "CREATE TABLE long AS SELECT i || repeat(' a long text', 350000) AS line, NULL::vector(384) AS embedding FROM generate_series(1, 300) AS i" \
    -c 'CREATE TABLE queue AS TABLE long' -c "CREATE TABLE short AS SELECT i::text AS line, NULL::vector(384) AS embedding FROM generate_series(1, 300) AS i"
# What a process has of its own at most, sampled: what is in the buffers is everybody's. Until a command says that it is over.
peak_of() {
    local peak=0 one
    until "$@"; do
        for one in "${watched[@]}"; do
            peak=$(awk -v a="$peak" -v b="$(memory "$one" RssAnon)" 'BEGIN { print (a + 0 > b + 0 ? a : b) }')
        done
        sleep 0.02
        [ "${of_workers:-}" = '' ] || mapfile -t watched < <(pgrep -P "$postmaster" -f 'pg_embed worker')
    done
    echo "$peak"
}
# Of a session that does something to all rows of a table.
peak_of_session() {
    : >"$dir/session"
    stay=0 session -c "$1"
    watched=("$pid")
    of_workers=
    peak_of is_gone "$pid"
    wait
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }
# Of the worker until a table is done.
peak_of_worker() {
    sql -c "SELECT embed_watch('$1', 'embedding', ARRAY['line'])" >/dev/null
    watched=()
    of_workers=yes
    peak_of is_filled "$1"
}
is_filled() { [ "$(sql -c "SELECT count(*) FROM $1 WHERE embedding IS NULL")" = 0 ]; }
# The worker first, while the long texts are still without vectors.
short=$(peak_of_worker short) long=$(peak_of_worker queue)
sql -c 'UPDATE short SET embedding = NULL'
for table in short long; do
    peak_of_session "CALL embed_backfill('$table', 'embedding', ARRAY['line'])" >"$dir/$table.backfill"
    peak_of_session "SELECT embed_verify('$table', 'embedding', ARRAY['line'])" >"$dir/$table.verify"
done
echo "peak of a process's own memory with 300 texts of 4 MB, in brackets with 300 short ones: backfill $(cat "$dir/long.backfill") ($(cat "$dir/short.backfill")) MB," \
    "verification $(cat "$dir/long.verify") ($(cat "$dir/short.verify")) MB, worker $long ($short) MB"
