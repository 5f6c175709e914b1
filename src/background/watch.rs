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
use crate::postgres::encoding;
use crate::postgres::report::{Report, Result};
use crate::postgres::spi::{self, Spi};
use crate::table::access::{self, Members, Table, Task};
use crate::table::columns::{self, Choice, Columns, table_name};
use crate::table::trigger;

/// The comment by which the index is known, and what that of version 0.1.0 began with.
const QUEUE: &str = "pg_embed: the rows that wait for their vectors";
const QUEUE_BEFORE: &str = "pg_embed: rows whose";

/// `embed_watch(target regclass, embedding text, sources text[])`; `called` is that function.
pub fn watch(called: Oid, target: Oid, choice: &Choice) -> Result<()> {
    spi::refuse_read_only(c"embed_watch()")?;
    launcher::refuse_unless_preloaded()?;
    // Before the table is locked: it may take seconds to compile a model.
    choice.model.check()?;
    let column = Column::lock(called, target, choice.embedding.clone(), |column| {
        // Another trigger's index is dropped, and its name changed.
        let is_kept = |trigger: &Trigger| {
            trigger::choice(trigger).as_ref() == Some(choice) && !column.is_named_as_before(trigger)
        };
        let is_new = column.triggers().iter().all(is_kept);
        if is_new { pg_sys::ShareRowExclusiveLock } else { pg_sys::AccessExclusiveLock }
    })?;
    column.refuse_if_temporary()?;
    access::refuse_sharded(&column.relation, choice, Task::Fill)?;
    let members = Members::of(target, false)?.of_one_owner(&column.relation);
    members.notice_left_out("embed_watch")?;
    let vector = columns::vector_type(called)?;
    for table in std::iter::once(target).chain(members.tables) {
        column.refuse_unfit(table, choice, vector)?;
    }
    if column.is_part_of_watched(choice)? {
        return Ok(());
    }
    column.refuse_another_model(choice)?;
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
    column.notice_later_triggers()?;
    // Who calls it again has mended something.
    wake::end_pause(target);
    Ok(())
}

