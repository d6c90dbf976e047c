//! The tenants and keys as of one moment, and one change of them.
//!
//! Owns the indexes by id, name and tenant. An older record never replaces a newer one, so that changes may be applied in
//! another order than they were made.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::id::{KeyId, TenantId};
use crate::kv::{Batch, Family};

use super::directory::{Error, IngestKey, Tenant};
use super::record::{self, Damaged, KEY_PREFIX, TENANT_PREFIX};

/// The records that a change sets, and the key that it forgets.
#[derive(Default)]
pub(super) struct Change {
    pub(super) tenant: Option<Arc<Tenant>>,
    pub(super) key: Option<Arc<IngestKey>>,
    pub(super) forgotten: Option<KeyId>,
}

impl Change {
    pub(super) fn write_to(&self, batch: &mut Batch) {
        for (key, value) in self.writes() {
            match value {
                Some(value) => batch.put(Family::Catalog, &key, &value),
                None => batch.delete(Family::Catalog, &key),
            }
        }
    }

    pub(super) fn writes(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let tenant =
            self.tenant.iter().map(|t| (record::stored_key(TENANT_PREFIX, &t.id.0), Some(record::encode_tenant(t))));
        let key = self.key.iter().map(|k| (record::stored_key(KEY_PREFIX, &k.id.0), Some(record::encode_key(k))));
        let forgotten = self.forgotten.iter().map(|id| (record::stored_key(KEY_PREFIX, &id.0), None));
        tenant.chain(key).chain(forgotten).collect()
    }
}

/// The tenants and keys as of one moment.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) tenants: HashMap<TenantId, Arc<Tenant>>,
    pub(super) names: HashMap<String, TenantId>,
    pub(super) keys: HashMap<KeyId, Arc<IngestKey>>,
    keys_of: HashMap<TenantId, HashSet<KeyId>>,
}

impl Entries {
    pub(super) fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
        if let Some(id) = key.strip_prefix(TENANT_PREFIX) {
            self.set_tenant(Arc::new(record::decode_tenant(id, value)?));
        } else if let Some(id) = key.strip_prefix(KEY_PREFIX) {
            self.set_key(Arc::new(record::decode_key(id, value)?));
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, change: &Change) {
        if let Some(tenant) = &change.tenant {
            self.set_tenant(Arc::clone(tenant));
        }
        if let Some(key) = &change.key {
            self.set_key(Arc::clone(key));
        }
        if let Some(id) = change.forgotten {
            self.forget_key(id);
        }
    }

    fn set_tenant(&mut self, tenant: Arc<Tenant>) {
        if self.tenants.get(&tenant.id).is_some_and(|known| known.revision > tenant.revision) {
            return;
        }
        self.names.insert(folded(&tenant.name), tenant.id);
        self.tenants.insert(tenant.id, tenant);
    }

    fn set_key(&mut self, key: Arc<IngestKey>) {
        if self.keys.get(&key.id).is_some_and(|known| known.revision > key.revision) {
            return;
        }
        self.keys_of.entry(key.tenant).or_default().insert(key.id);
        self.keys.insert(key.id, key);
    }

    fn forget_key(&mut self, id: KeyId) {
        if let Some(key) = self.keys.remove(&id)
            && let Some(siblings) = self.keys_of.get_mut(&key.tenant)
        {
            siblings.remove(&id);
        }
    }

    pub(super) fn keys_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<IngestKey>> {
        self.keys_of.get(&tenant).into_iter().flatten().filter_map(|id| self.keys.get(id))
    }

    pub(super) fn open_tenant(&self, id: TenantId) -> Result<&Arc<Tenant>, Error> {
        let tenant = self.tenants.get(&id).ok_or(Error::TenantUnknown)?;
        if tenant.enabled { Ok(tenant) } else { Err(Error::TenantDisabled) }
    }
}

/// A name as it is compared: without regard to case.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}
