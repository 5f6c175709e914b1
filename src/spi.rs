//! SQL from within, through PostgreSQL's server programming interface.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::marker::PhantomData;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::report::{Report, Result};
use crate::text;

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
    /// Runs one statement.
    pub fn execute(&self, sql: &str) -> Result<Found<'_>> {
        let sql = text::to_server(sql)?;
        // SAFETY: a zero-terminated statement without parameters.
        check(unsafe { pg_sys::SPI_execute(sql.as_ptr(), false, 0) })?;
        // SAFETY: set by the call above, to null where the statement gives no rows.
        Ok(unsafe { Found { table: pg_sys::SPI_tuptable, count: pg_sys::SPI_processed as usize, spi: PhantomData } })
    }

    /// Runs a statement that gives one row, and reads its first column as a bigint; 0 for NULL or no row.
    pub fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.execute(sql)?.value(0, 1).map_or(0, |value| value.value() as i64))
    }

    /// Runs a query whose rows are fetched piece by piece.
    pub fn cursor(&self, sql: &str) -> Result<Cursor<'_>> {
        let plan = self.prepare(sql, [])?;
        // SAFETY: a plan of a query without parameters; the portal gets a name of its own.
        let portal = unsafe {
            pg_sys::SPI_cursor_open(std::ptr::null(), plan.plan, std::ptr::null_mut(), std::ptr::null(), true)
        };
        Ok(Cursor { portal, spi: PhantomData })
    }

    /// Prepares a statement that is run more than once, with parameters of these types.
    pub fn prepare<const N: usize>(&self, sql: &str, types: [Oid; N]) -> Result<Plan<'_, N>> {
        let (sql, mut types) = (text::to_server(sql)?, types);
        // SAFETY: a zero-terminated statement and N types.
        let plan = unsafe { pg_sys::SPI_prepare(sql.as_ptr(), N as i32, types.as_mut_ptr()) };
        // SAFETY: set by the call above.
        check(unsafe { pg_sys::SPI_result })?;
        Ok(Plan { plan, spi: PhantomData })
    }

    /// Ends the transaction and begins another: one in which each statement sees what others have committed, or, with
    /// `as_set`, one of the isolation that the session's settings ask for.
    pub fn commit(&self, as_set: bool) {
        // SAFETY: PostgreSQL refuses where the caller is atomic. A transaction that has just begun has no snapshot, so
        // its isolation can still be chosen. What is stored out of line can only be read while there is a snapshot.
        unsafe {
            pg_sys::SPI_commit();
            pg_sys::SPI_start_transaction();
            if !as_set {
                pg_sys::XactIsoLevel = pg_sys::XACT_READ_COMMITTED as i32;
            }
            pg_sys::EnsurePortalSnapshotExists();
        }
    }

    /// Runs `body` with a planner that reads ranges of a table by place, in order, whatever it thinks of the cost.
    pub fn by_place<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        // SAFETY: names and values of settings that every version has; an ERROR undoes the level too.
        let level = unsafe { pg_sys::NewGUCNestLevel() };
        for other in [c"enable_seqscan", c"enable_indexscan", c"enable_bitmapscan"] {
            // SAFETY: as above.
            unsafe {
                pg_sys::set_config_option(
                    other.as_ptr(),
                    c"off".as_ptr(),
                    pg_sys::GucContext::PGC_USERSET,
                    pg_sys::GucSource::PGC_S_SESSION,
                    pg_sys::GucAction::GUC_ACTION_SAVE,
                    true,
                    0,
                    false,
                );
            }
        }
        let result = body();
        // SAFETY: the level made above.
        unsafe { pg_sys::AtEOXact_GUC(true, level) };
        result
    }
}

/// The rows that a statement gave.
pub struct Found<'s> {
    table: *mut pg_sys::SPITupleTable,
    count: usize,
    spi: PhantomData<&'s Spi>,
}

