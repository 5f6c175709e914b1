//! What the views `embed_status`, `embed_watched` and `embed_progress` show: the columns that embed themselves, how many
//! of their rows are embedded, and what processes do about it.
//!
//! Nobody's code runs with the privileges of who looks: the columns are found in the catalogues by OID, and their rows
//! are counted as the owners of their tables.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ffi::{CStr, CString};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

use crate::model::registry::Named;
use crate::postgres::catalog::{self, Queue, Relation, Trigger};
use crate::postgres::memory::Scratch;
use crate::postgres::progress::{self, Entry, Left};
use crate::postgres::report::{Report, Result};
use crate::postgres::statement::Statement;
use crate::postgres::transaction::attempt;
use crate::postgres::{encoding, spi};
use crate::table::access::{self, Members, Table};
use crate::table::columns::{self, Choice, Columns, table_name};
use crate::table::trigger;

/// The function that embeds with a model that is named.
const WITH_MODEL: &CStr = c"embed_text_with_model";

/// How a column gets its vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Trigger,
    Watch,
    Generated,
    /// As `Watch`, but nothing watches it now.
    Unwatched,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Watch | Self::Unwatched => "watch",
            Self::Generated => "generated",
        }
    }
}

/// A column that embeds itself.
pub struct Column {
    pub table: Oid,
    /// As in a trigger's arguments; a generated column names no sources.
    pub choice: Choice,
    pub mode: Mode,
    /// What is to be said of the way in which it is done, if anything.
    pub remark: Option<String>,
    /// The trigger that does it.
    pub trigger: Option<Trigger>,
    /// pgvector's type.
    vector: Oid,
}

/// What is to be said of a trigger beside others; `all` are those of its mode.
fn remark(trigger: &Trigger, mode: Mode, all: &[Trigger]) -> Option<String> {
    let is_other =
        |other: &&Trigger| other.oid != trigger.oid && trigger::vector_column(other) == trigger::vector_column(trigger);
    let others = catalog::triggers_on(trigger.table);
    let other = |does: fn(Oid) -> bool| others.iter().filter(is_other).find(move |other| does(other.function));
    let name = |trigger: &Trigger| encoding::to_utf8_lossy(&trigger.name);
    if mode == Mode::Watch
        && let Some(whole) = other(trigger::marks).filter(|other| other.is_inherited())
    {
        let whole = table_name(whole.made_for().unwrap_or(whole.table));
        return Some(format!("is watched as a partition of \"{whole}\" too, which decides: embed_unwatch() this one"));
    }
    match mode {
        Mode::Watch => other(trigger::embeds)
            .map(|other| format!("trigger \"{}\" fills it too: drop the trigger, or embed_unwatch()", name(other))),
        _ => other(trigger::marks).map(|_| "is watched too: drop the trigger, or embed_unwatch()".to_owned()),
    }
    .or_else(|| trigger::disabled(trigger, all))
    .or_else(|| passed_over(trigger))
    .or_else(|| trigger::later(trigger))
}

/// Says that rows of a subscription pass a trigger by, if so: they keep the vector of another text, or of none, where the
/// publisher sends texts alone. Where it sends vectors too, a trigger that fires always keeps them.
pub fn passed_over(trigger: &Trigger) -> Option<String> {
    if trigger.is_disabled() || trigger.is_for_replicated() {
        return None;
    }
    let parts = Members::of(trigger.table, false).map_or_else(|_| Vec::new(), |members| members.tables);
    std::iter::once(trigger.table).chain(parts).any(catalog::is_subscribed).then(|| {
        let name = encoding::to_utf8_lossy(&trigger.name);
        format!("does not fire for rows of a subscription: ALTER TABLE ... ENABLE ALWAYS TRIGGER \"{name}\"")
    })
}

