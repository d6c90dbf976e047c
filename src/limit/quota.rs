//! How many events a tenant may send on a day, UTC.
//!
//! Counted in memory: after a restart the count starts with what [`DailyQuota::seed`] is told, else at zero. The map
//! holds the current day only, so it never has more entries than there are tenants.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::{DAY_MS, Millis};
use crate::id::TenantId;

use super::allowance::{Refused, Standing, Unit};

const POLICY: &str = "tenant-events-daily";

#[derive(Default)]
struct Day {
    day: i64,
    used: HashMap<TenantId, u64>,
}

/// The events of the current day.
#[derive(Default)]
pub(super) struct DailyQuota {
    today: Mutex<Day>,
}

impl DailyQuota {
    /// Says what a tenant has used on the day of `now`, for instance before a restart.
    pub(super) fn seed(&self, tenant: TenantId, used: u64, now: Millis) {
        self.at(now).used.insert(tenant, used);
    }

    /// Takes `n` of the tenant's `quota`, all or nothing; `None` if the quota is 0, which means no limit.
    pub(super) fn take(&self, tenant: TenantId, n: u64, quota: u64, now: Millis) -> Result<Option<Standing>, Refused> {
        if quota == 0 {
            return Ok(None);
        }
        if n > quota {
            return Err(Refused::TooMany { policy: POLICY, most: quota });
        }
        let mut today = self.at(now);
        let reset_ms = Millis((today.day + 1) * DAY_MS).since(now).max(0);
        let standing = |remaining| Standing {
            policy: POLICY,
            unit: Unit::Events,
            quota,
            window_s: DAY_MS as u64 / 1_000,
            remaining,
            reset_s: (reset_ms as u64).div_ceil(1_000),
        };
        let used = today.used.entry(tenant).or_default();
        match used.checked_add(n) {
            Some(sum) if sum <= quota => {
                *used = sum;
                Ok(Some(standing(quota - sum)))
            }
            Some(_) | None => Err(Refused::Later(standing(quota.saturating_sub(*used)))),
        }
    }

    /// The counts of the day of `now`. A clock that is set back stays on the later day: a day is not granted twice.
    fn at(&self, now: Millis) -> MutexGuard<'_, Day> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if now.day() > today.day {
            *today = Day { day: now.day(), used: HashMap::new() };
        }
        today
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId([1; 8]);
    const MORNING: Millis = Millis(20_000 * DAY_MS + 1);

    #[test]
    fn the_quota_is_whole_again_at_midnight_utc() {
        let quota = DailyQuota::default();
        let taken = quota.take(TENANT, 8, 10, MORNING).unwrap().unwrap();
        assert_eq!((taken.remaining, taken.reset_s, taken.window_s), (2, 86_400, 86_400));
        let refused = quota.take(TENANT, 3, 10, Millis(20_001 * DAY_MS - 1)).unwrap_err();
        assert_eq!(refused.retry_after_s(), Some(1));
        assert!(quota.take(TENANT, 2, 10, MORNING).is_ok());
        assert!(quota.take(TENANT, 3, 10, Millis(20_001 * DAY_MS)).is_ok());
        assert!(quota.take(TENANT, 8, 10, MORNING).is_err());
    }

    #[test]
    fn zero_means_no_limit_and_too_much_at_once_is_told_apart() {
        let quota = DailyQuota::default();
        assert_eq!(quota.take(TENANT, u64::MAX, 0, MORNING), Ok(None));
        assert_eq!(quota.take(TENANT, 11, 10, MORNING), Err(Refused::TooMany { policy: POLICY, most: 10 }));
    }

    #[test]
    fn tenants_do_not_share_and_what_was_used_before_counts() {
        let quota = DailyQuota::default();
        quota.seed(TENANT, 10, MORNING);
        assert!(quota.take(TENANT, 1, 10, MORNING).is_err());
        assert!(quota.take(TenantId([2; 8]), 10, 10, MORNING).is_ok());
    }
}
