//! Which privacy policy holds for whom.
//!
//! There is one policy of the gateway, from a file; a tenant may have one of its own, which lies over the gateway's. Owns the tenants' policies as
//! they are stored (every version, sealed under the tenant's index key, in the family `catalog`) and as they run.
//!
//! Invariants: what is in force was recorded and durable before; all of it is one table that is swapped as a whole, so a request sees one policy
//! from its first event to its last; changes are made one at a time. It fails closed: a stored policy that does not compile any more (the
//! gateway's changed under it, or the program did) leaves its tenant without a policy, and its events are refused until somebody mends it.
//!
//! ```text
//! catalog   p| tenant version(u32 big-endian)   ->  sealed JSON of a [`Version`], at most 100 of them
//! ```

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::audit::trail::{Entry, Trail};
use crate::audit::{self, Action, Outcome, Subject};
use crate::clock::Millis;
use crate::id::{Entropy, TenantId, random};
use crate::keys::{self, Vault, seal};
use crate::kv::{self, Batch, CommitError, Family, Kv, Writer};
use crate::privacy::{Form, PolicyErrors, Scrubber};

/// Leads the entries in the catalog.
const PREFIX: &[u8] = b"p|";
/// Versions of a tenant's policy that are kept; older ones are in the audit log by their hash only.
const VERSIONS_MAX: u32 = 100;

/// Why a policy was not changed or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy is refused.
    #[error("the policy is refused:\n{0}")]
    Refused(#[source] PolicyErrors),
    /// A tenant's policy does not go with the new policy of the gateway.
    #[error("the policy of tenant {tenant} does not go with it:\n{errors}")]
    Tenant {
        /// Whose.
        tenant: TenantId,
        /// What is wrong with it then.
        errors: PolicyErrors,
    },
    /// Somebody else was faster.
    #[error("the policy is not the one that the request was made for")]
    Changed,
    /// A stored policy cannot be read.
    #[error("a stored privacy policy is damaged")]
    Damaged,
    /// The database.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// Nothing can be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

/// A tenant's policy does not compile: nothing of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant's privacy policy cannot be used; an operator has to mend it")]
pub struct Broken;

/// One version of a tenant's policy, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// 1 for the first.
    pub version: u32,
    /// When it was made, in milliseconds.
    at: i64,
    /// Who made it, as in the audit log: a commitment.
    by: String,
    /// The policy as it was written; `None`: the gateway's holds.
    pub text: Option<String>,
    /// Whether the text is JSON; TOML otherwise.
    json: bool,
    /// The hash of what it meant when it was made.
    pub hash: String,
}

impl Version {
    /// When it was made.
    pub fn at(&self) -> Millis {
        Millis(self.at)
    }

    /// How its text is written.
    pub fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Toml }
    }

    /// Who made it: the commitment under which the audit log knows the principal.
    pub fn by(&self) -> Option<audit::Commitment> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.by, &mut bytes).ok()?;
        Some(audit::Commitment(bytes))
    }
}

/// What holds for a tenant.
#[derive(Clone)]
pub struct Standing {
    /// The newest version of its own policy, if there ever was one.
    pub version: Option<Arc<Version>>,
    /// What runs.
    pub policy: Result<Arc<Scrubber>, Broken>,
}

impl Standing {
    /// Names version and meaning: it changes when either does.
    pub fn tag(&self) -> String {
        let version = self.version.as_ref().map_or(0, |version| version.version);
        let hash = self.policy.as_ref().map_or("broken", |policy| policy.policy_hash_text());
        format!("{version}-{}", hash.get(..16).unwrap_or(hash))
    }

    /// Whether the tenant has a policy of its own.
    pub fn is_own(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.text.is_some())
    }
}

/// Everything that is in force.
#[derive(Clone)]
struct Table {
    gateway: Arc<Scrubber>,
    tenants: HashMap<TenantId, Standing>,
}

/// The policies of the gateway and its tenants.
pub struct Policies {
    kv: Arc<Kv>,
    vault: Arc<Vault>,
    trail: Arc<Trail>,
    writer: Writer,
    entropy: Arc<dyn Entropy>,
    table: ArcSwap<Table>,
    turn: Mutex<()>,
}

