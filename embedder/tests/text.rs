//! Long texts: truncation, counting and chunks of texts that are far longer than the model reads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;

use common::embedder;
use embedder::{Chunk, Chunking, Error};

/// Texts of every kind that makes cutting difficult, each of about 20 kB.
fn long_texts() -> Vec<String> {
    let parts = [
        "Plain words, and a sentence. Another one! ",
        "中文商品描述：绿色无袖夏装。",
        "no-space/punctuation,everywhere;",
        "unbrokenletters",
        "e\u{301}a\u{308}o\u{302} ",
        "зелёное летнее платье ",
        "👩‍👩‍👧 👗💚 ",
        "초록색 민소매 여름 원피스 ",
        "[CLS] [SEP] [[SEP]] ",
        "\u{200b}\u{301} \t\n",
        "İ ﬁ ≠ \u{85} \u{2028} ",
    ];
    let mut texts: Vec<String> = parts.iter().map(|part| part.repeat(20_000 / part.len())).collect();
    texts.push(parts.concat().repeat(60));
    texts
}

/// The tokens as the tokenizer library gives them for the whole text.
fn whole(text: &str) -> Vec<i32> {
    static TOKENIZER: LazyLock<tokenizers::Tokenizer> = LazyLock::new(|| {
        let path = concat!(env!("PG_EMBED_MODEL"), "/tokenizer.json");
        let mut tokenizer = tokenizers::Tokenizer::from_file(path).unwrap();
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        tokenizer
    });
    TOKENIZER.encode_fast(text, true).unwrap().get_ids().iter().map(|&id| id as i32).collect()
}

#[test]
fn truncation_and_counts_are_those_of_the_full_tokenisation() {
    for text in long_texts() {
        let full = whole(&text);
        let count: usize = embedder().tokenizer().count(&text).map(|step| step.unwrap()).sum();
        assert_eq!(count, full.len(), "{:?}", &text[..40.min(text.len())]);
        let tokens = embedder().tokenizer().encode(&text).unwrap();
        assert_eq!(tokens.truncated, full.len() > 256);
        let kept = full.len().min(256) - 1;
        assert_eq!(tokens.ids[..kept], full[..kept]);
        assert_eq!(tokens.ids[kept..], full[full.len() - 1..]);
    }
}

/// The longest beginning of `text` of at most `bytes` bytes.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[test]
fn the_beginning_of_a_text_gives_the_tokens_of_the_whole_or_none() {
    let tokenizer = embedder().tokenizer();
    let mut texts = long_texts();
    texts.extend([" ", "\u{301}", "字", "👗", "[", "]"].map(|filler| filler.repeat(20_000)));
    texts.push(format!("{} ", "a".repeat(150)).repeat(200));
    texts.push(format!("{} end", "many words ".repeat(126)));
    for text in &texts {
        let whole = tokenizer.encode(text).unwrap();
        let lengths = (0..64).chain((64..8000).step_by(37)).chain(8000..8020).chain([16_384, text.len()]);
        let mut known = false;
        for length in lengths {
            let start = beginning(text, length);
            match tokenizer.encode_start(start).unwrap() {
                Some(tokens) => {
                    assert_eq!(tokens, whole, "{length} bytes of {:?}", beginning(text, 40));
                    assert!(tokens.truncated);
                    known = true;
                }
                None => assert!(!known, "{length} bytes of {:?} are no longer enough", beginning(text, 40)),
            }
        }
    }
}

/// Whatever follows: the same beginning before texts that differ from its last character on.
#[test]
fn the_beginning_of_a_text_decides_alone() {
    let tokenizer = embedder().tokenizer();
    for text in long_texts() {
        for length in (1500..5000).step_by(97) {
            let start = beginning(&text, length);
            let Some(tokens) = tokenizer.encode_start(start).unwrap() else { continue };
            for end in ["", "\u{301}", "s", "]", "字", " ", "\u{200d}👗"] {
                let whole = tokenizer.encode(&format!("{start}{end}")).unwrap();
                assert_eq!(tokens, whole, "{length} bytes of {:?}, then {end:?}", beginning(&text, 40));
            }
        }
    }
}

#[test]
fn sixteen_kilobytes_suffice_for_ordinary_text() {
    for text in [
        "Plain words, and a sentence. ",
        "中文商品描述：绿色无袖夏装。",
        "зелёное летнее платье ",
        "e\u{301}te\u{301} ",
    ] {
        let text = text.repeat(2000);
        for bytes in [4096, 16_384] {
            assert!(embedder().tokenizer().encode_start(beginning(&text, bytes)).unwrap().is_some());
        }
    }
}

fn chunks(text: &str, max_tokens: i64, overlap: i64) -> Vec<Chunk<'_>> {
    let tokenizer = embedder().tokenizer();
    let chunking = Chunking::new(max_tokens, overlap, tokenizer.max_tokens()).unwrap();
    chunking.chunks(tokenizer, text, || ()).map(|chunk| chunk.unwrap()).collect()
}

#[test]
fn chunks_fit_and_lose_no_character() {
    for text in long_texts() {
        for max_tokens in [8, 33, 256] {
            let mut end = 0;
            for chunk in chunks(&text, max_tokens, 0) {
                assert_eq!(chunk.start, end, "{:?}", &text[..20]);
                end += chunk.text.len();
                assert_eq!(chunk.text, text[chunk.start..end]);
                let tokens = whole(&chunk.text).len();
                assert_eq!(tokens, chunk.tokens);
                assert!(tokens as i64 <= max_tokens);
            }
            assert_eq!(end, text.len());
        }
    }
}

#[test]
fn overlapping_chunks_leave_no_gap() {
    for text in long_texts() {
        for (max_tokens, overlap) in [(64, 16), (64, 31), (8, 3)] {
            let mut end = 0;
            for chunk in chunks(&text, max_tokens, overlap) {
                let chunk_end = chunk.start + chunk.text.len();
                assert!(chunk.start <= end && chunk_end > end);
                end = chunk_end;
                assert!(chunk.tokens as i64 <= max_tokens);
            }
            assert_eq!(end, text.len());
        }
    }
}

#[test]
fn chunks_end_at_sentences_or_words() {
    let text = "A first sentence of seven words here. Then a second one follows it. And the third comes last.";
    let pieces: Vec<_> = chunks(text, 16, 0).into_iter().map(|chunk| chunk.text).collect();
    assert_eq!(
        pieces,
        ["A first sentence of seven words here. ", "Then a second one follows it. And the third comes last."]
    );
    let words = "unbelievably extraordinary ".repeat(20);
    for chunk in chunks(&words, 12, 0) {
        assert!(chunk.text.ends_with(' '));
    }
}

#[test]
fn short_texts_are_one_chunk_and_an_empty_text_is_none() {
    assert_eq!(chunks("", 256, 0), []);
    assert_eq!(chunks(" \n ", 256, 0), [Chunk { text: " \n ".into(), start: 0, tokens: 2 }]);
    assert_eq!(chunks("one", 8, 0), [Chunk { text: "one".into(), start: 0, tokens: 3 }]);
}

#[test]
fn arguments_out_of_range_are_refused() {
    for (max_tokens, overlap, name) in
        [(7, 0, "max_tokens"), (257, 0, "max_tokens"), (-1, 0, "max_tokens"), (64, 32, "overlap"), (64, -1, "overlap")]
    {
        match Chunking::new(max_tokens, overlap, 256) {
            Err(Error::Argument { name: found, .. }) => assert_eq!(found, name),
            other => panic!("{other:?}"),
        }
    }
}
