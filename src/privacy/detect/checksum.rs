//! Check digits. Every function reads digits as numbers below ten and answers for whole numbers, check digit included, unless it says
//! otherwise.

/// Luhn's check (ISO/IEC 7812-1): from the right every second digit doubled, the digits of the sum divisible by ten.
pub(super) fn luhn(digits: impl DoubleEndedIterator<Item = u32>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(at, d)| match (at % 2, d * 2) {
            (0, _) => d,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of the digits, each with its weight; digits without a weight do not count.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(d, weight)| d * weight).sum()
}

/// ISO/IEC 7064, MOD 11,10.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let product = digits.iter().take(digits.len().saturating_sub(1)).fold(10, |product, d| {
        let sum = (product + d) % 10;
        let sum = if sum == 0 { 10 } else { sum };
        sum * 2 % 11
    });
    digits.last().is_some_and(|check| (product + check) % 10 == 1)
}

/// The check of European article numbers: weights 1 and 3 in turn, from the right.
pub(super) fn ean(digits: &[u32]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, d)| if at % 2 == 0 { *d } else { d * 3 }).sum();
    sum.is_multiple_of(10)
}

/// Multiplication in the dihedral group of order ten.
const D5: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];

/// Verhoeff's permutation, to be applied once for each place from the right.
const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// Verhoeff's check.
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    let mut check = 0u8;
    for (place, d) in digits.iter().rev().enumerate() {
        let mut digit = u8::try_from(*d).unwrap_or(0);
        for _ in 0..place % 8 {
            digit = PERMUTED.get(usize::from(digit)).copied().unwrap_or(0);
        }
        check = D5.get(usize::from(check)).and_then(|row| row.get(usize::from(digit))).copied().unwrap_or(0);
    }
    check == 0
}
