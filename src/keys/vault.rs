//! The hierarchy of keys for encryption at rest, as the store uses it.
//!
//! Owns the life of data keys (DEKs) and of the KEKs that wrap them; why there are two levels is said in `wrap`. Its
//! invariants:
//! - a data key is durable before it is handed out, and its id is never given again;
//! - at any moment, also after a crash at any byte, every living data key can be unwrapped;
//! - once [`Vault::advance_kek`] has returned, no KEK exists any more under which a data key lay that was destroyed
//!   before.
//!
//! An advance is a row of durable steps, and whoever opens the file after a crash goes on where it stopped:
//!
//! ```text
//! note (to, unsettled) -> make KEK(to) -> wrap every DEK anew -> destroy all KEKs before -> note (to, settled)
//! ```
//!
//! From the first step on new data keys wait for KEK(to). It keeps no unwrapped key: callers that need one often keep
//! it themselves. Which data keys are still needed is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::deks::Keks;
use super::slot::KekEpoch;
use super::wrap::{self, DekId};
use super::{Error, KekStore, KeyFile, KeyKind, Secret};
use crate::id::{Entropy, TenantId};

/// The first epoch of every tenant's KEK.
const FIRST_EPOCH: u16 = 1;
/// The journal belongs to all tenants, so its keys have no owner.
const NOBODY: [u8; 8] = [0; 8];

/// Makes, finds and destroys the keys of stored data. Shared by reference.
pub struct Vault {
    file: Arc<KeyFile>,
    keks: Arc<dyn KekStore>,
    entropy: Arc<dyn Entropy>,
    /// Held by whoever makes or destroys KEKs, since an external command may take long and must not be asked for the
    /// same thing twice.
    turn: Mutex<()>,
}

/// What came of replacing a tenant's KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// Whose.
    pub tenant: TenantId,
    /// The epoch whose KEK is destroyed.
    pub from: u16,
    /// The epoch that counts now.
    pub to: u16,
    /// Data keys that were wrapped anew.
    pub rewrapped: usize,
}

impl Vault {
    /// Data keys in `file`, wrapped by KEKs from `keks`. [`Vault::resume_advances`] should be the first call.
    pub fn new(file: Arc<KeyFile>, keks: Arc<dyn KekStore>, entropy: Arc<dyn Entropy>) -> Self {
        Vault { file, keks, entropy, turn: Mutex::new(()) }
    }

    /// Makes a new data key for each mention of a tenant and answers them in that order. All are synced together, at
    /// the price of one; tenants that never had any cost as much again for their KEKs, also together.
    pub fn create_deks(&self, tenants: &[TenantId]) -> Result<Vec<(DekId, Arc<Secret>)>, Error> {
        // Another attempt is needed only if a KEK was replaced between its being found and the keys' being written.
        loop {
            let keks = self.current_keks(tenants)?;
            if let Some(made) = self.file.create_deks(tenants, &keks, &*self.entropy)? {
                return Ok(made);
            }
        }
    }

    /// A data key, if it exists.
    pub fn dek(&self, tenant: TenantId, id: DekId) -> Result<Option<Arc<Secret>>, Error> {
        let mut failed = None;
        loop {
            let Some(wrapped) = self.file.wrapped(tenant, id) else { return Ok(None) };
            let epoch = wrapped.kek_epoch;
            if let Some(kek) = self.keks.find(tenant, epoch)? {
                return Ok(Some(Arc::new(wrap::unwrap(&kek, tenant, id, &wrapped))));
            }
            // The data key may have been wrapped anew since it was looked up; but not for ever under the same KEK.
            if failed.replace(epoch) == Some(epoch) {
                return Err(Error::KekMissing { tenant, epoch });
            }
        }
    }

    /// Whether a data key exists.
    pub fn has_dek(&self, tenant: TenantId, id: DekId) -> bool {
        self.file.wrapped(tenant, id).is_some()
    }

    /// The key under which a tenant's entries in small tables are sealed, made and synced if it does not exist.
    pub fn index_key(&self, tenant: TenantId) -> Result<Arc<Secret>, Error> {
        Ok(self.file.ensure(KeyKind::Index, tenant.0, 0, &*self.entropy)?.0)
    }

    /// The same, if it exists.
    pub fn find_index_key(&self, tenant: TenantId) -> Option<Arc<Secret>> {
        self.file.find(KeyKind::Index, tenant.0, 0)
    }

    /// The ids of a tenant's data keys, in the order of their creation.
    pub fn dek_ids(&self, tenant: TenantId) -> Vec<DekId> {
        self.file.dek_ids(tenant)
    }

    /// All data keys there are, by tenant and in the order of their creation; no key is unwrapped for it.
    pub fn deks(&self) -> Vec<(TenantId, DekId)> {
        self.file.deks()
    }

    /// Destroys data keys: they are overwritten in both copies and synced, at the price of one. Answers how many of
    /// them existed. Old copies of the key file may still have them, wrapped: [`Vault::advance_kek`] ends that.
    pub fn destroy_deks(&self, deks: &[(TenantId, DekId)]) -> Result<usize, Error> {
        self.file.destroy_deks(deks)
    }

