//! What people say for each value of each attribute, by the place that it takes in a sentence.
//!
//! "{}" stands for a colour as the speaker calls it. "a" is always written so; `grammar::with_articles` makes
//! it "an" where it has to be.

mod colour;
mod fabric;
mod fit;
mod length;
mod neckline;
mod occasion;
mod pattern;
mod sleeves;

use crate::attributes::{Attributes, Kind, Pattern};

pub type Phrases = &'static [&'static str];

#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Before the noun, others may come between: "a sleeveless green dress".
    pub adjectives: Phrases,
    /// Directly before the noun: "a wrap dress".
    pub classifiers: Phrases,
    /// After "with"; of colour and fabric after "in", of the occasion after "for".
    pub nouns: Phrases,
    /// After "the dress".
    pub verbs: Phrases,
    /// With a subject of their own.
    pub clauses: Phrases,
}

pub fn words(dress: &Attributes, kind: Kind) -> Words {
    match kind {
        Kind::Colour => colour::words(dress.colour, dress.pattern != Pattern::Plain),
        Kind::Sleeves => sleeves::words(dress.sleeves),
        Kind::Neckline => neckline::words(dress.neckline),
        Kind::Length => length::words(dress.length),
        Kind::Fit => fit::words(dress.fit),
        Kind::Fabric => fabric::words(dress.fabric),
        Kind::Pattern => pattern::words(dress.pattern, dress.fabric),
        Kind::Occasion => occasion::words(dress.occasion, dress.colour),
    }
}
