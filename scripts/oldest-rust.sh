#!/usr/bin/env bash
# Checks that both workspaces compile with the oldest Rust that Cargo.toml allows, which rustup fetches if it is not there.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. scripts/apt.sh
. scripts/project.sh

PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || die "no pg_config: run make deps, or set PG_CONFIG"
# In full: rustup takes 1.92 for the last of 1.92.0, 1.92.1 and so on.
rust=$(sed -n 's/^rust-version = "\([0-9]*\.[0-9]*\)"/\1.0/p' Cargo.toml)

# Whoever has another Rust and no way to this one is no fault of the project's.
leave_out() { say "Rust $rust: NOT CHECKED, $*"; exit 0; }
have rustup || leave_out "rustup is missing, which is to bring it"
if ! rustup run "$rust" cargo --version >/dev/null 2>&1; then
    say "rustup toolchain install $rust"
    rustup toolchain install "$rust" --profile minimal --no-self-update || leave_out "rustup could not install it"
fi
# A directory of its own: in the usual one, each of the two would build anew what the other has built.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/oldest-rust
check() {
    say "Rust $rust: cargo check $*"
    PGRX_PG_CONFIG_PATH=$PG_CONFIG rustup run "$rust" cargo check --locked --workspace --all-targets "$@" ||
        die "does not compile with Rust $rust"
}
check --no-default-features --features "pg$(pg_major "$PG_CONFIG")"
check --manifest-path examples/catalog/Cargo.toml
