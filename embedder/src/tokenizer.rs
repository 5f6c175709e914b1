//! Text to token ids: limits, truncation, token counts, offsets.

mod pieces;
mod spaces;
mod supported;
mod trie;
mod unigram;
mod vocabulary;

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use tokenizers::{
    AddedToken, DecoderWrapper, Encoding, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl,
};

use crate::compiled;
use crate::error::{Error, Result};
use crate::model::{self, Model};
use crate::shortage;
use pieces::{Classes, PIECE_BYTES, Piece};
use unigram::{Block, Unigram};
use vocabulary::Vocabulary;

/// A text no longer than this is tokenized whole: cutting it would cost more than it saves.
const SHORT_TEXT: usize = 2048;

/// Size of the pieces of a text whose end is not known: small, because the last one cannot be used.
const START_BYTES: usize = 512;

/// A tokenizer of the `tokenizers` crate, with a model that can be one of ours.
type Inner = TokenizerImpl<Vocabulary, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// Splits text into the tokens of one model.
pub struct Tokenizer {
    inner: Inner,
    cut: Cut,
    max_tokens: usize,
    /// The ids of [CLS] and [SEP], or what the model has in their place; they enclose the tokens of every text.
    first: i32,
    last: i32,
}

/// Where a text can be cut so that the tokens of the pieces are the tokens of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Where BERT's tokenizer splits it.
    Bert(Classes),
    /// At white space.
    Spaces,
}

/// A text as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, [CLS] and [SEP] included; at most the model's limit.
    pub ids: Vec<i32>,
    /// Whether tokens were left out to keep to the limit.
    pub truncated: bool,
}

/// One token's place in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Byte range.
    pub bytes: Range<usize>,
    /// Where it begins without the white space that belongs to it.
    pub word: usize,
    pub begins: Begins,
}

