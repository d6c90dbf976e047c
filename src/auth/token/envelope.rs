//! The outside of a token: three parts and the header (RFC 7515 compact serialisation).
//!
//! Everything here is read before any signature is checked, so it decides nothing but which key to ask and whether to
//! look further. Nothing that a header names is ever fetched.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::TokenError;
use super::key::{self, Algorithm};

/// Longest accepted token.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A token taken apart; nothing in it is to be believed yet.
pub(super) struct Envelope<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    /// What the signature covers.
    pub(super) signed: &'a str,
    /// Base64url.
    pub(super) signature: &'a str,
    /// The claims as JSON.
    pub(super) claims: Vec<u8>,
}

impl<'a> Envelope<'a> {
    pub(super) fn open(token: &'a str) -> Result<Envelope<'a>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !token.bytes().all(allowed) {
            return Err(TokenError::ForeignCharacter);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::NotThreeParts)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::NotThreeParts)?;
        if claims.contains('.') {
            // Five parts are an encrypted token (RFC 7516); any other number is nothing.
            let parts = token.split('.').count();
            return Err(if parts == 5 { TokenError::Encrypted } else { TokenError::NotThreeParts });
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::HeaderMalformed)?;
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenError::HeaderMalformed)?;
        let algorithm = header.check()?;
        let kid = header.kid.ok_or(TokenError::KeyIdMissing)?;
        if !key::is_kid(&kid) {
            return Err(TokenError::KeyIdMalformed);
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::ClaimsMalformed)?;
        Ok(Envelope { algorithm, kid: kid.into_owned(), signed, signature, claims })
    }
}

/// The members that matter. A member that occurs twice is an error of the reader.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Option<Cow<'a, str>>,
    #[serde(borrow)]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    enc: Present,
    #[serde(default)]
    zip: Present,
    #[serde(default)]
    jku: Present,
    #[serde(default)]
    jwk: Present,
    #[serde(default)]
    x5u: Present,
    #[serde(default)]
    x5c: Present,
}

impl Header<'_> {
    fn check(&self) -> Result<Algorithm, TokenError> {
        if self.enc.0 {
            return Err(TokenError::Encrypted);
        }
        if self.crit.0 {
            return Err(TokenError::CriticalRefused);
        }
        if self.zip.0 {
            return Err(TokenError::Compressed);
        }
        if self.jku.0 || self.jwk.0 || self.x5u.0 || self.x5c.0 {
            return Err(TokenError::KeyInHeader);
        }
        if !self.typ.as_deref().is_some_and(is_access_token) {
            return Err(TokenError::TypeRefused);
        }
        self.alg.as_deref().and_then(Algorithm::named).ok_or(TokenError::AlgorithmRefused)
    }
}

/// RFC 9068 section 4; media types are compared without regard to case.
fn is_access_token(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

/// Whether a member is there, whatever its value, `null` included.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Present(true))
    }
}
