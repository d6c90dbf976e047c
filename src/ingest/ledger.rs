//! Conservation: received = accepted + duplicate + rejected + quarantined.
//!
//! Events are entered when they are decoded ([`Ledger::receive`]) and leave by [`Received::settle`]. A [`Received`] that is dropped
//! unsettled (a panic, a failed write) settles itself as rejected, reason `abandoned`: an event cannot vanish from the books.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::id::TenantId;
use crate::outcome::{Outcome, Reason};

/// One tenant's books, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Events decoded.
    pub received: u64,
    /// Events stored.
    pub accepted: u64,
    /// Events that were stored before.
    pub duplicates: u64,
    /// Events refused, by [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// Events kept aside.
    pub quarantined: u64,
    /// Events on their way.
    pub in_flight: u64,
}

impl Balance {
    /// Events refused, all reasons together.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Events whose whereabouts are unknown: zero at any quiet moment.
    pub fn imbalance(&self) -> i64 {
        let ended = self.accepted + self.duplicates + self.rejected_total() + self.quarantined + self.in_flight;
        self.received as i64 - ended as i64
    }

    fn add(&mut self, other: &Balance) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.quarantined += other.quarantined;
        self.in_flight += other.in_flight;
        for (sum, n) in self.rejected.iter_mut().zip(other.rejected) {
            *sum += n;
        }
    }
}

#[derive(Default)]
struct Account {
    received: AtomicU64,
    accepted: AtomicU64,
    duplicates: AtomicU64,
    rejected: [AtomicU64; Reason::ALL.len()],
    quarantined: AtomicU64,
    in_flight: AtomicU64,
}

impl Account {
    fn reject(&self, reason: Reason, n: u64) {
        if let Some(count) = self.rejected.get(reason as usize) {
            count.fetch_add(n, Ordering::Relaxed);
        }
    }

    fn balance(&self) -> Balance {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Balance {
            // What has ended is read before what has begun, so that a running gateway never seems to have ended more than it received.
            accepted: read(&self.accepted),
            duplicates: read(&self.duplicates),
            rejected: std::array::from_fn(|index| self.rejected.get(index).map_or(0, read)),
            quarantined: read(&self.quarantined),
            in_flight: read(&self.in_flight),
            received: read(&self.received),
        }
    }
}

/// The books of all tenants since the start of the process.
#[derive(Default)]
pub struct Ledger {
    accounts: RwLock<HashMap<TenantId, Arc<Account>>>,
    nobody: Arc<Account>,
}

impl Ledger {
    /// Enters `count` events of `tenant`; `None` for events that no tenant owns.
    pub fn receive(&self, tenant: Option<TenantId>, count: usize) -> Received {
        let account = match tenant {
            Some(tenant) => self.account(tenant),
            None => Arc::clone(&self.nobody),
        };
        account.received.fetch_add(count as u64, Ordering::Relaxed);
        account.in_flight.fetch_add(count as u64, Ordering::Relaxed);
        Received { account, open: count as u64 }
    }

    /// The books of one tenant.
    pub fn balance(&self, tenant: TenantId) -> Balance {
        self.account(tenant).balance()
    }

    /// The books of all tenants together, and of nobody's events.
    pub fn total(&self) -> Balance {
        let mut total = self.nobody.balance();
        for account in self.accounts.read().unwrap_or_else(PoisonError::into_inner).values() {
            total.add(&account.balance());
        }
        total
    }

    fn account(&self, tenant: TenantId) -> Arc<Account> {
        if let Some(account) = self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(&tenant) {
            return Arc::clone(account);
        }
        Arc::clone(self.accounts.write().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

/// Events that were received and have not ended yet.
#[must_use = "events that are not settled count as abandoned"]
pub struct Received {
    account: Arc<Account>,
    open: u64,
}

impl Received {
    /// Ends one event.
    pub fn settle(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted => _ = self.account.accepted.fetch_add(1, Ordering::Relaxed),
            Outcome::Duplicate => _ = self.account.duplicates.fetch_add(1, Ordering::Relaxed),
            Outcome::Rejected(refusal) => self.account.reject(refusal.reason, 1),
            Outcome::Quarantined(_) => _ = self.account.quarantined.fetch_add(1, Ordering::Relaxed),
        }
        self.close(1);
    }

    fn close(&mut self, count: u64) {
        debug_assert!(count <= self.open, "an event ended twice");
        self.open = self.open.saturating_sub(count);
        self.account.in_flight.fetch_sub(count, Ordering::Relaxed);
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.open > 0 {
            self.account.reject(Reason::Abandoned, self.open);
            self.account.in_flight.fetch_sub(self.open, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::Refusal;

    const TENANT: TenantId = TenantId([7; 8]);

    fn outcome(code: u8) -> Outcome {
        match code % 4 {
            0 => Outcome::Accepted,
            1 => Outcome::Duplicate,
            2 => Outcome::Rejected(Refusal::whole(Reason::WrongType)),
            _ => Outcome::Quarantined(Refusal::whole(Reason::TimestampFuture)),
        }
    }

    proptest! {
        #[test]
        fn whatever_becomes_of_events_the_books_balance(batches in proptest::collection::vec((0..20usize, proptest::collection::vec(any::<u8>(), 0..20)), 0..20)) {
            let ledger = Ledger::default();
            let mut expected = 0;
            for (count, codes) in batches {
                let mut received = ledger.receive(Some(TENANT), count);
                codes.iter().take(count).for_each(|code| received.settle(&outcome(*code)));
                prop_assert_eq!(ledger.balance(TENANT).imbalance(), 0);
                drop(received);
                expected += count as u64;
            }
            let balance = ledger.balance(TENANT);
            prop_assert_eq!((balance.received, balance.in_flight, balance.imbalance()), (expected, 0, 0));
        }
    }

    #[test]
    fn dropped_events_are_abandoned_not_lost() {
        let ledger = Ledger::default();
        drop(ledger.receive(Some(TENANT), 3));
        assert_eq!(ledger.total().rejected[Reason::Abandoned as usize], 3);
    }

    #[test]
    fn every_reason_has_its_own_place_in_the_books() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
