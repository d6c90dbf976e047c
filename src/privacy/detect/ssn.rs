//! US social security numbers: area, group and serial in their ranges; with hyphens as they are, otherwise only when a word says so.

use super::Scan;
use super::number::{Number, ends};
use super::topics::Topic;

/// The end of the number.
pub(super) fn find(number: &Number<'_, '_>) -> Option<usize> {
    let groups = &number.groups;
    let hyphens = groups.are(&[3, 2, 4], b'-');
    let others = groups.are(&[3, 2, 4], b' ') || groups.are(&[3, 2, 4], b'.');
    if !hyphens && !others && groups.length(0) != 9 {
        return None;
    }
    let end = if groups.length(0) == 9 { groups.end(0) } else { groups.end(2) };
    let mut digits = [0; 9];
    for (slot, digit) in digits.iter_mut().zip(number.bytes(end).iter().filter(|b| b.is_ascii_digit())) {
        *slot = *digit;
    }
    if !ends(number.scan, end) || !in_range(digits) {
        return None;
    }
    let told = || number.context().tells(Topic::Ssn) || number.context().tells_near(Topic::Social) || is_edi(number);
    (hyphens || others && is_enclosed(number.scan, number.start, end) || told()).then_some(end)
}

/// Whether it is the reference of an EDI segment that says so: `REF*SY*078051120~`.
fn is_edi(number: &Number<'_, '_>) -> bool {
    number.scan.behind(number.start, 8) == b"~REF*SY*" || number.scan.behind(number.start, 7) == b"REF*SY*"
}

/// Whether it is all there is between quotes or brackets, or in the text.
fn is_enclosed(scan: &Scan<'_>, start: usize, end: usize) -> bool {
    let opened = matches!(scan.before(start), b'"' | b'\'' | b'(' | b'[' | b'>' | b'`' | 0)
        || ["“", "‘", "«"].iter().any(|quote| scan.behind(start, quote.len()) == quote.as_bytes());
    let closed = matches!(scan.at(end), b'"' | b'\'' | b')' | b']' | b'<' | b'`' | 0)
        || ["”", "’", "»"].iter().any(|quote| scan.slice(end, end + quote.len()) == quote.as_bytes());
    opened && closed
}

/// No area 000, 666 or 9xx, no group 00, no serial 0000.
fn in_range(digits: [u8; 9]) -> bool {
    !matches!(
        digits,
        [b'9', ..]
            | [b'0', b'0', b'0', ..]
            | [b'6', b'6', b'6', ..]
            | [_, _, _, b'0', b'0', ..]
            | [_, _, _, _, _, b'0', b'0', b'0', b'0']
    )
}
