//! Other people's scripts rely on it: status, headers and shape of every answer.

use reqwest::Method;
use serde_json::{Value, json};
use tidegate::clock::{Clock, Millis, SystemClock};

use crate::gateway::{Answer, Gateway, Setup, send};
use crate::routes::{Needs, ROUTES, Route, exists, methods};

/// Whatever is sent in a wrong place; it must never come back.
const MARKER: &str = "mArKeR-7f3a91";

/// A gateway with one tenant and a credential of every kind.
struct Door {
    gateway: Gateway,
    tenant: String,
    key: String,
    reader: String,
}

impl Door {
    fn open() -> Door {
        Door::of(Gateway::start())
    }

    fn of(gateway: Gateway) -> Door {
        let tenant = gateway.tenant("acme");
        let (key, reader) = (gateway.key("acme"), gateway.token("acme", "query,export,compliance,subjects"));
        Door { gateway, tenant, key, reader }
    }

    /// A credential that the route accepts.
    fn credential(&self, needs: Needs) -> String {
        match needs {
            Needs::Nothing | Needs::Metrics => String::new(),
            Needs::Ingest => self.key.clone(),
            Needs::Scope(_) => self.reader.clone(),
            Needs::Operator | Needs::OwnAdmin => self.gateway.admin_key(),
        }
    }

    /// A request that the route fulfils.
    fn ask(&self, route: &Route) -> Answer {
        let path = match (route.method, route.path) {
            ("DELETE", "/v1/admin/keys/{id}") => {
                let doomed = self.gateway.key("acme");
                route.path.replace("{id}", doomed.split('_').nth(1).expect("the key's id"))
            }
            ("GET", "/v1/admin/keys" | "/v1/admin/quarantine") => format!("{}?tenant=acme", route.path),
            ("PUT" | "DELETE", "/v1/privacy/policy") => format!("{}?tenant=acme", route.path),
            ("GET", "/v1/query/funnel") => format!("{}?steps=scan,list", route.path),
            _ => route
                .path
                .replace("{key}", &self.key)
                .replace("{tenant}", &self.tenant)
                .replace("{jti}", &"0".repeat(32)),
        };
        let body = match route.path {
            "/v1/admin/tenants" => json!({ "name": "another" }),
            "/v1/admin/keys" => json!({ "tenant": "acme", "label": "site" }),
            "/v1/admin/tokens" => json!({ "tenant": "acme", "scope": "query" }),
            "/v1/admin/backups" => json!({ "dir": self.gateway.root().join("copy") }),
            "/v1/query/sql" => json!({ "sql": "SELECT count(*) FROM events" }),
            "/v1/privacy/preview" => json!({ "policy": "preset = 'balanced'", "events": [{ "type": "custom" }] }),
            "/v1/subjects/requests" => json!({ "type": "erasure", "user": "nobody" }),
            path if path.ends_with("/v1/public/events") => {
                json!({ "event_type": "mcp:tools/call", "resource_name": "scan" })
            }
            _ => json!({ "type": "custom" }),
        };
        let method = Method::from_bytes(route.method.as_bytes()).expect("a method");
        let mut request = self.gateway.request(method.clone(), &path);
        if !route.path.starts_with("/t/") && route.needs != Needs::Nothing {
            request = request.bearer_auth(self.credential(route.needs));
        }
        if method == Method::POST {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        send(request)
    }
}

fn assert_problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    for (member, is_right) in [
        ("type", problem["type"].is_string()),
        ("title", problem["title"].as_str().is_some_and(|title| !title.is_empty())),
        ("status", problem["status"] == status),
        ("detail", problem["detail"].as_str().is_some_and(|detail| !detail.is_empty())),
    ] {
        assert!(is_right, "`{member}` is missing or wrong in {problem}");
    }
    problem
}

