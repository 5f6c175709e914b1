//! The configuration of a model, read from the files of a directory in the layout of sentence-transformers.
//!
//! What is not known to be supported is refused: a setting that is passed over would give other vectors than the
//! reference's.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde_json::{Value, json};

use super::json::{Json, Read};
use crate::error::{Error, Result};

pub const MODULES: &str = "modules.json";
const CONFIG: &str = "config.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Under which names the settings of the transformer module stand: the first that is there.
const SENTENCE: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// Far more than any encoder has.
const MOST_LAYERS: usize = 1000;

/// What module types begin with that are sentence-transformers' own. Others are code of the model's.
const OWN_MODULES: &str = "sentence_transformers.";
/// What a pooling module leaves its vector in, and those after it find it in.
const VECTOR: &str = "sentence_embedding";

/// The shape of the transformer and what is done with its output.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub architecture: Architecture,
    /// The name of the architecture in the model's files.
    pub model_type: String,
    pub layers: usize,
    pub heads: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    pub vocabulary: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Rows of the token type table, of which the first is used; 0 if there is none.
    pub token_types: usize,
    /// The token that fills up texts.
    pub padding: usize,
    pub epsilon: f32,
    /// Most tokens of one text, the first and the last one included.
    pub max_tokens: usize,
    /// Whether texts are lower-cased before they are tokenized.
    pub lower_case: bool,
    pub pooling: Pooling,
    /// What is done with the pooled vector, in this order.
    pub steps: Vec<Step>,
    /// The directory of the transformer's files within the model's; empty if it is the same.
    pub transformer: String,
}

/// The families of encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Bert,
    Roberta,
    DistilBert,
}

/// How the hidden states of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    Mean,
    /// The hidden state of the first token.
    Cls,
}

/// A module after pooling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Dense(Dense),
    /// To unit length.
    Normalize,
}

/// A dense layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// Its directory within the model's.
    pub path: String,
    pub inputs: usize,
    pub outputs: usize,
    pub bias: bool,
    /// Whether the hyperbolic tangent is applied; otherwise it is linear.
    pub tanh: bool,
}

/// The texts that may stand before a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompts {
    pub texts: BTreeMap<String, String>,
    /// The name of the one that stands there if no other is asked for.
    pub default: Option<String>,
}

/// `file` in the directory `path` within the model's.
pub fn join(path: &str, file: &str) -> String {
    if path.is_empty() { file.to_owned() } else { format!("{path}/{file}") }
}

impl Config {
    /// Reads the configuration of the model in `directory`, which only its complaints name.
    pub fn read(directory: &Path, read: Read) -> Result<(Self, Prompts)> {
        let modules = Json::read(directory, MODULES, read)?;
        let paths = module_paths(&modules)?;
        let [(_, transformer), (_, pooling), after @ ..] = &paths[..] else {
            return Err(sequence(&modules));
        };
        let pooling = Json::read(directory, &join(pooling, "config.json"), read)?;
        let mut config = Self::transformer(directory, transformer, read)?;
        config.pooling = pooling_mode(&pooling, config.hidden)?;
        let mut width = config.hidden;
        for (kind, path) in after {
            let file = join(path, "config.json");
            config.steps.push(match kind.as_str() {
                "Dense" => Step::Dense(Dense::read(&Json::read(directory, &file, read)?, path, &mut width)?),
                _ => normalize(Json::find(directory, &file, read)?)?,
            });
        }
        let prompts = prompts(Json::find(directory, PROMPTS, read)?)?;
        if *pooling.field("include_prompt") == json!(false) && prompts.texts.values().any(|text| !text.is_empty()) {
            return Err(pooling.unsupported("include_prompt", "true for a model with prompts"));
        }
        Ok((config, prompts))
    }

