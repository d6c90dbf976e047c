//! What readers see: open buckets and sealed runs, changed together.
//!
//! Everything here is replaced in one step under one lock, so that a row is never seen twice or not at all while it moves from an open bucket into
//! a run, or from one run into another. Taking a view is taking references; reading happens without the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::TenantId;

use super::key::{BucketKey, Class, RunId};
use super::open::Buckets;
use super::run::Run;
use super::subject::Subjects;

/// All that is readable.
#[derive(Default)]
pub struct Shelf {
    /// Rows that are only in memory and in the journal.
    pub open: Buckets,
    /// Rows that are sealed.
    pub runs: Runs,
    /// Subjects whose rows nobody sees any more, by tenant.
    pub hidden: BTreeMap<TenantId, Arc<Subjects>>,
    /// Tenants whose rows do not expire.
    pub holds: BTreeSet<TenantId>,
}

impl Shelf {
    /// The subjects of a tenant that are hidden.
    pub fn hidden_of(&self, tenant: TenantId) -> Option<Arc<Subjects>> {
        self.hidden.get(&tenant).cloned()
    }
}

/// The sealed runs.
#[derive(Default)]
pub struct Runs {
    by_id: BTreeMap<RunId, Arc<Run>>,
    rows: u64,
    bytes: u64,
}

impl Runs {
    /// Adds one.
    pub fn add(&mut self, run: Arc<Run>) {
        self.rows += u64::from(run.rows);
        self.bytes += run.bytes;
        if let Some(before) = self.by_id.insert(run.id, run) {
            self.forget(&before);
        }
    }

    /// Removes one.
    pub fn remove(&mut self, id: RunId) {
        if let Some(run) = self.by_id.remove(&id) {
            self.forget(&run);
        }
    }

    fn forget(&mut self, run: &Run) {
        self.rows = self.rows.saturating_sub(u64::from(run.rows));
        self.bytes = self.bytes.saturating_sub(run.bytes);
    }

    /// The runs of a tenant, by bucket and then in the order in which they were written.
    pub fn of_tenant(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Run>> {
        let first = RunId { bucket: BucketKey::first_of(tenant), segment: 0 };
        self.by_id.range(first..).map(|(_, run)| run).take_while(move |run| run.id.bucket.tenant == tenant)
    }

    /// The runs of a bucket.
    pub fn of_bucket(&self, bucket: BucketKey) -> impl Iterator<Item = &Arc<Run>> {
        let range = RunId { bucket, segment: 0 }..=RunId { bucket, segment: u64::MAX };
        self.by_id.range(range).map(|(_, run)| run)
    }

    /// Every run.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.by_id.values()
    }

    /// Whether a run is there.
    pub fn has(&self, id: RunId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The segments that hold at least one run.
    pub fn segments(&self) -> BTreeSet<(Class, u32, u64)> {
        self.all().map(|run| (run.id.bucket.class, run.id.bucket.hour, run.id.segment)).collect()
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes on disk of their blocks.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of runs.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }
}
