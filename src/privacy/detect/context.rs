//! What surrounds a candidate: the words close before it and the names under which its text stands.
//!
//! A detector that is not sure by form alone asks for a [`Topic`]: whether a known word (`passport`) or pair of words (`social security`) announces
//! what it found. The words are looked up once for a candidate, whatever the number of detectors that ask, so a further topic costs nothing.
//!
//! Words end at anything that is no letter and at a change from lower to upper case, so that `phone` is found in `phoneNumber` and
//! `home_phone` but not in `headphones`. Letters are read without their accents (`Téléphone` is `telephone`), and a placeholder ends
//! what stands before it, as the data in its place did.
//!
//! The words of each topic are in [`topics`](super::topics).

use std::cell::OnceCell;
use std::ops::BitOr;

use super::Scan;
use super::fold::fold_into;
use super::label::{self, Says};
use super::member;
use super::topics::{self, Topic};

/// How far behind a candidate a word may stand to be its label, in bytes.
const FAR: usize = 56;

/// How far it may start to be certainly its label, whatever stands between: for candidates that are digits and nothing else.
const NEAR: usize = 14;

/// Longer words are no labels.
const WORD_MAX: usize = 40;

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

    /// What the names announce.
    pub(super) fn context(&self) -> Context {
        let [own, above, further] =
            self.0.map(|name| if name.is_empty() { Read::NONE } else { member::announced(name) });
        let nearest = if own.wrapper { &above } else { &own };
        let far = (own.all | above.all | further.all).of_names();
        Context { near: (own.all | nearest.all).of_names(), far, last: nearest.last }
    }
}

/// A set of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Topics(u128);

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
    /// By the last word that says anything, in the text or else in the nearest name.
    pub(super) last: Topics,
}

impl Context {
    /// The context of the candidate at `i`.
    pub(super) fn of(scan: &Scan<'_>, i: usize) -> Context {
        let named = scan.named.get_or_init(|| scan.names.context());
        let behind = scan.behind(i, FAR);
        if behind.is_empty() {
            return *named;
        }
        let read = Read::of(whole_words(scan, i, behind));
        let last = if read.last == Topics::default() { named.last } else { read.last };
        Context { near: named.near | read.near, far: named.far | read.all, last }
    }

    /// Whether a topic is announced, and nothing that is no personal data stands nearer.
    pub(super) fn tells(&self, topic: Topic) -> bool {
        self.far.has(topic) && (self.last.has(topic) || !self.last.has(Topic::Other))
    }

    /// The same, of the nearest name or a word right before it only.
    pub(super) fn tells_near(&self, topic: Topic) -> bool {
        self.near.has(topic) && (self.last.has(topic) || !self.last.has(Topic::Other))
    }
}

/// The context of a candidate, looked up when a detector first asks.
pub(super) struct Lazy<'a, 's> {
    scan: &'a Scan<'s>,
    start: usize,
    context: OnceCell<Context>,
}

impl<'a, 's> Lazy<'a, 's> {
    pub(super) fn new(scan: &'a Scan<'s>, start: usize) -> Self {
        Lazy { scan, start, context: OnceCell::new() }
    }

    pub(super) fn get(&self) -> &Context {
        self.context.get_or_init(|| Context::of(self.scan, self.start))
    }
}

/// What lies behind `i`, without the rest of a word that was cut and without what stands before a placeholder.
fn whole_words<'t>(scan: &Scan<'_>, i: usize, behind: &'t [u8]) -> &'t [u8] {
    let start = i - behind.len();
    let cut = if is_letter(scan.before(start)) { behind.iter().take_while(|b| is_letter(**b)).count() } else { 0 };
    let placeholder =
        behind.iter().rposition(|b| *b == b']').filter(|at| is_placeholder_end(behind, *at) && !is_dump(behind, *at));
    behind.get(placeholder.unwrap_or(0).max(cut)..).unwrap_or(&[])
}

fn is_placeholder_end(text: &[u8], at: usize) -> bool {
    let word = text.get(..at).unwrap_or(&[]);
    let length = word.iter().rev().take_while(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_')).count();
    length > 0 && (length == at || word.get(at - length - 1) == Some(&b'['))
}

/// Whether it is a key in brackets, alone on its line before an arrow: `    [birthday] => `.
fn is_dump(text: &[u8], at: usize) -> bool {
    let line = text.get(..at).and_then(|text| text.rsplit(|b| *b == b'\n').next()).unwrap_or(&[]);
    line.starts_with(b"  ") && line.trim_ascii_start().starts_with(b"[") && text.get(at..at + 5) == Some(b"] => ")
}

fn tail(text: &[u8], length: usize) -> &[u8] {
    text.get(text.len().saturating_sub(length)..).unwrap_or(text)
}

/// The topics of all words in a text, and of all pairs of neighbours.
pub(super) fn topics_of(text: &[u8]) -> Topics {
    Read::of(text).all
}

/// What the words of a text announce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    all: Topics,
    /// Words right before its end, or with nothing but fillers (`number is`) between.
    near: Topics,
    /// The last word that announces something.
    last: Topics,
    /// Whether all words are such as say nothing in a name.
    wrapper: bool,
}

