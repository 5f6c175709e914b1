//! The five descriptions of a dress, one sentence each.

use crate::attributes::{Attributes, Kind, Occasion};
use crate::dice::Dice;
use crate::grammar::{capitalised, list, with_articles, without_article};
use crate::plan::plan;
use crate::shades::Shade;
use crate::speaker::Speaker;

/// A way to build a sentence, and whether what is to be said suits it.
pub struct Style {
    suits: fn(&Speaker) -> bool,
    build: fn(&mut Speaker) -> String,
}

pub const STYLES: [Style; 11] = [
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
        sentences.push(capitalised(&with_articles(&format!("{text}{tail}."))));
    }
    sentences
}

fn always(_: &Speaker) -> bool {
    true
}

/// "A green cotton dress with long sleeves."
fn catalogue(speaker: &mut Speaker) -> String {
    let opening =
        speaker.one_of(&["a", "a", "this is a", "it is a", "the picture shows a", "here we have a", "I see a"]);
    let adjectives = 1 + speaker.dice.below(3);
    let dress = speaker.noun_phrase(adjectives);
    format!("{opening} {dress}{}", speaker.trailer())
}

/// "This green dress has long sleeves and ends at the knee."
fn subject(speaker: &mut Speaker) -> String {
    let opening = speaker.one_of(&["this", "the"]);
    let adjectives = speaker.left() - speaker.dice.below(2) - 1;
    let dress = speaker.noun_phrase(adjectives.min(3));
    let verbs = verbs_or_praise(speaker);
    format!("{opening} {dress} {verbs}")
}

/// "A green dress that has long sleeves and ends at the knee."
fn relative(speaker: &mut Speaker) -> String {
    let opening = speaker.one_of(&["a", "you see a", "it is a", "for me this is a"]);
    let adjectives = speaker.left() - 2;
    let dress = speaker.noun_phrase(adjectives);
    format!("{opening} {dress} that {}", verbs_or_praise(speaker))
}

/// "The sleeves are long, and the hem is at the knee."
fn clauses(speaker: &mut Speaker) -> String {
    let clauses = speaker.clauses(3);
    match clauses.as_slice() {
        [first, second] => format!("{first}, and {second}"),
        [first, second, third] if speaker.dice.percent(50) => format!("{first}; {second}, and {third}"),
        _ => list(&clauses),
    }
}

/// "A green summer dress: the sleeves are short and the hem is at the knee."
fn colon(speaker: &mut Speaker) -> String {
    let adjectives = speaker.left() - 2;
    let dress = speaker.noun_phrase(adjectives);
    let clauses = list(&speaker.clauses(3));
    if clauses.is_empty() { format!("a {dress}") } else { format!("a {dress}: {clauses}{}", speaker.trailer()) }
}

/// "Green dress, long sleeves, round neckline, for the office."
fn terse(speaker: &mut Speaker) -> String {
    let adjectives = 1 + speaker.dice.below(2);
    let mut parts = vec![speaker.noun_phrase(adjectives)];
    parts.extend(speaker.notes().iter().map(|note| without_article(note).to_string()));
    parts.join(", ")
}

/// "Perfect for a wedding: a white dress with long sleeves."
fn purpose(speaker: &mut Speaker) -> String {
    let Some(purpose) = speaker.purpose() else { return catalogue(speaker) };
    let dress = speaker.noun_phrase(3);
    let rest = speaker.trailer();
    match speaker.dice.below(5) {
        0 => format!("perfect for {purpose}: a {dress}{rest}"),
        1 => format!("for {purpose} I would choose this {dress}{rest}"),
        2 => format!("if I needed something for {purpose}, I would take this {dress}{rest}"),
        3 => format!("just the thing for {purpose}, a {dress}{rest}"),
        _ => format!("I imagine this {dress}{rest} for {purpose}"),
    }
}

