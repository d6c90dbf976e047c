//! Numbers: groups of digits with single separators, and which detector they belong to.
//!
//! Reads at most [`GROUPS_MAX`] groups from a place, once, and hands them to the detectors of numbers in order of certainty: IPv4
//! (parsed), card (Luhn and issuer), SSN, phone.

use super::context::{Context, Lazy};
use super::topics::Topic;
use super::{Kind, Scan, birth, card, device, document, geo, ip, is_word, national, phone, ssn};

/// A card has at most five groups; one more tells whether a number goes on.
const GROUPS_MAX: usize = 7;

/// Shorter numbers are no ids.
const ID_MIN: usize = 5;

/// The digit groups that start at one place.
pub(super) struct Groups {
    spans: [(usize, usize); GROUPS_MAX],
    separators: [u8; GROUPS_MAX],
    count: usize,
}

impl Groups {
    fn read(scan: &Scan<'_>, start: usize, first_end: usize) -> Groups {
        let mut groups = Groups { spans: [(0, 0); GROUPS_MAX], separators: [0; GROUPS_MAX], count: 0 };
        let mut span = (start, first_end);
        let mut separator = 0;
        for (slot, mark) in groups.spans.iter_mut().zip(groups.separators.iter_mut()) {
            *slot = span;
            *mark = separator;
            groups.count += 1;
            separator = scan.at(span.1);
            if !matches!(separator, b' ' | b'-' | b'.') || !scan.at(span.1 + 1).is_ascii_digit() {
                break;
            }
            span = (span.1 + 1, scan.digits_end(span.1 + 1));
        }
        groups
    }

    /// How many groups there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The number of digits in group `k`; 0 if there is none.
    pub(super) fn length(&self, k: usize) -> usize {
        self.spans.get(k).map_or(0, |(start, end)| end - start)
    }

    /// The separator before group `k`.
    pub(super) fn separator(&self, k: usize) -> u8 {
        self.separators.get(k).copied().unwrap_or(0)
    }

    /// The number of digits in all groups.
    fn digits(&self) -> usize {
        self.spans.iter().map(|(start, end)| end - start).sum()
    }

    /// Where group `k` ends.
    pub(super) fn end(&self, k: usize) -> usize {
        self.spans.get(k).map_or(0, |(_, end)| *end)
    }

    /// Whether groups 0 to `last` have these lengths, are all separated by `separator`, and group `last` is not followed by the same
    /// separator and more digits.
    pub(super) fn are(&self, lengths: &[usize], separator: u8) -> bool {
        let fits = self.count >= lengths.len()
            && lengths
                .iter()
                .enumerate()
                .all(|(k, length)| self.length(k) == *length && (k == 0 || self.separator(k) == separator));
        fits && (self.count == lengths.len() || self.separator(lengths.len()) != separator)
    }
}

/// A number in a text, before it is known what it is.
pub(super) struct Number<'a, 's> {
    pub(super) scan: &'a Scan<'s>,
    pub(super) start: usize,
    pub(super) groups: Groups,
    context: Lazy<'a, 's>,
}

impl Number<'_, '_> {
    /// Whether a name or a word close before it announces a topic.
    pub(super) fn is_told(&self, topic: Topic) -> bool {
        self.context().far.has(topic)
    }

    /// The same, of its own name or a word right before it only.
    pub(super) fn is_told_near(&self, topic: Topic) -> bool {
        self.context().near.has(topic)
    }

    pub(super) fn context(&self) -> &Context {
        self.context.get()
    }

    /// Its text up to `end`.
    pub(super) fn bytes(&self, end: usize) -> &[u8] {
        self.scan.slice(self.start, end)
    }
}

/// What the number at `start` is, whose first digits end at `first_end`.
pub(super) fn find(scan: &Scan<'_>, start: usize, first_end: usize) -> Option<(Kind, usize, usize)> {
    if first_end - start > 19 || is_continued(scan, start) || is_product_version(scan, start) {
        return None;
    }
    // Most numbers are short and stand alone. What may follow one that does not are groups, degrees and `年`.
    if first_end - start <= 3 && !matches!(scan.at(first_end), b' ' | b'.' | b'-' | b'/' | 0xc2 | 0xe5) {
        return None;
    }
    let groups = Groups::read(scan, start, first_end);
    let number = Number { scan, start, groups, context: Lazy::new(scan, start) };
    let found = |kind: Kind, end: Option<usize>| end.map(|end| (kind, start, end));
    let context = &number.context;
    let short = found(Kind::Ip, ip::v4(&number))
        .or_else(|| {
            if may_be_place(scan, first_end) {
                geo::find(scan, start, first_end, context).map(|(start, end)| (Kind::Geo, start, end))
            } else {
                None
            }
        })
        .or_else(|| {
            if number.may_be_date() {
                found(Kind::DateOfBirth, birth::find(scan, start, first_end, context))
            } else {
                None
            }
        });
    // Groups may also be two marks or a slash apart: `4111  1111  1111  1111`, `030/1234567`.
    let mark = |at: usize| matches!(scan.at(at), b' ' | b'-' | b'/');
    let apart = scan.at(first_end) == b'/' || mark(first_end) && mark(first_end + 1);
    let alone = number.groups.digits() < ID_MIN && !apart;
    if short.is_some() || alone { short } else { number.long(first_end) }
}