    /// The transformer and its limits; pooling and what comes after it are still to be set.
    fn transformer(directory: &Path, path: &str, read: Read) -> Result<Self> {
        if let Some(adapter) = Json::find(directory, &join(path, "adapter_config.json"), read)? {
            return Err(adapter.unsupported("peft_type", "a model into which its adapter is merged"));
        }
        let file = Json::read(directory, &join(path, CONFIG), read)?;
        let model_type: String = file.get("model_type")?;
        let architecture = match model_type.as_str() {
            "bert" => Architecture::Bert,
            "roberta" | "xlm-roberta" | "camembert" => Architecture::Roberta,
            "distilbert" => Architecture::DistilBert,
            _ => {
                let supported = "\"bert\", \"roberta\", \"xlm-roberta\", \"camembert\" or \"distilbert\"";
                return Err(file.unsupported("model_type", supported));
            }
        };
        // The reference computes in the precision that stands here.
        for field in ["dtype", "torch_dtype"] {
            file.expect_if_given(field, "float32")?;
        }
        for field in ["is_decoder", "add_cross_attention", "sinusoidal_pos_embds"] {
            file.expect_if_given(field, false)?;
        }
        if !file.field("quantization_config").is_null() {
            return Err(file.unsupported("quantization_config", "a model that is not quantized"));
        }
        file.expect_if_given("position_embedding_type", "absolute")?;
        let mut config = match architecture {
            Architecture::DistilBert => Self::distilbert(&file)?,
            Architecture::Bert | Architecture::Roberta => Self::bert(&file, architecture)?,
        };
        config.model_type = model_type;
        config.transformer = path.to_owned();
        config.read_limits(directory, &file, read)?;
        Ok(config)
    }

    /// The sizes of BERT and of those that are called as it calls them.
    fn bert(file: &Json, architecture: Architecture) -> Result<Self> {
        file.expect_if_given("hidden_act", "gelu")?;
        let config = Self {
            architecture,
            model_type: String::new(),
            layers: file.get("num_hidden_layers")?,
            heads: file.get("num_attention_heads")?,
            hidden: file.get("hidden_size")?,
            intermediate: file.get("intermediate_size")?,
            vocabulary: file.get("vocab_size")?,
            positions: file.get("max_position_embeddings")?,
            token_types: file.get("type_vocab_size")?,
            padding: match architecture {
                Architecture::Roberta => file.get("pad_token_id")?,
                _ => 0,
            },
            epsilon: file.get("layer_norm_eps")?,
            max_tokens: 0,
            lower_case: false,
            pooling: Pooling::Mean,
            steps: Vec::new(),
            transformer: String::new(),
        };
        config.check_sizes(file, ["num_hidden_layers", "num_attention_heads", "hidden_size"])?;
        if config.token_types == 0 {
            return Err(file.unsupported("type_vocab_size", "1 or more"));
        }
        Ok(config)
    }

    fn distilbert(file: &Json) -> Result<Self> {
        file.expect_if_given("activation", "gelu")?;
        let config = Self {
            architecture: Architecture::DistilBert,
            model_type: String::new(),
            layers: file.get("n_layers")?,
            heads: file.get("n_heads")?,
            hidden: file.get("dim")?,
            intermediate: file.get("hidden_dim")?,
            vocabulary: file.get("vocab_size")?,
            positions: file.get("max_position_embeddings")?,
            token_types: 0,
            padding: 0,
            // Fixed in its code.
            epsilon: 1e-12,
            max_tokens: 0,
            lower_case: false,
            pooling: Pooling::Mean,
            steps: Vec::new(),
            transformer: String::new(),
        };
        config.check_sizes(file, ["n_layers", "n_heads", "dim"])?;
        Ok(config)
    }

    /// Checks the numbers that no tensor's shape is compared with; they stand in these fields.
    fn check_sizes(&self, file: &Json, [layers, heads, hidden]: [&str; 3]) -> Result<()> {
        if !(1..=MOST_LAYERS).contains(&self.layers) {
            return Err(file.unsupported(layers, format!("1 to {MOST_LAYERS}")));
        }
        if self.hidden == 0 {
            return Err(file.unsupported(hidden, "1 or more"));
        }
        if self.heads == 0 || !self.hidden.is_multiple_of(self.heads) {
            return Err(file.unsupported(heads, format!("a divisor of {}", self.hidden)));
        }
        Ok(())
    }

