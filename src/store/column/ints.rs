//! Lists of unsigned numbers: constant, packed, or graded.
//!
//! *Graded* suits what measurements look like (durations, sizes, gaps): the magnitude of a number and its leading bits form a grade,
//! coded by frequency; the bits below are noise and stand as they are. Small numbers are grades of their own, so that codes of
//! dictionaries cost their entropy. How many leading bits count is chosen per list, by size.

use super::super::row::{Reader, put_varint};
use super::bits::{BitReader, BitWriter, PEEK_BITS};
use super::prefix::{Decoder, Encoder, SYMBOLS_MAX};

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const GRADED: u8 = 2;

/// Leading bits that may count, finest last.
const FINENESS: [u32; 5] = [0, 2, 4, 7, 10];
/// Below this many numbers the fine grades cannot pay for their table.
const FINE_FROM: usize = 2000;

/// Appends a list whose length the reader will know.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    let (Some(low), Some(high)) = (numbers.iter().min().copied(), numbers.iter().max().copied()) else { return };
    if low == high {
        out.push(CONSTANT);
        put_varint(out, low);
        return;
    }
    let width = 64 - (high - low).leading_zeros();
    let packed_bits = 24.0 + f64::from(width) * numbers.len() as f64;
    match Grading::best(numbers, low, high) {
        Some((grading, bits)) if bits < packed_bits => {
            out.push(GRADED);
            put_varint(out, low);
            grading.put(out, numbers, low);
        }
        _ => {
            out.push(PACKED);
            put_varint(out, low);
            out.push(width as u8);
            let mut writer = BitWriter::with_capacity(numbers.len() * width as usize / 8 + 8);
            numbers.iter().for_each(|number| writer.put(number - low, width));
            out.extend_from_slice(&writer.finish());
        }
    }
}

/// Reads a list of `count` numbers that fills the reader; every number goes through `each`.
pub(super) fn take<T>(reader: &mut Reader<'_>, count: usize, each: impl Fn(u64) -> T) -> Option<Vec<T>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let tag = reader.byte()?;
    let low = reader.varint()?;
    match tag {
        CONSTANT => Some((0..count).map(|_| each(low)).collect()),
        PACKED => {
            let width = u32::from(reader.byte()?);
            if width > 64 {
                return None;
            }
            let mut bits = BitReader::new(reader.take((count.checked_mul(width as usize)?).div_ceil(8))?);
            Some((0..count).map(|_| each(low.wrapping_add(bits.take(width)))).collect())
        }
        GRADED => take_graded(reader, count, low, each),
        _ => None,
    }
}

/// The grade of a number and the width of what is below it.
#[inline]
fn grade(number: u64, fineness: u32) -> (u32, u32) {
    let magnitude = 63 - (number | 1).leading_zeros();
    let below = magnitude.saturating_sub(fineness);
    ((below << fineness) + (number >> below) as u32, below)
}

/// The least number of a grade, and the width of what is below it; `None` for grades that no number has.
fn ungrade(grade: u32, fineness: u32) -> Option<(u64, u32)> {
    let below = (grade >> fineness).saturating_sub(1);
    let leading = u64::from(grade - (below << fineness));
    (below + fineness < 64).then(|| (leading << below, below))
}

/// A choice of fineness with the grades in use.
#[derive(Clone)]
struct Grading {
    fineness: u32,
    grades: Vec<u32>,
    counts: Vec<u32>,
}

