//! Telling what was drawn at random from what somebody wrote.
//!
//! The measure is how often neighbours differ in class (small letter, capital, digit): in random text of any alphabet two neighbours in
//! five or more do, in words, dates and version numbers one in six or fewer. In `camelCase` they differ twice a word, which is allowed for.

/// Shorter values are not judged without a prefix or a name that vouches for them.
const MIXED_MIN: usize = 20;

/// Fewer different characters than this are a pattern.
const VARIETY_MIN: u32 = 10;

/// So many small letters in a row are a word, in a value shorter than [`LONG`].
const WORD: usize = 7;
const LONG: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Mark,
}

fn class(b: u8) -> Class {
    match b {
        b'a'..=b'z' => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Mark,
    }
}

/// How many neighbours differ in class; marks have none.
fn changes(text: &[u8]) -> usize {
    let differ = |a: u8, b: u8| {
        let (a, b) = (class(a), class(b));
        a != b && a != Class::Mark && b != Class::Mark
    };
    text.windows(2).filter(|pair| matches!(pair, [a, b] if differ(*a, *b))).count()
}

/// How many words written in camel case there seem to be.
fn humps(text: &[u8]) -> usize {
    text.windows(2)
        .filter(|pair| matches!(pair, [a, b] if class(*a) == Class::Upper && class(*b) == Class::Lower))
        .count()
}

/// Whether the part after a known prefix is random.
pub(super) fn is_random(body: &[u8]) -> bool {
    changes(body) * 6 >= body.len()
}

/// Whether a value is so random that no name need vouch for it: long, of small letters, capitals and digits, well mixed.
pub(super) fn is_mixed(value: &[u8]) -> bool {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b"_-+/=~.%".contains(&b);
    let has = |wanted: Class| value.iter().any(|b| class(*b) == wanted);
    value.len() >= MIXED_MIN
        && value.iter().all(|b| alphabet(*b))
        && has(Class::Lower)
        && has(Class::Upper)
        && has(Class::Digit)
        && (changes(value) - humps(value)) * 4 >= value.len()
        && variety(value) >= VARIETY_MIN
        && (value.len() >= LONG || !value.windows(WORD).any(|run| run.iter().all(u8::is_ascii_lowercase)))
}

/// Whether a value is nothing but hexadecimal digits of both sorts, as many as keys have.
pub(super) fn is_hex_key(value: &[u8]) -> bool {
    matches!(value.len(), 32 | 40 | 48 | 64 | 96 | 128)
        && value.iter().all(u8::is_ascii_hexdigit)
        && is_random(value)
        && variety(value) >= 8
}

/// How many different characters there are.
pub(super) fn variety(value: &[u8]) -> u32 {
    let mut seen = [0u64; 4];
    for b in value {
        if let Some(word) = seen.get_mut(usize::from(b >> 6)) {
            *word |= 1 << (b & 63);
        }
    }
    seen.iter().map(|word| word.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_not_random() {
        for text in ["learn-2024-01-01-release-notes", "xxxxxxxxxxxxxxxxxxxx", "example_placeholder_1"] {
            assert!(!is_random(text.as_bytes()) && !is_mixed(text.as_bytes()), "{text}");
        }
        for text in
            ["getSomethingV2FromCache2", "ThisIsALongIdentifierOfVersion2", "projects/alpha2/Invoice-2024-Final"]
        {
            assert!(!is_mixed(text.as_bytes()), "{text}");
        }
        for text in ["a8f5f167f44f4964e6c998dee827110c", "GTKZELOxHBxnXqwTWrGep4LYLLdn7x3fImwJ", "3fk29sld02kq9x8w1zp4"]
        {
            assert!(is_random(text.as_bytes()), "{text}");
        }
        assert!(is_mixed(b"GTKZELOxHBxnXqwTWrGep4LYLLdn7x3fImwJ") && !is_mixed(b"a8f5f167f44f4964e6c998dee827110c"));
        assert!(is_hex_key(b"a8f5f167f44f4964e6c998dee827110c") && !is_hex_key(&[b'0'; 32]));
    }
}
