use super::Words;
use crate::attributes::{Fabric, Pattern};

pub fn words(pattern: Pattern, fabric: Fabric) -> Words {
    match pattern {
        Pattern::Plain => Words {
            adjectives: &["einfarbig-", "ungemustert-"],
            compounds: &[],
            nouns: &["ohne Muster", "ohne jeden Aufdruck", "ohne jegliches Muster"],
            verbs: &["hat|kein Muster", "ist|durchgehend einfarbig", "kommt|ohne Aufdruck|aus", "ist|ganz ungemustert"],
            clauses: &[
                "ein Muster gibt es nicht",
                "einen Aufdruck hat es nicht",
                "es ist durchgehend einfarbig",
                "der Stoff ist ungemustert",
                "kein Muster lenkt ab",
            ],
        },
        Pattern::Striped => Words {
            adjectives: &["gestreift-"],
            compounds: &["Streifen"],
            nouns: &[
                "plural Streifen",
                "plural gleichmäßig- Streifen",
                "das Streifenmuster",
                "plural umlaufend- Streifen",
            ],
            verbs: &["ist|gestreift", "ist|rundum gestreift", "zeigt|ein Streifenmuster"],
            clauses: &[
                "das Muster besteht aus Streifen",
                "überall sind Streifen",
                "die Streifen sind gleichmäßig",
                "es ist durchgehend gestreift",
            ],
        },
        Pattern::Checked => Words {
            adjectives: &["kariert-"],
            compounds: &["Karo"],
            nouns: &["plural Karos", "das Karomuster", "das kariert- Muster", "plural klein- Karos"],
            verbs: &["ist|kariert", "ist|überall kariert", "zeigt|ein Karomuster"],
            clauses: &["das Muster ist ein Karo", "die Karos sind regelmäßig", "es ist kariert wie eine Tischdecke"],
        },
        Pattern::PolkaDots => Words {
            adjectives: &["gepunktet-", "getupft-"],
            compounds: &["Pünktchen"],
            nouns: &["plural Punkte(n)", "plural klein- Tupfen", "das Punktemuster", "plural gleichmäßig- Punkte(n)"],
            verbs: &["ist|mit Punkten übersät", "ist|rundum gepunktet", "zeigt|ein Punktemuster"],
            clauses: &["das Muster besteht aus Punkten", "die Tupfen sind gleichmäßig verteilt", "überall sind Punkte"],
        },
        Pattern::Floral if matches!(fabric, Fabric::Lace | Fabric::Tulle | Fabric::Velvet) => Words {
            adjectives: &["geblümt-", "floral gemustert-"],
            compounds: &["Blumen"],
            nouns: &["das Blumenmuster", "plural eingewebt- Blumen", "das Blumenmotiv", "das Muster aus Blüten"],
            verbs: &["zeigt|ein Blumenmuster", "ist|mit Blüten bedeckt", "hat|ein Blumenmotiv"],
            clauses: &["das Muster besteht aus Blumen", "Blumen sind eingearbeitet", "Blüten und Blätter bedecken es"],
        },
        Pattern::Floral => Words {
            adjectives: &["geblümt-", "floral gemustert-"],
            compounds: &["Blumen"],
            nouns: &[
                "der Blumendruck",
                "plural klein- Blumen",
                "plural verstreut- Blumen",
                "das Muster aus Blüten",
                "das Blumenmuster",
            ],
            verbs: &["ist|mit Blumen übersät", "ist|mit Blüten bedruckt", "zeigt|einen Blumendruck"],
            clauses: &[
                "das Muster besteht aus Blumen",
                "Blumen sind über den ganzen Stoff verstreut",
                "der Druck zeigt Blüten und Blätter",
                "kleine Blumen bedecken es",
            ],
        },
        Pattern::Geometric => Words {
            adjectives: &["geometrisch gemustert-"],
            compounds: &[],
            nouns: &[
                "das geometrisch- Muster",
                "plural Dreiecke(n) und Rauten",
                "plural kantig- Formen",
                "plural geometrisch- Figuren",
            ],
            verbs: &[
                "hat|ein geometrisches Muster",
                "ist|mit Dreiecken und Rauten bedeckt",
                "zeigt|geometrische Formen",
            ],
            clauses: &[
                "das Muster ist geometrisch",
                "Dreiecke und Rauten bedecken es",
                "das Muster besteht nur aus Ecken und Kanten",
            ],
        },
        Pattern::Paisley => Words {
            adjectives: &[],
            compounds: &["Paisley"],
            nouns: &["das Paisleymuster", "der Paisleydruck", "plural geschwungen- Tropfen", "plural Paisley-Tropfen"],
            verbs: &[
                "hat|ein Paisleymuster",
                "ist|mit Paisleymuster bedruckt",
                "ist|mit geschwungenen Tropfen bedeckt",
            ],
            clauses: &["das Muster ist Paisley", "überall wirbeln Paisley-Tropfen", "der Druck ist ein altes Paisley"],
        },
        Pattern::AnimalPrint => Words {
            adjectives: &[],
            compounds: &["Animal-Print-"],
            nouns: &["der Animal-Print", "plural Leopardenflecken", "das Leopardenmuster", "das Raubkatzenmuster"],
            verbs: &["hat|einen Animal-Print", "ist|gefleckt wie ein Leopard", "zeigt|ein Leopardenmuster"],
            clauses: &[
                "das Muster ist ein Animal-Print",
                "der Druck ist ein Leopardenmuster",
                "es ist gefleckt wie eine Raubkatze",
            ],
        },
    }
}
