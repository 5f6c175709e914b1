//! In which state a column is that embeds itself, as `embed_status` says it.
#![allow(unsafe_code)]

use pgrx::pg_sys;

use crate::background::shared;
use crate::postgres::progress::Entry;
use crate::postgres::report::Result;
use crate::postgres::{catalog, encoding};
use crate::table::status::{Column, Counted, Mode};

/// A word for it, why it is so, and when something is tried again, in PostgreSQL's microseconds.
pub struct State {
    pub name: &'static str,
    pub reason: Option<String>,
    pub next_try: Option<i64>,
}

const ROWS_LEFT: &str = "rows left";

impl State {
    /// Whether it is single rows that are in the way, each for a reason of its own.
    pub fn is_of_rows(&self) -> bool {
        self.name == ROWS_LEFT
    }

    fn new(name: &'static str) -> Self {
        Self { name, reason: None, next_try: None }
    }

    /// From what was counted, and from what processes have noted; `alive` are those of them that are there.
    pub fn of(column: &Column, counted: &Result<Counted>, noted: &[&Entry], alive: &[&Entry]) -> Self {
        if let Some(trigger) = column.trigger.as_ref().filter(|trigger| trigger.is_disabled()) {
            let reason = format!("trigger \"{}\" is disabled", encoding::to_utf8_lossy(&trigger.name));
            return Self { reason: Some(reason), ..Self::new("disabled") };
        }
        if column.mode == Mode::Watch && catalog::shards(column.table).is_some() {
            let reason =
                "Citus keeps its rows in shards, which are not watched: embed_unwatch(), and run_command_on_shards()";
            return Self { reason: Some(reason.to_owned()), ..Self::new("not served") };
        }
        let missing = counted.as_ref().ok().map(|counted| counted.missing);
        match (column.mode, missing) {
            (Mode::Unwatched, _) => Self::new("not watched"),
            (_, Some(0)) => Self::new("complete"),
            _ if alive.iter().any(|entry| entry.is_at_work()) => Self::new("embedding"),
            (Mode::Watch, _) => Self::of_watched(missing, noted),
            (_, Some(_)) => Self::new("incomplete"),
            (_, None) => Self::new("unknown"),
        }
    }

    /// Of a watched column where rows wait, or where that could not be seen.
    fn of_watched(missing: Option<i64>, noted: &[&Entry]) -> Self {
        if let Some(reason) = hindrance() {
            return Self { reason: Some(reason.to_owned()), ..Self::new("not served") };
        }
        let paused = noted.iter().filter(|entry| entry.trouble.is_paused()).max_by_key(|entry| entry.trouble.until);
        if let Some(entry) = paused {
            let name = if entry.is_locked() { "waiting for a lock" } else { "paused" };
            return Self { next_try: entry.trouble.until, ..Self::new(name) };
        }
        let count = noted.iter().map(|entry| entry.left_count).sum::<i64>();
        match missing {
            Some(missing) if count >= missing => {
                let left = noted.iter().flat_map(|entry| &entry.left);
                let next_try = left.filter_map(|left| left.trouble.until).min();
                let rows = if count == 1 { "row is" } else { "rows are" };
                let reason = Some(format!("{count} {rows} left for later: see embed_failures()"));
                Self { reason, next_try, ..Self::new(ROWS_LEFT) }
            }
            Some(_) => Self::new("waiting"),
            None => Self::new("unknown"),
        }
    }
}

/// Why no worker serves this database, if so.
fn hindrance() -> Option<&'static str> {
    // SAFETY: asks for the state of the server.
    if unsafe { pg_sys::RecoveryInProgress() } {
        Some("the server is a standby: the worker begins when it is promoted")
    } else if !shared::is_present() {
        Some("pg_embed is not in shared_preload_libraries")
    } else if shared::launcher() == 0 {
        Some("the launcher does not run: look into the server's log, and raise max_worker_processes if it says so")
    } else if shared::is_out_of_processes() {
        Some("no background worker can be started: raise max_worker_processes")
    } else {
        None
    }
}
