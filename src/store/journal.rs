//! The journal: accepted events, in the order in which they became durable.
//!
//! Rows gather in one [`Frame`] while a commit group is open; when it closes, the frame becomes one encrypted value under `(segment, sequence)`.
//! One log serves all tenants and classes. It is short: rows leave it when they are sealed, whole segments at a time, and with a segment goes its
//! key, so that nothing of it can be read any more wherever its bytes may linger.
//!
//! Invariant: a segment is dropped only when every row in it is sealed, expired or erased.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::clock::{HOUR_MS, Millis};
use crate::id::{Entropy, TenantId, random};
use crate::keys::seal::{self, SEAL_OVERHEAD_BYTES, SealingKey};
use crate::keys::{Secret, Vault};
use crate::kv::{self, Batch, Family, Kv};

use super::key;
use super::row::{Damaged, Reader, Row, put_varint};

const MAGIC: [u8; 4] = *b"TGJ1";
/// magic 4, checksum 4.
const HEADER_BYTES: usize = 8;
/// The journal is read once, at start; speed of writing matters more than size. Level 1 writes about 5 % less (measured).
const ZSTD_LEVEL: i32 = -1;
/// No frame inflates to more: a group is closed at 1 MiB, or holds one request of at most the configured inflated size.
const RAW_BYTES_MAX: usize = 1 << 30;
/// Memory that an emptied frame may keep: more than a group of the usual size needs.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Bytes of the policy's hash that stand in every section.
pub const POLICY_MARK_BYTES: usize = 8;
/// A segment is closed at this size or age: what is dropped, and loses its key, at once.
const SEGMENT_BYTES_MAX: u64 = 256 << 20;
const SEGMENT_AGE_MAX_MS: i64 = HOUR_MS;

/// The first bytes of the hash of a privacy policy.
pub type PolicyMark = [u8; POLICY_MARK_BYTES];

/// What is called with every row: group sequence, tenant, policy, row.
pub type VisitRow<'v> = dyn FnMut(u64, TenantId, PolicyMark, Row<'_>) + 'v;

/// Rows that wait for their group to close.
#[derive(Default)]
pub struct Frame {
    raw: Vec<u8>,
    section: Option<(TenantId, PolicyMark)>,
    rows: usize,
    newest: Millis,
}

impl Frame {
    /// Appends one encoded row.
    pub fn push(&mut self, tenant: TenantId, policy: PolicyMark, received: Millis, row: &[u8]) {
        if self.section != Some((tenant, policy)) {
            if self.section.is_some() {
                put_varint(&mut self.raw, 0);
            }
            self.raw.extend_from_slice(&tenant.0);
            self.raw.extend_from_slice(&policy);
            self.section = Some((tenant, policy));
        }
        put_varint(&mut self.raw, row.len() as u64 + 1);
        self.raw.extend_from_slice(row);
        self.rows += 1;
        self.newest = self.newest.max(received);
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The stored value.
    pub(super) fn encode(&self, key: &Secret, place: &[u8], nonce: [u8; 12], packer: &mut Packer) -> Vec<u8> {
        let packed = packer.pack(&self.raw);
        let mut value = Vec::with_capacity(HEADER_BYTES + packed.len() + SEAL_OVERHEAD_BYTES);
        value.extend_from_slice(&[0; HEADER_BYTES]);
        SealingKey::new(key).append(nonce, &context(place), packed, &mut value);
        let (header, sealed) = value.split_at_mut(HEADER_BYTES);
        let (magic, sum) = header.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        sum.copy_from_slice(&crc32c::crc32c(sealed).to_le_bytes());
        value
    }

    /// Empties it; what it grew to is kept for the next group, since fresh memory costs more than the bytes in it.
    fn clear(&mut self) {
        if self.raw.capacity() > KEPT_BYTES_MAX {
            self.raw = Vec::new();
        }
        self.raw.clear();
        (self.section, self.rows, self.newest) = (None, 0, Millis::default());
    }

    /// Calls `visit` for every row.
    pub fn visit(&self, sequence: u64, visit: &mut VisitRow<'_>) -> Result<(), Damaged> {
        visit_rows(&self.raw, sequence, visit)
    }
}

/// What binds a frame to its key in the database.
fn context(place: &[u8]) -> Vec<u8> {
    [b"tidegate journal\0", place].concat()
}

/// A compressor with the buffer that it compresses into.
pub(super) struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> std::io::Result<Packer> {
        Ok(Packer { compressor: zstd::bulk::Compressor::new(ZSTD_LEVEL)?, buffer: Vec::new() })
    }