/// "Green, sleeveless and knee-length, this dress hugs the figure."
fn predicates(speaker: &mut Speaker) -> String {
    let adjectives = list(&speaker.predicative(3));
    if speaker.left() == 0 || speaker.dice.percent(35) {
        let opening = speaker.one_of(&["the dress is", "it is", "this one is"]);
        let rest = speaker.trailer();
        let comma = if rest.is_empty() { "" } else { "," };
        return format!("{opening} {adjectives}{comma}{rest}");
    }
    format!("{adjectives}, this dress {}", list(&speaker.verbs(3)))
}

/// "A green dress with long sleeves, and the hem is at the knee."
fn with_comment(speaker: &mut Speaker) -> String {
    let comment = speaker.clauses(1).join("");
    let joint = if speaker.dice.percent(50) { ", and" } else { ";" };
    let dress = speaker.noun_phrase(2);
    format!("a {dress}{}{joint} {comment}", speaker.trailer())
}

/// "In soft velvet, this long-sleeved dress reaches the floor."
fn stuff_first(speaker: &mut Speaker) -> String {
    let Some(stuff) = speaker.stuff() else { return catalogue(speaker) };
    let opening = speaker.one_of(&["in", "all in", "cut in"]);
    let adjectives = speaker.left().saturating_sub(1).min(2);
    let dress = speaker.noun_phrase(adjectives);
    format!("{opening} {stuff}, this {dress} {}", verbs_or_praise(speaker))
}

/// "I like how this green dress hugs the figure and ends at the knee."
fn liking(speaker: &mut Speaker) -> String {
    let opening =
        speaker.one_of(&["I like how this", "it is nice how this", "you can see that this", "I notice that this"]);
    let adjectives = speaker.left() - 1;
    let dress = speaker.noun_phrase(adjectives.min(2));
    let verbs = verbs_or_praise(speaker);
    format!("{opening} {dress} {verbs}")
}

/// All that is left, as said of the dress; a sentence that has nothing left to say of it needs a verb all the same.
fn verbs_or_praise(speaker: &mut Speaker) -> String {
    let verbs = speaker.verbs(4);
    if verbs.is_empty() {
        let ways = [
            "looks comfortable",
            "is easy to like",
            "would suit almost anybody",
            "has a timeless look",
            "is well made",
        ];
        return speaker.one_of(&ways).to_string();
    }
    list(&verbs)
}

/// A remark at the end that tells nothing new about the dress.
fn tail(speaker: &mut Speaker, sentence: &str) -> &'static str {
    let ways = if speaker.dice.percent(50) { REMARKS } else { advice(speaker.dress.occasion) };
    // One ", and" is enough.
    let ways: Vec<&'static str> =
        ways.iter().copied().filter(|way| !sentence.contains(", and") || !way.starts_with(", and")).collect();
    speaker.one_that_is_new(&ways).unwrap_or_default()
}

const REMARKS: &[&str] = &[
    ", which I find very attractive",
    ", and it looks comfortable",
    ", though not quite my taste",
    ", nothing fancy but well done",
    ", and I would buy it at once",
    ", rather timeless if you ask me",
    ", as far as I can tell from the picture",
    ", simple but effective",
    ", and it would suit many people",
    ", a little old-fashioned perhaps",
];

