//! Data subjects of whom nothing is taken any more, because their erasure was asked for.
//!
//! Kept are hashes of what senders call them (never that itself), under a key of the tenant that does not rotate: otherwise an erased subject would
//! be back with the next epoch. An event whose user or session is listed is rejected with the reason `suppressed`.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use crate::id::{Entropy, TenantId};
use crate::keys::{self, KeyFile, KeyKind, Secret};
use crate::kv::{self, Batch, Family, Kv};
use crate::privacy::event::RawEvent;

use super::dedupe::{IdHash, keyed_hash};

/// Leads the entries in the catalog; tenant and hash follow.
const PREFIX: &[u8] = b"s|";
const USER: &[u8] = b"suppressed user";
const SESSION: &[u8] = b"suppressed session";

/// The lists of all tenants.
pub struct Suppression {
    keys: Arc<KeyFile>,
    entropy: Arc<dyn Entropy>,
    lists: RwLock<HashMap<TenantId, Arc<List>>>,
}

/// Whom one tenant's senders may not tell of.
#[derive(Clone)]
pub struct List {
    tenant: TenantId,
    key: Arc<Secret>,
    hashes: HashSet<IdHash>,
}

impl List {
    /// Whether an event is about somebody on the list.
    pub fn has(&self, event: &RawEvent<'_>) -> bool {
        let listed =
            |purpose, value: Option<&str>| value.is_some_and(|value| self.hashes.contains(&self.hash(purpose, value)));
        listed(USER, event.user()) || listed(SESSION, event.session())
    }

    fn hash(&self, purpose: &[u8], value: &str) -> IdHash {
        keyed_hash(&self.key, purpose, self.tenant, value.as_bytes())
    }
}

/// What senders call a subject.
#[derive(Clone, Copy)]
pub enum Named<'n> {
    /// The `user` of its events.
    User(&'n str),
    /// The `session` of its events.
    Session(&'n str),
}

/// An entry that is to be listed.
pub struct Listing {
    tenant: TenantId,
    hash: IdHash,
}

impl Suppression {
    /// Reads the lists.
    pub fn open(kv: &Kv, keys: Arc<KeyFile>, entropy: Arc<dyn Entropy>) -> Result<Suppression, Error> {
        let suppression = Suppression { keys, entropy, lists: RwLock::default() };
        let mut entries = Vec::new();
        kv.scan(Family::Catalog, PREFIX, PREFIX, &mut |key, _| {
            entries.extend(key.strip_prefix(PREFIX).and_then(|rest| {
                let (tenant, hash) = rest.split_first_chunk()?;
                Some(Listing { tenant: TenantId(*tenant), hash: hash.try_into().ok()? })
            }));
            ControlFlow::Continue(())
        })?;
        for listing in &entries {
            suppression.show(listing)?;
        }
        Ok(suppression)
    }

    /// The list of a tenant; `None` when nobody is on it.
    pub fn of(&self, tenant: TenantId) -> Option<Arc<List>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    /// The entry of a subject.
    pub fn prepare(&self, tenant: TenantId, named: Named<'_>) -> Result<Listing, keys::Error> {
        let list = self.list(tenant)?;
        let hash = match named {
            Named::User(user) => list.hash(USER, user),
            Named::Session(session) => list.hash(SESSION, session),
        };
        Ok(Listing { tenant, hash })
    }

    /// Stages an entry. Writer's thread only.
    pub fn stage(&self, listing: &Listing, batch: &mut Batch) {
        batch.put(Family::Catalog, &[PREFIX, &listing.tenant.0, &listing.hash].concat(), &[]);
    }

    /// Heeds an entry; to be called once it is durable.
    pub fn show(&self, listing: &Listing) -> Result<(), keys::Error> {
        let (key, _) = self.keys.ensure(KeyKind::Suppression, listing.tenant.0, 0, &*self.entropy)?;
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        let list = lists
            .entry(listing.tenant)
            .or_insert_with(|| Arc::new(List { tenant: listing.tenant, key, hashes: HashSet::new() }));
        Arc::make_mut(list).hashes.insert(listing.hash);
        Ok(())
    }

    fn list(&self, tenant: TenantId) -> Result<List, keys::Error> {
        if let Some(list) = self.of(tenant) {
            return Ok((*list).clone());
        }
        let (key, _) = self.keys.ensure(KeyKind::Suppression, tenant.0, 0, &*self.entropy)?;
        Ok(List { tenant, key, hashes: HashSet::new() })
    }
}

/// Why the lists cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The key file.
    #[error(transparent)]
    Keys(#[from] keys::Error),
}