/// What policies are kept with.
pub struct Rooms {
    /// Where they are stored.
    pub kv: Arc<Kv>,
    /// The keys that seal them.
    pub vault: Arc<Vault>,
    /// Where changes are recorded.
    pub trail: Arc<Trail>,
    /// How they become durable.
    pub writer: Writer,
    /// Randomness for nonces.
    pub entropy: Arc<dyn Entropy>,
}

impl Policies {
    /// Reads the tenants' policies and lays them over the gateway's.
    pub fn open(rooms: Rooms, gateway: Scrubber) -> Result<Policies, Error> {
        let Rooms { kv, vault, trail, writer, entropy } = rooms;
        let newest = newest(&kv, &vault)?;
        let (table, broken) = lay(gateway, newest);
        for (tenant, errors) in broken {
            tracing::error!(%tenant, "the tenant's privacy policy cannot be used, its events are refused:\n{errors}");
        }
        Ok(Policies { kv, vault, trail, writer, entropy, table: ArcSwap::from_pointee(table), turn: Mutex::new(()) })
    }

    /// The gateway's policy.
    pub fn gateway(&self) -> Arc<Scrubber> {
        Arc::clone(&self.table.load().gateway)
    }

    /// The policy for a tenant's events.
    pub fn of(&self, tenant: TenantId) -> Result<Arc<Scrubber>, Broken> {
        self.standing(tenant).policy
    }

    /// What holds for a tenant, and since which version.
    pub fn standing(&self, tenant: TenantId) -> Standing {
        self.table.load().standing(tenant)
    }

    /// A version of a tenant's policy, if it is still kept.
    pub fn version(&self, tenant: TenantId, version: u32) -> Result<Option<Version>, Error> {
        let key = stored_key(tenant, version);
        let Some(sealed) = self.kv.get(Family::Catalog, &key)? else { return Ok(None) };
        unseal(&self.vault, &key, &sealed).map(|(_, version)| Some(version))
    }

    /// Compiles a policy as if it were the tenant's, or with `None` the gateway's, and changes nothing.
    pub fn try_out(&self, tenant: Option<TenantId>, text: &str, form: Form) -> Result<Scrubber, PolicyErrors> {
        match tenant {
            Some(_) => self.gateway().with_tenant(text, form),
            None => self.gateway().instead(text, form),
        }
    }

    /// Gives a tenant a policy of its own, or with `None` the gateway's again. Blocks until it is durable; then it is in force. `meant` is asked
    /// whether what holds now is what the change was made for.
    pub fn set(
        &self,
        tenant: TenantId,
        text: Option<(String, Form)>,
        meant: impl FnOnce(&Standing) -> bool,
        by: String,
        now: Millis,
    ) -> Result<Standing, Error> {
        let _turn = self.turn();
        let table = self.table.load_full();
        let before = table.standing(tenant);
        if !meant(&before) {
            return Err(Error::Changed);
        }
        if text.is_none() && !before.is_own() {
            return Ok(before);
        }
        let policy = match &text {
            Some((text, form)) => Arc::new(table.gateway.with_tenant(text, *form).map_err(Error::Refused)?),
            None => Arc::clone(&table.gateway),
        };
        let json = matches!(text, Some((_, Form::Json)));
        let version = Version {
            version: before.version.map_or(1, |version| version.version.saturating_add(1)),
            at: now.0,
            by: String::new(),
            text: text.map(|(text, _)| text),
            json,
            hash: policy.policy_hash_text().to_string(),
        };
        let version = self.keep(tenant, version, by, now)?;
        let standing = Standing { version: Some(Arc::new(version)), policy: Ok(policy) };
        let mut table = Table::clone(&table);
        table.tenants.insert(tenant, standing.clone());
        self.table.store(Arc::new(table));
        Ok(standing)
    }

