//! `POST /v1/query/sql`: a question in SQL about a tenant's events.
//!
//! It can ask for any row, so it needs `export`, and is recorded like every reading of rows: the text without the values
//! in it, scrubbed.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::auth::{Grant, scope};
use crate::privacy::Receipt;
use crate::query::sql::{self, AnswerMax, Data, Query};

use super::Services;
use super::body;
use super::error::Problem;
use super::extract::{self, Pairs};
use super::questions::Asked;

/// A body is little more than its text, which has a bound of its own.
const BODY_MAX: usize = 64 << 10;
/// What a record keeps of a text, in characters: enough to see what was asked.
const RECORDED_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    sql: String,
}

/// Answers a query.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Export>(&request, &services, &mut pairs)?;
    pairs.done("tenant")?;
    let order = order(&request, payload, &services).await?;
    let asked = Asked::now(&services, grant.tenant());
    services.trail.record(Subject::Tenant(grant.tenant()), entry(&services, &asked, &grant, &order.sql)).await?;
    let max = {
        let live = services.live.load();
        AnswerMax { rows: live.sql_rows_max, bytes: live.sql_answer_max }
    };
    let store = Arc::clone(&services.ingest.store);
    let query = Query {
        text: order.sql,
        data: Arc::new(Data::of(&grant, store, asked.now, asked.rows_max)),
        now: asked.now,
        max,
        timeout: asked.timeout,
    };
    let answer = services.sql.answer(query).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(answer.into_json()))
}

async fn order(request: &HttpRequest, payload: web::Payload, services: &Services) -> Result<Order, Problem> {
    let mut limits = services.live.load().body;
    limits.sent_max = limits.sent_max.min(BODY_MAX);
    limits.inflated_max = limits.inflated_max.min(BODY_MAX);
    let body = body::read(request, payload, limits, &services.bodies).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let problem = Problem::bad_request("the body is not {\"sql\": \"...\"}");
        problem.member("line", json!(error.line())).member("column", json!(error.column()))
    })
}

fn entry(services: &Services, asked: &Asked, grant: &Grant<scope::Export>, text: &str) -> Entry {
    let shape = sql::shape(text);
    let scrubbed = services.ingest.policies.gateway().scrub_text(&shape, &mut Receipt::default()).into_owned();
    let kept: String = scrubbed.chars().take(RECORDED_MAX).collect();
    let entry = Entry::new(asked.now, Action::QueryRows, Outcome::Intent).by(grant.principal().name());
    entry.param("what", "sql").param("sql", kept)
}

impl From<sql::Error> for Problem {
    fn from(error: sql::Error) -> Problem {
        let detail = error.to_string();
        match error {
            sql::Error::Mistake { place, .. } => {
                let problem = Problem::bad_request(detail);
                match place {
                    Some(place) => problem.member("line", json!(place.line)).member("column", json!(place.column)),
                    None => problem,
                }
            }
            sql::Error::TooLarge { .. } => Problem::bad_request(detail),
            sql::Error::Value { .. } | sql::Error::TooManyRows { .. } | sql::Error::Memory => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            }
            sql::Error::OutOfTime | sql::Error::Busy | sql::Error::Erased => Problem::overloaded(detail),
            sql::Error::Damaged => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail),
            sql::Error::Internal => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}
