//! What the key file holds, in memory.
//!
//! Keys lie here as they are, data keys wrapped: there may be a million of them, at 56 bytes each and as much again for
//! the slack of the map. Its invariant: it says what both copies on disk say. It reads and writes no file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slot::{Content, KekEpoch};
use super::wrap::{DekId, Wrapped};
use super::{KeyName, Secret};
use crate::id::TenantId;

/// Everything in the key file, each thing with its slot.
#[derive(Default)]
pub(super) struct Contents {
    pub keys: BTreeMap<KeyName, Placed<Arc<Secret>>>,
    pub deks: BTreeMap<(TenantId, DekId), Placed<Wrapped>>,
    pub kek_epochs: BTreeMap<TenantId, Placed<KekEpoch>>,
    pub deks_issued: Option<Placed<u64>>,
}

/// Something and the slot in which it lies.
#[derive(Clone, Copy)]
pub(super) struct Placed<T> {
    pub slot: u32,
    pub what: T,
}

impl Contents {
    /// Notes what a slot holds. Answers whether something of the same name was known, which is replaced.
    pub fn insert(&mut self, slot: u32, content: Content) -> bool {
        match content {
            Content::Free(_) => false,
            Content::Key(name, what) => self.keys.insert(name, Placed { slot, what }).is_some(),
            Content::Dek(tenant, id, what) => self.deks.insert((tenant, id), Placed { slot, what }).is_some(),
            Content::KekEpoch(tenant, what) => self.kek_epochs.insert(tenant, Placed { slot, what }).is_some(),
            Content::DeksIssued(what) => self.deks_issued.replace(Placed { slot, what }).is_some(),
        }
    }

    /// The data keys of a tenant, in the order of their creation.
    pub fn deks_of(&self, tenant: TenantId) -> impl Iterator<Item = (DekId, &Placed<Wrapped>)> {
        let all = (tenant, DekId(0))..=(tenant, DekId(u64::MAX));
        self.deks.range(all).map(|((_, id), dek)| (*id, dek))
    }

    /// How many data keys were ever issued, as counted.
    pub fn issued(&self) -> u64 {
        self.deks_issued.map_or(0, |issued| issued.what)
    }

    /// How many data keys were issued at least, going by those that live. More than counted if power failed between
    /// their slots and the counter's.
    pub fn issued_to_the_living(&self) -> u64 {
        self.deks.keys().map(|(_, id)| id.count()).max().unwrap_or(0)
    }
}
