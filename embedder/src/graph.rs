//! The weights and the configuration of a model to the fused graph, described without ONNX Runtime.
//!
//! The graph takes token ids and an attention mask, both int32 of shape (texts, tokens), and gives float32 vectors
//! of shape (texts, dimensions): an encoder, pooling, and the modules after it.
//! It is written with ONNX Runtime's own fused operators, so no optimiser has to find them.
//!
//! What the encoders differ in stands in a file for each: the names of their tensors, and how positions are counted.

mod bert;
mod distilbert;
mod roberta;

use std::path::Path;

use ndarray::{Array, Array1, Array2, ArrayD, Axis, IxDyn, concatenate};
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::model::{Architecture, Config, Dense, Pooling, Step};

pub const INPUT_IDS: &str = "input_ids";
pub const ATTENTION_MASK: &str = "attention_mask";
pub const EMBEDDING: &str = "embedding";

/// Domain of ONNX Runtime's fused operators.
pub const MICROSOFT_DOMAIN: &str = "com.microsoft";
/// Domain of the standard ONNX operators.
pub const ONNX_DOMAIN: &str = "";
/// Version of the standard operators.
pub const ONNX_OPSET: u32 = 21;

/// One operation.
#[derive(Debug, PartialEq)]
pub struct Node {
    pub operator: &'static str,
    pub domain: &'static str,
    pub inputs: Vec<String>,
    /// The first one is also the node's name.
    pub outputs: Vec<String>,
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// A constant of an operation.
#[derive(Debug, PartialEq)]
pub enum Attribute {
    Int(i64),
    Ints(&'static [i64]),
    String(&'static str),
    Float(f32),
}

/// What an architecture calls its tensors. Those of the embeddings have the same names in all.
struct Names {
    /// What stands before all names in some files: those of a model with a head that is left out.
    prefix: &'static str,
    layer: &'static str,
    qkv: [&'static str; 3],
    projection: &'static str,
    projection_norm: &'static str,
    intermediate: &'static str,
    output: &'static str,
    output_norm: &'static str,
}

impl Names {
    fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Bert => bert::NAMES,
            Architecture::Roberta => roberta::NAMES,
            Architecture::DistilBert => distilbert::NAMES,
        }
    }
}

/// The operations of `config`, in the order in which they run.
pub fn nodes(config: &Config) -> Vec<Node> {
    let mut graph = Builder { epsilon: config.epsilon, heads: config.heads as i64, nodes: Vec::new() };
    let positions = match config.architecture {
        Architecture::Roberta => Some(roberta::positions(&mut graph, config.padding)),
        Architecture::Bert | Architecture::DistilBert => None,
    };
    graph.embeddings(positions);
    let mut hidden = "embeddings".to_owned();
    for layer in 0..config.layers {
        hidden = graph.layer(layer, &hidden);
    }
    graph.pooling(config, &hidden);
    graph.nodes
}

struct Builder {
    epsilon: f32,
    heads: i64,
    nodes: Vec<Node>,
}

impl Builder {
    fn add(
        &mut self,
        (domain, operator): (&'static str, &'static str),
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(Node { operator, domain, inputs: owned(inputs), outputs: owned(outputs), attributes });
    }

    fn constant(&mut self, name: &str, value: Attribute) {
        let kind = if matches!(value, Attribute::Ints(_)) { "value_ints" } else { "value_int" };
        self.add((ONNX_DOMAIN, "Constant"), &[], &[name], vec![(kind, value)]);
    }

    /// Sums word and position embeddings, normalises, and counts the mask. Without `positions` they are 0, 1, 2 …
    fn embeddings(&mut self, positions: Option<&str>) {
        let epsilon = vec![("epsilon", Attribute::Float(self.epsilon))];
        let mut inputs = vec![
            INPUT_IDS,
            "",
            "embeddings.word",
            "embeddings.position",
            "",
            "embeddings.gamma",
            "embeddings.beta",
            ATTENTION_MASK,
        ];
        inputs.extend(positions);
        let outputs = ["embeddings", "lengths"];
        self.add((MICROSOFT_DOMAIN, "EmbedLayerNormalization"), &inputs, &outputs, epsilon);
    }

