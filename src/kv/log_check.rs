//! Tells a torn last write from damage in the middle of the write-ahead log, and of the manifest, which has the same form.
//!
//! RocksDB, told to recover to a point in time, drops everything behind the first fragment that it cannot read. Behind a torn last write there is
//! nothing to drop: it was never acknowledged. But when a fragment in the middle is damaged, acknowledged groups lie behind it, and dropping those
//! in silence would break the one promise that matters. Every commit group is one log record, written after the one before was synced. So a record that
//! *begins* behind an unreadable fragment proves that the unreadable one had been acknowledged; then the start is refused.
//!
//! The manifest must be looked at before RocksDB does: of zeros in it RocksDB takes no notice, and what is left then may crash it.
//!
//! The log's form (RocksDB's `log_format.h`): blocks of 32 KiB; a fragment never crosses a block and is: masked CRC-32C of type and payload (4 bytes,
//! little-endian), length (2), type (1: a whole record, 2: the first fragment of one, 3, 4: its further ones), payload.

use std::fs;
use std::path::Path;

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;
/// Types of fragments that begin a record.
const BEGINS: [u8; 2] = [1, 2];
/// Types of fragments that end a record.
const ENDS: [u8; 2] = [1, 4];
/// Added to a rotated checksum, so that a checksum of data that holds checksums stays sound.
const MASK_DELTA: u32 = 0xa282_ead8;

/// What is known of the logs of a database without RocksDB.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Logs {
    /// Whether a log or manifest holds a readable record behind an unreadable fragment.
    pub is_damaged: bool,
    /// The sequence number of the newest change in the write-ahead logs, if there is one. A database that was opened and does not reach it has dropped
    /// changes: RocksDB skips a whole log, in silence, when it misses the one before, and the manifest (cut off) does not tell that it needs none.
    pub newest: Option<u64>,
}

/// Looks at all logs in `dir`.
pub(super) fn look(dir: &Path) -> std::io::Result<Logs> {
    let mut logs = Logs::default();
    if !dir.try_exists()? {
        return Ok(logs);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_manifest = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"MANIFEST-"));
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log || is_manifest {
            let bytes = read(&path)?;
            logs.is_damaged |= is_damaged_log(&bytes);
            if is_log {
                logs.newest = logs.newest.max(newest_in(&bytes));
            }
        }
    }
    Ok(logs)
}

/// The sequence number of the last change in the last whole record. A record is a batch: the number of its first change (8 bytes, little-endian), their
/// count (4), the changes.
fn newest_in(log: &[u8]) -> Option<u64> {
    const BATCH_HEADER_BYTES: usize = 12;
    let (mut at, mut begun, mut newest) = (0, Vec::new(), None);
    while let Some(fragment) = Fragment::at(log, at) {
        let payload = log.get(at + HEADER_BYTES..at + fragment.length).unwrap_or_default();
        if BEGINS.contains(&fragment.kind) {
            begun.clear();
        }
        begun.extend(payload.iter().take(BATCH_HEADER_BYTES - begun.len()));
        if ENDS.contains(&fragment.kind)
            && let Some((first, count)) = begun.split_first_chunk::<8>()
            && let Ok(count) = <[u8; 4]>::try_from(count)
        {
            let next = u64::from_le_bytes(*first).saturating_add(u64::from(u32::from_le_bytes(count)));
            newest = newest.max(next.checked_sub(1));
        }
        at = next_place(at + fragment.length);
    }
    newest
}

/// A log that was there a moment ago may be gone: a server that runs beside us removes what it needs no longer.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn is_damaged_log(log: &[u8]) -> bool {
    let mut at = 0;
    while let Some(fragment) = Fragment::at(log, at) {
        at = next_place(at + fragment.length);
    }
    // What is behind the first unreadable place? Records may begin anywhere, since the lengths before are not to be trusted.
    (at + 1..log.len()).any(|place| Fragment::at(log, place).is_some_and(|found| BEGINS.contains(&found.kind)))
}

/// A place too near to a block's end for a header is padding.
fn next_place(at: usize) -> usize {
    let left = BLOCK_BYTES - at % BLOCK_BYTES;
    if left < HEADER_BYTES { at + left } else { at }
}

struct Fragment {
    kind: u8,
    length: usize,
}

impl Fragment {
    /// The fragment at this place, if a whole and undamaged one is there.
    fn at(log: &[u8], place: usize) -> Option<Fragment> {
        let (header, rest) = log.get(place..)?.split_first_chunk::<HEADER_BYTES>()?;
        let [c0, c1, c2, c3, l0, l1, kind] = *header;
        let payload_length = usize::from(u16::from_le_bytes([l0, l1]));
        let length = HEADER_BYTES + payload_length;
        // Cheap refusals first: the search for records tries every place.
        if kind == 0 || place % BLOCK_BYTES + length > BLOCK_BYTES {
            return None;
        }
        let payload = rest.get(..payload_length)?;
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
        let masked = checksum.rotate_right(15).wrapping_add(MASK_DELTA);
        (masked == u32::from_le_bytes([c0, c1, c2, c3])).then_some(Fragment { kind, length })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Batch, Family, Kv};
    use super::*;

    /// A log as RocksDB writes it, a record for each size.
    fn log_of(sizes: &[usize]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::open(dir.path()).unwrap();
        for (number, size) in sizes.iter().enumerate() {
            let mut batch = Batch::default();
            batch.put(Family::Meta, &number.to_be_bytes(), &vec![number as u8 | 1; *size]);
            kv.write_synced(batch).unwrap();
        }
        let logs = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| fs::read(path).unwrap()).max_by_key(Vec::len).unwrap()
    }

    #[test]
    fn a_whole_log_is_in_order_and_so_is_every_shorter_one() {
        let log = log_of(&[10, 40_000, 5, 300]);
        assert!(!is_damaged_log(&log));
        for length in (0..log.len()).step_by(997).chain(log.len() - 400..log.len()) {
            assert!(!is_damaged_log(&log[..length]), "torn at {length}");
            let mut zeros = log[..length].to_vec();
            zeros.resize(log.len(), 0);
            assert!(!is_damaged_log(&zeros), "zeros from {length}");
        }
    }

    #[test]
    fn the_newest_change_is_known_wherever_blocks_and_records_end() {
        for first in [10, 32_700, 32_720, 32_725, 32_730, 32_735, 40_000] {
            assert_eq!(newest_in(&log_of(&[first, 5, 300])), Some(3), "{first}");
            let log = log_of(&[first, 5]);
            assert_eq!(newest_in(&log[..log.len() - 1]), Some(1), "a torn record does not count: {first}");
        }
        assert_eq!(newest_in(&[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn damage_is_noticed_wherever_a_record_follows(sizes in proptest::collection::vec(1..3_000usize, 2..8), place in any::<proptest::sample::Index>(), change in 1..=255u8) {
            let mut log = log_of(&sizes);
            // The last record is the one behind which there is nothing.
            let last = 7 + 12 + 8 + *sizes.last().unwrap();
            let at = place.index(log.len() - last - 8);
            log[at] ^= change;
            prop_assert!(is_damaged_log(&log));
        }
    }
}
