//! What was said before, so that it is not said again.

use crate::dice::Dice;

pub struct Memory<'a> {
    /// The phrases of those who spoke before; nobody likes to repeat them.
    heard: &'a mut Vec<&'static str>,
    /// The words of this sentence so far.
    said: Vec<String>,
    /// What counts as a word is a matter of the language.
    content_words: fn(&str) -> Vec<String>,
}

impl<'a> Memory<'a> {
    pub fn new(heard: &'a mut Vec<&'static str>, content_words: fn(&str) -> Vec<String>) -> Self {
        Self { heard, said: Vec::new(), content_words }
    }

    /// One of several ways to say the same that are not in the vocabulary.
    pub fn one_of(&mut self, ways: &[&'static str], dice: &mut Dice) -> &'static str {
        let fresh: Vec<&'static str> = ways.iter().copied().filter(|way| !self.heard.contains(way)).collect();
        let way = dice.pick(if fresh.is_empty() { ways } else { &fresh });
        self.heard.push(way);
        self.say(way);
        way
    }

    /// The same, but for something that repeats no word; nothing if there is none.
    pub fn one_that_is_new(&mut self, ways: &[&'static str], dice: &mut Dice) -> Option<&'static str> {
        let fresh: Vec<&'static str> =
            ways.iter().copied().filter(|way| !self.heard.contains(way) && !self.repeats(way)).collect();
        if fresh.is_empty() { None } else { Some(self.one_of(&fresh, dice)) }
    }

    /// Picks a phrase: if possible one that nobody has used, and above all none that repeats a word of the sentence.
    pub fn phrase(&mut self, phrases: &[&'static str], dice: &mut Dice) -> &'static str {
        let fluent: Vec<&'static str> = phrases.iter().copied().filter(|phrase| !self.repeats(phrase)).collect();
        let fresh: Vec<&'static str> = fluent.iter().copied().filter(|phrase| !self.heard.contains(phrase)).collect();
        let choice = if !fresh.is_empty() { &fresh[..] } else { fluent.as_slice() };
        let chosen = dice.pick(if choice.is_empty() { phrases } else { choice });
        // One word, or little more than the colour's name, may be said by all.
        if chosen.contains(' ') {
            self.heard.push(chosen);
        }
        chosen
    }

    pub fn say(&mut self, text: &str) {
        self.said.extend((self.content_words)(text));
    }

    fn repeats(&self, phrase: &str) -> bool {
        (self.content_words)(phrase).iter().any(|word| self.said.contains(word))
    }
}
