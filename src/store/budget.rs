//! The memory that the store may use, shared out once.
//!
//! Open buckets, remembered columns and what queries hold have a share each, so that none of them can starve the others: writers are refused when
//! their share is full, queries when theirs is. The shares together are the whole, and nothing else in the store grows with the data but the
//! list of runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a whole is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Rows that are not sealed.
    pub open: usize,
    /// Decoded columns that are remembered.
    pub cache: usize,
    /// What queries hold while they run.
    pub queries: usize,
}

impl Shares {
    /// Half for open buckets, an eighth for the cache, the rest for queries.
    pub fn of(whole: usize) -> Shares {
        let (open, cache) = (whole / 2, whole / 8);
        Shares { open, cache, queries: whole - open - cache }
    }
}

/// What queries may hold together.
pub struct Budget {
    max: usize,
    held: AtomicUsize,
}

impl Budget {
    /// A budget of `max` bytes.
    pub fn new(max: usize) -> Arc<Budget> {
        Arc::new(Budget { max, held: AtomicUsize::new(0) })
    }

    /// Sets `bytes` aside until the answer is dropped; `None` when there are not so many left.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reservation { budget: Arc::clone(self), bytes })
    }

    /// Bytes that are set aside.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Bytes that are set aside.
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_comes_back_and_the_bound_holds() {
        let budget = Budget::new(10);
        let first = budget.reserve(6).unwrap();
        assert!(budget.reserve(5).is_none() && budget.reserve(usize::MAX).is_none());
        assert_eq!(budget.held(), 6);
        let second = budget.reserve(4).unwrap();
        drop(first);
        assert!(budget.reserve(6).is_some());
        drop(second);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn the_shares_are_the_whole() {
        for whole in [0, 1, 7, 256 << 20] {
            let Shares { open, cache, queries } = Shares::of(whole);
            assert_eq!(open + cache + queries, whole);
        }
    }
}
