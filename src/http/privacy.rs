//! `/v1/privacy/...`: the policy that holds for a tenant, and what another one would change.
//!
//! Reading takes `compliance` or `admin`, changing takes `admin`: an operator names the tenant with `tenant=`, and a token with `admin` that is bound
//! to a tenant, which only an operator hands out, changes that tenant's policy. Versions are told apart by entity tags (RFC 9110 section 13).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::audit::Subject;
use crate::auth::{Grant, Scope, authorize, scope};
use crate::id::{TenantId, random};
use crate::ingest::policies::{Standing, Version};
use crate::ingest::preview::{self, Compared, Preview};
use crate::privacy::{Form, POLICY_BYTES_MAX, Scrubber, Signals};

use super::Services;
use super::body::{self, Body};
use super::error::Problem;
use super::extract::{self, Pairs, header};

/// The body of a preview: two policies and a sample.
const PREVIEW_BYTES_MAX: usize = 1 << 20;

/// The policy in force, or with `version=` one that was.
pub async fn policy(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let tenant = reader(&request, &services, &mut pairs)?;
    let version = pairs.take("version")?;
    pairs.done("tenant, version")?;
    let Some(tenant) = tenant else { return gateways(&services.ingest.policies.gateway(), version.is_some()) };
    if let Some(version) = version {
        let unknown = || Problem::not_found("there is no such version (any more)");
        let version = version.parse().map_err(|_| unknown())?;
        let found = services.ingest.policies.version(tenant, version)?.ok_or_else(unknown)?;
        let mut told = told_version(&services, tenant, &found)?;
        told.insert("hash".to_owned(), json!(found.hash));
        return Ok(HttpResponse::Ok().json(told));
    }
    let standing = services.ingest.policies.standing(tenant);
    if header(&request, "if-none-match").is_some_and(|tags| names(tags, &standing)) {
        return Ok(HttpResponse::NotModified().insert_header(("ETag", tag(&standing))).finish());
    }
    answer(&services, tenant, &standing)
}

/// Gives a tenant a policy of its own; with `dry_run=true` only says what it would mean.
pub async fn put_policy(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = writer(&request, &services, &mut pairs)?;
    let dry_run = match pairs.take("dry_run")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("`dry_run` is malformed: expected true or false")),
    };
    pairs.done("tenant, dry_run")?;
    let form = form(&request)?;
    let body = read(&request, payload, &services, POLICY_BYTES_MAX).await?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| Problem::bad_request("the policy is not UTF-8"))?;
    if dry_run {
        let tenant = grant.tenant();
        let policy = blocking(move || services.ingest.policies.try_out(Some(tenant), &text, form)).await??;
        let told = json!({ "dry_run": true, "hash": *policy.policy_hash_text(), "resolved": policy.told() });
        return Ok(HttpResponse::Ok().json(told));
    }
    set(&request, services, &grant, Some((text, form))).await
}

/// Takes a tenant's own policy away: the gateway's holds again.
pub async fn delete_policy(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = writer(&request, &services, &mut pairs)?;
    pairs.done("tenant")?;
    set(&request, services, &grant, None).await
}

/// What a preview takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// The candidate: TOML as a string, or JSON as an object; what is in force unless given.
    policy: Option<Box<RawValue>>,
    /// What it is compared with, likewise.
    base: Option<Box<RawValue>>,
    /// Native events.
    events: Box<RawValue>,
    #[serde(default)]
    signals: SampleSignals,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SampleSignals {
    gpc: bool,
    dnt: bool,
}

/// What would change between two policies on a sample. Nothing is stored, and pseudonyms are made with keys that nobody else has.
pub async fn preview(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let tenant = reader(&request, &services, &mut pairs)?;
    pairs.done("tenant")?;
    let body = read(&request, payload, &services, PREVIEW_BYTES_MAX).await?;
    let compared = blocking(move || compare(&services, tenant, &body)).await??;
    Ok(HttpResponse::Ok().json(compared))
}

fn compare(services: &Services, tenant: Option<TenantId>, body: &[u8]) -> Result<Compared, Problem> {
    let sample: Sample = serde_json::from_slice(body).map_err(|error| {
        let problem = Problem::bad_request("the body is not the JSON object that this route takes");
        problem.member("line", json!(error.line())).member("column", json!(error.column()))
    })?;
    let policy = |given: &Option<Box<RawValue>>| policy_of(services, tenant, given.as_deref());
    let (base, candidate) = (policy(&sample.base)?, policy(&sample.policy)?);
    let preview = Preview {
        base: &base,
        candidate: &candidate,
        limits: services.ingest.settings.load().decode,
        signals: Signals { gpc: sample.signals.gpc, dnt: sample.signals.dnt },
        keys: &random(&*services.desk.entropy),
        now: services.clock.now(),
    };
    Ok(preview.run(sample.events.get().as_bytes())?)
}

fn policy_of(
    services: &Services,
    tenant: Option<TenantId>,
    given: Option<&RawValue>,
) -> Result<Arc<Scrubber>, Problem> {
    let policies = &services.ingest.policies;
    let Some(given) = given else {
        return Ok(match tenant {
            Some(tenant) => policies.of(tenant)?,
            None => policies.gateway(),
        });
    };
    let given = given.get();
    let tried = match serde_json::from_str::<String>(given) {
        Ok(toml) => policies.try_out(tenant, &toml, Form::Toml),
        Err(_) => policies.try_out(tenant, given, Form::Json),
    };
    Ok(Arc::new(tried?))
}

impl From<preview::Error> for Problem {
    fn from(error: preview::Error) -> Problem {
        match error {
            preview::Error::Decode(error) => error.into(),
        }
    }
}

