//! The rates of tenants and ingest keys: in requests before a body is read, in events after it was decoded.
//!
//! governor holds one quota a limiter, so every tenant and every key has limiters of its own. They are made at first use
//! and forgotten when they have been idle for so long that they are whole again. A reload replaces only the limiters
//! whose rate has changed: the others keep their count, so that reloading gives nobody a second burst.
//!
//! The key is asked before its tenant: a key that has used up its share must not eat into that of its siblings. If the
//! tenant then refuses, the key has paid all the same.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::Clock;
use crate::id::{KeyId, TenantId};

use super::allowance::{Allowance, Refused, Unit};
use super::meter::{Meter, Rate, SteadyClock};
use super::quota::DailyQuota;

/// The least time between two sweeps of a full map.
const SWEEP_MS_MIN: i64 = 1_000;

/// The rates of one tenant or key; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests.
    pub requests: Option<Rate>,
    /// Events.
    pub events: Option<Rate>,
}

/// What a tenant may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantRates {
    /// Its rates.
    pub rates: Rates,
    /// Events on a day, UTC; 0 is no limit.
    pub events_daily: u64,
}

/// The limits as resolved from the configuration.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// What a tenant may send unless it is named in `tenants`.
    pub tenant: TenantRates,
    /// What certain tenants may send.
    pub tenants: HashMap<TenantId, TenantRates>,
    /// What one ingest key may send.
    pub key: Rates,
    /// How many tenants and keys are metered one by one; those beyond share a meter.
    pub owners_max: usize,
}

/// Whom a meter belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Tenant(TenantId),
    Key(KeyId),
}

impl Owner {
    fn rates(self, settings: &LimitSettings) -> Rates {
        match self {
            Owner::Tenant(id) => settings.tenants.get(&id).unwrap_or(&settings.tenant).rates,
            Owner::Key(_) => settings.key,
        }
    }

    fn policies(self) -> [&'static str; 2] {
        match self {
            Owner::Tenant(_) => ["tenant-requests", "tenant-events"],
            Owner::Key(_) => ["key-requests", "key-events"],
        }
    }
}

/// The meters of one owner.
struct Meters {
    requests: Option<Arc<Meter>>,
    events: Option<Arc<Meter>>,
    /// Steady time of the last use.
    used_ms: AtomicI64,
}

impl Meters {
    fn new(owner: Owner, rates: Rates, clock: &Arc<SteadyClock>) -> Meters {
        let [requests, events] = owner.policies();
        let meter = |policy, unit| move |rate| Arc::new(Meter::new(policy, unit, rate, clock));
        Meters {
            requests: rates.requests.map(meter(requests, Unit::Requests)),
            events: rates.events.map(meter(events, Unit::Events)),
            used_ms: AtomicI64::new(clock.elapsed_ms()),
        }
    }

    /// These meters under other rates; one whose rate stays, stays.
    fn reloaded(&self, owner: Owner, rates: Rates, clock: &Arc<SteadyClock>) -> Meters {
        let keep = |old: &Option<Arc<Meter>>, new: Option<Arc<Meter>>| match (old, new) {
            (Some(old), Some(new)) if old.rate() == new.rate() => Some(Arc::clone(old)),
            (_, new) => new,
        };
        let fresh = Meters::new(owner, rates, clock);
        Meters {
            requests: keep(&self.requests, fresh.requests),
            events: keep(&self.events, fresh.events),
            used_ms: AtomicI64::new(self.used_ms.load(Ordering::Relaxed)),
        }
    }

    fn of(&self, unit: Unit) -> Option<Arc<Meter>> {
        match unit {
            Unit::Requests => self.requests.clone(),
            Unit::Events => self.events.clone(),
        }
    }

    /// Whether every meter is whole again, so that a new one would say the same.
    fn is_idle(&self, now_ms: i64) -> bool {
        let windows = [&self.requests, &self.events].into_iter().flatten().map(|meter| meter.rate().window());
        let idle_ms = now_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed));
        windows.max().is_none_or(|window| u128::try_from(idle_ms).unwrap_or(0) > window.as_millis())
    }
}

struct Table {
    settings: LimitSettings,
    owners: HashMap<Owner, Meters>,
    /// What owners beyond the cap share.
    shared_tenant: Meters,
    shared_key: Meters,
    swept_ms: i64,
}

/// Stands in for the owners beyond the cap; no id is ever looked up by it.
const SHARED_TENANT: Owner = Owner::Tenant(TenantId([0; 8]));
const SHARED_KEY: Owner = Owner::Key(KeyId([0; 8]));

