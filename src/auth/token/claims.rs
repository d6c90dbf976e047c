//! The claims of a token whose signature is right, checked against what its issuer may say (RFC 9068 section 4).

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::clock::Millis;
use crate::id::TenantId;

use super::super::principal::Scopes;
use super::TokenError;

/// Longest accepted subject, client and token id, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// How a token of an issuer is bound to a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantBinding {
    /// Every token of the issuer belongs to this tenant, whatever it says.
    Fixed(TenantId),
    /// The claim of this name holds the tenant id (`tn_...`).
    Claim(String),
}

/// What an issuer may say, and what its tokens must.
#[derive(Clone, Debug)]
pub struct IssuerRules {
    /// The exact `iss`.
    pub issuer: String,
    /// What `aud` must contain.
    pub audience: String,
    /// Whether `client_id` must be there (RFC 9068 says yes; some providers leave it out).
    pub client_id_required: bool,
    /// The scopes that this issuer may grant; others in its tokens are ignored.
    pub scopes: Scopes,
    /// How its tokens are bound to a tenant.
    pub tenant: TenantBinding,
}

/// The moments between which, and how long, a token may live.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) now: Millis,
    pub(super) leeway_ms: i64,
    pub(super) ttl_max_ms: i64,
}

/// The registered claims. A claim that occurs twice is an error of the reader.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    client_id: Option<String>,
    iat: Option<Moment>,
    nbf: Option<Moment>,
    exp: Option<Moment>,
    jti: Option<String>,
    scope: Option<String>,
}

/// What is left of the claims after the checks.
pub(super) struct Checked {
    pub(super) subject: String,
    pub(super) jti: String,
    pub(super) scopes: Scopes,
    pub(super) tenant: Option<TenantId>,
    pub(super) expires: Millis,
}

impl Claims {
    pub(super) fn read(json: &[u8]) -> Result<Claims, TokenError> {
        serde_json::from_slice(json).map_err(|_| TokenError::ClaimsMalformed)
    }

    /// Checks everything but `iss`, which chose the rules. `json` is what the claims were read from.
    pub(super) fn check(self, json: &[u8], rules: &IssuerRules, times: Times) -> Result<Checked, TokenError> {
        if !self.aud.ok_or(TokenError::Missing("aud"))?.contains(&rules.audience) {
            return Err(TokenError::AudienceForeign);
        }
        let subject = name(self.sub, "sub")?;
        let jti = name(self.jti, "jti")?;
        if rules.client_id_required || self.client_id.is_some() {
            name(self.client_id, "client_id")?;
        }
        let expires = check_times(self.iat, self.nbf, self.exp, times)?;
        let scopes = Scopes::known_of(self.scope.as_deref().unwrap_or_default()).and(rules.scopes);
        let tenant = tenant(json, &rules.tenant)?;
        if tenant.is_none() && scopes.need_tenant() {
            return Err(TokenError::TenantMissing);
        }
        Ok(Checked { subject, jti, scopes, tenant, expires })
    }
}

fn check_times(
    issued: Option<Moment>,
    not_before: Option<Moment>,
    expires: Option<Moment>,
    times: Times,
) -> Result<Millis, TokenError> {
    let Moment(issued) = issued.ok_or(TokenError::Missing("iat"))?;
    let Moment(expires) = expires.ok_or(TokenError::Missing("exp"))?;
    if times.now >= expires.plus(times.leeway_ms) {
        return Err(TokenError::Expired);
    }
    if issued > times.now.plus(times.leeway_ms) {
        return Err(TokenError::IssuedInFuture);
    }
    if not_before.is_some_and(|Moment(from)| from > times.now.plus(times.leeway_ms)) {
        return Err(TokenError::NotYetValid);
    }
    if !(1..=times.ttl_max_ms).contains(&expires.since(issued)) {
        return Err(TokenError::LifetimeTooLong);
    }
    Ok(expires)
}

fn name(claim: Option<String>, which: &'static str) -> Result<String, TokenError> {
    let text = claim.ok_or(TokenError::Missing(which))?;
    if (1..=NAME_BYTES_MAX).contains(&text.len()) { Ok(text) } else { Err(TokenError::ClaimsMalformed) }
}

fn tenant(json: &[u8], binding: &TenantBinding) -> Result<Option<TenantId>, TokenError> {
    match binding {
        TenantBinding::Fixed(tenant) => Ok(Some(*tenant)),
        TenantBinding::Claim(name) => {
            let mut reader = serde_json::Deserializer::from_slice(json);
            let claim = TextClaim(name).deserialize(&mut reader).map_err(|_| TokenError::TenantMalformed)?;
            claim.map(|text| text.parse().map_err(|_| TokenError::TenantMalformed)).transpose()
        }
    }
}

/// `aud`: one text or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, ours: &str) -> bool {
        match self {
            Audience::One(one) => one == ours,
            Audience::Several(several) => several.iter().any(|one| one == ours),
        }
    }
}

/// A NumericDate: seconds since the epoch, fractions allowed (RFC 7519 section 2). A text is not a date.
#[derive(Clone, Copy)]
struct Moment(Millis);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Seconds within which a moment in milliseconds fits 64 bits with much room.
        const SECONDS_MAX: f64 = 1e14;
        let seconds = f64::deserialize(deserializer)?;
        if seconds.abs() <= SECONDS_MAX {
            Ok(Moment(Millis((seconds * 1_000.0) as i64)))
        } else {
            Err(D::Error::custom("not a date"))
        }
    }
}

/// Reads the one claim whose name only the issuer's rules know; twice is an error here too.
struct TextClaim<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for TextClaim<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TextClaim<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut claims: A) -> Result<Option<String>, A::Error> {
        let mut found = None;
        while let Some(name) = claims.next_key::<String>()? {
            if name != self.0 {
                claims.next_value::<IgnoredAny>()?;
            } else if found.is_none() {
                found = Some(claims.next_value::<String>()?);
            } else {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(found)
    }
}
