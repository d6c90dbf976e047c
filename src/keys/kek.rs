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
