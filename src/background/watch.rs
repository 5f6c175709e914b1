//! `embed_watch()` and `embed_unwatch()`: a column whose rows are embedded soon after they were written.
//!
//! To watch a column takes a trigger that empties it where the text has changed, and a partial index that finds the rows
//! where it is empty. The trigger is the one record of what is watched: it is dumped, restored, renamed and dropped with
//! its table. Both are made in the caller's own name, by ordinary statements, so that event triggers see them; the
//! statements name the table, so it is checked afterwards that they have met the right one.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

use crate::background::{launcher, wake};
use crate::postgres::catalog::{self, Relation, Trigger};
use crate::postgres::report::{Report, Result};
use crate::postgres::spi::{self, Spi};
use crate::postgres::{encoding, text};
use crate::table::access::{self, Members, Table};
use crate::table::columns::{self, Choice, table_name};

/// The comment by which the index is known, and what that of version 0.1.0 began with.
const QUEUE: &str = "pg_embed: the rows that wait for their vectors";
const QUEUE_BEFORE: &str = "pg_embed: rows whose";

/// `embed_watch(target regclass, embedding text, sources text[])`; `called` is that function.
pub fn watch(called: Oid, target: Oid, choice: &Choice) -> Result<()> {
    spi::refuse_read_only(c"embed_watch()")?;
    launcher::refuse_unless_preloaded()?;
    let column = Column::lock(called, target, choice.embedding.clone(), pg_sys::ShareRowExclusiveLock)?;
    column.refuse_if_temporary()?;
    Members::of(target, false)?.of_one_owner(&column.relation).notice_left_out()?;
    let vector = columns::vector_type(called)?;
    let has_index = {
        // Looking for an index plans a query, in which the owner's expressions may be computed.
        let _identity = access::as_owner(&column.relation);
        access::refuse_row_security(&column.relation)?;
        column.has_index(choice, vector)?
    };
    spi::connect(|spi| {
        column.create_trigger(spi, choice)?;
        if !has_index {
            column.create_index(spi, choice, vector)?;
        }
        Ok(())
    })?;
    wake::change();
    Ok(())
}

/// `embed_unwatch(target regclass, embedding text)`
pub fn unwatch(called: Oid, target: Oid, embedding: CString) -> Result<()> {
    spi::refuse_read_only(c"embed_unwatch()")?;
    let column = Column::lock(called, target, embedding, pg_sys::AccessExclusiveLock)?;
    let triggers = column.triggers();
    if triggers.is_empty() {
        let name = encoding::to_utf8_lossy(&column.embedding);
        let message = format!("column \"{name}\" of table \"{}\" is not watched", table_name(target));
        return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
            .hint("The view embed_status lists the columns that are."));
    }
    spi::connect(|spi| {
        for trigger in triggers {
            column.drop_trigger(spi, &trigger)?;
        }
        column.drop_index(spi)
    })?;
    wake::change();
    Ok(())
}

/// A vector column that is or will be watched.
struct Column {
    relation: Relation,
    embedding: CString,
    /// The trigger function that came with the function that is called.
    function: Oid,
    /// The table's name as it stands in SQL.
    name: String,
}

impl Column {
    /// Locks the table as the change needs it, once: to take a weaker lock first and the stronger one later is what two
    /// sessions deadlock on.
    fn lock(called: Oid, target: Oid, embedding: CString, mode: u32) -> Result<Self> {
        refuse_unless_owner(&access::find(target)?)?;
        let relation = access::lock(target, mode)?;
        refuse_unless_owner(&relation)?;
        let function = catalog::extension_of(called)
            .and_then(|extension| catalog::member(extension, c"embed_mark_trigger"))
            .ok_or_else(changed)?;
        Ok(Self { relation, embedding, function, name: spi::qualified(target)? })
    }

    /// # Errors
    /// 42809.
    fn refuse_if_temporary(&self) -> Result<()> {
        if self.relation.persistence != pg_sys::RELPERSISTENCE_TEMP {
            return Ok(());
        }
        let message = format!("temporary table \"{}\" cannot be watched", table_name(self.relation.oid));
        Err(Report::new(PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE, message)
            .detail("The background worker is another session.")
            .hint("Use embed_trigger() or embed_backfill()."))
    }

