//! What surrounds a candidate: the words close before it and the names under which its text stands.
//!
//! A detector that is not sure by form alone asks for a [`Topic`]: whether a known word (`passport`) or pair of words (`social security`) announces
//! what it found. The words are looked up once for a candidate, whatever the number of detectors that ask, so a further topic costs nothing.
//!
//! Words end at anything that is no letter and at a change from lower to upper case, so that `phone` is found in `phoneNumber` and
//! `home_phone` but not in `headphones`. Letters beyond ASCII are letters.
//!
//! The words of each topic are in [`topics`](super::topics).

use std::ops::BitOr;

use super::Scan;
use super::label::{self, Says};
use super::topics::{self, Topic};

/// How far behind a candidate a word may stand to be its label, in bytes.
const FAR: usize = 40;

/// How far it may stand to be certainly its label: for candidates that are digits and nothing else.
const NEAR: usize = 14;

/// Longer words are no labels.
const WORD_MAX: usize = 32;

/// The names under which a text stands, the nearest first: its member's, then those above. Empty where there are none. And what they say
/// of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'n>(pub [&'n str; 3], pub Option<Says>);

/// What the members beside one are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// A person: an e-mail address, a date of birth, ...
    pub person: bool,
    /// A postal address.
    pub street: bool,
}

impl BitOr for Beside {
    type Output = Beside;

    fn bitor(self, other: Beside) -> Beside {
        Beside { person: self.person | other.person, street: self.street | other.street }
    }
}

impl<'n> Names<'n> {
    /// A single name.
    pub fn of(name: &'n str) -> Self {
        let names = [name, "", ""];
        Names(names, label::of_names(names, Beside::default()))
    }

    /// The nearest name.
    pub fn nearest(&self) -> &'n str {
        self.0[0]
    }
}

/// A set of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Topics(u64);

impl Topics {
    /// The set of one topic.
    pub(super) const fn of(topic: Topic) -> Topics {
        Topics(1 << topic as u8)
    }

    /// Whether it holds a topic.
    pub(super) fn has(self, topic: Topic) -> bool {
        self.0 & Topics::of(topic).0 != 0
    }

    /// What is left where the words are those of a name: `text` and `contact` in a sentence may lead up to a telephone number, as names
    /// they stand over anything.
    fn of_names(self) -> Topics {
        Topics(self.0 & !Topics::of(Topic::Call).0)
    }
}

impl BitOr for Topics {
    type Output = Topics;

    fn bitor(self, other: Topics) -> Topics {
        Topics(self.0 | other.0)
    }
}

/// What announces one candidate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// By the nearest name, or by a word right before it.
    pub(super) near: Topics,
    /// By any name, or by a word in the same part of the text.
    pub(super) far: Topics,
}

impl Context {
    /// The context of the candidate at `i`.
    pub(super) fn of(scan: &Scan<'_>, i: usize) -> Context {
        let [name, above, further] = scan.names.0.map(|name| topics_of(tail(name.as_bytes(), 2 * WORD_MAX)).of_names());
        let behind = scan.behind(i, FAR);
        let near = name | topics_of(tail(behind, NEAR));
        Context { near, far: near | above | further | topics_of(behind) }
    }
}

fn tail(text: &[u8], length: usize) -> &[u8] {
    text.get(text.len().saturating_sub(length)..).unwrap_or(text)
}

/// The topics of all words in a text, and of all pairs of neighbours.
pub(super) fn topics_of(text: &[u8]) -> Topics {
    let mut found = Topics::default();
    let mut words = Words::of(text);
    let mut pair = Pair::NONE;
    while let Some(word) = words.next() {
        found = found | pair.push(word);
    }
    found
}

/// The words of a text.
pub(super) struct Words<'t> {
    rest: &'t [u8],
}

impl<'t> Words<'t> {
    pub(super) fn of(text: &'t [u8]) -> Words<'t> {
        Words { rest: text }
    }

    pub(super) fn next(&mut self) -> Option<&'t [u8]> {
        let start = self.rest.iter().position(|b| is_letter(*b))?;
        let word = self.rest.get(start..)?;
        let (word, rest) = word.split_at(word_length(word).max(1));
        self.rest = rest;
        Some(word)
    }
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_alphabetic() || b >= 0x80
}

fn word_length(text: &[u8]) -> usize {
    let mut lower = false;
    for (at, b) in text.iter().enumerate() {
        if !is_letter(*b) || (lower && b.is_ascii_uppercase()) {
            return at;
        }
        lower = !b.is_ascii_uppercase();
    }
    text.len()
}

/// The last word and the one before it, lower-cased, with a blank between them.
struct Pair {
    buffer: [u8; 2 * WORD_MAX + 1],
    before: usize,
    length: usize,
}

impl Pair {
    const NONE: Pair = Pair { buffer: [0; 2 * WORD_MAX + 1], before: 0, length: 0 };

    /// The topics of `word` alone and together with the one before it.
    fn push(&mut self, word: &[u8]) -> Topics {
        if word.len() > WORD_MAX {
            *self = Pair::NONE;
            return Topics::default();
        }
        let start = if self.before < self.length { self.before } else { 0 };
        let kept = self.length - start;
        self.buffer.copy_within(start..self.length, 0);
        let blank = usize::from(kept > 0);
        if let Some(slot) = self.buffer.get_mut(kept) {
            *slot = b' ';
        }
        self.before = kept + blank;
        self.length = self.before + word.len();
        let slots = self.buffer.get_mut(self.before..self.length).unwrap_or(&mut []);
        for (slot, b) in slots.iter_mut().zip(word) {
            *slot = b.to_ascii_lowercase();
        }
        let text = |from: usize| self.buffer.get(from..self.length).unwrap_or(&[]);
        let alone = topics::of_words(text(self.before));
        if kept > 0 { alone | topics::of_words(text(0)) } else { alone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, topic: Topic) -> bool {
        topics_of(text.as_bytes()).has(topic)
    }

    #[test]
    fn only_whole_words_count() {
        for text in ["Phone: ", "home_phone", "phoneNumber", "PHONE", "my phone is", "un téléphone"] {
            assert!(has(text, Topic::Phone), "{text}");
        }
        for text in ["headphones", "", "phonetic", "12 34"] {
            assert!(!has(text, Topic::Phone), "{text}");
        }
    }

    #[test]
    fn two_words_count_only_together_and_in_their_order() {
        for text in ["social security", "socialSecurityNumber", "the SOCIAL_SECURITY no", "x social security"] {
            assert!(has(text, Topic::Ssn), "{text}");
        }
        for text in ["social", "security", "security social", "social and security", "antisocial security"] {
            assert!(!has(text, Topic::Ssn), "{text}");
        }
    }
}
