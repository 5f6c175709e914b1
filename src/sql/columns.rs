//! Columns that embed themselves: triggers, backfill, watching, verification.
#![allow(unsafe_code)]

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use crate::background::{wake, watch};
use crate::model::registry::Named;
use crate::postgres::arguments::Call;
use crate::postgres::guc;
use crate::postgres::report::{Report, Result};
use crate::postgres::rows::Rows;
use crate::postgres::text;
use crate::table::backfill::{self, Job};
use crate::table::columns::{Choice, vector_type};
use crate::table::{trigger, verify};

const MAX_SAMPLE: i32 = 1_000_000;

/// `embed_trigger(embedding column, source column, ...)`
pub fn trigger(call: Call) -> Result<Datum> {
    trigger::embed(call, false)
}

/// `embed_model_trigger(model, prompt, embedding column, source column, ...)`
pub fn model_trigger(call: Call) -> Result<Datum> {
    trigger::embed(call, true)
}

/// `embed_mark_trigger(embedding column, source column, ...)`
pub fn mark_trigger(call: Call) -> Result<Datum> {
    mark(call, false)
}

/// `embed_model_mark_trigger(model, prompt, embedding column, source column, ...)`
pub fn model_mark_trigger(call: Call) -> Result<Datum> {
    mark(call, true)
}

fn mark(call: Call, with_model: bool) -> Result<Datum> {
    let (row, marked) = trigger::mark(call, with_model)?;
    if let Some(table) = marked {
        wake::mark(table);
    }
    Ok(row)
}

/// `embed_backfill(target regclass, embedding text, sources text[], batch_size int, threads int, only_missing bool)`
pub fn backfill(call: Call) -> Result<Datum> {
    fill(call, Named::default(), 3)
}

/// `embed_backfill(target regclass, embedding text, sources text[], model text, prompt text, batch_size int, threads int,
/// only_missing bool)`
pub fn backfill_with_model(call: Call) -> Result<Datum> {
    fill(call, named(call, 3)?, 5)
}

/// The other arguments are those from number `next` on.
fn fill(call: Call, model: Named, next: usize) -> Result<Datum> {
    let threads = match call.optional(next + 1) {
        Some(_) => call.integer(next + 1, "threads", 1, guc::MAX_THREADS)?,
        None => guc::THREADS.get(),
    };
    let job = Job {
        target: call.oid(0, "target")?,
        choice: choice(call, model)?,
        vector: vector_type(call.function())?,
        batch_size: call.integer(next, "batch_size", 1, guc::MAX_BATCH_SIZE)? as usize,
        threads: threads as usize,
        only_missing: call.needed(next + 2, "only_missing")?.value() != 0,
    };
    backfill::backfill(call, job)?;
    Ok(Datum::from(0))
}

/// `embed_watch(target regclass, embedding text, sources text[])`
pub fn watch(call: Call) -> Result<Datum> {
    watch::watch(call.function(), call.oid(0, "target")?, &choice(call, Named::default())?)?;
    Ok(Datum::from(0))
}

/// `embed_watch(target regclass, embedding text, sources text[], model text, prompt text)`
pub fn watch_with_model(call: Call) -> Result<Datum> {
    watch::watch(call.function(), call.oid(0, "target")?, &choice(call, named(call, 3)?)?)?;
    Ok(Datum::from(0))
}

/// `embed_unwatch(target regclass, embedding text)`
pub fn unwatch(call: Call) -> Result<Datum> {
    watch::unwatch(call.function(), call.oid(0, "target")?, call.name(1, "embedding")?)?;
    Ok(Datum::from(0))
}

/// `embed_verify(target regclass, embedding text, sources text[], sample int)`
pub fn verify(call: Call) -> Result<Datum> {
    look_at(call, Named::default(), 3)
}

/// `embed_verify(target regclass, embedding text, sources text[], model text, prompt text, sample int)`
pub fn verify_with_model(call: Call) -> Result<Datum> {
    look_at(call, named(call, 3)?, 5)
}

fn look_at(call: Call, model: Named, sample: usize) -> Result<Datum> {
    let sample = call.integer(sample, "sample", 1, MAX_SAMPLE)?;
    let (target, choice) = (call.oid(0, "target")?, choice(call, model)?);
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

fn float(value: f64) -> Datum {
    Datum::from(value.to_bits())
}

/// The vector column and the source columns that the second and third argument name.
fn choice(call: Call, model: Named) -> Result<Choice> {
    // SAFETY: the third argument is a text[].
    let sources = unsafe { text::utf8_array(call.needed(2, "sources")?) }?;
    let sources: Vec<_> = sources.iter().flatten().map(|name| text::to_server(name)).collect::<Result<_>>()?;
    if sources.is_empty() {
        return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "no source column is named")
            .hint("Name the columns with text in an array, such as ARRAY['title', 'description']."));
    }
    Ok(Choice { model, embedding: call.name(1, "embedding")?, sources })
}

/// The model and the prompt that two arguments name, from number `first` on.
pub fn named(call: Call, first: usize) -> Result<Named> {
    let model = Some(call.name(first, "model")?);
    let prompt = call.optional(first + 1).map(|_| call.name(first + 1, "prompt")).transpose()?;
    Ok(Named { model, prompt })
}
