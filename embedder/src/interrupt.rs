//! Long work that its caller may want to end, and the threads that may not take the caller's signals.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::error::{Error, Result};

/// How often a waiting or watching thread looks.
pub const LOOK: Duration = Duration::from_millis(10);

/// Tells whether the caller wants the work to end.
#[derive(Clone, Copy)]
pub struct Interrupt<'i>(Option<&'i (dyn Fn() -> bool + Sync)>);

impl<'i> Interrupt<'i> {
    /// The work is always done to its end, and no thread is created to watch over it.
    pub const NEVER: Interrupt<'static> = Interrupt(None);

    pub fn new(wanted: &'i (dyn Fn() -> bool + Sync)) -> Self {
        Self(Some(wanted))
    }

    /// # Errors
    /// [`Error::Interrupted`] if the work is to end.
    pub fn check(self) -> Result<()> {
        match self.0 {
            Some(wanted) if wanted() => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }

    /// Does `work`, which cannot look by itself, and calls `cancel` on another thread once it is to end.
    pub fn watch<T>(self, cancel: impl Fn() + Sync, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.0.is_none() {
            return work();
        }
        let done = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            // Where no thread can be had, the work is done all the same.
            let watcher = with_signals_blocked(|| {
                std::thread::Builder::new().spawn_scoped(scope, || {
                    while !done.load(Ordering::Relaxed) {
                        if self.check().is_err() {
                            return cancel();
                        }
                        std::thread::park_timeout(LOOK);
                    }
                })
            });
            let result = work();
            done.store(true, Ordering::Relaxed);
            if let Ok(watcher) = watcher {
                watcher.thread().unpark();
            }
            result
        });
        // What cancelled work complains about is that it was cancelled.
        result.or_else(|error| self.check().and(Err(error)))
    }
}

/// Runs `spawn` so that the threads it creates receive no signal: signals belong to the calling thread.
pub fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let result = spawn();
    if let Ok(before) = before {
        // Setting a mask that was just in force cannot fail.
        let _ = before.thread_set_mask();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_cancelled_from_another_thread() {
        let cancelled = AtomicBool::new(false);
        let wanted = || true;
        let result = Interrupt::new(&wanted).watch(
            || cancelled.store(true, Ordering::Relaxed),
            || {
                while !cancelled.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                Err::<(), _>(Error::WrongVector { deviation: 1.0 })
            },
        );
        assert!(matches!(result, Err(Error::Interrupted)));
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        for interrupt in [Interrupt::NEVER, Interrupt::new(&|| false)] {
            let result = interrupt.watch(|| {}, || Err::<(), _>(Error::WrongVector { deviation: 1.0 }));
            assert!(matches!(result, Err(Error::WrongVector { .. })));
        }
    }
}
