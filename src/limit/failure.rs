//! Failed authentications of a client address.
//!
//! A burst of failures is free, since people mistype; after it the address is blocked until one more is. The check
//! comes before the credential is looked at, so a blocked address learns nothing, and a guess costs no signature check.
//!
//! Addresses are cut to what one customer has (IPv4 /32, IPv6 /64) and live in memory until their failures are refilled. The
//! map is capped. When it is full, further addresses go unwatched rather than unserved: a secret has 256 bits and
//! cannot be guessed, while a cap that blocked strangers would let anyone with many addresses lock everybody out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;

use super::allowance::{Refused, Standing, Unit};
use super::meter::{Meter, Rate, SteadyClock};

const POLICY: &str = "authentication-failures";
/// The least time between two sweeps of a full map.
const SWEEP_MS_MIN: i64 = 1_000;

/// The failures of every address that had some lately.
pub struct AuthFailures {
    clock: Arc<SteadyClock>,
    addresses_max: usize,
    state: Mutex<State>,
}

struct State {
    rate: Option<Rate>,
    failed: HashMap<IpAddr, Failed>,
    swept_ms: i64,
}

struct Failed {
    meter: Meter,
    /// Steady time at which every failure is refilled.
    whole_ms: i64,
    /// The refusal that stands, and the steady time at which it ends.
    blocked: Option<(Standing, i64)>,
}

impl AuthFailures {
    /// Allows `rate` failures to an address (`None`: any number) and watches at most `addresses_max`.
    pub fn new(rate: Option<Rate>, addresses_max: usize, clock: Arc<dyn Clock>) -> AuthFailures {
        let state = State { rate, failed: HashMap::new(), swept_ms: 0 };
        AuthFailures { clock: Arc::new(SteadyClock::new(clock)), addresses_max, state: Mutex::new(state) }
    }

    /// Sets another rate; what is counted is forgotten if it differs.
    pub fn reload(&self, rate: Option<Rate>) {
        let mut state = self.state();
        if state.rate != rate {
            state.failed.clear();
            state.rate = rate;
        }
    }

    /// Whether requests from the address must be refused, unseen, with 429.
    pub fn blocked(&self, address: IpAddr) -> Result<(), Refused> {
        let now_ms = self.clock.elapsed_ms();
        match self.state().failed.get(&customer(address)).and_then(|failed| failed.blocked) {
            Some((standing, until_ms)) if now_ms < until_ms => {
                let reset_s = u64::try_from(until_ms - now_ms).unwrap_or(0).div_ceil(1_000);
                Err(Refused::Later(Standing { reset_s, ..standing }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a failure of the address.
    pub fn failed(&self, address: IpAddr) {
        let now_ms = self.clock.elapsed_ms();
        let mut state = self.state();
        let Some(rate) = state.rate else { return };
        let address = customer(address);
        if !state.failed.contains_key(&address) && !state.make_room(self.addresses_max, now_ms) {
            return;
        }
        let failed = state.failed.entry(address).or_insert_with(|| Failed {
            meter: Meter::new(POLICY, Unit::Requests, rate, &self.clock),
            whole_ms: now_ms,
            blocked: None,
        });
        failed.count(now_ms);
    }

    /// Forgets the addresses whose failures are refilled; answers how many are still watched.
    pub fn sweep(&self) -> usize {
        let now_ms = self.clock.elapsed_ms();
        let mut state = self.state();
        state.sweep(now_ms);
        state.failed.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room(&mut self, addresses_max: usize, now_ms: i64) -> bool {
        if self.failed.len() >= addresses_max && now_ms - self.swept_ms >= SWEEP_MS_MIN {
            self.sweep(now_ms);
        }
        self.failed.len() < addresses_max
    }

    fn sweep(&mut self, now_ms: i64) {
        self.failed.retain(|_, failed| now_ms < failed.whole_ms);
        self.failed.shrink_to_fit();
        self.swept_ms = now_ms;
    }
}

impl Failed {
    fn count(&mut self, now_ms: i64) {
        let period_ms = millis_up(self.meter.rate().period().as_nanos());
        let window_ms = millis_up(self.meter.rate().window().as_nanos());
        match self.meter.take(NonZeroU32::MIN) {
            // The last free failure: the next attempt waits until one is refilled.
            Ok(standing) if standing.remaining == 0 => self.blocked = Some((standing, now_ms + period_ms)),
            Ok(_) => {}
            Err(Refused::Later(standing)) => self.blocked = Some((standing, now_ms + period_ms)),
            Err(Refused::TooMany { .. }) => {}
        }
        self.whole_ms = now_ms + window_ms;
    }
}

fn millis_up(nanos: u128) -> i64 {
    i64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// The part of an address that one customer of a provider has.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, Millis};

    fn failures(addresses_max: usize) -> (Arc<ManualClock>, AuthFailures) {
        let wall = Arc::new(ManualClock::at(Millis(5)));
        let rate = Rate::new(6, Duration::from_secs(60), 3).unwrap();
        let failures = AuthFailures::new(Some(rate), addresses_max, Arc::clone(&wall) as Arc<dyn Clock>);
        (wall, failures)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn retry_after(failures: &AuthFailures, address: &str) -> Option<u64> {
        failures.blocked(ip(address)).err().and_then(|refused| refused.retry_after_s())
    }

    #[test]
    fn the_burst_is_free_and_then_the_address_waits() {
        let (wall, failures) = failures(10);
        for _ in 0..3 {
            assert_eq!(retry_after(&failures, "192.0.2.1"), None);
            failures.failed(ip("192.0.2.1"));
        }
        assert_eq!(retry_after(&failures, "192.0.2.1"), Some(10));
        assert_eq!(retry_after(&failures, "::ffff:192.0.2.1"), Some(10));
        assert_eq!(retry_after(&failures, "192.0.2.2"), None);
        wall.advance(9_001);
        assert_eq!(retry_after(&failures, "192.0.2.1"), Some(1));
        wall.advance(999);
        assert_eq!(retry_after(&failures, "192.0.2.1"), None);
        failures.failed(ip("192.0.2.1"));
        assert_eq!(retry_after(&failures, "192.0.2.1"), Some(10));
    }

    #[test]
    fn a_network_of_one_customer_counts_as_one() {
        let (_, failures) = failures(10);
        for last in 1..=3 {
            failures.failed(ip(&format!("2001:db8:1:2::{last}")));
        }
        assert!(retry_after(&failures, "2001:db8:1:2:ffff::9").is_some());
        assert_eq!(retry_after(&failures, "2001:db8:1:3::1"), None);
    }

    #[test]
    fn a_full_map_leaves_strangers_alone_and_makes_room_with_time() {
        let (wall, failures) = failures(2);
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            (0..9).for_each(|_| failures.failed(ip(address)));
        }
        assert!(retry_after(&failures, "192.0.2.2").is_some());
        assert_eq!(retry_after(&failures, "192.0.2.3"), None);
        assert_eq!(failures.sweep(), 2);
        wall.advance(30_000);
        failures.failed(ip("192.0.2.3"));
        assert_eq!(failures.sweep(), 1);
    }

    #[test]
    fn without_a_rate_nobody_is_watched() {
        let (_, failures) = failures(2);
        failures.reload(None);
        (0..9).for_each(|_| failures.failed(ip("192.0.2.1")));
        assert_eq!(retry_after(&failures, "192.0.2.1"), None);
        assert_eq!(failures.sweep(), 0);
    }
}
