//! How far a JSON string goes before anything in it needs attention.
//!
//! Whoever reads or writes JSON by itself asks this of every name and every text, so it is worth a few lines of arithmetic. It knows nothing of escapes.

/// How many bytes come before the first quote, backslash or control character. Most strings are short: eight bytes at a time beat wider searches.
#[inline]
pub fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special =
            (control | zero_in(word ^ (ONES * u64::from(b'"'))) | zero_in(word ^ (ONES * u64::from(b'\\')))) & HIGHS;
        if special != 0 {
            // Borrows only reach upwards, so the lowest mark is right.
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    words.len() * 8 + special.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_stops_where_a_byte_by_byte_search_stops(bytes in proptest::collection::vec(prop_oneof![9 => b' '..=255u8, 1 => any::<u8>()], 0..40)) {
            let slow = bytes.iter().take_while(|byte| **byte >= b' ' && **byte != b'"' && **byte != b'\\').count();
            prop_assert_eq!(plain_length(&bytes), slow);
        }
    }
}
