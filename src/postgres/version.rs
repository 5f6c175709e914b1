//! What differs between PostgreSQL 14 and 18.
#![allow(unsafe_code)]

use std::ffi::c_char;

use pgrx::pg_sys::{self, Oid};

/// The number of the table, or of the input of a node, that a variable belongs to.
#[cfg(feature = "pg14")]
pub type VarNumber = u32;
#[cfg(not(feature = "pg14"))]
pub type VarNumber = i32;

#[cfg(not(feature = "pg14"))]
pub use pg_sys::MergeAction;

/// What PostgreSQL 14 has none of: see [`merge_actions`].
#[cfg(feature = "pg14")]
#[allow(non_snake_case)]
pub struct MergeAction {
    pub commandType: pg_sys::CmdType::Type,
    pub qual: *mut pg_sys::Node,
    pub targetList: *mut pg_sys::List,
}

/// The lists of a MERGE's actions, one for each table; null for other statements.
///
/// # Safety
/// A node of a plan.
pub unsafe fn merge_actions(modify: *mut pg_sys::ModifyTable) -> *mut pg_sys::List {
    #[cfg(feature = "pg14")]
    let (_, actions) = (modify, std::ptr::null_mut());
    #[cfg(not(feature = "pg14"))]
    // SAFETY: the caller's promise.
    let actions = unsafe { (*modify).mergeActionLists };
    actions
}

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
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    return may_use(pg_sys::pg_namespace_aclcheck, schema, role);
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    may_use(pg_sys::NamespaceRelationId, schema, role)
}

/// Whether a role may use a foreign server.
pub fn may_use_server(server: Oid, role: Oid) -> bool {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    return may_use(pg_sys::pg_foreign_server_aclcheck, server, role);
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    may_use(pg_sys::ForeignServerRelationId, server, role)
}

/// Whether a role may make foreign servers of a wrapper.
pub fn may_use_wrapper(wrapper: Oid, role: Oid) -> bool {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    return may_use(pg_sys::pg_foreign_data_wrapper_aclcheck, wrapper, role);
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    may_use(pg_sys::ForeignDataWrapperRelationId, wrapper, role)
}

#[cfg(any(feature = "pg14", feature = "pg15"))]
type Check = unsafe fn(Oid, Oid, pg_sys::AclMode) -> pg_sys::AclResult::Type;

#[cfg(any(feature = "pg14", feature = "pg15"))]
fn may_use(check: Check, object: Oid, role: Oid) -> bool {
    // SAFETY: a lookup.
    unsafe { check(object, role, pg_sys::ACL_USAGE as pg_sys::AclMode) == pg_sys::AclResult::ACLCHECK_OK }
}

#[cfg(not(any(feature = "pg14", feature = "pg15")))]
fn may_use(catalogue: Oid, object: Oid, role: Oid) -> bool {
    // SAFETY: a lookup.
    let found = unsafe { pg_sys::object_aclcheck(catalogue, object, role, pg_sys::ACL_USAGE as pg_sys::AclMode) };
    found == pg_sys::AclResult::ACLCHECK_OK
}

/// C functions that run other people's code, without the bindings' own way to catch errors: to be called within
/// [`catch`](crate::postgres::catch::catch).
pub mod raw {
    use std::ffi::c_void;

    use super::{c_char, pg_sys};

