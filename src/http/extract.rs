//! What handlers read out of a request: who sends, from where, with which parameters.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, web};

use crate::audit::Subject;
use crate::auth::{Credential, Denied, GatewayGrant, Grant, Principal, Refused, authorize, authorize_gateway, scope};
use crate::id::TenantId;
use crate::limit;
use crate::privacy::Signals;

use super::Services;
use super::error::Problem;

/// The value of a header, if it is there once and is text.
pub fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

/// The client's address; `None` when a trusted proxy hides it.
pub fn client_address(request: &HttpRequest, services: &Services) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let live = services.live.load();
    match live.address.header.name() {
        Some(name) => live.address.client(peer, request.headers().get_all(name).map(|value| value.as_bytes())),
        None => live.address.client(peer, std::iter::empty::<&[u8]>()),
    }
}

/// Consent signals of the client.
pub fn signals(headers: &HeaderMap) -> Signals {
    let is_one = |name: &str| headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
    Signals { gpc: is_one("sec-gpc"), dnt: is_one("dnt") }
}

/// Who sends, by headers and, where the route has one, the key in the path.
///
/// # Errors
/// 401 for a credential that is missing or refused, 429 for an address that was refused too often.
pub fn principal(request: &HttpRequest, services: &Services) -> Result<Arc<Principal>, Problem> {
    let path_key = request.match_info().get("key");
    let credential = credential(request).and(Credential::from_open_place(path_key));
    authenticate(request, services, &credential)
}

/// The credential in the headers.
pub fn credential(request: &HttpRequest) -> Credential<'_> {
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap_or_default());
    Credential::from_authorization(authorization).and(Credential::from_api_key_header(header(request, "x-api-key")))
}

/// Refuses an address whose credentials were refused too often.
pub fn not_blocked(request: &HttpRequest, services: &Services) -> Result<(), Problem> {
    let Some(address) = client_address(request, services) else { return Ok(()) };
    services.failures.blocked(address).map_err(|refused| limited(services, refused))
}

/// Checks a credential and keeps count of refusals.
pub fn authenticate(
    request: &HttpRequest,
    services: &Services,
    credential: &Credential<'_>,
) -> Result<Arc<Principal>, Problem> {
    not_blocked(request, services)?;
    match services.authenticator.authenticate(credential, services.clock.now()) {
        Ok(principal) => Ok(Arc::new(principal)),
        Err(refused) => {
            let reason = reason_of(&refused);
            services.metrics.auth_failed(reason);
            services.trail.refused(Subject::Gateway, reason);
            // A request without any credential is a mistake, not a guess.
            if let (Some(address), false) = (client_address(request, services), refused == Refused::Missing) {
                services.failures.failed(address);
            }
            Err(refused.into())
        }
    }
}

/// A refusal by a limit, counted.
pub fn limited(services: &Services, refused: limit::Refused) -> Problem {
    services.metrics.rate_limited(refused.policy());
    refused.into()
}

fn reason_of(refused: &Refused) -> &'static str {
    match refused {
        Refused::Missing => "credential_missing",
        Refused::Malformed => "credential_malformed",
        Refused::Key(_) => "key_refused",
        Refused::AdminKey => "admin_key_refused",
        Refused::Token(_) => "token_refused",
        Refused::TenantDisabled => "tenant_disabled",
    }
}

/// The query string's pairs, percent-decoded.
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads the query string.
    pub fn of(request: &HttpRequest) -> Result<Pairs, Problem> {
        web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map(|query| Pairs(query.into_inner()))
            .map_err(|_| Problem::bad_request("the query string cannot be read"))
    }

    /// Takes out the values of one name.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition(|(key, _)| key == name);
        self.0 = rest;
        let mut taken: Vec<(String, String)> = taken;
        match (taken.pop(), taken.is_empty()) {
            (value, true) => Ok(value.map(|(_, value)| value)),
            (_, false) => Err(Problem::bad_request("a parameter is given more than once")),
        }
    }

    /// Refuses whatever is left.
    pub fn done(self, takes: &str) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::bad_request(format!("unknown parameter: expected only {takes}")))
        }
    }

    /// What is left.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A grant of `S` on the tenant that the credential or `tenant=` names; refusals are recorded in summary.
pub fn grant<S: scope::Demand>(
    request: &HttpRequest,
    services: &Services,
    pairs: &mut Pairs,
) -> Result<Grant<S>, Problem> {
    let principal = principal(request, services)?;
    let named = pairs.take("tenant")?;
    let tenant = named.map(|named| tenant_named(services, &principal, &named)).transpose()?;
    authorize::<S>(&principal, tenant).map_err(|denied| refused(services, &principal, denied))
}

/// A grant of `S` on the gateway as a whole.
pub fn gateway_grant<S: scope::Demand>(request: &HttpRequest, services: &Services) -> Result<GatewayGrant<S>, Problem> {
    let principal = principal(request, services)?;
    authorize_gateway::<S>(&principal).map_err(|denied| refused(services, &principal, denied))
}

/// The tenant of that id or name. Only who may name any tenant learns that one does not exist.
pub fn tenant_named(services: &Services, principal: &Principal, named: &str) -> Result<TenantId, Problem> {
    let found = services.desk.directory.find_tenant(named).map(|tenant| tenant.id);
    match (found, principal.tenant()) {
        (Some(tenant), _) => Ok(tenant),
        (None, Some(_)) => Err(refused(services, principal, Denied::TenantForeign)),
        (None, None) => Err(Problem::not_found("there is no such tenant")),
    }
}

/// A refusal for lack of scope or tenant, counted.
pub fn refused(services: &Services, principal: &Principal, denied: Denied) -> Problem {
    let reason = match denied {
        Denied::ScopeMissing(_) => "scope_missing",
        Denied::TenantForeign => "tenant_foreign",
        Denied::TenantMissing => "tenant_missing",
        Denied::GatewayOnly => "gateway_only",
    };
    services.metrics.auth_failed(reason);
    services.trail.refused(principal.tenant().map_or(Subject::Gateway, Subject::Tenant), reason);
    denied.into()
}
