//! Access tokens: RFC 9068 JWTs, signed by the gateway itself or by an issuer that the operator trusts.
//!
//! [`TokenVerifier::verify`] is the one way from a token to a [`Principal`], and its order is the order of trust:
//!
//! 1. `envelope`: size, characters, three parts, header. Nothing is believed, nothing is fetched.
//! 2. `iss` of the claims, still unbelieved, chooses the issuer; `kid` chooses among *that issuer's* keys only, so a key can
//!    never speak for another issuer; `alg` must be the one that the key is bound to.
//! 3. The signature.
//! 4. `claims`: audience, subject, times, scopes, tenant; then the list of revoked tokens.
//!
//! The rules are RFC 8725 and its successor draft, RFC 9068, and the gaps that jsonwebtoken leaves to its caller (it checks
//! neither `typ` nor the absence of `aud`, and by default not `nbf`): the library does signatures here, this folder does the
//! rest. Each refusal is a variant of its own and has a test of its own. Time is a parameter.
//!
//! Not here: sender-constrained tokens (DPoP, mutual TLS), encrypted tokens, opaque introspection.

mod claims;
mod denylist;
mod envelope;
mod issue;
pub(super) mod key;
#[cfg(test)]
mod tests;

pub use claims::{IssuerRules, TenantBinding};
pub use denylist::{Denylist, DenylistFull};
pub use issue::{IssueError, Issued, TokenIssuer, TokenOrder};
pub use key::{Algorithm, JwksError};

use std::sync::Arc;

use crate::clock::{DAY_MS, Millis};

use super::issuer::ExternalIssuer;
use super::principal::{Identity, Principal, Scope, Scopes};
use claims::{Claims, Times};
use envelope::Envelope;
use key::TrustedKey;

/// Most that clocks may differ.
pub const LEEWAY_MS_MAX: i64 = 30_000;

/// What the gateway's own tokens say, and what every token is held to.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// `iss` of own tokens.
    pub issuer: String,
    /// `aud` of own tokens.
    pub audience: String,
    /// The longest lifetime (`exp - iat`) of any token.
    pub ttl_max_ms: i64,
    /// How far clocks may differ; at most [`LEEWAY_MS_MAX`].
    pub leeway_ms: i64,
}

/// Why the token settings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Empty or too long.
    #[error("issuer and audience have 1 to 256 characters")]
    NameInvalid,
    /// The leeway is negative or above 30 seconds.
    #[error("the leeway must lie between 0 and 30 seconds")]
    LeewayRefused,
    /// The longest lifetime is out of range.
    #[error("token_ttl_max must lie between 1 second and 1 day")]
    LifetimeRefused,
    /// Two issuers have the same name, or one has the gateway's.
    #[error("every issuer needs a name of its own")]
    IssuerTwice,
}