    /// The limit on tokens, and lower-casing, from where sentence-transformers takes them.
    fn read_limits(&mut self, directory: &Path, file: &Json, read: Read) -> Result<()> {
        let mut sentence = None;
        for name in SENTENCE {
            sentence = Json::find(directory, &join(&self.transformer, name), read)?;
            if sentence.is_some() {
                break;
            }
        }
        let mut limit = None;
        if let Some(sentence) = sentence {
            sentence.expect_if_given("transformer_task", "feature-extraction")?;
            sentence.expect_if_given("module_output_name", "token_embeddings")?;
            let text = json!({"text": {"method": "forward", "method_output_name": "last_hidden_state"}});
            sentence.expect_if_given("modality_config", text)?;
            sentence.expect_nothing_but(&[
                "max_seq_length",
                "do_lower_case",
                "transformer_task",
                "module_output_name",
                "modality_config",
                // How texts of a batch are put together, not what becomes of them.
                "unpad_inputs",
            ])?;
            self.lower_case = sentence.get::<Option<bool>>("do_lower_case")?.unwrap_or_default();
            if !sentence.field("max_seq_length").is_null() {
                limit = Some((sentence.get::<f64>("max_seq_length")?, "max_seq_length", sentence));
            }
        }
        let (found, field, source) = match limit {
            Some(limit) => limit,
            None => {
                let name = join(&self.transformer, TOKENIZER_CONFIG);
                let nothing = || Json { path: directory.join(&name), value: Value::Null };
                let source = Json::find(directory, &name, read)?.unwrap_or_else(nothing);
                // The file may have a number that stands for none.
                let own = source.get::<Option<f64>>("model_max_length")?.unwrap_or(f64::INFINITY);
                (own.min(file.get("max_position_embeddings")?), "model_max_length", source)
            }
        };
        let most = self.longest();
        // The first and the last token, and one between them.
        if !(3.0..=most as f64).contains(&found) || found.fract() != 0.0 {
            return Err(source.unsupported(field, format!("3 to {most}")));
        }
        self.max_tokens = found as usize;
        Ok(())
    }

    /// Most tokens for which the position table has rows.
    fn longest(&self) -> usize {
        match self.architecture {
            // The first row for a token is that after the padding token's.
            Architecture::Roberta => self.positions.saturating_sub(self.padding + 1),
            Architecture::Bert | Architecture::DistilBert => self.positions,
        }
    }

    /// Width of the vector.
    pub fn dimensions(&self) -> usize {
        let dense = self.steps.iter().rev().find_map(|step| match step {
            Step::Dense(dense) => Some(dense.outputs),
            Step::Normalize => None,
        });
        dense.unwrap_or(self.hidden)
    }

    /// The dense layers, in their order.
    pub fn dense(&self) -> impl Iterator<Item = &Dense> {
        self.steps.iter().filter_map(|step| match step {
            Step::Dense(dense) => Some(dense),
            Step::Normalize => None,
        })
    }
}

/// Type and directory of each module, after a check that the sequence is supported.
fn module_paths(modules: &Json) -> Result<Vec<(String, String)>> {
    let text = |module: &Value, field| module.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut paths = Vec::new();
    for module in modules.value.as_array().map(Vec::as_slice).unwrap_or_default() {
        let (full, path) = (text(module, "type"), text(module, "path"));
        if !full.starts_with(OWN_MODULES) {
            return Err(modules.unsupported_value("type", format!("\"{full}\""), "a module of sentence-transformers"));
        }
        if !Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(modules.unsupported_value("path", format!("\"{path}\""), "a directory within the model's"));
        }
        let kind = full.rsplit('.').next().unwrap_or_default().to_owned();
        paths.push((kind, path.trim_end_matches('/').to_owned()));
    }
    let kinds: Vec<&str> = paths.iter().map(|(kind, _)| kind.as_str()).collect();
    match kinds[..] {
        ["Transformer", "Pooling", ref after @ ..]
            if after.iter().all(|kind| ["Dense", "Normalize"].contains(kind)) =>
        {
            Ok(paths)
        }
        _ => Err(sequence(modules)),
    }
}

