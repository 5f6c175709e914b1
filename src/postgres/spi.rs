//! SQL in the caller's own name, through PostgreSQL's server programming interface: statements that define something,
//! and the end of transactions within a procedure. What reads and writes tables is a
//! [`Statement`](crate::postgres::statement::Statement).
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

use crate::postgres::catalog;
use crate::postgres::catch::catch;
use crate::postgres::report::{Report, Result};
use crate::postgres::text;
use crate::postgres::version::raw;

/// A connection. Statements run as the current user and see what earlier ones of the same transaction did.
pub struct Spi(());

/// Runs `body` with a connection, and gives back the memory that its statements took.
///
/// # Errors
/// What `body` fails with. The connection then ends with the transaction, as it does where PostgreSQL raises an error.
pub fn connect<T>(body: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    connect_with(0, body)
}

/// The same in a procedure that may [`commit`](Spi::commit). Its memory belongs to the procedure's call, not to the
/// transaction.
pub fn connect_to_commit<T>(body: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    connect_with(pg_sys::SPI_OPT_NONATOMIC, body)
}

fn connect_with<T>(options: u32, body: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    // SAFETY: in a transaction.
    check(unsafe { pg_sys::SPI_connect_ext(options as i32) })?;
    let result = body(&Spi(()))?;
    // SAFETY: the connection made above; those made since have ended.
    check(unsafe { pg_sys::SPI_finish() })?;
    Ok(result)
}

fn check(code: i32) -> Result<()> {
    if code >= 0 {
        return Ok(());
    }
    // SAFETY: gives a constant or static string for any code.
    let reason = unsafe { CStr::from_ptr(pg_sys::SPI_result_code_string(code)) };
    Err(Report::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "could not run a statement")
        .detail(format!("The server programming interface says {}.", reason.to_string_lossy())))
}

impl Spi {
    /// Runs one statement that gives no rows.
    pub fn execute(&self, sql: &str) -> Result<()> {
        let sql = text::to_server(sql)?;
        let sql = sql.as_ptr();
        // SAFETY: a zero-terminated statement without parameters. Event triggers may run in it.
        check(unsafe { catch(|| raw::SPI_execute(sql, false, 0)) }?)
    }

    /// Ends the transaction and begins another: one that writes, and in which each statement sees what others have
    /// committed, or, with `as_set`, one as the session's settings ask for, be it because a trigger has changed them.
    ///
    /// # Errors
    /// What deferred triggers raise.
    pub fn commit(&self, as_set: bool) -> Result<()> {
        // SAFETY: PostgreSQL refuses where the caller is atomic. A transaction that has just begun has no snapshot, so
        // its isolation can still be chosen.
        unsafe {
            catch(|| raw::SPI_commit())?;
            pg_sys::SPI_start_transaction();
            if !as_set {
                pg_sys::XactIsoLevel = pg_sys::XACT_READ_COMMITTED as i32;
                pg_sys::XactReadOnly = false;
            }
        }
        Ok(())
    }
}

/// # Errors
/// 25006 in a transaction that may not write, and on a standby. `command` is what is refused.
pub fn refuse_read_only(command: &CStr) -> Result<()> {
    // SAFETY: a zero-terminated string.
    unsafe { catch(|| raw::PreventCommandIfReadOnly(command.as_ptr())) }
}

/// A name as it stands in SQL, quoted where needed.
pub fn identifier(name: &CStr) -> Result<String> {
    // SAFETY: gives the same or a palloc'd string.
    text::from_server(unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())) })
}

/// The name of a relation as it stands in SQL, with its schema.
///
/// # Errors
/// 42P01 if there is no such relation any more.
pub fn qualified(relation: Oid) -> Result<String> {
    // SAFETY: catalogue lookups, which give the invalid OID and null for what is gone.
    let named = unsafe { with_schema(pg_sys::get_rel_namespace(relation), pg_sys::get_rel_name(relation)) };
    named?.ok_or_else(|| {
        let message = format!("relation with OID {relation} does not exist any more");
        Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, message)
    })
}

/// A name as it stands in SQL, with its schema.
///
/// # Errors
/// 3F000 if the schema does not exist any more.
pub fn in_schema(schema: Oid, name: &CStr) -> Result<String> {
    // SAFETY: a zero-terminated string.
    unsafe { with_schema(schema, name.as_ptr()) }?
        .ok_or_else(|| Report::new(PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME, "schema does not exist any more"))
}

/// The same; `None` if there is no such schema, or if the name is null.
///
/// # Safety
/// `name` is a zero-terminated string, or null.
unsafe fn with_schema(schema: Oid, name: *const c_char) -> Result<Option<String>> {
    // SAFETY: the caller's promise; gives palloc'd strings, or null for a schema that is gone.
    unsafe {
        let schema = pg_sys::get_namespace_name_or_temp(schema);
        if schema.is_null() || name.is_null() {
            return Ok(None);
        }
        text::from_server(CStr::from_ptr(pg_sys::quote_qualified_identifier(schema, name))).map(Some)
    }
}

/// A type as it stands in SQL, with its schema if it is not PostgreSQL's own, and its modifier, -1 for none.
pub fn type_name(of: Oid, modifier: i32) -> Result<String> {
    let how = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
    // SAFETY: gives a palloc'd string for any OID.
    text::from_server(unsafe { CStr::from_ptr(pg_sys::format_type_extended(of, modifier, how as u16)) })
}

/// A function's name as it stands in SQL, with its schema.
///
/// # Errors
/// 42883 if there is no such function any more.
pub fn function(function: Oid) -> Result<String> {
    // SAFETY: catalogue lookups, which give the invalid OID and null for what is gone.
    let named = unsafe { with_schema(pg_sys::get_func_namespace(function), pg_sys::get_func_name(function)) };
    named?.ok_or_else(|| {
        let message = format!("function with OID {function} does not exist any more");
        Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION, message)
    })
}

/// An operator as it stands in SQL between two values, with its schema.
///
/// # Errors
/// 42883 if there is no such operator any more.
pub fn operator(operator: Oid) -> Result<String> {
    let gone = || {
        let message = format!("operator with OID {operator} does not exist any more");
        Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION, message)
    };
    let (schema, name) = catalog::operator_name(operator).ok_or_else(gone)?;
    // SAFETY: gives a palloc'd string, or null for what is gone.
    let schema = unsafe {
        let schema = pg_sys::get_namespace_name(schema);
        if schema.is_null() {
            return Err(gone());
        }
        identifier(CStr::from_ptr(schema))?
    };
    Ok(format!("OPERATOR({schema}.{})", text::from_server(&name)?))
}

/// `value` as a string constant in SQL.
pub fn literal(value: &str) -> Result<String> {
    let value = text::to_server(value)?;
    // SAFETY: reads a zero-terminated string, gives a palloc'd one.
    text::from_server(unsafe { CStr::from_ptr(pg_sys::quote_literal_cstr(value.as_ptr())) })
}

/// Names of the server's as string constants in SQL, one after another.
pub fn literals<N: AsRef<CStr>>(names: &[N]) -> Result<String> {
    let literals = names.iter().map(|name| literal(&text::from_server(name.as_ref())?));
    Ok(literals.collect::<Result<Vec<_>>>()?.join(", "))
}

/// That a statement has met another object than the one that was meant.
pub fn changed() -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "objects changed their names meanwhile")
        .hint("Do it again.")
}
