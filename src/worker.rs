//! The worker: one process per database that fills the columns that are watched there.
//!
//! The rows are their own queue: a partial index finds those without a vector. So nothing has to be kept in step with
//! them, and nothing is lost with the process. It works as the owner of each table, never as the superuser.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::fill::{self, Choice, Condition, Place, Table};
use crate::progress::{Board, Entry, Rate};
use crate::report::{Report, Result};
use crate::spi::{self, Spi};
use crate::{columns, guc, launcher, process, text};

/// How long to wait for the worker before this one to end. Less than the launcher gives a worker to find something to do.
const SUCCESSION: Duration = Duration::from_millis(500);
/// The first pause after an error; it doubles with each further one, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(300);
/// So many bad rows of a column are remembered; if there are more, the column pauses.
const MOST_BAD_ROWS: usize = 10_000;

/// A worker's process; the argument is the database.
#[pgrx::pg_guard]
// SAFETY: unique in the library.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn embed_worker_main(database: Datum) {
    process::accept_signals();
    // SAFETY: once, at the start. It becomes the owner of a table before it touches one.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(Oid::from(database.value() as u32), Oid::INVALID, 0);
    }
    if is_only_one() {
        Worker { columns: HashMap::new(), board: Board::new(), shown: Instant::now() }.run();
    }
}

/// Second part of the lock's name; those of users' advisory locks have another fourth part.
const LOCK: u32 = u32::from_be_bytes(*b"embd");
const LOCK_KIND: u16 = 3;

/// Takes the lock that the one worker of a database holds while it lives.
fn is_only_one() -> bool {
    let tag = pg_sys::LOCKTAG {
        // SAFETY: reads a variable of this process.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: LOCK,
        locktag_field3: 0,
        locktag_field4: LOCK_KIND,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    };
    // SAFETY: a lock of the session, which goes with the process.
    let lock = || Ok(unsafe { pg_sys::LockAcquire(&tag, pg_sys::ExclusiveLock as i32, true, true) });
    let start = Instant::now();
    loop {
        if let Ok(pg_sys::LockAcquireResult::LOCKACQUIRE_OK) = process::transaction(lock) {
            return true;
        }
        if start.elapsed() > SUCCESSION {
            return false;
        }
        // A worker that is napping sees that it is to end.
        if let Ok(other) = process::transaction(|| spi::connect(lock_holder)) {
            launcher::set_latch(other as i32);
        }
        process::nap(Duration::from_millis(50));
    }
}

/// The process that holds the lock, 0 if there is none.
fn lock_holder(spi: &Spi) -> Result<i64> {
    spi.number(&format!(
        "SELECT l.pid::bigint FROM pg_catalog.pg_locks AS l \
         JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) l.database \
         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND l.locktype OPERATOR(pg_catalog.=) 'advisory' \
         AND l.classid OPERATOR(pg_catalog.=) {LOCK} AND l.objsubid OPERATOR(pg_catalog.=) {LOCK_KIND} AND l.granted"
    ))
}

/// A column that is watched, as `embed_watch()` has noted it.
#[derive(Clone, PartialEq, Eq)]
struct Watched {
    table: Oid,
    /// The table's name for messages.
    name: String,
    choice: Choice,
    vector: Oid,
}

/// What the worker knows of a column.
struct Column {
    watched: Watched,
    entry: Entry,
    rate: Rate,
    trouble: Trouble,
    /// Rows that cannot be embedded, by table (a partition, perhaps) and place.
    bad: HashMap<(Oid, Place), Trouble>,
}

/// Something that failed and is to be tried again later.
#[derive(Default)]
struct Trouble {
    failures: u32,
    until: Option<Instant>,
}

impl Trouble {
    /// Gives how long the pause is now.
    fn grow(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LAST_PAUSE);
        self.failures += 1;
        self.until = Some(Instant::now() + pause);
        pause
    }

    fn is_paused(&self) -> bool {
        self.until.is_some_and(|until| until > Instant::now())
    }

    /// Whether it has not come again when it was due: a row that was bad is gone or mended.
    fn is_long_over(&self) -> bool {
        self.until.is_none_or(|until| until + LAST_PAUSE < Instant::now())
    }
}

struct Worker {
    columns: HashMap<(Oid, Vec<u8>), Column>,
    board: Board,
    shown: Instant,
}

