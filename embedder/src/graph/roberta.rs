//! RoBERTa, XLM-RoBERTa and CamemBERT: BERT whose positions are counted from behind that of the padding token.

use super::{Attribute, Builder, INPUT_IDS, Names, ONNX_DOMAIN, bert};

pub const NAMES: Names = Names { prefix: "roberta.", ..bert::NAMES };

/// Row of the position table of each token, counted from the padding token's, as the input of that name. The padding
/// token has its own wherever it stands and is not counted: a text can have it by its name, as in "a <pad> b".
pub fn positions(graph: &mut Builder, padding: usize) -> &'static str {
    // 6 is INT32 in ONNX's enumeration of element types.
    let int32 = || vec![("to", Attribute::Int(6))];
    graph.constant("positions.padding_int64", Attribute::Int(padding as i64));
    graph.constant("positions.axis", Attribute::Int(1));
    graph.add((ONNX_DOMAIN, "Cast"), &["positions.padding_int64"], &["positions.padding"], int32());
    graph.add((ONNX_DOMAIN, "Equal"), &[INPUT_IDS, "positions.padding"], &["positions.is_padding"], vec![]);
    graph.add((ONNX_DOMAIN, "Not"), &["positions.is_padding"], &["positions.is_token"], vec![]);
    graph.add((ONNX_DOMAIN, "Cast"), &["positions.is_token"], &["positions.tokens"], int32());
    graph.add((ONNX_DOMAIN, "CumSum"), &["positions.tokens", "positions.axis"], &["positions.count"], vec![]);
    graph.add((ONNX_DOMAIN, "Mul"), &["positions.count", "positions.tokens"], &["positions"], vec![]);
    "positions"
}
