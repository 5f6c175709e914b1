//! BERT: three tables whose rows are added up, and layers of attention and feed-forward.

use super::Names;

pub const NAMES: Names = Names {
    prefix: "bert.",
    layer: "encoder.layer",
    qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
    projection: "attention.output.dense",
    projection_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};
