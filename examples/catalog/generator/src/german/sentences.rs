//! The five descriptions of a dress, one sentence each.

use super::grammar::{Verb, list, sequence};
use super::speaker::{After, Speaker};
use crate::attributes::{Attributes, Kind, Occasion};
use crate::dice::Dice;
use crate::grammar::capitalised;
use crate::plan::plan;
use crate::shades::Shade;

/// A way to build a sentence, and whether what is to be said suits it.
struct Style {
    suits: fn(&Speaker) -> bool,
    build: fn(&mut Speaker) -> String,
}

/// As many as in English: what is drawn after them, who says what, is then the same.
const STYLES: [Style; crate::sentences::STYLES.len()] = [
    Style { suits: always, build: catalogue },
    Style { suits: |speaker| speaker.left() > 2, build: subject },
    Style { suits: |speaker| (3..5).contains(&speaker.left()), build: relative },
    Style { suits: |speaker| speaker.left() < 4, build: clauses },
    Style { suits: |speaker| speaker.left() > 2, build: colon },
    Style { suits: |speaker| speaker.left() > 2, build: terse },
    Style { suits: |speaker| speaker.has(Kind::Occasion), build: purpose },
    Style { suits: |speaker| speaker.predicates() > 1, build: predicates },
    Style { suits: |speaker| speaker.left() > 2, build: with_comment },
    Style { suits: |speaker| speaker.has(Kind::Colour) || speaker.has(Kind::Fabric), build: stuff_first },
    Style { suits: |speaker| speaker.left() > 1, build: liking },
];

/// Five people, each with a style of their own.
pub fn describe(dress: &Attributes, shade: &'static Shade, dice: &mut Dice) -> Vec<String> {
    let mut styles: Vec<&Style> = STYLES.iter().collect();
    dice.shuffle(&mut styles);
    let mut heard = Vec::new();
    let mut sentences = Vec::new();
    for mentions in plan(dress, dice) {
        let few = mentions.len() < 3;
        let mut speaker = Speaker::new(dress, shade, &mentions, &mut heard, dice);
        let build = match styles.iter().position(|style| (style.suits)(&speaker)) {
            Some(at) => styles.remove(at).build,
            None => catalogue,
        };
        let text = build(&mut speaker);
        let tail = if speaker.dice.percent(if few { 70 } else { 22 }) { tail(&mut speaker, &text) } else { "" };
        sentences.push(capitalised(&format!("{text}{tail}.")));
    }
    sentences
}

fn always(_: &Speaker) -> bool {
    true
}

/// "Ein grünes Baumwollkleid mit langen Ärmeln."
fn catalogue(speaker: &mut Speaker) -> String {
    let opening = speaker.one_of(&[
        "ein",
        "ein",
        "das ist ein",
        "es ist ein",
        "das Bild zeigt ein",
        "hier haben wir ein",
        "ich sehe ein",
    ]);
    let adjectives = 1 + speaker.dice.below(3);
    let dress = speaker.noun_phrase(adjectives, After::Ein);
    format!("{opening} {dress}{}", speaker.trailer())
}

/// "Dieses grüne Kleid hat lange Ärmel und reicht bis zum Knie."
fn subject(speaker: &mut Speaker) -> String {
    let opening = speaker.one_of(&["dieses", "das"]);
    let adjectives = speaker.left() - speaker.dice.below(2) - 1;
    let dress = speaker.noun_phrase(adjectives.min(3), After::Dieses);
    let verbs = verbs_or_praise(speaker, 4);
    format!("{opening} {dress} {}", main(&verbs))
}

/// "Ein grünes Kleid, das lange Ärmel hat und bis zum Knie reicht."
fn relative(speaker: &mut Speaker) -> String {
    let opening = speaker.one_of(&["ein", "man sieht ein", "es ist ein", "für mich ist das ein"]);
    let adjectives = speaker.left() - 2;
    let dress = speaker.noun_phrase(adjectives, After::Ein);
    let verbs = verbs_or_praise(speaker, 4);
    format!("{opening} {dress}, das {}", dependent(&verbs))
}

