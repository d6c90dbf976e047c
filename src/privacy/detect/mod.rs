//! Recognising personal data and secrets in a text: one pass, validators at the hit.
//!
//! [`scan`] reads the bytes once. A table says for each byte whether a word, a number or a mark starts there; a word costs a look at
//! its first two letters, and only a letter pair, digit or mark that can begin something calls a detector, which reads a bounded
//! distance around that place and checks what it found (checksum, parser, length, issuer, context words). Shapes that look like data
//! and are not (UUIDs, timestamps, hexadecimal ids) are recognised first and skipped.
//!
//! Invariants: hits are ordered and do not overlap; their ends are character boundaries; what lies before the end of the last hit is
//! never read again, so a hit means the same whether or not its neighbour has been replaced.
//!
//! Does not decide what is done with a hit, nor whether one is wanted at this place: the caller passes the kinds that it wants.

// What helps every detector: shapes to skip, words around a candidate, groups of digits.
mod class;
mod kind;

mod encoded;
mod shape;
pub(super) mod view;

mod context;
mod fold;
mod topics;

mod calendar;
mod checksum;
mod number;

// Personal data.
mod email;
mod phone;

mod birth;
mod card;
mod crypto;
mod device;
mod document;
mod geo;
mod iban;
mod ip;
mod mac;
mod national;
mod ssn;
mod user_path;

mod given_names;
mod label;
mod lexicon;
mod member;
mod person;
mod postal;

// Secrets.
mod secrets;

pub(super) mod cookie;
mod private_key;
mod provider;
mod random;
mod secret;
mod token;
mod url;

mod assignment;
mod columns;
mod command;
pub(super) mod key_name;
mod key_words;
pub(super) mod secret_value;
mod told;

use std::cell::OnceCell;

pub use context::{Beside, Names};
pub use geo::may_be_coordinate;
pub use kind::{Kind, Kinds};
pub use label::Says;
pub(super) use label::{may_heed_neighbours, of_names};
pub(super) use member::Meaning;
pub use shape::is_id_or_time;

use class::{Class, Letters, PLAIN_MAX, Written, class, is_word, may_start};
use context::{Context, Lazy};

/// A piece of a text that must not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Appends to `hits` what of the `wanted` kinds is in `text`. The names under which the text stands are a context for detectors.
pub fn scan(text: &str, names: Names<'_>, wanted: Kinds, hits: &mut Vec<Hit>) {
    let mut scan =
        Scan { text, bytes: text.as_bytes(), names, named: OnceCell::new(), wanted, nested: false, floor: 0, hits };
    if names.1.is_none() || !scan.whole() {
        scan.run();
    }
}

/// Whether `text` obviously holds nothing: short, and made of letters and harmless marks.
pub fn is_dull(text: &str) -> bool {
    let mut before = 0;
    text.len() <= PLAIN_MAX
        && text.bytes().all(|b| {
            let starts_name = before == b' ' && b.is_ascii_uppercase();
            before = b;
            matches!(class(b), Class::Letter | Class::Plain) && !starts_name
        })
}

/// One scan of one text.
struct Scan<'s> {
    text: &'s str,
    bytes: &'s [u8],
    names: Names<'s>,
    /// What the names announce, once a detector has asked.
    named: OnceCell<Context>,
    wanted: Kinds,
    /// Whether the text was found encoded in another one.
    nested: bool,
    /// End of the last hit: nothing before it is looked at.
    floor: usize,
    hits: &'s mut Vec<Hit>,
}

impl<'s> Scan<'s> {
    fn run(&mut self) {
        let mut i = 0;
        while let Some(&b) = self.bytes.get(i) {
            i = match class(b) {
                Class::Plain | Class::Skip => i + 1,
                Class::Letter => self.word(i, b),
                Class::Digit => self.number(i),
                Class::Mark => self.mark(i, b),
                Class::Wide => self.wide_word(i),
            };
        }
    }

    /// Notes the whole text where the names above it say what it is; whether they do.
    #[inline(never)]
    fn whole(&mut self) -> bool {
        let Some(says) = self.names.1 else { return false };
        let text = self.text.trim();
        let kind = if person::is_whole(text, says, &self.names) {
            Kind::Person
        } else if postal::is_whole(text, says) {
            Kind::PostalAddress
        } else {
            return false;
        };
        let start = self.text.len() - self.text.trim_start().len();
        self.hit(kind, start, start + text.len()).is_some()
    }