fn sequence(modules: &Json) -> Error {
    let types: Vec<&Value> = modules.value.as_array().into_iter().flatten().filter_map(|m| m.get("type")).collect();
    let found = serde_json::to_string(&types).unwrap_or_default();
    modules.unsupported_value(
        "type",
        found,
        "the sequence Transformer, Pooling, and then Dense or Normalize or nothing",
    )
}

fn pooling_mode(file: &Json, hidden: usize) -> Result<Pooling> {
    const MEAN: &str = "pooling_mode_mean_tokens";
    const CLS: &str = "pooling_mode_cls_token";
    const OTHERS: [&str; 4] = [
        "pooling_mode_max_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens",
        "pooling_mode_lasttoken",
    ];
    let mut known =
        vec!["word_embedding_dimension", "embedding_dimension", "pooling_mode", "include_prompt", MEAN, CLS];
    known.extend(OTHERS);
    file.expect_nothing_but(&known)?;
    let width = if file.field("embedding_dimension").is_null() { known[0] } else { known[1] };
    file.expect(width, hidden)?;
    // Since version 6 of sentence-transformers there is one field; if it is there, the older ones do not count.
    match file.field("pooling_mode") {
        Value::Null => {}
        Value::String(mode) if mode == "mean" => return Ok(Pooling::Mean),
        Value::String(mode) if mode == "cls" => return Ok(Pooling::Cls),
        _ => return Err(file.unsupported("pooling_mode", "\"mean\" or \"cls\"")),
    }
    for mode in OTHERS {
        file.expect_if_given(mode, false)?;
    }
    match [MEAN, CLS].map(|mode| *file.field(mode) == json!(true)) {
        [true, false] => Ok(Pooling::Mean),
        [false, true] => Ok(Pooling::Cls),
        [true, true] => Err(file.unsupported(CLS, format!("false, since \"{MEAN}\" is true"))),
        [false, false] => Err(file.unsupported(MEAN, format!("true, unless \"{CLS}\" is true"))),
    }
}

impl Dense {
    /// Reads a layer that is applied to a vector of the width `width`, and leaves one of another width.
    fn read(file: &Json, path: &str, width: &mut usize) -> Result<Self> {
        file.expect_nothing_but(&[
            "in_features",
            "out_features",
            "bias",
            "activation_function",
            "module_input_name",
            "module_output_name",
        ])?;
        for field in ["module_input_name", "module_output_name"] {
            file.expect_if_given(field, VECTOR)?;
        }
        file.expect("in_features", *width)?;
        let outputs = file.get("out_features")?;
        if outputs == 0 {
            return Err(file.unsupported("out_features", "1 or more"));
        }
        let tanh = match file.field("activation_function").as_str().unwrap_or("torch.nn.modules.activation.Tanh") {
            "torch.nn.modules.activation.Tanh" => true,
            "torch.nn.modules.linear.Identity" => false,
            _ => {
                let supported = "\"torch.nn.modules.activation.Tanh\" or \"torch.nn.modules.linear.Identity\"";
                return Err(file.unsupported("activation_function", supported));
            }
        };
        let bias = file.get::<Option<bool>>("bias")?.unwrap_or(true);
        let inputs = std::mem::replace(width, outputs);
        Ok(Self { path: path.to_owned(), inputs, outputs, bias, tanh })
    }
}

