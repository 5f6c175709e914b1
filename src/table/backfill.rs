//! `embed_backfill()`: gives the rows of a table their vectors, batch by batch.
//!
//! A table is gone through by place, so that it needs no key and no index. A batch is read in one transaction, embedded
//! while none holds anything, and stored in others that are short; a row that was changed or locked meanwhile is left,
//! and looked for again later. Killed at any moment, it has lost one batch.
#![allow(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

use crate::postgres::arguments::Call;
use crate::postgres::catalog::Relation;
use crate::postgres::encoding;
use crate::postgres::guc;
use crate::postgres::interrupt;
use crate::postgres::memory::Scratch;
use crate::postgres::progress::{Board, Entry, Rate, phase};
use crate::postgres::report::{Report, Result};
use crate::postgres::spi;
use crate::table::access::{self, Members, Shape, Table, Task};
use crate::table::columns::{Choice, table_name};
use crate::table::read::{Limit, Page, Place, in_range};
use crate::table::store::{Embedded, Outcome};

/// Blocks whose rows are counted in one transaction: 32 MB.
const REGION: u32 = 4096;
/// How often a table is gone through: rows that were locked are locked for ever, if still so the third time.
const PASSES: usize = 3;
/// How long to wait for locks to go, before the table is gone through again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a line is sent to the client.
const NOTICE: Duration = Duration::from_secs(5);
/// How many rows that were refused are named in the end.
const NAMED: usize = 3;
/// How many rows are remembered by their places; if there are more, some may be tried again.
const REMEMBERED: usize = 1_000_000;

/// What is asked for.
pub struct Job {
    pub target: Oid,
    pub choice: Choice,
    /// pgvector's type.
    pub vector: Oid,
    pub batch_size: usize,
    pub threads: usize,
    pub only_missing: bool,
}

/// Does it.
///
/// # Errors
/// 2D000 where it may not commit; 25006 where it may not write; what is wrong with the table; an interrupt.
pub fn backfill(call: Call, job: Job) -> Result<()> {
    if call.is_atomic() {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_TERMINATION,
            "backfill cannot run inside a transaction block",
        )
        .detail("It commits each batch of rows.")
        .hint(
            "CALL it on its own: outside BEGIN ... COMMIT, functions, blocks with an EXCEPTION clause, and procedures that \
             are SECURITY DEFINER or have a SET clause.",
        ));
    }
    spi::refuse_read_only(c"embed_backfill()")?;
    Run::new(job).run()
}

/// Consecutive blocks of a table, with rows in them that await their vectors.
struct Region {
    table: Oid,
    first: u32,
    end: u32,
    rows: i64,
}

/// A backfill on its way.
struct Run {
    job: Job,
    board: Board,
    rate: Rate,
    begun: Instant,
    noticed: Instant,
    truncated: usize,
    /// Whether rows that have vectors are to get new ones, in the present pass.
    all: bool,
    /// Rows that need not be looked at again: those that were refused, and, as far as all rows are to be embedded,
    /// those that we wrote and that may lie ahead of us now.
    done: HashSet<(Oid, Place)>,
    /// Where the tables ended when they were counted: rows that we wrote behind it are not met again.
    ends: HashMap<Oid, u32>,
    /// Rows with vectors that are to get new ones, and were locked.
    locked: Vec<(Oid, Place)>,
    refused: usize,
    /// The first of the refused rows.
    named: Vec<(Oid, Place, Report)>,
}

impl Run {
    fn new(job: Job) -> Self {
        let mut board = Board::of_process();
        board.process.entries.push(Entry {
            table: job.target.to_u32(),
            embedding: encoding::to_utf8_lossy(&job.choice.embedding),
            phase: phase::COUNTING.to_owned(),
            ..Entry::default()
        });
        let now = Instant::now();
        Self {
            all: !job.only_missing,
            job,
            board,
            rate: Rate::new(),
            begun: now,
            noticed: now,
            truncated: 0,
            done: HashSet::new(),
            ends: HashMap::new(),
            locked: Vec::new(),
            refused: 0,
            named: Vec::new(),
        }
    }

    fn run(mut self) -> Result<()> {
        self.board.show();
        self.announce()?;
        let mut regions = self.survey()?;
        self.entry().total = Some(regions.iter().map(|region| region.rows).sum());
        for pass in 0..PASSES {
            if regions.is_empty() && self.locked.is_empty() {
                break;
            }
            if pass > 0 {
                self.show(phase::WAITING);
                wait(PATIENCE);
            }
            self.rate = Rate::new();
            self.fill_locked()?;
            for region in &regions {
                self.fill(region)?;
            }
            // Rows that others wrote meanwhile are theirs, unless they lack their vectors.
            self.all = false;
            regions = self.survey()?;
        }
        // What the caller does next is no concern of ours.
        spi::connect_to_commit(|spi| spi.commit(true))?;
        self.conclude(regions.iter().map(|region| region.rows).sum())
    }

    fn entry(&mut self) -> &mut Entry {
        &mut self.board.process.entries[0]
    }

