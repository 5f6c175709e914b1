//! `model.safetensors` and `config.json` to the fused graph, described without ONNX Runtime.
//!
//! The graph takes token ids and an attention mask, both int32 of shape (texts, tokens), and gives float32 vectors
//! of shape (texts, [`DIMENSIONS`](crate::DIMENSIONS)): a BERT encoder, mean pooling over the mask, L2 normalisation.
//! It is written with ONNX Runtime's own fused operators, so no optimiser has to find them.

use std::path::Path;

use ndarray::{Array, Array1, Array2, ArrayD, Axis, IxDyn, concatenate};
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::model::Config;

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
    String(&'static str),
    Float(f32),
}

/// The operations of `config`, in the order in which they run.
pub fn nodes(config: &Config) -> Vec<Node> {
    let mut graph = Builder { epsilon: config.epsilon, heads: config.heads as i64, nodes: Vec::new() };
    graph.embeddings();
    let mut hidden = "embeddings".to_owned();
    for layer in 0..config.layers {
        hidden = graph.layer(layer, &hidden);
    }
    graph.pooling(&hidden);
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

    /// Sums word and position embeddings, normalises, and counts the mask.
    fn embeddings(&mut self) {
        let epsilon = vec![("epsilon", Attribute::Float(self.epsilon))];
        self.add(
            (MICROSOFT_DOMAIN, "EmbedLayerNormalization"),
            &[
                INPUT_IDS,
                "",
                "embeddings.word",
                "embeddings.position",
                "",
                "embeddings.gamma",
                "embeddings.beta",
                ATTENTION_MASK,
            ],
            &["embeddings", "lengths"],
            epsilon,
        );
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

    /// The sum of the hidden states over the mask, made unit length. Mean and sum differ only in length.
    fn pooling(&mut self, hidden: &str) {
        // 1 is FLOAT in ONNX's enumeration of element types.
        let float = vec![("to", Attribute::Int(1))];
        // b: texts, s: tokens, h: hidden.
        let sum = vec![("equation", Attribute::String("bs,bsh->bh"))];
        self.add((ONNX_DOMAIN, "Cast"), &[ATTENTION_MASK], &["pooling.mask"], float);
        self.add((ONNX_DOMAIN, "Einsum"), &["pooling.mask", hidden], &["pooling.sum"], sum);
        self.add((ONNX_DOMAIN, "LpNormalization"), &["pooling.sum"], &[EMBEDDING], vec![("p", Attribute::Int(2))]);
    }
}

/// A weight of the graph under its name there.
pub type Initializer = (String, ArrayD<f32>);

/// The weights of the graph, made from the bytes of `model.safetensors` at `path`, one at a time.
///
/// # Errors
/// A tensor that is missing, or not float32 of the shape that `config` asks for.
pub fn initializers<'w>(
    config: &'w Config,
    path: &'w Path,
    bytes: &'w [u8],
) -> Result<impl Iterator<Item = Result<Initializer>> + 'w> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::Malformed { path: path.to_owned(), reason: e.to_string() })?;
    let weights = Weights { path, tensors, hidden: config.hidden, intermediate: config.intermediate };
    let parts = recipe(config.layers);
    let sizes = (config.vocabulary, config.positions);
    Ok(parts.into_iter().map(move |(name, part)| Ok((name, weights.make(&part, sizes)?))))
}

/// How a weight of the graph is made from the tensors of the file.
enum Part {
    Words,
    /// Position embeddings plus the embedding of token type 0, the only type there is.
    Positions,
    /// A vector as it is: tensor name and length.
    Vector(String, Width),
    /// A dense layer's matrix, transposed: tensor name, width in, width out.
    Matrix(String, Width, Width),
    /// The query, key and value parts of the tensor name's layer, side by side.
    QkvMatrix(String),
    QkvVector(String),
}

#[derive(Clone, Copy)]
enum Width {
    Hidden,
    Intermediate,
}

