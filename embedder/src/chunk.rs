//! A long text to chunks that each fit the model.
//!
//! A text is cut into sections first, at its headings, if it has any; these are filled into chunks by whole blocks:
//! paragraphs, list items, tables. Where a block does not fit, and in a text without structure, a chunk ends before a token:
//! before one that begins a sentence where that leaves the chunk at least half full, else before one that begins a word,
//! else before any.

mod html;
mod markdown;
mod outline;
mod section;
mod text;

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::memory;
use crate::tokenizer::{Place, Tokenizer};
use outline::Outline;
use section::Section;
use text::Piece;

/// Fewest tokens that a chunk may be asked to have. A single character can be several tokens.
pub const MIN_TOKENS: usize = 8;

/// Tokens that enclose those of a text: [CLS] and [SEP].
const ENCLOSING: usize = 2;

/// What is known of how a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// Nothing.
    #[default]
    Text,
    /// CommonMark with tables.
    Markdown,
    /// HTML: a page or a part of one.
    Html,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Text, Self::Markdown, Self::Html];

    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.name() == name)
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'t> {
    /// What the model is to read. Of HTML, it is what a browser shows, blocks on lines of their own.
    pub text: Cow<'t, str>,
    /// The byte of the whole text at which it begins; the path of its headings, if it has one, left out.
    pub start: usize,
    /// Tokens of `text`, [CLS] and [SEP] included.
    pub tokens: usize,
}

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    max_tokens: usize,
    overlap: usize,
    split: Split,
    headings: bool,
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
        let overlap = within("overlap", overlap, 0, (max_tokens - ENCLOSING) / 2)?;
        Ok(Self { max_tokens, overlap, split: Split::Text, headings: false })
    }

    /// The same for texts that are written so; chunks do not reach beyond a section, and begin with nothing of another.
    pub fn of(self, split: Split) -> Self {
        Self { split, ..self }
    }

    /// The same with the path of its headings, "Guide > Install > Linux", and an empty line before each chunk. Of a path that
    /// would take more than half of a chunk, the outermost headings are left out.
    pub fn with_headings(self) -> Self {
        Self { headings: true, ..self }
    }

    /// The chunks of `text`. `pause` is called every few milliseconds, and may unwind.
    pub fn chunks<'t, P: Fn() + Copy>(self, tokenizer: &'t Tokenizer, text: &'t str, pause: P) -> Chunks<'t, P> {
        let sections = match self.split {
            Split::Text => Sections::Whole(Some(text)),
            Split::Markdown => Sections::Markdown(markdown::Sections::new(text)),
            Split::Html => Sections::Html(Box::new(html::Sections::new(text, pause))),
        };
        let outline = self.headings.then(|| Outline::new(self.content()));
        Chunks { tokenizer, chunking: self, sections, outline, section: Section::default(), at: 0, done: 0, pause }
    }

    /// Tokens of a chunk beside those that enclose it.
    fn content(self) -> usize {
        self.max_tokens - ENCLOSING
    }
}

/// Where sections come from.
enum Sections<'t, P: Fn()> {
    /// The text, until it was handed over.
    Whole(Option<&'t str>),
    Markdown(markdown::Sections<'t>),
    Html(Box<html::Sections<'t, P>>),
}

impl<'t, P: Fn()> Sections<'t, P> {
    fn next(&mut self, pause: P) -> Option<Result<Section<'t>>> {
        match self {
            Self::Whole(text) => text.take().map(|text| Ok(Section::borrowed(text, 0))),
            Self::Markdown(sections) => sections.next(&pause).transpose(),
            Self::Html(sections) => sections.next(),
        }
    }
}

/// The chunks of a text, in their order.
pub struct Chunks<'t, P: Fn()> {
    tokenizer: &'t Tokenizer,
    chunking: Chunking,
    sections: Sections<'t, P>,
    /// Where the section stands, if chunks are to say it.
    outline: Option<Outline>,
    section: Section<'t>,
    /// Where the next chunk begins in the section, and where the one before ended, which is later if they overlap.
    at: usize,
    done: usize,
    pause: P,
}

impl<'t, P: Fn() + Copy> Iterator for Chunks<'t, P> {
    type Item = Result<Chunk<'t>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            (self.pause)();
            if self.at >= self.section.text.len() {
                let section = self.sections.next(self.pause)?;
                match section.and_then(|section| self.enter(section)) {
                    Ok(()) => continue,
                    Err(e) => return Some(Err(e)),
                }
            }
            if let Some(chunk) = self.chunk().transpose() {
                return Some(chunk);
            }
        }
    }
}

