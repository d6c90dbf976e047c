//! `/v1/subjects/requests`: what data subjects may ask for, asked by whoever holds `subjects`.
//!
//! An erasure is accepted once it is durable: from then on nobody sees the subject's rows, and nothing more is taken of it. The bytes go soon
//! after; the state tells when. No answer, record or log line names the subject.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::auth::scope;
use crate::id::random;
use crate::ingest::suppression::Named;
use crate::store::erase::Erasure;
use crate::store::subject::Subjects;
use crate::upkeep::erasure::{request_id, request_number};
use crate::upkeep::request::{Kind, Request};

use super::error::Problem;
use super::extract::{self, Pairs};
use super::{Services, desk};

/// The longest name of a subject, in bytes: as long as events may have one.
const NAME_BYTES_MAX: usize = 4096;

/// What a request takes. No `Debug`: it names a person.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    #[serde(rename = "type")]
    kind: Kind,
    /// The `user` of the subject's events, as senders send it.
    user: Option<String>,
    /// The same, where senders send an address for it.
    email: Option<String>,
    /// The `session` of the subject's events.
    session: Option<String>,
}

/// Takes a request.
pub async fn create(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Subjects>(&request, &services, &mut pairs)?;
    pairs.done("tenant")?;
    let order: NewRequest = desk::read(&request, payload, &services).await?;
    let Kind::Erasure = order.kind;
    let named = order.named()?;
    let (tenant, now) = (grant.tenant(), services.clock.now());
    let ingest = &services.ingest;
    let mut subjects = Subjects::default();
    let rotation = ingest.policies.of(tenant).unwrap_or_else(|_| ingest.policies.gateway()).user_rotation_days();
    match named {
        Named::User(user) => {
            subjects.users.extend(ingest.epochs.user_pseudonyms(tenant, user, now, rotation)?);
        }
        Named::Session(session) => {
            let keys = ingest.epochs.of(tenant, now, rotation)?;
            // As the tenant's policy keeps it and as the gateway's does: rows may be older than either.
            for policy in [ingest.policies.of(tenant).ok(), Some(ingest.policies.gateway())].into_iter().flatten() {
                subjects.sessions.extend(policy.sessions_kept(session, keys.pseudonym_keys()));
            }
        }
    }
    let listing = ingest.suppression.prepare(tenant, named, subjects.clone())?;
    let erasure = Erasure { tenant, number: u64::from_le_bytes(random(&*services.desk.entropy)), subjects };
    let id = request_id(erasure.number);
    let suppression = Arc::clone(&ingest.suppression);
    let accepted = services.upkeep.accept_erasure(erasure, grant.principal().name(), now, move |batch| {
        suppression.stage(&listing, batch);
    });
    accepted.await?;
    let place = format!("/v1/subjects/requests/{id}");
    Ok(HttpResponse::Accepted().insert_header(("Location", place)).json(json!({ "id": id, "status": "received" })))
}

/// Tells how far a request is.
pub async fn get(
    request: HttpRequest,
    path: web::Path<String>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Subjects>(&request, &services, &mut pairs)?;
    pairs.done("tenant")?;
    let unknown = || Problem::not_found("there is no such request");
    let number = request_number(&path).ok_or_else(unknown)?;
    let found = Request::get(&services.kv, grant.tenant(), number)?.ok_or_else(unknown)?;
    let mut answer = json!({
        "id": request_id(number),
        "type": found.kind,
        "status": found.status,
        "received": found.received.to_string(),
    });
    if let Some(object) = answer.as_object_mut() {
        object.extend(found.completed.map(|at| ("completed".to_owned(), json!(at.to_string()))));
        object.extend(found.erased.map(|erased| ("erased".to_owned(), json!(erased))));
    }
    Ok(HttpResponse::Ok().json(answer))
}

impl NewRequest {
    fn named(&self) -> Result<Named<'_>, Problem> {
        let named = match (&self.user, &self.email, &self.session) {
            (Some(user), None, None) | (None, Some(user), None) => Named::User(user),
            (None, None, Some(session)) => Named::Session(session),
            _ => return Err(Problem::bad_request("name the subject by exactly one of `user`, `email` and `session`")),
        };
        let (Named::User(text) | Named::Session(text)) = named;
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(Problem::bad_request("the name of the subject is empty or too long"));
        }
        Ok(named)
    }
}
