//! A tenant's credentials never show, name or change anything of another tenant, on any route.

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, send};
use crate::routes::{Needs, ROUTES, Route};

/// The victim. Its name begins everything that it owns, so that one search finds any of it.
const ACME: &str = "acme";
const RIVAL: &str = "rival";
const ALL_SCOPES: &str = "ingest,query,export,compliance,subjects,admin,metrics";

struct Two {
    gateway: Gateway,
    acme: Tenant,
    rival: Tenant,
    /// The id of a token of acme's.
    acme_jti: String,
}

struct Tenant {
    id: String,
    key: String,
    token: String,
}

impl Two {
    fn begin() -> Two {
        let gateway = Gateway::start();
        let tenant = |name: &str| {
            let id = gateway.tenant(name);
            let event = |number: u32| json!({ "type": "mcp.tool_call", "id": format!("same-id-{number}"), "name": format!("{name}-tool"), "session": format!("{name}-session"), "user": "ana", "error": format!("{name}-error") });
            let key = gateway.key(name);
            gateway.post_events(&key, &json!([event(1), event(2)])).expect(200);
            let late = json!({ "type": "custom", "name": format!("{name}-late"), "timestamp": "2999-01-01T00:00:00Z" });
            assert_eq!(gateway.post_events(&key, &late).expect(200).json()["quarantined"], 1);
            Tenant { id, key, token: gateway.token(name, ALL_SCOPES) }
        };
        let (acme, rival) = (tenant(ACME), tenant(RIVAL));
        let order = json!({ "tenant": ACME, "scope": "query" });
        let issued = gateway.post_json("/v1/admin/tokens", &gateway.admin_key(), &order).expect(201).json();
        Two { acme_jti: issued["id"].as_str().expect("an id").to_owned(), gateway, acme, rival }
    }

    fn acme_key_id(&self) -> &str {
        self.acme.key.split('_').nth(1).expect("the key's id")
    }

    /// Nothing that belongs to acme is in the answer.
    fn assert_nothing_of_acme(&self, what: &str, answer: &Answer) {
        let text = answer.everything();
        for owned in [ACME, &self.acme.id, self.acme_key_id(), &self.acme_jti] {
            assert!(!text.contains(owned), "{what} shows {owned}: {text}");
        }
    }

    /// Everything that acme could notice, as an operator and acme itself see it.
    fn state_of_acme(&self) -> Value {
        let (gateway, admin) = (&self.gateway, self.gateway.admin_key());
        let mut export = gateway.get_json("/api/export", &self.acme.token);
        export.as_object_mut().expect("a document").remove("timestamp");
        json!({
            "export": export,
            "keys": gateway.get_json(&format!("/v1/admin/keys?tenant={ACME}"), &admin),
            "tenants": gateway.get_json("/v1/admin/tenants", &admin),
            "policy": gateway.get_json(&format!("/v1/privacy/policy?tenant={ACME}"), &admin),
            "quarantine": gateway.get_json(&format!("/v1/admin/quarantine?tenant={ACME}"), &admin),
        })
    }
}

/// The ways of a request to mean acme.
fn attempts(two: &Two, route: &Route) -> Vec<(String, Value)> {
    let acme_path = |tenant: &str| {
        let path = route.path.replace("{key}", &two.rival.key).replace("{tenant}", tenant);
        path.replace("{id}", two.acme_key_id()).replace("{jti}", &two.acme_jti)
    };
    let bodies = [
        json!({ "type": "custom", "tenant": two.acme.id, "project_id": ACME, "event_type": "mcp:tools/list" }),
        json!({ "tenant": two.acme.id, "scope": "ingest" }),
        json!({ "tenant": ACME, "scope": "query" }),
        json!({ "name": "acme2" }),
    ];
    let mut attempts = Vec::new();
    for path in [acme_path(&two.acme.id), acme_path(ACME), acme_path("gateway")] {
        for query in [
            "",
            "?tenant=acme",
            &format!("?tenant={}", two.acme.id),
            "?tenant=gateway",
            "?session=acme-session",
            "?name=acme-tool",
        ] {
            for body in if route.method == "POST" { &bodies[..] } else { &bodies[..1] } {
                attempts.push((format!("{path}{query}"), body.clone()));
            }
        }
    }
    attempts.sort_by_key(|(path, body)| (path.clone(), body.to_string()));
    attempts.dedup();
    attempts
}

