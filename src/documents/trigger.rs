//! The trigger `embed_chunks_trigger()`: keeps the chunks of a document in step with it.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::slice;

use pgrx::PgSqlErrorCode;
use pgrx::htup::heap_getattr_raw;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, TriggerData, TupleDesc};
use pgrx::trigger_support as fired;

use crate::documents::chunk_table::ChunkTable;
use crate::documents::cutting::Cutting;
use crate::postgres::arguments::Call;
use crate::postgres::report::{Report, Result};
use crate::postgres::{catalog, encoding};
use crate::table::access;
use crate::table::columns::{self, Source, table_name};
use crate::table::trigger::{is_replicated, stored_bytes};

/// The function's name in the library.
pub const KEEP: &CStr = c"embed_chunks_trigger";

/// `embed_chunks_trigger(source, max_tokens, overlap, split, headings, model, prompt)`, after a row was written
pub fn keep(call: Call) -> Result<Datum> {
    let written = Written::fired(call)?;
    let source = Source::resolve(written.documents, &written.cutting.source).map_err(renamed)?;
    if written.leaves(source.number) {
        return Ok(Datum::from(0));
    }
    let vector = columns::vector_type(call.function())?;
    let relation = access::lock(written.chunks, pg_sys::RowExclusiveLock)?;
    let _identity = access::as_owner(&relation);
    let chunks = ChunkTable::open(relation, written.whole, &written.cutting, vector)?;
    let mut key = Vec::new();
    for name in chunks.key() {
        // Nothing refers to a document whose key is not known.
        let Some(value) = written.value(written.row, columns::number(written.documents, name)?) else {
            return Ok(Datum::from(0));
        };
        key.push(value);
    }
    let text = match written.value(written.row, source.number) {
        // SAFETY: the value is that of the column, and lives as long as the row.
        Some(value) if !written.is_deleted => unsafe { source.text(value) }?,
        _ => None,
    };
    let pieces = written.cutting.cut(text.as_deref())?;
    // SAFETY: values of the columns of the key.
    unsafe { chunks.keep(&key, &pieces) }?;
    Ok(Datum::from(0))
}

/// A document that was written.
struct Written {
    /// Its table, and the whole of which that is a part.
    documents: Oid,
    whole: Oid,
    /// The table of its chunks.
    chunks: Oid,
    cutting: Cutting,
    descriptor: TupleDesc,
    /// As it is, or was.
    row: HeapTuple,
    /// As it was before an UPDATE.
    before: Option<HeapTuple>,
    is_deleted: bool,
}

impl Written {
    /// # Errors
    /// 39P01 for a trigger of another kind.
    fn fired(call: Call) -> Result<Self> {
        let fcinfo = call.info();
        // SAFETY: the trigger manager passes a TriggerData whose parts live until the function returns.
        unsafe {
            if !fired::called_as_trigger(fcinfo) {
                return Err(misuse("function is not called by a trigger".to_owned()));
            }
            let data = &*(*fcinfo).context.cast::<TriggerData>();
            let (trigger, relation, event) = (&*data.tg_trigger, &*data.tg_relation, data.tg_event);
            let arguments = slice::from_raw_parts(trigger.tgargs, trigger.tgnargs as usize);
            let arguments: Vec<&CStr> = arguments.iter().map(|argument| CStr::from_ptr(*argument)).collect();
            let is_right = fired::trigger_fired_for_row(event)
                && fired::trigger_fired_after(event)
                && trigger.tgconstrrelid != Oid::INVALID;
            let cutting = Cutting::of_trigger(&arguments).filter(|_| is_right);
            let Some(cutting) = cutting else {
                let name = encoding::to_utf8_lossy(CStr::from_ptr(trigger.tgname));
                let table = table_name(relation.rd_id);
                return Err(misuse(format!("trigger \"{name}\" on table \"{table}\" cannot keep chunks")));
            };
            let made = catalog::trigger(trigger.tgoid, trigger.tgfoid).and_then(|trigger| trigger.made_for());
            let is_update = fired::trigger_fired_by_update(event);
            Ok(Self {
                documents: relation.rd_id,
                whole: made.unwrap_or(relation.rd_id),
                chunks: trigger.tgconstrrelid,
                cutting,
                descriptor: relation.rd_att,
                row: if is_update { data.tg_newtuple } else { data.tg_trigtuple },
                before: is_update.then_some(data.tg_trigtuple),
                is_deleted: fired::trigger_fired_by_delete(event),
            })
        }
    }

    /// Whether the chunks stay as they are: the text has not changed, or the foreign key has deleted them already. That does
    /// nothing for replicated rows, and comes last where a document moves to another partition, with another key: by then it
    /// is inserted there, and cut.
    fn leaves(&self, source: i16) -> bool {
        let bytes = |row| {
            self.value(row, source).map(|value| {
                // SAFETY: a text, or an array of such, is a varlena, and lives as long as the row.
                unsafe { stored_bytes(value) }
            })
        };
        let is_same = self.before.is_some_and(|before| bytes(before) == bytes(self.row));
        is_same || self.is_deleted && self.documents == self.whole && !is_replicated()
    }

    fn value(&self, row: HeapTuple, number: i16) -> Option<Datum> {
        // SAFETY: the row is one of this table, and has the column.
        unsafe { heap_getattr_raw(row, NonZeroUsize::new(number as usize)?, self.descriptor) }
    }
}

fn misuse(message: String) -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, message)
        .detail("It has to be a constraint trigger FROM the table of chunks, with the arguments that tell how to cut.")
        .hint("Call embed_watch_chunks(), which makes it.")
}

fn renamed(report: Report) -> Report {
    report.hint("If it has another name now, call embed_watch_chunks() with that.")
}