/// "Die Ärmel sind lang, und der Saum reicht bis zum Knie."
fn clauses(speaker: &mut Speaker) -> String {
    let clauses = speaker.clauses(3);
    match clauses.as_slice() {
        [first, second] => format!("{first}, und {second}"),
        [first, second, third] if speaker.dice.percent(50) => format!("{first}; {second}, und {third}"),
        _ => sequence(&clauses),
    }
}

/// "Ein grünes Sommerkleid: Die Ärmel sind kurz und der Saum reicht bis zum Knie."
fn colon(speaker: &mut Speaker) -> String {
    let adjectives = speaker.left() - 2;
    let dress = speaker.noun_phrase(adjectives, After::Ein);
    let clauses = sequence(&speaker.clauses(3));
    let rest = speaker.trailer();
    if clauses.is_empty() {
        format!("ein {dress}{rest}")
    } else {
        format!("ein {dress}{rest}: {}", capitalised(&clauses))
    }
}

/// "Grünes Kleid, lange Ärmel, runder Ausschnitt, für das Büro."
fn terse(speaker: &mut Speaker) -> String {
    let adjectives = 1 + speaker.dice.below(2);
    let mut parts = vec![speaker.noun_phrase(adjectives, After::Ein)];
    parts.extend(speaker.notes());
    parts.join(", ")
}

/// "Perfekt für eine Hochzeit: ein weißes Kleid mit langen Ärmeln."
fn purpose(speaker: &mut Speaker) -> String {
    let Some(purpose) = speaker.purpose() else { return catalogue(speaker) };
    let way = speaker.dice.below(5);
    let dress = speaker.noun_phrase(3, if matches!(way, 0 | 3) { After::Ein } else { After::Dieses });
    let rest = speaker.trailer();
    match way {
        0 => format!("perfekt für {purpose}: ein {dress}{rest}"),
        1 => format!("für {purpose} würde ich dieses {dress}{rest} wählen"),
        2 => format!("wenn ich etwas für {purpose} bräuchte, würde ich dieses {dress}{rest} nehmen"),
        3 => format!("genau das Richtige für {purpose}, ein {dress}{rest}"),
        _ => format!("dieses {dress}{rest} stelle ich mir für {purpose} vor"),
    }
}

/// "Grün, ärmellos und knielang: Dieses Kleid betont die Figur."
fn predicates(speaker: &mut Speaker) -> String {
    let adjectives = list(&speaker.predicative(3));
    if speaker.left() == 0 || speaker.dice.percent(35) {
        let opening = speaker.one_of(&["das Kleid ist", "es ist", "dieses hier ist"]);
        let rest = speaker.trailer();
        let comma = if rest.is_empty() { "" } else { "," };
        return format!("{opening} {adjectives}{comma}{rest}");
    }
    format!("{adjectives}: Dieses Kleid {}", main(&speaker.verbs(3)))
}

/// "Ein grünes Kleid mit langen Ärmeln, und der Saum reicht bis zum Knie."
fn with_comment(speaker: &mut Speaker) -> String {
    let comment = speaker.clauses(1).join("");
    let joint = if speaker.dice.percent(50) { ", und" } else { ";" };
    let dress = speaker.noun_phrase(2, After::Ein);
    format!("ein {dress}{}{joint} {comment}", speaker.trailer())
}

/// "Aus weichem Samt gefertigt, reicht dieses langärmelige Kleid bis zum Boden."
fn stuff_first(speaker: &mut Speaker) -> String {
    let Some(stuff) = speaker.stuff() else { return catalogue(speaker) };
    let made: &[&str] = if stuff.starts_with("aus ") { &["gefertigt", "gearbeitet"] } else { &["gehalten"] };
    let made = speaker.one_of(made);
    let adjectives = speaker.left().saturating_sub(1).min(2);
    let dress = speaker.noun_phrase(adjectives, After::Dieses);
    let verbs = verbs_or_praise(speaker, 4);
    let first = verbs.first().map(|verb| verb.before(&format!("dieses {dress}")));
    let others = verbs.iter().skip(1).map(Verb::second);
    format!("{stuff} {made}, {}", sequence(&first.into_iter().chain(others).collect::<Vec<_>>()))
}

