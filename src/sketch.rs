//! Percentiles without keeping the values.
//!
//! [`Sketch`] counts values in buckets that are a 64th of a power of two wide, so that the bucket of a value is read off the bits of its
//! float: no logarithm, no division. The middle of a bucket is within 1/128 of every value in it. For example 100 ms falls between 99.33 and
//! 100.35 ms, which answers 99.84 ms. (DDSketch, Masson, Rim, Lee, VLDB 2019, spaces buckets evenly in the logarithm: fewer buckets for the
//! same error, but `ln` for every value.)
//!
//! It is exact in its merge (counts add up), and bounded: a sketch of few values lists its buckets, one of many has counters for the
//! powers of two that it has met.

/// The share by which a percentile may be wrong.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Values up to this many milliseconds are not told apart: a microsecond is the resolution of the clocks that senders have.
const SMALLEST: f64 = 0.001;
/// Beyond this many milliseconds (115 days) percentiles are no longer within [`RELATIVE_ERROR`].
#[cfg(test)]
const LARGEST: f64 = 1e10;
/// Bits of the mantissa that choose a bucket.
const MANTISSA_BITS: u32 = 6;
/// Buckets in a power of two.
const OCTAVE: usize = 1 << MANTISSA_BITS;
/// Bits of a float's mantissa that do not choose.
const UNUSED_BITS: u32 = f64::MANTISSA_DIGITS - 1 - MANTISSA_BITS;
/// The chosen bits of 1.0.
const ONE: u64 = 1.0f64.to_bits() >> UNUSED_BITS;
/// One octave for what is not told apart, 44 for 1 µs to 115 days.
const BUCKETS: usize = 45 * OCTAVE;
/// A sketch lists its buckets up to this many (256 B); then it has counters (at most 12 kB). So memory stays below 400 B a value.
const LISTED_MAX: usize = 32;

/// Count, mean and percentiles of durations, in bounded memory.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    count: u64,
    sum: f64,
    least: f64,
    greatest: f64,
    counts: Counts,
}

#[derive(Clone, Debug)]
enum Counts {
    /// Buckets that hold something, in order.
    Listed(Vec<(u16, u32)>),
    /// Counters of whole octaves, from the bucket `first` on.
    Dense { first: usize, counters: Vec<u32> },
}

impl Default for Counts {
    fn default() -> Self {
        Counts::Listed(Vec::new())
    }
}

impl Sketch {
    /// Adds one value. What is no duration (negative, not finite) is not counted.
    pub fn insert(&mut self, value: f64) {
        if !(0.0..=f64::MAX).contains(&value) {
            return;
        }
        self.widen(value, value);
        self.count += 1;
        self.sum += value;
        self.counts.add(bucket(value), 1);
    }

    /// Adds everything that `other` has seen.
    pub fn merge(&mut self, other: &Sketch) {
        if other.count == 0 {
            return;
        }
        self.widen(other.least, other.greatest);
        self.count += other.count;
        self.sum += other.sum;
        other.counts.each(&mut |bucket, count| {
            self.counts.add(bucket, count);
            true
        });
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The value at rank `⌊q·(n-1)⌋` of the sorted values, `0 <= q <= 1`, within [`RELATIVE_ERROR`]; `None` without values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = (q.clamp(0.0, 1.0) * self.count.checked_sub(1)? as f64) as u64;
        let mut passed = 0;
        let mut found = BUCKETS - 1;
        self.counts.each(&mut |bucket, count| {
            passed += u64::from(count);
            found = bucket;
            passed <= rank
        });
        Some(answer(found).clamp(self.least, self.greatest))
    }

