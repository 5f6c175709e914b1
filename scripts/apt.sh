# What the set-up scripts share: messages, and packages of the distribution. To be sourced.

script=$(basename "$0" .sh)
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)

say() { echo "==> $*"; }
die() { echo "$script: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

updated=
apt_update() {
    [ -z "$updated" ] || return 0
    say "apt-get update"
    "${sudo[@]}" apt-get update -q || die "apt-get update failed: check the network and the apt sources, then try again"
    updated=1
}

apt_install() {
    have apt-get || die "these packages are missing and there is no apt-get to install them: $*"
    [ "$(id -u)" = 0 ] || have sudo || die "install these packages as root, then try again: $*"
    apt_update
    say "apt-get install $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" ||
        die "could not install: $*"
}
