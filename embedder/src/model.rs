//! A model directory: its files, their SHA-256 and its configuration.
//!
//! The directory is in the layout of sentence-transformers. All files that decide a vector are known by their SHA-256: a
//! flipped byte in the weights mostly still loads and gives wrong vectors, and a changed limit or pooling mode always
//! does.

mod config;
mod json;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use sha2::{Digest, Sha256};

pub(crate) use config::{Architecture, Config, Dense, Pooling, Step};

use crate::engine;
use crate::error::{Error, Result};
use config::{Prompts, join};

/// The model whose files are known to this crate.
pub const NAME: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// SHA-256 of `model.safetensors`, the weights of all-MiniLM-L6-v2.
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

const WEIGHTS: &str = "model.safetensors";
/// What weights were saved in before; reading it would run code from it.
const OLD_WEIGHTS: &str = "pytorch_model.bin";
const TOKENIZER: &str = "tokenizer.json";

/// The files of all-MiniLM-L6-v2 that decide a vector.
const MINILM: [(&str, &str); 6] = [
    (WEIGHTS, WEIGHTS_SHA256),
    (TOKENIZER, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    (config::MODULES, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
    ("sentence_bert_config.json", "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
    ("1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
];

/// Path within the model's directory, with `/` between its parts, to SHA-256 in lower-case hexadecimal.
pub type Checksums = BTreeMap<String, String>;

/// Which files a model's directory has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Files {
    /// The official ones of all-MiniLM-L6-v2.
    #[default]
    MiniLm,
    /// These and no others decide a vector, as [`Model::checksums`] gave them; anything else is
    /// [`Error::ChecksumMismatch`].
    Recorded(Checksums),
    /// Whatever is there. All files that decide a vector are read and hashed, the weights included.
    Any,
}

/// How a model is computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Precision {
    /// In float32: the vectors are the reference's.
    #[default]
    Exact,
    /// With weights and activations of 8 bits. A model by itself: its vectors are others.
    Int8,
}

impl Precision {
    pub const ALL: [Self; 2] = [Self::Exact, Self::Int8];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Int8 => "int8",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.name() == name)
    }
}

/// A model directory whose configuration has been read and is supported.
///
/// The small files are checked when the directory is opened, and of others than all-MiniLM-L6-v2 the tokenizer, too; the
/// weights when they are read.
#[derive(Debug)]
pub struct Model {
    directory: PathBuf,
    config: Config,
    prompts: Prompts,
    checksums: Checksums,
    precision: Precision,
}

impl Model {
    /// Reads and checks the configuration in `directory`.
    ///
    /// # Errors
    /// A missing or unreadable file, a file that is not one of `files`, a field that is not supported.
    pub fn open(directory: &Path, files: &Files, precision: Precision) -> Result<Self> {
        let reader = Reader { directory, files, seen: RefCell::default() };
        let (config, prompts) = Config::read(directory, &|name| reader.find(name))?;
        reader.note_tokenizer(&join(&config.transformer, TOKENIZER))?;
        for name in weights_names(&config) {
            reader.note_weights(&name)?;
        }
        Ok(Self { directory: directory.to_owned(), config, prompts, checksums: reader.seen.into_inner(), precision })
    }

    /// Components of a vector.
    pub fn dimensions(&self) -> usize {
        self.config.dimensions()
    }

    /// Most tokens of one text, the first and the last one included, which stand around those of every text.
    pub fn max_tokens(&self) -> usize {
        self.config.max_tokens
    }

    /// The encoder's family, as `config.json` names it: "bert", "xlm-roberta".
    pub fn architecture(&self) -> &str {
        &self.config.model_type
    }

    /// How a text's tokens become one vector: "mean" or "cls".
    pub fn pooling(&self) -> &str {
        match self.config.pooling {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
        }
    }

    /// The texts that the model knows by a name, to stand before a text.
    pub fn prompts(&self) -> &BTreeMap<String, String> {
        &self.prompts.texts
    }

