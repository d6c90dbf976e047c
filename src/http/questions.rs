//! `GET /v1/query/...`: questions about a tenant's events.
//!
//! Aggregates need `query`; an aggregate of one session, and rows, need `export`. Reading is access: the record of it is durable before the
//! answer leaves.

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
use crate::query::{self, Params, Question, Scan, series, session, summary, top};

use super::error::Problem;
use super::extract::{self, Pairs};
use super::{Live, Services};

/// Totals.
pub async fn summary(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    aggregate(request, services, Question::Summary, |scan, params, asked| {
        summary::summary(scan, params, asked.session_timeout_ms)
    })
    .await
}

/// Totals over time.
pub async fn series(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    aggregate(request, services, Question::Series, |scan, params, _| series::series(scan, params)).await
}

/// Totals by a dimension.
pub async fn top(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    aggregate(request, services, Question::Top, |scan, params, _| top::top(scan, params)).await
}

/// The list of sessions.
pub async fn sessions(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Export>(&request, &services, &mut pairs)?;
    let asked = Asked::now(&services, grant.tenant());
    let params = Params::parse(Question::Sessions, pairs.iter(), asked.now, asked.limit_max)?;
    let entry = rows_entry(&services, asked.now, Action::QueryRows, grant.principal(), "sessions", &pairs);
    services.trail.record(Subject::Tenant(grant.tenant()), entry).await?;
    let found = ask(&services, asked, (params.from, params.to), move |scan, asked| {
        session::sessions(scan, &params, asked.session_timeout_ms, asked.now)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

async fn aggregate<T: Serialize + Send + 'static>(
    request: HttpRequest,
    services: web::Data<Services>,
    question: Question,
    answer: impl Fn(&Scan<'_>, &Params, &Asked) -> Result<T, query::Error> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Query>(&request, &services, &mut pairs)?;
    let asked = Asked::now(&services, grant.tenant());
    let params = Params::parse(question, pairs.iter(), asked.now, asked.limit_max)?;
    if params.is_subject_filtered() && !grant.principal().scopes().has(Scope::Export) {
        return Err(extract::refused(&services, grant.principal(), Denied::ScopeMissing(Scope::Export)));
    }
    services.trail.aggregate_read(Subject::Tenant(grant.tenant()), grant.principal().name(), asked.now).await?;
    let found = ask(&services, asked, (params.from, params.to), move |scan, asked| answer(scan, &params, asked));
    Ok(HttpResponse::Ok().json(found.await?))
}

/// When, about whom and under which bounds something is asked.
pub(super) struct Asked {
    pub(super) now: Millis,
    pub(super) tenant: TenantId,
    pub(super) session_timeout_ms: i64,
    pub(super) limit_max: usize,
    pub(super) rows_max: u64,
    pub(super) timeout: Duration,
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
    let scrubber = services.ingest.policy.load();
    let mut receipt = Receipt::default();
    let known = Question::Sessions.takes();
    let entry = Entry::new(at, action, Outcome::Intent).by(principal.name()).param("what", what);
    pairs.iter().fold(entry, |entry, (name, value)| match known.iter().find(|known| **known == name) {
        // Leaves are for ever, and these say who: that they were given must do.
        Some(name @ (&"session" | &"cursor")) => entry.param(name, "given"),
        Some(name) => entry.param(name, scrubber.scrub_text(value, &mut receipt).into_owned()),
        None => entry,
    })
}

/// Answers about `range` on another thread; stops when time is up or the client has left.
pub(super) async fn ask<T: Send + 'static>(
    services: &Services,
    asked: Asked,
    range: (Millis, Millis),
    answer: impl Fn(&Scan<'_>, &Asked) -> Result<T, query::Error> + Send + 'static,
) -> Result<T, Problem> {
    let ingest = Arc::clone(&services.ingest);
    let gone = Gone::default();
    let left = Arc::clone(&gone.0);
    let work = move || {
        let started = Instant::now();
        let stop = || left.load(Ordering::Relaxed) || started.elapsed() > asked.timeout;
        query::retried(|| {
            let parts = ingest.store.read(asked.tenant, range.0, range.1, asked.now);
            answer(&Scan::new(&parts, asked.rows_max)?.stopped_by(&stop), &asked)
        })
    };
    let answered = web::block(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?;
    Ok(answered?)
}

/// Raises its flag when the future that holds it is dropped, as it is when the client leaves.
#[derive(Default)]
pub(super) struct Gone(pub(super) Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
