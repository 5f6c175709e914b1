//! Texts: vectors, tokens, chunks.
#![allow(unsafe_code)]

use embedder::{Batch, Precision, RUNTIME_VERSION, Split};
use pgrx::pg_sys::{self, Datum};

use crate::model::chunks::Options;
use crate::model::registry::{Model, Named};
use crate::model::{backend, chunks as cutting, memo};
use crate::postgres::arguments::Call;
use crate::postgres::report::Result;
use crate::postgres::rows::Rows;
use crate::postgres::{guc, interrupt, text, vector};
use crate::sql::columns::named;

/// `embed_text(text) -> vector`
pub fn one_text(call: Call) -> Result<Datum> {
    embed_one(call, Named::default().open()?)
}

/// `embed_text(text, model text, prompt text) -> vector`
pub fn one_text_with_model(call: Call) -> Result<Datum> {
    with_model(call, embed_one)
}

fn embed_one(call: Call, model: Model) -> Result<Datum> {
    interrupt::check();
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(call.argument(0)) }?;
    memo::embed(model, &input, vector::to_datum)
}

/// Calls a function with the model that its arguments name after the first; its result is NULL if one of the two is.
fn with_model(call: Call, body: fn(Call, Model) -> Result<Datum>) -> Result<Datum> {
    match model_of(call)? {
        Some(model) => body(call, model),
        None => Ok(call.null()),
    }
}

/// The model that the arguments name after the first; `None` if one of the two is NULL.
fn model_of(call: Call) -> Result<Option<Model>> {
    if call.optional(0).is_none() || call.optional(1).is_none() {
        return Ok(None);
    }
    named(call, 1)?.open().map(Some)
}

/// `embed_texts(text[]) -> vector[]`
pub fn many_texts(call: Call) -> Result<Datum> {
    embed_many(call, Named::default().open()?)
}

/// `embed_texts(text[], model text, prompt text) -> vector[]`
pub fn many_texts_with_model(call: Call) -> Result<Datum> {
    with_model(call, embed_many)
}

fn embed_many(call: Call, model: Model) -> Result<Datum> {
    // SAFETY: the argument is a text[].
    let inputs = unsafe { text::utf8_array(call.argument(0)) }?;
    vector::check_array_size(inputs.len(), model.backend.embedder.model().dimensions())?;
    let (mut present, mut texts) = (text::vector_of(inputs.len())?, text::vector_of(inputs.len())?);
    present.extend(inputs.iter().map(Option::is_some));
    texts.extend(inputs.iter().flatten().map(|text| model.prompted(text)));
    let mut borrowed = text::vector_of(texts.len())?;
    borrowed.extend(texts.iter().map(|text| &**text));
    let batch = model.backend.run(Batch::new(borrowed)?, guc::threads())?;
    if let Some(texts) = batch.truncated() {
        let first = present.iter().enumerate().filter(|(_, present)| **present).nth(texts.first);
        let first = first.map_or(texts.first, |(element, _)| element);
        let text = inputs.get(first).and_then(Option::as_deref).unwrap_or_default();
        model.backend.truncated(Some(embedder::Truncated { first, ..texts }), &model.prompted(text))?;
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
    count_tokens(call, Named::default().open()?)
}

/// `embed_token_count(text, model text, prompt text) -> int`
pub fn token_count_with_model(call: Call) -> Result<Datum> {
    with_model(call, count_tokens)
}

fn count_tokens(call: Call, model: Model) -> Result<Datum> {
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(call.argument(0)) }?;
    // A text is at most 1 GB, and a token at least a byte.
    Ok(Datum::from(model.backend.count_tokens(&model.prompted(&input))? as i32))
}

/// `embed_chunks(text, max_tokens int, overlap int, split text, headings bool) -> (chunk_no int, chunk text, start_char int,
/// token_count int)`
pub fn chunks(call: Call) -> Result<Datum> {
    let (max_tokens, overlap) = (call.argument(1).value() as i32, call.argument(2).value() as i32);
    let headings = call.argument(4).value() != 0;
    let options = Options { max_tokens: Some(max_tokens), overlap, split: split(call.argument(3))?, headings };
    cut(call, Named::default().open()?, &options)
}

/// `embed_chunks(text, model text, prompt text, max_tokens int, overlap int, split text, headings bool) -> as above`
pub fn chunks_with_model(call: Call) -> Result<Datum> {
    let Some(model) = model_of(call)? else {
        Rows::begin(call)?;
        return Ok(Datum::from(0));
    };
    cut(call, model, &options(call, 3)?)
}

/// The arguments `max_tokens`, `overlap`, `split` and `headings`, from number `first` on.
pub fn options(call: Call, first: usize) -> Result<Options> {
    Ok(Options {
        max_tokens: call.optional(first).map(|max_tokens| max_tokens.value() as i32),
        overlap: call.needed(first + 1, "overlap")?.value() as i32,
        split: split(call.needed(first + 2, "split")?)?,
        headings: call.needed(first + 3, "headings")?.value() != 0,
    })
}

fn split(name: Datum) -> Result<Split> {
    // SAFETY: the argument is a text.
    cutting::split(&unsafe { text::utf8(name) }?)
}

/// Cuts the first argument.
pub fn cut(call: Call, model: Model, options: &Options) -> Result<Datum> {
    // SAFETY: the argument is a text.
    let input = unsafe { text::utf8(call.argument(0)) }?;
    let chunks = cutting::cut(model, &input, options)?;
    let mut rows = Rows::begin(call)?;
    for (number, chunk) in (1_i32..).zip(chunks) {
        let chunk = chunk?;
        rows.push([
            Some(Datum::from(number)),
            Some(text::to_datum(&chunk.text)),
            Some(Datum::from(chunk.start_char)),
            Some(Datum::from(chunk.token_count)),
        ]);
    }
    Ok(Datum::from(0))
}

/// `embed_info() -> (model, weights_sha256, dimensions, max_tokens, runtime_version, compiled_model, session, open_ms,
/// threads)`, a row for each model that this process has open
pub fn info(call: Call) -> Result<Datum> {
    let backends = backend::all()?;
    let mut rows = Rows::begin(call)?;
    for backend in backends {
        let model = backend.embedder.model();
        rows.push([
            Some(text::to_datum(&backend.name())),
            model.weights_sha256().map(text::to_datum),
            Some(Datum::from(model.dimensions() as i32)),
            Some(Datum::from(model.max_tokens() as i32)),
            (model.precision() == Precision::Exact).then(|| text::to_datum(RUNTIME_VERSION)),
            backend.compiled().map(|path| text::to_datum(&path.to_string_lossy())),
            Some(text::to_datum(if backend.is_inherited() { "inherited" } else { "opened" })),
            Some(Datum::from(((backend.took.as_secs_f64() * 1e6).round() / 1e3).to_bits())),
            Some(Datum::from(guc::THREADS.get())),
        ]);
    }
    Ok(Datum::from(0))
}
