//! A text without structure: cut before a sentence, else before a word, else before any token.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::error::Result;
use crate::tokenizer::{Begins, Place, Tokenizer};

/// A part of a text that becomes a chunk.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Byte range.
    pub bytes: Range<usize>,
    /// Its tokens, without those that enclose a text.
    pub tokens: usize,
    /// Where the next one begins.
    pub next: usize,
}

/// The piece that begins at byte `start`, from where on `places` are those of the text's tokens, of which it can have
/// `most`; there are more.
pub fn cut(
    tokenizer: &Tokenizer,
    text: &str,
    start: usize,
    places: &[Place],
    most: usize,
    overlap: usize,
) -> Result<Piece> {
    let cut = best_cut(text, start, places, most);
    let end = places[cut].bytes.start;
    if end == start {
        return character(tokenizer, text, start);
    }
    Ok(Piece { bytes: start..end, tokens: cut, next: resume(places, cut, overlap).unwrap_or(end) })
}

/// The piece of a single character that normalisation makes more tokens of than a chunk is to have, as "ﷺ" is four
/// words to a tokenizer that applies compatibility decomposition.
fn character(tokenizer: &Tokenizer, text: &str, start: usize) -> Result<Piece> {
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    let tokens = tokenizer.count(&text[start..end]).sum::<Result<usize>>()?;
    Ok(Piece { bytes: start..end, tokens: tokens - 2, next: end })
}

/// Where the next piece begins, if it is to begin with tokens of this one, which ends before token `cut`: at most `overlap`
/// tokens before that, where a word begins.
pub fn resume(places: &[Place], cut: usize, overlap: usize) -> Option<usize> {
    let earliest = cut.saturating_sub(overlap).max(1);
    let mut tokens = earliest..cut;
    tokens.find(|&token| places[token].begins == Begins::Word).map(|token| places[token].bytes.start)
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
