//! `/v1/audit`: the trail and its signed checkpoints.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, StoredRecord, Subject};
use crate::auth::{Principal, authorize, authorize_gateway, scope};

use super::Services;
use super::error::Problem;
use super::extract::{self, Pairs};

/// Records in one answer unless `limit` says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// The name of the gateway's own log in place of a tenant.
const GATEWAY: &str = "gateway";

#[derive(Serialize)]
struct Records {
    records: Vec<Listed>,
    /// Leaves in the log.
    size: u64,
    /// The `from` of the next page, if there is more.
    next: Option<u64>,
}

#[derive(Serialize)]
struct Listed {
    index: u64,
    /// The leaf as it is hashed.
    leaf: Box<RawValue>,
    /// The name behind the leaf's commitment, unless it was erased.
    principal: Option<String>,
}

/// Lists records in the order in which they were made.
pub async fn records(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let tenant = pairs.take("tenant")?;
    let from = number(&mut pairs, "from")?.unwrap_or(0);
    let limit =
        number(&mut pairs, "limit")?.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    pairs.done("tenant, from, limit")?;
    let (subject, principal) = subject(&request, &services, tenant.as_deref())?;
    let limit = limit.clamp(1, services.live.load().limit_max);
    // Past the end there is nothing to read, and a record holds no number that a caller made up.
    let from = from.min(services.trail.log().head(subject).map_or(0, |head| head.size));
    let entry = Entry::new(services.clock.now(), Action::AuditRead, Outcome::Intent)
        .by(principal.name())
        .param("from", from.to_string())
        .param("limit", limit.to_string());
    services.trail.record(subject, entry).await?;
    let listed = web::block(move || list(&services, subject, from, limit)).await;
    Ok(HttpResponse::Ok().json(listed.map_err(|_| Problem::overloaded("the gateway is shutting down"))??))
}

fn list(services: &Services, subject: Subject, from: u64, limit: usize) -> Result<Records, Problem> {
    let (log, names) = (services.trail.log(), services.trail.principals());
    let found = log.records(&services.kv, subject, from, limit)?;
    let size = log.head(subject).map_or(0, |head| head.size);
    let next = found.last().map(|(last, _)| last + 1).filter(|next| *next < size);
    let mut records = Vec::with_capacity(found.len());
    for (index, leaf) in found {
        let commitment = StoredRecord::parse(&leaf).and_then(|record| record.commitment());
        let principal = commitment.map(|commitment| names.resolve(subject, commitment)).transpose()?.flatten();
        let text = String::from_utf8(leaf).ok().and_then(|text| RawValue::from_string(text).ok());
        let leaf =
            text.ok_or_else(|| Problem::overloaded("a leaf of the audit log is damaged; run `tidegate fsck`"))?;
        records.push(Listed { index, leaf, principal });
    }
    Ok(Records { records, size, next })
}

/// The signed checkpoint of a log.
pub async fn checkpoint(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    Pairs::of(&request)?.done("none")?;
    let (subject, _) = subject(&request, &services, Some(&path))?;
    let log = Arc::clone(services.trail.log());
    let signed = web::block(move || log.checkpoint(subject)).await;
    let signed = signed.map_err(|_| Problem::overloaded("the gateway is shutting down"))??;
    let signed = signed.ok_or_else(|| Problem::not_found("the log is empty: nothing was signed yet"))?;
    // What an auditor needs to check the signature; whoever trusts it once can notice when it changes.
    let verifier = services.trail.log().verifier_key(subject).to_string();
    let mut response = HttpResponse::Ok();
    response.insert_header(("tidegate-verifier-key", verifier));
    Ok(response.content_type("text/plain; charset=utf-8").body(signed.note))
}

/// Which log is asked for, and by whom: `compliance` for a tenant's, an operator for the gateway's.
fn subject(
    request: &HttpRequest,
    services: &Services,
    named: Option<&str>,
) -> Result<(Subject, Arc<Principal>), Problem> {
    let principal = extract::principal(request, services)?;
    let refused = |denied| extract::refused(services, &principal, denied);
    if named == Some(GATEWAY) {
        authorize_gateway::<scope::Admin>(&principal).map_err(refused)?;
        return Ok((Subject::Gateway, principal));
    }
    let tenant = named.map(|named| extract::tenant_named(services, &principal, named)).transpose()?;
    let grant = authorize::<scope::Compliance>(&principal, tenant).map_err(refused)?;
    Ok((Subject::Tenant(grant.tenant()), principal))
}

fn number(pairs: &mut Pairs, name: &'static str) -> Result<Option<u64>, Problem> {
    let parsed = pairs.take(name)?.map(|text| text.parse::<u64>()).transpose();
    parsed.map_err(|_| Problem::bad_request(format!("`{name}` is malformed: expected a whole number")))
}
