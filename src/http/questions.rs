//! `GET /v1/query/...`: questions about a tenant's events.
//!
//! Aggregates need `query`; rows, and aggregates that would single somebody out, need `export`. Other aggregates that are split or filtered by
//! people are under disclosure control for who has no more than `query`. Reading is access: the record of it is durable before the answer leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::auth::{Denied, Principal, Scope, scope};
use crate::clock::Millis;
use crate::id::TenantId;
use crate::privacy::Receipt;
use crate::query::disclosure::Guard;
use crate::query::listing::{self, Events};
use crate::query::{
    self, Params, Question, Scan, audience, funnel, geo, journeys, retention, series, session, summary, top, users,
};

use super::error::Problem;
use super::extract::{self, Pairs};
use super::{Live, Services};

type Answered = Result<HttpResponse, Problem>;

/// Totals.
pub async fn summary(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Summary, |scan, params, asked| {
        summary::summary(scan, params, asked.session_timeout_ms)
    })
    .await
}

/// Totals over time.
pub async fn series(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Series, |scan, params, _| series::answer(scan, params)).await
}

/// Totals by a dimension.
pub async fn top(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Top, |scan, params, asked| top::top(scan, params, asked.guard)).await
}

/// Totals by country.
pub async fn geo(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Geo, |scan, params, asked| geo::geo(scan, params, asked.guard)).await
}

/// How many come as far as which step.
pub async fn funnel(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Funnel, |scan, params, _| funnel::funnel(scan, params)).await
}

/// How many users come back.
pub async fn retention(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Retention, |scan, params, asked| {
        retention::retention(scan, params, asked.guard)
    })
    .await
}

/// What sessions begin with.
pub async fn journeys(request: HttpRequest, services: web::Data<Services>) -> Answered {
    aggregate(request, services, Question::Journeys, |scan, params, asked| {
        journeys::journeys(scan, params, asked.session_timeout_ms, asked.guard)
    })
    .await
}