impl Read {
    const NONE: Read = Read { all: Topics(0), near: Topics(0), last: Topics(0), wrapper: true };

    /// What a name announces; the end of a long one tells enough.
    pub(super) fn of_name(name: &str) -> Read {
        Read::of(tail(name.as_bytes(), 2 * WORD_MAX))
    }

    fn of(text: &[u8]) -> Read {
        let mut read = Read::NONE;
        let mut chained = Topics::default();
        let mut words = Words { rest: text };
        let mut pair = Pair::NONE;
        while let Some(word) = words.next() {
            let topics = pair.push(word);
            read.all = read.all | topics;
            if !topics.has(Topic::Filler) {
                chained = topics;
            } else {
                chained = chained | topics;
            }
            read.wrapper &= topics.has(Topic::Wrapper);
            if words.rest.len() + word.len() <= NEAR {
                read.near = read.near | topics;
            }
            if topics.announce() {
                read.last = topics;
            }
        }
        read.near = read.near | chained;
        read
    }
}

impl Topics {
    /// Whether there is more than a filler or the beginning of a pair.
    fn announce(self) -> bool {
        self.0 & !(Topics::of(Topic::Filler).0 | Topics::of(Topic::Wrapper).0 | Topics::of(Topic::Pair).0) != 0
    }
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
        loop {
            let start = word_start(self.rest)?;
            let (before, word) = self.rest.split_at_checked(start)?;
            let (word, rest) = word.split_at(word_length(word).max(1));
            self.rest = rest;
            // `driver's license` is two words, and `<b>` is none.
            let apostrophe = before.ends_with(b"'") || before.ends_with("’".as_bytes());
            let owner = apostrophe && matches!(word, b"s" | b"S");
            let tag =
                word.len() <= 2 && !self.rest.starts_with(b"_") && (before.ends_with(b"<") || before.ends_with(b"</"));
            if !owner && !tag {
                return Some(word);
            }
        }
    }
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_alphabetic() || b >= 0x80
}

/// How many bytes a character takes that is punctuation beyond ASCII (U+0080 to U+00BF, U+2000 to U+2FFF); 0 for others.
fn mark_length(b: u8) -> usize {
    match b {
        0xc2 => 2,
        0xe2 => 3,
        _ => 0,
    }
}

fn word_start(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let b = *text.get(at)?;
        match mark_length(b) {
            0 if is_letter(b) => return Some(at),
            0 => at += 1,
            length => at += length,
        }
    }
}

fn word_length(text: &[u8]) -> usize {
    let mut lower = false;
    for (at, b) in text.iter().enumerate() {
        if !is_letter(*b) || mark_length(*b) > 0 || (lower && b.is_ascii_uppercase()) {
            return at;
        }
        lower = !b.is_ascii_uppercase();
    }
    text.len()
}

/// The last word and the one before it, folded, with a blank between them.
struct Pair {
    buffer: [u8; 2 * WORD_MAX + 1],
    before: usize,
    length: usize,
    /// Whether the last word begins a known pair.
    begins: bool,
}

impl Pair {
    const NONE: Pair = Pair { buffer: [0; 2 * WORD_MAX + 1], before: 0, length: 0, begins: false };

    /// The topics of `word` alone and together with the one before it.
    fn push(&mut self, word: &[u8]) -> Topics {
        let kept = if self.begins { self.length - self.before } else { 0 };
        if word.len() > WORD_MAX || kept == 0 && word.is_ascii() && !topics::may_be_word(word) {
            self.begins = false;
            return Topics::default();
        }
        self.buffer.copy_within(self.length - kept..self.length, 0);
        let blank = usize::from(kept > 0);
        if let Some(slot) = self.buffer.get_mut(kept) {
            *slot = b' ';
        }
        self.before = kept + blank;
        self.length = self.before + fold_into(word, self.buffer.get_mut(self.before..).unwrap_or(&mut []));
        let text = |from: usize| self.buffer.get(from..self.length).unwrap_or(&[]);
        let alone = topics::of_words(text(self.before));
        self.begins = alone.has(Topic::Pair);
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
        for text in ["Phone: ", "home_phone", "phoneNumber", "PHONE", "my phone is", "un téléphone", "TÉLÉPHONE"] {
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

    fn context(text: &str) -> Read {
        Read::of(text.as_bytes())
    }

    #[test]
    fn a_label_reaches_over_fillers_and_the_nearest_one_counts() {
        assert!(context("social security number is: ").near.has(Topic::Ssn));
        assert!(!context("a phone that somebody has lost in ").near.has(Topic::Phone));
        assert!(context("a phone that somebody has lost in ").all.has(Topic::Phone));
        assert!(context("card charged for order ").last.has(Topic::Other));
        assert!(context("order paid by card number ").last.has(Topic::Card));
    }
}
