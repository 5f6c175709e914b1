//! The arguments of a call.
#![allow(unsafe_code)]

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, Oid};

use crate::postgres::report::{Report, Result};
use crate::postgres::text;

/// The call that is being executed.
#[derive(Clone, Copy)]
pub struct Call(FunctionCallInfo);

impl Call {
    /// # Safety
    /// `fcinfo` belongs to the call that is being executed, and its arguments have the types that `sql/` declares.
    pub unsafe fn new(fcinfo: FunctionCallInfo) -> Self {
        Self(fcinfo)
    }

    pub fn info(self) -> FunctionCallInfo {
        self.0
    }

    /// The function that is called.
    pub fn function(self) -> Oid {
        // SAFETY: the promise of `new`.
        unsafe { (*(*self.0).flinfo).fn_oid }
    }

    /// An argument; `None` is NULL.
    pub fn optional(self, number: usize) -> Option<Datum> {
        // SAFETY: the promise of `new`.
        unsafe {
            if pgrx::pg_arg_is_null(self.0, number) { None } else { Some(pgrx::pg_getarg_datum_raw(self.0, number)) }
        }
    }

    /// NULL as the result.
    pub fn null(self) -> Datum {
        // SAFETY: the promise of `new`.
        unsafe { (*self.0).isnull = true };
        Datum::from(0)
    }

    /// An argument of a STRICT function, which is never NULL.
    pub fn argument(self, number: usize) -> Datum {
        self.optional(number).unwrap_or(Datum::from(0))
    }

    /// An argument for which NULL makes no sense.
    ///
    /// # Errors
    /// 22004.
    pub fn needed(self, number: usize, name: &str) -> Result<Datum> {
        self.optional(number).ok_or_else(|| {
            Report::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("\"{name}\" must not be null"))
        })
    }

    /// An argument of type regclass, oid or the like.
    pub fn oid(self, number: usize, name: &str) -> Result<Oid> {
        Ok(Oid::from(self.needed(number, name)?.value() as u32))
    }

    /// An argument of type text, which is a name in the database.
    pub fn name(self, number: usize, name: &str) -> Result<std::ffi::CString> {
        // SAFETY: the promise of `new`: a text.
        text::to_server(&unsafe { text::utf8(self.needed(number, name)?) }?)
    }

    /// An integer between `min` and `max`.
    ///
    /// # Errors
    /// 22004, 22023.
    pub fn integer(self, number: usize, name: &'static str, min: i32, max: i32) -> Result<i32> {
        let value = self.needed(number, name)?.value() as i32;
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(embedder::Error::Argument { name, value: value.into(), min: min.into(), max: max.into() }.into())
    }

    /// Whether a procedure is called where it may not commit.
    pub fn is_atomic(self) -> bool {
        // SAFETY: the context of a CALL is a CallContext.
        unsafe {
            let context = (*self.0).context.cast::<pg_sys::CallContext>();
            context.is_null() || (*context).atomic
        }
    }
}
