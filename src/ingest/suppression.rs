//! Data subjects of whom nothing is taken any more, because their erasure was asked for.
//!
//! Kept are hashes of what senders call them (never that itself), under a key of the tenant that does not rotate: otherwise an erased subject would
//! be back with the next epoch. An event whose user or session is listed is rejected with the reason `suppressed`.
//!
//! An entry is heeded from the moment in which it is staged, on the writer's thread, and so stands before or after every group of events. Events that were
//! compared with an older list are looked at once more when their turn comes ([`Suppression::listed_since`]): they are clean by then, so what stored
//! rows call the subjects tells.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::id::{Entropy, TenantId};
use crate::keys::{self, KeyFile, KeyKind, Secret};
use crate::kv::{self, Batch, Family, Kv};
use crate::privacy::event::RawEvent;
use crate::store::subject::Subjects;

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
    /// Grows with every entry.
    version: AtomicU64,
}

/// Whom one tenant's senders may not tell of.
#[derive(Clone)]
pub struct List {
    tenant: TenantId,
    key: Arc<Secret>,
    hashes: HashSet<IdHash>,
    /// What rows call those that were listed since the start.
    recent: Subjects,
}

impl List {
    /// What rows call those that were listed since the start of the process.
    pub fn recent(&self) -> &Subjects {
        &self.recent
    }

    /// Whether an event is about somebody on the list.
    pub fn has(&self, event: &RawEvent<'_>) -> bool {
        let listed = |purpose, value: Option<&str>| {
            value.is_some_and(|value| self.hashes.contains(&hash(&self.key, purpose, self.tenant, value)))
        };
        listed(USER, event.user()) || listed(SESSION, event.session())
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
    key: Arc<Secret>,
    subjects: Subjects,
}

impl Suppression {
    /// Reads the lists.
    pub fn open(kv: &Kv, keys: Arc<KeyFile>, entropy: Arc<dyn Entropy>) -> Result<Suppression, Error> {
        let (lists, version) = Default::default();
        let suppression = Suppression { keys, entropy, lists, version };
        let mut entries = Vec::new();
        kv.scan(Family::Catalog, PREFIX, PREFIX, &mut |key, _| {
            entries.extend(key.strip_prefix(PREFIX).and_then(|rest| {
                let (tenant, hash) = rest.split_first_chunk()?;
                Some((TenantId(*tenant), hash.try_into().ok()?))
            }));
            ControlFlow::Continue(())
        })?;
        for (tenant, hash) in entries {
            let key = suppression.key(tenant)?;
            suppression.heed(&Listing { tenant, hash, key, subjects: Subjects::default() });
        }
        Ok(suppression)
    }

    /// The list of a tenant; `None` when nobody is on it.
    pub fn of(&self, tenant: TenantId) -> Option<Arc<List>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    /// How many entries were heeded so far. To be read before [`Suppression::of`].
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The list of a tenant, if one has changed since `version`. Writer's thread only.
    pub fn listed_since(&self, version: u64, tenant: TenantId) -> Option<Arc<List>> {
        if self.version() == version { None } else { self.of(tenant) }
    }

    /// The entry of a subject, whom rows call `subjects`.
    pub fn prepare(&self, tenant: TenantId, named: Named<'_>, subjects: Subjects) -> Result<Listing, keys::Error> {
        let key = self.key(tenant)?;
        let hash = match named {
            Named::User(user) => hash(&key, USER, tenant, user),
            Named::Session(session) => hash(&key, SESSION, tenant, session),
        };
        Ok(Listing { tenant, hash, key, subjects })
    }

    /// Stages an entry and heeds it. Writer's thread only.
    pub fn stage(&self, listing: &Listing, batch: &mut Batch) {
        batch.put(Family::Catalog, &[PREFIX, &listing.tenant.0, &listing.hash].concat(), &[]);
        self.heed(listing);
    }

    fn heed(&self, listing: &Listing) {
        let Listing { tenant, hash, key, subjects } = listing;
        let empty =
            || List { tenant: *tenant, key: Arc::clone(key), hashes: HashSet::new(), recent: Subjects::default() };
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        let list = Arc::make_mut(lists.entry(*tenant).or_insert_with(|| Arc::new(empty())));
        list.hashes.insert(*hash);
        list.recent = std::mem::take(&mut list.recent).and(subjects);
        self.version.fetch_add(1, Ordering::Release);
    }

    fn key(&self, tenant: TenantId) -> Result<Arc<Secret>, keys::Error> {
        Ok(self.keys.ensure(KeyKind::Suppression, tenant.0, 0, &*self.entropy)?.0)
    }
}

fn hash(key: &Secret, purpose: &[u8], tenant: TenantId, value: &str) -> IdHash {
    keyed_hash(key, purpose, tenant, value.as_bytes())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::SystemEntropy;
    use crate::kv::{Writer, WriterSettings};

    const TENANT: TenantId = TenantId([3; 8]);

    const SETTINGS: WriterSettings =
        WriterSettings { linger: Duration::ZERO, group_bytes_max: 1 << 18, queue_bytes_max: 1 << 24, disk_free_min: 0 };

    fn open(dir: &std::path::Path) -> (Writer, Arc<Suppression>) {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let keys = Arc::new(KeyFile::open(&dir.join("keys"), &*entropy).unwrap());
        let kv = Arc::new(Kv::open(&dir.join("db")).unwrap());
        let suppression = Suppression::open(&kv, keys, entropy).unwrap();
        (Writer::start(kv, Vec::new(), SETTINGS, |_| ()).unwrap(), Arc::new(suppression))
    }

    fn listed(suppression: &Suppression) -> Vec<&'static str> {
        let list = suppression.of(TENANT).unwrap();
        let is_listed = |user: &&str| list.hashes.contains(&hash(&list.key, USER, TENANT, user));
        ["ann", "bob", "cid"].into_iter().filter(is_listed).collect()
    }

    #[test]
    fn two_erasures_at_once_both_suppress() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, suppression) = open(dir.path());
        let prepare = |user| suppression.prepare(TENANT, Named::User(user), Subjects::default()).unwrap();
        // Both are prepared before either is heeded, as two requests at one time.
        let (ann, bob) = (prepare("ann"), prepare("bob"));
        let before = suppression.version();
        let stage = |listing: Listing| {
            let suppression = Arc::clone(&suppression);
            writer.commit(move |batch| suppression.stage(&listing, batch)).unwrap();
        };
        stage(ann);
        assert_eq!(listed(&suppression), ["ann"]);
        stage(bob);
        assert_eq!(listed(&suppression), ["ann", "bob"]);
        assert!(suppression.listed_since(before, TENANT).is_some());
        assert!(suppression.listed_since(suppression.version(), TENANT).is_none());
        writer.stop();
        drop((writer, suppression));
        assert_eq!(listed(&open(dir.path()).1), ["ann", "bob"], "after a restart");
    }
}
