#!/usr/bin/env bash
# What further models cost: the first embedding of a connection and its private memory, without preloading and with the model
# preloaded beside the first one, and rows a second. Called by ../bench.sh. The models are those of tests/models.
set -euo pipefail

models=$(cd "$(dirname "$0")/../.." && pwd)/deps/models
[ -d "$models" ] || { echo 'further models: left out, make test-deps makes them'; exit 0; }
. "$(dirname "$0")/common.sh"
one_server

restart() { restart_server "$dir" "shared_preload_libraries = '$1'" "pg_embed.preload_models = '$2'"; }
# call MODEL TEXT
call() { echo "embed_text('$2', '$1')"; }
first() { first_of "$(call "$1" 'green sleeveless summer wear for a party in may')" 11; }
# private MODEL...: of a connection that has embedded with each of these.
private() {
    local model statements=()
    for model; do statements+=("SELECT $(call "$model" 'a dress') IS NULL"); done
    private_after "${statements[@]}"
}
rate() { rate_of "SELECT array_length(embed_texts((SELECT array_agg(line) FROM texts), '$1'), 1)" 500 "$2"; }

restart '' ''
sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION pg_embed CASCADE' -c "CREATE TABLE texts AS
    SELECT 'the product number ' || i || ' is a green summer dress of fine cotton' AS line FROM generate_series(1, 500) AS i"
minilm=all-MiniLM-L6-v2
names=(e5 minilm-layers minilm-cls minilm-dense)
for name in "${names[@]}"; do
    sql -c "SELECT embed_add_model('$name', '$models/$name')" >/dev/null
done
for name in "$minilm" "$minilm-int8" "${names[@]}"; do
    files=$models/$name
    [[ $name != "$minilm"* ]] || files=$("$PG_CONFIG" --sharedir)/pg_embed/$minilm
    size=$(find -L "$files" \
        -name '*.safetensors' -printf '%s\n' | awk '{ s += $1 } END { printf "%d", s / 1e6 }')
    echo "$name: $size MB, first embedding $(first "$name") ms, private memory $(private "$name") MB," \
        "$(rate "$name" 1) and $(rate "$name" 2) rows a second with 1 and 2 threads"
done
restart pg_embed ''
echo "preloaded $minilm alone: private memory $(private "$minilm") MB"
restart pg_embed "$minilm-int8"
echo "preloaded $minilm and $minilm-int8: first embedding $(first "$minilm") and $(first "$minilm-int8") ms," \
    "private memory $(private "$minilm") MB with the first, $(private "$minilm-int8") MB with the second"
restart pg_embed "$models/e5"
echo "preloaded $minilm and e5: first embedding $(first "$minilm") and $(first e5) ms," \
    "private memory $(private "$minilm") MB with the first, $(private "$minilm" e5) MB with both"
