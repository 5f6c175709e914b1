//! The settings. They change speed and strictness, never a vector.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// What happens to a text with more tokens than the model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
pub enum Truncation {
    #[name = c"silent"]
    Silent,
    #[name = c"notice"]
    Notice,
    #[name = c"error"]
    Error,
}

/// Threads of a batch call, the backend's own among them.
pub static THREADS: GucSetting<i32> = GucSetting::<i32>::new(1);
/// Texts whose vectors a backend remembers.
pub static MEMO_SIZE: GucSetting<i32> = GucSetting::<i32>::new(64);
/// A vector that stands for less than its text should not go unnoticed, nor should one long text stop a load: notice.
pub static TRUNCATION: GucSetting<Truncation> = GucSetting::<Truncation>::new(Truncation::Notice);
/// Whether rows that a statement is going to embed are read ahead, and embedded together.
pub static LOOK_AHEAD: GucSetting<bool> = GucSetting::<bool>::new(true);
/// Empty: where `make install` puts the model.
pub static MODEL_DIRECTORY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
/// Directories of models that the postmaster opens, separated by commas.
pub static PRELOAD_MODELS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
/// Empty: where `make install` puts the library.
pub static RUNTIME_LIBRARY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

pub const MAX_THREADS: i32 = 64;
/// How much work a crash may undo is bounded.
pub const MAX_BATCH_SIZE: i32 = 10_000;
/// A second and an hour.
const NAPTIMES: (i32, i32) = (1000, 3_600_000);
/// As many as shared memory has places for.
pub const MAX_MAX_WORKERS: i32 = 64;
const MAX_MEMO_SIZE: i32 = 1000;

/// Threads of the background worker.
pub static WORKER_THREADS: GucSetting<i32> = GucSetting::<i32>::new(1);
/// Small, so that a row that has just been written does not wait for many others.
pub static WORKER_BATCH_SIZE: GucSetting<i32> = GucSetting::<i32>::new(64);
/// In milliseconds. Rows are filled when they are committed; this is for those that nobody told of.
pub static WORKER_NAPTIME: GucSetting<i32> = GucSetting::<i32>::new(60_000);
/// Some of PostgreSQL's default of eight worker processes are left for parallel queries.
pub static MAX_WORKERS: GucSetting<i32> = GucSetting::<i32>::new(3);

pub fn worker_threads() -> usize {
    WORKER_THREADS.get() as usize
}

pub fn worker_batch_size() -> usize {
    WORKER_BATCH_SIZE.get() as usize
}

pub fn max_workers() -> usize {
    MAX_WORKERS.get() as usize
}

pub fn worker_naptime() -> Duration {
    Duration::from_millis(WORKER_NAPTIME.get() as u64)
}

pub fn threads() -> usize {
    THREADS.get() as usize
}

/// PostgreSQL's `work_mem` in bytes.
#[allow(unsafe_code)]
pub fn work_memory() -> usize {
    // SAFETY: reads a variable of this process.
    unsafe { pgrx::pg_sys::work_mem as usize * 1024 }
}

pub fn init() {
    GucRegistry::define_int_guc(
        c"pg_embed.threads",
        c"Sets the number of threads for calls that embed many texts.",
        c"The session's own process counts as one.",
        &THREADS,
        1,
        MAX_THREADS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_embed.memo_size",
        c"Sets the number of texts whose vectors a session remembers.",
        c"Zero remembers none. A remembered text costs its own size and 1.5 kB.",
        &MEMO_SIZE,
        0,
        MAX_MEMO_SIZE,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"pg_embed.truncation",
        c"Sets what happens to a text with more tokens than the model reads.",
        c"Its vector is that of its first 256 tokens (silent, notice), or it is refused (error).",
        &TRUNCATION,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_embed.look_ahead",
        c"Enables embedding the texts of many rows together where a statement embeds row by row.",
        c"Rows are read ahead, up to work_mem, and embedded by pg_embed.threads threads. No result depends on it.",
        &LOOK_AHEAD,
        GucContext::Userset,
        GucFlags::EXPLAIN,
    );
    // Only the server's configuration files reach these two, so that no session can have a library loaded or a file
    // read. They cannot be of context postmaster, which only preloaded libraries may define.
    for (name, short, setting) in [
        (c"pg_embed.model_directory", c"Sets the directory of the model." as &CStr, &MODEL_DIRECTORY),
        (c"pg_embed.runtime_library", c"Sets the path of the ONNX Runtime library.", &RUNTIME_LIBRARY),
    ] {
        GucRegistry::define_string_guc(
            name,
            short,
            c"Empty for the one that was installed with the extension. Read when a process opens the model.",
            setting,
            GucContext::Sighup,
            GucFlags::SUPERUSER_ONLY,
        );
    }
    GucRegistry::define_string_guc(
        c"pg_embed.preload_models",
        c"Sets which models are opened when the server starts, beside the one that came with the extension.",
        c"Their directories, separated by commas. For a server that has pg_embed in shared_preload_libraries.",
        &PRELOAD_MODELS,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_int_guc(
        c"pg_embed.worker_threads",
        c"Sets the number of threads of each background worker.",
        c"A worker runs in a database while rows of its watched columns wait.",
        &WORKER_THREADS,
        1,
        MAX_THREADS,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_embed.worker_batch_size",
        c"Sets the number of rows that a background worker embeds at a time.",
        c"They are read at once and stored one after the other.",
        &WORKER_BATCH_SIZE,
        1,
        MAX_BATCH_SIZE,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_embed.worker_naptime",
        c"Sets how often watched columns are looked through for rows that no commit told of.",
        c"Such as rows that a prepared transaction has written, or that a disabled trigger has missed.",
        &WORKER_NAPTIME,
        NAPTIMES.0,
        NAPTIMES.1,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"pg_embed.max_workers",
        c"Sets the number of background workers that may run at the same time.",
        c"Databases that have to wait for one get their turn.",
        &MAX_WORKERS,
        1,
        MAX_MAX_WORKERS,
        GucContext::Sighup,
        GucFlags::default(),
    );
    reserve_prefix();
}

#[allow(unsafe_code)]
fn reserve_prefix() {
    // SAFETY: called from _PG_init with a string that lives for ever; it takes no other argument.
    unsafe {
        #[cfg(not(feature = "pg14"))]
        pgrx::pg_sys::MarkGUCPrefixReserved(c"pg_embed".as_ptr());
        #[cfg(feature = "pg14")]
        pgrx::pg_sys::EmitWarningsOnPlaceholders(c"pg_embed".as_ptr());
    }
}
