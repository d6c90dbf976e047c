//! Open buckets: what readers see of rows that are durable but not sealed.
//!
//! A bucket is a list of full chunks and one that grows. Readers take references to all of them ([`Buckets::read`]) and then scan without any
//! lock: a chunk that a reader still holds is copied before it grows further. Only durable rows ever come in here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Millis;
use crate::id::TenantId;

use super::columns::Columns;
use super::key::{BucketKey, Class};
use super::row::Row;
use super::{Part, Retention};

/// A chunk is full at this many rows: small enough to copy in well under a millisecond, large enough that dictionaries pay.
const CHUNK_ROWS: usize = 4096;
/// A chunk is full at this size, whatever its rows; keeps offsets within 31 bits.
const CHUNK_BYTES: usize = 4 << 20;
/// The size of a growing chunk is taken this often (in rows), since taking it costs more than a row; in between the texts of rows are added up.
const MEASURE_EVERY: usize = 64;

#[derive(Default)]
struct Bucket {
    full: Vec<Arc<Columns>>,
    full_bytes: usize,
    growing: Arc<Columns>,
    growing_bytes: usize,
}

impl Bucket {
    fn push(&mut self, row: &Row<'_>) {
        let growing = Arc::make_mut(&mut self.growing);
        growing.push(row);
        let rows = growing.len();
        if rows % MEASURE_EVERY == 1 {
            self.growing_bytes = growing.bytes();
        } else {
            let text: usize = row.text.iter().flatten().map(|text| text.len()).sum();
            self.growing_bytes += text + row.attributes.len();
        }
        if rows >= CHUNK_ROWS || self.growing_bytes >= CHUNK_BYTES {
            growing.shrink();
            self.full_bytes += growing.bytes();
            self.growing_bytes = 0;
            self.full.push(std::mem::take(&mut self.growing));
        }
    }

    fn bytes(&self) -> usize {
        self.full_bytes + self.growing_bytes
    }

    fn chunks(&self) -> impl Iterator<Item = &Arc<Columns>> {
        self.full.iter().chain(std::iter::once(&self.growing)).filter(|chunk| !chunk.is_empty())
    }

    fn newest(&self) -> Option<Millis> {
        self.chunks().filter_map(|chunk| chunk.spans()).map(|spans| spans.received.1).max()
    }
}

/// All open buckets of all tenants.
#[derive(Default)]
pub struct Buckets {
    buckets: BTreeMap<BucketKey, Bucket>,
    bytes: usize,
    rows: usize,
}

impl Buckets {
    /// Takes in one durable row.
    pub fn push(&mut self, tenant: TenantId, row: &Row<'_>) {
        let bucket = self.buckets.entry(BucketKey::of(tenant, row.event_type, row.received)).or_default();
        let before = bucket.bytes();
        bucket.push(row);
        self.bytes = (self.bytes + bucket.bytes()).saturating_sub(before);
        self.rows += 1;
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of rows held, those that readers no longer see included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// References to everything of `tenant` that may hold a row with `from <= time < to` that is not past its retention.
    pub fn read(&self, tenant: TenantId, from: Millis, to: Millis, retention: &Retention, now: Millis) -> Vec<Part> {
        let mine = self.buckets.range(BucketKey::first_of(tenant)..).take_while(|(key, _)| key.tenant == tenant);
        let mut parts = Vec::new();
        for (key, bucket) in mine {
            let not_before = retention.cutoff(key.class, now);
            for chunk in bucket.chunks() {
                let Some(spans) = chunk.spans() else { continue };
                if spans.received.1 >= not_before && spans.time.1 >= from && spans.time.0 < to {
                    parts.push(Part::new(Arc::clone(chunk), key.class, not_before, from, to));
                }
            }
        }
        parts
    }

    /// Drops the buckets of `class` whose newest row arrived before `cutoff`; returns the number of rows.
    pub fn expire(&mut self, class: Class, cutoff: Millis) -> usize {
        let mut dropped = 0;
        let mut freed = 0;
        self.buckets.retain(|key, bucket| {
            let expired = key.class == class && bucket.newest().is_none_or(|newest| newest < cutoff);
            if expired {
                dropped += bucket.chunks().map(|chunk| chunk.len()).sum::<usize>();
                freed += bucket.bytes();
            }
            !expired
        });
        self.bytes = self.bytes.saturating_sub(freed);
        self.rows = self.rows.saturating_sub(dropped);
        dropped
    }
}