    /// One encoder layer; returns the name of its output.
    fn layer(&mut self, layer: usize, input: &str) -> String {
        let name = |part: &str| format!("layer.{layer}.{part}");
        self.add(
            (MICROSOFT_DOMAIN, "Attention"),
            &[input, &name("qkv.weight"), &name("qkv.bias"), "lengths"],
            &[&name("attention")],
            vec![("num_heads", Attribute::Int(self.heads))],
        );
        let attended = self.dense_and_skip(&name("attention"), input, &name("projection"));
        self.add((ONNX_DOMAIN, "MatMul"), &[&attended, &name("intermediate.weight")], &[&name("intermediate")], vec![]);
        self.add(
            (MICROSOFT_DOMAIN, "BiasGelu"),
            &[&name("intermediate"), &name("intermediate.bias")],
            &[&name("activation")],
            vec![],
        );
        self.dense_and_skip(&name("activation"), &attended, &name("output"))
    }

    /// A dense layer, its bias, the residual connection and the normalisation after it.
    fn dense_and_skip(&mut self, input: &str, residual: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        self.add((ONNX_DOMAIN, "MatMul"), &[input, &part("weight")], &[&part("dense")], vec![]);
        self.add(
            (MICROSOFT_DOMAIN, "SkipLayerNormalization"),
            &[&part("dense"), residual, &part("gamma"), &part("beta"), &part("bias")],
            &[&part("normalized")],
            vec![("epsilon", Attribute::Float(self.epsilon))],
        );
        part("normalized")
    }

    /// The vector of a text from its hidden states, and the modules after it.
    fn pooling(&mut self, config: &Config, hidden: &str) {
        let is_normalized = config.steps.first() == Some(&Step::Normalize);
        let name = |step: usize| match step == config.steps.len() {
            true => EMBEDDING.to_owned(),
            false => format!("module.{step}"),
        };
        let mut vector = match config.pooling {
            // Mean and sum differ only in length.
            Pooling::Mean if is_normalized => self.sum(hidden),
            Pooling::Mean => self.mean(hidden, name(0)),
            Pooling::Cls => self.first(hidden, name(0)),
        };
        let mut dense = 0;
        for (step, module) in config.steps.iter().enumerate() {
            vector = match module {
                Step::Normalize => self.normalize(&vector, name(step + 1)),
                Step::Dense(layer) => {
                    dense += 1;
                    self.dense(dense - 1, layer, &vector, name(step + 1))
                }
            };
        }
    }

    /// The sum of the hidden states over the mask.
    fn sum(&mut self, hidden: &str) -> String {
        // 1 is FLOAT in ONNX's enumeration of element types.
        let float = vec![("to", Attribute::Int(1))];
        // b: texts, s: tokens, h: hidden.
        let sum = vec![("equation", Attribute::String("bs,bsh->bh"))];
        self.add((ONNX_DOMAIN, "Cast"), &[ATTENTION_MASK], &["pooling.mask"], float);
        self.add((ONNX_DOMAIN, "Einsum"), &["pooling.mask", hidden], &["pooling.sum"], sum);
        "pooling.sum".to_owned()
    }

    fn mean(&mut self, hidden: &str, output: String) -> String {
        let sum = self.sum(hidden);
        self.constant("pooling.axes", Attribute::Ints(&[1]));
        self.add((ONNX_DOMAIN, "ReduceSum"), &["pooling.mask", "pooling.axes"], &["pooling.count"], vec![]);
        self.add((ONNX_DOMAIN, "Div"), &[&sum, "pooling.count"], &[&output], vec![]);
        output
    }

