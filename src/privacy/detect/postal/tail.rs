//! What follows the street of an address: parts of a building, postal codes, places, regions, countries.

use super::Run;
use crate::privacy::detect::lexicon::{Form, Sense, senses, word_at};
use crate::privacy::detect::{Scan, is_word};

/// Parts that may follow the street.
const PARTS_MAX: usize = 7;

/// What follows a street.
pub(super) struct Tail {
    pub(super) end: usize,
    /// Whether it is what only follows streets: a part of a building, a postal code, a region.
    pub(super) confirms: bool,
    /// Whether it has a place and its postal code.
    pub(super) complete: bool,
}

/// What may stand before a part of the tail, the longest first.
const SEPARATORS: [&[u8]; 9] = [b",\\n", b", ", b",\n", b"\\n", b"\n", b" - ", b"; ", b",", b" "];

pub(super) fn tail(scan: &Scan<'_>, street_end: usize) -> Tail {
    let mut tail = Tail { end: street_end, confirms: false, complete: false };
    let (mut coded, mut placed) = (false, false);
    for _ in 0..PARTS_MAX {
        let Some(separator) = SEPARATORS.iter().find(|s| scan.slice(tail.end, tail.end + s.len()) == **s) else {
            break;
        };
        let at = tail.end + separator.len();
        let blank = *separator == b" ";
        if !coded
            && !placed
            && let Some(end) = unit(scan, at)
        {
            tail = Tail { end, confirms: true, ..tail };
        } else if !coded && let Some(end) = postcode(scan, at) {
            coded = true;
            tail = Tail { end, confirms: true, ..tail };
        } else if coded
            && !placed
            && let Some(end) = place(scan, at)
        {
            placed = true;
            tail.end = end;
        } else if !coded
            && !placed
            && !blank
            && let Some(end) = place(scan, at)
        {
            placed = true;
            tail.end = end;
        } else if placed
            && !coded
            && let Some(end) = region(scan, at)
        {
            tail = Tail { end, confirms: true, ..tail };
        } else if (coded || placed)
            && !blank
            && let Some(end) = country(scan, at)
        {
            tail.end = end;
            break;
        } else if placed
            && !coded
            && !blank
            && let Some(end) = place(scan, at).filter(|end| leads_to_code(scan, *end))
        {
            tail.end = end;
        } else {
            break;
        }
    }
    tail.complete = coded && placed;
    tail
}

/// Whether a region or postal code stands after a second place: `Port Lesleyhaven, Essex, L1T 5DQ`.
fn leads_to_code(scan: &Scan<'_>, end: usize) -> bool {
    let at = scan.run_end(end, end + 2, |b| b == b',' || b == b' ');
    at > end && (postcode(scan, at).is_some() || region(scan, at).is_some())
}

/// `Apt. 4`, `Suite 12`, `3º B`, `#5`: where it ends.
pub(super) fn unit(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let token = |at: usize| {
        let end = scan.run_end(at, at + 7, |b| b.is_ascii_alphanumeric());
        let digits = scan.slice(at, end).iter().any(u8::is_ascii_digit);
        let letter = end == at + 1 && scan.at(at).is_ascii_uppercase();
        (end > at && (digits || letter) && !is_word(scan.at(end))).then_some(end)
    };
    if scan.at(at) == b'#' {
        return token(at + 1);
    }
    if scan.at(at).is_ascii_digit() {
        return floor(scan, at);
    }
    let word = word_at(scan.text, at)?;
    if !senses(scan.str(at, word.end).trim_end_matches('.')).has(Sense::Unit) {
        return None;
    }
    let stop = word.end + usize::from(scan.at(word.end) == b'.' && scan.at(word.end - 1) != b'.');
    let at = scan.run_end(stop, stop + 2, |b| b == b' ' || b == b'#');
    if at == stop { None } else { token(at) }
}

/// `3º B`, `2. OG`, `4th floor`: where it ends.
fn floor(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let digits = scan.run_end(at, at + 3, |b| b.is_ascii_digit());
    let rest = scan.text.get(digits..)?;
    let ordinal = [
        "º",
        "ª",
        ". OG",
        ". Stock",
        ". Etage",
        ".OG",
        "th floor",
        "th Floor",
        "nd floor",
        "nd Floor",
        "rd floor",
        "st floor",
        "st Floor",
        "rd Floor",
        "er étage",
        "e étage",
        "ème étage",
    ];
    let mark = ordinal.iter().find(|mark| rest.starts_with(**mark))?;
    let end = digits + mark.len();
    let door = scan.at(end) == b' ' && scan.at(end + 1).is_ascii_uppercase() && !is_word(scan.at(end + 2));
    Some(if door { end + 2 } else { end })
}

