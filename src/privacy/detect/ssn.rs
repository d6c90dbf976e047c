//! US social security numbers: area, group and serial in their ranges; with hyphens as they are, otherwise only when a word says so.

use super::number::{Number, ends};
use super::topics::Topic;

/// The end of the number.
pub(super) fn find(number: &Number<'_, '_>) -> Option<usize> {
    let groups = &number.groups;
    let hyphens = groups.are(&[3, 2, 4], b'-');
    if !hyphens && !groups.are(&[3, 2, 4], b' ') && groups.length(0) != 9 {
        return None;
    }
    let end = if groups.length(0) == 9 { groups.end(0) } else { groups.end(2) };
    let digits: Vec<u8> = number.bytes(end).iter().copied().filter(u8::is_ascii_digit).collect();
    (ends(number.scan, end) && in_range(&digits) && (hyphens || number.is_told(Topic::Ssn))).then_some(end)
}

/// No area 000, 666 or 9xx, no group 00, no serial 0000.
fn in_range(digits: &[u8]) -> bool {
    match digits {
        [b'9', ..] | [b'0', b'0', b'0', ..] | [b'6', b'6', b'6', ..] => false,
        [_, _, _, b'0', b'0', ..] | [_, _, _, _, _, b'0', b'0', b'0', b'0'] => false,
        _ => digits.len() == 9,
    }
}
