//! `/v1/admin/...`: tenants, keys, tokens, limits, quarantine.
//!
//! A script that asks for `text/plain` gets the one value that it needs alone on a line.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::auth::{GatewayGrant, IngestKey, Scopes, Tenant, TokenOrder, scope};
use crate::id::{KeyId, TenantId};
use crate::unit::parse_duration;

use super::Services;
use super::body;
use super::error::Problem;
use super::extract::{self, Pairs, header};

/// The most quarantined events in one answer.
const QUARANTINE_LISTED_MAX: usize = 100;
/// `client_id` of tokens that operators ask for.
const CLIENT_ID: &str = "tidegate-admin";
/// Bodies of these routes are small.
const BODY_MAX: usize = 16 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    tenant: String,
    #[serde(default)]
    label: String,
    #[serde(default = "ingest")]
    scope: String,
}

fn ingest() -> String {
    "ingest".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    tenant: Option<String>,
    scope: String,
    subject: Option<String>,
    ttl: Option<String>,
}

#[derive(Serialize)]
struct ListedTenant {
    id: String,
    name: String,
    created: String,
    enabled: bool,
}

impl ListedTenant {
    fn of(tenant: &Tenant) -> ListedTenant {
        let Tenant { id, name, created, enabled, .. } = tenant;
        ListedTenant { id: id.to_string(), name: name.clone(), created: created.to_string(), enabled: *enabled }
    }
}

#[derive(Serialize)]
struct ListedKey {
    id: String,
    tenant: String,
    scope: String,
    label: String,
    created: String,
    revoked: Option<String>,
}

impl ListedKey {
    fn of(key: &IngestKey) -> ListedKey {
        ListedKey {
            id: key.id.to_string(),
            tenant: key.tenant.to_string(),
            scope: key.scopes.to_string(),
            label: key.label.clone(),
            created: key.created.to_string(),
            revoked: key.revoked.map(|at| at.to_string()),
        }
    }
}

/// Lists tenants.
pub async fn list_tenants(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    operator(&request, &services)?;
    let tenants: Vec<_> = services.desk.directory.tenants().iter().map(|tenant| ListedTenant::of(tenant)).collect();
    Ok(HttpResponse::Ok().json(json!({ "tenants": tenants })))
}

/// Creates a tenant.
pub async fn create_tenant(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let order: NewTenant = read(&request, payload, &services).await?;
    let by = grant.principal().name();
    let tenant = services.desk.create_tenant(order.name, by, services.clock.now()).await?;
    Ok(created(&request, &tenant.id.to_string(), json!(ListedTenant::of(&tenant))))
}

/// Lists the ingest keys of a tenant, without their secrets.
pub async fn list_keys(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    operator(&request, &services)?;
    let mut pairs = Pairs::of(&request)?;
    let named = pairs.take("tenant")?.ok_or_else(|| Problem::bad_request("name a tenant with tenant="))?;
    pairs.done("tenant")?;
    let keys = services.desk.directory.keys(tenant(&services, &named)?);
    let keys: Vec<_> = keys.iter().map(|key| ListedKey::of(key)).collect();
    Ok(HttpResponse::Ok().json(json!({ "keys": keys })))
}

/// Creates an ingest key; its secret is in this answer and in no other.
pub async fn create_key(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let order: NewKey = read(&request, payload, &services).await?;
    let tenant = tenant(&services, &order.tenant)?;
    let scopes = scopes(&order.scope)?;
    let by = grant.principal().name();
    let key = services.desk.create_key(tenant, scopes, order.label, by, services.clock.now()).await?;
    let secret = key.text();
    let document = json!({ "id": key.id().to_string(), "key": *secret, "tenant": tenant.to_string(), "scope": scopes.to_string() });
    Ok(created(&request, &secret, document))
}

/// Revokes an ingest key.
pub async fn revoke_key(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let id: KeyId = path.parse().map_err(|_| Problem::not_found("there is no such key"))?;
    let key = services.desk.revoke_key(id, grant.principal().name(), services.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ListedKey::of(&key)))
}

/// Issues a token.
pub async fn issue_token(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let order: NewToken = read(&request, payload, &services).await?;
    let ttl = parse_duration(order.ttl.as_deref().unwrap_or("1h"));
    let ttl = ttl.ok_or_else(|| Problem::bad_request("`ttl` is malformed: expected a duration such as 30m or 1h"))?;
    let order = TokenOrder {
        subject: order.subject.unwrap_or_else(|| "operator".to_owned()),
        client_id: CLIENT_ID.to_owned(),
        scopes: scopes(&order.scope)?,
        tenant: order.tenant.map(|named| tenant(&services, &named)).transpose()?,
        ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
    };
    let issued = services.desk.issue_token(order, grant.principal().name(), services.clock.now()).await?;
    let document = json!({ "token": *issued.token, "id": issued.jti, "expires": issued.expires.to_string() });
    Ok(created(&request, &issued.token, document))
}

