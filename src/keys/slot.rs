//! The bytes of the key file, format version 1. Nothing here touches a file.
//!
//! All integers are big-endian. The file is a row of **page pairs**, each 2 x 4096 bytes. The second page of a pair
//! repeats the first, so that the two copies of anything never share a disk sector. Pair 0 is the header; every
//! further pair is a group of 64 slots.
//!
//! ```text
//! file    = pair(header) pair(group 0) pair(group 1) ...       group g starts at byte (1 + g) * 8192
//! pair    = page page                                          copy A at +0, copy B at +4096
//! group   = 64 slots; slot s is number s % 64 of group s / 64  its copies lie at (s % 64) * 64 in both pages
//!
//! header copy, 64 bytes, the rest of the page zero:
//!    0  8  magic "TGKEYS\r\n"
//!    8  4  format version, 1
//!   12  4  generation, one more with every rewrite
//!   16  4  number of groups in use; what lies behind them is an unfinished growth and means nothing
//!   20 36  zero
//!   56  8  checksum: first 8 bytes of SHA-256("tidegate key header" | bytes 0..56)
//!
//! slot copy, 64 bytes:
//!    0  4  generation, one more with every rewrite of the slot
//!    4  1  state: 1 = free, 2 = holds a key
//!    5  1  kind, see below; 0 if free
//!    6  2  tag, see below; zero if free
//!    8  8  owner: a tenant's id, or zeros for the gateway;     random if free
//!   16  8  number;                                             random if free
//!   24 32  key;                                                random if free
//!   56  8  checksum: first 8 bytes of SHA-256("tidegate key slot" | slot number, 4 bytes | bytes 0..56)
//!
//! kind                   tag                     owner    number             key
//!  1-9, 11  (KeyKind)    zero                    of key   epoch              the key itself
//! 10  data key           epoch of its KEK        tenant   its id             the wrapped key (see `wrap`)
//! 12  epoch of the KEK   0 settled, 1 advancing  tenant   epoch, 1..=65535   zero
//! 13  data keys issued   zero                    zero     how many so far    zero
//! ```
//!
//! A copy whose checksum fails was torn. Of two good copies the one of the higher generation counts (copy A is always
//! written and synced before copy B). The checksum of a data key's slot is over its wrapped bytes: it says nothing about
//! the key.

use std::sync::Arc;

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::Secret;
use super::wrap::{DekId, Wrapped};
use crate::id::TenantId;

/// Bytes of a page: what disks write as a whole.
pub(super) const PAGE_BYTES: usize = 4096;
/// Bytes of a pair of pages.
pub(super) const PAIR_BYTES: usize = 2 * PAGE_BYTES;
/// Bytes of one copy of a slot or of the header.
pub(super) const COPY_BYTES: usize = 64;
/// Bytes of a free slot that are random.
pub(super) const NOISE_BYTES: usize = 48;
/// Slots in a group.
pub(super) const GROUP_SLOTS: u32 = 64;
/// The format version that this build reads and writes.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"TGKEYS\r\n";
const STATE_FREE: u8 = 1;
const STATE_LIVE: u8 = 2;
// Kinds of slots that are no keys to be had by name; they share their numbers with `KeyKind`, likewise for ever.
const KIND_DEK: u8 = 10;
const KIND_KEK_EPOCH: u8 = 12;
const KIND_DEKS_ISSUED: u8 = 13;
const NOBODY: [u8; 8] = [0; 8];
const NO_KEY: [u8; 32] = [0; 32];

/// One copy as it lies in the file; wiped when dropped, since it may hold a key.
pub(super) type Copy = Zeroizing<[u8; COPY_BYTES]>;

/// What a key is for. The codes stand in key files and are for ever; a retired kind keeps its number. 10, 12 and 13
/// are taken by slots of another sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// Signs the gateway's own access tokens.
    Signing = 1,
    /// Signs checkpoints of the audit logs.
    AuditSigning = 2,
    /// Hashes event ids for deduplication.
    Dedupe = 3,
    /// Turns client addresses into pseudonyms.
    Address = 4,
    /// Turns user ids into pseudonyms.
    User = 5,
    /// Turns session ids into pseudonyms.
    Session = 6,
    /// Hashes the ids of data subjects whose events are refused.
    Suppression = 7,
    /// Hashes the keys of small tables, and seals their values.
    Index = 8,
    /// Wraps the data keys of a tenant for one epoch.
    Kek = 9,
    /// Seals one segment of the journal; its epoch is the segment's number.
    Journal = 11,
}

impl KeyKind {
    /// Every kind, in the order of its code.
    pub const ALL: [KeyKind; 10] = [
        KeyKind::Signing,
        KeyKind::AuditSigning,
        KeyKind::Dedupe,
        KeyKind::Address,
        KeyKind::User,
        KeyKind::Session,
        KeyKind::Suppression,
        KeyKind::Index,
        KeyKind::Kek,
        KeyKind::Journal,
    ];