    /// Stores a version together with the record of it.
    fn keep(&self, tenant: TenantId, mut version: Version, by: String, now: Millis) -> Result<Version, Error> {
        let key = self.vault.index_key(tenant)?;
        let nonce = random(&*self.entropy);
        let (trail, entropy) = (Arc::clone(&self.trail), Arc::clone(&self.entropy));
        let subject = Subject::Tenant(tenant);
        let stage = move |batch: &mut Batch| -> Result<Version, audit::Error> {
            version.by = trail.principals().commit(batch, subject, &by, &*entropy)?.to_string();
            let place = stored_key(tenant, version.version);
            let entry = Entry::new(now, Action::PolicyChanged, Outcome::Success)
                .by(by)
                .param("version", version.version.to_string())
                .param("hash", version.hash.clone())
                .param("own", version.text.is_some().to_string());
            trail.stage(batch, subject, entry)?;
            let plain = serde_json::to_vec(&version).expect("texts and numbers can always be written as JSON");
            batch.put(Family::Catalog, &place, &seal::seal(&key, nonce, &context(&place), &plain));
            if let Some(old) = version.version.checked_sub(VERSIONS_MAX) {
                batch.delete(Family::Catalog, &stored_key(tenant, old));
            }
            Ok(version)
        };
        Ok(self.writer.commit(stage)??)
    }

    /// Lays every tenant's policy over a new one of the gateway; refused if one does not go with it that went with the old one.
    pub fn reload(&self, gateway: Scrubber) -> Result<Reload<'_>, Error> {
        let turn = self.turn();
        let before = self.table.load_full();
        let newest =
            before.tenants.iter().filter_map(|(tenant, held)| Some((*tenant, Arc::clone(held.version.as_ref()?))));
        let (table, broken) = lay(gateway, newest.collect());
        let newly = broken.into_iter().find(|(tenant, _)| before.standing(*tenant).policy.is_ok());
        match newly {
            Some((tenant, errors)) => Err(Error::Tenant { tenant, errors }),
            None => Ok(Reload { policies: self, before, table, _turn: turn }),
        }
    }

    /// Records what is in force after a start: the gateway's policy, and those of tenants that mean something else than when they were made.
    pub fn record_start(&self, now: Millis) -> Result<(), Error> {
        let table = self.table.load_full();
        let mut entries = vec![(Subject::Gateway, loaded(&table.gateway, now))];
        for (tenant, held) in table.tenants.iter().filter(|(_, held)| held.is_own()) {
            if let (Ok(policy), Some(version)) = (&held.policy, &held.version)
                && **policy.policy_hash_text() != *version.hash
            {
                entries.push((Subject::Tenant(*tenant), loaded(policy, now)));
            }
        }
        self.record(entries)
    }

    fn record(&self, entries: Vec<(Subject, Entry)>) -> Result<(), Error> {
        let trail = Arc::clone(&self.trail);
        let stage = move |batch: &mut Batch| {
            entries.into_iter().try_for_each(|(subject, entry)| trail.stage(batch, subject, entry).map(|_| ()))
        };
        Ok(self.writer.commit(stage)??)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // A panic of another holder changed nothing: the table is stored last.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new policy of the gateway that every tenant's goes with, ready to be put in force.
pub struct Reload<'p> {
    policies: &'p Policies,
    before: Arc<Table>,
    table: Table,
    _turn: MutexGuard<'p, ()>,
}

impl Reload<'_> {
    /// Records what changes, then puts it in force.
    pub fn finish(self, now: Millis) -> Result<(), Error> {
        let mut entries = Vec::new();
        if self.before.gateway.policy_hash() != self.table.gateway.policy_hash() {
            entries.push((Subject::Gateway, loaded(&self.table.gateway, now)));
        }
        for (tenant, held) in self.table.tenants.iter().filter(|(_, held)| held.is_own()) {
            let hash = |standing: &Standing| standing.policy.as_ref().ok().map(|policy| policy.policy_hash());
            if let Ok(policy) = &held.policy
                && hash(held) != hash(&self.before.standing(*tenant))
            {
                entries.push((Subject::Tenant(*tenant), loaded(policy, now)));
            }
        }
        if !entries.is_empty() {
            self.policies.record(entries)?;
        }
        self.policies.table.store(Arc::new(self.table));
        Ok(())
    }
}

