//! Many texts: tokenizes them, sorts them by length, cuts micro-batches by token budget, and puts the vectors back in the
//! order of the texts. Tokenizing and the micro-batches are spread over threads.
//!
//! A text's vector is the same to the last bit whatever else is in its batch. So an engine that would have to pad is given
//! texts of one length at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, s};

use crate::engine::{Batching, Session};
use crate::error::Result;
use crate::interrupt::{Interrupt, with_signals_blocked};
use crate::{Embedder, Embedding, Tokenizer, Tokens, memory, shortage};

/// What a further thread takes: its session, its activations, its stack. *Measured*: 20 MB.
const THREAD_MEMORY: usize = 32 << 20;

/// How many texts are tokenized and sorted together. Bounds the memory for tokens, and is far more than it takes to
/// fill micro-batches with texts of equal length.
const WINDOW: usize = 4096;

/// For fewer texts than so many a thread to tokenize is not worth it: some 0.3 ms.
const TEXTS_OF_A_THREAD: usize = 32;

/// Texts on their way to vectors. The work can pause and go on.
///
/// ```no_run
/// # use embedder::{Batch, Embedder, Options};
/// # fn interrupt() -> bool { false }
/// # fn handle_interrupt() {}
/// # fn main() -> embedder::Result<()> {
/// # let embedder = Embedder::open(&Options::new("model", "libonnxruntime.so"))?;
/// let mut batch = Batch::new(vec!["green sleeveless summer wear", "red evening gown"])?;
/// while !batch.run(&embedder, 2, &interrupt)? {
///     handle_interrupt();
/// }
/// assert_eq!(batch.into_vectors().dim(), (2, 384));
/// # Ok(())
/// # }
/// ```
pub struct Batch<'t> {
    input: Input<'t>,
    /// Made when the work begins: until then the model is not known, which says how many columns there are.
    vectors: Array2<f32>,
    /// The numbers of the texts that were truncated, in their order.
    truncated: Vec<usize>,
    /// The first text that has not been tokenized.
    next: usize,
    /// Tokenized texts of the present window: text number and token ids.
    window: Vec<(usize, Vec<i32>)>,
    queue: Vec<MicroBatch>,
}

/// What is to be embedded, by the text's number.
enum Input<'t> {
    Texts(Vec<&'t str>),
    /// A text's tokens are taken out when its turn comes.
    Tokens(Vec<Tokens>),
}

impl Input<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(tokens) => tokens.len(),
        }
    }
}

/// Texts of which only the first part is in their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated {
    /// How many.
    pub texts: usize,
    /// The first one's number, from 0.
    pub first: usize,
}

/// Texts that are run together: text number and token ids, of the same length.
type MicroBatch = Vec<(usize, Vec<i32>)>;

impl Batch<'static> {
    /// The same for texts that are tokenized already, with [`Tokenizer::encode`] or [`Tokenizer::encode_start`].
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn from_tokens(tokens: Vec<Tokens>) -> Result<Self> {
        Self::of(Input::Tokens(tokens))
    }
}

impl<'t> Batch<'t> {
    /// # Errors
    /// None so far: the memory for the vectors is asked for when the work begins.
    pub fn new(texts: Vec<&'t str>) -> Result<Self> {
        Self::of(Input::Texts(texts))
    }

    fn of(input: Input<'t>) -> Result<Self> {
        let vectors = Array2::zeros((input.len(), 0));
        Ok(Self { input, vectors, truncated: Vec::new(), next: 0, window: Vec::new(), queue: Vec::new() })
    }

    /// Works on until all is done (`true`), or until `pause` returns true (`false`); then call it again to go on.
    ///
    /// `threads` counts the calling thread. The others are created with all signals blocked and have ended when this
    /// returns, and their memory has been given back. Where threads or sessions for them cannot be had, those there
    /// are do the work. `pause` is asked on the calling thread alone, about every micro-batch: some 100 ms at the most.
    ///
    /// # Errors
    /// The tokenizer or the runtime failed; [`Error::OutOfMemory`](crate::Error::OutOfMemory) if there is no memory for so
    /// many vectors.
    pub fn run(&mut self, embedder: &Embedder, threads: usize, pause: &dyn Fn() -> bool) -> Result<bool> {
        let dimensions = embedder.model().dimensions();
        if self.vectors.ncols() != dimensions {
            self.vectors = memory::zeros(self.input.len(), dimensions)?;
        }
        let further = Mutex::new(Vec::new());
        let done = self.advance(embedder, threads, &further, pause);
        drop(further);
        // A batch of several texts can afford the millisecond that this takes. Where it fails, memory is kept.
        if self.input.len() > 1 && matches!(embedder.session().give_back(), Ok(true)) {
            memory::give_back();
        }
        done
    }

