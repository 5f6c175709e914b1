#!/usr/bin/env bash
# What the extension costs a server: latencies, memory per connection, rates. Called by `make bench`.
set -euo pipefail

. "$(dirname "$0")/bench/common.sh"
one_server

# rate THREADS: of one call with all texts.
rate() {
    rate_of 'SELECT array_length(embed_texts((SELECT array_agg(line ORDER BY n) FROM texts)), 1)' \
        "$(sql -c 'SELECT count(*) FROM texts')" "$1"
}

for preload in '' pg_embed; do
    restart_server "$dir" "shared_preload_libraries = '$preload'"
    sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE'
    sql -c "SELECT embed_text('compile')" >/dev/null
    echo "shared_preload_libraries = '$preload'"
    echo "  first embedding of a connection: $(first_of "embed_text('green sleeveless summer wear for a party in may')" 21) ms"
    echo "  private memory after it: $(private_after "SELECT embed_text('a dress') IS NULL") MB, without pg_embed $(private_after 'SELECT 1') MB"
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

# --- Rows that embed themselves. Each figure is the median of several runs that take turns.

# The time of one statement in ms, after another that is not timed.
time_of() { printf '%s\n' "$1" '\timing on' "$2" | sql | awk '/^Time/ { print $2 }'; }

sql <<'SQL'
CREATE TABLE lines AS SELECT 'the product number ' || i || ' is a green summer dress of cotton' AS line
	FROM generate_series(1, 1000) AS i;
CREATE TABLE triggered (line text, embedding vector(384));
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'line');
CREATE TABLE priced AS SELECT i AS id, 0 AS price, line, embed_text('a dress') AS embedding
	FROM (SELECT row_number() OVER () AS i, line FROM lines) AS l;
ALTER TABLE priced ALTER embedding TYPE vector(384), ADD PRIMARY KEY (id);
CREATE TABLE priced_triggered (LIKE priced INCLUDING ALL);
INSERT INTO priced_triggered SELECT * FROM priced;
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON priced_triggered
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'line');
VACUUM ANALYZE;
SQL
tokens=$(sql -c 'SELECT round(avg(embed_token_count(line))) FROM lines')
for _ in 1 2 3 4 5; do
    time_of '' 'SELECT count(embed_text(line)) FROM lines;' >>"$dir/alone"
    time_of 'TRUNCATE triggered;' 'INSERT INTO triggered SELECT line FROM lines;' >>"$dir/trigger"
done
echo "a row of $tokens tokens: embed_text alone $(median <"$dir/alone") ms, INSERT with the trigger $(median <"$dir/trigger") ms (of 1,000 rows)"

# Each UPDATE by itself, as an application sends it.
echo '\set id random(1, 1000)
UPDATE priced SET price = price + 1 WHERE id = :id;' >"$dir/plain.sql"
sed 's/priced/priced_triggered/' "$dir/plain.sql" >"$dir/triggered.sql"
for _ in 1 2 3 4 5; do
    for table in plain triggered; do
        pgbench -n -M prepared -f "$dir/$table.sql" -T 2 2>/dev/null | awk '/^latency average/ { print $4 * 1000 }' >>"$dir/$table"
    done
done
echo "UPDATE of another column: $(median <"$dir/plain") us without a trigger, $(median <"$dir/triggered") us with it"

# Backfill, beside embed_texts with the same texts and threads.
sql -c 'CREATE TABLE filled (n serial, line text, embedding vector(384))'
for threads in 1 2; do
    for _ in 1 2 3; do
        time_of 'TRUNCATE filled; INSERT INTO filled (line) SELECT line FROM texts ORDER BY n;' \
            "CALL embed_backfill('filled', 'embedding', ARRAY['line'], threads => $threads);" 2>/dev/null
    done | awk -v n="$(sql -c 'SELECT count(*) FROM texts')" '{ print n / $1 * 1000 }' | median >"$dir/backfill"
    echo "backfill with $threads threads: $(cat "$dir/backfill") rows a second; embed_texts alone: $(rate "$threads")"
done

# Plain statements over many rows.
"$(dirname "$0")/bench/statements.sh"

# From commit to vector, where writers do not wait: 200 rows, each by itself, at random moments.
sql <<'SQL'
CREATE TABLE watched (id serial, line text, written timestamptz DEFAULT clock_timestamp(), embedding vector(384));
CREATE TABLE seen (id int, seen timestamptz);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.seen VALUES (new.id, clock_timestamp()); RETURN NULL; END';
CREATE TRIGGER note AFTER UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION note();
SELECT embed_watch('watched', 'embedding', ARRAY['line']);
SQL
echo "INSERT INTO watched (line) VALUES ('green sleeveless summer wear for a party in may');" >"$dir/write.sql"
pgbench -n -f "$dir/write.sql" -R 5 -t 200 >/dev/null 2>&1
sleep 2
sql -F ' ms, p99 ' -c "SELECT 'from commit to vector: p50 ' || round(1000 * extract(epoch FROM
	percentile_disc(0.5) WITHIN GROUP (ORDER BY seen - written))), round(1000 * extract(epoch FROM
	percentile_disc(0.99) WITHIN GROUP (ORDER BY seen - written))) || ' ms of ' || count(*) || ' rows'
	FROM watched JOIN seen USING (id)"

# --- What it costs everybody else on a server, on servers of its own.

stop_server "$dir"
"$(dirname "$0")/bench/server.sh"
"$(dirname "$0")/bench/models.sh"
"$(dirname "$0")/bench/documents.sh"
