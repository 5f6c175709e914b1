//! Long texts to chunks: what `embed_chunks` returns, and what else is to be cut in the same way.

use std::borrow::Cow;

use embedder::{Chunking, Split};
use pgrx::PgSqlErrorCode;

use crate::model::registry::Model;
use crate::postgres::interrupt;
use crate::postgres::report::{Report, Result};

/// How texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most tokens of a chunk, the model's prompt included; by default what the model reads.
    pub max_tokens: Option<i32>,
    /// How many tokens of a chunk, at most, the next one begins with.
    pub overlap: i32,
    pub split: Split,
    /// Whether the path of its headings stands before a chunk.
    pub headings: bool,
}

/// A chunk of a text.
#[derive(Debug)]
pub struct Piece<'t> {
    pub text: Cow<'t, str>,
    /// The character of the whole text at which it begins, from 1; the path of its headings left out.
    pub start_char: i32,
    /// Tokens of the text as the model reads it, with its prompt before it.
    pub token_count: i32,
}

/// The split of this name.
///
/// # Errors
/// 22023 if there is none.
pub fn split(name: &str) -> Result<Split> {
    Split::named(name).ok_or_else(|| {
        Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, format!("invalid split: \"{name}\""))
            .hint("Splits are \"text\", \"markdown\" and \"html\".")
    })
}

impl Options {
    /// What they come to for a model. The tokens of its prompt stand before each chunk when it is embedded, and are counted
    /// with it.
    fn chunking(&self, model: Model, of_prompt: usize) -> Result<Chunking> {
        if self.headings && self.split == Split::Text {
            let message = "split \"text\" has no headings";
            return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
                .hint("Set \"split\" to \"markdown\" or \"html\", or leave out \"headings\"."));
        }
        let limit = model.backend.embedder.tokenizer().max_tokens();
        let max_tokens = self.max_tokens.map_or(limit as i64, i64::from);
        let chunking = Chunking::new(max_tokens - of_prompt as i64, self.overlap.into(), limit - of_prompt)?;
        let chunking = chunking.of(self.split);
        Ok(if self.headings { chunking.with_headings() } else { chunking })
    }
}

/// Cuts a text, and lets PostgreSQL act on interrupts meanwhile.
///
/// # Errors
/// 22023 if the model's texts cannot be cut so.
pub fn cut<'t>(model: Model, text: &'t str, options: &Options) -> Result<impl Iterator<Item = Result<Piece<'t>>>> {
    let of_prompt = model.backend.count_tokens(model.prompt)? - model.backend.count_tokens("")?;
    let chunking = options.chunking(model, of_prompt)?;
    let (mut start, mut start_char) = (0, 1);
    Ok(chunking.chunks(model.backend.embedder.tokenizer(), text, interrupt::check).map(move |chunk| {
        let chunk = chunk?;
        // Both are those of a text of at most 1 GB.
        start_char += text[start..chunk.start].chars().count() as i32;
        start = chunk.start;
        Ok(Piece { text: chunk.text, start_char, token_count: (chunk.tokens + of_prompt) as i32 })
    }))
}