    /// The stable code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind of this code.
    pub fn from_code(code: u8) -> Option<KeyKind> {
        KeyKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Which key: its kind, whose it is, and the epoch for which it serves. Gateway-wide keys have owner `[0; 8]` and
/// epoch 0.
pub type KeyName = (KeyKind, [u8; 8], u64);

/// What a slot holds.
pub(super) enum Content {
    /// Nothing but noise.
    Free([u8; NOISE_BYTES]),
    /// A key.
    Key(KeyName, Arc<Secret>),
    /// A data key, wrapped.
    Dek(TenantId, DekId, Wrapped),
    /// Which KEK wraps a tenant's new data keys.
    KekEpoch(TenantId, KekEpoch),
    /// How many data keys were ever issued.
    DeksIssued(u64),
}

/// The epoch of a tenant's KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KekEpoch {
    /// From 1 on; none comes twice.
    pub current: u16,
    /// All data keys of the tenant are wrapped by this epoch's KEK, and earlier ones are destroyed. If not, an advance
    /// is under way or was interrupted, and the KEK may not exist yet.
    pub settled: bool,
}

/// One good copy of a slot.
pub(super) struct Slot {
    pub generation: u32,
    /// `None` if this build does not know its kind.
    pub content: Option<Content>,
}

/// One good copy of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u32,
    pub generation: u32,
    pub groups: u32,
}

impl Header {
    /// The copy's bytes.
    pub fn encode(self) -> [u8; COPY_BYTES] {
        let mut copy = [0u8; COPY_BYTES];
        fill(
            &mut copy,
            [&MAGIC[..], &self.version.to_be_bytes(), &self.generation.to_be_bytes(), &self.groups.to_be_bytes()],
        );
        close(&mut copy, b"tidegate key header", &[]);
        copy
    }

    /// Reads a copy; `None` if it is torn or no header at all.
    pub fn decode(copy: &[u8]) -> Option<Header> {
        let copy = checked(copy, b"tidegate key header", &[])?;
        let (magic, rest) = copy.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (groups, _) = rest.split_first_chunk()?;
        let [version, generation, groups] = [version, generation, groups].map(|bytes| u32::from_be_bytes(*bytes));
        (*magic == MAGIC).then_some(Header { version, generation, groups })
    }
}

/// A copy that holds `content`.
pub(super) fn encode(slot: u32, generation: u32, content: &Content) -> Copy {
    let mut copy = Zeroizing::new([0u8; COPY_BYTES]);
    let generation = generation.to_be_bytes();
    let mut live = |kind: u8, tag: u16, owner: &[u8; 8], number: u64, key: &[u8; 32]| {
        let ([high, low], number) = (tag.to_be_bytes(), number.to_be_bytes());
        fill(&mut copy, [&generation[..], &[STATE_LIVE, kind, high, low], owner, &number, key]);
    };
    match content {
        Content::Free(noise) => fill(&mut copy, [&generation[..], &[STATE_FREE, 0, 0, 0], noise]),
        Content::Key((kind, owner, epoch), secret) => live(kind.code(), 0, owner, *epoch, secret.bytes()),
        Content::Dek(tenant, id, wrapped) => live(KIND_DEK, wrapped.kek_epoch, &tenant.0, id.0, &wrapped.bytes),
        Content::KekEpoch(tenant, epoch) => {
            live(KIND_KEK_EPOCH, u16::from(!epoch.settled), &tenant.0, epoch.current.into(), &NO_KEY);
        }
        Content::DeksIssued(count) => live(KIND_DEKS_ISSUED, 0, &NOBODY, *count, &NO_KEY),
    }
    close(&mut copy, b"tidegate key slot", &slot.to_be_bytes());
    copy
}

/// Reads a copy of `slot`; `None` if it is torn.
pub(super) fn decode(slot: u32, copy: &[u8]) -> Option<Slot> {
    let copy = checked(copy, b"tidegate key slot", &slot.to_be_bytes())?;
    let (generation, rest) = copy.split_first_chunk()?;
    let (&[state, kind, high, low], rest) = rest.split_first_chunk::<4>()?;
    let content = match state {
        STATE_FREE => Some(Content::Free(*rest.first_chunk()?)),
        STATE_LIVE => decode_live(kind, u16::from_be_bytes([high, low]), rest),
        _ => return None,
    };
    Some(Slot { generation: u32::from_be_bytes(*generation), content })
}

fn decode_live(kind: u8, tag: u16, fields: &[u8]) -> Option<Content> {
    let (owner, rest) = fields.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (key, _) = rest.split_first_chunk()?;
    let (tenant, number) = (TenantId(*owner), u64::from_be_bytes(*number));
    match (kind, tag) {
        (KIND_DEK, 1..) => Some(Content::Dek(tenant, DekId(number), Wrapped { kek_epoch: tag, bytes: *key })),
        (KIND_KEK_EPOCH, 0 | 1) => {
            let current = u16::try_from(number).ok().filter(|epoch| *epoch > 0)?;
            Some(Content::KekEpoch(tenant, KekEpoch { current, settled: tag == 0 }))
        }
        (KIND_DEKS_ISSUED, 0) => Some(Content::DeksIssued(number)),
        (_, 0) => Some(Content::Key((KeyKind::from_code(kind)?, *owner, number), Arc::new(Secret::new(*key)))),
        (_, _) => None,
    }
}

