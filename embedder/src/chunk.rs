//! A long text to chunks that each fit the model.
//!
//! A chunk is a piece of the original text, cut before a token: before one that begins a sentence where that leaves
//! the chunk at least half full, else before one that begins a word, else before any.

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Error, Result};
use crate::tokenizer::{Begins, Place, Tokenizer};

/// Fewest tokens that a chunk may be asked to have. A single character can be several tokens.
pub const MIN_TOKENS: usize = 8;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Byte range in the text.
    pub bytes: std::ops::Range<usize>,
    /// Tokens of the piece taken as a text of its own, [CLS] and [SEP] included.
    pub tokens: usize,
}

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    max_tokens: usize,
    overlap: usize,
}

impl Chunking {
    /// Chunks of at most `max_tokens` tokens, [CLS] and [SEP] included, that begin with about the last `overlap`
    /// tokens of the chunk before.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `max_tokens` is between [`MIN_TOKENS`] and the model's limit, and `overlap` is at
    /// most half of the tokens that a chunk holds beside [CLS] and [SEP].
    pub fn new(max_tokens: i64, overlap: i64, limit: usize) -> Result<Self> {
        let within = |name, value: i64, min: usize, max: usize| match usize::try_from(value) {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(Error::Argument { name, value, min: min as i64, max: max as i64 }),
        };
        let max_tokens = within("max_tokens", max_tokens, MIN_TOKENS, limit)?;
        let overlap = within("overlap", overlap, 0, (max_tokens - 2) / 2)?;
        Ok(Self { max_tokens, overlap })
    }

    /// The chunk of `text` that begins at byte `start`, and where the next one begins; `None` at the end.
    pub fn chunk(self, tokenizer: &Tokenizer, text: &str, start: usize) -> Result<Option<(Chunk, usize)>> {
        if start >= text.len() {
            return Ok(None);
        }
        let content = self.max_tokens - 2;
        let places = tokenizer.places(text, start, content + 1)?;
        if places.len() <= content {
            let chunk = Chunk { bytes: start..text.len(), tokens: places.len() + 2 };
            return Ok(Some((chunk, text.len())));
        }
        let cut = best_cut(text, start, &places, content);
        let end = places[cut].bytes.start;
        if end == start {
            return Self::character(tokenizer, text, start).map(Some);
        }
        let chunk = Chunk { bytes: start..end, tokens: cut + 2 };
        Ok(Some((chunk, places[self.resume(&places, cut)].bytes.start)))
    }

    /// The chunk of a single character that normalisation makes more tokens of than a chunk is to have, as "ﷺ" is four
    /// words to a tokenizer that applies compatibility decomposition.
    fn character(tokenizer: &Tokenizer, text: &str, start: usize) -> Result<(Chunk, usize)> {
        let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
        let tokens = tokenizer.count(&text[start..end]).sum::<Result<usize>>()?;
        Ok((Chunk { bytes: start..end, tokens }, end))
    }

    /// Which token the next chunk begins with: at most `overlap` tokens before `cut`, where a word begins.
    fn resume(self, places: &[Place], cut: usize) -> usize {
        let earliest = (cut - self.overlap.min(cut - 1)).max(1);
        (earliest..cut).find(|&token| places[token].begins == Begins::Word).unwrap_or(cut)
    }
}

/// The token, of those up to `most`, before which it is best to cut. Never the first. As many tokens as a chunk has at
/// the least are more than one character can be, so there is always one.
fn best_cut(text: &str, start: usize, places: &[Place], most: usize) -> usize {
    let candidates = (1..=most).rev();
    let sentences = sentences(text, start, places, most);
    let begins_sentence = |token: &usize| sentences[*token];
    let begins_word = |token: &usize| places[*token].begins == Begins::Word;
    let half = |token: &usize| *token >= most.div_ceil(2);
    candidates
        .clone()
        .take_while(half)
        .find(|token| begins_word(token) && begins_sentence(token))
        .or_else(|| candidates.clone().take_while(half).find(begins_word))
        .or_else(|| candidates.clone().find(|token| places[*token].begins != Begins::Nothing))
        .unwrap_or(most)
}

/// Of each token up to `most`, whether a sentence begins with it or between it and the token before: what stands there,
/// such as white space, belongs to the chunk before. Kept by token, because millions of empty lines can stand there.
fn sentences(text: &str, start: usize, places: &[Place], most: usize) -> Vec<bool> {
    let mut begins = vec![false; most + 1];
    let mut token = 0;
    for (at, _) in text[start..places[most].bytes.end].split_sentence_bound_indices() {
        while token < most && places[token].word < start + at {
            token += 1;
        }
        let before = token.checked_sub(1).map_or(start, |before| places[before].bytes.end);
        begins[token] |= (before..=places[token].word).contains(&(start + at));
    }
    begins
}
