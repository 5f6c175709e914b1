#!/usr/bin/env bash
# image.sh [FILE]: runs the container image that `make image` has made, or another archive of such, in a clean file system
# (scripts/root.sh): unpacked by umoci and run by crun, without an engine. As root. The other form is called in there:
#   image.sh run FILE
# The last line is "image: N passed, M failed".
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"
. "$root/tests/checks.sh"

# --- containers, one at a time

crun() { command crun --cgroup-manager=disabled "$@"; }

# fresh NAME: the next containers have this data directory, which is empty, and no scripts.
fresh() {
    data=$tmp/$1/data
    scripts=$tmp/$1/scripts
    mkdir -p "$data" "$scripts"
    user=0:0
}

# start [VARIABLE=VALUE...] [-- ARGUMENT...]: a container with that environment and, in place of the image's, these arguments.
start() {
    local environment=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do environment+=("$1") && shift; done
    [ $# = 0 ] || shift
    # Users, volumes and capabilities are as engines give them by default. The network is that of this test.
    jq --arg data "$data" --arg scripts "$scripts" --arg user "$user" \
        --argjson environment "$(jq -nc '$ARGS.positional' --args -- "${environment[@]}")" \
        --argjson arguments "$(jq -nc '$ARGS.positional' --args -- "$@")" '
        def volume($from; $to): { type: "bind", source: $from, destination: $to, options: ["rbind", "rw"] };
        .process.terminal = false | .process.env += $environment
        | .process.user = ($user | split(":") | { uid: .[0] | tonumber, gid: .[1] | tonumber })
        | if $arguments == [] then . else .process.args = .process.args[:1] + $arguments end
        | .process.capabilities[] = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
            "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"]
        | if $user == "0:0" then . else .process.capabilities |= with_entries(select(.key == "bounding")) end
        | .linux.namespaces |= map(select(.type != "network"))
        | .mounts |= map(select(.destination != "/var/lib/postgresql/data"))
            + [volume($data; "/var/lib/postgresql/data"), volume($scripts; "/docker-entrypoint-initdb.d")]' \
        "$tmp/bundle/config.json" >"$tmp/config.json"
    crun run --bundle "$tmp/bundle" --config "$tmp/config.json" trial </dev/null >"$tmp/log" 2>&1 &
    container=$!
}

# ended: waits for the container; what it has returned is in $status.
ended() {
    status=0
    wait "$container" || status=$?
}

# inside COMMAND...: with the container's processes and files. Not by `crun exec`, which goes to the root of the container's
# mount namespace: that is the machine's own, as scripts/root.sh has changed to a directory below it.
inside() {
    nsenter --target "$(crun state trial 2>/dev/null | jq .pid)" --pid --root --wd env -i PATH="$path" "$@" </dev/null 2>&1
}

# ready: waits until the server takes connections, or is none anymore.
ready() {
    until inside pg_isready -q -h 127.0.0.1 >/dev/null; do
        kill -0 "$container" 2>/dev/null || { cat "$tmp/log"; return 1; }
        sleep 0.1
    done
}

# said LINE: waits until the container has said so.
said() {
    until grep -qF "$1" "$tmp/log"; do
        kill -0 "$container" 2>/dev/null || { cat "$tmp/log"; return 1; }
        sleep 0.1
    done
}

stop() { crun kill trial "$1"; }

# sql STATEMENT...: by the socket, as one does within the container.
sql() {
    local options=() statement
    for statement; do options+=(-c "$statement"); done
    inside psql -XAtq -U "${superuser:-postgres}" -d "${database:-postgres}" "${options[@]}"
}
# tcp PASSWORD STATEMENT
tcp() { inside PGPASSWORD="$1" psql -XAtq -h 127.0.0.1 -U "${superuser:-postgres}" -d "${database:-postgres}" -c "$2"; }

# --- the tests

# What the README shows first, but for the extension, which the database has.
first_search() { awk '/^```sql$/ { on = 1; next } /^```$/ && on { exit } on' README.md | grep -v '^CREATE EXTENSION'; }

