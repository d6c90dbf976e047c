//! Dates of birth: a date, in whatever way it is written, that a word before it (or right behind it) or its name calls so.

use super::Scan;
use super::calendar::{is_day, is_year_of_birth};
use super::context::{Lazy, topics_of};
use super::fold::fold_into;
use super::topics::Topic;

/// Longer words behind a date are not looked at.
const AFTER: usize = 14;

/// The end of the date at `start`, which begins with digits, if it is one of birth.
pub(super) fn find(scan: &Scan<'_>, start: usize, first_end: usize, context: &Lazy<'_, '_>) -> Option<usize> {
    let end = date(scan, start, first_end)?;
    is_birth(scan, start, end, context).then_some(end)
}

/// The end of the date, perhaps with a time of midnight, that was recognised as `start` to `end`, if it is one of birth.
pub(super) fn timestamp(scan: &Scan<'_>, start: usize, end: usize) -> Option<usize> {
    // Nobody writes down the hour, but machines write `T00:00:00Z`.
    let midnight = end <= start + 10 || scan.slice(start + 11, start + 16) == b"00:00";
    let zone = usize::from(end > start + 10 && scan.at(end) == b'Z');
    (midnight && is_birth(scan, start, end, &Lazy::new(scan, start))).then_some(end + zone)
}

/// Whether the date from `start` to `end` is called one of birth: right before it, by a name, by a label that ends with a mark, or right
/// behind it.
fn is_birth(scan: &Scan<'_>, start: usize, end: usize, context: &Lazy<'_, '_>) -> bool {
    let context = context.get();
    let label = || {
        matches!(
            scan.behind(start, 2).iter().rev().find(|b| **b != b' '),
            Some(b':' | b'=' | b'"' | b'\'' | b'(' | b'>' | b'`')
        )
    };
    let named = || scan.named.get().is_some_and(|named| named.far.has(Topic::Birth));
    context.tells_near(Topic::Birth) || context.tells(Topic::Birth) && (label() || named()) || is_told_after(scan, end)
}

/// Whether `geboren` or the like is the next word, and not the label of the next value.
fn is_told_after(scan: &Scan<'_>, end: usize) -> bool {
    let word = end + 1;
    let word_end = scan.run_end(word, word + AFTER, |b| b.is_ascii_alphabetic() || b >= 0x80);
    scan.at(end) == b' '
        && word_end > word
        && !matches!(scan.at(word_end), b':' | b'=')
        && topics_of(scan.slice(word, word_end)).has(Topic::Birth)
}

/// The end of the date that starts with the month's name from `start` to `end`: `March 3rd, 1980`.
pub(super) fn named(scan: &Scan<'_>, start: usize, end: usize) -> Option<usize> {
    if scan.at(end) != b' ' || !is_month(scan.slice(start, end)) {
        return None;
    }
    let day = blanks(scan, end);
    let day_end = scan.digits_end(day);
    let number = number(scan, day, day_end)?;
    let mut at = day_end;
    if is_ordinal(scan.slice(at, at + 2)) {
        at += 2;
    }
    if scan.at(at) == b',' {
        at += 1;
    }
    let year = blanks(scan, at);
    ((1..=31).contains(&number) && year > day_end).then(|| year_end(scan, year)).flatten()
}

/// Whether somebody is said to be born on the date that starts with a month's name.
pub(super) fn find_named(scan: &Scan<'_>, start: usize, end: usize) -> Option<usize> {
    let date = named(scan, start, end)?;
    is_birth(scan, start, date, &Lazy::new(scan, start)).then_some(date)
}

/// The end of the date at `start`.
fn date(scan: &Scan<'_>, start: usize, first: usize) -> Option<usize> {
    match first - start {
        8 => compact(scan, start),
        4 => year_first(scan, start),
        1 | 2 => day_first(scan, start, first).or_else(|| day_and_month(scan, start, first)),
        _ => None,
    }
}

/// `19800303`, `03031980`.
fn compact(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let part = |at: usize, length: usize| number(scan, start + at, start + at + length);
    let big = is_year_of_birth(part(0, 4)?) && is_day(part(4, 2)?, part(6, 2)?);
    let little =
        is_year_of_birth(part(4, 4)?) && (is_day(part(2, 2)?, part(0, 2)?) || is_day(part(0, 2)?, part(2, 2)?));
    ((big || little) && ends(scan, start + 8)).then_some(start + 8)
}

/// `1980.3.3`, `1980年3月3日`.
fn year_first(scan: &Scan<'_>, start: usize) -> Option<usize> {
    if !is_year_of_birth(number(scan, start, start + 4)?) {
        return None;
    }
    let sign = |at: usize, sign: &str| scan.slice(at, at + sign.len()) == sign.as_bytes();
    let (month, mark) = if sign(start + 4, "年") { (start + 7, 3) } else { (start + 5, 1) };
    let month_end = scan.digits_end(month);
    let same = scan.slice(start + 4, start + 5) == scan.slice(month_end, month_end + 1);
    let marked =
        if mark == 3 { sign(month_end, "月") } else { same && matches!(scan.at(month_end), b'.' | b'/' | b'-') };
    let day = month_end + mark;
    let day_end = scan.digits_end(day);
    if !marked || !is_day(number(scan, month, month_end)?, number(scan, day, day_end)?) {
        return None;
    }
    if mark == 3 && sign(day_end, "日") { Some(day_end + 3) } else { ends(scan, day_end).then_some(day_end) }
}

