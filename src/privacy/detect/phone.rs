//! Telephone numbers: international with `+`, North American in their written forms, others when a word announces them.

use super::context::Context;
use super::number::{Groups, Number, ends};
use super::topics::Topic;
use super::{Scan, is_word};

/// E.164 allows 15 digits; fewer than 8 are no international number in use.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// Past this many digits a blank ends a number: what follows is another one.
const DIGITS_USUAL: usize = 12;

/// The end of the number that starts with the `+` at `i`.
pub(super) fn international(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if !matches!(scan.at(i + 1), b'1'..=b'9')
        || is_word(scan.before(i))
        || scan.before(i) == b'+'
        || scan.before(i) == b'/' && !is_step(scan, i)
    {
        return None;
    }
    let american = scan.at(i + 1) == b'1';
    let most = if american { 11 } else { *DIGITS.end() };
    let (mut at, mut end, mut digits, mut marks, mut dots) = (i + 1, i + 1, 0, 0, 0);
    while digits < most && at - i < 32 {
        match scan.at(at) {
            b'0'..=b'9' => {
                digits += 1;
                end = at + 1;
                marks = 0;
            }
            b' ' if digits >= DIGITS_USUAL => break,
            b'.' if marks == 0 => {
                dots += 1;
                marks += 1;
            }
            b' ' | b'-' | b'(' | b')' | b'/' if marks < 2 => marks += 1,
            _ => break,
        }
        at += 1;
    }
    let decimal = dots == 1 && !scan.slice(i, end).iter().any(|b| matches!(b, b' ' | b'-' | b'('));
    let complete = if american { digits == 11 && !matches!(scan.at(i + 2), b'0') } else { DIGITS.contains(&digits) };
    (complete && !decimal && !is_word(scan.at(end))).then_some(end)
}

/// Whether the `+` at `i` begins a whole step of a path, of digits: `wa.me/+41...`.
fn is_step(scan: &Scan<'_>, i: usize) -> bool {
    const DIGITS_MIN: usize = 10;
    let end = scan.run_end(i + 1, i + 17, |b| b.is_ascii_digit());
    end - i > DIGITS_MIN && matches!(scan.at(end), 0 | b'/' | b'?' | b'"' | b'\'' | b' ' | b'\n' | b')' | b'<')
}

/// The end of the number that starts with the `(` at `i`, such as `(415) 555-2671`.
pub(super) fn parenthesised(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let three = |at: usize| matches!(scan.at(at), b'2'..=b'9') && scan.digits_end(at) == at + 3;
    if !three(i + 1) || scan.at(i + 4) != b')' {
        return None;
    }
    let exchange = if scan.at(i + 5) == b' ' { i + 6 } else { i + 5 };
    let line = exchange + 4;
    let shaped =
        three(exchange) && matches!(scan.at(exchange + 3), b'-' | b'.' | b' ') && scan.digits_end(line) == line + 4;
    // `(999) 999-9999` is how a field is to be filled in.
    let mask = scan.slice(i, line + 4).iter().filter(|b| b.is_ascii_digit()).all(|b| *b == scan.at(i + 1));
    (shaped && !mask && !is_word(scan.at(line + 4))).then_some(line + 4)
}

/// The end of the announced number that starts with an area code in parentheses at `i`, such as `(020) 7946 0958`.
pub(super) fn with_area(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let area = scan.digits_end(i + 1);
    if !(2..=6).contains(&(area - i - 1)) || scan.at(area) != b')' {
        return None;
    }
    let line = scan.run_end(area + 1, area + 2, |b| b == b' ');
    let (digits, end) = reach(scan, line);
    let context = Context::of(scan, i);
    let told = context.tells(Topic::Phone) || context.tells(Topic::Call);
    (told && (7..=15).contains(&(digits + area - i - 1)) && ends(scan, end)).then_some(end)
}

/// How many digits with single marks between them start at `i`, and where they end.
fn reach(scan: &Scan<'_>, i: usize) -> (usize, usize) {
    let (mut digits, mut end) = (0, i);
    for (at, b) in scan.slice(i, scan.bytes.len().min(i + 24)).iter().enumerate() {
        match b {
            b'0'..=b'9' => {
                digits += 1;
                end = i + at + 1;
            }
            b' ' | b'-' | b'.' | b'/' if end == i + at && digits < DIGITS_USUAL => {}
            _ => break,
        }
    }
    (digits, end)
}

/// The end of the number written without `+`.
pub(super) fn national(number: &Number<'_, '_>) -> Option<usize> {
    let Number { scan, groups, .. } = number;
    if let Some(end) = american(number) {
        return Some(end);
    }
    if let Some(end) = slashed(number) {
        return Some(end);
    }
    let (digits, last) = extent(groups);
    let end = groups.end(last);
    if !(7..=15).contains(&digits) || !ends(scan, end) {
        return None;
    }
    let written = last > 0 && last <= 5 && groups.length(0) <= 5 || scan.at(number.start) == b'0' && digits >= 9;
    // Digits without any separator may be anything, unless the label stands right before them.
    let told = if written { is_told(number) } else { number.is_told_near(Topic::Phone) };
    told.then_some(end)
}

/// `030/1234567`, `0711/123-456`: announced.
fn slashed(number: &Number<'_, '_>) -> Option<usize> {
    let Number { scan, start, groups, .. } = number;
    if scan.at(groups.end(0)) != b'/' || scan.at(*start) != b'0' || !(3..=6).contains(&groups.length(0)) {
        return None;
    }
    let (digits, end) = reach(scan, *start);
    (DIGITS.contains(&digits) && ends(scan, end) && number.is_told(Topic::Phone)).then_some(end)
}

fn is_told(number: &Number<'_, '_>) -> bool {
    number.is_told(Topic::Phone) || number.is_told(Topic::Call)
}

/// `415-555-2671`, `415.555.2671`, `1-415-555-2671`; with blanks or nothing between only when announced.
fn american(number: &Number<'_, '_>) -> Option<usize> {
    let Number { scan, groups, .. } = number;
    let area = usize::from(groups.length(0) == 1 && scan.at(number.start) == b'1');
    let separator = groups.separator(area + 1);
    let shaped = match area {
        0 => groups.are(&[3, 3, 4], separator),
        _ => groups.are(&[1, 3, 3, 4], separator),
    };
    let valid = |k: usize| matches!(scan.at(groups.end(k).saturating_sub(3)), b'2'..=b'9');
    if !shaped || !valid(area) || !valid(area + 1) {
        return None;
    }
    let end = groups.end(area + 2);
    ((separator != b' ' || is_told(number)) && ends(scan, end)).then_some(end)
}

/// The digits of the groups that can belong to one number, and the last such group.
fn extent(groups: &Groups) -> (usize, usize) {
    let mut digits = groups.length(0);
    let mut last = 0;
    for k in 1..groups.count() {
        if digits + groups.length(k) > DIGITS_USUAL {
            break;
        }
        digits += groups.length(k);
        last = k;
    }
    (digits, last)
}
