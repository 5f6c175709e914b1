//! What the scripts of earlier versions declare and that of this one no longer does. Between the installation of a new
//! version and ALTER EXTENSION ... UPDATE, a database calls it.

use embedder::Split;
use pgrx::pg_sys::Datum;

use crate::model::chunks::Options;
use crate::model::registry::Named;
use crate::postgres::arguments::Call;
use crate::postgres::report::Result;
use crate::postgres::rows::Rows;
use crate::postgres::text;
use crate::sql::embed;

/// `embed_count(regclass, text, text[]) -> (rows, embedded, missing, problem)`, which the view `embed_status` of 0.1.0
/// called for each row.
pub fn count(call: Call) -> Result<Datum> {
    let mut rows = Rows::begin(call)?;
    let problem = "extension is of an earlier version than its library: run ALTER EXTENSION pg_embed UPDATE";
    rows.push([None, None, None, Some(text::to_datum(problem))]);
    Ok(Datum::from(0))
}

/// `embed_chunks(text, max_tokens int, overlap int)`, which had no further arguments in 0.1.0.
pub fn chunks(call: Call) -> Result<Datum> {
    let (max_tokens, overlap) = (call.argument(1).value() as i32, call.argument(2).value() as i32);
    let options = Options { max_tokens: Some(max_tokens), overlap, split: Split::Text, headings: false };
    embed::cut(call, Named::default().open()?, &options)
}