    /// The length of `raw`, then `raw` compressed.
    fn pack(&mut self, raw: &[u8]) -> &[u8] {
        self.buffer.clear();
        self.buffer.reserve(4 + zstd::zstd_safe::compress_bound(raw.len()));
        let packed = self.compressor.compress_to_buffer(raw, &mut self.buffer);
        packed.expect("zstd compresses any input into a buffer of its own bound");
        // At the end, where it costs no second copy.
        self.buffer.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        &self.buffer
    }
}

fn visit_rows(raw: &[u8], sequence: u64, visit: &mut VisitRow<'_>) -> Result<(), Damaged> {
    let mut reader = Reader { bytes: raw };
    while !reader.bytes.is_empty() {
        let tenant = TenantId(reader.array().ok_or(Damaged)?);
        let policy = reader.array().ok_or(Damaged)?;
        while !reader.bytes.is_empty() {
            let length = reader.varint().ok_or(Damaged)?;
            let Some(length) = length.checked_sub(1) else { break };
            let length = usize::try_from(length).map_err(|_| Damaged)?;
            visit(sequence, tenant, policy, Row::decode(reader.take(length).ok_or(Damaged)?)?);
        }
    }
    Ok(())
}

/// Calls `visit` for every row of a stored value.
pub fn visit_value(
    key: &Secret,
    place: &[u8],
    sequence: u64,
    value: &[u8],
    visit: &mut VisitRow<'_>,
) -> Result<(), Damaged> {
    let mut reader = Reader { bytes: value };
    let magic: [u8; 4] = reader.array().ok_or(Damaged)?;
    let sum = u32::from_le_bytes(reader.array().ok_or(Damaged)?);
    if magic != MAGIC || sum != crc32c::crc32c(reader.bytes) {
        return Err(Damaged);
    }
    let packed = seal::open(key, &context(place), reader.bytes).map_err(|_| Damaged)?;
    let (packed, length) = packed.split_last_chunk::<4>().ok_or(Damaged)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > RAW_BYTES_MAX {
        return Err(Damaged);
    }
    let raw = zstd::bulk::decompress(packed, length).map_err(|_| Damaged)?;
    if raw.len() != length {
        return Err(Damaged);
    }
    visit_rows(&raw, sequence, visit)
}

/// Some of the log, under one key.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// The newest group in it; `None` while it has none.
    last: Option<u64>,
    bytes: u64,
    /// Arrival of its first row.
    began: Option<Millis>,
}

impl Segment {
    fn new(number: u64) -> Segment {
        Segment { number, last: None, bytes: 0, began: None }
    }

    fn add(&mut self, sequence: u64, bytes: usize, received: Millis) {
        self.last = Some(sequence);
        self.bytes += bytes as u64;
        self.began.get_or_insert(received);
    }

    fn is_full(&self, now: Millis) -> bool {
        self.bytes >= SEGMENT_BYTES_MAX || self.began.is_some_and(|began| now.since(began) >= SEGMENT_AGE_MAX_MS)
    }
}

/// The writing end: the open group's frame and the list of what is stored.
pub struct Journal {
    sequence: u64,
    open: Frame,
    segment: Segment,
    key: Arc<Secret>,
    /// Older segments that still hold rows which are nowhere else.
    older: Vec<Segment>,
    /// An emptied frame, to be filled again.
    spare: Option<Frame>,
    packer: Packer,
    vault: Arc<Vault>,
    entropy: Arc<dyn Entropy>,
}