    fn advance(
        &mut self,
        embedder: &Embedder,
        threads: usize,
        further: &Mutex<Vec<Box<dyn Session>>>,
        pause: &dyn Fn() -> bool,
    ) -> Result<bool> {
        loop {
            if self.queue.is_empty() {
                if self.next == self.input.len() && self.window.is_empty() {
                    return Ok(true);
                }
                if !self.tokenize_window(embedder, threads, pause)? {
                    return Ok(false);
                }
            }
            self.drain(embedder, threads, further, pause)?;
            if !self.queue.is_empty() {
                return Ok(false);
            }
        }
    }

    /// The texts that were truncated, as far as the work has come.
    pub fn truncated(&self) -> Option<Truncated> {
        self.truncated.first().map(|&first| Truncated { texts: self.truncated.len(), first })
    }

    /// The vectors, of shape (texts, dimensions), in the order of the texts. Zeros where the work is not done; without
    /// columns if it has not begun.
    pub fn into_vectors(self) -> Array2<f32> {
        self.vectors
    }

    /// What [`Embedder::embed`] gives for each text, in their order. To be called when the work is done.
    pub fn into_embeddings(self) -> impl Iterator<Item = Embedding> {
        let Self { vectors, truncated, .. } = self;
        (0..vectors.nrows()).map(move |text| Embedding {
            vector: vectors.row(text).to_owned(),
            truncated: truncated.binary_search(&text).is_ok(),
        })
    }

    /// Tokenizes the next texts and queues their micro-batches; `false` if paused.
    fn tokenize_window(&mut self, embedder: &Embedder, threads: usize, pause: &dyn Fn() -> bool) -> Result<bool> {
        let end = self.input.len().min(self.next + WINDOW - self.window.len());
        let texts = self.next..end;
        let mut tokenized = match &mut self.input {
            Input::Texts(all) => tokenize(embedder.tokenizer(), all, texts, threads, pause)?,
            Input::Tokens(all) => {
                let taken = texts.map(|text| {
                    let Tokens { ids, truncated } = &mut all[text];
                    (text, Tokens { ids: std::mem::take(ids), truncated: *truncated })
                });
                taken.collect()
            }
        };
        self.next += tokenized.len();
        // Threads have them in no order.
        tokenized.sort_unstable_by_key(|(text, _)| *text);
        self.truncated.extend(tokenized.iter().filter(|(_, tokens)| tokens.truncated).map(|(text, _)| *text));
        self.window.extend(tokenized.into_iter().map(|(text, tokens)| (text, tokens.ids)));
        if self.next < end {
            return Ok(false);
        }
        self.queue = cut(std::mem::take(&mut self.window), embedder.source.batching());
        Ok(true)
    }

    /// Runs the queued micro-batches, except for what a pause leaves over. `further` holds the helpers' sessions
    /// between two calls.
    fn drain(
        &mut self,
        embedder: &Embedder,
        threads: usize,
        further: &Mutex<Vec<Box<dyn Session>>>,
        pause: &dyn Fn() -> bool,
    ) -> Result<()> {
        let threads = threads.clamp(1, self.queue.len());
        let work =
            Work { queue: Mutex::new(&mut self.queue), vectors: Mutex::new(&mut self.vectors), stop: false.into() };
        together(threads, pause, |own, pause| {
            if own {
                return work.run(&mut **embedder.session(), pause);
            }
            let stopped = || work.stop.load(Ordering::Relaxed);
            let idle = lock(further).pop();
            let session = idle.map_or_else(|| embedder.source.further_session(Interrupt::new(&stopped)), Ok);
            // The calling thread has a session in any case.
            let Ok(mut session) = session else { return Ok(()) };
            let result = work.run(&mut *session, pause);
            lock(further).push(session);
            result
        })
    }
}

