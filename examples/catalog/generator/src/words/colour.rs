use super::Words;
use crate::attributes::Colour;

pub fn words(colour: Colour, patterned: bool) -> Words {
    match (colour, patterned) {
        (Colour::Multicoloured, _) => Words {
            adjectives: &["multicoloured", "colourful", "many-coloured", "brightly coloured"],
            classifiers: &[],
            nouns: &[
                "many colours",
                "all sorts of bright colours",
                "a cheerful mix of colours",
                "every colour of the rainbow",
            ],
            verbs: &[
                "mixes many colours",
                "is wonderfully colourful",
                "comes in all sorts of colours",
                "is multicoloured",
                "has more colours than I can count",
            ],
            clauses: &[
                "there are too many colours to name just one",
                "the colours are a cheerful mix",
                "it is multicoloured",
                "the whole thing is very colourful",
                "no single colour stands out from the many",
            ],
        },
        (_, false) => Words {
            adjectives: &["{}"],
            classifiers: &[],
            nouns: &["{}", "a lovely {}", "a beautiful {}"],
            verbs: &["is {}", "comes in {}", "is {} from top to bottom", "is {} all over", "is kept in {}"],
            clauses: &[
                "the colour is {}",
                "the colour is a lovely {}",
                "I would call the colour {}",
                "it is all {}",
                "everything about it is {}",
                "the {} is beautiful",
            ],
        },
        (_, true) => Words {
            adjectives: &["{}"],
            classifiers: &[],
            nouns: &["{}", "a lovely {}", "{} tones"],
            verbs: &["is mainly {}", "comes in {}", "has a {} background", "is {} apart from the pattern"],
            clauses: &[
                "the main colour is {}",
                "the background is {}",
                "the basic colour is a nice {}",
                "the ground is {}",
                "I would call it {} overall",
            ],
        },
    }
}
