//! The rules of German that the sentences need: endings of adjectives, cases, and where the verb stands.
//!
//! A hyphen at the end of a word stands where the ending of an adjective comes: "rund- Ausschnitt". The phrases of the
//! vocabulary that are declined begin with the noun's article or with "plural", and "(n)" is written in the dative alone:
//! "der rund- Ausschnitt", "plural lang- Ärmel(n)".

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Case {
    Nominative,
    Dative,
}

/// A phrase of the vocabulary as it stands without an article: "runder Ausschnitt", and "rundem Ausschnitt" after "mit".
/// What begins otherwise stays as it is: "ohne Ärmel".
pub fn declined(phrase: &str, case: Case) -> String {
    let (article, text) = phrase.split_once(' ').unwrap_or_default();
    let ending = match (article, case) {
        ("der", Case::Nominative) | ("die", Case::Dative) => "er",
        ("die" | "plural", Case::Nominative) => "e",
        ("das", Case::Nominative) => "es",
        ("der" | "das", Case::Dative) => "em",
        ("plural", Case::Dative) => "en",
        _ => return phrase.to_string(),
    };
    let plural = if case == Case::Dative { "n" } else { "" };
    with_ending(text, ending).replace("(n)", plural)
}

/// "sehr kurz-" and "es": "sehr kurzes".
pub fn with_ending(text: &str, ending: &str) -> String {
    let words = text.split(' ').map(|word| {
        let (word, comma) = word.strip_suffix(',').map_or((word, ""), |word| (word, ","));
        let (word, ending) = word.strip_suffix('-').map_or((word, ""), |stem| (stem, ending));
        format!("{word}{ending}{comma}")
    });
    words.collect::<Vec<_>>().join(" ")
}

/// "Sommer" and "kleid": "Sommerkleid"; "A-Linien-": "A-Linien-Kleid"; nothing: "Kleid".
pub fn compound(first: &str, noun: &str) -> String {
    if first.is_empty() || first.ends_with('-') {
        format!("{first}{}", crate::grammar::capitalised(noun))
    } else {
        format!("{first}{noun}")
    }
}

/// "eins", "eins und zwei", "eins, zwei und drei"; with "sowie" where an item has an "und" of its own.
pub fn list(items: &[String]) -> String {
    let joint = if items.iter().any(|item| item.contains(" und ")) { "sowie" } else { "und" };
    joined(items, joint)
}

/// The same of verbs and sentences, which "sowie" cannot join.
pub fn sequence(items: &[String]) -> String {
    joined(items, "und")
}

fn joined(items: &[String], joint: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} {joint} {last}", most.join(", ")),
    }
}

/// What is said of the dress. "liegt|eng|an" is the verb, what goes with it, and the part that comes off the verb.
#[derive(Clone, Debug, PartialEq)]
pub struct Verb {
    pub finite: String,
    pub rest: String,
    pub prefix: String,
}

impl Verb {
    pub fn new(text: &str) -> Self {
        let mut parts = text.split('|').map(str::to_string);
        let mut part = || parts.next().unwrap_or_default();
        Self { finite: part(), rest: part(), prefix: part() }
    }

    /// After the subject: "liegt eng an".
    pub fn second(&self) -> String {
        words([&self.finite, &self.rest, &self.prefix])
    }

    /// At the end of a clause that depends on another: "eng anliegt".
    pub fn last(&self) -> String {
        words([&self.rest, &format!("{}{}", self.prefix, self.finite), ""])
    }

    /// Before the subject: "liegt dieses Kleid eng an".
    pub fn before(&self, subject: &str) -> String {
        let rest = words([&self.rest, &self.prefix, ""]);
        words([&self.finite, subject, &rest])
    }
}