impl Found<'_> {
    pub fn len(&self) -> usize {
        self.count
    }

    /// A column, counted from 1, of a row, counted from 0; `None` for NULL and where there is no such row.
    pub fn value(&self, row: usize, column: i32) -> Option<Datum> {
        if self.table.is_null() || row >= self.count {
            return None;
        }
        let mut null = false;
        // SAFETY: the table has `count` rows and lives as long as the connection.
        let value =
            unsafe { pg_sys::SPI_getbinval(*(*self.table).vals.add(row), (*self.table).tupdesc, column, &mut null) };
        (!null).then_some(value)
    }

    /// A column of all rows, counted from 1, NULLs left out.
    pub fn column(&self, column: i32) -> impl Iterator<Item = Datum> {
        (0..self.count).filter_map(move |row| self.value(row, column))
    }
}

/// A query on its way. It is closed at the end of the transaction at the latest.
pub struct Cursor<'s> {
    portal: pg_sys::Portal,
    spi: PhantomData<&'s Spi>,
}

impl Cursor<'_> {
    /// The next rows, at most `limit`; none at the end. What was fetched before is gone then.
    pub fn fetch(&mut self, limit: usize) -> Result<Found<'_>> {
        // SAFETY: an open portal. The rows of the last call, if any, are no longer referred to, as this borrows the
        // cursor.
        unsafe {
            pg_sys::SPI_freetuptable(pg_sys::SPI_tuptable);
            pg_sys::SPI_cursor_fetch(self.portal, true, limit as _);
            Ok(Found { table: pg_sys::SPI_tuptable, count: pg_sys::SPI_processed as usize, spi: PhantomData })
        }
    }
}

/// A prepared statement.
pub struct Plan<'s, const N: usize> {
    plan: pg_sys::SPIPlanPtr,
    spi: PhantomData<&'s Spi>,
}

impl<const N: usize> Plan<'_, N> {
    /// Runs it; `None` is NULL. Gives the first column of the first row, a bigint, or `None` if there is no row.
    ///
    /// # Safety
    /// The values have the types that the statement was prepared with.
    pub unsafe fn execute(&self, values: [Option<Datum>; N]) -> Result<Option<i64>> {
        let nulls = values.map(|value| if value.is_none() { b'n' as i8 } else { b' ' as i8 } as _);
        let mut values = values.map(|value| value.unwrap_or(Datum::from(0)));
        // SAFETY: the plan lives as long as the connection, and has N parameters.
        unsafe {
            check(pg_sys::SPI_execute_plan(self.plan, values.as_mut_ptr(), nulls.as_ptr(), false, 0))?;
            let found = Found { table: pg_sys::SPI_tuptable, count: pg_sys::SPI_processed as usize, spi: PhantomData };
            let value = found.value(0, 1).map(|value| value.value() as i64);
            pg_sys::SPI_freetuptable(found.table);
            Ok(value)
        }
    }
}

/// A name as it stands in SQL, quoted where needed.
pub fn identifier(name: &CStr) -> Result<String> {
    // SAFETY: gives the same or a palloc'd string.
    text::from_server(unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())) })
}

/// The name of a table as it stands in SQL, with its schema.
///
/// # Errors
/// 42P01 if there is no such table any more.
pub fn qualified(table: Oid) -> Result<String> {
    // SAFETY: catalogue lookups that give palloc'd strings, or null for what is gone.
    unsafe {
        let (schema, name) =
            (pg_sys::get_namespace_name_or_temp(pg_sys::get_rel_namespace(table)), pg_sys::get_rel_name(table));
        if schema.is_null() || name.is_null() {
            let message = format!("relation with OID {table} does not exist any more");
            return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, message));
        }
        text::from_server(CStr::from_ptr(pg_sys::quote_qualified_identifier(schema, name)))
    }
}

/// `value` as a string constant in SQL.
pub fn literal(value: &str) -> Result<String> {
    let value = text::to_server(value)?;
    // SAFETY: reads a zero-terminated string, gives a palloc'd one.
    text::from_server(unsafe { CStr::from_ptr(pg_sys::quote_literal_cstr(value.as_ptr())) })
}
