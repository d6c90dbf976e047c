//! Pseudonyms: keyed, domain-separated hashes.
//!
//! A pseudonym links what belongs to one person inside one epoch of one tenant, and nothing beyond: the keys are random, they are
//! given by the caller, and destroying a key makes its pseudonyms unlinkable. An unkeyed hash would not do: all IPv4 addresses can be
//! hashed in minutes. Holds no key itself.

/// Domain of declared users.
pub const USER: &str = "user";
/// Domain of network addresses.
pub const ADDRESS: &str = "address";
/// Domain of sessions derived from address and agent.
pub const SESSION: &str = "session";
/// Domain of values that a rule pseudonymizes.
pub const VALUE: &str = "pseudonym";

/// Bytes kept of the hash: 128 bits, so that a collision is out of reach within any tenant.
const KEPT: usize = 16;

/// The keys of one tenant and epoch, one per kind.
#[derive(Clone, Copy)]
pub struct PseudonymKeys<'k> {
    /// For users, and for values that rules pseudonymize.
    pub user: &'k [u8; 32],
    /// For addresses.
    pub address: &'k [u8; 32],
    /// For sessions.
    pub session: &'k [u8; 32],
}

/// The pseudonym of `value`: the first letter of `domain`, `_`, and 32 lower-case hex digits of
/// `BLAKE3(key, domain || 0 || value)`.
pub fn pseudonym(key: &[u8; 32], domain: &str, value: &[u8]) -> String {
    let message = [domain.as_bytes(), &[0], value].concat();
    let hash = blake3::keyed_hash(key, &message);
    let mut text = String::with_capacity(2 + 2 * KEPT);
    text.extend(domain.chars().take(1));
    text.push('_');
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    text.extend(hash.as_bytes().iter().take(KEPT).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

/// Whether `text` has the form of a pseudonym. Says nothing about who made it.
pub(super) fn is_pseudonym(text: &str) -> bool {
    match text.as_bytes() {
        [kind, b'_', digits @ ..] => {
            kind.is_ascii_lowercase()
                && digits.len() == 2 * KEPT
                && digits.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_domain_and_value_all_matter() {
        let one = pseudonym(&[1; 32], USER, b"ann");
        assert_eq!(one, pseudonym(&[1; 32], USER, b"ann"));
        assert!(is_pseudonym(&one) && one.starts_with("u_"));
        for other in [
            pseudonym(&[2; 32], USER, b"ann"),
            pseudonym(&[1; 32], ADDRESS, b"ann"),
            pseudonym(&[1; 32], USER, b"anne"),
            pseudonym(&[1; 32], "use", b"r\0ann"),
        ] {
            assert_ne!(one.get(2..), other.get(2..));
        }
    }

    #[test]
    fn it_is_blake3_keyed_mode_and_not_something_homemade() {
        let expected = blake3::keyed_hash(&[7; 32], b"session\0x");
        assert_eq!(pseudonym(&[7; 32], SESSION, b"x"), format!("s_{}", &expected.to_hex()[..32]));
    }
}
