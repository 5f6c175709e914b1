//! Cuts a text of any length into pieces of bounded size that BERT's tokenizer can tokenize one by one.
//!
//! The tokenizer library tokenizes a whole text before it truncates, at several hundred times the text's size in
//! memory. Three things in a text are unlimited and yet count for nothing or for a single token: white space,
//! characters that normalisation removes, and the letters of a word that is too long to be in the vocabulary. Here
//! they are left out, and the text is cut only where no token can span the cut; so the tokens of the pieces, one
//! after the other, are the tokens of the text.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;

/// A good size for pieces of which all tokens are wanted.
pub const PIECE_BYTES: usize = 2048;

/// A word with more letters than the tokenizer's `max_input_chars_per_word` (mostly 100) is one unknown token, whatever
/// its letters are. A letter never normalises to less than one character.
pub const WORD_LETTERS: usize = 128;

/// A part of a text, without what does not change its tokens.
#[derive(Debug)]
pub struct Piece<'t> {
    text: Cow<'t, str>,
    /// Where the bytes of `text` stand in the whole text: byte ranges, ascending, disjoint, never empty.
    kept: Vec<Range<usize>>,
    settled: bool,
}

impl<'t> Piece<'t> {
    /// The parts `kept` of `whole`; `None` if there are none.
    pub fn of(whole: &'t str, kept: Vec<Range<usize>>, settled: bool) -> Option<Self> {
        let text = match &kept[..] {
            [] => return None,
            [one] => Cow::Borrowed(&whole[one.clone()]),
            many => Cow::Owned(many.iter().map(|range| &whole[range.clone()]).collect()),
        };
        Some(Self { text, kept, settled })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this piece was cut from what follows it. It is then the same however the text goes on; one that the
    /// text's end ends is not.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// The byte range in the whole text of a non-empty byte range of this piece's text.
    pub fn position(&self, range: Range<usize>) -> Range<usize> {
        self.locate(range.start)..self.locate(range.end.saturating_sub(1)) + 1
    }

    fn locate(&self, mut offset: usize) -> usize {
        for range in &self.kept {
            if offset < range.len() {
                return range.start + offset;
            }
            offset -= range.len();
        }
        self.kept.last().map_or(0, |range| range.end)
    }
}

/// The pieces of `text` from byte `start` on, which must be the beginning of a character. From `size` bytes on a piece
/// ends at the next place where it can; that is at most a few hundred bytes later.
pub fn pieces(text: &str, start: usize, size: usize, classes: Classes) -> Pieces<'_> {
    Pieces { text, next: start, size, classes }
}

/// Iterator over the pieces of a text.
pub struct Pieces<'t> {
    text: &'t str,
    next: usize,
    size: usize,
    classes: Classes,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let (text, size, classes) = (self.text, self.size, self.classes);
        let mut scanner = Scanner { text, size, classes, at: self.next, kept: Vec::new(), kept_bytes: 0 };
        scanner.scan();
        self.next = scanner.at;
        Piece::of(self.text, scanner.kept, scanner.at < self.text.len())
    }
}

/// The state of cutting one piece.
struct Scanner<'t> {
    text: &'t str,
    size: usize,
    classes: Classes,
    at: usize,
    kept: Vec<Range<usize>>,
    kept_bytes: usize,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        let mut previous = Class::Space;
        let mut previous_char = ' ';
        while let Some((c, class)) = self.peek() {
            if self.kept_bytes >= self.size && can_cut(previous, previous_char, class, c) {
                return;
            }
            match class {
                Class::Space | Class::Removed if previous == Class::Space => {
                    self.skip_while(|class| matches!(class, Class::Space | Class::Removed));
                    continue;
                }
                // Belongs to the character before it: `previous` stays.
                Class::Removed => {
                    self.keep(c);
                    self.skip_while(|class| class == Class::Removed);
                    continue;
                }
                Class::Letter => self.word(),
                Class::Space | Class::Punctuation | Class::Ideograph => self.keep(c),
            }
            previous = class;
            previous_char = c;
        }
    }

    /// Takes a word to its end: its letters, or of a word too long to be known the first and the last.
    fn word(&mut self) {
        for _ in 0..WORD_LETTERS {
            match self.peek() {
                Some((c, Class::Letter)) => self.keep(c),
                _ => return,
            }
            if let Some((c, Class::Removed)) = self.peek() {
                self.keep(c);
                self.skip_while(|class| class == Class::Removed);
            }
        }
        let start = self.at;
        self.skip_while(|class| matches!(class, Class::Letter | Class::Removed));
        let skipped = self.text[start..self.at].char_indices();
        if let Some((at, c)) = skipped.rev().find(|(_, c)| self.classes.of(*c) == Class::Letter) {
            self.keep_range(start + at..start + at + c.len_utf8());
        }
    }

    fn peek(&self) -> Option<(char, Class)> {
        let c = self.text[self.at..].chars().next()?;
        Some((c, self.classes.of(c)))
    }

    fn keep(&mut self, c: char) {
        let start = self.at;
        self.at += c.len_utf8();
        self.keep_range(start..self.at);
    }

    fn keep_range(&mut self, range: Range<usize>) {
        self.kept_bytes += range.len();
        match self.kept.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.kept.push(range),
        }
    }

    fn skip_while(&mut self, skips: impl Fn(Class) -> bool) {
        let rest = &self.text[self.at..];
        // The fast way over what long texts without words mostly are.
        let ascii = if skips(Class::Letter) {
            leading(rest.as_bytes(), |byte| byte.is_ascii_alphanumeric())
        } else if skips(Class::Space) {
            leading(rest.as_bytes(), |byte| byte == b' ')
        } else {
            0
        };
        self.at += ascii + leading_chars(&rest[ascii..], self.classes, skips);
    }
}

