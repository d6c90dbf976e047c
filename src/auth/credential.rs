//! What a request carries as proof, read from the places where clients put it; nothing is checked yet.
//!
//! Clients differ in where they can put a key: a bearer header, `X-Api-Key`, the user name of Basic authentication
//! (Segment), a path prefix (AgentCat), a member of the body (PostHog), a DSN (Sentry). A place that is filled with
//! something unreadable is [`Credential::Malformed`], never ignored: whoever tried to authenticate must hear that it
//! failed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::api_key::{ADMIN_PREFIX, AdminKey, ApiKey, INGEST_PREFIX};

/// An unchecked credential. It has no `Debug`.
#[derive(Clone)]
pub enum Credential<'a> {
    /// The place is empty.
    None,
    /// An ingest key.
    Key(ApiKey),
    /// Something with dots: a token, to be verified.
    Token(&'a str),
    /// The operator's key.
    AdminKey(AdminKey),
    /// The place holds something else, or two places disagree.
    Malformed,
}

impl<'a> Credential<'a> {
    /// Reads the value of `Authorization`: `Bearer` with any credential, or `Basic` with an ingest key as user name.
    pub fn from_authorization(value: Option<&'a str>) -> Credential<'a> {
        let Some(value) = value else { return Credential::None };
        let Some((scheme, rest)) = value.trim().split_once(' ') else { return Credential::Malformed };
        let rest = rest.trim_start();
        if scheme.eq_ignore_ascii_case("bearer") {
            Credential::from_text(rest)
        } else if scheme.eq_ignore_ascii_case("basic") {
            Credential::from_basic(rest)
        } else {
            Credential::Malformed
        }
    }

    /// Reads the value of `X-Api-Key`: an ingest key, the admin key or a token.
    pub fn from_api_key_header(value: Option<&'a str>) -> Credential<'a> {
        value.map_or(Credential::None, |value| Credential::from_text(value.trim()))
    }

    /// Reads a key from a path, a body or a DSN. Only ingest keys may stand in such places: these end up in other
    /// people's logs.
    pub fn from_open_place(text: Option<&str>) -> Credential<'a> {
        text.map_or(Credential::None, |text| ApiKey::parse(text).map_or(Credential::Malformed, Credential::Key))
    }

    /// Joins what two places hold: an empty one gives way, equal keys are one, anything else is malformed (RFC 6750
    /// section 2: a client must not use more than one method).
    #[must_use]
    pub fn and(self, other: Credential<'a>) -> Credential<'a> {
        match (self, other) {
            (Credential::None, only) | (only, Credential::None) => only,
            (Credential::Key(a), Credential::Key(b)) if a.id() == b.id() && a.hash() == b.hash() => Credential::Key(a),
            (Credential::AdminKey(a), Credential::AdminKey(b)) if a.hash() == b.hash() => Credential::AdminKey(a),
            (Credential::Token(a), Credential::Token(b)) if a == b => Credential::Token(a),
            (
                Credential::Key(_) | Credential::Token(_) | Credential::AdminKey(_) | Credential::Malformed,
                Credential::Key(_) | Credential::Token(_) | Credential::AdminKey(_) | Credential::Malformed,
            ) => Credential::Malformed,
        }
    }

    fn from_text(text: &'a str) -> Credential<'a> {
        if text.starts_with(ADMIN_PREFIX) {
            AdminKey::parse(text).map_or(Credential::Malformed, Credential::AdminKey)
        } else if text.starts_with(INGEST_PREFIX) || ApiKey::is_bare(text) {
            ApiKey::parse(text).map_or(Credential::Malformed, Credential::Key)
        } else if text.contains('.') {
            Credential::Token(text)
        } else {
            Credential::Malformed
        }
    }

    fn from_basic(text: &str) -> Credential<'a> {
        let Ok(decoded) = STANDARD.decode(text.trim_end()).map(Zeroizing::new) else { return Credential::Malformed };
        let user = decoded.split(|byte| *byte == b':').next().and_then(|user| std::str::from_utf8(user).ok());
        user.and_then(ApiKey::parse).map_or(Credential::Malformed, Credential::Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SystemEntropy;

    fn kind(credential: &Credential<'_>) -> &'static str {
        match credential {
            Credential::None => "none",
            Credential::Key(_) => "key",
            Credential::Token(_) => "token",
            Credential::AdminKey(_) => "admin",
            Credential::Malformed => "malformed",
        }
    }

    #[test]
    fn every_place_that_clients_use_is_read() {
        let key = ApiKey::random(&SystemEntropy).text();
        let admin = AdminKey::random(&SystemEntropy).text();
        let bare = key.replace("tg_", "").replace('_', "");
        let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:")));
        for (value, expected) in [
            (format!("Bearer {}", *key), "key"),
            (format!("bearer  {}", *key), "key"),
            (format!("Bearer {bare}"), "key"),
            (format!("Bearer {}", *admin), "admin"),
            ("Bearer aa.bb.cc".to_owned(), "token"),
            (basic(&key), "key"),
            (basic(&admin), "malformed"),
            (basic("aa.bb.cc"), "malformed"),
            ("Basic %%%".to_owned(), "malformed"),
            ("Bearer".to_owned(), "malformed"),
            ("Bearer secret".to_owned(), "malformed"),
            (format!("Token {}", *key), "malformed"),
            (String::new(), "malformed"),
        ] {
            assert_eq!(kind(&Credential::from_authorization(Some(&value))), expected, "of a case expecting {expected}");
        }
        assert_eq!(kind(&Credential::from_authorization(None)), "none");
        assert_eq!(kind(&Credential::from_api_key_header(Some(&key))), "key");
        assert_eq!(kind(&Credential::from_api_key_header(Some(&admin))), "admin");
        assert_eq!(kind(&Credential::from_open_place(Some(&bare))), "key");
    }

    #[test]
    fn paths_and_bodies_accept_nothing_but_ingest_keys() {
        let admin = AdminKey::random(&SystemEntropy).text();
        assert_eq!(kind(&Credential::from_open_place(Some(&admin))), "malformed");
        assert_eq!(kind(&Credential::from_open_place(Some("aa.bb.cc"))), "malformed");
    }

    #[test]
    fn two_places_must_agree() {
        let key = || ApiKey::random(&SystemEntropy);
        let (one, two) = (key(), key());
        let of = |key: &ApiKey| Credential::Key(key.clone());
        assert_eq!(kind(&of(&one).and(Credential::None)), "key");
        assert_eq!(kind(&Credential::None.and(of(&one))), "key");
        assert_eq!(kind(&of(&one).and(of(&one))), "key");
        assert_eq!(kind(&of(&one).and(of(&two))), "malformed");
        assert_eq!(kind(&of(&one).and(Credential::Token("a.b.c"))), "malformed");
        assert_eq!(kind(&Credential::Malformed.and(of(&one))), "malformed");
    }
}
