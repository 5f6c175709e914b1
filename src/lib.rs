//! pg_embed: text to `vector(384)` inside PostgreSQL.
//!
//! Postgres in, Postgres out: what a model is stands in the `embedder` crate. The SQL surface is written by hand, in
//! `sql/`.

mod backend;
mod backfill;
mod columns;
mod fill;
mod functions;
mod guc;
mod launcher;
mod process;
mod progress;
mod report;
mod rows;
mod spi;
mod status;
mod text;
mod trigger;
mod vector;
mod verify;
mod watch;
mod worker;

pgrx::pg_module_magic!();

/// Called once in each process that loads the library; with `shared_preload_libraries`, in the postmaster.
#[allow(unsafe_code, non_snake_case)]
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    guc::init();
    backend::preload();
    launcher::init();
}