/// Where the postal code at `at` ends.
fn postcode(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let at = match (scan.at(at), scan.at(at + 1), scan.at(at + 2)) {
        (b'A'..=b'Z', b'-', b'0'..=b'9') => at + 2,
        (b'A'..=b'Z', b'A'..=b'Z', b'-') if scan.at(at + 3).is_ascii_digit() => at + 3,
        _ => at,
    };
    let digits = |at: usize| scan.run_end(at, at + 9, |b| b.is_ascii_digit());
    let free =
        |end: usize| (!is_word(scan.at(end)) && (scan.at(end) != b'-' || !is_word(scan.at(end + 1)))).then_some(end);
    let first = digits(at);
    if first == at {
        return letters_code(scan, at).and_then(free);
    }
    let capital = |at: usize| scan.at(at).is_ascii_uppercase();
    let joined = |length: usize| scan.at(first) == b'-' && digits(first + 1) == first + 1 + length;
    match first - at {
        2 if joined(3) => free(first + 4),
        3 if scan.at(first) == b' ' && digits(first + 1) == first + 3 => free(first + 3),
        3 if joined(4) => free(first + 5),
        4 => {
            let blank = usize::from(scan.at(first) == b' ');
            if capital(first + blank) && capital(first + blank + 1) && !is_word(scan.at(first + blank + 2)) {
                Some(first + blank + 2)
            } else if joined(3) {
                free(first + 4)
            } else {
                free(first)
            }
        }
        5 if joined(4) => free(first + 5),
        5 if joined(3) => free(first + 4),
        5 | 6 | 8 => free(first),
        _ => None,
    }
}

/// A British or Canadian code: two groups that begin with a letter and with a digit or the other way round.
fn letters_code(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let first = scan.run_end(at, at + 7, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let group = scan.slice(at, first);
    let mixed = |group: &[u8]| group.iter().any(u8::is_ascii_digit) && group.iter().any(u8::is_ascii_uppercase);
    if !scan.at(at).is_ascii_uppercase() || !mixed(group) {
        return None;
    }
    let second = |from: usize| {
        let group = scan.slice(from, from + 3);
        group.len() == 3
            && group.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && group.first().is_some_and(u8::is_ascii_digit)
            && mixed(group)
    };
    match group.len() {
        2..=4 if scan.at(first) == b' ' && second(first + 1) => Some(first + 4),
        5..=7 if second(first - 3) => Some(first),
        _ => None,
    }
}

/// The name of a place at `at`, with what may be written after it: `Villastellone (TO)`.
fn place(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let mut run = Run::new(scan, dutch_article(scan, at));
    let first = run.next()?;
    let known = first.2;
    if known.has(Sense::Nobody)
        && !known.has_any(&[Sense::Suffix, Sense::SuffixToo])
        && !is_place_word(scan.str(first.0, first.1))
    {
        return None;
    }
    if !scan.str(first.0, first.1).starts_with(char::is_uppercase) {
        return None;
    }
    let mut end = first.1;
    for _ in 0..3 {
        let Some((start, word_end, known)) = run.next() else { break };
        let region = word_end - start <= 3 && scan.str(start, word_end).chars().all(char::is_uppercase);
        if region || known.has(Sense::Nobody) && !is_place_word(scan.str(start, word_end)) {
            break;
        }
        end = word_end;
    }
    Some(province_end(scan, end))
}

/// Past ` (TO)` or ` / RS` after a place.
fn province_end(scan: &Scan<'_>, end: usize) -> usize {
    let letters = |at: usize| scan.at(at).is_ascii_uppercase() && scan.at(at + 1).is_ascii_uppercase();
    let bracketed = scan.slice(end, end + 2) == b" (" && letters(end + 2) && scan.at(end + 4) == b')';
    let slashed = scan.slice(end, end + 3) == b" / " && letters(end + 3) && !is_word(scan.at(end + 5));
    if bracketed || slashed { end + 5 } else { end }
}

fn dutch_article(scan: &Scan<'_>, at: usize) -> usize {
    if matches!(scan.slice(at, at + 3), b"'s-" | b"'t ") { at + 3 } else { at }
}

/// Words of places that are in no person's name.
fn is_place_word(word: &str) -> bool {
    matches!(
        senses(word),
        known if known.has_any(&[Sense::Suffix, Sense::SuffixToo])
    ) || matches!(
        word,
        "New"
            | "North"
            | "South"
            | "East"
            | "West"
            | "San"
            | "Santa"
            | "Saint"
            | "St."
            | "Los"
            | "Las"
            | "Lake"
            | "Port"
            | "City"
            | "Mount"
            | "El"
            | "La"
            | "Le"
    )
}

/// `IL 62704`, `NSW 2000`, `ON`: where it ends.
fn region(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let end = scan.run_end(at, at + 5, |b| b.is_ascii_uppercase());
    if !(2..=4).contains(&(end - at)) || is_word(scan.at(end)) {
        return None;
    }
    match scan.at(end) {
        b' ' => postcode(scan, end + 1).or(Some(end)),
        b',' if scan.at(end + 1) == b' ' => postcode(scan, end + 2).or(Some(end)),
        _ => Some(end),
    }
}

fn country(scan: &Scan<'_>, at: usize) -> Option<usize> {
    if scan.slice(at, at + 13) == b"United States" || scan.slice(at, at + 14) == b"United Kingdom" {
        return Some(at + 13 + usize::from(scan.at(at + 7) == b'K'));
    }
    let word = word_at(scan.text, at)?;
    let known = senses(scan.str(at, word.end));
    (known.has(Sense::Country) && word.form != Form::Small && !is_word(scan.at(word.end))).then_some(word.end)
}
