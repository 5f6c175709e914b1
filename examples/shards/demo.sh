#!/usr/bin/env bash
# A catalogue on several servers, searched as one: a coordinator with foreign tables, and shards that embed, index and
# search their rows. All on this machine, on sockets of their own; all is removed at the end.
#   PG_CONFIG  which PostgreSQL (default: pg_config)
#   SHARDS     how many shards (default: 2); each has two partitions
#   ROWS       how many dresses (default: 20000)
#   PROGRAMS   the directory with catalog-generator
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
catalog=$here/../catalog
generator=${PROGRAMS:-$here/../../deps/catalog}/catalog-generator
shards=${SHARDS:-2}
rows=${ROWS:-20000}

if [[ ! $shards =~ ^[1-9][0-9]?$ || ! $rows =~ ^[1-9][0-9]{2,7}$ ]]; then
	echo "demo.sh: SHARDS has to be a number from 1 to 99, ROWS one from 100 on: they are $shards and $rows" >&2
	exit 1
fi

# shellcheck source=../catalog/cluster.sh
. "$catalog/cluster.sh"

partitions=$((2 * shards))
# A shard's share of this machine; the one server that they are compared with has as much.
threads=$(($(nproc) / shards))
((threads > 0)) || threads=1
names_of_shards=()
for ((n = 1; n <= shards; n++)); do names_of_shards+=("shard_$n"); done

# on_each FILE: runs a file on all shards side by side.
on_each() {
	local shard pid pids=()
	for shard in "${names_of_shards[@]}"; do
		sql_on "$shard" -f "$here/$1" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
}

# The vectors in what psql says have 384 numbers; the first two are enough for a screen.
shortened() { sed -E "s/\[(-?[0-9.e-]+,-?[0-9.e-]+),[^]]*\]/[\1,...]/g"; }

start_servers() {
	local settings=("pg_embed.threads = $threads" 'wal_level = logical') shard
	start_server coordinator
	for shard in single "${names_of_shards[@]}"; do
		start_server "$shard" "${settings[@]}"
	done
	for shard in coordinator single "${names_of_shards[@]}"; do
		sql_on "$shard" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE'
	done
	echo "a coordinator, shards: $shards, a server to compare with; threads per server: $threads"
}

# add_shard NAME
add_shard() { sql_on coordinator -v shard="$1" -v host="$work/$1" -v port=5432 -v dbname=postgres -f "$here/server.sql"; }

make_tables() {
	local n shard
	sql_on coordinator -f "$here/coordinator.sql" -f "$here/search.sql" -f "$here/move.sql"
	for shard in "${names_of_shards[@]}"; do add_shard "$shard"; done
	for ((n = 0; n < partitions; n++)); do
		shard=${names_of_shards[n % shards]}
		sql_on "$shard" -v table="products_$n" -f "$here/shard.sql"
		sql_on coordinator -v shard="$shard" -v table="products_$n" -v modulus="$partitions" -v remainder="$n" \
			-f "$here/partition.sql"
	done
}

# Into a table of the coordinator's, and from there through the whole into the shards.
load() {
	"$generator" --rows "$rows" "$work/catalog"
	sql_on coordinator -v catalog="$work/catalog/catalog.json" -c 'ALTER TABLE products RENAME TO whole' \
		-f "$catalog/load.sql" -c 'ALTER TABLE products RENAME TO loaded' -c 'ALTER TABLE whole RENAME TO products'
	sql_on coordinator <<-'SQL'
		INSERT INTO products (description, url, split) SELECT description, url, split FROM loaded ORDER BY id;
		SELECT tableoid::regclass AS partition, count(*) AS rows FROM products GROUP BY tableoid ORDER BY tableoid::regclass::text;
	SQL
}

# A tenth of the rows, by which one server's rate is known.
fill_single() {
	sql_on single -v table=products_0 -f "$here/shard.sql"
	sql_on coordinator -c "\\copy (SELECT id, description FROM loaded WHERE id % 10 = 0) TO '$work/tenth'"
	sql_on single -c "\\copy products_0 (id, description) FROM '$work/tenth'"
	timed single_fill sql_on single -f "$here/fill.sql"
	single_rate=$(rate $((rows / 10)) "${took[single_fill]}")
}

fill_shards() {
	timed fill on_each fill.sql
	rate=$(rate "$rows" "${took[fill]}")
}

