//! The keys that make a tenant's pseudonyms today.
//!
//! Each is random, of one tenant, kind and epoch. Addresses and derived sessions change their key with the day of arrival: two epochs live at a time,
//! older ones are destroyed, so that after two days nobody can tell which address a pseudonym was. Users keep theirs, or change it every so many days
//! where the policy says so; then the old one lives as long as rows that it made. Creation and destruction leave audit records; the
//! record of a creation is staged before any row that was made with the key.
//!
//! The keys lie in the gateway's own key file under the tenant's id or, where several gateways share a file, in that file under a hash of the tenant's
//! name: ids are each gateway's own. Of a shared key that gateway has the record of creation which made it; each has a record of destruction.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::audit::trail::{Entry, Trail};
use crate::audit::{self, Action, Outcome, Subject};
use crate::auth::Directory;
use crate::clock::{HOUR_MS, Millis};
use crate::id::{Entropy, TenantId};
use crate::keys::{self, KeyFile, KeyKind, KeyName, NamedKeys, Secret};
use crate::kv::{Batch, CommitError, Writer};
use crate::privacy::{PseudonymKeys, pseudonym};

/// How long before its day a key is made, at the earliest.
const AHEAD_MS: i64 = HOUR_MS;
/// Kinds of keys that change daily.
const DAILY: [KeyKind; 2] = [KeyKind::Address, KeyKind::Session];

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

/// The epoch of a user's key: the period of so many days since 1970 in which a day lies. As a number, the length above the first day; 0 without
/// rotation, so that a key that never changes is told from all that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    first_day: u32,
    days: u32,
}

impl Period {
    fn of(day: u64, rotation_days: u16) -> Period {
        let (day, days) = (u32::try_from(day).unwrap_or(u32::MAX), u32::from(rotation_days));
        Period { first_day: day.checked_div(days).map_or(0, |nth| nth * days), days }
    }

    fn number(self) -> u64 {
        u64::from(self.days) << 32 | u64::from(self.first_day)
    }

    fn from_number(number: u64) -> Period {
        Period { first_day: number as u32, days: (number >> 32) as u32 }
    }

    /// Whether no row that was made in it is there any more on `today`, if rows live `keep_days`. Never, without rotation.
    fn is_past(self, today: u64, keep_days: u64) -> bool {
        self.days > 0 && u64::from(self.first_day) + u64::from(self.days) + keep_days + 1 < today
    }
}

/// What decides about the destruction of users' keys.
#[derive(Clone, Copy, Debug)]
pub struct UserKeys {
    /// The policy's: days after which keys change, 0 if they do not.
    pub rotation_days: u16,
    /// The longest that any row is kept, in days; `None` while nothing of the tenant may go.
    pub keep_days: Option<u64>,
}

/// One tenant's keys for one day.
pub struct TenantKeys {
    epoch: u64,
    period: Period,
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

/// The keys in use.
pub struct Epochs {
    keys: Arc<dyn NamedKeys>,
    /// The gateway's own file: the same, or where keys lay before there was a shared one.
    own: Arc<KeyFile>,
    directory: Arc<Directory>,
    trail: Arc<Trail>,
    writer: Writer,
    entropy: Arc<dyn Entropy>,
    current: RwLock<HashMap<TenantId, Arc<TenantKeys>>>,
    /// Shared keys that were made and could not be recorded: they must not be destroyed, since others may use them already.
    unrecorded: Mutex<BTreeSet<KeyName>>,
}

/// What [`Epochs`] works with.
pub struct Rooms {
    /// Where the keys lie.
    pub keys: Arc<dyn NamedKeys>,
    /// The gateway's own key file.
    pub own: Arc<KeyFile>,
    /// Knows tenants by name.
    pub directory: Arc<Directory>,
    /// Records.
    pub trail: Arc<Trail>,
    /// Writes records.
    pub writer: Writer,
    /// Makes keys.
    pub entropy: Arc<dyn Entropy>,
}

impl Epochs {
    /// No key is looked at before it is needed.
    pub fn new(rooms: Rooms) -> Epochs {
        let Rooms { keys, own, directory, trail, writer, entropy } = rooms;
        let (current, unrecorded) = (RwLock::default(), Mutex::default());
        Epochs { keys, own, directory, trail, writer, entropy, current, unrecorded }
    }

    /// The tenant's keys on the day of `at`, under a policy by which users' keys change every `rotation_days` (0: never). The first call of a day waits for
    /// the key file's sync.
    pub fn of(&self, tenant: TenantId, at: Millis, rotation_days: u16) -> Result<Arc<TenantKeys>, Error> {
        let epoch = day_of(at);
        let period = Period::of(epoch, rotation_days);
        if let Some(keys) = self.current.read().unwrap_or_else(PoisonError::into_inner).get(&tenant)
            && (keys.epoch, keys.period) == (epoch, period)
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.open(tenant, epoch, period, at)?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let newest = current.entry(tenant).or_insert_with(|| Arc::clone(&keys));
        if newest.epoch <= epoch {
            *newest = Arc::clone(&keys);
        }
        Ok(keys)
    }

