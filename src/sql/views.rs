//! What the views show: the columns that embed themselves, what processes do about them, and what went wrong.
#![allow(unsafe_code)]

use pgrx::pg_sys::{Datum, Oid};

use crate::background::state::State;
use crate::documents;
use crate::postgres::arguments::Call;
use crate::postgres::progress::{Entry, Process};
use crate::postgres::report::Result;
use crate::postgres::rows::Rows;
use crate::postgres::{encoding, text};
use crate::table::read;
use crate::table::status::{self, Column, Counted, Mode};

/// `embed_get_status()`: a row for each column that embeds itself.
pub fn status(call: Call) -> Result<Datum> {
    let columns = status::columns(call.function())?;
    let keeping = documents::status::keeping(call.function());
    let (processes, _) = status::processes()?;
    let mut rows = Rows::begin(call)?;
    for column in columns {
        let counted = match column.count() {
            Err(report) if report.is_interrupt() => return Err(report),
            counted => counted,
        };
        let noted = column.noted(&processes);
        let alive = alive(&noted, &processes);
        let state = State::of(&column, &counted, &noted, &alive);
        let (error, error_at) = error(&column, &counted, &state, &noted);
        let error = error.or_else(|| documents::status::remark(column.table, &keeping));
        let count = |count: fn(&Counted) -> i64| counted.as_ref().ok().map(|found| Datum::from(count(found)));
        let sources = (column.mode != Mode::Generated).then(|| text::to_array(&column.choice.sources));
        let rate = alive.iter().filter_map(|entry| entry.rate).reduce(|one, other| one + other);
        rows.push([
            Some(Datum::from(column.table)),
            Some(text::to_datum(&column.embedding())),
            sources.transpose()?,
            Some(text::to_datum(column.mode.name())),
            Some(text::to_datum(state.name)),
            count(|found| found.rows),
            count(|found| found.embedded),
            count(|found| found.missing),
            rate.map(float),
            error.as_deref().map(text::to_datum),
            error_at.map(Datum::from),
            state.next_try.map(Datum::from),
            Some(text::to_datum(&column.choice.model.name())),
        ]);
    }
    Ok(Datum::from(0))
}

/// What is wrong with a column: why its rows could not be counted, else why it is in the state in which it is, else what
/// went wrong last, else what is to be said besides; and when something went wrong last. Of that the owner alone is told.
fn error(column: &Column, counted: &Result<Counted>, state: &State, noted: &[&Entry]) -> (Option<String>, Option<i64>) {
    let failed = noted.iter().filter(|entry| entry.error.is_some() && column.is_own());
    let failed = failed.max_by_key(|entry| entry.error_at);
    let uncounted = counted.as_ref().err().map(|report| report.to_line());
    let left_out = || counted.as_ref().ok().and_then(|found| found.left_out.clone());
    let last = failed.and_then(|entry| entry.error.clone());
    let reason = match (&state.reason, &last) {
        (Some(reason), Some(last)) if state.is_of_rows() => Some(format!("{reason}. The last error: {last}")),
        (reason, _) => reason.clone(),
    };
    let error = uncounted.or(reason).or(last).or_else(|| column.remark.clone()).or_else(left_out);
    (error, failed.and_then(|entry| entry.error_at))
}

/// What those processes have noted that are at work.
fn alive<'p>(noted: &[&'p Entry], processes: &[Process]) -> Vec<&'p Entry> {
    let living = || processes.iter().filter(|process| process.pid != 0).flat_map(|process| &process.entries);
    noted.iter().copied().filter(|entry| living().any(|one| std::ptr::eq(one, *entry))).collect()
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
            let error_at = error.and(entry.error_at);
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
                error_at.map(Datum::from),
            ]);
        }
    }
    Ok(Datum::from(0))
}

/// `embed_failures(target regclass, embedding text)`: a row for each row that the worker has left.
pub fn failures(call: Call) -> Result<Datum> {
    let failures = status::failures(call.oid(0, "target")?, &call.name(1, "embedding")?)?;
    let mut rows = Rows::begin(call)?;
    for (table, left) in failures {
        rows.push([
            Some(Datum::from(table)),
            Some(read::tid((left.block, left.number))),
            Some(text::to_datum(&left.sqlstate)),
            Some(text::to_datum(&left.message)),
            Some(Datum::from(left.trouble.failures as i32)),
            left.trouble.until.map(Datum::from),
        ]);
    }
    Ok(Datum::from(0))
}

/// A number with one digit behind the point: more would pretend.
fn float(value: f64) -> Datum {
    Datum::from(((value * 10.0).round() / 10.0).to_bits())
}
