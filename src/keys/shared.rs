//! Keys that several gateways share: a key file that nobody keeps open.
//!
//! The gateway's own key file belongs to one process, since its data keys and journal keys belong to one database. Keys that make pseudonyms may lie in
//! a second file instead ([`SharedKeys`]), of the same format, which any number of gateways with databases of their own read and write: so the same user
//! is the same pseudonym in all of them. [`NamedKeys`] is what both places have in common.
//!
//! Invariants of the shared file:
//! - it is changed under its lock only, and read anew under that lock before anything is added: of two gateways that miss a key at one moment, one
//!   makes it and the other finds it;
//! - a key is synced before anybody gets it, as in every key file;
//! - a key that one gateway destroyed is forgotten by the others at their next [`NamedKeys::refresh`].
//!
//! Finding a key that is known waits for no disk. A missing one costs the reading of the file. The lock is advisory (`flock`) and dies with its
//! holder; whoever does not get it in time fails instead of waiting for ever. It does not make clocks agree: a gateway whose clock is days ahead destroys what
//! the others still use, and they make new keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Error, KeyFile, KeyKind, KeyName, Secret};
use crate::id::Entropy;

/// How long the lock is waited for. Holders have it for as long as a small file takes to be read and synced four times.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(2);
/// The key by which a shared file is known again. It hashes and seals nothing.
const IDENTITY: KeyName = (KeyKind::Session, [0; 8], 0);

/// A place for keys that are had by name.
pub trait NamedKeys: Send + Sync {
    /// The keys of these names, in their order; all missing ones are created together and synced first. The bool says whether a key was created.
    fn ensure_all(&self, names: &[KeyName], entropy: &dyn Entropy) -> Result<Vec<(Arc<Secret>, bool)>, Error>;

