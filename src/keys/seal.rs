//! What is done with a key: authenticated encryption, commitments and signatures.
//!
//! AES-256-GCM-SIV, because a nonce that is used twice by accident (a retry after a crash) then reveals only whether
//! two messages are equal, and Ed25519 (RFC 8032). Both by aws-lc-rs. Nonces and seeds come in as values; nothing
//! here draws randomness.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::{Entropy, random};

/// Bytes that [`seal`] adds to a message: 12 of nonce in front, 16 of authentication tag behind.
pub const SEAL_OVERHEAD_BYTES: usize = NONCE_LEN + TAG_LEN;
const TAG_LEN: usize = 16;

/// 32 secret bytes. Cannot be printed, cloned or compared, and is wiped from memory when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret of known bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Secret(bytes)
    }

    /// A new secret.
    pub fn random(entropy: &dyn Entropy) -> Self {
        Secret(random(entropy))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The bytes were not sealed with this key and this context, or were changed since. Says no more on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open: another key or context, or changed bytes")]
pub struct NotAuthentic;

/// A key prepared for sealing, for whoever seals or opens many short values with the same one: a fifth faster for a
/// hundred bytes, no matter for a block. Wiped when dropped.
pub struct SealingKey(LessSafeKey);

impl SealingKey {
    /// Prepares a key.
    pub fn new(key: &Secret) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.bytes());
        SealingKey(LessSafeKey::new(key.expect("an AES-256 key has 32 bytes, and so has a Secret")))
    }

    /// Encrypts `plain` and binds it to `aad`, the context in which alone it will open again.
    /// The answer is `nonce (12) | ciphertext (as long as plain) | tag (16)`; the nonce must be random.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD_BYTES);
        self.append(nonce, aad, plain, &mut sealed);
        sealed
    }

    /// The same at the end of `out`.
    pub fn append(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.resize(start + plain.len() + TAG_LEN, 0);
        let (_, sealed) = out.split_at_mut(start);
        let (text, tag) = sealed.split_at_mut(plain.len());
        self.0
            .seal_out_of_place_scatter(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plain, text, &[], tag)
            .expect("sealing fails only above the cipher's limit of 64 GiB, which no bounded buffer reaches");
    }

    /// Decrypts what [`SealingKey::seal`] made with the same key and `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotAuthentic)?;
        let (text, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(NotAuthentic)?;
        let mut plain = vec![0u8; text.len()];
        self.0
            .open_separate_gather(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), text, tag, &mut plain)
            .map_err(|_| NotAuthentic)?;
        Ok(plain)
    }
}

/// [`SealingKey::seal`] with a key that is used once.
pub fn seal(key: &Secret, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    SealingKey::new(key).seal(nonce, aad, plain)
}

/// [`SealingKey::open`] with a key that is used once.
pub fn open(key: &Secret, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
    SealingKey::new(key).open(aad, sealed)
}

/// Commits to a key without saying anything about it: to be kept beside what the key seals, and compared before
/// opening. AES-GCM-SIV does not commit to its key, so a sealed block alone does not prove which key it belongs to.
///
/// First 16 bytes of BLAKE3 keyed with the key ("tidegate key commitment v1" | context).
pub fn commitment(key: &Secret, context: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key.bytes());
    hasher.update(b"tidegate key commitment v1").update(context);
    *hasher.finalize().as_bytes().first_chunk().expect("BLAKE3 has 32 bytes")
}

/// An Ed25519 private key, made from its 32-byte seed.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of this seed.
    pub fn from_seed(seed: &Secret) -> Self {
        SigningKey(Ed25519KeyPair::from_seed_unchecked(seed.bytes()).expect("every 32 bytes are an Ed25519 seed"))
    }

    /// Signs `message`. The same message always gives the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        fixed(self.0.sign(message).as_ref())
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        fixed(self.0.public_key().as_ref())
    }
}

/// Whether `signature` is the signature of `message` by the holder of `public`.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("Ed25519 keys have 32 bytes and signatures 64 (RFC 8032)")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(hex::decode(text).unwrap().try_into().unwrap())
    }

    #[test]
    fn seals_as_rfc_8452_says() {
        let key = secret("0100000000000000000000000000000000000000000000000000000000000000");
        let mut nonce = [0u8; 12];
        nonce[0] = 3;
        let sealed = |plain: &str| hex::encode(&seal(&key, nonce, b"", &hex::decode(plain).unwrap())[12..]);
        assert_eq!(sealed(""), "07f5f4169bbf55a8400cd47ea6fd400f");
        assert_eq!(sealed("0100000000000000"), "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28");
    }

    #[test]
    fn signs_as_rfc_8032_says() {
        let key = SigningKey::from_seed(&secret("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        assert_eq!(hex::encode(key.public()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(
            hex::encode(key.sign(b"")),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
        assert!(verify(&key.public(), b"", &key.sign(b"")));
        assert!(!verify(&key.public(), b"x", &key.sign(b"")));
        assert!(!verify(&key.public(), b"", &key.sign(b"")[..63]));
    }

    #[test]
    fn a_commitment_is_to_one_key_and_one_context() {
        let of = |key: u8, context: &[u8]| commitment(&Secret::new([key; 32]), context);
        assert_eq!(hex::encode(of(1, b"bucket")), "2d46635f0399b81d07d0379ef3c55db8");
        assert_eq!(of(1, b"bucket"), of(1, b"bucket"));
        assert_ne!(of(1, b"bucket"), of(2, b"bucket"));
        assert_ne!(of(1, b"bucket"), of(1, b"buckets"));
    }

    proptest! {
        #[test]
        fn opens_what_was_sealed_and_nothing_else(plain: Vec<u8>, aad: Vec<u8>, nonce: [u8; 12], at: usize, bit in 0..8u8) {
            let key = Secret::new([7; 32]);
            let sealed = seal(&key, nonce, &aad, &plain);
            prop_assert_eq!(sealed.len(), plain.len() + SEAL_OVERHEAD_BYTES);
            prop_assert_eq!(open(&key, &aad, &sealed), Ok(plain));
            prop_assert_eq!(open(&Secret::new([8; 32]), &aad, &sealed), Err(NotAuthentic));
            prop_assert_eq!(open(&key, &[&aad[..], b"x"].concat(), &sealed), Err(NotAuthentic));
            let mut changed = sealed.clone();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            prop_assert_eq!(open(&key, &aad, &changed), Err(NotAuthentic));
            prop_assert_eq!(open(&key, &aad, &sealed[..at]), Err(NotAuthentic));
        }
    }
}