/// What a replay found besides rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// Segments whose keys are gone.
    pub segments: Vec<u64>,
}

impl Journal {
    /// Reads every stored frame in order, calling `visit` for every row. Segments without a key are counted and left alone.
    ///
    /// # Errors
    /// [`super::Error::Damaged`] names the first frame that does not hold what was written.
    pub fn replay(
        kv: &Kv,
        vault: &Arc<Vault>,
        entropy: &Arc<dyn Entropy>,
        visit: &mut VisitRow<'_>,
    ) -> Result<(Journal, Unreadable), super::Error> {
        let stored = kv.get(Family::Meta, key::META_JOURNAL_SEQUENCE)?;
        let sequence = stored.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0);
        let mut older: Vec<Segment> = Vec::new();
        let mut unreadable = Unreadable::default();
        for_each_frame(kv, vault, &mut |frame| {
            if older.last().is_none_or(|segment| segment.number != frame.segment) {
                older.push(Segment::new(frame.segment));
                unreadable.segments.extend(frame.key.is_none().then_some(frame.segment));
            }
            let mut first = None;
            let read = frame.visit(&mut |sequence, tenant, policy, row| {
                first.get_or_insert(row.received);
                visit(sequence, tenant, policy, row);
            });
            if let Some(segment) = older.last_mut() {
                segment.add(frame.sequence, frame.value.len(), first.unwrap_or_default());
            }
            read
        })?;
        // A new segment at every start: what was written before can be dropped as soon as its rows are sealed.
        let newest = vault.journal_segments().into_iter().chain(older.iter().map(|segment| segment.number)).max();
        let segment = Segment::new(newest.map_or(0, |newest| newest + 1));
        let journal = Journal {
            sequence,
            open: Frame::default(),
            key: vault.journal_key(segment.number)?,
            segment,
            older,
            spare: None,
            packer: Packer::new().map_err(super::Error::Compressor)?,
            vault: Arc::clone(vault),
            entropy: Arc::clone(entropy),
        };
        Ok((journal, unreadable))
    }

    /// Destroys the keys of segments that were dropped just before a crash.
    pub fn destroy_unused_keys(&self) -> Result<(), super::Error> {
        let used = |number| number == self.segment.number || self.older.iter().any(|segment| segment.number == number);
        for number in self.vault.journal_segments() {
            if !used(number) {
                self.vault.destroy_journal_key(number)?;
            }
        }
        Ok(())
    }

    /// The newest group.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Adds a row to the open group.
    pub fn push(&mut self, tenant: TenantId, policy: PolicyMark, received: Millis, row: &[u8]) {
        self.open.push(tenant, policy, received, row);
    }

    /// Writes the open group's frame into `batch` and returns it, for the buckets to take in once it is durable.
    pub fn close_group(&mut self, batch: &mut Batch) -> Option<Frame> {
        if self.open.is_empty() {
            return None;
        }
        self.rotate_if_full(self.open.newest);
        self.sequence += 1;
        batch.put(Family::Meta, key::META_JOURNAL_SEQUENCE, &self.sequence.to_be_bytes());
        let frame = std::mem::replace(&mut self.open, self.spare.take().unwrap_or_default());
        let place = key::journal(self.segment.number, self.sequence);
        let value = frame.encode(&self.key, &place, random(&*self.entropy), &mut self.packer);
        self.segment.add(self.sequence, value.len(), frame.newest);
        batch.put_owned(Family::Journal, place.to_vec(), value);
        Some(frame)
    }

    fn rotate_if_full(&mut self, now: Millis) {
        if self.segment.is_full(now)
            && let Err(error) = self.rotate()
        {
            // The old key is as good as a new one; only its rows live longer than they should.
            tracing::error!(error = &error as &dyn std::error::Error, "a new journal segment could not be begun");
        }
    }

    /// Begins a new segment, unless the present one is empty.
    pub fn rotate(&mut self) -> Result<(), super::Error> {
        if self.segment.last.is_some() {
            let fresh = Segment::new(self.segment.number + 1);
            self.key = self.vault.journal_key(fresh.number)?;
            self.older.push(std::mem::replace(&mut self.segment, fresh));
        }
        Ok(())
    }

    /// Takes back a frame that the buckets have taken in.
    pub fn recycle(&mut self, mut frame: Frame) {
        frame.clear();
        self.spare = Some(frame);
    }

    /// The first group that is not yet old at `now`: rows of older groups that are still open should be sealed, for they hold up the log.
    pub fn old_before(&self, now: Millis, age_ms: i64, bytes_max: u64) -> u64 {
        let total: u64 = self.older.iter().map(|segment| segment.bytes).sum();
        let mut excess = total.saturating_sub(bytes_max);
        let mut before = 0;
        for segment in &self.older {
            if excess == 0 && segment.began.is_none_or(|began| now.since(began) < age_ms) {
                break;
            }
            excess = excess.saturating_sub(segment.bytes);
            before = segment.last.map_or(before, |last| last + 1);
        }
        before
    }

    /// Stages the removal of the segments of which every group comes before `sequence`; answers their numbers, whose keys are to be destroyed
    /// once the batch is durable.
    pub fn stage_drop(&mut self, sequence: u64, batch: &mut Batch) -> Vec<u64> {
        let count = self.older.iter().take_while(|segment| segment.last.is_none_or(|last| last < sequence)).count();
        let dropped: Vec<u64> = self.older.drain(..count).map(|segment| segment.number).collect();
        if let Some(last) = dropped.last() {
            batch.delete_range(Family::Journal, &key::journal(0, 0), &key::journal(last + 1, 0));
        }
        dropped
    }

    /// Bytes that the log holds.
    pub fn bytes(&self) -> u64 {
        self.older.iter().map(|segment| segment.bytes).sum::<u64>() + self.segment.bytes
    }
}