    /// The triggers of this table that call our function.
    fn all_triggers(&self) -> Vec<Trigger> {
        catalog::triggers_of(self.function).into_iter().filter(|trigger| trigger.table == self.relation.oid).collect()
    }

    /// Those that were made for this column, whatever they are called by now.
    fn triggers(&self) -> Vec<Trigger> {
        let is_its = |trigger: &Trigger| !trigger.is_inherited() && trigger.arguments.first() == Some(&self.embedding);
        self.all_triggers().into_iter().filter(is_its).collect()
    }

    /// Makes the trigger, or gives that which is there other arguments.
    fn create_trigger(&self, spi: &Spi, choice: &Choice) -> Result<()> {
        let wanted: Vec<CString> = std::iter::once(&choice.embedding).chain(&choice.sources).cloned().collect();
        let present = self.triggers();
        if present.iter().any(|trigger| trigger.arguments == wanted) {
            return Ok(());
        }
        let own_name = CString::new(format!("embed_watch_{}", self.number()?)).unwrap_or_default();
        let name = present.first().map_or(&own_name, |trigger| &trigger.name);
        // One that was made when the column was called otherwise is in the way.
        let stale = self.all_triggers().into_iter().find(|trigger| trigger.name == *name && present.is_empty());
        if let Some(stale) = stale {
            self.drop_trigger(spi, &stale)?;
        }
        let arguments =
            wanted.iter().map(|name| spi::literal(&text::from_server(name)?)).collect::<Result<Vec<_>>>()?;
        let name = spi::identifier(name)?;
        spi.execute(&format!(
            "CREATE OR REPLACE TRIGGER {name} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}({})",
            self.name,
            self.function_name()?,
            arguments.join(", ")
        ))?;
        if let Some(before) = present.first() {
            self.enable(spi, &name, before.enabled)?;
        }
        // A name may have stood for something else: then nothing of it remains.
        let made = self.triggers();
        if made.iter().any(|trigger| trigger.arguments == wanted) { Ok(()) } else { Err(changed()) }
    }

    /// CREATE OR REPLACE makes it an ordinary trigger again.
    fn enable(&self, spi: &Spi, trigger: &str, enabled: u8) -> Result<()> {
        let how = match enabled {
            b'D' => "DISABLE TRIGGER",
            b'R' => "ENABLE REPLICA TRIGGER",
            b'A' => "ENABLE ALWAYS TRIGGER",
            _ => return Ok(()),
        };
        spi.execute(&format!("ALTER TABLE {} {how} {trigger}", self.name))
    }

    fn drop_trigger(&self, spi: &Spi, trigger: &Trigger) -> Result<()> {
        spi.execute(&format!("DROP TRIGGER {} ON {}", spi::identifier(&trigger.name)?, self.name))?;
        if catalog::trigger(trigger.oid, self.function).is_some() { Err(changed()) } else { Ok(()) }
    }

