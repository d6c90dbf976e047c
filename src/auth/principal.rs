//! Who is asking, and what they may do.
//!
//! Owns [`Principal`]: the proven identity of a caller, the tenant that it is bound to and its [`Scopes`]. A principal is
//! made only by the checks of this folder. A token's subject is personal data: nothing here prints it, and
//! [`Principal::name`] exists for the audit log's salted commitment alone.

use std::fmt;
use std::str::FromStr;

use crate::clock::Millis;
use crate::id::{KeyId, TenantId};

/// One permission. The names are part of the interface, the bits part of the stored format: both are for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Send events.
    Ingest,
    /// Read aggregates of the own tenant.
    Query,
    /// Read rows and exports of the own tenant.
    Export,
    /// Read the audit trail and make reports.
    Compliance,
    /// Handle requests of data subjects.
    Subjects,
    /// Manage tenants, keys, tokens, limits and policies; name another tenant. Bound to a tenant: change that tenant's privacy policy. Grants none of
    /// the other scopes.
    Admin,
    /// Read the gateway's metrics.
    Metrics,
}

impl Scope {
    /// Every scope, in the order of the bits.
    pub const ALL: [Scope; 7] =
        [Scope::Ingest, Scope::Query, Scope::Export, Scope::Compliance, Scope::Subjects, Scope::Admin, Scope::Metrics];

    /// The name in tokens, on the command line and in challenges.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Ingest => "ingest",
            Scope::Query => "query",
            Scope::Export => "export",
            Scope::Compliance => "compliance",
            Scope::Subjects => "subjects",
            Scope::Admin => "admin",
            Scope::Metrics => "metrics",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Scope::Ingest => 1,
            Scope::Query => 1 << 1,
            Scope::Export => 1 << 2,
            Scope::Compliance => 1 << 3,
            Scope::Subjects => 1 << 4,
            Scope::Admin => 1 << 5,
            Scope::Metrics => 1 << 6,
        }
    }

    fn named(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// A list of scopes holds a word that is not a scope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope; known are ingest, query, export, compliance, subjects, admin, metrics")]
pub struct UnknownScope;

impl Scopes {
    /// No scope at all.
    pub const NONE: Scopes = Scopes(0);

    /// The set of these scopes.
    pub fn of(scopes: &[Scope]) -> Scopes {
        scopes.iter().copied().collect()
    }

    /// Whether `scope` is in the set.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every scope of this set is in `other`.
    pub fn within(self, other: Scopes) -> bool {
        self.0 & !other.0 == 0
    }

    /// The scopes that are in both sets.
    pub fn and(self, other: Scopes) -> Scopes {
        Scopes(self.0 & other.0)
    }

    /// The scopes of the set, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// Whether a principal with these scopes must be bound to a tenant: all must, except operators and metrics readers.
    pub fn need_tenant(self) -> bool {
        !self.has(Scope::Admin) && self != Scopes::of(&[Scope::Metrics])
    }

    /// Reads a token's `scope` claim: words separated by spaces, unknown ones ignored (RFC 6749 section 3.3).
    pub fn known_of(text: &str) -> Scopes {
        text.split(' ').filter_map(Scope::named).collect()
    }

    /// The stored form.
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Reads the stored form; `None` if a bit has no meaning.
    pub(super) fn from_bits(bits: u8) -> Option<Scopes> {
        let all = Scope::ALL.into_iter().collect::<Scopes>();
        Scopes(bits).within(all).then_some(Scopes(bits))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Scopes(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// Reads `query,export` or `query export`; an unknown word is an error, since a person wrote it.
impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| Scope::named(word).ok_or(UnknownScope))
            .collect()
    }
}

/// Separated by spaces, as in a token.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.name())?;
        }
        Ok(())
    }
}

/// How a caller proved who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Identity {
    /// By an ingest key.
    IngestKey(KeyId),
    /// By an access token.
    Token {
        /// The `iss` claim.
        issuer: String,
        /// The `sub` claim; personal data.
        subject: String,
        /// The `jti` claim.
        jti: String,
    },
    /// By the operator's key from the data directory.
    AdminKey,
}

/// Shows the kind only: a subject is personal data.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Identity::IngestKey(_) => "ingest key",
            Identity::Token { .. } => "token",
            Identity::AdminKey => "admin key",
        })
    }
}

/// A caller whose credential was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    how: Identity,
    tenant: Option<TenantId>,
    scopes: Scopes,
    expires: Option<Millis>,
}

impl Principal {
    pub(super) fn new(how: Identity, tenant: Option<TenantId>, scopes: Scopes, expires: Option<Millis>) -> Principal {
        Principal { how, tenant, scopes, expires }
    }

    /// How the caller proved who it is.
    pub fn how(&self) -> &Identity {
        &self.how
    }

    /// The ingest key, if one was used.
    pub fn key(&self) -> Option<KeyId> {
        match &self.how {
            Identity::IngestKey(id) => Some(*id),
            Identity::Token { .. } | Identity::AdminKey => None,
        }
    }

    /// The tenant that the caller is bound to; `None` for operators and metrics readers.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// What the caller may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// When the credential ends; a long answer (a live stream) must end with it.
    pub fn expires(&self) -> Option<Millis> {
        self.expires
    }

    /// The name that the audit log commits to: `key:<id>`, `<iss>|<sub>` or `admin-key`. Personal: never log or print it.
    pub fn name(&self) -> String {
        match &self.how {
            Identity::IngestKey(id) => format!("key:{id}"),
            Identity::Token { issuer, subject, .. } => format!("{issuer}|{subject}"),
            Identity::AdminKey => "admin-key".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_from_their_text_and_their_bits() {
        for bits in 0..128u8 {
            let scopes = Scopes::from_bits(bits).unwrap();
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
            assert_eq!(Scopes::known_of(&scopes.to_string()), scopes);
            assert_eq!(scopes.bits(), bits);
        }
        assert_eq!(Scopes::from_bits(128), None);
    }

    #[test]
    fn both_separators_are_read_and_a_mistyped_scope_is_refused() {
        let both = Scopes::of(&[Scope::Query, Scope::Export]);
        assert_eq!("query,export".parse(), Ok(both));
        assert_eq!("export query".parse(), Ok(both));
        assert_eq!("query,exports".parse::<Scopes>(), Err(UnknownScope));
        assert_eq!("Query".parse::<Scopes>(), Err(UnknownScope));
    }

    #[test]
    fn only_operators_and_metrics_readers_may_lack_a_tenant() {
        assert!(!Scopes::of(&[Scope::Admin, Scope::Query]).need_tenant());
        assert!(!Scopes::of(&[Scope::Metrics]).need_tenant());
        assert!(Scopes::of(&[Scope::Metrics, Scope::Query]).need_tenant());
        assert!(Scopes::NONE.need_tenant());
    }

    #[test]
    fn debug_does_not_show_the_subject() {
        let how = Identity::Token { issuer: "https://i".into(), subject: "ada@example.org".into(), jti: "j".into() };
        let principal = Principal::new(how, None, Scopes::NONE, None);
        assert!(!format!("{principal:?}").contains("ada"));
        assert_eq!(principal.name(), "https://i|ada@example.org");
    }
}
