//! Vectors that are computed before they are asked for, many at once: the memo's sibling, for the life of a statement.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use embedder::{Batch, Embedding};

use crate::model::backend;
use crate::model::registry::{Id, Model, Named};
use crate::postgres::report::{Report, Result};
use crate::postgres::{guc, text};

/// What a vector takes here beside its text, in bytes.
pub const VECTOR_BYTES: usize = 1700;
/// Longer texts are left to whoever asks for them: a batch of them gains little, and would be copied here.
pub const LONGEST: usize = 1 << 14;
/// Most texts of one batch. More gain nothing.
pub const MOST: usize = 1024;

/// A text that is going to be embedded.
#[derive(Clone)]
pub struct Wanted {
    /// The model, if it is not the default one: that need not be open yet.
    model: Option<Model>,
    /// As the model reads it, with the prompt before it.
    pub text: String,
}

impl Wanted {
    /// From the arguments of a call. Nothing if the call gives NULL, or fails: that is its own business.
    pub fn of(arguments: Vec<Option<String>>, names_model: bool) -> Option<Self> {
        let mut arguments = arguments.into_iter();
        let text = arguments.next()??;
        if !names_model {
            return Some(Self { model: None, text });
        }
        let model = text::to_server(&arguments.next()??).ok()?;
        let prompt = arguments.next()?.map(|prompt| text::to_server(&prompt)).transpose().ok()?;
        Self::with(&Named { model: Some(model), prompt }, text)
    }

    /// A text for a model. Nothing if the model cannot be opened.
    pub fn with(named: &Named, text: String) -> Option<Self> {
        if named.is_default() {
            return Some(Self { model: None, text });
        }
        let model = named.open().ok()?;
        Some(Self { text: model.prompted(&text).into_owned(), model: Some(model) })
    }

    fn id(&self) -> Id {
        self.model.map_or(0, |model| model.id())
    }

    fn is(&self, model: Id, text: &str) -> bool {
        self.id() == model && self.text == text
    }
}

struct Ready {
    embedding: Embedding,
    /// How many shelves hold it.
    shelves: usize,
    asked_for: usize,
}

thread_local! {
    /// What is on all shelves. Never borrowed while PostgreSQL is called.
    static READY: RefCell<BTreeMap<Id, HashMap<Rc<str>, Ready>>> = const { RefCell::new(BTreeMap::new()) };
    static EXPECTED: RefCell<Vec<Expected>> = const { RefCell::new(Vec::new()) };
    static NEXT_EXPECTATION: Cell<u64> = const { Cell::new(0) };
}

/// The vectors that somebody has had computed ahead. They are gone with it.
#[derive(Default)]
pub struct Shelf {
    texts: Vec<(Id, Rc<str>)>,
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
    pub fn replace(&mut self, texts: &[Wanted]) -> Result<()> {
        let mut kept = Vec::new();
        let mut missing: BTreeMap<Id, (Option<Model>, Vec<&str>)> = BTreeMap::new();
        let mut seen = HashSet::new();
        READY.with_borrow_mut(|ready| {
            for wanted in texts {
                let (id, text) = (wanted.id(), wanted.text.as_str());
                if !seen.insert((id, text)) {
                    continue;
                }
                match ready.get(&id).and_then(|ready| ready.get_key_value(text)) {
                    Some((key, _)) => kept.push((id, key.clone())),
                    None => missing.entry(id).or_insert((wanted.model, Vec::new())).1.push(text),
                }
            }
            for (id, key) in &kept {
                if let Some(entry) = ready.get_mut(id).and_then(|ready| ready.get_mut(key)) {
                    entry.shelves += 1;
                }
            }
        });
        self.clear();
        self.texts = kept;
        for (id, (model, texts)) in missing {
            if texts.len() < 2 {
                continue;
            }
            match self.compute(id, model, &texts) {
                Err(report) if report.is_interrupt() => return Err(report),
                _ => {}
            }
        }
        Ok(())
    }

    fn compute(&mut self, id: Id, model: Option<Model>, texts: &[&str]) -> Result<()> {
        let threads = guc::threads();
        let backend = model.map_or_else(backend::get, |model| Ok(model.backend))?;
        let batch = backend.run(Batch::new(texts.to_vec()).map_err(Report::from)?, threads)?;
        READY.with_borrow_mut(|ready| {
            let ready = ready.entry(id).or_default();
            for (text, embedding) in texts.iter().zip(batch.into_embeddings()) {
                let text: Rc<str> = Rc::from(*text);
                self.texts.push((id, text.clone()));
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
            for (id, text) in self.texts.drain(..) {
                let Some(ready) = ready.get_mut(&id) else { continue };
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
pub fn recall(model: Id, text: &str) -> Result<Option<Embedding>> {
    if let Some(embedding) = ready(model, text) {
        return Ok(Some(embedding));
    }
    let expected = EXPECTED.with_borrow_mut(|all| {
        let at = all.iter().position(|expected| expected.place(model, text).is_some())?;
        Some(all.swap_remove(at))
    });
    let Some(mut expected) = expected else { return Ok(None) };
    let computed = expected.compute_from(model, text);
    EXPECTED.with_borrow_mut(|all| all.push(expected));
    computed.map(|()| ready(model, text))
}

fn ready(model: Id, text: &str) -> Option<Embedding> {
    READY.with_borrow_mut(|ready| {
        let entry = ready.get_mut(&model)?.get_mut(text)?;
        entry.asked_for += 1;
        Some(entry.embedding.clone())
    })
}

/// Texts that are going to be embedded one by one, in about this order.
struct Expected {
    id: u64,
    texts: Vec<Wanted>,
    /// The first that no batch has had.
    next: usize,
    shelf: Shelf,
}

impl Expected {
    fn place(&self, model: Id, text: &str) -> Option<usize> {
        self.texts[self.next..].iter().position(|expected| expected.is(model, text)).map(|place| self.next + place)
    }

    fn compute_from(&mut self, model: Id, text: &str) -> Result<()> {
        let Some(start) = self.place(model, text) else { return Ok(()) };
        let room = guc::work_memory();
        let (mut end, mut bytes) = (start, 0);
        while end < self.texts.len() && end - start < MOST && bytes < room {
            bytes += self.texts[end].text.len() + VECTOR_BYTES;
            end += 1;
        }
        self.next = end;
        self.shelf.replace(&self.texts[start..end])
    }
}

/// As long as it lives, the first of some texts that is asked for has the others computed with it.
pub struct Expectation(u64);

impl Expectation {
    pub fn new(texts: Vec<Wanted>) -> Self {
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
