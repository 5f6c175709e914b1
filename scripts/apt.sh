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

# use_suite TYPE SUITE: from now on other_apt is an apt-get that knows this suite of the distribution and no other, from the
# mirror that the machine uses; TYPE is deb or deb-src. The system's own lists and configuration stay as they are, and
# packages are checked with the distribution's own keys. Needs $tmp, a directory of the caller's.
use_suite() {
    local type=$1 suite=$2 id codename keyring components uri
    id=$(. /etc/os-release && echo "$ID")
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    case $id in
    debian) keyring=/usr/share/keyrings/debian-archive-keyring.gpg components=main ;;
    ubuntu) keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg components="main universe" ;;
    *) return 1 ;;
    esac
    uri=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' |
        awk -v c="$codename" '($1 == c || $1 == "stable") && !uri { uri = $2 } END { print uri }')
    [ -n "$uri" ] || return 1
    rm -rf "$tmp/apt"
    mkdir -p "$tmp/apt/lists/partial" "$tmp/apt/cache/archives/partial"
    echo "$type [signed-by=$keyring] $uri $suite $components" >"$tmp/apt/sources.list"
    other_apt=(apt-get -q -o "Dir::Etc::SourceList=$tmp/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$tmp/apt/lists" -o "Dir::Cache=$tmp/apt/cache"
        -o APT::Sandbox::User= -o Acquire::Languages=none -o APT::Update::Error-Mode=any)
    "${other_apt[@]}" update
}
