//! What a byte may begin, and what a word is made of: the cheap questions that spare nearly all text the dear ones.

use super::{private_key, provider, token};

/// Nothing shorter than this and made of [plain](Class::Plain) bytes alone can be a hit.
pub(super) const PLAIN_MAX: usize = 15;

/// What may start at a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing; `Plain` besides is no part of any hit shorter than [`PLAIN_MAX`].
    Plain,
    Skip,
    Letter,
    Digit,
    Mark,
    /// The first or a later byte of a character beyond ASCII.
    Wide,
}

const CLASSES: [Class; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an overrun stops the build")]
const fn classes() -> [Class; 256] {
    let mut table = [Class::Skip; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b':' | b'=' | b'+' | b'(' | b'[' | b'{' | b'-' | b'/' | b'\\' | b'%' | b'@' | b'~' | b'<' | b'$' => {
                Class::Mark
            }
            b' ' | b'.' | b',' => Class::Plain,
            0x80.. => Class::Wide,
            _ => Class::Skip,
        };
        b += 1;
    }
    table
}

pub(super) fn class(b: u8) -> Class {
    CLASSES.get(usize::from(b)).copied().unwrap_or(Class::Skip)
}

/// For each first byte of a word, the second bytes (by their low five bits) with which something may begin.
const STARTS: [u32; 256] = starts();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an overrun stops the build")]
const fn starts() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut i = 0;
    while i < provider::FORMS.len() {
        let prefix = provider::FORMS[i].prefix.as_bytes();
        table[prefix[0] as usize] |= 1 << (prefix[1] & 31);
        i += 1;
    }
    let mut i = 0;
    while i < token::WORDS.len() {
        let word = token::WORDS[i].as_bytes();
        table[word[0].to_ascii_lowercase() as usize] |= 1 << (word[1] & 31);
        table[word[0].to_ascii_uppercase() as usize] |= 1 << (word[1] & 31);
        i += 1;
    }
    let mut i = 0;
    while i < private_key::WORDS.len() {
        let word = private_key::WORDS[i].as_bytes();
        table[word[0] as usize] |= 1 << (word[1] & 31);
        i += 1;
    }
    table
}

pub(super) fn may_start(first: u8, second: u8) -> bool {
    STARTS.get(usize::from(first)).copied().unwrap_or(0) & (1 << (second & 31)) != 0
}

/// Whether a byte belongs to a word: a letter, a digit or `_`.
pub(super) fn is_word(b: u8) -> bool {
    matches!(class(b), Class::Letter | Class::Digit)
}

/// What a word is made of.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) digits: u8,
    pub(super) lower: u8,
    pub(super) upper: u8,
    /// Whether there is a `_`.
    pub(super) marked: bool,
}

impl Letters {
    /// Counts; of words that are longer than 255 characters, not to the end.
    pub(super) fn of(word: &[u8]) -> Letters {
        let mut letters = Letters::default();
        for b in word.iter().take(255) {
            letters.digits += u8::from(b.is_ascii_digit());
            letters.lower += u8::from(b.is_ascii_lowercase());
            letters.upper += u8::from(b.is_ascii_uppercase());
            letters.marked |= *b == b'_';
        }
        letters
    }
}

/// What a word is made of besides small letters.
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    pub(super) digits: bool,
    /// After its first letter.
    pub(super) capitals: bool,
}

impl Written {
    /// Whether it may have been drawn at random.
    pub(super) fn is_random(self) -> bool {
        self.digits || self.capitals
    }
}
