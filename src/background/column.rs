//! One watched column of one table, a partition perhaps: the rows that wait, and those that were left.
//!
//! The rows are their own queue: a partial index finds those without a vector. So nothing has to be kept in step with
//! them, and nothing is lost with the process. All that concerns the table is done as its owner.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::time::Duration;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

use crate::background::trouble::{self, Trouble};
use crate::postgres::catalog::{self, Relation, Trigger};
use crate::postgres::encoding;
use crate::postgres::guc;
use crate::postgres::identity::Identity;
use crate::postgres::progress::{Entry, Left, Rate, phase};
use crate::postgres::report::{Report, Result};
use crate::postgres::transaction::transaction;
use crate::table::access::{self, Shape, Table};
use crate::table::columns::{Choice, table_name};
use crate::table::read::{Limit, Page, Place};
use crate::table::store::{Embedded, Outcome};
use crate::table::trigger;

/// How long to wait until a lock is asked for again, at first and at most. Who holds it is connected to the database
/// as well, so that the worker who stays for it keeps nobody from dropping that.
const LOCK_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// A table of more blocks than this is not read as a whole, over and over, in search of rows that wait.
const SMALL: u32 = 1024;
/// So many tokens are embedded together: a second or two, for which other columns have to wait.
const TOKENS: usize = 8192;
/// So many rows that were left are remembered; if there are more, the column pauses.
const MOST_LEFT: usize = 100_000;
/// Of so many rows is written down why they were left.
const MOST_NOTED: usize = 1000;
/// So many rows that fail in a row, all for want of something that the server has not, are the server's trouble.
const SERVER_TROUBLE: usize = 3;

/// A column that is watched, as its trigger says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pub trigger: Trigger,
    pub choice: Choice,
    /// The table for which the trigger was made: that itself, or one of which it is a part.
    pub whole: Oid,
    /// pgvector's type.
    pub vector: Oid,
}

impl Watched {
    /// Whether another is the same column of the same table, and watched as a part of a whole.
    pub fn overrules(&self, other: &Self) -> bool {
        overrules(&self.trigger, &other.trigger)
    }
}

/// Whether a trigger is for the same column of the same table as another, and was made for a whole of which that is a part.
fn overrules(one: &Trigger, other: &Trigger) -> bool {
    let is_same_column = one.table == other.table && trigger::vector_column(one) == trigger::vector_column(other);
    let mark = trigger::marks(one.function) && trigger::marks(other.function);
    is_same_column && mark && one.is_inherited() && !other.is_inherited()
}

/// A row that was left, by place and version.
type Version = (Place, u32);

/// What the worker knows of a column.
pub struct Column {
    watched: Watched,
    pub entry: Entry,
    rate: Rate,
    /// The column as a whole: an error, or a lock that others hold.
    trouble: Trouble,
    left: HashMap<Version, Left>,
    /// Whether there may be rows that wait.
    pub is_due: bool,
}

/// What reading has found.
enum Found {
    /// The table or its trigger is gone, or is another one now.
    Changed,
    Locked,
    Rows(Page, Shape),
}

impl Column {
    /// With what the worker before this one has noted.
    pub fn new(watched: Watched, noted: Option<Entry>) -> Self {
        let table = watched.trigger.table.to_u32();
        let embedding = encoding::to_utf8_lossy(&watched.choice.embedding);
        let mut entry = noted.unwrap_or_else(|| Entry { table, embedding, ..Entry::default() });
        phase::IDLE.clone_into(&mut entry.phase);
        (entry.done, entry.rate) = (0, None);
        let left = std::mem::take(&mut entry.left);
        let left = left.into_iter().map(|left| (((left.block, left.number), left.version), left)).collect();
        Self { watched, trouble: entry.trouble, entry, rate: Rate::new(), left, is_due: true }
    }

    pub fn table(&self) -> Oid {
        self.watched.trigger.table
    }

    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// When there is something to do again, if nobody asks for it.
    pub fn next(&self) -> Option<i64> {
        if self.is_due {
            return Some(self.trouble.until.unwrap_or(0));
        }
        self.left.values().filter_map(|left| left.trouble.until).min()
    }

    /// Somebody has left rows. A lock that was waited for may be gone, too; after an error, the pause goes on.
    pub fn ask(&mut self) {
        self.is_due = true;
        if self.entry.is_locked() {
            self.trouble = Trouble::default();
        }
    }

