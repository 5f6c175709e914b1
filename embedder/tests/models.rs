//! Other models than all-MiniLM-L6-v2: agreement with sentence-transformers 6.2 (PyTorch, CPU, batch size 1) on the texts
//! of `tests/golden`, for the models that `tests/models/make.sh` makes in the directory that the environment variable
//! PG_EMBED_TEST_MODELS names.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use common::{deviation, open_compiled, options};
use embedder::{Chunking, Embedder, Error, Files, Model, Options, Precision, Split, remove_unused_compiled};

const MODELS: [&str; 7] = ["e5", "minilm-layers", "minilm-cls", "minilm-dense", "bert", "xlm-roberta", "distilbert"];

fn directory(name: &str) -> PathBuf {
    let Some(models) = std::env::var_os("PG_EMBED_TEST_MODELS") else {
        panic!("PG_EMBED_TEST_MODELS does not name the directory that tests/models/make.sh fills");
    };
    Path::new(&models).join(name)
}

fn of(name: &str) -> Options {
    Options { model: directory(name), files: Files::Any, ..options() }
}

/// The models are compiled once for all tests of this file.
fn open(name: &str) -> Embedder {
    open_compiled(of(name), "models")
}

#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    prompt: Option<String>,
    tokens: usize,
    embedding: Vec<f32>,
}

fn references(name: &str) -> Vec<Reference> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name).with_extension("jsonl");
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text with the prompt that the reference has before it.
fn prompted(embedder: &Embedder, reference: &Reference) -> String {
    let name = reference.prompt.as_deref();
    let prompt = name.map_or("", |name| embedder.model().prompt(Some(name)).unwrap());
    format!("{prompt}{}", reference.text)
}

#[test]
fn every_component_and_every_count_agrees() {
    for name in MODELS {
        let start = Instant::now();
        let embedder = open(name);
        let opened = start.elapsed();
        let (mut worst, mut tokens) = (0.0f32, 0);
        for reference in references(name) {
            let text = prompted(&embedder, &reference);
            let found = embedder.tokenizer().encode(&text).unwrap();
            assert_eq!(found.ids.len(), reference.tokens, "{name}: {text:?}");
            let count: usize = embedder.tokenizer().count(&text).map(|step| step.unwrap()).sum();
            assert_eq!(count.min(embedder.model().max_tokens()), reference.tokens, "{name}: {text:?}");
            assert_eq!(found.truncated, count > embedder.model().max_tokens(), "{name}: {text:?}");
            let vector = embedder.embed(&text).unwrap().vector;
            assert_eq!(vector.len(), embedder.model().dimensions());
            let off = deviation(&vector, &reference.embedding);
            assert!(off <= 1e-5, "{name}: {off:e} for {text:?}");
            worst = worst.max(off);
            tokens += count;
        }
        println!("{name}: greatest deviation {worst:e}, {tokens} tokens, opened in {opened:?}");
    }
}

/// The texts of a model's references, and some of every kind that makes cutting difficult.
fn texts(name: &str) -> Vec<String> {
    let mut texts: Vec<String> = references(name).into_iter().map(|reference| reference.text).collect();
    let parts = [
        "Plain words, and a sentence. Another one! ",
        "中文商品描述：绿色无袖夏装。",
        "unbrokenletters",
        "no-space/punctuation,everywhere;",
        "e\u{301}a\u{308}o\u{302} ",
        "зелёное летнее платье \n\n",
        "👩‍👩‍👧 👗💚 ",
        "초록색 민소매 여름 원피스\t",
        "</s> <s> <mask> <pad>x [SEP] [[SEP]] ",
        "\u{200b}\u{301} \t\n",
        "İ ﬁ ≠ ﷺ \u{85} \u{2028} \u{3000}",
    ];
    texts.extend(parts.iter().map(|part| part.repeat(16_000 / part.len())));
    texts.push(parts.concat().repeat(60));
    texts
}

