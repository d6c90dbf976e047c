//! Proof that a principal may use one scope on one tenant.
//!
//! A function that reads or changes a tenant's data takes a [`Grant`] of the scope that it needs; one that concerns the whole
//! gateway takes a [`GatewayGrant`]. Both can be had only from [`authorize`] and [`authorize_gateway`], so that a
//! forgotten check does not compile:
//!
//! ```compile_fail,E0451
//! use tidegate::auth::{Grant, scope};
//! fn forge(real: Grant<scope::Query>) -> Grant<scope::Export> {
//!     Grant { tenant: real.tenant, principal: real.principal, scope: std::marker::PhantomData }
//! }
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use tidegate::auth::{Denied, Grant, Principal, authorize, scope};
//! fn allow(who: &Arc<Principal>) -> Result<Grant<scope::Export>, Denied> {
//!     authorize::<scope::Export>(who, None)
//! }
//! ```
//!
//! Two rules meet here. A principal that is bound to a tenant never gets a grant for another one, whatever its scopes.
//! `admin` lets an unbound principal name a tenant, and grants nothing else: to read data it needs that scope too.
//!
//! Minting does not write the audit record yet: the use-case does, with [`Grant::principal`] and [`Grant::tenant`], and
//! before the effect.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::id::TenantId;

use super::principal::{Principal, Scope};

/// The scopes as types.
pub mod scope {
    use super::super::principal::Scope;

    mod sealed {
        pub trait Sealed {}
    }

    /// A scope that a function can demand.
    pub trait Demand: sealed::Sealed {
        /// The scope's value.
        const SCOPE: Scope;
    }

    macro_rules! scopes {
        ($($name:ident)*) => {$(
            #[doc = concat!("Demands `Scope::", stringify!($name), "`.")]
            #[derive(Debug)]
            pub enum $name {}

            impl sealed::Sealed for $name {}

            impl Demand for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )*};
    }

    scopes! { Ingest Query Export Compliance Subjects Admin Metrics }
}

/// Proof that its principal may use the scope `S` on its tenant.
pub struct Grant<S> {
    tenant: TenantId,
    principal: Arc<Principal>,
    scope: PhantomData<fn() -> S>,
}

impl<S: scope::Demand> Grant<S> {
    /// The tenant that it is for.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who has it.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The scope that it proves.
    pub fn scope(&self) -> Scope {
        S::SCOPE
    }
}

impl<S: scope::Demand> fmt::Debug for Grant<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grant of {} on {}", S::SCOPE, self.tenant)
    }
}

/// Proof that its principal, bound to no tenant, may use the scope `S` on the gateway as a whole.
pub struct GatewayGrant<S> {
    principal: Arc<Principal>,
    scope: PhantomData<fn() -> S>,
}

impl<S: scope::Demand> GatewayGrant<S> {
    /// Who has it.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}

impl<S: scope::Demand> fmt::Debug for GatewayGrant<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grant of {} on the gateway", S::SCOPE)
    }
}

/// Why a principal may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It lacks the scope.
    #[error("this needs the scope {0}")]
    ScopeMissing(Scope),
    /// It names a tenant that it is not bound to.
    #[error("the credential belongs to another tenant")]
    TenantForeign,
    /// It is bound to no tenant and names none.
    #[error("name a tenant with tenant=")]
    TenantMissing,
    /// It is bound to a tenant, and this concerns the whole gateway.
    #[error("the credential is bound to a tenant")]
    GatewayOnly,
}

impl Denied {
    /// The value of `WWW-Authenticate` (RFC 6750 section 3); `None` if no other credential would help.
    pub fn challenge(&self) -> Option<String> {
        match self {
            Denied::ScopeMissing(scope) => {
                Some(format!("Bearer realm=\"tidegate\", error=\"insufficient_scope\", scope=\"{scope}\""))
            }
            Denied::TenantForeign | Denied::GatewayOnly => {
                Some("Bearer realm=\"tidegate\", error=\"insufficient_scope\"".to_owned())
            }
            Denied::TenantMissing => None,
        }
    }
}

