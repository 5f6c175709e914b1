//! The languages in which the people speak.

use crate::attributes::Attributes;
use crate::dice::Dice;
use crate::shades::Shade;
use crate::{german, sentences};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Language {
    #[default]
    English,
    German,
}

impl Language {
    /// By the two letters of ISO 639.
    pub fn named(code: &str) -> Result<Self, String> {
        match code {
            "en" => Ok(Self::English),
            "de" => Ok(Self::German),
            _ => Err(format!("--language needs en or de, not \"{code}\"")),
        }
    }

    /// What the five people say. The dice have thrown the dress before, so it is the same in each language.
    pub fn describe(self, dress: &Attributes, shade: &'static Shade, dice: &mut Dice) -> Vec<String> {
        match self {
            Self::English => sentences::describe(dress, shade, dice),
            Self::German => german::describe(dress, shade, dice),
        }
    }
}