fn advice(occasion: Occasion) -> &'static [&'static str] {
    match occasion {
        Occasion::Casual => &[", good with trainers", ", easy to combine with a cardigan", ", and it needs no ironing"],
        Occasion::Office => &[", easy to combine with a blazer", ", good with plain pumps", ", serious but not stiff"],
        Occasion::Summer => {
            &[", best with flat sandals", ", and a straw hat would go well with it", ", light and airy"]
        }
        Occasion::Beach => &[", best with flip-flops", ", and it takes no room in the suitcase", ", easy to slip on"],
        Occasion::Winter => &[", best with boots and thick tights", ", and a scarf would go with it", ", really cosy"],
        Occasion::Party => &[", best with high heels", ", and it will turn heads", ", good fun"],
        Occasion::Evening => &[", best with a small clutch", ", and it calls for fine jewellery", ", truly glamorous"],
        Occasion::Wedding => &[", very romantic", ", and a bouquet would go well with it", ", truly festive"],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::attributes::{Colour, Pattern};
    use crate::choice;
    use crate::grammar::content_words;
    use crate::shades;
    use crate::words::words;

    fn row(row: u64) -> (Attributes, &'static Shade, Vec<String>) {
        let mut dice = Dice::new(1, row);
        let dress = choice::choose(&mut dice);
        let shade = shades::choose(dress.colour, &mut dice);
        let sentences = describe(&dress, shade, &mut dice);
        (dress, shade, sentences)
    }

    /// Everything that names the value of an attribute, as it can stand in any sentence.
    fn forms(dress: &Attributes, shade: &Shade, kind: Kind) -> Vec<String> {
        let words = words(dress, kind);
        let lists = [words.adjectives, words.classifiers, words.nouns, words.verbs, words.clauses];
        let mut forms: Vec<String> = lists.concat().iter().map(|phrase| phrase.to_string()).collect();
        if kind == Kind::Colour {
            forms.extend(shade.names.iter().chain(shades::common_names(dress.colour)).map(|name| name.to_string()));
        }
        let bare = |phrase: &str| {
            let phrase = without_article(phrase);
            let phrase = phrase.strip_prefix("is ").or_else(|| phrase.strip_prefix("has ")).unwrap_or(phrase);
            with_articles(phrase).to_lowercase()
        };
        forms.iter().filter(|form| !form.contains("{}")).map(|form| bare(form)).collect()
    }

    /// A hyphen belongs to the word: "short-sleeved" does not say "short".
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
                "The dress is long-sleeved, mid-length and high-necked, in warm wool with a slim cut.",
                "The picture shows a long-sleeved dress in every colour of the rainbow with geometric figures for winter.",
                "I imagine this high-necked many-coloured knitted dress with sleeves down to the wrists for frosty mornings.",
                "It follows the curves of the body, there are too many colours to name just one and the pattern is geometric.",
                "A long-sleeved brightly coloured dress with a hem at mid-calf; the cut is slim.",
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
                for fault in ["  ", " ,", " .", "..", ",,", "{", "}", " and and ", " a a ", " ;", ":.", ", ."] {
                    assert!(!sentence.contains(fault), "{sentence}");
                }
                let words: Vec<&str> = sentence.trim_end_matches('.').split(' ').collect();
                for pair in words.windows(2) {
                    let vowel = pair[1].to_lowercase().starts_with(['a', 'e', 'i', 'o', 'u']);
                    let article = pair[0].to_lowercase();
                    assert!(article != "a" || !vowel, "{sentence}");
                    assert!(article != "an" || vowel, "{sentence}");
                    assert_ne!(pair[0].to_lowercase(), pair[1].to_lowercase(), "{sentence}");
                }
            }
        }
    }

    #[test]
    fn words_are_seldom_repeated_in_a_sentence() {
        let all: Vec<String> = (0..2000).flat_map(|number| row(number).2).collect();
        let repeating = all.iter().filter(|sentence| {
            let words: Vec<String> = content_words(sentence).collect();
            words.iter().collect::<HashSet<_>>().len() < words.len()
        });
        assert!(repeating.count() * 20 < all.len());
    }

    #[test]
    fn many_coloured_dresses_are_not_called_by_a_shade() {
        let many = (0..5000).map(row).filter(|(dress, ..)| dress.colour == Colour::Multicoloured);
        for (dress, _, sentences) in many {
            assert_ne!(dress.pattern, Pattern::Plain);
            assert!(sentences.iter().all(|sentence| !sentence.contains("brightly mixed")));
        }
    }
}
