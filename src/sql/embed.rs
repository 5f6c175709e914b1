//! Texts: vectors, tokens, chunks.
#![allow(unsafe_code)]

use embedder::{Batch, Chunking, DIMENSIONS, MODEL_NAME, RUNTIME_VERSION, WEIGHTS_SHA256};
use pgrx::pg_sys::{self, Datum};

use crate::model::{backend, memo};
use crate::postgres::arguments::Call;
use crate::postgres::report::Result;
use crate::postgres::rows::Rows;
use crate::postgres::{guc, interrupt, text, vector};

/// `embed_text(text) -> vector`
pub fn one_text(call: Call) -> Result<Datum> {
    interrupt::check();
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(call.argument(0)) }?;
    memo::embed(&input, vector::to_datum)
}

/// `embed_texts(text[]) -> vector[]`
pub fn many_texts(call: Call) -> Result<Datum> {
    // SAFETY: the argument is a text[].
    let inputs = unsafe { text::utf8_array(call.argument(0)) }?;
    vector::check_array_size(inputs.len(), DIMENSIONS)?;
    let (mut present, mut texts) = (text::vector_of(inputs.len())?, text::vector_of(inputs.len())?);
    present.extend(inputs.iter().map(Option::is_some));
    texts.extend(inputs.iter().flatten().map(|text| &**text));
    let batch = backend::run(Batch::new(texts)?, guc::threads())?;
    if let Some(texts) = batch.truncated() {
        let first = present.iter().enumerate().filter(|(_, present)| **present).nth(texts.first);
        let first = first.map_or(texts.first, |(element, _)| element);
        let text = inputs.get(first).and_then(Option::as_deref).unwrap_or_default();
        backend::truncated(Some(embedder::Truncated { first, ..texts }), text)?;
    }
    // SAFETY: the function is declared to return vector[]; both are asked of the catalogue, so pgvector can be in
    // any schema.
    unsafe {
        let element_type = pg_sys::get_element_type(pg_sys::get_func_rettype(call.function()));
        vector::to_array_datum(batch.into_vectors().view(), &present, element_type)
    }
}

/// `embed_token_count(text) -> int`
pub fn token_count(call: Call) -> Result<Datum> {
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(call.argument(0)) }?;
    // A text is at most 1 GB, and a token at least a byte.
    Ok(Datum::from(backend::count_tokens(&input)? as i32))
}

/// `embed_chunks(text, max_tokens int, overlap int) -> (chunk_no int, chunk text, start_char int, token_count int)`
pub fn chunks(call: Call) -> Result<Datum> {
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(call.argument(0)) }?;
    let (max_tokens, overlap) = (call.argument(1).value() as i32, call.argument(2).value() as i32);
    let tokenizer = backend::get()?.embedder.tokenizer();
    let chunking = Chunking::new(max_tokens.into(), overlap.into(), tokenizer.max_tokens())?;
    let mut rows = Rows::begin(call)?;
    let (mut number, mut start, mut start_char) = (1, 0, 1);
    while let Some((chunk, next)) = chunking.chunk(tokenizer, &input, start)? {
        interrupt::check();
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
pub fn info(call: Call) -> Result<Datum> {
    let backend = backend::get()?;
    let embedder = &backend.embedder;
    let compiled = backend.compiled().map(|path| path.to_string_lossy());
    let mut rows = Rows::begin(call)?;
    rows.push([
        Some(text::to_datum(MODEL_NAME)),
        Some(text::to_datum(WEIGHTS_SHA256)),
        Some(Datum::from(DIMENSIONS as i32)),
        Some(Datum::from(embedder.tokenizer().max_tokens() as i32)),
        Some(text::to_datum(RUNTIME_VERSION)),
        compiled.map(|path| text::to_datum(&path)),
        Some(text::to_datum(if backend.is_inherited() { "inherited" } else { "opened" })),
        Some(Datum::from(((backend.took.as_secs_f64() * 1e6).round() / 1e3).to_bits())),
        Some(Datum::from(guc::THREADS.get())),
    ]);
    Ok(Datum::from(0))
}
