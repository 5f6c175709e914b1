# What the benchmarks share. To be sourced.

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
# The median of the numbers on stdin.
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] }'; }

# first_of EXPRESSION CONNECTIONS: how long a connection takes for its first embedding in ms, the median of so many.
first_of() {
    for _ in $(seq "$2"); do
        printf '%s\n' '\timing on' "SELECT $1 IS NULL" ';' | sql | awk '/^Time/ { print $2 }'
    done | median
}

# private_after STATEMENT...: private memory of a connection after these, in MB.
private_after() {
    local pid
    pid=$(mktemp)
    printf '%s;\n' "$@" 'SELECT pg_backend_pid()' 'SELECT pg_sleep(2)' | sql >"$pid" &
    sleep 1.5
    awk '/^Private_Dirty/ { printf "%.1f", $2 / 1024 }' "/proc/$(grep -E '^[0-9]+$' "$pid" | tail -n 1)/smaps_rollup"
    wait
    rm "$pid"
}

# rate_of STATEMENT ROWS THREADS: rows a second, the median of three runs.
rate_of() {
    for _ in 1 2 3; do
        printf '%s\n' "SET pg_embed.threads = $3;" '\timing on' "$1;" | sql | awk -v n="$2" '/^Time/ { print n / $2 * 1000 }'
    done | median
}
