//! The keys that make a tenant's pseudonyms today.
//!
//! Addresses and derived sessions change their key with the day of arrival: two epochs live at a time, older ones are destroyed, so that after two
//! days nobody can tell which address a pseudonym was. Users keep theirs. Creation and destruction leave audit records; the
//! record of a creation is staged before any row that was made with the key.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::audit::trail::{Entry, Trail};
use crate::audit::{self, Action, Outcome, Subject};
use crate::clock::Millis;
use crate::id::{Entropy, TenantId};
use crate::keys::{self, KeyFile, KeyKind, Secret};
use crate::kv::{Batch, CommitError, Writer};
use crate::privacy::{PseudonymKeys, pseudonym};

/// Kinds of keys that change daily.
const DAILY: [KeyKind; 2] = [KeyKind::Address, KeyKind::Session];
/// The only epoch of users' keys.
const USER_EPOCH: u64 = 0;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file failed.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The audit record could not be made durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The audit log could not be read.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

/// One tenant's keys for one day.
pub struct TenantKeys {
    epoch: u64,
    user: Arc<Secret>,
    address: Arc<Secret>,
    session: Arc<Secret>,
}

impl TenantKeys {
    /// The keys in the form that the pipeline takes.
    pub fn pseudonym_keys(&self) -> PseudonymKeys<'_> {
        PseudonymKeys { user: self.user.bytes(), address: self.address.bytes(), session: self.session.bytes() }
    }
}

impl TenantKeys {
    /// What stored rows call the user that senders call `user`.
    pub fn user_pseudonym(&self, user: &str) -> String {
        pseudonym::pseudonym(self.user.bytes(), pseudonym::USER, user.as_bytes())
    }
}

/// The keys in use.
pub struct Epochs {
    file: Arc<KeyFile>,
    trail: Arc<Trail>,
    writer: Writer,
    entropy: Arc<dyn Entropy>,
    current: RwLock<HashMap<TenantId, Arc<TenantKeys>>>,
}

impl Epochs {
    /// Keys out of `file`.
    pub fn new(file: Arc<KeyFile>, trail: Arc<Trail>, writer: Writer, entropy: Arc<dyn Entropy>) -> Epochs {
        Epochs { file, trail, writer, entropy, current: RwLock::default() }
    }

    /// The tenant's keys on the day of `at`. The first call of a day waits for the key file's sync.
    pub fn of(&self, tenant: TenantId, at: Millis) -> Result<Arc<TenantKeys>, Error> {
        let epoch = u64::try_from(at.day()).unwrap_or(0);
        if let Some(keys) = self.current.read().unwrap_or_else(PoisonError::into_inner).get(&tenant)
            && keys.epoch == epoch
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.open(tenant, epoch, at)?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let newest = current.entry(tenant).or_insert_with(|| Arc::clone(&keys));
        if newest.epoch < epoch {
            *newest = Arc::clone(&keys);
        }
        Ok(keys)
    }

    fn open(&self, tenant: TenantId, epoch: u64, at: Millis) -> Result<TenantKeys, Error> {
        let names = [
            (KeyKind::User, tenant.0, USER_EPOCH),
            (KeyKind::Address, tenant.0, epoch),
            (KeyKind::Session, tenant.0, epoch),
        ];
        let mut found = self.file.ensure_all(&names, &*self.entropy)?;
        for ((kind, _, epoch), (_, created)) in names.iter().zip(&found) {
            if *created {
                self.note_created(tenant, at, *kind, *epoch)?;
            }
        }
        let mut next = || found.pop().map(|(secret, _)| secret).expect("as many keys come back as names went in");
        let (session, address, user) = (next(), next(), next());
        Ok(TenantKeys { epoch, user, address, session })
    }

    /// Destroys the daily keys of `tenant` that are older than the day before `now`; returns how many. Blocks: the intent of each is durable
    /// before its key goes.
    pub fn destroy_old(&self, tenant: TenantId, now: Millis) -> Result<usize, Error> {
        let today = u64::try_from(now.day()).unwrap_or(0);
        let mut destroyed = 0;
        for kind in DAILY {
            for epoch in self.file.list(kind, tenant.0).into_iter().filter(|epoch| epoch + 1 < today) {
                let note = |outcome| self.entry(now, Action::PseudonymKeyDestroyed, outcome, kind, epoch);
                self.record(tenant, note(Outcome::Intent))?;
                if self.file.destroy(kind, tenant.0, epoch)? {
                    self.record(tenant, note(Outcome::Success))?;
                    destroyed += 1;
                }
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.get(&tenant).is_some_and(|keys| keys.epoch + 1 < today) {
            current.remove(&tenant);
        }
        Ok(destroyed)
    }

    /// Stages the record of a key that was just created, before any row that is made with it. A key whose record cannot be staged is
    /// destroyed: it was never used.
    fn note_created(&self, tenant: TenantId, at: Millis, kind: KeyKind, epoch: u64) -> Result<(), Error> {
        /// A leaf and its hashes.
        const COST: usize = 512;
        let trail = Arc::clone(&self.trail);
        let entry = self.entry(at, Action::PseudonymKeyCreated, Outcome::Success, kind, epoch);
        let stage = move |batch: &mut Batch| {
            if let Err(error) = trail.stage(batch, Subject::Tenant(tenant), entry) {
                tracing::error!(error = &error as &dyn std::error::Error, "a record of a key could not be written");
            }
        };
        if let Err(error) = self.writer.submit(COST, stage, |_| ()) {
            self.file.destroy(kind, tenant.0, epoch)?;
            return Err(error.into());
        }
        Ok(())
    }

    fn entry(&self, at: Millis, action: Action, outcome: Outcome, kind: KeyKind, epoch: u64) -> Entry {
        Entry::new(at, action, outcome).param("kind", kind_name(kind)).param("epoch", epoch.to_string())
    }

    fn record(&self, tenant: TenantId, entry: Entry) -> Result<(), Error> {
        let trail = Arc::clone(&self.trail);
        self.writer.commit(move |batch| trail.stage(batch, Subject::Tenant(tenant), entry))??;
        Ok(())
    }
}

fn kind_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Signing => "signing",
        KeyKind::AuditSigning => "audit_signing",
        KeyKind::Dedupe => "dedupe",
        KeyKind::Address => "address",
        KeyKind::User => "user",
        KeyKind::Session => "session",
        KeyKind::Suppression => "suppression",
        KeyKind::Index => "index",
        KeyKind::Kek => "kek",
        KeyKind::Journal => "journal",
    }
}