impl Worker {
    /// Works until nothing is watched any more, or the launcher is another one.
    fn run(mut self) {
        let mut trouble = Trouble::default();
        let launcher = launcher::current();
        // A new launcher does not know of this process, and starts another in its place.
        while launcher::current() == launcher {
            match process::transaction(|| spi::connect(watched)) {
                Ok(watched) if watched.is_empty() => return,
                Ok(watched) => {
                    launcher::report_work();
                    trouble = Trouble::default();
                    self.take(watched);
                }
                Err(report) => {
                    report.warn();
                    process::nap(trouble.grow());
                    continue;
                }
            }
            process::report_activity(true);
            let mut more = false;
            for column in self.columns.values_mut() {
                more |= column.attend();
            }
            process::report_activity(false);
            self.show();
            process::nap(if more { Duration::ZERO } else { guc::worker_naptime() });
        }
    }

    /// Begins with what is newly watched, and forgets what no longer is.
    fn take(&mut self, watched: Vec<Watched>) {
        self.columns.retain(|_, column| watched.contains(&column.watched));
        for watched in watched {
            let key = (watched.table, watched.choice.embedding.as_bytes().to_vec());
            self.columns.entry(key).or_insert_with(|| Column::new(watched));
        }
    }

    /// Lets others see it, not more often than they could read.
    fn show(&mut self) {
        if self.shown.elapsed() > Duration::from_millis(200) {
            self.shown = Instant::now();
            self.board.process.entries = self.columns.values().map(|column| column.entry.clone()).collect();
            self.board.show();
        }
    }
}

/// What is watched in this database; nothing if the extension is not there.
fn watched(spi: &Spi) -> Result<Vec<Watched>> {
    let found = spi.execute(
        "SELECT pg_catalog.quote_ident(n.nspname), p.oid \
         FROM pg_catalog.pg_extension AS e \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace \
         JOIN pg_catalog.pg_proc AS p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid \
         WHERE e.extname OPERATOR(pg_catalog.=) 'pg_embed' AND p.proname OPERATOR(pg_catalog.=) 'embed_trigger'",
    )?;
    let (Some(schema), Some(function)) = (found.value(0, 1), found.value(0, 2)) else { return Ok(Vec::new()) };
    // SAFETY: a text and an oid.
    let schema = unsafe { text::utf8(schema) }?;
    let vector = columns::vector_type(Oid::from(function.value() as u32))?;
    let found = spi.execute(&format!(
        "SELECT w.relation::pg_catalog.oid, w.embedding, w.sources, c.relname::pg_catalog.text FROM {schema}.embed_watched AS w \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) w.relation"
    ))?;
    let value = |row, column| found.value(row, column).unwrap_or(Datum::from(0));
    let row = |row| {
        // SAFETY: an oid, a text, a text[] and a text, none of them null.
        let (embedding, sources, name) =
            unsafe { (text::utf8(value(row, 2))?, text::utf8_array(value(row, 3))?, text::utf8(value(row, 4))?) };
        let sources = sources.iter().flatten().map(|name| text::to_server(name)).collect::<Result<_>>()?;
        let choice = Choice { embedding: text::to_server(&embedding)?, sources };
        let table = Oid::from(value(row, 1).value() as u32);
        Ok(Watched { table, name: name.into_owned(), choice, vector })
    };
    (0..found.len()).map(row).collect()
}

impl Column {
    fn new(watched: Watched) -> Self {
        let entry = Entry {
            table: watched.table.to_u32(),
            embedding: watched.choice.embedding.to_string_lossy().into_owned(),
            phase: "idle".to_owned(),
            ..Entry::default()
        };
        Self { watched, entry, rate: Rate::new(), trouble: Trouble::default(), bad: HashMap::new() }
    }

    /// Fills a batch of each table that has rows waiting; gives whether there may be more of them.
    fn attend(&mut self) -> bool {
        if self.trouble.is_paused() {
            return false;
        }
        let limit = guc::worker_batch_size() + self.bad.len();
        let tables = self.as_owner(self.watched.table, |table, spi| table.parts_with_missing(spi, limit));
        let found = tables
            .and_then(|tables| tables.into_iter().try_fold(0, |found, table| Ok(found + self.attend_table(table)?)));
        match found {
            Ok(found) => {
                let more = found >= guc::worker_batch_size();
                self.trouble = Trouble::default();
                (if more { "embedding" } else { "idle" }).clone_into(&mut self.entry.phase);
                more
            }
            Err(report) => {
                self.trouble.grow();
                "paused after an error".clone_into(&mut self.entry.phase);
                self.note(report);
                false
            }
        }
    }

    /// Fills a batch of one table; where that fails because of a row, row by row. Gives how many rows it found.
    fn attend_table(&mut self, table: Oid) -> Result<usize> {
        self.bad.retain(|_, trouble| !trouble.is_long_over());
        let limit = guc::worker_batch_size();
        let skip = self.skip(table);
        match self.fill(table, &skip, limit) {
            Ok(filled) => {
                self.count(filled.filled);
                for &place in &filled.refused {
                    self.leave(table, place, refused());
                }
                Ok(filled.found)
            }
            Err(report) if is_about_a_row(&report) => self.row_by_row(table, &skip, limit),
            Err(report) => Err(report),
        }
    }