    /// What stored rows may call the user that senders call `user`: under today's key, and under every other that still lives.
    pub fn user_pseudonyms(
        &self,
        tenant: TenantId,
        user: &str,
        now: Millis,
        rotation_days: u16,
    ) -> Result<BTreeSet<String>, Error> {
        let pseudonym = |key: &Secret| pseudonym::pseudonym(key.bytes(), pseudonym::USER, user.as_bytes());
        let mut found = BTreeSet::from([pseudonym(&self.of(tenant, now, rotation_days)?.user)]);
        let own: &dyn NamedKeys = &*self.own;
        for (place, owner) in [(&*self.keys, self.owner(tenant)), (own, tenant.0)] {
            let epochs = place.list(KeyKind::User, owner);
            let keys = epochs.into_iter().filter_map(|epoch| place.find(KeyKind::User, owner, epoch));
            found.extend(keys.map(|key| pseudonym(&key)));
        }
        Ok(found)
    }

    fn open(&self, tenant: TenantId, epoch: u64, period: Period, at: Millis) -> Result<TenantKeys, Error> {
        let names = names(self.owner(tenant), epoch, period);
        let mut found = self.keys.ensure_all(&names, &*self.entropy)?;
        for (name, (_, created)) in names.iter().zip(&found) {
            if *created || self.is_unrecorded(name) {
                self.note_created(tenant, at, *name)?;
            }
        }
        let mut next = || found.pop().map(|(secret, _)| secret).expect("as many keys come back as names went in");
        let (session, address, user) = (next(), next(), next());
        Ok(TenantKeys { epoch, period, user, address, session })
    }

    /// Makes the keys of the next day for all tenants that have some today, once it is near: together they cost as much as those of one, and no
    /// tenant's first event of the day waits for them. How many were made.
    pub fn prepare_next_day(&self, now: Millis) -> Result<usize, Error> {
        let epoch = day_of(now.plus(AHEAD_MS));
        let is_near = epoch > day_of(now);
        let next = |(tenant, keys): (&TenantId, &Arc<TenantKeys>)| {
            let rotation_days = u16::try_from(keys.period.days).unwrap_or(0);
            (*tenant, Period::of(epoch, rotation_days))
        };
        let tenants: Vec<(TenantId, Period)> = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            current.iter().filter(|(_, keys)| is_near && keys.epoch + 1 == epoch).map(next).collect()
        };
        let names: Vec<(TenantId, KeyName)> = tenants
            .into_iter()
            .flat_map(|(tenant, period)| names(self.owner(tenant), epoch, period).map(|name| (tenant, name)))
            .collect();
        let wanted: Vec<KeyName> = names.iter().map(|(_, name)| *name).collect();
        let mut made = 0;
        for ((tenant, name), (_, created)) in names.into_iter().zip(self.keys.ensure_all(&wanted, &*self.entropy)?) {
            if created || self.is_unrecorded(&name) {
                self.note_created(tenant, now, name)?;
                made += 1;
            }
        }
        Ok(made)
    }

    /// Takes note of what other gateways did; to be called before a round of [`Epochs::destroy_old`].
    pub fn refresh(&self) -> Result<(), Error> {
        Ok(self.keys.refresh()?)
    }

