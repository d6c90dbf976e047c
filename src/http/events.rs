//! `POST /v1/events`: the native door.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::auth::{Principal, authorize, scope};
use crate::ingest::idempotency::{Begun, Claim, KEY_BYTES_MAX};
use crate::ingest::{Ack, Answer, Context, Durability, Ingest, Prepared, Sender};
use crate::limit::Allowance;
use crate::protocol::native::Form;

use super::Services;
use super::body::{self, Body, INLINE_BYTES_MAX};
use super::error::Problem;
use super::extract::{self, Pairs, header};

/// Takes events: an object, an array, or NDJSON.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let work = take(request.clone(), payload, services);
    body::to_the_end(&request, work).await
}

async fn take(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let principal = extract::principal(&request, &services)?;
    let (sender, order, allowance) = admit(&request, &services, &principal)?;
    let body = body::read(&request, payload, services.live.load().body, &services.bodies).await?;
    let claim = match claim(&request, &services, &sender, &principal, &body)? {
        Some(Begun::Replay(stored)) => return Ok(replay(stored)),
        Some(Begun::First(claim)) => Some(claim),
        None => None,
    };
    let form = Form::of(header(&request, "content-type"), &body).map_err(Problem::from)?;
    let prepared = prepare(&request, &services, sender, body, form, order.lists_redactions).await?;
    let allowance = allowance.and(prepared.allowance().clone());
    let answer = commit(&services, prepared, order.ack, claim).await?;
    Ok(respond(&answer, &allowance))
}

/// What the sender wants to be told, and when.
struct Order {
    ack: Ack,
    lists_redactions: bool,
}

/// What must hold before the body is read.
fn admit(
    request: &HttpRequest,
    services: &Services,
    principal: &Arc<Principal>,
) -> Result<(Sender, Order, Allowance), Problem> {
    let grant = authorize::<scope::Ingest>(principal, None);
    let tenant = grant.map_err(|denied| extract::refused(services, principal, denied))?.tenant();
    let sender = Sender { tenant, key: principal.key() };
    let allowance = services.ingest.limits.check_requests(sender.tenant, sender.key);
    let allowance = allowance.map_err(|refused| extract::limited(services, refused))?;
    let mut pairs = Pairs::of(request)?;
    let ack = match pairs.take("ack")?.as_deref() {
        None | Some("synced") => Ack::Synced,
        Some("memory") => Ack::Memory,
        Some(_) => return Err(Problem::bad_request("`ack` is malformed: expected synced or memory")),
    };
    let lists_redactions = match pairs.take("receipt")?.as_deref() {
        None | Some("counts") => false,
        Some("full") => true,
        Some(_) => return Err(Problem::bad_request("`receipt` is malformed: expected counts or full")),
    };
    pairs.done("ack, receipt")?;
    Ok((sender, Order { ack, lists_redactions }, allowance))
}

fn claim(
    request: &HttpRequest,
    services: &Services,
    sender: &Sender,
    principal: &Principal,
    body: &Body,
) -> Result<Option<Begun>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    // A structured-field string is quoted; many clients send the bare text.
    let key = value.to_str().map(|text| text.trim().trim_matches('"')).unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Problem::bad_request(format!(
            "`Idempotency-Key` must be 1 to {KEY_BYTES_MAX} printable characters"
        )));
    }
    let now = services.clock.now();
    Ok(Some(services.ingest.idempotency.begin(sender.tenant, &principal.name(), key, body, now)?))
}

async fn prepare(
    request: &HttpRequest,
    services: &web::Data<Services>,
    sender: Sender,
    body: Body,
    form: Form,
    lists_redactions: bool,
) -> Result<Prepared, Problem> {
    let mut circumstances = Circumstances::of(request, services);
    circumstances.context.lists_redactions = lists_redactions;
    let prepared = if body.len() <= INLINE_BYTES_MAX {
        services.ingest.prepare(sender, &body, form, &circumstances.context())
    } else {
        let ingest = Arc::clone(&services.ingest);
        let work = move || ingest.prepare(sender, &body, form, &circumstances.context());
        web::block(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?
    };
    prepared.map_err(|error| count_limited(services, error))
}

/// What surrounds the events of a request, owned, so that it can move to another thread.
pub(super) struct Circumstances {
    user_agent: Option<String>,
    context: Context<'static>,
}

impl Circumstances {
    pub(super) fn of(request: &HttpRequest, services: &Services) -> Circumstances {
        Circumstances {
            user_agent: header(request, "user-agent").map(str::to_owned),
            context: Context {
                client_address: extract::client_address(request, services),
                user_agent: None,
                signals: extract::signals(request.headers()),
                received: services.ingest.arrivals.at(services.clock.now()),
                lists_redactions: false,
            },
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context { user_agent: self.user_agent.as_deref(), ..self.context }
    }
}

pub(super) fn count_limited(services: &Services, error: crate::ingest::Error) -> Problem {
    if let crate::ingest::Error::Limited(refused) = error {
        return extract::limited(services, refused);
    }
    error.into()
}

pub(super) async fn commit(
    services: &Services,
    prepared: Prepared,
    ack: Ack,
    claim: Option<Claim>,
) -> Result<Answer, Problem> {
    let gateway = services.ingest.policies.gateway();
    services.metrics.redacted(prepared.receipt().redactions(), |rule| gateway.has_rule(rule));
    let ingest: &Arc<Ingest> = &services.ingest;
    Ok(ingest.commit(prepared, ack, claim).await?)
}

fn respond(answer: &Answer, allowance: &Allowance) -> HttpResponse {
    let status = match answer.durability {
        Durability::Synced => StatusCode::OK,
        Durability::Buffered => StatusCode::ACCEPTED,
    };
    let mut response = HttpResponse::build(status);
    response.insert_header(("tidegate-outcome", answer.summary()));
    if let Some(limit) = allowance.limit_header() {
        response.insert_header(("ratelimit", limit));
    }
    if let Some(policy) = allowance.policy_header() {
        response.insert_header(("ratelimit-policy", policy));
    }
    response.content_type("application/json").body(answer.to_json())
}

fn replay(stored: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().insert_header(("idempotency-replayed", "true")).content_type("application/json").body(stored)
}