/// Revokes one of the gateway's own tokens by its `jti`.
pub async fn revoke_token(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let jti = path.into_inner();
    if jti.len() != 32 || !jti.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::not_found("there is no such token: expected the id that was given when it was issued"));
    }
    services.desk.revoke_token(jti, grant.principal().name(), services.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The limits in force.
pub async fn limits(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    operator(&request, &services)?;
    Ok(HttpResponse::Ok().json(&services.live.load().limits_text))
}

/// A tenant's quarantined events, oldest first.
pub async fn quarantine(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let mut pairs = Pairs::of(&request)?;
    let named = pairs.take("tenant")?.ok_or_else(|| Problem::bad_request("name a tenant with tenant="))?;
    pairs.done("tenant")?;
    let tenant = tenant(&services, &named)?;
    let now = services.clock.now();
    let entry = Entry::new(now, Action::QuarantineRead, Outcome::Intent).by(grant.principal().name());
    services.trail.record(Subject::Tenant(tenant), entry).await?;
    let (kv, quarantine) = (Arc::clone(&services.kv), Arc::clone(&services.ingest.quarantine));
    let hidden = services.ingest.store.hidden(tenant);
    let list = move || quarantine.list(&kv, tenant, QUARANTINE_LISTED_MAX, now, hidden.as_deref());
    let kept = web::block(list).await;
    let kept = kept.map_err(|_| Problem::overloaded("the gateway is shutting down"))??;
    Ok(HttpResponse::Ok().json(json!({ "events": kept })))
}

/// Whether a tenant is on hold.
pub async fn hold(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    operator(&request, &services)?;
    let tenant = tenant(&services, &path)?;
    Ok(HttpResponse::Ok().json(json!({ "hold": services.ingest.store.is_on_hold(tenant) })))
}

/// Puts a tenant on hold: nothing of it expires.
pub async fn begin_hold(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    set_hold(&request, &path, &services, true).await
}

/// Ends a tenant's hold: what is past its time goes within a minute.
pub async fn end_hold(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    set_hold(&request, &path, &services, false).await
}

async fn set_hold(request: &HttpRequest, named: &str, services: &Services, on: bool) -> Result<HttpResponse, Problem> {
    let grant = operator(request, services)?;
    let tenant = tenant(services, named)?;
    services.upkeep.set_hold(tenant, on, grant.principal().name(), services.clock.now()).await?;
    Ok(HttpResponse::Ok().json(json!({ "hold": on })))
}

/// Copies the database, without keys, into a new directory on the gateway's machine.
pub async fn back_up(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let grant = operator(&request, &services)?;
    let order: NewBackup = read(&request, payload, &services).await?;
    let (by, now) = (grant.principal().name(), services.clock.now());
    let (upkeep, kv, anchors) =
        (Arc::clone(&services.upkeep), Arc::clone(&services.kv), services.trail.log().anchors().to_owned());
    let made = web::block(move || upkeep.back_up(&kv, &anchors, &order.dir, by, now)).await;
    made.map_err(|_| Problem::overloaded("the gateway is shutting down"))??;
    Ok(HttpResponse::Created().json(json!({ "status": "completed" })))
}

/// What a backup takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBackup {
    /// A directory that does not exist yet.
    dir: std::path::PathBuf,
}

fn operator(request: &HttpRequest, services: &Services) -> Result<GatewayGrant<scope::Admin>, Problem> {
    extract::gateway_grant(request, services)
}

fn tenant(services: &Services, named: &str) -> Result<TenantId, Problem> {
    let found = services.desk.directory.find_tenant(named);
    Ok(found.ok_or_else(|| Problem::not_found("there is no such tenant"))?.id)
}

fn scopes(text: &str) -> Result<Scopes, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request(
            "`scope` is malformed: expected some of ingest, query, export, compliance, subjects, admin, metrics",
        )
    })
}

pub(super) async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    services: &Services,
) -> Result<T, Problem> {
    let mut limits = services.live.load().body;
    limits.sent_max = limits.sent_max.min(BODY_MAX);
    limits.inflated_max = limits.inflated_max.min(BODY_MAX);
    let body = body::read(request, payload, limits, &services.bodies).await?;
    serde_json::from_slice(&body).map_err(|error| {
        // The reader's own text could quote the input; its place cannot.
        let problem = Problem::bad_request("the body is not the JSON object that this route takes");
        problem.member("line", json!(error.line())).member("column", json!(error.column()))
    })
}

fn created(request: &HttpRequest, value: &str, document: serde_json::Value) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::CREATED);
    if header(request, "accept").is_some_and(|accept| accept.trim().starts_with("text/plain")) {
        response.content_type("text/plain; charset=utf-8").body(format!("{value}\n"))
    } else {
        response.json(document)
    }
}
