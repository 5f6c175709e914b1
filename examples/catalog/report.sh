#!/usr/bin/env bash
# Measures the catalogue example on a made-up catalogue, on a PostgreSQL server of its own that is removed afterwards,
# and writes report.md and its plots.
#   PG_CONFIG  which PostgreSQL (default: pg_config)
#   ROWS       how many products (default: 8732)
#   MODEL      the directory of another model, which searches German descriptions of the same products (default: none)
#   REPORT     where to write (default: report/ in the current directory)
#   PROGRAMS   the directory with catalog-generator
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
rows=${ROWS:-8732}
report=${REPORT:-$PWD/report}
programs=${PROGRAMS:-$here/../../deps/catalog}
generator=$programs/catalog-generator

if [[ ! $rows =~ ^[1-9][0-9]{0,8}$ || $rows -lt 500 ]]; then
	echo "report.sh: ROWS is $rows; it has to be a whole number, 500 at least" >&2
	exit 1
fi
if [[ ! -x $generator ]]; then
	echo "report.sh: no $generator: build it with make catalog, and name its directory with PROGRAMS" >&2
	exit 1
fi
mkdir -p "$report"
if [[ ! -w $report ]]; then
	echo "report.sh: cannot write to $report" >&2
	exit 1
fi

# shellcheck source=model.sh
. "$here/model.sh"
# shellcheck source=cluster.sh
. "$here/cluster.sh"

vectors=descriptions_embeddings

index_ivfflat() {
	sql -c "CREATE INDEX products_ivfflat ON products USING ivfflat ($vectors vector_l2_ops) WITH (lists = $1)"
}

# measure METHOD INDEX SETTING VALUE...: searches with each value of the setting.
measure() {
	local method=$1 index=$2 setting=$3 value
	shift 3
	for value in "$@"; do
		sql -c "SELECT measure('$method', '$index', '$setting', $value)" >/dev/null
	done
}

# in_german FILE: runs a file of the example on tables of their own, in the schema "german".
in_german() {
	PGOPTIONS='-c search_path=german,public' sql -v model="$model" -v directory="$model_directory" \
		-v catalog="$work/german/catalog.json" -f "$here/$1"
}

# export_csv FILE QUERY: for report.py.
export_csv() {
	sql --csv -c "$2" >"$work/$1.csv"
}

step 'generate' "$generator" --rows "$rows" "$work"
step 'server' start_server
step 'extension' sql -c 'CREATE EXTENSION pg_embed CASCADE'
step 'load' sql -v catalog="$work/catalog.json" -f "$here/load.sql"
step 'embed' sql -c "CALL embed_backfill('products', '$vectors', ARRAY['description'], threads => $(nproc))"
step 'vacuum' sql -c 'VACUUM ANALYZE products'
step 'attributes' sql -v attributes="$work/attributes.json" -f "$here/attributes.sql"
step 'queries' sql -f "$here/report/queries.sql"
step 'exact search' sql -f "$here/report/search.sql"
step 'words' sql -f "$here/words.sql"
step 'search by words' sql -f "$here/report/words.sql"

# Few lists by pgvector's advice, as ivfflat.sql makes them, and the article's 100. Each index alone, so that the
# planner has no choice.
lists=$((rows / 1000 > 10 ? rows / 1000 : 10))
step 'index ivfflat' index_ivfflat "$lists"
step 'search ivfflat' measure "ivfflat, $lists lists" products_ivfflat ivfflat.probes 1 2 3 5 8
sql -c 'DROP INDEX products_ivfflat'
step 'index ivfflat of 100 lists' index_ivfflat 100
step 'search ivfflat of 100 lists' measure 'ivfflat, 100 lists' products_ivfflat ivfflat.probes 1 2 5 10 20 40
sql -c 'DROP INDEX products_ivfflat'
step 'index hnsw' sql -c "CREATE INDEX products_hnsw ON products USING hnsw ($vectors vector_l2_ops)"
step 'search hnsw' measure hnsw products_hnsw hnsw.ef_search 10 20 40 80 160 320
step 'rates' sql -f "$here/report/rates.sql"
if [[ -n $model ]]; then
	sql -c 'CREATE SCHEMA german'
	step 'generate german' "$generator" --rows "$rows" --language de "$work/german"
	step 'load german' in_german load.sql
	step 'model' in_german model.sql
	step 'embed german' in_german embed-model.sql
	step 'search german' sql -v model="$model" -f "$here/report/german.sql"
fi

export_csv facts "SELECT current_setting('server_version') AS postgresql,
	(SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector,
	(SELECT extversion FROM pg_extension WHERE extname = 'pg_embed') AS pg_embed,
	count(*) AS rows, $(nproc) AS threads, min(n) AS least_tokens, round(avg(n), 1) AS mean_tokens, max(n) AS most_tokens
	FROM (SELECT embed_token_count(description) AS n FROM products) AS t"
export_csv searches 'SELECT method, setting, value, recall, ms FROM searches ORDER BY n'
export_csv precision 'SELECT query, has_both, has_either, chance FROM precision_at_10 ORDER BY has_both DESC, query'
export_csv attributes 'SELECT attribute, queries, hits, chance FROM precision_by_attribute ORDER BY hits DESC'
export_csv ways 'SELECT way, precision_10, ndcg_10 FROM ways ORDER BY ndcg_10'
export_csv rates 'SELECT texts, mean_tokens, texts_per_second FROM rates ORDER BY mean_tokens'
if [[ -n $model ]]; then
	export_csv languages 'SELECT model, texts, queries, has_both, has_either, chance FROM precision_by_language'
	export_csv wordings 'SELECT * FROM precision_by_wording ORDER BY german_in_german DESC, german'
fi
{
	echo 'step,seconds'
	for i in "${!names[@]}"; do
		case ${names[i]} in
		generate* | load* | embed* | model | vacuum | index*) echo "${names[i]},${seconds[i]}" ;;
		esac
	done
} >"$work/steps.csv"

python3 "$here/report/report.py" "$work" "$report"
echo
echo "Written: report.md and its plots"