/// The limits of all tenants and keys.
pub struct Limits {
    clock: Arc<SteadyClock>,
    table: RwLock<Table>,
    daily: DailyQuota,
}

impl Limits {
    /// Limits with nothing used yet.
    pub fn new(settings: LimitSettings, clock: Arc<dyn Clock>) -> Limits {
        let clock = Arc::new(SteadyClock::new(clock));
        let table = Table {
            shared_tenant: Meters::new(SHARED_TENANT, settings.tenant.rates, &clock),
            shared_key: Meters::new(SHARED_KEY, settings.key, &clock),
            settings,
            owners: HashMap::new(),
            swept_ms: 0,
        };
        Limits { clock, table: RwLock::new(table), daily: DailyQuota::default() }
    }

    /// Puts other settings in force; limiters whose rate stays keep their count.
    pub fn reload(&self, settings: LimitSettings) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let table = &mut *table;
        for (owner, meters) in &mut table.owners {
            *meters = meters.reloaded(*owner, owner.rates(&settings), &self.clock);
        }
        table.shared_tenant = table.shared_tenant.reloaded(SHARED_TENANT, settings.tenant.rates, &self.clock);
        table.shared_key = table.shared_key.reloaded(SHARED_KEY, settings.key, &self.clock);
        table.settings = settings;
    }

    /// Takes one request of the key (if the caller used one) and of the tenant.
    pub fn check_requests(&self, tenant: TenantId, key: Option<KeyId>) -> Result<Allowance, Refused> {
        self.check(tenant, key, Unit::Requests, NonZeroU32::MIN)
    }

    /// Takes `n` events, all or none, of the key (if the caller used one), of the tenant's rate and of its day. No
    /// events take nothing.
    pub fn check_events(&self, tenant: TenantId, key: Option<KeyId>, n: u32) -> Result<Allowance, Refused> {
        let Some(n) = NonZeroU32::new(n) else { return Ok(Allowance::default()) };
        let mut allowance = self.check(tenant, key, Unit::Events, n)?;
        let quota = self.events_daily(tenant);
        allowance.add(self.daily.take(tenant, u64::from(n.get()), quota, self.clock.now())?);
        Ok(allowance)
    }

    /// Says how many events of today a tenant has used, for instance before a restart.
    pub fn seed_daily(&self, tenant: TenantId, used: u64) {
        self.daily.seed(tenant, used, self.clock.now());
    }

    /// Forgets the meters that are whole again; answers how many are left.
    pub fn sweep(&self) -> usize {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.sweep(self.clock.elapsed_ms());
        table.owners.len()
    }

    fn check(&self, tenant: TenantId, key: Option<KeyId>, unit: Unit, n: NonZeroU32) -> Result<Allowance, Refused> {
        let mut allowance = Allowance::default();
        for owner in key.map(Owner::Key).into_iter().chain([Owner::Tenant(tenant)]) {
            allowance.add(self.meter(owner, unit).map(|meter| meter.take(n)).transpose()?);
        }
        Ok(allowance)
    }

    fn events_daily(&self, tenant: TenantId) -> u64 {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.settings.tenants.get(&tenant).unwrap_or(&table.settings.tenant).events_daily
    }

    fn meter(&self, owner: Owner, unit: Unit) -> Option<Arc<Meter>> {
        let now_ms = self.clock.elapsed_ms();
        {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(meters) = table.owners.get(&owner) {
                meters.used_ms.store(now_ms, Ordering::Relaxed);
                return meters.of(unit);
            }
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.meters(owner, &self.clock, now_ms).of(unit)
    }
}

impl Table {
    /// The owner's meters, made if there is room, else the shared ones.
    fn meters(&mut self, owner: Owner, clock: &Arc<SteadyClock>, now_ms: i64) -> &Meters {
        let is_full = |table: &Table| table.owners.len() >= table.settings.owners_max;
        if is_full(self) && now_ms - self.swept_ms >= SWEEP_MS_MIN {
            self.sweep(now_ms);
        }
        if is_full(self) && !self.owners.contains_key(&owner) {
            return match owner {
                Owner::Tenant(_) => &self.shared_tenant,
                Owner::Key(_) => &self.shared_key,
            };
        }
        let rates = owner.rates(&self.settings);
        self.owners.entry(owner).or_insert_with(|| Meters::new(owner, rates, clock))
    }

    fn sweep(&mut self, now_ms: i64) {
        self.owners.retain(|_, meters| !meters.is_idle(now_ms));
        self.swept_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, Millis};

    const A: TenantId = TenantId([1; 8]);
    const B: TenantId = TenantId([2; 8]);
    const KEY: KeyId = KeyId([3; 8]);

