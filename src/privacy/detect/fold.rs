//! Words without capitals and accents, so that one spelling of a label stands for all: `Número`, `NUMERO` and `numero`.
//!
//! Covers the Latin letters of Europe (U+00C0 to U+017F); other characters stay as they are.

/// The plain letters of U+00C0 to U+00FF; a blank where there is none.
const LATIN_1: &[u8; 64] = b"aaaaaaaceeeeiiiidnooooo ouuuuy saaaaaaaceeeeiiiidnooooo ouuuuy y";

/// The plain letters of U+0100 to U+017F.
const EXTENDED: &[u8; 128] = b"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// Writes the folded `word` and says how long it is; never longer than the word.
pub(super) fn fold_into(word: &[u8], out: &mut [u8]) -> usize {
    let mut length = 0;
    let mut bytes = word.iter().copied();
    let mut slots = out.iter_mut();
    while let Some(b) = bytes.next() {
        let mut put = |b: u8| {
            if let Some(slot) = slots.next() {
                *slot = b;
                length += 1;
            }
        };
        if !(0xc3..=0xc5).contains(&b) {
            put(b.to_ascii_lowercase());
            continue;
        }
        let Some(second) = bytes.next() else {
            put(b);
            break;
        };
        match plain(b, second) {
            Some(letter) => put(letter),
            None => {
                put(b);
                put(second);
            }
        }
    }
    length
}

fn plain(first: u8, second: u8) -> Option<u8> {
    let at = usize::from(second.checked_sub(0x80)?);
    let letter = match first {
        0xc3 => LATIN_1.get(at),
        0xc4 => EXTENDED.get(at).filter(|_| at < 64),
        _ => EXTENDED.get(64 + at),
    };
    letter.copied().filter(|letter| *letter != b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_capitals_are_gone_and_other_writing_stays() {
        for (word, folded) in [
            ("NÚMERO", "numero"),
            ("födelsedag", "fodelsedag"),
            ("Słup", "slup"),
            ("Ştefan", "stefan"),
            ("名x", "名x"),
            ("Œ", "o"),
            ("İŹ", "iz"),
            ("Łódź", "lodz"),
        ] {
            let mut out = [0; 32];
            let length = fold_into(word.as_bytes(), &mut out);
            assert_eq!(std::str::from_utf8(&out[..length]), Ok(folded), "{word}");
        }
    }
}