    /// Somebody says that what was in the way is mended.
    pub fn end_pause(&mut self) {
        self.is_due = true;
        self.trouble = Trouble::default();
        self.left.clear();
    }

    /// Sees whether the time has come for what was left.
    pub fn look(&mut self) {
        let now = trouble::now();
        self.is_due |= self.left.values().any(|left| left.trouble.until.is_some_and(|until| until <= now));
    }

    pub fn is_ready(&self) -> bool {
        self.is_due && !self.trouble.is_paused()
    }

    /// Is about to be attended.
    pub fn begin(&mut self) {
        phase::EMBEDDING.clone_into(&mut self.entry.phase);
    }

    /// Fills a batch; `false` if the column is no longer watched as it was.
    pub fn attend(&mut self) -> bool {
        let result = self.read().and_then(|found| match found {
            Found::Changed => Ok(false),
            Found::Locked => {
                self.wait_for_lock();
                Ok(true)
            }
            Found::Rows(page, shape) => self.fill(page, &shape).map(|()| true),
        });
        result.unwrap_or_else(|report| {
            if report.is(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE) {
                // Names changed, and have settled by now.
                self.wait_for_lock();
            } else {
                self.pause(report);
            }
            true
        })
    }

    /// What is shown to others.
    pub fn entry(&self) -> Entry {
        let left = self.left.values().take(MOST_NOTED).cloned().collect();
        Entry { trouble: self.trouble, left, left_count: self.left.len() as i64, ..self.entry.clone() }
    }

    fn read(&self) -> Result<Found> {
        transaction(|| {
            // The lock that storing takes: where that cannot be had, there is no use in embedding.
            let relation = match access::try_lock(self.table(), pg_sys::RowExclusiveLock) {
                Ok(Some(relation)) => relation,
                Ok(None) => return Ok(Found::Locked),
                Err(report) if access::is_gone(&report) => return Ok(Found::Changed),
                Err(report) => return Err(report),
            };
            if !self.is_still_watched() || !relation.is_table() {
                return Ok(Found::Changed);
            }
            let _identity = Identity::of(relation.owner);
            let table = self.open(relation)?;
            let reader = table.reader_by_index()?;
            if !reader.uses_index() && table.blocks() > SMALL {
                return Err(no_index(&table, &self.entry.embedding));
            }
            let skip = |place, version| self.left.get(&(place, version)).is_some_and(|left| left.trouble.is_paused());
            let limit = Limit { rows: guc::worker_batch_size(), tokens: TOKENS };
            let page = table.read(&reader, limit, skip)?;
            Ok(Found::Rows(page, table.shape()))
        })
    }

    /// Whether the trigger is what it was, and still the one that decides: since it was read, the table may have become a
    /// partition of one that is watched. To be asked while the table is locked.
    fn is_still_watched(&self) -> bool {
        let trigger = &self.watched.trigger;
        let all = catalog::triggers_on(trigger.table);
        all.contains(trigger) && !all.iter().any(|other| overrules(other, trigger))
    }

    fn open(&self, relation: Relation) -> Result<Table> {
        refuse_another_owner(&self.watched, &relation)?;
        access::refuse_row_security(&relation)?;
        Table::open_to_write(relation, &self.watched.choice, self.watched.vector)
    }

    /// Embeds what was read, and stores it.
    fn fill(&mut self, page: Page, shape: &Shape) -> Result<()> {
        let (full, found) = (page.full_at.is_some(), page.rows.len());
        for (version, report) in page.refused {
            self.leave(version, report);
        }
        let (mut filled, mut changed, mut troubled) = (0, 0, Vec::new());
        let mut embedded = Embedded::compute(page.model, page.rows, guc::worker_threads())?;
        while !embedded.is_done() {
            let Some(outcomes) = self.store(&mut embedded, shape)? else {
                changed += embedded.give_up();
                break;
            };
            for (version, outcome) in outcomes {
                match outcome {
                    Outcome::Stored(_) => {
                        filled += 1;
                        self.left.remove(&version);
                    }
                    Outcome::Changed => changed += 1,
                    Outcome::Failed(report) if report.is_server_trouble() => troubled.push((version, report)),
                    Outcome::Failed(report) => self.leave(version, report),
                }
            }
        }
        self.entry.done += filled as i64;
        self.entry.rate = Some(self.rate.add(filled));
        self.conclude(full, found, filled, changed, troubled)
    }

