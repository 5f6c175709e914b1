#!/usr/bin/env bash
# root.sh DISTRIBUTION COMMAND...: runs a command as root in a clean file system of bookworm, trixie, sid, jammy or noble,
# with what is committed here as its working directory, /src. What it changes outside /src/out is gone afterwards;
# /src/out is the directory OUT here, if that is set. Packages, toolchain and what cargo has built are kept for the next run,
# below ROOTS (default: /var/tmp/pg_embed-roots). Needs root, Linux's namespaces and overlayfs.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/apt.sh"

[ $# -ge 2 ] || { echo "usage: $0 DISTRIBUTION COMMAND..." >&2; exit 2; }
name=$1
shift
roots=${ROOTS:-/var/tmp/pg_embed-roots}
base=$roots/$name
cache=$roots/cache/$name

id=$(distribution_of "$name") || die "no such distribution: $name"
[ "$(id -u)" = 0 ] || die "only root can make a file system"

# What lets a program here reach the network is needed there, too.
environment=(PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8)
while IFS= read -r variable; do
    environment+=("$variable")
done < <(env | grep -iE '^[a-z_]*(proxy|cert|ca_bundle|cainfo|ca_certs)[a-z_]*=' || true)

make_base() {
    local scripts keyring uri suite
    have debootstrap || apt_install debootstrap
    say "$name: debootstrap"
    scripts=$(mktemp -d)
    cp -R /usr/share/debootstrap/. "$scripts"
    # Ubuntu's script serves all of its releases, also those that are younger than debootstrap.
    [ -e "$scripts/scripts/$name" ] || ln -s gutsy "$scripts/scripts/$name"
    # Debian has no package of Ubuntu's keys. What runs in these file systems is thrown away.
    local check=(--no-check-gpg)
    keyring=$(keyring_of "$id")
    [ ! -f "$keyring" ] || check=(--keyring="$keyring")
    rm -rf "$base" "$base.new"
    mkdir -p "$base.new"
    DEBOOTSTRAP_DIR=$scripts debootstrap --variant=minbase "${check[@]}" "$name" "$base.new" >"$roots/$name.log" 2>&1 ||
        { tail -20 "$roots/$name.log" >&2; die "debootstrap could not make $name"; }
    rm -rf "$scripts"
    # As installed systems have it, by the address that debootstrap chose.
    uri=$(awk '$1 == "deb" { print $2; exit }' "$base.new/etc/apt/sources.list")
    if [ "$id" = ubuntu ]; then
        for suite in "$name" "$name-updates" "$name-security"; do
            echo "deb $uri $suite main universe"
        done >"$base.new/etc/apt/sources.list"
    elif [ "$name" = sid ]; then
        # A mirror that stands still has an expired Release file.
        echo 'Acquire::Check-Valid-Until "false";' >"$base.new/etc/apt/apt.conf.d/99valid"
    fi
    # Packages are kept for the next run, and services do not start.
    rm -f "$base.new/etc/apt/apt.conf.d/docker-clean"
    echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' >"$base.new/etc/apt/apt.conf.d/99keep"
    printf '#!/bin/sh\nexit 101\n' >"$base.new/usr/sbin/policy-rc.d"
    chmod +x "$base.new/usr/sbin/policy-rc.d"
    # Authorities that this machine trusts beside the usual ones.
    mkdir -p "$base.new/usr/local/share/ca-certificates"
    cp -R /usr/local/share/ca-certificates/. "$base.new/usr/local/share/ca-certificates/" 2>/dev/null || true
    mv "$base.new" "$base"
}

mkdir -p "$roots"
[ -d "$base" ] || make_base
run=$(mktemp -d "$roots/run.$name.XXXXXX")
trap 'rm -rf --one-file-system "$run"' EXIT
mkdir -p "$run/upper" "$run/work" "$run/root" "$cache"/{archives/partial,cargo,rustup,pip,target,catalog}
git clone -q "$root" "$run/upper/src"
mkdir -p "$run/upper/src"/{target,out,examples/catalog/target}

# shellcheck disable=SC2016 # Expanded in the new namespace.
inside='
    set -e
    run=$1 base=$2 cache=$3 out=$4
    shift 4
    new=$run/root
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$run/upper,workdir=$run/work" "$new"
    mount -t proc proc "$new/proc"
    mount --rbind /sys "$new/sys"
    mount --rbind /dev "$new/dev"
    bind() { mkdir -p "$new$2"; mount --bind "$1" "$new$2"; }
    bind "$cache/archives" /var/cache/apt/archives
    bind "$cache/cargo" /root/.cargo
    bind "$cache/rustup" /root/.rustup
    bind "$cache/pip" /root/.cache/pip
    bind "$cache/target" /src/target
    bind "$cache/catalog" /src/examples/catalog/target
    [ -z "$out" ] || bind "$out" /src/out
    cat /etc/resolv.conf >"$new/etc/resolv.conf"
    # The address of its own name is what a server looks up.
    echo "127.0.0.1 localhost $(hostname)" >"$new/etc/hosts"
    exec chroot "$new" env -i "$@"
'
[ -z "${OUT:-}" ] || mkdir -p "$OUT"
unshare --mount --pid --fork --kill-child bash -c "$inside" root \
    "$run" "$base" "$cache" "${OUT:+$(realpath "$OUT")}" "${environment[@]}" \
    sh -c 'cd /src && exec "$@"' sh "$@"