/// How many of the first bytes satisfy `holds`; in blocks, which the compiler turns into vector instructions.
fn leading(bytes: &[u8], holds: impl Fn(u8) -> bool) -> usize {
    let blocks = bytes.chunks_exact(64).take_while(|block| block.iter().fold(true, |all, &b| all & holds(b)));
    let whole = blocks.count() * 64;
    whole + bytes[whole..].iter().take_while(|&&byte| holds(byte)).count()
}

/// How many bytes the first characters take whose classes satisfy `holds`.
fn leading_chars(text: &str, classes: Classes, holds: impl Fn(Class) -> bool) -> usize {
    // Neighbours mostly share a page of the table.
    let (mut number, mut page) = (0, classes.page(0));
    for (at, c) in text.char_indices() {
        if c as usize / PAGE != number {
            number = c as usize / PAGE;
            page = classes.page(number);
        }
        if !holds(page[c as usize % PAGE]) {
            return at;
        }
    }
    text.len()
}

/// Whether no token, nor a special token's name such as "[SEP]", can span the place between two characters. The
/// character before is the last one that normalisation does not remove.
fn can_cut(before: Class, before_char: char, after: Class, after_char: char) -> bool {
    if after == Class::Removed {
        return false;
    }
    let parts = |class| matches!(class, Class::Space | Class::Ideograph);
    parts(before)
        || parts(after)
        || (before == Class::Punctuation && before_char != '[')
        || (after == Class::Punctuation && after_char != ']')
}

/// What the tokenizer makes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// White space, which ends a word.
    Space,
    /// Left out by normalisation: control and format characters, accents, the unassigned.
    Removed,
    /// A word of its own.
    Punctuation,
    /// A word of its own: what BERT calls a Chinese character.
    Ideograph,
    /// Part of a word.
    Letter,
}

const PAGE: usize = 256;
const PAGES: usize = (char::MAX as usize + 1) / PAGE;

/// Which class each character has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Whether normalisation leaves accents out. Otherwise they are letters.
    pub strips_accents: bool,
}

impl Classes {
    pub fn of(self, c: char) -> Class {
        self.page(c as usize / PAGE)[c as usize % PAGE]
    }

