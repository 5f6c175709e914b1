//! Documents whose chunks are kept in a table.
#![allow(unsafe_code)]

use pgrx::pg_sys::Datum;

use crate::documents::cutting::Cutting;
use crate::documents::trigger;
use crate::documents::watch::{self, Vectors, Wanted};
use crate::model::registry::Named;
use crate::postgres::arguments::Call;
use crate::postgres::report::Result;
use crate::postgres::text;
use crate::sql::embed::options;

/// `embed_watch_chunks(target regclass, source text, chunks text, max_tokens int, overlap int, split text, headings bool,
/// model text, prompt text, vectors text, key text[]) -> regclass`
pub fn watch(call: Call) -> Result<Datum> {
    let optional = |number, name| call.optional(number).map(|_| call.name(number, name)).transpose();
    // SAFETY: the arguments are a text and a text[].
    let (vectors, key) = unsafe {
        let key = call.optional(10).map(|key| text::utf8_array(key)).transpose()?;
        (text::utf8(call.needed(9, "vectors")?)?, key)
    };
    let key = key.map(|key| key.iter().flatten().map(|name| text::to_server(name)).collect()).transpose()?;
    let wanted = Wanted {
        target: call.oid(0, "target")?,
        chunks: call.name(2, "chunks")?,
        key,
        cutting: Cutting {
            source: call.name(1, "source")?,
            model: Named { model: optional(7, "model")?, prompt: optional(8, "prompt")? },
            options: options(call, 3)?,
        },
        vectors: Vectors::named(&vectors)?,
    };
    Ok(Datum::from(watch::watch(call.function(), &wanted)?))
}

/// `embed_unwatch_chunks(target regclass, chunks regclass)`
pub fn unwatch(call: Call) -> Result<Datum> {
    watch::unwatch(call.function(), call.oid(0, "target")?, call.oid(1, "chunks")?)?;
    Ok(Datum::from(0))
}

/// `embed_chunks_trigger(source, max_tokens, overlap, split, headings, model, prompt)`
pub fn trigger(call: Call) -> Result<Datum> {
    trigger::keep(call)
}