impl Column {
    /// The column of an index that `embed_watch()` needs, if nothing watches it: a partition that was detached, perhaps.
    fn no_longer_watched(queue: &Queue, vector: Oid) -> Option<Self> {
        let name = |number: i16| {
            // SAFETY: a lookup; gives a palloc'd string, or null for a column that is gone.
            let name = unsafe { pg_sys::get_attname(queue.table, number, true) };
            // SAFETY: zero-terminated, as all names are.
            (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_owned())
        };
        let choice = Choice {
            model: Named::default(),
            embedding: name(queue.column)?,
            sources: queue.others.iter().map(|number| name(*number)).collect::<Option<_>>()?,
        };
        // A trigger that names a column which has another name by now is told by itself.
        let is_its = |name: &CString| *name == choice.embedding || columns::number(queue.table, name).is_err();
        let is_ours = |trigger: &&Trigger| trigger::marks(trigger.function) || trigger::embeds(trigger.function);
        let triggers = catalog::triggers_on(queue.table);
        let mut columns = triggers.iter().filter(is_ours).filter_map(trigger::vector_column);
        if columns.any(is_its) || Columns::resolve(queue.table, &choice, vector).is_err() {
            return None;
        }
        let remark = format!(
            "has the index of a watched column, \"{}\", and is not watched: call embed_watch(), or drop the index",
            table_name(queue.index)
        );
        let (table, mode, remark, trigger) = (queue.table, Mode::Unwatched, Some(remark), None);
        Some(Self { table, choice, mode, remark, trigger, vector })
    }
}

/// The columns of this database that embed themselves, and those that did. Those of partitions are the partitioned table's.
///
/// # Errors
/// 55000 if `called` is not a function of the extension.
pub fn columns(called: Oid) -> Result<Vec<Column>> {
    let vector = columns::vector_type(called)?;
    let Some(extension) = catalog::extension_of(called) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (functions, mode) in [(trigger::EMBED, Mode::Trigger), (trigger::MARK, Mode::Watch)] {
        let all = trigger::all(extension, functions);
        for trigger in all.iter().filter(|trigger| !trigger.is_inherited()) {
            let Some(choice) = trigger::choice(trigger) else { continue };
            let (table, remark) = (trigger.table, remark(trigger, mode, &all));
            found.push(Column { table, choice, mode, remark, trigger: Some(trigger.clone()), vector });
        }
    }
    found.extend(catalog::queues().into_iter().filter_map(|queue| Column::no_longer_watched(&queue, vector)));
    let functions = [c"embed_text", WITH_MODEL].map(|symbol| catalog::member(extension, symbol));
    for (table, number) in functions.into_iter().flatten().flat_map(catalog::columns_generated_by) {
        let is_partition = Relation::find(table).is_none_or(|relation| relation.is_partition);
        // SAFETY: a lookup; gives a palloc'd string, or null for a column that is gone.
        let name = unsafe { pg_sys::get_attname(table, number, true) };
        if is_partition || name.is_null() {
            continue;
        }
        // SAFETY: zero-terminated, as all names are.
        let embedding = unsafe { CStr::from_ptr(name) }.to_owned();
        let model = catalog::generated_with(table, number, WITH_MODEL, 1);
        let choice = Choice { model: Named { model, prompt: None }, embedding, sources: Vec::new() };
        let (mode, remark, trigger) = (Mode::Generated, None, None);
        found.push(Column { table, choice, mode, remark, trigger, vector });
    }
    found.retain(|column| Relation::find(column.table).is_some());
    Ok(found)
}

/// How many rows there are.
#[derive(Debug, Default)]
pub struct Counted {
    pub rows: i64,
    pub embedded: i64,
    /// Rows with a text and without a vector.
    pub missing: i64,
    /// Which parts were not counted, and why.
    pub left_out: Option<String>,
}

impl Column {
    /// The vector column's name, in UTF-8.
    pub fn embedding(&self) -> String {
        encoding::to_utf8_lossy(&self.choice.embedding)
    }

    /// Counts the rows.
    ///
    /// # Errors
    /// What keeps it from counting, be it that the current user may not look.
    pub fn count(&self) -> Result<Counted> {
        let _memory = Scratch::new();
        attempt(|| {
            let relation = lock(self.table)?;
            refuse_out_of_reach(&relation)?;
            let members = Members::of(self.table, true)?.of_one_owner(&relation);
            drop(access::as_reader(&relation, self.numbers()?)?);
            let mut counted = Counted { left_out: members.left_out(), ..Counted::default() };
            for table in members.tables {
                let relation = lock(table)?;
                let _identity = access::as_owner(&relation);
                access::refuse_row_security(&relation)?;
                self.count_part(relation, &mut counted)?;
            }
            Ok(counted)
        })
    }

    /// The numbers of the columns that are read.
    fn numbers(&self) -> Result<Vec<i16>> {
        let Choice { embedding, .. } = &self.choice;
        if self.mode == Mode::Generated {
            // SAFETY: a lookup; the column was there a moment ago.
            return Ok(vec![unsafe { pg_sys::get_attnum(self.table, embedding.as_ptr()) }]);
        }
        Ok(Columns::resolve(self.table, &self.choice, self.vector)?.numbers().collect())
    }

