//! Events kept aside: scrubbed like all others and sealed under the tenant's index key, for an operator to look at, for a week.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::clock::{DAY_MS, Millis};
use crate::id::{Entropy, TenantId, random};
use crate::keys::{self, Secret, Vault, seal};
use crate::kv::{self, Batch, Family, Kv};
use crate::outcome::Reason;
use crate::store::row::Row;
use crate::store::subject::Subjects;

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

/// Why quarantined events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The key file.
    #[error(transparent)]
    Keys(#[from] keys::Error),
}

/// Keeps events aside.
pub struct Quarantine {
    vault: Arc<Vault>,
    entropy: Arc<dyn Entropy>,
    /// Numbers the events, so that two of one moment do not collide. Starts anywhere with the process: the clock may say the same moment twice.
    next: AtomicU64,
}

/// An event that is to be kept aside.
pub struct Sealed {
    reason: Reason,
    row: Vec<u8>,
}

impl Sealed {
    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.row.len()
    }
}

impl Quarantine {
    /// Seals with keys out of `vault`.
    pub fn new(vault: Arc<Vault>, entropy: Arc<dyn Entropy>) -> Quarantine {
        let next = AtomicU64::new(u64::from_le_bytes(random(&*entropy)));
        Quarantine { vault, entropy, next }
    }

    /// Seals one encoded row.
    pub fn seal(&self, tenant: TenantId, reason: Reason, row: &[u8]) -> Result<Sealed, keys::Error> {
        let key = self.vault.index_key(tenant)?;
        let row = seal::seal(&key, random(&*self.entropy), &context(tenant, reason as u8), row);
        Ok(Sealed { reason, row })
    }

    /// Whether a sealed row is about some subjects.
    pub fn is_about(&self, tenant: TenantId, sealed: &Sealed, subjects: &Subjects) -> Result<bool, keys::Error> {
        let key = self.vault.index_key(tenant)?;
        let opened = seal::open(&key, &context(tenant, sealed.reason as u8), &sealed.row);
        Ok(opened.is_ok_and(|row| Row::decode(&row).is_ok_and(|row| subjects.has(&row))))
    }

    /// Stages one sealed row. Writer's thread only.
    pub fn stage(&self, batch: &mut Batch, tenant: TenantId, received: Millis, sealed: Sealed) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = [&tenant.0[..], &received.0.to_be_bytes(), &number.to_be_bytes()].concat();
        let value = [&[sealed.reason as u8][..], &sealed.row].concat();
        batch.put_owned(Family::Quarantine, key, value);
    }

    /// The tenant's oldest `limit` quarantined events that are not past their time and not about `hidden` subjects.
    pub fn list(
        &self,
        kv: &Kv,
        tenant: TenantId,
        limit: usize,
        now: Millis,
        hidden: Option<&Subjects>,
    ) -> Result<Vec<Kept>, Error> {
        let key = self.vault.index_key(tenant)?;
        let mut kept = Vec::new();
        let from = [&tenant.0[..], &now.plus(-KEEP_MS).0.to_be_bytes()].concat();
        kv.scan(Family::Quarantine, &tenant.0, &from, &mut |_, value| {
            kept.extend(open(&key, tenant, value).and_then(|(reason, row)| decode(reason, &row, hidden)));
            if kept.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(kept)
    }

    /// The places of a tenant's quarantined events that are about some subjects.
    pub fn of_subjects(&self, kv: &Kv, tenant: TenantId, subjects: &Subjects) -> Result<Vec<Vec<u8>>, Error> {
        let key = self.vault.index_key(tenant)?;
        let mut places = Vec::new();
        kv.scan(Family::Quarantine, &tenant.0, &tenant.0, &mut |place, value| {
            let opened = open(&key, tenant, value);
            if opened.is_some_and(|(_, row)| Row::decode(&row).is_ok_and(|row| subjects.has(&row))) {
                places.push(place.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        Ok(places)
    }

    /// Stages the removal of the events in these places. Writer's thread only.
    pub fn stage_removal(batch: &mut Batch, places: &[Vec<u8>]) {
        places.iter().for_each(|place| batch.delete(Family::Quarantine, place));
    }

    /// Stages the removal of the tenant's events that are past their time. Writer's thread only.
    pub fn stage_prune(batch: &mut Batch, tenant: TenantId, now: Millis) {
        let to = [&tenant.0[..], &now.plus(-KEEP_MS).0.to_be_bytes()].concat();
        batch.delete_range(Family::Quarantine, &tenant.0, &to);
    }
}

/// What binds a row to its tenant and reason.
fn context(tenant: TenantId, reason: u8) -> Vec<u8> {
    [b"tidegate quarantine\0", &tenant.0[..], &[reason]].concat()
}

/// Reason and encoded row of a stored value.
fn open(key: &Secret, tenant: TenantId, value: &[u8]) -> Option<(u8, Vec<u8>)> {
    let (reason, sealed) = value.split_first()?;
    Some((*reason, seal::open(key, &context(tenant, *reason), sealed).ok()?))
}

fn decode(reason: u8, row: &[u8], hidden: Option<&Subjects>) -> Option<Kept> {
    let reason = Reason::ALL.get(usize::from(reason))?.code();
    let row = Row::decode(row).ok().filter(|row| !hidden.is_some_and(|hidden| hidden.has(row)))?;
    Some(Kept {
        received: row.received.to_string(),
        reason,
        event_type: row.event_type.name(),
        time: row.time.to_string(),
        name: row.get(crate::store::row::TextColumn::Name).map(str::to_owned),
        attributes: row.attributes.to_owned(),
    })
}
