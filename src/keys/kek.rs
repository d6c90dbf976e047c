//! Where key-encryption keys live.
//!
//! A seam, because the owner of the data may not want the keys to lie on the same machine. Two implementations run the
//! same script of tests: [`FileKeks`] here, and [`CommandKeks`](super::CommandKeks), behind which stands whatever key
//! management the operator has.

use std::sync::Arc;

use super::{Error, KeyFile, KeyKind, KeyName, Secret};
use crate::id::{Entropy, TenantId};

/// A place for KEKs: random 32-byte keys, named by tenant and epoch.
pub trait KekStore: Send + Sync {
    /// The KEKs of these names, in their order. Those that are missing are created, and durable before any is handed
    /// out.
    fn ensure(&self, names: &[(TenantId, u16)]) -> Result<Vec<Arc<Secret>>, Error>;

    /// The KEK of this name, if it exists.
    fn find(&self, tenant: TenantId, epoch: u16) -> Result<Option<Arc<Secret>>, Error>;

    /// Destroys the KEK of this name and answers whether it existed. Only when it is gone for good, as far as the place
    /// can tell, does the call succeed; it may be repeated.
    fn destroy(&self, tenant: TenantId, epoch: u16) -> Result<bool, Error>;

    /// The epochs for which KEKs of a tenant exist, ascending.
    fn epochs(&self, tenant: TenantId) -> Result<Vec<u16>, Error>;
}

/// KEKs in the key file, beside the keys that they wrap. A copy of the file from before a KEK's destruction still has
/// it: where such copies may exist, keep the KEKs behind a command.
pub struct FileKeks {
    file: Arc<KeyFile>,
    entropy: Arc<dyn Entropy>,
}

impl FileKeks {
    /// KEKs in this file.
    pub fn new(file: Arc<KeyFile>, entropy: Arc<dyn Entropy>) -> Self {
        FileKeks { file, entropy }
    }
}

fn name(tenant: TenantId, epoch: u16) -> KeyName {
    (KeyKind::Kek, tenant.0, epoch.into())
}

impl KekStore for FileKeks {
    fn ensure(&self, names: &[(TenantId, u16)]) -> Result<Vec<Arc<Secret>>, Error> {
        let names: Vec<KeyName> = names.iter().map(|(tenant, epoch)| name(*tenant, *epoch)).collect();
        Ok(self.file.ensure_all(&names, &*self.entropy)?.into_iter().map(|(kek, _)| kek).collect())
    }

    fn find(&self, tenant: TenantId, epoch: u16) -> Result<Option<Arc<Secret>>, Error> {
        Ok(self.file.find(KeyKind::Kek, tenant.0, epoch.into()))
    }

    fn destroy(&self, tenant: TenantId, epoch: u16) -> Result<bool, Error> {
        self.file.destroy(KeyKind::Kek, tenant.0, epoch.into())
    }

    fn epochs(&self, tenant: TenantId) -> Result<Vec<u16>, Error> {
        // An epoch that does not fit was not made here.
        Ok(self.file.list(KeyKind::Kek, tenant.0).into_iter().filter_map(|epoch| epoch.try_into().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::SystemEntropy;
    use crate::keys::CommandKeks;

    const ACME: TenantId = TenantId([1; 8]);
    const OTHER: TenantId = TenantId([2; 8]);

    /// What every place for KEKs promises. `again` opens the same place as another process would.
    fn keeps_the_contract(again: &dyn Fn() -> Box<dyn KekStore>) {
        let keks = again();
        assert!(keks.find(ACME, 1).unwrap().is_none());
        assert!(keks.epochs(ACME).unwrap().is_empty());
        assert!(!keks.destroy(ACME, 1).unwrap());

        let names = [(ACME, 1), (OTHER, 1), (ACME, 2), (ACME, 1)];
        let made = keks.ensure(&names).unwrap();
        assert_eq!(made.len(), 4);
        assert_eq!(made[0].bytes(), made[3].bytes());
        assert!(made[0].bytes() != made[1].bytes() && made[0].bytes() != made[2].bytes());
        assert_eq!(keks.ensure(&[]).unwrap().len(), 0);
        assert_eq!(keks.epochs(ACME).unwrap(), [1, 2]);
        assert_eq!(keks.epochs(OTHER).unwrap(), [1]);

        drop(keks);
        let keks = again();
        assert_eq!(keks.find(ACME, 2).unwrap().unwrap().bytes(), made[2].bytes());
        for (name, kek) in names.iter().zip(&made) {
            assert_eq!(keks.ensure(&[*name]).unwrap()[0].bytes(), kek.bytes(), "a KEK is made once");
        }

        assert!(keks.destroy(ACME, 1).unwrap());
        assert!(!keks.destroy(ACME, 1).unwrap());
        assert!(keks.find(ACME, 1).unwrap().is_none());
        assert_eq!(keks.epochs(ACME).unwrap(), [2]);

        drop(keks);
        let keks = again();
        assert!(keks.find(ACME, 1).unwrap().is_none());
        assert_eq!(keks.find(OTHER, 1).unwrap().unwrap().bytes(), made[1].bytes());
        assert!(keks.destroy(ACME, 2).unwrap());
        assert_eq!(keks.epochs(ACME).unwrap(), [0; 0]);
    }

    #[test]
    fn the_key_file_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        keeps_the_contract(&|| {
            let file = KeyFile::open(&dir.path().join("keys"), &SystemEntropy).unwrap();
            Box::new(FileKeks::new(Arc::new(file), Arc::new(SystemEntropy)))
        });
    }

    #[test]
    fn a_command_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keys/command.py");
        let args = || vec![script.to_owned(), dir.path().to_str().unwrap().to_owned()];
        keeps_the_contract(&|| Box::new(CommandKeks::new("python3".to_owned(), args(), Duration::from_secs(60))));
    }
}
