//! One governor limiter with its rate, and the steady time that it is fed with.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::{Clock, Millis};

use super::allowance::{Refused, Standing, Unit};

/// Longest time in which a burst may refill; keeps governor's 64-bit nanoseconds far from their end.
const WINDOW_MAX: Duration = Duration::from_secs(31 * 86_400);
/// A clock that seems to go back by no more than this is two threads passing each other.
const JITTER_MS: i64 = 1_000;

/// So many per so long, with a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    period: Duration,
    burst: NonZeroU32,
}

/// A rate cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Count, time or burst is zero.
    #[error("a rate needs a count, a time and a burst above zero")]
    Zero,
    /// More than one in a nanosecond.
    #[error("the rate is too high to be measured")]
    TooHigh,
    /// The burst would take more than 31 days to refill.
    #[error("the burst would take more than 31 days to refill")]
    TooSlow,
}

impl Rate {
    /// `count` in `per`, and up to `burst` at once.
    pub fn new(count: u32, per: Duration, burst: u32) -> Result<Rate, RateError> {
        let burst = NonZeroU32::new(burst).ok_or(RateError::Zero)?;
        if count == 0 || per.is_zero() {
            return Err(RateError::Zero);
        }
        let period = per / count;
        if period.is_zero() {
            return Err(RateError::TooHigh);
        }
        match period.checked_mul(burst.get()) {
            Some(window) if window <= WINDOW_MAX => Ok(Rate { period, burst }),
            Some(_) | None => Err(RateError::TooSlow),
        }
    }

    /// The time in which one is refilled.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The most at once.
    pub fn burst(&self) -> u32 {
        self.burst.get()
    }

    /// The time in which the whole burst is refilled.
    pub fn window(&self) -> Duration {
        self.period.saturating_mul(self.burst.get())
    }

    fn quota(&self) -> Quota {
        Quota::with_period(self.period).expect("a rate's period is above zero").allow_burst(self.burst)
    }
}

/// Time that only goes forward, made of a wall clock that may be set back.
///
/// A limiter that saw the wall clock fall back by an hour would refuse everybody for an hour; here the fall is added back.
/// A jump forward only refills.
pub(super) struct SteadyClock {
    wall: Arc<dyn Clock>,
    state: Mutex<SteadyState>,
}

struct SteadyState {
    /// The latest wall time seen since the last fall.
    latest: Millis,
    /// Steady milliseconds at `latest`.
    elapsed_ms: i64,
}

impl SteadyClock {
    pub(super) fn new(wall: Arc<dyn Clock>) -> SteadyClock {
        let latest = wall.now();
        SteadyClock { wall, state: Mutex::new(SteadyState { latest, elapsed_ms: 0 }) }
    }

    /// Milliseconds since this clock was made; never falls.
    pub(super) fn elapsed_ms(&self) -> i64 {
        let now = self.wall.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let step = now.since(state.latest);
        let fell = step < -JITTER_MS;
        if step > 0 {
            state.elapsed_ms = state.elapsed_ms.saturating_add(step);
        }
        if step > 0 || fell {
            state.latest = now;
        }
        state.elapsed_ms
    }

    /// The wall clock's time.
    pub(super) fn now(&self) -> Millis {
        self.wall.now()
    }
}

/// The steady clock as governor wants it.
#[derive(Clone)]
struct Ticks(Arc<SteadyClock>);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.0.elapsed_ms()).unwrap_or(0).saturating_mul(1_000_000))
    }
}

/// A limiter, its rate and the name under which it is published.
pub(super) struct Meter {
    policy: &'static str,
    unit: Unit,
    rate: Rate,
    ticks: Ticks,
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>,
}

