//! Data keys in the key file: made, wrapped anew, destroyed; and which epoch's KEK wraps them.
//!
//! Its invariant: no data key is written under an epoch that has passed. Whoever makes or re-wraps data keys looked up
//! KEKs before, which may have taken long; under the lock of the disk the epoch is looked at again. It never asks for
//! a KEK itself ([`Vault`](super::Vault) does).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::contents::Placed;
use super::disk::Change;
use super::slot::{Content, KekEpoch};
use super::wrap::{self, DekId, Wrapped};
use super::{Error, KeyFile, Secret};
use crate::id::{Entropy, TenantId, random};

/// The KEKs under which to wrap, by tenant, with their epochs.
pub(super) type Keks = BTreeMap<TenantId, (u16, Arc<Secret>)>;

/// A data key that was just made.
pub(super) type NewDek = (DekId, Arc<Secret>);

impl KeyFile {
    /// The epoch of a tenant's KEK; `None` if it never had one.
    pub(super) fn kek_epoch(&self, tenant: TenantId) -> Option<KekEpoch> {
        self.live().kek_epochs.get(&tenant).map(|epoch| epoch.what)
    }

    /// The tenants whose KEK is being replaced, or was when power failed.
    pub(super) fn unsettled(&self) -> Vec<TenantId> {
        let live = self.live();
        live.kek_epochs.iter().filter(|(_, epoch)| !epoch.what.settled).map(|(tenant, _)| *tenant).collect()
    }

    /// Notes epochs, synced before it returns.
    pub(super) fn set_kek_epochs(&self, epochs: &BTreeMap<TenantId, KekEpoch>) -> Result<(), Error> {
        let mut disk = self.writer()?;
        let changes: Vec<Change> = {
            let live = self.live();
            let content = |(tenant, epoch): (&TenantId, &KekEpoch)| {
                change(live.kek_epochs.get(tenant), Content::KekEpoch(*tenant, *epoch))
            };
            epochs.iter().map(content).collect()
        };
        self.apply(&mut disk, changes)
    }

    /// A data key as it lies in the file.
    pub(super) fn wrapped(&self, tenant: TenantId, id: DekId) -> Option<Wrapped> {
        self.live().deks.get(&(tenant, id)).map(|dek| dek.what)
    }

    /// The ids of a tenant's data keys, in the order of their creation.
    pub(super) fn dek_ids(&self, tenant: TenantId) -> Vec<DekId> {
        self.live().deks_of(tenant).map(|(id, _)| id).collect()
    }

    /// All data keys there are.
    pub(super) fn deks(&self) -> Vec<(TenantId, DekId)> {
        self.live().deks.keys().copied().collect()
    }

    /// Makes a data key for each mention of a tenant, all synced together. `None`, and nothing made, if the epoch of
    /// one of the KEKs has passed.
    pub(super) fn create_deks(
        &self,
        tenants: &[TenantId],
        keks: &Keks,
        entropy: &dyn Entropy,
    ) -> Result<Option<Vec<NewDek>>, Error> {
        let mut disk = self.writer()?;
        let (mut issued, counter) = {
            let live = self.live();
            let is_current = |(tenant, (epoch, _)): (&TenantId, &(u16, _))| {
                live.kek_epochs.get(tenant).is_some_and(|known| known.what.current == *epoch)
            };
            if !keks.iter().all(is_current) {
                return Ok(None);
            }
            (live.issued(), live.deks_issued)
        };
        let mut made = Vec::with_capacity(tenants.len());
        let mut changes = Vec::with_capacity(tenants.len() + 1);
        for tenant in tenants {
            let Some((epoch, kek)) = keks.get(tenant) else { return Ok(None) };
            issued += 1;
            let id =
                DekId::new(issued, random(entropy)).ok_or_else(|| Error::IdsExhausted { path: disk.path.clone() })?;
            let dek = Secret::random(entropy);
            changes.push(Change::Add(Content::Dek(*tenant, id, wrap::wrap(kek, *epoch, *tenant, id, &dek))));
            made.push((id, Arc::new(dek)));
        }
        if !made.is_empty() {
            changes.push(change(counter.as_ref(), Content::DeksIssued(issued)));
        }
        self.apply(&mut disk, changes)?;
        Ok(Some(made))
    }

    /// Wraps all data keys of a tenant that lie under another KEK anew under `to`, and answers how many. Each lies
    /// under one KEK or the other at any time, so both must live until this returns.
    pub(super) fn rewrap(
        &self,
        tenant: TenantId,
        from: Option<(u16, &Secret)>,
        (to, new): (u16, &Secret),
    ) -> Result<usize, Error> {
        let mut disk = self.writer()?;
        let changes = {
            let live = self.live();
            let behind = live.deks_of(tenant).filter(|(_, dek)| dek.what.kek_epoch != to);
            let rewrapped = behind.map(|(id, dek)| {
                let epoch = dek.what.kek_epoch;
                let (_, old) = from.filter(|(from, _)| *from == epoch).ok_or(Error::KekMissing { tenant, epoch })?;
                let key = wrap::unwrap(old, tenant, id, &dek.what);
                Ok(Change::Replace(dek.slot, Content::Dek(tenant, id, wrap::wrap(new, to, tenant, id, &key))))
            });
            rewrapped.collect::<Result<Vec<Change>, Error>>()?
        };
        let count = changes.len();
        self.apply(&mut disk, changes)?;
        Ok(count)
    }

    /// Destroys data keys at the price of one, and answers how many of them existed. From the start of the call on,
    /// nobody finds them any more.
    pub(super) fn destroy_deks(&self, deks: &[(TenantId, DekId)]) -> Result<usize, Error> {
        let mut disk = self.writer()?;
        let wipes: Vec<Change> = {
            let mut live = self.live_mut();
            deks.iter().filter_map(|dek| live.deks.remove(dek)).map(|dek| Change::Wipe(dek.slot)).collect()
        };
        disk.apply(&wipes)?;
        Ok(wipes.len())
    }

    /// Lets the counter of data keys catch up with the living, if power failed between their slots and the counter's.
    pub(super) fn recount_deks(&self) -> Result<(), Error> {
        let (at_least, issued, counter) = {
            let live = self.live();
            (live.issued_to_the_living(), live.issued(), live.deks_issued)
        };
        if at_least <= issued {
            return Ok(());
        }
        let mut disk = self.writer()?;
        self.apply(&mut disk, vec![change(counter.as_ref(), Content::DeksIssued(at_least))])
    }
}

/// The change that lets `content` take the place of what is known, or a new one.
fn change<T>(known: Option<&Placed<T>>, content: Content) -> Change {
    match known {
        Some(placed) => Change::Replace(placed.slot, content),
        None => Change::Add(content),
    }
}
