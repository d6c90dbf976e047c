//! Requests of data subjects, as whoever asked can follow them.
//!
//! An entry says what was asked for and how far it is; never about whom. It changes in the same batch as what it tells of.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::TenantId;
use crate::kv::{self, Batch, Family, Kv};

use super::erasure::Erased;

/// Leads the entries in the catalog; tenant and number follow.
const PREFIX: &[u8] = b"q|";

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Durable; the subject's rows are hidden, and nothing more is taken of it.
    Received,
    /// Done.
    Completed,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What was asked for.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How far it is.
    pub status: Status,
    /// When it was received, epoch milliseconds.
    pub received: Millis,
    /// When it was completed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub completed: Option<Millis>,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub erased: Option<Erased>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All rows of the subject go, and none is taken any more.
    Erasure,
}

impl Request {
    /// A new one.
    pub fn new(kind: Kind, received: Millis) -> Request {
        Request { kind, status: Status::Received, received, completed: None, erased: None }
    }

    /// Stages it. Writer's thread only.
    pub fn stage(&self, tenant: TenantId, number: u64, batch: &mut Batch) {
        let value = serde_json::to_vec(self).expect("plain fields always serialise into memory");
        batch.put_owned(Family::Catalog, place(tenant, number), value);
    }

    /// The stored one of a tenant; `None` when there is none, or when it cannot be read.
    pub fn get(kv: &Kv, tenant: TenantId, number: u64) -> Result<Option<Request>, kv::Error> {
        let stored = kv.get(Family::Catalog, &place(tenant, number))?;
        Ok(stored.and_then(|value| serde_json::from_slice(&value).ok()))
    }
}

fn place(tenant: TenantId, number: u64) -> Vec<u8> {
    [PREFIX, &tenant.0, &number.to_be_bytes()].concat()
}