impl Meter {
    /// A meter with the whole burst free.
    pub(super) fn new(policy: &'static str, unit: Unit, rate: Rate, clock: &Arc<SteadyClock>) -> Meter {
        let ticks = Ticks(Arc::clone(clock));
        let limiter = RateLimiter::direct_with_clock(rate.quota(), ticks.clone()).with_middleware();
        Meter { policy, unit, rate, ticks, limiter }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes `n`, all or nothing.
    pub(super) fn take(&self, n: NonZeroU32) -> Result<Standing, Refused> {
        match self.limiter.check_n(n) {
            Err(_) => Err(Refused::TooMany { policy: self.policy, most: u64::from(self.rate.burst()) }),
            Ok(Ok(state)) => {
                let left = state.remaining_burst_capacity().min(self.rate.burst());
                let missing = self.rate.burst() - left;
                Ok(self.standing(left, self.rate.period.saturating_mul(missing)))
            }
            Ok(Err(not_until)) => Err(Refused::Later(self.standing(0, not_until.wait_time_from(self.ticks.now())))),
        }
    }

    fn standing(&self, remaining: u32, reset: Duration) -> Standing {
        Standing {
            policy: self.policy,
            unit: self.unit,
            quota: u64::from(self.rate.burst()),
            window_s: whole_seconds(self.rate.window()).max(1),
            remaining: u64::from(remaining),
            reset_s: whole_seconds(reset),
        }
    }
}

/// Rounded up: a caller that comes back after so many seconds must not be too early.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    fn manual() -> (Arc<ManualClock>, Arc<SteadyClock>) {
        let wall = Arc::new(ManualClock::at(Millis(1_000_000)));
        let clock = Arc::new(SteadyClock::new(Arc::clone(&wall) as Arc<dyn Clock>));
        (wall, clock)
    }

    fn meter(rate: Rate, clock: &Arc<SteadyClock>) -> Meter {
        Meter::new("test", Unit::Requests, rate, clock)
    }

    fn take(meter: &Meter, n: u32) -> Result<Standing, Refused> {
        meter.take(NonZeroU32::new(n).unwrap())
    }

    #[test]
    fn rates_that_cannot_be_kept_are_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(Rate::new(0, second, 1), Err(RateError::Zero));
        assert_eq!(Rate::new(1, second, 0), Err(RateError::Zero));
        assert_eq!(Rate::new(1, Duration::ZERO, 1), Err(RateError::Zero));
        assert_eq!(Rate::new(2, Duration::from_nanos(1), 1), Err(RateError::TooHigh));
        assert_eq!(Rate::new(1, Duration::from_secs(86_400), 32), Err(RateError::TooSlow));
        assert_eq!(Rate::new(1, Duration::MAX, u32::MAX), Err(RateError::TooSlow));
        assert!(Rate::new(u32::MAX, second, u32::MAX).is_err());
    }

    #[test]
    fn the_burst_passes_then_one_per_period() {
        let (wall, clock) = manual();
        let meter = meter(Rate::new(2, Duration::from_secs(1), 3).unwrap(), &clock);
        let standing = |remaining, reset_s| Standing {
            policy: "test",
            unit: Unit::Requests,
            quota: 3,
            window_s: 2,
            remaining,
            reset_s,
        };
        assert_eq!(take(&meter, 1), Ok(standing(2, 1)));
        assert_eq!(take(&meter, 1), Ok(standing(1, 1)));
        assert_eq!(take(&meter, 1), Ok(standing(0, 2)));
        assert_eq!(take(&meter, 1), Err(Refused::Later(standing(0, 1))));
        wall.advance(499);
        assert!(take(&meter, 1).is_err());
        wall.advance(1);
        assert_eq!(take(&meter, 1), Ok(standing(0, 2)));
    }

    #[test]
    fn more_than_the_burst_is_told_from_too_soon() {
        let (_, clock) = manual();
        let meter = meter(Rate::new(1, Duration::from_secs(1), 3).unwrap(), &clock);
        assert_eq!(take(&meter, 4), Err(Refused::TooMany { policy: "test", most: 3 }));
        assert_eq!(take(&meter, 3).unwrap().remaining, 0);
        assert!(matches!(take(&meter, 3), Err(Refused::Later(standing)) if standing.reset_s == 3));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let (wall, clock) = manual();
        let meter = meter(Rate::new(1, Duration::from_secs(1), 1).unwrap(), &clock);
        assert!(take(&meter, 1).is_ok());
        wall.advance(-3_600_000);
        assert!(take(&meter, 1).is_err());
        wall.advance(1_000);
        assert!(take(&meter, 1).is_ok());
    }

    proptest! {
        /// In any sequence of takes, a refused caller who waits as long as it was told gets through.
        #[test]
        fn coming_back_when_told_always_succeeds(
            count in 1..1_000u32, burst in 1..500u32, takes in prop::collection::vec((1..500u32, 0..2_000i64), 1..50),
        ) {
            let (wall, clock) = manual();
            let meter = meter(Rate::new(count, Duration::from_secs(1), burst).unwrap(), &clock);
            for (n, pause_ms) in takes {
                match take(&meter, n) {
                    Ok(standing) => prop_assert!(standing.remaining <= u64::from(burst)),
                    Err(Refused::TooMany { most, .. }) => prop_assert!(u64::from(n) > most),
                    Err(refused @ Refused::Later(_)) => {
                        wall.advance(refused.retry_after_s().unwrap() as i64 * 1_000);
                        prop_assert!(take(&meter, n).is_ok());
                    }
                }
                wall.advance(pause_ms);
            }
        }

        #[test]
        fn steady_time_never_falls(steps in prop::collection::vec(-100_000..100_000i64, 1..100)) {
            let (wall, clock) = manual();
            let mut last = 0;
            for step in steps {
                wall.advance(step);
                let now = clock.elapsed_ms();
                prop_assert!(now >= last);
                last = now;
            }
        }
    }
}
