#!/usr/bin/env bash
# The catalogue example from start to end, on a PostgreSQL server of its own that is removed afterwards; then its page.
#   PG_CONFIG  which PostgreSQL (default: pg_config)
#   CATALOG    which catalogue file (default: the sample)
#   ROWS       so many dresses from the generator, instead of a file
#   MODEL      the directory of another model: the generator's descriptions are German (default: of 1,000 dresses), and
#              the model is the one that embeds them and the queries
#   SERVE      yes or no: whether to serve the page at the end (default: yes on a terminal, no elsewhere)
#   PROGRAMS   the directory with catalog-server and catalog-generator
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
programs=${PROGRAMS:-$here/../../deps/catalog}
catalog=${CATALOG:-$here/sample.json}
# Only of these catalogues is it known what the dresses are.
attributes=
[[ -n ${CATALOG:-} ]] || attributes=$here/sample.attributes.json
serve=${SERVE:-}
[[ -n $serve ]] || serve=$([[ -t 1 ]] && echo yes || echo no)

# shellcheck source=model.sh
. "$here/model.sh"
language=en
if [[ -n $model ]]; then
	language=de
	# The sample has no German descriptions.
	[[ -n ${CATALOG:-} ]] || ROWS=${ROWS:-1000}
fi

if [[ -n ${ROWS:-} && -n ${CATALOG:-} ]]; then
	echo "demo.sh: name either ROWS or CATALOG, not both" >&2
	exit 1
fi
if [[ ! -f $catalog || ! -r $catalog ]]; then
	echo "demo.sh: cannot read the catalogue file $catalog" >&2
	exit 1
fi

# shellcheck source=cluster.sh
. "$here/cluster.sh"

# The share of the index that is built, in percent, as far as PostgreSQL says.
index_progress="SELECT CASE WHEN tuples_total > 0 THEN 100 * tuples_done / tuples_total
	ELSE 100 * blocks_done / nullif(blocks_total, 0) END FROM pg_stat_progress_create_index"
embed_progress="SELECT 100 * rows_done / nullif(rows_total, 0) FROM embed_progress WHERE phase = 'embedding'"

generate() {
	"$programs/catalog-generator" --rows "$ROWS" --language "$language" "$work/catalog"
	catalog=$work/catalog/catalog.json attributes=$work/catalog/attributes.json
}

load() {
	sql -v catalog="$catalog" -f "$here/load.sql"
	[[ -z $attributes ]] || sql -v attributes="$attributes" -f "$here/attributes.sql"
}

add_model() {
	sql -v model="$model" -v directory="$model_directory" -f "$here/model.sql"
}

embed() {
	if [[ -n $model ]]; then
		sql -v model="$model" -f "$here/embed-model.sql"
	else
		sql -f "$here/embed.sql"
	fi
}

# The plan shows all 384 numbers of the query's vector; the first few are enough for a screen.
search() {
	if [[ -n $model ]]; then
		sql -v model="$model" -f "$here/search-german.sql"
	else
		sql -f "$here/search.sql" | cut -c 1-200
	fi
}

pictures() {
	mkdir -p "$work/catalog/pictures"
	if [[ -z $attributes ]]; then
		echo 'The pictures are where the urls of the catalogue lead.'
	elif [[ -z ${ROWS:-} ]]; then
		"$programs/catalog-generator" --pictures-of "$attributes" "$work/catalog"
	fi
	echo "$(find "$work/catalog/pictures" -name '*.svg' | wc -l) pictures in $work/catalog/pictures"
}

step 'server' start_server
step 'extension' sql -c 'CREATE EXTENSION pg_embed CASCADE'
[[ -z ${ROWS:-} ]] || step 'generate' generate
step 'load' load
rows=$(sql -At -c 'SELECT count(*) FROM products')
[[ -z $model ]] || step 'model' add_model
step 'embed' with_bar "$embed_progress" embed
# For the page. The search by words takes English ones.
[[ -n $model ]] || step 'words' sql -f "$here/words.sql"
step 'index' with_bar "$index_progress" sql -f "$here/index.sql"
step 'vacuum' sql -f "$here/vacuum.sql"
step 'search' search
step 'pictures' pictures

printf '\n%-10s %10s\n' step seconds
for i in "${!names[@]}"; do
	printf '%-10s %10s\n' "${names[i]}" "${seconds[i]}"
done
cat <<END

                     here                          the article
rows                 $(printf '%-29s' "$rows") 8732
embedding            $(printf '%-29s' "${seconds_of[embed]} s") about 30 minutes
by                   $(printf '%-29s' "$(nproc) processor cores, SQL alone") a notebook and an ml.m5.xlarge endpoint
a search             $(printf '%-29s' 'one SQL statement') a call of the endpoint, then SQL

What differs: the machine, the number of rows unless it is 8732, and the texts unless the catalogue is the article's own.
The time there includes the way of each text over the network to the endpoint and back.
END

if [[ -n $model ]]; then
	printf '\nThe page searches with all-MiniLM-L6-v2; it is served without MODEL.\n'
elif [[ $serve == yes ]]; then
	printf '\n== page: stop it with Ctrl-C\n'
	# Ctrl-C reaches the page's server too; it ends by itself, and the step after it is still to be done.
	trap : INT TERM
	"$programs/catalog-server" --socket "$work" --pictures "$work/catalog/pictures" || true
	trap 'exit 130' INT
	trap 'exit 143' TERM
else
	printf '\nThe page is served on a terminal, or with: make demo SERVE=yes\n'
fi
step 'clean-up' sql -f "$here/cleanup.sql"
