//! Expiry and legal hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::clock::Millis;
use crate::id::TenantId;
use crate::kv::Batch;
use crate::store::Rewrite;
use crate::store::key::Class;

use super::{Done, Error, Upkeep, of_tenant};

impl Upkeep {
    /// Lets go of everything that is past its time. The caller must trust the clock.
    pub fn expire(&self, now: Millis, stop: &dyn Fn() -> bool) -> Result<Done, Error> {
        let turn = self.turn();
        let mut done = Done::default();
        while !stop() {
            let (rewrite, open_rows) = self.store.expire(now)?;
            if rewrite.is_empty() && open_rows == 0 {
                break;
            }
            let mut records = expired_records(&rewrite, now);
            if open_rows > 0 {
                let entry = Entry::new(now, Action::RowsExpired, Outcome::Success).param("where", "open buckets");
                records.push((Subject::Gateway, entry.count(open_rows)));
            }
            let removed: u64 = rewrite.removed().iter().map(|run| u64::from(run.rows)).sum();
            let made = self.make(&turn, rewrite, now, records)?;
            let removed = if made.runs_removed > 0 { removed } else { 0 };
            done = done.and(Done { rows_removed: made.rows_removed + removed + open_rows, ..made });
        }
        if done != Done::default() {
            self.drop_journal(&turn)?;
        }
        Ok(done)
    }

    /// Puts a tenant on hold, or ends that: nothing of it expires meanwhile. Recorded with the change, and done also when whoever asked has left
    /// meanwhile.
    pub async fn set_hold(&self, tenant: TenantId, on: bool, by: String, now: Millis) -> Result<(), Error> {
        let (store, trail) = (Arc::clone(&self.store), Arc::clone(&self.trail));
        let entry = Entry::new(now, Action::LegalHoldChanged, Outcome::Success).by(by).param("hold", on.to_string());
        let shown = Arc::clone(&store);
        let stage = move |batch: &mut Batch| {
            trail.stage(batch, of_tenant(tenant), entry)?;
            store.stage_hold(tenant, on, batch);
            Ok::<(), crate::audit::Error>(())
        };
        let show = move |staged: Result<(), _>| staged.map(|()| shown.show_hold(tenant, on));
        Ok(self.writer.commit_then(stage, show).await??)
    }
}

/// One record for every tenant, class and time.
fn expired_records(rewrite: &Rewrite, now: Millis) -> Vec<(Subject, Entry)> {
    let mut gone: BTreeMap<(TenantId, Class, Millis), (u64, u64)> = BTreeMap::new();
    for run in rewrite.removed() {
        let bucket = run.id.bucket;
        let (runs, rows) = gone.entry((bucket.tenant, bucket.class, bucket.begins())).or_default();
        (*runs, *rows) = (*runs + 1, *rows + u64::from(run.rows));
    }
    let record = |((tenant, class, begins), (runs, rows)): ((TenantId, Class, Millis), (u64, u64))| {
        let entry = Entry::new(now, Action::BucketExpired, Outcome::Success)
            .param("class", class.name())
            .param("from", begins.to_string())
            .param("runs", runs.to_string())
            .count(rows);
        (of_tenant(tenant), entry)
    };
    gone.into_iter().map(record).collect()
}