    fn count_part(&self, relation: Relation, counted: &mut Counted) -> Result<()> {
        let (name, embedding) = (spi::qualified(relation.oid)?, spi::identifier(&self.choice.embedding)?);
        let missing = match self.mode {
            // PostgreSQL computes it with the row, so it is never missing.
            Mode::Generated => "false".to_owned(),
            Mode::Trigger | Mode::Watch | Mode::Unwatched => {
                Table::open(relation, &self.choice, self.vector)?.is_missing()
            }
        };
        let sql = format!(
            "SELECT pg_catalog.count(*), pg_catalog.count({embedding}), \
             pg_catalog.count(*) FILTER (WHERE {missing}) FROM ONLY {name}"
        );
        // SAFETY: a statement without parameters.
        let mut running = unsafe { Statement::prepare(&sql, relation.oid, &[])?.start(&[]) }?;
        let found = running.fetch(0)?;
        let count = |column| found.value(0, column).map_or(0, |count| count.value() as i64);
        counted.rows += count(1);
        counted.embedded += count(2);
        counted.missing += count(3);
        running.finish()
    }

    /// What processes have noted of it: of itself and of its partitions. What went wrong may tell what is in a row, so
    /// it is for the owner.
    pub fn noted<'p>(&self, processes: &'p [progress::Process]) -> Vec<&'p Entry> {
        noted(self.table, &self.embedding(), processes)
    }

    /// Whether the current user may see what went wrong.
    pub fn is_own(&self) -> bool {
        Relation::find(self.table).is_some_and(|relation| access::is_owner(&relation))
    }
}

/// What processes have noted of a column of a table and of its partitions.
fn noted<'p>(table: Oid, embedding: &str, processes: &'p [progress::Process]) -> Vec<&'p Entry> {
    let members = Members::of(table, false).map_or_else(|_| Vec::new(), |members| members.tables);
    let is_its = |one: Oid| one == table || members.contains(&one);
    let entries = processes.iter().filter(|process| process.is_here()).flat_map(|process| &process.entries);
    entries.filter(|entry| entry.embedding == embedding && is_its(Oid::from(entry.table))).collect()
}

/// The rows of a watched column that the worker has left, with the tables that they are in.
///
/// # Errors
/// 42501 for who does not own the table: a message may tell what is in a row. 42703 if there is no such column.
pub fn failures(table: Oid, embedding: &CStr) -> Result<Vec<(Oid, Left)>> {
    access::refuse_unless_owner(&access::find(table)?, "What went wrong may tell what is in a row.")?;
    columns::number(table, embedding)?;
    let (processes, _) = processes()?;
    let noted = noted(table, &encoding::to_utf8_lossy(embedding), &processes);
    let left = noted.iter().flat_map(|entry| entry.left.iter().map(|left| (Oid::from(entry.table), left.clone())));
    let mut left: Vec<_> = left.collect();
    left.sort_by_key(|(table, left)| (table.to_u32(), left.block, left.number));
    Ok(left)
}

/// The rows of a temporary table are in its session's memory.
fn refuse_out_of_reach(relation: &Relation) -> Result<()> {
    if !relation.is_out_of_reach() {
        return Ok(());
    }
    let message = format!("table \"{}\" is a temporary table of another session", table_name(relation.oid));
    Err(Report::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, message))
}

/// Whoever looks does not wait for others.
fn lock(table: Oid) -> Result<Relation> {
    access::try_lock(table, pg_sys::AccessShareLock)?.ok_or_else(|| {
        let message = format!("table \"{}\" is locked by another transaction", table_name(table));
        Report::new(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, message)
    })
}

/// What all processes show of themselves, and the tables of which the current user may see what went wrong.
///
/// # Errors
/// 58030 if it cannot be read.
pub fn processes() -> Result<(Vec<progress::Process>, HashSet<u32>)> {
    let processes = progress::all().map_err(|e| {
        Report::new(PgSqlErrorCode::ERRCODE_IO_ERROR, format!("could not read what processes are doing: {e}"))
    })?;
    let here = processes.iter().filter(|process| process.is_here()).flat_map(|process| &process.entries);
    let is_own = |table: &u32| Relation::find(Oid::from(*table)).is_some_and(|relation| access::is_owner(&relation));
    let own = here.map(|entry| entry.table).filter(is_own).collect();
    Ok((processes, own))
}
