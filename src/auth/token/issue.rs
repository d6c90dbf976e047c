//! The gateway's own tokens: RFC 9068 access tokens signed with its Ed25519 key.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::clock::Millis;
use crate::id::{self, Entropy, TenantId};

use super::super::principal::Scopes;
use super::TokenSettings;
use super::key::TrustedKey;

const NAME_BYTES_MAX: usize = 256;

/// What a token shall say.
#[derive(Clone, Debug)]
pub struct TokenOrder {
    /// Who will use it; personal data.
    pub subject: String,
    /// The program that asked for it.
    pub client_id: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The tenant that it is bound to; only operators and metrics readers may have none.
    pub tenant: Option<TenantId>,
    /// How long it lives.
    pub ttl_ms: i64,
}

/// A fresh token.
pub struct Issued {
    /// The token itself, to be shown once.
    pub token: Zeroizing<String>,
    /// Its id, for revocation.
    pub jti: String,
    /// When it expires, in whole seconds.
    pub expires: Millis,
}

/// Why a token is not issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Shorter than a second or longer than `token_ttl_max`.
    #[error("the lifetime must lie between 1 second and token_ttl_max")]
    LifetimeRefused,
    /// A token without a scope opens nothing.
    #[error("a token needs at least one scope")]
    ScopeMissing,
    /// These scopes need a tenant.
    #[error("a token needs a tenant, unless it is for an operator (admin) or for metrics alone")]
    TenantMissing,
    /// Subject or client id is empty, too long or holds control characters.
    #[error("subject and client id have 1 to 256 bytes and no control characters")]
    NameInvalid,
}

/// Signs tokens. It has no `Debug`.
pub struct TokenIssuer {
    settings: TokenSettings,
    key: EncodingKey,
    public: [u8; 32],
    kid: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

impl TokenIssuer {
    /// An issuer with the Ed25519 key that `seed` stands for. The key id is the beginning of the SHA-256 of the public half.
    pub fn new(settings: &TokenSettings, seed: &[u8; 32]) -> TokenIssuer {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are an Ed25519 seed");
        let private = pair.to_pkcs8v1().expect("a key in memory can be written as PKCS #8");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        let kid = hex::encode(digest::digest(&digest::SHA256, &public)).chars().take(16).collect();
        TokenIssuer { settings: settings.clone(), key: EncodingKey::from_ed_der(private.as_ref()), public, kid }
    }

    /// The `iss` of the tokens.
    pub fn name(&self) -> &str {
        &self.settings.issuer
    }

    /// The longest that a token may live.
    pub fn ttl_max_ms(&self) -> i64 {
        self.settings.ttl_max_ms
    }

    /// The public half of the key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs a token. The caller checks that the tenant exists and records the act.
    pub fn issue(&self, order: &TokenOrder, now: Millis, entropy: &dyn Entropy) -> Result<Issued, IssueError> {
        self.check(order)?;
        let jti = hex::encode(id::random::<16>(entropy));
        let issued_s = now.0.div_euclid(1_000);
        let expires_s = issued_s.saturating_add(order.ttl_ms / 1_000);
        let claims = Claims {
            iss: &self.settings.issuer,
            aud: &self.settings.audience,
            sub: &order.subject,
            client_id: &order.client_id,
            iat: issued_s,
            exp: expires_s,
            jti: &jti,
            scope: order.scopes.to_string(),
            tenant: order.tenant.map(|tenant| tenant.to_string()),
        };
        let mut header = Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.key)
            .expect("texts and numbers serialise, and the key was read back from its own PKCS #8 form");
        Ok(Issued { token: Zeroizing::new(token), jti, expires: Millis(expires_s.saturating_mul(1_000)) })
    }

    fn check(&self, order: &TokenOrder) -> Result<(), IssueError> {
        let is_name = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(|c| c.is_control());
        if !(1_000..=self.settings.ttl_max_ms).contains(&order.ttl_ms) {
            return Err(IssueError::LifetimeRefused);
        }
        if order.scopes.is_empty() {
            return Err(IssueError::ScopeMissing);
        }
        if order.tenant.is_none() && order.scopes.need_tenant() {
            return Err(IssueError::TenantMissing);
        }
        if !is_name(&order.subject) || !is_name(&order.client_id) {
            return Err(IssueError::NameInvalid);
        }
        Ok(())
    }

    pub(super) fn trusted_key(&self) -> TrustedKey {
        TrustedKey::ed25519(self.kid.clone(), &self.public)
    }
}
