//! Issuers beside the gateway: an identity provider whose tokens are accepted.
//!
//! An issuer's keys are a JSON Web Key Set in a file or behind an https URL whose host the operator has allowed. They are
//! held in memory and replaced as a whole. Nothing is fetched on a request's way: an unknown key id only marks the set as
//! wanted, and a thread of the application calls [`ExternalIssuer::refresh`], which fetches at most once per minimum
//! interval. When fetching fails the old keys stay, until they are older than the operator accepts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use reqwest::Url;

use super::fetch::{self, FetchError};
use super::token::key::{TrustedKey, read_jwks};
use super::token::{Algorithm, IssuerRules, JwksError, TokenError};
use crate::clock::Millis;

/// `last_attempt_ms` before the first attempt.
const NEVER: i64 = i64::MIN;

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// A file, read again at every refresh.
    File(PathBuf),
    /// An https URL, its host on the allow-list.
    Url(String),
}

/// What the operator says about an issuer.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// What its tokens may say.
    pub rules: IssuerRules,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// The algorithms that its keys may be for.
    pub algorithms: Vec<Algorithm>,
    /// How often the keys are fetched.
    pub refresh_ms: i64,
    /// The least time between two attempts, however many unknown key ids arrive.
    pub refresh_min_ms: i64,
    /// How old keys may become when they cannot be refreshed.
    pub keys_age_max_ms: i64,
    /// Allows http and hosts on loopback or private networks; for tests only.
    pub allow_insecure: bool,
}

/// Why an issuer's settings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// `iss` or `aud` is empty.
    #[error("an issuer needs a name and an audience")]
    NameMissing,
    /// No algorithm is allowed.
    #[error("an issuer needs at least one algorithm")]
    AlgorithmMissing,
    /// The URL cannot be read, has no host, or holds a user name or password.
    #[error("the key set's URL cannot be read or holds a user name or password")]
    UrlInvalid,
    /// Not https.
    #[error("the key set's URL is not https")]
    NotHttps,
    /// The host is not on the allow-list.
    #[error("the host of the key set's URL is not on the allow-list")]
    HostNotAllowed,
    /// The host is an address of this machine or of a private network.
    #[error("the key set's URL leads to this machine or into a private network")]
    HostPrivate,
    /// The intervals contradict each other.
    #[error("refresh intervals must be positive, the least one not above the usual one, that not above the keys' age")]
    IntervalInvalid,
}

/// Why a refresh failed; the keys stay as they were.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The document could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The document is no usable key set.
    #[error(transparent)]
    Jwks(#[from] JwksError),
}

#[derive(Default)]
struct KeySet {
    keys: HashMap<String, TrustedKey>,
    fetched: Option<Millis>,
}

/// A trusted issuer and the keys that it has published.
pub struct ExternalIssuer {
    settings: IssuerSettings,
    keys: ArcSwap<KeySet>,
    wanted: AtomicBool,
    last_attempt_ms: AtomicI64,
}

impl ExternalIssuer {
    /// An issuer without keys yet; every token of it is refused until the first refresh.
    pub fn new(settings: IssuerSettings, hosts_allowed: &[String]) -> Result<ExternalIssuer, IssuerError> {
        if settings.rules.issuer.is_empty() || settings.rules.audience.is_empty() {
            return Err(IssuerError::NameMissing);
        }
        if settings.algorithms.is_empty() {
            return Err(IssuerError::AlgorithmMissing);
        }
        let in_order =
            settings.refresh_min_ms <= settings.refresh_ms && settings.refresh_ms <= settings.keys_age_max_ms;
        if settings.refresh_min_ms <= 0 || !in_order {
            return Err(IssuerError::IntervalInvalid);
        }
        if let JwksSource::Url(url) = &settings.jwks {
            check_url(url, hosts_allowed, settings.allow_insecure)?;
        }
        let keys = ArcSwap::from_pointee(KeySet::default());
        Ok(ExternalIssuer { settings, keys, wanted: AtomicBool::new(false), last_attempt_ms: AtomicI64::new(NEVER) })
    }

    /// What its tokens may say.
    pub fn rules(&self) -> &IssuerRules {
        &self.settings.rules
    }

    /// Whether the keys should be fetched now.
    pub fn is_refresh_due(&self, now: Millis) -> bool {
        let last = self.last_attempt_ms.load(Ordering::Relaxed);
        let wait =
            if self.wanted.load(Ordering::Relaxed) { self.settings.refresh_min_ms } else { self.settings.refresh_ms };
        // A clock that was set back must not put the next attempt off.
        last == NEVER || now.since(Millis(last)) >= wait || now.since(Millis(last)) < 0
    }

    /// Fetches the keys if that is due; answers how many there are now, or `None` if it was not due. Blocks on file and
    /// network: call it from a thread of its own.
    pub fn refresh(&self, now: Millis) -> Option<Result<usize, RefreshError>> {
        self.refresh_with(now, || fetch::load(&self.settings.jwks, self.settings.allow_insecure))
    }

