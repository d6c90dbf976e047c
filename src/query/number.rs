//! Numbers in answers: percentiles without keeping the values, and rounding.
//!
//! [`Sketch`] is a DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019) over milliseconds.
//! Bucket `i` counts the values in `(S·γ^(i-1), S·γ^i]` with `γ = (1+α)/(1-α)` and `S` the smallest value told apart; any value in it is
//! within the share `α` of the answer `2·S·γ^i/(γ+1)`. For example 100 ms falls into bucket 576, which answers 99.7 ms.
//!
//! It is exact in its merge (counts add up), and bounded: a sketch of few values lists its buckets, one of many has `BUCKETS` counters.

/// The share by which a percentile may be wrong.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Values up to this many milliseconds are not told apart: a microsecond is the resolution of the clocks that senders have.
const SMALLEST: f64 = 0.001;
/// Beyond this many milliseconds (115 days) percentiles are no longer within [`RELATIVE_ERROR`].
#[cfg(test)]
const LARGEST: f64 = 1e10;
/// `γ = (1+α)/(1-α)`.
const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
/// `ln γ`; `f64::ln` is not const.
const LN_GAMMA: f64 = 0.020_000_666_706_669_435;
/// Enough for 1 µs to 115 days: `ln(LARGEST/SMALLEST) / ln γ`, and the bucket of what is smaller.
const BUCKETS: usize = 1498;
/// A sketch lists its buckets up to this many (512 B); then it has a counter for each (6 kB). So memory stays below 100 B a value.
const LISTED_MAX: usize = 64;

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
    /// All buckets.
    Every(Box<[u32]>),
}

impl Default for Counts {
    fn default() -> Self {
        Counts::Listed(Vec::new())
    }
}

impl Sketch {
    /// Adds one value. What is no duration (negative, not finite) is not counted.
    pub fn insert(&mut self, value: f64) {
        if !value.is_finite() || value < 0.0 {
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

    fn widen(&mut self, least: f64, greatest: f64) {
        let first = self.count == 0;
        self.least = if first { least } else { self.least.min(least) };
        self.greatest = if first { greatest } else { self.greatest.max(greatest) };
    }
}

impl Counts {
    fn add(&mut self, bucket: usize, count: u32) {
        match self {
            Counts::Every(all) => {
                if let Some(slot) = all.get_mut(bucket) {
                    *slot = slot.saturating_add(count);
                }
            }
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
        }
    }

    fn unfold(&mut self) {
        let mut all = vec![0u32; BUCKETS].into_boxed_slice();
        self.each(&mut |bucket, count| {
            if let Some(slot) = all.get_mut(bucket) {
                *slot = count;
            }
            true
        });
        *self = Counts::Every(all);
    }

    /// Calls `visit(bucket, count)` in order, until it returns false.
    fn each(&self, visit: &mut dyn FnMut(usize, u32) -> bool) {
        match self {
            Counts::Listed(listed) => {
                listed.iter().all(|(bucket, count)| visit(usize::from(*bucket), *count));
            }
            Counts::Every(all) => {
                all.iter().enumerate().filter(|(_, count)| **count > 0).all(|(bucket, count)| visit(bucket, *count));
            }
        }
    }
}

fn bucket(value: f64) -> usize {
    if value <= SMALLEST {
        return 0;
    }
    // A cast from a float saturates.
    (((value / SMALLEST).ln() / LN_GAMMA).ceil() as usize).clamp(1, BUCKETS - 1)
}

fn answer(bucket: usize) -> f64 {
    if bucket == 0 { 0.0 } else { SMALLEST * (bucket as f64 * LN_GAMMA).exp() * 2.0 / (GAMMA + 1.0) }
}

/// `value` with that many decimals. Values so large that they have no decimals stay as they are.
pub fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    if value.abs() < 1e15 / scale { (value * scale).round() / scale } else { value }
}

/// `part / whole` with four decimals; 0 when there is nothing.
pub fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { round(part as f64 / whole as f64, 4) }
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

    #[test]
    fn the_constants_agree() {
        assert!((GAMMA.ln() - LN_GAMMA).abs() < 1e-15);
        assert_eq!(bucket(LARGEST), BUCKETS - 1);
        assert_eq!((bucket(100.0), round(answer(576), 1)), (576, 99.7));
    }

    #[test]
    fn extremes_and_nonsense_are_survived() {
        let odd = sketch(&[f64::NAN, f64::INFINITY, -1.0]);
        assert_eq!((odd.count(), odd.mean(), odd.quantile(0.5)), (0, None, None));
        let wide = sketch(&[0.0, 1e300]);
        assert_eq!((wide.quantile(0.0), wide.quantile(1.0)), (Some(0.0), Some(answer(BUCKETS - 1))));
        assert_eq!(sketch(&[150.0]).quantile(0.95), Some(150.0));
    }

    #[test]
    fn rounds_to_decimals_and_leaves_giants_alone() {
        assert_eq!((round(125.46, 1), round(0.02, 4), round(1e300, 3)), (125.5, 0.02, 1e300));
        assert_eq!((rate(1, 3), rate(5, 0)), (0.3333, 0.0));
    }
}