    fn per_second(burst: u32) -> Option<Rate> {
        Some(Rate::new(1, Duration::from_secs(1), burst).unwrap())
    }

    fn settings() -> LimitSettings {
        LimitSettings {
            tenant: TenantRates {
                rates: Rates { requests: per_second(3), events: per_second(100) },
                events_daily: 150,
            },
            tenants: HashMap::new(),
            key: Rates { requests: per_second(2), events: per_second(60) },
            owners_max: 100,
        }
    }

    fn limits(settings: LimitSettings) -> (Arc<ManualClock>, Limits) {
        let wall = Arc::new(ManualClock::at(Millis(1_000)));
        let limits = Limits::new(settings, Arc::clone(&wall) as Arc<dyn Clock>);
        (wall, limits)
    }

    fn passes(limits: &Limits, tenant: TenantId, key: Option<KeyId>) -> Result<(), &'static str> {
        limits.check_requests(tenant, key).map(drop).map_err(|refused| refused.policy())
    }

    #[test]
    fn a_greedy_key_leaves_its_siblings_their_share() {
        let (_, limits) = limits(settings());
        assert_eq!(passes(&limits, A, Some(KEY)), Ok(()));
        assert_eq!(passes(&limits, A, Some(KEY)), Ok(()));
        for _ in 0..10 {
            assert_eq!(passes(&limits, A, Some(KEY)), Err("key-requests"));
        }
        assert_eq!(passes(&limits, A, Some(KeyId([4; 8]))), Ok(()));
        assert_eq!(passes(&limits, A, None), Err("tenant-requests"));
        assert_eq!(passes(&limits, B, None), Ok(()));
    }

    #[test]
    fn the_answer_names_every_policy_that_applies() {
        let (_, limits) = limits(settings());
        let allowance = limits.check_events(A, Some(KEY), 40).unwrap();
        let policies: Vec<_> = allowance.standings().iter().map(|s| (s.policy, s.quota, s.remaining)).collect();
        let expected = [("key-events", 60, 20), ("tenant-events", 100, 60), ("tenant-events-daily", 150, 110)];
        assert_eq!(policies, expected);
    }

    #[test]
    fn too_many_events_at_once_and_too_many_in_a_day_are_refused() {
        let (wall, limits) = limits(settings());
        assert_eq!(limits.check_events(A, None, 0), Ok(Allowance::default()));
        assert_eq!(limits.check_events(A, None, 101), Err(Refused::TooMany { policy: "tenant-events", most: 100 }));
        assert!(limits.check_events(A, None, 100).is_ok());
        wall.advance(100_000);
        let refused = limits.check_events(A, None, 51).unwrap_err();
        assert_eq!(refused.policy(), "tenant-events-daily");
        limits.seed_daily(A, 0);
        wall.advance(100_000);
        assert!(limits.check_events(A, None, 51).is_ok());
    }

    #[test]
    fn a_reload_keeps_the_count_of_what_stays_and_replaces_what_changes() {
        let (_, limits) = limits(settings());
        (0..3).for_each(|_| assert_eq!(passes(&limits, A, None), Ok(())));
        assert!(limits.check_events(A, None, 100).is_ok());
        limits.reload(settings());
        assert_eq!(passes(&limits, A, None), Err("tenant-requests"));

        let mut changed = settings();
        changed.tenant.rates.requests = per_second(5);
        limits.reload(changed);
        assert_eq!(passes(&limits, A, None), Ok(()));
        assert_eq!(limits.check_events(A, None, 1).unwrap_err().policy(), "tenant-events");

        let mut one = settings();
        one.tenants.insert(A, TenantRates::default());
        limits.reload(one);
        (0..50).for_each(|_| assert_eq!(passes(&limits, A, None), Ok(())));
        assert_eq!(limits.check_requests(A, None).unwrap().limit_header(), None);
    }

    #[test]
    fn the_map_is_capped_and_swept_and_those_beyond_the_cap_share() {
        let (wall, limits) = limits(LimitSettings { owners_max: 1, ..settings() });
        assert_eq!(passes(&limits, A, None), Ok(()));
        (0..3u8).for_each(|n| assert_eq!(passes(&limits, TenantId([n + 9; 8]), None), Ok(())));
        assert_eq!(passes(&limits, B, None), Err("tenant-requests"));
        assert_eq!(passes(&limits, A, None), Ok(()));
        assert_eq!(limits.sweep(), 1);
        wall.advance(100_001);
        assert_eq!(limits.sweep(), 0);
    }
}