/// `embed_unwatch(target regclass, embedding text)`
pub fn unwatch(called: Oid, target: Oid, embedding: CString) -> Result<()> {
    spi::refuse_read_only(c"embed_unwatch()")?;
    let column = Column::lock(called, target, embedding, |_| pg_sys::AccessExclusiveLock)?;
    let triggers = column.triggers();
    if triggers.is_empty() {
        let name = encoding::to_utf8_lossy(&column.embedding);
        let message = format!("column \"{name}\" of table \"{}\" is not watched", table_name(target));
        return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
            .hint("The view embed_status lists the columns that are."));
    }
    spi::connect(|spi| {
        for trigger in triggers {
            trigger::drop(spi, &trigger)?;
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
    /// The extension of the function that is called.
    extension: Oid,
    /// The table's name as it stands in SQL.
    name: String,
    /// How the table is locked.
    mode: u32,
}

impl Column {
    /// Locks the table as the change needs it, once: to take a weaker lock first and the stronger one later is what two
    /// sessions deadlock on. Which it takes is seen from the table as it is before.
    fn lock(called: Oid, target: Oid, embedding: CString, mode: impl FnOnce(&Self) -> u32) -> Result<Self> {
        let relation = access::find(target)?;
        refuse_unless_owner(&relation)?;
        let extension = catalog::extension_of(called).ok_or_else(spi::changed)?;
        let before = Self { relation, embedding, extension, name: String::new(), mode: pg_sys::NoLock };
        let mode = mode(&before);
        let relation = access::lock(target, mode)?;
        refuse_unless_owner(&relation)?;
        Ok(Self { relation, name: spi::qualified(target)?, mode, ..before })
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

    /// Refuses what could not work for the life of the table, or of one of its partitions.
    ///
    /// # Errors
    /// 42P10 for a source that PostgreSQL generates, and for a vector column that is NOT NULL or has a default; 55000 if
    /// `embed_trigger()` fills it already.
    fn refuse_unfit(&self, table: Oid, choice: &Choice, vector: Oid) -> Result<()> {
        let columns = Columns::resolve(table, choice, vector)?;
        columns::refuse_generated(table, &columns)?;
        columns::refuse_default(table, columns.embedding)?;
        let (name, embedding) = (table_name(table), encoding::to_utf8_lossy(&choice.embedding));
        if catalog::attribute(table, columns.embedding).is_some_and(|attribute| attribute.is_not_null) {
            let message = format!("column \"{embedding}\" of table \"{name}\" is NOT NULL");
            return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_COLUMN_REFERENCE, message)
                .detail("A row has no vector until the background worker has come to it.")
                .hint("ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL, or use embed_trigger()."));
        }
        let fills = |trigger: &Trigger| trigger::embeds(trigger.function) && self.is_for(trigger);
        let Some(trigger) = catalog::triggers_on(table).into_iter().find(fills) else { return Ok(()) };
        let trigger = encoding::to_utf8_lossy(&trigger.name);
        let message = format!("column \"{embedding}\" of table \"{name}\" is filled by trigger \"{trigger}\" already");
        Err(Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail("The trigger embeds a row while it is written, so that nothing is left for the background worker.")
            .hint("DROP TRIGGER first, or leave the column to it."))
    }

    /// The vectors of two models mean nothing to each other, and nobody would see which is which.
    ///
    /// # Errors
    /// 55000 if the column is watched with another model or another prompt.
    fn refuse_another_model(&self, choice: &Choice) -> Result<()> {
        let present = self.triggers().iter().filter_map(trigger::choice).find(|present| present.model != choice.model);
        let Some(present) = present else { return Ok(()) };
        let (name, table) = (encoding::to_utf8_lossy(&self.embedding), table_name(self.relation.oid));
        let message = format!("column \"{name}\" of table \"{table}\" is watched with {}", present.model.describe());
        Err(Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail("Its vectors and those of another model or prompt cannot be compared.")
            .hint("Watch a new column, and use it when it is filled; or embed_unwatch() this one, empty it, and watch it again."))
    }

    /// Whether the table is a partition of which the same is watched as a part of the whole.
    ///
    /// # Errors
    /// 55000 if the whole is watched otherwise.
    fn is_part_of_watched(&self, choice: &Choice) -> Result<bool> {
        let is_its = |trigger: &Trigger| trigger.is_inherited() && self.is_for(trigger);
        let Some(trigger) = self.all_triggers().into_iter().find(is_its) else { return Ok(false) };
        let whole = trigger.made_for().unwrap_or(self.relation.oid);
        if trigger::choice(&trigger).as_ref() == Some(choice) {
            wake::end_pause(whole);
            return Ok(true);
        }
        let (part, whole) = (table_name(self.relation.oid), table_name(whole));
        let message =
            format!("table \"{part}\" is watched as a partition of \"{whole}\", with other sources or another model");
        Err(Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .hint("Call embed_watch() for the partitioned table: it is for all of its partitions."))
    }

    /// Says which triggers could change a row after ours.
    fn notice_later_triggers(&self) -> Result<()> {
        let Some(trigger) = self.triggers().pop() else { return Ok(()) };
        let Some(message) = trigger::later(&trigger) else { return Ok(()) };
        Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message)
            .hint("Triggers fire in the order of their names: ALTER TRIGGER ... RENAME TO one that comes before.")
            .notice()
    }

    /// The triggers of this table that mark its rows for the worker.
    fn all_triggers(&self) -> Vec<Trigger> {
        let all = trigger::all(self.extension, trigger::MARK);
        all.into_iter().filter(|trigger| trigger.table == self.relation.oid).collect()
    }

    fn is_for(&self, trigger: &Trigger) -> bool {
        trigger::vector_column(trigger) == Some(&self.embedding)
    }

    /// Those that were made for this column, whatever they are called by now.
    fn triggers(&self) -> Vec<Trigger> {
        let is_its = |trigger: &Trigger| !trigger.is_inherited() && self.is_for(trigger);
        self.all_triggers().into_iter().filter(is_its).collect()
    }

    /// Makes the trigger, or gives that which is there other arguments.
    ///
    /// Its name comes after those that people give to triggers, because triggers fire in the order of their names, and one
    /// that changes the text has to come first. It has the table's number in it, so that nothing is in the way where the
    /// table becomes a partition of another that is watched.
    fn create_trigger(&self, spi: &Spi, choice: &Choice) -> Result<()> {
        let own_name =
            CString::new(format!("~embed_watch_{}_{}", self.relation.oid, self.number()?)).unwrap_or_default();
        // One that was made when the column had another name is this column's too.
        let made_before = |trigger: &&Trigger| !trigger.is_inherited() && trigger.name == own_name;
        let present = self.triggers().into_iter().next();
        let present = present.or_else(|| self.all_triggers().iter().find(made_before).cloned());
        let mut name = spi::identifier(present.as_ref().map_or(&own_name, |trigger| &trigger.name))?;
        if self.mode == pg_sys::AccessExclusiveLock && present.as_ref().is_some_and(|it| self.is_named_as_before(it)) {
            let new = spi::identifier(&own_name)?;
            spi.execute(&format!("ALTER TRIGGER {name} ON {} RENAME TO {new}", self.name))?;
            name = new;
        }
        let is_wanted = |trigger: &Trigger| trigger::choice(trigger).as_ref() == Some(choice);
        if !present.as_ref().is_some_and(is_wanted) {
            spi.execute(&format!(
                "CREATE OR REPLACE TRIGGER {name} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}({})",
                self.name,
                spi::function(trigger::marking(self.extension, choice.is_with_model()).ok_or_else(spi::changed)?)?,
                spi::literals(&choice.arguments())?
            ))?;
        }
        // A name may have stood for something else: then nothing of it remains.
        let Some(made) = self.triggers().into_iter().find(is_wanted) else { return Err(spi::changed()) };
        // Also for replicated rows, which would keep the vectors of other texts otherwise; unless it was told to do something
        // else before.
        let told = present.map(|trigger| trigger.enabled).filter(|enabled| matches!(enabled, b'D' | b'R'));
        trigger::enable(spi, &made, told.unwrap_or(b'A'))
    }

    /// Whether a trigger has the name that version 0.1.0 gave it, which comes before those of others.
    fn is_named_as_before(&self, trigger: &Trigger) -> bool {
        self.number().is_ok_and(|number| trigger.name.to_bytes() == format!("embed_watch_{number}").as_bytes())
    }

    fn number(&self) -> Result<i16> {
        // SAFETY: a lookup.
        let number = unsafe { pg_sys::get_attnum(self.relation.oid, self.embedding.as_ptr()) };
        if number > 0 { Ok(number) } else { Err(spi::changed()) }
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
            return Err(spi::changed());
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

    /// The indexes that we have made for this column, but for those that have become parts of others.
    fn queues(&self) -> Vec<Oid> {
        let number = self.number().unwrap_or(0);
        let is_ours = |comment: String| comment == QUEUE || comment.starts_with(QUEUE_BEFORE);
        let is_part = |index: Oid| Relation::find(index).is_none_or(|index| index.is_partition);
        let is_its =
            |index: &Oid| comment(*index).is_some_and(is_ours) && tests_null(*index, number) && !is_part(*index);
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
    access::refuse_unless_owner(relation, "To watch a column takes a trigger and an index on its table.")
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
    // SAFETY: the condition is a tree of nodes, as the parser has made it.
    catalog::index_condition(index).and_then(|condition| unsafe { catalog::null_first(condition) }) == Some(column)
}
