#!/usr/bin/env bash
# upgrade.sh SUITE: t/042_pg_upgrade.pl from the PostgreSQL of an older suite of Debian to the one of this machine. It adds the
# suite to apt's sources, so it is for scripts/root.sh: scripts/root.sh sid tests/upgrade.sh bookworm
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
[ $# = 1 ] && [ -d out ] || { echo "usage: scripts/root.sh sid $0 SUITE" >&2; exit 2; }

. scripts/apt.sh
. scripts/project.sh

config_of() { echo "/usr/lib/postgresql/$1/bin/pg_config"; }

apt_install make ca-certificates
make deps test-deps
new=$(pg_major pg_config)
sed "s/ $(awk '$1 == "deb" { print $3; exit }' /etc/apt/sources.list) / $1 /" /etc/apt/sources.list >"/etc/apt/sources.list.d/$1.list"
updated=
apt_update
old=$(apt-cache madison postgresql | awk -v suite="$1/main" 'index($0, suite) { split($3, v, "[+]"); print v[1]; exit }')
apt_install "postgresql-$old" "postgresql-server-dev-$old"
for major in "$old" "$new"; do
    make deps build install PG_CONFIG="$(config_of "$major")"
done
UPGRADE_FROM=$(config_of "$old") PG_CONFIG=$(config_of "$new") scripts/as-server-user.sh tests/run.sh file t/042_pg_upgrade.pl
