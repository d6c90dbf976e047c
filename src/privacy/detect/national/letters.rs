//! The checks of national ids with letters in them. A letter's value is 10 to 35.

use super::Id;
use crate::privacy::detect::calendar::is_day;
use crate::privacy::detect::checksum::weighted;

impl Id {
    /// Whether the last character is that of `table` which `index` tells.
    fn ends_with(&self, table: &[u8], index: u64) -> bool {
        let letter = usize::try_from(index).ok().and_then(|index| table.get(index));
        self.length.checked_sub(1).and_then(|last| self.letters.get(last)) == letter
    }

    fn letter(&self, at: usize) -> u8 {
        self.letters.get(at).copied().unwrap_or(0)
    }

    fn values(&self) -> &[u32] {
        self.values.get(..self.length).unwrap_or(&[])
    }
}

const ES_LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

pub(super) fn es_dni(id: &Id) -> bool {
    id.ends_with(ES_LETTERS, id.number(0, 8) % 23)
}

/// X, Y and Z stand for 0, 1 and 2.
pub(super) fn es_nie(id: &Id) -> bool {
    let first = match id.letter(0) {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return false,
    };
    id.ends_with(ES_LETTERS, (first * 10_000_000 + id.number(1, 7)) % 23)
}

/// The values of digits and letters at odd places, by their value at even ones.
const IT_ODD: &[u32; 26] =
    &[1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/// Names, year, month, day, town, check letter. Digits may be written as letters, so that two people differ.
pub(super) fn it_cf(id: &Id) -> bool {
    const DIGITS: [usize; 7] = [6, 7, 9, 10, 12, 13, 14];
    const MONTHS: &[u8] = b"ABCDEHLMPRST";
    const OMOCODIA: &[u8] = b"LMNPQRSTUV";
    let digit = |at: usize| match id.letter(at) {
        b @ b'0'..=b'9' => Some(u32::from(b - b'0')),
        b => OMOCODIA.iter().position(|letter| *letter == b).and_then(|at| u32::try_from(at).ok()),
    };
    let day = digit(9).zip(digit(10)).map_or(0, |(tens, ones)| tens * 10 + ones);
    let month = MONTHS.iter().position(|month| *month == id.letter(8)).and_then(|at| u32::try_from(at + 1).ok());
    let dated = month.is_some_and(|month| is_day(month, if day > 40 { day - 40 } else { day }));
    let sum: u32 = id.values().iter().take(15).enumerate().map(|(at, value)| it_value(at, *value)).sum();
    DIGITS.iter().all(|at| digit(*at).is_some()) && dated && u64::from(sum % 26) + 10 == u64::from(id.value(15))
}

fn it_value(at: usize, value: u32) -> u32 {
    let even = if value < 10 { value } else { value - 10 };
    let odd = usize::try_from(even).ok().and_then(|even| IT_ODD.get(even));
    if at.is_multiple_of(2) { odd.copied().unwrap_or(0) } else { even }
}

/// Date, a separator for the century, serial number, check character.
pub(super) fn fi_hetu(id: &Id) -> bool {
    // The separator counts as a character where it is a letter.
    let serial = if id.length == 11 { 7 } else { 6 };
    let century = serial == 6 || b"ABCDEFYXWVU".contains(&id.letter(6));
    let number = id.number(0, 6) * 1000 + id.number(serial, 3);
    century && id.dated(2, 0) && id.ends_with(b"0123456789ABCDEFHJKLMNPRSTUVWXY", number % 31)
}

/// Seven digits, a check letter, and perhaps one more letter that counts.
pub(super) fn ie_pps(id: &Id) -> bool {
    const LETTERS: &[u8] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let second = match id.letter(8) {
        0 | b'W' => 0,
        b @ b'A'..=b'I' => u32::from(b - b'A') + 1,
        _ => return false,
    };
    let sum = weighted(id.values(), &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
    usize::try_from(sum % 23).ok().and_then(|at| LETTERS.get(at)) == Some(&id.letter(7))
}

/// The fourth letter is the holder's type.
pub(super) fn in_pan(id: &Id) -> bool {
    b"PCHFATBLJGKE".contains(&id.letter(3))
}

/// Names, date, sex, state, consonants, a character for the century, check digit. There are wrong check digits about; the shape is sure.
pub(super) fn mx_curp(id: &Id) -> bool {
    const STATES: &[&[u8; 2]] = &[
        b"AS", b"BC", b"BS", b"CC", b"CL", b"CM", b"CS", b"CH", b"DF", b"DG", b"GT", b"GR", b"HG", b"JC", b"MC", b"MN",
        b"MS", b"NT", b"NL", b"OC", b"PL", b"QT", b"QR", b"SP", b"SL", b"SR", b"TC", b"TS", b"TL", b"VZ", b"YN", b"ZS",
        b"NE", b"MX",
    ];
    let state = [id.letter(11), id.letter(12)];
    matches!(id.letter(10), b'H' | b'M' | b'X') && id.dated(6, 8) && STATES.contains(&&state) && id.value(17) < 10
}

/// The date in an RFC stands before its last three characters.
pub(super) fn is_mx_shaped(id: &Id) -> bool {
    let date = id.length - 9;
    id.dated(date + 2, date + 4)
}

/// Four letters, date, two characters, check character.
pub(super) fn mx_rfc(id: &Id) -> bool {
    // The alphabet has `&` before O, so letters after N count one more.
    let value = |value: u32| if value > 23 { value + 1 } else { value };
    let sum: u32 = id.values().iter().zip((2..=13).rev()).map(|(v, weight)| value(*v) * weight).sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    is_mx_shaped(id) && id.letter(id.length - 1) == check
}

/// S and T for citizens, F, G and M for others; T, G and M for the newer half.
pub(super) fn sg_nric(id: &Id) -> bool {
    let digits = id.values().get(1..8).unwrap_or(&[]);
    let sum = u64::from(weighted(digits, &[2, 7, 6, 5, 4, 3, 2]));
    match id.letter(0) {
        b'S' => id.ends_with(b"JZIHGFEDCBA", sum % 11),
        b'T' => id.ends_with(b"JZIHGFEDCBA", (sum + 4) % 11),
        b'F' => id.ends_with(b"XWUTRQPNMLK", sum % 11),
        b'G' => id.ends_with(b"XWUTRQPNMLK", (sum + 4) % 11),
        b'M' => id.ends_with(b"XWUTRQPNJLK", (sum + 3) % 11),
        _ => false,
    }
}

/// Region, date, serial number, and ISO/IEC 7064's MOD 11-2.
pub(super) fn cn_id(id: &Id) -> bool {
    let sum = weighted(id.values(), &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    id.value(0) != 0
        && matches!(id.two(6), 19 | 20)
        && id.dated(10, 12)
        && id.ends_with(b"10X98765432", u64::from(sum % 11))
}

/// Two letters of which some are never given, six digits, A to D.
pub(super) fn uk_nino(id: &Id) -> bool {
    let (first, second) = (id.letter(0), id.letter(1));
    !b"DFIQUV".contains(&first)
        && !b"DFIOQUV".contains(&second)
        && !matches!(&[first, second], b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ")
        && (b'A'..=b'D').contains(&id.letter(8))
}

/// Modulo 11, K standing for ten.
pub(super) fn cl_rut(id: &Id) -> bool {
    let last = id.length - 1;
    let weights = [3, 2, 7, 6, 5, 4, 3, 2];
    let weights = weights.get(8 - last.min(8)..).unwrap_or(&[]);
    let rest = weighted(id.values().get(..last).unwrap_or(&[]), weights) % 11;
    id.ends_with(b"0K987654321", u64::from(rest)) && id.values().iter().take(last).all(|value| *value < 10)
}

/// One letter (or two, not known here), six digits, a check digit or A.
pub(super) fn hk_id(id: &Id) -> bool {
    let sum = 36 * 9 + weighted(id.values(), &[8, 7, 6, 5, 4, 3, 2]);
    id.ends_with(b"0A987654321", u64::from(sum % 11))
}

/// A letter for the place, 1 or 2 for the sex (8 and 9 for foreigners), serial number, check digit.
pub(super) fn tw_id(id: &Id) -> bool {
    const PLACES: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let place = PLACES
        .iter()
        .position(|letter| *letter == id.letter(0))
        .and_then(|at| u32::try_from(at + 10).ok())
        .unwrap_or(0);
    let digits = weighted(id.values().get(1..).unwrap_or(&[]), &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(id.value(1), 1 | 2 | 8 | 9) && (place / 10 + place % 10 * 9 + digits).is_multiple_of(10)
}
