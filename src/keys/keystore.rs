//! The key file: the one place where keys lie on disk.
//!
//! Owns a file of fixed slots (bytes in `slot`, writes in `disk`), opened by one process at a time. Its invariants:
//! - a key is synced, in both copies, before [`KeyFile::ensure`] hands it out;
//! - a destroyed key is overwritten with random bytes, in both copies, and synced before [`KeyFile::destroy`] returns;
//! - a write that was cut off at any byte loses nothing that was handed out: the other copy is good, and opening
//!   repairs the torn one;
//! - after a failed write nothing more is written until the file is opened again, since what the disk holds is then
//!   unknown.
//!
//! Data keys, wrapped, lie in the same file; `deks` says what is done with them. Each change is written as copy A, sync, copy B, sync, for a whole batch of slots at once. The path may lie outside
//! the data directory. It does not hide keys from whoever can read the file (the file's mode does), and it does not
//! prove that overwriting reaches the medium: on SSDs and copy-on-write file systems it may not. Destroyed keys that
//! someone holds as `Arc` die with the last holder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::contents::Contents;
use super::disk::{self, Change, Disk};
use super::slot::Content;
use super::{Error, KeyKind, KeyName, Secret};
use crate::id::Entropy;

/// The open key file. Shared by reference; finding a key waits for no disk.
pub struct KeyFile {
    live: RwLock<Contents>,
    disk: Mutex<Disk>,
}

impl KeyFile {
    /// Opens the file at `path`, creating it with mode 0600 if it is missing, and repairs torn copies.
    ///
    /// Refuses a file that group or others can reach, that another process has open, or that has a slot without a
    /// good copy.
    pub fn open(path: &Path, entropy: &dyn Entropy) -> Result<KeyFile, Error> {
        let (disk, live) = Disk::open(path, entropy)?;
        let file = KeyFile { live: RwLock::new(live), disk: Mutex::new(disk) };
        file.recount_deks()?;
        Ok(file)
    }

    /// Opens a file that another process may have open, for finding keys; nothing is locked, repaired, created or destroyed.
    pub fn open_read_only(path: &Path, entropy: &dyn Entropy) -> Result<KeyFile, Error> {
        let (disk, live) = disk::read_only(path, entropy)?;
        Ok(KeyFile { live: RwLock::new(live), disk: Mutex::new(disk) })
    }

