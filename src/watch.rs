//! `embed_watch()` and `embed_unwatch()`: a column whose rows are embedded soon after they were written.
//!
//! To watch a column takes a trigger that empties it where the text has changed, a partial index that finds the rows
//! where it is empty, and a line in the table `embed_watched`, which pg_dump takes along.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};

use pgrx::PgSqlErrorCode;
use pgrx::callbacks::{PgXactCallbackEvent, register_xact_callback};
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, Oid};

use crate::columns::{table_name, vector_type};
use crate::fill::{self, Choice, Table};
use crate::functions::{choice, needed, target};
use crate::report::{Report, Result};
use crate::spi::{self, Spi};
use crate::{launcher, text};

/// `embed_watch(target regclass, embedding text, sources text[])`
///
/// # Safety
/// As for all SQL functions.
pub unsafe fn watch(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the caller's promise.
    let (choice, column) = unsafe {
        let choice = choice(fcinfo, 1, 2)?;
        let column = Column::new(fcinfo, choice.embedding.clone())?;
        (choice, column)
    };
    launcher::refuse_unless_preloaded()?;
    spi::connect(|spi| column.watch(spi, &choice))?;
    // The worker sees what is committed.
    register_xact_callback(PgXactCallbackEvent::Commit, launcher::wake);
    Ok(Datum::from(0))
}

/// `embed_unwatch(target regclass, embedding text)`
///
/// # Safety
/// As for all SQL functions.
pub unsafe fn unwatch(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the caller's promise.
    let column = unsafe {
        let embedding = text::to_server(&text::utf8(needed(fcinfo, 1, "embedding")?)?)?;
        Column::new(fcinfo, embedding)?
    };
    spi::connect(|spi| column.unwatch(spi))?;
    Ok(Datum::from(0))
}

/// A vector column that is or will be watched.
struct Column {
    table: Oid,
    embedding: CString,
    /// The table's name and the extension's schema, as they stand in SQL.
    name: String,
    schema: String,
    /// pgvector's type.
    vector: Oid,
}

