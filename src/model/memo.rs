//! The texts that were embedded last, and their vectors.

use std::cell::RefCell;
use std::collections::VecDeque;

use embedder::Embedding;
use ndarray::ArrayView1;

use crate::model::registry::{Id, Model};
use crate::model::shelf;
use crate::postgres::guc;
use crate::postgres::report::Result;

/// Longest text that is remembered, in bytes. With the largest `pg_embed.memo_size` that makes 18 MB.
const LONGEST: usize = 1 << 14;

thread_local! {
    /// The latest first. A generic plan over a table without an index calls `embed_text($1)` once per row, always with
    /// the same text. Never borrowed while PostgreSQL is called.
    static MEMO: RefCell<VecDeque<Entry>> = const { RefCell::new(VecDeque::new()) };
}

struct Entry {
    /// The text as the model reads it.
    text: String,
    model: Id,
    embedding: Embedding,
}

/// Embeds `text`, or remembers its vector, and hands it to `with`.
pub fn embed<T>(model: Model, text: &str, with: impl FnOnce(ArrayView1<f32>) -> T) -> Result<T> {
    let text = &*model.prompted(text);
    let embedding = if let Some(embedding) = shelf::recall(model.id(), text)?.or_else(|| recall(model.id(), text)) {
        embedding
    } else {
        let embedding = model.backend.embedder.embed(text)?;
        remember(model.id(), text, &embedding);
        embedding
    };
    if embedding.truncated {
        model.backend.truncated(None, text)?;
    }
    Ok(with(embedding.vector.view()))
}

fn recall(model: Id, text: &str) -> Option<Embedding> {
    let size = guc::MEMO_SIZE.get() as usize;
    MEMO.with_borrow_mut(|memo| {
        memo.truncate(size);
        let place = memo.iter().position(|entry| entry.text == text && entry.model == model)?;
        let entry = memo.remove(place)?;
        let embedding = entry.embedding.clone();
        memo.push_front(entry);
        Some(embedding)
    })
}

fn remember(model: Id, text: &str, embedding: &Embedding) {
    let size = guc::MEMO_SIZE.get() as usize;
    if size == 0 || text.len() > LONGEST {
        return;
    }
    MEMO.with_borrow_mut(|memo| {
        memo.truncate(size - 1);
        memo.push_front(Entry { text: text.to_owned(), model, embedding: embedding.clone() });
    });
}