    /// Replaces a tenant's KEK and destroys the one before, so that what it wrapped and was destroyed since cannot be
    /// had from any old copy. `None` if the tenant never had a KEK. Data keys can be found and made meanwhile.
    ///
    /// After an error the advance is unfinished but nothing is lost; this call, or [`Vault::resume_advances`], goes on
    /// with it.
    pub fn advance_kek(&self, tenant: TenantId) -> Result<Option<Advanced>, Error> {
        let _turn = self.turn();
        let Some(mut epoch) = self.file.kek_epoch(tenant) else { return Ok(None) };
        if !epoch.settled {
            // Data keys that were made since that advance began lie under the newer KEK: it must go as well.
            self.settle(tenant, epoch.current)?;
        }
        epoch.current = epoch.current.checked_add(1).ok_or(Error::EpochsExhausted { tenant })?;
        self.file.set_kek_epochs(&BTreeMap::from([(tenant, KekEpoch { settled: false, ..epoch })]))?;
        self.settle(tenant, epoch.current).map(Some)
    }

    /// Finishes every advance that a crash or an error interrupted.
    pub fn resume_advances(&self) -> Result<Vec<Advanced>, Error> {
        let _turn = self.turn();
        let epochs =
            self.file.unsettled().into_iter().filter_map(|tenant| Some((tenant, self.file.kek_epoch(tenant)?)));
        epochs.map(|(tenant, epoch)| self.settle(tenant, epoch.current)).collect()
    }

    /// The key of a segment of the journal, made and synced if it does not exist.
    pub fn journal_key(&self, segment: u64) -> Result<Arc<Secret>, Error> {
        Ok(self.file.ensure(KeyKind::Journal, NOBODY, segment, &*self.entropy)?.0)
    }

    /// The key of a segment of the journal, if it exists.
    pub fn find_journal_key(&self, segment: u64) -> Option<Arc<Secret>> {
        self.file.find(KeyKind::Journal, NOBODY, segment)
    }

    /// Destroys the key of a segment of the journal and answers whether it existed.
    pub fn destroy_journal_key(&self, segment: u64) -> Result<bool, Error> {
        self.file.destroy(KeyKind::Journal, NOBODY, segment)
    }

    /// The segments of the journal that have keys, ascending.
    pub fn journal_segments(&self) -> Vec<u64> {
        self.file.list(KeyKind::Journal, NOBODY)
    }

    /// The steps of an advance behind the first. Each may have been done before. The caller has the turn.
    fn settle(&self, tenant: TenantId, to: u16) -> Result<Advanced, Error> {
        let from = to.saturating_sub(1);
        let new = self.ensure_kek(tenant, to)?;
        let old = self.keks.find(tenant, from)?;
        let rewrapped = self.file.rewrap(tenant, old.as_deref().map(|kek| (from, kek)), (to, &new))?;
        for epoch in self.keks.epochs(tenant)?.into_iter().filter(|epoch| *epoch < to) {
            self.keks.destroy(tenant, epoch)?;
        }
        if let Some(epoch) = self.keks.epochs(tenant)?.into_iter().find(|epoch| *epoch < to) {
            return Err(Error::KekSurvives { tenant, epoch });
        }
        self.file.set_kek_epochs(&BTreeMap::from([(tenant, KekEpoch { current: to, settled: true })]))?;
        Ok(Advanced { tenant, from, to, rewrapped })
    }

    fn ensure_kek(&self, tenant: TenantId, epoch: u16) -> Result<Arc<Secret>, Error> {
        self.keks.ensure(&[(tenant, epoch)])?.pop().ok_or(Error::KekMissing { tenant, epoch })
    }

    /// The KEKs under which new data keys of these tenants belong.
    fn current_keks(&self, tenants: &[TenantId]) -> Result<Keks, Error> {
        let tenants: BTreeSet<TenantId> = tenants.iter().copied().collect();
        if tenants.iter().any(|tenant| self.file.kek_epoch(*tenant).is_none()) {
            self.make_first_keks(&tenants)?;
        }
        tenants.into_iter().map(|tenant| Ok((tenant, self.current_kek(tenant)?))).collect()
    }

    fn make_first_keks(&self, tenants: &BTreeSet<TenantId>) -> Result<(), Error> {
        let _turn = self.turn();
        let without = tenants.iter().filter(|tenant| self.file.kek_epoch(**tenant).is_none());
        let names: Vec<(TenantId, u16)> = without.map(|tenant| (*tenant, FIRST_EPOCH)).collect();
        self.keks.ensure(&names)?;
        // Only KEKs that exist are noted as settled; those that a crash left unnoted are found by the next attempt.
        let epochs = names.into_iter().map(|(tenant, current)| (tenant, KekEpoch { current, settled: true }));
        self.file.set_kek_epochs(&epochs.collect())
    }

    fn current_kek(&self, tenant: TenantId) -> Result<(u16, Arc<Secret>), Error> {
        let mut missed = None;
        loop {
            let epoch = self.file.kek_epoch(tenant).ok_or(Error::KekMissing { tenant, epoch: FIRST_EPOCH })?;
            if let Some(kek) = self.keks.find(tenant, epoch.current)? {
                return Ok((epoch.current, kek));
            }
            // It may have been replaced since, or an advance may have got no further than noting its epoch.
            if missed.replace(epoch) == Some(epoch) {
                return Err(Error::KekMissing { tenant, epoch: epoch.current });
            }
            let _turn = self.turn();
            if let Some(epoch) = self.file.kek_epoch(tenant).filter(|epoch| !epoch.settled) {
                self.settle(tenant, epoch.current)?;
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // It guards an order of calls, not data: a holder's panic leaves an unsettled epoch behind, which is resumed.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
