//! Cuts a text of any length into pieces for a tokenizer that splits it at white space and nowhere else.
//!
//! A piece ends before white space, so the tokens of the pieces, one after the other, are the tokens of the text. Of
//! much white space some is left out: it counts as one space.
//!
//! A word without white space, which may be a whole text in a language that is written without, is one text to the model
//! behind such a tokenizer, and has to be cut somewhere. It is cut after [`WORD_CHARS`] characters, and what follows counts
//! as another word. Up to there the tokens are those of the reference, but for the last few before the cut: a model that
//! reads no more than 1,000 tokens never gets to see a difference, since no token is longer than 16 characters.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::pieces::Piece;

/// Most characters of a word that are tokenized together.
pub const WORD_CHARS: usize = 1 << 14;

/// Most bytes of white space in a row that are kept.
const KEPT_SPACES: usize = 64;

/// What counts as white space here, a subset of what the tokenizer takes for it.
pub const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

/// The pieces of `text` from byte `start` on, which must be the beginning of a character. From `size` bytes on a piece
/// ends with the word.
pub fn pieces(text: &str, start: usize, size: usize) -> Pieces<'_> {
    Pieces { text, next: start, size }
}

/// Iterator over the pieces of a text.
pub struct Pieces<'t> {
    text: &'t str,
    next: usize,
    size: usize,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let start = self.next;
        let mut kept: Vec<Range<usize>> = Vec::new();
        let mut at = start;
        loop {
            let spaces = leading_spaces(&self.text[at..]);
            keep(&mut kept, at..at + spaces.min(KEPT_SPACES));
            at += spaces;
            let (word, is_whole) = leading_word(&self.text[at..]);
            keep(&mut kept, at..at + word);
            at += word;
            let bytes: usize = kept.iter().map(Range::len).sum();
            if at == self.text.len() || !is_whole || (bytes >= self.size && ends_at(self.text, at)) {
                break;
            }
        }
        self.next = at;
        Piece::of(self.text, kept, at < self.text.len())
    }
}

fn keep(kept: &mut Vec<Range<usize>>, range: Range<usize>) {
    match kept.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ if range.is_empty() => {}
        _ => kept.push(range),
    }
}

fn leading_spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(SPACES).len()
}

/// How many bytes the first word takes, and whether that is all of it.
fn leading_word(text: &str) -> (usize, bool) {
    for (number, (at, c)) in text.char_indices().enumerate() {
        if SPACES.contains(&c) {
            return (at, true);
        }
        // What belongs to the character before it stays with it, if that has an end.
        if number >= WORD_CHARS && (ends_at(text, at) || number >= 2 * WORD_CHARS) {
            return (at, false);
        }
    }
    (text.len(), true)
}

/// Whether a character ends here, and not only a part of what is seen as one.
fn ends_at(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back().map_or(0, char::len_utf8);
    let after = text[at..].chars().next().map_or(0, char::len_utf8);
    text[at - before..at + after].graphemes(true).count() == 2
}