    /// The hidden state of the first token.
    fn first(&mut self, hidden: &str, output: String) -> String {
        self.constant("pooling.first", Attribute::Int(0));
        let tokens = vec![("axis", Attribute::Int(1))];
        self.add((ONNX_DOMAIN, "Gather"), &[hidden, "pooling.first"], &[&output], tokens);
        output
    }

    fn normalize(&mut self, input: &str, output: String) -> String {
        self.add((ONNX_DOMAIN, "LpNormalization"), &[input], &[&output], vec![("p", Attribute::Int(2))]);
        output
    }

    /// The dense layer of this number.
    fn dense(&mut self, number: usize, layer: &Dense, input: &str, output: String) -> String {
        let part = |part: &str| format!("dense.{number}.{part}");
        let (weight, bias) = (part("weight"), part("bias"));
        let mut operations: Vec<(&'static str, Option<&str>)> = vec![("MatMul", Some(&weight))];
        operations.extend(layer.bias.then_some(("Add", Some(bias.as_str()))));
        operations.extend(layer.tanh.then_some(("Tanh", None)));
        let last = operations.len() - 1;
        let mut vector = input.to_owned();
        for (place, (operator, operand)) in operations.into_iter().enumerate() {
            let next = if place == last { output.clone() } else { part(operator) };
            let inputs: Vec<&str> = std::iter::once(vector.as_str()).chain(operand).collect();
            self.add((ONNX_DOMAIN, operator), &inputs, &[&next], vec![]);
            vector = next;
        }
        vector
    }
}

/// A weight of the graph under its name there.
pub type Initializer = (String, ArrayD<f32>);

/// The encoder's weights, made from the bytes of `model.safetensors` at `path`, one at a time.
///
/// # Errors
/// A tensor that is missing, or not float32 of the shape that `config` asks for.
pub fn initializers<'w>(
    config: &'w Config,
    path: &'w Path,
    bytes: &'w [u8],
) -> Result<impl Iterator<Item = Result<Initializer>> + 'w> {
    let names = Names::of(config.architecture);
    let weights = Weights::read(path, bytes, names.prefix)?;
    let parts = recipe(config, &names);
    Ok(parts.into_iter().map(move |(name, part)| Ok((name, weights.make(&part, config)?))))
}

/// The weights of the dense layer of this number, made from the bytes of its file at `path`.
///
/// # Errors
/// As for [`initializers`].
pub fn dense_initializers(number: usize, layer: &Dense, path: &Path, bytes: &[u8]) -> Result<Vec<Initializer>> {
    let weights = Weights::read(path, bytes, "")?;
    let matrix = weights.matrix("linear.weight", layer.inputs, layer.outputs)?;
    let mut initializers = vec![(format!("dense.{number}.weight"), matrix)];
    if layer.bias {
        initializers.push((format!("dense.{number}.bias"), weights.tensor("linear.bias", &[layer.outputs])?));
    }
    Ok(initializers)
}

/// How a weight of the graph is made from the tensors of the file.
enum Part {
    Words,
    /// Position embeddings plus the embedding of token type 0, the only type there is.
    Positions,
    /// A vector as it is: tensor name and length.
    Vector(String, usize),
    /// A dense layer's matrix, transposed: tensor name, width in, width out.
    Matrix(String, usize, usize),
    /// Query, key and value, side by side: tensor names.
    QkvMatrix([String; 3]),
    QkvVector([String; 3]),
}

fn recipe(config: &Config, names: &Names) -> Vec<(String, Part)> {
    let (hidden, intermediate) = (config.hidden, config.intermediate);
    let norm = "embeddings.LayerNorm";
    let mut parts = vec![
        ("embeddings.word".to_owned(), Part::Words),
        ("embeddings.position".to_owned(), Part::Positions),
        ("embeddings.gamma".to_owned(), Part::Vector(format!("{norm}.weight"), hidden)),
        ("embeddings.beta".to_owned(), Part::Vector(format!("{norm}.bias"), hidden)),
    ];
    for layer in 0..config.layers {
        let to = |part: &str| format!("layer.{layer}.{part}");
        let from = |name: &str, kind: &str| format!("{}.{layer}.{name}.{kind}", names.layer);
        parts.extend([
            (to("qkv.weight"), Part::QkvMatrix(names.qkv.map(|name| from(name, "weight")))),
            (to("qkv.bias"), Part::QkvVector(names.qkv.map(|name| from(name, "bias")))),
            (to("intermediate.weight"), Part::Matrix(from(names.intermediate, "weight"), hidden, intermediate)),
            (to("intermediate.bias"), Part::Vector(from(names.intermediate, "bias"), intermediate)),
        ]);
        for (name, dense, norm, width) in [
            ("projection", names.projection, names.projection_norm, hidden),
            ("output", names.output, names.output_norm, intermediate),
        ] {
            parts.extend([
                (to(&format!("{name}.weight")), Part::Matrix(from(dense, "weight"), width, hidden)),
                (to(&format!("{name}.bias")), Part::Vector(from(dense, "bias"), hidden)),
                (to(&format!("{name}.gamma")), Part::Vector(from(norm, "weight"), hidden)),
                (to(&format!("{name}.beta")), Part::Vector(from(norm, "bias"), hidden)),
            ]);
        }
    }
    parts
}

/// The tensors of a weights file.
struct Weights<'w> {
    path: &'w Path,
    tensors: SafeTensors<'w>,
    /// What stands before all names.
    prefix: &'static str,
}