    /// A part of the table of all characters, which is filled as texts need it.
    fn page(self, number: usize) -> &'static [Class; PAGE] {
        static TABLES: [[OnceLock<Box<[Class; PAGE]>>; PAGES]; 2] = [const { [const { OnceLock::new() }; PAGES] }; 2];
        TABLES[usize::from(self.strips_accents)][number].get_or_init(|| {
            let code = |i: usize| char::from_u32((number * PAGE + i) as u32);
            Box::new(std::array::from_fn(|i| code(i).map_or(Class::Removed, |c| self.compute(c))))
        })
    }

    /// The order of the steps is that of the tokenizer: clean, part ideographs, strip accents, split.
    fn compute(self, c: char) -> Class {
        let is_blank = matches!(c, '\t' | '\n' | '\r');
        if matches!(c, '\0' | '\u{fffd}') || (c.is_other() && !is_blank) {
            return Class::Removed;
        }
        if is_blank || c.is_whitespace() {
            return Class::Space;
        }
        if is_ideograph(c) {
            return Class::Ideograph;
        }
        let mut rest = vec![c];
        if self.strips_accents {
            rest = c.to_string().nfd().map(|(c, _)| c).filter(|c| !c.is_mark_nonspacing()).collect();
        }
        match rest.pop() {
            None => Class::Removed,
            Some(c) if c.is_ascii_punctuation() || c.is_punctuation() => Class::Punctuation,
            Some(_) => Class::Letter,
        }
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF
        | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF
        | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use tokenizers::{
        NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
        normalizers::BertNormalizer, pre_tokenizers::bert::BertPreTokenizer,
    };

    use super::*;

    const STRIPPED: Classes = Classes { strips_accents: true };
    const KEPT: Classes = Classes { strips_accents: false };

    /// The words that the tokenizer library makes of a text.
    fn words(text: &str, classes: Classes) -> Vec<String> {
        let mut normalized = NormalizedString::from(text);
        let normalizer = BertNormalizer::new(true, true, Some(classes.strips_accents), classes.strips_accents);
        normalizer.normalize(&mut normalized).unwrap();
        let mut split = PreTokenizedString::from(normalized);
        BertPreTokenizer.pre_tokenize(&mut split).unwrap();
        let words = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        words.into_iter().map(|(word, _, _)| word.to_owned()).collect()
    }

    #[test]
    fn every_character_is_classified_as_the_tokenizer_does() {
        for classes in [STRIPPED, KEPT] {
            for c in '\0'..=char::MAX {
                let found = words(&format!("x{c}y"), classes);
                let class = match &found[..] {
                    [word] if word == "xy" => Class::Removed,
                    [_] => Class::Letter,
                    [_, _] => Class::Space,
                    _ if is_ideograph(c) => Class::Ideograph,
                    _ => Class::Punctuation,
                };
                assert_eq!(classes.of(c), class, "U+{:04X} gives {found:?}, {classes:?}", c as u32);
            }
        }
    }

    fn join(text: &str, classes: Classes) -> Vec<String> {
        pieces(text, 0, PIECE_BYTES, classes).flat_map(|piece| words(piece.text(), classes)).collect()
    }

    #[test]
    fn pieces_have_the_words_of_the_text() {
        let parts = [
            "word ",
            "\u{301}",
            "a\u{301}\u{301}\u{301}b",
            " \u{200b} ",
            "漢字",
            "…",
            "[SEP]",
            "[",
            "]",
            "Ω≠",
            "👩‍👩‍👧",
            "한국어",
            "\n\n\t",
            "ﬃ",
            "\u{37e}",
            "e.g. ",
            "\u{85}",
            "\u{2028}",
            "don't",
        ];
        // A fixed linear congruential sequence: the same texts in every run.
        let mut state = 1u32;
        for _ in 0..200 {
            let mut text = String::new();
            while text.len() < 3 * PIECE_BYTES {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(parts[(state >> 16) as usize % parts.len()]);
            }
            for classes in [STRIPPED, KEPT] {
                assert_eq!(join(&text, classes), words(&text, classes));
            }
        }
    }

    #[test]
    fn pieces_are_bounded_however_long_the_text() {
        for filler in [" ", "a", "\u{301}", "\u{200b}", "я", "[", "字", " \u{200b}", "a\u{301}"] {
            let text = format!("first {} last", filler.repeat(500_000));
            let mut pieces = pieces(&text, 0, PIECE_BYTES, STRIPPED);
            assert!(pieces.all(|piece| piece.text().len() < 2 * PIECE_BYTES), "{filler:?}");
        }
    }

    #[test]
    fn long_words_keep_their_place() {
        let text = format!("to {}z end", "a".repeat(1000));
        let piece = pieces(&text, 0, PIECE_BYTES, STRIPPED).next().unwrap();
        let word = piece.text().find('a').unwrap()..piece.text().find('z').unwrap() + 1;
        assert_eq!(piece.position(word), 3..1004);
        let end = piece.text().find("end").unwrap();
        assert_eq!(piece.position(end..end + 3), 1005..1008);
    }

    #[test]
    fn white_space_alone_gives_no_words() {
        assert_eq!(join(" \u{200b} \n ", STRIPPED), Vec::<String>::new());
        assert!(pieces("", 0, PIECE_BYTES, STRIPPED).next().is_none());
    }
}
