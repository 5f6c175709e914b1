//! The trigger `embed_chunks_trigger()`: keeps the chunks of a document in step with it.
#![allow(unsafe_code)]

use std::ffi::CStr;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::documents::chunk_table::ChunkTable;
use crate::documents::cutting::Cutting;
use crate::postgres::arguments::Call;
use crate::postgres::fired::{Fired, is_replicated};
use crate::postgres::report::{Report, Result};
use crate::postgres::{catalog, encoding};
use crate::table::access;
use crate::table::columns::{self, Source, table_name};

/// The function's name in the library.
pub const KEEP: &CStr = c"embed_chunks_trigger";

/// `embed_chunks_trigger(source, max_tokens, overlap, split, headings, model, prompt)`, after a row was written
pub fn keep(call: Call) -> Result<Datum> {
    let Written { fired, chunks, cutting } = Written::fired(call)?;
    let source = Source::resolve(fired.table, &cutting.source).map_err(renamed)?;
    if fired.before.is_some_and(|before| fired.is_same(before, source.number)) {
        return Ok(Datum::from(0));
    }
    let whole = whole_of(&fired);
    // The foreign key has deleted the chunks already. It does nothing for replicated rows, and comes last where a document
    // moves to another partition, with another key: by then it is inserted there, and cut.
    if fired.is_delete() && fired.table == whole && !is_replicated() {
        return Ok(Datum::from(0));
    }
    let vector = columns::vector_type(call.function())?;
    let relation = access::lock(chunks, pg_sys::RowExclusiveLock)?;
    let _identity = access::as_owner(&relation);
    let chunks = ChunkTable::open(relation, whole, &cutting, vector)?;
    let mut key = Vec::new();
    for name in chunks.key() {
        // Nothing refers to a document whose key is not known.
        let Some(value) = fired.value(fired.row, columns::number(fired.table, name)?) else {
            return Ok(Datum::from(0));
        };
        key.push(value);
    }
    let text = match fired.value(fired.row, source.number) {
        // SAFETY: the value is that of the column, and lives as long as the row.
        Some(value) if !fired.is_delete() => unsafe { source.text(value) }?,
        _ => None,
    };
    let pieces = cutting.cut(text.as_deref())?;
    // SAFETY: values of the columns of the key.
    unsafe { chunks.keep(&key, &pieces) }?;
    Ok(Datum::from(0))
}

/// A document that was written.
struct Written<'call> {
    fired: Fired<'call>,
    /// The table of its chunks.
    chunks: Oid,
    cutting: Cutting,
}

impl Written<'_> {
    /// # Errors
    /// 39P01 for a trigger of another kind.
    fn fired(call: Call) -> Result<Self> {
        let Some(fired) = Fired::of(call) else {
            return Err(misuse("function is not called by a trigger".to_owned()));
        };
        let is_right = fired.is_for_row() && fired.is_after();
        match (fired.other_table, Cutting::of_trigger(&fired.arguments)) {
            (Some(chunks), Some(cutting)) if is_right => Ok(Self { fired, chunks, cutting }),
            _ => {
                let (name, table) = (encoding::to_utf8_lossy(fired.name), table_name(fired.table));
                Err(misuse(format!("trigger \"{name}\" on table \"{table}\" cannot keep chunks")))
            }
        }
    }
}

/// The table of the documents, the whole of it if it is partitioned.
fn whole_of(fired: &Fired) -> Oid {
    let made = catalog::trigger(fired.trigger, fired.function).and_then(|trigger| trigger.made_for());
    made.unwrap_or(fired.table)
}

fn misuse(message: String) -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, message)
        .detail("It has to be a constraint trigger FROM the table of chunks, with the arguments that tell how to cut.")
        .hint("Call embed_watch_chunks(), which makes it.")
}

fn renamed(report: Report) -> Report {
    report.hint("If it has another name now, call embed_watch_chunks() with that.")
}
