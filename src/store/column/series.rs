//! Lists of signed numbers: as they are, as differences, or as differences of differences; and the two moments of rows.

use super::super::row::{Reader, put_varint, unzigzag, zigzag};
use super::groups::Groups;
use super::ints;

const PLAIN: u8 = 0;
const DELTA: u8 = 1;
const DELTA_OF_DELTA: u8 = 2;

/// Appends a list whose length the reader will know.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[i64]) {
    let Some(low) = numbers.iter().min().copied() else { return };
    match cheapest(numbers, low).0 {
        PLAIN => {
            out.push(PLAIN);
            put_varint(out, zigzag(low));
            ints::put(out, &numbers.iter().map(|number| number.wrapping_sub(low) as u64).collect::<Vec<_>>());
        }
        DELTA => {
            out.push(DELTA);
            put_after_first(out, &differences(numbers), 1);
        }
        _ => {
            out.push(DELTA_OF_DELTA);
            put_after_first(out, &differences(&differences(numbers)), 2);
        }
    }
}

/// The form in which numbers have the fewest bits, and how many those are, about.
fn cheapest(numbers: &[i64], low: i64) -> (u8, u64) {
    let width = |number: u64| u64::from(64 - number.leading_zeros());
    let (mut plain, mut delta, mut twice) = (0, 0, 0);
    let (mut before, mut step_before) = (0i64, 0i64);
    for number in numbers {
        let step = number.wrapping_sub(before);
        plain += width(number.wrapping_sub(low) as u64);
        delta += width(zigzag(step));
        twice += width(zigzag(step.wrapping_sub(step_before)));
        (before, step_before) = (*number, step);
    }
    // Differences must win clearly: noise is a bit larger for every time it is taken.
    let slack = numbers.len() as u64 / 8;
    let (delta, twice) = (delta + slack, twice + 2 * slack);
    if plain <= delta.min(twice) {
        (PLAIN, plain)
    } else if delta <= twice {
        (DELTA, delta)
    } else {
        (DELTA_OF_DELTA, twice)
    }
}

/// The first numbers apart: they are of another size than those that follow.
fn put_after_first(out: &mut Vec<u8>, numbers: &[i64], apart: usize) {
    let (first, rest) = numbers.split_at(apart.min(numbers.len()));
    first.iter().for_each(|number| put_varint(out, zigzag(*number)));
    ints::put(out, &rest.iter().map(|number| zigzag(*number)).collect::<Vec<_>>());
}

fn take_after_first(reader: &mut Reader<'_>, count: usize, apart: usize) -> Option<Vec<i64>> {
    let apart = apart.min(count);
    let mut numbers = Vec::new();
    for _ in 0..apart {
        numbers.push(unzigzag(reader.varint()?));
    }
    numbers.extend(ints::take(reader, count - apart, unzigzag)?);
    Some(numbers)
}

/// Every number less the one before; the first stays.
fn differences(numbers: &[i64]) -> Vec<i64> {
    let before = std::iter::once(&0).chain(numbers);
    numbers.iter().zip(before).map(|(number, before)| number.wrapping_sub(*before)).collect()
}

/// The inverse of [`differences`], in place.
fn sum_up(numbers: &mut [i64]) {
    let mut sum = 0i64;
    for number in numbers {
        sum = sum.wrapping_add(*number);
        *number = sum;
    }
}

/// Reads a list of `count` numbers.
pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    match reader.byte()? {
        PLAIN => {
            let low = unzigzag(reader.varint()?);
            ints::take(reader, count, |number| low.wrapping_add(number as i64))
        }
        DELTA => {
            let mut numbers = take_after_first(reader, count, 1)?;
            sum_up(&mut numbers);
            Some(numbers)
        }
        DELTA_OF_DELTA => {
            let mut numbers = take_after_first(reader, count, 2)?;
            sum_up(&mut numbers);
            sum_up(&mut numbers);
            Some(numbers)
        }
        _ => None,
    }
}

/// Appends event times: the first of every group, then the steps within groups.
pub(super) fn put_times(out: &mut Vec<u8>, times: &[i64], groups: &Groups) {
    let firsts: Vec<i64> = groups.starts().filter_map(|start| times.get(start).copied()).collect();
    put(out, &firsts);
    let mut steps = differences(times);
    groups.remove_starts(&mut steps);
    put(out, &steps);
}

/// Reads event times.
pub(super) fn take_times(reader: &mut Reader<'_>, groups: &Groups) -> Option<Vec<i64>> {
    let firsts = take(reader, groups.len())?;
    let steps = take(reader, groups.rows().checked_sub(groups.len())?)?;
    let mut times = Vec::with_capacity(groups.rows());
    let mut steps = steps.into_iter();
    for (first, rows) in firsts.into_iter().zip(groups.sizes()) {
        let mut time = first;
        times.push(time);
        for step in steps.by_ref().take(rows - 1) {
            time = time.wrapping_add(step);
            times.push(time);
        }
    }
    Some(times)
}

const AS_THEY_ARE: u8 = 0;
const AFTER_TIME: u8 = 1;
const IN_ORDER_OF_TIME: u8 = 2;

