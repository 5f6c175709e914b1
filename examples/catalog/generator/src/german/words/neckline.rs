use super::Words;
use crate::attributes::Neckline;

pub fn words(neckline: Neckline) -> Words {
    match neckline {
        Neckline::Round => Words {
            adjectives: &[],
            compounds: &[],
            nouns: &[
                "der rund- Ausschnitt",
                "der Rundhalsausschnitt",
                "der schlicht- Rundhals",
                "der sanft gerundet- Ausschnitt",
            ],
            verbs: &["hat|einen runden Ausschnitt", "ist|am Hals rund geschnitten", "hat|einen schlichten Rundhals"],
            clauses: &[
                "der Ausschnitt ist rund",
                "der Halsausschnitt ist ein einfacher runder",
                "der Ausschnitt ist sanft gerundet",
                "am Hals ist es rund geschnitten",
            ],
        },
        Neckline::V => Words {
            adjectives: &[],
            compounds: &[],
            nouns: &[
                "der V-Ausschnitt",
                "der V-förmig- Ausschnitt",
                "der spitz- Ausschnitt",
                "der tief- V-Ausschnitt",
                "das spitz- V am Hals",
            ],
            verbs: &["hat|einen V-Ausschnitt", "ist|vorn V-förmig ausgeschnitten", "zeigt|einen V-förmigen Ausschnitt"],
            clauses: &[
                "der Ausschnitt bildet ein V",
                "am Hals ist es V-förmig ausgeschnitten",
                "der Ausschnitt läuft spitz zu",
                "das V am Ausschnitt schmeichelt",
            ],
        },
        Neckline::High => Words {
            adjectives: &["hochgeschlossen-"],
            compounds: &[],
            nouns: &[
                "der hoh- Kragen",
                "der Stehkragen",
                "der eng anliegend- Stehkragen",
                "der Rollkragen",
                "der hoh- Halsabschluss",
            ],
            verbs: &["schließt|hoch am Hals|ab", "ist|hochgeschlossen", "bedeckt|den Hals", "hat|einen hohen Kragen"],
            clauses: &[
                "der Kragen reicht weit hinauf",
                "der Hals ist bis zum Kinn bedeckt",
                "der Ausschnitt ist hochgeschlossen",
                "der hohe Kragen verdeckt den Hals",
            ],
        },
        Neckline::Square => Words {
            adjectives: &[],
            compounds: &[],
            nouns: &[
                "der eckig- Ausschnitt",
                "der Karreeausschnitt",
                "der quadratisch- Ausschnitt",
                "der rechteckig- Ausschnitt",
            ],
            verbs: &[
                "hat|einen eckigen Ausschnitt",
                "ist|am Hals eckig ausgeschnitten",
                "hat|einen geraden Karreeausschnitt",
            ],
            clauses: &[
                "der Ausschnitt ist eckig",
                "der Ausschnitt ist ein Karree",
                "der Ausschnitt hat gerade Kanten",
                "oben ist es gerade und eckig geschnitten",
            ],
        },
        Neckline::Boat => Words {
            adjectives: &[],
            compounds: &[],
            nouns: &[
                "der U-Boot-Ausschnitt",
                "der breit- U-Boot-Ausschnitt",
                "der Bateau-Ausschnitt",
                "der Ausschnitt von Schulter zu Schulter",
            ],
            verbs: &[
                "hat|einen U-Boot-Ausschnitt",
                "hat|einen breiten U-Boot-Ausschnitt",
                "zeigt|mit seinem breiten Ausschnitt die Schlüsselbeine",
            ],
            clauses: &[
                "der U-Boot-Ausschnitt ist breit und flach",
                "der Ausschnitt verläuft gerade von Schulter zu Schulter",
                "der U-Boot-Ausschnitt zeigt die Schlüsselbeine",
                "der Ausschnitt ist ein Bateau-Ausschnitt",
            ],
        },
        Neckline::Cowl => Words {
            adjectives: &[],
            compounds: &[],
            nouns: &[
                "der Wasserfallausschnitt",
                "der drapiert- Ausschnitt",
                "der weich fallend- Wasserfallausschnitt",
                "der locker drapiert- Kragen",
            ],
            verbs: &[
                "hat|einen Wasserfallausschnitt",
                "fällt|am Hals in weichen Falten",
                "hat|einen drapierten Ausschnitt",
            ],
            clauses: &[
                "der Ausschnitt fällt in weichen Falten",
                "der Ausschnitt ist wie ein Wasserfall drapiert",
                "der Wasserfallausschnitt fällt schön",
                "der Ausschnitt hängt locker drapiert herab",
            ],
        },
        Neckline::Halter => Words {
            adjectives: &[],
            compounds: &["Neckholder"],
            nouns: &[
                "der Neckholder",
                "das Nackenband",
                "der Neckholder-Ausschnitt",
                "das Band im Nacken",
                "das Neckholder-Oberteil",
            ],
            verbs: &[
                "wird|im Nacken gebunden",
                "hat|einen Neckholder",
                "wird|im Nacken geschlossen",
                "hat|ein Neckholder-Oberteil",
            ],
            clauses: &[
                "das Oberteil ist ein Neckholder",
                "es wird im Nacken gebunden",
                "der Neckholder lässt den Rücken frei",
                "zwei Bänder treffen sich im Nacken",
            ],
        },
        Neckline::OffShoulder => Words {
            adjectives: &["schulterfrei-"],
            compounds: &["Off-Shoulder-"],
            nouns: &[
                "plural frei- Schultern",
                "der schulterfrei- Ausschnitt",
                "der Carmen-Ausschnitt",
                "der Ausschnitt unterhalb der Schultern",
            ],
            verbs: &["lässt|die Schultern frei", "sitzt|unterhalb der Schultern", "ist|schulterfrei"],
            clauses: &[
                "die Schultern sind frei",
                "der Ausschnitt verläuft unterhalb der Schultern",
                "der obere Rand sitzt an den Oberarmen und lässt die Schultern frei",
                "es ist schulterfrei geschnitten",
            ],
        },
    }
}