    unsafe extern "C-unwind" {
        pub fn pg_plan_query(
            query: *mut pg_sys::Query,
            sql: *const c_char,
            options: i32,
            values: pg_sys::ParamListInfo,
        ) -> *mut pg_sys::PlannedStmt;
        pub fn ExecutorStart(query: *mut pg_sys::QueryDesc, flags: i32);
        pub fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: i32);
        #[cfg(not(feature = "pg18"))]
        fn ExecutorRun(query: *mut pg_sys::QueryDesc, direction: pg_sys::ScanDirection::Type, count: u64, once: bool);
        #[cfg(feature = "pg18")]
        fn ExecutorRun(query: *mut pg_sys::QueryDesc, direction: pg_sys::ScanDirection::Type, count: u64);
        pub fn standard_planner(
            query: *mut pg_sys::Query,
            sql: *const c_char,
            options: i32,
            values: pg_sys::ParamListInfo,
        ) -> *mut pg_sys::PlannedStmt;
        pub fn ExecInitNode(plan: *mut pg_sys::Plan, estate: *mut pg_sys::EState, flags: i32)
        -> *mut pg_sys::PlanState;
        pub fn ExecEndNode(node: *mut pg_sys::PlanState);
        pub fn ExecReScan(node: *mut pg_sys::PlanState);
        pub fn ExecScan(
            node: *mut pg_sys::ScanState,
            access: pg_sys::ExecScanAccessMtd,
            recheck: pg_sys::ExecScanRecheckMtd,
        ) -> *mut pg_sys::TupleTableSlot;
        pub fn ExecScanReScan(node: *mut pg_sys::ScanState);
        pub fn ExecInitExpr(expression: *mut pg_sys::Expr, parent: *mut pg_sys::PlanState) -> *mut pg_sys::ExprState;
        #[cfg(not(feature = "pg18"))]
        fn heap_form_minimal_tuple(
            descriptor: pg_sys::TupleDesc,
            values: *mut pg_sys::Datum,
            nulls: *mut bool,
        ) -> *mut pg_sys::MinimalTupleData;
        #[cfg(feature = "pg18")]
        fn heap_form_minimal_tuple(
            descriptor: pg_sys::TupleDesc,
            values: *const pg_sys::Datum,
            nulls: *const bool,
            extra: usize,
        ) -> *mut pg_sys::MinimalTupleData;
        #[cfg_attr(not(any(feature = "pg14", feature = "pg15")), link_name = "expression_tree_walker_impl")]
        pub fn expression_tree_walker(node: *mut pg_sys::Node, visit: Walker, context: *mut c_void) -> bool;
        #[cfg_attr(not(any(feature = "pg14", feature = "pg15")), link_name = "expression_tree_mutator_impl")]
        pub fn expression_tree_mutator(
            node: *mut pg_sys::Node,
            visit: Mutator,
            context: *mut c_void,
        ) -> *mut pg_sys::Node;
        pub fn ExecutorFinish(query: *mut pg_sys::QueryDesc);
        pub fn ExecutorEnd(query: *mut pg_sys::QueryDesc);
        pub fn SPI_execute(sql: *const c_char, read_only: bool, count: std::ffi::c_long) -> i32;
        pub fn SPI_commit();
        pub fn PreventCommandIfReadOnly(command: *const c_char);
        pub fn lappend(list: *mut pg_sys::List, datum: *mut std::ffi::c_void) -> *mut pg_sys::List;
    }

    /// Visits a node of an expression; true ends the walk.
    pub type Walker = unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool;
    /// Gives what takes the place of a node in a copy.
    pub type Mutator = unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> *mut pg_sys::Node;

    /// The next row of a node; null or empty at the end.
    ///
    /// # Safety
    /// A node that was initialised and not ended.
    pub unsafe fn next_row(node: *mut pg_sys::PlanState) -> *mut pg_sys::TupleTableSlot {
        // SAFETY: the caller's promise; as ExecProcNode() does, which is no symbol of its own.
        unsafe {
            if !(*node).chgParam.is_null() {
                ExecReScan(node);
            }
            match (*node).ExecProcNode {
                Some(next) => next(node),
                None => std::ptr::null_mut(),
            }
        }
    }

    /// A copy of a row, in the current memory context.
    ///
    /// # Safety
    /// The values are those of a row of this descriptor.
    pub unsafe fn minimal_tuple(
        descriptor: pg_sys::TupleDesc,
        values: *mut pg_sys::Datum,
        nulls: *mut bool,
    ) -> *mut pg_sys::MinimalTupleData {
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            return heap_form_minimal_tuple(descriptor, values, nulls);
            #[cfg(feature = "pg18")]
            return heap_form_minimal_tuple(descriptor, values, nulls, 0);
        }
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
