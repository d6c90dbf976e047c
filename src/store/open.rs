//! Open buckets: what readers see of rows that are durable but not sealed.
//!
//! A bucket is a list of full chunks and one that grows. Readers take references to all of them and then scan without any lock: a chunk that a
//! reader still holds is copied before it grows further. Only durable rows ever come in here, whole commit groups at a time.
//!
//! Sealing takes chunks out in two steps: [`Buckets::take`] sets everything that a bucket holds aside, where readers still see it, and
//! [`Buckets::sealed`] lets it go in the same moment in which the sealed run appears (see [`super::shelf`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Millis;
use crate::id::TenantId;

use super::columns::{Columns, Spans};
use super::journal::PolicyMark;
use super::key::BucketKey;
use super::row::Row;

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
    /// What the attributes of the last chunk took that was full: the next one will need as much.
    attribute_bytes: usize,
    rows: usize,
    /// The group of the oldest row that is not being sealed.
    first_sequence: Option<u64>,
    policies: Vec<PolicyMark>,
    /// What is being sealed.
    aside: Option<Aside>,
}

struct Aside {
    chunks: Vec<Arc<Columns>>,
    bytes: usize,
    rows: usize,
    first_sequence: u64,
    policies: Vec<PolicyMark>,
}

impl Bucket {
    fn push(&mut self, sequence: u64, policy: PolicyMark, row: &Row<'_>) {
        self.first_sequence.get_or_insert(sequence);
        if !self.policies.contains(&policy) {
            self.policies.push(policy);
        }
        let growing = Arc::make_mut(&mut self.growing);
        if growing.is_empty() {
            growing.reserve_attributes(self.attribute_bytes);
        }
        growing.push(row);
        self.rows += 1;
        let rows = growing.len();
        if rows % MEASURE_EVERY == 1 {
            self.growing_bytes = growing.bytes();
        } else {
            let text: usize = row.text.iter().flatten().map(|text| text.len()).sum();
            self.growing_bytes += text + row.attributes.len();
        }
        if rows >= CHUNK_ROWS || self.growing_bytes >= CHUNK_BYTES {
            self.attribute_bytes = growing.attribute_bytes();
            self.close_chunk();
        }
    }

    fn close_chunk(&mut self) {
        if !self.growing.is_empty() {
            let growing = Arc::make_mut(&mut self.growing);
            growing.shrink();
            self.full_bytes += growing.bytes();
            self.growing_bytes = 0;
            self.full.push(std::mem::take(&mut self.growing));
        }
    }

    fn bytes(&self) -> usize {
        self.full_bytes + self.growing_bytes + self.aside.as_ref().map_or(0, |aside| aside.bytes)
    }

    fn rows(&self) -> usize {
        self.rows + self.aside.as_ref().map_or(0, |aside| aside.rows)
    }

    fn chunks(&self) -> impl Iterator<Item = &Arc<Columns>> {
        let aside = self.aside.iter().flat_map(|aside| &aside.chunks);
        aside.chain(&self.full).chain(std::iter::once(&self.growing)).filter(|chunk| !chunk.is_empty())
    }

    /// The group of the oldest row.
    fn oldest_sequence(&self) -> Option<u64> {
        self.aside.as_ref().map(|aside| aside.first_sequence).or(self.first_sequence)
    }

    fn spans(&self) -> Option<Spans> {
        self.chunks().filter_map(|chunk| chunk.spans()).reduce(Spans::and)
    }
}

/// Rows that were set aside to be sealed.
pub struct Taken {
    /// Their bucket.
    pub bucket: BucketKey,
    /// The rows, in the order of arrival.
    pub chunks: Vec<Arc<Columns>>,
    /// How many.
    pub rows: usize,
    /// The privacy policies that they went through.
    pub policies: Vec<PolicyMark>,
    /// Every row of the bucket up to this group is among them, or was sealed before.
    pub through: u64,
}