fn fill<const N: usize>(copy: &mut [u8; COPY_BYTES], fields: [&[u8]; N]) {
    for (to, from) in copy.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
}

fn close(copy: &mut [u8; COPY_BYTES], domain: &[u8], position: &[u8]) {
    let (body, sum) = copy.split_at_mut(COPY_BYTES - 8);
    sum.copy_from_slice(&checksum(domain, position, body));
}

fn checked<'a>(copy: &'a [u8], domain: &[u8], position: &[u8]) -> Option<&'a [u8]> {
    let (body, sum) = copy.split_last_chunk::<8>()?;
    (copy.len() == COPY_BYTES && checksum(domain, position, body) == *sum).then_some(body)
}

fn checksum(domain: &[u8], position: &[u8], body: &[u8]) -> [u8; 8] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [domain, position, body] {
        context.update(part);
    }
    *context.finish().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A good copy that holds a key of a kind that may not exist.
    pub fn encode_kind(slot: u32, generation: u32, kind: u8) -> [u8; COPY_BYTES] {
        let mut copy = [0u8; COPY_BYTES];
        fill(&mut copy, [&generation.to_be_bytes()[..], &[STATE_LIVE, kind]]);
        close(&mut copy, b"tidegate key slot", &slot.to_be_bytes());
        copy
    }

    /// One content of each sort.
    fn contents(tenant: TenantId, number: u64, epoch: u16, key: [u8; 32], kind: KeyKind) -> [Content; 6] {
        let mut noise = [0; NOISE_BYTES];
        noise[..32].copy_from_slice(&key);
        [
            Content::Free(noise),
            Content::Key((kind, tenant.0, number), Arc::new(Secret::new(key))),
            Content::Dek(tenant, DekId(number), Wrapped { kek_epoch: epoch, bytes: key }),
            Content::KekEpoch(tenant, KekEpoch { current: epoch, settled: true }),
            Content::KekEpoch(tenant, KekEpoch { current: epoch, settled: false }),
            Content::DeksIssued(number),
        ]
    }

    proptest! {
        #[test]
        fn a_copy_reads_back_in_its_own_slot_only(
            place: (u32, u32), tenant: [u8; 8], number: u64, epoch in 1..=u16::MAX, key: [u8; 32],
            kind in prop::sample::select(&KeyKind::ALL), at in 0..COPY_BYTES,
        ) {
            let (slot, generation) = place;
            for content in contents(TenantId(tenant), number, epoch, key, kind) {
                let copy = encode(slot, generation, &content);
                let read = decode(slot, &copy[..]).unwrap();
                prop_assert_eq!(read.generation, generation);
                // Contents hold secrets and cannot be compared; their bytes can.
                prop_assert_eq!(&encode(slot, generation, &read.content.unwrap()), &copy);
                prop_assert!(decode(slot.wrapping_add(1), &copy[..]).is_none());
                let mut changed = copy.clone();
                changed[at] ^= 1;
                prop_assert!(decode(slot, &changed[..]).is_none());
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            prop_assert!(decode(0, &bytes).is_none());
            prop_assert!(Header::decode(&bytes).is_none());
        }
    }

    #[test]
    fn codes_are_for_ever() {
        assert_eq!(KeyKind::ALL.map(KeyKind::code), [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);
        assert_eq!([10, 12, 13].map(KeyKind::from_code), [None; 3], "they are no keys to be had by name");
    }

    #[test]
    fn bytes_are_for_ever() {
        let (tenant, key, none) = ("01".repeat(8), "04".repeat(32), "00".repeat(32));
        let body = |content: &Content| hex::encode(&encode(5, 2, content)[..56]);
        let address = Content::Key((KeyKind::Address, [1; 8], 3), Arc::new(Secret::new([4; 32])));
        assert_eq!(body(&address), format!("0000000202040000{tenant}0000000000000003{key}"));
        let dek = Content::Dek(TenantId([1; 8]), DekId(7), Wrapped { kek_epoch: 0x0203, bytes: [4; 32] });
        assert_eq!(body(&dek), format!("00000002020a0203{tenant}0000000000000007{key}"));
        let epoch = Content::KekEpoch(TenantId([1; 8]), KekEpoch { current: 9, settled: false });
        assert_eq!(body(&epoch), format!("00000002020c0001{tenant}0000000000000009{none}"));
        let issued = Content::DeksIssued(8);
        assert_eq!(body(&issued), format!("00000002020d0000{}0000000000000008{none}", "00".repeat(8)));
        let header = Header { version: 1, generation: 1, groups: 2 }.encode();
        assert_eq!(hex::encode(&header[..20]), "54474b4559530d0a000000010000000100000002");
        assert_eq!(Header::decode(&header), Some(Header { version: 1, generation: 1, groups: 2 }));
    }
}