/// The list of sessions.
pub async fn sessions(request: HttpRequest, services: web::Data<Services>) -> Answered {
    let (params, asked) = rows(&request, &services, Question::Sessions, None).await?;
    let found = ask(&services, asked, (params.from, params.to), move |scan, asked| {
        session::sessions(scan, &params, asked.session_timeout_ms, asked.now)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// The list of users.
pub async fn users(request: HttpRequest, services: web::Data<Services>) -> Answered {
    let (params, asked) = rows(&request, &services, Question::Users, None).await?;
    let found = ask(&services, asked, (params.from, params.to), move |scan, asked| {
        users::users(scan, &params, asked.session_timeout_ms)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// The newest errors.
pub async fn errors(request: HttpRequest, services: web::Data<Services>) -> Answered {
    let (params, asked) = rows(&request, &services, Question::Errors, None).await?;
    let found = ask(&services, asked, (params.from, params.to), move |scan, _| listing::errors(scan, &params));
    Ok(HttpResponse::Ok().json(found.await?))
}

/// The events of one session.
pub async fn replay(request: HttpRequest, services: web::Data<Services>, id: web::Path<String>) -> Answered {
    let (mut params, asked) = rows(&request, &services, Question::Replay, Some("session")).await?;
    let is_first = params.place.is_none();
    params.session = Some(id.into_inner());
    let found = ask(&services, asked, (params.from, params.to), move |scan, _| listing::replay(scan, &params));
    events_of(found.await?, is_first, "there is no such session in this range")
}

/// The events of one trace.
pub async fn trace(request: HttpRequest, services: web::Data<Services>, id: web::Path<String>) -> Answered {
    let (params, asked) = rows(&request, &services, Question::Trace, Some("trace")).await?;
    let is_first = params.place.is_none();
    let found = ask(&services, asked, (params.from, params.to), move |scan, _| listing::trace(scan, &params, &id));
    events_of(found.await?, is_first, "there is no such trace in this range")
}

fn events_of(found: Events, is_first: bool, nothing: &'static str) -> Answered {
    if found.events.is_empty() && is_first {
        return Err(Problem::not_found(nothing));
    }
    Ok(HttpResponse::Ok().json(found))
}

async fn aggregate<T: Serialize + Send + 'static>(
    request: HttpRequest,
    services: web::Data<Services>,
    question: Question,
    answer: impl Fn(&Scan<'_>, &Params, &Asked) -> Result<T, query::Error> + Send + 'static,
) -> Answered {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Query>(&request, &services, &mut pairs)?;
    let mut asked = Asked::now(&services, grant.tenant());
    let params = Params::parse(question, pairs.iter(), asked.now, asked.limit_max)?;
    if grant.principal().scopes().has(Scope::Export) {
        asked.guard = Guard::OFF;
    } else if params.needs_export(question) {
        return Err(extract::refused(&services, grant.principal(), Denied::ScopeMissing(Scope::Export)));
    }
    services.trail.aggregate_read(Subject::Tenant(grant.tenant()), grant.principal().name(), asked.now).await?;
    let range = params.range(question);
    let found = ask(&services, asked, range, move |scan, asked| {
        audience::guarded(scan, &params, asked.guard, || answer(scan, &params, asked))
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// The right to read rows, recorded. `by_id` is what the route names; its value is not recorded.
async fn rows(
    request: &HttpRequest,
    services: &Services,
    question: Question,
    by_id: Option<&'static str>,
) -> Result<(Params, Asked), Problem> {
    let mut pairs = Pairs::of(request)?;
    let grant = extract::grant::<scope::Export>(request, services, &mut pairs)?;
    let asked = Asked::now(services, grant.tenant());
    let params = Params::parse(question, pairs.iter(), asked.now, asked.limit_max)?;
    let entry = rows_entry(services, asked.now, Action::QueryRows, grant.principal(), question.name(), &pairs);
    let entry = by_id.into_iter().fold(entry, |entry, name| entry.param(name, "given"));
    services.trail.record(Subject::Tenant(grant.tenant()), entry).await?;
    Ok((params, asked))
}

/// When, about whom and under which bounds something is asked.
pub(super) struct Asked {
    pub(super) now: Millis,
    pub(super) tenant: TenantId,
    pub(super) session_timeout_ms: i64,
    pub(super) limit_max: usize,
    pub(super) rows_max: u64,
    pub(super) timeout: Duration,
    /// What is hidden from who may read aggregates only.
    pub(super) guard: Guard,
}

impl Asked {
    pub(super) fn now(services: &Services, tenant: TenantId) -> Asked {
        let live: &Live = &services.live.load();
        Asked {
            now: services.clock.now(),
            tenant,
            session_timeout_ms: live.session_timeout_ms,
            limit_max: live.limit_max,
            rows_max: live.rows_max,
            timeout: Duration::from_millis(live.query_timeout_ms),
            guard: Guard::of(live.disclosure_k),
        }
    }
}

/// The record of an access to rows: who, what and with which parameters, scrubbed like everything that is kept.
pub(super) fn rows_entry(
    services: &Services,
    at: Millis,
    action: Action,
    principal: &Principal,
    what: &'static str,
    pairs: &Pairs,
) -> Entry {
    let scrubber = services.ingest.policies.gateway();
    let mut receipt = Receipt::default();
    let known = Question::Sessions.takes();
    let entry = Entry::new(at, action, Outcome::Intent).by(principal.name()).param("what", what);
    pairs.iter().fold(entry, |entry, (name, value)| match known.iter().find(|known| **known == name) {
        // Leaves are for ever, and these say who: that they were given must do.
        Some(name @ (&"session" | &"cursor")) => entry.param(name, "given"),
        Some(&"filter") => {
            entry.param("filter", scrubber.scrub_text(&query::sql::shape(value), &mut receipt).into_owned())
        }
        Some(name) => entry.param(name, scrubber.scrub_text(value, &mut receipt).into_owned()),
        None => entry,
    })
}

/// Answers about `range` on another thread; stops when time is up or the future is dropped.
pub(super) async fn ask<T: Send + 'static>(
    services: &Services,
    asked: Asked,
    range: (Millis, Millis),
    answer: impl Fn(&Scan<'_>, &Asked) -> Result<T, query::Error> + Send + 'static,
) -> Result<T, Problem> {
    let ingest = Arc::clone(&services.ingest);
    let working = Arc::clone(&services.working);
    let gone = Gone::default();
    let left = Arc::clone(&gone.0);
    let work = move || {
        let _working = working;
        let started = Instant::now();
        let stop = || left.load(Ordering::Relaxed) || started.elapsed() > asked.timeout;
        query::retried(|| {
            let parts = ingest.store.read(asked.tenant, range.0, range.1, asked.now);
            let past = ingest.store.rollups(asked.tenant, asked.now)?;
            answer(&Scan::new(&parts, asked.rows_max)?.with_past(&past).stopped_by(&stop), &asked)
        })
    };
    let answered = web::block(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?;
    Ok(answered?)
}

/// Raises its flag when the future that holds it is dropped.
#[derive(Default)]
pub(super) struct Gone(pub(super) Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