/// `3.3.1980`, `03/31/80`, `3-3-1980`.
fn day_first(scan: &Scan<'_>, start: usize, first: usize) -> Option<usize> {
    let mark = scan.at(first);
    if !matches!(mark, b'.' | b'/' | b'-') {
        return None;
    }
    let gap = |at: usize| if mark == b'.' { blanks(scan, at) } else { at };
    let second = gap(first + 1);
    let second_end = scan.digits_end(second);
    let year = gap(second_end + 1);
    let (a, b) = (number(scan, start, first)?, number(scan, second, second_end)?);
    // Points are not written where the month comes first.
    if scan.at(second_end) != mark || !(is_day(b, a) || mark != b'.' && is_day(a, b)) {
        return None;
    }
    year_end(scan, year).or_else(|| {
        let short = scan.digits_end(year) == year + 2 && ends(scan, year + 2);
        short.then_some(year + 2)
    })
}

/// `3 March 1980`, `3. März 1980`, `3 de marzo de 1980`, `03-Mar-1980`, `3rd of March, 1980`.
fn day_and_month(scan: &Scan<'_>, start: usize, first: usize) -> Option<usize> {
    if !(1..=31).contains(&number(scan, start, first)?) {
        return None;
    }
    let mut at = first;
    if is_ordinal(scan.slice(at, at + 2)) {
        at += 2;
    }
    at = joint(scan, at);
    for word in ["de ", "of ", "d'"] {
        if scan.slice(at, at + word.len()) == word.as_bytes() {
            at += word.len();
        }
    }
    let end = scan.run_end(at, at + 16, |b| b.is_ascii_alphabetic() || b >= 0x80);
    if at == first || !is_month(scan.slice(at, end)) {
        return None;
    }
    at = joint(scan, end);
    for word in ["de ", "del ", "of "] {
        if scan.slice(at, at + word.len()) == word.as_bytes() {
            at += word.len();
        }
    }
    year_end(scan, at)
}

/// Over marks between the parts of a date.
fn joint(scan: &Scan<'_>, i: usize) -> usize {
    scan.run_end(i, i + 3, |b| matches!(b, b' ' | b'.' | b',' | b'-' | b'/'))
}

fn blanks(scan: &Scan<'_>, i: usize) -> usize {
    scan.run_end(i, i + 2, |b| b == b' ')
}

fn is_ordinal(text: &[u8]) -> bool {
    ["st", "nd", "rd", "th", "er"].iter().any(|ending| text.eq_ignore_ascii_case(ending.as_bytes()))
}

fn is_month(word: &[u8]) -> bool {
    // Three letters, of which one may have an accent.
    let mut folded = [0; 4];
    let length = fold_into(word.get(..4).unwrap_or(word), &mut folded);
    let known = folded.get(..3).is_some_and(is_month_start);
    (3..=16).contains(&word.len()) && length >= 3 && known
}

/// The beginnings of the months' names in the languages of Europe, folded.
fn is_month_start(head: &[u8]) -> bool {
    matches!(
        head,
        b"jan"
            | b"ian"
            | b"gen"
            | b"ene"
            | b"feb"
            | b"fev"
            | b"mar"
            | b"maa"
            | b"mrt"
            | b"apr"
            | b"abr"
            | b"avr"
            | b"mai"
            | b"may"
            | b"maj"
            | b"mei"
            | b"mag"
            | b"jun"
            | b"jui"
            | b"giu"
            | b"jul"
            | b"lug"
            | b"aug"
            | b"ago"
            | b"aou"
            | b"sep"
            | b"set"
            | b"oct"
            | b"okt"
            | b"out"
            | b"ott"
            | b"nov"
            | b"dec"
            | b"dez"
            | b"dic"
            | b"des"
            | b"tam"
            | b"hel"
            | b"huh"
            | b"tou"
            | b"kes"
            | b"hei"
            | b"elo"
            | b"syy"
            | b"lok"
            | b"jou"
            | b"sty"
            | b"lut"
            | b"kwi"
            | b"cze"
            | b"lip"
            | b"sie"
            | b"wrz"
            | b"paz"
            | b"lis"
            | b"gru"
    )
}

/// The end of the year at `i`.
fn year_end(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let end = scan.digits_end(i);
    let year = end == i + 4 && is_year_of_birth(number(scan, i, end)?);
    (year && ends(scan, end)).then_some(end)
}

fn ends(scan: &Scan<'_>, end: usize) -> bool {
    let next = scan.at(end);
    !next.is_ascii_alphanumeric()
        && next != b'_'
        && !(matches!(next, b'.' | b'-' | b'/') && scan.at(end + 1).is_ascii_digit())
}

/// At most eight digits as a number.
fn number(scan: &Scan<'_>, start: usize, end: usize) -> Option<u32> {
    let text = scan.slice(start, end);
    let digits = (1..=8).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |number, b| number * 10 + u32::from(b - b'0')))
}
