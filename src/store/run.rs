//! What is known of a sealed run without reading it: one entry of the manifest.
//!
//! A run exists for readers exactly when it has an entry. Entries are sealed under the tenant's index key and bound to their key, since counts and
//! times are data too. Grammar: `FORMAT.md`, "Manifest".

use crate::clock::Millis;
use crate::keys::DekId;

use super::columns::Spans;
use super::journal::POLICY_MARK_BYTES;
use super::key::RunId;
use super::row::{Damaged, Reader, put_varint, unzigzag, zigzag};

/// Version of entries that this build writes and reads.
const VERSION: u8 = 1;
const FLAG_COLUMNS: u8 = 1;
const FLAG_SETTLED: u8 = 2;
const FLAG_ROLLED: u8 = 4;

/// How the blocks of a run lie in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All blocks in one value: for runs so small that a value for each would cost more than it saves.
    Frame,
    /// One value per block.
    Columns,
}

/// One sealed run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which.
    pub id: RunId,
    /// Number of rows.
    pub rows: u32,
    /// The extremes of its times.
    pub spans: Spans,
    /// Number of the key that its blocks are sealed with.
    pub dek: DekId,
    /// Proof of which key that is (see [`crate::keys::seal::commitment`]).
    pub commitment: [u8; 16],
    /// Rows of its bucket up to this journal group are sealed, in this run or an earlier one.
    pub through: u64,
    /// How its blocks are stored.
    pub form: Form,
    /// Whether it is as it will stay: of full size, or made when its bucket's time was over.
    pub settled: bool,
    /// Whether its rows are counted in the rollups of its bucket.
    pub rolled: bool,
    /// Bytes that its blocks take.
    pub bytes: u64,
    /// BLAKE3 over its stored blocks, in the order of their keys.
    pub digest: [u8; 32],
    /// The privacy policies that its rows went through: the first bytes of their hashes.
    pub policies: Vec<[u8; POLICY_MARK_BYTES]>,
}

impl Run {
    /// The entry's plain bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let flags =
            [(self.form == Form::Columns, FLAG_COLUMNS), (self.settled, FLAG_SETTLED), (self.rolled, FLAG_ROLLED)];
        let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
        out.extend_from_slice(&[VERSION, flags]);
        put_varint(&mut out, u64::from(self.rows));
        let Spans { received, time } = self.spans;
        put_varint(&mut out, zigzag(received.0.0));
        for offset in [received.1.since(received.0), time.0.since(received.0), time.1.since(time.0)] {
            put_varint(&mut out, zigzag(offset));
        }
        put_varint(&mut out, self.through);
        put_varint(&mut out, self.bytes);
        out.extend_from_slice(&self.dek.0.to_le_bytes());
        out.extend_from_slice(&self.commitment);
        out.extend_from_slice(&self.digest);
        put_varint(&mut out, self.policies.len() as u64);
        self.policies.iter().for_each(|policy| out.extend_from_slice(policy));
        out
    }

    /// Reads an entry's plain bytes.
    pub(super) fn decode(id: RunId, bytes: &[u8]) -> Result<Run, Damaged> {
        let mut reader = Reader { bytes };
        let run = Run::read(id, &mut reader).ok_or(Damaged)?;
        if reader.bytes.is_empty() { Ok(run) } else { Err(Damaged) }
    }

    fn read(id: RunId, reader: &mut Reader<'_>) -> Option<Run> {
        let [version, flags] = reader.array()?;
        if version != VERSION || flags & !(FLAG_COLUMNS | FLAG_SETTLED | FLAG_ROLLED) != 0 {
            return None;
        }
        let rows = u32::try_from(reader.varint()?).ok()?;
        let first = Millis(unzigzag(reader.varint()?));
        let last = first.plus(unzigzag(reader.varint()?));
        let earliest = first.plus(unzigzag(reader.varint()?));
        let latest = earliest.plus(unzigzag(reader.varint()?));
        Some(Run {
            id,
            rows,
            spans: Spans { received: (first, last), time: (earliest, latest) },
            through: reader.varint()?,
            bytes: reader.varint()?,
            dek: DekId(u64::from_le_bytes(reader.array()?)),
            commitment: reader.array()?,
            digest: reader.array()?,
            form: if flags & FLAG_COLUMNS != 0 { Form::Columns } else { Form::Frame },
            settled: flags & FLAG_SETTLED != 0,
            rolled: flags & FLAG_ROLLED != 0,
            policies: {
                let count = usize::try_from(reader.varint()?).ok()?;
                // As many as there are bytes for: a count is never trusted with memory.
                let marks = reader.take(count.checked_mul(POLICY_MARK_BYTES)?)?;
                marks.chunks_exact(POLICY_MARK_BYTES).filter_map(|mark| mark.try_into().ok()).collect()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::key::{BucketKey, Class, Stream};
    use super::*;
    use crate::id::TenantId;

    const ID: RunId = RunId {
        bucket: BucketKey { tenant: TenantId([4; 8]), class: Class::Mcp, hour: 24, stream: Stream::Events },
        segment: 9,
    };

    proptest! {
        #[test]
        fn an_entry_reads_back(rows: u32, times in [0..1i64 << 50, 0..1i64 << 50], spread in 0..1i64 << 40, numbers: (u64, u64, u64), policies in proptest::collection::vec(any::<[u8; 8]>(), 0..4), flags: (bool, bool, bool)) {
            let run = Run {
                id: ID,
                rows,
                spans: Spans {
                    received: (Millis(times[0]), Millis(times[0] + spread)),
                    time: (Millis(times[1]), Millis(times[1] + spread)),
                },
                dek: DekId(numbers.0),
                commitment: [1; 16],
                through: numbers.1,
                form: if flags.0 { Form::Frame } else { Form::Columns },
                settled: flags.1,
                rolled: flags.2,
                bytes: numbers.2,
                digest: [2; 32],
                policies,
            };
            let bytes = run.encode();
            prop_assert_eq!(Run::decode(ID, &bytes), Ok(run));
            prop_assert_eq!(Run::decode(ID, &bytes[..bytes.len() - 1]), Err(Damaged));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Run::decode(ID, &bytes);
        }
    }
}
