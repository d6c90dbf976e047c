//! International bank account numbers: the country's length, and 1 modulo 97 (ISO 13616). Any case; plain, or in groups of four.

use super::{Scan, is_word};

/// Length by country, from the SWIFT IBAN registry.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The end of the number at `i`.
pub(super) fn find(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let country = [scan.at(i).to_ascii_uppercase(), scan.at(i + 1).to_ascii_uppercase()];
    let (_, length) = LENGTHS.iter().find(|(code, _)| **code == country)?;
    let mut taken = 0;
    let mut at = i;
    let mut remainder = Remainder::default();
    while taken < *length {
        let b = scan.at(at);
        if matches!(b, b' ' | b'-') && taken > 0 && taken % 4 == 0 {
            at += 1;
        }
        let b = scan.at(at);
        if !b.is_ascii_alphanumeric() {
            return None;
        }
        // The first four characters count last.
        if taken >= 4 {
            remainder.push(b);
        }
        taken += 1;
        at += 1;
    }
    for k in 0..4 {
        remainder.push(scan.at(i + k));
    }
    (remainder.value == 1 && !is_word(scan.at(at))).then_some(at)
}

/// The remainder modulo 97 of a number given digit by digit, letters as 10 to 35.
#[derive(Default)]
struct Remainder {
    value: u32,
}

impl Remainder {
    fn push(&mut self, b: u8) {
        let digit = char::from(b).to_digit(36).unwrap_or(0);
        let shift = if digit < 10 { 10 } else { 100 };
        self.value = (self.value * shift + digit) % 97;
    }
}
