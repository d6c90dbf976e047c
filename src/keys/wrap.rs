//! Data keys under key-encryption keys.
//!
//! Every block of stored events is sealed with a data key (DEK) of its own. A DEK lies in the key file *wrapped* by the
//! key-encryption key (KEK) of its tenant's current epoch, and why is the whole point: overwriting a slot proves
//! nothing on media that keep old versions of what is overwritten, and copies of the key file may exist. So whoever
//! must be sure that a DEK is gone wraps the tenant's surviving DEKs anew under the KEK of the next epoch and destroys
//! the old KEK; old versions of the slots are then noise, wherever they lie.
//!
//! ```text
//! pad     = BLAKE3 keyed with the KEK ("tidegate dek wrap v1" | tenant, 8 bytes | id of the DEK, 8 bytes)
//! wrapped = DEK xor pad
//! ```
//!
//! A pad is used once: no id comes twice, and every epoch's KEK is another key. Wrapping hides and does not
//! authenticate; that a DEK is the right one is shown by its [`commitment`](super::seal::commitment) and by every
//! block that opens.

use std::fmt;

use zeroize::Zeroizing;

use super::Secret;
use crate::id::TenantId;

const DOMAIN: &[u8] = b"tidegate dek wrap v1";

/// The id of a data key, unique in its key file and never given again: 40 bits count, 24 bits are random. The count
/// is kept in the key file; the random tail keeps ids apart even if an older copy of that file is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DekId(pub u64);

/// Bits of a [`DekId`] that are random.
const TAIL_BITS: u32 = 24;

impl DekId {
    /// The id of the data key that is number `count`; `None` if there are no more such ids.
    pub(super) fn new(count: u64, tail: [u8; 3]) -> Option<DekId> {
        let [a, b, c] = tail;
        let shifted = count.checked_mul(1 << TAIL_BITS)?;
        Some(DekId(shifted | u64::from(u32::from_be_bytes([0, a, b, c]))))
    }

    /// As which number it was issued.
    pub(super) fn count(self) -> u64 {
        self.0 >> TAIL_BITS
    }
}

impl fmt::Display for DekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A data key that cannot be used without its KEK; no secret by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrapped {
    /// The epoch of the KEK, from 1 on.
    pub kek_epoch: u16,
    pub bytes: [u8; 32],
}

/// Wraps a data key by the KEK of an epoch.
pub(super) fn wrap(kek: &Secret, kek_epoch: u16, tenant: TenantId, id: DekId, dek: &Secret) -> Wrapped {
    Wrapped { kek_epoch, bytes: xor(dek.bytes(), &pad(kek, tenant, id)) }
}

/// The data key. With another KEK, tenant or id than it was wrapped with, the answer is noise.
pub(super) fn unwrap(kek: &Secret, tenant: TenantId, id: DekId, wrapped: &Wrapped) -> Secret {
    Secret::new(xor(&wrapped.bytes, &pad(kek, tenant, id)))
}

fn pad(kek: &Secret, tenant: TenantId, id: DekId) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_keyed(kek.bytes());
    hasher.update(DOMAIN).update(&tenant.0).update(&id.0.to_be_bytes());
    Zeroizing::new(*hasher.finalize().as_bytes())
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = *a;
    out.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wrapped_key_unwraps_with_its_own_kek_tenant_and_id_only(
            kek: [u8; 32], dek: [u8; 32], tenant: [u8; 8], id: u64, byte in 0..8usize, bit in 0..8u8,
        ) {
            let (kek, tenant, id) = (Secret::new(kek), TenantId(tenant), DekId(id));
            let wrapped = wrap(&kek, 3, tenant, id, &Secret::new(dek));
            let opened = |kek: &Secret, tenant, id| *unwrap(kek, tenant, id, &wrapped).bytes();
            prop_assert_eq!(wrapped.kek_epoch, 3);
            prop_assert_ne!(wrapped.bytes, dek);
            prop_assert_eq!(opened(&kek, tenant, id), dek);
            let mut other = tenant;
            other.0[byte] ^= 1 << bit;
            prop_assert_ne!(opened(&kek, other, id), dek);
            prop_assert_ne!(opened(&kek, tenant, DekId(id.0 ^ (1 << bit))), dek);
            let mut other = *kek.bytes();
            other[byte] ^= 1 << bit;
            prop_assert_ne!(opened(&Secret::new(other), tenant, id), dek);
        }

        #[test]
        fn an_id_tells_its_count(count in 0..1u64 << 40, tail: [u8; 3]) {
            prop_assert_eq!(DekId::new(count, tail).unwrap().count(), count);
        }
    }

    #[test]
    fn the_way_of_wrapping_is_for_ever() {
        let wrapped = wrap(&Secret::new([1; 32]), 1, TenantId([2; 8]), DekId(3), &Secret::new([0; 32]));
        assert_eq!(hex::encode(wrapped.bytes), "c455b0bcd748f436f0af24ca829c7664fa0d254d063c6c955fbf2d91cf521d84");
    }

    #[test]
    fn ids_end_after_two_to_the_forty() {
        assert_eq!(DekId::new((1 << 40) - 1, [0xff; 3]), Some(DekId(u64::MAX)));
        assert_eq!(DekId::new(1 << 40, [0; 3]), None);
    }
}