/// What begins in the text where a token begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// The text, or what stands after white space.
    Word,
    Character,
    /// The token begins within a character that an earlier token began.
    Nothing,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of `model`.
    pub fn open(model: &Model) -> Result<Self> {
        let bytes = model.tokenizer()?;
        // That of all-MiniLM-L6-v2 is known to be no Unigram model.
        match (!model.is_minilm()).then(|| Unigram::compile(&bytes)).flatten() {
            Some(unigram) => Self::with_unigram(unigram, model, &model.tokenizer_path()),
            None => Self::new(serde_json::from_slice(&bytes).map_err(|e| refused(&model.tokenizer_path(), e))?, model),
        }
    }

    /// Maps what [`compile`](Self::compile) wrote into `directory`, or does without where there is no such file.
    pub(crate) fn open_compiled(model: &Model, directory: &Path) -> Result<Self> {
        let path = directory.join(compiled::TOKENIZER);
        let block = match model::map(&path) {
            Ok(block) => block,
            Err(Error::FileMissing { .. }) => return Self::open(model),
            Err(e) => return Err(e),
        };
        let unigram = Unigram::new(Block::File(block)).ok_or_else(|| refused(&path, "not a compiled tokenizer"))?;
        Self::with_unigram(unigram, model, &path)
    }

    /// Writes what is read faster than `tokenizer.json` into `directory`, if there is such a thing: for a Unigram model.
    pub(crate) fn compile(&self, directory: &Path) -> Result<()> {
        let Vocabulary::Unigram(unigram) = self.inner.get_model() else { return Ok(()) };
        let path = directory.join(compiled::TOKENIZER);
        fs::write(&path, unigram.block()).map_err(|e| Error::io("write", &path, e))
    }

    /// A Unigram model with the rest of its `tokenizer.json`; `path` is where that comes from.
    fn with_unigram(unigram: Unigram, model: &Model, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Rest {
            #[serde(default)]
            added_tokens: Vec<AddedToken>,
            normalizer: Option<NormalizerWrapper>,
            pre_tokenizer: Option<PreTokenizerWrapper>,
            post_processor: Option<PostProcessorWrapper>,
        }
        let rest: Rest = serde_json::from_slice(unigram.rest()).map_err(|e| refused(path, e))?;
        let mut inner = Inner::new(Vocabulary::Unigram(unigram));
        inner.with_pre_tokenizer(rest.pre_tokenizer).with_post_processor(rest.post_processor);
        inner.with_normalizer(rest.normalizer).map_err(|e| refused(path, e))?;
        inner.add_tokens(rest.added_tokens).map_err(|e| refused(path, e))?;
        Self::new(inner, model)
    }

    /// The file carries truncation and padding of its own, at 128 tokens for all-MiniLM-L6-v2, which the reference does
    /// not use: both are switched off here.
    fn new(mut inner: Inner, model: &Model) -> Result<Self> {
        let refused = |e: tokenizers::Error| refused(&model.tokenizer_path(), e);
        inner.with_padding(None).with_truncation(None).map_err(refused)?;
        let cut = supported::check(&inner, model)?;
        if model.config().lower_case {
            supported::lower_case(&mut inner).map_err(refused)?;
        }
        let empty = inner.encode_fast("", true).map_err(refused)?;
        let [first, last] = *empty.get_ids() else {
            let supported = "one token before and one after those of a text";
            return Err(supported::refused(model, "post_processor", format!("{} tokens", empty.len()), supported));
        };
        Ok(Self { inner, cut, max_tokens: model.max_tokens(), first: first as i32, last: last as i32 })
    }

    /// Most tokens of one text that the model reads, [CLS] and [SEP] included.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The tokens of `text`, truncated at the model's limit.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let mut ids = vec![self.first];
        if text.len() <= SHORT_TEXT {
            extend(&mut ids, &self.encode_fast(text)?);
        } else {
            for piece in self.pieces(text, 0, PIECE_BYTES) {
                extend(&mut ids, &self.encode_fast(piece.text())?);
                if self.is_over(&ids) {
                    break;
                }
            }
        }
        Ok(self.finish(ids))
    }

    /// The tokens of a text of which only the beginning `start` is known, or `None` if it takes more of it to know
    /// them. The text goes on after `start` in whatever way; `start` may end within a word.
    ///
    /// So a caller that fetches a long text piece by piece need fetch no more of it than the model reads. What is
    /// returned is what [`encode`](Self::encode) returns for the whole text, and always truncated. Of a text in a
    /// language with words, 4 kB mostly suffice.
    ///
    /// # Errors
    /// The tokenizer failed.
    pub fn encode_start(&self, start: &str) -> Result<Option<Tokens>> {
        let mut ids = vec![self.first];
        // What follows the last place at which `start` can be cut may become part of another token.
        for piece in self.pieces(start, 0, START_BYTES).take_while(Piece::is_settled) {
            extend(&mut ids, &self.encode_fast(piece.text())?);
            if self.is_over(&ids) {
                return Ok(Some(self.finish(ids)));
            }
        }
        Ok(None)
    }

    /// Whether `ids`, [CLS] included, are more than the model reads.
    fn is_over(&self, ids: &[i32]) -> bool {
        ids.len() > self.max_tokens - 1
    }

    /// Truncates `ids`, [CLS] included, at the model's limit, and ends them with [SEP].
    fn finish(&self, mut ids: Vec<i32>) -> Tokens {
        let truncated = self.is_over(&ids);
        ids.truncate(self.max_tokens - 1);
        ids.push(self.last);
        Tokens { ids, truncated }
    }

    /// Counts the tokens of a text, [CLS] and [SEP] included, without truncation.
    ///
    /// Each step of the iterator counts a few kilobytes of the text; the sum of all steps is the count. So a caller
    /// can stop in between, however long the text is.
    pub fn count<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Result<usize>> + 't {
        let pieces = self.pieces(text, 0, PIECE_BYTES);
        std::iter::once(Ok(2)).chain(pieces.map(|piece| Ok(self.encode_fast(piece.text())?.len())))
    }

    /// The places of the first `limit` tokens of `text` from byte `start` on, or of more.
    pub(crate) fn places(&self, text: &str, start: usize, limit: usize) -> Result<Vec<Place>> {
        // A token of a piece has some four bytes; more than enough are read at once, but not many times enough.
        let size = (limit * 8).min(PIECE_BYTES);
        let mut places: Vec<Place> = Vec::with_capacity(limit);
        let mut end = start;
        for piece in self.pieces(text, start, size) {
            let encoding =
                self.inner.encode(piece.text(), false).map_err(|e| Error::Tokenizer { reason: e.to_string() })?;
            for &(from, to) in encoding.get_offsets() {
                let bytes = piece.position(from..to);
                // A token can have the white space before it.
                let word = bytes.start + leading_spaces(&text[bytes.clone()]);
                let begins = match text.get(end..bytes.start) {
                    // One character can be several tokens, as a Korean syllable is.
                    None => Begins::Nothing,
                    Some(_) if places.is_empty() || text[end..word].contains(char::is_whitespace) => Begins::Word,
                    Some(_) => Begins::Character,
                };
                end = bytes.end;
                places.push(Place { bytes, word, begins });
            }
            if places.len() >= limit {
                break;
            }
        }
        Ok(places)
    }

    fn pieces<'t>(&self, text: &'t str, start: usize, size: usize) -> Box<dyn Iterator<Item = Piece<'t>> + 't> {
        match self.cut {
            Cut::Bert(classes) => Box::new(pieces::pieces(text, start, size, classes)),
            Cut::Spaces => Box::new(spaces::pieces(text, start, size)),
        }
    }

    fn encode_fast(&self, text: &str) -> Result<Encoding> {
        shortage::refuse_without_reserve()?;
        self.inner.encode_fast(text, false).map_err(|e| Error::Tokenizer { reason: e.to_string() })
    }
}

fn refused(path: &Path, reason: impl ToString) -> Error {
    Error::Malformed { path: path.to_owned(), reason: reason.to_string() }
}

fn leading_spaces(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn extend(ids: &mut Vec<i32>, encoding: &Encoding) {
    // A vocabulary has far fewer than 2^31 entries.
    ids.extend(encoding.get_ids().iter().map(|&id| id as i32));
}
