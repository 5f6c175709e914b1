//! A worker: a process that fills the columns that are watched in its database, and goes home when nothing waits.
#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use pgrx::pg_sys::{self, Datum, Oid};

use crate::background::column::{Column, Watched};
use crate::background::process;
use crate::background::shared::{self, Asked, Farewell};
use crate::background::trouble::{self, Trouble};
use crate::postgres::catalog::{self, Relation};
use crate::postgres::identity;
use crate::postgres::progress::{Board, Entry};
use crate::postgres::report::Result;
use crate::postgres::transaction::transaction;
use crate::table::trigger;

/// How long a worker stays when nothing waits. Less than the five seconds for which DROP DATABASE and others wait until
/// nobody is connected; longer than it takes an application to send its next row.
const LINGER: Duration = Duration::from_secs(2);
/// How long a worker may go on while other databases wait for a place.
const TURN: Duration = Duration::from_secs(2);
/// How often others are shown what it does.
const SHOW: Duration = Duration::from_millis(200);

/// A worker's process; the argument is its place and its database.
#[pgrx::pg_guard]
// SAFETY: unique in the library.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn embed_worker_main(argument: Datum) {
    let (place, database) = (argument.value() & 0xff, (argument.value() >> 8) as u32);
    process::accept_signals();
    // SAFETY: once, at the start. It becomes the owner of a table before it looks at one.
    unsafe { pg_sys::BackgroundWorkerInitializeConnectionByOid(Oid::from(database), Oid::INVALID, 0) };
    identity::override_settings();
    if shared::attend(place, database) {
        Worker::new(place, database).run();
    }
}

struct Worker {
    place: usize,
    database: u32,
    columns: Vec<Column>,
    /// What was noted of columns before.
    noted: Vec<Entry>,
    /// Whether anything is watched here, be it paused.
    watches: bool,
    board: Board,
    shown: Instant,
    trouble: Trouble,
}

impl Worker {
    fn new(place: usize, database: u32) -> Self {
        let mut board = Board::of_database();
        let noted = std::mem::take(&mut board.process.entries);
        Self {
            place,
            database,
            columns: Vec::new(),
            noted,
            watches: false,
            board,
            shown: Instant::now(),
            trouble: Trouble::default(),
        }
    }

    fn run(mut self) {
        let launcher = shared::launcher();
        let (begun, mut busy, mut was_ready) = (Instant::now(), Instant::now(), false);
        // A new launcher does not know of this process, and starts another in its place.
        while shared::launcher() == launcher {
            self.take_asked();
            let ready = self.columns.iter().any(Column::is_ready);
            if ready {
                process::report_activity(true);
                self.columns.iter_mut().filter(|column| column.is_ready()).for_each(Column::begin);
                self.show(!was_ready);
                self.attend();
                process::report_activity(false);
                busy = Instant::now();
            }
            was_ready = self.columns.iter().any(Column::is_ready);
            self.show(ready && !was_ready);
            let is_turn_over = begun.elapsed() > TURN && shared::is_crowded();
            let rest = self.rest(busy);
            if (rest.is_none() || is_turn_over) && shared::leave(self.place, self.farewell()) {
                break;
            }
            process::nap(rest.unwrap_or(Duration::ZERO));
        }
        self.show(true);
    }

    /// How long there is nothing to do; `None` if that is so long that it is not worth while to stay.
    fn rest(&self, busy: Instant) -> Option<Duration> {
        if self.columns.iter().any(Column::is_ready) {
            return Some(Duration::ZERO);
        }
        // At its very beginning it has had nothing to do yet, and does not stay for it.
        let linger = if self.columns.iter().all(|column| column.entry.done == 0) { Duration::ZERO } else { LINGER };
        let next = self.columns.iter().filter_map(Column::next).min().map(trouble::until);
        match (linger.checked_sub(busy.elapsed()), next) {
            (Some(rest), Some(next)) => Some(rest.min(next)),
            (Some(rest), None) => Some(rest),
            (None, Some(next)) if next < LINGER => Some(next),
            (None, _) => None,
        }
    }

