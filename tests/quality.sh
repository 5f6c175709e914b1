#!/usr/bin/env bash
# How good searches are: by vectors, exactly and with HNSW, by words, and by both, on a PostgreSQL server of its own that is
# removed afterwards. Called by `make quality`; docs/quality.md says what is measured.
#   PG_CONFIG   which PostgreSQL (default: pg_config)
#   COLLECTION  a directory with documents, questions and judgements (default: the catalogue example's)
#   ROWS        how many products the catalogue has (default: 4000)
#   MODELS      names of models, or absolute directories that the server's user can read (default: all-MiniLM-L6-v2, and
#               its int8 form if the server has it)
#   STS         a file with pairs of sentences and scores, or a directory of such (default: none)
#   REPORT      where to write (default: target/quality)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
example=$here/../examples/catalog
generator=${PROGRAMS:-$here/../deps/catalog}/catalog-generator
report=${REPORT:-$here/../target/quality}
minilm=all-MiniLM-L6-v2
mkdir -p "$report"

# shellcheck source=examples/catalog/cluster.sh
. "$example/cluster.sh"

# The catalogue, as its own report measures it: what the products are decides which answers are right.
load_catalog() {
	local options='-c search_path=catalog,public'
	"$generator" --rows "${ROWS:-4000}" "$work/catalog" >/dev/null
	sql -c 'CREATE SCHEMA catalog'
	PGOPTIONS=$options sql -v catalog="$work/catalog/catalog.json" -f "$example/load.sql"
	PGOPTIONS=$options sql -v attributes="$work/catalog/attributes.json" -f "$example/attributes.sql"
	PGOPTIONS=$options sql -f "$example/report/queries.sql"
	sql -f "$here/quality/catalog.sql"
}

load_collection() {
	python3 "$here/quality/read.py" collection "$COLLECTION" "$work"
	for table in texts questions relevant reference; do
		sql -c "\\copy $table FROM '$work/$table.csv' (FORMAT csv)"
	done
}

load_sts() {
	python3 "$here/quality/read.py" sts "$STS" "$work"
	sql -c "\\copy sentence_pairs FROM '$work/sentence_pairs.csv' (FORMAT csv)" \
		-c "\\copy reference FROM '$work/reference.csv' (FORMAT csv)"
}

# add_model NAME-OR-DIRECTORY
add_model() {
	sql -v name="${1##*/}" -v directory="$1" <<-'SQL' >/dev/null
		SELECT embed_add_model(:'name', :'directory') WHERE NOT EXISTS (SELECT FROM embed_models WHERE name = :'name');
	SQL
}

# measure METHOD SETTING [QUESTIONS_MODEL]: the searches of one kind, in the table of the model in turn.
measure() {
	sql -v model="$model" -v method="$1" -v setting="$2" -v questions_model="${3:-$model}" <<-'SQL' >/dev/null
		SELECT measure(:'model', :'questions_model', :'method', :'setting');
	SQL
}

search() {
	local ef
	measure 'vectors, exact' ''
	# Words are the same with each model.
	if [[ $model == "${models[0]}" ]]; then
		measure 'words, ts_rank_cd' ''
		measure 'words, with rarity' ''
	fi
	for ef in 40 100 200; do
		measure 'vectors, HNSW' "$ef"
	done
	measure 'both' 100
	sql -v model="$model" <<-'SQL' >/dev/null
		SELECT fuse(:'model', method, weight)
		FROM methods, unnest('{0.1,0.2,0.3,0.5,0.7,1,1.5,2,3,5}'::float8[]) AS weight
		WHERE method LIKE 'words%';
	SQL
	# Whether questions may be embedded with the faster model where the documents were with the exact one.
	for other in "${models[@]}"; do
		if [[ $other == "$model-int8" ]]; then
			measure 'vectors, exact' '' "$other"
			measure 'vectors, HNSW' 100 "$other"
		fi
	done
}

# export_tsv FILE QUERY
export_tsv() {
	sql -c "\\copy ($2) TO '$report/$1.tsv' (FORMAT csv, HEADER, DELIMITER e'\\t')"
}

step 'server' start_server
sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE'
sql -f "$here/quality/schema.sql" -f "$here/quality/measures.sql"
if [[ -n ${COLLECTION:-} ]]; then
	step 'load' load_collection
else
	step 'load' load_catalog
fi
[[ -z ${STS:-} ]] || step 'load STS' load_sts

read -r -a wanted <<<"${MODELS:-}"
if [[ ${#wanted[@]} -eq 0 ]]; then
	wanted=("$minilm")
	# Not every installation has the int8 form.
	! sql -c "SELECT embed_text('x', '$minilm-int8')" >/dev/null 2>&1 || wanted+=("$minilm-int8")
fi
models=()
for model in "${wanted[@]}"; do
	model=${model%/}
	add_model "$model"
	models+=("${model##*/}")
	step "embed questions with ${models[-1]}" sql -v model="${models[-1]}" -f "$here/quality/questions.sql"
done
for model in "${models[@]}"; do
	step "embed documents with $model" sql -v model="$model" -f "$here/quality/documents.sql"
	step "search with $model" search
done

export_tsv searches 'SELECT * FROM measures'
export_tsv questions 'SELECT * FROM by_question'
export_tsv halves 'SELECT * FROM halves'
export_tsv cosines 'SELECT * FROM cosines'
export_tsv sts 'SELECT * FROM sts'
# Without the numbers of the question's vector.
sql -At -c "SELECT regexp_replace(plan, '\[[^]]*\]', '[...]', 'g') FROM runs WHERE method = 'both' ORDER BY run LIMIT 1" \
	>"$report/plan.txt"
collection=${COLLECTION:-catalogue}
python3 "$here/quality/report.py" "$report" "$(basename "$collection")"
