//! Who acted: names outside the log, commitments inside it.
//!
//! Owns a table per log that maps a principal's name (such as `issuer|subject` of a token) to a [`Commitment`] =
//! HMAC-SHA256(salt, name) with a random salt of its own. Leaves hold the commitment; this table holds salt and name.
//! Its invariants: one name has one commitment in a log as long as its entry lives, so that a principal's acts can be
//! gathered; the same name has unrelated commitments in different logs; and once the entry is erased, nobody can tell
//! whom the commitment named, not even by trying names. The table is no part of the proof and is not in the tree.
//!
//! Names do not stand in the database in the clear (keys in `layout`):
//! ```text
//! lookup key, sealing key = HMAC-SHA256(index key, "tidegate audit principal lookup"), ..."principal seal"
//! name hash               = first 16 bytes of HMAC-SHA256(lookup key, key of the log's head | name)
//! sealed value            = AES-256-GCM-SIV under the sealing key, AAD = the row's key, of: salt(32) name
//! ```
//! Erasing deletes the rows; their sealed bytes leave the disk with the database's compaction.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;

use super::{Error, Subject, layout};
use crate::id::{Entropy, random};
use crate::keys::{Secret, seal};
use crate::kv::{Batch, Family, Kv};

/// Names remembered without asking the database, in each of two generations.
const REMEMBERED_MAX: usize = 32_768;

/// What a leaf says of who acted: tells nothing by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

/// 64 lower-case hex digits.
impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

type NameHash = [u8; 16];

/// The tables of all logs.
pub struct Principals {
    kv: Arc<Kv>,
    lookup: hmac::Key,
    sealing: Secret,
    memory: Mutex<Memory>,
}

impl Principals {
    /// The tables in `kv`, under a key that lives in the key file.
    pub fn new(kv: Arc<Kv>, index_key: &Secret) -> Self {
        let derive = |purpose: &[u8]| mac(&hmac::Key::new(hmac::HMAC_SHA256, index_key.bytes()), &[purpose]);
        Principals {
            kv,
            lookup: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"tidegate audit principal lookup")),
            sealing: Secret::new(derive(b"tidegate audit principal seal")),
            memory: Mutex::default(),
        }
    }

    /// The commitment to `name` in this log, made now if there is none. On the writer thread only, while it fills a
    /// group.
    pub fn commit(
        &self,
        batch: &mut Batch,
        subject: Subject,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Commitment, Error> {
        let hash = self.name_hash(subject, name);
        if let Some(known) = self.known(subject, hash)? {
            return Ok(known);
        }
        let salt: [u8; 32] = random(entropy);
        let made = commit_to(&salt, name);
        let key = layout::principal_key(subject, &made.0);
        let sealed = seal::seal(&self.sealing, random(entropy), &key, &[&salt[..], name.as_bytes()].concat());
        batch.put(Family::Audit, &key, &sealed);
        batch.put(Family::Audit, &layout::principal_name_key(subject, &hash), &made.0);
        self.remember(subject, hash, Some(made));
        Ok(made)
    }

    /// The name behind a commitment of this log, if it was not erased.
    pub fn resolve(&self, subject: Subject, commitment: Commitment) -> Result<Option<String>, Error> {
        let key = layout::principal_key(subject, &commitment.0);
        let Some(sealed) = self.kv.get(Family::Audit, &key)? else { return Ok(None) };
        let opened = seal::open(&self.sealing, &key, &sealed).ok().and_then(|plain| {
            let (salt, name) = plain.split_first_chunk()?;
            let name = std::str::from_utf8(name).ok()?;
            (commit_to(salt, name) == commitment).then(|| name.to_owned())
        });
        opened.map(Some).ok_or(Error::Damaged { subject, place: "principal" })
    }

    /// Erases a name from this log's table, so that its commitment resolves no more; answers that commitment. On the
    /// writer thread only, while it fills a group.
    pub fn erase(&self, batch: &mut Batch, subject: Subject, name: &str) -> Result<Option<Commitment>, Error> {
        let hash = self.name_hash(subject, name);
        let Some(known) = self.known(subject, hash)? else { return Ok(None) };
        batch.delete(Family::Audit, &layout::principal_key(subject, &known.0));
        batch.delete(Family::Audit, &layout::principal_name_key(subject, &hash));
        self.remember(subject, hash, None);
        Ok(Some(known))
    }

    fn known(&self, subject: Subject, hash: NameHash) -> Result<Option<Commitment>, Error> {
        let remembered = self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(&(subject, hash));
        if let Some(known) = remembered {
            return Ok(known);
        }
        let Some(stored) = self.kv.get(Family::Audit, &layout::principal_name_key(subject, &hash))? else {
            return Ok(None);
        };
        let stored = stored.try_into().map_err(|_| Error::Damaged { subject, place: "principal" })?;
        self.remember(subject, hash, Some(Commitment(stored)));
        Ok(Some(Commitment(stored)))
    }

    fn remember(&self, subject: Subject, hash: NameHash, commitment: Option<Commitment>) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).put((subject, hash), commitment);
    }

    fn name_hash(&self, subject: Subject, name: &str) -> NameHash {
        let whole = mac(&self.lookup, &[&layout::head_key(subject), name.as_bytes()]);
        *whole.first_chunk().expect("16 bytes are fewer than 32")
    }
}

