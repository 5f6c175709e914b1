//! What the views `embed_progress` and `embed_status` ask for.
#![allow(unsafe_code)]

use std::collections::HashSet;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, Oid};

use crate::columns;
use crate::fill::{self, Table};
use crate::functions::{choice, needed, optional, target};
use crate::report::{Report, Result};
use crate::rows::Rows;
use crate::{progress, spi, text};

/// `embed_get_progress()`: a row for each vector column that a process is at work on.
///
/// # Safety
/// As for all SQL functions.
pub unsafe fn progress(fcinfo: FunctionCallInfo) -> Result<Datum> {
    let processes = progress::all().map_err(|e| {
        Report::new(PgSqlErrorCode::ERRCODE_IO_ERROR, format!("could not read what processes are doing: {e}"))
    })?;
    let tables = processes.iter().flat_map(|process| &process.entries).map(|entry| entry.table);
    let owned: HashSet<u32> = spi::connect(|spi| {
        tables
            .filter_map(|table| fill::is_owner(spi, Oid::from(table)).map(|own| own.then_some(table)).transpose())
            .collect()
    })?;
    // SAFETY: the function is declared to return a set of records.
    let mut rows = unsafe { Rows::begin(fcinfo) }?;
    let float = |value: f64| Datum::from(value.to_bits());
    for process in processes {
        for entry in process.entries {
            // What went wrong may tell what is in a row.
            let error = entry.error.as_deref().filter(|_| owned.contains(&entry.table));
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

/// `embed_count(target regclass, embedding text, sources text[])`: one row, with what is wrong where it cannot count.
///
/// # Safety
/// As for all SQL functions.
pub unsafe fn count(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the caller's promise.
    let counted = unsafe { count_rows(fcinfo, target(fcinfo)?) };
    // SAFETY: the function is declared to return a table.
    let mut rows = unsafe { Rows::begin(fcinfo) }?;
    match counted {
        Ok([all, embedded, missing]) => rows.push([Some(all), Some(embedded), Some(missing), None]),
        Err(report) => rows.push([None, None, None, Some(text::to_datum(&report.to_line()))]),
    }
    Ok(Datum::from(0))
}

/// # Safety
/// As for [`count`].
unsafe fn count_rows(fcinfo: FunctionCallInfo, target: Oid) -> Result<[Datum; 3]> {
    // SAFETY: the caller's promise.
    let (choice, called) = unsafe {
        // A generated column names no sources: it never lacks its vector.
        let choice = if optional(fcinfo, 2).is_some() { Some(choice(fcinfo, 1, 2)?) } else { None };
        (choice, (*(*fcinfo).flinfo).fn_oid)
    };
    fill::lock(target, pg_sys::ACL_SELECT, pg_sys::AccessShareLock)?;
    let (embedding, missing) = match choice {
        Some(choice) => {
            let table = Table::open_to_read(target, &choice, columns::vector_type(called)?)?;
            (spi::identifier(&choice.embedding)?, table.is_missing())
        }
        None => {
            // SAFETY: the caller's promise: a text.
            let embedding = unsafe { text::utf8(needed(fcinfo, 1, "embedding")?) }?;
            (spi::identifier(&text::to_server(&embedding)?)?, "false".to_owned())
        }
    };
    let table = spi::qualified(target)?;
    spi::connect(|spi| {
        let found = spi.execute(&format!(
            "SELECT pg_catalog.count(*), pg_catalog.count({embedding}), \
             pg_catalog.count(*) FILTER (WHERE {missing}) FROM {table}"
        ))?;
        Ok([1, 2, 3].map(|column| found.value(0, column).unwrap_or(Datum::from(0))))
    })
}
