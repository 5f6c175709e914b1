use super::Words;
use crate::attributes::Colour;

pub fn words(colour: Colour, patterned: bool) -> Words {
    match (colour, patterned) {
        (Colour::Multicoloured, _) => Words {
            adjectives: &["bunt-", "mehrfarbig-", "farbenfroh-", "vielfarbig-"],
            compounds: &[],
            nouns: &[
                "plural viel- Farben",
                "plural kräftig- bunt- Farben",
                "der fröhlich- Farbmix",
                "plural all- Farben des Regenbogens",
            ],
            verbs: &[
                "mischt|viele Farben",
                "ist|wunderbar bunt",
                "leuchtet|in allen möglichen Farben",
                "ist|mehrfarbig",
                "hat|unzählig viele Farben",
            ],
            clauses: &[
                "auf eine einzige Farbe kann man es nicht festlegen",
                "die Farben sind fröhlich gemischt",
                "es ist mehrfarbig",
                "das Ganze ist sehr bunt",
                "keine Farbe sticht unter den vielen hervor",
            ],
        },
        (_, false) => Words {
            adjectives: &["{a}"],
            compounds: &[],
            nouns: &["das {n}", "das schön- {n}", "das hübsch- {n}"],
            verbs: &[
                "ist|{p}",
                "kommt|in {n}|daher",
                "ist|von oben bis unten {p}",
                "ist|rundum {p}",
                "ist|in {n} gehalten",
            ],
            clauses: &[
                "die Farbe ist {p}",
                "die Farbe ist ein schönes {n}",
                "ich würde die Farbe {n} nennen",
                "es ist ganz {p}",
                "alles daran ist {p}",
                "das {n} ist wunderschön",
            ],
        },
        (_, true) => Words {
            adjectives: &["{a}"],
            compounds: &[],
            nouns: &["das {n}", "das schön- {n}", "der {a} Grundton"],
            verbs: &[
                "ist|hauptsächlich {p}",
                "kommt|in {n}|daher",
                "hat|einen {en} Hintergrund",
                "ist|abgesehen vom Muster {p}",
            ],
            clauses: &[
                "die Hauptfarbe ist {p}",
                "der Hintergrund ist {p}",
                "die Grundfarbe ist ein hübsches {n}",
                "der Grundton ist {p}",
                "ich würde es im Großen und Ganzen {p} nennen",
            ],
        },
    }
}