const WORDS: &str = "embeddings.word_embeddings.weight";

impl<'w> Weights<'w> {
    /// Reads a file in which `prefix` may stand before all names.
    fn read(path: &'w Path, bytes: &'w [u8], prefix: &'static str) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|e| Error::Malformed { path: path.to_owned(), reason: e.to_string() })?;
        let has_prefix = tensors.tensor(&format!("{prefix}{WORDS}")).is_ok();
        Ok(Self { path, tensors, prefix: if has_prefix { prefix } else { "" } })
    }

    fn make(&self, part: &Part, config: &Config) -> Result<ArrayD<f32>> {
        let hidden = config.hidden;
        Ok(match part {
            Part::Words => self.tensor(WORDS, &[config.vocabulary, hidden])?,
            Part::Positions => self.positions(config)?,
            Part::Vector(name, width) => self.tensor(name, &[*width])?,
            Part::Matrix(name, width_in, width_out) => self.matrix(name, *width_in, *width_out)?,
            Part::QkvMatrix(names) => {
                let parts: Vec<Array2<f32>> = self.each(names, &[hidden, hidden])?;
                // Side by side after transposing is one below the other before.
                let stacked = concatenate![Axis(0), parts[0], parts[1], parts[2]];
                stacked.reversed_axes().as_standard_layout().into_owned().into_dyn()
            }
            Part::QkvVector(names) => {
                let parts: Vec<Array1<f32>> = self.each(names, &[hidden])?;
                concatenate![Axis(0), parts[0], parts[1], parts[2]].into_dyn()
            }
        })
    }

    fn positions(&self, config: &Config) -> Result<ArrayD<f32>> {
        let shape = [config.positions, config.hidden];
        let mut positions = self.tensor("embeddings.position_embeddings.weight", &shape)?;
        if config.token_types > 0 {
            let shape = [config.token_types, config.hidden];
            let types = self.tensor("embeddings.token_type_embeddings.weight", &shape)?;
            positions = positions + types.index_axis(Axis(0), 0);
        }
        if config.architecture == Architecture::Roberta {
            // Its positions are counted from the padding token's.
            positions = positions.slice_axis(Axis(0), (config.padding..).into()).to_owned();
        }
        Ok(positions)
    }

