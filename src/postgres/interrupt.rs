//! What the user or the server asks of this process while it works.
#![allow(unsafe_code)]

use pgrx::pg_sys;

/// Whether this process's attention is wanted.
pub fn pending() -> bool {
    // SAFETY: signal handlers set the first; all are words, and read as such. While interrupts are held off,
    // PostgreSQL would not act on one.
    unsafe { (&raw const pg_sys::InterruptPending).read_volatile() != 0 && can_be_processed() }
}

/// Whether the statement or the process is to end. Work that would have to begin anew is given up for this alone: there
/// are interrupts that come again and again and end nothing, such as `client_connection_check_interval`.
pub fn ending() -> bool {
    // SAFETY: as above.
    unsafe {
        ((&raw const pg_sys::QueryCancelPending).read_volatile() != 0
            || (&raw const pg_sys::ProcDiePending).read_volatile() != 0)
            && can_be_processed()
    }
}

/// # Safety
/// As for [`pending`].
unsafe fn can_be_processed() -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw const pg_sys::InterruptHoldoffCount).read_volatile() == 0
            && (&raw const pg_sys::CritSectionCount).read_volatile() == 0
    }
}

/// Lets PostgreSQL act on an interrupt: ends the statement or the process, or returns. To be called only while no
/// other thread of this process runs.
pub fn check() {
    if pending() {
        // SAFETY: on the main thread; an ERROR unwinds the Rust stack.
        unsafe { pg_sys::ProcessInterrupts() };
    }
}