    /// Stores some; `None` if the table is locked, or is not what it was.
    fn store(&self, embedded: &mut Embedded, shape: &Shape) -> Result<Option<Vec<(Version, Outcome)>>> {
        transaction(|| {
            let Some(relation) = access::try_lock(self.table(), pg_sys::RowExclusiveLock)? else { return Ok(None) };
            if !self.is_still_watched() {
                return Ok(None);
            }
            let _identity = Identity::of(relation.owner);
            let table = self.open(relation)?;
            if table.shape() != *shape {
                return Ok(None);
            }
            let outcomes = embedded.store_some(&table)?;
            Ok(Some(outcomes.into_iter().map(|(row, outcome)| ((row.place, row.version), outcome)).collect()))
        })
    }

    /// Decides what is next.
    fn conclude(
        &mut self,
        full: bool,
        found: usize,
        filled: usize,
        changed: usize,
        mut troubled: Vec<(Version, Report)>,
    ) -> Result<()> {
        if troubled.len() >= SERVER_TROUBLE
            && troubled.len() == found
            && let Some((_, report)) = troubled.pop()
        {
            return Err(report);
        }
        for (version, report) in troubled {
            self.leave(version, report);
        }
        self.left.retain(|_, left| !left.trouble.is_long_over());
        if self.left.len() > MOST_LEFT {
            let message = format!("more than {MOST_LEFT} rows cannot be embedded");
            return Err(Report::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message));
        }
        self.is_due = full || changed > 0;
        if changed > 0 && filled == 0 {
            // Whoever holds the rows may end without a word.
            self.wait_for_lock();
        } else {
            self.trouble = Trouble::default();
            (if self.is_due { phase::EMBEDDING } else { phase::IDLE }).clone_into(&mut self.entry.phase);
        }
        Ok(())
    }

    fn wait_for_lock(&mut self) {
        phase::WAITING_FOR_LOCK.clone_into(&mut self.entry.phase);
        self.trouble.grow_up_to(LOCK_PAUSES.0, LOCK_PAUSES.1);
    }

    /// The column as a whole is tried again later.
    fn pause(&mut self, report: Report) {
        phase::PAUSED.clone_into(&mut self.entry.phase);
        self.trouble.grow();
        self.note(report, true);
    }

    /// A row is tried again later.
    fn leave(&mut self, version: Version, report: Report) {
        let ((block, number), xmin) = version;
        let is_first = self.left.len() < MOST_NOTED && !self.left.contains_key(&version);
        let left = self.left.entry(version).or_insert_with(|| Left {
            block,
            number,
            version: xmin,
            sqlstate: String::new(),
            message: String::new(),
            trouble: Trouble::default(),
        });
        left.trouble.grow();
        left.sqlstate = report.sqlstate();
        report.message().clone_into(&mut left.message);
        self.note(report.or_detail(format!("The row at place ({block},{number}) is left for later.")), is_first);
    }

    /// Keeps an error for `embed_status`, and writes it to the server's log.
    fn note(&mut self, report: Report, is_news: bool) {
        self.entry.error = Some(report.to_line());
        self.entry.error_at = Some(trouble::now());
        if is_news {
            // Without a transaction there are no names.
            let name = transaction(|| Ok(table_name(self.table()))).unwrap_or_default();
            report
                .wrapped(format!("could not embed rows of column \"{}\" of table \"{name}\"", self.entry.embedding))
                .log();
        }
    }
}

/// A partition is done as its owner, and the triggers of the whole are fired: so both have to be the same.
fn refuse_another_owner(watched: &Watched, part: &Relation) -> Result<()> {
    if Relation::find(watched.whole).is_some_and(|whole| whole.owner == part.owner) {
        return Ok(());
    }
    let message = format!("partition \"{}\" has another owner than the table that is watched", table_name(part.oid));
    Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
        .detail("Triggers of the table would run in the name of the partition's owner.")
        .hint("ALTER TABLE ... OWNER TO the same role, or embed_backfill as a role that may write both."))
}

fn no_index(table: &Table, embedding: &str) -> Report {
    let message = format!("table {} has no index for rows whose \"{embedding}\" is missing", table.name());
    Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail("To find them, the whole table would have to be read again and again.")
        .hint("Call embed_watch() again: it makes the index.")
}
