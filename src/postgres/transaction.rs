//! Transactions of background processes, and parts of transactions that may fail.
#![allow(unsafe_code)]

use std::ptr;

use pgrx::pg_sys;

use crate::postgres::interrupt;
use crate::postgres::memory::Scratch;
use crate::postgres::report::{self, Result};

/// Does `body` in a transaction of its own; what PostgreSQL raises in it is given back as an error too.
///
/// # Errors
/// What `body` fails with; the transaction is then undone.
pub fn transaction<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    interrupt::check();
    // What is left over from errors is allocated in the context that is current outside the transaction.
    let leftovers = Scratch::beyond_transactions();
    // SAFETY: the process is in no transaction. PostgreSQL ends the user's change of identity with an undone
    // transaction.
    let result = report::guard(|| unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = body()?;
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        Ok(result)
    });
    if result.is_err() {
        // SAFETY: does what is needed in any state of a transaction.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }
    drop(leftovers);
    // SAFETY: between transactions, as sessions do it: autovacuum goes by these figures.
    unsafe { pg_sys::pgstat_report_stat(false) };
    result
}

/// Does `body` in a subtransaction: where it fails, what it did is undone, and the transaction goes on.
///
/// # Errors
/// What `body` fails with.
pub fn attempt<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: as PL/pgSQL does it: a subtransaction has a memory context and a resource owner of its own, and those of
    // the caller are in force again after it, however it ends.
    unsafe {
        let (memory, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(memory);
        let result = report::guard(body);
        match result {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(memory);
        pg_sys::CurrentResourceOwner = owner;
        result
    }
}
