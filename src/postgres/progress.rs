//! What processes that fill vectors are doing, for other sessions to see.
//!
//! Each process keeps a small file in the data directory, under a name that base backups leave out. A table would be
//! no place for it: what a transaction writes is seen when it is over, and a standby could not be asked. The file of a
//! background worker is its database's, and stays when the worker goes home: it says what failed, and when that is tried
//! again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

use crate::postgres::server;

/// What a process is doing about one vector column.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    pub table: u32,
    pub embedding: String,
    /// One of those in [`phase`].
    pub phase: String,
    /// Rows without a vector when the work began, if they were counted.
    pub total: Option<i64>,
    pub done: i64,
    /// Rows a second lately.
    pub rate: Option<f64>,
    pub seconds_left: Option<f64>,
    pub error: Option<String>,
    /// When, in PostgreSQL's microseconds.
    pub error_at: Option<i64>,
    /// The column as a whole.
    #[serde(default)]
    pub trouble: Trouble,
    /// Rows that could not be embedded, not more than are worth the room.
    #[serde(default)]
    pub left: Vec<Left>,
    /// How many there are.
    #[serde(default)]
    pub left_count: i64,
}

/// What a process is just doing about a column.
pub mod phase {
    pub const COUNTING: &str = "counting";
    pub const EMBEDDING: &str = "embedding";
    /// For others to end, before it goes on.
    pub const WAITING: &str = "waiting";
    pub const WAITING_FOR_LOCK: &str = "waiting for a lock";
    pub const PAUSED: &str = "paused after an error";
    /// Nothing waits.
    pub const IDLE: &str = "idle";
}

impl Entry {
    pub fn is_at_work(&self) -> bool {
        matches!(&*self.phase, phase::COUNTING | phase::EMBEDDING | phase::WAITING)
    }

    pub fn is_locked(&self) -> bool {
        self.phase == phase::WAITING_FOR_LOCK
    }
}

/// A row that could not be embedded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Left {
    pub block: u32,
    pub number: u16,
    /// The transaction that wrote it.
    pub version: u32,
    pub sqlstate: String,
    pub message: String,
    pub trouble: Trouble,
}

/// Something that failed and is to be tried again later.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Trouble {
    pub failures: u32,
    /// In PostgreSQL's microseconds.
    pub until: Option<i64>,
}

/// What a process is doing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// When it was started, in PostgreSQL's microseconds: a number of a process may come again.
    pub started: i64,
    pub database: u32,
    pub entries: Vec<Entry>,
}

impl Process {
    /// Whether it is about this database.
    #[allow(unsafe_code)]
    pub fn is_here(&self) -> bool {
        // SAFETY: set when the process connects to its database.
        self.database == unsafe { pg_sys::MyDatabaseId }.to_u32()
    }
}

/// This process's file.
pub struct Board {
    path: PathBuf,
    pub process: Process,
    /// Whether the file is the database's, and stays.
    stays: bool,
}

/// What the names of databases' files begin with.
const DATABASE: &str = "database-";

fn directory() -> PathBuf {
    server::data_directory().join("pg_embed/pgsql_tmp.progress")
}

impl Board {
    /// A file that goes when this is dropped; one that a killed process leaves behind is told by its times.
    pub fn of_process() -> Self {
        remove_leftovers();
        let process = Process::of_this(Vec::new());
        Self { path: directory().join(process.pid.to_string()), process, stays: false }
    }

    /// The file of this process's database, with what the last one has noted there.
    pub fn of_database() -> Self {
        let mut process = Process::of_this(Vec::new());
        let path = directory().join(format!("{DATABASE}{}", process.database));
        let before = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Process>(&bytes).ok());
        process.entries = before.map_or_else(Vec::new, |before| before.entries);
        Self { path, process, stays: true }
    }

    /// Lets the others see it. Work goes on where that fails, as on a full disk: only the view lacks it.
    pub fn show(&self) {
        let new = self.path.with_extension("new");
        let _ = fs::create_dir_all(directory())
            .and_then(|()| Ok(serde_json::to_vec(&self.process)?))
            .and_then(|bytes| fs::write(&new, bytes))
            .and_then(|()| fs::rename(&new, &self.path));
    }
}

impl Process {
    #[allow(unsafe_code)]
    fn of_this(entries: Vec<Entry>) -> Self {
        // SAFETY: set when the process starts, and when it connects to its database.
        unsafe {
            let database = pg_sys::MyDatabaseId.to_u32();
            Self { pid: pg_sys::MyProcPid, started: pg_sys::MyStartTimestamp, database, entries }
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if self.stays && !self.process.entries.is_empty() {
            self.process.pid = 0;
            self.show();
        } else {
            // Where it cannot be removed, it is told by its times.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the files of databases that are not among these.
pub fn remove_databases_but(databases: &[u32]) {
    for file in fs::read_dir(directory()).into_iter().flatten().flatten() {
        let name = file.file_name();
        let database = name.to_str().and_then(|name| name.strip_prefix(DATABASE)).and_then(|name| name.parse().ok());
        if database.is_some_and(|database| !databases.contains(&database)) {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Removes the files of processes that were killed.
fn remove_leftovers() {
    let is_gone = |path: &Path| {
        let pid = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        // SAFETY: a lookup in shared memory; null for a process that is not there.
        #[allow(unsafe_code)]
        pid.is_some_and(|pid| unsafe { pg_sys::BackendPidGetProc(pid) }.is_null())
    };
    for file in fs::read_dir(directory()).into_iter().flatten().flatten() {
        if is_gone(&file.path()) {
            // Another process may be removing it too.
            let _ = fs::remove_file(file.path());
        }
    }
}

/// What all processes show, those that were killed among them.
pub fn all() -> io::Result<Vec<Process>> {
    let files = match fs::read_dir(directory()) {
        Ok(files) => files,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    // A file may go, or be half of a process's first, while they are being read.
    let read = |path: PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
    Ok(files.filter_map(|file| read(file.ok()?.path())).collect())
}

/// Rows a second over the last few seconds.
pub struct Rate {
    since: Instant,
    rows: f64,
}

impl Rate {
    /// Older work counts less and less: after so many seconds, half.
    const HALF: f64 = 5.0;

    pub fn new() -> Self {
        Self { since: Instant::now(), rows: 0.0 }
    }

    /// Takes note of `rows` more, and gives the rate.
    pub fn add(&mut self, rows: usize) -> f64 {
        self.rows += rows as f64;
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        let rate = self.rows / seconds;
        if seconds > 2.0 * Self::HALF {
            // From here on, the first half is forgotten.
            self.rows = rate * Self::HALF;
            self.since = Instant::now() - std::time::Duration::from_secs_f64(Self::HALF);
        }
        rate
    }
}