/// Whether decimals or a sign for degrees follow the first digits.
fn may_be_place(scan: &Scan<'_>, first_end: usize) -> bool {
    const DEGREE: u8 = 0xc2;
    let far = scan.at(first_end + 3);
    match scan.at(first_end) {
        DEGREE => true,
        b'.' => far.is_ascii_digit() || far == DEGREE || scan.at(first_end + 2) == DEGREE,
        _ => false,
    }
}

impl Number<'_, '_> {
    /// Whether the digits at the start, and what follows them, may begin a date.
    fn may_be_date(&self) -> bool {
        let next = self.scan.at(self.groups.end(0));
        let after = self.scan.at(self.groups.end(0) + 1);
        let three = || self.groups.count() >= 3;
        match (self.groups.length(0), next) {
            (8, _) | (1 | 2, 0xc2) | (4, 0xe5) | (1 | 2 | 4, b'/') => true,
            (1 | 2, b' ') => after.is_ascii_alphabetic() || after >= 0x80,
            (1 | 2, b'.' | b'-') => three() || !after.is_ascii_digit(),
            (4, b'.' | b'-') => three(),
            _ => false,
        }
    }

    /// What it is as a whole, having many digits.
    fn long(&self, first_end: usize) -> Option<(Kind, usize, usize)> {
        let Number { scan, start, context, .. } = self;
        let first = first_end - start;
        let found = |kind: Kind, end: Option<usize>| end.map(|end| (kind, *start, end));
        found(Kind::Imei, device::imei(scan, *start, first_end, context))
            .or_else(|| found(Kind::Card, card::find(self)))
            .or_else(|| found(Kind::Ssn, ssn::find(self)))
            .or_else(|| national::find(scan, *start, first, context).map(|(kind, end)| (kind, *start, end)))
            .or_else(|| document::find(scan, *start, context).map(|(kind, end)| (kind, *start, end)))
            .or_else(|| found(Kind::Phone, phone::national(self)))
    }
}

/// Whether the number at `start` is the tail of something longer: `0.4111`, `ORD-2022-1234567`, `#4111`.
pub(super) fn is_continued(scan: &Scan<'_>, start: usize) -> bool {
    match scan.before(start) {
        b'.' | b'-' | b'_' => is_word(scan.before(start - 1)),
        b',' => is_word(scan.before(start - 1)) && !is_cell(scan, start),
        b'#' | b'$' => true,
        _ => false,
    }
}

/// Whether the number at `start` is the version of a product, as in `Gecko/20100101`: a blank or nothing stands before the name.
fn is_product_version(scan: &Scan<'_>, start: usize) -> bool {
    product_before(scan, start)
        .is_some_and(|name| matches!(scan.before(name), 0 | b' ' | b'(' | b';' | b'"' | b'+' | b','))
}

/// Where the name with a capital letter starts that a slash parts from the number at `start`. A path or a host before the slash has none.
pub(super) fn product_before(scan: &Scan<'_>, start: usize) -> Option<usize> {
    const NAME_MAX: usize = 24;
    if scan.before(start) != b'/' {
        return None;
    }
    let before = scan.behind(start - 1, NAME_MAX);
    let name = start - 1 - before.iter().rev().take_while(|b| is_word(**b)).count();
    scan.at(name).is_ascii_uppercase().then_some(name)
}

/// Whether what is at `start` behind a comma is the cell of a row, and not decimals or thousands: it has letters, joined groups, or many digits.
fn is_cell(scan: &Scan<'_>, start: usize) -> bool {
    const DECIMALS_MAX: usize = 12;
    let end = scan.run_end(start, start + DECIMALS_MAX, |b| b.is_ascii_digit());
    let joined = end - start >= 3 && matches!(scan.at(end), b'-' | b' ') && scan.at(end + 1).is_ascii_digit();
    joined || end - start == DECIMALS_MAX || scan.at(start).is_ascii_alphabetic()
}

/// Whether a number may end at `end`: no letter, digit or decimals follow.
pub(super) fn ends(scan: &Scan<'_>, end: usize) -> bool {
    let next = scan.at(end);
    let goes_on = matches!(next, b'.' | b',' | b'-') && scan.at(end + 1).is_ascii_digit();
    !is_word(next) && next != b'%' && !goes_on
}

/// The digits of `bytes`, as numbers.
pub(super) fn digits(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u32> + '_ {
    bytes.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'))
}
