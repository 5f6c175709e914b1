//! How documents are cut: what the arguments of `embed_watch_chunks()` say, and those of the trigger that it makes.

use std::ffi::{CStr, CString};

use embedder::Split;

use crate::model::chunks::{self, Options, Piece};
use crate::model::registry::Named;
use crate::postgres::report::Result;
use crate::postgres::text;

/// The argument that says that the path of headings stands before chunks.
const HEADINGS: &str = "headings";

/// Which column is cut, how, and for which model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutting {
    pub source: CString,
    pub model: Named,
    pub options: Options,
}

impl Cutting {
    /// The arguments of the trigger; empty for what has a default.
    pub fn arguments(&self) -> Vec<CString> {
        let Options { max_tokens, overlap, split, headings } = &self.options;
        // None of these has a zero in it.
        let own = |text: &str| CString::new(text).unwrap_or_default();
        vec![
            self.source.clone(),
            own(&max_tokens.map_or_else(String::new, |tokens| tokens.to_string())),
            own(&overlap.to_string()),
            own(split.name()),
            own(if *headings { HEADINGS } else { "" }),
            self.model.model.clone().unwrap_or_default(),
            self.model.prompt.clone().unwrap_or_default(),
        ]
    }

    /// What the arguments of a trigger say; `None` if they are none that [`arguments`](Self::arguments) could give.
    pub fn of_trigger<N: AsRef<CStr>>(arguments: &[N]) -> Option<Self> {
        let [source, max_tokens, overlap, split, headings, model, prompt] = arguments else { return None };
        let given = |name: &N| Some(name.as_ref().to_owned()).filter(|name| !name.is_empty());
        let string = |name: &N| name.as_ref().to_str().map(str::to_owned).ok();
        let max_tokens = match given(max_tokens) {
            Some(_) => Some(string(max_tokens)?.parse().ok()?),
            None => None,
        };
        let headings = match string(headings)?.as_str() {
            HEADINGS => true,
            "" => false,
            _ => return None,
        };
        let (overlap, split) = (string(overlap)?.parse().ok()?, Split::named(&string(split)?)?);
        Some(Self {
            source: given(source)?,
            model: Named { model: given(model), prompt: given(prompt) },
            options: Options { max_tokens, overlap, split, headings },
        })
    }

    /// The chunks of a document; none if there is no text.
    ///
    /// # Errors
    /// 22023 for options that make no sense; whatever is wrong with the model; 53200.
    pub fn cut<'document>(&self, document: Option<&'document str>) -> Result<Vec<Piece<'document>>> {
        let Some(document) = document else { return Ok(Vec::new()) };
        let mut pieces = Vec::new();
        for piece in chunks::cut(self.model.open()?, document, &self.options)? {
            // How many there are comes from the user.
            text::room_for_one(&mut pieces)?;
            pieces.push(piece?);
        }
        Ok(pieces)
    }
}
