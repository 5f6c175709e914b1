use super::Words;
use crate::attributes::Sleeves;

pub fn words(sleeves: Sleeves) -> Words {
    match sleeves {
        Sleeves::Sleeveless => Words {
            adjectives: &["ärmellos-"],
            compounds: &[],
            nouns: &[
                "ohne Ärmel",
                "plural unbedeckt- Arme(n)",
                "ohne jegliche Ärmel",
                "plural weit- Armausschnitte(n)",
            ],
            verbs: &[
                "hat|keine Ärmel",
                "lässt|die Arme frei",
                "kommt|ohne Ärmel|aus",
                "ist|ärmellos",
                "verzichtet|auf Ärmel",
            ],
            clauses: &[
                "Ärmel gibt es keine",
                "die Arme bleiben frei",
                "die Arme sind unbedeckt",
                "Ärmel fehlen völlig",
                "das Oberteil ist ärmellos",
            ],
        },
        Sleeves::Straps => Words {
            adjectives: &[],
            compounds: &["Träger"],
            nouns: &[
                "plural Spaghettiträger(n)",
                "plural dünn- Träger(n)",
                "plural schmal- Schulterträger(n)",
                "plural zart- Träger(n)",
                "plural hauchdünn- Trägerchen",
            ],
            verbs: &[
                "hat|Spaghettiträger",
                "wird|von dünnen Trägern gehalten",
                "hängt|an schmalen Trägern",
                "hat|nur feine Träger über den Schultern",
            ],
            clauses: &[
                "zwei dünne Träger halten es",
                "die Träger sind sehr schmal",
                "statt Ärmeln gibt es Spaghettiträger",
                "die Träger sind dünn wie Schnüre",
            ],
        },
        Sleeves::Short => Words {
            adjectives: &["kurzärmelig-", "kurzärmlig-"],
            compounds: &[],
            nouns: &[
                "plural kurz- Ärmel(n)",
                "plural klein- Ärmelchen",
                "plural Ärmel(n) bis zur Mitte des Oberarms",
                "plural kurz- Ärmel(n) mit Aufschlag",
            ],
            verbs: &["hat|kurze Ärmel", "ist|kurzärmelig", "hat|Ärmel wie ein T-Shirt"],
            clauses: &[
                "die Ärmel sind kurz",
                "die Ärmel enden über dem Ellbogen",
                "die kurzen Ärmel bedecken nur die Oberarme",
                "die Ärmel sind nicht länger als bei einem T-Shirt",
            ],
        },
        Sleeves::ThreeQuarter => Words {
            adjectives: &[],
            compounds: &[],
            nouns: &[
                "plural Dreiviertelärmel(n)",
                "plural dreiviertellang- Ärmel(n)",
                "plural Ärmel(n) bis knapp unter den Ellbogen",
                "plural verkürzt- Ärmel(n)",
                "plural Ärmel(n) bis zur Mitte des Unterarms",
            ],
            verbs: &[
                "hat|Dreiviertelärmel",
                "hat|Ärmel bis über die Ellbogen",
                "hat|dreiviertellange Ärmel",
                "bedeckt|gerade noch die Ellbogen",
                "hat|Ärmel bis zur Mitte des Unterarms",
            ],
            clauses: &[
                "die Ärmel sind dreiviertellang",
                "die Ärmel enden kurz unter dem Ellbogen",
                "die Ärmel lassen die Handgelenke frei",
                "die Ärmel reichen bis zur Mitte des Unterarms",
            ],
        },
        Sleeves::Long => Words {
            adjectives: &["langärmelig-", "langärmlig-"],
            compounds: &[],
            nouns: &[
                "plural lang- Ärmel(n)",
                "plural lang-, schmal- Ärmel(n)",
                "plural Ärmel(n) bis zum Handgelenk",
                "plural Ärmel(n) über den ganzen Arm",
            ],
            verbs: &[
                "hat|lange Ärmel",
                "bedeckt|die Arme vollständig",
                "ist|langärmelig",
                "hat|Ärmel bis zum Handgelenk",
            ],
            clauses: &[
                "die Ärmel sind lang",
                "die Arme sind vollständig bedeckt",
                "die Ärmel gehen bis zum Handgelenk",
                "die langen Ärmel enden an der Hand",
            ],
        },
    }
}
