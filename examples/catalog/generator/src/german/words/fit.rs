use super::Words;
use crate::attributes::Fit;

pub fn words(fit: Fit) -> Words {
    match fit {
        Fit::ALine => Words {
            adjectives: &["ausgestellt-"],
            compounds: &["A-Linien-"],
            nouns: &[
                "der ausgestellt- Rock",
                "die A-Linie",
                "der weit schwingend- Rock",
                "der weit- Rock",
                "der Schnitt in A-Linie",
            ],
            verbs: &[
                "ist|ab der Taille ausgestellt",
                "wird|zum Saum hin weiter",
                "schwingt|unterhalb der Taille|aus",
                "ist|in A-Linie geschnitten",
                "fällt|unter der schmalen Taille weit",
            ],
            clauses: &[
                "der Rock ist ab der Taille ausgestellt",
                "der Rock wird zum Saum hin weiter",
                "die Form ist eine A-Linie",
                "der Rock schwingt unter einer schmalen Taille",
                "der Schnitt ist A-förmig",
            ],
        },
        Fit::Fitted => Words {
            adjectives: &["eng-", "eng anliegend-", "figurbetont-", "schmal-", "körpernah-"],
            compounds: &["Etui", "Bodycon-"],
            nouns: &[
                "der schmal- Schnitt",
                "die figurbetont- Form",
                "die schmal- Silhouette",
                "der eng- Schnitt",
                "die eng- Passform",
            ],
            verbs: &[
                "betont|die Figur",
                "folgt|den Linien des Körpers",
                "liegt|eng an den Hüften|an",
                "ist|körpernah geschnitten",
                "sitzt|eng",
            ],
            clauses: &[
                "der Schnitt ist schmal",
                "es sitzt eng",
                "es folgt den Kurven des Körpers",
                "die Form ist schmal und körpernah",
                "es schmiegt sich an die Hüften",
            ],
        },
        Fit::Loose => Words {
            adjectives: &["locker-", "locker sitzend-", "weit-", "weit geschnitten-"],
            compounds: &["Hänger", "Oversize-"],
            nouns: &[
                "der locker- Schnitt",
                "der weit- Schnitt",
                "die bequem- Weite",
                "die locker- Passform",
                "die weit-, gerad- Form",
            ],
            verbs: &[
                "fällt|locker",
                "ist|weit geschnitten",
                "liegt|nirgends eng|an",
                "lässt|viel Platz",
                "hat|keine erkennbare Taille",
            ],
            clauses: &[
                "der Schnitt ist locker",
                "man hat viel Platz darin",
                "die Form ist weit und bequem",
                "es fällt ganz locker",
                "nichts daran ist eng",
            ],
        },
        Fit::Wrap => Words {
            adjectives: &["gewickelt-"],
            compounds: &["Wickel"],
            nouns: &[
                "die gewickelt- Vorderseite",
                "die überkreuzt- Vorderseite",
                "das Bindeband in der Taille",
                "das gewickelt- Oberteil",
                "die Wickeloptik",
            ],
            verbs: &[
                "wird|um den Körper gewickelt",
                "ist|vorn überkreuzt",
                "wird|an der Seite gebunden",
                "ist|vorn gewickelt",
                "ist|zum Wickeln geschnitten",
            ],
            clauses: &[
                "die Vorderseite ist gewickelt",
                "die Vorderseite ist überkreuzt",
                "es wird gewickelt und mit einem Band gehalten",
                "die beiden Hälften werden übereinandergewickelt",
            ],
        },
        Fit::Empire => Words {
            adjectives: &["hoch tailliert-"],
            compounds: &["Empire"],
            nouns: &["die Empire-Taille", "die hoh- Taille", "die Naht direkt unter der Brust", "die Empire-Linie"],
            verbs: &[
                "ist|unter der Brust gerafft",
                "fällt|unterhalb der Brust frei",
                "hat|die Taille direkt unter der Brust",
                "ist|hoch tailliert",
            ],
            clauses: &[
                "die Taille sitzt hoch unter der Brust",
                "die Naht sitzt direkt unter der Brust",
                "die Empire-Linie schmeichelt",
                "die Taille ist eine Empire-Taille",
            ],
        },
    }
}
