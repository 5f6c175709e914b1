//! The launcher: one process per server that starts a worker in each database where rows wait for their vectors.
//!
//! Which databases those are is written in the databases, where the launcher cannot look. So it starts a worker in each,
//! once, when the server has started and when a database is new; a worker that finds nothing to do goes home, and says
//! whether anything is watched there. From then on commits ask for their databases; what nobody asks for, such as rows
//! that a prepared transaction has left, is looked for every `pg_embed.worker_naptime`. On a standby the launcher is
//! started when the standby is promoted.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ptr;
use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::pg_sys::{self, Datum};
use pgrx::{PgSqlErrorCode, pg_guard};

use crate::background::process;
use crate::background::shared::{self, Asked, Farewell};
use crate::background::trouble::{self, Trouble};
use crate::postgres::memory::Scratch;
use crate::postgres::report::{Report, Result};
use crate::postgres::transaction::transaction;
use crate::postgres::{catalog, guc, identity, progress, server};

/// How soon it is tried again where no process could be started, and how soon it is seen that one was killed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a process may take to start.
const START: Duration = Duration::from_secs(30);

/// Has the postmaster start the launcher when recovery is over; not in a server of pg_upgrade's.
pub fn init() {
    if !server::is_preloading() || server::is_binary_upgrade() {
        return;
    }
    shared::init();
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
    if shared::is_present() {
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

/// The launcher's process.
#[pg_guard]
// SAFETY: unique in the library.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn embed_launcher_main(_argument: Datum) {
    process::accept_signals();
    // SAFETY: once, at the start; without a database, only the shared catalogues can be read.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(ptr::null(), ptr::null(), 0) };
    identity::override_settings();
    shared::become_launcher();
    let mut launcher = Launcher::default();
    loop {
        launcher.take_requests();
        launcher.look_around();
        launcher.collect();
        launcher.start_workers();
        process::nap(launcher.pause());
    }
}

/// What the launcher knows of a database.
#[derive(Default)]
struct Database {
    /// When to start a worker, in PostgreSQL's microseconds.
    due: Option<i64>,
    watches: bool,
    trouble: Trouble,
    worker: Option<Worker>,
}

/// A worker's place, and when it was started.
struct Worker {
    place: usize,
    since: i64,
}

#[derive(Default)]
struct Launcher {
    databases: HashMap<u32, Database>,
    /// When databases were listed last.
    listed: Option<i64>,
    /// Whether a worker is due that cannot be started now.
    crowded: bool,
}

impl Launcher {
    fn take_requests(&mut self) {
        let now = trouble::now();
        match shared::take_requests() {
            Asked::All => self.databases.values_mut().for_each(|database| database.make_due(now)),
            Asked::These(databases) => {
                databases.iter().for_each(|oid| self.databases.entry(*oid).or_default().make_due(now));
            }
        }
    }

    /// From time to time, sees which databases there are, and has those looked into that watch something.
    fn look_around(&mut self) {
        let now = trouble::now();
        let naptime = guc::worker_naptime().as_micros() as i64;
        if self.listed.is_some_and(|listed| now < listed + naptime) {
            return;
        }
        self.listed = Some(now);
        let found = match transaction(catalog::databases) {
            Ok(found) => found.iter().map(|oid| oid.to_u32()).collect::<Vec<_>>(),
            Err(report) => return report.log(),
        };
        self.databases.retain(|oid, database| found.contains(oid) || database.worker.is_some());
        progress::remove_databases_but(&found);
        for oid in found {
            let is_new = !self.databases.contains_key(&oid);
            let database = self.databases.entry(oid).or_default();
            if is_new {
                database.adopt(oid, now);
            }
            if is_new || database.watches {
                database.make_due(now);
            }
        }
    }

    /// Frees the places of workers that have gone home or died.
    fn collect(&mut self) {
        let now = trouble::now();
        for (oid, database) in &mut self.databases {
            let Some(worker) = &database.worker else { continue };
            match shared::look(worker.place) {
                (_, Some(farewell)) => database.dismiss(farewell),
                (0, None) if now < worker.since + START.as_micros() as i64 => {}
                (pid, None) if process::is_in_database(pid, *oid) => {}
                // A process that is connecting has no database yet.
                (_, None) if now < worker.since + LOOK.as_micros() as i64 => {}
                (_, None) => database.mourn(),
            }
        }
    }

    /// Starts workers where they are due, those first that have waited longest.
    fn start_workers(&mut self) {
        let now = trouble::now();
        let running = self.databases.values().filter(|database| database.worker.is_some()).count();
        let mut due: Vec<_> = self
            .databases
            .iter()
            .filter(|(_, database)| database.worker.is_none())
            .filter_map(|(oid, database)| Some((database.due.filter(|due| *due <= now)?, *oid)))
            .collect();
        due.sort_unstable();
        let free = guc::max_workers().saturating_sub(running);
        let started = due.iter().take(free).take_while(|(_, oid)| self.start_worker(*oid, now)).count();
        self.crowded = started < due.len();
        shared::set_crowded(self.crowded, started < due.len().min(free));
    }

    fn start_worker(&mut self, oid: u32, now: i64) -> bool {
        let Some(place) = shared::reserve(oid) else { return false };
        if let Err(report) = start(place, oid) {
            shared::free(place);
            report.log();
            return false;
        }
        if let Some(database) = self.databases.get_mut(&oid) {
            database.due = None;
            database.worker = Some(Worker { place, since: now });
        }
        true
    }

    /// How long there is nothing to do.
    fn pause(&self) -> Duration {
        let naptime = guc::worker_naptime();
        let due =
            self.databases.values().filter(|database| database.worker.is_none()).filter_map(|database| database.due);
        let next = due.min().map_or(naptime, trouble::until).min(naptime);
        let has_workers = self.databases.values().any(|database| database.worker.is_some());
        if self.crowded {
            LOOK
        } else if has_workers {
            next.min(LOOK)
        } else {
            next
        }
    }
}

impl Database {
    fn make_due(&mut self, now: i64) {
        // Who was killed is not started again at once, whoever asks.
        let earliest = self.trouble.until.unwrap_or(now).max(now);
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// Takes over the worker of a launcher before this one; it goes home when it sees that.
    fn adopt(&mut self, oid: u32, now: i64) {
        let place = shared::taken_places().into_iter().find(|(_, database)| *database == oid);
        self.worker = place.map(|(place, _)| Worker { place, since: now });
    }

    fn dismiss(&mut self, farewell: Farewell) {
        self.watches = farewell.watches;
        self.trouble = Trouble::default();
        if let Some(due) = farewell.due {
            self.due = Some(self.due.map_or(due, |other| other.min(due)));
        }
        self.free();
    }

    /// The worker was killed, or could not start.
    fn mourn(&mut self) {
        self.trouble.grow();
        self.due = self.trouble.until;
        self.free();
    }

    fn free(&mut self) {
        if let Some(worker) = self.worker.take() {
            shared::free(worker.place);
        }
    }
}

fn start(place: usize, database: u32) -> Result<()> {
    // What PostgreSQL remembers of the worker for us is not needed: it says itself when it goes.
    let _memory = Scratch::beyond_transactions();
    let started = BackgroundWorkerBuilder::new("pg_embed worker")
        .set_library("pg_embed")
        .set_function("embed_worker_main")
        .enable_spi_access()
        .set_argument(Some(Datum::from((u64::from(database) << 8 | place as u64) as usize)))
        .set_notify_pid(process::pid())
        .load_dynamic();
    started.map(drop).map_err(|_| {
        Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES, "could not start a background worker")
            .detail("Rows of watched tables wait for their vectors; it is tried again every second.")
            .hint("Raise max_worker_processes.")
    })
}