    /// The key of this name, if it exists.
    pub fn find(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Option<Arc<Secret>> {
        self.live().keys.get(&(kind, owner, epoch)).map(|key| Arc::clone(&key.what))
    }

    /// The key of this name, created and synced first if it does not exist; the bool says whether it was created.
    pub fn ensure(
        &self,
        kind: KeyKind,
        owner: [u8; 8],
        epoch: u64,
        entropy: &dyn Entropy,
    ) -> Result<(Arc<Secret>, bool), Error> {
        let mut found = self.ensure_all(&[(kind, owner, epoch)], entropy)?;
        Ok(found.pop().expect("as many keys come back as names went in"))
    }

    /// The keys of these names, in their order; all missing ones are created together, at the price of one.
    pub fn ensure_all(&self, names: &[KeyName], entropy: &dyn Entropy) -> Result<Vec<(Arc<Secret>, bool)>, Error> {
        if let Some(all) = self.find_all(names, &BTreeSet::new()) {
            return Ok(all);
        }
        let mut disk = self.writer()?;
        let missing: BTreeSet<KeyName> = {
            let live = self.live();
            names.iter().copied().filter(|name| !live.keys.contains_key(name)).collect()
        };
        let new = missing.iter().map(|name| Change::Add(Content::Key(*name, Arc::new(Secret::random(entropy)))));
        self.apply(&mut disk, new.collect())?;
        Ok(self
            .find_all(names, &missing)
            .expect("the missing keys were added just now, and the lock on the disk keeps them"))
    }

    /// Destroys the key of this name: both copies are overwritten with random bytes and synced. Answers whether it
    /// existed. From the start of the call on, nobody finds it any more.
    pub fn destroy(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Result<bool, Error> {
        Ok(self.destroy_all(&[(kind, owner, epoch)])? == 1)
    }

    /// Destroys the keys of these names at the price of one, and answers how many of them existed.
    pub fn destroy_all(&self, names: &[KeyName]) -> Result<usize, Error> {
        let mut disk = self.writer()?;
        let slots: Vec<u32> = {
            let mut live = self.live_mut();
            names.iter().filter_map(|name| live.keys.remove(name)).map(|key| key.slot).collect()
        };
        disk.apply(&slots.iter().copied().map(Change::Wipe).collect::<Vec<_>>())?;
        Ok(slots.len())
    }

    /// The epochs for which keys of this kind and owner exist, ascending.
    pub fn list(&self, kind: KeyKind, owner: [u8; 8]) -> Vec<u64> {
        let all = (kind, owner, 0)..=(kind, owner, u64::MAX);
        self.live().keys.range(all).map(|((_, _, epoch), _)| *epoch).collect()
    }

    /// Every key that is had by name.
    pub(super) fn named(&self) -> BTreeMap<KeyName, Arc<Secret>> {
        self.live().keys.iter().map(|(name, key)| (*name, Arc::clone(&key.what))).collect()
    }

    /// Writes a copy of the whole file to `to` (mode 0600, synced), which must not exist. Nothing is written to the key
    /// file meanwhile, so the copy is of one moment. Putting it back in the key file's place restores it; what was
    /// destroyed since is then back, too.
    pub fn export(&self, to: &Path) -> Result<(), Error> {
        self.writer()?.export(to)
    }

    /// How often the file was synced since it was opened, which is what changes cost.
    pub fn syncs(&self) -> u64 {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner).syncs
    }

    /// All keys, or none if one is missing. A name's first mention in `names` tells if it is among the `created`.
    fn find_all(&self, names: &[KeyName], created: &BTreeSet<KeyName>) -> Option<Vec<(Arc<Secret>, bool)>> {
        let live = self.live();
        let mut fresh = created.clone();
        names.iter().map(|name| live.keys.get(name).map(|key| (Arc::clone(&key.what), fresh.remove(name)))).collect()
    }

    /// Carries out changes on disk, then in memory. What was there before a failure stays readable.
    pub(super) fn apply(&self, disk: &mut Disk, changes: Vec<Change>) -> Result<(), Error> {
        let slots = disk.apply(&changes)?;
        let mut live = self.live_mut();
        for (slot, change) in slots.into_iter().zip(changes) {
            match change {
                Change::Add(content) | Change::Replace(_, content) => {
                    live.insert(slot, content);
                }
                Change::Wipe(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn live(&self) -> RwLockReadGuard<'_, Contents> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live_mut(&self) -> RwLockWriteGuard<'_, Contents> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Disk>, Error> {
        // A panic of another holder may have cut a write in two; `failed` is then still set.
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if disk.failed { Err(Error::Poisoned { path: disk.path.clone() }) } else { Ok(disk) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use std::path::PathBuf;

    use super::*;
    use crate::id::SystemEntropy;
    use crate::keys::disk::slot_offset;
    use crate::keys::slot::{self, COPY_BYTES, Header, PAGE_BYTES, PAIR_BYTES};

    const E: &SystemEntropy = &SystemEntropy;
    const OWNER: [u8; 8] = [9; 8];

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Self {
            Dir(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("keys")
        }

        fn open(&self) -> KeyFile {
            KeyFile::open(&self.path(), E).unwrap()
        }

        fn bytes(&self) -> Vec<u8> {
            fs::read(self.path()).unwrap()
        }

        fn write(&self, bytes: &[u8]) {
            fs::write(self.path(), bytes).unwrap();
        }

        fn refusal(&self) -> String {
            KeyFile::open(&self.path(), E).err().expect("opening must fail").to_string()
        }
    }

    fn contains(bytes: &[u8], secret: &[u8]) -> bool {
        bytes.windows(secret.len()).any(|window| window == secret)
    }

    #[test]
    fn a_key_is_found_again_after_reopening() {
        let dir = Dir::new();
        let keys = dir.open();
        assert!(keys.find(KeyKind::User, OWNER, 1).is_none());
        let (first, created) = keys.ensure(KeyKind::User, OWNER, 1, E).unwrap();
        assert!(created);
        let (again, created) = keys.ensure(KeyKind::User, OWNER, 1, E).unwrap();
        assert!(!created && first.bytes() == again.bytes());
        keys.ensure(KeyKind::User, OWNER, 7, E).unwrap();
        keys.ensure(KeyKind::Session, OWNER, 3, E).unwrap();
        drop(keys);
        let keys = dir.open();
        assert_eq!(keys.find(KeyKind::User, OWNER, 1).unwrap().bytes(), first.bytes());
        assert_eq!(keys.list(KeyKind::User, OWNER), [1, 7]);
        assert_eq!(keys.list(KeyKind::Session, [0; 8]), [0; 0]);
    }

    #[test]
    fn a_batch_larger_than_a_group_grows_the_file_and_names_each_new_key_once() {
        let dir = Dir::new();
        let keys = dir.open();
        keys.ensure(KeyKind::User, OWNER, 5, E).unwrap();
        let mut names: Vec<KeyName> = (0..300).map(|epoch| (KeyKind::User, OWNER, epoch)).collect();
        names.push((KeyKind::User, OWNER, 6));
        let made = keys.ensure_all(&names, E).unwrap();
        assert_eq!(made.iter().filter(|(_, created)| *created).count(), 299);
        assert!(!made[5].1 && made[6].1 && !made[300].1);
        drop(keys);
        let keys = dir.open();
        for (name, (secret, _)) in names.iter().zip(&made) {
            assert_eq!(keys.find(name.0, name.1, name.2).unwrap().bytes(), secret.bytes());
        }
        assert_eq!(dir.bytes().len() % PAIR_BYTES, 0);
    }

    #[test]
    fn every_key_lies_in_the_file_twice_and_in_different_pages() {
        let dir = Dir::new();
        let (secret, _) = dir.open().ensure(KeyKind::Address, OWNER, 1, E).unwrap();
        let bytes = dir.bytes();
        let at: Vec<usize> = (0..bytes.len() - 32).filter(|at| bytes[*at..].starts_with(secret.bytes())).collect();
        assert_eq!(at.len(), 2);
        assert_eq!(at[1] - at[0], PAGE_BYTES);
    }

    #[test]
    fn a_destroyed_key_is_nowhere_in_the_file_and_its_slot_is_used_again() {
        let dir = Dir::new();
        let keys = dir.open();
        let (kept, _) = keys.ensure(KeyKind::Address, OWNER, 1, E).unwrap();
        let (gone, _) = keys.ensure(KeyKind::Address, OWNER, 2, E).unwrap();
        let length = dir.bytes().len();
        assert!(keys.destroy(KeyKind::Address, OWNER, 2).unwrap());
        assert!(!keys.destroy(KeyKind::Address, OWNER, 2).unwrap());
        assert!(!contains(&dir.bytes(), gone.bytes()));
        assert!(keys.find(KeyKind::Address, OWNER, 2).is_none());
        assert_eq!(keys.list(KeyKind::Address, OWNER), [1]);
        drop(keys);
        let keys = dir.open();
        assert!(keys.find(KeyKind::Address, OWNER, 2).is_none());
        assert_eq!(keys.find(KeyKind::Address, OWNER, 1).unwrap().bytes(), kept.bytes());
        for epoch in 100..163 {
            keys.ensure(KeyKind::Address, OWNER, epoch, E).unwrap();
        }
        assert_eq!(dir.bytes().len(), length, "63 keys fit into the freed and the unused slots of one group");
    }

    /// What the disk holds when power fails in the middle of writing one slot: some first bytes are new, the rest is
    /// old.
    fn torn(before: &[u8], after: &[u8], page: usize, cut: usize) -> Vec<u8> {
        let at = slot_offset(1) as usize;
        let mut bytes = before.to_vec();
        if page == 1 {
            bytes[at..at + COPY_BYTES].copy_from_slice(&after[at..at + COPY_BYTES]);
        }
        let start = at + page * PAGE_BYTES;
        bytes[start..start + cut].copy_from_slice(&after[start..start + cut]);
        bytes
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_state_before_or_after_it() {
        let dir = Dir::new();
        let keys = dir.open();
        let (kept, _) = keys.ensure(KeyKind::User, OWNER, 1, E).unwrap();
        let before = dir.bytes();
        let (new, _) = keys.ensure(KeyKind::User, OWNER, 2, E).unwrap();
        let created = dir.bytes();
        keys.destroy(KeyKind::User, OWNER, 2).unwrap();
        let destroyed = dir.bytes();
        drop(keys);
        for (old, young, present_first) in [(&before, &created, false), (&created, &destroyed, true)] {
            for (page, cut) in (0..2).flat_map(|page| (0..=COPY_BYTES).map(move |cut| (page, cut))) {
                dir.write(&torn(old, young, page, cut));
                let keys = dir.open();
                assert_eq!(keys.find(KeyKind::User, OWNER, 1).unwrap().bytes(), kept.bytes());
                let found = keys.find(KeyKind::User, OWNER, 2);
                let after_first_copy = page == 1 || cut == COPY_BYTES;
                assert_eq!(found.is_some(), present_first != after_first_copy, "page {page}, cut {cut}");
                if let Some(found) = found {
                    assert_eq!(found.bytes(), new.bytes());
                } else {
                    assert!(!contains(&dir.bytes(), new.bytes()), "page {page}, cut {cut}");
                }
                let repaired = dir.bytes();
                let at = slot_offset(1) as usize;
                assert_eq!(repaired[at..at + 64], repaired[at + PAGE_BYTES..at + PAGE_BYTES + 64]);
            }
        }
    }

    #[test]
    fn a_growth_torn_at_any_point_is_as_if_it_had_not_begun() {
        let dir = Dir::new();
        dir.open().ensure(KeyKind::User, OWNER, 1, E).unwrap();
        let before = dir.bytes();
        for tail in [1, 63, 64, PAGE_BYTES, PAIR_BYTES - 1, PAIR_BYTES] {
            let mut bytes = before.clone();
            bytes.extend(std::iter::repeat_n(0xA5, tail));
            dir.write(&bytes);
            let keys = dir.open();
            let names: Vec<KeyName> = (0..100).map(|epoch| (KeyKind::User, OWNER, epoch)).collect();
            keys.ensure_all(&names, E).unwrap();
            drop(keys);
            assert_eq!(dir.open().list(KeyKind::User, OWNER).len(), 100);
        }
    }

    #[test]
    fn a_header_torn_in_one_copy_is_read_from_the_other() {
        let dir = Dir::new();
        dir.open().ensure(KeyKind::User, OWNER, 1, E).unwrap();
        let whole = dir.bytes();
        for page in [0, PAGE_BYTES] {
            let mut bytes = whole.clone();
            bytes[page + 17] ^= 1;
            dir.write(&bytes);
            assert_eq!(dir.open().list(KeyKind::User, OWNER), [1]);
            assert_eq!(dir.bytes(), whole, "the torn copy is repaired");
        }
    }

    #[test]
    fn damage_to_both_copies_is_refused_and_names_the_slot() {
        let dir = Dir::new();
        dir.open().ensure(KeyKind::User, OWNER, 1, E).unwrap();
        let whole = dir.bytes();
        let mut bytes = whole.clone();
        for page in [0, PAGE_BYTES] {
            bytes[slot_offset(3) as usize + page + 30] ^= 1;
        }
        dir.write(&bytes);
        assert!(dir.refusal().contains("slot 3: both copies are damaged"));
        dir.write(&whole[..PAIR_BYTES]);
        assert!(dir.refusal().contains("slot 0: the file ends before it"));
        for not_ours in [&b""[..], b"hello", &[0; 3 * PAIR_BYTES]] {
            dir.write(not_ours);
            assert!(dir.refusal().contains("is not a key file"));
        }
    }

    #[test]
    fn an_unknown_version_or_kind_is_refused() {
        let dir = Dir::new();
        dir.open().ensure(KeyKind::User, OWNER, 1, E).unwrap();
        let mut bytes = dir.bytes();
        let header = Header { version: 2, generation: 9, groups: 1 }.encode();
        bytes[..64].copy_from_slice(&header);
        bytes[PAGE_BYTES..PAGE_BYTES + 64].copy_from_slice(&header);
        let whole = dir.bytes();
        dir.write(&bytes);
        assert!(dir.refusal().contains("format version 2"));
        let mut bytes = whole;
        for copy in [slot_offset(5) as usize, slot_offset(5) as usize + PAGE_BYTES] {
            let unknown = slot::tests::encode_kind(5, 1, 99);
            bytes[copy..copy + COPY_BYTES].copy_from_slice(&unknown);
        }
        dir.write(&bytes);
        assert!(dir.refusal().contains("slot 5: its kind of key is unknown to this build"));
    }

    #[test]
    fn only_the_owner_may_reach_the_file() {
        let dir = Dir::new();
        drop(dir.open());
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(dir.refusal().contains("chmod 600"), "{mode:o}");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o400 | 0o200)).unwrap();
        dir.open();
    }

    #[test]
    fn a_second_opener_is_turned_away() {
        let dir = Dir::new();
        let keys = dir.open();
        assert!(dir.refusal().contains("in use by another process"));
        drop(keys);
        dir.open();
        assert_eq!(fs::read_dir(dir.0.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn threads_that_ask_for_the_same_key_get_the_same() {
        let dir = Dir::new();
        let keys = dir.open();
        let made: Vec<([u8; 32], bool)> = std::thread::scope(|scope| {
            let ask =
                || scope.spawn(|| keys.ensure(KeyKind::Dedupe, OWNER, 1, E).map(|(key, new)| (*key.bytes(), new)));
            let asked: Vec<_> = (0..8).map(|_| ask()).collect();
            asked.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
        assert!(made.iter().all(|(key, _)| *key == made[0].0));
    }
}
