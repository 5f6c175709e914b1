//! The texts that were embedded last, and their vectors.

use std::cell::RefCell;
use std::collections::VecDeque;

use embedder::Embedding;
use ndarray::ArrayView1;

use crate::model::{backend, shelf};
use crate::postgres::guc;
use crate::postgres::report::Result;

/// Longest text that is remembered, in bytes. With the largest `pg_embed.memo_size` that makes 18 MB.
const LONGEST: usize = 1 << 14;

thread_local! {
    /// The latest first. A generic plan over a table without an index calls `embed_text($1)` once per row, always with
    /// the same text. Never borrowed while PostgreSQL is called.
    static MEMO: RefCell<VecDeque<(String, Embedding)>> = const { RefCell::new(VecDeque::new()) };
}

/// Embeds `text`, or remembers its vector, and hands it to `with`.
pub fn embed<T>(text: &str, with: impl FnOnce(ArrayView1<f32>) -> T) -> Result<T> {
    let embedding = if let Some(embedding) = shelf::recall(text)?.or_else(|| recall(text)) {
        embedding
    } else {
        let embedding = backend::get()?.embedder.embed(text)?;
        remember(text, &embedding);
        embedding
    };
    if embedding.truncated {
        backend::truncated(None, text)?;
    }
    Ok(with(embedding.vector.view()))
}

fn recall(text: &str) -> Option<Embedding> {
    let size = guc::MEMO_SIZE.get() as usize;
    MEMO.with_borrow_mut(|memo| {
        memo.truncate(size);
        let place = memo.iter().position(|(known, _)| known == text)?;
        let entry = memo.remove(place)?;
        let embedding = entry.1.clone();
        memo.push_front(entry);
        Some(embedding)
    })
}

fn remember(text: &str, embedding: &Embedding) {
    let size = guc::MEMO_SIZE.get() as usize;
    if size == 0 || text.len() > LONGEST {
        return;
    }
    MEMO.with_borrow_mut(|memo| {
        memo.truncate(size - 1);
        memo.push_front((text.to_owned(), embedding.clone()));
    });
}