#[test]
fn no_route_shows_or_changes_anything_of_another_tenant() {
    let two = Two::begin();
    let before = two.state_of_acme();
    // What the rival posts or asks for becomes its own, and its own trail names it: so the trail is read first, and posts come last.
    let mut routes = ROUTES;
    routes.sort_by_key(|route| (route.method == "POST", !route.path.starts_with("/v1/audit/")));
    for route in routes {
        for (path, body) in attempts(&two, &route) {
            for (who, credential) in [("token", &two.rival.token), ("key", &two.rival.key)] {
                let what = format!("{} {path} with rival's {who}", route.method);
                let mut request =
                    two.gateway.request(Method::from_bytes(route.method.as_bytes()).expect("a method"), &path);
                if !route.path.starts_with("/t/") {
                    request = request.bearer_auth(credential);
                }
                if route.method == "POST" {
                    request = request.body(body.to_string());
                }
                let answer = send(request);
                two.assert_nothing_of_acme(&what, &answer);
                assert!(answer.status < 500, "{what}: {}", answer.text());
                if route.needs == Needs::Operator {
                    assert_eq!(answer.status, 403, "{what}: {}", answer.text());
                }
                if matches!(route.needs, Needs::Scope(_) | Needs::OwnAdmin)
                    && (who == "key" || path.contains("tenant=") || path.contains("/tlog/"))
                {
                    assert!(matches!(answer.status, 400 | 403), "{what}: {} {}", answer.status, answer.text());
                }
            }
        }
    }
    assert_eq!(two.state_of_acme(), before, "acme is as it was");
    two.gateway.post_events(&two.acme.key, &json!({ "type": "custom" })).expect(200);
}

/// The search above would find it: acme itself sees on the same routes what the rival never saw.
#[test]
fn every_reading_route_shows_its_own_tenant_its_own_data() {
    let two = Two::begin();
    for (tenant, name, other) in [(&two.acme, ACME, RIVAL), (&two.rival, RIVAL, ACME)] {
        for path in [
            "/v1/query/top",
            "/v1/query/series?by=name&interval=1h",
            "/v1/query/journeys",
            "/v1/query/sessions",
            &format!("/v1/query/sessions/{name}-session"),
            "/api/analytics",
            "/api/sessions",
            "/api/export",
        ] {
            let answer = two.gateway.get(path, &tenant.token).expect(200).text();
            assert!(answer.contains(&format!("{name}-")), "{path} does not show {name} its own data: {answer}");
            assert!(!answer.contains(&format!("{other}-")), "{path} shows {name} data of {other}");
        }
        for path in
            ["/v1/query/summary", "/v1/query/series?interval=1h", &format!("/v1/audit/tlog/{}/checkpoint", tenant.id)]
        {
            two.gateway.get(path, &tenant.token).expect(200);
        }
        assert_eq!(two.gateway.get_json("/v1/query/summary", &tenant.token)["events"], 2);
    }
}

/// Ids that both use mean two things, and what is derived from a person differs.
#[test]
fn nothing_links_the_tenants_to_each_other() {
    let two = Two::begin();
    let user =
        |tenant: &Tenant| two.gateway.get_json("/api/export", &tenant.token)["data"]["requests"][0]["userId"].clone();
    assert!(user(&two.acme).as_str().is_some_and(|user| user.starts_with("u_")));
    assert_ne!(user(&two.acme), user(&two.rival), "one person has another pseudonym with every tenant");

    let post = |tenant: &Tenant, body: &str| {
        let request = two.gateway.request(Method::POST, "/v1/events").bearer_auth(&tenant.key);
        send(request.header("Idempotency-Key", "same-key").body(body.to_owned()))
    };
    post(&two.acme, r#"{"type":"custom","name":"a"}"#).expect(200);
    let answer = post(&two.rival, r#"{"type":"custom","name":"b"}"#).expect(200);
    assert_eq!(answer.header("idempotency-replayed"), "");
}

/// An operator's token names a tenant, and needs the scope for what it reads.
#[test]
fn an_operator_reads_one_tenant_at_a_time_and_only_with_the_scope_for_it() {
    let two = Two::begin();
    let gateway = &two.gateway;
    let order = json!({ "scope": "admin query" });
    let issued = gateway.post_json("/v1/admin/tokens", &gateway.admin_key(), &order).expect(201).json();
    let operator = issued["token"].as_str().expect("a token").to_owned();
    gateway.get("/v1/query/top", &operator).expect(400);
    gateway.get("/v1/query/top?tenant=nobody", &operator).expect(404);
    gateway.get("/api/export?tenant=acme", &operator).expect(403);
    for named in [ACME, &two.acme.id] {
        let answer = gateway.get(&format!("/v1/query/top?tenant={named}"), &operator).expect(200).text();
        assert!(answer.contains("acme-tool") && !answer.contains("rival-"), "{answer}");
    }
}
