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
//!    5  1  kind of key (see KeyKind); 0 if free
//!    6  2  zero
//!    8  8  owner: the tenant's id, or zeros for the gateway;   random if free
//!   16  8  epoch;                                              random if free
//!   24 32  the key;                                            random if free
//!   56  8  checksum: first 8 bytes of SHA-256("tidegate key slot" | slot number, 4 bytes | bytes 0..56)
//! ```
//!
//! A copy whose checksum fails was torn. Of two good copies the one of the higher generation counts (copy A is always
//! written and synced before copy B).

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of a page: what disks write as a whole.
pub(super) const PAGE_BYTES: usize = 4096;
/// Bytes of a pair of pages.
pub(super) const PAIR_BYTES: usize = 2 * PAGE_BYTES;
/// Bytes of one copy of a slot or of the header.
pub(super) const COPY_BYTES: usize = 64;
/// Slots in a group.
pub(super) const GROUP_SLOTS: u32 = 64;
/// The format version that this build reads and writes.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"TGKEYS\r\n";
const STATE_FREE: u8 = 1;
const STATE_LIVE: u8 = 2;

/// One copy as it lies in the file; wiped when dropped, since it may hold a key.
pub(super) type Copy = Zeroizing<[u8; COPY_BYTES]>;

/// What a key is for. The codes stand in key files and are for ever; a retired kind keeps its number.
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
}

impl KeyKind {
    /// Every kind, in the order of its code.
    pub const ALL: [KeyKind; 8] = [
        KeyKind::Signing,
        KeyKind::AuditSigning,
        KeyKind::Dedupe,
        KeyKind::Address,
        KeyKind::User,
        KeyKind::Session,
        KeyKind::Suppression,
        KeyKind::Index,
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
    /// Nothing.
    Free,
    /// A key.
    Live(KeyName, Secret),
    /// A key of a kind that this build does not know.
    UnknownKind,
}

/// One good copy of a slot.
pub(super) struct Slot {
    pub generation: u32,
    pub content: Content,
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

/// A copy that holds a key.
pub(super) fn encode_live(slot: u32, generation: u32, (kind, owner, epoch): KeyName, secret: &Secret) -> Copy {
    let mut copy = Zeroizing::new([0u8; COPY_BYTES]);
    let state = [STATE_LIVE, kind.code(), 0, 0];
    fill(&mut copy, [&generation.to_be_bytes()[..], &state, &owner, &epoch.to_be_bytes(), secret.bytes()]);
    close(&mut copy, b"tidegate key slot", &slot.to_be_bytes());
    copy
}

/// A copy that holds nothing; `noise` stands where owner, epoch and key would.
pub(super) fn encode_free(slot: u32, generation: u32, noise: &[u8; 48]) -> Copy {
    let mut copy = Zeroizing::new([0u8; COPY_BYTES]);
    fill(&mut copy, [&generation.to_be_bytes()[..], &[STATE_FREE, 0, 0, 0], noise]);
    close(&mut copy, b"tidegate key slot", &slot.to_be_bytes());
    copy
}

/// Reads a copy of `slot`; `None` if it is torn.
pub(super) fn decode(slot: u32, copy: &[u8]) -> Option<Slot> {
    let copy = checked(copy, b"tidegate key slot", &slot.to_be_bytes())?;
    let (generation, rest) = copy.split_first_chunk()?;
    let (&[state, kind, ..], rest) = rest.split_first_chunk::<4>()?;
    let (owner, rest) = rest.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (secret, _) = rest.split_first_chunk()?;
    let content = match (state, KeyKind::from_code(kind)) {
        (STATE_FREE, _) => Content::Free,
        (STATE_LIVE, Some(kind)) => Content::Live((kind, *owner, u64::from_be_bytes(*epoch)), Secret::new(*secret)),
        (STATE_LIVE, None) => Content::UnknownKind,
        (_, _) => return None,
    };
    Some(Slot { generation: u32::from_be_bytes(*generation), content })
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

    proptest! {
        #[test]
        fn a_copy_reads_back_in_its_own_slot_only(slot: u32, generation: u32, owner: [u8; 8], epoch: u64, key: [u8; 32], at in 0..COPY_BYTES) {
            let copy = encode_live(slot, generation, (KeyKind::User, owner, epoch), &Secret::new(key));
            let read = decode(slot, &copy[..]).unwrap();
            prop_assert_eq!(read.generation, generation);
            let Content::Live(name, secret) = read.content else { panic!("not live") };
            prop_assert_eq!(name, (KeyKind::User, owner, epoch));
            prop_assert_eq!(secret.bytes(), &key);
            prop_assert!(decode(slot.wrapping_add(1), &copy[..]).is_none());
            let mut changed = copy.clone();
            changed[at] ^= 1;
            prop_assert!(decode(slot, &changed[..]).is_none());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            prop_assert!(decode(0, &bytes).is_none());
            prop_assert!(Header::decode(&bytes).is_none());
        }
    }

    #[test]
    fn codes_are_for_ever() {
        assert_eq!(KeyKind::ALL.map(KeyKind::code), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(KeyKind::from_code(9), None);
    }

    #[test]
    fn bytes_are_for_ever() {
        let copy = encode_live(5, 2, (KeyKind::Address, [1; 8], 3), &Secret::new([4; 32]));
        let body = format!("0000000202040000{}0000000000000003{}", "01".repeat(8), "04".repeat(32));
        assert_eq!(hex::encode(&copy[..56]), body);
        let header = Header { version: 1, generation: 1, groups: 2 }.encode();
        assert_eq!(hex::encode(&header[..20]), "54474b4559530d0a000000010000000100000002");
        assert_eq!(Header::decode(&header), Some(Header { version: 1, generation: 1, groups: 2 }));
    }
}
