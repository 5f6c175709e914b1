//! HTML to the text that a browser shows, with its sections and blocks.
//!
//! Tags are read as they come, without a tree of them: so nothing follows how deep they are nested, and what has no end or a
//! wrong one does no harm.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use html5gum::{Emitter, State, StringReader, Tokenizer};

use crate::chunk::section::{Heading, MAX_TITLE_BYTES, PART_BYTES, Section};
use crate::error::{Error, Result};

/// How much is read between two pauses.
const PAUSE_BYTES: usize = 1 << 18;

/// Longer than any name of a tag that is known here. What comes after that is not kept.
const MAX_NAME_BYTES: usize = 32;

/// Longer than any reference to a character, such as "&amp;", that means one.
const MAX_REFERENCE_BYTES: usize = 64;

/// The sections of an HTML text.
pub struct Sections<'t, P: Fn()>(Tokenizer<StringReader<'t>, Page<'t, P>>);

impl<'t, P: Fn()> Sections<'t, P> {
    /// `pause` is called while the text is read.
    pub fn new(text: &'t str, pause: P) -> Self {
        Self(Tokenizer::new_with_emitter(text, Page::new(text, pause)))
    }

    pub fn next(&mut self) -> Option<Result<Section<'t>>> {
        self.0.next().map(|Ok(section)| section)
    }
}

/// What stands between two words that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Gap {
    #[default]
    None,
    Space,
    /// Between cells.
    Tab,
    Line,
    Paragraph,
}

impl Gap {
    fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Space => " ",
            Self::Tab => "\t",
            Self::Line => "\n",
            Self::Paragraph => "\n\n",
        }
    }
}

/// What is read of a page, as the parser tells it.
struct Page<'t, P> {
    pause: P,
    source: &'t [u8],
    /// What the parser has read, and what was shown or read of it at the last pause.
    position: usize,
    paused: usize,
    /// Where in the source the last text was that was shown.
    shown: usize,
    tag: Name,
    /// The start tag before, whose end tag ends what is not read as HTML.
    last_start: Vec<u8>,
    ready: VecDeque<Result<Section<'t>>>,
    section: Shown,
    /// Levels of headings that have begun since something was shown.
    headings: Vec<u8>,
    /// Whether the last of them, or of the section's, goes on.
    in_heading: bool,
    /// What has to stand before what is shown next, and whether that begins a block.
    gap: Gap,
    is_block: bool,
    /// Whether nothing is shown up to the next end tag.
    is_hidden: bool,
    /// How many elements of these kinds are open.
    templates: usize,
    preformatted: usize,
    foreign: usize,
    /// Whether an element has just begun whose first line break means nothing.
    begins_preformatted: bool,
}

/// A tag that is being read.
#[derive(Default)]
struct Name {
    name: Vec<u8>,
    is_end: bool,
    is_self_closing: bool,
}

/// What is shown of a section.
#[derive(Default)]
struct Shown {
    /// As bytes: the parser may hand over parts of a character.
    text: Vec<u8>,
    headings: Vec<(u8, Range<usize>)>,
    /// Whether it has more than headings.
    has_body: bool,
    blocks: Vec<usize>,
    origins: Vec<(usize, usize)>,
}

/// What a tag does to the text around it.
enum Kind {
    Heading(u8),
    /// It is a block.
    Block(Gap),
    /// It only stands between.
    Gap(Gap),
    Inline,
}

fn kind(name: &[u8]) -> Kind {
    match name {
        [b'h', level @ b'1'..=b'6'] => Kind::Heading(level - b'0'),
        b"address" | b"article" | b"aside" | b"blockquote" | b"body" | b"center" | b"details" | b"dialog" | b"dir"
        | b"dl" | b"fieldset" | b"figure" | b"footer" | b"form" | b"header" | b"hgroup" | b"hr" | b"html"
        | b"listing" | b"main" | b"menu" | b"nav" | b"ol" | b"p" | b"pre" | b"search" | b"section" | b"table"
        | b"ul" => Kind::Block(Gap::Paragraph),
        b"dd" | b"div" | b"dt" | b"figcaption" | b"legend" | b"li" | b"summary" => Kind::Block(Gap::Line),
        // A table is one block.
        b"br" | b"caption" | b"optgroup" | b"option" | b"select" | b"tbody" | b"tfoot" | b"thead" | b"tr" => {
            Kind::Gap(Gap::Line)
        }
        b"td" | b"th" => Kind::Gap(Gap::Tab),
        _ => Kind::Inline,
    }
}