    pub(super) fn refresh_with(
        &self,
        now: Millis,
        load: impl FnOnce() -> Result<Vec<u8>, FetchError>,
    ) -> Option<Result<usize, RefreshError>> {
        if !self.is_refresh_due(now) {
            return None;
        }
        self.last_attempt_ms.store(now.0, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
        Some(load().map_err(RefreshError::from).and_then(|document| self.replace_keys(&document, now)))
    }

    fn replace_keys(&self, document: &[u8], now: Millis) -> Result<usize, RefreshError> {
        let keys = read_jwks(document, &self.settings.algorithms)?;
        let keys: HashMap<_, _> = keys.into_iter().map(|key| (key.kid().to_owned(), key)).collect();
        let count = keys.len();
        self.keys.store(KeySet { keys, fetched: Some(now) }.into());
        Ok(count)
    }

    /// The key of that id; if there is none, the keys are marked as wanted.
    pub(super) fn key(&self, kid: &str, now: Millis) -> Result<TrustedKey, TokenError> {
        let set = self.keys.load();
        let Some(key) = set.keys.get(kid) else {
            self.wanted.store(true, Ordering::Relaxed);
            return Err(TokenError::KeyUnknown);
        };
        let fresh = set.fetched.is_some_and(|at| now.since(at) <= self.settings.keys_age_max_ms);
        if fresh { Ok(key.clone()) } else { Err(TokenError::KeysStale) }
    }
}

fn check_url(url: &str, hosts_allowed: &[String], allow_insecure: bool) -> Result<(), IssuerError> {
    let url = Url::parse(url).map_err(|_| IssuerError::UrlInvalid)?;
    let host = url.host_str().ok_or(IssuerError::UrlInvalid)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(IssuerError::UrlInvalid);
    }
    if url.scheme() != "https" && !(allow_insecure && url.scheme() == "http") {
        return Err(IssuerError::NotHttps);
    }
    let authority = url.port().map(|port| format!("{host}:{port}"));
    let names_it = |allowed: &String| {
        allowed.eq_ignore_ascii_case(host)
            || authority.as_deref().is_some_and(|authority| allowed.eq_ignore_ascii_case(authority))
    };
    if !hosts_allowed.iter().any(names_it) {
        return Err(IssuerError::HostNotAllowed);
    }
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if !allow_insecure && (host == "localhost" || address.is_ok_and(|address| !fetch::is_public(address))) {
        return Err(IssuerError::HostPrivate);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::principal::Scopes;
    use crate::auth::token::TenantBinding;
    use crate::id::TenantId;

    const NOW: Millis = Millis(1_000_000_000);

    fn settings(url: &str) -> IssuerSettings {
        IssuerSettings {
            rules: IssuerRules {
                issuer: "https://idp.example".into(),
                audience: "tidegate".into(),
                client_id_required: true,
                scopes: Scopes::NONE,
                tenant: TenantBinding::Fixed(TenantId([1; 8])),
            },
            jwks: JwksSource::Url(url.into()),
            algorithms: vec![Algorithm::Ed25519],
            refresh_ms: 600_000,
            refresh_min_ms: 30_000,
            keys_age_max_ms: 86_400_000,
            allow_insecure: false,
        }
    }

    fn refused(url: &str) -> Option<IssuerError> {
        let hosts = ["idp.example", "127.0.0.1", "10.0.0.1", "[::1]", "localhost", "169.254.169.254"];
        ExternalIssuer::new(settings(url), &hosts.map(str::to_owned)).err()
    }

    #[test]
    fn only_https_on_allowed_public_hosts_is_accepted() {
        assert_eq!(refused("https://idp.example/jwks"), None);
        assert_eq!(refused("https://IDP.example:8443/jwks"), None);
        assert_eq!(refused("http://idp.example/jwks"), Some(IssuerError::NotHttps));
        assert_eq!(refused("file:///etc/passwd"), Some(IssuerError::UrlInvalid));
        assert_eq!(refused("https://u:p@idp.example/"), Some(IssuerError::UrlInvalid));
        assert_eq!(refused("https://evil.example/jwks"), Some(IssuerError::HostNotAllowed));
        assert_eq!(refused("https://idp.example.evil.example/"), Some(IssuerError::HostNotAllowed));
        for host in ["127.0.0.1", "10.0.0.1", "[::1]", "localhost", "169.254.169.254", "2130706433", "0x7f.1"] {
            assert_eq!(refused(&format!("https://{host}/")), Some(IssuerError::HostPrivate), "{host}");
        }
    }

    #[test]
    fn unknown_key_ids_cause_one_attempt_per_least_interval() {
        let issuer = ExternalIssuer::new(settings("https://idp.example/"), &["idp.example".into()]).unwrap();
        let attempt = |now| issuer.refresh_with(now, || Err(FetchError::HostUnknown)).is_some();
        assert!(attempt(NOW));
        assert!(!attempt(NOW.plus(30_000)));
        for _ in 0..1_000 {
            assert_eq!(issuer.key("nobody", NOW).err(), Some(TokenError::KeyUnknown));
        }
        assert!(!attempt(NOW.plus(29_999)));
        assert!(attempt(NOW.plus(30_000)));
        assert!(!attempt(NOW.plus(60_000)));
        assert!(attempt(NOW.plus(30_000 + 600_000)));
        assert!(attempt(NOW));
    }
}