/// Names of an object's members, sorted.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        value.as_object().unwrap_or_else(|| panic!("not an object: {value}")).keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_route_answers_with_its_status_and_type() {
    let door = Door::open();
    for route in ROUTES {
        let (status, content_type) = match (route.method, route.path) {
            (
                _,
                "/"
                | "/no/such/route"
                | "/v1/query/sessions/{id}"
                | "/v1/query/traces/{id}"
                | "/v1/subjects/requests/{id}",
            ) => (404, "application/problem+json"),
            ("POST", "/v1/query/sql" | "/v1/privacy/preview") => (200, "application/json"),
            ("POST", "/v1/subjects/requests") => (202, "application/json"),
            ("GET", "/v1/export") => (200, "application/x-ndjson"),
            ("POST", "/v1/events" | "/t/{key}/v1/events") => (200, "application/json"),
            ("POST", "/v1/public/events" | "/t/{key}/v1/public/events") => (202, "application/json"),
            ("POST", _) => (201, "application/json"),
            ("DELETE", "/v1/admin/tokens/{jti}") => (204, ""),
            ("GET", "/v1/audit/tlog/{tenant}/checkpoint") => (200, "text/plain; charset=utf-8"),
            ("GET", "/metrics") => (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            _ => (200, "application/json"),
        };
        let answer = door.ask(&route);
        assert_eq!(answer.status, status, "{} {}: {}", route.method, route.path, answer.text());
        assert_eq!(answer.header("content-type"), content_type, "{} {}", route.method, route.path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{} {}", route.method, route.path);
        assert_eq!(answer.header("cache-control"), "no-store", "{} {}", route.method, route.path);
    }
}

#[test]
fn a_method_that_a_route_does_not_take_is_405_and_names_those_that_it_takes() {
    let door = Door::open();
    for route in ROUTES.iter().filter(|route| exists(route)) {
        let path = route.path.replace("{key}", &door.key).replace(['{', '}'], "");
        let answer = send(door.gateway.request(Method::PATCH, &path).bearer_auth(door.credential(route.needs)));
        assert_problem(&answer, 405);
        let mut allowed: Vec<&str> = answer.header("allow").split(", ").collect();
        allowed.sort_unstable();
        let mut expected = methods(route.path);
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{}", route.path);
    }
}

#[test]
fn problems_have_all_members_and_never_repeat_what_was_sent() {
    let door = Door::open();
    let (gateway, admin) = (&door.gateway, door.gateway.admin_key());
    let text = |path: &str, content_type: &str, body: &str| {
        let request = gateway.request(Method::POST, path).bearer_auth(&door.key);
        send(request.header("Content-Type", content_type).body(body.to_owned()))
    };
    let get = |path: &str| gateway.get(&path.replace('M', MARKER), &door.reader);
    let json = "application/json";
    let cases = [
        (404, get("/M")),
        (404, get("/v1/query/M")),
        (404, get("/t/M/M")),
        (404, gateway.delete(&format!("/v1/admin/keys/{MARKER}"), &admin)),
        (404, gateway.delete(&format!("/v1/admin/tokens/{MARKER}"), &admin)),
        (404, gateway.get(&format!("/v1/admin/keys?tenant={MARKER}"), &admin)),
        (403, get("/v1/audit/tlog/M/checkpoint")),
        (403, get("/v1/query/summary?tenant=M")),
        (400, get("/v1/query/summary?M=1")),
        (400, get("/v1/query/summary?from=M")),
        (400, get("/v1/query/top?by=M")),
        (400, get("/v1/query/sessions?cursor=M")),
        (404, get("/v1/query/sessions/M")),
        (404, get("/v1/query/traces/M")),
        (400, get("/v1/query/sessions/M?cursor=M")),
        (400, get("/api/analytics?M=M")),
        (400, get("/v1/audit/records?from=M")),
        (400, gateway.get("/v1/admin/keys", &admin)),
        (401, gateway.get("/v1/query/summary", MARKER)),
        (401, gateway.get("/v1/query/summary", &format!("{MARKER}.{MARKER}.{MARKER}"))),
        (401, send(gateway.request(Method::POST, &format!("/t/{MARKER}/v1/events")).body("{}"))),
        (400, text("/v1/events", json, &format!("{{\"type\":{MARKER}}}"))),
        (400, text("/v1/events", json, MARKER)),
        (400, text(&format!("/v1/events?ack={MARKER}"), json, "{}")),
        (400, text(&format!("/v1/events?{MARKER}={MARKER}"), json, "{}")),
        (415, text("/v1/events", &format!("application/{MARKER}"), "{}")),
        (400, gateway.post_json("/v1/admin/tenants", &admin, &json!({ "name": "x", MARKER: MARKER }))),
        (422, gateway.post_json("/v1/admin/tenants", &admin, &json!({ "name": format!("{MARKER}/!") }))),
        (404, gateway.post_json("/v1/admin/keys", &admin, &json!({ "tenant": MARKER }))),
        (400, gateway.post_json("/v1/admin/keys", &admin, &json!({ "tenant": "acme", "scope": MARKER }))),
        (
            422,
            gateway.post_json("/v1/admin/keys", &admin, &json!({ "tenant": "acme", "label": format!("{MARKER}/!") })),
        ),
        (422, gateway.post_json("/v1/admin/keys", &admin, &json!({ "tenant": "acme", "scope": "query" }))),
        (
            400,
            gateway.post_json(
                "/v1/admin/tokens",
                &admin,
                &json!({ "tenant": "acme", "scope": "query", "ttl": MARKER }),
            ),
        ),
        (
            422,
            gateway.post_json("/v1/admin/tokens", &admin, &json!({ "tenant": "acme", "scope": "query", "ttl": "90d" })),
        ),
        (422, gateway.post_json("/v1/admin/tokens", &admin, &json!({ "scope": "query" }))),
        (409, gateway.post_json("/v1/admin/tenants", &admin, &json!({ "name": "acme" }))),
    ];
    for (number, (status, answer)) in cases.iter().enumerate() {
        assert_eq!(answer.status, *status, "case {number}: {}", answer.text());
        assert_problem(answer, *status);
        assert!(!answer.everything().contains(MARKER), "case {number} repeats what was sent: {}", answer.everything());
    }
    assert!(!gateway.stderr().contains(MARKER), "the log repeats what was sent");
}

#[test]
fn the_first_users_dashboards_get_exactly_their_shapes() {
    let door = Door::open();
    let now = SystemClock.now();
    let start = Millis(now.0 - 90_000);
    let end = Millis(start.0 + 60_000);
    let event = |at: Millis, duration: u32, ok: bool| {
        json!({
            "type": "mcp.tool_call", "name": "scan_directory", "timestamp": at.to_string(), "session": "mcp_1_1693234567890",
            "user": "ana", "ip": "192.168.1.17", "client": { "name": "Claude Desktop", "version": "1.0" }, "duration_ms": duration, "ok": ok,
        })
    };
    door.gateway.post_events(&door.key, &json!([event(start, 100, true), event(end, 151, false)])).expect(200);

    // Compared as text: the order of the members is part of the shape.
    let text = |path| {
        let text = door.gateway.get(path, &door.reader).expect(200).text();
        let (answer, rest) = text.rsplit_once("\"timestamp\":\"").expect("a timestamp at the end");
        assert!(Millis::parse_rfc3339(rest.trim_end_matches("\"}")).is_some(), "{rest}");
        format!("{answer}\"timestamp\":\"...\"}}")
    };
    let tool = format!(
        r#"{{"toolName":"scan_directory","usageCount":2,"lastUsed":"{end}","averageResponseTime":125.5,"errorCount":1}}"#
    );
    let analytics = text("/api/analytics");
    let user =
        analytics.split("\"userId\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a user").to_owned();
    assert!(user.starts_with("u_"), "a pseudonym, not {user}");
    assert_eq!(
        analytics,
        format!(
            r#"{{"success":true,"data":{{"totalUsers":1,"activeSessions":1,"totalRequests":2,"popularTools":[{tool}],"averageResponseTime":125.5,"errorRate":0.5,"topUsers":[{{"userId":"{user}","requestCount":2,"lastActivity":"{end}"}}]}},"timestamp":"..."}}"#
        )
    );
    let session = format!(
        r#"{{"id":"mcp_1_1693234567890","clientInfo":"Claude Desktop v1.0","connectedAt":"{start}","lastActivity":"{end}","toolsUsed":["scan_directory"],"ipAddress":"192.168.1.0","totalRequests":2,"sessionDuration":60000}}"#
    );
    assert_eq!(text("/api/sessions"), format!(r#"{{"success":true,"data":[{session}],"count":1,"timestamp":"..."}}"#));
    let request = |at: Millis, duration: &str, ok: bool| {
        format!(
            r#"{{"timestamp":"{at}","type":"mcp.tool_call","name":"scan_directory","sessionId":"mcp_1_1693234567890","userId":"{user}","ipAddress":"192.168.1.0","method":null,"path":null,"statusCode":null,"responseTime":{duration},"success":{ok},"error":null,"clientInfo":"Claude Desktop v1.0","attributes":{{}}}}"#
        )
    };
    let requests = format!("{},{}", request(start, "100.0", true), request(end, "151.0", false));
    assert_eq!(
        text("/api/export"),
        format!(
            r#"{{"success":true,"data":{{"sessions":[{session}],"requests":[{requests}],"toolUsage":[{tool}]}},"timestamp":"..."}}"#
        )
    );

    let reader = door.gateway.token("acme", "query");
    let hidden = door.gateway.get_json("/api/analytics", &reader);
    assert_eq!(hidden["data"]["topUsers"], json!([]), "who may read aggregates only sees no single users");
}

#[test]
fn every_document_has_the_members_that_are_promised() {
    let door = Door::open();
    let gateway = &door.gateway;
    gateway
        .post_events(&door.key, &json!({ "type": "mcp.tool_call", "name": "scan", "session": "s", "duration_ms": 5 }))
        .expect(200);
    let get = |path: &str| gateway.get_json(path, &door.reader);
    let admin = |path: &str| gateway.get_json(path, &gateway.admin_key());

    let summary = get("/v1/query/summary");
    let members = [
        "duration_ms",
        "error_rate",
        "errors",
        "events",
        "from",
        "last_seen",
        "requests",
        "sessions",
        "to",
        "types",
        "users",
    ];
    assert_eq!(names(&summary), members);
    assert_eq!(names(&summary["duration_ms"]), ["count", "mean", "p50", "p95", "p99"]);
    assert_eq!(names(&summary["types"][0]), ["error_rate", "errors", "events", "type"]);

    let series = get("/v1/query/series?from=-1h&interval=1m");
    assert_eq!(names(&series), ["from", "interval_ms", "points", "to"]);
    assert_eq!(names(&series["points"][0]), ["error_rate", "errors", "events", "mean_ms", "p95_ms", "time"]);

    let top = get("/v1/query/top?by=name");
    assert_eq!(names(&top), ["absent", "by", "from", "other", "rows", "to", "total"]);
    assert_eq!(names(&top["rows"][0]), ["error_rate", "errors", "events", "key", "last_seen", "mean_ms", "p95_ms"]);

    let sessions = get("/v1/query/sessions");
    assert_eq!(names(&sessions), ["next_cursor", "sessions"]);
    let records = get("/v1/audit/records");
    assert_eq!(names(&records), ["next", "records", "size"]);
    assert_eq!(names(&records["records"][0]), ["index", "leaf", "principal"]);

    let tenants = admin("/v1/admin/tenants");
    assert_eq!(names(&tenants["tenants"][0]), ["created", "enabled", "id", "name"]);
    let keys = admin("/v1/admin/keys?tenant=acme");
    assert_eq!(names(&keys["keys"][0]), ["created", "id", "label", "revoked", "scope", "tenant"]);
    assert!(!keys.to_string().contains(door.key.rsplit('_').next().expect("the secret")), "a secret is shown once");
    assert_eq!(names(&admin("/v1/admin/quarantine?tenant=acme")), ["events"]);
    assert!(admin("/v1/admin/limits")["each_tenant"].is_object());

    let made = |path: &str, order: Value| gateway.post_json(path, &gateway.admin_key(), &order).expect(201).json();
    assert_eq!(names(&made("/v1/admin/tenants", json!({ "name": "other" }))), ["created", "enabled", "id", "name"]);
    assert_eq!(names(&made("/v1/admin/keys", json!({ "tenant": "other" }))), ["id", "key", "scope", "tenant"]);
    assert_eq!(
        names(&made("/v1/admin/tokens", json!({ "tenant": "other", "scope": "query" }))),
        ["expires", "id", "token"]
    );
    assert_eq!(get_open(gateway, "/healthz"), json!({ "status": "ok" }));
    assert_eq!(get_open(gateway, "/readyz"), json!({ "status": "ok" }));
}

fn get_open(gateway: &Gateway, path: &str) -> Value {
    send(gateway.request(Method::GET, path)).expect(200).json()
}

#[test]
fn a_script_that_asks_for_text_gets_the_one_value_alone() {
    let door = Door::open();
    let text = |path: &str, order: Value| {
        let request = door.gateway.request(Method::POST, path).bearer_auth(door.gateway.admin_key());
        let answer = send(request.header("Accept", "text/plain").body(order.to_string())).expect(201);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        answer.text()
    };
    let tenant = text("/v1/admin/tenants", json!({ "name": "other" }));
    let key = text("/v1/admin/keys", json!({ "tenant": "other" }));
    let token = text("/v1/admin/tokens", json!({ "tenant": "other", "scope": "query" }));
    for (value, start) in [(tenant, "tn_"), (key, "tg_"), (token, "ey")] {
        assert!(value.starts_with(start) && value.ends_with('\n') && value.lines().count() == 1, "{value}");
    }
}

#[test]
fn the_answer_to_events_says_what_became_of_them_and_how_much_is_left() {
    let door = Door::open();
    let answer = door
        .gateway
        .post_events(
            &door.key,
            &json!([{ "type": "custom", "id": "a" }, { "type": 7 }, { "type": "custom", "id": "a" }]),
        )
        .expect(200);
    assert_eq!(answer.header("tidegate-outcome"), "accepted=1, duplicate=1, rejected=1, quarantined=0");
    let document = answer.json();
    let members = ["accepted", "duplicates", "durability", "quarantined", "receipt", "rejected", "results"];
    assert_eq!(names(&document), members);
    assert_eq!(names(&document["receipt"]), ["policy", "redactions"]);
    let results = json!([
        { "index": 1, "result": "rejected", "reason": "wrong_type", "place": "/type" },
        { "index": 2, "result": "duplicate" },
    ]);
    assert_eq!(document["results"], results);
    let (limit, policy) = (answer.header("ratelimit"), answer.header("ratelimit-policy"));
    for name in ["tenant-requests", "key-requests", "tenant-events", "key-events"] {
        assert!(limit.contains(&format!("\"{name}\";r=")), "RateLimit lacks {name}: {limit}");
        assert!(policy.contains(&format!("\"{name}\";q=")), "RateLimit-Policy lacks {name}: {policy}");
    }
}

#[test]
fn a_batch_that_is_refused_event_by_event_is_still_200() {
    let door = Door::open();
    let answer = door
        .gateway
        .post_events(&door.key, &json!([1, null, [], "x", {}, { "type": "custom", "duration_ms": -1 }]))
        .expect(200)
        .json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(0), &json!(6)));
    let reasons: Vec<_> =
        answer["results"].as_array().expect("results").iter().map(|result| result["reason"].clone()).collect();
    let objects = json!("not_an_object");
    assert_eq!(
        reasons,
        [objects.clone(), objects.clone(), objects.clone(), objects, json!("type_missing"), json!("out_of_range")]
    );
    let empty = door.gateway.post_events(&door.key, &json!([])).expect(200).json();
    assert_eq!((&empty["accepted"], &empty["results"]), (&json!(0), &json!([])));
}

#[test]
fn the_same_request_twice_has_the_effect_and_the_answer_of_one() {
    let mut door = Door::open();
    let post = |gateway: &Gateway, key: &str, body: &str| {
        let request = gateway.request(Method::POST, "/v1/events").bearer_auth(&door.key).header("Idempotency-Key", key);
        send(request.body(body.to_owned()))
    };
    let first = post(&door.gateway, "\"k-1\"", r#"{"type":"custom","name":"once"}"#).expect(200);
    assert_eq!(first.header("idempotency-replayed"), "");
    let second = post(&door.gateway, "\"k-1\"", r#"{"type":"custom","name":"once"}"#).expect(200);
    assert_eq!((second.header("idempotency-replayed"), &second.body), ("true", &first.body));
    assert_problem(&post(&door.gateway, "k-1", r#"{"type":"custom","name":"other"}"#), 422);
    assert_problem(&post(&door.gateway, &"k".repeat(300), "{}"), 400);

    door.gateway.stop();
    door.gateway.restart();
    let third = post(&door.gateway, "k-1", r#"{"type":"custom","name":"once"}"#).expect(200);
    assert_eq!((third.header("idempotency-replayed"), &third.body), ("true", &first.body));
    let summary = door.gateway.get_json("/v1/query/summary", &door.reader);
    assert_eq!(summary["events"], 1, "three requests, one effect");
}

#[test]
fn the_same_request_many_times_at_once_has_one_effect() {
    let door = Door::open();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let post = || {
            let request = door.gateway.request(Method::POST, "/v1/events").bearer_auth(&door.key);
            send(request.header("Idempotency-Key", "all-at-once").body(r#"{"type":"custom"}"#))
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(post)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that sends")).collect()
    });
    for answer in &answers {
        match answer.status {
            200 => {}
            409 => {
                assert_problem(answer, 409);
                assert!(!answer.header("retry-after").is_empty(), "409 says when to come back");
            }
            other => panic!("neither 200 nor 409: {other}"),
        }
    }
    let firsts =
        answers.iter().filter(|answer| answer.status == 200 && answer.header("idempotency-replayed").is_empty());
    assert_eq!(firsts.count(), 1, "one of them is the first");
    assert_eq!(door.gateway.get_json("/v1/query/summary", &door.reader)["events"], 1);
}

#[test]
fn who_does_not_want_to_wait_for_the_disk_is_told_so() {
    let door = Door::open();
    let answer = door
        .gateway
        .post_json("/v1/events?ack=memory", &door.key, &json!({ "type": "custom", "name": "quick" }))
        .expect(202);
    assert_eq!((&answer.json()["durability"], &answer.json()["accepted"]), (&json!("buffered"), &json!(1)));
    let seen = || (door.gateway.get_json("/v1/query/summary", &door.reader)["events"] == 1).then_some(());
    crate::gateway::poll("the buffered event", seen);
    let answer = door.gateway.post_json("/v1/events?ack=synced", &door.key, &json!({ "type": "custom" })).expect(200);
    assert_eq!(answer.json()["durability"], "synced");
}

#[test]
fn slashes_and_keys_in_the_path_are_no_obstacle() {
    let door = Door::open();
    let key = &door.key;
    for path in [
        "/v1/events",
        "/v1/events/",
        "//v1/events",
        "/v1//events//",
        &format!("/t/{key}/v1/events"),
        &format!("//t//{key}/v1/events/"),
    ] {
        let mut request = door.gateway.request(Method::POST, path).body(r#"{"type":"custom"}"#);
        if !path.contains(key.as_str()) {
            request = request.bearer_auth(key);
        }
        send(request).expect(200);
    }
    for path in ["/v1/public/events/", "//v1/public/events/", &format!("/t/{key}//v1/public/events/")] {
        let mut request = door.gateway.request(Method::POST, path).body(r#"{"event_type":"mcp:tools/list"}"#);
        if !path.contains(key.as_str()) {
            request = request.header("X-Api-Key", key);
        }
        let answer = send(request).expect(202);
        assert!(
            answer.header("tidegate-outcome").starts_with("accepted=1"),
            "{path}: {}",
            answer.header("tidegate-outcome")
        );
    }
    assert_eq!(door.gateway.get_json("/v1/query/summary", &door.reader)["events"], 9);
    assert!(!door.gateway.metrics().contains(key.as_str()), "a key in a path is in no metric");
    assert!(!door.gateway.stderr().contains(key.as_str()), "a key in a path is in no log");
}

/// Headers and body of a request.
type Sent<'a> = (&'a [(&'a str, &'a str)], Vec<u8>);

#[test]
fn whatever_an_agentcat_client_sends_its_process_survives_the_answer() {
    let setup = Setup::new().config("[limits]\nbody_max = \"64KiB\"\ninflated_max = \"64KiB\"\nevent_max = \"16KiB\"");
    let setup = setup.config("[agentcat]\nprojects = { proj_mapped = \"acme\" }");
    let mut gateway = setup.prepare();
    // The project is mapped to a tenant that must exist first.
    gateway.value_of(&["tenant", "create", "acme"]);
    gateway.restart();
    let key = gateway.key("acme");
    let reader = gateway.token("acme", "query");
    let post = |headers: &[(&str, &str)], body: Vec<u8>| {
        let request = gateway.request(Method::POST, "/v1/public/events/");
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body))
    };
    let call = |project: &str| {
        json!({ "project_id": project, "event_type": "mcp:tools/call", "resource_name": "scan" })
            .to_string()
            .into_bytes()
    };
    let large = json!({ "project_id": &key, "event_type": "mcp:tools/call", "response": "x".repeat(20 << 10) })
        .to_string()
        .into_bytes();
    let deep = format!(
        r#"{{"project_id":"{key}","event_type":"mcp:tools/list","response":{}1{}}}"#,
        "[".repeat(99),
        "]".repeat(99)
    )
    .into_bytes();
    let accepted: [Sent; 3] = [
        (&[], call("proj_mapped")),
        (&[], call(&key)),
        (&[("Authorization", &format!("Bearer {key}"))], call("proj_unknown")),
    ];
    let refused: [Sent; 12] = [
        (&[], Vec::new()),
        (&[], b"not JSON".to_vec()),
        (&[], b"[]".to_vec()),
        (&[], b"\xff\xfe".to_vec()),
        (&[], call("proj_unknown")),
        (&[("Authorization", "Bearer nonsense")], call("proj_mapped")),
        (&[("Content-Encoding", "lzw")], call("proj_mapped")),
        (&[("Content-Encoding", "gzip")], call("proj_mapped")),
        (&[], json!({ "project_id": "proj_mapped", "event_type": "made:up" }).to_string().into_bytes()),
        (&[], large),
        (&[], deep),
        (&[], vec![b' '; 70 << 10]),
    ];
    for (outcome, cases) in [("accepted=1,", &accepted[..]), ("accepted=0,", &refused[..])] {
        for (number, (headers, body)) in cases.iter().enumerate() {
            let answer = post(headers, body.clone());
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (202, r#"{"status":"accepted"}"#),
                "{outcome} case {number}"
            );
            assert_eq!(answer.header("content-type"), "application/json");
            assert!(
                answer.header("tidegate-outcome").starts_with(outcome),
                "{outcome} case {number}: {}",
                answer.header("tidegate-outcome")
            );
        }
    }
    assert_eq!(gateway.get_json("/v1/query/top", &reader)["rows"][0]["events"], 3);
    assert_eq!(
        gateway.metric("tidegate_events_total", &["outcome=\"received\""]),
        15.0,
        "what was refused is in the books"
    );
    assert_eq!(gateway.metric("tidegate_ledger_imbalance", &[]), 0.0);
}
