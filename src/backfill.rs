//! `embed_backfill()`: gives the rows of a table their vectors, batch by batch, each in a transaction of its own.
//!
//! A table is gone through by place, so that it needs no key and no index, and no snapshot lives longer than a batch.
//! What a batch finds it locks; rows that others have locked are left out and looked for again later. Killed at any
//! moment, it has lost one batch.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, Oid};

use crate::backend::check_for_interrupts;
use crate::columns::{table_name, vector_type};
use crate::fill::{self, Choice, Condition, Filled, Table};
use crate::functions::{choice, needed, optional, refuse_value, target};
use crate::guc;
use crate::progress::{Board, Entry, Rate};
use crate::report::{Report, Result};
use crate::spi::{self, Spi};

/// Blocks whose rows are counted in one transaction: 32 MB.
const REGION: u32 = 4096;
/// How often a table is gone through: rows that were locked are locked for ever, if still so the third time.
const PASSES: usize = 3;
/// How long to wait for locks to go, before the table is gone through again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a line is sent to the client.
const NOTICE: Duration = Duration::from_secs(5);

/// `embed_backfill(target regclass, embedding text, sources text[], batch_size int, threads int, only_missing bool)`
pub unsafe fn backfill(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the arguments have the types that sql/ declares; the context of a CALL is a CallContext.
    let (job, atomic) = unsafe {
        let context = (*fcinfo).context.cast::<pg_sys::CallContext>();
        (Job::from_arguments(fcinfo)?, context.is_null() || (*context).atomic)
    };
    if atomic {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_TERMINATION,
            "backfill cannot run inside a transaction block",
        )
        .detail("It commits each batch of rows.")
        .hint("CALL it on its own: outside BEGIN ... COMMIT, functions, and blocks with an EXCEPTION clause."));
    }
    Run::new(job).run()?;
    Ok(Datum::from(0))
}

/// What is asked for.
struct Job {
    target: Oid,
    choice: Choice,
    vector: Oid,
    batch_size: usize,
    threads: usize,
    only_missing: bool,
}

impl Job {
    /// # Safety
    /// As for all SQL functions.
    unsafe fn from_arguments(fcinfo: FunctionCallInfo) -> Result<Self> {
        // SAFETY: the caller's promise; procedures cannot be STRICT, so nulls are looked for.
        unsafe {
            let batch_size = needed(fcinfo, 3, "batch_size")?.value() as i32;
            let threads = optional(fcinfo, 4).map_or(guc::THREADS.get(), |threads| threads.value() as i32);
            refuse_value("batch_size", batch_size, 1, guc::MAX_BATCH_SIZE)?;
            refuse_value("threads", threads, 1, guc::MAX_THREADS)?;
            Ok(Self {
                target: target(fcinfo)?,
                choice: choice(fcinfo, 1, 2)?,
                vector: vector_type((*(*fcinfo).flinfo).fn_oid)?,
                batch_size: batch_size as usize,
                threads: threads as usize,
                only_missing: needed(fcinfo, 5, "only_missing")?.value() != 0,
            })
        }
    }
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
    /// Our own transactions: the rows they wrote are done, also where all rows are to be embedded again.
    transactions: Vec<String>,
}

impl Run {
    fn new(job: Job) -> Self {
        let mut board = Board::new();
        board.process.entries.push(Entry {
            table: job.target.to_u32(),
            embedding: job.choice.embedding.to_string_lossy().into_owned(),
            phase: "counting".to_owned(),
            ..Entry::default()
        });
        let now = Instant::now();
        Self { job, board, rate: Rate::new(), begun: now, noticed: now, truncated: 0, transactions: Vec::new() }
    }

    fn run(mut self) -> Result<()> {
        self.board.show();
        let mut regions = self.survey()?;
        self.entry().total = Some(regions.iter().map(|region| region.rows).sum());
        for pass in 0..PASSES {
            if regions.is_empty() {
                break;
            }
            if pass > 0 {
                self.show("waiting");
                wait(PATIENCE);
            }
            self.rate = Rate::new();
            for region in &regions {
                self.fill(region)?;
            }
            regions = self.survey()?;
        }
        // What the caller does next is no concern of ours.
        spi::connect_to_commit(|spi| {
            spi.commit(true);
            Ok(())
        })?;
        self.conclude(regions.iter().map(|region| region.rows).sum());
        Ok(())
    }

    fn entry(&mut self) -> &mut Entry {
        &mut self.board.process.entries[0]
    }

    fn show(&mut self, phase: &str) {
        phase.clone_into(&mut self.entry().phase);
        self.board.show();
    }

    /// Where there are rows to be done. Each region is counted in a transaction of its own.
    fn survey(&mut self) -> Result<Vec<Region>> {
        self.show("counting");
        let mut regions = Vec::new();
        let tables = self.transaction(|run, spi| {
            let tables = fill::tables_with_rows(spi, run.job.target, true)?;
            // Also where there are no rows, what is wrong with the columns is said.
            run.open(run.job.target)?;
            Ok(tables)
        })?;
        for table in tables {
            let mut first = 0;
            loop {
                let counted = self.transaction(|run, spi| run.count(spi, table, first))?;
                let Some(region) = counted else { break };
                first = region.end;
                if region.rows > 0 {
                    regions.push(region);
                }
            }
        }
        Ok(regions)
    }

