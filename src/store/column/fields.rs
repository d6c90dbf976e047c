//! Texts that are numbers in a fixed pattern: addresses, versions, numbered names.
//!
//! The pattern is such a text with every run of digits marked; each mark has a list of numbers. Only runs without leading zeros that fit
//! 15 digits are numbers, so that they print as they stood.

use super::super::row::{Reader, put_bytes};
use super::series;
use super::strings::Pieces;
use super::texts::Others;

/// Stands for a number in a pattern.
const MARK: u8 = 1;
/// Most digits of a number.
const DIGITS_MAX: usize = 15;
/// Most numbers in a pattern.
const NUMBERS_MAX: usize = 16;

/// Writes `texts`, or `None` if most of them are not of one pattern.
pub(super) fn put(texts: &[&str]) -> Option<Vec<u8>> {
    let mut pattern = Vec::new();
    let middle = texts.get(texts.len() / 2)?;
    let width = split(middle.as_bytes(), &mut pattern)?.len();
    if width == 0 {
        return None;
    }
    let mut columns = vec![Vec::new(); width];
    let mut others = Vec::new();
    let mut own = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        match split(text.as_bytes(), &mut own).filter(|_| own == pattern) {
            Some(numbers) => columns.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number)),
            None => others.push(place),
        }
        // Not worth looking further.
        if others.len() * 4 > texts.len().min(place + 16) {
            return None;
        }
    }
    let mut out = Vec::new();
    Others::put(&mut out, texts, &others);
    put_bytes(&mut out, &pattern);
    columns.iter().for_each(|column| series::put(&mut out, column));
    Some(out)
}

/// Takes a text apart into its pattern and its numbers.
fn split(text: &[u8], pattern: &mut Vec<u8>) -> Option<Vec<i64>> {
    pattern.clear();
    let mut numbers = Vec::new();
    for run in text.chunk_by(|a, b| a.is_ascii_digit() && b.is_ascii_digit()) {
        match run {
            [MARK] => return None,
            [b'0', _, ..] => pattern.extend_from_slice(run),
            [first, ..] if first.is_ascii_digit() && run.len() <= DIGITS_MAX && numbers.len() < NUMBERS_MAX => {
                pattern.push(MARK);
                numbers.push(run.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')));
            }
            _ => pattern.extend_from_slice(run),
        }
    }
    Some(numbers)
}

/// Reads `count` texts.
pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Pieces> {
    let others = Others::take(reader, count)?;
    let pattern = reader.slice()?;
    let width = pattern.iter().filter(|byte| **byte == MARK).count();
    if width > NUMBERS_MAX {
        return None;
    }
    let mut columns = Vec::with_capacity(width);
    for _ in 0..width {
        columns.push(series::take(reader, count - others.len())?.into_iter());
    }
    others.fill(count, |out| {
        let mut columns = columns.iter_mut();
        for byte in pattern {
            if *byte == MARK {
                put_decimal(out, columns.next()?.next()?);
            } else {
                out.push(*byte);
            }
        }
        Some(())
    })
}

/// Appends a number in decimal digits.
pub(super) fn put_decimal(out: &mut Vec<u8>, number: i64) {
    let mut buffer = itoa::Buffer::new();
    out.extend_from_slice(buffer.format(number).as_bytes());
}
