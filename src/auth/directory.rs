//! The tenants and their ingest keys.
//!
//! Every request asks here, so the whole directory lies in memory; the family `Catalog` holds its stored twin. A change has
//! two steps, because it may only be seen once it is durable:
//!
//! 1. `stage_*` runs on the writer thread, checks the change against everything staged before it, and writes it to the
//!    batch. Two requests for the same name in one group of commits therefore cannot both succeed.
//! 2. [`Directory::publish`] runs after the commit and makes the change visible to requests. The new key or tenant can be
//!    had from the [`Staged`] value only there.
//!
//! Steps may be published in another order than staged: every record carries the number of its change, and an older one
//! never replaces a newer one. A failed commit poisons the writer until restart, so nothing staged is ever taken back.
//!
//! Not here: what a tenant's policy (`ingest::policies`) or limits are, and AgentCat's `project_id`, which config maps to a tenant.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::clock::Millis;
use crate::id::{Entropy, KeyId, TenantId};
use crate::kv::{self, Batch, Family, Kv};

use super::api_key::{ApiKey, SecretHash};
use super::entries::{Change, Entries, folded};
use super::principal::{Identity, Principal, Scope, Scopes};
use super::record::{Damaged, KEY_PREFIX, TENANT_PREFIX};

/// Longest name and label, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Random, so that it may stand in logs and file names.
    pub id: TenantId,
    /// Given by the operator; unique without regard to case.
    pub name: String,
    /// When it was made.
    pub created: Millis,
    /// A disabled tenant's credentials are refused.
    pub enabled: bool,
    pub(super) revision: u64,
}

/// An ingest key, without its secret. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct IngestKey {
    /// The public half.
    pub id: KeyId,
    /// Whose events it sends.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: Scopes,
    /// A note of the operator; may be empty.
    pub label: String,
    /// When it was made.
    pub created: Millis,
    /// When it was revoked, if it was.
    pub revoked: Option<Millis>,
    pub(super) hash: SecretHash,
    pub(super) revision: u64,
}

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryLimits {
    /// Tenants, disabled ones included.
    pub tenants_max: usize,
    /// Keys of one tenant, revoked ones included; the longest revoked one is forgotten when room is needed.
    pub keys_per_tenant_max: usize,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not 1 to 64 letters, digits, spaces or `-_.`, or with spaces around, or looking like a tenant id.
    #[error("a name has 1 to 64 characters out of letters, digits, space, '-', '_' and '.', and is not a tenant id")]
    NameInvalid,
    /// Another tenant has that name, possibly in other case.
    #[error("a tenant of that name exists")]
    NameTaken,
    /// The label is too long or has other characters than a name may have.
    #[error("a label has at most 64 characters out of letters, digits, space, '-', '_' and '.'")]
    LabelInvalid,
    /// No such tenant.
    #[error("no such tenant")]
    TenantUnknown,
    /// The tenant is disabled.
    #[error("the tenant is disabled")]
    TenantDisabled,
    /// No such key.
    #[error("no such key")]
    KeyUnknown,
    /// Ingest keys are for sending only; reading needs a token, which expires.
    #[error("an ingest key can have the scope 'ingest' only; issue a token for the others")]
    ScopeRefused,
    /// The limit on tenants is reached.
    #[error("the limit on tenants is reached")]
    TenantsFull,
    /// The tenant's limit on keys is reached and none of them is revoked.
    #[error("the tenant's limit on keys is reached; revoke one first")]
    KeysFull,
}

/// Why the directory cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database could not be read.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// A stored record cannot be read: the start must fail, since a lost key or tenant would go unnoticed.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// Why an ingest key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// No such key, or the secret is another one; a caller is not told which.
    #[error("the key is not valid")]
    Unknown,
    /// The key was revoked.
    #[error("the key is revoked")]
    Revoked,
    /// The tenant is disabled.
    #[error("the tenant is disabled")]
    TenantDisabled,
}

