//! The triggers: `embed_trigger()` embeds the row that is being written, `embed_mark_trigger()` leaves that to the worker.
//! Each has a sibling for a model that its arguments name first.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid};

use crate::model::memo;
use crate::postgres::arguments::Call;
use crate::postgres::catalog::{self, Relation, Trigger};
use crate::postgres::fired::{Fired, is_replicated};
use crate::postgres::report::{Report, Result};
use crate::postgres::spi::{self, Spi};
use crate::postgres::{encoding, vector};
use crate::table::columns::{self, Choice, Columns, Text, table_name};

/// The functions that embed the row that is being written, without and with a model; and those that leave it to the worker.
pub const EMBED: [&CStr; 2] = [c"embed_trigger", c"embed_model_trigger"];
pub const MARK: [&CStr; 2] = [c"embed_mark_trigger", c"embed_model_mark_trigger"];

pub fn embeds(function: Oid) -> bool {
    EMBED.iter().any(|symbol| catalog::is_ours(function, symbol))
}

pub fn marks(function: Oid) -> bool {
    MARK.iter().any(|symbol| catalog::is_ours(function, symbol))
}

/// The triggers that call one of these functions of the extension.
pub fn all(extension: Oid, functions: [&CStr; 2]) -> Vec<Trigger> {
    let functions = functions.into_iter().filter_map(|symbol| catalog::member(extension, symbol));
    functions.flat_map(catalog::triggers_of).collect()
}

/// The function of the extension that marks, for a trigger with or without a model.
pub fn marking(extension: Oid, with_model: bool) -> Option<Oid> {
    catalog::member(extension, MARK[usize::from(with_model)])
}

/// The function of the extension that embeds, likewise.
pub fn embedding(extension: Oid, with_model: bool) -> Option<Oid> {
    catalog::member(extension, EMBED[usize::from(with_model)])
}

/// Drops a trigger of ours.
///
/// # Errors
/// 55000 if its name, or its table's, has come to stand for another.
pub fn drop(spi: &Spi, trigger: &Trigger) -> Result<()> {
    let (name, table) = (spi::identifier(&trigger.name)?, spi::qualified(trigger.table)?);
    spi.execute(&format!("DROP TRIGGER {name} ON {table}"))?;
    if catalog::trigger(trigger.oid, trigger.function).is_some() { Err(spi::changed()) } else { Ok(()) }
}

/// Has a trigger of ours fire as [`Trigger::enabled`] says it.
///
/// # Errors
/// 55000 as for [`drop`].
pub fn enable(spi: &Spi, trigger: &Trigger, enabled: u8) -> Result<()> {
    if trigger.enabled == enabled {
        return Ok(());
    }
    let how = match enabled {
        b'D' => "DISABLE",
        b'R' => "ENABLE REPLICA",
        b'A' => "ENABLE ALWAYS",
        _ => "ENABLE",
    };
    let (name, table) = (spi::identifier(&trigger.name)?, spi::qualified(trigger.table)?);
    spi.execute(&format!("ALTER TABLE {table} {how} TRIGGER {name}"))?;
    let now = catalog::trigger(trigger.oid, trigger.function).map(|trigger| trigger.enabled);
    if now == Some(enabled) { Ok(()) } else { Err(spi::changed()) }
}

/// What a trigger that calls a function of ours says.
pub fn choice(trigger: &Trigger) -> Option<Choice> {
    Choice::of_trigger(&trigger.arguments, takes_model(trigger.function))
}

/// Whether a trigger that calls a function of ours names a model and a prompt first.
pub fn takes_model(function: Oid) -> bool {
    catalog::is_ours(function, EMBED[1]) || catalog::is_ours(function, MARK[1])
}

/// The vector column that a trigger names, if it calls a function of ours.
pub fn vector_column(trigger: &Trigger) -> Option<&CString> {
    trigger.arguments.get(if takes_model(trigger.function) { 2 } else { 0 })
}

