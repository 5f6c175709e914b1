//! The small rules of English: a or an, lists, capitals.

/// Writes "an" for "a" where the next word begins with a vowel's sound.
pub fn with_articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        out.push_str(word);
        if let Some(next) = words.peek() {
            if matches!(word, "a" | "A") && begins_with_vowel_sound(next) {
                out.push('n');
            }
            out.push(' ');
        }
    }
    out
}

/// Goes by the letter, but for the words in which the sound is another.
fn begins_with_vowel_sound(word: &str) -> bool {
    const SPELT_OTHERWISE: [&str; 4] = ["one", "uni", "use", "eu"];
    let word = word.to_lowercase();
    word.starts_with(['a', 'e', 'i', 'o', 'u']) && !SPELT_OTHERWISE.iter().any(|beginning| word.starts_with(beginning))
        || word.starts_with("hour")
}

/// "one", "one and two", "one, two and three"; "one and two, and three" where an item has an "and" of its own.
pub fn list(items: &[String]) -> String {
    let joint = if items.iter().any(|item| item.contains(" and ")) { ", and" } else { " and" };
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{}{joint} {last}", most.join(", ")),
    }
}

pub fn without_article(phrase: &str) -> &str {
    phrase.strip_prefix("a ").or_else(|| phrase.strip_prefix("an ")).unwrap_or(phrase)
}

pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The words that carry meaning, in the singular: none of them should be heard twice in a sentence.
pub fn content_words(text: &str) -> impl Iterator<Item = String> {
    const COMMON: [&str; 17] = [
        "with", "that", "from", "this", "have", "into", "over", "very", "down", "just", "like", "would", "there",
        "than", "some", "which", "quite",
    ];
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() > 3 && !COMMON.contains(word))
        .map(|word| word.trim_end_matches('s').to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_or_an() {
        for (written, right) in [
            ("a dress", "a dress"),
            ("a emerald dress in a off-white", "an emerald dress in an off-white"),
            ("A A-line skirt and a V-neck", "An A-line skirt and a V-neck"),
            ("a one-coloured and a unpatterned one", "a one-coloured and an unpatterned one"),
            ("a hour", "an hour"),
        ] {
            assert_eq!(with_articles(written), right);
        }
    }

    #[test]
    fn lists() {
        let words = ["one".to_string(), "two".to_string(), "three".to_string()];
        assert_eq!(list(&words[..1]), "one");
        assert_eq!(list(&words[..2]), "one and two");
        assert_eq!(list(&words), "one, two and three");
    }
}