    /// Destroys the daily keys of `tenant` that are older than the day before `now`, and users' keys under which no row is left; returns how many. Blocks:
    /// the intent of each is durable before its key goes.
    pub fn destroy_old(&self, tenant: TenantId, now: Millis, users: UserKeys) -> Result<usize, Error> {
        let today = day_of(now);
        let own: (&dyn NamedKeys, [u8; 8]) = (&*self.own, tenant.0);
        let mut places = vec![(&*self.keys, self.owner(tenant))];
        places.extend(self.keys.is_shared().then_some(own));
        let mut destroyed = 0;
        for (place, owner) in places {
            let mut doomed: Vec<KeyName> = Vec::new();
            for kind in DAILY {
                let old = place.list(kind, owner).into_iter().filter(|epoch| epoch + 1 < today);
                doomed.extend(old.map(|epoch| (kind, owner, epoch)));
            }
            let past = past_users(&place.list(KeyKind::User, owner), today, users);
            doomed.extend(past.into_iter().map(|epoch| (KeyKind::User, owner, epoch)));
            for name in doomed {
                self.record(tenant, entry(now, Action::PseudonymKeyDestroyed, Outcome::Intent, name))?;
                // Whether it was this gateway or another that shares the key: it is gone.
                destroyed += usize::from(place.destroy(name.0, name.1, name.2)?);
                self.record(tenant, entry(now, Action::PseudonymKeyDestroyed, Outcome::Success, name))?;
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.get(&tenant).is_some_and(|keys| keys.epoch + 1 < today) {
            current.remove(&tenant);
        }
        Ok(destroyed)
    }

    /// Stages the record of a key that was just created, before any row that is made with it. A key of our own whose record cannot be staged is
    /// destroyed: it was never used.
    fn note_created(&self, tenant: TenantId, at: Millis, name: KeyName) -> Result<(), Error> {
        /// A leaf and its hashes.
        const COST: usize = 512;
        let trail = Arc::clone(&self.trail);
        let entry = entry(at, Action::PseudonymKeyCreated, Outcome::Success, name);
        let stage = move |batch: &mut Batch| {
            if let Err(error) = trail.stage(batch, Subject::Tenant(tenant), entry) {
                tracing::error!(error = &error as &dyn std::error::Error, "a record of a key could not be written");
            }
        };
        let submitted = self.writer.submit(COST, stage, |_| ());
        let mut unrecorded = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        match submitted {
            Ok(()) => _ = unrecorded.remove(&name),
            Err(error) => {
                if self.keys.is_shared() {
                    unrecorded.insert(name);
                } else {
                    self.keys.destroy(name.0, name.1, name.2)?;
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn is_unrecorded(&self, name: &KeyName) -> bool {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Under whose name the keys lie.
    fn owner(&self, tenant: TenantId) -> [u8; 8] {
        let known = self.keys.is_shared().then(|| self.directory.tenant(tenant)).flatten();
        known.map_or(tenant.0, |tenant| shared_owner(&tenant.name))
    }

    fn record(&self, tenant: TenantId, entry: Entry) -> Result<(), Error> {
        let trail = Arc::clone(&self.trail);
        self.writer.commit(move |batch| trail.stage(batch, Subject::Tenant(tenant), entry))??;
        Ok(())
    }
}

/// The epochs of users' keys under which no row is left. The key that never changes goes with the first that came after it: by then the rows of before the
/// change are gone too.
fn past_users(epochs: &[u64], today: u64, users: UserKeys) -> Vec<u64> {
    let Some(keep_days) = users.keep_days else { return Vec::new() };
    let unrotated = Period::of(today, 0).number();
    let mut past: Vec<u64> =
        epochs.iter().copied().filter(|epoch| Period::from_number(*epoch).is_past(today, keep_days)).collect();
    if users.rotation_days > 0 && !past.is_empty() && epochs.contains(&unrotated) {
        past.push(unrotated);
    }
    past
}

/// The names of a tenant's keys: of users, addresses and sessions.
fn names(owner: [u8; 8], epoch: u64, period: Period) -> [KeyName; 3] {
    [(KeyKind::User, owner, period.number()), (KeyKind::Address, owner, epoch), (KeyKind::Session, owner, epoch)]
}

fn day_of(at: Millis) -> u64 {
    u64::try_from(at.day()).unwrap_or(0)
}

/// The owner of a tenant's keys in a shared file: tenants of the same name are the same there.
fn shared_owner(name: &str) -> [u8; 8] {
    let hash = blake3::derive_key("tidegate shared pseudonym keys: owner v1", name.as_bytes());
    *hash.first_chunk().expect("BLAKE3 has 32 bytes")
}

fn entry(at: Millis, action: Action, outcome: Outcome, (kind, _, epoch): KeyName) -> Entry {
    let entry = Entry::new(at, action, outcome).param("kind", kind_name(kind));
    if kind != KeyKind::User {
        return entry.param("epoch", epoch.to_string());
    }
    let Period { first_day, days } = Period::from_number(epoch);
    entry.param("epoch", first_day.to_string()).param("days", days.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_cover_every_day_once_and_read_back() {
        for rotation in [1, 7, 30, 390] {
            for day in 20_000..21_000u64 {
                let period = Period::of(day, rotation);
                let first = u64::from(period.first_day);
                assert!((first..first + u64::from(rotation)).contains(&day));
                assert_eq!(Period::from_number(period.number()), period);
                assert_ne!(period.number(), Period::of(day, 0).number());
            }
        }
        assert_eq!(Period::of(20_000, 0), Period::of(30_000, 0));
        assert_ne!(Period::of(20_000, 1).number(), Period::of(20_000, 2).number());
    }

    #[test]
    fn a_users_key_lives_as_long_as_the_last_row_that_it_made() {
        let users = UserKeys { rotation_days: 10, keep_days: Some(30) };
        let epochs = [0, Period::of(20_000, 10).number(), Period::of(20_010, 10).number()];
        let past = |today, users| past_users(&epochs, today, users);
        assert_eq!(past(20_009 + 30 + 2, users), [0; 0], "rows of the last day of the period may be there");
        assert_eq!(past(20_009 + 30 + 3, users), [epochs[1], 0]);
        assert_eq!(past(20_019 + 30 + 3, users), [epochs[1], epochs[2], 0]);
        let held = UserKeys { keep_days: None, ..users };
        assert_eq!(past(30_000, held), [0; 0]);
        let never = UserKeys { rotation_days: 0, ..users };
        assert_eq!(past(30_000, never), [epochs[1], epochs[2]], "the key that is in use again stays");
    }
}
