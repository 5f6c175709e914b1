use super::Words;
use crate::attributes::{Colour, Occasion};

pub fn words(occasion: Occasion, colour: Colour) -> Words {
    match occasion {
        Occasion::Casual => Words {
            adjectives: &["lässig-", "alltagstauglich-"],
            compounds: &["Alltags", "Freizeit"],
            nouns: &[
                "jeden Tag",
                "ein gemütliches Wochenende",
                "einen Stadtbummel",
                "den Alltag",
                "einen faulen Sonntag",
            ],
            verbs: &["ist|jeden Tag tragbar", "passt|zum Wochenende", "wirkt|lässig"],
            clauses: &[
                "ich würde es jeden Tag tragen",
                "es ist etwas Lässiges für das Wochenende",
                "es ist einfach alltagstauglich",
            ],
        },
        Occasion::Office => Words {
            adjectives: &["bürotauglich-"],
            compounds: &["Büro", "Business-"],
            nouns: &[
                "das Büro",
                "die Arbeit",
                "geschäftliche Treffen",
                "ein Vorstellungsgespräch",
                "einen Tag im Büro",
            ],
            verbs: &["passt|ins Büro", "ist|für die Arbeit geeignet", "wirkt|geschäftsmäßig"],
            clauses: &[
                "ich würde es im Büro tragen",
                "zu einem Vorstellungsgespräch könnte man es anziehen",
                "es ist etwas für die Arbeit",
                "es passt gut zu geschäftlichen Terminen",
            ],
        },
        Occasion::Summer => Words {
            adjectives: &["sommerlich-"],
            compounds: &["Sommer"],
            nouns: &[
                "den Sommer",
                "heiße Sommertage",
                "ein Picknick im Sommer",
                "einen warmen Tag im Juli",
                "sonnige Nachmittage",
            ],
            verbs: &["ist|für den Sommer gemacht", "ist|genau richtig für heiße Tage", "erinnert|an Sommer und Sonne"],
            clauses: &[
                "ich würde es im Sommer tragen",
                "es ist etwas für sonnige Tage",
                "es lässt mich an den Sommerurlaub denken",
                "an heißen Tagen ist es angenehm",
            ],
        },
        Occasion::Beach => Words {
            adjectives: &[],
            compounds: &["Strand"],
            nouns: &[
                "den Strand",
                "einen Strandurlaub",
                "einen Nachmittag am Meer",
                "einen Spaziergang am Strand",
                "einen Tag an der See",
            ],
            verbs: &["gehört|an den Strand", "ist|schnell über den Bikini geworfen", "ist|für Tage am Meer gemacht"],
            clauses: &[
                "ich würde es für den Strand einpacken",
                "es ist etwas für einen Tag am Meer",
                "am Strand sähe es gut aus",
            ],
        },
        Occasion::Winter => Words {
            adjectives: &["winterlich-"],
            compounds: &["Winter"],
            nouns: &["den Winter", "kalte Tage", "einen kalten Tag im Januar", "frostige Tage", "die Wintermonate"],
            verbs: &["hält|im Winter warm", "ist|für kalte Tage gemacht", "ist|genau richtig für den Winter"],
            clauses: &[
                "ich würde es im Winter tragen",
                "an kalten Tagen hält es warm",
                "es ist etwas für frostiges Wetter",
            ],
        },
        Occasion::Party => Words {
            adjectives: &[],
            compounds: &["Party", "Cocktail"],
            nouns: &[
                "eine Party",
                "eine lange Nacht",
                "eine Geburtstagsparty",
                "Cocktails mit Freunden",
                "eine durchtanzte Nacht",
            ],
            verbs: &["ist|für eine Party gemacht", "passt|auf die Tanzfläche", "ist|genau richtig zum Feiern"],
            clauses: &[
                "ich würde es zu einer Party tragen",
                "es ist etwas zum Ausgehen",
                "auf jeder Party wäre es der Star",
            ],
        },
        Occasion::Evening => Words {
            adjectives: &[],
            compounds: &["Abend"],
            nouns: &["den Abend", "einen Abend in der Oper", "ein Galadinner", "einen Ball", "einen festlichen Abend"],
            verbs: &["gehört|auf einen Ball", "ist|für den Abend gemacht", "passt|zu einer Gala"],
            clauses: &[
                "ich würde es in der Oper tragen",
                "es ist etwas für eine Gala",
                "am Abend bei Kerzenlicht ist es genau richtig",
            ],
        },
        Occasion::Wedding if matches!(colour, Colour::White | Colour::Beige) => Words {
            adjectives: &[],
            compounds: &["Braut", "Hochzeits"],
            nouns: &["eine Hochzeit", "eine Braut", "eine kirchliche Trauung", "den großen Tag einer Braut"],
            verbs: &["ist|für eine Braut gemacht", "gehört|auf eine Hochzeit", "passt|zu einer Braut"],
            clauses: &[
                "ich würde darin heiraten",
                "es muss für eine Hochzeit sein",
                "eine Braut sähe darin wunderschön aus",
            ],
        },
        Occasion::Wedding => Words {
            adjectives: &[],
            compounds: &["Hochzeits"],
            nouns: &["eine Hochzeit", "einen Gast auf einer Hochzeit", "eine kirchliche Trauung", "eine Brautjungfer"],
            verbs: &["passt|zu einer Hochzeit", "ist|für eine Brautjungfer genau richtig", "gehört|auf eine Hochzeit"],
            clauses: &[
                "ich würde es zu einer Hochzeit tragen",
                "eine Brautjungfer sähe darin reizend aus",
                "es ist etwas für eine Hochzeit",
            ],
        },
    }
}
