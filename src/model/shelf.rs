//! Vectors that are computed before they are asked for, many at once: the memo's sibling, for the life of a statement.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use embedder::{Batch, Embedding};

use crate::model::backend;
use crate::postgres::guc;
use crate::postgres::report::{Report, Result};

/// What a vector takes here beside its text, in bytes.
pub const VECTOR_BYTES: usize = 1700;
/// Longer texts are left to whoever asks for them: a batch of them gains little, and would be copied here.
pub const LONGEST: usize = 1 << 14;
/// Most texts of one batch. More gain nothing.
pub const MOST: usize = 1024;

struct Ready {
    embedding: Embedding,
    /// How many shelves hold it.
    shelves: usize,
    asked_for: usize,
}

thread_local! {
    /// What is on all shelves. Never borrowed while PostgreSQL is called.
    static READY: RefCell<HashMap<Rc<str>, Ready>> = RefCell::default();
    static EXPECTED: RefCell<Vec<Expected>> = const { RefCell::new(Vec::new()) };
    static NEXT_EXPECTATION: Cell<u64> = const { Cell::new(0) };
}

/// The vectors that somebody has had computed ahead. They are gone with it.
#[derive(Default)]
pub struct Shelf {
    texts: Vec<Rc<str>>,
    pub done: Done,
}

/// What a shelf has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    pub texts: usize,
    pub batches: usize,
    /// The most threads that a batch was given.
    pub threads: usize,
    /// How often a vector was asked for and was there.
    pub hits: usize,
}

impl Shelf {
    /// Has the vectors of these texts computed as one batch, and lets go of those of before. A single text gains nothing:
    /// it is left to whoever asks for it. So are all if the model cannot be run: then the first one says why.
    ///
    /// # Errors
    /// The statement or the process is to end.
    pub fn replace(&mut self, texts: &[String]) -> Result<()> {
        let (mut kept, mut missing, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        READY.with_borrow_mut(|ready| {
            for text in texts {
                if !seen.insert(text.as_str()) {
                    continue;
                }
                match ready.get_key_value(text.as_str()) {
                    Some((key, _)) => kept.push(key.clone()),
                    None => missing.push(text.as_str()),
                }
            }
            for key in &kept {
                ready.entry(key.clone()).and_modify(|entry| entry.shelves += 1);
            }
        });
        self.clear();
        self.texts = kept;
        if missing.len() < 2 {
            return Ok(());
        }
        match self.compute(&missing) {
            Err(report) if report.is_interrupt() => Err(report),
            _ => Ok(()),
        }
    }

    fn compute(&mut self, texts: &[&str]) -> Result<()> {
        let threads = guc::threads();
        let batch = backend::get()?.run(Batch::new(texts.to_vec()).map_err(Report::from)?, threads)?;
        READY.with_borrow_mut(|ready| {
            for (text, embedding) in texts.iter().zip(batch.into_embeddings()) {
                let text: Rc<str> = Rc::from(*text);
                self.texts.push(text.clone());
                ready.insert(text, Ready { embedding, shelves: 1, asked_for: 0 });
            }
        });
        self.done.texts += texts.len();
        self.done.batches += 1;
        self.done.threads = self.done.threads.max(threads);
        Ok(())
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        self.done.hits += READY.with_borrow_mut(|ready| {
            let mut hits = 0;
            for text in self.texts.drain(..) {
                let Some(entry) = ready.get_mut(&text) else { continue };
                hits += std::mem::take(&mut entry.asked_for);
                entry.shelves -= 1;
                if entry.shelves == 0 {
                    ready.remove(&text);
                }
            }
            hits
        });
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The vector of a text, if it was computed ahead; or if it is one of those that are expected, which then are.
///
/// # Errors
/// The statement or the process is to end.
pub fn recall(text: &str) -> Result<Option<Embedding>> {
    if let Some(embedding) = ready(text) {
        return Ok(Some(embedding));
    }
    let expected = EXPECTED.with_borrow_mut(|all| {
        let at = all.iter().position(|expected| expected.place(text).is_some())?;
        Some(all.swap_remove(at))
    });
    let Some(mut expected) = expected else { return Ok(None) };
    let computed = expected.compute_from(text);
    EXPECTED.with_borrow_mut(|all| all.push(expected));
    computed.map(|()| ready(text))
}

fn ready(text: &str) -> Option<Embedding> {
    READY.with_borrow_mut(|ready| {
        let entry = ready.get_mut(text)?;
        entry.asked_for += 1;
        Some(entry.embedding.clone())
    })
}

/// Texts that are going to be embedded one by one, in about this order.
struct Expected {
    id: u64,
    texts: Vec<String>,
    /// The first that no batch has had.
    next: usize,
    shelf: Shelf,
}

impl Expected {
    fn place(&self, text: &str) -> Option<usize> {
        self.texts[self.next..].iter().position(|expected| expected == text).map(|place| self.next + place)
    }

    fn compute_from(&mut self, text: &str) -> Result<()> {
        let Some(start) = self.place(text) else { return Ok(()) };
        let room = guc::work_memory();
        let (mut end, mut bytes) = (start, 0);
        while end < self.texts.len() && end - start < MOST && bytes < room {
            bytes += self.texts[end].len() + VECTOR_BYTES;
            end += 1;
        }
        self.next = end;
        self.shelf.replace(&self.texts[start..end])
    }
}

/// As long as it lives, the first of some texts that is asked for has the others computed with it.
pub struct Expectation(u64);

impl Expectation {
    pub fn new(texts: Vec<String>) -> Self {
        let id = NEXT_EXPECTATION.get();
        NEXT_EXPECTATION.set(id + 1);
        EXPECTED.with_borrow_mut(|all| all.push(Expected { id, texts, next: 0, shelf: Shelf::default() }));
        Self(id)
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        let gone = EXPECTED.with_borrow_mut(|all| {
            let at = all.iter().position(|expected| expected.id == self.0)?;
            Some(all.swap_remove(at))
        });
        drop(gone);
    }
}