    /// Does something with a connection, and commits.
    fn transaction<T>(&mut self, body: impl FnOnce(&mut Self, &Spi) -> Result<T>) -> Result<T> {
        check_for_interrupts();
        spi::connect_to_commit(|spi| {
            let result = body(self, spi)?;
            spi.commit(false);
            Ok(result)
        })
    }

    /// Opens the target or a part of it; `None` for a part that was dropped meanwhile.
    fn open(&self, table: Oid) -> Result<Option<Table>> {
        match Table::open(table, &self.job.choice, self.job.vector) {
            Err(report) if report.is_undefined_table() && table != self.job.target => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn condition(&self, table: &Table) -> String {
        if self.job.only_missing {
            return table.is_missing();
        }
        let ours = self.transactions.join(",");
        let concerned = table.is_concerned();
        format!("{concerned} AND NOT xmin OPERATOR(pg_catalog.=) ANY ('{{{ours}}}'::pg_catalog.xid[])")
    }

    /// Counts what is to be done in the region that begins at block `first`; `None` at the end of the table.
    fn count(&self, spi: &Spi, table: Oid, first: u32) -> Result<Option<Region>> {
        let Some(open) = self.open(table)? else { return Ok(None) };
        let blocks = open.blocks(spi)?;
        if first >= blocks {
            return Ok(None);
        }
        let end = blocks.min(first.saturating_add(REGION));
        let condition = Condition::InRange(self.condition(&open), (first, 0), end);
        let rows = spi.by_place(|| open.count(spi, &condition.sql()))?;
        Ok(Some(Region { table, first, end, rows }))
    }

    /// Gives the rows of a region their vectors.
    fn fill(&mut self, region: &Region) -> Result<()> {
        let mut after = (region.first, 0);
        loop {
            let filled = self.transaction(|run, spi| {
                let Some(open) = run.open(region.table)? else { return Ok(Filled::default()) };
                let condition = Condition::InRange(run.condition(&open), after, region.end);
                let filled = open.fill(spi, &condition, run.job.batch_size, run.job.threads)?;
                // SAFETY: reads a variable of this process; 0 if nothing was written.
                let transaction = unsafe { pg_sys::GetTopTransactionIdIfAny() };
                if !run.job.only_missing && transaction != pg_sys::InvalidTransactionId {
                    run.transactions.push(u32::from(transaction).to_string());
                }
                Ok(filled)
            })?;
            self.truncated += filled.truncated;
            self.progress(filled.filled);
            match filled.last {
                // A row that was updated meanwhile may have come from before the region's end and lie behind it now.
                Some(last) if filled.found == self.job.batch_size => after = after.max(last.min((region.end, 0))),
                _ => return Ok(()),
            }
        }
    }

    fn progress(&mut self, filled: usize) {
        let rate = self.rate.add(filled);
        let entry = self.entry();
        entry.done += filled as i64;
        entry.rate = Some(rate);
        let total = entry.total.unwrap_or(0).max(entry.done);
        let left = (total - entry.done) as f64 / rate;
        entry.seconds_left = left.is_finite().then_some(left);
        let done = entry.done;
        self.show("embedding");
        if self.noticed.elapsed() >= NOTICE {
            self.noticed = Instant::now();
            let percent = 100 * done / total.max(1);
            let left = Duration::from_secs(left.min(1e9) as u64);
            notice(format!(
                "{}: {done} of {total} rows ({percent} %), {rate:.0} rows a second, {} left",
                self.what(),
                clock(left)
            ));
        }
    }

    fn what(&self) -> String {
        let embedding: &CStr = &self.job.choice.embedding;
        format!("\"{}\" of table \"{}\"", embedding.to_string_lossy(), table_name(self.job.target))
    }

    /// Says what was done and what was not.
    fn conclude(mut self, left: i64) {
        let (what, done) = (self.what(), self.entry().done);
        notice(format!("{what}: {done} rows embedded in {}", clock(self.begun.elapsed())));
        if self.truncated > 0 && guc::TRUNCATION.get() == guc::Truncation::Notice {
            notice(format!("{what}: only the first 256 tokens of {} rows are in their vectors", self.truncated));
        }
        if left > 0 {
            Report::new(PgSqlErrorCode::ERRCODE_WARNING, format!("{what}: {left} rows are left"))
                .detail("Other transactions kept them locked, or wrote them meanwhile.")
                .hint("CALL embed_backfill once more when they have ended.")
                .warn();
        }
    }
}

fn notice(message: String) {
    Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).notice();
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
        check_for_interrupts();
        std::thread::sleep(Duration::from_millis(20));
    }
}
