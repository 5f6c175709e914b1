//! One person's words: takes what is to be said, piece by piece, and puts it into phrases.

use super::grammar::{Case, Verb, compound, content_words, declined, list, together, with_ending};
use super::shades::{self, Name};
use super::words::{Phrases, Words, words};
use crate::attributes::{Attributes, Fabric, Kind, Occasion};
use crate::dice::Dice;
use crate::memory::Memory;
use crate::plan::Mention;
use crate::shades::Shade;

struct Topic {
    kind: Kind,
    words: Words,
    /// What this person calls the colour; of no use to the other topics.
    colour: Name,
}

pub struct Speaker<'a> {
    pub dice: &'a mut Dice,
    pub dress: &'a Attributes,
    topics: Vec<Topic>,
    memory: Memory<'a>,
}

/// The endings that the adjectives of a dress take.
#[derive(Clone, Copy)]
pub enum After {
    /// "ein grünes Kleid", and the same without an article.
    Ein,
    /// "dieses grüne Kleid", "das grüne Kleid".
    Dieses,
}

/// The order of adjectives before a noun. Before the colour and the fabric there is no comma.
const ORDER: [Kind; 8] =
    [Kind::Occasion, Kind::Length, Kind::Fit, Kind::Neckline, Kind::Sleeves, Kind::Pattern, Kind::Colour, Kind::Fabric];
const WITH_COMMA: usize = 6;

