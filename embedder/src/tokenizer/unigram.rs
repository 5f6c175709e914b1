//! SentencePiece's Unigram model, on a vocabulary that lies in one block of bytes: in memory, or in a file that every
//! process maps.
//!
//! The tokens are those of the `tokenizers` crate's model, whose vocabulary is a quarter of a gigabyte of private memory
//! for XLM-RoBERTa's 250,002 pieces. Here the pieces are a trie that is walked where it lies.
//!
//! The block holds, all numbers in little-endian order: a header of [`HEADER`] words of eight bytes; the [`trie`]; the
//! pieces' scores; and `tokenizer.json` without its vocabulary.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use memmap2::Mmap;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::Token;

use super::trie::{self, Trie, UNIT};

/// Words of the header: [`MAGIC`]; the units of the trie; the pieces; the least score, as a float64; one more than the
/// unknown token's id, or 0 without one; 1 if what is unknown becomes tokens of a byte each where there are such.
const HEADER: usize = 6;
const WORD: usize = 8;

/// What such a block begins with. To be changed with its layout.
const MAGIC: u64 = u64::from_le_bytes(*b"unigram1");

/// How much less an unknown character scores than the piece with the least score.
const UNKNOWN_PENALTY: f64 = 10.0;

pub enum Block {
    Memory(Vec<u8>),
    File(Mmap),
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::File(bytes) => bytes,
        }
    }
}

/// A Unigram model.
pub struct Unigram {
    block: Block,
    trie: Range<usize>,
    scores: Range<usize>,
    unknown_score: f64,
    unknown: Option<u32>,
    byte_fallback: bool,
}

/// A piece and its score as they are in `tokenizer.json`.
#[derive(Deserialize)]
struct Piece<'f>(#[serde(borrow)] Cow<'f, str>, f64);

/// The best way to the end of a part of a text.
#[derive(Clone, Copy, Default)]
struct Best {
    score: f64,
    /// The last piece.
    id: u32,
    /// Bytes of that. 0 where no way leads to.
    length: u32,
}

impl Best {
    fn is_worse_than(&self, score: f64) -> bool {
        self.length == 0 || score > self.score
    }
}

