//! Reading the manifest at start, and finishing what a crash left half done.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::id::TenantId;
use crate::keys::{DekId, Secret, Vault, seal};
use crate::kv::{Family, Kv};

use super::key::{self, BucketKey, RunId};
use super::run::Run;
use super::shelf::{Runs, Shelf};
use super::{Error, retention};

/// What is sealed.
pub(super) struct Found {
    /// Runs, rollups and holds; no open rows yet.
    pub shelf: Shelf,
    /// For every bucket with a run: rows up to this journal group are sealed.
    pub sealed_through: BTreeMap<BucketKey, u64>,
    /// Runs that are left out because their key is gone.
    pub without_key: Vec<Run>,
}

/// Reads what is sealed; changes nothing.
pub(super) fn read(kv: &Kv, vault: &Vault) -> Result<Found, Error> {
    let mut found = Found { shelf: Shelf::default(), sealed_through: BTreeMap::new(), without_key: Vec::new() };
    for run in read_runs(kv, vault)? {
        let through = found.sealed_through.entry(run.id.bucket).or_default();
        *through = run.through.max(*through);
        if vault.has_dek(run.id.bucket.tenant, run.dek) {
            found.shelf.runs.add(Arc::new(run));
        } else {
            found.without_key.push(run);
        }
    }
    found.shelf.holds = retention::read_holds(kv)?;
    Ok(found)
}

/// Destroys the keys that are doomed, and those that no run names: what a crash left half done. Answers the doomed ones, whose notes may go.
pub(super) fn destroy_unused_keys(kv: &Kv, vault: &Vault, runs: &Runs) -> Result<Vec<(TenantId, DekId)>, Error> {
    let doomed = read_doomed(kv)?;
    let named: BTreeSet<_> = runs.all().map(|run| (run.id.bucket.tenant, run.dek)).collect();
    let unused = vault.deks().into_iter().filter(|dek| !named.contains(dek));
    vault.destroy_deks(&unused.chain(doomed.iter().copied()).collect::<Vec<_>>())?;
    Ok(doomed)
}

/// Every entry, its key there or not.
pub(super) fn read_runs(kv: &Kv, vault: &Vault) -> Result<Vec<Run>, Error> {
    let mut entries = Vec::new();
    kv.scan(Family::Manifest, &[key::MANIFEST_RUN], &[key::MANIFEST_RUN], &mut |place, value| {
        entries.push((place.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    let mut keys = IndexKeys::new(vault);
    let runs = entries.into_iter().map(|(place, value)| {
        let id = RunId::from_manifest_key(&place).ok_or(Error::DamagedManifest)?;
        let plain = seal::open(&*keys.of(id.bucket.tenant)?, &place, &value).map_err(|_| Error::DamagedManifest)?;
        Run::decode(id, &plain).map_err(|_| Error::DamagedManifest)
    });
    runs.collect()
}

/// The keys that are to be destroyed.
fn read_doomed(kv: &Kv) -> Result<Vec<(TenantId, DekId)>, Error> {
    let mut doomed = Vec::new();
    kv.scan(Family::Manifest, &[key::MANIFEST_DOOMED], &[key::MANIFEST_DOOMED], &mut |place, _| {
        doomed.extend(key::doomed_parts(place));
        ControlFlow::Continue(())
    })?;
    Ok(doomed)
}

/// Index keys, the last one remembered: entries come by tenant.
pub(super) struct IndexKeys<'v> {
    vault: &'v Vault,
    current: Option<(TenantId, Arc<Secret>)>,
}

impl<'v> IndexKeys<'v> {
    /// None remembered yet.
    pub fn new(vault: &'v Vault) -> Self {
        IndexKeys { vault, current: None }
    }

    /// The key of a tenant.
    pub fn of(&mut self, tenant: TenantId) -> Result<Arc<Secret>, Error> {
        if let Some((_, key)) = self.current.as_ref().filter(|(owner, _)| *owner == tenant) {
            return Ok(Arc::clone(key));
        }
        let key = self.vault.find_index_key(tenant).ok_or(Error::KeysMissing { runs: 1, segments: 0 })?;
        self.current = Some((tenant, Arc::clone(&key)));
        Ok(key)
    }
}
