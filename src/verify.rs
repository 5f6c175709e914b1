//! `embed_verify()`: embeds rows again, and compares.
#![allow(unsafe_code)]

use pgrx::pg_sys::{Datum, FunctionCallInfo, Oid};

use crate::columns::vector_type;
use crate::fill::{self, Table};
use crate::functions::{choice, needed, refuse_value, target};
use crate::report::Result;
use crate::rows::Rows;
use crate::spi::{self, Spi};
use crate::{backend, guc, vector};

/// How far a component may be off: what the same text gives on another processor, or in a batch of another shape, is
/// well within it, as is what the reference implementation gives.
const TOLERANCE: f32 = 1e-5;
/// Rows that are read and embedded at a time.
const BATCH: usize = 1024;
/// A table with so many times the rows of the sample is sampled by block rather than read as a whole.
const MANY: i64 = 100;
const MAX_SAMPLE: i32 = 1_000_000;

/// What was found.
#[derive(Default)]
struct Findings {
    checked: i64,
    missing: i64,
    stale: i64,
    deviation: f32,
}

/// `embed_verify(target regclass, embedding text, sources text[], sample int)`
///
/// # Safety
/// As for all SQL functions.
pub unsafe fn verify(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the caller's promise.
    let (target, choice, sample, called) = unsafe {
        let target = target(fcinfo)?;
        let sample = needed(fcinfo, 3, "sample")?.value() as i32;
        (target, choice(fcinfo, 1, 2)?, sample, (*(*fcinfo).flinfo).fn_oid)
    };
    refuse_value("sample", sample, 1, MAX_SAMPLE)?;
    let findings = spi::connect(|spi| {
        let table = Table::open_to_read(target, &choice, vector_type(called)?)?;
        let mut findings = Findings::default();
        let mut rows = spi.cursor(&query(spi, target, &table, sample.into())?)?;
        while findings.compare(&table, &rows.fetch(BATCH)?)? {}
        Ok(findings)
    })?;
    // SAFETY: the function is declared to return a table.
    let mut rows = unsafe { Rows::begin(fcinfo) }?;
    let deviation = (findings.checked > findings.missing).then(|| Datum::from(f64::from(findings.deviation).to_bits()));
    rows.push([
        Some(Datum::from(findings.checked)),
        Some(Datum::from(findings.missing)),
        Some(Datum::from(findings.stale)),
        deviation,
    ]);
    Ok(Datum::from(0))
}

/// The statement that gives the sample: vector and texts of rows that have one or the other.
fn query(spi: &Spi, target: Oid, table: &Table, sample: i64) -> Result<String> {
    // What the planner believes, partitions and children included; a table that was never analyzed has -1.
    let rows = spi.number(&format!(
        "{} SELECT pg_catalog.sum(CASE WHEN relkind OPERATOR(pg_catalog.=) 'r' THEN reltuples ELSE 0 END)::bigint \
         FROM pg_catalog.pg_class AS c JOIN tree ON tree.oid OPERATOR(pg_catalog.=) c.oid",
        fill::tree(target, true)
    ))?;
    let (name, values, condition) = (spi::qualified(target)?, table.values(), table.is_concerned());
    let embedding = table.embedding();
    if rows > MANY * sample {
        // Twice as many as needed, because a share of the blocks may have fewer rows than another.
        let percent = 100.0 * 2.0 * sample as f64 / rows as f64;
        return Ok(format!(
            "SELECT {embedding}, {values} FROM {name} TABLESAMPLE system ({percent}) WHERE {condition} LIMIT {sample}"
        ));
    }
    Ok(format!(
        "SELECT {embedding}, {values} FROM {name} WHERE {condition} ORDER BY pg_catalog.random() LIMIT {sample}"
    ))
}

impl Findings {
    /// Takes note of some rows; `false` if there were none.
    fn compare(&mut self, table: &Table, rows: &spi::Found) -> Result<bool> {
        // SAFETY: vectors, texts and arrays of texts, which live as long as the connection.
        let (stored, texts) = unsafe {
            let stored: Vec<_> =
                (0..rows.len()).map(|row| rows.value(row, 1).map(|value| vector::components(value))).collect();
            (stored, table.texts(rows)?)
        };
        let batch = backend::embed_many(texts.iter().flatten().map(|text| &**text).collect(), guc::threads())?;
        let vectors = batch.into_vectors();
        let mut vectors = vectors.rows().into_iter();
        for (stored, text) in stored.iter().zip(&texts) {
            self.checked += 1;
            match (stored, text.as_ref().and_then(|_| vectors.next())) {
                (Some(stored), Some(fresh)) => {
                    let off = stored.iter().zip(fresh).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    self.deviation = self.deviation.max(off);
                    // Written so that a NaN counts too.
                    if !(stored.len() == fresh.len() && off <= TOLERANCE) {
                        self.stale += 1;
                    }
                }
                (Some(_), None) => self.stale += 1,
                (None, Some(_)) => self.missing += 1,
                (None, None) => {}
            }
        }
        Ok(rows.len() > 0)
    }
}
