//! The executor's hook: tells which statements keep all their rows, so that our nodes need not wait and see.
#![allow(unsafe_code)]

use pgrx::pg_sys::{self, CommandDest};

use crate::postgres::server;
use crate::postgres::version::raw;

static mut NEXT_HOOK: pg_sys::ExecutorStart_hook_type = None;

/// Of the statement whose nodes are begun. `ExecutorStart()` begins them, and each sets it anew: what is left of one that failed
/// is never read. Where a single row is tried again, nodes are begun without it, and ours read nothing ahead.
static mut KEEPS_ALL: bool = false;

pub fn init() {
    if server::is_binary_upgrade() {
        return;
    }
    // SAFETY: in a single-threaded process; whose hook was there is called too.
    unsafe {
        NEXT_HOOK = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(start);
    }
}

/// Whether the statement whose nodes are begun keeps all the rows that it gives. A client may have had enough after the
/// first of a SELECT's; a new table, a materialized view and a COPY have not.
pub fn keeps_all_rows() -> bool {
    // SAFETY: in a single-threaded process.
    unsafe { KEEPS_ALL }
}

unsafe extern "C-unwind" fn start(query: *mut pg_sys::QueryDesc, flags: i32) {
    // SAFETY: called as PostgreSQL calls the hook. One statement may begin within another.
    unsafe {
        let outer = KEEPS_ALL;
        KEEPS_ALL = !(*query).dest.is_null()
            && matches!(
                (*(*query).dest).mydest,
                CommandDest::DestIntoRel | CommandDest::DestTransientRel | CommandDest::DestCopyOut
            );
        match NEXT_HOOK {
            Some(next) => next(query, flags),
            None => raw::standard_ExecutorStart(query, flags),
        }
        KEEPS_ALL = outer;
    }
}
