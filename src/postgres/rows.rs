//! Results of set-returning functions, collected in a tuplestore that spills to disk.
#![allow(unsafe_code)]

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};

use crate::postgres::arguments::Call;
use crate::postgres::report::{Report, Result};

/// The result set of one call.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    descriptor: pg_sys::TupleDesc,
}

impl Rows {
    /// Prepares the result of a call of a function that returns a set of a row type.
    ///
    /// # Errors
    /// 0A000 where the caller cannot take a set.
    pub fn begin(call: Call) -> Result<Self> {
        let fcinfo = call.info();
        // SAFETY: the executor fills `resultinfo` with a ReturnSetInfo where it can take a set, and else leaves it null
        // or of another node type. Descriptor and store live in the query's context, as the executor wants them.
        unsafe {
            let info: *mut pg_sys::ReturnSetInfo = (*fcinfo).resultinfo.cast();
            let takes_set = !info.is_null()
                && (*info).type_ == pg_sys::NodeTag::T_ReturnSetInfo
                && (*info).allowedModes & pg_sys::SetFunctionReturnMode::SFRM_Materialize as i32 != 0;
            let mut found: pg_sys::TupleDesc = std::ptr::null_mut();
            if !takes_set
                || pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut found)
                    != pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE
            {
                let message = "set-valued function called in context that cannot accept a set";
                return Err(Report::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, message));
            }
            let before = pg_sys::MemoryContextSwitchTo((*(*info).econtext).ecxt_per_query_memory);
            let descriptor = pg_sys::CreateTupleDescCopy(found);
            let random = (*info).allowedModes & pg_sys::SetFunctionReturnMode::SFRM_Materialize_Random as i32 != 0;
            let store = pg_sys::tuplestore_begin_heap(random, false, pg_sys::work_mem);
            pg_sys::MemoryContextSwitchTo(before);
            (*info).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
            (*info).setResult = store;
            (*info).setDesc = descriptor;
            Ok(Self { store, descriptor })
        }
    }

    /// Adds a row; `None` is NULL.
    pub fn push<const N: usize>(&mut self, values: [Option<Datum>; N]) {
        let mut nulls = values.map(|value| value.is_none());
        let mut values = values.map(|value| value.unwrap_or(Datum::from(0)));
        // SAFETY: store and descriptor are those that `begin` made; the functions' declarations in sql/ have N columns.
        unsafe {
            pg_sys::tuplestore_putvalues(self.store, self.descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
    }
}
