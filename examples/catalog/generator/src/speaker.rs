//! One person's words: takes what is to be said, piece by piece, and puts it into phrases.

use crate::attributes::{Attributes, Colour, Fabric, Kind, Length, Occasion};
use crate::dice::Dice;
use crate::grammar::{content_words, list};
use crate::memory::Memory;
use crate::plan::Mention;
use crate::shades::{self, Shade};
use crate::words::{Phrases, Words, words};

struct Topic {
    kind: Kind,
    words: Words,
    /// What this person calls the colour; of no use to the other topics.
    colour: &'static str,
}

pub struct Speaker<'a> {
    pub dice: &'a mut Dice,
    pub dress: &'a Attributes,
    topics: Vec<Topic>,
    memory: Memory<'a>,
}

/// The order of adjectives before a noun.
const ORDER: [Kind; 8] =
    [Kind::Occasion, Kind::Length, Kind::Fit, Kind::Neckline, Kind::Sleeves, Kind::Pattern, Kind::Colour, Kind::Fabric];

const OPINIONS: &[&str] = &["lovely", "pretty", "beautiful", "elegant", "nice", "charming", "stylish", "feminine"];

impl<'a> Speaker<'a> {
    pub fn new(
        dress: &'a Attributes,
        shade: &'static Shade,
        mentions: &[Mention],
        heard: &'a mut Vec<&'static str>,
        dice: &'a mut Dice,
    ) -> Self {
        let topics = mentions
            .iter()
            .map(|mention| Topic {
                kind: mention.kind,
                words: words(&mention.seen, mention.kind),
                colour: name_of_colour(&mention.seen, dress, shade, dice),
            })
            .collect();
        let memory = Memory::new(heard, |text| content_words(text).collect());
        Self { dice, dress, topics, memory }
    }

    pub fn left(&self) -> usize {
        self.topics.len()
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.topics.iter().any(|topic| topic.kind == kind)
    }

    /// How many topics have an adjective that can stand without a noun.
    pub fn predicates(&self) -> usize {
        self.topics.iter().filter(|topic| is_predicate(topic)).count()
    }

    /// "lovely sleeveless green summer dress" of at most so many topics.
    pub fn noun_phrase(&mut self, most: usize) -> String {
        let head = self.head();
        self.say(head);
        let mut adjectives: Vec<(usize, String)> = Vec::new();
        let mut classifier = None;
        let mut kept = Vec::new();
        for topic in std::mem::take(&mut self.topics) {
            let room = adjectives.len() + usize::from(classifier.is_some()) < most;
            let has_classifier = classifier.is_none() && !topic.words.classifiers.is_empty();
            if room && has_classifier && (topic.words.adjectives.is_empty() || self.dice.percent(60)) {
                classifier = Some(self.phrase(&topic, topic.words.classifiers));
            } else if room && !topic.words.adjectives.is_empty() {
                let rank = ORDER.iter().position(|kind| *kind == topic.kind).unwrap_or_default();
                adjectives.push((rank, self.phrase(&topic, topic.words.adjectives)));
            } else {
                kept.push(topic);
            }
        }
        self.topics = kept;
        adjectives.sort();
        let mut parts: Vec<String> = adjectives.into_iter().map(|(_, adjective)| adjective).collect();
        if parts.len() < 3 && self.dice.percent(15) {
            parts.splice(0..0, self.one_that_is_new(OPINIONS).map(str::to_string));
        }
        parts.extend(classifier);
        parts.push(head.to_string());
        parts.join(" ")
    }