    /// The condition that leaves out rows that are not to be tried now.
    fn skip(&self, table: Oid) -> String {
        let bad = self.bad.iter().filter(|((of, _), trouble)| *of == table && trouble.is_paused());
        let places: Vec<_> = bad.map(|((_, (block, number)), _)| format!("\"({block},{number})\"")).collect();
        if places.is_empty() {
            return String::new();
        }
        format!(" AND ctid OPERATOR(pg_catalog.<>) ALL ('{{{}}}'::pg_catalog.tid[])", places.join(","))
    }

    fn fill(&self, table: Oid, condition: &str, limit: usize) -> Result<fill::Filled> {
        self.as_owner(table, |open, spi| {
            let condition = Condition::Anywhere(format!("{}{condition}", open.is_missing()));
            open.fill(spi, &condition, limit, guc::worker_threads())
        })
    }

    fn row_by_row(&mut self, table: Oid, skip: &str, limit: usize) -> Result<usize> {
        let places =
            self.as_owner(table, |open, spi| open.places(spi, &format!("{}{skip}", open.is_missing()), limit))?;
        for (block, number) in &places {
            let row = format!(" AND ctid OPERATOR(pg_catalog.=) '({block},{number})'::pg_catalog.tid");
            match self.fill(table, &row, 1) {
                Ok(filled) if filled.refused.is_empty() => {
                    self.bad.remove(&(table, (*block, *number)));
                    self.count(filled.filled);
                }
                Ok(_) => self.leave(table, (*block, *number), refused()),
                Err(report) if is_about_a_row(&report) && self.bad.len() < MOST_BAD_ROWS => {
                    self.leave(table, (*block, *number), report);
                }
                Err(report) => return Err(report),
            }
        }
        Ok(places.len())
    }

    /// Leaves a row for later.
    fn leave(&mut self, table: Oid, place: Place, report: Report) {
        let (block, number) = place;
        self.bad.entry((table, place)).or_default().grow();
        self.note(report.or_detail(format!("The row at place ({block},{number}) is left for later.")));
    }

    /// Does something in a transaction, with the privileges of the table's owner and no others.
    fn as_owner<T>(&self, table: Oid, body: impl FnOnce(&Table, &Spi) -> Result<T>) -> Result<T> {
        let Watched { choice, vector, .. } = &self.watched;
        let (mut user, mut context) = (Oid::INVALID, 0);
        // SAFETY: writes to both variables.
        unsafe { pg_sys::GetUserIdAndSecContext(&mut user, &mut context) };
        let result = process::transaction(|| {
            spi::connect(|spi| {
                let owner = spi.number(&format!(
                    "SELECT relowner::bigint FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) {table}"
                ))?;
                let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
                // SAFETY: a user that exists. Code of the owner's, such as a trigger, cannot get out of it; nor can a
                // setting that it changes.
                unsafe {
                    pg_sys::SetUserIdAndSecContext(Oid::from(owner as u32), context | restricted as i32);
                    let settings = pg_sys::NewGUCNestLevel();
                    // At the end of the transaction they would be refused.
                    spi.execute("SET CONSTRAINTS ALL IMMEDIATE")?;
                    let result = body(&Table::open(table, choice, *vector)?, spi)?;
                    pg_sys::AtEOXact_GUC(false, settings);
                    Ok(result)
                }
            })
        });
        // SAFETY: as they were. Not before the end of the transaction, which may run deferred triggers.
        unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
        result
    }

    fn count(&mut self, rows: usize) {
        self.entry.done += rows as i64;
        self.entry.rate = Some(self.rate.add(rows));
    }

    /// Keeps an error for `embed_status`, and writes it to the server's log.
    fn note(&mut self, report: Report) {
        self.entry.error = Some(report.to_line());
        // SAFETY: reads the clock.
        self.entry.error_at = Some(unsafe { pg_sys::GetCurrentTimestamp() });
        report
            .wrapped(format!(
                "could not embed rows of column \"{}\" of table \"{}\"",
                self.entry.embedding, self.watched.name
            ))
            .warn();
    }
}

fn refused() -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION, "a trigger keeps the vector from being stored")
}

/// Whether it is the fault of a row rather than of the table or the server: of data (22), a constraint (23), a trigger
/// (27, P0), a check option (44), a limit (54).
fn is_about_a_row(report: &Report) -> bool {
    matches!(report.class().as_str(), "22" | "23" | "27" | "44" | "54" | "P0")
}
