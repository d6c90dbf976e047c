//! When events arrive: never before those that arrived earlier.
//!
//! Buckets, retention and pages of exports go by arrival. A wall clock that is set back by a little, as clocks are now and then, also while the gateway
//! was not running, would put rows into buckets that are closed; so arrival stands still until the clock has caught up. One that is set back by more was
//! wrong before or is wrong now, and nobody here can tell which: it is believed, and said. Were it not, one wrong hour far in the future would
//! keep all rows from then on until that hour has come. Rows that such a clock puts into a closed bucket are kept, found and counted like others.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::{HOUR_MS, Millis};

/// How far arrival may be ahead of the wall clock.
const AHEAD_MS_MAX: i64 = HOUR_MS;

/// The newest moment of arrival.
#[derive(Debug)]
pub struct Arrivals {
    newest: AtomicI64,
}

impl Arrivals {
    /// Arrivals that go on from `newest`, if anything has arrived before.
    pub fn after(newest: Option<Millis>) -> Arrivals {
        Arrivals { newest: AtomicI64::new(newest.map_or(i64::MIN, |newest| newest.0)) }
    }

    /// The arrival of what comes in when the wall clock says `now`.
    pub fn at(&self, now: Millis) -> Millis {
        let newest = Millis(self.newest.fetch_max(now.0, Ordering::Relaxed));
        if newest.since(now) <= AHEAD_MS_MAX {
            return newest.max(now);
        }
        // Only who sets it back tells.
        if self.newest.compare_exchange(newest.0, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::error!(
                "the wall clock is more than an hour behind the newest event: it is believed; should it be wrong, stop the gateway before it is set right"
            );
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = Millis(1_795_000_000_000);

    #[test]
    fn arrival_does_not_go_back_by_little_and_follows_a_clock_that_was_set_anew() {
        let arrivals = Arrivals::after(Some(NOON));
        assert_eq!(arrivals.at(NOON.plus(-60_000)), NOON, "also over a restart");
        assert_eq!(arrivals.at(NOON.plus(5)), NOON.plus(5));
        assert_eq!(arrivals.at(NOON.plus(5 - HOUR_MS)), NOON.plus(5));
        let set_back = NOON.plus(-2 * HOUR_MS);
        assert_eq!(arrivals.at(set_back), set_back);
        assert_eq!(arrivals.at(set_back.plus(-1)), set_back, "and goes on from there");
        assert_eq!(Arrivals::after(None).at(NOON), NOON);
    }
}
