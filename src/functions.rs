//! The SQL-callable functions: unpack arguments, call, pack the result. Their declarations are in `sql/`.
#![allow(unsafe_code)]

use embedder::{Chunking, DIMENSIONS, MODEL_NAME, RUNTIME_VERSION, WEIGHTS_SHA256};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, Oid};

use crate::backend::{self, check_for_interrupts};
use crate::fill::Choice;
use crate::report::{self, Report, Result};
use crate::rows::Rows;
use crate::{backfill, guc, status, text, trigger, vector, verify, watch};

/// Exports a function in PostgreSQL's calling convention, version 1. Functions are STRICT unless their bodies check for
/// nulls, so no argument is null.
macro_rules! sql_function {
    ($name:ident, $info:ident, $body:path) => {
        #[pgrx::pg_guard]
        // SAFETY: the name is declared in sql/ and unique in the library.
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name(fcinfo: FunctionCallInfo) -> Datum {
            // SAFETY: PostgreSQL calls it with the arguments that sql/ declares.
            report::guard(|| unsafe { $body(fcinfo) }).unwrap_or_else(|report| report.raise())
        }

        // SAFETY: PostgreSQL looks this name up to learn the calling convention.
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> &'static pg_sys::Pg_finfo_record {
            const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }
    };
}

sql_function!(embed_text, pg_finfo_embed_text, one_text);
sql_function!(embed_texts, pg_finfo_embed_texts, many_texts);
sql_function!(embed_token_count, pg_finfo_embed_token_count, token_count);
sql_function!(embed_chunks, pg_finfo_embed_chunks, chunks);
sql_function!(embed_info, pg_finfo_embed_info, info);
sql_function!(embed_backfill, pg_finfo_embed_backfill, backfill::backfill);
sql_function!(embed_watch, pg_finfo_embed_watch, watch::watch);
sql_function!(embed_unwatch, pg_finfo_embed_unwatch, watch::unwatch);
sql_function!(embed_verify, pg_finfo_embed_verify, verify::verify);
sql_function!(embed_count, pg_finfo_embed_count, status::count);
sql_function!(embed_get_progress, pg_finfo_embed_get_progress, status::progress);
sql_function!(embed_trigger, pg_finfo_embed_trigger, trigger::embed);
sql_function!(embed_mark_trigger, pg_finfo_embed_mark_trigger, trigger::mark);

/// # Safety
/// As for all bodies here: `fcinfo` belongs to a call with the arguments that sql/ declares, none of them null.
unsafe fn argument(fcinfo: FunctionCallInfo, number: usize) -> Datum {
    // SAFETY: the caller's promise.
    unsafe { pgrx::pg_getarg_datum_raw(fcinfo, number) }
}

/// An argument of a function that is not STRICT.
///
/// # Safety
/// As for [`argument`], but it may be null.
pub unsafe fn optional(fcinfo: FunctionCallInfo, number: usize) -> Option<Datum> {
    // SAFETY: the caller's promise.
    unsafe { if pgrx::pg_arg_is_null(fcinfo, number) { None } else { Some(argument(fcinfo, number)) } }
}

/// The same, where null makes no sense.
///
/// # Errors
/// 22004.
///
/// # Safety
/// As for [`optional`].
pub unsafe fn needed(fcinfo: FunctionCallInfo, number: usize, name: &str) -> Result<Datum> {
    let null = || Report::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("\"{name}\" must not be null"));
    // SAFETY: the caller's promise.
    unsafe { optional(fcinfo, number) }.ok_or_else(null)
}

/// The table that the first argument names.
///
/// # Safety
/// As for [`optional`]; the argument is a regclass.
pub unsafe fn target(fcinfo: FunctionCallInfo) -> Result<Oid> {
    // SAFETY: the caller's promise.
    Ok(Oid::from(unsafe { needed(fcinfo, 0, "target") }?.value() as u32))
}

/// The vector column and the source columns that two arguments name.
///
/// # Safety
/// As for [`optional`]; the arguments are a text and a text[].
pub unsafe fn choice(fcinfo: FunctionCallInfo, embedding: usize, sources: usize) -> Result<Choice> {
    // SAFETY: the caller's promise.
    let (embedding, sources) = unsafe {
        let sources = text::utf8_array(needed(fcinfo, sources, "sources")?)?;
        (text::utf8(needed(fcinfo, embedding, "embedding")?)?, sources)
    };
    let sources: Vec<_> = sources.iter().flatten().map(|name| text::to_server(name)).collect::<Result<_>>()?;
    if sources.is_empty() {
        return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "no source column is named")
            .hint("Name the columns with text in an array, such as ARRAY['title', 'description']."));
    }
    Ok(Choice { embedding: text::to_server(&embedding)?, sources })
}