fn words(parts: [&str; 3]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// "ist grün" and "ist kurz": "ist grün und kurz"; and the same with "hat".
pub fn together(verbs: Vec<Verb>) -> Vec<Verb> {
    let mut out: Vec<Verb> = Vec::new();
    for finite in ["ist", "hat"] {
        let rests: Vec<String> =
            verbs.iter().filter(|verb| verb.finite == finite).map(|verb| verb.rest.clone()).collect();
        if !rests.is_empty() {
            out.push(Verb { finite: finite.to_string(), rest: list(&rests), prefix: String::new() });
        }
    }
    out.extend(verbs.into_iter().filter(|verb| verb.finite != "ist" && verb.finite != "hat"));
    out
}

/// The words that carry meaning, without their endings: none of them should be heard twice in a sentence.
pub fn content_words(text: &str) -> Vec<String> {
    const COMMON: [&str; 24] = [
        "eine", "einen", "einem", "einer", "eines", "dieses", "plural", "ohne", "über", "unter", "nach", "auch",
        "sehr", "ganz", "wird", "sind", "etwas", "wäre", "würde", "kann", "dass", "wenn", "mich", "sich",
    ];
    const ENDINGS: [&str; 7] = ["en", "em", "er", "es", "e", "n", "s"];
    text.split(|letter: char| !letter.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() > 3 && !COMMON.contains(&word.as_str()))
        .map(|word| {
            let stem = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending));
            stem.filter(|stem| stem.chars().count() > 3).unwrap_or(&word).to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declension() {
        for (phrase, nominative, dative) in [
            ("der rund- Ausschnitt", "runder Ausschnitt", "rundem Ausschnitt"),
            ("die warm- Wolle", "warme Wolle", "warmer Wolle"),
            ("das kühl- Leinen", "kühles Leinen", "kühlem Leinen"),
            ("plural lang-, schmal- Ärmel(n)", "lange, schmale Ärmel", "langen, schmalen Ärmeln"),
            ("der V-Ausschnitt", "V-Ausschnitt", "V-Ausschnitt"),
            ("das rosa Leinen", "rosa Leinen", "rosa Leinen"),
            ("ohne Ärmel", "ohne Ärmel", "ohne Ärmel"),
        ] {
            assert_eq!(declined(phrase, Case::Nominative), nominative);
            assert_eq!(declined(phrase, Case::Dative), dative);
        }
    }

    #[test]
    fn compounds() {
        assert_eq!(compound("Sommer", "kleid"), "Sommerkleid");
        assert_eq!(compound("A-Linien-", "kleid"), "A-Linien-Kleid");
        assert_eq!(compound("", "kleidchen"), "Kleidchen");
    }

    #[test]
    fn places_of_the_verb() {
        for (verb, second, last, before) in [
            ("hat|lange Ärmel", "hat lange Ärmel", "lange Ärmel hat", "hat es lange Ärmel"),
            ("liegt|eng|an", "liegt eng an", "eng anliegt", "liegt es eng an"),
            ("glitzert", "glitzert", "glitzert", "glitzert es"),
        ] {
            let verb = Verb::new(verb);
            assert_eq!([verb.second(), verb.last(), verb.before("es")], [second, last, before]);
        }
        let verbs = ["hat|Punkte", "ist|kurz", "hat|Ärmel", "fällt|locker"].map(Verb::new).to_vec();
        let together: Vec<String> = together(verbs).iter().map(Verb::second).collect();
        assert_eq!(together, ["ist kurz", "hat Punkte und Ärmel", "fällt locker"]);
    }

    #[test]
    fn lists() {
        let words = ["Ärmel".to_string(), "Punkte".to_string(), "Ecken und Kanten".to_string()];
        assert_eq!(list(&words[..2]), "Ärmel und Punkte");
        assert_eq!(list(&words), "Ärmel, Punkte sowie Ecken und Kanten");
        assert_eq!(sequence(&words), "Ärmel, Punkte und Ecken und Kanten");
    }

    #[test]
    fn words_without_their_endings() {
        assert_eq!(content_words("ein sommerliches Kleid mit langen Ärmeln"), ["sommerlich", "kleid", "lang", "ärmel"]);
        assert_eq!(content_words("plural lang- Ärmel(n)"), ["lang", "ärmel"]);
    }
}
