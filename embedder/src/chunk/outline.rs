//! The headings under which a section stands, as a line that goes before its chunks.

use crate::chunk::MIN_TOKENS;
use crate::chunk::section::{Heading, MAX_TITLE_BYTES};
use crate::error::Result;
use crate::tokenizer::Tokenizer;

/// Where a section stands among the headings of its text.
#[derive(Debug)]
pub struct Outline {
    headings: Vec<Heading>,
    /// Without the headings that the section begins with.
    above: Path,
    whole: Path,
    /// Most tokens of a path.
    most: usize,
}

/// Headings from the outermost to the innermost.
#[derive(Debug, Default)]
pub struct Path {
    pub text: String,
    pub tokens: usize,
}

impl Outline {
    /// Of a text whose chunks have so many tokens.
    pub fn new(content: usize) -> Self {
        // What is left has to be enough for any character.
        let most = (content / 2).min((content + 2).saturating_sub(MIN_TOKENS));
        Self { headings: Vec::new(), above: Path::default(), whole: Path::default(), most }
    }

    /// Goes to the section that begins with these headings; without any, to the next part of the same.
    pub fn enter(&mut self, tokenizer: &Tokenizer, headings: Vec<Heading>) -> Result<()> {
        let mut above = None;
        for heading in headings {
            self.headings.retain(|outer| outer.level < heading.level);
            above.get_or_insert(self.headings.len());
            self.headings.push(heading);
        }
        let whole = self.headings.len();
        self.above = self.join(tokenizer, above.map_or(whole, |above| above.min(whole)))?;
        self.whole = self.join(tokenizer, whole)?;
        Ok(())
    }

    /// The path for a chunk of the section; for the one that begins with the section's headings, that of those above.
    pub fn path(&self, is_first: bool) -> &Path {
        if is_first { &self.above } else { &self.whole }
    }

    /// The path of the first `depth` headings, without the outermost ones if it were too long with them.
    fn join(&self, tokenizer: &Tokenizer, depth: usize) -> Result<Path> {
        let mut path = Path::default();
        for Heading { title, .. } in self.headings[..depth].iter().rev().filter(|heading| !heading.title.is_empty()) {
            if title.len() >= MAX_TITLE_BYTES {
                break;
            }
            let text = if path.text.is_empty() { title.clone() } else { format!("{title} > {}", path.text) };
            let tokens = tokenizer.places(&text, 0, self.most + 1)?.len();
            if tokens > self.most {
                break;
            }
            path = Path { text, tokens };
        }
        Ok(path)
    }
}
