//! Keys: where they are kept, and what is done with them.
//!
//! ```text
//! KEK (tenant, epoch)     in the key file or behind an external command      kek, command
//!  └► wraps DEK (id)      in the key file, wrapped                           wrap, deks, vault
//!      └► seals blocks    in the store                                       seal
//! every other key         in the key file, by name                           keystore
//! keys of pseudonyms      there too, or in a file that several gateways share  shared
//! ```
//!
//! Owns the key file (`keystore`, its bytes in `slot`, its writes in `disk`), the hierarchy of keys for encryption at
//! rest ([`Vault`]), and the small set of operations on a [`Secret`] ([`seal`]: authenticated encryption, commitments
//! and Ed25519 signatures). Its invariant: **no key is ever written to RocksDB**, since old tables and write-ahead
//! logs would keep it after its destruction. It does not decide which keys exist, for how long they live, or who may
//! use them; that is said by the modules that own the data under them.

mod command;
mod contents;
mod deks;
mod disk;
mod error;
mod kek;
mod keystore;
pub mod seal;
mod shared;
mod slot;
mod vault;
mod wrap;

pub use command::CommandKeks;
pub use error::{CommandFailure, Error};
pub use kek::{FileKeks, KekStore};
pub use keystore::KeyFile;
pub use seal::{SealingKey, Secret, SigningKey};
pub use shared::{NamedKeys, SharedKeys};
pub use slot::{KeyKind, KeyName};
pub use vault::{Advanced, Vault};
pub use wrap::DekId;
