//! Coordinates of places: decimal degrees that a word or name announces, alone or in pairs, and degrees with a hemisphere.
//!
//! A single number needs a name such as `latitude` and three decimals; names such as `location` announce pairs only.

use super::Scan;
use super::context::{Context, Lazy, Names};
use super::topics::Topic;

/// Fewer decimals name no place nearer than a hundred metres.
const DECIMALS_MIN: usize = 3;

/// A written number of degrees is not longer.
const LENGTH_MAX: usize = 24;

/// Whether a number under these names may be a coordinate.
pub fn may_be_coordinate(names: Names<'_>) -> bool {
    let named = names.context();
    named.near.has(Topic::Degrees) && !named.near.has(Topic::Other)
}

/// Start and end of the coordinates whose digits start at `start` and go on, after the first `first_end`, with a point or a sign for degrees.
pub(super) fn find(scan: &Scan<'_>, start: usize, first_end: usize, context: &Lazy<'_, '_>) -> Option<(usize, usize)> {
    if first_end - start > 3 {
        return None;
    }
    let sign = usize::from(scan.before(start) == b'-' && !scan.before(start - 1).is_ascii_digit());
    if let Some(end) = with_hemisphere(scan, start, context) {
        return Some((start - sign, end));
    }
    let (latitude, end) = decimal(scan, start)?;
    let second = between(scan, end).and_then(|at| decimal(scan, at));
    let context = context.get();
    let pair =
        second.filter(|(longitude, _)| latitude <= 180.0 && *longitude <= 180.0 && latitude.min(*longitude) <= 90.0);
    if let Some((_, end)) = pair
        && announces_pair(scan, start, context)
    {
        return Some((start - sign, end));
    }
    let told =
        context.tells_near(Topic::Degrees) && !scan.named.get().is_some_and(|named| named.near.has(Topic::Other));
    (told && latitude <= 180.0 && ends(scan, end)).then_some((start - sign, end))
}

fn announces_pair(scan: &Scan<'_>, start: usize, context: &Context) -> bool {
    // A map's address: `@59.3293,18.0686,15z`.
    let map = scan.behind(start, 3).iter().rev().find(|b| **b != b'-') == Some(&b'@');
    let label = || {
        matches!(
            scan.behind(start, 3).iter().rev().find(|b| !matches!(b, b'-' | b' ')),
            Some(b':' | b'=' | b'(' | b'[' | b'"' | b'\'')
        )
    };
    map || context.tells_near(Topic::Degrees)
        || context.tells_near(Topic::Place)
        || context.tells(Topic::Degrees) && label()
}

/// The size and end of the decimal number at `i`, with enough decimals.
fn decimal(scan: &Scan<'_>, i: usize) -> Option<(f64, usize)> {
    let point = scan.run_end(i, i + 4, |b| b.is_ascii_digit());
    let end = scan.run_end(point + 1, point + LENGTH_MAX, |b| b.is_ascii_digit());
    if scan.at(point) != b'.' || point == i || end < point + 1 + DECIMALS_MIN || scan.at(end).is_ascii_digit() {
        return None;
    }
    scan.str(i, end).parse().ok().map(|size| (size, end))
}

/// Where the second number of a pair starts: after `,`, `;`, `%2C` or a blank, and a sign.
fn between(scan: &Scan<'_>, end: usize) -> Option<usize> {
    let at = match scan.at(end) {
        b',' | b';' | b'/' => scan.run_end(end + 1, end + 3, |b| b == b' '),
        b'%' if scan.slice(end, end + 3).eq_ignore_ascii_case(b"%2c") => end + 3,
        b' ' => end + 1,
        _ => return None,
    };
    Some(at + usize::from(matches!(scan.at(at), b'-' | b'+')))
}

/// Nothing that makes it another number follows.
fn ends(scan: &Scan<'_>, end: usize) -> bool {
    let next = scan.at(end);
    !next.is_ascii_alphanumeric()
        && next != b'_'
        && next != b'%'
        && !(next == b'.' && scan.at(end + 1).is_ascii_digit())
}

/// `59.3293° N, 18.0686° E`, `59°19'46"N 18°04'07"E`: one of them at least, both where they stand together.
fn with_hemisphere(scan: &Scan<'_>, start: usize, context: &Lazy<'_, '_>) -> Option<usize> {
    let (end, sure) = degrees(scan, start)?;
    if !sure && !context.get().tells_near(Topic::Degrees) {
        return None;
    }
    let next = scan.run_end(end, end + 3, |b| matches!(b, b' ' | b',' | b';' | b'/'));
    let second = degrees(scan, next + usize::from(scan.at(next) == b'-'));
    Some(second.map_or(end, |(end, _)| end))
}

/// Degrees, perhaps minutes and seconds; whether a hemisphere follows.
fn degrees(scan: &Scan<'_>, start: usize) -> Option<(usize, bool)> {
    const DEGREE: &[u8] = "°".as_bytes();
    let mut at = fraction_end(scan, start)?;
    if scan.slice(at, at + 2) != DEGREE {
        return None;
    }
    at += 2;
    // Not a temperature.
    if matches!(scan.at(at), b'C' | b'F') {
        return None;
    }
    for _ in 0..2 {
        let part = scan.run_end(at, at + 1, |b| b == b' ');
        let Some(end) = fraction_end(scan, part) else { break };
        let mark = minute_mark(scan, end);
        if mark == 0 {
            break;
        }
        at = end + mark;
    }
    let letter = scan.run_end(at, at + 1, |b| b == b' ');
    let hemisphere =
        matches!(scan.at(letter), b'N' | b'S' | b'E' | b'W' | b'O') && !scan.at(letter + 1).is_ascii_alphanumeric();
    Some(if hemisphere { (letter + 1, true) } else { (at, false) })
}

fn minute_mark(scan: &Scan<'_>, at: usize) -> usize {
    let long = ["\\\"", "''", "′", "″", "’", "”"];
    match scan.at(at) {
        b'\'' if scan.at(at + 1) != b'\'' => 1,
        b'"' => 1,
        _ => long.iter().find(|mark| scan.slice(at, at + mark.len()) == mark.as_bytes()).map_or(0, |mark| mark.len()),
    }
}

/// The end of at most three digits and decimals after them.
fn fraction_end(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let end = scan.run_end(start, start + 4, |b| b.is_ascii_digit());
    if end == start || end > start + 3 {
        return None;
    }
    let decimals = scan.run_end(end + 1, end + LENGTH_MAX, |b| b.is_ascii_digit());
    Some(if scan.at(end) == b'.' && decimals > end + 1 { decimals } else { end })
}
