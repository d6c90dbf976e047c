//! The journal: accepted events, in the order in which they became durable.
//!
//! Rows gather in one [`Frame`] per retention class while a commit group is open; when it closes, each frame becomes one value
//! under `(class, sequence)`. One log serves all tenants, and one class can be dropped without touching another. A frame
//! is self-contained: magic, version, checksum, then sections of one tenant's rows each.

use std::ops::ControlFlow;

use crate::clock::Millis;
use crate::id::TenantId;
use crate::kv::{self, Batch, Family, Kv};

use super::key::{self, Class};
use super::row::{Damaged, Reader, Row, put_varint};

const MAGIC: [u8; 4] = *b"TGJ0";
/// magic 4, codec 1, checksum 4, raw length 4.
const HEADER_BYTES: usize = 13;
const CODEC_ZSTD: u8 = 1;
/// The journal is read once, at start; speed of writing matters more than size.
const ZSTD_LEVEL: i32 = 1;
/// No frame inflates to more: a group is closed at 256 KiB, or holds one request of at most the configured inflated size.
const RAW_BYTES_MAX: usize = 1 << 30;
/// Memory that an emptied frame may keep.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Bytes of the policy's hash that stand in every section.
pub const POLICY_MARK_BYTES: usize = 8;

/// Rows of one class that wait for their group to close.
#[derive(Default)]
pub struct Frame {
    raw: Vec<u8>,
    section: Option<(TenantId, [u8; POLICY_MARK_BYTES])>,
    rows: usize,
    newest: Millis,
}

