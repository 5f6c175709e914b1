//! Acting as somebody else, the way PostgreSQL's own maintenance commands do.
#![allow(unsafe_code)]

use std::ffi::CStr;

use pgrx::pg_sys::{self, Oid};

/// While it lives, the process acts as another role, in a security-restricted operation: code of that role's, such as a
/// trigger, can neither get out of it nor leave behind a setting, a temporary table or a deferred trigger. Names are
/// looked up in `pg_catalog` alone.
pub struct Identity {
    user: Oid,
    context: i32,
    settings: i32,
}

impl Identity {
    /// Within a transaction or subtransaction; dropped before that ends.
    pub fn of(role: Oid) -> Self {
        let (mut user, mut context) = (Oid::INVALID, 0);
        let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        // SAFETY: writes to both variables; undone when this is dropped, or by PostgreSQL with the transaction.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(role, context | restricted as i32);
            let identity = Self { user, context, settings: pg_sys::NewGUCNestLevel() };
            set(c"search_path", c"pg_catalog, pg_temp");
            identity
        }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // SAFETY: as they were, settings first: what a setting does when it changes is still that role's concern.
        unsafe {
            pg_sys::AtEOXact_GUC(false, self.settings);
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
        }
    }
}

/// A level of settings that ends when this is dropped.
pub struct Settings(i32);

impl Settings {
    pub fn new() -> Self {
        // SAFETY: ends below, or with the transaction.
        Self(unsafe { pg_sys::NewGUCNestLevel() })
    }

    /// A planner that reads ranges of a table by place, in order, whatever it thinks of the cost.
    pub fn by_place() -> Self {
        let level = Self::new();
        for name in [c"enable_seqscan", c"enable_indexscan", c"enable_bitmapscan"] {
            set(name, c"off");
        }
        level
    }

    /// A planner that uses an index if there is one that serves.
    pub fn by_index() -> Self {
        let level = Self::new();
        set(c"enable_indexscan", c"on");
        // A bitmap would be made of all rows, were there a million of them, before the first is given.
        for other in [c"enable_seqscan", c"enable_bitmapscan"] {
            set(other, c"off");
        }
        level
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: the level made above.
        unsafe { pg_sys::AtEOXact_GUC(false, self.0) };
    }
}

/// Sets a setting to the end of the present level.
fn set(name: &CStr, value: &CStr) {
    // SAFETY: names and values that every version has.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

/// What SET CONSTRAINTS ALL IMMEDIATE does: a row that a constraint refuses is refused when it is written, and no trigger
/// runs at the end of the transaction, as somebody else. Only in a transaction of our own: in another's, it would run now
/// what is deferred there.
pub fn set_constraints_immediate() {
    let mut statement = pg_sys::ConstraintsSetStmt {
        type_: pg_sys::NodeTag::T_ConstraintsSetStmt,
        constraints: std::ptr::null_mut(),
        deferred: false,
    };
    // SAFETY: a statement without names, in a transaction.
    unsafe { pg_sys::AfterTriggerSetState(&mut statement) };
}

/// Overrides what a database or role could force on a background process, as autovacuum does: its work must not depend
/// on it.
pub fn override_settings() {
    let overridden: [(&CStr, &CStr); 12] = [
        (c"search_path", c"pg_catalog, pg_temp"),
        (c"role", c"none"),
        (c"row_security", c"on"),
        (c"session_replication_role", c"origin"),
        (c"default_transaction_isolation", c"read committed"),
        (c"default_transaction_read_only", c"off"),
        (c"default_transaction_deferrable", c"off"),
        (c"statement_timeout", c"0"),
        (c"idle_in_transaction_session_timeout", c"0"),
        // What others have locked is left for later.
        (c"lock_timeout", c"1s"),
        // A vector that a crash takes away is missed, and found again.
        (c"synchronous_commit", c"off"),
        (c"jit", c"off"),
    ];
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    let overridden = overridden.into_iter().chain([(c"transaction_timeout", c"0")]);
    for (name, value) in overridden {
        // SAFETY: names and values that this version has.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}
