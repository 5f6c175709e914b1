//! What a text is cut into first: sections, each with its headings and blocks.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;
use crate::memory;

/// A section of this many bytes is handed over, and ends for chunks, before its next block: so what is held of a text does
/// not follow the text's length.
pub const PART_BYTES: usize = 1 << 17;

/// More of a heading is not taken into its title. One as long as that is no part of a path.
pub const MAX_TITLE_BYTES: usize = 4000;

/// A part of a text that no chunk reaches beyond.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section<'t> {
    /// What of it goes into chunks.
    pub text: Cow<'t, str>,
    /// The headings that it begins with: more than one where there is nothing between them.
    pub headings: Vec<Heading>,
    /// Where blocks begin in the text in whose places a chunk may begin, the first one left out.
    pub blocks: Vec<usize>,
    /// Places in the text, and where they are in the original; what follows a place here follows it there.
    pub origins: Vec<(usize, usize)>,
    /// Whether white space at the ends of chunks means nothing.
    pub is_trimmed: bool,
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// From 1, the outermost.
    pub level: u8,
    /// Without markup, on one line.
    pub title: String,
}

impl<'t> Section<'t> {
    /// The part of a text that begins there, without headings and blocks.
    pub fn borrowed(text: &'t str, start: usize) -> Self {
        Self { text: text.into(), origins: vec![(0, start)], ..Self::default() }
    }

    /// The last place up to `at` at which a block begins.
    pub fn last_block(&self, at: usize) -> Option<usize> {
        let next = self.blocks.partition_point(|&block| block <= at);
        next.checked_sub(1).map(|block| self.blocks[block])
    }

    pub fn begins_block(&self, at: usize) -> bool {
        self.blocks.binary_search(&at).is_ok()
    }

    /// Where a place in the text is in the original.
    pub fn origin(&self, at: usize) -> usize {
        let next = self.origins.partition_point(|&(place, _)| place <= at);
        next.checked_sub(1).map_or(0, |known| self.origins[known].1 + at - self.origins[known].0)
    }

    /// A part of the text. It can be long: white space is no token.
    pub fn slice(&self, bytes: Range<usize>) -> Result<Cow<'t, str>> {
        match &self.text {
            Cow::Borrowed(text) => Ok(Cow::Borrowed(&text[bytes])),
            Cow::Owned(text) => memory::join([&text[bytes]]).map(Cow::Owned),
        }
    }
}