impl Table {
    fn standing(&self, tenant: TenantId) -> Standing {
        let gateway = || Standing { version: None, policy: Ok(Arc::clone(&self.gateway)) };
        self.tenants.get(&tenant).cloned().unwrap_or_else(gateway)
    }
}

/// Compiles the tenants' policies over the gateway's; and what is wrong with those that do not compile.
fn lay(gateway: Scrubber, newest: HashMap<TenantId, Arc<Version>>) -> (Table, Vec<(TenantId, PolicyErrors)>) {
    let gateway = Arc::new(gateway);
    let mut broken = Vec::new();
    let mut standing = |(tenant, version): (TenantId, Arc<Version>)| {
        let policy = match version.text.as_deref().map(|text| gateway.with_tenant(text, version.form())) {
            None => Ok(Arc::clone(&gateway)),
            Some(Ok(policy)) => Ok(Arc::new(policy)),
            Some(Err(errors)) => {
                broken.push((tenant, errors));
                Err(Broken)
            }
        };
        (tenant, Standing { version: Some(version), policy })
    };
    let tenants = newest.into_iter().map(&mut standing).collect();
    (Table { gateway, tenants }, broken)
}

fn loaded(policy: &Scrubber, now: Millis) -> Entry {
    Entry::new(now, Action::PolicyLoaded, Outcome::Success).param("hash", policy.policy_hash_text().to_string())
}

/// The newest version of every tenant that has one.
fn newest(kv: &Kv, vault: &Vault) -> Result<HashMap<TenantId, Arc<Version>>, Error> {
    let mut last: HashMap<[u8; 8], (Vec<u8>, Vec<u8>)> = HashMap::new();
    kv.scan(Family::Catalog, PREFIX, PREFIX, &mut |key, sealed| {
        if let Some((tenant, _)) = key.strip_prefix(PREFIX).and_then(|rest| rest.split_first_chunk()) {
            last.insert(*tenant, (key.to_vec(), sealed.to_vec()));
        }
        ControlFlow::Continue(())
    })?;
    let opened = last.into_values().map(|(key, sealed)| {
        let (tenant, version) = unseal(vault, &key, &sealed)?;
        Ok((tenant, Arc::new(version)))
    });
    opened.collect()
}

/// Opens every version of every policy; how many there are.
pub fn check(kv: &Kv, vault: &Vault) -> Result<u64, Error> {
    let mut versions = 0;
    let mut found = None;
    kv.scan(Family::Catalog, PREFIX, PREFIX, &mut |key, sealed| match unseal(vault, key, sealed) {
        Ok(_) => {
            versions += 1;
            ControlFlow::Continue(())
        }
        Err(error) => {
            found = Some(error);
            ControlFlow::Break(())
        }
    })?;
    found.map_or(Ok(versions), Err)
}

fn stored_key(tenant: TenantId, version: u32) -> Vec<u8> {
    [PREFIX, &tenant.0, &version.to_be_bytes()].concat()
}

/// What binds a sealed version to its place.
fn context(place: &[u8]) -> Vec<u8> {
    [b"tidegate policy\0", place].concat()
}

fn unseal(vault: &Vault, place: &[u8], sealed: &[u8]) -> Result<(TenantId, Version), Error> {
    let rest = place.strip_prefix(PREFIX).and_then(|rest| rest.split_first_chunk());
    let (tenant, number) = rest.map(|(tenant, number)| (TenantId(*tenant), number)).ok_or(Error::Damaged)?;
    let key = vault.find_index_key(tenant).ok_or(Error::Damaged)?;
    let plain = seal::open(&key, &context(place), sealed).map_err(|_| Error::Damaged)?;
    let version: Version = serde_json::from_slice(&plain).map_err(|_| Error::Damaged)?;
    if version.version.to_be_bytes() == *number { Ok((tenant, version)) } else { Err(Error::Damaged) }
}