/// Some thousand texts of words, characters of many scripts and of none, spaces and tokens' names; the same ones in every
/// run.
fn mixtures() -> Vec<String> {
    let parts = "summer|dress|sleeveless|Kleid|ärmellos|платье|зелёное|绿色|无袖|夏装|여름|원피스|गर्मी|فستان|שמלה|ζέστη|ฤดูร้อน|\
        ve\u{301}tement|unbelievable|aaaa|zzzzzz|1234|</s>|<unk>|<mask>|▁|▁the|👗|👩‍👩‍👧|ﷺ|ﬁ|Ⅷ|½|\u{fffd}|\0|\u{7}|\u{200b}|\
        \u{3000}|\u{e000}|𓀀|𐍈|\u{10ffff}| |  |\n|\t|.|,|!?|(|-|'|%|€";
    let parts: Vec<&str> = parts.split('|').collect();
    let mut state = 1u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut part = move || match below(8) {
        0..4 => parts[below(parts.len() as u64) as usize].to_owned(),
        4 => " ".to_owned(),
        // Any character up to the last one of the planes that scripts are in.
        5 => char::from_u32(below(0x2_0000) as u32).unwrap_or('x').to_string(),
        6 => char::from_u32(below(0x800) as u32).unwrap_or('x').to_string(),
        _ => (0..below(20)).map(|_| (b'a' + below(26) as u8) as char).collect(),
    };
    (0..5000).map(|number| (0..number % 25).map(|_| part()).collect()).collect()
}