/// Fails unless `value` is between `min` and `max`.
///
/// # Errors
/// 22023.
pub fn refuse_value(name: &'static str, value: i32, min: i32, max: i32) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(embedder::Error::Argument { name, value: value.into(), min: min.into(), max: max.into() }.into())
}

/// `embed_text(text) -> vector`
unsafe fn one_text(fcinfo: FunctionCallInfo) -> Result<Datum> {
    check_for_interrupts();
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(argument(fcinfo, 0)) }?;
    backend::embed(&input, vector::to_datum)
}

/// `embed_texts(text[]) -> vector[]`
unsafe fn many_texts(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the argument is a text[].
    let inputs = unsafe { text::utf8_array(argument(fcinfo, 0)) }?;
    vector::check_array_size(inputs.len(), DIMENSIONS)?;
    let present: Vec<bool> = inputs.iter().map(Option::is_some).collect();
    let batch = backend::embed_many(inputs.iter().flatten().map(|text| &**text).collect(), guc::threads())?;
    if let Some(texts) = batch.truncated() {
        let first = present.iter().enumerate().filter(|(_, present)| **present).nth(texts.first);
        let first = first.map_or(texts.first, |(element, _)| element);
        backend::truncated(Some(embedder::Truncated { first, ..texts }))?;
    }
    // SAFETY: the function is declared to return vector[]; both are asked of the catalogue, so pgvector can be in
    // any schema.
    unsafe {
        let array_type = pg_sys::get_func_rettype((*(*fcinfo).flinfo).fn_oid);
        let element_type = pg_sys::get_element_type(array_type);
        Ok(vector::to_array_datum(batch.into_vectors().view(), &present, element_type))
    }
}

/// `embed_token_count(text) -> int`
unsafe fn token_count(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(argument(fcinfo, 0)) }?;
    let mut count = 0;
    for tokens in backend::get()?.embedder.tokenizer().count(&input) {
        check_for_interrupts();
        count += tokens?;
    }
    // A text is at most 1 GB, and a token at least a byte.
    Ok(Datum::from(count as i32))
}

/// `embed_chunks(text, max_tokens int, overlap int) -> (chunk_no int, chunk text, start_char int, token_count int)`
unsafe fn chunks(fcinfo: FunctionCallInfo) -> Result<Datum> {
    // SAFETY: the arguments are a text and two integers.
    let (input, max_tokens, overlap) = unsafe {
        (text::utf8(argument(fcinfo, 0))?, argument(fcinfo, 1).value() as i32, argument(fcinfo, 2).value() as i32)
    };
    let tokenizer = backend::get()?.embedder.tokenizer();
    let chunking = Chunking::new(max_tokens.into(), overlap.into(), tokenizer.max_tokens())?;
    // SAFETY: the function is declared to return a table.
    let mut rows = unsafe { Rows::begin(fcinfo) }?;
    let (mut number, mut start, mut start_char) = (1, 0, 1);
    while let Some((chunk, next)) = chunking.chunk(tokenizer, &input, start)? {
        check_for_interrupts();
        rows.push([
            Some(Datum::from(number)),
            Some(text::to_datum(&input[chunk.bytes])),
            Some(Datum::from(start_char)),
            Some(Datum::from(chunk.tokens as i32)),
        ]);
        start_char += input[start..next].chars().count() as i32;
        (number, start) = (number + 1, next);
    }
    Ok(Datum::from(0))
}

/// `embed_info() -> (model, weights_sha256, dimensions, max_tokens, runtime_version, compiled_model, session, open_ms,
/// threads)`
unsafe fn info(fcinfo: FunctionCallInfo) -> Result<Datum> {
    let backend = backend::get()?;
    let embedder = &backend.embedder;
    let compiled = backend.compiled().map(|path| path.to_string_lossy());
    // SAFETY: the function is declared to return a set of records.
    let mut rows = unsafe { Rows::begin(fcinfo) }?;
    rows.push([
        Some(text::to_datum(MODEL_NAME)),
        Some(text::to_datum(WEIGHTS_SHA256)),
        Some(Datum::from(DIMENSIONS as i32)),
        Some(Datum::from(embedder.tokenizer().max_tokens() as i32)),
        Some(text::to_datum(RUNTIME_VERSION)),
        compiled.map(|path| text::to_datum(&path)),
        Some(text::to_datum(if backend.is_inherited() { "inherited" } else { "opened" })),
        Some(Datum::from((backend.took.as_secs_f64() * 1000.0).to_bits())),
        Some(Datum::from(guc::THREADS.get())),
    ]);
    Ok(Datum::from(0))
}
