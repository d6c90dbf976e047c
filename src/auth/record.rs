//! The stored form of tenants, ingest keys and revoked tokens in the family `Catalog`.
//!
//! ```text
//! t|<tenant id, 8>           -> 1 flags created name          flags: bit 0 = enabled
//! k|<key id, 8>              -> 1 tenant(8) hash(32) scopes(1) created revoked label
//! r|<token reference, 16>    -> 1 expires
//! ```
//!
//! The first byte is the version. Moments are 8 bytes, big-endian milliseconds; `revoked` is `i64::MIN` for a live key; names
//! and labels are UTF-8 to the end of the value. Decoders refuse what they do not know and never panic.

use crate::clock::Millis;
use crate::id::{KeyId, TenantId};

use super::api_key::SecretHash;
use super::directory::{IngestKey, Tenant};
use super::principal::Scopes;

pub(super) const TENANT_PREFIX: &[u8] = b"t|";
pub(super) const KEY_PREFIX: &[u8] = b"k|";
pub(super) const REVOKED_PREFIX: &[u8] = b"r|";

const VERSION: u8 = 1;
const ENABLED: u8 = 1;
/// Stands for "not revoked".
const NEVER: i64 = i64::MIN;

/// A stored value of the catalog cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Written by a newer Tidegate.
    #[error("a catalog entry has an unknown version")]
    Version,
    /// Too short, too long or with a value that means nothing.
    #[error("a catalog entry is damaged")]
    Shape,
}

/// A reference to a token that names neither its holder nor the token: a truncated hash.
pub(super) type TokenRef = [u8; 16];

pub(super) fn stored_key(prefix: &[u8], id: &[u8]) -> Vec<u8> {
    [prefix, id].concat()
}

pub(super) fn encode_tenant(tenant: &Tenant) -> Vec<u8> {
    let flags = if tenant.enabled { ENABLED } else { 0 };
    let mut out = vec![VERSION, flags];
    out.extend_from_slice(&tenant.created.0.to_be_bytes());
    out.extend_from_slice(tenant.name.as_bytes());
    out
}

pub(super) fn decode_tenant(id: &[u8], value: &[u8]) -> Result<Tenant, Damaged> {
    let mut reader = Reader::open(value)?;
    let flags = reader.byte()?;
    if flags & !ENABLED != 0 {
        return Err(Damaged::Shape);
    }
    Ok(Tenant {
        id: TenantId(id.try_into().map_err(|_| Damaged::Shape)?),
        enabled: flags & ENABLED != 0,
        created: reader.moment()?,
        name: reader.text()?,
        revision: 0,
    })
}

pub(super) fn encode_key(key: &IngestKey) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&key.tenant.0);
    out.extend_from_slice(&key.hash.0);
    out.push(key.scopes.bits());
    out.extend_from_slice(&key.created.0.to_be_bytes());
    out.extend_from_slice(&key.revoked.map_or(NEVER, |at| at.0).to_be_bytes());
    out.extend_from_slice(key.label.as_bytes());
    out
}

pub(super) fn decode_key(id: &[u8], value: &[u8]) -> Result<IngestKey, Damaged> {
    let mut reader = Reader::open(value)?;
    Ok(IngestKey {
        id: KeyId(id.try_into().map_err(|_| Damaged::Shape)?),
        tenant: TenantId(reader.array()?),
        hash: SecretHash(reader.array()?),
        scopes: Scopes::from_bits(reader.byte()?).ok_or(Damaged::Shape)?,
        created: reader.moment()?,
        revoked: Some(reader.moment()?).filter(|at| at.0 != NEVER),
        label: reader.text()?,
        revision: 0,
    })
}

pub(super) fn encode_revoked(expires: Millis) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&expires.0.to_be_bytes());
    out
}

pub(super) fn decode_revoked(reference: &[u8], value: &[u8]) -> Result<(TokenRef, Millis), Damaged> {
    let mut reader = Reader::open(value)?;
    let expires = reader.moment()?;
    if reader.text()?.is_empty() {
        Ok((reference.try_into().map_err(|_| Damaged::Shape)?, expires))
    } else {
        Err(Damaged::Shape)
    }
}

/// Reads a value from front to back.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn open(value: &'a [u8]) -> Result<Reader<'a>, Damaged> {
        let mut reader = Reader(value);
        if reader.byte()? == VERSION { Ok(reader) } else { Err(Damaged::Version) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged::Shape)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn moment(&mut self) -> Result<Millis, Damaged> {
        self.array().map(|bytes| Millis(i64::from_be_bytes(bytes)))
    }

    fn text(&mut self) -> Result<String, Damaged> {
        let text = std::str::from_utf8(self.0).map_err(|_| Damaged::Shape)?;
        self.0 = &[];
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_unknown_version_is_told_from_damage() {
        assert_eq!(decode_tenant(&[0; 8], &[2, 1]).unwrap_err(), Damaged::Version);
        assert_eq!(decode_tenant(&[0; 8], &[1, 1]).unwrap_err(), Damaged::Shape);
        assert_eq!(decode_tenant(&[0; 8], &[]).unwrap_err(), Damaged::Shape);
    }

    proptest! {
        #[test]
        fn a_tenant_reads_back(id: [u8; 8], enabled: bool, created: i64, name in "\\PC{0,64}") {
            let tenant = Tenant { id: TenantId(id), name, created: Millis(created), enabled, revision: 0 };
            prop_assert_eq!(decode_tenant(&id, &encode_tenant(&tenant)).unwrap(), tenant);
        }

        #[test]
        fn a_key_reads_back(
            id: [u8; 8], tenant: [u8; 8], hash: [u8; 32], bits in 0..128u8, created: i64,
            revoked in proptest::option::of(0..i64::MAX), label in "\\PC{0,64}",
        ) {
            let key = IngestKey {
                id: KeyId(id), tenant: TenantId(tenant), hash: SecretHash(hash),
                scopes: Scopes::from_bits(bits).unwrap(), label,
                created: Millis(created), revoked: revoked.map(Millis), revision: 0,
            };
            prop_assert!(decode_key(&id, &encode_key(&key)).unwrap() == key);
        }

        #[test]
        fn a_revocation_reads_back(reference: [u8; 16], at: i64) {
            prop_assert_eq!(decode_revoked(&reference, &encode_revoked(Millis(at))), Ok((reference, Millis(at))));
        }

        #[test]
        fn any_bytes_are_read_without_panic(id: Vec<u8>, value: Vec<u8>) {
            let _ = decode_tenant(&id, &value);
            let _ = decode_key(&id, &value);
            let _ = decode_revoked(&id, &value);
        }
    }
}
