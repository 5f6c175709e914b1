//! What differs between PostgreSQL 14 and 18.
#![allow(unsafe_code)]

use std::ffi::c_char;

use pgrx::pg_sys::{self, Oid};

/// Parse analysis of a statement with parameters of these types.
///
/// # Safety
/// `tree` comes from `pg_parse_query(sql)`.
pub unsafe fn analyze(tree: *mut pg_sys::RawStmt, sql: *const c_char, types: &[Oid]) -> *mut pg_sys::Query {
    #[cfg(feature = "pg14")]
    // SAFETY: the caller's promise; the types are only read.
    unsafe {
        pg_sys::parse_analyze(tree, sql, types.as_ptr().cast_mut(), types.len() as i32, std::ptr::null_mut())
    }
    #[cfg(not(feature = "pg14"))]
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::parse_analyze_fixedparams(tree, sql, types.as_ptr(), types.len() as i32, std::ptr::null_mut())
    }
}

/// Whether a role may look up names in a schema.
pub fn may_use_schema(schema: Oid, role: Oid) -> bool {
    let usage = pg_sys::ACL_USAGE as pg_sys::AclMode;
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: a lookup.
    let found = unsafe { pg_sys::pg_namespace_aclcheck(schema, role, usage) };
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: a lookup.
    let found = unsafe { pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, role, usage) };
    found == pg_sys::AclResult::ACLCHECK_OK
}

/// C functions that run other people's code, without the bindings' own way to catch errors: to be called within
/// [`catch`](crate::postgres::catch::catch).
pub mod raw {
    use super::{c_char, pg_sys};

    unsafe extern "C-unwind" {
        pub fn pg_plan_query(
            query: *mut pg_sys::Query,
            sql: *const c_char,
            options: i32,
            values: pg_sys::ParamListInfo,
        ) -> *mut pg_sys::PlannedStmt;
        pub fn ExecutorStart(query: *mut pg_sys::QueryDesc, flags: i32);
        #[cfg(not(feature = "pg18"))]
        fn ExecutorRun(query: *mut pg_sys::QueryDesc, direction: pg_sys::ScanDirection::Type, count: u64, once: bool);
        #[cfg(feature = "pg18")]
        fn ExecutorRun(query: *mut pg_sys::QueryDesc, direction: pg_sys::ScanDirection::Type, count: u64);
        pub fn ExecutorFinish(query: *mut pg_sys::QueryDesc);
        pub fn ExecutorEnd(query: *mut pg_sys::QueryDesc);
        pub fn SPI_execute(sql: *const c_char, read_only: bool, count: std::ffi::c_long) -> i32;
        pub fn SPI_commit();
        pub fn PreventCommandIfReadOnly(command: *const c_char);
        pub fn lappend(list: *mut pg_sys::List, datum: *mut std::ffi::c_void) -> *mut pg_sys::List;
    }

    /// Runs a query on, for at most `count` rows; 0 is no limit.
    ///
    /// # Safety
    /// A query that was started and not ended.
    pub unsafe fn run(query: *mut pg_sys::QueryDesc, count: u64) {
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            ExecutorRun(query, forward, count, false);
            #[cfg(feature = "pg18")]
            ExecutorRun(query, forward, count);
        }
    }
}
