#!/usr/bin/env bash
# What the container starts with, by the names that the official image of PostgreSQL has made known:
#   POSTGRES_PASSWORD          the superuser's password; needed unless POSTGRES_HOST_AUTH_METHOD is trust
#   POSTGRES_USER              the superuser (default: postgres)
#   POSTGRES_DB                the database that gets the extension (default: as POSTGRES_USER)
#   POSTGRES_INITDB_ARGS       more arguments for initdb
#   POSTGRES_HOST_AUTH_METHOD  how clients on the network log in (default: scram-sha-256)
# The first four can be read from files, which POSTGRES_PASSWORD_FILE and so on name. They count, and the files in
# /docker-entrypoint-initdb.d are run, when the data directory PGDATA is empty, and not again.
set -euo pipefail

scripts=/docker-entrypoint-initdb.d

say() { echo "entrypoint: $*"; }
die() { say "$*" >&2; exit 1; }

# from_file NAME: the variable, from the file that NAME_FILE names.
from_file() {
    local file=$1_FILE
    [ -n "${!file:-}" ] || return 0
    [ -z "${!1:-}" ] || die "$1 and $file are both set: set one of them"
    [ -r "${!file}" ] || die "cannot read ${!file}, which $file names"
    export "$1=$(<"${!file}")"
    unset "$file"
}

read_files() {
    local name
    for name in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB POSTGRES_INITDB_ARGS; do from_file "$name"; done
}

# What is in the data directory, but for what a new file system has in it.
content() { find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found "$@"; }

# In it, initdb makes its files, and while it is there, the data directory is not complete.
unfinished=$PGDATA/pg_embed.unfinished

is_complete() { [ -s "$PGDATA/PG_VERSION" ] && [ ! -e "$unfinished" ]; }

check_settings() {
    [ -z "$(content)" ] || die "$PGDATA is not empty, but holds no database"
    POSTGRES_USER=${POSTGRES_USER:-postgres}
    POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
    POSTGRES_HOST_AUTH_METHOD=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    export POSTGRES_USER POSTGRES_DB
    if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        say "WARNING: with POSTGRES_HOST_AUTH_METHOD=trust, whoever reaches the port is let in without a password" >&2
    elif [ -z "${POSTGRES_PASSWORD:-}" ]; then
        die "there is no password for the superuser: give one in POSTGRES_PASSWORD or, as a file, in" \
            "POSTGRES_PASSWORD_FILE; or let everybody in without, by POSTGRES_HOST_AUTH_METHOD=trust"
    fi
}

make_cluster() {
    local args password=() said
    mkdir "$unfinished"
    # Split as a shell does it, for values with spaces.
    eval "args=(${POSTGRES_INITDB_ARGS:-})"
    [ -z "${POSTGRES_PASSWORD:-}" ] || password=(--pwfile=/dev/fd/3)
    # It ends with how to start the server by hand, and warns of what is overwritten below. The statement that failed may
    # be the one with the password.
    said=$(initdb -D "$unfinished" --username="$POSTGRES_USER" --auth=trust "${password[@]}" "${args[@]}" \
        3< <(printf '%s\n' "${POSTGRES_PASSWORD:-}") 2>&1) || die "initdb failed: ${said%%STATEMENT:*}"
    chmod --reference="$unfinished" "$PGDATA"
    find "$unfinished" -mindepth 1 -maxdepth 1 -exec mv -t "$PGDATA" {} +
    cat >>"$PGDATA/postgresql.conf" <<END

# Of the image
listen_addresses = '*'
shared_preload_libraries = 'pg_embed'
END
    cat >"$PGDATA/pg_hba.conf" <<END
# TYPE  DATABASE        USER            ADDRESS                 METHOD
# From within the container
local   all             all                                     trust
local   replication     all                                     trust
host    all             all             all                     $POSTGRES_HOST_AUTH_METHOD
END
}

server=
stop_server() {
    kill "-$1" "$server"
    wait "$server"
    server=
}

run_scripts() {
    local file
    for file in "$scripts"/*; do
        [ -e "$file" ] || continue
        say "$file"
        case $file in
        # One that cannot be run is read, but keeps its variables to itself. Those made for other images do not know of -u.
        *.sh)
            if [ -x "$file" ]; then
                "$file"
            else
                # shellcheck source=/dev/null
                (set +u && . "$file")
            fi
            ;;
        *.sql) psql -Xq -v ON_ERROR_STOP=1 -f "$file" ;;
        *.sql.gz) gunzip -c "$file" | psql -Xq -v ON_ERROR_STOP=1 ;;
        *) say "left out: not .sh, .sql or .sql.gz" ;;
        esac
    done
}

# initialise ARGUMENTS: those of the server.
initialise() {
    # The socket has a directory of its own: who looks for a server meanwhile, finds none.
    local sockets
    sockets=$(mktemp -d)
    local -x PGHOST=$sockets PGPORT=5432 PGUSER=$POSTGRES_USER PGPASSWORD=${POSTGRES_PASSWORD:-} PGDATABASE=postgres
    make_cluster
    # What it leaves is thrown away at the next start.
    trap '[ -z "$server" ] || stop_server QUIT || true' EXIT
    (
        unset POSTGRES_PASSWORD PGPASSWORD
        exec postgres "$@" -c listen_addresses= -c "unix_socket_directories=$sockets" -c port=$PGPORT
    ) &
    server=$!
    until pg_isready -q; do
        kill -0 "$server" 2>/dev/null || { server=; die "the server could not be started"; }
        sleep 0.1
    done
    psql -Xq -v ON_ERROR_STOP=1 -v db="$POSTGRES_DB" <<'END'
SELECT format('CREATE DATABASE %I', :'db') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') \gexec
END
    PGDATABASE=$POSTGRES_DB
    psql -Xq -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "CREATE EXTENSION pg_embed CASCADE"
    run_scripts
    stop_server INT
    trap - EXIT
    rmdir "$sockets" "$unfinished"
    say "$PGDATA is complete"
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
starts_server=
[ "${1:-}" != postgres ] || starts_server=1
for argument; do
    case $argument in -'?' | --help | -V | --version | --describe-config) starts_server= ;; esac
done
[ -n "$starts_server" ] || exec "$@"

trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$PGDATA"
is_complete || read_files

# The files above may be such that only root can read them.
if [ "$(id -u)" = 0 ]; then
    mkdir -p /run/postgresql
    find "$PGDATA" /run/postgresql ! -user postgres -exec chown -h postgres {} +
    export HOME=/var/lib/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ -e "$unfinished" ]; then
    say "an earlier start did not complete $PGDATA: it is made anew"
    # The mark goes last, lest what is left be taken for complete.
    content ! -path "$unfinished" -exec rm -rf {} +
    rm -rf "$unfinished"
fi
if ! is_complete; then
    check_settings
    initialise "${@:2}"
fi
unset POSTGRES_PASSWORD
exec "$@"
