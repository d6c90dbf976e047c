//! Opaque keys: the ingest keys of tenants and the operator's admin key.
//!
//! A key is shown once, when it is made. What is kept is the SHA-256 of its 32 random secret bytes: with that much
//! entropy a plain hash needs neither salt nor stretching. Comparison takes the same time wherever two hashes differ.

use std::fmt::Write as _;

use aws_lc_rs::{constant_time, digest};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::{self, Entropy, KeyId};

/// What every ingest key begins with.
pub const INGEST_PREFIX: &str = "tg_";
/// What the admin key begins with.
pub const ADMIN_PREFIX: &str = "tga_";

const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// The 32 secret bytes of a key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct KeySecret([u8; 32]);

impl KeySecret {
    fn parse(digits: &str) -> Option<KeySecret> {
        let mut secret = KeySecret([0; 32]);
        decode_lower(digits, &mut secret.0)?;
        Some(secret)
    }

    fn hash(&self) -> SecretHash {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        SecretHash(out)
    }

    fn push_to(&self, text: &mut String) {
        for byte in self.0 {
            write!(text, "{byte:02x}").expect("writing into a string cannot fail");
        }
    }
}

/// The SHA-256 of a key's secret: what is stored.
#[derive(Clone, Copy)]
pub struct SecretHash(pub(super) [u8; 32]);

/// Compares in constant time.
impl PartialEq for SecretHash {
    fn eq(&self, other: &SecretHash) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretHash {}

/// An ingest key as its holder has it. It has no `Debug`: the text leaves only through [`ApiKey::text`].
#[derive(Clone)]
pub struct ApiKey {
    id: KeyId,
    secret: KeySecret,
}

impl ApiKey {
    /// Makes a new key.
    pub fn random(entropy: &dyn Entropy) -> ApiKey {
        ApiKey { id: KeyId(id::random(entropy)), secret: KeySecret(id::random(entropy)) }
    }

    /// Reads `tg_<id>_<secret>`, or `<id><secret>` as it stands in a Sentry DSN; lower-case hex only.
    pub fn parse(text: &str) -> Option<ApiKey> {
        let (id, secret) = match text.strip_prefix(INGEST_PREFIX) {
            Some(rest) => rest.split_once('_')?,
            None => text.split_at_checked(ID_DIGITS)?,
        };
        let mut id_bytes = [0; ID_DIGITS / 2];
        decode_lower(id, &mut id_bytes)?;
        Some(ApiKey { id: KeyId(id_bytes), secret: KeySecret::parse(secret)? })
    }

    /// Whether a text has the length of a key without separators.
    pub fn is_bare(text: &str) -> bool {
        text.len() == ID_DIGITS + SECRET_DIGITS
    }

    /// The public half.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is stored of the secret half.
    pub fn hash(&self) -> SecretHash {
        self.secret.hash()
    }

    /// The key as its holder gets to see it, once.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = String::with_capacity(INGEST_PREFIX.len() + ID_DIGITS + 1 + SECRET_DIGITS);
        write!(text, "{INGEST_PREFIX}{}_", self.id).expect("writing into a string cannot fail");
        self.secret.push_to(&mut text);
        Zeroizing::new(text)
    }
}

/// The operator's key as the admin key file or a request has it.
#[derive(Clone)]
pub struct AdminKey(KeySecret);

impl AdminKey {
    /// Makes a new key.
    pub fn random(entropy: &dyn Entropy) -> AdminKey {
        AdminKey(KeySecret(id::random(entropy)))
    }

    /// Reads `tga_<64 hex digits>`.
    pub fn parse(text: &str) -> Option<AdminKey> {
        text.strip_prefix(ADMIN_PREFIX).and_then(KeySecret::parse).map(AdminKey)
    }

    /// What the running gateway keeps of it.
    pub fn hash(&self) -> SecretHash {
        self.0.hash()
    }

    /// The key as it stands in its file.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = String::with_capacity(ADMIN_PREFIX.len() + SECRET_DIGITS);
        text.push_str(ADMIN_PREFIX);
        self.0.push_to(&mut text);
        Zeroizing::new(text)
    }
}

/// Decodes exactly as many lower-case hex digits as fill `out`.
fn decode_lower(digits: &str, out: &mut [u8]) -> Option<()> {
    let lower = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if lower { hex::decode_to_slice(digits, out).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::SystemEntropy;

    #[test]
    fn a_key_reads_back_in_both_forms_and_keeps_its_hash() {
        let key = ApiKey::random(&SystemEntropy);
        let text = key.text();
        assert_eq!(text.len(), 84);
        let bare = text.replace("tg_", "").replace('_', "");
        for form in [text.as_str(), bare.as_str()] {
            let read = ApiKey::parse(form).unwrap();
            assert_eq!(read.id(), key.id());
            assert!(read.hash() == key.hash());
        }
        assert!(ApiKey::is_bare(&bare));
    }

    #[test]
    fn the_admin_key_reads_back() {
        let key = AdminKey::random(&SystemEntropy);
        assert!(AdminKey::parse(&key.text()).unwrap().hash() == key.hash());
        assert!(ApiKey::parse(&key.text()).is_none());
    }

    #[test]
    fn a_changed_secret_has_another_hash() {
        let text = ApiKey::random(&SystemEntropy).text();
        let last = if text.ends_with('0') { '1' } else { '0' };
        let other = format!("{}{last}", &text[..text.len() - 1]);
        assert!(ApiKey::parse(&text).unwrap().hash() != ApiKey::parse(&other).unwrap().hash());
    }

    #[test]
    fn other_shapes_are_refused() {
        let good = ApiKey::random(&SystemEntropy).text();
        for bad in [
            good.to_uppercase(),
            format!("{}0", good.as_str()),
            good[..good.len() - 1].to_owned(),
            good.replace("tg_", "tg-"),
            "tg__".to_owned(),
            String::new(),
            "é".repeat(40),
        ] {
            assert!(ApiKey::parse(&bad).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,100}") {
            let _ = (ApiKey::parse(&text), AdminKey::parse(&text));
        }
    }
}
