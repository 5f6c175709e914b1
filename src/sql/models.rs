//! Models: adding, dropping, and what is kept of them on disk.
#![allow(unsafe_code)]

use std::ffi::CStr;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};

use crate::model::{backend, registry};
use crate::postgres::arguments::Call;
use crate::postgres::report::{Report, Result};
use crate::postgres::{encoding, foreign, text};
use crate::table::columns::table_name;
use crate::table::status::{self, Column};

/// `embed_add_model(name text, directory text, precision text)`
pub fn add(call: Call) -> Result<Datum> {
    // SAFETY: both arguments are texts.
    let (directory, precision) =
        unsafe { (call.optional(1).map(|it| text::utf8(it)).transpose()?, text::utf8(call.needed(2, "precision")?)?) };
    registry::add(&call.name(0, "name")?, directory.as_deref(), &precision)?;
    Ok(Datum::from(0))
}

/// `embed_drop_model(name text)`
pub fn drop(call: Call) -> Result<Datum> {
    let name = call.name(0, "name")?;
    refuse_in_use(&name, &status::columns(call.function())?)?;
    registry::drop(&name)?;
    Ok(Datum::from(0))
}

/// # Errors
/// 2BP01 if a column embeds itself with the model: writing to its table would fail from then on.
fn refuse_in_use(name: &CStr, columns: &[Column]) -> Result<()> {
    let users = columns.iter().filter(|column| column.choice.model.model.as_deref() == Some(name));
    let mut users: Vec<_> =
        users.map(|column| format!("\"{}\" of table \"{}\"", column.embedding(), table_name(column.table))).collect();
    users.sort();
    if users.is_empty() {
        return Ok(());
    }
    let message =
        format!("cannot drop model \"{}\" because columns embed themselves with it", encoding::to_utf8_lossy(name));
    Err(Report::new(PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST, message)
        .detail(format!("These are {}.", users.join(", ")))
        .hint("Drop their triggers, embed_unwatch() them, or drop the generated columns first."))
}

/// `embed_model_validator(options text[], catalog oid)`
pub fn validate(call: Call) -> Result<Datum> {
    // SAFETY: PostgreSQL calls it so.
    let options = unsafe { foreign::given(call.argument(0)) };
    registry::check_options(&options, call.oid(1, "catalog")? == pg_sys::ForeignServerRelationId)?;
    Ok(Datum::from(0))
}

/// `embed_remove_compiled()`: the directories that were removed.
pub fn remove_compiled(_call: Call) -> Result<Datum> {
    let removed = embedder::remove_unused_compiled(&backend::cache())?;
    let names: Vec<_> = removed
        .iter()
        .map(|path| text::to_server(&backend::relative(path).to_string_lossy()))
        .collect::<Result<_>>()?;
    text::to_array(&names)
}
