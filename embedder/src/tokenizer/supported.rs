//! Which `tokenizer.json` is supported, and where texts for it can be cut.

use tokenizers::normalizers::{BertNormalizer, Lowercase, Sequence};
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::pieces::{Class, Classes, WORD_LETTERS};
use super::spaces::SPACES;
use super::vocabulary::Vocabulary;
use super::{Cut, Inner};
use crate::error::{Error, Result};
use crate::model::Model;

/// Where texts for the tokenizer can be cut.
///
/// # Errors
/// [`Error::Unsupported`] if the file asks for something for which that is not known, or has a token that the model does
/// not have.
pub fn check(tokenizer: &Inner, model: &Model) -> Result<Cut> {
    // Its file is known.
    if model.is_minilm() {
        return Ok(Cut::Bert(Classes { strips_accents: true }));
    }
    let (cut, last) = match tokenizer.get_model() {
        Vocabulary::Library(ModelWrapper::WordPiece(word_piece)) => {
            let longest = word_piece.max_input_chars_per_word;
            if longest >= WORD_LETTERS {
                let supported = format!("less than {WORD_LETTERS}");
                return Err(refused(model, "max_input_chars_per_word", longest.to_string(), &supported));
            }
            (Cut::Bert(bert(tokenizer, model)?), tokenizer.get_vocab(false).into_values().max())
        }
        Vocabulary::Unigram(_) | Vocabulary::Library(ModelWrapper::Unigram(_)) => {
            unigram(tokenizer, model)?;
            // A token's id is its place.
            (Cut::Spaces, (tokenizer.get_vocab_size(false) as u32).checked_sub(1))
        }
        Vocabulary::Library(ModelWrapper::BPE(_)) => {
            return Err(refused(model, "model.type", "BPE".into(), "WordPiece or Unigram"));
        }
        Vocabulary::Library(ModelWrapper::WordLevel(_)) => {
            return Err(refused(model, "model.type", "WordLevel".into(), "WordPiece or Unigram"));
        }
    };
    check_added_tokens(tokenizer, model, cut)?;
    let added = tokenizer.get_added_tokens_decoder().into_keys().max();
    let (last, vocabulary) = (last.max(added).unwrap_or(0), model.config().vocabulary);
    if last as usize >= vocabulary {
        let supported = format!("more than {last}, the last token of tokenizer.json");
        let (path, field) = (model.config_path(), "vocab_size".to_owned());
        return Err(Error::Unsupported { path, field, found: vocabulary.to_string(), supported });
    }
    Ok(cut)
}

pub fn refused(model: &Model, field: &str, found: String, supported: &str) -> Error {
    let (path, field, supported) = (model.tokenizer_path(), field.to_owned(), supported.to_owned());
    Error::Unsupported { path, field, found, supported }
}

/// Has texts lower-cased before all else, as sentence-transformers does: character by character.
pub fn lower_case(tokenizer: &mut Inner) -> tokenizers::Result<()> {
    let lowercase = NormalizerWrapper::Lowercase(Lowercase);
    let normalizers = match tokenizer.get_normalizer() {
        Some(NormalizerWrapper::Lowercase(_)) => return Ok(()),
        Some(NormalizerWrapper::Sequence(sequence)) => {
            if sequence.as_ref().iter().any(|normalizer| matches!(normalizer, NormalizerWrapper::Lowercase(_))) {
                return Ok(());
            }
            [&[lowercase], sequence.as_ref()].concat()
        }
        Some(other) => vec![lowercase, other.clone()],
        None => vec![lowercase],
    };
    tokenizer.with_normalizer(Some(Sequence::new(normalizers)))?;
    Ok(())
}

/// The classes of characters of a tokenizer that normalises and splits as BERT's does.
fn bert(tokenizer: &Inner, model: &Model) -> Result<Classes> {
    match tokenizer.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::BertPreTokenizer(_)) => {}
        other => return Err(refused(model, "pre_tokenizer", json(&other), "BertPreTokenizer")),
    }
    match tokenizer.get_normalizer() {
        Some(NormalizerWrapper::BertNormalizer(BertNormalizer {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents,
            lowercase,
            ..
        })) => Ok(Classes { strips_accents: strip_accents.unwrap_or(*lowercase) }),
        other => {
            let supported = "BertNormalizer with clean_text and handle_chinese_chars";
            Err(refused(model, "normalizer", json(&other), supported))
        }
    }
}

/// Fails unless a tokenizer splits texts at white space, where much counts as one space, and nowhere else.
fn unigram(tokenizer: &Inner, model: &Model) -> Result<()> {
    let normalizers = match tokenizer.get_normalizer() {
        None => &[],
        Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref(),
        Some(one) => std::slice::from_ref(one),
    };
    for normalizer in normalizers {
        match normalizer {
            NormalizerWrapper::Precompiled(_)
            | NormalizerWrapper::Nmt(_)
            | NormalizerWrapper::NFKC(_)
            | NormalizerWrapper::Lowercase(_)
            | NormalizerWrapper::StripNormalizer(_)
            | NormalizerWrapper::Replace(_) => {}
            other => {
                let supported = "Precompiled, Nmt, NFKC, Lowercase, Strip, Replace or a sequence of them";
                return Err(refused(model, "normalizer", json(other), supported));
            }
        }
    }
    let splitters = match tokenizer.get_pre_tokenizer() {
        None => &[],
        Some(PreTokenizerWrapper::Sequence(sequence)) => sequence.as_ref(),
        Some(one) => std::slice::from_ref(one),
    };
    let is_metaspace = |splitter: &PreTokenizerWrapper| match splitter {
        PreTokenizerWrapper::Metaspace(space) => space.prepend_scheme == PrependScheme::Always && space.split,
        _ => false,
    };
    let supported = "Metaspace that is always prepended and splits, alone or after WhitespaceSplit";
    match splitters {
        [splitter] | [PreTokenizerWrapper::WhitespaceSplit(_), splitter] if is_metaspace(splitter) => {}
        _ => return Err(refused(model, "pre_tokenizer", json(&tokenizer.get_pre_tokenizer()), supported)),
    }
    let ids = |text: String| tokenizer.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()).ok();
    let one = ids("a b".into());
    for space in SPACES {
        if ids(format!("a{space}b")) != one || ids(format!("a{space}{space}{space}b")) != one {
            let found = format!("one for which {space:?} is not white space, or several are not as one");
            return Err(refused(model, "normalizer", found, "one for which white space is as one space"));
        }
    }
    Ok(())
}

/// Fails if a text can be cut within the name of a token that is looked for in texts before all else.
fn check_added_tokens(tokenizer: &Inner, model: &Model, cut: Cut) -> Result<()> {
    for token in tokenizer.get_added_tokens_decoder().values() {
        let name = token.content.as_str();
        let is_whole = match cut {
            Cut::Bert(classes) => {
                // Cutting keeps what stands after "[" and before "]" with it.
                let name = name.strip_prefix('[').unwrap_or(name);
                let name = name.strip_suffix(']').unwrap_or(name);
                name.chars().all(|c| classes.of(c) == Class::Letter)
            }
            Cut::Spaces => !name.contains(char::is_whitespace),
        };
        if !is_whole {
            return Err(refused(
                model,
                "added_tokens",
                format!("\"{name}\""),
                "names without white space or punctuation",
            ));
        }
    }
    Ok(())
}

/// A part of the file, cut short if it is a large one.
fn json(part: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(part).unwrap_or_default();
    if text.chars().count() <= 200 { text } else { text.chars().take(200).chain(['…']).collect() }
}
