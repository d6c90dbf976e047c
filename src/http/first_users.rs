//! `/api/...`: the first users' endpoints, in exactly the shapes that their dashboards read.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::audit::{Action, Subject};
use crate::auth::{Scope, scope};
use crate::query::export::Export;
use crate::query::first_users::{self, Subjects};
use crate::query::{self, ALL_TIME, Scan};

use super::Services;
use super::error::Problem;
use super::extract::{self, Pairs};
use super::pieces::{Pieces, Place};
use super::questions::{Asked, ask, rows_entry};

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
    let asked = rows(&request, &services, Action::QueryRows, "api/sessions").await?;
    let answer = ask(&services, asked, ALL_TIME, |scan, asked| {
        first_users::sessions(scan, asked.session_timeout_ms, asked.now, asked.limit_max)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

/// `/api/export`: everything, streamed.
pub async fn export(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let place = Place::take(&services)?;
    let asked = rows(&request, &services, Action::Export, "api/export").await?;
    let ingest = Arc::clone(&services.ingest);
    let body = Pieces::begin(place, move |outlet| {
        let stop = || outlet.is_over();
        let export = query::retried(|| {
            let parts = ingest.store.read(asked.tenant, ALL_TIME.0, ALL_TIME.1, asked.now);
            Export::new(&Scan::new(&parts, u64::MAX)?.stopped_by(&stop), asked.session_timeout_ms, asked.now)
        })?;
        for piece in export {
            if !outlet.give(piece?) {
                break;
            }
        }
        Ok(())
    });
    Ok(HttpResponse::Ok().content_type("application/json").streaming(body))
}

/// The right to read rows, recorded.
async fn rows(
    request: &HttpRequest,
    services: &Services,
    action: Action,
    what: &'static str,
) -> Result<Asked, Problem> {
    let mut pairs = Pairs::of(request)?;
    let grant = extract::grant::<scope::Export>(request, services, &mut pairs)?;
    let asked = Asked::now(services, grant.tenant());
    let entry = rows_entry(services, asked.now, action, grant.principal(), what, &pairs);
    pairs.done("tenant")?;
    services.trail.record(Subject::Tenant(grant.tenant()), entry).await?;
    Ok(asked)
}
