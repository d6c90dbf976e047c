//! Every route, in one table.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError, Route, web};

use super::error::Problem;
use super::middleware::Label;
use super::{agentcat, desk, events, export, findings, first_users, ops, privacy, proofs, questions, sql, subjects};

/// Ingest routes may be led by a key: some clients can carry one nowhere else.
const KEYED: &str = "/t/{key}";

/// Adds all routes.
pub fn configure(app: &mut web::ServiceConfig) {
    for prefix in ["", KEYED] {
        add(app, &format!("{prefix}/v1/events"), [(Method::POST, web::post().to(events::post))]);
        add(app, &format!("{prefix}/v1/public/events"), [(Method::POST, web::post().to(agentcat::post))]);
    }
    add(app, "/v1/query/summary", [get(web::get().to(questions::summary))]);
    add(app, "/v1/query/series", [get(web::get().to(questions::series))]);
    add(app, "/v1/query/top", [get(web::get().to(questions::top))]);
    add(app, "/v1/query/geo", [get(web::get().to(questions::geo))]);
    add(app, "/v1/query/funnel", [get(web::get().to(questions::funnel))]);
    add(app, "/v1/query/retention", [get(web::get().to(questions::retention))]);
    add(app, "/v1/query/journeys", [get(web::get().to(questions::journeys))]);
    add(app, "/v1/query/users", [get(web::get().to(questions::users))]);
    add(app, "/v1/query/errors", [get(web::get().to(questions::errors))]);
    add(app, "/v1/query/sessions", [get(web::get().to(questions::sessions))]);
    add(app, "/v1/query/sessions/{id}", [get(web::get().to(questions::replay))]);
    add(app, "/v1/query/traces/{id}", [get(web::get().to(questions::trace))]);

    add(app, "/v1/query/sql", [(Method::POST, web::post().to(sql::post))]);
    add(app, "/v1/export", [get(web::get().to(export::get))]);

    add(app, "/api/analytics", [get(web::get().to(first_users::analytics))]);
    add(app, "/api/sessions", [get(web::get().to(first_users::sessions))]);
    add(app, "/api/export", [get(web::get().to(first_users::export))]);

    add(app, "/v1/privacy/findings", [get(web::get().to(findings::get))]);

    add(app, "/v1/audit/records", [get(web::get().to(proofs::records))]);
    add(app, "/v1/audit/tlog/{tenant}/checkpoint", [get(web::get().to(proofs::checkpoint))]);

    add(
        app,
        "/v1/admin/tenants",
        [get(web::get().to(desk::list_tenants)), (Method::POST, web::post().to(desk::create_tenant))],
    );
    add(app, "/v1/admin/keys", [get(web::get().to(desk::list_keys)), (Method::POST, web::post().to(desk::create_key))]);
    add(app, "/v1/admin/keys/{id}", [(Method::DELETE, web::delete().to(desk::revoke_key))]);
    add(app, "/v1/admin/tokens", [(Method::POST, web::post().to(desk::issue_token))]);
    add(app, "/v1/admin/tokens/{jti}", [(Method::DELETE, web::delete().to(desk::revoke_token))]);
    add(app, "/v1/admin/limits", [get(web::get().to(desk::limits))]);
    add(app, "/v1/admin/quarantine", [get(web::get().to(desk::quarantine))]);

    add(
        app,
        "/v1/admin/tenants/{tenant}/hold",
        [
            get(web::get().to(desk::hold)),
            (Method::PUT, web::put().to(desk::begin_hold)),
            (Method::DELETE, web::delete().to(desk::end_hold)),
        ],
    );
    add(app, "/v1/admin/backups", [(Method::POST, web::post().to(desk::back_up))]);

    add(app, "/v1/subjects/requests", [(Method::POST, web::post().to(subjects::create))]);
    add(app, "/v1/subjects/requests/{id}", [get(web::get().to(subjects::get))]);

    add(
        app,
        "/v1/privacy/policy",
        [
            get(web::get().to(privacy::policy)),
            (Method::PUT, web::put().to(privacy::put_policy)),
            (Method::DELETE, web::delete().to(privacy::delete_policy)),
        ],
    );
    add(app, "/v1/privacy/preview", [(Method::POST, web::post().to(privacy::preview))]);

    add(app, "/healthz", [get(web::get().to(ops::healthz))]);
    add(app, "/readyz", [get(web::get().to(ops::readyz))]);
    add(app, "/metrics", [get(web::get().to(ops::metrics))]);
    app.default_service(web::to(nowhere));
}

fn get(route: Route) -> (Method, Route) {
    (Method::GET, route)
}

/// One resource: its methods, and 405 with `Allow` for all others.
fn add<const N: usize>(app: &mut web::ServiceConfig, path: &str, methods: [(Method, Route); N]) {
    let allow = methods.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ");
    let mut resource = web::resource(path.to_owned()).app_data(Label(Arc::from(path)));
    for (_, route) in methods {
        resource = resource.route(route);
    }
    app.service(resource.default_service(web::to(move || not_allowed(allow.clone()))));
}

async fn not_allowed(allow: String) -> HttpResponse {
    let detail = "this route does not take that method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header("Allow", allow).error_response()
}

async fn nowhere(_: HttpRequest) -> HttpResponse {
    Problem::not_found("there is no such route").error_response()
}