/// How the content of an element is read that is not HTML. None of it is shown.
fn content(name: &[u8]) -> Option<State> {
    match name {
        b"script" => Some(State::ScriptData),
        b"iframe" | b"noembed" | b"noframes" | b"noscript" | b"style" => Some(State::RawText),
        b"textarea" | b"title" => Some(State::RcData),
        _ => None,
    }
}

/// Whether a byte goes on with a character.
fn is_continued(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
}

/// White space in HTML.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')
}

impl<'t, P: Fn()> Page<'t, P> {
    fn new(text: &'t str, pause: P) -> Self {
        Self {
            pause,
            source: text.as_bytes(),
            position: 0,
            paused: 0,
            shown: 0,
            tag: Name::default(),
            last_start: Vec::new(),
            ready: VecDeque::new(),
            section: Shown::default(),
            headings: Vec::new(),
            in_heading: false,
            gap: Gap::None,
            is_block: false,
            is_hidden: false,
            templates: 0,
            preformatted: 0,
            foreign: 0,
            begins_preformatted: false,
        }
    }

    /// Pauses, if it was not done for long, when this place in the source has been reached.
    fn pause_at(&mut self, place: usize) {
        if place >= self.paused + PAUSE_BYTES {
            self.paused = place;
            (self.pause)();
        }
    }

    fn start_tag(&mut self, name: &[u8], is_self_closing: bool) -> Option<State> {
        let is_open = !(is_self_closing && self.foreign > 0);
        match name {
            b"template" => self.templates += 1,
            b"svg" | b"math" if !is_self_closing => self.foreign += 1,
            b"pre" | b"listing" => {
                self.preformatted += 1;
                self.begins_preformatted = true;
            }
            _ => {}
        }
        match kind(name) {
            Kind::Heading(level) if self.templates == 0 => {
                self.separate(Gap::Paragraph, true);
                self.headings.retain(|above| *above < level);
                self.headings.push(level);
                self.in_heading = true;
            }
            Kind::Heading(_) | Kind::Inline => {}
            Kind::Block(gap) => self.separate(gap, true),
            Kind::Gap(gap) => self.separate(gap, false),
        }
        let state = content(name).filter(|_| is_open);
        self.is_hidden = state.is_some();
        state
    }

    fn end_tag(&mut self, name: &[u8]) {
        self.is_hidden = false;
        match name {
            b"template" => self.templates = self.templates.saturating_sub(1),
            b"svg" | b"math" => self.foreign = self.foreign.saturating_sub(1),
            b"pre" | b"listing" => self.preformatted = self.preformatted.saturating_sub(1),
            _ => {}
        }
        match kind(name) {
            // That of another level ends a heading too.
            Kind::Heading(_) if self.templates == 0 => {
                self.separate(Gap::Paragraph, true);
                self.in_heading = false;
            }
            Kind::Heading(_) | Kind::Inline => {}
            Kind::Block(gap) => self.separate(gap, true),
            Kind::Gap(gap) => self.separate(gap, false),
        }
    }

    fn separate(&mut self, gap: Gap, is_block: bool) {
        self.gap = self.gap.max(gap);
        self.is_block |= is_block;
        // A heading that has no end is not more than a block.
        if is_block && self.headings.is_empty() {
            self.in_heading = false;
        }
    }

    /// Shows a text, of which `origin` is the place in the source.
    fn show(&mut self, text: &[u8], origin: usize) {
        let mut at = 0;
        while at < text.len() && !matches!(self.ready.back(), Some(Err(_))) {
            self.pause_at(origin + at);
            let rest = &text[at..];
            let is_verbatim = self.preformatted > 0;
            if std::mem::take(&mut self.begins_preformatted) && rest[0] == b'\n' {
                at += 1;
            } else if !is_verbatim && is_space(&rest[0]) {
                self.gap = self.gap.max(Gap::Space);
                at += 1;
            } else {
                let length = rest.iter().position(|byte| !is_verbatim && is_space(byte)).unwrap_or(rest.len());
                self.show_run(&rest[..length], origin + at);
                at += length;
            }
        }
    }

    /// Shows a text that is shown as it stands.
    fn show_run(&mut self, text: &[u8], origin: usize) {
        let gap = std::mem::take(&mut self.gap);
        let begins_block = self.begin();
        let section = &mut self.section;
        let gap = if section.text.is_empty() { "" } else { gap.text() };
        let length = gap.len() + text.len();
        if section.text.try_reserve(length).is_err() || section.origins.try_reserve(1).is_err() {
            return self.ready.push_back(Err(Error::OutOfMemory { bytes: Some(length) }));
        }
        section.text.extend_from_slice(gap.as_bytes());
        let at = section.text.len();
        if begins_block {
            section.blocks.push(at);
        }
        section.headings.extend(self.headings.drain(..).map(|level| (level, at..at)));
        if section.origins.last().is_none_or(|&(place, original)| original + at - place != origin) {
            section.origins.push((at, origin));
        }
        section.text.extend_from_slice(text);
        match section.headings.last_mut().filter(|_| self.in_heading) {
            Some((_, title)) => title.end = section.text.len(),
            None => section.has_body = true,
        }
    }