    /// What stands before every text: the prompt of this name; without a name the model's default, or nothing.
    ///
    /// # Errors
    /// [`Error::UnknownPrompt`].
    pub fn prompt(&self, name: Option<&str>) -> Result<&str> {
        let Some(name) = name.or(self.prompts.default.as_deref()) else { return Ok("") };
        let texts = &self.prompts.texts;
        let unknown = || Error::UnknownPrompt { name: name.to_owned(), known: texts.keys().cloned().collect() };
        texts.get(name).map(String::as_str).ok_or_else(unknown)
    }

    /// SHA-256 of the encoder's weights.
    pub fn weights_sha256(&self) -> Option<&str> {
        self.checksums.get(&join(&self.config.transformer, WEIGHTS)).map(String::as_str)
    }

    /// All files that decide a vector.
    pub fn checksums(&self) -> &Checksums {
        &self.checksums
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Its [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.checksums, self.precision)
    }

    /// What the names of the model's compiled directories begin with, and those of no other model's do.
    pub(crate) fn label(&self) -> String {
        let name = match self.is_minilm() {
            true => "all-MiniLM-L6-v2".to_owned(),
            false => format!("{}-{}", self.config.model_type, &self.fingerprint()[..16]),
        };
        match self.precision {
            Precision::Exact => name,
            // In front, since the names of the exact model's begin with its label.
            Precision::Int8 => format!("int8-{name}"),
        }
    }

    /// Whether all files are those of all-MiniLM-L6-v2.
    pub(crate) fn is_minilm(&self) -> bool {
        self.checksums.iter().map(|(name, sha256)| (name.as_str(), sha256.as_str())).eq(BTreeMap::from(MINILM))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The bytes of `tokenizer.json`.
    pub(crate) fn tokenizer(&self) -> Result<Vec<u8>> {
        let path = self.tokenizer_path();
        let bytes = read(&path)?;
        self.check(&join(&self.config.transformer, TOKENIZER), &path, &bytes)?;
        Ok(bytes)
    }

    pub(crate) fn tokenizer_path(&self) -> PathBuf {
        self.directory.join(&self.config.transformer).join(TOKENIZER)
    }

    /// The file that names the size of the vocabulary.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.directory.join(&self.config.transformer).join("config.json")
    }

    /// Path and mapped bytes of each file of weights: the transformer's, and then those of the dense layers.
    pub(crate) fn weights(&self) -> impl Iterator<Item = Result<(PathBuf, Mmap)>> {
        weights_names(&self.config).into_iter().map(|name| {
            let path = self.directory.join(&name);
            let bytes = map(&path)?;
            self.check(&name, &path, &bytes)?;
            Ok((path, bytes))
        })
    }

    fn check(&self, name: &str, path: &Path, bytes: &[u8]) -> Result<()> {
        match self.checksums.get(name) {
            Some(expected) => check(path, bytes, expected),
            None => Ok(()),
        }
    }
}

/// The files of weights within the model's directory: the transformer's, and then those of the dense layers.
fn weights_names(config: &Config) -> Vec<String> {
    let directories =
        std::iter::once(config.transformer.as_str()).chain(config.dense().map(|dense| dense.path.as_str()));
    directories.map(|directory| join(directory, WEIGHTS)).collect()
}

/// Reads the files of a directory, checks them, and notes which there are.
struct Reader<'d> {
    directory: &'d Path,
    files: &'d Files,
    seen: RefCell<Checksums>,
}

/// What vectors are a function of: the SHA-256 of the list of checksums as `sha256sum` prints it, sorted by name; if the
/// model is quantised, followed by how that is done.
pub fn fingerprint(checksums: &Checksums, precision: Precision) -> String {
    let mut lines: String = checksums.iter().map(|(name, sha256)| format!("{sha256}  {name}\n")).collect();
    if precision == Precision::Int8 {
        lines.push_str(&engine::method());
    }
    sha256(lines.as_bytes())
}

