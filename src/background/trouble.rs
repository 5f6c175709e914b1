//! What failed, and when it is tried again: after pauses that grow.
#![allow(unsafe_code)]

use std::time::Duration;

use pgrx::pg_sys;

pub use crate::postgres::progress::Trouble;

/// The first pause; it doubles with each further failure, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(300);

/// Now, in PostgreSQL's microseconds.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// So much later than now.
pub fn after(duration: Duration) -> i64 {
    now() + duration.as_micros() as i64
}

/// How long it is until then.
pub fn until(time: i64) -> Duration {
    Duration::from_micros((time - now()).max(0) as u64)
}

impl Trouble {
    /// It has failed once more.
    pub fn grow(&mut self) {
        self.grow_up_to(FIRST_PAUSE, LAST_PAUSE);
    }

    pub fn grow_up_to(&mut self, first: Duration, last: Duration) {
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(last);
        self.failures += 1;
        self.until = Some(after(pause));
    }

    /// Whether it is not to be tried now.
    pub fn is_paused(&self) -> bool {
        self.until.is_some_and(|until| until > now())
    }

    /// Whether it has not come again when it was due: a row that was bad is gone or mended.
    pub fn is_long_over(&self) -> bool {
        self.until.is_none_or(|until| until + (LAST_PAUSE.as_micros() as i64) < now())
    }
}