/// What a bucket holds, for who decides what to seal.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The bucket.
    pub bucket: BucketKey,
    /// Rows that are not being sealed yet.
    pub rows: usize,
    /// Bytes of memory.
    pub bytes: usize,
    /// The group of the oldest of those rows.
    pub first_sequence: u64,
}

/// All open buckets of all tenants.
#[derive(Default)]
pub struct Buckets {
    buckets: BTreeMap<BucketKey, Bucket>,
    bytes: usize,
    rows: usize,
    /// The newest group whose rows are here.
    sequence: u64,
}

impl Buckets {
    /// Takes in one durable row.
    pub fn push(&mut self, sequence: u64, tenant: TenantId, policy: PolicyMark, row: &Row<'_>) {
        let bucket = self.buckets.entry(BucketKey::of(tenant, row.event_type, row.received)).or_default();
        let before = bucket.bytes();
        bucket.push(sequence, policy, row);
        self.bytes = (self.bytes + bucket.bytes()).saturating_sub(before);
        self.rows += 1;
    }

    /// All rows up to this group are here.
    pub fn reached(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of rows held, those that readers no longer see included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// When the newest row arrived.
    pub fn newest_arrival(&self) -> Option<Millis> {
        self.buckets.values().filter_map(Bucket::spans).map(|spans| spans.received.1).max()
    }

    /// Number of buckets.
    pub fn count(&self) -> usize {
        self.buckets.len()
    }

    /// The chunks of one tenant.
    pub fn of_tenant(&self, tenant: TenantId) -> impl Iterator<Item = (&BucketKey, &Arc<Columns>)> {
        let mine = self.buckets.range(BucketKey::first_of(tenant)..).take_while(move |(key, _)| key.tenant == tenant);
        mine.flat_map(|(key, bucket)| bucket.chunks().map(move |chunk| (key, chunk)))
    }

    /// Every bucket that holds a row.
    pub fn keys(&self) -> impl Iterator<Item = &BucketKey> {
        self.buckets.keys()
    }

    /// The buckets with rows that are not being sealed.
    pub fn held(&self) -> impl Iterator<Item = Held> {
        self.buckets.iter().filter(|(_, bucket)| bucket.aside.is_none()).filter_map(|(key, bucket)| {
            let first_sequence = bucket.first_sequence?;
            Some(Held { bucket: *key, rows: bucket.rows, bytes: bucket.bytes(), first_sequence })
        })
    }

    /// The group of the oldest row that is only here; without any, the one that comes next.
    pub fn oldest_sequence(&self) -> u64 {
        self.buckets.values().filter_map(Bucket::oldest_sequence).min().unwrap_or(self.sequence + 1)
    }

    /// Sets aside what a bucket holds; `None` when it holds nothing or is being sealed already.
    pub fn take(&mut self, key: BucketKey) -> Option<Taken> {
        let bucket = self.buckets.get_mut(&key)?;
        let first_sequence = bucket.first_sequence?;
        if bucket.aside.is_some() {
            return None;
        }
        let before = bucket.bytes();
        bucket.close_chunk();
        bucket.first_sequence = None;
        let aside = Aside {
            chunks: std::mem::take(&mut bucket.full),
            bytes: std::mem::take(&mut bucket.full_bytes),
            rows: std::mem::take(&mut bucket.rows),
            first_sequence,
            policies: std::mem::take(&mut bucket.policies),
        };
        let taken = Taken {
            bucket: key,
            chunks: aside.chunks.clone(),
            rows: aside.rows,
            policies: aside.policies.clone(),
            through: self.sequence,
        };
        bucket.aside = Some(aside);
        self.bytes = (self.bytes + bucket.bytes()).saturating_sub(before);
        Some(taken)
    }

    /// Lets go of what was set aside: it is sealed.
    pub fn sealed(&mut self, key: BucketKey) {
        let Some(bucket) = self.buckets.get_mut(&key) else { return };
        if let Some(aside) = bucket.aside.take() {
            self.bytes = self.bytes.saturating_sub(aside.bytes);
            self.rows = self.rows.saturating_sub(aside.rows);
        }
        if bucket.first_sequence.is_none() {
            self.bytes = self.bytes.saturating_sub(bucket.bytes());
            self.buckets.remove(&key);
        }
    }

    /// Takes back what was set aside: it could not be sealed.
    pub fn put_back(&mut self, key: BucketKey) {
        let Some(bucket) = self.buckets.get_mut(&key) else { return };
        let Some(aside) = bucket.aside.take() else { return };
        bucket.full.splice(0..0, aside.chunks);
        bucket.full_bytes += aside.bytes;
        bucket.rows += aside.rows;
        bucket.first_sequence = Some(aside.first_sequence);
        for policy in aside.policies {
            if !bucket.policies.contains(&policy) {
                bucket.policies.push(policy);
            }
        }
    }

    /// Drops the buckets for which `is_past` holds of the key and the newest arrival; returns the number of rows.
    pub fn expire(&mut self, is_past: impl Fn(&BucketKey, Millis) -> bool) -> usize {
        let (mut dropped, mut freed) = (0, 0);
        self.buckets.retain(|key, bucket| {
            let past = bucket.aside.is_none() && bucket.spans().is_none_or(|spans| is_past(key, spans.received.1));
            if past {
                dropped += bucket.rows();
                freed += bucket.bytes();
            }
            !past
        });
        self.bytes = self.bytes.saturating_sub(freed);
        self.rows = self.rows.saturating_sub(dropped);
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::TEXT_COLUMNS;
    use super::*;
    use crate::privacy::event::EventType;

    const TENANT: TenantId = TenantId([1; 8]);

    fn row(received: i64) -> Row<'static> {
        Row {
            received: Millis(received),
            time: Millis(received),
            event_type: EventType::Custom,
            text: [None; TEXT_COLUMNS],
            duration_ms: None,
            ok: None,
            status: None,
            value: None,
            attributes: "",
            session_derived: false,
        }
    }

    fn push(buckets: &mut Buckets, sequence: u64, rows: usize) {
        (0..rows).for_each(|n| buckets.push(sequence, TENANT, [sequence as u8; 8], &row(n as i64)));
        buckets.reached(sequence);
    }

    fn seen(buckets: &Buckets) -> usize {
        buckets.of_tenant(TENANT).map(|(_, chunk)| chunk.len()).sum()
    }

    #[test]
    fn what_is_set_aside_is_seen_until_it_is_sealed_and_holds_up_the_log_until_then() {
        let mut buckets = Buckets::default();
        push(&mut buckets, 5, CHUNK_ROWS + 10);
        let key = buckets.held().next().unwrap().bucket;
        let taken = buckets.take(key).unwrap();
        assert_eq!((taken.rows, taken.through, taken.policies.len()), (CHUNK_ROWS + 10, 5, 1));
        assert!(buckets.take(key).is_none(), "only once");
        push(&mut buckets, 6, 3);
        assert_eq!((seen(&buckets), buckets.oldest_sequence()), (CHUNK_ROWS + 13, 5));
        buckets.sealed(key);
        assert_eq!((seen(&buckets), buckets.rows(), buckets.oldest_sequence()), (3, 3, 6));
        assert_eq!(buckets.take(key).unwrap().through, 6);
        buckets.sealed(key);
        assert_eq!((buckets.count(), buckets.bytes(), buckets.rows(), buckets.oldest_sequence()), (0, 0, 0, 7));
    }

    #[test]
    fn what_could_not_be_sealed_is_as_before() {
        let mut buckets = Buckets::default();
        push(&mut buckets, 1, 5);
        let key = buckets.held().next().unwrap().bucket;
        buckets.take(key).unwrap();
        push(&mut buckets, 2, 5);
        buckets.put_back(key);
        assert_eq!((seen(&buckets), buckets.oldest_sequence()), (10, 1));
        let taken = buckets.take(key).unwrap();
        assert_eq!((taken.rows, taken.through, taken.policies.len()), (10, 2, 2));
    }
}
