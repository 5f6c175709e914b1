# What the scripts ask about the project. To be sourced, with $root as its directory.

# The extension's version.
extension_version() { sed -n "s/^default_version = '\(.*\)'/\1/p" "$root/pg_embed.control"; }

# cargo_tool NAME VERSION [OPTION...]: has `cargo NAME` be of that version. One that is installed already will do; else it is
# compiled, with these options, below deps/cargo-NAME.
cargo_tool() {
    local name=$1 version=$2
    shift 2
    export PATH=$root/deps/cargo-$name/bin:$PATH
    [ "$(cargo "$name" --version 2>/dev/null)" != "cargo-$name $version" ] || return 0
    say "cargo install cargo-$name $version: takes some minutes"
    cargo install -q --locked --root "$root/deps/cargo-$name" "$@" "cargo-$name@$version" ||
        die "could not install cargo-$name $version"
}

# pg_major PG_CONFIG: the major version of PostgreSQL that it belongs to.
pg_major() { "$1" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'; }