    fn show(&mut self, phase: &str) {
        phase.clone_into(&mut self.entry().phase);
        self.board.show();
    }

    /// Says what is left out, and what is wrong with the columns or the model also where there are no rows.
    fn announce(&mut self) -> Result<()> {
        let members = self.transaction(|run| {
            run.job.choice.model.check()?;
            let relation = access::lock(run.job.target, pg_sys::AccessShareLock)?;
            access::refuse_sharded(&relation, &run.job.choice, Task::Fill)?;
            let members = run.members(&relation)?;
            let _identity = access::as_writer(&relation)?;
            Table::open_to_write(relation, &run.job.choice, run.job.vector)?;
            Ok(members)
        })?;
        members.notice_left_out("embed_backfill")
    }

    /// Whoever acts as itself does so in all parts, as with an UPDATE; who acts as the owner, in the owner's alone.
    fn members(&self, relation: &Relation) -> Result<Members> {
        let members = Members::of(relation.oid, true)?;
        Ok(if access::is_owner(relation) { members.of_one_owner(relation) } else { members })
    }

    /// Where there are rows to be done. Each region is counted in a transaction of its own.
    fn survey(&mut self) -> Result<Vec<Region>> {
        self.show(phase::COUNTING);
        let mut regions = Vec::new();
        let members = self.transaction(|run| run.members(&access::find(run.job.target)?))?;
        for table in members.tables {
            let mut first = 0;
            while let Some(region) = self.in_table(table, |run, open| run.count(open, first))?.flatten() {
                first = region.end;
                self.ends.insert(table, first);
                if region.rows > 0 {
                    regions.push(region);
                }
            }
        }
        Ok(regions)
    }

