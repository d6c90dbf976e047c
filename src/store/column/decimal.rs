//! Lists of floating-point numbers, most of which people would write with a few decimals.
//!
//! A number that some scale turns into an integer and back, bit for bit, is stored as that integer; others (-0.0, NaN, infinities, long
//! fractions) are patched in as they are. A list that is mostly of those is stored by byte position, which zstd likes.

use super::super::row::{Reader, put_varint};
use super::{ints, series};

const SCALED: u8 = 0;
const RAW: u8 = 1;
/// Most decimals looked for.
const SCALE_MAX: i32 = 9;
/// Integers below this are exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Numbers looked at to choose a scale.
const SAMPLE: usize = 256;

/// Appends a list whose length the reader will know.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[f64]) {
    if numbers.is_empty() {
        return;
    }
    let step = numbers.len().div_ceil(SAMPLE);
    let fits = |scale: i32| numbers.iter().step_by(step).filter(|number| scaled(**number, scale).is_some()).count();
    let sampled = numbers.len().div_ceil(step);
    // The most decimals that any sizeable share needs.
    let Some(scale) = (0..=SCALE_MAX).find(|scale| fits(*scale) * 16 >= sampled * 15) else {
        put_raw(out, numbers);
        return;
    };
    let mut odd = Vec::new();
    let mut last = 0;
    let mut integers = Vec::with_capacity(numbers.len());
    for (index, number) in (0u64..).zip(numbers) {
        last = scaled(*number, scale).unwrap_or_else(|| {
            odd.push((index, *number));
            last
        });
        integers.push(last);
    }
    out.extend_from_slice(&[SCALED, scale as u8]);
    ints::put_ascending(out, odd.iter().map(|(index, _)| *index));
    odd.iter().for_each(|(_, number)| out.extend_from_slice(&number.to_le_bytes()));
    series::put(out, &integers);
}

fn put_raw(out: &mut Vec<u8>, numbers: &[f64]) {
    out.push(RAW);
    for byte in 0..8 {
        out.extend(numbers.iter().map(|number| (number.to_bits() >> (8 * byte)) as u8));
    }
}

/// The integer that `number` is at `scale`, if it is exactly one.
#[inline]
fn scaled(number: f64, scale: i32) -> Option<i64> {
    let power = 10f64.powi(scale);
    let integer = (number * power).round();
    let exact = integer.abs() < EXACT && ((integer as i64) as f64 / power).to_bits() == number.to_bits();
    exact.then_some(integer as i64)
}

/// Reads a list of `count` numbers.
pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    match reader.byte()? {
        SCALED => take_scaled(reader, count),
        RAW => {
            let mut bits = vec![0u64; count];
            for byte in 0..8 {
                let plane = reader.take(count)?;
                bits.iter_mut().zip(plane).for_each(|(bits, part)| *bits |= u64::from(*part) << (8 * byte));
            }
            Some(bits.into_iter().map(f64::from_bits).collect())
        }
        _ => None,
    }
}

fn take_scaled(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    let scale = i32::from(reader.byte()?);
    if scale > SCALE_MAX {
        return None;
    }
    let odd = ints::take_ascending(reader, count)?;
    let mut patches = Vec::with_capacity(odd.len());
    for index in odd {
        patches.push((usize::try_from(index).ok()?, f64::from_le_bytes(reader.array()?)));
    }
    let power = 10f64.powi(scale);
    let mut numbers: Vec<f64> =
        series::take(reader, count)?.into_iter().map(|integer| integer as f64 / power).collect();
    for (index, number) in patches {
        *numbers.get_mut(index)? = number;
    }
    Some(numbers)
}

/// Appends which rows have a value: how many, and the gaps between them unless it is all.
pub(super) fn put_presence(out: &mut Vec<u8>, present: impl Iterator<Item = bool>, rows: usize) {
    let mut next = 0;
    let mut gaps = Vec::new();
    for (row, _) in (0u64..).zip(present).filter(|(_, present)| *present) {
        gaps.push(row - next);
        next = row + 1;
    }
    put_varint(out, gaps.len() as u64);
    if gaps.len() < rows {
        ints::put(out, &gaps);
    }
}

/// Which rows have a value.
pub(super) enum Presence {
    /// All of so many.
    All(usize),
    /// Those, rising.
    Some(Vec<u32>),
}

impl Presence {
    /// How many rows have one.
    pub(super) fn len(&self) -> usize {
        match self {
            Presence::All(rows) => *rows,
            Presence::Some(places) => places.len(),
        }
    }

    /// Reads which of `rows` rows have a value.
    pub(super) fn take(reader: &mut Reader<'_>, rows: usize) -> Option<Presence> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= rows)?;
        if count == rows {
            return Some(Presence::All(rows));
        }
        let mut places = ints::take(reader, count, |gap| u32::try_from(gap).unwrap_or(u32::MAX))?;
        let mut next = 0u32;
        for place in &mut places {
            *place = next.checked_add(*place).filter(|place| (*place as usize) < rows)?;
            next = *place + 1;
        }
        Some(Presence::Some(places))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = f64> {
        let decimal = (any::<i32>(), 0..6).prop_map(|(n, scale)| f64::from(n) / 10f64.powi(scale));
        let special =
            prop::sample::select(vec![-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, f64::MIN_POSITIVE]);
        prop_oneof![8 => decimal, 1 => special, 1 => any::<u64>().prop_map(f64::from_bits)]
    }

    proptest! {
        #[test]
        fn numbers_come_back_bit_for_bit(numbers in proptest::collection::vec(number(), 0..100)) {
            let mut out = Vec::new();
            put(&mut out, &numbers);
            let mut reader = Reader { bytes: &out };
            let read = take(&mut reader, numbers.len()).unwrap();
            let bits = |numbers: &[f64]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&read), bits(&numbers));
            prop_assert!(reader.bytes.is_empty());
        }

        #[test]
        fn presence_comes_back(present in proptest::collection::vec(any::<bool>(), 0..100)) {
            let mut out = Vec::new();
            put_presence(&mut out, present.iter().copied(), present.len());
            let read = match Presence::take(&mut Reader { bytes: &out }, present.len()).unwrap() {
                Presence::All(rows) => vec![true; rows],
                Presence::Some(places) => (0..present.len() as u32).map(|row| places.contains(&row)).collect(),
            };
            prop_assert_eq!(read, present);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0..200usize) {
            let read = take(&mut Reader { bytes: &bytes }, count);
            prop_assert!(read.is_none_or(|numbers| numbers.len() == count));
            let read = Presence::take(&mut Reader { bytes: &bytes }, count);
            prop_assert!(read.is_none_or(|rows| rows.len() <= count));
        }
    }

    #[test]
    fn durations_with_three_decimals_take_three_bytes_at_most() {
        let numbers: Vec<f64> = (0..3000u64).map(|n| (n * 7_919_777 % 16_000_000) as f64 / 1000.0).collect();
        let mut out = Vec::new();
        put(&mut out, &numbers);
        assert!(out.len() < 3 * numbers.len() + 64, "{}", out.len());
    }
}
