#!/usr/bin/env bash
# The catalogue example from start to end, on a PostgreSQL server of its own that is removed afterwards.
#   PG_CONFIG  which PostgreSQL (default: pg_config)
#   CATALOG    which catalogue file (default: the sample)
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
catalog=${CATALOG:-$here/sample.json}
bindir=$("${PG_CONFIG:-pg_config}" --bindir)

if [[ $(id -u) -eq 0 ]]; then
	echo "demo.sh: PostgreSQL does not run as root; run this as an ordinary user" >&2
	exit 1
fi
if [[ ! -f $catalog || ! -r $catalog ]]; then
	echo "demo.sh: cannot read the catalogue file $catalog" >&2
	exit 1
fi

# Settings for some other server must not lead the demo to it.
unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGSERVICE PGOPTIONS PGDATA
export PGCLIENTENCODING=UTF8

# A short path: that of a Unix socket is limited to 107 bytes.
work=$(mktemp -d /tmp/pg_embed.XXXXXX)

finish() {
	status=$?
	trap - EXIT INT TERM HUP
	if [[ $status -ne 0 && -f $work/log ]]; then
		echo "demo.sh: failed; the end of the server's log:" >&2
		tail -n 20 "$work/log" >&2
	fi
	if [[ -f $work/data/postmaster.pid ]]; then
		"$bindir/pg_ctl" stop -D "$work/data" -m fast -w -s ||
			"$bindir/pg_ctl" stop -D "$work/data" -m immediate -w -s || true
	fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

names=()
seconds=()

# step NAME COMMAND...: announces, runs and times one step.
step() {
	local name=$1 begun ms
	shift
	printf '\n== %s\n' "$name"
	# Microseconds; without the decimal point, which depends on the locale.
	begun=${EPOCHREALTIME//[!0-9]/}
	"$@"
	ms=$(((${EPOCHREALTIME//[!0-9]/} - begun) / 1000))
	names+=("$name")
	seconds+=("$((ms / 1000)).$(printf '%03d' $((ms % 1000)))")
	printf '== %s: %s s\n' "$name" "${seconds[-1]}"
}

sql() {
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -h "$work" -p 5432 -U postgres -d postgres "$@"
}

# The plan shows all 384 numbers of the query's vector; the first few are enough for a screen.
search() {
	sql -f "$here/search.sql" | cut -c 1-200
}

start_server() {
	"$bindir/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$work/initdb.out"
	# fsync off: nothing here needs to outlive a crash. A failed statement is shown by psql; the log needs no copy.
	cat >>"$work/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		port = 5432
		unix_socket_directories = '$work'
		fsync = off
		log_min_error_statement = panic
		shared_preload_libraries = 'pg_embed'
		pg_embed.threads = $(nproc)
	CONF
	"$bindir/pg_ctl" start -D "$work/data" -l "$work/log" -w -s
}

step 'server' start_server
step 'extension' sql -c 'CREATE EXTENSION pg_embed CASCADE'
step 'load' sql -v catalog="$catalog" -f "$here/load.sql"
rows=$(sql -At -c 'SELECT count(*) FROM products')
step 'embed' sql -f "$here/embed.sql"
step 'index' sql -f "$here/index.sql"
step 'search' search
step 'clean-up' sql -f "$here/cleanup.sql"

printf '\n%-10s %10s\n' step seconds
for i in "${!names[@]}"; do
	printf '%-10s %10s\n' "${names[i]}" "${seconds[i]}"
done
cat <<END

Embedded here: $rows products, with $(nproc) threads.
For comparison: the article gives about 30 minutes for the embedding of 8,732 products by way of an endpoint.
The machines differ, and so does the number of rows unless the catalogue is the article's own.
END