/// A grant of `S` on the tenant that `named` (the request's `tenant=`) or the principal says. The caller has made sure that
/// a named tenant exists.
pub fn authorize<S: scope::Demand>(principal: &Arc<Principal>, named: Option<TenantId>) -> Result<Grant<S>, Denied> {
    demand(principal, S::SCOPE)?;
    let tenant = match (principal.tenant(), named) {
        (Some(bound), None) => bound,
        (Some(bound), Some(named)) if bound == named => bound,
        (Some(_), Some(_)) => return Err(Denied::TenantForeign),
        (None, Some(named)) => {
            demand(principal, Scope::Admin)?;
            named
        }
        (None, None) => return Err(Denied::TenantMissing),
    };
    Ok(Grant { tenant, principal: Arc::clone(principal), scope: PhantomData })
}

/// A grant of `S` on the gateway as a whole: for a principal that is bound to no tenant.
pub fn authorize_gateway<S: scope::Demand>(principal: &Arc<Principal>) -> Result<GatewayGrant<S>, Denied> {
    demand(principal, S::SCOPE)?;
    if principal.tenant().is_some() {
        return Err(Denied::GatewayOnly);
    }
    Ok(GatewayGrant { principal: Arc::clone(principal), scope: PhantomData })
}

fn demand(principal: &Principal, scope: Scope) -> Result<(), Denied> {
    if principal.scopes().has(scope) { Ok(()) } else { Err(Denied::ScopeMissing(scope)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::principal::{Identity, Scopes};

    const OWN: TenantId = TenantId([1; 8]);
    const OTHER: TenantId = TenantId([2; 8]);

    fn principal(tenant: Option<TenantId>, scopes: &[Scope]) -> Arc<Principal> {
        Arc::new(Principal::new(Identity::AdminKey, tenant, Scopes::of(scopes), None))
    }

    #[test]
    fn a_bound_principal_never_gets_another_tenant_not_even_with_admin() {
        let who = principal(Some(OWN), &Scope::ALL);
        assert_eq!(authorize::<scope::Query>(&who, None).unwrap().tenant(), OWN);
        assert_eq!(authorize::<scope::Query>(&who, Some(OWN)).unwrap().tenant(), OWN);
        assert_eq!(authorize::<scope::Query>(&who, Some(OTHER)).unwrap_err(), Denied::TenantForeign);
        assert_eq!(authorize::<scope::Admin>(&who, Some(OTHER)).unwrap_err(), Denied::TenantForeign);
        assert_eq!(authorize_gateway::<scope::Admin>(&who).unwrap_err(), Denied::GatewayOnly);
    }

    #[test]
    fn admin_names_a_tenant_and_reads_nothing_without_the_scope_for_it() {
        let operator = principal(None, &[Scope::Admin]);
        assert_eq!(authorize::<scope::Admin>(&operator, Some(OTHER)).unwrap().tenant(), OTHER);
        assert!(authorize_gateway::<scope::Admin>(&operator).is_ok());
        let missing = Denied::ScopeMissing(Scope::Export);
        assert_eq!(authorize::<scope::Export>(&operator, Some(OTHER)).unwrap_err(), missing);
        let both = principal(None, &[Scope::Admin, Scope::Export]);
        assert_eq!(authorize::<scope::Export>(&both, Some(OTHER)).unwrap().tenant(), OTHER);
        assert_eq!(authorize::<scope::Export>(&both, None).unwrap_err(), Denied::TenantMissing);
    }

    #[test]
    fn an_unbound_principal_without_admin_names_nobody() {
        let scraper = principal(None, &[Scope::Metrics]);
        assert!(authorize_gateway::<scope::Metrics>(&scraper).is_ok());
        let missing = Denied::ScopeMissing(Scope::Admin);
        assert_eq!(authorize::<scope::Metrics>(&scraper, Some(OWN)).unwrap_err(), missing);
    }

    #[test]
    fn every_other_scope_is_refused() {
        for scope in Scope::ALL {
            let who = principal(Some(OWN), &[scope]);
            assert_eq!(authorize::<scope::Query>(&who, None).is_ok(), scope == Scope::Query);
            assert_eq!(authorize::<scope::Subjects>(&who, None).is_ok(), scope == Scope::Subjects);
        }
    }
}
