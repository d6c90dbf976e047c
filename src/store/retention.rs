//! How long rows are kept, and how they go.
//!
//! A row is past its time when it arrived before its class's cutoff: from that moment readers do not see it. A run goes as a whole when its newest row
//! is past its time: its key is destroyed, and its file unlinked as soon as no other run in it is left. Nothing is rewritten. A tenant on hold
//! keeps everything, and sees it.

use std::ops::ControlFlow;

use crate::clock::Millis;
use crate::id::TenantId;
use crate::kv::{Batch, Family};

use super::key::{self, Class};
use super::rewrite::Rewrite;
use super::{Error, Store};

/// Runs that one call lets go.
const RUNS_AT_ONCE: usize = 4096;

/// How long rows are kept, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds, in the order of [`Class::ALL`].
    pub keep_ms: [i64; Class::ALL.len()],
}

impl Retention {
    /// Rows of `class` that arrived before this moment are gone.
    pub fn cutoff(&self, class: Class, now: Millis) -> Millis {
        now.plus(-self.keep_ms.get(class.index()).copied().unwrap_or(i64::MAX))
    }
}

impl Store {
    /// Lets go of what is past its time at `now`: open rows at once, some runs by the answer; empty when there is no more.
    ///
    /// The caller must trust the clock: what is let go cannot come back.
    pub fn expire(&self, now: Millis) -> Result<(Rewrite, u64), Error> {
        let retention = self.retention();
        let (open_rows, past) = {
            let mut shelf = self.shelf_mut();
            let holds = shelf.holds.clone();
            let is_past = |tenant: TenantId, class: Class, newest: Millis| {
                newest < retention.cutoff(class, now) && !holds.contains(&tenant)
            };
            let open_rows = shelf.open.expire(|key, newest| is_past(key.tenant, key.class, newest));
            self.note_open_bytes(&shelf);
            let runs = shelf.runs.all();
            let past = runs.filter(|run| is_past(run.id.bucket.tenant, run.id.bucket.class, run.spans.received.1));
            (open_rows as u64, past.take(RUNS_AT_ONCE).cloned().collect::<Vec<_>>())
        };
        let mut rewrite = Rewrite::default();
        let unrolled: Vec<_> = past.iter().filter(|run| !run.rolled).cloned().collect();
        // Their bucket is still open, because the class is kept for less than a bucket's time: their totals are taken now or never.
        for run in unrolled {
            rewrite.rollups.extend(self.roll_up(run.id.bucket, std::slice::from_ref(&run))?);
        }
        rewrite.removed = past;
        rewrite.expiring = true;
        Ok((self.prepare(rewrite)?, open_rows))
    }

    /// The retention in force.
    pub fn retention(&self) -> Retention {
        *self.retention.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes how long rows are kept, from the next read on.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.write().unwrap_or_else(std::sync::PoisonError::into_inner) = retention;
    }

    /// Stages that a tenant is on hold, or no longer. Writer's thread only. A hold is heeded at once, so that no expiry is staged behind it; its end,
    /// once it is durable.
    pub fn stage_hold(&self, tenant: TenantId, on: bool, batch: &mut Batch) {
        if on {
            self.show_hold(tenant, true);
            batch.put(Family::Manifest, &key::hold(tenant), &[]);
        } else {
            batch.delete(Family::Manifest, &key::hold(tenant));
        }
    }

    /// To be called once [`Store::stage_hold`] is durable.
    pub fn show_hold(&self, tenant: TenantId, on: bool) {
        let mut shelf = self.shelf_mut();
        if on {
            shelf.holds.insert(tenant);
        } else {
            shelf.holds.remove(&tenant);
        }
    }

    /// Whether a tenant is on hold.
    pub fn is_on_hold(&self, tenant: TenantId) -> bool {
        self.shelf().holds.contains(&tenant)
    }

    /// The first arrival that readers of a tenant's class may see.
    pub(super) fn visible_from(&self, held: bool, class: Class, now: Millis) -> Millis {
        if held { Millis(i64::MIN) } else { self.retention().cutoff(class, now) }
    }

    /// Unlinks those of `segments` in which no run is left.
    pub(super) fn unlink_unused(&self, segments: std::collections::BTreeSet<(Class, u32, u64)>) -> Result<(), Error> {
        let used = self.shelf().runs.segments();
        for (class, hour, segment) in segments.difference(&used) {
            let first = key::segment_prefix(*class, *hour, *segment);
            let last = [&first[..], &[u8::MAX; 16]].concat();
            self.kv.unlink(Family::Sealed, &first, &last)?;
        }
        Ok(())
    }

    /// At start: unlinks the segments that no run names.
    pub(super) fn unlink_orphans(&self) -> Result<(), Error> {
        self.kv.sweep_ingest()?;
        let files = self.kv.files(Family::Sealed)?;
        self.unlink_unused(files.iter().filter_map(|file| key::segment_of(&file.first)).collect())
    }
}

/// The newest segment in the files of family `sealed`.
pub(super) fn newest_segment(kv: &crate::kv::Kv) -> Result<Option<u64>, Error> {
    let files = kv.files(Family::Sealed)?;
    let segments = files.iter().filter_map(|file| key::segment_of(&file.first)).map(|(_, _, segment)| segment);
    Ok(segments.max())
}

/// The tenants on hold.
pub(super) fn read_holds(kv: &crate::kv::Kv) -> Result<std::collections::BTreeSet<TenantId>, Error> {
    let mut holds = std::collections::BTreeSet::new();
    kv.scan(Family::Manifest, &[key::MANIFEST_HOLD], &[key::MANIFEST_HOLD], &mut |place, _| {
        holds.extend(place.get(1..).and_then(|id| id.try_into().ok()).map(TenantId));
        ControlFlow::Continue(())
    })?;
    Ok(holds)
}