/// "Mir gefällt, dass dieses grüne Kleid die Figur betont und bis zum Knie reicht."
fn liking(speaker: &mut Speaker) -> String {
    let opening = speaker.one_of(&["mir gefällt, dass", "schön ist, dass", "man sieht, dass", "mir fällt auf, dass"]);
    let adjectives = speaker.left() - 1;
    let dress = speaker.noun_phrase(adjectives.min(2), After::Dieses);
    let verbs = verbs_or_praise(speaker, 4);
    format!("{opening} dieses {dress} {}", dependent(&verbs))
}

/// "hat lange Ärmel und reicht bis zum Knie"
fn main(verbs: &[Verb]) -> String {
    sequence(&verbs.iter().map(Verb::second).collect::<Vec<_>>())
}

/// "lange Ärmel hat und bis zum Knie reicht"
fn dependent(verbs: &[Verb]) -> String {
    sequence(&verbs.iter().map(Verb::last).collect::<Vec<_>>())
}

/// What is left, as said of the dress; a sentence that has nothing left to say of it needs a verb all the same.
fn verbs_or_praise(speaker: &mut Speaker, most: usize) -> Vec<Verb> {
    let verbs = speaker.verbs(most);
    if !verbs.is_empty() {
        return verbs;
    }
    let ways = ["sieht|bequem|aus", "gefällt|auf Anhieb", "steht|fast jedem", "wirkt|zeitlos", "ist|gut verarbeitet"];
    vec![Verb::new(speaker.one_of(&ways))]
}

/// A remark at the end that tells nothing new about the dress.
fn tail(speaker: &mut Speaker, sentence: &str) -> &'static str {
    let ways = if speaker.dice.percent(50) { REMARKS } else { advice(speaker.dress.occasion) };
    // One ", und" is enough.
    let ways: Vec<&'static str> =
        ways.iter().copied().filter(|way| !sentence.contains(", und") || !way.starts_with(", und")).collect();
    speaker.one_that_is_new(&ways).unwrap_or_default()
}

const REMARKS: &[&str] = &[
    ", was ich sehr ansprechend finde",
    ", und bequem sieht es auch aus",
    ", wenn auch nicht ganz mein Geschmack",
    ", nichts Ausgefallenes, aber gut gemacht",
    ", und ich würde es sofort kaufen",
    ", für mich eher zeitlos",
    ", soweit man das auf dem Bild erkennt",
    ", einfach, aber wirkungsvoll",
    ", und es würde vielen stehen",
    ", vielleicht ein wenig altmodisch",
];