/// Appends arrivals: as they are, as what they come after the event times, or in the order of the event times, in which they hardly ever fall.
pub(super) fn put_arrivals(out: &mut Vec<u8>, arrivals: &[i64], times: &[i64]) {
    let after: Vec<i64> = arrivals.iter().zip(times).map(|(arrival, time)| arrival.wrapping_sub(*time)).collect();
    let ordered: Vec<i64> = order(times).into_iter().filter_map(|row| arrivals.get(row as usize).copied()).collect();
    let forms = [(AS_THEY_ARE, arrivals), (AFTER_TIME, after.as_slice()), (IN_ORDER_OF_TIME, ordered.as_slice())];
    let bits = |numbers: &[i64]| cheapest(numbers, numbers.iter().min().copied().unwrap_or(0)).1;
    if let Some((tag, numbers)) = forms.into_iter().min_by_key(|(_, numbers)| bits(numbers)) {
        out.push(tag);
        put(out, numbers);
    }
}

/// Reads arrivals.
pub(super) fn take_arrivals(reader: &mut Reader<'_>, times: &[i64]) -> Option<Vec<i64>> {
    let tag = reader.byte()?;
    let mut numbers = take(reader, times.len())?;
    match tag {
        AS_THEY_ARE => {}
        AFTER_TIME => numbers.iter_mut().zip(times).for_each(|(number, time)| *number = number.wrapping_add(*time)),
        IN_ORDER_OF_TIME => {
            let mut arrivals = vec![0; numbers.len()];
            for (row, number) in order(times).into_iter().zip(numbers) {
                *arrivals.get_mut(row as usize)? = number;
            }
            return Some(arrivals);
        }
        _ => return None,
    }
    Some(numbers)
}

/// Rows by rising time, equal ones as they stand. Sorts by counting, 11 bits at a time.
fn order(times: &[i64]) -> Vec<u32> {
    const DIGIT: u32 = 11;
    let low = times.iter().min().copied().unwrap_or(0);
    let span = times.iter().max().map_or(0, |high| high.wrapping_sub(low) as u64);
    let mut rows: Vec<(u64, u32)> = times.iter().map(|time| time.wrapping_sub(low) as u64).zip(0..).collect();
    let mut sorted = rows.clone();
    for shift in (0..64 - span.leading_zeros()).step_by(DIGIT as usize) {
        let digit = |key: u64| (key >> shift & ((1 << DIGIT) - 1)) as usize;
        let mut places = [0u32; 1 << DIGIT];
        rows.iter().filter_map(|(key, _)| places.get_mut(digit(*key)).map(|place| *place += 1)).for_each(drop);
        let mut sum = 0;
        places.iter_mut().for_each(|place| sum += std::mem::replace(place, sum));
        for row in &rows {
            let Some(place) = places.get_mut(digit(row.0)) else { continue };
            if let Some(slot) = sorted.get_mut(*place as usize) {
                *slot = *row;
            }
            *place += 1;
        }
        std::mem::swap(&mut rows, &mut sorted);
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(start: i64, steps in proptest::collection::vec(-1000..1000i64, 0..60), wild in proptest::collection::vec(any::<i64>(), 0..9)) {
            let walk = steps.iter().scan(start, |at, step| { *at = at.wrapping_add(*step); Some(*at) });
            let regular = (0..50).map(|n| start.wrapping_add(n * 15_000));
            for numbers in [walk.collect(), regular.collect(), steps.clone(), wild] {
                let mut out = Vec::new();
                put(&mut out, &numbers);
                let mut reader = Reader { bytes: &out };
                prop_assert_eq!(take(&mut reader, numbers.len()), Some(numbers));
                prop_assert!(reader.bytes.is_empty());
            }
        }

        #[test]
        fn arrivals_come_back(rows in proptest::collection::vec((-9000..9000i64, any::<i32>(), 0..50i64), 0..60), high: bool) {
            let base = if high { i64::MAX - 9000 } else { 1_790_000_000_000 };
            let times: Vec<i64> = rows.iter().map(|r| base + r.0).collect();
            let late: Vec<i64> = times.iter().zip(&rows).map(|(t, r)| t.wrapping_add(r.2)).collect();
            for arrivals in [late, rows.iter().map(|r| i64::from(r.1)).collect()] {
                let mut out = Vec::new();
                put_arrivals(&mut out, &arrivals, &times);
                prop_assert_eq!(take_arrivals(&mut Reader { bytes: &out }, &times), Some(arrivals));
            }
        }

        #[test]
        fn order_is_that_of_a_stable_sort(times in proptest::collection::vec(prop_oneof![any::<i64>(), 0..5i64], 0..80)) {
            let mut rows: Vec<u32> = (0..times.len() as u32).collect();
            rows.sort_by_key(|row| times[*row as usize]);
            prop_assert_eq!(order(&times), rows);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0..200usize) {
            let read = take(&mut Reader { bytes: &bytes }, count);
            prop_assert!(read.is_none_or(|numbers| numbers.len() == count));
        }
    }
}
