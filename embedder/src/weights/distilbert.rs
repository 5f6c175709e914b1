//! DistilBERT: BERT without token types, under other names.

use super::Names;

pub const NAMES: Names = Names {
    prefix: "distilbert.",
    layer: "transformer.layer",
    qkv: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    projection: "attention.out_lin",
    projection_norm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
};