/// What was looked up or changed lately; of two generations, the older is forgotten when the younger is full. A
/// group's own changes are therefore always remembered while the database does not show them yet.
#[derive(Default)]
struct Memory {
    young: HashMap<(Subject, NameHash), Option<Commitment>>,
    old: HashMap<(Subject, NameHash), Option<Commitment>>,
}

impl Memory {
    fn get(&self, key: &(Subject, NameHash)) -> Option<Option<Commitment>> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn put(&mut self, key: (Subject, NameHash), commitment: Option<Commitment>) {
        if self.young.len() >= REMEMBERED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, commitment);
    }
}

fn commit_to(salt: &[u8; 32], name: &str) -> Commitment {
    Commitment(mac(&hmac::Key::new(hmac::HMAC_SHA256, salt), &[name.as_bytes()]))
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    *context.sign().as_ref().first_chunk().expect("HMAC-SHA256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::{self, Disk, TENANT};
    use crate::id::SystemEntropy;

    fn principals(disk: &Disk) -> Principals {
        Principals::new(disk.kv(), &Secret::new([5; 32]))
    }

    fn commit(disk: &Disk, principals: &Principals, subject: Subject, name: &str) -> Commitment {
        disk.commit(|batch| principals.commit(batch, subject, name, &SystemEntropy).unwrap())
    }

    #[test]
    fn a_name_keeps_its_commitment_in_a_log_and_has_another_in_each_log() {
        let disk = Disk::new();
        let table = principals(&disk);
        let ada = commit(&disk, &table, TENANT, "issuer|ada");
        assert_eq!(commit(&disk, &table, TENANT, "issuer|ada"), ada);
        assert_ne!(commit(&disk, &table, TENANT, "issuer|bob"), ada);
        assert_ne!(commit(&disk, &table, Subject::Gateway, "issuer|ada"), ada);
        let reopened = principals(&disk);
        assert_eq!(commit(&disk, &reopened, TENANT, "issuer|ada"), ada);
        assert_eq!(reopened.resolve(TENANT, ada).unwrap().as_deref(), Some("issuer|ada"));
        assert_eq!(reopened.resolve(Subject::Gateway, ada).unwrap(), None);
    }

    #[test]
    fn within_one_group_too_a_name_has_one_commitment_until_it_is_erased() {
        let disk = Disk::new();
        let table = principals(&disk);
        let (first, second, erased, third) = disk.commit(|batch| {
            let commit = |batch: &mut Batch| table.commit(batch, TENANT, "ada", &SystemEntropy).unwrap();
            let (first, second) = (commit(batch), commit(batch));
            (first, second, table.erase(batch, TENANT, "ada").unwrap(), commit(batch))
        });
        assert_eq!((second, erased), (first, Some(first)));
        assert_ne!(third, first);
        assert_eq!(table.resolve(TENANT, first).unwrap(), None);
        assert_eq!(table.resolve(TENANT, third).unwrap().as_deref(), Some("ada"));
    }

    #[test]
    fn an_erased_name_is_gone_and_begins_anew() {
        let disk = Disk::new();
        let table = principals(&disk);
        let before = commit(&disk, &table, TENANT, "ada");
        let rows = disk.rows().len();
        assert_eq!(disk.commit(|batch| table.erase(batch, TENANT, "ada").unwrap()), Some(before));
        assert_eq!(disk.commit(|batch| table.erase(batch, TENANT, "ada").unwrap()), None);
        assert_eq!(disk.rows().len(), rows - 2);
        assert_eq!(table.resolve(TENANT, before).unwrap(), None);
        assert_ne!(commit(&disk, &principals(&disk), TENANT, "ada"), before);
    }

    #[test]
    fn no_row_shows_a_name_and_a_changed_row_is_damage() {
        let disk = Disk::new();
        let table = principals(&disk);
        let ada = commit(&disk, &table, TENANT, "ada@example.org");
        for (key, value) in disk.rows() {
            assert!(!fixture::contains(&key, b"ada@") && !fixture::contains(&value, b"ada@"));
        }
        disk.change(&layout::principal_key(TENANT, &ada.0), |value| value[20] ^= 1);
        assert!(matches!(table.resolve(TENANT, ada), Err(Error::Damaged { .. })));
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest_only() {
        let mut memory = Memory::default();
        let key = |number: usize| (TENANT, (number as u128).to_be_bytes());
        for number in 0..5 * REMEMBERED_MAX / 2 {
            memory.put(key(number), None);
            assert!(number < 1000 || memory.get(&key(number - 1000)).is_some());
        }
        assert!(memory.young.len() + memory.old.len() <= 2 * REMEMBERED_MAX);
        assert_eq!(memory.get(&key(0)), None);
    }
}
