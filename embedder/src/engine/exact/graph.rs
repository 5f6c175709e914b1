//! The configuration of a model to the fused graph, described without ONNX Runtime.
//!
//! The graph takes token ids and an attention mask, both int32 of shape (texts, tokens), and gives float32 vectors
//! of shape (texts, dimensions): an encoder, pooling, and the modules after it.
//! It is written with ONNX Runtime's own fused operators, so no optimiser has to find them.

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

/// The operations of `config`, in the order in which they run.
pub fn nodes(config: &Config) -> Vec<Node> {
    let mut graph = Builder { epsilon: config.epsilon, heads: config.heads as i64, nodes: Vec::new() };
    let positions = match config.architecture {
        Architecture::Roberta => Some(graph.roberta_positions(config.padding)),
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

    /// Row of the position table of each token for RoBERTa, counted from the padding token's, as the input of that name.
    /// The padding token has its own wherever it stands and is not counted: a text can have it by its name, as in
    /// "a <pad> b".
    fn roberta_positions(&mut self, padding: usize) -> &'static str {
        // 6 is INT32 in ONNX's enumeration of element types.
        let int32 = || vec![("to", Attribute::Int(6))];
        self.constant("positions.padding_int64", Attribute::Int(padding as i64));
        self.constant("positions.axis", Attribute::Int(1));
        self.add((ONNX_DOMAIN, "Cast"), &["positions.padding_int64"], &["positions.padding"], int32());
        self.add((ONNX_DOMAIN, "Equal"), &[INPUT_IDS, "positions.padding"], &["positions.is_padding"], vec![]);
        self.add((ONNX_DOMAIN, "Not"), &["positions.is_padding"], &["positions.is_token"], vec![]);
        self.add((ONNX_DOMAIN, "Cast"), &["positions.is_token"], &["positions.tokens"], int32());
        self.add((ONNX_DOMAIN, "CumSum"), &["positions.tokens", "positions.axis"], &["positions.count"], vec![]);
        self.add((ONNX_DOMAIN, "Mul"), &["positions.count", "positions.tokens"], &["positions"], vec![]);
        "positions"
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::weights::sample::{SMALL, dense, dense_weights, file, weights};

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
                    known.extend(dense_weights(number, layer, &dense_bytes).unwrap().into_keys());
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
}