/// `embed_trigger(embedding column, source column, ...)`, `embed_model_trigger(model, prompt, embedding column, ...)`
pub fn embed(call: Call, with_model: bool) -> Result<Datum> {
    let row = Row::fired(call, with_model)?;
    if row.keeps_vector()? {
        return Ok(Datum::from(row.fired.row));
    }
    let vector = match row.text()?.as_deref() {
        Some(text) => Some(memo::embed(row.columns.model.open()?, text, vector::to_datum)?),
        None => None,
    };
    Ok(Datum::from(row.with(vector)))
}

/// `embed_mark_trigger(embedding column, source column, ...)`, and with a model as above: NULL is what the worker looks for. Gives the row, and its
/// table if the row waits for its vector now.
///
/// A row of a foreign table is left as it is: it is not the worker's, and would wait for ever.
pub fn mark(call: Call, with_model: bool) -> Result<(Datum, Option<Oid>)> {
    let row =
        Row::fired(call, with_model).map_err(|report| match report.is(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN) {
            true => report
                .hint("If it has another name now: embed_unwatch() with the old one, then embed_watch() with the new."),
            false => report,
        })?;
    if Relation::find(row.fired.table).is_some_and(|table| table.is_foreign()) {
        return Ok((Datum::from(row.fired.row), None));
    }
    if row.keeps_vector()? {
        let waits = row.vector().is_none() && row.has_text();
        return Ok((Datum::from(row.fired.row), waits.then_some(row.fired.table)));
    }
    let waits = row.has_text();
    Ok((Datum::from(row.with(None)), waits.then_some(row.fired.table)))
}

impl Row<'_> {
    /// The row that a trigger was fired for. Checks how the trigger is called.
    ///
    /// # Errors
    /// 39P01 for a trigger of another kind; 42703, 42804, 42P10 if the columns are not what they should be.
    fn fired(call: Call, with_model: bool) -> Result<Self> {
        let Some(fired) = Fired::of(call) else {
            return Err(misuse("function is not called by a trigger".to_owned(), with_model));
        };
        let (table, name) = (fired.table, encoding::to_utf8_lossy(fired.name));
        let unfit_for = |reason: String| {
            let message = format!("trigger \"{name}\" on table \"{}\" cannot embed", table_name(table));
            misuse(message, with_model).detail(reason)
        };
        if let Some(reason) = unfit(&fired) {
            return Err(unfit_for(reason.to_owned()));
        }
        let vector = columns::vector_type(call.function())?;
        let Some(choice) = Choice::of_trigger(&fired.arguments, with_model) else {
            let model = if with_model { "a model, a prompt, " } else { "" };
            return Err(unfit_for(format!("It does not name {model}a vector column and at least one source column.")));
        };
        let columns = Columns::resolve(table, &choice, vector)
            .and_then(|columns| {
                columns::refuse_generated(table, &columns)?;
                columns::refuse_default(table, columns.embedding)?;
                Ok(columns)
            })
            .map_err(|report| report.or_detail(format!("Trigger \"{name}\" names it.")))?;
        Ok(Self { fired, columns })
    }
}

/// Says that a trigger, or what it is in a partition, does not fire, if so; `all` are those that call its function, others among
/// them.
pub fn disabled(trigger: &Trigger, all: &[Trigger]) -> Option<String> {
    let is_it = |other: &Trigger| {
        other.oid == trigger.oid
            || other.is_inherited() && other.arguments == trigger.arguments && other.made_for() == Some(trigger.table)
    };
    let off = all.iter().find(|other| other.is_disabled() && is_it(other))?;
    let name = encoding::to_utf8_lossy(&off.name);
    Some(format!("trigger \"{name}\" of table \"{}\" is disabled", table_name(off.table)))
}

