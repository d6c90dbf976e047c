//! Who may do what: from the bytes of a request to a proof that functions demand.
//!
//! ```text
//!  headers, path, body ─► Credential ─► Authenticator ─► Principal ─► authorize ─► Grant<scope>
//!                         (unchecked)    key or token     who, tenant,               one scope,
//!                                                         scopes                     one tenant
//! ```
//!
//! - [`Credential`]: what a request carries, read from the places where clients put it.
//! - [`Authenticator`]: checks it. Ingest keys against the [`Directory`], tokens by the [`TokenVerifier`], the operator's key
//!   against its hash. The three kinds exclude each other: a key opens only the ingest routes, the admin key only the
//!   admin routes, and everything that reads data takes a token, which expires.
//! - [`Principal`]: who it is. [`Grant`]: what it may do, to which tenant.
//! - [`Directory`] and [`Denylist`]: tenants, keys and revoked tokens, in memory and in the family `Catalog`.
//!
//! Nothing here reads the clock, randomness or the network while a request is handled; keys of external issuers are fetched
//! by a thread of the application ([`ExternalIssuer::refresh`]). No error text quotes a credential.

mod api_key;
mod credential;
mod directory;
mod entries;
mod fetch;
mod grant;
mod issuer;
mod principal;
mod record;
mod token;

use std::sync::Arc;

use crate::clock::Millis;

pub use api_key::{ADMIN_PREFIX, AdminKey, ApiKey, INGEST_PREFIX, SecretHash};
pub use credential::Credential;
pub use directory::{
    Directory, DirectoryLimits, Error as DirectoryError, IngestKey, KeyRefused, OpenError, Staged, Tenant,
};
pub use fetch::FetchError;
pub use grant::{Denied, GatewayGrant, Grant, authorize, authorize_gateway, scope};
pub use issuer::{ExternalIssuer, IssuerError, IssuerSettings, JwksSource, RefreshError};
pub use principal::{Identity, Principal, Scope, Scopes, UnknownScope};
pub use record::Damaged;
pub use token::{
    Algorithm, Denylist, DenylistFull, IssueError, Issued, IssuerRules, JwksError, LEEWAY_MS_MAX, SettingsError,
    TenantBinding, TokenError, TokenIssuer, TokenOrder, TokenSettings, TokenVerifier,
};

/// Why a request is not authenticated; every variant is answered with 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no credential.
    #[error("a key or a token is needed")]
    Missing,
    /// There is something, but it is neither key nor token, or there are two.
    #[error("the credential is neither a key nor a token, or there is more than one")]
    Malformed,
    /// An ingest key that is not accepted.
    #[error(transparent)]
    Key(#[from] KeyRefused),
    /// The admin key is another one.
    #[error("the key is not valid")]
    AdminKey,
    /// A token that is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is right, but its tenant is disabled or gone.
    #[error("the token's tenant is disabled")]
    TenantDisabled,
}

impl Refused {
    /// The value of `WWW-Authenticate` (RFC 6750 section 3). Without a credential it says only what is expected.
    pub fn challenge(&self) -> String {
        match self {
            Refused::Missing => "Bearer realm=\"tidegate\"".to_owned(),
            Refused::Malformed => "Bearer realm=\"tidegate\", error=\"invalid_request\"".to_owned(),
            Refused::Key(_) | Refused::AdminKey | Refused::Token(_) | Refused::TenantDisabled => {
                format!("Bearer realm=\"tidegate\", error=\"invalid_token\", error_description=\"{self}\"")
            }
        }
    }
}

/// Checks credentials.
pub struct Authenticator {
    directory: Arc<Directory>,
    tokens: Arc<TokenVerifier>,
    admin: Option<SecretHash>,
}

impl Authenticator {
    /// Checks against these; without `admin` there is no admin key.
    pub fn new(directory: Arc<Directory>, tokens: Arc<TokenVerifier>, admin: Option<SecretHash>) -> Authenticator {
        Authenticator { directory, tokens, admin }
    }

    /// The principal that a credential stands for.
    pub fn authenticate(&self, credential: &Credential<'_>, now: Millis) -> Result<Principal, Refused> {
        match credential {
            Credential::None => Err(Refused::Missing),
            Credential::Malformed => Err(Refused::Malformed),
            Credential::Key(key) => Ok(self.directory.authenticate(key)?),
            Credential::AdminKey(key) => self.admin_principal(key),
            Credential::Token(token) => {
                let principal = self.tokens.verify(token, now)?;
                let usable = principal.tenant().is_none_or(|tenant| self.directory.is_enabled(tenant));
                if usable { Ok(principal) } else { Err(Refused::TenantDisabled) }
            }
        }
    }

