# What the scripts ask about the project. To be sourced, with $root as its directory.

# The extension's version.
extension_version() { sed -n "s/^default_version = '\(.*\)'/\1/p" "$root/pg_embed.control"; }

# pg_major PG_CONFIG: the major version of PostgreSQL that it belongs to.
pg_major() { "$1" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'; }
