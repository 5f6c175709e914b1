//! What the background processes have in common: signals, waiting, and being seen.
#![allow(unsafe_code)]

use std::time::Duration;

use pgrx::pg_sys;

use crate::postgres::interrupt;

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
    // Not cut off: what is due in half a millisecond would be waited for without a pause.
    let milliseconds = duration.as_micros().div_ceil(1000);
    // SAFETY: on the main thread of a process with a latch; the flag is set by a signal handler, and read as such.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds as _, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
        interrupt::check();
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            pg_sys::ConfigReloadPending = 0;
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

/// This process's number.
pub fn pid() -> i32 {
    // SAFETY: set when the process starts.
    unsafe { pg_sys::MyProcPid }
}

/// Wakes a process, if there is one with this number.
pub fn set_latch(pid: i32) {
    // SAFETY: gives null for a process that is gone; an entry of shared memory has a latch, whoever's it is now.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if !process.is_null() {
            pg_sys::SetLatch(&raw mut (*process).procLatch);
        }
    }
}

/// Whether there is a process with this number, and it is in this database.
pub fn is_in_database(pid: i32, database: u32) -> bool {
    // SAFETY: as above.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        !process.is_null() && (*process).databaseId.to_u32() == database
    }
}

/// Shows the others what the process is doing, in `pg_stat_activity`.
pub fn report_activity(is_running: bool) {
    let state = if is_running { pg_sys::BackendState::STATE_RUNNING } else { pg_sys::BackendState::STATE_IDLE };
    // SAFETY: a constant string, which is copied.
    unsafe { pg_sys::pgstat_report_activity(state, c"embedding the rows of watched tables".as_ptr()) };
}
