//! What sessions, workers and the launcher tell each other, in shared memory.
//!
//! A commit that leaves rows without vectors asks for its database: of the worker, if one is there, else of the
//! launcher. A worker goes home only when nothing was asked of it in the same moment, so that nothing is asked in vain.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::{PGRXSharedMemory, PgLwLock, pg_guard, pg_shmem_init, pg_sys};

use crate::background::process;
use crate::postgres::guc::MAX_MAX_WORKERS;

/// As many workers can there be.
const PLACES: usize = MAX_MAX_WORKERS as usize;
/// So many databases can be asked for at once; if there are more, all are looked into.
const REQUESTS: usize = 256;
/// So many tables can there be whose pauses are to end; the oldest is forgotten for a further one.
const RESUMED: usize = 64;
/// So many tables can a worker be told of; if there are more, it looks into all that are watched.
const TABLES: usize = 32;

// SAFETY: the name is this extension's.
static SHARED: PgLwLock<Shared> = unsafe { PgLwLock::new(c"pg_embed") };

/// Whether this server has the shared memory at all: set in the postmaster, inherited by all processes.
static PRESENT: AtomicBool = AtomicBool::new(false);

/// A few numbers, or too many to know them all.
#[derive(Clone, Copy)]
struct Numbers<const N: usize> {
    numbers: [u32; N],
    count: usize,
    all: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    All,
    These(Vec<u32>),
}

impl<const N: usize> Numbers<N> {
    const NONE: Self = Self { numbers: [0; N], count: 0, all: false };
    const ALL: Self = Self { all: true, ..Self::NONE };

    fn is_none(&self) -> bool {
        self.count == 0 && !self.all
    }

    fn add(&mut self, number: u32) {
        if self.all || self.numbers[..self.count].contains(&number) {
            return;
        }
        if self.count == N {
            self.all = true;
            return;
        }
        self.numbers[self.count] = number;
        self.count += 1;
    }

    fn take(&mut self) -> Asked {
        let taken = std::mem::replace(self, Self::NONE);
        if taken.all { Asked::All } else { Asked::These(taken.numbers[..taken.count].to_vec()) }
    }
}

/// What a worker leaves behind when it goes home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// Whether anything is watched in its database.
    pub watches: bool,
    /// When there is something to do again, in PostgreSQL's microseconds; `None` when somebody asks for it.
    pub due: Option<i64>,
}

/// A worker's place.
#[derive(Clone, Copy)]
struct Place {
    /// 0 if the place is free.
    database: u32,
    /// 0 while the process is being started.
    pid: i32,
    asked: Numbers<TABLES>,
    farewell: Option<Farewell>,
}

#[derive(Clone, Copy)]
struct Shared {
    launcher: i32,
    /// Databases that the launcher is asked for.
    requests: Numbers<REQUESTS>,
    /// Whether databases are waiting for a place.
    crowded: bool,
    /// Whether no process could be started when one was due.
    out_of_processes: bool,
    /// Databases and tables whose pauses are to end.
    resumed: [(u32, u32); RESUMED],
    places: [Place; PLACES],
}

// SAFETY: plain numbers, without pointers.
unsafe impl PGRXSharedMemory for Shared {}

impl Shared {
    const NEW: Self = Self {
        launcher: 0,
        requests: Numbers::NONE,
        crowded: false,
        out_of_processes: false,
        resumed: [(0, 0); RESUMED],
        places: [Place::FREE; PLACES],
    };
}

impl Place {
    const FREE: Self = Self { database: 0, pid: 0, asked: Numbers::NONE, farewell: None };

    fn is_attended(&self) -> bool {
        self.database != 0 && self.farewell.is_none()
    }
}

/// To be called in the postmaster.
#[allow(unexpected_cfgs, reason = "pg_shmem_init! asks for versions of PostgreSQL that we do not have features for")]
pub fn init() {
    PRESENT.store(true, Ordering::Relaxed);
    pg_shmem_init!(SHARED = Shared::NEW);
}

/// Whether there is a launcher in this server.
pub fn is_present() -> bool {
    PRESENT.load(Ordering::Relaxed)
}