    fn admin_principal(&self, key: &AdminKey) -> Result<Principal, Refused> {
        if self.admin.is_some_and(|known| known == key.hash()) {
            Ok(Principal::new(Identity::AdminKey, None, Scopes::of(&[Scope::Admin]), None))
        } else {
            Err(Refused::AdminKey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SystemEntropy, TenantId};
    use crate::kv::Batch;

    const NOW: Millis = Millis(1_800_000_000_000);

    /// A gateway with one tenant.
    struct Gateway {
        directory: Arc<Directory>,
        tokens: TokenIssuer,
        admin: AdminKey,
        authenticator: Authenticator,
        tenant: TenantId,
    }

    fn gateway() -> Gateway {
        let settings = TokenSettings {
            issuer: "https://gw.example".into(),
            audience: "tidegate".into(),
            ttl_max_ms: 3_600_000,
            leeway_ms: 30_000,
        };
        let limits = DirectoryLimits { tenants_max: 10, keys_per_tenant_max: 10 };
        let directory = Arc::new(Directory::empty(limits));
        let staged = directory.stage_tenant(&mut Batch::default(), "acme", NOW, &SystemEntropy).unwrap();
        let tenant = directory.publish(staged).id;
        let tokens = TokenIssuer::new(&settings, &[7; 32]);
        let verifier = TokenVerifier::new(settings, &tokens, Vec::new(), Arc::new(Denylist::empty(1))).unwrap();
        let admin = AdminKey::random(&SystemEntropy);
        let authenticator = Authenticator::new(Arc::clone(&directory), Arc::new(verifier), Some(admin.hash()));
        Gateway { directory, tokens, admin, authenticator, tenant }
    }

    impl Gateway {
        fn token(&self, tenant: Option<TenantId>, scopes: &str) -> Issued {
            let (subject, client_id) = ("ada".to_owned(), "cli".to_owned());
            let order = TokenOrder { subject, client_id, scopes: scopes.parse().unwrap(), tenant, ttl_ms: 60_000 };
            self.tokens.issue(&order, NOW, &SystemEntropy).unwrap()
        }

        fn enable(&self, enabled: bool) {
            let staged = self.directory.stage_tenant_enabled(&mut Batch::default(), self.tenant, enabled).unwrap();
            self.directory.publish(staged);
        }

        fn refused(&self, credential: &Credential<'_>) -> Option<Refused> {
            self.authenticator.authenticate(credential, NOW).err()
        }
    }

    #[test]
    fn the_three_kinds_of_credentials_open_different_doors() {
        let gateway = gateway();
        let ingest = Scopes::of(&[Scope::Ingest]);
        let mut batch = Batch::default();
        let staged = gateway.directory.stage_key(&mut batch, gateway.tenant, ingest, "", NOW, &SystemEntropy).unwrap();
        let key = Credential::Key(gateway.directory.publish(staged));
        let issued = gateway.token(Some(gateway.tenant), "query");
        let of = |credential: &Credential<'_>| {
            let principal = Arc::new(gateway.authenticator.authenticate(credential, NOW).unwrap());
            let named = Some(gateway.tenant);
            [
                authorize::<scope::Ingest>(&principal, named).is_ok(),
                authorize::<scope::Query>(&principal, named).is_ok(),
                authorize_gateway::<scope::Admin>(&principal).is_ok(),
            ]
        };
        assert_eq!(of(&key), [true, false, false]);
        assert_eq!(of(&Credential::Token(&issued.token)), [false, true, false]);
        assert_eq!(of(&Credential::AdminKey(gateway.admin.clone())), [false, false, true]);
    }

    #[test]
    fn a_disabled_or_unknown_tenants_token_is_refused() {
        let gateway = gateway();
        let own = gateway.token(Some(gateway.tenant), "query");
        let operator = gateway.token(None, "admin");
        let unknown = gateway.token(Some(TenantId([0; 8])), "query");
        assert_eq!(gateway.refused(&Credential::Token(&own.token)), None);
        assert_eq!(gateway.refused(&Credential::Token(&unknown.token)), Some(Refused::TenantDisabled));
        gateway.enable(false);
        assert_eq!(gateway.refused(&Credential::Token(&own.token)), Some(Refused::TenantDisabled));
        assert_eq!(gateway.refused(&Credential::Token(&operator.token)), None);
    }

    #[test]
    fn refusals_challenge_as_rfc_6750_says() {
        let gateway = gateway();
        let challenge = |credential: &Credential<'_>| gateway.refused(credential).unwrap().challenge();
        assert_eq!(challenge(&Credential::None), r#"Bearer realm="tidegate""#);
        assert_eq!(challenge(&Credential::Malformed), r#"Bearer realm="tidegate", error="invalid_request""#);
        let invalid =
            |why: &str| format!(r#"Bearer realm="tidegate", error="invalid_token", error_description="{why}""#);
        let stranger = || AdminKey::random(&SystemEntropy);
        assert_eq!(challenge(&Credential::AdminKey(stranger())), invalid("the key is not valid"));
        assert_eq!(challenge(&Credential::Key(ApiKey::random(&SystemEntropy))), invalid("the key is not valid"));
        assert_eq!(challenge(&Credential::Token("a.b")), invalid("the token does not have three parts"));
    }
}
