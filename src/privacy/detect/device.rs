//! Serial numbers of telephones (IMEI) and vehicles (VIN).

use super::checksum::luhn;
use super::context::Lazy;
use super::number::{digits, ends};
use super::topics::Topic;
use super::{Kind, Scan};

/// The end of the IMEI at `start`: 15 digits with a check, or 14 to 16 right under the word; plain, or 2-6-6-1.
pub(super) fn imei(scan: &Scan<'_>, start: usize, first_end: usize, context: &Lazy<'_, '_>) -> Option<usize> {
    let length = first_end - start;
    let end = match length {
        14..=16 => first_end,
        2 => grouped(scan, start)?,
        8 => tac_first(scan, start)?,
        _ => return None,
    };
    let context = context.get();
    let checked = digits(scan.slice(start, end)).count() == 15 && luhn(digits(scan.slice(start, end)));
    (ends(scan, end) && (context.tells_near(Topic::Imei) || checked && context.tells(Topic::Imei))).then_some(end)
}

/// `35-209900-176148-1`, and two digits at the end for a software version.
fn grouped(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let mark = scan.at(start + 2);
    let group = |at: usize| scan.digits_end(at) - at;
    let parts = matches!(mark, b' ' | b'-' | b'/')
        && group(start + 3) == 6
        && scan.at(start + 9) == mark
        && group(start + 10) == 6
        && scan.at(start + 16) == mark;
    let last = group(start + 17);
    (parts && matches!(last, 1 | 2)).then_some(start + 17 + last)
}

/// `35209900-176148-1`.
fn tac_first(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let mark = scan.at(start + 8);
    let parts = matches!(mark, b' ' | b'-') && scan.digits_end(start + 9) == start + 15 && scan.at(start + 15) == mark;
    (parts && scan.digits_end(start + 16) == start + 17).then_some(start + 17)
}

/// A vehicle's number has so many characters.
const VIN_LENGTH: usize = 17;

/// The vehicle's number that is the word from `start` to `end`: with its check digit (ISO 3779, used in America and China), or announced.
pub(super) fn vin(scan: &Scan<'_>, start: usize, end: usize, context: &Lazy<'_, '_>) -> Option<(Kind, usize)> {
    if end - start != VIN_LENGTH {
        return None;
    }
    let text = scan.slice(start, end);
    let alphabet =
        text.iter().all(|b| b.is_ascii_alphanumeric() && !matches!(b.to_ascii_uppercase(), b'I' | b'O' | b'Q'));
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if !alphabet || !(3..VIN_LENGTH).contains(&digits) || !ends(scan, end) {
        return None;
    }
    let serial = text.iter().rev().take(4).all(u8::is_ascii_digit);
    let capital = !text.iter().any(u8::is_ascii_lowercase);
    let checked = serial && capital && vin_checks(text) && !context.get().last.has(Topic::Other);
    (checked || context.get().tells(Topic::Vin)).then_some((Kind::Vin, end))
}

fn vin_checks(text: &[u8]) -> bool {
    const WEIGHTS: [u32; VIN_LENGTH] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = text.iter().zip(WEIGHTS).map(|(b, weight)| vin_value(*b) * weight).sum();
    let check = match sum % 11 {
        10 => b'X',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    text.get(8) == Some(&check)
}

/// A to H count 1 to 8, J to R 1 to 9, S to Z 2 to 9.
fn vin_value(b: u8) -> u32 {
    u32::from(match b {
        b'0'..=b'9' => b - b'0',
        b'A'..=b'H' => b - b'A' + 1,
        b'J'..=b'R' => b - b'J' + 1,
        b'S'..=b'Z' => b - b'S' + 2,
        _ => 0,
    })
}