    /// A word of letters beyond ASCII. Returns where to go on.
    #[inline(never)]
    fn wide_word(&mut self, i: usize) -> usize {
        let lead = self.before(i);
        if !is_word(lead)
            && lead < 0x80
            && let Some(end) = self.named(i)
        {
            return end;
        }
        self.run_end(i, usize::MAX, |b| b >= 0x80)
    }

    /// A person's name or an address that begins with the word at `i`.
    #[inline(never)]
    fn named(&mut self, i: usize) -> Option<usize> {
        let before = self.before(i);
        if !(before.is_ascii_whitespace()
            || matches!(
                before,
                0 | b'"' | b'\'' | b'\\' | b'(' | b'[' | b':' | b'=' | b'>' | b',' | b'*' | b'`' | b'|' | b';'
            ))
        {
            return None;
        }
        let end = self.run_end(i, i + 24, |b| b.is_ascii_alphabetic());
        let next = self.at(end);
        // `(Windows; ...` after a number or nothing is no aside about a person.
        let aside = before == b'('
            && self.before(i - 1) != b'='
            && !self.slice(i.saturating_sub(3), i).iter().any(u8::is_ascii_alphabetic);
        let alone = next == b')'
            || before == 0 && i == 0 && self.names.1.is_none() && !matches!(next, b' ' | b'-' | b'\'' | b'.' | 0x80..);
        // A word in capitals is a name only where a label says so.
        let caps = self.at(i + 1).is_ascii_uppercase()
            && before == b' '
            && !matches!(self.before(i - 1), b':' | b'=' | b'|')
            && self.at(i) != b'P';
        if caps || matches!(next, b'/' | b'_' | b'(' | b'=' | b'@' | b'0'..=b'9') || aside || alone {
            return None;
        }
        if end > i && next < 0x80 && lexicon::senses(self.str(i, end)).is_nobody() {
            return None;
        }
        if postal::may_begin(self, end)
            && let Some(end) = postal::at_word(self, i).and_then(|end| self.hit(Kind::PostalAddress, i, end))
        {
            return Some(end);
        }
        person::find(self, i).and_then(|end| self.hit(Kind::Person, i, end))
    }

    /// A word that starts with a letter. Returns where to go on.
    fn word(&mut self, i: usize, first: u8) -> usize {
        if (first.is_ascii_uppercase() || postal::begins_small(self, i, first))
            && let Some(end) = self.named(i)
        {
            return end;
        }
        let (end, written) = self.written(i);
        let next = self.at(end);
        let joined = matches!(next, b':' | b'-' | b'.');
        // Random keys are not made of small letters alone, except where a mark or a scheme comes next.
        let may_be_key = written.is_random()
            || joined
            || matches!(next, b'/' | b'+' | b'=' | b'~' | b'$')
            || matches!(first, b'B' | b'b');
        if may_be_key
            && may_start(first, self.at(i + 1))
            && let Some(end) = self.secret_word(i, first)
        {
            return end;
        }
        if written.digits
            && self.at(i + 2).is_ascii_digit()
            && self.at(i + 3).is_ascii_digit()
            && let Some(end) = iban::find(self, i).and_then(|end| self.hit(Kind::Iban, i, end))
        {
            return end;
        }
        if (written.is_random() && end - i >= encoded::RUN_MIN || matches!(next, b'+' | b'/' | b'-'))
            && let Some((kind, end)) = encoded::find(self, i)
            && let Some(end) = self.hit(kind, i, end)
        {
            return end;
        }
        if matches!(next, b' ' | b'\t' | b'(' | b'"' | b'}' | 0x80..)
            && let Some(end) = self.told(i, end)
        {
            return end;
        }
        if end - i == 2
            && self.slice(i, end).eq_ignore_ascii_case(b"at")
            && let Some((start, end)) = email::hidden(self, i)
            && let Some(end) = self.hit(Kind::Email, start, end)
        {
            return end;
        }
        if joined || written.is_random() && end - i >= mac::BARE_LENGTH {
            let next = self.after_word(i, end);
            if next != end {
                return next;
            }
        }
        if let Some(end) = self.numbered(i, end, written) {
            return end;
        }
        if end - i >= 3
            && next == b' '
            && self.at(end + 1).is_ascii_digit()
            && let Some(end) = birth::find_named(self, i, end).and_then(|end| self.hit(Kind::DateOfBirth, i, end))
        {
            return end;
        }
        end
    }