fn recipe(layers: usize) -> Vec<(String, Part)> {
    use Width::{Hidden, Intermediate};
    let norm = "embeddings.LayerNorm";
    let mut parts = vec![
        ("embeddings.word".to_owned(), Part::Words),
        ("embeddings.position".to_owned(), Part::Positions),
        ("embeddings.gamma".to_owned(), Part::Vector(format!("{norm}.weight"), Hidden)),
        ("embeddings.beta".to_owned(), Part::Vector(format!("{norm}.bias"), Hidden)),
    ];
    for layer in 0..layers {
        let to = |part: &str| format!("layer.{layer}.{part}");
        let from = |part: &str| format!("encoder.layer.{layer}.{part}");
        parts.extend([
            (to("qkv.weight"), Part::QkvMatrix(from("attention.self"))),
            (to("qkv.bias"), Part::QkvVector(from("attention.self"))),
            (to("intermediate.weight"), Part::Matrix(from("intermediate.dense.weight"), Hidden, Intermediate)),
            (to("intermediate.bias"), Part::Vector(from("intermediate.dense.bias"), Intermediate)),
        ]);
        for (name, block, width) in [("projection", "attention.output", Hidden), ("output", "output", Intermediate)] {
            let from = |part: &str| from(&format!("{block}.{part}"));
            parts.extend([
                (to(&format!("{name}.weight")), Part::Matrix(from("dense.weight"), width, Hidden)),
                (to(&format!("{name}.bias")), Part::Vector(from("dense.bias"), Hidden)),
                (to(&format!("{name}.gamma")), Part::Vector(from("LayerNorm.weight"), Hidden)),
                (to(&format!("{name}.beta")), Part::Vector(from("LayerNorm.bias"), Hidden)),
            ]);
        }
    }
    parts
}

/// The tensors of a weights file.
struct Weights<'w> {
    path: &'w Path,
    tensors: SafeTensors<'w>,
    hidden: usize,
    intermediate: usize,
}

impl Weights<'_> {
    fn make(&self, part: &Part, (vocabulary, positions): (usize, usize)) -> Result<ArrayD<f32>> {
        const QKV: [&str; 3] = ["query", "key", "value"];
        let hidden = self.hidden;
        Ok(match part {
            Part::Words => self.tensor("embeddings.word_embeddings.weight", &[vocabulary, hidden])?,
            Part::Positions => {
                let position = self.tensor("embeddings.position_embeddings.weight", &[positions, hidden])?;
                let types = self.tensor("embeddings.token_type_embeddings.weight", &[2, hidden])?;
                position + types.index_axis(Axis(0), 0)
            }
            Part::Vector(name, width) => self.tensor(name, &[self.width(*width)])?,
            Part::Matrix(name, width_in, width_out) => {
                let matrix = self.tensor(name, &[self.width(*width_out), self.width(*width_in)])?;
                matrix.reversed_axes().as_standard_layout().into_owned()
            }
            Part::QkvMatrix(name) => {
                let parts: Vec<Array2<f32>> =
                    self.each(QKV.map(|p| format!("{name}.{p}.weight")), &[hidden, hidden])?;
                // Side by side after transposing is one below the other before.
                let stacked = concatenate![Axis(0), parts[0], parts[1], parts[2]];
                stacked.reversed_axes().as_standard_layout().into_owned().into_dyn()
            }
            Part::QkvVector(name) => {
                let parts: Vec<Array1<f32>> = self.each(QKV.map(|p| format!("{name}.{p}.bias")), &[hidden])?;
                concatenate![Axis(0), parts[0], parts[1], parts[2]].into_dyn()
            }
        })
    }

    fn width(&self, width: Width) -> usize {
        match width {
            Width::Hidden => self.hidden,
            Width::Intermediate => self.intermediate,
        }
    }

    fn each<D: ndarray::Dimension>(&self, names: [String; 3], shape: &[usize]) -> Result<Vec<Array<f32, D>>> {
        let typed = |name: &String| {
            self.tensor(name, shape)?.into_dimensionality().map_err(|e| self.malformed(name, &e.to_string()))
        };
        names.iter().map(typed).collect()
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<ArrayD<f32>> {
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
        layers: 1,
        heads: 2,
        hidden: 4,
        intermediate: 6,
        vocabulary: 5,
        positions: 3,
        epsilon: 1e-12,
        max_tokens: 3,
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

    #[test]
    fn every_input_of_a_node_is_made_before_it() {
        let bytes = file("");
        let mut known: HashSet<String> = weights(&bytes).unwrap().into_keys().collect();
        known.extend([String::new(), INPUT_IDS.into(), ATTENTION_MASK.into()]);
        for node in nodes(&SMALL) {
            assert!(node.inputs.iter().all(|input| known.contains(input)), "{node:?}");
            known.extend(node.outputs);
        }
        assert!(known.contains(EMBEDDING));
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
