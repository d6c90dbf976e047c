//! Hardware addresses: six pairs of hexadecimal digits with colons or hyphens, three groups of four with dots, or twelve digits that a word
//! announces.

use super::context::Context;
use super::topics::Topic;
use super::{Scan, is_word};

const LENGTH: usize = 17;

/// The length of `0123.4567.89ab`.
const DOTTED_LENGTH: usize = 14;

/// The end of the address in three groups at `start`; one without a letter is a number.
pub(super) fn dotted(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let end = start + DOTTED_LENGTH;
    let text = scan.slice(start, end);
    let shaped = text.len() == DOTTED_LENGTH
        && text.iter().enumerate().all(|(at, b)| if at % 5 == 4 { *b == b'.' } else { b.is_ascii_hexdigit() })
        && text.iter().any(u8::is_ascii_alphabetic)
        && text.iter().any(u8::is_ascii_digit);
    let longer =
        is_word(scan.at(end)) || scan.at(end) == b'.' && is_word(scan.at(end + 1)) || scan.before(start) == b'.';
    (shaped && !longer).then_some(end)
}

/// The end of the address at `start`.
pub(super) fn find(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let end = start + LENGTH;
    let text = scan.slice(start, end);
    let separator = scan.at(start + 2);
    let shaped = text.len() == LENGTH
        && text.iter().enumerate().all(|(at, b)| if at % 3 == 2 { *b == separator } else { b.is_ascii_hexdigit() });
    let longer = is_word(scan.at(end))
        || scan.at(end) == separator && !scan.at(end + 1).is_ascii_whitespace()
        || scan.before(start) == separator && is_pair(scan, start - 1);
    let empty = text.iter().all(|b| matches!(b, b'0' | b':' | b'-'))
        || text.iter().all(|b| matches!(b, b'f' | b'F' | b':' | b'-'));
    (shaped && !longer && !empty).then_some(end)
}

/// Whether a pair of hexadecimal digits, and no longer word, ends at `end`.
fn is_pair(scan: &Scan<'_>, end: usize) -> bool {
    let behind = scan.behind(end, 3);
    let word = behind.iter().rev().take_while(|b| is_word(**b)).count();
    word == 2 && behind.iter().rev().take(2).all(u8::is_ascii_hexdigit)
}

/// Digits of an address without separators.
pub(super) const BARE_LENGTH: usize = 12;

/// Whether the word of [`BARE_LENGTH`] at `start` is an address: both letters and digits, and called one.
pub(super) fn is_bare(scan: &Scan<'_>, start: usize) -> bool {
    let text = scan.slice(start, start + BARE_LENGTH);
    text.iter().all(u8::is_ascii_hexdigit)
        && text.iter().any(u8::is_ascii_alphabetic)
        && text.iter().any(u8::is_ascii_digit)
        && Context::of(scan, start).near.has(Topic::Mac)
}