    /// Where the word at `i` ends, and what it is made of.
    fn written(&self, i: usize) -> (usize, Written) {
        let mut written = Written::default();
        let mut end = i;
        while let Some(b) = self.bytes.get(end) {
            match class(*b) {
                Class::Letter => written.capitals |= b.is_ascii_uppercase() && end > i,
                Class::Digit => written.digits = true,
                Class::Plain | Class::Skip | Class::Mark | Class::Wide => break,
            }
            end += 1;
        }
        (end, written)
    }

    /// An id that begins with the word from `i` to `end`, which has letters. Returns where to go on.
    #[inline]
    fn numbered(&mut self, i: usize, end: usize, written: Written) -> Option<usize> {
        let joined = || self.at(end + 1).is_ascii_digit() && matches!(self.at(end), b' ' | b'-');
        let worth = match end - i {
            0..=5 => self.at(i).is_ascii_uppercase() && joined(),
            6..=128 => written.digits || self.slice(i, i + 3) == b"WDL",
            _ => false,
        };
        if !worth {
            return None;
        }
        let (kind, end) = self.id(i, end)?;
        self.hit(kind, i, end)
    }

    fn id(&self, i: usize, end: usize) -> Option<(Kind, usize)> {
        let word = Letters::of(self.slice(i, end));
        if word.digits == 0 && word.lower > 0 || word.marked || number::is_continued(self, i) {
            return None;
        }
        let context = Lazy::new(self, i);
        let address = || crypto::find(self, i, end, &context);
        // Words of small and capital letters are addresses or nothing.
        if word.lower > 0 && word.upper > 0 {
            return address();
        }
        national::find(self, i, end - i, &context)
            .or_else(address)
            .or_else(|| device::vin(self, i, end, &context))
            .or_else(|| if word.lower == 0 { document::find(self, i, &context) } else { None })
    }

    /// Whether the word at `i` continues a longer one over a `-`, as Base64url does.
    fn continues(&self, i: usize) -> bool {
        self.before(i) == b'-' && is_word(self.before(i - 1))
    }

    /// A word that starts with a digit. Returns where to go on.
    fn number(&mut self, i: usize) -> usize {
        let end = self.digits_end(i);
        if is_word(self.at(end)) {
            if let Some((kind, end)) = encoded::find(self, i)
                && let Some(end) = self.hit(kind, i, end)
            {
                return end;
            }
            if may_start(self.at(i), self.at(i + 1))
                && let Some(end) = self.api_key(i)
            {
                return end;
            }
            let end = self.word_end(end);
            let next = self.after_word(i, end);
            let written = Written { digits: true, capitals: false };
            return if next == end { self.numbered(i, end, written).unwrap_or(end) } else { next };
        }
        if let Some(end) = self.keyed_number(i, end) {
            return end;
        }
        if let Some(end) = shape::timestamp(self.bytes, i, end) {
            if let Some(end) = birth::timestamp(self, i, end).and_then(|end| self.hit(Kind::DateOfBirth, i, end)) {
                return end;
            }
            return end;
        }
        if let Some((kind, start, end)) = number::find(self, i, end)
            && let Some(end) = self.hit(kind, start, end)
        {
            return end;
        }
        if !is_word(self.before(i))
            && postal::may_follow(self, end)
            && let Some(end) = postal::at_number(self, i, end).and_then(|end| self.hit(Kind::PostalAddress, i, end))
        {
            return end;
        }
        self.after_word(i, end)
    }

    /// What is told by the byte after a word: UUIDs, hardware addresses, IPv6, bot tokens. Returns where to go on.
    #[inline]
    fn after_word(&mut self, start: usize, end: usize) -> usize {
        let next = self.at(end);
        if end - start == mac::BARE_LENGTH
            && mac::is_bare(self, start)
            && let Some(end) = self.hit(Kind::Mac, start, end)
        {
            return end;
        }
        if matches!(end - start, 24..=28 | 40..=44 | 52 | 84)
            && let Some(end) = secret::by_shape(self, start, end).and_then(|end| self.hit(Kind::ApiKey, start, end))
        {
            return end;
        }
        if end - start <= 10 && matches!(next, b':' | b'-' | b'.') { self.joined(start, end, next) } else { end }
    }

    /// A short word and the mark that joins it to the next.
    fn joined(&mut self, start: usize, end: usize, next: u8) -> usize {
        let found = match (end - start, next) {
            (8, b'-') if shape::is_uuid(self.bytes, start) => return start + shape::UUID_LENGTH,
            (4, b'.') => mac::dotted(self, start).and_then(|end| self.hit(Kind::Mac, start, end)),
            (2, b':' | b'-') => mac::find(self, start).and_then(|end| self.hit(Kind::Mac, start, end)),
            _ => None,
        };
        if let Some(end) = found {
            return end;
        }
        if next == b':'
            && end - start <= 4
            && let Some(end) = ip::v6(self, start).and_then(|end| self.hit(Kind::Ip, start, end))
        {
            return end;
        }
        end
    }