    /// The trigger function's name as it stands in SQL.
    fn function_name(&self) -> Result<String> {
        // SAFETY: lookups that give palloc'd strings, or null for what is gone.
        unsafe {
            let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(self.function));
            let name = pg_sys::get_func_name(self.function);
            if schema.is_null() || name.is_null() {
                return Err(changed());
            }
            text::from_server(CStr::from_ptr(pg_sys::quote_qualified_identifier(schema, name)))
        }
    }

    fn number(&self) -> Result<i16> {
        // SAFETY: a lookup.
        let number = unsafe { pg_sys::get_attnum(self.relation.oid, self.embedding.as_ptr()) };
        if number > 0 { Ok(number) } else { Err(changed()) }
    }

    /// Whether an index finds the rows that wait: one that we have made, or one that the user has, for instance because
    /// on a big table it is best made beforehand, with CREATE INDEX CONCURRENTLY.
    fn has_index(&self, choice: &Choice, vector: Oid) -> Result<bool> {
        for part in Members::of(self.relation.oid, false)?.of_one_owner(&self.relation).tables {
            let relation = access::lock(part, pg_sys::AccessShareLock)?;
            let table = Table::open_to_write(relation, choice, vector)?;
            if !table.reader_by_index()?.uses_index() {
                return Ok(false);
            }
        }
        // A partitioned table without partitions has nothing that could be asked.
        Table::open_to_write(self.relation, choice, vector)?;
        Ok(!self.relation.is_partitioned() || !self.queues().is_empty())
    }

    fn create_index(&self, spi: &Spi, choice: &Choice, vector: Oid) -> Result<()> {
        // One for other sources.
        self.drop_index(spi)?;
        let condition = Table::open_to_write(self.relation, choice, vector)?.may_be_missing();
        let name = self.free_name(choice)?;
        let identifier = spi::identifier(&name)?;
        // What the key is does not matter: equal keys are ordered by place.
        spi.execute(&format!("CREATE INDEX {identifier} ON {} ((1)) WHERE {condition}", self.name))?;
        // SAFETY: a lookup; the index is in the table's schema.
        let index = unsafe { pg_sys::get_relname_relid(name.as_ptr(), self.relation.schema) };
        if !catalog::indexes(self.relation.oid).contains(&index) {
            return Err(changed());
        }
        let mark = spi::literal(QUEUE)?;
        spi.execute(&format!("COMMENT ON INDEX {} IS {mark}", spi::qualified(index)?))
    }

    /// A name for the index that no relation has in the table's schema.
    fn free_name(&self, choice: &Choice) -> Result<CString> {
        let table = CString::new(table_name(self.relation.oid)).unwrap_or_default();
        // SAFETY: zero-terminated strings; gives a palloc'd one.
        let name = unsafe {
            let (table, column) = (table.as_ptr(), choice.embedding.as_ptr());
            CStr::from_ptr(pg_sys::ChooseRelationName(table, column, c"queue".as_ptr(), self.relation.schema, false))
        };
        Ok(name.to_owned())
    }

    /// The indexes that we have made for this column.
    fn queues(&self) -> Vec<Oid> {
        let number = self.number().unwrap_or(0);
        let is_ours = |comment: String| comment == QUEUE || comment.starts_with(QUEUE_BEFORE);
        let is_its = |index: &Oid| comment(*index).is_some_and(is_ours) && tests_null(*index, number);
        catalog::indexes(self.relation.oid).into_iter().filter(is_its).collect()
    }

    fn drop_index(&self, spi: &Spi) -> Result<()> {
        for index in self.queues() {
            spi.execute(&format!("DROP INDEX {}", spi::qualified(index)?))?;
        }
        Ok(())
    }
}

/// # Errors
/// 42501.
fn refuse_unless_owner(relation: &Relation) -> Result<()> {
    if access::is_owner(relation) {
        return Ok(());
    }
    let message = format!("must be owner of table {}", table_name(relation.oid));
    Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
        .detail("To watch a column takes a trigger and an index on its table."))
}

fn changed() -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "objects changed their names meanwhile")
        .hint("Do it again.")
}

/// The comment on an index.
fn comment(index: Oid) -> Option<String> {
    // SAFETY: gives a palloc'd string, or null where there is none.
    unsafe {
        let comment = pg_sys::GetComment(index, pg_sys::RelationRelationId, 0);
        (!comment.is_null()).then(|| encoding::to_utf8_lossy(CStr::from_ptr(comment)))
    }
}

/// Whether the condition of a partial index begins with "column IS NULL".
fn tests_null(index: Oid, column: i16) -> bool {
    let Some(condition) = catalog::index_condition(index) else { return false };
    // SAFETY: a tree of nodes, as the parser has made it.
    unsafe {
        let first = match (*condition).type_ {
            pg_sys::NodeTag::T_BoolExpr => pg_sys::list_nth((*condition.cast::<pg_sys::BoolExpr>()).args, 0).cast(),
            _ => condition,
        };
        if (*first).type_ != pg_sys::NodeTag::T_NullTest {
            return false;
        }
        let test = &*first.cast::<pg_sys::NullTest>();
        test.nulltesttype == pg_sys::NullTestType::IS_NULL
            && (*test.arg).type_ == pg_sys::NodeTag::T_Var
            && (*test.arg.cast::<pg_sys::Var>()).varattno == column
    }
}
