//! Repeatable randomness for made-up traffic.
//!
//! SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): the same seed gives the same story on
//! every machine. Nothing secret is ever drawn here.

use std::f64::consts::TAU;

/// A seeded generator.
#[derive(Clone)]
pub(super) struct Rng(u64);

impl Rng {
    /// A generator for one purpose: the same `seed` with another `stream` is independent.
    pub(super) fn new(seed: u64, stream: u64) -> Rng {
        let mut rng = Rng(seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F));
        rng.0 = rng.bits();
        rng
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A number in `low..high`.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low))
    }

    /// `true` with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of `items`, each as likely as the other.
    pub(super) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        items.get(self.below(items.len())).expect("the tables of the demo have entries")
    }

    /// One of `items`, the first ones far more often than the last.
    pub(super) fn pick_early<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        let rank = (self.unit().powi(2) * items.len() as f64) as usize;
        items.get(rank).expect("the square of a number below 1 is below 1, and the tables have entries")
    }

    /// A log-normal number: durations and pauses have many short and few long ones.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let (u, v) = ((1.0 - self.unit()).max(f64::MIN_POSITIVE), self.unit());
        median * (sigma * (-2.0 * u.ln()).sqrt() * (TAU * v).cos()).exp()
    }

    /// `n` characters of `alphabet`, which is ASCII.
    pub(super) fn text(&mut self, alphabet: &str, n: usize) -> String {
        (0..n).map(|_| char::from(*self.pick(alphabet.as_bytes()))).collect()
    }

    /// `n` decimal digits.
    pub(super) fn digits(&mut self, n: usize) -> String {
        self.text("0123456789", n)
    }

    /// `n` lower-case hex digits.
    pub(super) fn hex(&mut self, n: usize) -> String {
        self.text("0123456789abcdef", n)
    }

    /// `n` letters and digits.
    pub(super) fn token(&mut self, n: usize) -> String {
        self.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_stream_fix_everything() {
        let draw = |seed, stream| Rng::new(seed, stream).bits();
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn numbers_stay_in_their_ranges() {
        let mut rng = Rng::new(1, 1);
        for _ in 0..10_000 {
            assert!((0.0..1.0).contains(&rng.unit()));
            assert!((3..9).contains(&rng.between(3, 9)));
            assert!(rng.log_normal(10.0, 1.0) > 0.0);
            rng.pick_early(&[1, 2, 3]);
        }
    }
}