    fn farewell(&self) -> Farewell {
        let due = self.columns.iter().filter_map(Column::next).chain(self.trouble.until).min();
        // Not earlier than now: who goes because others wait comes after them.
        Farewell { watches: self.watches, due: due.map(|due| due.max(trouble::now())) }
    }

    /// Takes note of what others ask for.
    fn take_asked(&mut self) {
        match shared::take_asked(self.place) {
            Asked::All => {
                self.look_around();
                let resumed = shared::take_resumed(self.database);
                let is_meant = |column: &&mut Column| resumed.contains(&column.watched().whole.to_u32());
                self.columns.iter_mut().filter(is_meant).for_each(Column::end_pause);
            }
            Asked::These(tables) => {
                let is_known = |table: &u32| self.columns.iter().any(|column| column.table().to_u32() == *table);
                if !tables.iter().all(is_known) {
                    self.look_around();
                }
                let asked = |column: &&mut Column| tables.contains(&column.table().to_u32());
                self.columns.iter_mut().filter(asked).for_each(Column::ask);
            }
        }
        self.columns.iter_mut().for_each(Column::look);
    }

    /// Sees what is watched, and has all of it looked through.
    fn look_around(&mut self) {
        match transaction(watched) {
            Ok((watched, watches)) => {
                self.watches = watches;
                self.trouble = Trouble::default();
                self.columns.retain(|column| watched.contains(column.watched()));
                for watched in watched {
                    match self.columns.iter_mut().find(|column| *column.watched() == watched) {
                        Some(column) => column.ask(),
                        None => self.add(watched),
                    }
                }
            }
            Err(report) => {
                self.watches = true;
                self.trouble.grow();
                report.log();
            }
        }
    }

    fn add(&mut self, watched: Watched) {
        let table = watched.trigger.table.to_u32();
        let column = Column::new(watched, None);
        let noted =
            self.noted.iter().position(|entry| entry.table == table && entry.embedding == column.entry.embedding);
        let noted = noted.map(|place| self.noted.swap_remove(place));
        self.columns.push(if noted.is_some() { Column::new(column.watched().clone(), noted) } else { column });
    }

    /// Fills a batch of each column where rows wait.
    fn attend(&mut self) {
        let mut changed = false;
        for column in self.columns.iter_mut().filter(|column| column.is_ready()) {
            changed |= !column.attend();
        }
        if changed {
            self.look_around();
        }
    }

    /// Lets others see it, not more often than they could read.
    fn show(&mut self, at_once: bool) {
        if at_once || self.shown.elapsed() > SHOW {
            self.shown = Instant::now();
            self.board.process.entries = self.columns.iter().map(Column::entry).collect();
            if !self.columns.is_empty() {
                self.board.show();
            }
        }
    }
}

/// What is watched in this database, and whether anything is that has to wait, such as a table whose trigger is
/// disabled. The trigger is the one record of it.
fn watched() -> Result<(Vec<Watched>, bool)> {
    let Some(extension) = catalog::extension() else { return Ok((Vec::new(), false)) };
    let Some(embed_text) = catalog::member(extension, c"embed_text") else { return Ok((Vec::new(), false)) };
    // SAFETY: a lookup of a function that is there.
    let vector = unsafe { pg_sys::get_func_rettype(embed_text) };
    let triggers = trigger::all(extension, trigger::MARK);
    let watches = !triggers.is_empty();
    let mut found = Vec::new();
    for trigger in triggers {
        let is_served = Relation::find(trigger.table)
            .is_some_and(|table| table.is_table() && table.persistence != pg_sys::RELPERSISTENCE_TEMP);
        if let Some(choice) = trigger::choice(&trigger)
            && is_served
            && trigger.enabled != b'D'
        {
            let whole = trigger.made_for().unwrap_or(trigger.table);
            found.push(Watched { trigger, choice, whole, vector });
        }
    }
    // A partition may be watched by itself too, perhaps for other sources: the whole decides.
    let is_overruled = |one: &Watched| found.iter().any(|other| other.overrules(one));
    let found = found.iter().filter(|one| !is_overruled(one)).cloned().collect();
    Ok((found, watches))
}
