#!/usr/bin/env bash
# What the recipes of docs/search.md find and what they take, on the catalogue example's dresses. Called by `make bench-search`.
#   PG_CONFIG  which PostgreSQL (default: pg_config)
#   ROWS       how many dresses (default: 8732)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
example=$here/../../examples/catalog
generator=${PROGRAMS:-$here/../../deps/catalog}/catalog-generator

# shellcheck source=examples/catalog/cluster.sh
. "$example/cluster.sh"

load() {
	"$generator" --rows "${ROWS:-8732}" "$work/catalog" >/dev/null
	sql -v catalog="$work/catalog/catalog.json" -f "$example/load.sql"
	sql -v attributes="$work/catalog/attributes.json" -f "$example/attributes.sql"
}

step 'server' start_server
sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE'
step 'load' load
step 'embed' sql -c "CALL embed_backfill('products', 'descriptions_embeddings', ARRAY['description'])"
step 'questions' sql -f "$example/report/queries.sql"
step 'searches with a filter' sql -f "$here/search.sql"
step 'duplicates' sql -f "$here/duplicates.sql"