/// A stored frame with the key that opens it.
pub struct Stored<'f> {
    /// Its segment.
    pub segment: u64,
    /// Its group.
    pub sequence: u64,
    place: &'f [u8],
    value: &'f [u8],
    key: Option<Arc<Secret>>,
}

impl Stored<'_> {
    /// Calls `visit` for every row; for none when the key is gone.
    pub fn visit(&self, visit: &mut VisitRow<'_>) -> Result<(), Damaged> {
        match &self.key {
            Some(key) => visit_value(key, self.place, self.sequence, self.value, visit),
            None => Ok(()),
        }
    }

    /// Whether its key is still there.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

/// What is called with a stored frame.
pub type VisitFrame<'v> = dyn FnMut(&Stored<'_>) -> Result<(), Damaged> + 'v;

/// Calls `visit` for every stored frame, in order, until it finds damage.
pub fn for_each_frame(kv: &Kv, vault: &Vault, visit: &mut VisitFrame<'_>) -> Result<(), super::Error> {
    let mut current: Option<(u64, Option<Arc<Secret>>)> = None;
    let mut failed = None;
    kv.scan(Family::Journal, &[], &[], &mut |place, value| {
        let read = key::journal_parts(place).ok_or(super::Error::Damaged { segment: 0, sequence: 0 });
        let read = read.and_then(|(segment, sequence)| {
            if current.as_ref().is_none_or(|(number, _)| *number != segment) {
                current = Some((segment, vault.find_journal_key(segment)));
            }
            let key = current.as_ref().and_then(|(_, key)| key.clone());
            let stored = Stored { segment, sequence, place, value, key };
            visit(&stored).map_err(|Damaged| super::Error::Damaged { segment, sequence })
        });
        match read {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })
    .map_err(|error: kv::Error| super::Error::Kv(error))?;
    failed.map_or(Ok(()), Err)
}
