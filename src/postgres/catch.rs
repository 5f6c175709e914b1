//! Calls that run other people's code, such as triggers: their errors come back as they were raised.
//!
//! The bindings catch errors too, but turn each SQLSTATE that they do not know into XX000, and drop an error's context,
//! constraint and table.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use cee_scape::{SigJmpBufFields, call_with_sigsetjmp};
use pgrx::pg_sys;

use crate::postgres::report::{Report, Result};

/// Calls C functions.
///
/// # Errors
/// The ERROR that they raise. Only the end of the (sub)transaction cleans up after it: see
/// [`attempt`](crate::postgres::transaction::attempt).
///
/// # Safety
/// On the main thread. The error jumps over `call`, so it holds nothing that needs to be dropped, and it calls C
/// functions alone: those of the bindings would catch the error first.
pub unsafe fn catch<T>(call: impl FnOnce() -> T) -> Result<T> {
    // SAFETY: the caller's promise; the variables are those that PG_TRY saves and restores.
    unsafe {
        let memory = pg_sys::CurrentMemoryContext;
        let (stack, callbacks) = (pg_sys::PG_exception_stack, pg_sys::error_context_stack);
        let mut result = MaybeUninit::uninit();
        let jumped = call_with_sigsetjmp(false, |buffer| {
            pg_sys::PG_exception_stack = (buffer as *const SigJmpBufFields).cast_mut().cast();
            result.write(call());
            0
        });
        pg_sys::PG_exception_stack = stack;
        pg_sys::error_context_stack = callbacks;
        if jumped == 0 {
            return Ok(result.assume_init());
        }
        pg_sys::CurrentMemoryContext = memory;
        let error = pg_sys::CopyErrorData();
        let report = Report::raised(&*error);
        pg_sys::FreeErrorData(error);
        pg_sys::FlushErrorState();
        Err(report)
    }
}