impl Column {
    /// # Safety
    /// As for all SQL functions; the first argument is a regclass.
    unsafe fn new(fcinfo: FunctionCallInfo, embedding: CString) -> Result<Self> {
        // SAFETY: the caller's promise; the function that is being executed is in a schema.
        let (table, called, schema) = unsafe {
            let called = (*(*fcinfo).flinfo).fn_oid;
            let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(called));
            (target(fcinfo)?, called, CStr::from_ptr(schema))
        };
        let (name, schema) = (spi::qualified(table)?, spi::identifier(schema)?);
        Ok(Self { table, embedding, name, schema, vector: vector_type(called)? })
    }

    fn watch(&self, spi: &Spi, choice: &Choice) -> Result<()> {
        self.refuse_unless_owner(spi)?;
        fill::tables_with_rows(spi, self.table, false)?;
        self.refuse_if_temporary()?;
        let table = Table::open(self.table, choice, self.vector)?;
        let names = std::iter::once(&choice.embedding).chain(&choice.sources);
        let names = names.map(|name| text::from_server(name)).collect::<Result<Vec<_>>>()?;
        let constants = names.iter().map(|name| spi::literal(name)).collect::<Result<Vec<_>>>()?;
        let trigger = format!("embed_watch_{}", table.embedding_number());
        self.drop_triggers(spi, &trigger)?;
        spi.execute(&format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW \
             EXECUTE FUNCTION {}.embed_mark_trigger({})",
            self.name,
            self.schema,
            constants.join(", ")
        ))?;
        self.create_index(spi, &table)?;
        self.with_extension_owner(spi, |spi| {
            // Lines for columns that were renamed or dropped.
            spi.execute(&format!(
                "DELETE FROM {}.embed_watched WHERE relation OPERATOR(pg_catalog.=) {table} AND NOT EXISTS \
                 (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid OPERATOR(pg_catalog.=) {table} \
                 AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) embedding AND NOT a.attisdropped)",
                self.schema,
                table = self.table
            ))?;
            spi.execute(&format!(
                "INSERT INTO {}.embed_watched (relation, embedding, sources) VALUES ({}, {}, ARRAY[{}]) \
                 ON CONFLICT (relation, embedding) DO UPDATE SET sources = EXCLUDED.sources",
                self.schema,
                self.table,
                constants[0],
                constants[1..].join(", ")
            ))?;
            Ok(())
        })
    }

    fn unwatch(&self, spi: &Spi) -> Result<()> {
        self.refuse_unless_owner(spi)?;
        let embedding = text::from_server(&self.embedding)?;
        let line = format!(
            "FROM {}.embed_watched WHERE relation OPERATOR(pg_catalog.=) {} AND embedding OPERATOR(pg_catalog.=) {}",
            self.schema,
            self.table,
            spi::literal(&embedding)?
        );
        let watched = self.with_extension_owner(spi, |spi| {
            let watched = spi.number(&format!("SELECT pg_catalog.count(*) {line}"))?;
            spi.execute(&format!("DELETE {line}"))?;
            Ok(watched)
        })?;
        if watched == 0 {
            let message = format!("column \"{embedding}\" of table \"{}\" is not watched", table_name(self.table));
            return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
                .hint("The view embed_status lists the columns that are."));
        }
        self.drop_triggers(spi, "")?;
        self.drop_indexes(spi)
    }

    fn refuse_unless_owner(&self, spi: &Spi) -> Result<()> {
        if fill::is_owner(spi, self.table)? {
            return Ok(());
        }
        let message = format!("must be owner of table \"{}\"", table_name(self.table));
        Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
            .detail("To watch a column takes a trigger and an index on its table."))
    }

    fn refuse_if_temporary(&self) -> Result<()> {
        // SAFETY: a catalogue lookup.
        if unsafe { pg_sys::get_rel_persistence(self.table) } as u8 != pg_sys::RELPERSISTENCE_TEMP {
            return Ok(());
        }
        let message = format!("temporary table \"{}\" cannot be watched", table_name(self.table));
        Err(Report::new(PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE, message)
            .detail("The background worker is another session.")
            .hint("Use embed_trigger() or embed_backfill()."))
    }

    /// Drops the triggers that were made for this column, whatever they are called by now, and that with the name
    /// `or_called`, which was made when the column was called otherwise.
    fn drop_triggers(&self, spi: &Spi, or_called: &str) -> Result<()> {
        let argument: String = self.embedding.as_bytes_with_nul().iter().map(|byte| format!("{byte:02x}")).collect();
        let found = spi.execute(&format!(
            "SELECT pg_catalog.quote_ident(tgname) FROM pg_catalog.pg_trigger \
             WHERE tgrelid OPERATOR(pg_catalog.=) {} AND tgparentid OPERATOR(pg_catalog.=) 0 \
             AND tgfoid OPERATOR(pg_catalog.=) {}::pg_catalog.regprocedure \
             AND (pg_catalog.substr(tgargs, 1, {}) OPERATOR(pg_catalog.=) '\\x{argument}'::pg_catalog.bytea \
             OR tgname OPERATOR(pg_catalog.=) '{or_called}')",
            self.table,
            spi::literal(&format!("{}.embed_mark_trigger()", self.schema))?,
            argument.len() / 2
        ))?;
        for trigger in found.column(1) {
            // SAFETY: a text.
            let trigger = unsafe { text::utf8(trigger) }?;
            spi.execute(&format!("DROP TRIGGER {trigger} ON {}", self.name))?;
        }
        Ok(())
    }

    /// Makes the index that finds the rows without a vector, unless the user has made one: for a big table that is best
    /// done beforehand, with CREATE INDEX CONCURRENTLY.
    fn create_index(&self, spi: &Spi, table: &Table) -> Result<()> {
        self.drop_indexes(spi)?;
        let condition = spi::literal(&format!("({} IS NULL)", spi::identifier(&self.embedding)?))?;
        let present = spi.number(&format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_index \
             WHERE indrelid OPERATOR(pg_catalog.=) {} AND indisvalid \
             AND pg_catalog.strpos(pg_catalog.pg_get_expr(indpred, indrelid), {condition}) OPERATOR(pg_catalog.>) 0",
            self.table
        ))?;
        if present > 0 {
            return Ok(());
        }
        // What the key is does not matter: equal keys are ordered by place.
        spi.execute(&format!("CREATE INDEX ON {} ((1)) WHERE {}", self.name, table.is_missing_for_index()))?;
        let found = spi.execute(&format!(
            "SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid OPERATOR(pg_catalog.=) {} \
             ORDER BY i.indexrelid DESC LIMIT 1",
            self.table
        ))?;
        let index = found.value(0, 1).map_or(0, |index| index.value());
        let index = spi::qualified(Oid::from(index as u32))?;
        spi.execute(&format!("COMMENT ON INDEX {index} IS {}", self.mark()?))?;
        Ok(())
    }

    /// The comment by which the index is found again, as a constant in SQL.
    fn mark(&self) -> Result<String> {
        let embedding = text::from_server(&self.embedding)?;
        spi::literal(&format!("pg_embed: rows whose \"{embedding}\" awaits its vector"))
    }

    fn drop_indexes(&self, spi: &Spi) -> Result<()> {
        let found = spi.execute(&format!(
            "SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid OPERATOR(pg_catalog.=) {} \
             AND pg_catalog.obj_description(indexrelid, 'pg_class') OPERATOR(pg_catalog.=) {}",
            self.table,
            self.mark()?
        ))?;
        for index in found.column(1).map(|index| index.value()) {
            spi.execute(&format!("DROP INDEX {}", spi::qualified(Oid::from(index as u32))?))?;
        }
        Ok(())
    }

    /// Does something to the extension's own table, which users may only read.
    fn with_extension_owner<T>(&self, spi: &Spi, body: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
        let owner = spi.number(&format!(
            "SELECT relowner::bigint FROM pg_catalog.pg_class \
             WHERE oid OPERATOR(pg_catalog.=) {}::pg_catalog.regclass",
            spi::literal(&format!("{}.embed_watched", self.schema))?
        ))?;
        let (mut user, mut context) = (Oid::INVALID, 0);
        // SAFETY: undone below, or by PostgreSQL where the statement fails.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            let local = context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
            pg_sys::SetUserIdAndSecContext(Oid::from(owner as u32), local);
        }
        let result = body(spi)?;
        // SAFETY: as they were.
        unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
        Ok(result)
    }
}
