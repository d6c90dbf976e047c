//! What was sent and what was acknowledged, to be compared with what is stored.
//!
//! Every event carries a number of its own, so that each one can be told from all others in what is read afterwards.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a test that tries its luck does so: `TIDEGATE_TEST_ROUNDS`, or as often as it wants.
pub fn rounds(unset: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how long it runs is up to who runs it, the outcome is not")]
    std::env::var("TIDEGATE_TEST_ROUNDS").map_or(unset, |rounds| rounds.parse().expect("a number"))
}

/// Which events were sent, and whether they were acknowledged.
#[derive(Default)]
pub struct Books {
    next: AtomicU64,
    acknowledged: Mutex<BTreeMap<u64, bool>>,
}

impl Books {
    /// Events that nobody has sent before.
    pub fn fresh(&self, count: u64) -> Vec<u64> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let numbers: Vec<u64> = (first..first + count).collect();
        self.acknowledged.lock().unwrap().extend(numbers.iter().map(|n| (*n, false)));
        numbers
    }

    /// They are stored, says the gateway.
    pub fn acknowledge(&self, numbers: &[u64]) {
        self.acknowledged.lock().unwrap().extend(numbers.iter().map(|n| (*n, true)));
    }

    /// Those that may be stored or not.
    pub fn unacknowledged(&self) -> Vec<u64> {
        self.acknowledged.lock().unwrap().iter().filter(|(_, acknowledged)| !**acknowledged).map(|(n, _)| *n).collect()
    }

    /// How many were sent.
    pub fn sent(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Whether anything was acknowledged.
    pub fn has_acknowledged(&self) -> bool {
        self.acknowledged.lock().unwrap().values().any(|acknowledged| *acknowledged)
    }

    /// Compares the books with what is stored, as numbers and how often each is there.
    pub fn check(&self, stored: &BTreeMap<u64, usize>) {
        let sent = self.acknowledged.lock().unwrap();
        for (n, acknowledged) in sent.iter() {
            let times = stored.get(n).copied().unwrap_or_default();
            assert!(times <= 1, "event {n} is there {times} times");
            assert!(times == 1 || !acknowledged, "event {n} was acknowledged and is gone");
        }
        assert!(stored.keys().all(|n| sent.contains_key(n)), "something is stored that nobody sent");
    }
}
