//! A model directory: its files, their SHA-256 and its configuration.
//!
//! The directory is in the layout of sentence-transformers. All files are pinned by their SHA-256: a flipped byte
//! in the weights mostly still loads and gives wrong vectors, and a changed limit or pooling mode always does.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The only model whose files are accepted.
pub const NAME: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// SHA-256 of `model.safetensors`, the weights.
pub const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "config.json";
const MODULES: &str = "modules.json";
const SENTENCE: &str = "sentence_bert_config.json";

/// The files that decide a vector, with the SHA-256 of the official ones. The pooling file is found through
/// `modules.json`, so it has no name of its own here.
const CHECKSUMS: [(&str, &str); 6] = [
    (WEIGHTS, WEIGHTS_SHA256),
    (TOKENIZER, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    (CONFIG, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    (MODULES, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
    (SENTENCE, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
    ("1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
];

/// A model directory whose configuration has been read and is supported.
///
/// The small files are checked when the directory is opened, the weights and the tokenizer when they are read.
#[derive(Debug)]
pub struct Model {
    directory: PathBuf,
    config: Config,
}

/// The shape of the transformer and what is done with its output, all read from the model's files.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub layers: usize,
    pub heads: usize,
    /// Width of the hidden state, and so of the vector.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    pub vocabulary: usize,
    /// Rows of the position table.
    pub positions: usize,
    pub epsilon: f32,
    /// Most tokens of one text, [CLS] and [SEP] included.
    pub max_tokens: usize,
}

impl Model {
    /// Reads and checks the configuration in `directory`.
    ///
    /// # Errors
    /// A missing or unreadable file, a SHA-256 that is not the official one, a field that is not supported.
    pub fn open(directory: &Path) -> Result<Self> {
        let read = |name: &str| read_checked(directory, name);
        let config = Config::read(directory, &read)?;
        Ok(Self { directory: directory.to_owned(), config })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The bytes of `tokenizer.json`.
    pub fn tokenizer(&self) -> Result<Vec<u8>> {
        read_checked(&self.directory, TOKENIZER)
    }

    /// The bytes of `model.safetensors`, mapped.
    #[allow(unsafe_code)]
    pub fn weights(&self) -> Result<Mmap> {
        let path = self.directory.join(WEIGHTS);
        let file = File::open(&path).map_err(|e| Error::io("read", &path, e))?;
        // SAFETY: the mapping is read only and private to this process. The file is installed by the administrator
        // and replaced by rename; truncating it in place while it is being read is what no reader can survive.
        let bytes = unsafe { Mmap::map(&file) }.map_err(|e| Error::io("read", &path, e))?;
        check(&path, &bytes, WEIGHTS_SHA256)?;
        Ok(bytes)
    }

    /// Where the weights lie.
    pub fn weights_path(&self) -> PathBuf {
        self.directory.join(WEIGHTS)
    }

    /// A digest over the checksums of all files: what a compiled model is a function of.
    pub fn fingerprint() -> String {
        let mut hasher = Sha256::new();
        for (name, sha256) in CHECKSUMS {
            hasher.update(name);
            hasher.update(sha256);
        }
        hex(&hasher.finalize())
    }
}

fn read_checked(directory: &Path, name: &str) -> Result<Vec<u8>> {
    let path = directory.join(name);
    let mut bytes = Vec::new();
    File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| Error::io("read", &path, e))?;
    match CHECKSUMS.iter().find(|(known, _)| *known == name) {
        Some((_, expected)) => check(&path, &bytes, expected)?,
        None => {
            return Err(Error::Unsupported {
                path: directory.join(MODULES),
                field: "path",
                found: format!("\"{name}\""),
                supported: "a module whose checksum is known".into(),
            });
        }
    }
    Ok(bytes)
}

/// Fails unless `bytes`, read from `path`, have the SHA-256 `expected` (lower-case hexadecimal).
pub(crate) fn check(path: &Path, bytes: &[u8], expected: &str) -> Result<()> {
    let found = sha256(bytes);
    if found == expected {
        return Ok(());
    }
    Err(Error::ChecksumMismatch { path: path.to_owned(), expected: expected.to_owned(), found })
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A JSON file of the model that knows its own path, so that every complaint can name file and field.
struct Json {
    path: PathBuf,
    value: Value,
}

impl Json {
    fn read(directory: &Path, name: &str, read: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let path = directory.join(name);
        let value = serde_json::from_slice(&read(name)?)
            .map_err(|e| Error::Malformed { path: path.clone(), reason: e.to_string() })?;
        Ok(Self { path, value })
    }

    fn get<T: DeserializeOwned>(&self, field: &'static str) -> Result<T> {
        let value = self.value.get(field).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value)
            .map_err(|e| Error::Malformed { path: self.path.clone(), reason: format!("field \"{field}\": {e}") })
    }

    fn expect(&self, field: &'static str, supported: impl Into<Value>) -> Result<()> {
        let supported = supported.into();
        let found = self.value.get(field).cloned().unwrap_or(Value::Null);
        if found == supported {
            return Ok(());
        }
        Err(self.unsupported(field, &found, supported.to_string()))
    }

    fn unsupported(&self, field: &'static str, found: &Value, supported: String) -> Error {
        Error::Unsupported { path: self.path.clone(), field, found: found.to_string(), supported }
    }
}

impl Config {
    fn read(directory: &Path, read: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let pooling = pooling_path(&Json::read(directory, MODULES, read)?)?;
        let config = Json::read(directory, CONFIG, read)?;
        let sentence = Json::read(directory, SENTENCE, read)?;
        let pooling = Json::read(directory, &pooling, read)?;

        config.expect("model_type", "bert")?;
        config.expect("hidden_act", "gelu")?;
        config.expect("position_embedding_type", "absolute")?;
        sentence.expect("do_lower_case", false)?;
        pooling.expect("pooling_mode_mean_tokens", true)?;
        for mode in ["pooling_mode_cls_token", "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens"] {
            pooling.expect(mode, false)?;
        }

        let read = Self {
            layers: config.get("num_hidden_layers")?,
            heads: config.get("num_attention_heads")?,
            hidden: config.get("hidden_size")?,
            intermediate: config.get("intermediate_size")?,
            vocabulary: config.get("vocab_size")?,
            positions: config.get("max_position_embeddings")?,
            epsilon: config.get("layer_norm_eps")?,
            max_tokens: sentence.get("max_seq_length")?,
        };
        config.expect("hidden_size", crate::DIMENSIONS)?;
        pooling.expect("word_embedding_dimension", read.hidden)?;
        if read.heads == 0 || !read.hidden.is_multiple_of(read.heads) {
            return Err(config.unsupported(
                "num_attention_heads",
                &read.heads.into(),
                format!("a divisor of {}", read.hidden),
            ));
        }
        if !(3..=read.positions).contains(&read.max_tokens) {
            return Err(sentence.unsupported(
                "max_seq_length",
                &read.max_tokens.into(),
                format!("3 to {}", read.positions),
            ));
        }
        Ok(read)
    }
}

/// Checks that the pipeline is transformer, pooling, normalisation, and gives the pooling file's path.
fn pooling_path(modules: &Json) -> Result<String> {
    let steps = modules.value.as_array().map(Vec::as_slice).unwrap_or_default();
    let field = |step: &Value, name| step.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kinds: Vec<String> =
        steps.iter().map(|s| field(s, "type").rsplit('.').next().unwrap_or_default().to_owned()).collect();
    match kinds.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["Transformer", "Pooling", "Normalize"] => Ok(format!("{}/config.json", field(&steps[1], "path"))),
        _ => Err(modules.unsupported("type", &kinds.into(), "the sequence Transformer, Pooling, Normalize".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The official files, small enough to stand here, with one replacement.
    fn read_with(file: &str, from: &str, to: &str) -> Result<Config> {
        let read = |name: &str| {
            let text = match name {
                CONFIG => {
                    r#"{"hidden_act": "gelu", "hidden_size": 384, "intermediate_size": 1536,
                    "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert",
                    "num_attention_heads": 12, "num_hidden_layers": 6,
                    "vocab_size": 30522,
                    "position_embedding_type": "absolute"}"#
                }
                SENTENCE => r#"{"max_seq_length": 256, "do_lower_case": false}"#,
                MODULES => {
                    r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
                    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                    {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#
                }
                _ => {
                    r#"{"word_embedding_dimension": 384, "pooling_mode_cls_token": false,
                    "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false,
                    "pooling_mode_mean_sqrt_len_tokens": false}"#
                }
            };
            let text = if name == file { text.replace(from, to) } else { text.to_owned() };
            Ok(text.into_bytes())
        };
        Config::read(Path::new("/model"), &read)
    }

    #[test]
    fn reads_the_official_configuration() {
        let config = read_with("", "", "").unwrap();
        assert_eq!((config.layers, config.heads, config.max_tokens), (6, 12, 256));
    }

    #[test]
    fn refuses_what_it_does_not_support_and_names_file_and_field() {
        for (file, from, to, field) in [
            (CONFIG, "\"gelu\"", "\"relu\"", "hidden_act"),
            (CONFIG, "\"bert\"", "\"mpnet\"", "model_type"),
            (CONFIG, "\"absolute\"", "\"relative_key\"", "position_embedding_type"),
            (CONFIG, "384", "768", "hidden_size"),
            (CONFIG, "12,", "7,", "num_attention_heads"),
            (SENTENCE, "256", "1024", "max_seq_length"),
            (SENTENCE, "256", "2", "max_seq_length"),
            ("1_Pooling/config.json", "cls_token\": false", "cls_token\": true", "pooling_mode_cls_token"),
            ("1_Pooling/config.json", "mean_tokens\": true", "mean_tokens\": false", "pooling_mode_mean_tokens"),
            (MODULES, "models.Normalize", "models.Dense", "type"),
        ] {
            match read_with(file, from, to) {
                Err(Error::Unsupported { path, field: found, .. }) => {
                    assert!(path.ends_with(file), "{path:?}");
                    assert_eq!(found, field);
                }
                other => panic!("{file} with {to}: {other:?}"),
            }
        }
    }

    #[test]
    fn names_the_field_that_is_missing_or_of_the_wrong_type() {
        for (from, to) in [("\"num_hidden_layers\": 6,", ""), (": 12,", ": \"twelve\",")] {
            match read_with(CONFIG, from, to) {
                Err(error @ Error::Malformed { .. }) => {
                    assert!(error.detail().is_some_and(|d| d.contains("num_")), "{error:?}")
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(read_with(CONFIG, "{", "["), Err(Error::Malformed { .. })));
    }
}
