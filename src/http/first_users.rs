//! `/api/...`: the first users' endpoints, in exactly the shapes that their dashboards read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;

use crate::audit::{Action, Subject};
use crate::auth::{Scope, scope};
use crate::query::export::Export;
use crate::query::first_users::{self, Subjects};
use crate::query::{self, ALL_TIME, Scan};

use super::Services;
use super::error::Problem;
use super::extract::{self, Pairs};
use super::questions::{Asked, Gone, ask, rows_entry};

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
    let answer = ask(&services, asked, ALL_TIME, move |scan, asked| {
        first_users::analytics(scan, asked.session_timeout_ms, asked.now, subjects)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

/// `/api/sessions`: the newest sessions.
pub async fn sessions(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let (asked, _) = rows(&request, &services, Action::QueryRows, "api/sessions").await?;
    let answer = ask(&services, asked, ALL_TIME, |scan, asked| {
        first_users::sessions(scan, asked.session_timeout_ms, asked.now, asked.limit_max)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

/// `/api/export`: everything, streamed.
pub async fn export(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let place = Arc::clone(&services.exports).try_acquire_owned();
    let place = place.map_err(|_| Problem::overloaded("too many exports are under way; try again later"))?;
    let (asked, gone) = rows(&request, &services, Action::Export, "api/export").await?;
    let ingest = Arc::clone(&services.ingest);
    let (to_client, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(PIECES_AHEAD);
    let left = Arc::clone(&gone.0);
    // Detached on purpose: the pieces go through the channel, and a client that leaves closes it.
    drop(web::block(move || {
        let stop = || left.load(Ordering::Relaxed);
        let export = query::retried(|| {
            let parts = ingest.store.read(asked.tenant, ALL_TIME.0, ALL_TIME.1, asked.now);
            Export::new(&Scan::new(&parts, u64::MAX)?.stopped_by(&stop), asked.session_timeout_ms, asked.now)
        });
        let (pieces, failed) = match export {
            Ok(export) => (Some(export), None),
            Err(error) => (None, Some(Err(error))),
        };
        for piece in pieces.into_iter().flatten().chain(failed) {
            // The answer has begun: breaking it off is the only honest way left to say that it is not whole.
            let piece = piece.map(Bytes::from).map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "an export was broken off");
                std::io::Error::other(error)
            });
            if to_client.blocking_send(piece).is_err() {
                return;
            }
        }
    }));
    let body = stream::unfold((pieces, gone, place), |(mut pieces, gone, place)| async move {
        let piece = pieces.recv().await?;
        Some((piece, (pieces, gone, place)))
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
