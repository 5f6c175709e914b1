//! Models: adding, dropping, and what is kept of them on disk.
#![allow(unsafe_code)]

use pgrx::pg_sys::{self, Datum};

use crate::model::{backend, registry};
use crate::postgres::arguments::Call;
use crate::postgres::report::Result;
use crate::postgres::{foreign, text};

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
    registry::drop(&call.name(0, "name")?)?;
    Ok(Datum::from(0))
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
