//! pg_embed: text to `vector(384)` inside PostgreSQL.
//!
//! Postgres in, Postgres out: what a model is stands in the `embedder` crate. The SQL surface is written by hand, in
//! `sql/`. The directories are floors, each of which calls only those below it: `sql` over `documents` over `background` and
//! `ahead` over `table` over `model` over `postgres`.

mod ahead;
mod background;
mod documents;
mod model;
mod postgres;
mod sql;
mod table;

pgrx::pg_module_magic!();

/// Where a small block cannot be had, the process would end, and all sessions with it.
#[global_allocator]
static ALLOCATOR: embedder::Allocator = embedder::Allocator;

/// Called once in each process that loads the library; with `shared_preload_libraries`, in the postmaster.
#[allow(unsafe_code, non_snake_case)]
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    postgres::guc::init();
    model::backend::preload();
    background::launcher::init();
    background::wake::init();
    ahead::init();
}