/// A change in a batch that is not yet durable. Drop it if the commit failed, else hand it to [`Directory::publish`].
#[must_use = "a staged change is invisible until it is published"]
pub struct Staged<T> {
    value: T,
    change: Change,
}

impl<T> Staged<T> {
    /// What will be, for the audit record in the same batch.
    pub fn value(&self) -> &T {
        &self.value
    }
}

/// Everything staged so far, durable or not; touched on the writer thread only.
struct Head {
    entries: Entries,
    revision: u64,
}

/// The tenants and ingest keys of this gateway.
pub struct Directory {
    limits: DirectoryLimits,
    head: Mutex<Head>,
    published: RwLock<Entries>,
}

impl Directory {
    /// Loads the directory; a record that cannot be read fails the start.
    pub fn open(kv: &Kv, limits: DirectoryLimits) -> Result<Directory, OpenError> {
        let mut stored = Vec::new();
        for prefix in [TENANT_PREFIX, KEY_PREFIX] {
            kv.scan(Family::Catalog, prefix, prefix, &mut |key, value| {
                stored.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })?;
        }
        Ok(Directory::load(&stored, limits)?)
    }

    /// A directory without tenants.
    pub fn empty(limits: DirectoryLimits) -> Directory {
        let head = Mutex::new(Head { entries: Entries::default(), revision: 0 });
        Directory { limits, head, published: RwLock::default() }
    }

    fn load(stored: &[(Vec<u8>, Vec<u8>)], limits: DirectoryLimits) -> Result<Directory, Damaged> {
        let mut copies = [Entries::default(), Entries::default()];
        for entries in &mut copies {
            stored.iter().try_for_each(|(key, value)| entries.read(key, value))?;
        }
        let [head, published] = copies;
        let head = Mutex::new(Head { entries: head, revision: 0 });
        Ok(Directory { limits, head, published: RwLock::new(published) })
    }

    // What requests ask.

    /// The principal of an ingest key.
    pub fn authenticate(&self, key: &ApiKey) -> Result<Principal, KeyRefused> {
        let offered = key.hash();
        self.read(|entries| {
            let known = entries.keys.get(&key.id()).filter(|known| known.hash == offered).ok_or(KeyRefused::Unknown)?;
            if known.revoked.is_some() {
                return Err(KeyRefused::Revoked);
            }
            if !entries.tenants.get(&known.tenant).is_some_and(|tenant| tenant.enabled) {
                return Err(KeyRefused::TenantDisabled);
            }
            Ok(Principal::new(Identity::IngestKey(known.id), Some(known.tenant), known.scopes, None))
        })
    }

    /// Whether the tenant exists and is enabled.
    pub fn is_enabled(&self, tenant: TenantId) -> bool {
        self.read(|entries| entries.tenants.get(&tenant).is_some_and(|tenant| tenant.enabled))
    }

    /// A tenant by its id.
    pub fn tenant(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.read(|entries| entries.tenants.get(&id).cloned())
    }

    /// A tenant by its id (`tn_...`) or by its name in any case.
    pub fn find_tenant(&self, id_or_name: &str) -> Option<Arc<Tenant>> {
        self.read(|entries| {
            let id = id_or_name.parse().ok().or_else(|| entries.names.get(&folded(id_or_name)).copied())?;
            entries.tenants.get(&id).cloned()
        })
    }

