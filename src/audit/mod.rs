//! The audit log: what was done to data, in a form that cannot be changed unnoticed.
//!
//! Owns one Merkle log per tenant and one of the gateway itself ([`Subject`]), whose leaves are [`Record`]s. Its invariants:
//! - a leaf is committed in the same batch as the state that it records;
//! - a leaf holds no personal data: who acted stands there as a [`Commitment`] that can be made unresolvable ([`Principals`]), and a random
//!   nonce keeps even the hash of a leaf from being guessed;
//! - a checkpoint, once signed, is kept outside the database and never contradicted: a database that was rolled back does not open.
//!
//! It does not prove that nobody copied data or keys, and it cannot notice that the database *and* the anchor files
//! were rolled back together: for that, checkpoints must leave the machine (reports, witnesses). It does not decide what is recorded.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::id::TenantId;
use crate::kv;

mod anchor;
#[cfg(test)]
mod fixture;
mod layout;
mod log;
pub mod note;
mod principals;
mod record;
pub mod trail;
pub mod tree;
mod verify;

pub use layout::for_each_leaf;
pub use log::{Head, Log, SignedCheckpoint};
pub use principals::{Commitment, Principals};
pub use record::{Action, LEAF_BYTES_MAX, Outcome, Record, StoredRecord};
pub use verify::{Finding, Problem, Report, check};

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The gateway's own: service, keys, tenants.
    Gateway,
    /// A tenant's.
    Tenant(TenantId),
}

/// `gateway`, or the tenant's id: the name of the log's anchor file.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Gateway => f.write_str("gateway"),
            Subject::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

/// Why the audit log cannot be opened, read or signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("audit log: {0}")]
    Kv(#[from] kv::Error),
    /// An anchor file cannot be read or written.
    #[error("audit anchor {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The gateway's name cannot stand in a checkpoint.
    #[error("the gateway's name must not be empty nor contain white space, control characters or `+`")]
    GatewayName,
    /// A stored record of the log cannot be read.
    #[error("audit log {subject}: damaged in the database at {place}; run `tidegate fsck`")]
    Damaged {
        /// Which log.
        subject: Subject,
        /// Which record.
        place: &'static str,
    },
    /// The anchor file is not a checkpoint that this gateway's key signed for this log.
    #[error("audit log {subject}: anchor file {}: {source}; if the gateway was renamed, give it its old name back", path.display())]
    Anchor {
        /// Which log.
        subject: Subject,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: note::Error,
    },
    /// The database holds less than was signed: it was rolled back.
    #[error(
        "audit log {subject}: {anchored} leaves were signed, but the database holds {stored}: it was rolled back; restore a newer copy"
    )]
    RolledBack {
        /// Which log.
        subject: Subject,
        /// The size in the anchor file.
        anchored: u64,
        /// The size in the database.
        stored: u64,
    },
    /// The database holds other leaves than were signed.
    #[error(
        "audit log {subject}: the database contradicts the checkpoint signed at {anchored} leaves; run `tidegate fsck`"
    )]
    Contradiction {
        /// Which log.
        subject: Subject,
        /// The size in the anchor file, 0 if there is none.
        anchored: u64,
    },
}