/// Says which triggers of the table fire after this one and may change a text, if there are such: ours leave texts alone.
pub fn later(trigger: &Trigger) -> Option<String> {
    let is_later = |other: &&Trigger| {
        let is_ours = || embeds(other.function) || marks(other.function);
        other.changes_rows && !other.is_disabled() && other.name > trigger.name && !is_ours()
    };
    let all = catalog::triggers_on(trigger.table);
    let quoted = |name: &CStr| format!("\"{}\"", encoding::to_utf8_lossy(name));
    let names: Vec<_> = all.iter().filter(is_later).map(|other| quoted(&other.name)).collect();
    let (fire, change) = if names.len() == 1 { ("trigger", "fires") } else { ("triggers", "fire") };
    let own = quoted(&trigger.name);
    (!names.is_empty()).then(|| {
        format!(
            "{fire} {} {change} after {own}: what is changed in a text there is not in its vector",
            names.join(", ")
        )
    })
}

/// Why a trigger cannot give a row its vector, if so.
fn unfit(fired: &Fired) -> Option<&'static str> {
    if !fired.is_for_row() {
        Some("It fires for each statement, not for each row.")
    } else if !fired.is_before() {
        Some("It does not fire before the row is written.")
    } else if !(fired.is_insert() || fired.is_update()) {
        Some("It fires for something else than INSERT and UPDATE.")
    } else {
        None
    }
}

fn misuse(message: String, with_model: bool) -> Report {
    let call = match with_model {
        false => "embed_trigger('vector column', 'source column', ...)",
        true => "embed_model_trigger('model', 'prompt, or empty', 'vector column', 'source column', ...)",
    };
    Report::new(PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, message)
        .hint(format!("Use CREATE TRIGGER ... BEFORE INSERT OR UPDATE ON ... FOR EACH ROW EXECUTE FUNCTION {call}."))
}

/// A row that is being written.
struct Row<'call> {
    fired: Fired<'call>,
    columns: Columns,
}

impl Row<'_> {
    /// Whether the vector that the new row has is that of its text, as far as one can tell without embedding it: one
    /// that came with an INSERT is, one whose text was updated is not.
    fn keeps_vector(&self) -> Result<bool> {
        let has_vector = self.vector().is_some();
        let Some(old) = self.fired.before else { return Ok(has_vector && self.has_text()) };
        // Most updates leave the text alone; then it need not even be read, be it compressed or out of line.
        if self.columns.sources.iter().all(|source| self.fired.is_same(old, source.number))
            || self.text_of(old)? == self.text()?
        {
            return Ok(has_vector || !self.has_text());
        }
        // A publisher that embeds its rows sends the new vector along with the new text; one that does not leaves the old.
        Ok(is_replicated() && has_vector && self.has_text() && !self.fired.is_same(old, self.columns.embedding))
    }

    fn vector(&self) -> Option<Datum> {
        self.fired.value(self.fired.row, self.columns.embedding)
    }

    fn has_text(&self) -> bool {
        // SAFETY: the values are those of the columns.
        unsafe { self.columns.has_text(|n| self.fired.value(self.fired.row, self.columns.sources[n].number)) }
    }

    fn text(&self) -> Result<Option<Text<'_>>> {
        self.text_of(self.fired.row)
    }

    fn text_of(&self, tuple: HeapTuple) -> Result<Option<Text<'_>>> {
        // SAFETY: the values are those of the columns, and live as long as the tuples.
        unsafe { self.columns.text(|n| self.fired.value(tuple, self.columns.sources[n].number)) }
    }

    /// The new row with this vector.
    fn with(&self, vector: Option<Datum>) -> HeapTuple {
        if vector.is_none() && self.vector().is_none() {
            return self.fired.row;
        }
        let (mut number, mut value, mut null) = (
            self.columns.embedding.into(),
            vector.map_or(Datum::from(0), |it| self.columns.to_stored(it)),
            vector.is_none(),
        );
        // SAFETY: one column, and a value of its type or null.
        unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                self.fired.row,
                self.fired.descriptor,
                1,
                &raw mut number,
                &raw mut value,
                &raw mut null,
            )
        }
    }
}