# timed NAME COMMAND...: leaves the milliseconds in took[NAME].
declare -A took
timed() {
	local name=$1 begun=${EPOCHREALTIME//[!0-9]/}
	shift
	"$@"
	took[$name]=$(((${EPOCHREALTIME//[!0-9]/} - begun) / 1000))
}
# rate ROWS MILLISECONDS
rate() { awk -v rows="$1" -v ms="$2" 'BEGIN { printf "%.1f", 1000 * rows / ms }'; }

index() {
	on_each ready.sql
	# The planner knows of foreign tables what ANALYZE has found.
	sql_on coordinator -c 'ANALYZE products'
}

search() {
	sql_on coordinator -c "SELECT id, round(distance::numeric, 4) AS distance, left(description, 60) AS description
		FROM search_products('green sleeveless summer wear', 5)"
	echo 'What it sends to the shards, by EXPLAIN (VERBOSE):'
	sql_on coordinator -At <<-'SQL' | shortened
		SELECT 'PREPARE search (vector, int) AS ' || search_query() \gexec
		EXPLAIN (VERBOSE, COSTS off) EXECUTE search(embed_text('green sleeveless summer wear'), 5);
	SQL
}

change() {
	sql_on coordinator <<-'SQL'
		INSERT INTO products (description) VALUES ('A parrot that can talk, green and yellow'), ('A bicycle for two people');
		UPDATE products SET description = 'A grand piano, black' WHERE id = 17;
		SELECT query, f.id, f.description, f.distance < 1 AS is_near
		FROM unnest(ARRAY['a talking bird', 'cycling together', 'musical instrument']) AS query, search_products(query, 1) AS f;
	SQL
}

# A shard that is down is named; the others can be searched.
lose() {
	local lost=${names_of_shards[-1]}
	"$bindir/pg_ctl" stop -D "$work/$lost/data" -m fast -w -s
	! sql_on coordinator -c "SELECT count(*) FROM search_products('green dress')" || return 1
	if ((shards > 1)); then
		sql_on coordinator -c "SELECT count(*) AS without_$lost FROM search_products('green dress', without => '{$lost}')"
	fi
	"$bindir/pg_ctl" start -D "$work/$lost/data" -l "$work/$lost/log" -w -s
	sql_on coordinator -c "SELECT count(*) AS all_again FROM search_products('green dress')"
}

# Another server takes one of the first one's partitions.
grow() {
	local added=shard_$((shards + 1))
	start_server "$added" "pg_embed.threads = $threads" 'wal_level = logical'
	sql_on "$added" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE'
	add_shard "$added"
	sql_on "$added" -v table=products_0 -f "$here/shard.sql"
	sql_on coordinator -c "CALL copy_partition('products_0', '$added')"
	sql_on "$added" -f "$here/ready.sql"
	sql_on coordinator -c "CALL switch_partition('products_0', '$added')"
	sql_on coordinator <<-'SQL'
		SELECT shard_of(relid) AS shard, relid AS partition FROM pg_partition_tree('products') WHERE isleaf ORDER BY relid::text;
	SQL
	names_of_shards+=("$added")
}

# p50 SERVER STATEMENT: the median in ms over five seconds of searches for texts that differ; :n in the statement is a number.
p50() {
	printf '\\set n random(1, 1000000)\n%s;\n' "$2" >"$work/search.sql"
	rm -f "$work"/latencies.*
	"$bindir/pgbench" -n -f "$work/search.sql" -T 5 -l --log-prefix="$work/latencies" \
		-h "$work/$1" -p 5432 -U postgres postgres >"$work/pgbench" 2>&1
	cut -d ' ' -f 3 "$work"/latencies.* | sort -n | awk '{ t[NR] = $1 } END { printf "%.1f", t[int((NR + 1) / 2)] / 1000 }'
}

# The one server gets all rows with their vectors.
measure() {
	sql_on single -c 'TRUNCATE products_0'
	sql_on coordinator -c 'COPY (SELECT id, description, url, split, descriptions_embeddings FROM products) TO STDOUT' |
		sql_on single -c 'COPY products_0 FROM STDIN'
	sql_on single -f "$here/ready.sql"
	local through="SELECT * FROM search_products('a green dress for day :n')" async
	single_p50=$(p50 single "SELECT id, description FROM products_0
		ORDER BY descriptions_embeddings <-> embed_text('a green dress for day :n') LIMIT 10")
	for async in false true; do
		sql_on coordinator <<-SQL
			SELECT format('ALTER SERVER %I OPTIONS (SET async_capable %L)', srvname, '$async')
			FROM pg_foreign_server \gexec
		SQL
		p50_async[$async]=$(p50 coordinator "$through")
	done
}
declare -A p50_async

step 'servers' start_servers
step 'tables' make_tables
step 'load' load
step 'one server fills a tenth' fill_single
step 'all shards fill' fill_shards
step 'index' index
step 'search' search
step 'change' change
step 'verify' on_each verify.sql
step 'measure' measure
step 'a shard is down' lose
step 'a shard is added' grow
step 'verify again' on_each verify.sql

hour() { awk -v rate="$1" 'BEGIN { printf "%d", 3600 * rate }'; }
echo
printf '%-34s %12s %12s\n' "$rows rows; threads per server: $threads" '1 server' "shards: $shards" \
	'rows embedded a second' "$single_rate" "$rate" \
	'rows embedded in an hour' "$(hour "$single_rate")" "$(hour "$rate")" \
	'search, p50 in ms, one by one' "$single_p50" "${p50_async[false]}" \
	'search, p50 in ms, async_capable' '' "${p50_async[true]}"
if ((shards * threads > $(nproc))); then echo "These shards share $(nproc) cores; on machines of their own they would do more."; fi