#[test]
fn tokens_of_a_unigram_model_are_those_of_the_library() {
    let golden = MODELS.into_iter().chain(["minilm"]).flat_map(references).map(|reference| reference.text);
    let all: Vec<String> = golden.chain(texts("e5")).chain(mixtures()).collect();
    for name in ["e5", "xlm-roberta"] {
        let (mapped, read) = (open(name), Embedder::open(&of(name)).unwrap());
        let mut tokenizer = tokenizers::Tokenizer::from_file(directory(name).join("tokenizer.json")).unwrap();
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        let limit = mapped.model().max_tokens();
        for text in &all {
            let full = whole(&tokenizer, text);
            for embedder in [&mapped, &read] {
                let tokens = embedder.tokenizer().encode(text).unwrap();
                let kept = full.len().min(limit) - 1;
                assert_eq!(tokens.ids[..kept], full[..kept], "{name}: {text:?}");
                assert_eq!(tokens.ids.last(), full.last(), "{name}: {text:?}");
                assert_eq!(tokens.truncated, full.len() > limit, "{name}: {text:?}");
                let count: usize = embedder.tokenizer().count(text).map(|step| step.unwrap()).sum();
                assert_eq!(count, full.len(), "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn a_compiled_tokenizer_that_is_damaged_is_made_again() {
    let cache = tempfile::tempdir().unwrap();
    let opened = || Embedder::open(&of("xlm-roberta").with_cache(cache.path())).unwrap();
    let text = "a green dress, зелёное платье, 绿色无袖夏装 \u{10ffff}";
    let embedder = opened();
    let expected = embedder.tokenizer().encode(text).unwrap();
    let path = embedder.compiled().unwrap().join("tokenizer.bin");
    drop(embedder);
    let content = fs::read(&path).unwrap();
    let flipped: Vec<u8> = content.iter().map(|byte| byte ^ 1).collect();
    for damaged in [Some(&content[..content.len() / 2]), Some(&flipped), Some(&[]), None] {
        match damaged {
            Some(damaged) => fs::write(&path, damaged).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let embedder = opened();
        assert!(embedder.warning().is_none());
        assert_eq!(embedder.tokenizer().encode(text).unwrap(), expected);
        assert!(fs::read(&path).unwrap() == content);
        assert!(fs::read_to_string("/proc/self/maps").unwrap().contains(path.to_str().unwrap()));
    }
}

/// The tokens as the tokenizer library gives them for the whole text.
fn whole(tokenizer: &tokenizers::Tokenizer, text: &str) -> Vec<i32> {
    tokenizer.encode_fast(text, true).unwrap().get_ids().iter().map(|&id| id as i32).collect()
}

#[test]
fn tokens_of_long_texts_are_those_of_the_whole() {
    for name in ["e5", "minilm-layers"] {
        let embedder = open(name);
        let mut tokenizer = tokenizers::Tokenizer::from_file(directory(name).join("tokenizer.json")).unwrap();
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        let limit = embedder.model().max_tokens();
        for text in texts(name) {
            let full = whole(&tokenizer, &text);
            let tokens = embedder.tokenizer().encode(&text).unwrap();
            assert_eq!(tokens.truncated, full.len() > limit);
            let kept = full.len().min(limit) - 1;
            assert_eq!(tokens.ids[..kept], full[..kept], "{name}: {:?}", text.chars().take(40).collect::<String>());
            let count: usize = embedder.tokenizer().count(&text).map(|step| step.unwrap()).sum();
            assert_eq!(count, full.len(), "{name}: {:?}", text.chars().take(40).collect::<String>());
            for end in [500, 2000, 8000] {
                let start = &text[..text.floor_char_boundary(end)];
                let found = embedder.tokenizer().encode_start(start).unwrap();
                assert!(found.is_none_or(|found| found == tokens), "{name}, the first {end} bytes");
            }
        }
    }
}

#[test]
fn words_without_an_end_are_cut() {
    let embedder = open("e5");
    for filler in [" ", "\n", "a", "字", "\u{301}", "\u{200d}", "﷽", "ab\u{3000}"] {
        let text = format!("first {} last", filler.repeat(200_000));
        let count: usize = embedder.tokenizer().count(&text).map(|step| step.unwrap()).sum();
        assert!(count >= 4, "{filler:?}");
        assert_eq!(embedder.tokenizer().encode(&text).unwrap().truncated, count > 512, "{filler:?}");
    }
    let count: usize = embedder.tokenizer().count(&" ".repeat(5_000_000)).map(|step| step.unwrap()).sum();
    assert_eq!(count, 2);
}

#[test]
fn chunks_are_texts_of_so_many_tokens() {
    for name in ["e5", "minilm-layers"] {
        let embedder = open(name);
        let tokenizer = embedder.tokenizer();
        for (text, overlap) in texts(name).iter().flat_map(|text| [(text, 0), (text, 5)]) {
            let chunking = Chunking::new(32, overlap, tokenizer.max_tokens()).unwrap();
            let (mut start, mut end) = (None, 0);
            for chunk in chunking.chunks(tokenizer, text, || ()) {
                let chunk = chunk.unwrap();
                assert!(Some(chunk.start) > start && chunk.start <= end, "{} after {start:?} to {end}", chunk.start);
                let count: usize = tokenizer.count(&chunk.text).map(|step| step.unwrap()).sum();
                assert_eq!(chunk.tokens, count, "{name}: {:?}", chunk.text);
                assert!(count <= 32, "{name}: {:?}", chunk.text);
                (start, end) = (Some(chunk.start), chunk.start + chunk.text.len());
            }
            assert_eq!(end, text.len());
        }
    }
}

#[test]
fn chunks_of_markup_are_texts_of_so_many_tokens() {
    for name in ["e5", "minilm-layers"] {
        let embedder = open(name);
        let tokenizer = embedder.tokenizer();
        let known = texts(name);
        let document = |heading: &str, end: &str| {
            let section =
                |(number, text): (usize, &String)| format!("{heading}Section {number}{end}{text} {end}{text}{end}");
            known.iter().enumerate().map(section).collect::<String>()
        };
        for (split, text) in [(Split::Markdown, document("# ", "\n\n")), (Split::Html, document("<h2>", "<p>"))] {
            let chunking = Chunking::new(32, 5, tokenizer.max_tokens()).unwrap().of(split).with_headings();
            let mut with_path = 0;
            for chunk in chunking.chunks(tokenizer, &text, || ()) {
                let chunk = chunk.unwrap();
                let count: usize = tokenizer.count(&chunk.text).map(|step| step.unwrap()).sum();
                assert_eq!(chunk.tokens, count, "{name}: {:?}", chunk.text);
                assert!(count <= 32, "{name}: {:?}", chunk.text);
                with_path += usize::from(chunk.text.starts_with("Section "));
            }
            assert!(with_path > known.len() / 2, "{name}: {with_path}");
        }
    }
}

#[test]
fn many_texts_are_as_one_by_one() {
    for name in ["e5", "xlm-roberta", "minilm-dense"] {
        let embedder = open(name);
        let texts: Vec<String> = references(name).into_iter().map(|reference| reference.text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = embedder.embed_many(&texts, 2).unwrap();
        assert_eq!(rows.dim(), (texts.len(), embedder.model().dimensions()));
        for (text, row) in texts.iter().zip(rows.rows()) {
            assert_eq!(row, embedder.embed(text).unwrap().vector, "{name}: {text:?}");
        }
    }
}

#[test]
fn models_are_told_from_each_other() {
    let embedder = open("e5");
    let model = embedder.model();
    assert_eq!((model.dimensions(), model.max_tokens()), (384, 512));
    assert_eq!((model.architecture(), model.pooling()), ("bert", "mean"));
    assert_eq!((model.prompt(Some("query")).unwrap(), model.prompt(None).unwrap()), ("query: ", ""));
    let embedder = open("xlm-roberta");
    let model = embedder.model();
    assert_eq!((model.dimensions(), model.max_tokens()), (32, 64));
    assert_eq!((model.architecture(), model.pooling()), ("xlm-roberta", "cls"));
}

#[test]
fn the_official_files_are_known_whatever_is_asked_for() {
    let official = common::embedder();
    let any = Options { files: Files::Any, ..options() };
    let any = Embedder::open(&any.with_cache(official.compiled().unwrap().parent().unwrap())).unwrap();
    assert_eq!(any.model().fingerprint(), official.model().fingerprint());
    assert_eq!(any.compiled(), official.compiled());
    assert!(
        official.compiled().unwrap().file_name().unwrap().to_str().unwrap().starts_with("all-MiniLM-L6-v2-1.28.0-")
    );
}

#[test]
fn compiled_models_lie_side_by_side_and_stay_as_long_as_they_are_used() {
    let cache = tempfile::tempdir().unwrap();
    let text = "a dress";
    let first = Embedder::open(&of("bert").with_cache(cache.path())).unwrap();
    let expected = first.embed(text).unwrap();
    let second = Embedder::open(&of("distilbert").with_cache(cache.path())).unwrap();
    let directories = [&first, &second].map(|embedder| embedder.compiled().unwrap().to_owned());
    drop(second);
    // Building a third one touches neither of them, used or not.
    let third = Embedder::open(&of("minilm-layers").with_cache(cache.path())).unwrap();
    assert!(directories.iter().all(|directory| directory.exists()));
    assert_eq!(remove_unused_compiled(cache.path()).unwrap(), [directories[1].clone()]);
    assert!(directories[0].exists() && third.compiled().unwrap().exists());
    assert_eq!(first.embed(text).unwrap(), expected);
    let rows = first.embed_many(&[text; 8], 2).unwrap();
    assert!(rows.rows().into_iter().all(|row| row == expected.vector));
    let directory = third.compiled().unwrap().to_owned();
    drop((first, third));
    let mut removed = remove_unused_compiled(cache.path()).unwrap();
    removed.sort();
    let mut rest = vec![directories[0].clone(), directory];
    rest.sort();
    assert_eq!(removed, rest);
}

/// A copy of a model's directory in which files can be replaced; the others are linked.
fn copy(name: &str, target: &Path, replaced: &[(&str, &dyn Fn(String) -> String)]) {
    fn link(source: &Path, target: &Path) {
        fs::create_dir_all(target).unwrap();
        for entry in fs::read_dir(source).unwrap() {
            let (from, to) = (entry.as_ref().unwrap().path(), target.join(entry.unwrap().file_name()));
            if from.is_dir() { link(&from, &to) } else { std::os::unix::fs::symlink(from, to).unwrap() }
        }
    }
    link(&directory(name), target);
    for (file, replace) in replaced {
        let text = fs::read_to_string(target.join(file)).unwrap();
        fs::remove_file(target.join(file)).unwrap();
        fs::write(target.join(file), replace(text)).unwrap();
    }
}

#[test]
fn tokenizers_that_are_not_supported_are_refused_by_file_and_field() {
    const BPE: &str = r#"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}"#;
    type Replace = &'static dyn Fn(String) -> String;
    let cases: [(&str, Replace, &str); 8] = [
        ("distilbert", &|_| BPE.into(), "model.type"),
        ("distilbert", &|text| text.replace("\"BertPreTokenizer\"", "\"Whitespace\""), "pre_tokenizer"),
        ("distilbert", &|text| text.replace("\"clean_text\": true", "\"clean_text\": false"), "normalizer"),
        ("distilbert", &|text| text.replace("\"content\": \"[MASK]\"", "\"content\": \"<mask>\""), "added_tokens"),
        ("distilbert", &|text| text.replace("_word\": 100", "_word\": 200"), "max_input_chars_per_word"),
        ("xlm-roberta", &|text| text.replace("\"always\"", "\"never\""), "pre_tokenizer"),
        (
            "xlm-roberta",
            &|text| text.replace("\"type\": \"WhitespaceSplit\"", "\"type\": \"Digits\", \"individual_digits\": true"),
            "pre_tokenizer",
        ),
        (
            "xlm-roberta",
            &|text| text.replacen("\"content\": \"<mask>\"", "\"content\": \"< mask>\"", 1),
            "added_tokens",
        ),
    ];
    for (name, replace, field) in cases {
        let target = tempfile::tempdir().unwrap();
        copy(name, target.path(), &[("tokenizer.json", replace)]);
        match Embedder::open(&Options { model: target.path().to_owned(), ..of(name) }) {
            Err(Error::Unsupported { path, field: found, .. }) => {
                assert_eq!((path, found.as_str()), (target.path().join("tokenizer.json"), field));
            }
            other => panic!("{field}: {:?}", other.err()),
        }
    }
}

#[test]
fn weights_that_do_not_fit_the_configuration_are_refused() {
    let target = tempfile::tempdir().unwrap();
    copy("distilbert", target.path(), &[("config.json", &|text| text.replace("\"n_layers\": 2", "\"n_layers\": 3"))]);
    match Embedder::open(&Options { model: target.path().to_owned(), ..of("distilbert") }) {
        Err(error @ Error::Malformed { .. }) => {
            let detail = error.detail().unwrap();
            assert!(detail.contains("distilbert.transformer.layer.2."), "{detail}");
        }
        other => panic!("{:?}", other.err()),
    }
    let target = tempfile::tempdir().unwrap();
    copy("distilbert", target.path(), &[("config.json", &|text| text.replace("30522", "30521"))]);
    match Embedder::open(&Options { model: target.path().to_owned(), ..of("distilbert") }) {
        Err(Error::Unsupported { path, field, .. }) => {
            assert_eq!((path, field.as_str()), (target.path().join("config.json"), "vocab_size"));
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn recorded_files_are_compared_when_they_are_read() {
    let cache = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    copy("minilm-dense", target.path(), &[]);
    let checksums = Model::open(target.path(), &Files::Any, Precision::Exact).unwrap().checksums().clone();
    let recorded = || {
        let options = Options { model: target.path().to_owned(), ..options() };
        Embedder::open(&options.with_files(Files::Recorded(checksums.clone())).with_cache(cache.path()))
    };
    let expected = recorded().unwrap().embed("a dress").unwrap();
    let weights = target.path().join("2_Dense/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(&weights).unwrap();
    fs::write(&weights, bytes).unwrap();
    // The compiled model does not need them.
    assert_eq!(recorded().unwrap().embed("a dress").unwrap(), expected);
    remove_unused_compiled(cache.path()).unwrap();
    assert!(matches!(recorded(), Err(Error::ChecksumMismatch { path, .. }) if path == weights));
}

#[test]
fn a_recorded_tokenizer_is_compared_though_it_is_compiled() {
    let cache = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    copy("xlm-roberta", target.path(), &[("tokenizer.json", &|text| text)]);
    let checksums = Model::open(target.path(), &Files::Any, Precision::Exact).unwrap().checksums().clone();
    let recorded = || {
        let options = Options { model: target.path().to_owned(), ..options() };
        Embedder::open(&options.with_files(Files::Recorded(checksums.clone())).with_cache(cache.path()))
    };
    assert!(recorded().is_ok());
    let tokenizer = target.path().join("tokenizer.json");
    let text = fs::read_to_string(&tokenizer).unwrap();
    fs::write(&tokenizer, text + " ").unwrap();
    assert!(matches!(recorded(), Err(Error::ChecksumMismatch { path, .. }) if path == tokenizer));
    fs::remove_file(&tokenizer).unwrap();
    assert!(matches!(recorded(), Err(Error::FileMissing { path }) if path == tokenizer));
}
