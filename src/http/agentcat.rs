//! `POST /v1/public/events`: the door of the AgentCat and MCPcat SDKs.
//!
//! These clients retry every answer that is not 2xx with a JSON body, and the Node ones end their process, the customer's MCP server, when
//! retries fail. So everything that a retry cannot mend is answered `202 {"status":"accepted"}`; the truth stands in the
//! `Tidegate-Outcome` header and in the books. Only real, passing trouble is answered 503.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::auth::{Credential, authorize, scope};
use crate::ingest::{Ack, Sender};
use crate::outcome::{Outcome, Reason, Refusal};
use crate::privacy::event::RawEvent;
use crate::protocol::agentcat::{self, ACCEPTED_BODY, Decoded};

use super::Services;
use super::body::{self, BodyLimits};
use super::error::Problem;
use super::events::{Circumstances, commit, count_limited};
use super::extract;

/// Takes one event.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let taken = request.clone();
    let work = async move {
        match take(&taken, payload, &services).await {
            Ok(outcome) => Ok(accepted(&outcome)),
            Err(problem) if problem.is_transient() => Err(problem),
            Err(problem) => Ok(accepted(&outcome_of(&services, &problem))),
        }
    };
    body::to_the_end(&request, work).await
}

async fn take(request: &HttpRequest, payload: web::Payload, services: &Services) -> Result<String, Problem> {
    let declared = extract::credential(request).and(Credential::from_open_place(request.match_info().get("key")));
    let known = match declared {
        // The key may be in the body: then all that is known of the sender before is that its address has not guessed too often.
        Credential::None => extract::not_blocked(request, services).map(|()| None)?,
        Credential::Key(_) | Credential::Token(_) | Credential::AdminKey(_) | Credential::Malformed => {
            Some(admit(services, sender_by(request, services, &declared)?)?)
        }
    };
    let limits = services.ingest.settings.load().decode;
    let body = body::read(request, payload, one_event(services, limits.event_max), &services.bodies).await?;
    let Decoded { project_id, event } = agentcat::decode(&body, &limits)?;
    let sender = match known {
        Some(sender) => sender,
        None => admit(services, sender_by_project(request, services, project_id.as_deref())?)?,
    };
    let circumstances = Circumstances::of(request, services);
    let event: Result<Result<RawEvent<'_>, Refusal>, _> = Ok(event);
    let prepared = services.ingest.prepare_events(sender, [event], body.len(), &circumstances.context());
    let prepared = prepared.map_err(|error| count_limited(services, error))?;
    Ok(commit(services, prepared, Ack::Synced, None).await?.summary())
}

/// One event a request: the body is no larger than an event may be.
fn one_event(services: &Services, event_max: usize) -> BodyLimits {
    let limits = services.live.load().body;
    BodyLimits { sent_max: limits.sent_max.min(event_max), inflated_max: limits.inflated_max.min(event_max), ..limits }
}

fn admit(services: &Services, sender: Sender) -> Result<Sender, Problem> {
    // These clients read no headers, so what is left of the allowance has nobody to tell.
    let allowed = services.ingest.limits.check_requests(sender.tenant, sender.key);
    allowed.map(|_| sender).map_err(|refused| extract::limited(services, refused))
}

/// The tenant by a project that the operator has mapped, or by a project that is an ingest key.
fn sender_by_project(request: &HttpRequest, services: &Services, project: Option<&str>) -> Result<Sender, Problem> {
    let mapped = project.and_then(|project| services.live.load().projects.get(project).copied());
    match mapped {
        Some(tenant) => Ok(Sender { tenant, key: None }),
        None => sender_by(request, services, &Credential::from_open_place(project)),
    }
}

fn sender_by(request: &HttpRequest, services: &Services, credential: &Credential<'_>) -> Result<Sender, Problem> {
    let principal = extract::authenticate(request, services, credential)?;
    let grant = authorize::<scope::Ingest>(&principal, None);
    let grant = grant.map_err(|denied| extract::refused(services, &principal, denied))?;
    Ok(Sender { tenant: grant.tenant(), key: principal.key() })
}

/// Enters an event that came no further than the door into the books, as rejected.
fn outcome_of(services: &Services, problem: &Problem) -> String {
    let reason = match problem.status().as_u16() {
        401 | 403 => Reason::Unauthorized,
        413 => Reason::TooLarge,
        429 => Reason::RateLimited,
        408 => Reason::Abandoned,
        _ => Reason::NotJson,
    };
    services.ingest.ledger.receive(None, 1).settle(&Outcome::Rejected(Refusal::whole(reason)));
    format!("accepted=0, duplicate=0, rejected=1, quarantined=0, reason={}", reason.code())
}

fn accepted(outcome: &str) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header(("tidegate-outcome", outcome))
        .content_type("application/json")
        .body(ACCEPTED_BODY)
}