    /// Does something in a transaction of its own.
    fn transaction<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        interrupt::check();
        spi::connect_to_commit(|spi| {
            let result = body(self)?;
            spi.commit(false)?;
            Ok(result)
        })
    }

    /// The same with one of the tables; `None` if it was dropped meanwhile.
    fn in_table<T>(&mut self, table: Oid, body: impl FnOnce(&mut Self, &Table) -> Result<T>) -> Result<Option<T>> {
        self.transaction(|run| {
            let relation = match access::lock(table, pg_sys::RowExclusiveLock) {
                Err(report) if access::is_gone(&report) && table != run.job.target => return Ok(None),
                locked => locked?,
            };
            let _memory = Scratch::new();
            let _identity = access::as_writer(&relation)?;
            let open = Table::open_to_write(relation, &run.job.choice, run.job.vector)?;
            body(run, &open).map(Some)
        })
    }

    fn limit(&self) -> Limit {
        Limit { rows: self.job.batch_size, tokens: usize::MAX }
    }

    fn condition(&self, table: &Table) -> String {
        if self.all { table.is_concerned() } else { table.is_missing() }
    }

    /// Counts what is to be done in the region that begins at block `first`; `None` at the end of the table.
    fn count(&self, table: &Table, first: u32) -> Result<Option<Region>> {
        let blocks = table.blocks();
        if first >= blocks {
            return Ok(None);
        }
        let end = blocks.min(first.saturating_add(REGION));
        let condition = format!("{} AND {}", in_range((first, 0), end), self.condition(table));
        let mut rows = table.count_by_place(&condition)?;
        let is_here = |(of, (block, _)): &&(Oid, Place)| *of == table.relation.oid && (first..end).contains(block);
        if !self.all {
            // Rows that were refused still lack their vectors.
            rows -= self.done.iter().filter(is_here).count() as i64;
        }
        Ok(Some(Region { table: table.relation.oid, first, end, rows }))
    }

    /// Gives the rows of a region their vectors.
    fn fill(&mut self, region: &Region) -> Result<()> {
        let mut after = (region.first, 0);
        loop {
            let read = self.in_table(region.table, |run, table| {
                let condition = format!("{} AND {}", in_range(after, region.end), run.condition(table));
                let skip = |place, _| run.done.contains(&(region.table, place));
                let page = table.read(&table.reader_by_place(&condition)?, run.limit(), skip)?;
                Ok((page, table.shape()))
            })?;
            let Some((page, shape)) = read else { return Ok(()) };
            let full_at = page.full_at;
            self.store(region.table, page, &shape)?;
            match full_at {
                Some(place) => after = place,
                None => return Ok(()),
            }
        }
    }

    /// Tries those rows again that were locked and have vectors: nothing else would find them.
    fn fill_locked(&mut self) -> Result<()> {
        let locked = std::mem::take(&mut self.locked);
        let before = std::mem::replace(&mut self.all, true);
        let size = self.job.batch_size;
        for rows in locked.chunk_by(|(one, _), (other, _)| one == other).flat_map(|rows| rows.chunks(size)) {
            let table = rows[0].0;
            let places: Vec<_> = rows.iter().map(|(_, (block, number))| format!("\"({block},{number})\"")).collect();
            let read = self.in_table(table, |run, open| {
                let these = format!("ctid OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.tid[])", places.join(","));
                let condition = format!("{these} AND {}", open.is_concerned());
                let page = open.read(&open.reader_by_place(&condition)?, run.limit(), |_, _| false)?;
                Ok((page, open.shape()))
            })?;
            if let Some((page, shape)) = read {
                self.store(table, page, &shape)?;
            }
        }
        self.all = before;
        Ok(())
    }

    /// Embeds what was read, and stores it.
    fn store(&mut self, table: Oid, page: Page, shape: &Shape) -> Result<()> {
        self.truncated += page.truncated;
        for ((place, _), report) in page.refused {
            self.refuse(table, place, report);
        }
        let mut embedded = Embedded::compute(page.model, page.rows, self.job.threads)?;
        while !embedded.is_done() {
            let filled = self.in_table(table, |run, open| {
                if open.shape() != *shape {
                    // The rows were written anew.
                    embedded.give_up();
                    return Ok(0);
                }
                let mut filled = 0;
                for (row, outcome) in embedded.store_some(open)? {
                    match outcome {
                        Outcome::Stored(place) => {
                            filled += 1;
                            run.remember_if_ahead(table, row.place, place);
                        }
                        Outcome::Changed if run.all && run.locked.len() < REMEMBERED => {
                            run.locked.push((table, row.place));
                        }
                        Outcome::Changed => {}
                        Outcome::Failed(report) => run.refuse(table, row.place, report),
                    }
                }
                Ok(filled)
            })?;
            let Some(filled) = filled else { return Ok(()) };
            self.progress(filled)?;
        }
        Ok(())
    }

    /// A row that we moved to where we have not been yet is not to be done once more.
    fn remember_if_ahead(&mut self, table: Oid, from: Place, to: Place) {
        if self.all && to > from && self.ends.get(&table).is_some_and(|end| to.0 < *end) {
            self.remember(table, to);
        }
    }

    fn remember(&mut self, table: Oid, place: Place) {
        if self.done.len() < REMEMBERED {
            self.done.insert((table, place));
        }
    }

    fn refuse(&mut self, table: Oid, place: Place, report: Report) {
        self.remember(table, place);
        self.refused += 1;
        if self.named.len() < NAMED {
            self.named.push((table, place, report));
        }
    }

    fn progress(&mut self, filled: usize) -> Result<()> {
        let rate = self.rate.add(filled);
        let entry = self.entry();
        entry.done += filled as i64;
        entry.rate = Some(rate);
        let total = entry.total.unwrap_or(0).max(entry.done);
        let left = (total - entry.done) as f64 / rate;
        entry.seconds_left = left.is_finite().then_some(left);
        let done = entry.done;
        self.show(phase::EMBEDDING);
        if self.noticed.elapsed() < NOTICE {
            return Ok(());
        }
        self.noticed = Instant::now();
        let percent = 100 * done / total.max(1);
        let left = clock(Duration::from_secs(left.min(1e9) as u64));
        notice(format!("{}: {done} of {total} rows ({percent} %), {rate:.0} rows a second, {left} left", self.what()))
    }

    fn what(&self) -> String {
        format!(
            "\"{}\" of table \"{}\"",
            encoding::to_utf8_lossy(&self.job.choice.embedding),
            table_name(self.job.target)
        )
    }

    /// Says what was done and what was not.
    fn conclude(mut self, left: i64) -> Result<()> {
        let (what, done) = (self.what(), self.entry().done);
        let rows = |count| if count == 1 { "row" } else { "rows" };
        notice(format!("{what}: {done} {} embedded in {}", rows(done), clock(self.begun.elapsed())))?;
        if self.truncated > 0 && guc::TRUNCATION.get() == guc::Truncation::Notice {
            notice(format!(
                "{what}: only the first 256 tokens are in the vectors of {} {}",
                self.truncated,
                rows(self.truncated as i64)
            ))?;
        }
        let locked = left.max(0) + self.locked.len() as i64;
        let left = locked + self.refused as i64;
        if left == 0 {
            return Ok(());
        }
        let message = format!("{what}: {left} {} left", if left == 1 { "row is" } else { "rows are" });
        let mut detail = Vec::new();
        if locked > 0 {
            detail.push(format!("Other transactions kept {locked} locked, or wrote them meanwhile."));
        }
        if self.refused > 0 {
            detail.push(format!("{} could not be stored:", self.refused));
            detail.extend(self.named.iter().map(|(table, (block, number), report)| {
                let (name, code) = (table_name(*table), report.sqlstate());
                format!("place ({block},{number}) of \"{name}\": {code} {}", report.message())
            }));
            if self.refused > self.named.len() {
                detail.push("and so on".to_owned());
            }
        }
        Report::new(PgSqlErrorCode::ERRCODE_WARNING, message)
            .detail(detail.join("\n"))
            .hint("CALL embed_backfill once more when what kept them has ended.")
            .warn()
    }
}

fn notice(message: String) -> Result<()> {
    Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).notice()
}

/// A duration as hours, minutes and seconds.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Waits, and lets itself be cancelled.
fn wait(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        interrupt::check();
        std::thread::sleep(Duration::from_millis(20));
    }
}
