//! `GET /v1/privacy/findings`: what the leak monitor found in a tenant's stored events. Kinds, places and counts; never a value.
//!
//! For whoever holds `compliance` for the tenant, and for operators, who name it.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, NaiveDate};
use serde::Serialize;
use serde_json::json;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::auth::{Scope, scope};
use crate::clock::{DAY_MS, Millis};
use crate::monitor::finding::{self, Finding, Listed};

use super::Services;
use super::error::Problem;
use super::extract::{self, Pairs};

/// Findings in one answer unless `limit` says otherwise.
const DEFAULT_LIMIT: usize = 1000;
/// Days looked back unless `from` says otherwise.
const DEFAULT_DAYS: u32 = 30;

#[derive(Serialize)]
struct Shown {
    day: String,
    #[serde(flatten)]
    place: Place,
    count: u64,
    first: String,
    last: String,
    policy: String,
}

#[derive(Serialize)]
struct Place {
    kind: String,
    stream: String,
    column: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
}

impl Shown {
    fn of(Listed { day, finding }: Listed) -> Shown {
        let Finding { kind, stream, column, path, count, first, last, policy } = finding;
        let place = Place { kind, stream, column, path };
        Shown { day: date(day), place, count, first: first.to_string(), last: last.to_string(), policy }
    }
}

/// Lists findings by day of arrival, oldest first.
pub async fn get(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let principal = extract::principal(&request, &services)?;
    let operates = principal.tenant().is_none() && principal.scopes().has(Scope::Admin);
    let (tenant, by) = if operates {
        let grant = extract::grant::<scope::Admin>(&request, &services, &mut pairs)?;
        (grant.tenant(), grant.principal().name())
    } else {
        let grant = extract::grant::<scope::Compliance>(&request, &services, &mut pairs)?;
        (grant.tenant(), grant.principal().name())
    };
    let now = services.clock.now();
    let to = day(&mut pairs, "to")?.unwrap_or_else(|| u32::try_from(now.day()).unwrap_or(0));
    let from = day(&mut pairs, "from")?.unwrap_or_else(|| to.saturating_sub(DEFAULT_DAYS - 1));
    let limit = limit(&mut pairs)?.min(services.live.load().limit_max);
    pairs.done("tenant, from, to, limit")?;
    let entry = Entry::new(now, Action::FindingsRead, Outcome::Intent).by(by);
    let entry = entry.param("from", date(from)).param("to", date(to));
    services.trail.record(Subject::Tenant(tenant), entry).await?;
    // One more than is shown tells whether there is more.
    let listing = move || finding::list(&services.kv, &services.vault, tenant, (from, to), limit.saturating_add(1));
    let listed = web::block(listing).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?;
    let mut listed = listed.map_err(|_| Problem::overloaded("the findings cannot be read"))?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let findings: Vec<Shown> = listed.into_iter().map(Shown::of).collect();
    Ok(HttpResponse::Ok().json(json!({ "from": date(from), "to": date(to), "findings": findings, "more": more })))
}

fn limit(pairs: &mut Pairs) -> Result<usize, Problem> {
    let malformed = || Problem::bad_request("`limit` is malformed: expected a whole number from 1");
    let Some(text) = pairs.take("limit")? else { return Ok(DEFAULT_LIMIT) };
    text.parse::<usize>().ok().filter(|limit| *limit > 0).ok_or_else(malformed)
}

fn day(pairs: &mut Pairs, name: &'static str) -> Result<Option<u32>, Problem> {
    let Some(text) = pairs.take(name)? else { return Ok(None) };
    let parsed = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
    let days = parsed.map(|date| date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days());
    let day = days.and_then(|days| u32::try_from(days).ok());
    day.map(Some)
        .ok_or_else(|| Problem::bad_request(format!("`{name}` is malformed: expected a day such as 2026-11-24")))
}

fn date(day: u32) -> String {
    let text = Millis(i64::from(day).saturating_mul(DAY_MS)).to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}