/// Why a token is refused. The texts are safe to show: they never quote the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Above 8 KiB.
    #[error("the token is too long")]
    TooLong,
    /// Something else than base64url characters and dots.
    #[error("the token has characters that a token cannot have")]
    ForeignCharacter,
    /// Not the compact form of a signed token.
    #[error("the token does not have three parts")]
    NotThreeParts,
    /// An encrypted token.
    #[error("encrypted tokens are not accepted")]
    Encrypted,
    /// The header is not JSON, has a member twice or one of the wrong type.
    #[error("the token's header cannot be read")]
    HeaderMalformed,
    /// `crit` names extensions; none is understood here.
    #[error("the token needs extensions that are not understood")]
    CriticalRefused,
    /// `zip` is set.
    #[error("compressed tokens are not accepted")]
    Compressed,
    /// `jku`, `jwk`, `x5u` or `x5c`: a token cannot bring its own key.
    #[error("the token's header must not name a key or where to find one")]
    KeyInHeader,
    /// `typ` is not `at+jwt`.
    #[error("the token is not of the type at+jwt")]
    TypeRefused,
    /// `alg` is none of the known ones; `none` and HMAC are not.
    #[error("the token's algorithm is not accepted")]
    AlgorithmRefused,
    /// No `kid`.
    #[error("the token does not say which key signed it")]
    KeyIdMissing,
    /// `kid` is too long or has odd characters.
    #[error("the token's key id is malformed")]
    KeyIdMalformed,
    /// `iss` is nobody that is trusted.
    #[error("the token's issuer is not trusted")]
    IssuerUnknown,
    /// The issuer has no such key (now).
    #[error("the token's key is not known")]
    KeyUnknown,
    /// The issuer's keys could not be refreshed for too long.
    #[error("the keys of the token's issuer could not be refreshed for too long")]
    KeysStale,
    /// The key is bound to another algorithm.
    #[error("the token's algorithm is not the one of its key")]
    AlgorithmNotOfKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    SignatureWrong,
    /// The claims are not JSON, or one is of the wrong type, there twice or too long.
    #[error("the token's claims cannot be read")]
    ClaimsMalformed,
    /// A required claim is missing.
    #[error("the token lacks the claim {0}")]
    Missing(&'static str),
    /// `aud` does not name this gateway.
    #[error("the token is meant for another service")]
    AudienceForeign,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `iat` lies in the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `nbf` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp - iat` is above `token_ttl_max`, or not above zero.
    #[error("the token's lifetime is not accepted")]
    LifetimeTooLong,
    /// The token is bound to no tenant, and its scopes need one.
    #[error("the token is bound to no tenant")]
    TenantMissing,
    /// The tenant claim is not a tenant id.
    #[error("the token's tenant is malformed")]
    TenantMalformed,
    /// The token was revoked.
    #[error("the token was revoked")]
    Revoked,
}

/// Verifies the tokens of the gateway and of the issuers that it trusts.
pub struct TokenVerifier {
    settings: TokenSettings,
    own: (IssuerRules, TrustedKey),
    external: Vec<Arc<ExternalIssuer>>,
    denylist: Arc<Denylist>,
}

impl TokenVerifier {
    /// A verifier of the tokens of `own` and of `external` issuers.
    pub fn new(
        settings: TokenSettings,
        own: &TokenIssuer,
        external: Vec<Arc<ExternalIssuer>>,
        denylist: Arc<Denylist>,
    ) -> Result<TokenVerifier, SettingsError> {
        settings.check()?;
        let mut names: Vec<&str> = external.iter().map(|issuer| issuer.rules().issuer.as_str()).collect();
        names.push(&settings.issuer);
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(SettingsError::IssuerTwice);
        }
        let rules = IssuerRules {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            client_id_required: true,
            scopes: Scopes::of(&Scope::ALL),
            tenant: TenantBinding::Claim("tenant".to_owned()),
        };
        Ok(TokenVerifier { settings, own: (rules, own.trusted_key()), external, denylist })
    }

    /// The issuers beside the gateway, for the thread that refreshes their keys.
    pub fn external(&self) -> &[Arc<ExternalIssuer>] {
        &self.external
    }

    /// The revoked tokens.
    pub fn denylist(&self) -> &Arc<Denylist> {
        &self.denylist
    }

    /// The principal that a token stands for.
    ///
    /// An unknown key id of a trusted issuer marks that issuer's keys as to be refreshed; nothing is fetched here.
    pub fn verify(&self, token: &str, now: Millis) -> Result<Principal, TokenError> {
        let envelope = Envelope::open(token)?;
        let claims = Claims::read(&envelope.claims)?;
        let issuer = claims.iss.clone().ok_or(TokenError::Missing("iss"))?;
        let (rules, key) = self.key_of(&issuer, &envelope.kid, now)?;
        if key.algorithm() != envelope.algorithm {
            return Err(TokenError::AlgorithmNotOfKey);
        }
        if !key.verifies(envelope.signed, envelope.signature) {
            return Err(TokenError::SignatureWrong);
        }
        let TokenSettings { leeway_ms, ttl_max_ms, .. } = self.settings;
        let checked = claims.check(&envelope.claims, rules, Times { now, leeway_ms, ttl_max_ms })?;
        if self.denylist.contains(&issuer, &checked.jti) {
            return Err(TokenError::Revoked);
        }
        let how = Identity::Token { issuer, subject: checked.subject, jti: checked.jti };
        Ok(Principal::new(how, checked.tenant, checked.scopes, Some(checked.expires)))
    }

    fn key_of(&self, issuer: &str, kid: &str, now: Millis) -> Result<(&IssuerRules, TrustedKey), TokenError> {
        let (own_rules, own_key) = &self.own;
        if issuer == own_rules.issuer {
            let key = Some(own_key).filter(|key| key.kid() == kid).ok_or(TokenError::KeyUnknown)?;
            return Ok((own_rules, key.clone()));
        }
        let external =
            self.external.iter().find(|known| known.rules().issuer == issuer).ok_or(TokenError::IssuerUnknown)?;
        Ok((external.rules(), external.key(kid, now)?))
    }
}

impl TokenSettings {
    /// Checks the ranges.
    pub fn check(&self) -> Result<(), SettingsError> {
        if ![&self.issuer, &self.audience].iter().all(|name| (1..=256).contains(&name.len())) {
            return Err(SettingsError::NameInvalid);
        }
        if !(0..=LEEWAY_MS_MAX).contains(&self.leeway_ms) {
            return Err(SettingsError::LeewayRefused);
        }
        if !(1_000..=DAY_MS).contains(&self.ttl_max_ms) {
            return Err(SettingsError::LifetimeRefused);
        }
        Ok(())
    }
}
