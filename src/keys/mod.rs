//! Keys: where they are kept, and the two things done with them.
//!
//! Owns the key file (`keystore`, its bytes in `slot`, its writes in `disk`) and the small set of operations on a
//! [`Secret`] (`seal`: authenticated encryption and Ed25519 signatures). Its invariant: **no key is ever written to
//! RocksDB**, since old tables and write-ahead logs would keep it after its destruction. It does not decide which
//! keys exist, for how long they live, or who may use them; that is said by the modules that own the data under them.

mod disk;
mod keystore;
pub mod seal;
mod slot;

pub use keystore::{Error, KeyFile};
pub use seal::{Secret, SigningKey};
pub use slot::{KeyKind, KeyName};