is_an_image() {
    local file=$1 config rootfs=$tmp/bundle/rootfs package without=
    config=$(skopeo inspect --config "oci-archive:$file")
    is "it starts the server" "$(jq -c '[.config.Entrypoint, .config.Cmd]' <<<"$config")" '[["entrypoint.sh"],["postgres"]]'
    is "it is stopped by SIGINT" "$(jq -r .config.StopSignal <<<"$config")" SIGINT
    is "its version" "$(jq -r '.config.Labels["org.opencontainers.image.version"]' <<<"$config")" "$(extension_version)"
    is "for docker it has a name" "$(tar -xOf "$file" manifest.json | jq -r '.[0].RepoTags[0]')" "localhost/pg_embed:$tag"
    is "docker's archives are read in the same way" "$(skopeo inspect --config "docker-archive:$file" | jq -c .rootfs)" \
        "$(jq -c .rootfs <<<"$config")"
    is "no compiler is in it" "$(find "$rootfs/usr/bin" -name '*gcc*' -o -name '*clang*' -o -name rustc -o -name make)" ''
    is "no lists of packages are" "$(find "$rootfs/var/lib/apt/lists" "$rootfs/var/cache/apt" "$rootfs/usr/sbin/policy-rc.d" -type f 2>&1 |
        grep -v 'No such file')" ''
    # shellcheck disable=SC2016 # dpkg-query's own.
    for package in $(chroot "$rootfs" dpkg-query -W -f '${Package}\n'); do
        [ -e "$rootfs/usr/share/doc/$package/copyright" ] || without+=" $package"
    done
    is "each package has its licence" "$without" ''
}

refuses() {
    fresh refused
    start
    ended
    is "without a password it ends" "$status" 1
    has "and says what is missing" "$(cat "$tmp/log")" 'give one in POSTGRES_PASSWORD'
    is "and has made nothing" "$(ls -A "$data")" ''
    start -- psql --version
    ended
    is "other programs are run" "$status: $(cat "$tmp/log")" "0: $(chroot "$tmp/bundle/rootfs" psql --version)"
    start -- postgres --version
    ended
    is "who asks for the version needs no password" "$status: $(ls -A "$data")" '0: '
    # initdb cannot have such a name, and shows the statement that failed.
    start 'POSTGRES_USER=a"b' POSTGRES_PASSWORD=secret
    ended
    has "initdb's errors are shown" "$status: $(cat "$tmp/log")" '1: entrypoint: initdb failed: '
    lacks "but no password" "$(cat "$tmp/log")" secret
    fresh occupied
    touch "$data/file"
    start POSTGRES_PASSWORD=x
    ended
    is "a directory with other files is refused" "$status: $(ls -A "$data")" '1: file'
}

first_start() {
    local superuser='shop; keeper' database='shop; "1"' password="it's \$HOME \"x\" \\y" begin environment
    fresh first
    cat >"$scripts/01.sql" <<'END'
CREATE TABLE ran (n serial, name text);
INSERT INTO ran (name) VALUES ('sql');
END
    cat >"$scripts/02.sh" <<'END'
#!/bin/sh
psql -Xq -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO ran (name) VALUES ('sh')"
cat /proc/[0-9]*/cmdline >/docker-entrypoint-initdb.d/processes
cat /proc/net/tcp /proc/net/tcp6 >/docker-entrypoint-initdb.d/network
END
    # shellcheck disable=SC2016 # Expanded there.
    echo 'psql -Xq -c "INSERT INTO ran (name) VALUES ('"'read'"')$NONE"' >"$scripts/04.sh"
    echo "INSERT INTO ran (name) VALUES ('gz')" | gzip >"$scripts/03.sql.gz"
    chmod 755 "$scripts/02.sh"
    chmod 777 "$scripts"
    begin=$(date +%s.%N)
    start "POSTGRES_USER=$superuser" "POSTGRES_DB=$database" "POSTGRES_PASSWORD=$password" \
        "POSTGRES_INITDB_ARGS=--encoding='UTF8' --wal-segsize=1" -- postgres -c work_mem=12MB
    ready
    is "the first search" "$(tcp "$password" "$(first_search)")" 'Green dress without sleeves'
    awk -v s="$begin" -v e="$(date +%s.%N)" 'BEGIN { printf "==> from the start to the first search: %.1f s\n", e - s }'
    is "the model is preloaded" "$(sql 'SHOW shared_preload_libraries')" pg_embed
    is "arguments reach the server" "$(sql 'SHOW work_mem')" 12MB
    is "arguments reach initdb" "$(sql 'SHOW wal_segment_size')" 1MB
    is "scripts ran in their order" "$(sql "SELECT string_agg(name, ' ' ORDER BY n) FROM ran")" 'sql sh gz read'
    has "meanwhile the server was there" "$(tr '\0' ' ' <"$scripts/processes")" 'postgres -c work_mem=12MB -c listen_addresses='
    # The port, as the system shows it.
    lacks "but not on the network" "$(cat "$scripts/network")" ":$(printf '%04X' 5432) "
    has "a wrong password is refused" "$(tcp "$password." 'SELECT 1')" 'password authentication failed'
    is "the method is the safe one" "$(sql "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolpassword IS NOT NULL")" SCRAM-SHA-256
    lacks "the password is in no process's arguments" "$(tr '\0' ' ' <"$scripts/processes")" "$password"
    environment=$(inside cat /proc/1/environ | tr '\0' '\n')
    has "the server has its environment" "$environment" PGDATA=
    lacks "without the password" "$environment" "$password"
    is "the server is no one's but its user's" "$(inside stat -c %U /proc/1)" postgres
    stop INT
    ended
    is "SIGINT stops it" "$status" 0
    has "cleanly" "$(tail -n 1 "$tmp/log")" 'database system is shut down'
    lacks "the password is not in the log" "$(cat "$tmp/log")" "$password"

    start
    ready
    is "started again, it has its rows" "$(tcp "$password" 'SELECT count(*), count(embedding) FROM dresses')" '3|3'
    is "and ran nothing again" "$(sql 'SELECT count(*) FROM ran')" 4
    has "the server was not recovering" "$(cat "$tmp/log")" 'database system was shut down at'
    stop TERM
    ended
    is "SIGTERM stops it" "$status" 0
    has "cleanly, too" "$(tail -n 1 "$tmp/log")" 'database system is shut down'
}