impl Reader<'_> {
    /// The bytes of a file; `None` if there is none, and none is known.
    fn find(&self, name: &str) -> Result<Option<Vec<u8>>> {
        // What else there is beside the files of all-MiniLM-L6-v2 is not looked at.
        if *self.files == Files::MiniLm && self.known(name).is_none() {
            return Ok(None);
        }
        let path = self.directory.join(name);
        match read(&path) {
            Ok(bytes) => self.note(name, &path, sha256(&bytes)).map(|()| Some(bytes)),
            Err(Error::FileMissing { .. }) if self.known(name).is_none() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Of all-MiniLM-L6-v2 the tokenizer is checked when it is read, once.
    fn note_tokenizer(&self, name: &str) -> Result<()> {
        match (self.files, self.known(name)) {
            (Files::MiniLm, Some(sha256)) => self.note(name, &self.directory.join(name), sha256.to_owned()),
            _ => {
                let path = self.directory.join(name);
                // Mapped, since it is many megabytes for some models.
                let sha256 = sha256(&map(&path)?);
                self.note(name, &path, sha256)
            }
        }
    }

    /// Weights that are known are checked when they are read.
    fn note_weights(&self, name: &str) -> Result<()> {
        let path = self.directory.join(name);
        if let Some(sha256) = self.known(name) {
            return self.note(name, &path, sha256.to_owned());
        }
        let old = path.with_file_name(OLD_WEIGHTS);
        if !path.exists() && old.exists() {
            let (field, found, supported) = ("format".to_owned(), "PyTorch's pickle".to_owned(), WEIGHTS.to_owned());
            return Err(Error::Unsupported { path: old, field, found, supported });
        }
        self.note(name, &path, sha256(&map(&path)?))
    }

    fn known(&self, name: &str) -> Option<&str> {
        match self.files {
            Files::MiniLm => MINILM.iter().find(|(known, _)| *known == name).map(|(_, sha256)| *sha256),
            Files::Recorded(checksums) => checksums.get(name).map(String::as_str),
            Files::Any => None,
        }
    }

    fn note(&self, name: &str, path: &Path, sha256: String) -> Result<()> {
        let expected = match self.files {
            Files::Any => &sha256,
            _ => self.known(name).unwrap_or("no such file"),
        };
        if sha256 != expected {
            return Err(Error::ChecksumMismatch {
                path: path.to_owned(),
                expected: expected.to_owned(),
                found: sha256,
            });
        }
        self.seen.borrow_mut().insert(name.to_owned(), sha256);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| Error::io("read", path, e))?;
    Ok(bytes)
}

#[allow(unsafe_code)]
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    // SAFETY: the mapping is read only. The file is installed by the administrator, or compiled here, and replaced by
    // rename; truncating it in place while it is being read is what no reader can survive.
    let mapped: io::Result<Mmap> = File::open(path).and_then(|file| unsafe { Mmap::map(&file) });
    mapped.map_err(|e| Error::io("read", path, e))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILES: [(&str, &str); 9] = [
        (
            config::MODULES,
            r#"[{"path": "0", "type": "sentence_transformers.models.Transformer"},
            {"path": "1", "type": "sentence_transformers.models.Pooling"},
            {"path": "2", "type": "sentence_transformers.models.Dense"},
            {"path": "3", "type": "sentence_transformers.models.Normalize"}]"#,
        ),
        (
            "0/config.json",
            r#"{"hidden_size": 4, "intermediate_size": 6, "layer_norm_eps": 1e-12, "max_position_embeddings": 9,
            "model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 5,
            "type_vocab_size": 2}"#,
        ),
        ("0/tokenizer_config.json", r#"{"model_max_length": 8}"#),
        ("0/tokenizer.json", "{}"),
        ("0/model.safetensors", "weights"),
        ("1/config.json", r#"{"embedding_dimension": 4, "pooling_mode": "mean"}"#),
        ("2/config.json", r#"{"in_features": 4, "out_features": 3}"#),
        ("2/model.safetensors", "more weights"),
        (
            "config_sentence_transformers.json",
            r#"{"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "passage"}"#,
        ),
    ];

    fn write(directory: &Path) {
        for (name, text) in FILES {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn any(directory: &Path) -> Result<Model> {
        Model::open(directory, &Files::Any, Precision::Exact)
    }

    #[test]
    fn the_fingerprint_is_that_of_the_deciding_files_wherever_they_are() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path());
        write(other.path());
        fs::write(other.path().join("README.md"), "of no effect").unwrap();
        fs::write(other.path().join("0/vocab.txt"), "of no effect").unwrap();
        let model = any(one.path()).unwrap();
        assert_eq!(
            model.checksums().keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
            FILES.map(|(name, _)| name).into()
        );
        let fingerprint = model.fingerprint();
        assert_eq!(any(other.path()).unwrap().fingerprint(), fingerprint);
        assert_eq!(model.label(), format!("bert-{}", &fingerprint[..16]));
        for (name, text) in FILES {
            // White space is of no effect on JSON, but it is on the file.
            fs::write(other.path().join(name), format!("{text} ")).unwrap();
            assert_ne!(any(other.path()).unwrap().fingerprint(), fingerprint, "{name}");
            fs::write(other.path().join(name), text).unwrap();
        }
        fs::write(other.path().join("0/sentence_bert_config.json"), "{}").unwrap();
        assert_ne!(any(other.path()).unwrap().fingerprint(), fingerprint);
    }

    #[test]
    fn recorded_files_and_no_others_are_accepted() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path());
        let model = any(directory.path()).unwrap();
        let files = Files::Recorded(model.checksums().clone());
        let recorded = Model::open(directory.path(), &files, Precision::Exact).unwrap();
        assert_eq!(recorded.checksums(), model.checksums());
        for (name, text) in FILES {
            let path = directory.path().join(name);
            let mismatch =
                |error: Error| matches!(&error, Error::ChecksumMismatch { path: found, .. } if *found == path);
            fs::write(&path, format!("{text} ")).unwrap();
            // Weights are read when they are needed.
            let opened = Model::open(directory.path(), &files, Precision::Exact);
            let weights = opened.and_then(|model| model.weights().collect::<Result<Vec<_>>>());
            assert!(weights.is_err_and(mismatch), "{name}");
            fs::remove_file(&path).unwrap();
            let opened = Model::open(directory.path(), &files, Precision::Exact);
            let weights = opened.and_then(|model| model.weights().collect::<Result<Vec<_>>>());
            assert!(matches!(weights, Err(Error::FileMissing { path: found }) if found == path), "{name}");
            fs::write(&path, text).unwrap();
        }
        let new = directory.path().join("3/config.json");
        fs::create_dir(new.parent().unwrap()).unwrap();
        fs::write(&new, "{}").unwrap();
        let found = Model::open(directory.path(), &files, Precision::Exact);
        assert!(matches!(found, Err(Error::ChecksumMismatch { path, .. }) if path == new));
    }

    #[test]
    fn weights_in_another_format_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path());
        for module in ["0", "2"] {
            let [new, old] = [WEIGHTS, OLD_WEIGHTS].map(|name| directory.path().join(module).join(name));
            fs::rename(&new, &old).unwrap();
            assert!(matches!(any(directory.path()), Err(Error::Unsupported { path, .. }) if path == old));
            fs::remove_file(&old).unwrap();
            assert!(matches!(any(directory.path()), Err(Error::FileMissing { path }) if path == new));
            fs::write(&new, "weights").unwrap();
        }
    }

    #[test]
    fn a_prompt_is_found_by_its_name_or_is_the_default() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path());
        let model = any(directory.path()).unwrap();
        assert_eq!(model.prompt(Some("query")).unwrap(), "query: ");
        assert_eq!(model.prompt(None).unwrap(), "passage: ");
        let error = model.prompt(Some("title")).unwrap_err();
        assert_eq!(error.to_string(), "prompt \"title\" does not exist");
        assert_eq!(error.detail().as_deref(), Some("The model's prompts are \"passage\", \"query\"."));
        fs::remove_file(directory.path().join("config_sentence_transformers.json")).unwrap();
        let model = any(directory.path()).unwrap();
        assert_eq!(model.prompt(None).unwrap(), "");
        assert_eq!(model.prompt(Some("x")).unwrap_err().detail().as_deref(), Some("The model has no prompts."));
        assert_eq!((model.dimensions(), model.max_tokens()), (3, 8));
        assert_eq!((model.architecture(), model.pooling()), ("bert", "mean"));
    }
}
