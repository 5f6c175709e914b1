#!/usr/bin/env bash
# upgrade.sh SUITE: t/042_pg_upgrade.pl from the PostgreSQL of an older suite of Debian to the one of this machine. It adds the
# suite to apt's sources, so it is for scripts/root.sh: scripts/root.sh sid tests/upgrade.sh bookworm
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] && [ -d out ] || { echo "usage: scripts/root.sh sid $0 SUITE" >&2; exit 2; }

apt-get update -q
apt-get install -y -q --no-install-recommends make ca-certificates
make deps test-deps
new=$(command -v pg_config)
sed "s/ sid / $1 /" /etc/apt/sources.list >"/etc/apt/sources.list.d/$1.list"
apt-get update -q
major=$(apt-cache madison postgresql | awk -v suite="$1/main" '$0 ~ suite { split($3, v, "[+]"); print v[1]; exit }')
apt-get install -y -q --no-install-recommends "postgresql-$major" "postgresql-server-dev-$major"
old=/usr/lib/postgresql/$major/bin/pg_config
for config in "$old" "/usr/lib/postgresql/$("$new" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')/bin/pg_config"; do
    make deps build install PG_CONFIG="$config"
done
UPGRADE_FROM=$old PG_CONFIG=$config scripts/as-server-user.sh tests/run.sh file t/042_pg_upgrade.pl
