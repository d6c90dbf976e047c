//! Tokens made by hand: well-formed in every respect, or wrong in exactly one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate::audit::tree::sha256;
use tidegate::clock::{Clock, SystemClock};
use tidegate::keys::{KeyKind, SigningKey};

use crate::gateway::Gateway;

/// Something that signs.
pub enum Signer {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    /// The gateway's own key, out of its key file.
    Own(SigningKey),
}

impl Signer {
    /// A fresh Ed25519 key.
    pub fn ed25519() -> Signer {
        Signer::Ed25519(Ed25519KeyPair::generate().expect("a key"))
    }

    /// A fresh P-256 key.
    pub fn es256() -> Signer {
        Signer::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    /// The key with which this gateway signs its own tokens.
    pub fn of(gateway: &Gateway) -> Signer {
        Signer::Own(SigningKey::from_seed(&gateway.secret(KeyKind::Signing)))
    }

    /// The public half: 32 bytes, or an uncompressed point.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Signer::Ed25519(key) => key.public_key().as_ref().to_vec(),
            Signer::Es256(key) => key.public_key().as_ref().to_vec(),
            Signer::Own(key) => key.public().to_vec(),
        }
    }

    /// The id that the gateway gives its own key.
    pub fn kid(&self) -> String {
        hex::encode(sha256(&[&self.public()]))[..16].to_owned()
    }

    /// The key as an entry of a JSON Web Key Set.
    pub fn jwk(&self, kid: &str) -> Value {
        let public = self.public();
        match self {
            Signer::Ed25519(_) | Signer::Own(_) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(&public), "kid": kid, "alg": "EdDSA", "use": "sig" })
            }
            Signer::Es256(_) => {
                let (x, y) = public[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y), "kid": kid, "alg": "ES256", "use": "sig" })
            }
        }
    }

    /// The compact token of these two parts.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.sign(&format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes())))
    }

    /// Adds the signature to the first two parts.
    pub fn sign(&self, signed: &str) -> String {
        let signature = match self {
            Signer::Ed25519(key) => key.sign(signed.as_bytes()).as_ref().to_vec(),
            Signer::Es256(key) => {
                key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature").as_ref().to_vec()
            }
            Signer::Own(key) => key.sign(signed.as_bytes()).to_vec(),
        };
        format!("{signed}.{}", base64url(&signature))
    }
}

/// The header of a good token.
pub fn header(alg: &str, kid: &str) -> Value {
    json!({ "alg": alg, "typ": "at+jwt", "kid": kid })
}

/// The claims of a good token of the gateway's own, for that tenant's aggregates, for a minute.
pub fn claims(tenant: &str) -> Value {
    let now = now_s();
    json!({
        "iss": "tidegate", "aud": "tidegate", "sub": "mallory", "client_id": "forge", "iat": now, "exp": now + 60,
        "jti": "00112233445566778899aabbccddeeff", "scope": "query", "tenant": tenant,
    })
}

/// `value` with a member replaced; removed if the new one is null.
pub fn with(value: &Value, member: &str, new: impl Into<Value>) -> Value {
    let mut changed = value.clone();
    let members = changed.as_object_mut().expect("an object");
    let new = new.into();
    members.remove(member);
    if !new.is_null() {
        members.insert(member.to_owned(), new);
    }
    changed
}

/// The time, in seconds since the epoch.
pub fn now_s() -> i64 {
    SystemClock.now().0 / 1000
}

/// Base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
