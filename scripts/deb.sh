#!/usr/bin/env bash
# Makes Debian packages for the server that PG_CONFIG names out of what `make` built, and leaves them in dist/, with their
# SHA-256 sums. What packages need beside it is fetched if it is missing: debhelper, cargo-about, the runtime's notices.
#   DEB_VERSION  the packages' version (default: the extension's, with the revision 1)
#   DEBFULLNAME, DEBEMAIL  the maintainer, as for Debian's own tools (default: of the last commit)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
deps=$root/deps
dist=$root/dist

. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"
. "$root/scripts/wheel.sh"

PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || die "no pg_config: run make deps, or set PG_CONFIG"
major=$(pg_major "$PG_CONFIG")
[ "$("$PG_CONFIG" --bindir)" = "/usr/lib/postgresql/$major/bin" ] ||
    die "$PG_CONFIG is not that of a PostgreSQL package"
version=$(extension_version)
deb_version=${DEB_VERSION:-$version-1}
name=${DEBFULLNAME:-$(git -C "$root" log -1 --format=%cn)}
email=${DEBEMAIL:-$(git -C "$root" log -1 --format=%ce)}
# The same sources give the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}

tmp=$(mktemp -d /tmp/pg_embed-deb.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

packages=()
have dh || packages+=(debhelper)
have dpkg-buildpackage || packages+=(dpkg-dev)
[ ${#packages[@]} = 0 ] || apt_install "${packages[@]}"

# --- the licences of what is inside

cargo_tool about 0.9.3 --features cli
crates=$deps/licences/pg$major
if [ ! "$crates" -nt "$root/Cargo.lock" ] || [ ! "$crates" -nt "$root/packaging/about.hbs" ]; then
    say "licences of the crates: takes a minute"
    # Crates for other systems are looked at too, to see that they are not in. What a crate lacks is not looked for elsewhere.
    cargo fetch -q --locked --manifest-path "$root/Cargo.toml"
    mkdir -p "$deps/licences"
    (cd "$root" && cargo about -L error generate --fail --locked --offline --config packaging/about.toml \
        --no-default-features --features "pg$major" --output-file "$crates" packaging/about.hbs)
fi

notices() { (cd "$deps" && grep ' onnxruntime/' "$root/scripts/SHA256SUMS" | sha256sum -c --status); }

if ! notices 2>/dev/null; then
    say "ONNX Runtime's notices: downloading"
    fetch_onnxruntime "$tmp" || die "pip could not download onnxruntime: check the network"
    unzip -q -o "$wheel" onnxruntime/LICENSE onnxruntime/ThirdPartyNotices.txt -d "$deps"
    notices || die "the notices in onnxruntime's wheel do not have the SHA-256 in scripts/SHA256SUMS"
fi

# --- debian/

source=$tmp/pg-embed
mkdir "$source"
cp -R "$root/packaging/debian" "$source/"
cd "$source/debian"

# Debian 12 and Ubuntu 22.04 have no package of pgvector: there it is built by hand, or comes from PostgreSQL's own
# repository, whose package is the better one as soon as it can be had.
pgvector="postgresql-$major-pgvector (>= 0.5)"
depends=postgresql-$major
recommends=
if [ -n "$(apt-cache madison "postgresql-$major-pgvector" 2>/dev/null)" ]; then
    depends+=", $pgvector"
else
    recommends=$pgvector
fi
runtime=$(sed -n 's/^RUNTIME = //p' "$root/Makefile")
model=$(sed -n 's/^MINILM = //p' "$root/Makefile")
[ -n "$model" ] || die "the Makefile does not say what the model's directory is called"
for file in *@PGVERSION@*; do mv "$file" "${file//@PGVERSION@/$major}"; done
mv control.in control
sed -i -e "s/@PGVERSION@/$major/g" -e "s/@RUNTIME@/$runtime/g" -e "s/@RUNTIME_VERSION@/${runtime#*.so.}/g" \
    -e "s/@MODEL@/$model/g" -e "s/@DEPENDS@/$depends/" -e "s/@RECOMMENDS@/$recommends/" -e '/^Recommends: $/d' \
    -e "s/@MAINTAINER@/$name <$email>/" ./*
cat >changelog <<END
pg-embed ($deb_version) unstable; urgency=medium

  * Version $version: see pg_embed's own changelog beside this one.

 -- $name <$email>  $(date -uRd "@$SOURCE_DATE_EPOCH")
END
{
    cat "$root/LICENSE"
    echo
    echo "The library contains these crates, and Rust's standard library, which is licensed under the MIT License."
    echo
    tr -d '\r' <"$crates"
} >>"postgresql-$major-pg-embed.copyright"
cat "$deps/onnxruntime/LICENSE" "$deps/onnxruntime/ThirdPartyNotices.txt" >>pg-embed-runtime.copyright

# --- the packages

say "dpkg-buildpackage: version $deb_version for PostgreSQL $major"
cd "$source"
# make's own variables are not for the make that is called in there.
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u DESTDIR PG_CONFIG="$PG_CONFIG" PGVERSION="$major" PROJECT="$root" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
    dpkg-buildpackage -b -nc -d -us -uc >"$tmp/log" 2>&1 || { tail -30 "$tmp/log" >&2; die "the packages could not be made"; }
mkdir -p "$dist"
mv "$tmp"/*.deb "$dist/"
cd "$dist"
sha256sum ./*.deb | sed 's| \./| |' >SHA256SUMS
ls -l ./*"_${deb_version}_"*.deb
