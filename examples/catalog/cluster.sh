# A PostgreSQL server of its own, for demo.sh and report.sh to source. It is removed when the script ends.
#   PG_CONFIG  which PostgreSQL (default: pg_config)
# shellcheck shell=bash

script=${0##*/}
bindir=$("${PG_CONFIG:-pg_config}" --bindir)

if [[ $(id -u) -eq 0 ]]; then
	echo "$script: PostgreSQL does not run as root; run this as an ordinary user" >&2
	exit 1
fi

# Settings for some other server must not lead the script to it.
unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGSERVICE PGOPTIONS PGDATA
export PGCLIENTENCODING=UTF8

# A short path: that of a Unix socket is limited to 107 bytes.
work=$(mktemp -d /tmp/pg_embed.XXXXXX)

finish() {
	status=$?
	trap - EXIT INT TERM HUP
	if [[ $status -ne 0 && -f $work/log ]]; then
		echo "$script: failed; the end of the server's log:" >&2
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
declare -A seconds_of

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
	seconds_of[$name]=${seconds[-1]}
	printf '== %s: %s s\n' "$name" "${seconds[-1]}"
}

# with_bar QUERY COMMAND...: runs COMMAND and, on a terminal, shows the percentage that QUERY gives meanwhile.
with_bar() {
	local query=$1 pid percent
	shift
	if [[ ! -t 1 ]]; then
		"$@"
		return
	fi
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		percent=$(sql -At -c "$query" 2>/dev/null | head -n 1)
		[[ -z $percent ]] || draw_bar "$percent"
		sleep 0.2
	done
	wait "$pid"
	draw_bar 100
	printf '\n'
}

draw_bar() {
	local full='########################################'
	printf '\r[%-40s] %3d %%' "${full:0:$(($1 * 40 / 100))}" "$1"
}

sql() {
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -h "$work" -p 5432 -U postgres -d postgres "$@"
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
