//! The envelope of everything sealed: checksum, compression, encryption.
//!
//! A block is compressed, then encrypted under the key of its run and bound to its place: tenant, class, time, segment, stream, block,
//! version, codec and number of rows. So a block can neither be changed nor moved nor taken for another one. The checksum tells a damaged disk from
//! a wrong key, and can be verified by who has no key. Nothing here knows what is in a block. Grammar: `FORMAT.md`, "Block".

use aws_lc_rs::aead::NONCE_LEN;

use crate::keys::Secret;
use crate::keys::seal::{self, SEAL_OVERHEAD_BYTES, SealingKey};

use super::row::{Damaged, Reader, put_varint};

/// What every block begins with.
const MAGIC: [u8; 2] = *b"TB";
/// The version of envelopes that this build writes and reads.
const VERSION: u8 = 1;
const CODEC_STORED: u8 = 0;
const CODEC_ZSTD: u8 = 1;
/// Small enough to seal in trickles, strong enough that a stronger one gains little (measured: 9 saves 4 % for five times the work).
const ZSTD_LEVEL: i32 = 3;
/// magic 2, version 1, codec 1, rows 4, checksum 4.
const HEADER_BYTES: usize = 12;
const CHECKSUM_AT: usize = 8;
/// No block inflates to more: 64 Ki rows of at most 1 KiB each on average; refused when it is written, so never met when it is read.
pub(super) const RAW_BYTES_MAX: usize = 256 << 20;

/// Where a block belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// See [`super::key::RunId::run_key`].
    pub run: &'p [u8],
    /// Which block of the run.
    pub block: u16,
    /// Rows of the run.
    pub rows: u32,
}

impl Place<'_> {
    fn context(&self, codec: u8) -> Vec<u8> {
        let numbers = [&self.block.to_be_bytes()[..], &[VERSION, codec], &self.rows.to_be_bytes()].concat();
        [b"tidegate block\0", self.run, &numbers].concat()
    }
}

/// Seals blocks; keeps its memory between them.
pub(super) struct Sealer {
    compressor: zstd::bulk::Compressor<'static>,
    /// What is encrypted: a block's length and what it was compressed to.
    text: Vec<u8>,
}

impl Sealer {
    pub fn new() -> std::io::Result<Sealer> {
        Ok(Sealer { compressor: zstd::bulk::Compressor::new(ZSTD_LEVEL)?, text: Vec::new() })
    }

    /// The stored form of a block. `nonce` must be random.
    pub fn seal(&mut self, key: &Secret, place: Place<'_>, nonce: [u8; NONCE_LEN], raw: &[u8]) -> Vec<u8> {
        let text = &mut self.text;
        text.clear();
        put_varint(text, raw.len() as u64);
        let packed = self.compressor.compress(raw).expect("zstd compresses any input into memory of its own bound");
        let codec = if packed.len() < raw.len() { CODEC_ZSTD } else { CODEC_STORED };
        text.extend_from_slice(if codec == CODEC_ZSTD { &packed } else { raw });
        let mut block = Vec::with_capacity(HEADER_BYTES + text.len() + SEAL_OVERHEAD_BYTES);
        block.extend_from_slice(&MAGIC);
        block.extend_from_slice(&[VERSION, codec]);
        block.extend_from_slice(&place.rows.to_le_bytes());
        block.extend_from_slice(&[0; HEADER_BYTES - CHECKSUM_AT]);
        SealingKey::new(key).append(nonce, &place.context(codec), text, &mut block);
        let (header, sealed) = block.split_at_mut(HEADER_BYTES);
        let (head, sum) = header.split_at_mut(CHECKSUM_AT);
        sum.copy_from_slice(&checksum(head, sealed).to_le_bytes());
        block
    }
}

/// The raw bytes of a stored block.
pub(super) fn open(key: &Secret, place: Place<'_>, block: &[u8]) -> Result<Vec<u8>, Damaged> {
    let (codec, sealed) = verify(block, place.rows)?;
    let text = seal::open(key, &place.context(codec), sealed).map_err(|_| Damaged)?;
    let mut reader = Reader { bytes: &text };
    let length = usize::try_from(reader.varint().ok_or(Damaged)?).map_err(|_| Damaged)?;
    if length > RAW_BYTES_MAX {
        return Err(Damaged);
    }
    let raw = match codec {
        CODEC_ZSTD => zstd::bulk::decompress(reader.bytes, length).map_err(|_| Damaged)?,
        _ => reader.bytes.to_vec(),
    };
    if raw.len() == length { Ok(raw) } else { Err(Damaged) }
}

/// Checks everything that can be checked without a key; answers codec and sealed bytes.
pub(super) fn verify(block: &[u8], rows: u32) -> Result<(u8, &[u8]), Damaged> {
    let (header, sealed) = block.split_at_checked(HEADER_BYTES).ok_or(Damaged)?;
    let (head, sum) = header.split_at_checked(CHECKSUM_AT).ok_or(Damaged)?;
    let mut reader = Reader { bytes: head };
    let magic: [u8; 2] = reader.array().ok_or(Damaged)?;
    let [version, codec] = reader.array().ok_or(Damaged)?;
    let stored_rows = u32::from_le_bytes(reader.array().ok_or(Damaged)?);
    let known = magic == MAGIC && version == VERSION && matches!(codec, CODEC_STORED | CODEC_ZSTD);
    let whole = checksum(head, sealed).to_le_bytes() == sum;
    if known && whole && stored_rows == rows { Ok((codec, sealed)) } else { Err(Damaged) }
}

fn checksum(head: &[u8], sealed: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), sealed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place { run: b"run", block: 3, rows: 7 };

    proptest! {
        #[test]
        fn a_block_opens_at_its_own_place_only(raw in proptest::collection::vec(0..4u8, 0..300), at in any::<proptest::sample::Index>(), change in 1..=255u8) {
            let key = Secret::new([1; 32]);
            let block = Sealer::new().unwrap().seal(&key, PLACE, [2; NONCE_LEN], &raw);
            prop_assert_eq!(open(&key, PLACE, &block), Ok(raw));
            prop_assert_eq!(open(&Secret::new([2; 32]), PLACE, &block), Err(Damaged));
            for other in [Place { run: b"ruN", ..PLACE }, Place { block: 4, ..PLACE }, Place { rows: 8, ..PLACE }] {
                prop_assert_eq!(open(&key, other, &block), Err(Damaged));
            }
            let mut changed = block.clone();
            let at = at.index(changed.len());
            changed[at] ^= change;
            prop_assert_eq!(open(&key, PLACE, &changed), Err(Damaged));
            prop_assert!(verify(&changed, 7).is_err(), "noticed without a key");
            prop_assert_eq!(open(&key, PLACE, &block[..at]), Err(Damaged));
        }

        #[test]
        fn any_bytes_are_refused_without_panic(bytes: Vec<u8>) {
            prop_assert_eq!(open(&Secret::new([1; 32]), PLACE, &bytes), Err(Damaged));
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored_as_it_is() {
        let key = Secret::new([1; 32]);
        let raw: Vec<u8> = (0..64u8).map(|n| n.wrapping_mul(151) ^ 0x5a).collect();
        let block = Sealer::new().unwrap().seal(&key, PLACE, [2; NONCE_LEN], &raw);
        assert_eq!(block.len(), HEADER_BYTES + NONCE_LEN + 1 + raw.len() + 16);
        assert_eq!(open(&key, PLACE, &block), Ok(raw));
    }
}
