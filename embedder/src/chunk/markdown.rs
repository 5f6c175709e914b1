//! Markdown to sections and blocks, which are pieces of it.
//!
//! The parser wants a text at once and takes many times its memory. So it is given a window of the text; what comes before
//! the window's last block is as in the whole text, and with that block the next window begins.

use std::collections::VecDeque;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::chunk::section::{Heading, MAX_TITLE_BYTES, PART_BYTES, Section};
use crate::error::Result;
use crate::memory;

/// Size of a window. It is doubled for as long as there is a single block in it, up to the most.
const WINDOW_BYTES: usize = 1 << 16;
const MAX_WINDOW_BYTES: usize = 1 << 19;

/// What a window takes for each of its bytes, at most; *measured*, 152 for one of ">".
const BYTES_PER_BYTE: usize = 160;

/// The sections of a Markdown text. Joined, they are the text.
pub struct Sections<'t> {
    text: &'t str,
    /// Blocks that are parsed and not handed over, and up to where the text is parsed.
    blocks: VecDeque<Block>,
    parsed: usize,
    /// Where the last block begins that was parsed.
    last: Option<usize>,
    /// What was handed over.
    done: usize,
}

/// Where a block begins: at the beginning of a line.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    start: usize,
    heading: Option<Heading>,
}

impl<'t> Sections<'t> {
    pub fn new(text: &'t str) -> Self {
        let mut sections = Self { text, blocks: VecDeque::new(), parsed: 0, last: None, done: 0 };
        let front_matter = front_matter(text);
        if front_matter > 0 {
            sections.note(Block { start: 0, heading: None });
            sections.parsed = front_matter;
        }
        sections
    }

    pub fn next(&mut self, pause: &dyn Fn()) -> Result<Option<Section<'t>>> {
        let start = self.done;
        if start >= self.text.len() {
            return Ok(None);
        }
        let mut section = Section::default();
        // Whether there is more in it than headings.
        let mut has_body = false;
        let mut end = self.text.len();
        while let Some(block) = self.peek(pause)? {
            let (is_first, at) = (block.start == start, block.start);
            let is_within = is_first
                || match (&block.heading, section.headings.last()) {
                    (Some(heading), Some(above)) => !has_body && heading.level > above.level,
                    (Some(_), None) => false,
                    (None, _) => !has_body || at - start < PART_BYTES,
                };
            if !is_within {
                end = at;
                break;
            }
            match self.blocks.pop_front().and_then(|block| block.heading) {
                Some(heading) => section.headings.push(heading),
                None => {
                    // A heading stays with what follows it.
                    if has_body {
                        section.blocks.push(at - start);
                    }
                    has_body = true;
                }
            }
        }
        self.done = end;
        let Section { headings, blocks, .. } = section;
        Ok(Some(Section { headings, blocks, ..Section::borrowed(&self.text[start..end], start) }))
    }

    /// The next block, parsed if it was not yet.
    fn peek(&mut self, pause: &dyn Fn()) -> Result<Option<&Block>> {
        while self.blocks.is_empty() && self.parsed < self.text.len() {
            self.parse(pause)?;
        }
        Ok(self.blocks.front())
    }

    /// Parses the next window.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory): the parser does not look whether it was given any.
    fn parse(&mut self, pause: &dyn Fn()) -> Result<()> {
        let rest = &self.text[self.parsed..];
        let mut size = WINDOW_BYTES;
        loop {
            pause();
            let window = &rest[..window_end(rest, size)];
            memory::empty::<u8>(window.len() * BYTES_PER_BYTE)?;
            let mut found = Found::parse(window);
            let is_last = window.len() == rest.len();
            if !is_last && found.last == 0 && size < MAX_WINDOW_BYTES {
                size *= 2;
                continue;
            }
            let parsed = if is_last || found.last == 0 { window.len() } else { found.last };
            found.blocks.retain(|block| block.start < parsed);
            for block in found.blocks {
                self.note(Block { start: self.parsed + block.start, ..block });
            }
            self.parsed += parsed;
            return Ok(());
        }
    }

    /// Takes a block in, unless it begins where one began already.
    fn note(&mut self, mut block: Block) {
        if self.last.is_none() && block.start > 0 {
            match self.text[..block.start].trim().is_empty() {
                // What is empty belongs to the first block.
                true => block.start = 0,
                // What shows nothing, as what links lead to, is a block too where it comes first.
                false => self.blocks.push_back(Block { start: 0, heading: None }),
            }
        }
        if self.last.is_none_or(|last| block.start > last) {
            self.last = Some(block.start);
            self.blocks.push_back(block);
        }
    }
}