impl Frame {
    /// Appends one encoded row.
    pub fn push(&mut self, tenant: TenantId, policy: [u8; POLICY_MARK_BYTES], received: Millis, row: &[u8]) {
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

    /// The latest arrival in it.
    pub fn newest(&self) -> Millis {
        self.newest
    }

    /// The stored value.
    pub(super) fn encode(&self, packer: &mut Packer) -> Vec<u8> {
        let packed = packer.pack(&self.raw);
        let mut value = Vec::with_capacity(HEADER_BYTES + packed.len());
        value.extend_from_slice(&MAGIC);
        value.push(CODEC_ZSTD);
        value.extend_from_slice(&checksum(self.raw.len() as u32, packed).to_le_bytes());
        value.extend_from_slice(&(self.raw.len() as u32).to_le_bytes());
        value.extend_from_slice(packed);
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
    pub fn visit(&self, visit: &mut dyn FnMut(TenantId, Row<'_>)) -> Result<(), Damaged> {
        visit_rows(&self.raw, visit)
    }
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

    fn pack(&mut self, raw: &[u8]) -> &[u8] {
        self.buffer.clear();
        self.buffer.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        let packed = self.compressor.compress_to_buffer(raw, &mut self.buffer);
        packed.expect("zstd compresses any input into a buffer of its own bound");
        &self.buffer
    }
}

fn checksum(raw_length: u32, packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[CODEC_ZSTD]);
    hasher.update(&raw_length.to_le_bytes());
    hasher.update(packed);
    hasher.finalize()
}

fn visit_rows(raw: &[u8], visit: &mut dyn FnMut(TenantId, Row<'_>)) -> Result<(), Damaged> {
    let mut reader = Reader { bytes: raw };
    while !reader.bytes.is_empty() {
        let tenant = TenantId(reader.array().ok_or(Damaged)?);
        reader.take(POLICY_MARK_BYTES).ok_or(Damaged)?;
        while !reader.bytes.is_empty() {
            let length = reader.varint().ok_or(Damaged)?;
            let Some(length) = length.checked_sub(1) else { break };
            let length = usize::try_from(length).map_err(|_| Damaged)?;
            visit(tenant, Row::decode(reader.take(length).ok_or(Damaged)?)?);
        }
    }
    Ok(())
}

/// Calls `visit` for every row of a stored value.
pub fn visit_value(value: &[u8], visit: &mut dyn FnMut(TenantId, Row<'_>)) -> Result<(), Damaged> {
    let mut reader = Reader { bytes: value };
    let magic: [u8; 4] = reader.array().ok_or(Damaged)?;
    let codec = reader.byte().ok_or(Damaged)?;
    let sum = u32::from_le_bytes(reader.array().ok_or(Damaged)?);
    let raw_length = u32::from_le_bytes(reader.array().ok_or(Damaged)?);
    if magic != MAGIC
        || codec != CODEC_ZSTD
        || sum != checksum(raw_length, reader.bytes)
        || raw_length as usize > RAW_BYTES_MAX
    {
        return Err(Damaged);
    }
    let raw = zstd::bulk::decompress(reader.bytes, raw_length as usize).map_err(|_| Damaged)?;
    if raw.len() != raw_length as usize {
        return Err(Damaged);
    }
    visit_rows(&raw, visit)
}

/// The writing end: the open group's frames and the list of what is stored.
pub struct Journal {
    sequence: u64,
    open: [Frame; Class::ALL.len()],
    stored: [Vec<Stored>; Class::ALL.len()],
    /// Emptied frames, to be filled again.
    spare: Vec<Frame>,
    packer: Packer,
}

/// One stored frame.
#[derive(Clone, Copy, Debug)]
struct Stored {
    sequence: u64,
    newest: Millis,
}

impl Journal {
    /// Reads every stored frame in order, calling `visit` for every row.
    ///
    /// # Errors
    /// [`super::Error::Damaged`] names the first frame that does not hold what was written.
    pub fn replay(kv: &Kv, visit: &mut dyn FnMut(TenantId, Row<'_>)) -> Result<Journal, super::Error> {
        let stored_sequence = kv.get(Family::Meta, key::META_JOURNAL_SEQUENCE)?;
        let mut journal = Journal {
            sequence: stored_sequence.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0),
            open: Default::default(),
            stored: Default::default(),
            spare: Vec::new(),
            packer: Packer::new().map_err(super::Error::Compressor)?,
        };
        for (class, stored) in Class::ALL.into_iter().zip(&mut journal.stored) {
            for_each_frame(kv, class, &mut |sequence, value| {
                let mut newest = Millis(i64::MIN);
                let read = visit_value(value, &mut |tenant, row| {
                    newest = newest.max(row.received);
                    visit(tenant, row);
                });
                stored.push(Stored { sequence, newest });
                read
            })?;
        }
        Ok(journal)
    }

    /// Adds a row to the open group.
    pub fn push(
        &mut self,
        class: Class,
        tenant: TenantId,
        policy: [u8; POLICY_MARK_BYTES],
        received: Millis,
        row: &[u8],
    ) {
        if let Some(frame) = self.open.get_mut(class.index()) {
            frame.push(tenant, policy, received, row);
        }
    }

    /// Writes the open group's frames into `batch` and returns them, for the buckets to take in once they are durable.
    pub fn close_group(&mut self, batch: &mut Batch) -> Vec<Frame> {
        if self.open.iter().all(Frame::is_empty) {
            return Vec::new();
        }
        self.sequence += 1;
        batch.put(Family::Meta, key::META_JOURNAL_SEQUENCE, &self.sequence.to_be_bytes());
        let mut closed = Vec::new();
        for (class, (open, stored)) in Class::ALL.into_iter().zip(self.open.iter_mut().zip(&mut self.stored)) {
            if !open.is_empty() {
                let frame = std::mem::replace(open, self.spare.pop().unwrap_or_default());
                batch.put(Family::Journal, &key::journal(class, self.sequence), &frame.encode(&mut self.packer));
                stored.push(Stored { sequence: self.sequence, newest: frame.newest() });
                closed.push(frame);
            }
        }
        closed
    }

    /// Takes back a frame that the buckets have taken in.
    pub fn recycle(&mut self, mut frame: Frame) {
        if self.spare.len() < Class::ALL.len() {
            frame.clear();
            self.spare.push(frame);
        }
    }

    /// Drops the frames of `class` from the oldest on while all their rows arrived before `cutoff`; returns how many.
    pub fn expire(&mut self, class: Class, cutoff: Millis, batch: &mut Batch) -> usize {
        let Some(stored) = self.stored.get_mut(class.index()) else { return 0 };
        let count = stored.iter().take_while(|frame| frame.newest < cutoff).count();
        if let Some(last) = stored.drain(..count).next_back() {
            batch.delete_range(Family::Journal, &key::journal(class, 0), &key::journal(class, last.sequence + 1));
        }
        count
    }
}

/// What is called with the sequence and the value of a stored frame.
pub type VisitFrame<'v> = dyn FnMut(u64, &[u8]) -> Result<(), Damaged> + 'v;

/// Calls `visit(sequence, value)` for every stored frame of a class, in order, until it finds damage.
pub fn for_each_frame(kv: &Kv, class: Class, visit: &mut VisitFrame<'_>) -> Result<(), super::Error> {
    let mut damaged = None;
    let prefix = [class as u8];
    kv.scan(Family::Journal, &prefix, &prefix, &mut |key, value| {
        let sequence = key::journal_sequence(key);
        match sequence.ok_or(Damaged).and_then(|sequence| visit(sequence, value)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(Damaged) => {
                damaged = Some(sequence.unwrap_or(0));
                ControlFlow::Break(())
            }
        }
    })
    .map_err(|error: kv::Error| super::Error::Kv(error))?;
    match damaged {
        Some(sequence) => Err(super::Error::Damaged { class, sequence }),
        None => Ok(()),
    }
}
