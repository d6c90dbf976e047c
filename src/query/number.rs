//! Numbers in answers.

pub use crate::sketch::{RELATIVE_ERROR, Sketch};

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
    use super::*;

    #[test]
    fn rounds_to_decimals_and_leaves_giants_alone() {
        assert_eq!((round(125.46, 1), round(0.02, 4), round(1e300, 3)), (125.5, 0.02, 1e300));
        assert_eq!((rate(1, 3), rate(5, 0)), (0.3333, 0.0));
    }
}
