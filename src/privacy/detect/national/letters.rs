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
    if at % 2 == 0 { odd.copied().unwrap_or(0) } else { even }
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

/// Names, date, sex, state, consonants, a character for the century, check digit.
pub(super) fn mx_curp(id: &Id) -> bool {
    // N with a tilde has a value of its own, so letters after N count one more.
    let value = |value: u32| if value > 23 { value + 1 } else { value };
    let sum: u32 = id.values().iter().take(17).zip((2..=18).rev()).map(|(v, weight)| value(*v) * weight).sum();
    matches!(id.letter(10), b'H' | b'M' | b'X') && id.dated(6, 8) && (10 - sum % 10) % 10 == id.value(17)
}

/// Four letters (three for a firm), date, two characters, check character.
pub(super) fn mx_rfc(id: &Id) -> bool {
    // The alphabet has `&` before O and ends with a blank, which stands before the letters of a firm.
    let value = |value: u32| if value > 23 { value + 1 } else { value };
    let firm = id.length == 12;
    let blank = if firm { 37 * 13 } else { 0 };
    let weights = if firm { 2..=12 } else { 2..=13 };
    let sum: u32 = blank + id.values().iter().zip(weights.rev()).map(|(v, weight)| value(*v) * weight).sum::<u32>();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    let date = id.length - 9;
    id.dated(date + 2, date + 4) && id.letter(id.length - 1) == check
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
