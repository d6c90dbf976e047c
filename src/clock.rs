//! Time as a value.
//!
//! Owns the one type that the whole house uses for a moment ([`Millis`]) and the one seam through which the current
//! moment enters ([`Clock`]). Layers below the rims never ask for the time; they are told.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The number of whole days since the epoch; negative before 1970.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// This moment moved by `ms`, saturating.
    pub fn plus(self, ms: i64) -> Millis {
        Millis(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    pub fn since(self, earlier: Millis) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses an RFC 3339 date-time; fractions below a millisecond are dropped.
    pub fn parse_rfc3339(text: &str) -> Option<Millis> {
        DateTime::parse_from_rfc3339(text).ok().map(|t| Millis(t.timestamp_millis()))
    }
}

/// RFC 3339 with milliseconds and `Z`, such as `2026-11-22T13:15:00.000Z`; moments outside the calendar print as `invalid`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(t) => f.write_str(&t.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => f.write_str("invalid"),
        }
    }
}

/// Where the current moment comes from.
pub trait Clock: Send + Sync {
    /// The current moment.
    fn now(&self) -> Millis;
}

/// The machine's wall clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the time comes in")]
    fn now(&self) -> Millis {
        Millis(Utc::now().timestamp_millis())
    }
}

/// A clock that stands still until it is moved; for tests and replays.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock standing at `now`.
    pub fn at(now: Millis) -> Self {
        ManualClock(AtomicI64::new(now.0))
    }

    /// Moves the clock forwards (or, negative, backwards) by `ms`.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        let t = Millis::parse_rfc3339("2026-11-22T13:15:00.488577+02:00").unwrap();
        assert_eq!(t.to_string(), "2026-11-22T11:15:00.488Z");
        assert_eq!(Millis::parse_rfc3339(&t.to_string()), Some(t));
    }

    #[test]
    fn days_before_the_epoch_are_negative() {
        assert_eq!(Millis(-1).day(), -1);
        assert_eq!(Millis(DAY_MS).day(), 1);
    }
}