    /// Every tenant, by name.
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        let mut all: Vec<_> = self.read(|entries| entries.tenants.values().cloned().collect());
        all.sort_by_cached_key(|tenant| folded(&tenant.name));
        all
    }

    /// An ingest key by its id.
    pub fn key(&self, id: KeyId) -> Option<Arc<IngestKey>> {
        self.read(|entries| entries.keys.get(&id).cloned())
    }

    /// The tenant's ingest keys, oldest first.
    pub fn keys(&self, tenant: TenantId) -> Vec<Arc<IngestKey>> {
        let mut keys: Vec<_> = self.read(|entries| entries.keys_of(tenant).cloned().collect());
        keys.sort_by_key(|key| (key.created, key.id));
        keys
    }

    // What operators change.

    /// Stages a new tenant.
    pub fn stage_tenant(
        &self,
        batch: &mut Batch,
        name: &str,
        now: Millis,
        entropy: &dyn Entropy,
    ) -> Result<Staged<Arc<Tenant>>, Error> {
        if !is_name(name) || name.parse::<TenantId>().is_ok() {
            return Err(Error::NameInvalid);
        }
        let mut head = self.head();
        if head.entries.names.contains_key(&folded(name)) {
            return Err(Error::NameTaken);
        }
        if head.entries.tenants.len() >= self.limits.tenants_max {
            return Err(Error::TenantsFull);
        }
        let id = vacant(|| TenantId::random(entropy), |id| head.entries.tenants.contains_key(id));
        let revision = head.next_revision();
        let tenant = Arc::new(Tenant { id, name: name.to_owned(), created: now, enabled: true, revision });
        let change = Change { tenant: Some(Arc::clone(&tenant)), ..Change::default() };
        Ok(head.stage(batch, tenant, change))
    }

    /// Stages enabling or disabling a tenant.
    pub fn stage_tenant_enabled(
        &self,
        batch: &mut Batch,
        id: TenantId,
        enabled: bool,
    ) -> Result<Staged<Arc<Tenant>>, Error> {
        let mut head = self.head();
        let known = Arc::clone(head.entries.tenants.get(&id).ok_or(Error::TenantUnknown)?);
        let revision = head.next_revision();
        let tenant = Arc::new(Tenant { enabled, revision, ..Tenant::clone(&known) });
        let change = Change { tenant: Some(Arc::clone(&tenant)), ..Change::default() };
        Ok(head.stage(batch, tenant, change))
    }

    /// Stages a new ingest key; its secret can be read from the published value once and is kept nowhere.
    pub fn stage_key(
        &self,
        batch: &mut Batch,
        tenant: TenantId,
        scopes: Scopes,
        label: &str,
        now: Millis,
        entropy: &dyn Entropy,
    ) -> Result<Staged<ApiKey>, Error> {
        if scopes != Scopes::of(&[Scope::Ingest]) {
            return Err(Error::ScopeRefused);
        }
        if !label.is_empty() && !is_name(label) {
            return Err(Error::LabelInvalid);
        }
        let mut head = self.head();
        head.entries.open_tenant(tenant)?;
        let forgotten = head.make_room(tenant, self.limits.keys_per_tenant_max)?;
        let secret = vacant(|| ApiKey::random(entropy), |key| head.entries.keys.contains_key(&key.id()));
        let key = IngestKey {
            id: secret.id(),
            tenant,
            scopes,
            label: label.to_owned(),
            created: now,
            revoked: None,
            hash: secret.hash(),
            revision: head.next_revision(),
        };
        let change = Change { key: Some(Arc::new(key)), forgotten, ..Change::default() };
        Ok(head.stage(batch, secret, change))
    }

    /// Stages the revocation of a key; revoking it again keeps the first moment.
    pub fn stage_key_revoked(
        &self,
        batch: &mut Batch,
        id: KeyId,
        now: Millis,
    ) -> Result<Staged<Arc<IngestKey>>, Error> {
        let mut head = self.head();
        let known = Arc::clone(head.entries.keys.get(&id).ok_or(Error::KeyUnknown)?);
        let revision = head.next_revision();
        let revoked = known.revoked.or(Some(now));
        let key = Arc::new(IngestKey { revoked, revision, ..IngestKey::clone(&known) });
        let change = Change { key: Some(Arc::clone(&key)), ..Change::default() };
        Ok(head.stage(batch, key, change))
    }

    /// Makes a committed change visible and hands out what it made.
    pub fn publish<T>(&self, staged: Staged<T>) -> T {
        self.published.write().unwrap_or_else(PoisonError::into_inner).apply(&staged.change);
        staged.value
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, ask: impl FnOnce(&Entries) -> T) -> T {
        ask(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Head {
    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    fn stage<T>(&mut self, batch: &mut Batch, value: T, change: Change) -> Staged<T> {
        change.write_to(batch);
        self.entries.apply(&change);
        Staged { value, change }
    }

    /// The key to forget so that the tenant may have one more, if one must be.
    fn make_room(&self, tenant: TenantId, keys_max: usize) -> Result<Option<KeyId>, Error> {
        if self.entries.keys_of(tenant).count() < keys_max {
            return Ok(None);
        }
        let revoked = self.entries.keys_of(tenant).filter_map(|key| Some((key.revoked?, key.id)));
        revoked.min().map(|(_, id)| Some(id)).ok_or(Error::KeysFull)
    }
}

/// Draws until the draw is not taken; with 64 random bits the first one practically never is.
fn vacant<T>(draw: impl Fn() -> T, taken: impl Fn(&T) -> bool) -> T {
    loop {
        let drawn = draw();
        if !taken(&drawn) {
            return drawn;
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && name.trim() == name && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SystemEntropy;

    const LIMITS: DirectoryLimits = DirectoryLimits { tenants_max: 3, keys_per_tenant_max: 2 };
    const NOW: Millis = Millis(1_000);

    fn empty() -> Directory {
        Directory::empty(LIMITS)
    }

    fn ingest() -> Scopes {
        Scopes::of(&[Scope::Ingest])
    }

    /// A directory read back from what `directory` has stored.
    fn reloaded(directory: &Directory) -> Directory {
        let head = directory.head();
        let tenants =
            head.entries.tenants.values().map(|t| Change { tenant: Some(Arc::clone(t)), ..Change::default() });
        let keys = head.entries.keys.values().map(|k| Change { key: Some(Arc::clone(k)), ..Change::default() });
        let stored: Vec<_> = tenants
            .chain(keys)
            .flat_map(|change| change.writes())
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        Directory::load(&stored, LIMITS).unwrap()
    }

    fn tenant(directory: &Directory, name: &str) -> Arc<Tenant> {
        let staged = directory.stage_tenant(&mut Batch::default(), name, NOW, &SystemEntropy);
        directory.publish(staged.unwrap())
    }

    fn key(directory: &Directory, tenant: TenantId) -> Result<ApiKey, Error> {
        let staged = directory.stage_key(&mut Batch::default(), tenant, ingest(), "ci", NOW, &SystemEntropy);
        staged.map(|staged| directory.publish(staged))
    }

    fn revoke(directory: &Directory, id: KeyId, now: Millis) {
        drop(directory.publish(directory.stage_key_revoked(&mut Batch::default(), id, now).unwrap()));
    }

    #[test]
    fn tenants_and_keys_survive_a_restart() {
        let directory = empty();
        let acme = tenant(&directory, "Acme");
        let secret = key(&directory, acme.id).unwrap();
        let again = reloaded(&directory);
        assert_eq!(again.find_tenant("acme").unwrap().id, acme.id);
        assert_eq!(again.find_tenant(&acme.id.to_string()).unwrap().name, "Acme");
        let principal = again.authenticate(&secret).unwrap();
        assert_eq!((principal.tenant(), principal.scopes()), (Some(acme.id), ingest()));
        assert_eq!(principal.key(), Some(secret.id()));
    }

    #[test]
    fn nothing_is_seen_before_it_is_published() {
        let directory = empty();
        let staged = directory.stage_tenant(&mut Batch::default(), "acme", NOW, &SystemEntropy).unwrap();
        assert!(directory.find_tenant("acme").is_none());
        assert_eq!(staged.value().name, "acme");
        directory.publish(staged);
        assert!(directory.find_tenant("acme").is_some());
    }

    #[test]
    fn a_name_is_taken_from_the_moment_it_is_staged() {
        let directory = empty();
        let first = directory.stage_tenant(&mut Batch::default(), "Acme", NOW, &SystemEntropy);
        let second = directory.stage_tenant(&mut Batch::default(), "aCME", NOW, &SystemEntropy);
        assert!(first.is_ok());
        assert_eq!(second.err(), Some(Error::NameTaken));
    }

    #[test]
    fn an_older_change_never_replaces_a_newer_one() {
        let directory = empty();
        let acme = tenant(&directory, "acme");
        let off = directory.stage_tenant_enabled(&mut Batch::default(), acme.id, false).unwrap();
        let on = directory.stage_tenant_enabled(&mut Batch::default(), acme.id, true).unwrap();
        directory.publish(on);
        directory.publish(off);
        assert!(directory.is_enabled(acme.id));
    }

    #[test]
    fn a_revoked_key_a_wrong_secret_and_a_disabled_tenant_are_refused() {
        let directory = empty();
        let acme = tenant(&directory, "acme");
        let (good, other) = (key(&directory, acme.id).unwrap(), ApiKey::random(&SystemEntropy));
        let forged = format!("tg_{}_{}", good.id(), &other.text()[20..]);
        assert_eq!(directory.authenticate(&ApiKey::parse(&forged).unwrap()), Err(KeyRefused::Unknown));
        assert_eq!(directory.authenticate(&other), Err(KeyRefused::Unknown));

        directory.publish(directory.stage_tenant_enabled(&mut Batch::default(), acme.id, false).unwrap());
        assert_eq!(directory.authenticate(&good), Err(KeyRefused::TenantDisabled));
        assert_eq!(key(&directory, acme.id).err(), Some(Error::TenantDisabled));
        directory.publish(directory.stage_tenant_enabled(&mut Batch::default(), acme.id, true).unwrap());

        revoke(&directory, good.id(), NOW);
        revoke(&directory, good.id(), NOW.plus(5));
        assert_eq!(directory.authenticate(&good), Err(KeyRefused::Revoked));
        assert_eq!(reloaded(&directory).authenticate(&good), Err(KeyRefused::Revoked));
        assert_eq!(directory.key(good.id()).unwrap().revoked, Some(NOW));
    }

    #[test]
    fn limits_hold_and_the_longest_revoked_key_makes_room() {
        let directory = empty();
        let acme = tenant(&directory, "a");
        tenant(&directory, "b");
        tenant(&directory, "c");
        let fourth = directory.stage_tenant(&mut Batch::default(), "d", NOW, &SystemEntropy);
        assert_eq!(fourth.err(), Some(Error::TenantsFull));

        let (one, two) = (key(&directory, acme.id).unwrap(), key(&directory, acme.id).unwrap());
        assert_eq!(key(&directory, acme.id).err(), Some(Error::KeysFull));
        revoke(&directory, two.id(), NOW.plus(1));
        let three = key(&directory, acme.id).unwrap();
        assert!(directory.authenticate(&one).is_ok() && directory.authenticate(&three).is_ok());
        assert_eq!(directory.authenticate(&two), Err(KeyRefused::Unknown));
        assert_eq!(directory.keys(acme.id).len(), 2);
    }

    #[test]
    fn names_labels_and_scopes_are_checked() {
        let directory = empty();
        let long = "a".repeat(65);
        for bad in ["", " a", "a ", "a/b", "a\nb", "tn_0011223344556677", long.as_str()] {
            let staged = directory.stage_tenant(&mut Batch::default(), bad, NOW, &SystemEntropy);
            assert_eq!(staged.err(), Some(Error::NameInvalid), "{bad:?}");
        }
        let acme = tenant(&directory, "Ärzte-Haus 1.0_x");
        let mut batch = Batch::default();
        let wide = Scopes::of(&[Scope::Ingest, Scope::Query]);
        let refused = directory.stage_key(&mut batch, acme.id, wide, "", NOW, &SystemEntropy);
        assert_eq!(refused.err(), Some(Error::ScopeRefused));
        let refused = directory.stage_key(&mut batch, acme.id, ingest(), "a\tb", NOW, &SystemEntropy);
        assert_eq!(refused.err(), Some(Error::LabelInvalid));
        let refused = directory.stage_key(&mut batch, TenantId([0; 8]), ingest(), "", NOW, &SystemEntropy);
        assert_eq!(refused.err(), Some(Error::TenantUnknown));
        assert!(batch.is_empty());
    }
}
