//! Texts of one length that differ only within small alphabets at fixed places: session ids, pseudonyms, UUIDs, trace ids.
//!
//! The template is such a text with the varying places marked by their alphabet; the letters there are packed into bits.

use super::super::row::{Reader, put_bytes};
use super::bits::{BitReader, BitWriter};
use super::strings::Pieces;
use super::texts::Others;

/// The alphabets, by rising size; a mark in a template is a position here plus one.
const ALPHABETS: [&[u8]; 5] = [
    b"0123456789",
    b"0123456789abcdef",
    b"0123456789abcdefghjkmnpqrstvwxyz",
    b"0123456789ABCDEFGHJKMNPQRSTVWXYZ",
    b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
];
/// Bits of a letter in each alphabet.
const WIDTHS: [u32; 5] = [4, 4, 5, 5, 6];
/// The longest template.
const LENGTH_MAX: usize = 255;

/// Writes `texts`, or `None` if most of them are not of one template.
pub(super) fn put(texts: &[&str]) -> Option<Vec<u8>> {
    let length = common_length(texts)?;
    let fits = |text: &str| text.len() == length && text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let (matching, others): (Vec<usize>, Vec<usize>) =
        (0..texts.len()).partition(|at| texts.get(*at).is_some_and(|text| fits(text)));
    let mut seen = vec![0u128; length];
    for text in matching.iter().filter_map(|at| texts.get(*at)) {
        text.bytes().zip(&mut seen).for_each(|(byte, seen)| *seen |= 1 << byte);
    }
    let masks = ALPHABETS.map(|alphabet| alphabet.iter().fold(0u128, |mask, byte| mask | 1 << byte));
    let mark = |seen: &u128| {
        if seen.count_ones() == 1 {
            return Some(seen.trailing_zeros() as u8);
        }
        masks.iter().position(|mask| seen & !mask == 0).map(|alphabet| alphabet as u8 + 1)
    };
    let template = seen.iter().map(mark).collect::<Option<Vec<u8>>>()?;
    let mut out = Vec::new();
    Others::put(&mut out, texts, &others);
    put_bytes(&mut out, &template);
    let letters = ALPHABETS.map(positions);
    let mut writer = BitWriter::default();
    for text in matching.iter().filter_map(|at| texts.get(*at)) {
        for (byte, mark) in text.bytes().zip(&template) {
            let alphabet = usize::from(mark.wrapping_sub(1));
            if let (Some(letters), Some(width)) = (letters.get(alphabet), WIDTHS.get(alphabet)) {
                writer.put(u64::from(letters.get(usize::from(byte)).copied().unwrap_or_default()), *width);
            }
        }
    }
    out.extend_from_slice(&writer.finish());
    Some(out)
}

/// The length of at least three quarters of the texts.
fn common_length(texts: &[&str]) -> Option<usize> {
    let mut lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
    lengths.sort_unstable();
    let middle = *lengths.get(lengths.len() / 2)?;
    let same = lengths.iter().filter(|length| **length == middle).count();
    (same * 4 >= lengths.len() * 3 && (1..=LENGTH_MAX).contains(&middle)).then_some(middle)
}

/// Where each byte stands in an alphabet.
fn positions(alphabet: &[u8]) -> [u8; 128] {
    let mut positions = [0; 128];
    for (position, letter) in (0..).zip(alphabet) {
        if let Some(slot) = positions.get_mut(usize::from(*letter)) {
            *slot = position;
        }
    }
    positions
}

/// Reads `count` texts.
pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Pieces> {
    let others = Others::take(reader, count)?;
    let template = reader.slice()?;
    if template.is_empty() || template.len() > LENGTH_MAX {
        return None;
    }
    let width = |mark: &u8| WIDTHS.get(usize::from(mark.wrapping_sub(1))).copied().unwrap_or(0);
    let bits_each = template.iter().map(|mark| width(mark) as usize).sum::<usize>();
    let bytes = (count - others.len()).checked_mul(bits_each)?.div_ceil(8);
    let mut bits = BitReader::new(reader.take(bytes)?);
    others.fill(count, |out| {
        for mark in template {
            let place = usize::from(mark.wrapping_sub(1));
            let byte = match (ALPHABETS.get(place), WIDTHS.get(place)) {
                (Some(alphabet), Some(width)) => *alphabet.get(bits.take(*width) as usize)?,
                _ => *mark,
            };
            out.push(byte);
        }
        Some(())
    })
}
