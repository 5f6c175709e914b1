//! What processes that fill vectors are doing, for other sessions to see.
//!
//! Each process keeps a small file in the data directory, under a name that base backups leave out. A table would be
//! no place for it: what a transaction writes is seen when it is over, and a standby could not be asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

use crate::backend;

/// What a process is doing about one vector column.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    pub table: u32,
    pub embedding: String,
    /// "counting", "embedding", "waiting".
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

/// This process's file. It goes when this is dropped; one that a killed process leaves behind is told by its times.
pub struct Board {
    path: PathBuf,
    pub process: Process,
}

fn directory() -> PathBuf {
    backend::data_directory().join("pg_embed/pgsql_tmp.progress")
}

impl Board {
    #[allow(unsafe_code)]
    pub fn new() -> Self {
        remove_leftovers();
        // SAFETY: set when the process starts, and when it connects to its database.
        let (pid, started, database) =
            unsafe { (pg_sys::MyProcPid, pg_sys::MyStartTimestamp, pg_sys::MyDatabaseId.to_u32()) };
        Self {
            path: directory().join(pid.to_string()),
            process: Process { pid, started, database, entries: Vec::new() },
        }
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

impl Drop for Board {
    fn drop(&mut self) {
        // Where it cannot be removed, it is told by its times.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the files of processes that were killed.
fn remove_leftovers() {
    let is_gone = |path: &Path| {
        let pid = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        // SAFETY: a lookup in shared memory; null for a process that is not there.
        #[allow(unsafe_code)]
        pid.is_none_or(|pid| unsafe { pg_sys::BackendPidGetProc(pid) }.is_null())
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
