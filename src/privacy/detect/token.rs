//! Tokens known by their form: JSON web tokens, and what follows `Bearer` or `Basic`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::Scan;

/// The words that [`jwt`] and [`bearer`] know.
pub(super) const WORDS: [&str; 3] = ["eyJ", "Bearer", "Basic"];

/// A longer part is cut here; what follows of the token is scanned on its own.
const PART_MAX: usize = 16 * 1024;

/// A header holds an algorithm and the id of a key; inside a longer run no more is looked at.
const HEAD_USUAL: usize = 256;

/// Shorter opaque tokens are words.
const OPAQUE_MIN: usize = 16;

/// The end of the JSON web token at `i`: Base64url of `{"`, and two (signed) to four (encrypted) further parts; the last may be missing
/// where a log has cut it off.
pub(super) fn jwt(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if scan.slice(i, i + 3) != b"eyJ" {
        return None;
    }
    let part = |at: usize, most: usize| {
        scan.run_end(at, at + most, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'='))
    };
    let head = part(i, if scan.continues(i) { HEAD_USUAL } else { PART_MAX });
    if head - i < 10 || scan.at(head) != b'.' {
        return None;
    }
    let mut end = part(head + 1, PART_MAX);
    // An encrypted token whose key was agreed on beforehand has none in it.
    let keyless = end == head + 1 && scan.at(end) == b'.';
    if end - head < 8 && !keyless {
        return None;
    }
    if keyless {
        end = part(end + 1, PART_MAX);
        if scan.at(end) != b'.' {
            return None;
        }
    }
    for _ in 0..3 {
        if scan.at(end) != b'.' {
            break;
        }
        let next = part(end + 1, PART_MAX);
        if next == end + 1 {
            break;
        }
        end = next;
    }
    Some(end)
}

/// The credentials after the word `Bearer` or `Basic` at `i`.
pub(super) fn bearer(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let is = |word: &[u8]| scan.slice(i, i + word.len()).eq_ignore_ascii_case(word);
    let (basic, word_end) = match (is(b"Bearer"), is(b"Basic")) {
        (true, _) => (false, i + 6),
        (_, true) => (true, i + 5),
        _ => return None,
    };
    let blanks = if scan.slice(word_end, word_end + 3) == b"%20" {
        3
    } else {
        scan.run_end(word_end, word_end + 4, |b| b == b' ') - word_end
    };
    if blanks == 0 {
        return None;
    }
    let start = word_end + blanks;
    let end = scan.run_end(start, usize::MAX, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'-')
    });
    let value = scan.slice(start, end);
    let secret = if basic { is_user_and_password(value) } else { is_opaque(value) };
    secret.then_some((start, end))
}

/// Base64 of printable text with a colon: what RFC 7617 sends.
fn is_user_and_password(value: &[u8]) -> bool {
    if value.len() < 8 {
        return false;
    }
    let decoded = STANDARD.decode(value).or_else(|_| STANDARD_NO_PAD.decode(value));
    decoded.is_ok_and(|bytes| {
        bytes.contains(&b':') && std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains(char::is_control))
    })
}

/// Long enough, and not a word: a digit, or a capital letter after a small one. What follows `token_type=bearer ` is the next parameter.
fn is_opaque(value: &[u8]) -> bool {
    let padding = value.iter().rev().take_while(|b| **b == b'=').count();
    if memchr::memchr(b'=', value).is_some_and(|at| at < value.len() - padding) {
        return false;
    }
    let digit = value.iter().any(u8::is_ascii_digit);
    let hump = value.windows(2).any(|pair| matches!(pair, [a, b] if !a.is_ascii_uppercase() && b.is_ascii_uppercase()));
    (value.len() >= OPAQUE_MIN && (digit || hump))
        || (value.len() >= 8 && digit && value.iter().any(u8::is_ascii_alphabetic))
}
