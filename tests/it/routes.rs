//! Every route, as the tests see them. [`the_table_is_complete`] fails when the gateway has one that is missing here.

use std::collections::BTreeSet;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The right to send events.
    Ingest,
    /// A token with that scope, for its tenant.
    Scope(&'static str),
    /// An operator: a credential with `admin` that is bound to no tenant.
    Operator,
    /// A credential with `admin`: an operator's names the tenant, one that is bound to a tenant changes its own.
    OwnAdmin,
    /// Nothing on loopback, otherwise the scope `metrics`.
    Metrics,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub needs: Needs,
}

const fn route(method: &'static str, path: &'static str, needs: Needs) -> Route {
    Route { method, path, needs }
}

/// Every route.
pub const ROUTES: [Route; 48] = [
    route("POST", "/v1/events", Needs::Ingest),
    route("POST", "/t/{key}/v1/events", Needs::Ingest),
    route("POST", "/v1/public/events", Needs::Ingest),
    route("POST", "/t/{key}/v1/public/events", Needs::Ingest),
    route("GET", "/v1/query/summary", Needs::Scope("query")),
    route("GET", "/v1/query/series", Needs::Scope("query")),
    route("GET", "/v1/query/top", Needs::Scope("query")),
    route("GET", "/v1/query/geo", Needs::Scope("query")),
    route("GET", "/v1/query/funnel", Needs::Scope("query")),
    route("GET", "/v1/query/retention", Needs::Scope("query")),
    route("GET", "/v1/query/journeys", Needs::Scope("query")),
    route("GET", "/v1/query/users", Needs::Scope("export")),
    route("GET", "/v1/query/errors", Needs::Scope("export")),
    route("GET", "/v1/query/sessions", Needs::Scope("export")),
    route("GET", "/v1/query/sessions/{id}", Needs::Scope("export")),
    route("GET", "/v1/query/traces/{id}", Needs::Scope("export")),
    route("POST", "/v1/query/sql", Needs::Scope("export")),
    route("GET", "/v1/export", Needs::Scope("export")),
    route("GET", "/api/analytics", Needs::Scope("query")),
    route("GET", "/api/sessions", Needs::Scope("export")),
    route("GET", "/api/export", Needs::Scope("export")),
    // An operator reads them too.
    route("GET", "/v1/privacy/findings", Needs::Scope("compliance")),
    route("GET", "/v1/audit/records", Needs::Scope("compliance")),
    route("GET", "/v1/audit/tlog/{tenant}/checkpoint", Needs::Scope("compliance")),
    route("GET", "/v1/admin/tenants", Needs::Operator),
    route("POST", "/v1/admin/tenants", Needs::Operator),
    route("GET", "/v1/admin/keys", Needs::Operator),
    route("POST", "/v1/admin/keys", Needs::Operator),
    route("DELETE", "/v1/admin/keys/{id}", Needs::Operator),
    route("POST", "/v1/admin/tokens", Needs::Operator),
    route("DELETE", "/v1/admin/tokens/{jti}", Needs::Operator),
    route("GET", "/v1/admin/limits", Needs::Operator),
    route("GET", "/v1/admin/quarantine", Needs::Operator),
    route("GET", "/v1/admin/tenants/{tenant}/hold", Needs::Operator),
    route("PUT", "/v1/admin/tenants/{tenant}/hold", Needs::Operator),
    route("DELETE", "/v1/admin/tenants/{tenant}/hold", Needs::Operator),
    route("POST", "/v1/admin/backups", Needs::Operator),
    route("POST", "/v1/subjects/requests", Needs::Scope("subjects")),
    route("GET", "/v1/subjects/requests/{id}", Needs::Scope("subjects")),
    route("GET", "/v1/privacy/policy", Needs::Scope("compliance")),
    route("PUT", "/v1/privacy/policy", Needs::OwnAdmin),
    route("DELETE", "/v1/privacy/policy", Needs::OwnAdmin),
    route("POST", "/v1/privacy/preview", Needs::Scope("compliance")),
    route("GET", "/healthz", Needs::Nothing),
    route("GET", "/readyz", Needs::Nothing),
    route("GET", "/metrics", Needs::Metrics),
    // Not in the gateway's table: what no route takes.
    route("GET", "/", Needs::Nothing),
    route("GET", "/no/such/route", Needs::Nothing),
];

/// The methods that some path takes.
pub fn methods(path: &str) -> Vec<&'static str> {
    ROUTES.iter().filter(|route| route.path == path && exists(route)).map(|route| route.method).collect()
}

/// Whether the gateway has the route at all.
pub fn exists(route: &Route) -> bool {
    !matches!(route.path, "/" | "/no/such/route")
}

#[test]
fn the_table_is_complete() {
    let source: String = include_str!("../../src/http/routes.rs").split_whitespace().collect();
    let mut found = BTreeSet::new();
    for entry in source.split("add(app,").skip(1) {
        let path = entry.split('"').nth(1).expect("a route begins with its path");
        let paths = match path.strip_prefix("{prefix}") {
            Some(path) => vec![path.to_owned(), format!("/t/{{key}}{path}")],
            None => vec![path.to_owned()],
        };
        for (method, word) in [
            ("GET", "web::get()"),
            ("POST", "web::post()"),
            ("PUT", "web::put()"),
            ("PATCH", "web::patch()"),
            ("DELETE", "web::delete()"),
        ] {
            if entry.contains(word) {
                found.extend(paths.iter().map(|path| (path.clone(), method)));
            }
        }
    }
    let known = ROUTES.iter().filter(|route| exists(route));
    let known: BTreeSet<_> = known.map(|route| (route.path.to_owned(), route.method)).collect();
    assert_eq!(found, known, "src/http/routes.rs and tests/it/routes.rs differ");
}
