//! Events kept aside: scrubbed like all others, for an operator to look at, for a week.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::clock::{DAY_MS, Millis};
use crate::id::TenantId;
use crate::kv::{self, Batch, Family, Kv};
use crate::outcome::Reason;
use crate::store::row::Row;

/// How long they are kept.
const KEEP_MS: i64 = 7 * DAY_MS;

/// What an operator sees of one quarantined event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// When it arrived.
    pub received: String,
    /// Why it was kept aside.
    pub reason: &'static str,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// Its time, as the sender gave it.
    pub time: String,
    /// Its name, scrubbed.
    pub name: Option<String>,
    /// Its attributes, scrubbed, as JSON text.
    pub attributes: String,
}

/// Numbers the quarantined events so that two of one moment do not collide; starts anew with the process, behind what the clock says.
#[derive(Default)]
pub struct Quarantine {
    next: AtomicU64,
}

impl Quarantine {
    /// Stages one encoded row. Writer's thread only.
    pub fn stage(&self, batch: &mut Batch, tenant: TenantId, received: Millis, reason: Reason, row: &[u8]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = [&tenant.0[..], &received.0.to_be_bytes(), &number.to_be_bytes()].concat();
        let value = [&[reason as u8][..], row].concat();
        batch.put(Family::Quarantine, &key, &value);
    }

    /// The tenant's oldest `limit` quarantined events that are not past their time.
    pub fn list(kv: &Kv, tenant: TenantId, limit: usize, now: Millis) -> Result<Vec<Kept>, kv::Error> {
        let mut kept = Vec::new();
        let from = [&tenant.0[..], &now.plus(-KEEP_MS).0.to_be_bytes()].concat();
        kv.scan(Family::Quarantine, &tenant.0, &from, &mut |_, value| {
            kept.extend(decode(value));
            if kept.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(kept)
    }

    /// Stages the removal of the tenant's events that are past their time. Writer's thread only.
    pub fn stage_prune(batch: &mut Batch, tenant: TenantId, now: Millis) {
        let to = [&tenant.0[..], &now.plus(-KEEP_MS).0.to_be_bytes()].concat();
        batch.delete_range(Family::Quarantine, &tenant.0, &to);
    }
}

fn decode(value: &[u8]) -> Option<Kept> {
    let (reason, row) = value.split_first()?;
    let reason = Reason::ALL.get(usize::from(*reason))?.code();
    let row = Row::decode(row).ok()?;
    Some(Kept {
        received: row.received.to_string(),
        reason,
        event_type: row.event_type.name(),
        time: row.time.to_string(),
        name: row.get(crate::store::row::TextColumn::Name).map(str::to_owned),
        attributes: row.attributes.to_owned(),
    })
}
