//! Exactly once: which event ids were seen.
//!
//! An id is remembered as 16 bytes of a keyed hash, so that nothing on the disk tells what it was. Whether an id is new is decided on
//! the writer's thread, in commit order: there is no moment in which two copies of an event could both be new, and a duplicate of an event in the
//! same group is answered only when that group is durable. What is new in a group is written as one block in the group's batch.
//!
//! Ids are forgotten after the window, or earlier, oldest first, when there are too many; forgetting early is counted.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashSet;

use crate::clock::{HOUR_MS, Millis};
use crate::id::TenantId;
use crate::keys::Secret;
use crate::kv::{self, Batch, Family, Kv, Participant};

/// Leads the keys of the blocks in the family `dedupe`; then the hour and a number, both big-endian.
const BLOCK_PREFIX: u8 = b'd';
/// A generation is closed early at this share of the entries allowed, so that forgetting early forgets little.
const GENERATIONS_MIN: usize = 16;

/// The remembered form of an event id.
pub type IdHash = [u8; 16];

/// Bounds of the memory.
#[derive(Clone, Copy, Debug)]
pub struct DedupeSettings {
    /// How long an id is remembered, in milliseconds.
    pub window_ms: i64,
    /// How many ids are remembered at most.
    pub entries_max: usize,
}

/// Ids seen within the window.
pub struct Dedupe {
    key: Secret,
    settings: DedupeSettings,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    hashes: HashSet<IdHash, BuildHasherDefault<FirstBytes>>,
    generations: VecDeque<Generation>,
    group: Vec<IdHash>,
    group_hour: i64,
    next_block: u64,
    evicted: Vec<i64>,
    forgotten: u64,
}

struct Generation {
    hour: i64,
    hashes: Vec<IdHash>,
}

impl Dedupe {
    /// Loads what is remembered.
    pub fn open(kv: &Kv, key: Secret, settings: DedupeSettings, now: Millis) -> Result<Dedupe, kv::Error> {
        let mut seen = Seen::default();
        let oldest = hour_of(now.plus(-settings.window_ms));
        kv.scan(Family::Dedupe, &[BLOCK_PREFIX], &[BLOCK_PREFIX], &mut |key, value| {
            if let Some((hour, block)) = parse_block_key(key) {
                seen.next_block = seen.next_block.max(block + 1);
                if hour >= oldest {
                    value
                        .chunks_exact(16)
                        .filter_map(|hash| hash.try_into().ok())
                        .for_each(|hash| seen.remember(hash, hour, &settings));
                }
            }
            ControlFlow::Continue(())
        })?;
        seen.group.clear();
        Ok(Dedupe { key, settings, seen: Mutex::new(seen) })
    }

    /// The remembered form of a tenant's event id.
    pub fn hash(&self, tenant: TenantId, id: &str) -> IdHash {
        keyed_hash(&self.key, b"event id", tenant, id.as_bytes())
    }

    /// Remembers an id that arrived at `received`; `false` if it was known. Writer's thread only.
    pub fn admit(&self, hash: IdHash, received: Millis) -> bool {
        let mut seen = self.seen();
        if seen.hashes.contains(&hash) {
            return false;
        }
        let hour = hour_of(received);
        seen.remember(hash, hour, &self.settings);
        seen.group.push(hash);
        seen.group_hour = seen.group_hour.max(hour);
        seen.forget_before(hour_of(received.plus(-self.settings.window_ms)));
        true
    }

    /// Ids remembered.
    pub fn len(&self) -> usize {
        self.seen().hashes.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ids forgotten before their time since the start.
    pub fn forgotten(&self) -> u64 {
        self.seen().forgotten
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn remember(&mut self, hash: IdHash, hour: i64, settings: &DedupeSettings) {
        let full = (settings.entries_max / GENERATIONS_MIN).max(1);
        let current = self.generations.back_mut().filter(|last| last.hour >= hour && last.hashes.len() < full);
        match current {
            Some(generation) => generation.hashes.push(hash),
            None => {
                let hour = self.generations.back().map_or(hour, |last| last.hour.max(hour));
                self.generations.push_back(Generation { hour, hashes: vec![hash] });
            }
        }
        self.hashes.insert(hash);
        while self.hashes.len() > settings.entries_max {
            self.forgotten += self.forget_oldest();
        }
    }

    fn forget_before(&mut self, hour: i64) {
        while self.generations.front().is_some_and(|oldest| oldest.hour < hour) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> u64 {
        let Some(oldest) = self.generations.pop_front() else { return 0 };
        for hash in &oldest.hashes {
            self.hashes.remove(hash);
        }
        self.evicted.push(oldest.hour);
        oldest.hashes.len() as u64
    }
}

impl Participant for Dedupe {
    fn close_group(&self, batch: &mut Batch) {
        let mut seen = self.seen();
        if !seen.group.is_empty() {
            let block = std::mem::take(&mut seen.group).concat();
            batch.put(Family::Dedupe, &block_key(seen.group_hour, seen.next_block), &block);
            seen.next_block += 1;
        }
        // Blocks of an hour go when no generation of that hour is left.
        let gone = std::mem::take(&mut seen.evicted).into_iter().max();
        if let Some(hour) = gone.filter(|hour| seen.generations.front().is_none_or(|oldest| oldest.hour > *hour)) {
            batch.delete_range(Family::Dedupe, &block_key(0, 0), &block_key(hour + 1, 0));
        }
    }

    fn committed(&self) {}
}

/// 16 bytes of a keyed hash of a tenant's `value`, for one `purpose`.
pub(super) fn keyed_hash(key: &Secret, purpose: &[u8], tenant: TenantId, value: &[u8]) -> IdHash {
    let mut hasher = blake3::Hasher::new_keyed(key.bytes());
    hasher.update(purpose);
    hasher.update(&tenant.0);
    hasher.update(value);
    let mut hash = [0; 16];
    hasher.finalize_xof().fill(&mut hash);
    hash
}

fn hour_of(at: Millis) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

fn block_key(hour: i64, block: u64) -> [u8; 17] {
    let mut key = [BLOCK_PREFIX; 17];
    let (head, tail) = key.split_at_mut(9);
    if let (Some(head), Ok(tail)) = (head.get_mut(1..), <&mut [u8; 8]>::try_from(tail)) {
        head.copy_from_slice(&hour.max(0).to_be_bytes());
        *tail = block.to_be_bytes();
    }
    key
}

fn parse_block_key(key: &[u8]) -> Option<(i64, u64)> {
    let rest = key.strip_prefix(&[BLOCK_PREFIX])?;
    let (hour, block) = rest.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*hour), u64::from_be_bytes(block.try_into().ok()?)))
}

/// The hashes are hashes already: their first bytes are taken as they are.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