/// The end of a window of about so many bytes: where a line ends, unless that is far.
fn window_end(text: &str, size: usize) -> usize {
    if text.len() <= size {
        return text.len();
    }
    let (near, far) = (text.floor_char_boundary(size), text.floor_char_boundary(2 * size));
    text[near..far].find('\n').map_or(near, |line| near + line + 1)
}

/// The blocks of a window.
#[derive(Default)]
struct Found {
    blocks: Vec<Block>,
    /// Where the last one begins that is in no other.
    last: usize,
    /// The beginning of the line of the byte before which everything was looked at.
    line: usize,
    looked: usize,
}

impl Found {
    fn parse(window: &str) -> Self {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_HEADING_ATTRIBUTES;
        let mut found = Self::default();
        let mut depth = 0_usize;
        // Of the heading that is being read.
        let mut title: Option<String> = None;
        for (event, bytes) in Parser::new_ext(window, options).into_offset_iter() {
            if depth == 0 && !matches!(event, Event::End(_)) {
                found.last = found.line_of(window, bytes.start);
            }
            match &event {
                Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                    title = Some(String::new());
                    found.push(window, bytes.start, Some(*level as u8));
                }
                Event::Start(
                    Tag::Heading { .. }
                    | Tag::Paragraph
                    | Tag::Item
                    | Tag::Table(_)
                    | Tag::CodeBlock(_)
                    | Tag::HtmlBlock,
                )
                | Event::Rule => found.push(window, bytes.start, None),
                Event::End(TagEnd::Heading(_)) => {
                    let heading = found.blocks.last_mut().and_then(|block| block.heading.as_mut());
                    if let (Some(heading), Some(title)) = (heading, title.take()) {
                        heading.title = title.split_whitespace().collect::<Vec<_>>().join(" ");
                    }
                }
                Event::Text(text) | Event::Code(text) => lengthen(&mut title, text),
                Event::SoftBreak | Event::HardBreak => lengthen(&mut title, " "),
                _ => {}
            }
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                _ => {}
            }
        }
        found
    }

    fn push(&mut self, window: &str, at: usize, level: Option<u8>) {
        let start = self.line_of(window, at);
        if self.blocks.last().is_none_or(|last| start > last.start) {
            let heading = level.map(|level| Heading { level, title: String::new() });
            self.blocks.push(Block { start, heading });
        }
    }

    /// The beginning of the line of a byte that is none before those asked for so far: so a line of millions of blocks is
    /// looked at once.
    fn line_of(&mut self, window: &str, at: usize) -> usize {
        if let Some(end) = window.get(self.looked..at).and_then(|text| text.rfind(['\n', '\r'])) {
            self.line = self.looked + end + 1;
        }
        self.looked = self.looked.max(at);
        self.line
    }
}

fn lengthen(title: &mut Option<String>, text: &str) {
    if let Some(title) = title {
        let room = MAX_TITLE_BYTES.saturating_sub(title.len());
        title.push_str(&text[..text.ceil_char_boundary(room)]);
    }
}

/// How many bytes of the text are settings for programs: what stands between lines of "---" or "+++" at its beginning.
fn front_matter(text: &str) -> usize {
    let start = &text[..text.floor_char_boundary(MAX_WINDOW_BYTES)];
    let mut lines = start.split_inclusive('\n');
    let Some(fence) = lines.next().map(str::trim_end).filter(|line| matches!(*line, "---" | "+++")) else { return 0 };
    let mut end = start.find('\n').map_or(0, |line| line + 1);
    for (number, line) in lines.enumerate() {
        if number == 0 && line.trim().is_empty() {
            break;
        }
        end += line.len();
        if line.trim_end() == fence {
            return end;
        }
    }
    0
}