/// Does `work` on so many threads, of which the calling one alone is told that it is the caller's own and when to pause.
/// Where no more threads can be had, those there are do the work.
fn together(
    threads: usize,
    pause: &dyn Fn() -> bool,
    work: impl Fn(bool, &dyn Fn() -> bool) -> Result<()> + Sync,
) -> Result<()> {
    let threads = memory::affordable(threads, THREAD_MEMORY);
    let help = || work(false, &|| false);
    std::thread::scope(|scope| {
        let helpers = with_signals_blocked(|| {
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, help);
            (1..threads).map_while(|helper| spawn(helper).ok()).collect::<Vec<_>>()
        });
        let mut result = work(true, pause);
        for helper in helpers {
            result = result.and(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        result
    })
}

/// Tokenizes the `texts` of all, in any order; after a pause, those up to some number.
fn tokenize(
    tokenizer: &Tokenizer,
    all: &[&str],
    texts: Range<usize>,
    threads: usize,
    pause: &dyn Fn() -> bool,
) -> Result<Vec<(usize, Tokens)>> {
    let tokenized = Mutex::new(memory::empty(texts.len())?);
    let (next, stop) = (AtomicUsize::new(texts.start), AtomicBool::new(false));
    let threads = threads.min(texts.len() / TEXTS_OF_A_THREAD).max(1);
    together(threads, pause, |_, pause| {
        while !stop.load(Ordering::Relaxed) {
            if pause() {
                stop.store(true, Ordering::Relaxed);
                break;
            }
            let text = next.fetch_add(1, Ordering::Relaxed);
            if text >= texts.end {
                break;
            }
            let tokens = tokenizer.encode(all[text]).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            lock(&tokenized).push((text, tokens));
        }
        Ok(())
    })?;
    Ok(tokenized.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What the threads of a batch share.
struct Work<'b> {
    queue: Mutex<&'b mut Vec<MicroBatch>>,
    vectors: Mutex<&'b mut Array2<f32>>,
    /// Whether all are to end: at a pause, at an error.
    stop: AtomicBool,
}

impl Work<'_> {
    /// Runs micro-batches until there are none, or until one thread says that all are to stop.
    fn run(&self, session: &mut dyn Session, pause: &dyn Fn() -> bool) -> Result<()> {
        loop {
            if self.stop.load(Ordering::Relaxed) || pause() {
                self.stop.store(true, Ordering::Relaxed);
                return Ok(());
            }
            let Some(micro_batch) = lock(&self.queue).pop() else { return Ok(()) };
            let ids: Vec<&[i32]> = micro_batch.iter().map(|(_, ids)| ids.as_slice()).collect();
            let found = shortage::refuse_without_reserve().and_then(|()| session.run(&ids));
            let found = found.inspect_err(|_| self.stop.store(true, Ordering::Relaxed))?;
            let mut vectors = lock(&self.vectors);
            for ((text, _), vector) in micro_batch.iter().zip(found.rows()) {
                vectors.slice_mut(s![*text, ..]).assign(&vector);
            }
        }
    }
}

/// Locks a mutex that no thread can have poisoned without ending the whole call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cuts a window into micro-batches, the cheapest first: they are taken from the end, so the longest run first and
/// the threads end at about the same time.
fn cut(mut window: Vec<(usize, Vec<i32>)>, batching: Batching) -> Vec<MicroBatch> {
    window.sort_by_key(|(_, ids)| ids.len());
    let mut batches: Vec<MicroBatch> = Vec::new();
    let mut room = 0;
    for text in window.into_iter().rev() {
        match batches.last_mut() {
            Some(batch) if (batching.mixed || batch[0].1.len() == text.1.len()) && room >= text.1.len() => {
                room -= text.1.len();
                batch.push(text);
            }
            _ => {
                room = batching.tokens.saturating_sub(text.1.len());
                batches.push(vec![text]);
            }
        }
    }
    batches.reverse();
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_hold_every_text_once_within_the_budget() {
        let lengths = [3, 256, 7, 7, 30, 2, 512, 90, 91, 5];
        let window: Vec<_> = lengths.iter().enumerate().map(|(text, &length)| (text, vec![1; length])).collect();
        for mixed in [false, true] {
            let batches = cut(window.clone(), Batching { tokens: 512, mixed });
            let mut texts: Vec<usize> = batches.iter().flatten().map(|(text, _)| *text).collect();
            texts.sort();
            assert_eq!(texts, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                assert!(batch.iter().map(|(_, ids)| ids.len()).sum::<usize>() <= 512);
                assert!(mixed || batch.iter().all(|(_, ids)| ids.len() == batch[0].1.len()));
            }
            assert!(batches.is_sorted_by_key(|batch| batch[0].1.len()));
            assert_eq!(batches.len(), if mixed { 2 } else { 9 });
        }
    }
}