/// Asks for a database: for some of its tables, or, without any, for all that is watched. Can be called while a
/// transaction is being committed.
pub fn ask(database: u32, tables: &[u32]) {
    if !is_present() {
        return;
    }
    let pid = {
        let mut shared = SHARED.exclusive();
        let shared = &mut *shared;
        match shared.places.iter_mut().find(|place| place.database == database && place.is_attended()) {
            Some(place) => {
                if tables.is_empty() {
                    place.asked = Numbers::ALL;
                }
                tables.iter().for_each(|table| place.asked.add(*table));
                place.pid
            }
            None => {
                shared.requests.add(database);
                shared.launcher
            }
        }
    };
    process::set_latch(pid);
}

/// Has the worker of a database try a table again, whatever it waits for; to be followed by [`ask`].
pub fn end_pause(database: u32, table: u32) {
    if is_present() {
        let mut shared = SHARED.exclusive();
        shared.resumed.rotate_right(1);
        shared.resumed[0] = (database, table);
    }
}

/// Whether a process was due and could not be started.
pub fn is_out_of_processes() -> bool {
    SHARED.share().out_of_processes
}

/// Whether databases are waiting for a place: then those who have one do not stay for long.
pub fn is_crowded() -> bool {
    SHARED.share().crowded
}

/// The launcher's process; 0 if there is none.
pub fn launcher() -> i32 {
    SHARED.share().launcher
}

// What the launcher does.

/// Becomes the launcher. Workers of the one before go home when they see that.
pub fn become_launcher() {
    SHARED.exclusive().launcher = process::pid();
}

/// Places that a launcher before this one has reserved.
pub fn taken_places() -> Vec<(usize, u32)> {
    let shared = SHARED.share();
    let taken = shared.places.iter().enumerate().filter(|(_, place)| place.database != 0);
    taken.map(|(number, place)| (number, place.database)).collect()
}

/// The databases that were asked for.
pub fn take_requests() -> Asked {
    SHARED.exclusive().requests.take()
}

/// A place for a worker in a database, if one is free.
pub fn reserve(database: u32) -> Option<usize> {
    let mut shared = SHARED.exclusive();
    let number = shared.places.iter().position(|place| place.database == 0)?;
    // It looks into all that is watched first.
    shared.places[number] = Place { database, asked: Numbers::ALL, ..Place::FREE };
    Some(number)
}

/// The process of the worker at a place, 0 if it has not started yet, and what it has left behind if it has gone home.
pub fn look(place: usize) -> (i32, Option<Farewell>) {
    let shared = SHARED.share();
    (shared.places[place].pid, shared.places[place].farewell)
}

/// Frees a place.
pub fn free(place: usize) {
    SHARED.exclusive().places[place] = Place::FREE;
}

pub fn set_crowded(crowded: bool, out_of_processes: bool) {
    let mut shared = SHARED.exclusive();
    (shared.crowded, shared.out_of_processes) = (crowded, out_of_processes);
}

// What a worker does.

/// Takes the place that was reserved; `false` if it is no longer.
pub fn attend(place: usize, database: u32) -> bool {
    let mut shared = SHARED.exclusive();
    let place = &mut shared.places[place];
    let is_reserved = place.database == database && place.pid == 0;
    if is_reserved {
        place.pid = process::pid();
    }
    is_reserved
}

/// What was asked since the last time.
pub fn take_asked(place: usize) -> Asked {
    SHARED.exclusive().places[place].asked.take()
}

/// The tables of a database whose pauses are to end.
pub fn take_resumed(database: u32) -> Vec<u32> {
    let mut shared = SHARED.exclusive();
    let its = shared.resumed.iter_mut().filter(|(of, _)| *of == database);
    its.map(|resumed| std::mem::take(resumed).1).collect()
}

/// Goes home, unless something was asked meanwhile.
pub fn leave(place: usize, farewell: Farewell) -> bool {
    let launcher = {
        let mut shared = SHARED.exclusive();
        let shared = &mut *shared;
        if !shared.places[place].asked.is_none() {
            return false;
        }
        shared.places[place].farewell = Some(farewell);
        shared.launcher
    };
    process::set_latch(launcher);
    true
}
