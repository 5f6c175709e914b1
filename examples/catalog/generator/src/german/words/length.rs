use super::Words;
use crate::attributes::Length;

pub fn words(length: Length) -> Words {
    match length {
        Length::Mini => Words {
            adjectives: &["kurz-", "sehr kurz-", "kniefrei-"],
            compounds: &["Mini"],
            nouns: &[
                "der kurz- Rock",
                "der Saum weit über dem Knie",
                "der Saum am Oberschenkel",
                "der Minirock",
                "die Minilänge",
            ],
            verbs: &[
                "endet|weit über dem Knie",
                "endet|am Oberschenkel",
                "zeigt|viel Bein",
                "ist|ziemlich kurz",
                "hat|Minilänge",
            ],
            clauses: &[
                "der Saum liegt weit über dem Knie",
                "der Rock ist sehr kurz",
                "der Saum endet am Oberschenkel",
                "der Rock ist ein echter Minirock",
            ],
        },
        Length::Knee => Words {
            adjectives: &["knielang-"],
            compounds: &[],
            nouns: &[
                "der Saum am Knie",
                "der knielang- Rock",
                "der Saum auf Kniehöhe",
                "der Rock bis zum Knie",
                "die Knielänge",
            ],
            verbs: &[
                "endet|am Knie",
                "reicht|bis zum Knie",
                "geht|bis an die Knie",
                "hört|genau am Knie|auf",
                "ist|knielang",
            ],
            clauses: &[
                "der Saum ist auf Kniehöhe",
                "der Rock reicht bis zum Knie",
                "der Saum bedeckt gerade die Knie",
                "die Länge geht genau bis zum Knie",
            ],
        },
        Length::Midi => Words {
            adjectives: &["wadenlang-", "mittellang-"],
            compounds: &["Midi"],
            nouns: &[
                "die Midilänge",
                "der Saum auf Wadenhöhe",
                "der wadenlang- Rock",
                "der Saum ein Stück unter dem Knie",
                "der Midirock",
            ],
            verbs: &[
                "endet|auf halber Wade",
                "reicht|bis zur Mitte der Wade",
                "hat|Midilänge",
                "fällt|bis zur Wade",
                "endet|deutlich unter dem Knie",
            ],
            clauses: &[
                "der Saum fällt bis zur Wade",
                "der Rock hat Midilänge",
                "der Saum liegt irgendwo unter dem Knie",
                "der Rock reicht bis an die Waden",
            ],
        },
        Length::Maxi => Words {
            adjectives: &["bodenlang-", "knöchellang-", "lang-"],
            compounds: &["Maxi"],
            nouns: &[
                "der bodenlang- Rock",
                "der Saum bis zu den Knöcheln",
                "der Rock bis zum Boden",
                "der lang- Rock",
                "die Maxilänge",
            ],
            verbs: &[
                "reicht|bis zum Boden",
                "geht|bis zu den Knöcheln",
                "fällt|bis auf den Boden",
                "streift|den Boden",
                "hat|Maxilänge",
            ],
            clauses: &[
                "der Saum reicht bis zum Boden",
                "der Rock geht ganz hinunter bis zu den Knöcheln",
                "der Rock streift fast den Boden",
                "die Länge ist eine richtige Maxilänge",
            ],
        },
    }
}
