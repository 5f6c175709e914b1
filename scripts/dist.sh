#!/usr/bin/env bash
# Makes dist/pg_embed-VERSION.zip for PGXN out of what is committed: the same commit gives the same bytes.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/apt.sh"
. "$root/scripts/project.sh"

"$root/scripts/one-version.sh"
name=pg_embed-$(extension_version)
[ -z "$(git -C "$root" status --porcelain --untracked-files=no)" ] || say "what is not committed is not in the archive"
mkdir -p "$root/dist"
# Times in an archive are those of the time zone.
TZ=UTC git -C "$root" archive --format=zip --prefix="$name/" -o "$root/dist/$name.zip" HEAD
cd "$root/dist"
sha256sum "$name.zip"
