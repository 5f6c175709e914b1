//! What people say for each value of each attribute, by the place that it takes in a sentence. The grammar module says what
//! hyphens, articles and strokes in the phrases mean.
//!
//! Of a colour as the speaker calls it, "{p}" is the form after "ist", "{a}" that before a noun, whose ending comes with the
//! case, "{en}" that before a noun with this ending, and "{n}" the noun.

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

#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    /// Before the noun: "ärmellos-" for "ein ärmelloses Kleid".
    pub adjectives: Phrases,
    /// The first part of a compound: "Wickel" for "Wickelkleid".
    pub compounds: Phrases,
    /// After "mit"; of the fabric after "aus", of the colour after "in". Of the occasion after "für", not to be declined.
    pub nouns: Phrases,
    /// After "das Kleid": "liegt|eng|an".
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