    /// What people call a dress of this kind.
    fn head(&mut self) -> &'static str {
        let dress = self.dress;
        let grand = matches!(dress.occasion, Occasion::Evening | Occasion::Wedding) && dress.length == Length::Maxi;
        let rustic = matches!(dress.fabric, Fabric::Cotton | Fabric::Linen)
            && matches!(dress.occasion, Occasion::Casual | Occasion::Summer | Occasion::Beach);
        if grand && self.dice.percent(40) {
            "gown"
        } else if rustic && self.dice.percent(6) {
            "frock"
        } else {
            "dress"
        }
    }

    /// " in soft velvet with long sleeves and a V-neck for a ball": all that is left.
    pub fn trailer(&mut self) -> String {
        let mut out = String::new();
        if let Some(stuff) = self.stuff() {
            out.push_str(" in ");
            out.push_str(&stuff);
        }
        let purpose = self.take(Kind::Occasion);
        let items = self.all(|words| words.nouns);
        if !items.is_empty() {
            out.push_str(" with ");
            out.push_str(&list(&items));
        }
        if let Some(topic) = purpose {
            out.push_str(" for ");
            out.push_str(&self.phrase(&topic, topic.words.nouns));
        }
        out
    }

    /// What can stand after "in": the fabric, the colour, or both.
    pub fn stuff(&mut self) -> Option<String> {
        match (self.take(Kind::Colour), self.take(Kind::Fabric)) {
            (Some(colour), Some(fabric)) => {
                let fabric = fabric.words.nouns[0];
                self.say(fabric);
                self.say(colour.colour);
                Some(format!("{} {fabric}", colour.colour))
            }
            (Some(topic), None) | (None, Some(topic)) => Some(self.phrase(&topic, topic.words.nouns)),
            (None, None) => None,
        }
    }

    /// The purpose of the dress, to stand after "for".
    pub fn purpose(&mut self) -> Option<String> {
        let topic = self.take(Kind::Occasion)?;
        Some(self.phrase(&topic, topic.words.nouns))
    }

    /// At most so many topics, as said after "the dress"; what it is and what it has in one go.
    pub fn verbs(&mut self, most: usize) -> Vec<String> {
        let (is, others): (Vec<String>, Vec<String>) =
            self.some(most, |words| words.verbs).into_iter().partition(|verb| verb.starts_with("is "));
        let (has, others): (Vec<String>, Vec<String>) = others.into_iter().partition(|verb| verb.starts_with("has "));
        [together("is ", &is), together("has ", &has)].into_iter().flatten().chain(others).collect()
    }

    /// At most so many topics, as clauses of their own. Those with a subject "I" come last.
    pub fn clauses(&mut self, most: usize) -> Vec<String> {
        let mut clauses = self.some(most, |words| words.clauses);
        clauses.sort_by_key(|clause| clause.starts_with("I "));
        clauses
    }

    /// All topics as they can stand in a list without sentences.
    pub fn notes(&mut self) -> Vec<String> {
        let purpose = self.purpose();
        let mut notes = self.all(|words| words.nouns);
        notes.extend(purpose.map(|purpose| format!("for {purpose}")));
        notes
    }

    /// Adjectives that can stand after "is", at most so many.
    pub fn predicative(&mut self, most: usize) -> Vec<String> {
        let (mut taken, mut kept): (Vec<Topic>, Vec<Topic>) = self.topics.drain(..).partition(is_predicate);
        while taken.len() > most {
            kept.extend(taken.pop());
        }
        self.topics = kept;
        taken.iter().map(|topic| self.phrase(topic, topic.words.adjectives)).collect()
    }

    /// One of several ways to say the same that are not in the vocabulary.
    pub fn one_of(&mut self, ways: &[&'static str]) -> &'static str {
        self.memory.one_of(ways, self.dice)
    }

    /// The same, but for something that repeats no word; nothing if there is none.
    pub fn one_that_is_new(&mut self, ways: &[&'static str]) -> Option<&'static str> {
        self.memory.one_that_is_new(ways, self.dice)
    }

    fn all(&mut self, place: fn(&Words) -> Phrases) -> Vec<String> {
        self.some(usize::MAX, place)
    }

    fn some(&mut self, most: usize, place: fn(&Words) -> Phrases) -> Vec<String> {
        let count = self.topics.len().min(most);
        let taken: Vec<Topic> = self.topics.drain(..count).collect();
        taken.iter().map(|topic| self.phrase(topic, place(&topic.words))).collect()
    }

    fn take(&mut self, kind: Kind) -> Option<Topic> {
        let place = self.topics.iter().position(|topic| topic.kind == kind)?;
        Some(self.topics.remove(place))
    }

    fn phrase(&mut self, topic: &Topic, phrases: Phrases) -> String {
        let text = self.memory.phrase(phrases, self.dice).replace("{}", topic.colour);
        self.say(&text);
        text
    }

    fn say(&mut self, text: &str) {
        self.memory.say(text);
    }
}

/// "has long sleeves" and "has a V-neck": "has long sleeves and a V-neck".
fn together(verb: &str, phrases: &[String]) -> Option<String> {
    let objects: Vec<String> = phrases.iter().map(|phrase| phrase.replacen(verb, "", 1)).collect();
    if objects.is_empty() { None } else { Some(format!("{verb}{}", list(&objects))) }
}

fn is_predicate(topic: &Topic) -> bool {
    !matches!(topic.kind, Kind::Fabric | Kind::Occasion) && !topic.words.adjectives.is_empty()
}

/// The plain name of the colour half of the time, else that of the shade.
fn name_of_colour(seen: &Attributes, dress: &Attributes, shade: &'static Shade, dice: &mut Dice) -> &'static str {
    // Who mistakes the colour knows nothing of the true one's shades.
    let right = seen.colour == dress.colour && seen.colour != Colour::Multicoloured;
    if right && dice.percent(50) { dice.pick(shade.names) } else { dice.pick(shades::common_names(seen.colour)) }
}