    /// The key of this name, if it is known to exist.
    fn find(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Option<Arc<Secret>>;

    /// The epochs for which keys of this kind and owner are known to exist, ascending.
    fn list(&self, kind: KeyKind, owner: [u8; 8]) -> Vec<u64>;

    /// Destroys the key of this name and answers whether it existed.
    fn destroy(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Result<bool, Error>;

    /// Takes note of what others created and destroyed.
    fn refresh(&self) -> Result<(), Error>;

    /// Whether others use these keys too.
    fn is_shared(&self) -> bool;
}

impl NamedKeys for KeyFile {
    fn ensure_all(&self, names: &[KeyName], entropy: &dyn Entropy) -> Result<Vec<(Arc<Secret>, bool)>, Error> {
        KeyFile::ensure_all(self, names, entropy)
    }

    fn find(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Option<Arc<Secret>> {
        KeyFile::find(self, kind, owner, epoch)
    }

    fn list(&self, kind: KeyKind, owner: [u8; 8]) -> Vec<u64> {
        KeyFile::list(self, kind, owner)
    }

    fn destroy(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Result<bool, Error> {
        KeyFile::destroy(self, kind, owner, epoch)
    }

    fn refresh(&self) -> Result<(), Error> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// The keys of a shared file, as this gateway knows them.
pub struct SharedKeys {
    path: PathBuf,
    entropy: Arc<dyn Entropy>,
    identity: Arc<Secret>,
    /// Held by whoever has the file's lock or waits for it: threads of one process wait here, not for the file.
    turn: Mutex<()>,
    known: RwLock<BTreeMap<KeyName, Arc<Secret>>>,
}

impl SharedKeys {
    /// Opens the file at `path`, creating it with mode 0600 if it is missing.
    ///
    /// Refuses the key file of a gateway: that is one process's own.
    pub fn open(path: &Path, entropy: Arc<dyn Entropy>) -> Result<SharedKeys, Error> {
        let file = open_patiently(path, &*entropy)?;
        if file.find(KeyKind::AuditSigning, [0; 8], 0).is_some() {
            return Err(Error::NotToBeShared { path: path.to_owned() });
        }
        let identity = KeyFile::ensure_all(&file, &[IDENTITY], &*entropy)?.pop();
        let (identity, _) = identity.expect("as many keys come back as names went in");
        let known = RwLock::new(file.named());
        drop(file);
        Ok(SharedKeys { path: path.to_owned(), entropy, identity, turn: Mutex::new(()), known })
    }

    /// Says which file this is without saying anything about its keys.
    pub fn identity(&self) -> [u8; 16] {
        super::seal::commitment(&self.identity, b"tidegate shared key file")
    }

    /// Does something with the open and locked file, and takes note of all that is in it then.
    fn locked<T>(&self, work: impl FnOnce(&KeyFile) -> Result<T, Error>) -> Result<T, Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that is gone must not come back empty: the others' keys are in it.
        std::fs::metadata(&self.path).map_err(|source| Error::Io { path: self.path.clone(), source })?;
        let file = open_patiently(&self.path, &*self.entropy)?;
        let done = work(&file);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = file.named();
        done
    }

    fn known(&self) -> RwLockReadGuard<'_, BTreeMap<KeyName, Arc<Secret>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NamedKeys for SharedKeys {
    fn ensure_all(&self, names: &[KeyName], entropy: &dyn Entropy) -> Result<Vec<(Arc<Secret>, bool)>, Error> {
        let all: Option<Vec<_>> = {
            let known = self.known();
            names.iter().map(|name| known.get(name).map(|key| (Arc::clone(key), false))).collect()
        };
        match all {
            Some(all) => Ok(all),
            None => self.locked(|file| file.ensure_all(names, entropy)),
        }
    }

    fn find(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Option<Arc<Secret>> {
        self.known().get(&(kind, owner, epoch)).cloned()
    }

    fn list(&self, kind: KeyKind, owner: [u8; 8]) -> Vec<u64> {
        self.known().range((kind, owner, 0)..=(kind, owner, u64::MAX)).map(|((_, _, epoch), _)| *epoch).collect()
    }

    fn destroy(&self, kind: KeyKind, owner: [u8; 8], epoch: u64) -> Result<bool, Error> {
        self.locked(|file| file.destroy(kind, owner, epoch))
    }

    fn refresh(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the lock: a copy that is being written is told by its checksum, and the other one counts.
        let file = KeyFile::open_read_only(&self.path, &*self.entropy)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = file.named();
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Opens the file once nobody else has it.
fn open_patiently(path: &Path, entropy: &dyn Entropy) -> Result<KeyFile, Error> {
    let started = Instant::now();
    loop {
        match KeyFile::open(path, entropy) {
            Err(Error::InUse { .. }) if started.elapsed() < PATIENCE => sleep(PAUSE),
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SystemEntropy;

    const OWNER: [u8; 8] = [9; 8];

    struct Site(tempfile::TempDir);

    impl Site {
        fn path(&self) -> PathBuf {
            self.0.path().join("shared")
        }

        /// As another gateway opens it.
        fn open(&self) -> SharedKeys {
            SharedKeys::open(&self.path(), Arc::new(SystemEntropy)).unwrap()
        }
    }

    fn site() -> Site {
        Site(tempfile::tempdir().unwrap())
    }

    fn ensure(keys: &dyn NamedKeys, epoch: u64) -> (Arc<Secret>, bool) {
        keys.ensure_all(&[(KeyKind::User, OWNER, epoch)], &SystemEntropy).unwrap().remove(0)
    }

    #[test]
    fn a_key_that_one_gateway_made_is_found_by_all_others() {
        let site = site();
        let (one, two) = (site.open(), site.open());
        assert_eq!(one.identity(), two.identity());
        let (made, created) = ensure(&one, 1);
        assert!(created);
        let (found, created) = ensure(&two, 1);
        assert!(!created && found.bytes() == made.bytes());
        assert_eq!(ensure(&site.open(), 1).0.bytes(), made.bytes());
        assert!(KeyFile::open(&site.path(), &SystemEntropy).is_ok(), "nobody keeps it locked");
    }

    #[test]
    fn of_many_that_miss_a_key_at_one_moment_one_makes_it() {
        let site = site();
        let gateways: Vec<SharedKeys> = (0..4).map(|_| site.open()).collect();
        for epoch in 0..20 {
            let found: Vec<([u8; 32], bool)> = std::thread::scope(|scope| {
                let threads = gateways.iter().flat_map(|keys| [keys, keys]);
                let threads: Vec<_> = threads.map(|keys| scope.spawn(move || ensure(keys, epoch))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).map(|(key, new)| (*key.bytes(), new)).collect()
            });
            assert!(found.iter().all(|(key, _)| *key == found[0].0));
            assert_eq!(found.iter().filter(|(_, created)| *created).count(), 1);
        }
    }

    #[test]
    fn what_one_destroys_the_others_forget() {
        let site = site();
        let (one, two) = (site.open(), site.open());
        (1..=3).for_each(|epoch| drop(ensure(&one, epoch)));
        two.refresh().unwrap();
        assert_eq!(two.list(KeyKind::User, OWNER), [1, 2, 3]);
        assert!(one.destroy(KeyKind::User, OWNER, 1).unwrap());
        assert!(!two.destroy(KeyKind::User, OWNER, 1).unwrap(), "it was gone already");
        assert!(one.destroy(KeyKind::User, OWNER, 2).unwrap());
        assert!(two.find(KeyKind::User, OWNER, 2).is_some());
        two.refresh().unwrap();
        assert!(two.find(KeyKind::User, OWNER, 2).is_none());
        assert_eq!(two.list(KeyKind::User, OWNER), [3]);
    }

    #[test]
    fn a_file_that_is_gone_does_not_come_back_empty() {
        let site = site();
        let keys = site.open();
        ensure(&keys, 1);
        std::fs::remove_file(site.path()).unwrap();
        assert!(keys.ensure_all(&[(KeyKind::User, OWNER, 2)], &SystemEntropy).is_err());
        assert!(!site.path().exists());
        assert!(!ensure(&keys, 1).1, "what is known goes on to serve");
    }

    #[test]
    fn a_gateways_own_key_file_is_not_shared() {
        let site = site();
        let own = KeyFile::open(&site.path(), &SystemEntropy).unwrap();
        own.ensure(KeyKind::AuditSigning, [0; 8], 0, &SystemEntropy).unwrap();
        drop(own);
        let refused = SharedKeys::open(&site.path(), Arc::new(SystemEntropy)).err().expect("must be refused");
        assert!(matches!(refused, Error::NotToBeShared { .. }));
    }
}