    /// Appends its stored form: count, least, greatest and sum as f64 bits, then pairs of bucket (as the distance from the one before) and count.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut pairs = Vec::new();
        self.counts.each(&mut |bucket, count| {
            pairs.push((bucket as u64, u64::from(count)));
            true
        });
        put(out, self.count);
        for number in [self.least, self.greatest, self.sum] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put(out, pairs.len() as u64);
        let mut before = 0;
        for (bucket, count) in pairs {
            put(out, bucket - before);
            put(out, count);
            before = bucket;
        }
    }

    /// Reads a stored form from the front of `bytes`; `None` when it is none.
    pub fn decode(bytes: &mut &[u8]) -> Option<Sketch> {
        let mut sketch = Sketch { count: take(bytes)?, ..Sketch::default() };
        for number in [&mut sketch.least, &mut sketch.greatest, &mut sketch.sum] {
            let (head, rest) = bytes.split_first_chunk::<8>()?;
            (*number, *bytes) = (f64::from_le_bytes(*head), rest);
        }
        let (mut bucket, mut total) = (0u64, 0u64);
        for _ in 0..take(bytes)? {
            bucket = bucket.checked_add(take(bytes)?).filter(|bucket| *bucket < BUCKETS as u64)?;
            let count = u32::try_from(take(bytes)?).ok()?;
            total = total.checked_add(u64::from(count))?;
            sketch.counts.add(bucket as usize, count);
        }
        (total == sketch.count).then_some(sketch)
    }

    fn widen(&mut self, least: f64, greatest: f64) {
        let first = self.count == 0;
        self.least = if first { least } else { self.least.min(least) };
        self.greatest = if first { greatest } else { self.greatest.max(greatest) };
    }
}

impl Counts {
    #[inline]
    fn add(&mut self, bucket: usize, count: u32) {
        if let Counts::Dense { first, counters } = self
            && let Some(slot) = counters.get_mut(bucket.wrapping_sub(*first))
        {
            *slot = slot.saturating_add(count);
        } else {
            self.add_new(bucket, count);
        }
    }

    fn add_new(&mut self, bucket: usize, count: u32) {
        match self {
            Counts::Listed(listed) => {
                let full = listed.len() >= LISTED_MAX;
                let at = listed.partition_point(|(other, _)| usize::from(*other) < bucket);
                match listed.get_mut(at) {
                    Some((other, slot)) if usize::from(*other) == bucket => *slot = slot.saturating_add(count),
                    _ if !full => listed.insert(at, (bucket as u16, count)),
                    _ => {
                        self.unfold();
                        self.add(bucket, count);
                    }
                }
            }
            Counts::Dense { first, counters } => {
                let begin = (bucket / OCTAVE * OCTAVE).min(*first);
                let end = ((bucket / OCTAVE + 1) * OCTAVE).max(*first + counters.len());
                let mut wider = vec![0; end - begin];
                wider.iter_mut().skip(*first - begin).zip(&*counters).for_each(|(slot, count)| *slot = *count);
                if let Some(slot) = wider.get_mut(bucket - begin) {
                    *slot = count;
                }
                (*first, *counters) = (begin, wider);
            }
        }
    }

    fn unfold(&mut self) {
        let Counts::Listed(listed) = std::mem::take(self) else { return };
        let first = listed.first().map_or(0, |(bucket, _)| usize::from(*bucket) / OCTAVE * OCTAVE);
        *self = Counts::Dense { first, counters: vec![0; OCTAVE] };
        listed.iter().for_each(|(bucket, count)| self.add(usize::from(*bucket), *count));
    }

    /// Calls `visit(bucket, count)` in order, until it returns false.
    fn each(&self, visit: &mut dyn FnMut(usize, u32) -> bool) {
        match self {
            Counts::Listed(listed) => {
                listed.iter().all(|(bucket, count)| visit(usize::from(*bucket), *count));
            }
            Counts::Dense { first, counters } => {
                (*first..).zip(counters).filter(|(_, count)| **count > 0).all(|(bucket, count)| visit(bucket, *count));
            }
        }
    }
}

