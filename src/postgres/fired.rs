//! What a trigger function was fired for.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::slice;

use pgrx::htup::heap_getattr_raw;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, TriggerData, TupleDesc};
use pgrx::trigger_support as event;

use crate::postgres::arguments::Call;

/// The trigger, and the row that is written; all of it lives until the function returns.
pub struct Fired<'call> {
    pub trigger: Oid,
    pub name: &'call CStr,
    pub function: Oid,
    pub arguments: Vec<&'call CStr>,
    /// The table that it was made `FROM`, if there is one.
    pub other_table: Option<Oid>,
    pub table: Oid,
    pub descriptor: TupleDesc,
    /// As it is written or, by a DELETE, was.
    pub row: HeapTuple,
    /// As it was before an UPDATE.
    pub before: Option<HeapTuple>,
    event: u32,
}

impl Fired<'_> {
    /// `None` if no trigger calls the function.
    pub fn of(call: Call) -> Option<Self> {
        let fcinfo = call.info();
        // SAFETY: the trigger manager passes a TriggerData whose parts live until the function returns.
        unsafe {
            if !event::called_as_trigger(fcinfo) {
                return None;
            }
            let data = &*(*fcinfo).context.cast::<TriggerData>();
            let (trigger, relation) = (&*data.tg_trigger, &*data.tg_relation);
            // Without arguments, there is no list of them.
            let arguments = (0..trigger.tgnargs as usize).map(|n| CStr::from_ptr(*trigger.tgargs.add(n)));
            let is_update = event::trigger_fired_by_update(data.tg_event);
            Some(Self {
                trigger: trigger.tgoid,
                name: CStr::from_ptr(trigger.tgname),
                function: trigger.tgfoid,
                arguments: arguments.collect(),
                other_table: (trigger.tgconstrrelid != Oid::INVALID).then_some(trigger.tgconstrrelid),
                table: relation.rd_id,
                descriptor: relation.rd_att,
                row: if is_update { data.tg_newtuple } else { data.tg_trigtuple },
                before: is_update.then_some(data.tg_trigtuple),
                event: data.tg_event,
            })
        }
    }

    pub fn is_for_row(&self) -> bool {
        event::trigger_fired_for_row(self.event)
    }

    pub fn is_before(&self) -> bool {
        event::trigger_fired_before(self.event)
    }

    pub fn is_after(&self) -> bool {
        event::trigger_fired_after(self.event)
    }

    pub fn is_insert(&self) -> bool {
        event::trigger_fired_by_insert(self.event)
    }

    pub fn is_update(&self) -> bool {
        event::trigger_fired_by_update(self.event)
    }

    pub fn is_delete(&self) -> bool {
        event::trigger_fired_by_delete(self.event)
    }

    /// A column of the row, or of the one before.
    pub fn value(&self, row: HeapTuple, number: i16) -> Option<Datum> {
        // SAFETY: the row is one of this table, and has the column.
        unsafe { heap_getattr_raw(row, NonZeroUsize::new(number as usize)?, self.descriptor) }
    }

    /// Whether a column of a type with variable length has the value that it had in `before`, as far as one can tell without
    /// reading it: a value out of line is its pointer.
    pub fn is_same(&self, before: HeapTuple, number: i16) -> bool {
        let (old, new) = (self.value(before, number), self.value(self.row, number));
        // SAFETY: both are values of a type with variable length, and live as long as the rows.
        old == new || old.zip(new).is_some_and(|(old, new)| unsafe { stored_bytes(old) == stored_bytes(new) })
    }
}

/// Whether the row comes from a replication, or from somebody who acts as one.
pub fn is_replicated() -> bool {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::SessionReplicationRole == pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32 }
}

/// The bytes of a value as it is stored.
///
/// # Safety
/// `value` points to a varlena.
unsafe fn stored_bytes<'row>(value: Datum) -> &'row [u8] {
    let start = value.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: the caller's promise; its length is in the varlena.
    unsafe { slice::from_raw_parts(start.cast(), pgrx::varsize_any(start)) }
}
