# What the benchmarks share. To be sourced.

# find_postgres: the programs of PG_CONFIG's server, for a server in a new directory, dir.
find_postgres() {
    PATH=$("$PG_CONFIG" --bindir):$PATH
    unset PGPORT PGDATABASE PGDATA PGOPTIONS
    dir=$(mktemp -d /tmp/pg_embed_bench.XXXXXX)
    export PATH PGUSER=postgres PGDATABASE=postgres
}

# make_server DIRECTORY [LINE...]: a data directory in there, with these lines in its configuration.
make_server() {
    mkdir -p "$1"
    initdb -D "$1/data" -A trust -U postgres -E UTF8 --no-locale >/dev/null
    printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$1'" "${@:2}" >>"$1/data/postgresql.conf"
}

stop_server() { pg_ctl -D "$1/data" -m fast -w stop >/dev/null 2>&1 || true; }

# restart_server DIRECTORY [LINE...]: with these lines, too.
restart_server() {
    printf '%s\n' "${@:2}" >>"$1/data/postgresql.conf"
    stop_server "$1"
    pg_ctl -D "$1/data" -l "$1/log" -w start >/dev/null
}

# one_server [LINE...]: a server, which psql finds, and which goes with this program.
one_server() {
    find_postgres
    export PGHOST=$dir
    trap 'stop_server "$dir"; rm -rf "$dir"' EXIT
    make_server "$dir" "$@"
}

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
