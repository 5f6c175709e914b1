#!/usr/bin/env bash
# What it takes to keep tables of chunks in step: documents and chunks a second, cut alone and embedded too. Called by
# ../bench.sh.
set -euo pipefail

. "$(dirname "$0")/common.sh"
one_server
restart_server "$dir" "shared_preload_libraries = 'pg_embed'"
documents=200

# seconds STATEMENT
seconds() { printf '%s\n' '\timing on' "$1" | sql | awk '/^Time/ { print $2 / 1000 }'; }
# report WHAT SECONDS TABLE
report() {
    sql -F ' ' -c "SELECT '$1', round($documents / $2::numeric, 1), 'documents,', round(count(*) / $2::numeric, 1), 'chunks a second'
        FROM $3"
}
# Called when writers are done: waits until the worker is, too.
wait_for_worker() { until [ "$(sql -c "SELECT count(*) FROM $1 WHERE embedding IS NULL")" = 0 ]; do sleep 0.05; done; }

sql <<SQL
SET client_min_messages = warning;
CREATE EXTENSION pg_embed CASCADE;
CREATE TABLE texts AS SELECT d AS id, (SELECT string_agg(format('The product number %s of catalogue %s is a green summer dress of fine cotton.', s, d), ' ')
    FROM generate_series(1, 50) AS s) AS body FROM generate_series(1, $documents) AS d;
SELECT format('CREATE TABLE %s (id int PRIMARY KEY, body text)', name) FROM unnest('{plain,cut,at_once,int8,worker}'::text[]) AS name \gexec
SELECT embed_watch_chunks('cut', 'body', 'cut_chunks');
SELECT embed_watch_chunks('worker', 'body', 'worker_chunks');
SELECT embed_watch_chunks('at_once', 'body', 'at_once_chunks', vectors => 'at_once');
SELECT embed_watch_chunks('int8', 'body', 'int8_chunks', vectors => 'at_once', model => 'all-MiniLM-L6-v2-int8');
SELECT embed_unwatch('cut_chunks', 'embedding');
SELECT embed_texts('{a}', 'all-MiniLM-L6-v2-int8') IS NULL;
SQL
insert() { seconds "INSERT INTO $1 SELECT * FROM texts;"; }
echo "documents of $(sql -c 'SELECT round(avg(embed_token_count(body))) FROM texts') tokens: INSERT without chunks $(insert plain) s"
report 'INSERT, cut alone:' "$(insert cut)" cut_chunks
report 'UPDATE of the last sentence, cut alone:' "$(seconds "UPDATE cut SET body = body || ' One sentence more.';")" cut_chunks
report 'INSERT, embedded at once:' "$(insert at_once)" at_once_chunks
report 'UPDATE of the last sentence, embedded at once:' "$(seconds "UPDATE at_once SET body = body || ' One sentence more.';")" at_once_chunks
report 'INSERT, embedded at once in 8 bits:' "$(insert int8)" int8_chunks
begun=$EPOCHREALTIME
insert worker >/dev/null
wait_for_worker worker_chunks
report 'INSERT, embedded by the worker:' "$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" worker_chunks