impl Grading {
    /// The cheapest grading of `numbers - low`, and its size in bits.
    fn best(numbers: &[u64], low: u64, high: u64) -> Option<(Grading, f64)> {
        let choices = if numbers.len() < FINE_FROM { FINENESS.get(..3)? } else { &FINENESS };
        let finest = *choices.last()?;
        let mut histogram = vec![0u32; grade(high - low, finest).0 as usize + 1];
        for number in numbers {
            if let Some(count) = histogram.get_mut(grade(number - low, finest).0 as usize) {
                *count += 1;
            }
        }
        let mut grading = Grading { fineness: finest, grades: Vec::new(), counts: Vec::new() };
        for (grade, count) in (0..).zip(histogram).filter(|(_, count)| *count > 0) {
            grading.add(grade, count);
        }
        let mut best: Option<(Grading, f64)> = None;
        // From fine to coarse, each made from the one before.
        for fineness in choices.iter().rev() {
            grading = grading.coarser(*fineness)?;
            if grading.grades.len() > SYMBOLS_MAX {
                continue;
            }
            let bits = grading.bits(numbers.len())?;
            if best.as_ref().is_none_or(|best| bits < best.1) {
                best = Some((grading.clone(), bits));
            }
        }
        best
    }

    fn add(&mut self, grade: u32, count: u32) {
        match (self.grades.last(), self.counts.last_mut()) {
            (Some(last), Some(counted)) if *last == grade => *counted += count,
            _ => {
                self.grades.push(grade);
                self.counts.push(count);
            }
        }
    }

    /// The same numbers with fewer leading bits.
    fn coarser(&self, fineness: u32) -> Option<Grading> {
        let mut coarse = Grading { fineness, grades: Vec::new(), counts: Vec::new() };
        for (fine, count) in self.grades.iter().zip(&self.counts) {
            coarse.add(grade(ungrade(*fine, self.fineness)?.0, fineness).0, *count);
        }
        Some(coarse)
    }

    /// Size of so many numbers, table included.
    fn bits(&self, total: usize) -> Option<f64> {
        let mut bits = entropy_bits(&self.counts, total) + 40.0 + 12.0 * self.grades.len() as f64;
        for (grade, count) in self.grades.iter().zip(&self.counts) {
            bits += f64::from(ungrade(*grade, self.fineness)?.1) * f64::from(*count);
        }
        Some(bits)
    }

    fn put(&self, out: &mut Vec<u8>, numbers: &[u64], low: u64) {
        out.push(self.fineness as u8);
        put_ascending(out, self.grades.iter().map(|grade| u64::from(*grade)));
        let encoder = Encoder::new(&self.counts);
        encoder.put_code(out);
        let mut symbols = vec![0u16; self.grades.last().map_or(0, |last| *last as usize + 1)];
        for (symbol, grade) in self.grades.iter().enumerate() {
            if let Some(slot) = symbols.get_mut(*grade as usize) {
                *slot = symbol as u16;
            }
        }
        let mut writer = BitWriter::with_capacity(numbers.len() * 2);
        for number in numbers {
            let number = number - low;
            let (grade, below) = grade(number, self.fineness);
            let symbol = symbols.get(grade as usize).copied().unwrap_or_default();
            encoder.put_with(&mut writer, usize::from(symbol), number & ((1u64 << below) - 1), below);
        }
        let bits = writer.finish();
        put_varint(out, bits.len() as u64);
        out.extend_from_slice(&bits);
    }
}

