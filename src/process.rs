//! What the background processes have in common: signals, transactions, waiting.
#![allow(unsafe_code)]

use std::time::Duration;

use pgrx::pg_sys;

use crate::backend::check_for_interrupts;
use crate::report::{self, Result};

// The bindings wrap these two, and signals need the functions themselves.
unsafe extern "C-unwind" {
    fn die(signal: i32);
    fn SignalHandlerForConfigReload(signal: i32);
}

/// Takes signals as a session does: a cancel ends the statement, a terminate the process.
pub fn accept_signals() {
    #[cfg(not(feature = "pg18"))]
    use pg_sys::pqsignal as set;
    #[cfg(feature = "pg18")]
    use pg_sys::pqsignal_be as set;
    // SAFETY: handlers that PostgreSQL has for this purpose, set before signals are let in. That of SIGINT is set when
    // the process connects.
    unsafe {
        set(pg_sys::SIGTERM as i32, Some(die));
        set(pg_sys::SIGHUP as i32, Some(SignalHandlerForConfigReload));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Waits until `duration` is over or another process sets the latch.
pub fn nap(duration: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: on the main thread of a process with a latch; the flag is set by a signal handler, and read as such.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, duration.as_millis() as _, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
        check_for_interrupts();
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            pg_sys::ConfigReloadPending = 0;
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

/// Does `body` in a transaction; what PostgreSQL raises in it is given back as an error too.
///
/// # Errors
/// What `body` fails with; the transaction is then undone.
pub fn transaction<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    check_for_interrupts();
    // SAFETY: a child of a context that lives as long as the process, deleted below. What is left over from errors is
    // allocated in the context that is current outside the transaction, and would stay there for ever.
    let (before, leftovers) = unsafe {
        let leftovers = pg_sys::AllocSetContextCreateExtended(
            pg_sys::TopMemoryContext,
            c"pg_embed transaction".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        (pg_sys::MemoryContextSwitchTo(leftovers), leftovers)
    };
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
    // SAFETY: as announced above; then, between transactions, as sessions do it: autovacuum goes by these figures.
    unsafe {
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::MemoryContextDelete(leftovers);
        pg_sys::pgstat_report_stat(false);
    }
    result
}

/// Shows the others what the process is doing, in `pg_stat_activity`.
pub fn report_activity(is_running: bool) {
    let state = if is_running { pg_sys::BackendState::STATE_RUNNING } else { pg_sys::BackendState::STATE_IDLE };
    // SAFETY: a constant string, which is copied.
    unsafe { pg_sys::pgstat_report_activity(state, c"embedding the rows of watched tables".as_ptr()) };
}