/// Up to version 5 of sentence-transformers the module has no file.
fn normalize(file: Option<Json>) -> Result<Step> {
    if let Some(file) = file {
        file.expect_nothing_but(&["module_input_name", "module_output_name"])?;
        for field in ["module_input_name", "module_output_name"] {
            file.expect_if_given(field, VECTOR)?;
        }
    }
    Ok(Step::Normalize)
}

fn prompts(file: Option<Json>) -> Result<Prompts> {
    let Some(file) = file else { return Ok(Prompts::default()) };
    file.expect_if_given("model_type", "SentenceTransformer")?;
    let texts: Option<BTreeMap<String, Option<String>>> = file.get("prompts")?;
    let texts: BTreeMap<String, String> =
        texts.into_iter().flatten().map(|(name, text)| (name, text.unwrap_or_default())).collect();
    let default: Option<String> = file.get("default_prompt_name")?;
    if default.as_ref().is_some_and(|name| !texts.contains_key(name)) {
        return Err(file.unsupported("default_prompt_name", "a name in \"prompts\""));
    }
    Ok(Prompts { texts, default })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINILM: [(&str, &str); 4] = [
        (
            CONFIG,
            r#"{"hidden_act": "gelu", "hidden_size": 384, "intermediate_size": 1536, "layer_norm_eps": 1e-12,
            "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 6,
            "vocab_size": 30522, "type_vocab_size": 2, "position_embedding_type": "absolute"}"#,
        ),
        (SENTENCE[0], r#"{"max_seq_length": 256, "do_lower_case": false}"#),
        (
            MODULES,
            r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#,
        ),
        (
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension": 384, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true,
            "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false}"#,
        ),
    ];
    const DENSE: &str = r#"{"in_features": 384, "out_features": 128, "bias": true,
        "activation_function": "torch.nn.modules.activation.Tanh"}"#;

    /// The configuration of the files of all-MiniLM-L6-v2, small enough to stand here, with others beside them or in
    /// their place. An empty file is none.
    fn read(others: &[(&str, &str)]) -> Result<(Config, Prompts)> {
        let find = |name: &str| {
            let files = others.iter().chain(&MINILM);
            let found = files.into_iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
            Ok(found.filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec()))
        };
        Config::read(Path::new("/model"), &find)
    }

    /// The same with one replacement in one file.
    fn read_with(file: &str, from: &str, to: &str) -> Result<(Config, Prompts)> {
        let (_, text) = MINILM.iter().find(|(name, _)| *name == file).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        read(&[(file, &text.replacen(from, to, 1))])
    }

    fn modules(kinds: &[&str]) -> String {
        let module = |kind: &&str| format!(r#"{{"path": "{kind}", "type": "sentence_transformers.models.{kind}"}}"#);
        let all: Vec<String> = kinds.iter().map(module).collect();
        format!("[{}]", all.join(","))
    }

    fn assert_refused(found: Result<(Config, Prompts)>, file: &str, field: &str) {
        match found {
            Err(error @ Error::Unsupported { .. }) => {
                let Error::Unsupported { path, field: found, .. } = &error else { unreachable!() };
                assert_eq!(path, &Path::new("/model").join(file), "{error:?}");
                assert_eq!(found, field, "{error:?}");
                assert!(error.detail().is_some_and(|detail| detail.contains("supported is")), "{error:?}");
            }
            other => panic!("{file}, {field}: {other:?}"),
        }
    }

    #[test]
    fn reads_the_official_configuration() {
        let (config, prompts) = read(&[]).unwrap();
        assert_eq!((config.layers, config.heads, config.max_tokens), (6, 12, 256));
        assert_eq!((config.architecture, config.dimensions(), config.lower_case), (Architecture::Bert, 384, false));
        assert_eq!((config.pooling, &config.steps[..]), (Pooling::Mean, &[Step::Normalize][..]));
        assert_eq!(prompts, Prompts::default());
    }

    #[test]
    fn refuses_what_it_does_not_support_and_names_file_and_field() {
        let pooling = "1_Pooling/config.json";
        for (file, from, to, field) in [
            (CONFIG, "\"gelu\"", "\"relu\"", "hidden_act"),
            (CONFIG, "\"bert\"", "\"mpnet\"", "model_type"),
            (CONFIG, "\"absolute\"", "\"relative_key\"", "position_embedding_type"),
            (CONFIG, ": 12,", ": 7,", "num_attention_heads"),
            (CONFIG, "layers\": 6", "layers\": 1000000000000", "num_hidden_layers"),
            (CONFIG, "{", "{\"dtype\": \"float16\", ", "dtype"),
            (CONFIG, "{", "{\"torch_dtype\": \"bfloat16\", ", "torch_dtype"),
            (CONFIG, "{", "{\"is_decoder\": true, ", "is_decoder"),
            (CONFIG, "{", "{\"quantization_config\": {}, ", "quantization_config"),
            (CONFIG, "\"type_vocab_size\": 2", "\"type_vocab_size\": 0", "type_vocab_size"),
            (SENTENCE[0], "256", "1024", "max_seq_length"),
            (SENTENCE[0], "256", "2", "max_seq_length"),
            (SENTENCE[0], "256", "25.5", "max_seq_length"),
            (SENTENCE[0], "{", "{\"query_length\": 32, ", "query_length"),
            (SENTENCE[0], "{", "{\"model_args\": {\"dtype\": \"float16\"}, ", "model_args"),
            (SENTENCE[0], "{", "{\"module_output_name\": \"other\", ", "module_output_name"),
            (SENTENCE[0], "{", "{\"modality_config\": {}, ", "modality_config"),
            (pooling, "384", "385", "word_embedding_dimension"),
            (pooling, "cls_token\": false", "cls_token\": true", "pooling_mode_cls_token"),
            (pooling, "mean_tokens\": true", "mean_tokens\": false", "pooling_mode_mean_tokens"),
            (pooling, "max_tokens\": false", "max_tokens\": true", "pooling_mode_max_tokens"),
            (pooling, "{", "{\"pooling_mode\": \"lasttoken\", ", "pooling_mode"),
            (pooling, "{", "{\"pooling_mode\": [\"mean\", \"cls\"], ", "pooling_mode"),
            (pooling, "{", "{\"something_new\": 1, ", "something_new"),
            (MODULES, "models.Normalize", "models.LayerNorm", "type"),
            (MODULES, "models.Transformer", "models.StaticEmbedding", "type"),
            (MODULES, "sentence_transformers.models.Pooling", "of_the_model.Pooling", "type"),
            (MODULES, "1_Pooling", "../1_Pooling", "path"),
            (MODULES, "1_Pooling", "/1_Pooling", "path"),
        ] {
            assert_refused(read_with(file, from, to), file, field);
        }
        assert_refused(read(&[(MODULES, "[]")]), MODULES, "type");
        assert_refused(read(&[("adapter_config.json", "{}")]), "adapter_config.json", "peft_type");
        let normalize = r#"{"module_input_name": "token_embeddings"}"#;
        assert_refused(read(&[("2_Normalize/config.json", normalize)]), "2_Normalize/config.json", "module_input_name");
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
        assert!(matches!(read(&[(CONFIG, "")]), Err(Error::FileMissing { path }) if path.ends_with(CONFIG)));
    }

    #[test]
    fn a_directory_of_its_own_and_newer_module_types_are_read() {
        let modules = r#"[
            {"path": "0_Transformer/", "type": "sentence_transformers.base.modules.transformer.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}]"#;
        let (config, _) = read(&[
            (MODULES, modules),
            ("0_Transformer/config.json", MINILM[0].1),
            ("0_Transformer/sentence_roberta_config.json", r#"{"max_seq_length": 100, "do_lower_case": true}"#),
            ("1_Pooling/config.json", r#"{"embedding_dimension": 384, "pooling_mode": "cls"}"#),
        ])
        .unwrap();
        assert_eq!((config.transformer.as_str(), config.max_tokens, config.lower_case), ("0_Transformer", 100, true));
        assert_eq!((config.pooling, config.steps), (Pooling::Cls, vec![]));
    }

    #[test]
    fn dense_layers_fit_to_each_other() {
        let modules = modules(&["Transformer", "Pooling", "Dense", "Normalize"]);
        let files = |dense: &str| {
            let transformer = ("Transformer/config.json", MINILM[0].1);
            read(&[
                (MODULES, &modules),
                transformer,
                ("Pooling/config.json", MINILM[3].1),
                ("Dense/config.json", dense),
            ])
        };
        let (config, _) = files(DENSE).unwrap();
        assert_eq!((config.dimensions(), config.dense().count()), (128, 1));
        assert!(config.dense().all(|dense| dense.tanh && dense.bias));
        for (from, to, field) in [
            ("384", "383", "in_features"),
            ("128", "0", "out_features"),
            ("activation.Tanh", "activation.GELU", "activation_function"),
            ("{", "{\"use_residual\": true, ", "use_residual"),
            ("{", "{\"module_input_name\": \"token_embeddings\", ", "module_input_name"),
        ] {
            assert_refused(files(&DENSE.replace(from, to)), "Dense/config.json", field);
        }
    }

    #[test]
    fn the_limit_comes_from_where_the_reference_takes_it() {
        let of = |sentence: &str, tokenizer: &str| read(&[(SENTENCE[0], sentence), (TOKENIZER_CONFIG, tokenizer)]);
        let limit = |sentence, tokenizer| of(sentence, tokenizer).unwrap().0.max_tokens;
        assert_eq!(limit("{\"max_seq_length\": 10}", "{\"model_max_length\": 20}"), 10);
        assert_eq!(limit("{\"max_seq_length\": null}", "{\"model_max_length\": 20}"), 20);
        assert_eq!(limit("", "{\"model_max_length\": 1000000000000000019884624838656}"), 512);
        assert_eq!(limit("", ""), 512);
        // What is left of the position table behind the padding token.
        let (_, bert) = MINILM[0];
        let roberta = bert.replace("\"bert\"", "\"xlm-roberta\"").replace("{", "{\"pad_token_id\": 1, ");
        let of = |limit: &str| read(&[(CONFIG, &roberta), (SENTENCE[0], ""), (TOKENIZER_CONFIG, limit)]);
        assert_eq!(of("{\"model_max_length\": 510}").unwrap().0.max_tokens, 510);
        assert_refused(of("{\"model_max_length\": 511}"), TOKENIZER_CONFIG, "model_max_length");
        assert_refused(of(""), TOKENIZER_CONFIG, "model_max_length");
    }

    #[test]
    fn prompts_are_read_and_are_part_of_what_is_pooled() {
        let of = |text: &str| read(&[(PROMPTS, text)]);
        let (_, prompts) =
            of(r#"{"prompts": {"query": "q: ", "none": null}, "default_prompt_name": "query"}"#).unwrap();
        assert_eq!(prompts.texts, BTreeMap::from([("query".into(), "q: ".into()), ("none".into(), String::new())]));
        assert_eq!(prompts.default.as_deref(), Some("query"));
        assert_refused(of(r#"{"default_prompt_name": "query"}"#), PROMPTS, "default_prompt_name");
        assert_refused(of(r#"{"model_type": "SparseEncoder"}"#), PROMPTS, "model_type");
        let pooling = MINILM[3].1.replace("{", "{\"include_prompt\": false, ");
        let with = |text: &str| read(&[(PROMPTS, text), ("1_Pooling/config.json", &pooling)]);
        assert!(with(r#"{"prompts": {"query": ""}}"#).is_ok());
        assert_refused(with(r#"{"prompts": {"query": "q: "}}"#), "1_Pooling/config.json", "include_prompt");
    }
}