fn take_graded<T>(reader: &mut Reader<'_>, count: usize, low: u64, each: impl Fn(u64) -> T) -> Option<Vec<T>> {
    let fineness = u32::from(reader.byte()?);
    if fineness > 16 {
        return None;
    }
    let grades = take_ascending(reader, SYMBOLS_MAX)?;
    let decoder = Decoder::take(reader, grades.len())?;
    let of = |grade: &u64| ungrade(u32::try_from(*grade).ok()?, fineness);
    let steps: Vec<(u64, u32)> = grades.iter().map(of).collect::<Option<_>>()?;
    let step = |symbol: usize| steps.get(symbol).copied().unwrap_or_default();
    let widest = (0..steps.len()).map(|symbol| decoder.length(symbol) + step(symbol).1).max()?;
    let mut bits = BitReader::new(reader.slice()?);
    let mut numbers = Vec::with_capacity(count);
    if widest > PEEK_BITS {
        for _ in 0..count {
            let (base, below) = step(decoder.next(&mut bits));
            numbers.push(each(low.wrapping_add(base).wrapping_add(bits.take(below))));
        }
    } else {
        let table: Vec<Step> =
            decoder.table().map(|(symbol, length)| Step::new(symbol, length, step(symbol).1)).collect();
        let grades: Vec<(u64, u64)> =
            steps.iter().map(|(base, below)| (low.wrapping_add(*base), (1 << below) - 1)).collect();
        // As many numbers as are sure to be within one peek.
        let together = (PEEK_BITS / widest.max(1)).clamp(1, 8) as usize;
        while numbers.len() < count {
            let mut ahead = bits.peek();
            let mut used = 0;
            for _ in 0..together.min(count - numbers.len()) {
                let step = table.get(decoder.place(ahead)).copied().unwrap_or_default();
                let (base, mask) = grades.get(usize::from(step.symbol)).copied().unwrap_or_default();
                numbers.push(each(base.wrapping_add(ahead >> step.length & mask)));
                ahead >>= step.whole;
                used += u32::from(step.whole);
            }
            bits.skip(used);
        }
    }
    bits.finished().then_some(numbers)
}

/// What the next bits say: a symbol, how long its word is, and how long that is with the bits below. Small, so that the table stays near.
#[derive(Clone, Copy, Default)]
struct Step {
    symbol: u16,
    length: u8,
    whole: u8,
}

impl Step {
    fn new(symbol: usize, length: u32, below: u32) -> Step {
        Step { symbol: symbol as u16, length: length as u8, whole: (length + below) as u8 }
    }
}

/// What `counts` cost at their entropy.
pub(super) fn entropy_bits(counts: &[u32], total: usize) -> f64 {
    let all = total as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) * (all / f64::from(*count)).log2()).sum()
}

/// Appends how many, and the gaps between rising numbers.
pub(super) fn put_ascending(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = u64>) {
    put_varint(out, numbers.len() as u64);
    let mut next = 0;
    for number in numbers {
        put_varint(out, number - next);
        next = number + 1;
    }
}

/// Reads at most `most` rising numbers.
pub(super) fn take_ascending(reader: &mut Reader<'_>, most: usize) -> Option<Vec<u64>> {
    let count =
        usize::try_from(reader.varint()?).ok().filter(|count| *count <= most && *count <= reader.bytes.len())?;
    let mut next = 0u64;
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let number = next.checked_add(reader.varint()?)?;
        numbers.push(number);
        next = number.checked_add(1)?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> impl Strategy<Value = Vec<u64>> {
        let any_list = proptest::collection::vec(any::<u64>(), 0..80);
        let skewed = proptest::collection::vec((0..64u32, any::<u64>()).prop_map(|(s, v)| v >> s), 0..80);
        let small = proptest::collection::vec(0..9u64, 0..4000);
        let shifted = (any::<u64>(), proptest::collection::vec(0..70_000u64, 1..3000))
            .prop_map(|(base, list)| list.into_iter().map(|v| base.saturating_add(v)).collect());
        prop_oneof![any_list, skewed, small, shifted]
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in list()) {
            let mut out = Vec::new();
            put(&mut out, &numbers);
            let mut reader = Reader { bytes: &out };
            prop_assert_eq!(take(&mut reader, numbers.len(), |n| n), Some(numbers));
            prop_assert!(reader.bytes.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), tag in 0..3u8, count in 0..2000usize) {
            let bytes = [vec![tag], bytes].concat();
            let numbers = take(&mut Reader { bytes: &bytes }, count, |n| n);
            prop_assert!(numbers.is_none_or(|numbers| numbers.len() == count));
        }

        #[test]
        fn a_grade_leads_back_to_its_least_number(number: u64, fineness in 0..=10u32) {
            let (grade, below) = grade(number, fineness);
            prop_assert_eq!(ungrade(grade, fineness), Some((number >> below << below, below)));
        }
    }
}
