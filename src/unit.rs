//! Durations and sizes as people write them: a whole number and a unit, `"30m"`, `"256KiB"`.
//!
//! A number without a unit is refused, because nobody remembers whether it was seconds or milliseconds. What is printed
//! reads back to the same value.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads a duration such as `2ms`, `10s`, `30m`, `1h`, `90d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATIONS).map(Duration::from_millis)
}

/// Writes a duration in the largest unit that keeps it whole; what is below a millisecond is lost.
pub fn print_duration(value: Duration) -> String {
    print(u64::try_from(value.as_millis()).unwrap_or(u64::MAX), &DURATIONS)
}

/// Reads a size such as `512B`, `256KiB`, `1GiB`. Decimal units (`KB`) are refused: half of the world means 1024 by them.
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// Writes a size in the largest unit that keeps it whole.
pub fn print_size(bytes: u64) -> String {
    print(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn print(value: u64, units: &[(&str, u64)]) -> String {
    let whole = units.iter().rev().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    let smallest = units.first();
    whole.or(smallest).map(|(name, factor)| format!("{}{name}", value / factor)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_a_number_and_a_unit_and_nothing_else() {
        assert_eq!(parse_duration("30m"), Some(Duration::from_secs(1800)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        assert_eq!(parse_size("256KiB"), Some(262_144));
        for bad in
            ["", "30", "m", "30 m", "-1s", "1.5h", "30M", "+3s", "18446744073709551616ms", "999999999999999999d", "3é"]
        {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(parse_size("1KB"), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value: u64) {
            prop_assert_eq!(parse_size(&print_size(value)), Some(value));
            prop_assert_eq!(parse_duration(&print_duration(Duration::from_millis(value))), Some(Duration::from_millis(value)));
        }
    }
}