    /// Ends the section if what is shown next is not of it; returns whether that begins a further block of it.
    fn begin(&mut self) -> bool {
        let is_block = std::mem::take(&mut self.is_block) && self.section.has_body && self.headings.is_empty();
        let is_within = match self.headings.first() {
            // A heading stays with what follows it.
            Some(level) => {
                !self.section.has_body && self.section.headings.last().is_some_and(|(above, _)| above < level)
            }
            None => !is_block || self.section.text.len() < PART_BYTES,
        };
        if !is_within {
            self.finish();
        }
        is_within && is_block
    }

    /// Hands over what was shown of a section.
    fn finish(&mut self) {
        let Shown { text, headings, blocks, origins, .. } = std::mem::take(&mut self.section);
        if text.is_empty() {
            return;
        }
        let text = String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        let title = |bytes: Range<usize>| {
            let end = bytes.end.min(text.ceil_char_boundary(bytes.start + MAX_TITLE_BYTES));
            text.get(bytes.start..end).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let headings = headings.into_iter().map(|(level, bytes)| Heading { level, title: title(bytes) }).collect();
        self.ready.push_back(Ok(Section { headings, blocks, origins, is_trimmed: true, text: Cow::Owned(text) }));
    }

    /// Where a text is in the source that the parser has just read.
    fn origin(&self, text: &[u8]) -> usize {
        let before = self.source.get(..self.position).unwrap_or(self.source);
        let start = before.len().saturating_sub(text.len());
        let is_verbatim = before[start..] == *text || text == b"\n";
        if is_verbatim {
            return start;
        }
        // It is a character that has a name or a number.
        let near = before.len().saturating_sub(MAX_REFERENCE_BYTES);
        let reference = before[near..].iter().rposition(|&byte| byte == b'&').map(|at| near + at);
        reference.unwrap_or_else(|| (0..=start).rev().find(|&at| !is_continued(before.get(at))).unwrap_or(0))
    }
}

impl<'t, P: Fn()> Emitter for Page<'t, P> {
    type Token = Result<Section<'t>>;

    fn pop_token(&mut self) -> Option<Result<Section<'t>>> {
        self.pause_at(self.position);
        self.ready.pop_front()
    }

    fn move_position(&mut self, offset: isize) {
        self.position = self.position.saturating_add_signed(offset);
    }

    fn emit_string(&mut self, text: &[u8]) {
        if !self.is_hidden && self.templates == 0 {
            self.shown = self.shown.max(self.origin(text));
            self.show(text, self.shown);
        }
    }

    fn init_start_tag(&mut self) {
        self.tag = Name::default();
    }

    fn init_end_tag(&mut self) {
        self.tag = Name { is_end: true, ..Name::default() };
    }

    fn push_tag_name(&mut self, name: &[u8]) {
        let room = MAX_NAME_BYTES.saturating_sub(self.tag.name.len());
        self.tag.name.extend_from_slice(&name[..name.len().min(room)]);
    }

    fn set_self_closing(&mut self) {
        self.tag.is_self_closing = true;
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        let Name { name, is_end, is_self_closing } = std::mem::take(&mut self.tag);
        self.begins_preformatted = false;
        if is_end {
            self.last_start.clear();
            self.end_tag(&name);
            return None;
        }
        let state = self.start_tag(&name, is_self_closing);
        self.last_start = name;
        state
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tag.is_end && !self.last_start.is_empty() && self.tag.name == self.last_start
    }

    /// Whether "<![CDATA[" is not a comment.
    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.foreign > 0
    }

    fn emit_eof(&mut self) {
        self.finish();
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    // Attributes, comments and the document's type are not shown.
    fn set_last_start_tag(&mut self, _: Option<&[u8]>) {}
    fn emit_error(&mut self, _: html5gum::Error) {}
    fn init_comment(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn emit_current_comment(&mut self) {}
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn set_force_quirks(&mut self) {}
    fn emit_current_doctype(&mut self) {}
    fn init_attribute(&mut self) {}
    fn push_attribute_name(&mut self, _: &[u8]) {}
    fn push_attribute_value(&mut self, _: &[u8]) {}
}