    fn matrix(&self, name: &str, width_in: usize, width_out: usize) -> Result<ArrayD<f32>> {
        let matrix = self.tensor(name, &[width_out, width_in])?;
        Ok(matrix.reversed_axes().as_standard_layout().into_owned())
    }

    fn each<D: ndarray::Dimension>(&self, names: &[String; 3], shape: &[usize]) -> Result<Vec<Array<f32, D>>> {
        let typed = |name: &String| {
            self.tensor(name, shape)?.into_dimensionality().map_err(|e| self.malformed(name, &e.to_string()))
        };
        names.iter().map(typed).collect()
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<ArrayD<f32>> {
        let name = &format!("{}{name}", self.prefix);
        let view = self.tensors.tensor(name).map_err(|e| self.malformed(name, &e.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let found = format!("is {:?} of shape {:?}, expected F32 of shape {shape:?}", view.dtype(), view.shape());
            return Err(self.malformed(name, &found));
        }
        let bytes = view.data().as_chunks::<4>().0;
        let data = bytes.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), data).map_err(|e| self.malformed(name, &e.to_string()))
    }

    fn malformed(&self, tensor: &str, reason: &str) -> Error {
        Error::Malformed { path: self.path.to_owned(), reason: format!("tensor \"{tensor}\": {reason}") }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use safetensors::tensor::TensorView;

    use super::*;

    const SMALL: Config = Config {
        architecture: Architecture::Bert,
        model_type: String::new(),
        layers: 1,
        heads: 2,
        hidden: 4,
        intermediate: 6,
        vocabulary: 5,
        positions: 3,
        token_types: 2,
        padding: 0,
        epsilon: 1e-12,
        max_tokens: 3,
        lower_case: false,
        pooling: Pooling::Mean,
        steps: Vec::new(),
        transformer: String::new(),
    };

    /// A weights file for `SMALL`, in which the value at place i of a tensor is i.
    fn file(leave_out: &str) -> Vec<u8> {
        let mut shapes = vec![
            ("embeddings.word_embeddings.weight".to_owned(), vec![5, 4]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![3, 4]),
            ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, 4]),
        ];
        for norm in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
            shapes.push((format!("{norm}.LayerNorm.weight"), vec![4]));
            shapes.push((format!("{norm}.LayerNorm.bias"), vec![4]));
        }
        for (dense, to, from) in [
            ("attention.self.query", 4, 4),
            ("attention.self.key", 4, 4),
            ("attention.self.value", 4, 4),
            ("attention.output.dense", 4, 4),
            ("intermediate.dense", 6, 4),
            ("output.dense", 4, 6),
        ] {
            shapes.push((format!("encoder.layer.0.{dense}.weight"), vec![to, from]));
            shapes.push((format!("encoder.layer.0.{dense}.bias"), vec![to]));
        }
        shapes.retain(|(name, _)| name != leave_out);
        let bytes: Vec<u8> = (0..32u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let views: HashMap<String, TensorView> = shapes
            .into_iter()
            .map(|(name, shape)| {
                let length = shape.iter().product::<usize>() * 4;
                (name, TensorView::new(Dtype::F32, shape, &bytes[..length]).unwrap())
            })
            .collect();
        safetensors::serialize(views, None).unwrap()
    }

    fn weights(bytes: &[u8]) -> Result<HashMap<String, ArrayD<f32>>> {
        initializers(&SMALL, Path::new("/model.safetensors"), bytes)?.collect()
    }

    /// A dense layer for `SMALL`, and a weights file for it.
    fn dense() -> (Dense, Vec<u8>) {
        let bytes: Vec<u8> = (0..12u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let view = |shape: Vec<usize>| {
            let length = shape.iter().product::<usize>() * 4;
            TensorView::new(Dtype::F32, shape, &bytes[..length]).unwrap()
        };
        let tensors = [("linear.weight", view(vec![3, 4])), ("linear.bias", view(vec![3]))];
        let file = safetensors::serialize(tensors, None).unwrap();
        (Dense { path: "2_Dense".into(), inputs: 4, outputs: 3, bias: true, tanh: true }, file)
    }

    #[test]
    fn every_input_of_a_node_is_made_before_it() {
        let (bytes, (dense, dense_bytes)) = (file(""), dense());
        let layers = |steps: &[Step]| steps.to_vec();
        for architecture in [Architecture::Bert, Architecture::Roberta] {
            for (pooling, steps) in [
                (Pooling::Mean, layers(&[])),
                (Pooling::Cls, layers(&[])),
                (Pooling::Mean, layers(&[Step::Normalize])),
                (Pooling::Cls, layers(&[Step::Dense(dense.clone()), Step::Normalize])),
                (Pooling::Mean, layers(&[Step::Normalize, Step::Dense(Dense { tanh: false, ..dense.clone() })])),
            ] {
                let config = Config { architecture, pooling, steps, ..SMALL };
                let mut known: HashSet<String> = weights(&bytes).unwrap().into_keys().collect();
                for (number, layer) in config.dense().enumerate() {
                    let made =
                        dense_initializers(number, layer, Path::new("/model.safetensors"), &dense_bytes).unwrap();
                    known.extend(made.into_iter().map(|(name, _)| name));
                }
                known.extend([String::new(), INPUT_IDS.into(), ATTENTION_MASK.into()]);
                for node in nodes(&config) {
                    assert!(node.inputs.iter().all(|input| known.contains(input)), "{node:?}");
                    // No name is given twice.
                    assert!(node.outputs.iter().all(|output| known.insert(output.clone())), "{node:?}");
                }
                assert!(known.contains(EMBEDDING));
            }
        }
    }

    #[test]
    fn a_dense_layer_is_transposed() {
        let (dense, bytes) = dense();
        let made: HashMap<_, _> =
            dense_initializers(0, &dense, Path::new("/model.safetensors"), &bytes).unwrap().into_iter().collect();
        assert_eq!(made["dense.0.weight"].shape(), [4, 3]);
        assert_eq!(made["dense.0.weight"][[1, 2]], 9.);
        let other = Dense { outputs: 2, ..dense };
        let error = dense_initializers(0, &other, Path::new("/model.safetensors"), &bytes).unwrap_err();
        assert!(error.detail().is_some_and(|detail| detail.contains("linear.weight")), "{error:?}");
    }

    #[test]
    fn roberta_counts_positions_from_its_padding_token() {
        let config = Config { architecture: Architecture::Roberta, padding: 1, ..SMALL };
        let bytes = file("");
        let made = initializers(&config, Path::new("/model.safetensors"), &bytes).unwrap();
        let made: HashMap<String, ArrayD<f32>> = made.collect::<Result<_>>().unwrap();
        assert_eq!(made["embeddings.position"].shape(), [2, 4]);
        assert_eq!(made["embeddings.position"][[0, 2]], 6. + 2.);
    }

    #[test]
    fn query_key_and_value_stand_side_by_side_transposed() {
        let bytes = file("");
        let weights = weights(&bytes).unwrap();
        let qkv = &weights["layer.0.qkv.weight"];
        assert_eq!(qkv.shape(), [4, 12]);
        // Row i of the graph's matrix is column i of each of the file's.
        assert_eq!(qkv.index_axis(Axis(0), 1).iter().copied().collect::<Vec<_>>(), [1., 5., 9., 13.].repeat(3));
        // The position table carries the embedding of token type 0.
        assert_eq!(weights["embeddings.position"][[1, 2]], 6. + 2.);
        assert_eq!(weights["layer.0.output.weight"].shape(), [6, 4]);
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let name = "encoder.layer.0.attention.self.key.bias";
        let error = weights(&file(name)).unwrap_err();
        assert!(error.detail().is_some_and(|detail| detail.contains(name)), "{error:?}");
        assert!(matches!(weights(b"no tensors"), Err(Error::Malformed { .. })));
    }
}
