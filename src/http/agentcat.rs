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
use super::body;
use super::error::Problem;
use super::events::{Circumstances, commit, count_limited};
use super::extract;

/// Takes one event.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    match take(&request, payload, &services).await {
        Ok(outcome) => Ok(accepted(&outcome)),
        Err(problem) if problem.is_transient() => Err(problem),
        Err(problem) => Ok(accepted(&outcome_of(&services, &problem))),
    }
}

async fn take(request: &HttpRequest, payload: web::Payload, services: &Services) -> Result<String, Problem> {
    let body = body::read(request, payload, services.live.load().body, &services.bodies).await?;
    let limits = services.ingest.settings.load().decode;
    let Decoded { project_id, event } = agentcat::decode(&body, &limits)?;
    let sender = sender(request, services, project_id.as_deref())?;
    let allowance = services.ingest.limits.check_requests(sender.tenant, sender.key);
    // These clients read no headers, so what is left of the allowance has nobody to tell.
    let _ = allowance.map_err(|refused| extract::limited(services, refused))?;
    let circumstances = Circumstances::of(request, services);
    let event: Result<Result<RawEvent<'_>, Refusal>, _> = Ok(event);
    let prepared = services.ingest.prepare_events(sender, [event], &circumstances.context());
    let prepared = prepared.map_err(|error| count_limited(services, error))?;
    Ok(commit(services, prepared, Ack::Synced, None).await?.summary())
}

/// The tenant by a key in headers or path, by a project that the operator has mapped, or by a project that is an ingest key.
fn sender(request: &HttpRequest, services: &Services, project: Option<&str>) -> Result<Sender, Problem> {
    let declared = extract::credential(request).and(Credential::from_open_place(request.match_info().get("key")));
    if let (Credential::None, Some(project)) = (&declared, project)
        && let Some(tenant) = services.live.load().projects.get(project)
    {
        return Ok(Sender { tenant: *tenant, key: None });
    }
    let credential = if matches!(declared, Credential::None) { Credential::from_open_place(project) } else { declared };
    let principal = extract::authenticate(request, services, &credential)?;
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