fn advice(occasion: Occasion) -> &'static [&'static str] {
    match occasion {
        Occasion::Casual => {
            &[", gut zu Turnschuhen", ", leicht mit einer Strickjacke zu kombinieren", ", und bügeln muss man es nicht"]
        }
        Occasion::Office => {
            &[", leicht mit einem Blazer zu kombinieren", ", gut zu einfachen Pumps", ", ernsthaft, aber nicht steif"]
        }
        Occasion::Summer => {
            &[", am besten mit flachen Sandalen", ", und ein Strohhut würde gut dazu passen", ", leicht und luftig"]
        }
        Occasion::Beach => {
            &[", am besten mit Badelatschen", ", und im Koffer braucht es keinen Platz", ", schnell übergezogen"]
        }
        Occasion::Winter => &[
            ", am besten mit Stiefeln und dicken Strumpfhosen",
            ", und ein Schal würde dazu passen",
            ", richtig kuschelig",
        ],
        Occasion::Party => &[", am besten mit hohen Absätzen", ", und alle werden sich umdrehen", ", macht gute Laune"],
        Occasion::Evening => {
            &[", am besten mit einer kleinen Clutch", ", und edler Schmuck gehört dazu", ", wirklich glamourös"]
        }
        Occasion::Wedding => {
            &[", sehr romantisch", ", und ein Blumenstrauß würde gut dazu passen", ", wirklich feierlich"]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::attributes::{Colour, Pattern};
    use crate::choice;
    use crate::german::grammar::{Case, compound, content_words, declined, with_ending};
    use crate::german::shades;
    use crate::german::speaker::filled;
    use crate::german::words::words;

    fn row(row: u64) -> (Attributes, &'static Shade, Vec<String>) {
        let mut dice = Dice::new(1, row);
        let dress = choice::choose(&mut dice);
        let shade = crate::shades::choose(dress.colour, &mut dice);
        let sentences = describe(&dress, shade, &mut dice);
        (dress, shade, sentences)
    }

    const ENDINGS: [&str; 6] = ["", "e", "em", "en", "er", "es"];

    /// Everything that names the value of an attribute, as it can stand in any sentence.
    fn forms(dress: &Attributes, shade: &Shade, kind: Kind) -> Vec<String> {
        let words = words(dress, kind);
        let mut forms: Vec<String> = Vec::new();
        for adjective in words.adjectives {
            forms.extend(ENDINGS.map(|ending| with_ending(adjective, ending)));
        }
        for first in words.compounds {
            forms.extend(["kleid", "kleidchen"].map(|head| compound(first, head)));
        }
        for noun in words.nouns {
            forms.extend([Case::Nominative, Case::Dative].map(|case| declined(noun, case)));
        }
        for verb in words.verbs {
            let verb = Verb::new(verb);
            forms.push(if verb.rest.is_empty() { verb.finite } else { verb.rest });
        }
        forms.extend(words.clauses.iter().map(|clause| clause.to_string()));
        forms.retain(|form| !form.contains('{'));
        if kind == Kind::Colour {
            for name in shades::all_names(dress.colour, shade) {
                forms.extend([name.plain.to_string(), name.noun.to_string()]);
                forms.extend(ENDINGS.map(|ending| with_ending(&name.attributive(), ending)));
            }
        }
        forms.iter().map(|form| form.to_lowercase()).collect()
    }

    /// A hyphen belongs to the word: "V-Ausschnitt" does not say "Ausschnitt".
    fn says(sentence: &str, form: &str) -> bool {
        let is_letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '-');
        let sentence = sentence.to_lowercase();
        sentence.match_indices(form).any(|(at, _)| {
            !is_letter(sentence[..at].chars().next_back()) && !is_letter(sentence[at + form.len()..].chars().next())
        })
    }

    #[test]
    fn the_first_dress_of_seed_1() {
        let (_, _, sentences) = row(0);
        assert_eq!(
            sentences,
            [
                "Das Kleid ist langärmlig, mittellang und hochgeschlossen, aus warmer Wolle mit schmalem Schnitt.",
                "Das Bild zeigt ein langärmliges Kleid in allen Farben des Regenbogens mit geometrischen Figuren für den Winter.",
                "Für die Wintermonate würde ich dieses hochgeschlossene mehrfarbige gestrickte Kleid mit langen, schmalen Ärmeln wählen.",
                "Der Schnitt ist schmal; auf eine einzige Farbe kann man es nicht festlegen, und das Muster besteht nur aus Ecken und Kanten, am besten mit Stiefeln und dicken Strumpfhosen.",
                "Ein langärmeliges farbenfrohes Kleid mit Midirock; es schmiegt sich an die Hüften.",
            ]
        );
    }

    #[test]
    fn each_attribute_is_in_two_sentences_or_more() {
        for number in 0..3000 {
            let (dress, shade, sentences) = row(number);
            for kind in Kind::ALL {
                let forms = forms(&dress, shade, kind);
                let count = sentences.iter().filter(|sentence| forms.iter().any(|form| says(sentence, form))).count();
                assert!(count >= 2, "{kind:?} of {dress:?}: {sentences:#?}");
            }
        }
    }

    /// Words that tell a value from all others of its attribute, by their beginnings.
    const TELLING: [(&str, &[&str]); 38] = [
        ("sleeveless", &["ärmellos", "keine Ärmel", "ohne Ärmel"]),
        ("spaghetti straps", &["Träger", "Spaghetti"]),
        ("short", &["kurzärm", "kurze Ärmel", "kurzen Ärmel"]),
        ("three-quarter", &["Dreiviertel", "dreiviertel"]),
        ("long", &["langärm", "lange Ärmel", "langen Ärmel"]),
        ("V", &["V-"]),
        ("high", &["hochgeschlossen", "Stehkragen", "Rollkragen"]),
        ("square", &["eckige", "Karreeausschnitt"]),
        ("boat", &["U-Boot", "Bateau"]),
        ("cowl", &["Wasserfall"]),
        ("halter", &["Neckholder", "Nacken"]),
        ("off-shoulder", &["schulterfrei", "Carmen", "Off-Shoulder"]),
        ("mini", &["Mini", "Oberschenkel"]),
        ("knee", &["knielang", "Kniehöhe"]),
        ("midi", &["Midi", "wadenlang"]),
        ("maxi", &["Maxi", "bodenlang", "knöchellang"]),
        ("wrap", &["Wickel", "gewickelt"]),
        ("empire", &["Empire", "hoch tailliert"]),
        ("cotton", &["Baumwoll"]),
        ("linen", &["Leinen"]),
        ("denim", &["Denim", "Jeans"]),
        ("jersey", &["Jersey"]),
        ("wool knit", &["Woll", "Strickkleid", "gestrickt"]),
        ("velvet", &["Samt"]),
        ("satin", &["Satin"]),
        ("silk", &["Seide", "seiden"]),
        ("chiffon", &["Chiffon"]),
        ("lace", &["Spitze"]),
        ("tulle", &["Tüll"]),
        ("sequins", &["Pailletten", "pailletten"]),
        ("striped", &["gestreift", "Streifen"]),
        ("checked", &["kariert", "Karo"]),
        ("floral", &["geblümt", "Blumenm", "Blumendruck"]),
        ("paisley", &["Paisley"]),
        ("office", &["Büro", "Business"]),
        ("summer", &["Sommer", "sommerlich"]),
        ("winter", &["Winter", "winterlich"]),
        ("wedding", &["Hochzeit", "Braut"]),
    ];

    #[test]
    fn what_is_said_is_true_unless_somebody_errs() {
        for number in 0..5000 {
            let (dress, _, sentences) = row(number);
            // The throws of `row`, as far as to who says what.
            let mut dice = Dice::new(1, number);
            choice::choose(&mut dice);
            crate::shades::choose(dress.colour, &mut dice);
            dice.shuffle(&mut [(); STYLES.len()]);
            if plan(&dress, &mut dice).iter().flatten().any(|mention| mention.seen != dress) {
                continue;
            }
            let text = format!(" {}", sentences.join(" "));
            let truth = [
                dress.sleeves.text(),
                dress.neckline.text(),
                dress.length.text(),
                dress.fit.text(),
                dress.fabric.text(),
                dress.pattern.text(),
                dress.occasion.text(),
            ];
            for (value, beginnings) in TELLING {
                for beginning in beginnings.iter().filter(|_| !truth.contains(&value)) {
                    assert!(!text.contains(&format!(" {beginning}")), "{beginning} of {dress:?}: {sentences:#?}");
                }
            }
        }
    }

    #[test]
    fn no_two_dresses_have_the_same_text() {
        let texts: HashSet<String> = (0..20_000).map(|number| row(number).2.join(" ")).collect();
        assert_eq!(texts.len(), 20_000);
    }

    #[test]
    fn sentences_look_like_sentences() {
        for number in 0..5000 {
            for sentence in row(number).2 {
                assert!(sentence.starts_with(char::is_uppercase) && sentence.ends_with('.'), "{sentence}");
                for fault in
                    ["  ", " ,", " .", "..", ",,", "{", "}", "|", "(", "- ", "-,", "-.", "plural", " ;", ":.", ", ."]
                {
                    assert!(!sentence.contains(fault), "{sentence}");
                }
                let words: Vec<&str> = sentence.trim_end_matches('.').split(' ').collect();
                for pair in words.windows(2) {
                    assert_ne!(pair[0].to_lowercase(), pair[1].to_lowercase(), "{sentence}");
                }
            }
        }
    }

    /// What stands between "ein" and the dress ends in -es, what stands after "dieses" and "das" in -e.
    #[test]
    fn adjectives_agree_with_the_dress() {
        const WITHOUT_ENDING: [&str; 12] = [
            "sehr",
            "eng",
            "weit",
            "locker",
            "hoch",
            "floral",
            "geometrisch",
            "rosa",
            "lila",
            "altrosa",
            "puderrosa",
            "ganz",
        ];
        let mut seen = 0;
        for number in 0..5000 {
            for sentence in row(number).2 {
                let words: Vec<&str> =
                    sentence.trim_end_matches('.').split(' ').map(|w| w.trim_end_matches(',')).collect();
                for (at, article) in words.iter().enumerate() {
                    let ending = match article.to_lowercase().as_str() {
                        "ein" => "es",
                        "dieses" => "e",
                        _ => continue,
                    };
                    let adjectives = words[at + 1..].iter().take_while(|word| word.starts_with(char::is_lowercase));
                    let adjectives: Vec<&&str> = adjectives.collect();
                    let noun = words.get(at + 1 + adjectives.len()).copied().unwrap_or_default();
                    if !noun.to_lowercase().contains("kleid") {
                        continue;
                    }
                    for adjective in adjectives {
                        let fixed = WITHOUT_ENDING.contains(adjective) || adjective.ends_with("rosa");
                        let right = adjective.ends_with(ending) && !(ending == "e" && adjective.ends_with("ee"));
                        assert!(fixed || right, "{adjective}: {sentence}");
                        seen += usize::from(!fixed);
                    }
                }
            }
        }
        assert!(seen > 10_000, "{seen}");
    }

    #[test]
    fn phrases_have_the_form_that_their_place_wants() {
        let mut dresses = HashSet::new();
        for number in 0..300 {
            let (dress, ..) = row(number);
            if !dresses.insert(dress) {
                continue;
            }
            for kind in Kind::ALL {
                let words = words(&dress, kind);
                let declinable = |noun: &str| {
                    ["der ", "die ", "das ", "plural ", "ohne "].iter().any(|article| noun.starts_with(article))
                };
                assert!(words.adjectives.iter().all(|word| word.ends_with('-') || *word == "{a}"), "{words:?}");
                assert!(kind == Kind::Occasion || words.nouns.iter().all(|noun| declinable(noun)), "{words:?}");
                assert!(words.verbs.iter().all(|verb| verb.split('|').count() <= 3), "{words:?}");
                assert!(!words.nouns.is_empty() && !words.verbs.is_empty() && !words.clauses.is_empty(), "{words:?}");
                for colour in Colour::ALL {
                    for name in shades::all_names(*colour, &crate::shades::shades(*colour)[0]) {
                        for phrase in [words.adjectives, words.nouns, words.verbs, words.clauses].concat() {
                            assert!(!filled(phrase, name).contains('{'), "{phrase}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn words_are_seldom_repeated_in_a_sentence() {
        let all: Vec<String> = (0..2000).flat_map(|number| row(number).2).collect();
        let repeating = all.iter().filter(|sentence| {
            let words = content_words(sentence);
            words.iter().collect::<HashSet<_>>().len() < words.len()
        });
        let count = repeating.count();
        assert!(count * 20 < all.len(), "{count} of {}", all.len());
    }

    #[test]
    fn many_coloured_dresses_are_not_called_by_a_shade() {
        let many = (0..5000).map(row).filter(|(dress, ..)| dress.colour == Colour::Multicoloured);
        for (dress, _, sentences) in many {
            assert_ne!(dress.pattern, Pattern::Plain);
            assert!(sentences.iter().all(|sentence| !sentence.contains("unterbunt")));
        }
    }
}