    /// A mark that may stand inside or before something. Returns where to go on.
    fn mark(&mut self, i: usize, mark: u8) -> usize {
        let found = match mark {
            b'@' => email::find(self, i, 1)
                .map(|(start, end)| (Kind::Email, start, end))
                .or_else(|| url::data_source(self, i).map(|(start, end)| (Kind::UrlCredentials, start, end))),
            b'%' => match (self.at(i + 1), self.at(i + 2)) {
                (b'4', b'0') => email::find(self, i, 3).map(|(start, end)| (Kind::Email, start, end)),
                _ => None,
            },
            b':' | b'=' => self.separator(i),
            b'+' => phone::international(self, i)
                .map(|end| (Kind::Phone, i, end))
                .or_else(|| secret::around_plus(self, i).map(|(start, end)| (Kind::ApiKey, start, end))),
            b'(' => match phone::parenthesised(self, i).or_else(|| phone::with_area(self, i)) {
                Some(end) => Some((Kind::Phone, i, end)),
                None => self.hidden_email(i),
            },
            b'[' | b'{' => self.hidden_email(i),
            b'-' => self.hyphen(i),
            b'~' | b'<' | b'$' => self.secret_mark(i, mark),
            b'/' | b'\\' => user_path::find(self, i).map(|(start, end)| (Kind::UserPath, start, end)),
            _ => None,
        };
        let end = match found {
            Some((Kind::Cookie, start, end)) => self.cookies(start, end),
            Some((kind, start, end)) => self.hit(kind, start, end),
            None => None,
        };
        end.unwrap_or(i + 1)
    }

    fn hidden_email(&self, i: usize) -> Option<(Kind, usize, usize)> {
        let at = matches!((self.at(i + 1), self.at(i + 2)), (b'a' | b'A', b't' | b'T'));
        at.then(|| email::hidden(self, i)).flatten().map(|(start, end)| (Kind::Email, start, end))
    }

    fn separator(&mut self, i: usize) -> Option<(Kind, usize, usize)> {
        if self.at(i) == b':' {
            if self.at(i + 1) == b'/' && self.at(i + 2) == b'/' {
                return url::find(self, i);
            }
            if self.at(i + 1) == b':' && !is_word(self.before(i)) {
                return ip::v6(self, i).map(|end| (Kind::Ip, i, end));
            }
        }
        assignment::find(self, i)
    }

    /// Notes a hit; `None` when its kind is not wanted here, it is empty, or does not lie after the last one.
    fn hit(&mut self, kind: Kind, start: usize, end: usize) -> Option<usize> {
        let valid =
            start >= self.floor && start < end && self.text.is_char_boundary(start) && self.text.is_char_boundary(end);
        if !valid || !self.wanted.contains(kind) {
            return None;
        }
        self.hits.push(Hit { kind, start, end });
        self.floor = end;
        Some(end)
    }

    /// The byte at `i`; 0 past the end.
    fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(0)
    }

    /// The byte before `i`; 0 at the start of the text or after a hit.
    fn before(&self, i: usize) -> u8 {
        if i <= self.floor { 0 } else { self.at(i - 1) }
    }

    fn slice(&self, start: usize, end: usize) -> &'s [u8] {
        self.bytes.get(start..end).unwrap_or(&[])
    }

    /// The text between two places; empty when they are not character boundaries.
    fn str(&self, start: usize, end: usize) -> &'s str {
        self.text.get(start..end).unwrap_or("")
    }

    /// At most `length` bytes before `i` and after the last hit.
    fn behind(&self, i: usize, length: usize) -> &'s [u8] {
        self.slice(i.saturating_sub(length).max(self.floor), i)
    }

    /// Where the bytes from `i` on that satisfy `belongs` end, at most at `limit`. Detectors that may be called again inside what they
    /// have read pass a limit close by, or time would be quadratic.
    fn run_end(&self, i: usize, limit: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(i..limit.min(self.bytes.len())).unwrap_or(&[]);
        i + rest.iter().position(|&b| !belongs(b)).unwrap_or(rest.len())
    }

    fn word_end(&self, i: usize) -> usize {
        self.run_end(i, usize::MAX, is_word)
    }

    fn digits_end(&self, i: usize) -> usize {
        self.run_end(i, usize::MAX, |b| b.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests;
