//! Words as context: a detector that is not sure asks whether a whole word nearby, or in the key, names what it found.
//!
//! Words end at anything that is no letter and at a change from lower to upper case, so that `phone` is found in `phoneNumber` and
//! `home_phone` but not in `headphones`.

use super::Scan;

/// How far behind a candidate its label may stand, in bytes.
const LABEL_DISTANCE: usize = 32;

/// Whether one of `words` (lower case) names the candidate at `i`: in the key, or close before it in the text.
pub(super) fn announced(scan: &Scan<'_>, i: usize, words: &[&str]) -> bool {
    announced_within(scan, i, LABEL_DISTANCE, words)
}

/// The same for a label that ends at most `distance` bytes before.
pub(super) fn announced_within(scan: &Scan<'_>, i: usize, distance: usize, words: &[&str]) -> bool {
    contains(scan.key, words) || contains(scan.behind(i, distance), words)
}

/// Whether `text` holds one of `words` as a whole word.
pub(super) fn contains(text: &[u8], words: &[&str]) -> bool {
    let mut rest = text;
    while let Some(start) = rest.iter().position(u8::is_ascii_alphabetic) {
        rest = rest.get(start..).unwrap_or(&[]);
        let length = word_length(rest);
        let word = rest.get(..length).unwrap_or(&[]);
        if words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())) {
            return true;
        }
        rest = rest.get(length.max(1)..).unwrap_or(&[]);
    }
    false
}

fn word_length(text: &[u8]) -> usize {
    let mut lower = false;
    for (at, b) in text.iter().enumerate() {
        if !b.is_ascii_alphabetic() || (lower && b.is_ascii_uppercase()) {
            return at;
        }
        lower = b.is_ascii_lowercase();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        for text in ["Phone: ", "home_phone", "phoneNumber", "PHONE", "my phone is"] {
            assert!(contains(text.as_bytes(), &["phone"]), "{text}");
        }
        for text in ["headphones", "telephonePhones", "", "phonetic", "12 34"] {
            assert!(!contains(text.as_bytes(), &["phone"]), "{text}");
        }
    }
}
