//! The keys that tokens are verified with, each bound to one algorithm.
//!
//! Binding the algorithm to the key, and not to the token's header, is what makes algorithm confusion impossible (RFC 8725
//! sections 2.1 and 3.1). Keys are checked when they are read (section 3.4): points must lie on their curve, RSA keys must
//! have at least 2048 bits. A key that does not fit is skipped, so that one bad entry does not lock everybody out.

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{DecodingKey, crypto};
use serde_json::Value;

/// Longest accepted `kid`.
const KID_BYTES_MAX: usize = 128;
/// Most keys in a set; identity providers publish two or three.
const KEYS_MAX: usize = 64;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A signature algorithm that tokens may use. There is no `none`, no HMAC and no RSA encryption to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519, also by its older name `EdDSA` (RFC 8037, RFC 9864).
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of at least 2048 bits.
    Rs256,
    /// RSASSA-PSS with SHA-256, keys of at least 2048 bits.
    Ps256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Ed25519, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256];

    /// Reads the `alg` of a header, a key or a config; case matters (RFC 8725bis).
    pub fn named(name: &str) -> Option<Algorithm> {
        match name {
            "EdDSA" | "Ed25519" => Some(Algorithm::Ed25519),
            "ES256" => Some(Algorithm::Es256),
            "ES384" => Some(Algorithm::Es384),
            "RS256" => Some(Algorithm::Rs256),
            "PS256" => Some(Algorithm::Ps256),
            _ => None,
        }
    }

    fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Ed25519 => jsonwebtoken::Algorithm::EdDSA,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        }
    }
}

/// A public key and the one algorithm that it may be used with.
#[derive(Clone)]
pub(crate) struct TrustedKey {
    kid: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl TrustedKey {
    /// The gateway's own key.
    pub(super) fn ed25519(kid: String, public: &[u8]) -> TrustedKey {
        TrustedKey { kid, algorithm: Algorithm::Ed25519, key: DecodingKey::from_ed_der(public) }
    }

    /// Its id within the issuer's set.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it may be used with.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` (base64url) over `message` was made with the private half.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm.library()).unwrap_or(false)
    }
}

/// A document is not a JSON Web Key Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not JSON, or without an array `keys`.
    #[error("the document is not a JSON Web Key Set")]
    NotAKeySet,
    /// More keys than anyone needs.
    #[error("the key set has more than 64 keys")]
    TooMany,
    /// No key of the set fits the allowed algorithms and the rules for keys.
    #[error("the key set has no usable key: it needs a kid, an allowed algorithm and, for RSA, at least 2048 bits")]
    NoneUsable,
}

/// Reads the usable keys of a JSON Web Key Set (RFC 7517).
pub(crate) fn read_jwks(document: &[u8], allowed: &[Algorithm]) -> Result<Vec<TrustedKey>, JwksError> {
    let document: Value = serde_json::from_slice(document).map_err(|_| JwksError::NotAKeySet)?;
    let entries = document.get("keys").and_then(Value::as_array).ok_or(JwksError::NotAKeySet)?;
    if entries.len() > KEYS_MAX {
        return Err(JwksError::TooMany);
    }
    let mut keys = Vec::<TrustedKey>::new();
    for key in entries.iter().filter_map(|entry| read_jwk(entry, allowed)) {
        // Two keys with one kid: which one is meant must not depend on the token, so the first stays.
        if !keys.iter().any(|known| known.kid == key.kid) {
            keys.push(key);
        }
    }
    if keys.is_empty() { Err(JwksError::NoneUsable) } else { Ok(keys) }
}

fn read_jwk(entry: &Value, allowed: &[Algorithm]) -> Option<TrustedKey> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let for_signatures = text("use").is_none_or(|used| used == "sig");
    let verifies = entry
        .get("key_ops")
        .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("verify"))));
    // A set that shows private or symmetric parts is compromised.
    let public = entry.get("d").is_none() && entry.get("k").is_none();
    if !(for_signatures && verifies && public) {
        return None;
    }
    let kid = text("kid").filter(|kid| is_kid(kid))?.to_owned();
    let jwk: Jwk = serde_json::from_value(entry.clone()).ok()?;
    let fitting = fitting(&jwk.algorithm)?;
    let algorithm = match entry.get("alg") {
        Some(name) => name.as_str().and_then(Algorithm::named).filter(|named| fitting.contains(named))?,
        None => only(fitting.iter().copied().filter(|fit| allowed.contains(fit)))?,
    };
    allowed.contains(&algorithm).then_some(())?;
    Some(TrustedKey { kid, algorithm, key: DecodingKey::from_jwk(&jwk).ok()? })
}

/// The algorithms that a key can be used with; `None` if the key itself is not acceptable.
fn fitting(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    if let AlgorithmParameters::OctetKeyPair(key) = parameters {
        let public = URL_SAFE_NO_PAD.decode(&key.x).ok()?;
        let sound = key.curve == EllipticCurve::Ed25519 && ParsedPublicKey::new(&signature::ED25519, public).is_ok();
        sound.then_some(&[Algorithm::Ed25519])
    } else if let AlgorithmParameters::EllipticCurve(key) = parameters {
        let curves = [
            (EllipticCurve::P256, 32, &signature::ECDSA_P256_SHA256_FIXED, &[Algorithm::Es256]),
            (EllipticCurve::P384, 48, &signature::ECDSA_P384_SHA384_FIXED, &[Algorithm::Es384]),
        ];
        let (_, width, curve, fitting) = curves.into_iter().find(|(curve, ..)| *curve == key.curve)?;
        let (x, y) = (URL_SAFE_NO_PAD.decode(&key.x).ok()?, URL_SAFE_NO_PAD.decode(&key.y).ok()?);
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let sound = x.len() == width && y.len() == width && ParsedPublicKey::new(curve, point).is_ok();
        sound.then_some(fitting)
    } else if let AlgorithmParameters::RSA(key) = parameters {
        let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
        RSA_BITS.contains(&bits(&modulus)).then_some(&[Algorithm::Rs256, Algorithm::Ps256])
    } else {
        None
    }
}

/// The number of bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let mut rest = number.iter().skip_while(|byte| **byte == 0);
    rest.next().map_or(0, |first| 8 - first.leading_zeros() as usize + 8 * rest.count())
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next();
    if items.next().is_none() { first } else { None }
}

/// Whether a text may be a key id: it only ever selects from a set in memory, and still need not hold anything exotic.
pub(super) fn is_kid(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=:".contains(&byte);
    (1..=KID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}
