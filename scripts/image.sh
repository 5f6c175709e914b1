#!/usr/bin/env bash
# Makes dist/pg_embed-VERSION-pgNN.tar, a container image with PostgreSQL, pgvector and pg_embed, and its SHA-256. It is made
# of packages alone: Debian's, and those that `make deb` makes, in clean file systems (scripts/root.sh). Needs root.
#   SOURCE_DATE_EPOCH  when it was created (default: the last commit)
# The other forms are called in there:
#   image.sh packages  makes the packages
#   image.sh pack      makes the image out of them
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"

# The first release of Debian that has pgvector.
base=trixie
version=$(extension_version)

make_packages() {
    apt_update
    apt_install make git ca-certificates
    make deps
    PATH=$HOME/.cargo/bin:$PATH make deb
    cp dist/*.deb out/
}

in_image() { chroot "$rootfs" env DEBIAN_FRONTEND=noninteractive "$@"; }
image_install() { in_image apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "$@"; }

install_packages() {
    local uri packages=()
    uri=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
    say "debootstrap $base"
    debootstrap --variant=minbase --cache-dir=/var/cache/apt/archives "$base" "$rootfs" "$uri" >"$tmp/log" 2>&1 ||
        { tail -n 20 "$tmp/log" >&2; die "debootstrap could not make $base"; }
    printf 'deb %s main\n' "$uri $base" "$uri $base-updates" "$uri-security $base-security" >"$rootfs/etc/apt/sources.list"
    # Packages start no services, and the container's entry point makes the cluster.
    printf '#!/bin/sh\nexit 101\n' >"$rootfs/usr/sbin/policy-rc.d"
    chmod +x "$rootfs/usr/sbin/policy-rc.d"
    mkdir "$rootfs/packages"
    mount --bind out "$rootfs/packages"
    mount --bind /var/cache/apt/archives "$rootfs/var/cache/apt/archives"
    mount -t proc proc "$rootfs/proc"
    in_image apt-get update -q
    in_image apt-get upgrade -y -q
    image_install postgresql-common
    sed -i 's/^#\?create_main_cluster = .*/create_main_cluster = false/' "$rootfs/etc/postgresql-common/createcluster.conf"
    for file in out/*.deb; do packages+=("/packages/${file##*/}"); done
    image_install "${packages[@]}"
    umount "$rootfs/proc" "$rootfs/var/cache/apt/archives" "$rootfs/packages"
    rmdir "$rootfs/packages"
}

# What nobody needs to try the extension, what is of this machine, and what is to be no two machines'.
clean() {
    find dev run tmp var/cache/apt var/cache/debconf var/cache/ldconfig var/lib/apt/lists \
        usr/share/man usr/share/info usr/share/locale usr/share/lintian -mindepth 1 -delete
    # All licences stay.
    find usr/share/doc -type f ! -name copyright -delete
    find usr/share/doc \( -xtype l -o -type d -empty \) -delete
    find var/log var/backups -type f -delete
    find var/lib/dpkg -name '*-old' -delete
    rm -f usr/sbin/policy-rc.d etc/resolv.conf etc/hostname etc/{passwd,group,shadow,gshadow}-
    find etc/ssl -lname '*snakeoil*' -delete
    rm -f etc/ssl/private/ssl-cert-snakeoil.key etc/ssl/certs/ssl-cert-snakeoil.pem
    : >etc/machine-id
}

pack() {
    local major tag name rootfs layout created manifest
    apt_update
    apt_install debootstrap umoci jq git
    major=$(find out -name 'postgresql-*-pg-embed_*.deb' | sed 's|.*/postgresql-\([0-9]*\)-.*|\1|')
    tag=$version-pg$major
    created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
    tmp=$(mktemp -d)
    layout=$tmp/layout
    rootfs=$tmp/bundle/rootfs

    umoci init --layout "$layout"
    umoci new --image "$layout:$tag"
    umoci unpack --image "$layout:$tag" "$tmp/bundle"
    install_packages
    install -m 755 packaging/image/entrypoint.sh "$rootfs/usr/local/bin/entrypoint.sh"
    (cd "$rootfs" && clean)
    mkdir "$rootfs/docker-entrypoint-initdb.d"
    in_image install -d -o postgres -g postgres -m 2775 /run/postgresql
    in_image install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
    find "$rootfs" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

    say "umoci repack"
    umoci repack --image "$layout:$tag" --history.created "$created" --history.created_by "pg_embed's make image" "$tmp/bundle"
    # The licences are those of what this project adds: those of Debian's packages are in the image.
    umoci config --image "$layout:$tag" --created "$created" --no-history \
        --config.entrypoint entrypoint.sh --config.cmd postgres \
        --config.env "PATH=/usr/lib/postgresql/$major/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --config.env LANG=C.UTF-8 --config.env PGDATA=/var/lib/postgresql/data \
        --config.volume /var/lib/postgresql/data --config.exposedports 5432/tcp --config.stopsignal SIGINT \
        --config.label "org.opencontainers.image.title=pg_embed" \
        --config.label "org.opencontainers.image.description=PostgreSQL $major with pgvector and pg_embed: $(
            sed -n "s/^comment = '\(.*\)'/\1/p" pg_embed.control)" \
        --config.label "org.opencontainers.image.version=$version" \
        --config.label "org.opencontainers.image.revision=$(git rev-parse HEAD)" \
        --config.label "org.opencontainers.image.created=$created" \
        --config.label "org.opencontainers.image.licenses=PostgreSQL AND Apache-2.0 AND MIT"
    umoci gc --layout "$layout"

    # The name under which it is loaded: containerd and podman read it in the index, and docker, without containerd, in a
    # list of its own.
    name=localhost/pg_embed:$tag
    jq -c --arg name "$name" '.manifests[0].annotations["io.containerd.image.name"] = $name' "$layout/index.json" >"$tmp/index"
    mv "$tmp/index" "$layout/index.json"
    manifest=$(jq -r '.manifests[0].digest | sub(":"; "/")' "$layout/index.json")
    jq -c --arg name "$name" 'def path: "blobs/" + (.digest | sub(":"; "/"));
        [{ Config: .config | path, RepoTags: [$name], Layers: [.layers[] | path] }]' \
        "$layout/blobs/$manifest" >"$layout/manifest.json"
    tar -C "$layout" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        -cf "out/pg_embed-$tag.tar" blobs index.json manifest.json oci-layout
}

case ${1:-} in
packages) cd "$root" && make_packages ;;
pack) cd "$root" && pack ;;
'')
    [ -z "$(git -C "$root" status --porcelain --untracked-files=no)" ] || say "what is not committed is not in the image"
    out=$(mktemp -d /tmp/pg_embed-image.XXXXXX)
    trap 'rm -rf "$out"' EXIT
    epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
    for step in packages pack; do
        OUT=$out "$root/scripts/root.sh" "$base" env SOURCE_DATE_EPOCH="$epoch" scripts/image.sh "$step"
    done
    image=$(basename "$out"/*.tar)
    mkdir -p "$root/dist"
    mv "$out/$image" "$root/dist/"
    cd "$root/dist"
    sha256sum "$image" | tee "$image.sha256"
    ls -l "$image"
    ;;
*)
    echo "usage: $0" >&2
    exit 2
    ;;
esac