/// Whose policy may be read; `None` is the gateway's own, for an operator who names no tenant.
fn reader(request: &HttpRequest, services: &Services, pairs: &mut Pairs) -> Result<Option<TenantId>, Problem> {
    let principal = extract::principal(request, services)?;
    let named = pairs.take("tenant")?;
    let named = named.map(|named| extract::tenant_named(services, &principal, &named)).transpose()?;
    let manages = principal.scopes().has(Scope::Admin);
    if manages && named.is_none() && principal.tenant().is_none() {
        return Ok(None);
    }
    let granted = if manages {
        authorize::<scope::Admin>(&principal, named).map(|grant| grant.tenant())
    } else {
        authorize::<scope::Compliance>(&principal, named).map(|grant| grant.tenant())
    };
    granted.map(Some).map_err(|denied| extract::refused(services, &principal, denied))
}

fn writer(request: &HttpRequest, services: &Services, pairs: &mut Pairs) -> Result<Grant<scope::Admin>, Problem> {
    extract::grant::<scope::Admin>(request, services, pairs)
}

async fn set(
    request: &HttpRequest,
    services: web::Data<Services>,
    grant: &Grant<scope::Admin>,
    text: Option<(String, Form)>,
) -> Result<HttpResponse, Problem> {
    let if_match = header(request, "if-match").map(str::to_owned);
    let if_none_match = header(request, "if-none-match").map(str::to_owned);
    let (tenant, by, now) = (grant.tenant(), grant.principal().name(), services.clock.now());
    let ingest = Arc::clone(&services.ingest);
    let changed = blocking(move || {
        let meant = |standing: &Standing| {
            if_match.is_none_or(|tags| names(&tags, standing))
                && if_none_match.is_none_or(|tags| !names(&tags, standing))
        };
        ingest.policies.set(tenant, text, meant, by, now)
    });
    answer(&services, tenant, &changed.await??)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    web::block(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))
}

async fn read(request: &HttpRequest, payload: web::Payload, services: &Services, most: usize) -> Result<Body, Problem> {
    let mut limits = services.live.load().body;
    limits.sent_max = limits.sent_max.min(most);
    limits.inflated_max = limits.inflated_max.min(most);
    body::read(request, payload, limits, &services.bodies).await
}

/// TOML unless it is called JSON; scripts that say nothing send what the file holds.
fn form(request: &HttpRequest) -> Result<Form, Problem> {
    const TOML: [&str; 4] = ["", "application/toml", "text/plain", "application/x-www-form-urlencoded"];
    let essence = header(request, "content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if TOML.iter().any(|name| essence.eq_ignore_ascii_case(name)) {
        Ok(Form::Toml)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Form::Json)
    } else {
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a policy is TOML or JSON")
            .header("Accept", "application/toml, application/json"))
    }
}

fn tag(standing: &Standing) -> String {
    format!("\"{}\"", standing.tag())
}

/// Whether a list of entity tags names what stands; `*` names a policy of the tenant's own.
fn names(tags: &str, standing: &Standing) -> bool {
    let tag = tag(standing);
    tags.split(',').map(str::trim).any(|named| if named == "*" { standing.is_own() } else { named == tag })
}

fn gateways(policy: &Scrubber, versioned: bool) -> Result<HttpResponse, Problem> {
    if versioned {
        return Err(Problem::bad_request(
            "the gateway's policy is a file and has no versions: name a tenant with tenant=",
        ));
    }
    let told = json!({
        "source": "gateway",
        "format": "toml",
        "text": policy.text(),
        "hash": *policy.policy_hash_text(),
        "resolved": policy.told(),
    });
    Ok(HttpResponse::Ok().json(told))
}

fn answer(services: &Services, tenant: TenantId, standing: &Standing) -> Result<HttpResponse, Problem> {
    let mut told = match &standing.version {
        Some(version) => told_version(services, tenant, version)?,
        None => Map::new(),
    };
    let mut put = |name: &str, value: Value| _ = told.insert(name.to_owned(), value);
    put("tenant", json!(tenant.to_string()));
    put("source", json!(if standing.is_own() { "tenant" } else { "gateway" }));
    match &standing.policy {
        Ok(policy) => {
            put("hash", json!(**policy.policy_hash_text()));
            put("resolved", policy.told());
        }
        Err(broken) => {
            let text = standing.version.as_ref().and_then(|version| Some((version.text.as_deref()?, version.form())));
            let tried = text.map(|(text, form)| services.ingest.policies.try_out(Some(tenant), text, form));
            let errors = tried.and_then(Result::err).map(|errors| errors.0).unwrap_or_default();
            let problems = errors.iter().map(|error| json!({ "place": error.place, "problem": error.problem }));
            put("broken", json!(broken.to_string()));
            put("problems", problems.collect());
        }
    }
    Ok(HttpResponse::Ok().insert_header(("ETag", tag(standing))).json(told))
}

fn told_version(services: &Services, tenant: TenantId, version: &Version) -> Result<Map<String, Value>, Problem> {
    let by = version.by().map(|by| services.trail.principals().resolve(Subject::Tenant(tenant), by)).transpose()?;
    let mut told = Map::new();
    let mut put = |name: &str, value: Value| _ = told.insert(name.to_owned(), value);
    put("tenant", json!(tenant.to_string()));
    put("version", json!(version.version));
    put("changed", json!(version.at().to_string()));
    put("principal", json!(by.flatten()));
    if let Some(text) = &version.text {
        put("format", json!(if version.form() == Form::Json { "json" } else { "toml" }));
        put("text", json!(text));
    }
    Ok(told)
}
