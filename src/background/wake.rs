//! A commit that leaves rows without their vectors wakes the worker of its database.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};

use pgrx::pg_guard;
use pgrx::pg_sys::{self, Oid};

use crate::background::shared;
use crate::postgres::{catalog, server};
use crate::table::trigger;

/// So many tables of a transaction are remembered; if there are more, the worker looks into all.
const TABLES: usize = 32;

thread_local! {
    /// The tables in which this transaction has left rows without vectors.
    static MARKED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    /// Whether what is watched may be another.
    static CHANGED: Cell<bool> = const { Cell::new(false) };
    /// The tables that this transaction wants to be tried again.
    static RESUMED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

static mut NEXT_HOOK: pg_sys::object_access_hook_type = None;

/// Has every session notice that a trigger of ours was made: a restored table is watched without a call.
pub fn init() {
    if !server::is_preloading() || server::is_binary_upgrade() {
        return;
    }
    // SAFETY: in the single-threaded postmaster; whose hook was there is called too.
    unsafe {
        NEXT_HOOK = pg_sys::object_access_hook;
        pg_sys::object_access_hook = Some(on_object_access);
    }
}

/// A row of `table` waits for its vector.
pub fn mark(table: Oid) {
    register();
    MARKED.with_borrow_mut(|marked| {
        if !marked.contains(&table.to_u32()) {
            marked.push(table.to_u32());
        }
    });
}

/// Something is watched, or no longer is.
pub fn change() {
    register();
    CHANGED.set(true);
}

/// `table` is to be tried again now, whatever has gone wrong before.
pub fn end_pause(table: Oid) {
    change();
    RESUMED.with_borrow_mut(|resumed| resumed.push(table.to_u32()));
}

fn register() {
    if !REGISTERED.replace(true) {
        // SAFETY: a function that stays where it is.
        unsafe { pg_sys::RegisterXactCallback(Some(on_transaction), std::ptr::null_mut()) };
    }
}

/// Called at the end of each transaction of this process, after it is visible to others.
#[pg_guard]
unsafe extern "C-unwind" fn on_transaction(event: pg_sys::XactEvent::Type, _argument: *mut core::ffi::c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if !matches!(event, XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE) {
        return;
    }
    // What is committed after PREPARE TRANSACTION, perhaps by another session, is found when the worker looks by itself.
    let (marked, changed, resumed) = (MARKED.take(), CHANGED.replace(false), RESUMED.take());
    if event != XACT_EVENT_COMMIT || (marked.is_empty() && !changed) {
        return;
    }
    // SAFETY: reads a variable of this process.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    resumed.iter().for_each(|table| shared::end_pause(database, *table));
    shared::ask(database, if changed || marked.len() > TABLES { &[] } else { &marked });
}

#[pg_guard]
unsafe extern "C-unwind" fn on_object_access(
    access: pg_sys::ObjectAccessType::Type,
    class: Oid,
    object: Oid,
    sub_object: i32,
    argument: *mut core::ffi::c_void,
) {
    // SAFETY: called as PostgreSQL calls hooks.
    unsafe {
        if let Some(next) = NEXT_HOOK {
            pg_sys::ffi::pg_guard_ffi_boundary(|| next(access, class, object, sub_object, argument));
        }
    }
    if access == pg_sys::ObjectAccessType::OAT_POST_CREATE
        && class == pg_sys::TriggerRelationId
        && catalog::function_of_new_trigger(object).is_some_and(trigger::marks)
    {
        change();
    }
}
