#!/usr/bin/env bash
# What pg_embed and its peers take for the same texts, on one core. Called by `make bench-peers`, which has the peers installed.
#   PEERS   where scripts/peers-deps.sh has put them
#   REPORT  where to write peers.json
#   MODELS  the models of pg_embed
#   TEXTS   how many texts of each length
#   ROUNDS  how often all take turns
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
: "${PEERS:?} ${REPORT:?} ${MODELS:?} ${TEXTS:?} ${ROUNDS:?}"
# The last core, the server and all its peers; one thread each.
taskset -pc "$(taskset -pc $$ | sed 's/.*[:,-] *//')" $$ >/dev/null
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
export PYTHONPATH=$PEERS/python PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error

. "$here/common.sh"
one_server
# Preloaded, as the documentation has it; without a memo, because the queries are all the same.
restart_server "$dir" "shared_preload_libraries = 'pg_embed'" "pg_embed.preload_models = 'all-MiniLM-L6-v2-int8'" \
    'pg_embed.threads = 1' 'pg_embed.memo_size = 0'
sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE'
sql -v python="$PEERS/python" -v model="$PEERS/models/safetensors" -f "$here/peers/functions.sql"

"$here/../../deps/catalog/catalog-generator" --rows "$TEXTS" "$dir/catalog" >/dev/null
/usr/bin/python3 "$here/peers/bench.py" "$dir/catalog" "$REPORT"
