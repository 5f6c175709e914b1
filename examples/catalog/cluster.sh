# PostgreSQL servers of their own, for demo.sh, report.sh and ../shards/demo.sh to source. They are removed when the script
# ends.
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
	shopt -s nullglob
	local log data
	for log in "$work"/log "$work"/*/log; do
		if [[ $status -ne 0 && -f $log ]]; then
			echo "$script: failed; the end of the server's log $log:" >&2
			tail -n 20 "$log" >&2
		fi
	done
	for data in "$work"/data "$work"/*/data; do
		[[ -f $data/postmaster.pid ]] || continue
		"$bindir/pg_ctl" stop -D "$data" -m fast -w -s || "$bindir/pg_ctl" stop -D "$data" -m immediate -w -s || true
	done
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

sql() { sql_on '' "$@"; }

# sql_on SERVER ARGUMENTS: psql on one of several servers.
sql_on() {
	local server=$1
	shift
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -h "$work${server:+/$server}" -p 5432 -U postgres -d postgres "$@"
}

# start_server [NAME [SETTING...]]: its data directory and socket are in $work, or, with a name, in a directory there.
start_server() {
	local place=$work${1:+/$1}
	mkdir -p "$place"
	"$bindir/initdb" -D "$place/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$place/initdb.out"
	# fsync off: nothing here needs to outlive a crash. A failed statement is shown by psql; the log needs no copy.
	cat >>"$place/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		port = 5432
		unix_socket_directories = '$place'
		fsync = off
		log_min_error_statement = panic
		shared_preload_libraries = 'pg_embed'
		pg_embed.threads = $(nproc)
	CONF
	[[ $# -lt 2 ]] || printf '%s\n' "${@:2}" >>"$place/data/postgresql.conf"
	"$bindir/pg_ctl" start -D "$place/data" -l "$place/log" -w -s
}