const OPINIONS: &[&str] =
    &["hübsch-", "schön-", "elegant-", "reizend-", "nett-", "bezaubernd-", "stilvoll-", "feminin-"];

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
                colour: shades::choose(mention.seen.colour, dress.colour, shade, dice),
            })
            .collect();
        Self { dice, dress, topics, memory: Memory::new(heard, content_words) }
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

    /// "hübsches ärmelloses grünes Sommerkleid" of at most so many topics.
    pub fn noun_phrase(&mut self, most: usize, after: After) -> String {
        self.memory.say("Kleid");
        let mut adjectives: Vec<(usize, String)> = Vec::new();
        let mut first = None;
        let mut kept = Vec::new();
        for topic in std::mem::take(&mut self.topics) {
            let room = adjectives.len() + usize::from(first.is_some()) < most;
            let has_compound = first.is_none() && !topic.words.compounds.is_empty();
            if room && has_compound && (topic.words.adjectives.is_empty() || self.dice.percent(60)) {
                first = Some(self.phrase(&topic, topic.words.compounds));
            } else if room && !topic.words.adjectives.is_empty() {
                let rank = ORDER.iter().position(|kind| *kind == topic.kind).unwrap_or_default();
                adjectives.push((rank, self.phrase(&topic, topic.words.adjectives)));
            } else {
                kept.push(topic);
            }
        }
        self.topics = kept;
        adjectives.sort();
        let mut text = String::new();
        if adjectives.len() < 3 && self.dice.percent(15) {
            text.extend(self.one_that_is_new(OPINIONS).map(|opinion| format!("{opinion} ")));
        }
        let mut adjectives = adjectives.into_iter().peekable();
        while let Some((_, adjective)) = adjectives.next() {
            let comma = adjectives.peek().is_some_and(|(rank, _)| *rank < WITH_COMMA);
            text.push_str(&format!("{adjective}{} ", if comma { "," } else { "" }));
        }
        let ending = match after {
            After::Ein => "es",
            After::Dieses => "e",
        };
        let head = self.head();
        format!("{}{}", with_ending(&text, ending), compound(&first.unwrap_or_default(), head))
    }

    /// What people call a dress of this kind.
    fn head(&mut self) -> &'static str {
        let dress = self.dress;
        let rustic = matches!(dress.fabric, Fabric::Cotton | Fabric::Linen)
            && matches!(dress.occasion, Occasion::Casual | Occasion::Summer | Occasion::Beach);
        if rustic && self.dice.percent(6) { "kleidchen" } else { "kleid" }
    }

    /// " aus weichem Samt mit langen Ärmeln und V-Ausschnitt für einen Ball": all that is left.
    pub fn trailer(&mut self) -> String {
        let mut out = String::new();
        if let Some(stuff) = self.stuff() {
            out.push_str(&format!(" {stuff}"));
        }
        let purpose = self.take(Kind::Occasion);
        let (without, with): (Vec<String>, Vec<String>) =
            self.nouns(Case::Dative).into_iter().partition(|noun| noun.starts_with("ohne "));
        if !with.is_empty() {
            out.push_str(&format!(" mit {}", list(&with)));
        }
        if !without.is_empty() {
            let joint = if with.is_empty() {
                " "
            } else if with.len() == 1 {
                " und "
            } else {
                ", "
            };
            out.push_str(&format!("{joint}{}", without.join(" und ")));
        }
        if let Some(topic) = purpose {
            out.push_str(&format!(" für {}", self.phrase(&topic, topic.words.nouns)));
        }
        out
    }

    /// "aus weichem Samt", "aus grünem Samt", "in Grün": the fabric, the colour, or both.
    pub fn stuff(&mut self) -> Option<String> {
        match (self.take(Kind::Colour), self.take(Kind::Fabric)) {
            (Some(colour), Some(fabric)) => {
                let (article, noun) = fabric.words.nouns[0].split_once(' ')?;
                let phrase = format!("{article} {} {noun}", colour.colour.attributive());
                self.memory.say(&phrase);
                Some(format!("aus {}", declined(&phrase, Case::Dative)))
            }
            (Some(topic), None) => Some(format!("in {}", self.noun(&topic, Case::Dative))),
            (None, Some(topic)) => Some(format!("aus {}", self.noun(&topic, Case::Dative))),
            (None, None) => None,
        }
    }

    /// The purpose of the dress, to stand after "für".
    pub fn purpose(&mut self) -> Option<String> {
        let topic = self.take(Kind::Occasion)?;
        Some(self.phrase(&topic, topic.words.nouns))
    }

    /// At most so many topics, as said after "das Kleid"; what it is and what it has in one go.
    pub fn verbs(&mut self, most: usize) -> Vec<Verb> {
        let topics = self.some(most);
        together(topics.iter().map(|topic| Verb::new(&self.phrase(topic, topic.words.verbs))).collect())
    }

    /// At most so many topics, as clauses of their own. Those with a subject "ich" come last.
    pub fn clauses(&mut self, most: usize) -> Vec<String> {
        let topics = self.some(most);
        let mut clauses: Vec<String> = topics.iter().map(|topic| self.phrase(topic, topic.words.clauses)).collect();
        clauses.sort_by_key(|clause| clause.starts_with("ich "));
        clauses
    }

    /// All topics as they can stand in a list without sentences.
    pub fn notes(&mut self) -> Vec<String> {
        let purpose = self.purpose();
        let mut notes = self.nouns(Case::Nominative);
        notes.extend(purpose.map(|purpose| format!("für {purpose}")));
        notes
    }

    /// Adjectives that can stand after "ist", at most so many.
    pub fn predicative(&mut self, most: usize) -> Vec<String> {
        let (mut taken, mut kept): (Vec<Topic>, Vec<Topic>) = self.topics.drain(..).partition(is_predicate);
        while taken.len() > most {
            kept.extend(taken.pop());
        }
        self.topics = kept;
        let adjective = |topic: &Topic| match topic.words.adjectives {
            ["{a}"] => self.phrase(topic, &["{p}"]),
            adjectives => with_ending(&self.phrase(topic, adjectives), ""),
        };
        taken.iter().map(adjective).collect()
    }

    /// One of several ways to say the same that are not in the vocabulary.
    pub fn one_of(&mut self, ways: &[&'static str]) -> &'static str {
        self.memory.one_of(ways, self.dice)
    }

    /// The same, but for something that repeats no word; nothing if there is none.
    pub fn one_that_is_new(&mut self, ways: &[&'static str]) -> Option<&'static str> {
        self.memory.one_that_is_new(ways, self.dice)
    }

    fn nouns(&mut self, case: Case) -> Vec<String> {
        let topics = self.some(usize::MAX);
        topics.iter().map(|topic| self.noun(topic, case)).collect()
    }

    fn noun(&mut self, topic: &Topic, case: Case) -> String {
        declined(&self.phrase(topic, topic.words.nouns), case)
    }

    fn some(&mut self, most: usize) -> Vec<Topic> {
        let count = self.topics.len().min(most);
        self.topics.drain(..count).collect()
    }

    fn take(&mut self, kind: Kind) -> Option<Topic> {
        let place = self.topics.iter().position(|topic| topic.kind == kind)?;
        Some(self.topics.remove(place))
    }

    /// Picks a phrase and puts the colour in. Its endings are still open.
    fn phrase(&mut self, topic: &Topic, phrases: Phrases) -> String {
        let text = filled(self.memory.phrase(phrases, self.dice), &topic.colour);
        self.memory.say(&text);
        text
    }
}

/// Puts a colour into a phrase of the vocabulary.
pub fn filled(phrase: &str, colour: &Name) -> String {
    let attributive = colour.attributive();
    phrase
        .replace("{p}", colour.plain)
        .replace("{n}", colour.noun)
        .replace("{en}", &with_ending(&attributive, "en"))
        .replace("{a}", &attributive)
}

fn is_predicate(topic: &Topic) -> bool {
    !matches!(topic.kind, Kind::Fabric | Kind::Occasion) && !topic.words.adjectives.is_empty()
}
