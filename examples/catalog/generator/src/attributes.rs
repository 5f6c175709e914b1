//! What a dress is: eight attributes, each one of a fixed set of values.

use serde::{Deserialize, Serialize};

/// An enum whose values have the text that stands in the JSON file.
macro_rules! attribute {
    ($name:ident { $($value:ident = $text:literal),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $(#[serde(rename = $text)] $value),+
        }

        impl $name {
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$value),+];

            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text),+
                }
            }
        }
    };
}

attribute!(Colour {
    White = "white",
    Beige = "beige",
    Brown = "brown",
    Black = "black",
    Grey = "grey",
    Navy = "navy",
    Blue = "blue",
    Turquoise = "turquoise",
    Green = "green",
    Yellow = "yellow",
    Orange = "orange",
    Red = "red",
    Pink = "pink",
    Purple = "purple",
    Multicoloured = "multicoloured",
});

attribute!(Sleeves {
    Sleeveless = "sleeveless",
    Straps = "spaghetti straps",
    Short = "short",
    ThreeQuarter = "three-quarter",
    Long = "long",
});

attribute!(Neckline {
    Round = "round",
    V = "V",
    High = "high",
    Square = "square",
    Boat = "boat",
    Cowl = "cowl",
    Halter = "halter",
    OffShoulder = "off-shoulder",
});

attribute!(Length { Mini = "mini", Knee = "knee", Midi = "midi", Maxi = "maxi" });

attribute!(Fit { ALine = "A-line", Fitted = "fitted", Loose = "loose", Wrap = "wrap", Empire = "empire" });

attribute!(Fabric {
    Cotton = "cotton",
    Linen = "linen",
    Denim = "denim",
    Jersey = "jersey",
    WoolKnit = "wool knit",
    Velvet = "velvet",
    Satin = "satin",
    Silk = "silk",
    Chiffon = "chiffon",
    Lace = "lace",
    Tulle = "tulle",
    Sequins = "sequins",
});

attribute!(Pattern {
    Plain = "plain",
    Striped = "striped",
    Checked = "checked",
    PolkaDots = "polka dots",
    Floral = "floral",
    Geometric = "geometric",
    Paisley = "paisley",
    AnimalPrint = "animal print",
});

attribute!(Occasion {
    Casual = "casual",
    Office = "office",
    Summer = "summer",
    Beach = "beach",
    Winter = "winter",
    Party = "party",
    Evening = "evening",
    Wedding = "wedding",
});

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attributes {
    pub colour: Colour,
    pub sleeves: Sleeves,
    pub neckline: Neckline,
    pub length: Length,
    pub fit: Fit,
    pub fabric: Fabric,
    pub pattern: Pattern,
    pub occasion: Occasion,
}

/// Which of the attributes is talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Colour,
    Sleeves,
    Neckline,
    Length,
    Fit,
    Fabric,
    Pattern,
    Occasion,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Colour,
        Self::Sleeves,
        Self::Neckline,
        Self::Length,
        Self::Fit,
        Self::Fabric,
        Self::Pattern,
        Self::Occasion,
    ];
}
