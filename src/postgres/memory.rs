//! Memory contexts that end with a piece of work.
#![allow(unsafe_code)]

use pgrx::pg_sys;

/// While it lives, what PostgreSQL allocates goes into a context of its own, which is given back when it is dropped.
pub struct Scratch {
    own: pg_sys::MemoryContext,
    before: pg_sys::MemoryContext,
}

/// A new context, which ends with another at the latest.
///
/// # Safety
/// `parent` is a context.
pub unsafe fn context_under(parent: pg_sys::MemoryContext) -> pg_sys::MemoryContext {
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::AllocSetContextCreateExtended(
            parent,
            c"pg_embed".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// While it lives, what PostgreSQL allocates goes into a context that was current before.
pub struct Within(pg_sys::MemoryContext);

/// The context that is current.
pub fn current() -> pg_sys::MemoryContext {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::CurrentMemoryContext }
}

impl Within {
    /// # Safety
    /// The context outlives the result.
    pub unsafe fn new(context: pg_sys::MemoryContext) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { pg_sys::MemoryContextSwitchTo(context) })
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        // SAFETY: it was current, so it is still there.
        unsafe { pg_sys::MemoryContextSwitchTo(self.0) };
    }
}

impl Scratch {
    pub fn new() -> Self {
        // SAFETY: the current context outlives this value, which is dropped before the caller returns.
        unsafe { Self::under(pg_sys::CurrentMemoryContext) }
    }

    /// The same for work that spans transactions.
    pub fn beyond_transactions() -> Self {
        // SAFETY: a context that lives as long as the process.
        unsafe { Self::under(pg_sys::TopMemoryContext) }
    }

    /// # Safety
    /// `parent` outlives the result.
    unsafe fn under(parent: pg_sys::MemoryContext) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let own = context_under(parent);
            Self { own, before: pg_sys::MemoryContextSwitchTo(own) }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: both contexts are still there. It may no longer be the current one, if an error came from elsewhere.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.before);
            pg_sys::MemoryContextDelete(self.own);
        }
    }
}
