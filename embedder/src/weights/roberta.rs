//! RoBERTa, XLM-RoBERTa and CamemBERT: BERT whose positions are counted from behind that of the padding token.

use super::{Names, bert};

pub const NAMES: Names = Names { prefix: "roberta.", ..bert::NAMES };