impl<'t, P: Fn() + Copy> Chunks<'t, P> {
    fn enter(&mut self, mut section: Section<'t>) -> Result<()> {
        if let Some(outline) = &mut self.outline {
            outline.enter(self.tokenizer, std::mem::take(&mut section.headings))?;
        }
        (self.section, self.at, self.done) = (section, 0, 0);
        Ok(())
    }

    /// The next chunk of the section; `None` if only white space was left where it means nothing.
    fn chunk(&mut self) -> Result<Option<Chunk<'t>>> {
        let path = self.outline.as_ref().map(|outline| outline.path(self.at == 0)).filter(|path| path.tokens > 0);
        let piece = self.piece(self.chunking.content() - path.map_or(0, |path| path.tokens))?;
        let (bytes, mut tokens) = match self.section.is_trimmed {
            false => (piece.bytes.clone(), piece.tokens),
            true => self.trim(&piece)?,
        };
        let mut text = self.section.slice(bytes.clone())?;
        if let Some(path) = path {
            let longer = memory::join([&path.text, "\n\n", &text])?;
            let of_longer = self.tokenizer.places(&longer, 0, self.chunking.max_tokens)?.len();
            // Some tokenizers make more of two texts together than of both.
            if of_longer <= self.chunking.content() {
                (text, tokens) = (longer.into(), of_longer);
            }
        }
        let chunk = Chunk { text, start: self.section.origin(bytes.start), tokens: tokens + ENCLOSING };
        (self.at, self.done) = (piece.next, piece.bytes.end);
        Ok((!self.section.is_trimmed || !bytes.is_empty()).then_some(chunk))
    }

    /// What of a piece is not white space at its ends, and its tokens.
    fn trim(&self, piece: &Piece) -> Result<(Range<usize>, usize)> {
        let text = &self.section.text[piece.bytes.clone()];
        let start = piece.bytes.end - text.trim_start().len();
        let bytes = start..start + text.trim().len();
        let tokens = match bytes == piece.bytes {
            true => piece.tokens,
            false => self.tokenizer.places(&self.section.text[..bytes.end], start, piece.tokens + 1)?.len(),
        };
        Ok((bytes, tokens))
    }

    /// As many blocks as have room, or what has room of one.
    fn piece(&self, room: usize) -> Result<Piece> {
        let text = &self.section.text;
        let places = self.tokenizer.places(text, self.at, room + 1)?;
        if let Some(piece) = self.whole_blocks(self.at, &places, room)? {
            return Ok(piece);
        }
        if self.at < self.done && self.section.begins_block(self.done) {
            // A block that fits is not cut for the sake of an overlap.
            let places = self.tokenizer.places(text, self.done, room + 1)?;
            if let Some(piece) = self.whole_blocks(self.done, &places, room)? {
                return Ok(piece);
            }
        }
        let overlap = self.chunking.overlap.min(room / 2);
        let piece = text::cut(self.tokenizer, text, self.at, &places, room, overlap)?;
        if piece.bytes.end > self.done {
            return Ok(piece);
        }
        // There was more room for the chunk before, which had another path, than for this one.
        let places = self.tokenizer.places(text, self.done, room + 1)?;
        match self.whole_blocks(self.done, &places, room)? {
            Some(piece) => Ok(piece),
            None => text::cut(self.tokenizer, text, self.done, &places, room, overlap),
        }
    }

    /// As many blocks from `start` on, where `places` are those of the tokens, as have room; `None` if no further one has.
    fn whole_blocks(&self, start: usize, places: &[Place], room: usize) -> Result<Option<Piece>> {
        let text = &self.section.text;
        let Some(over) = places.get(room) else {
            return Ok(Some(Piece { bytes: start..text.len(), tokens: places.len(), next: text.len() }));
        };
        let mut end = self.section.last_block(over.word);
        while let Some(block) = end.filter(|&end| end > self.done) {
            // White space at the end of a text can be a token.
            let tokens = self.tokenizer.places(&text[..block], start, room + 1)?.len();
            if tokens <= room {
                let cut = places.partition_point(|place| place.word < block);
                let next = text::resume(places, cut, self.chunking.overlap.min(room / 2)).unwrap_or(block);
                return Ok(Some(Piece { bytes: start..block, tokens, next }));
            }
            end = self.section.last_block(block - 1);
        }
        Ok(None)
    }
}
