#!/usr/bin/env bash
# How fast plain statements embed many rows, beside embed_texts and embed_backfill with the same texts: rows a second, each the
# median of three runs that take turns. And what the look-ahead costs where it is of no use. Called by ../bench.sh, with the
# environment of a server that has the extension preloaded.
set -euo pipefail

. "$(dirname "$0")/common.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

sql <<'END_OF_SQL'
SET client_min_messages = warning;
CREATE TABLE rows_plain (line text, embedding vector(384));
CREATE TABLE rows_triggered (LIKE rows_plain);
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON rows_triggered FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'line');
CREATE TABLE rows_generated (line text, embedding vector(384) GENERATED ALWAYS AS (embed_text(line)) STORED);
END_OF_SQL

# A statement by each name, and what comes before it.
declare -A statement=(
    [embed_texts]='SELECT array_length(embed_texts((SELECT array_agg(line) FROM lines)), 1)'
    [embed_backfill]="CALL embed_backfill('rows_plain', 'embedding', ARRAY['line'])"
    [UPDATE]='UPDATE rows_plain SET embedding = embed_text(line)'
    ['INSERT SELECT']='INSERT INTO rows_plain SELECT line, embed_text(line) FROM lines'
    ['CREATE TABLE AS']='CREATE TABLE rows_made AS SELECT line, embed_text(line) AS embedding FROM lines'
    [trigger]='INSERT INTO rows_triggered SELECT line FROM lines'
    [generated]='INSERT INTO rows_generated SELECT line FROM lines'
    ['UPDATE, row by row']='UPDATE rows_plain SET embedding = embed_text(line)'
)
order=(embed_texts embed_backfill UPDATE 'INSERT SELECT' 'CREATE TABLE AS' trigger generated 'UPDATE, row by row')

# time_of NAME THREADS: in ms.
time_of() {
    local fill='' look_ahead=on
    case $1 in
    embed_backfill | UPDATE*) fill='INSERT INTO rows_plain SELECT line FROM lines;' ;;
    esac
    [[ $1 != *'row by row' ]] || look_ahead=off
    printf '%s\n' 'SET client_min_messages = warning;' "SET pg_embed.threads = $2; SET pg_embed.look_ahead = $look_ahead;" \
        'SET max_parallel_workers_per_gather = 0;' \
        "TRUNCATE rows_plain, rows_triggered, rows_generated; DROP TABLE IF EXISTS rows_made; $fill" \
        '\timing on' "${statement[$1]};" | sql | awk '/^Time/ { print $2 }'
}

# Of 14 and of 104 tokens.
for kind in '1 1000 of fine cotton' '14 200 of cotton'; do
    read -r repeats count material <<<"$kind"
    sql -c 'DROP TABLE IF EXISTS lines' -c "CREATE TABLE lines AS SELECT 'the product number ' || i ||
        repeat(' is a green summer dress $material', $repeats) AS line FROM generate_series(1, $count) AS i" \
        -c 'ANALYZE lines' 2>/dev/null
    echo "$count texts of $(sql -c 'SELECT round(avg(embed_token_count(line))) FROM lines') tokens, rows a second:"
    rm -f "$tmp"/*
    for _ in 1 2 3; do
        for threads in 1 2; do
            for what in "${order[@]}"; do
                time_of "$what" "$threads" | awk -v n="$count" '{ print n / $1 * 1000 }' >>"$tmp/$what.$threads"
            done
        done
    done
    for what in "${order[@]}"; do
        one=$(median <"$tmp/$what.1") two=$(median <"$tmp/$what.2")
        awk -v w="$what" -v a="$one" -v b="$two" -v ra="$(median <"$tmp/embed_texts.1")" -v rb="$(median <"$tmp/embed_texts.2")" \
            'BEGIN { printf "  %-20s 1 thread %6.1f (%.2f of embed_texts), 2 threads %6.1f (%.2f), %.2f times\n", w, a, a / ra, b, b / rb, b / a }'
    done
done

# latency FILE SETTING: of one statement in ms, by one connection.
latency() { PGOPTIONS="-c pg_embed.look_ahead=$2" pgbench -n -f "$1" -T 2 2>/dev/null | awk '/^latency average/ { print $4 }'; }
# compare WHAT STATEMENT
compare() {
    rm -f "$tmp"/*
    echo "$2;" >"$tmp/statement"
    for _ in 1 2 3 4 5; do
        for setting in on off; do latency "$tmp/statement" "$setting" >>"$tmp/$setting"; done
    done
    echo "$1: $(median <"$tmp/on") ms with the look-ahead, $(median <"$tmp/off") ms without"
}
compare 'planning of a query without embed_text' 'EXPLAIN SELECT count(*) FROM pg_class AS c JOIN pg_attribute AS a
    ON a.attrelid = c.oid JOIN pg_type AS t ON t.oid = a.atttypid WHERE c.relkind = chr(114) AND t.typlen > 4 GROUP BY c.relname'
compare 'LIMIT 1' 'SELECT embed_text(line) IS NULL FROM lines LIMIT 1'
compare 'UPDATE of one row of a table with a trigger' 'UPDATE rows_triggered SET line = line || 1 WHERE line IS NULL'
sql -c 'DROP TABLE lines, rows_plain, rows_triggered, rows_generated' -c 'DROP TABLE IF EXISTS rows_made'
