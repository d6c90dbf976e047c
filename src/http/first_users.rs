//! `/api/...`: the first users' endpoints, in exactly the shapes that their dashboards read.

use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;

use crate::audit::{Action, Subject};
use crate::auth::{Scope, scope};
use crate::clock::Millis;
use crate::query::export::Export;
use crate::query::first_users::{self, Subjects};
use crate::query::{ALL_TIME, Scan};

use super::Services;
use super::error::Problem;
use super::extract::{self, Pairs};
use super::questions::{Asked, Gone, rows_entry};

/// Pieces of an export that wait for a slow client.
const PIECES_AHEAD: usize = 4;

/// `/api/analytics`: totals, tools and, for who may read rows, users.
pub async fn analytics(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Query>(&request, &services, &mut pairs)?;
    pairs.done("tenant")?;
    let asked = Asked::now(&services, grant.tenant());
    let subjects = if grant.principal().scopes().has(Scope::Export) { Subjects::Shown } else { Subjects::Hidden };
    services.trail.aggregate_read(Subject::Tenant(grant.tenant()), grant.principal().name(), asked.now).await?;
    let answer = everything(&services, asked, move |scan, asked| {
        first_users::analytics(scan, asked.session_timeout_ms, asked.now, subjects)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

/// `/api/sessions`: the newest sessions.
pub async fn sessions(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let (asked, _) = rows(&request, &services, Action::QueryRows, "api/sessions").await?;
    let answer = everything(&services, asked, |scan, asked| {
        first_users::sessions(scan, asked.session_timeout_ms, asked.now, asked.limit_max)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

/// `/api/export`: everything, streamed.
pub async fn export(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let (asked, gone) = rows(&request, &services, Action::Export, "api/export").await?;
    let parts = services.ingest.store.read(asked.tenant, ALL_TIME.0, ALL_TIME.1, asked.now);
    let (to_client, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(PIECES_AHEAD);
    let left = std::sync::Arc::clone(&gone.0);
    // Detached on purpose: the pieces go through the channel, and a client that leaves closes it.
    drop(web::block(move || {
        let stop = || left.load(Ordering::Relaxed);
        let export = Scan::new(&parts, u64::MAX)
            .and_then(|scan| Export::new(&scan.stopped_by(&stop), asked.session_timeout_ms, asked.now));
        match export {
            Ok(export) => {
                for piece in export {
                    if to_client.blocking_send(Ok(Bytes::from(piece))).is_err() {
                        return;
                    }
                }
            }
            // The answer has begun: breaking it off is the only honest way left to say that it is not whole.
            Err(error) => _ = to_client.blocking_send(Err(std::io::Error::other(error))),
        }
    }));
    let body = stream::unfold((pieces, gone), |(mut pieces, gone)| async move {
        let piece = pieces.recv().await?;
        Some((piece, (pieces, gone)))
    });
    Ok(HttpResponse::Ok().content_type("application/json").streaming(body))
}

/// The right to read rows, recorded.
async fn rows(
    request: &HttpRequest,
    services: &Services,
    action: Action,
    what: &'static str,
) -> Result<(Asked, Gone), Problem> {
    let mut pairs = Pairs::of(request)?;
    let grant = extract::grant::<scope::Export>(request, services, &mut pairs)?;
    let asked = Asked::now(services, grant.tenant());
    let entry = rows_entry(services, asked.now, action, grant.principal(), what, &pairs);
    pairs.done("tenant")?;
    services.trail.record(Subject::Tenant(grant.tenant()), entry).await?;
    Ok((asked, Gone::default()))
}

/// Asks about all retained data, under the bounds that all questions have.
async fn everything<T: Send + 'static>(
    services: &Services,
    asked: Asked,
    answer: impl FnOnce(&Scan<'_>, &Asked) -> Result<T, crate::query::Error> + Send + 'static,
) -> Result<T, Problem> {
    let (from, to): (Millis, Millis) = ALL_TIME;
    let parts = services.ingest.store.read(asked.tenant, from, to, asked.now);
    let gone = Gone::default();
    let left = std::sync::Arc::clone(&gone.0);
    let work = move || {
        let started = Instant::now();
        let stop = || left.load(Ordering::Relaxed) || started.elapsed() > asked.timeout;
        answer(&Scan::new(&parts, asked.rows_max)?.stopped_by(&stop), &asked)
    };
    let answered = web::block(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?;
    Ok(answered?)
}