# What was not completed is not taken for complete.
unfinished() {
    fresh unfinished
    echo 'SELECT 1 / 0;' >"$scripts/01.sql"
    start POSTGRES_PASSWORD=x
    ended
    isnt_zero "a script that fails ends the start" "$status"
    has "and the log says why" "$(cat "$tmp/log")" 'division by zero'
    rm "$scripts/01.sql"
    printf '%s\n' 'psql -Xqc "CREATE TABLE half ()"' 'echo waiting' 'sleep 1000' >"$scripts/01.sh"
    start POSTGRES_PASSWORD=x
    said waiting
    stop KILL
    ended
    isnt_zero "one that is killed meanwhile" "$status"
    rm "$scripts/01.sh"
    echo 'CREATE TABLE whole ()' >"$scripts/01.sql"
    start POSTGRES_PASSWORD=y
    ready
    has "the next start says that it begins anew" "$(cat "$tmp/log")" 'did not complete'
    is "and does" "$(tcp y "SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('half', 'whole')")" whole
    is "with the extension" "$(sql "SELECT vector_dims(embed_text('a'))")" 384
    is "and leaves no mark" "$(find "$data" -name '*unfinished*')" ''
    stop INT
    ended
    is "it stops" "$status" 0
}
isnt_zero() { if [ "$2" != 0 ]; then ok "$1"; else not_ok "$1: returned 0"; fi; }

other_ways() {
    fresh file
    # Only root can read it.
    (umask 077 && echo 'of a file' >"$scripts/password")
    start POSTGRES_PASSWORD_FILE=/docker-entrypoint-initdb.d/password
    ready
    is "a password can be in a file" "$(tcp 'of a file' 'SELECT 1')" 1
    stop INT
    ended
    is "it stops" "$status" 0

    fresh trust
    user=$(stat -c %u:%g "$tmp/bundle/rootfs/var/lib/postgresql/data")
    chown "$user" "$data"
    start POSTGRES_HOST_AUTH_METHOD=trust POSTGRES_DB=postgres
    ready
    is "started as the server's user, and without a password if that is asked for" "$(tcp '' 'SELECT 1')" 1
    has "of which it warns" "$(cat "$tmp/log")" 'WARNING: with POSTGRES_HOST_AUTH_METHOD=trust'
    stop INT
    ended
    is "it stops" "$status" 0
}

run_tests() {
    tmp=$(mktemp -d)
    trap 'crun delete --force trial 2>/dev/null || true' EXIT
    tag=$(basename "$1" .tar)
    tag=${tag#pg_embed-}
    mkdir "$tmp/layout"
    tar -xf "$1" -C "$tmp/layout"
    umoci unpack --image "$tmp/layout:$tag" "$tmp/bundle" 2>/dev/null
    path=$(jq -r '.process.env[] | select(startswith("PATH=")) | .[5:]' "$tmp/bundle/config.json")
    ip link set lo up
    # crun does not run where version 1 and version 2 are mixed.
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    is_an_image "$1"
    refuses
    first_start
    unfinished
    other_ways
    echo "image: $passed passed, $failed failed"
    [ "$failed" = 0 ]
}

case ${1:-} in
run)
    cd "$root"
    # Within a network of its own, which is entered when all packages are there.
    if [ $# = 2 ]; then
        apt_update
        apt_install crun iproute2 jq skopeo umoci
        exec unshare --net "$0" run "$2" alone
    fi
    run_tests "$2"
    ;;
*)
    files=("$root/dist/pg_embed-$(extension_version)"-pg*.tar)
    file=${1:-${files[0]}}
    [ -f "$file" ] || die "$file is not there: run make image"
    out=$(mktemp -d /tmp/pg_embed-image.XXXXXX)
    trap 'rm -rf "$out"' EXIT
    cp "$file" "$out/"
    OUT=$out "$root/scripts/root.sh" trixie tests/image.sh run "out/$(basename "$file")"
    ;;
esac
