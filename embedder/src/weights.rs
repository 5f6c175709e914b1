//! The weights of a model, from the tensors of its files to what the engines compute with.
//!
//! What the encoders differ in stands in a file for each: the names of their tensors.

mod bert;
mod distilbert;
mod roberta;

use std::path::Path;

use ndarray::{Array, Array1, Array2, ArrayD, Axis, IxDyn, concatenate};
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::model::{Architecture, Config, Dense, Model};

/// A weight under its name in the engines.
pub type Weight = (String, ArrayD<f32>);

/// Calls `each` with all weights of a model, in one order: the encoder's, and then those of the dense layers after pooling.
///
/// # Errors
/// A file that cannot be read or is not the one that is known; a tensor that is missing, or not float32 of the shape that
/// the model's configuration asks for; and what `each` fails with.
pub fn read(model: &Model, mut each: impl FnMut(Weight) -> Result<()>) -> Result<()> {
    let mut files = model.weights();
    if let Some(file) = files.next() {
        let (path, bytes) = file?;
        of_encoder(model.config(), &path, &bytes)?.try_for_each(|weight| each(weight?))?;
    }
    for (number, (layer, file)) in model.config().dense().zip(files).enumerate() {
        let (path, bytes) = file?;
        of_dense(number, layer, &path, &bytes)?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// The encoder's weights, made from the bytes of `model.safetensors` at `path`, one at a time.
///
/// # Errors
/// A tensor that is missing, or not float32 of the shape that `config` asks for.
fn of_encoder<'w>(
    config: &'w Config,
    path: &'w Path,
    bytes: &'w [u8],
) -> Result<impl Iterator<Item = Result<Weight>> + 'w> {
    let names = Names::of(config.architecture);
    let weights = Weights::read(path, bytes, names.prefix)?;
    let parts = recipe(config, &names);
    Ok(parts.into_iter().map(move |(name, part)| Ok((name, weights.make(&part, config)?))))
}

/// The weights of the dense layer of this number, made from the bytes of its file at `path`.
///
/// # Errors
/// As for [`of_encoder`].
fn of_dense(number: usize, layer: &Dense, path: &Path, bytes: &[u8]) -> Result<Vec<Weight>> {
    let weights = Weights::read(path, bytes, "")?;
    let matrix = weights.matrix("linear.weight", layer.inputs, layer.outputs)?;
    let mut made = vec![(format!("dense.{number}.weight"), matrix)];
    if layer.bias {
        made.push((format!("dense.{number}.bias"), weights.tensor("linear.bias", &[layer.outputs])?));
    }
    Ok(made)
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

/// How a weight is made from the tensors of the file.
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

/// A small model for tests.
#[cfg(test)]
pub mod sample {
    use std::collections::HashMap;

    use safetensors::tensor::TensorView;

    use super::*;
    use crate::model::Pooling;

    pub const SMALL: Config = Config {
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
    pub fn file(leave_out: &str) -> Vec<u8> {
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

    /// A dense layer for `SMALL`, and a weights file for it.
    pub fn dense() -> (Dense, Vec<u8>) {
        let bytes: Vec<u8> = (0..12u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let view = |shape: Vec<usize>| {
            let length = shape.iter().product::<usize>() * 4;
            TensorView::new(Dtype::F32, shape, &bytes[..length]).unwrap()
        };
        let tensors = [("linear.weight", view(vec![3, 4])), ("linear.bias", view(vec![3]))];
        let file = safetensors::serialize(tensors, None).unwrap();
        (Dense { path: "2_Dense".into(), inputs: 4, outputs: 3, bias: true, tanh: true }, file)
    }

    /// The weights in the bytes of such a file.
    pub fn weights(bytes: &[u8]) -> Result<HashMap<String, ArrayD<f32>>> {
        of_encoder(&SMALL, Path::new("/model.safetensors"), bytes)?.collect()
    }

    /// The weights of a dense layer.
    pub fn dense_weights(number: usize, layer: &Dense, bytes: &[u8]) -> Result<HashMap<String, ArrayD<f32>>> {
        Ok(of_dense(number, layer, Path::new("/model.safetensors"), bytes)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::sample::{SMALL, dense, dense_weights, file, weights};
    use super::*;

    #[test]
    fn a_dense_layer_is_transposed() {
        let (dense, bytes) = dense();
        let made = dense_weights(0, &dense, &bytes).unwrap();
        assert_eq!(made["dense.0.weight"].shape(), [4, 3]);
        assert_eq!(made["dense.0.weight"][[1, 2]], 9.);
        let other = Dense { outputs: 2, ..dense };
        let error = dense_weights(0, &other, &bytes).unwrap_err();
        assert!(error.detail().is_some_and(|detail| detail.contains("linear.weight")), "{error:?}");
    }

    #[test]
    fn roberta_counts_positions_from_its_padding_token() {
        let config = Config { architecture: Architecture::Roberta, padding: 1, ..SMALL };
        let bytes = file("");
        let made = of_encoder(&config, Path::new("/model.safetensors"), &bytes).unwrap();
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
        // Row i of the engines' matrix is column i of each of the file's.
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
