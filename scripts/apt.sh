# What the set-up scripts share: messages, and packages of the distribution. To be sourced.

script=$(basename "$0" .sh)
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)

say() { echo "==> $*"; }
die() { echo "$script: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The distribution's ID and the code name of its release.
distribution() { (. /etc/os-release && echo "$ID"); }
codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

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

# need_pip [PYTHON]
need_pip() { "${1:-python3}" -m pip --version >/dev/null 2>&1 || apt_install python3-pip; }

# distribution_of SUITE: whose it is; keyring_of DISTRIBUTION: the keys of its packages.
distribution_of() {
    case $1 in
    bookworm | trixie | sid) echo debian ;;
    jammy | noble | resolute) echo ubuntu ;;
    *) return 1 ;;
    esac
}
keyring_of() { echo "/usr/share/keyrings/$1-archive-keyring.gpg"; }

# use_suite TYPE SUITE [OPTION...]: from now on other_apt is an apt-get that knows this suite of Debian or Ubuntu and no
# other; TYPE is deb or deb-src. The system's own lists and configuration stay as they are. The mirror is the one that the
# machine uses or, for the other distribution, the one that debootstrap does. Needs $tmp, a directory of the caller's.
use_suite() {
    local type=$1 suite=$2 id components=main keyring check uri
    shift 2
    id=$(distribution_of "$suite") || return 1
    [ "$id" != ubuntu ] || components+=" universe"
    if [ "$(distribution)" = "$id" ]; then
        uri=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' |
            awk -v c="$(codename)" '($1 == c || $1 ~ /^(stable|testing|unstable|sid)$/) && !uri { uri = $2 } END { print uri }')
    else
        have debootstrap || apt_install debootstrap
        case $id in
        debian) uri=$(sed -n 's/^DEF_MIRROR="\(.*\)"/\1/p' "$(command -v debootstrap)") ;;
        ubuntu) uri=$(sed -n 's/^\s*default_mirror \(.*archive.*\)/\1/p' /usr/share/debootstrap/scripts/gutsy | head -1) ;;
        esac
    fi
    [ -n "$uri" ] || return 1
    # A machine has its own distribution's keys; where it lacks the other's, nothing that is run comes from there.
    keyring=$(keyring_of "$id")
    if [ -f "$keyring" ]; then check=signed-by=$keyring; else check=trusted=yes; fi
    rm -rf "$tmp/apt"
    mkdir -p "$tmp/apt/lists/partial" "$tmp/apt/cache/archives/partial"
    echo "$type [$check] $uri $suite $components" >"$tmp/apt/sources.list"
    other_apt=(apt-get -q -o "Dir::Etc::SourceList=$tmp/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$tmp/apt/lists" -o "Dir::Cache=$tmp/apt/cache"
        -o APT::Sandbox::User= -o Acquire::Languages=none -o APT::Update::Error-Mode=any "$@")
    "${other_apt[@]}" update
}
