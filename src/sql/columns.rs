//! Columns that embed themselves: triggers, backfill, watching, verification, and what the views show.
#![allow(unsafe_code)]

use embedder::WEIGHTS_SHA256;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{Datum, Oid};

use crate::background::{wake, watch};
use crate::postgres::arguments::Call;
use crate::postgres::guc;
use crate::postgres::progress::{Entry, Process};
use crate::postgres::report::{Report, Result};
use crate::postgres::rows::Rows;
use crate::postgres::{encoding, text};
use crate::table::backfill::{self, Job};
use crate::table::columns::{Choice, vector_type};
use crate::table::status::{self, Column, Mode};
use crate::table::{trigger, verify};

const MAX_SAMPLE: i32 = 1_000_000;

/// `embed_trigger(embedding column, source column, ...)`
pub fn trigger(call: Call) -> Result<Datum> {
    trigger::embed(call)
}

/// `embed_mark_trigger(embedding column, source column, ...)`
pub fn mark_trigger(call: Call) -> Result<Datum> {
    let (row, marked) = trigger::mark(call)?;
    if let Some(table) = marked {
        wake::mark(table);
    }
    Ok(row)
}

/// `embed_backfill(target regclass, embedding text, sources text[], batch_size int, threads int, only_missing bool)`
pub fn backfill(call: Call) -> Result<Datum> {
    let threads = match call.optional(4) {
        Some(_) => call.integer(4, "threads", 1, guc::MAX_THREADS)?,
        None => guc::THREADS.get(),
    };
    let job = Job {
        target: call.oid(0, "target")?,
        choice: choice(call)?,
        vector: vector_type(call.function())?,
        batch_size: call.integer(3, "batch_size", 1, guc::MAX_BATCH_SIZE)? as usize,
        threads: threads as usize,
        only_missing: call.needed(5, "only_missing")?.value() != 0,
    };
    backfill::backfill(call, job)?;
    Ok(Datum::from(0))
}

/// `embed_watch(target regclass, embedding text, sources text[])`
pub fn watch(call: Call) -> Result<Datum> {
    watch::watch(call.function(), call.oid(0, "target")?, &choice(call)?)?;
    Ok(Datum::from(0))
}

/// `embed_unwatch(target regclass, embedding text)`
pub fn unwatch(call: Call) -> Result<Datum> {
    watch::unwatch(call.function(), call.oid(0, "target")?, call.name(1, "embedding")?)?;
    Ok(Datum::from(0))
}

/// `embed_verify(target regclass, embedding text, sources text[], sample int)`
pub fn verify(call: Call) -> Result<Datum> {
    let sample = call.integer(3, "sample", 1, MAX_SAMPLE)?;
    let (target, choice) = (call.oid(0, "target")?, choice(call)?);
    let found = verify::verify(target, &choice, vector_type(call.function())?, sample as usize)?;
    let mut rows = Rows::begin(call)?;
    rows.push([
        Some(Datum::from(found.checked)),
        Some(Datum::from(found.missing)),
        Some(Datum::from(found.stale)),
        found.deviation().map(float),
    ]);
    Ok(Datum::from(0))
}

/// `embed_get_status()`: a row for each column that embeds itself.
pub fn status(call: Call) -> Result<Datum> {
    let columns = status::columns(call.function())?;
    let (processes, _) = status::processes()?;
    let mut rows = Rows::begin(call)?;
    for column in columns {
        let counted = match column.count() {
            Err(report) if report.is_interrupt() => return Err(report),
            counted => counted,
        };
        let noted = column.noted(&processes);
        let failed: Option<&&Entry> =
            noted.iter().filter(|entry| entry.error.is_some() && column.is_own()).max_by_key(|entry| entry.error_at);
        let problem = counted.as_ref().map_or_else(|report| Some(report.to_line()), |found| found.left_out.clone());
        let error = failed.and_then(|entry| entry.error.as_deref()).filter(|_| counted.is_ok()).or(problem.as_deref());
        let count = |count: fn(&status::Counted) -> i64| counted.as_ref().ok().map(|found| Datum::from(count(found)));
        let sources = (column.mode != Mode::Generated).then(|| text::to_array(&column.choice.sources));
        rows.push([
            Some(Datum::from(column.table)),
            Some(text::to_datum(&column.embedding())),
            sources.transpose()?,
            Some(text::to_datum(column.mode.name())),
            count(|found| found.rows),
            count(|found| found.embedded),
            count(|found| found.missing),
            rate(&noted, &processes).map(float),
            error.map(text::to_datum),
            failed.and_then(|entry| entry.error_at).map(Datum::from),
            Some(text::to_datum(WEIGHTS_SHA256)),
        ]);
    }
    Ok(Datum::from(0))
}

/// Rows a second of the processes that are at work on a column.
fn rate(noted: &[&Entry], processes: &[Process]) -> Option<f64> {
    let is_alive = |entry: &&&Entry| {
        processes.iter().any(|process| process.pid != 0 && process.entries.iter().any(|one| std::ptr::eq(one, **entry)))
    };
    noted.iter().filter(is_alive).filter_map(|entry| entry.rate).reduce(|one, other| one + other)
}

/// `embed_get_watched()`: a row for each column that is watched.
pub fn watched(call: Call) -> Result<Datum> {
    let columns = status::columns(call.function())?;
    let mut rows = Rows::begin(call)?;
    for Column { table, choice, .. } in columns.iter().filter(|column| column.mode == Mode::Watch) {
        rows.push([
            Some(Datum::from(*table)),
            Some(text::to_datum(&encoding::to_utf8_lossy(&choice.embedding))),
            Some(text::to_array(&choice.sources)?),
        ]);
    }
    Ok(Datum::from(0))
}

/// `embed_get_progress()`: a row for each vector column that a process is at work on.
pub fn progress(call: Call) -> Result<Datum> {
    let (processes, own) = status::processes()?;
    let mut rows = Rows::begin(call)?;
    for process in processes.iter().filter(|process| process.pid != 0) {
        for entry in &process.entries {
            // What went wrong may tell what is in a row.
            let error = entry.error.as_deref().filter(|_| own.contains(&entry.table));
            rows.push([
                Some(Datum::from(process.pid)),
                Some(Datum::from(process.started)),
                Some(Datum::from(Oid::from(process.database))),
                Some(Datum::from(Oid::from(entry.table))),
                Some(text::to_datum(&entry.embedding)),
                Some(text::to_datum(&entry.phase)),
                entry.total.map(Datum::from),
                Some(Datum::from(entry.done)),
                entry.rate.map(float),
                entry.seconds_left.map(float),
                error.map(text::to_datum),
                entry.error_at.map(Datum::from),
            ]);
        }
    }
    Ok(Datum::from(0))
}

fn float(value: f64) -> Datum {
    Datum::from(value.to_bits())
}

/// The vector column and the source columns that the second and third argument name.
fn choice(call: Call) -> Result<Choice> {
    // SAFETY: the third argument is a text[].
    let sources = unsafe { text::utf8_array(call.needed(2, "sources")?) }?;
    let sources: Vec<_> = sources.iter().flatten().map(|name| text::to_server(name)).collect::<Result<_>>()?;
    if sources.is_empty() {
        return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "no source column is named")
            .hint("Name the columns with text in an array, such as ARRAY['title', 'description']."));
    }
    Ok(Choice { embedding: call.name(1, "embedding")?, sources })
}