/// Appends a number as LEB128.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a LEB128 number from the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (shift < 63 || *byte <= 1).then_some(number);
        }
    }
    None
}

/// The last bucket of the first octave holds what is not told apart; the next octave begins at [`SMALLEST`].
#[inline]
fn bucket(value: f64) -> usize {
    let bits = (value * (1.0 / SMALLEST)).max(0.0).to_bits() >> UNUSED_BITS;
    let above = bits.saturating_sub(ONE - 1).min((BUCKETS - OCTAVE) as u64);
    OCTAVE - 1 + above as usize
}

fn answer(bucket: usize) -> f64 {
    let Some(above) = bucket.checked_sub(OCTAVE) else { return 0.0 };
    let lowest = (above as u64 + ONE) << UNUSED_BITS;
    f64::from_bits(lowest | 1 << (UNUSED_BITS - 1)) * SMALLEST
}

/// Equal when they answer alike, whatever they look like in memory.
impl PartialEq for Sketch {
    fn eq(&self, other: &Sketch) -> bool {
        let bytes = |sketch: &Sketch| {
            let mut out = Vec::new();
            sketch.encode(&mut out);
            out
        };
        bytes(self) == bytes(other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.insert(*value));
        sketch
    }

    fn durations() -> impl Strategy<Value = Vec<f64>> {
        // Evenly spread over the magnitudes.
        proptest::collection::vec((-6.0..23.0f64).prop_map(f64::exp), 1..300)
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_the_promised_error(mut values in durations(), q in 0.0..=1.0f64) {
            let found = sketch(&values).quantile(q).unwrap();
            values.sort_by(f64::total_cmp);
            let exact = values[(q * (values.len() - 1) as f64) as usize];
            prop_assert!((found - exact).abs() <= exact * RELATIVE_ERROR + 1e-9, "{found} for {exact}");
        }

        #[test]
        fn merging_is_the_same_as_having_seen_everything(a in durations(), b in durations(), q in 0.0..=1.0f64) {
            let mut merged = sketch(&a);
            merged.merge(&sketch(&b));
            let whole = sketch(&[a, b].concat());
            prop_assert_eq!(merged.count(), whole.count());
            prop_assert_eq!(merged.quantile(q), whole.quantile(q));
        }
    }

    proptest! {
        #[test]
        fn it_reads_back(values in durations(), cut in any::<proptest::sample::Index>(), noise: Vec<u8>) {
            let sketch = sketch(&values);
            let mut bytes = Vec::new();
            sketch.encode(&mut bytes);
            let cut = cut.index(bytes.len());
            prop_assert!(Sketch::decode(&mut &bytes[..cut]).is_none());
            bytes.extend_from_slice(b"rest");
            let mut rest = &bytes[..];
            prop_assert_eq!(Sketch::decode(&mut rest), Some(sketch));
            prop_assert_eq!(rest, b"rest");
            let _ = Sketch::decode(&mut &noise[..]);
        }
    }

    #[test]
    fn the_constants_agree() {
        assert_eq!((bucket(0.0), bucket(SMALLEST / 2.0), bucket(SMALLEST)), (OCTAVE - 1, OCTAVE - 1, OCTAVE));
        assert!(bucket(LARGEST) < BUCKETS - 1 && bucket(1e300) == BUCKETS - 1);
        assert!((answer(bucket(100.0)) - 99.84).abs() < 0.005);
    }

    #[test]
    fn extremes_and_nonsense_are_survived() {
        let odd = sketch(&[f64::NAN, f64::INFINITY, -1.0]);
        assert_eq!((odd.count(), odd.mean(), odd.quantile(0.5)), (0, None, None));
        let wide = sketch(&[0.0, 1e300]);
        assert_eq!((wide.quantile(0.0), wide.quantile(1.0)), (Some(0.0), Some(answer(BUCKETS - 1))));
        assert_eq!(sketch(&[150.0]).quantile(0.95), Some(150.0));
    }
}