impl Unigram {
    /// The model in `file`, the content of a `tokenizer.json`; `None` if it has another, or one that is not as it should
    /// be, which the `tokenizers` crate is left to judge.
    pub fn compile(file: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Model<'f> {
            #[serde(borrow)]
            vocab: Vec<Piece<'f>>,
            unk_id: Option<u32>,
            #[serde(default)]
            byte_fallback: bool,
        }
        let mut file: BTreeMap<String, &RawValue> = serde_json::from_slice(file).ok()?;
        if file.get("version").is_some_and(|version| version.get() != "\"1.0\"") {
            return None;
        }
        let model = file.remove("model")?;
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(model.get()).ok()?;
        if fields.get("type")?.get() != "\"Unigram\"" {
            return None;
        }
        let model: Model = serde_json::from_str(model.get()).ok()?;
        if model.unk_id.is_some_and(|id| id as usize >= model.vocab.len()) {
            return None;
        }
        let trie = trie::build(model.vocab.iter().map(|piece| piece.0.as_bytes()).zip(0..))?;
        let scores = model.vocab.iter().map(|piece| piece.1);
        let header: [u64; HEADER] = [
            MAGIC,
            (trie.len() / UNIT) as u64,
            model.vocab.len() as u64,
            scores.clone().fold(f64::INFINITY, |least, score| if score < least { score } else { least }).to_bits(),
            model.unk_id.map_or(0, |id| u64::from(id) + 1),
            u64::from(model.byte_fallback),
        ];
        let mut block: Vec<u8> = header.into_iter().flat_map(u64::to_le_bytes).collect();
        block.extend(trie);
        block.extend(scores.flat_map(f64::to_le_bytes));
        serde_json::to_writer(&mut block, &file).ok()?;
        Self::new(Block::Memory(block))
    }

    /// The model in a block; `None` if there is none in it.
    pub fn new(block: Block) -> Option<Self> {
        let (words, _) = block.as_chunks::<WORD>();
        let header: [u64; HEADER] = words.first_chunk::<HEADER>()?.map(u64::from_le_bytes);
        let [MAGIC, units, pieces, least, unknown, byte_fallback] = header else { return None };
        let end = |start: usize, words: u64| start.checked_add(usize::try_from(words).ok()?.checked_mul(WORD)?);
        let trie = HEADER * WORD..end(HEADER * WORD, units)?;
        let scores = trie.end..end(trie.end, pieces)?;
        if scores.end > block.len() {
            return None;
        }
        let unknown = u32::try_from(unknown).ok()?.checked_sub(1);
        let unknown_score = f64::from_bits(least) - UNKNOWN_PENALTY;
        Some(Self { block, trie, scores, unknown_score, unknown, byte_fallback: byte_fallback == 1 })
    }

    pub fn block(&self) -> &[u8] {
        &self.block
    }

    /// `tokenizer.json` without the model.
    pub fn rest(&self) -> &[u8] {
        &self.block[self.scores.end..]
    }

    /// The number of pieces.
    pub fn len(&self) -> usize {
        self.scores.len() / WORD
    }

    /// The id of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.trie().get(piece.as_bytes())
    }

    /// The tokens of `text`, with their places in it, but without their texts, which nobody asks for.
    ///
    /// # Errors
    /// There is an unknown character in the text, and no unknown token in the vocabulary.
    pub fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        let parts = self.parts(text)?;
        let mut tokens = Vec::with_capacity(parts.len());
        for (range, id) in parts.into_iter().rev() {
            let mut add = |id| tokens.push(Token::new(id, String::new(), (range.start, range.end)));
            match id {
                Some(id) => add(id),
                None => self.unknown_ids(&text[range.clone()]).into_iter().for_each(&mut add),
            }
        }
        Ok(tokens)
    }

    /// The parts of `text` whose scores have the greatest sum, the last one first, and their pieces' ids. Unknown parts in
    /// a row are one, without an id.
    ///
    /// Sums are made, and compared, in the order of the `tokenizers` crate, so that the same one is taken of equal ones.
    fn parts(&self, text: &str) -> tokenizers::Result<Vec<(Range<usize>, Option<u32>)>> {
        let (trie, scores) = (self.trie(), self.block[self.scores.clone()].as_chunks::<WORD>().0);
        let mut best = vec![Best::default(); text.len() + 1];
        for (start, c) in text.char_indices() {
            let before = best[start].score;
            let mut is_piece = false;
            for (length, id) in trie.prefixes(&text.as_bytes()[start..]) {
                let Some(score) = scores.get(id as usize) else { continue };
                let score = f64::from_le_bytes(*score) + before;
                let end = &mut best[start + length];
                if end.is_worse_than(score) {
                    *end = Best { score, id, length: length as u32 };
                }
                is_piece |= length == c.len_utf8();
            }
            let (end, score) = (&mut best[start + c.len_utf8()], self.unknown_score + before);
            if !is_piece && end.is_worse_than(score) {
                let id =
                    self.unknown.ok_or("the text has an unknown character, and the vocabulary no unknown token")?;
                *end = Best { score, id, length: c.len_utf8() as u32 };
            }
        }
        let mut parts: Vec<(Range<usize>, Option<u32>)> = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let last = best[end];
            let start = end - last.length as usize;
            match parts.last_mut() {
                Some((unknown, None)) if self.unknown == Some(last.id) => unknown.start = start,
                _ => parts.push((start..end, Some(last.id).filter(|_| self.unknown != Some(last.id)))),
            }
            end = start;
        }
        Ok(parts)
    }

    /// The tokens of an unknown part.
    fn unknown_ids(&self, text: &str) -> Vec<u32> {
        // Unknown characters in a row can be a piece that has a lower score than all of them.
        if let Some(id) = self.id(text) {
            return vec![id];
        }
        let bytes = || text.bytes().map(|byte| self.id(&format!("<0x{byte:02X}>"))).collect();
        let bytes: Option<Vec<u32>> = if self.byte_fallback { bytes() } else { None };
        bytes.unwrap_or_else(|| self.unknown.into_iter().collect())
    }

    fn trie(&self) -> Trie<'_> {
        Trie::new(&self.block[self.trie.clone()])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokenizers::{Model, ModelWrapper};

    use super::*;

    fn file(vocab: &[(&str, f64)], unknown: Option<usize>, byte_fallback: bool) -> Value {
        let model = json!({"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": byte_fallback});
        json!({"version": "1.0", "normalizer": null, "model": model})
    }

    fn compiled(file: &Value) -> Unigram {
        Unigram::compile(file.to_string().as_bytes()).unwrap()
    }

    /// Ids and places.
    type Tokens = Vec<(u32, (usize, usize))>;

    fn tokens(tokens: tokenizers::Result<Vec<Token>>) -> Option<Tokens> {
        tokens.ok().map(|tokens| tokens.into_iter().map(|token| (token.id, token.offsets)).collect())
    }

    /// Pseudo-random numbers, the same ones in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % limit
        }

        fn text(&mut self, parts: &[&str], longest: usize) -> String {
            (0..self.below(longest + 1)).map(|_| parts[self.below(parts.len())]).collect()
        }
    }

    #[test]
    fn the_parts_with_the_greatest_sum_are_taken() {
        let vocab = [("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("ab", -1.5), ("bc", -0.5), ("字", -2.0)];
        let model = compiled(&file(&vocab, Some(0), false));
        let found = |text| tokens(model.tokenize(text)).unwrap();
        assert_eq!(found(""), []);
        assert_eq!(found("ab"), [(3, (0, 2))]);
        assert_eq!(found("abc"), [(1, (0, 1)), (4, (1, 3))]);
        assert_eq!(found("xy字z"), [(0, (0, 2)), (5, (2, 5)), (0, (5, 6))], "what is unknown in a row is one token");
        assert_eq!((model.id("bc"), model.id("c"), model.len()), (Some(4), None, 6));
    }

    #[test]
    fn tokens_are_those_of_the_library_for_any_vocabulary() {
        // Few letters and scores, so that many ways have the same sum; what is unknown can be a piece together.
        let letters = ["a", "b", "é", "字", "👗", "\0"];
        let others = ["<unk>", "<0x78>", "<0xC3>", "<0xB6>"];
        let scores = [0.0, -0.1, -0.2, -0.3, -1.0, -50.0, 1e-3, 7.0];
        let texts = [&letters[..], &["x", "ö", "<unk>", "<0x78>"]].concat();
        let mut numbers = Numbers(1);
        let (mut known, mut failed) = (0, 0);
        for _ in 0..2000 {
            let words: Vec<String> = (0..1 + numbers.below(20)).map(|_| numbers.text(&letters, 4)).collect();
            let mut vocab: Vec<(&str, f64)> =
                words.iter().map(|word| (word.as_str(), scores[numbers.below(scores.len())])).collect();
            vocab.extend(others[..numbers.below(others.len() + 1)].iter().map(|other| (*other, -3.0)));
            let unknown = Some(numbers.below(vocab.len())).filter(|_| numbers.below(8) > 0);
            let file = file(&vocab, unknown, numbers.below(2) == 1);
            let (model, library) = (compiled(&file), ModelWrapper::deserialize(&file["model"]).unwrap());
            assert_eq!(model.len(), library.get_vocab_size());
            for _ in 0..50 {
                let text = numbers.text(&texts, 12);
                let found = tokens(model.tokenize(&text));
                assert_eq!(found, tokens(library.tokenize(&text)), "{text:?} with {file}");
                assert_eq!(model.id(&text), library.token_to_id(&text), "{text:?} with {file}");
                *(if found.is_some() { &mut known } else { &mut failed }) += 1;
            }
        }
        assert!(known > 50_000 && failed > 1000, "{known}, {failed}");
    }

    #[test]
    fn what_is_not_a_sound_unigram_model_is_left_to_the_library() {
        let sound = file(&[("<unk>", 0.0), ("a", -1.0)], Some(0), false);
        assert!(Unigram::compile(sound.to_string().as_bytes()).is_some());
        let unsound = [
            json!({"type": "WordPiece", "vocab": {"a": 0}}),
            json!({"vocab": [["a", 0.0]]}),
            json!({"type": "Unigram", "unk_id": 1, "vocab": [["a", 0.0]]}),
            json!({"type": "Unigram", "unk_id": 0}),
            json!({"type": "Unigram", "unk_id": 0, "vocab": {"a": 0.0}}),
        ];
        for model in unsound {
            let mut file = sound.clone();
            file["model"] = model;
            assert!(Unigram::compile(file.to_string().as_bytes()).is_none(), "{file}");
        }
        assert!(Unigram::compile(b"{}").is_none());
        assert!(Unigram::compile(b"{").is_none());
        let mut later = sound;
        later["version"] = "2.0".into();
        assert!(Unigram::compile(later.to_string().as_bytes()).is_none());
    }

    #[test]
    fn a_block_holds_all_but_the_vocabulary() {
        let model = compiled(&file(&[("<unk>", 0.0), ("a", -1.0)], Some(0), false));
        assert_eq!(model.rest(), br#"{"normalizer":null,"version":"1.0"}"#);
        let again = Unigram::new(Block::Memory(model.block().to_vec())).unwrap();
        assert_eq!(tokens(again.tokenize("ax")), tokens(model.tokenize("ax")));
        assert_eq!(again.rest(), model.rest());
    }

    #[test]
    fn a_damaged_block_does_no_harm() {
        let vocab = [("<unk>", 0.0), ("a", -1.0), ("ab", -1.5), ("字", -2.0), ("字a", -2.0), ("<0x78>", -3.0)];
        let whole = compiled(&file(&vocab, Some(0), true)).block().to_vec();
        let (mut numbers, mut opened) = (Numbers(1), 0);
        for _ in 0..20_000 {
            let mut damaged = whole.clone();
            for _ in 0..1 + numbers.below(8) {
                let at = numbers.below(damaged.len());
                damaged[at] = numbers.below(256) as u8;
            }
            damaged.truncate(if numbers.below(4) == 0 { numbers.below(damaged.len()) } else { usize::MAX });
            if let Some(model) = Unigram::new(Block::Memory(damaged)) {
                opened += 1;
                let _ = model.tokenize("ab字axab字b字\u{301}");
                let _ = model.rest();
            }
        }
        assert!(opened > 1000, "{opened}");
    }
}
