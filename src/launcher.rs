//! The launcher: one process per server that starts a worker in each database where something is watched.
//!
//! Which databases those are is written in the databases, where the launcher cannot look. So it starts a worker in each,
//! one after the other, when the server starts and every minute; a worker that finds nothing to do ends. `embed_watch()`
//! wakes the launcher. On a standby it is started when the standby is promoted.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime, DynamicBackgroundWorker};
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{PgAtomic, PgSqlErrorCode, pg_guard, pg_shmem_init};

use crate::process;
use crate::report::{Report, Result};

/// How often databases are looked into without having been asked to.
const ROUND: Duration = Duration::from_secs(60);
/// How long a worker may take to find out that there is nothing to do, before the next one is started.
const GLANCE: Duration = Duration::from_secs(1);
/// How soon the launcher sees that a worker has ended, and that one is wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The launcher's process, 0 while there is none.
// SAFETY: the name is this extension's.
static LAUNCHER: PgAtomic<AtomicI32> = unsafe { PgAtomic::new(c"pg_embed launcher") };
/// Whether a worker may be missing.
// SAFETY: the name is this extension's.
static WANTED: PgAtomic<AtomicBool> = unsafe { PgAtomic::new(c"pg_embed worker wanted") };

/// Whether the worker that was started last has found something to do.
// SAFETY: the name is this extension's.
static WORKING: PgAtomic<AtomicBool> = unsafe { PgAtomic::new(c"pg_embed worker working") };

/// Whether this server has a launcher at all: set in the postmaster, inherited by all processes.
static PRELOADED: AtomicBool = AtomicBool::new(false);

/// Has the postmaster start the launcher when recovery is over.
#[allow(unexpected_cfgs, reason = "pg_shmem_init! asks for versions of PostgreSQL that we do not have features for")]
pub fn init() {
    // SAFETY: a flag of this single-threaded process.
    if !unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        return;
    }
    PRELOADED.store(true, Ordering::Relaxed);
    pg_shmem_init!(LAUNCHER);
    pg_shmem_init!(WANTED);
    pg_shmem_init!(WORKING);
    BackgroundWorkerBuilder::new("pg_embed launcher")
        .set_library("pg_embed")
        .set_function("embed_launcher_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(Duration::from_secs(5)))
        .load();
}

/// # Errors
/// 55000 where the library is not preloaded: then nobody would do the work.
pub fn refuse_unless_preloaded() -> Result<()> {
    if PRELOADED.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(Report::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "pg_embed must be loaded when the server starts",
    )
    .detail("Watched columns are filled by a background worker.")
    .hint(
        "Add pg_embed to shared_preload_libraries in postgresql.conf and restart the server, or use embed_trigger().",
    ))
}

/// Has a worker started where one is needed. Can be called while a transaction is being committed.
pub fn wake() {
    WANTED.get().store(true, Ordering::Release);
    set_latch(current());
}

/// Tells the launcher that a worker has found something to do: should it end soon, it was not for want of that.
pub fn report_work() {
    WORKING.get().store(true, Ordering::Release);
}

/// The launcher's process.
pub fn current() -> i32 {
    LAUNCHER.get().load(Ordering::Acquire)
}

/// Wakes a process, if there is one with this number.
pub fn set_latch(pid: i32) {
    // SAFETY: gives null for a process that is gone; an entry of shared memory has a latch, whoever's it is now.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if !process.is_null() {
            pg_sys::SetLatch(&raw mut (*process).procLatch);
        }
    }
}

/// The launcher's process.
#[pg_guard]
// SAFETY: unique in the library.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn embed_launcher_main(_argument: Datum) {
    process::accept_signals();
    // SAFETY: once, at the start; without a database, only the shared catalogues can be read.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(ptr::null(), ptr::null(), 0) };
    // SAFETY: reads a variable of this process.
    LAUNCHER.get().store(unsafe { pg_sys::MyProcPid }, Ordering::Release);
    let mut workers = HashMap::new();
    loop {
        WANTED.get().store(false, Ordering::Release);
        match process::transaction(databases) {
            Ok(databases) => start_workers(&databases, &mut workers),
            Err(report) => report.warn(),
        }
        let round = Instant::now();
        while round.elapsed() < ROUND && !WANTED.get().load(Ordering::Acquire) && workers.values().all(is_running) {
            process::nap(if workers.is_empty() { ROUND } else { ROUND.min(Duration::from_secs(1)) });
        }
    }
}

fn is_running(worker: &DynamicBackgroundWorker) -> bool {
    worker.pid().is_ok()
}

/// Starts a worker in each database that has none, and keeps those that stay.
fn start_workers(databases: &[Oid], workers: &mut HashMap<Oid, DynamicBackgroundWorker>) {
    workers.retain(|_, worker| is_running(worker));
    for &database in databases {
        if let Some(worker) = workers.get(&database) {
            // It may be napping, and not know of what is newly watched.
            worker.pid().into_iter().for_each(set_latch);
            continue;
        }
        match start_worker(database) {
            Ok(Some(worker)) => drop(workers.insert(database, worker)),
            Ok(None) => {}
            Err(report) => return report.warn(),
        }
    }
}

/// Starts a worker and gives it a moment to find out whether there is anything to do.
fn start_worker(database: Oid) -> Result<Option<DynamicBackgroundWorker>> {
    WORKING.get().store(false, Ordering::Release);
    let worker = BackgroundWorkerBuilder::new("pg_embed worker")
        .set_library("pg_embed")
        .set_function("embed_worker_main")
        .enable_spi_access()
        .set_argument(Some(Datum::from(database)))
        // SAFETY: reads a variable of this process.
        .set_notify_pid(unsafe { pg_sys::MyProcPid })
        .load_dynamic()
        .map_err(|_| {
            Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES, "could not start a background worker")
                .detail("Rows of watched tables wait for their vectors; it is tried again every minute.")
                .hint("Raise max_worker_processes.")
        })?;
    // An error means that it has ended already.
    if worker.wait_for_startup().is_err() {
        return Ok(None);
    }
    let start = Instant::now();
    while start.elapsed() < GLANCE {
        if !is_running(&worker) {
            if WORKING.get().load(Ordering::Acquire) {
                // It was terminated: another one is needed.
                WANTED.get().store(true, Ordering::Release);
            }
            return Ok(None);
        }
        process::nap(LOOK);
    }
    Ok(Some(worker))
}

/// The databases that one can connect to.
fn databases() -> Result<Vec<Oid>> {
    let mut found = Vec::new();
    // SAFETY: reads a shared catalogue within a transaction; the rows are FormData_pg_database.
    unsafe {
        let lock = pg_sys::AccessShareLock as i32;
        let catalogue = pg_sys::table_open(pg_sys::DatabaseRelationId, lock);
        let scan = pg_sys::systable_beginscan(catalogue, Oid::INVALID, false, ptr::null_mut(), 0, ptr::null_mut());
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let database = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_database>();
            if database.datallowconn {
                found.push(database.oid);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalogue, lock);
    }
    Ok(found)
}
