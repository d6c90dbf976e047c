//! Too much is refused: who sent it hears when to come back, nobody else notices, and what was acknowledged stays.

use std::io::Write as _;

use reqwest::Method;
use serde_json::json;

use crate::gateway::{Answer, Gateway, Setup, poll, send};

/// A gateway with two tenants that exist before it starts, and with these settings.
fn with_limits(toml: &str) -> Gateway {
    let mut gateway = Setup::new().prepare();
    gateway.value_of(&["tenant", "create", "acme"]);
    gateway.value_of(&["tenant", "create", "rival"]);
    gateway.write_config(toml);
    gateway.restart();
    gateway
}

/// Asks until the answer is 429. The burst is small and refills slowly, so it soon is.
fn until_limited(what: &str, ask: impl Fn() -> Answer) -> Answer {
    (0..1000).map(|_| ask()).find(|answer| answer.status == 429).unwrap_or_else(|| panic!("{what} is never limited"))
}

fn assert_tells_when_to_come_back(answer: &Answer, policy: &str) {
    let seconds = answer.header("retry-after").parse::<u64>().expect("Retry-After in seconds");
    assert!(seconds >= 1);
    let (limit, policies) = (answer.header("ratelimit"), answer.header("ratelimit-policy"));
    assert!(limit.starts_with(&format!("\"{policy}\";r=")) && limit.contains(";t="), "RateLimit: {limit}");
    assert!(
        policies.starts_with(&format!("\"{policy}\";q=")) && policies.contains(";w="),
        "RateLimit-Policy: {policies}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["violated-policies"]), (&json!(429), &json!([policy])));
}

const TIGHT: &str = "requests_per_second = 1\nrequests_burst = 5";

#[test]
fn a_tenant_that_asks_too_often_waits_and_the_others_do_not() {
    let gateway = with_limits(&format!("[limits.tenants.acme]\n{TIGHT}"));
    let (acme, rival) = (gateway.key("acme"), gateway.key("rival"));
    let event = json!({ "type": "custom" });
    let refused = until_limited("the tenant", || gateway.post_events(&acme, &event));
    assert_tells_when_to_come_back(&refused, "tenant-requests");
    for _ in 0..20 {
        gateway.post_events(&rival, &event).expect(200);
    }
    assert!(
        gateway.metric("tidegate_rate_limited_total", &["policy=\"tenant-requests\""]) >= 1.0,
        "{}",
        gateway.metrics()
    );
    let sdk = || {
        let request = gateway.request(Method::POST, "/v1/public/events/").bearer_auth(&acme);
        send(request.body(r#"{"event_type":"mcp:tools/list"}"#)).expect(202)
    };
    let told = (0..1000).map(|_| sdk()).any(|answer| answer.header("tidegate-outcome").contains("reason=rate_limited"));
    assert!(told, "an SDK that cannot take 429 is answered 202, and the header has the truth");
}

#[test]
fn a_key_that_asks_too_often_waits_and_the_tenants_other_keys_do_not() {
    let gateway = with_limits(&format!("[limits.each_key]\n{TIGHT}"));
    let (busy, quiet) = (gateway.key("acme"), gateway.key("acme"));
    let event = json!({ "type": "custom" });
    let refused = until_limited("the key", || gateway.post_events(&busy, &event));
    assert_tells_when_to_come_back(&refused, "key-requests");
    gateway.post_events(&quiet, &event).expect(200);
}

#[test]
fn events_are_limited_by_their_number_and_by_the_day() {
    let gateway = with_limits(
        "[limits]\nevents_max = 10\n[limits.tenants.acme]\nevents_per_second = 1\nevents_burst = 25\n[limits.tenants.rival]\nevents_per_day = 15",
    );
    let events = |count: usize| json!(vec![json!({ "type": "custom" }); count]);
    let (acme, rival) = (gateway.key("acme"), gateway.key("rival"));
    let refused = until_limited("the tenant's events", || gateway.post_events(&acme, &events(10)));
    assert_tells_when_to_come_back(&refused, "tenant-events");

    gateway.post_events(&rival, &events(10)).expect(200);
    let refused = gateway.post_events(&rival, &events(10)).expect(429);
    assert_tells_when_to_come_back(&refused, "tenant-events-daily");
    gateway.post_events(&rival, &events(5)).expect(200);
    let summary = gateway.get_json("/v1/query/summary", &gateway.token("rival", "query"));
    assert_eq!(summary["events"], 15, "a refused request stores nothing");
    let too_many = gateway.post_events(&rival, &events(11)).expect(413).json();
    assert_eq!(too_many["limit_events"], 10);
}

/// Addresses are told apart behind a proxy that is trusted.
#[test]
fn an_address_that_guesses_keys_is_locked_out_and_others_are_not() {
    let gateway = with_limits(
        "[limits]\nauth_failures_per_minute = 1\nauth_failures_burst = 3\n[proxy]\ntrusted = [\"127.0.0.0/8\"]\nheader = \"x-forwarded-for\"",
    );
    let key = gateway.key("acme");
    let from = |address: &str, credential: &str| {
        let request = gateway.request(Method::POST, "/v1/events").header("X-Forwarded-For", address);
        send(request.bearer_auth(credential).body(r#"{"type":"custom"}"#))
    };
    let guess = format!("tg_{}_{}", "0".repeat(16), "0".repeat(64));
    let refused = until_limited("the guesser", || from("198.51.100.9", &guess));
    assert_tells_when_to_come_back(&refused, "authentication-failures");
    from("198.51.100.9", &key).expect(429);
    from("198.51.100.10", &key).expect(200);
    from("198.51.100.10", &guess).expect(401);
    from("198.51.100.9, 198.51.100.10", &key).expect(200);
    for _ in 0..10 {
        send(gateway.request(Method::POST, "/v1/events").header("X-Forwarded-For", "198.51.100.11")).expect(401);
    }
    from("198.51.100.11", &key).expect(200);
}

#[test]
fn limits_that_are_edited_hold_without_a_restart_and_mistakes_change_nothing() {
    let gateway = with_limits("");
    let key = gateway.key("acme");
    let event = json!({ "type": "custom" });
    gateway.post_events(&key, &event).expect(200);
    let limited = || gateway.post_events(&key, &event).status == 429;
    gateway.write_config(&format!("[limits.tenants.acme]\n{TIGHT}"));
    poll("the new limit", || limited().then_some(()));
    let limits = gateway.get_json("/v1/admin/limits", &gateway.admin_key());
    assert_eq!(limits["tenants"]["acme"]["requests"]["burst"], 5);

    gateway.write_config("[limits.tenants.acme]\nrequests_per_second = \"many\"");
    poll("the refusal in the log", || gateway.stderr().contains("the old one stays in force").then_some(()));
    until_limited("under the old limit", || gateway.post_events(&key, &event));

    gateway.write_config("");
    gateway.signal("HUP");
    poll("the old freedom", || (0..20).all(|_| !limited()).then_some(()));
    let meta = gateway.get_json("/v1/audit/records?tenant=gateway&limit=1000", &gateway.admin_key());
    assert!(meta.to_string().contains("config.loaded"), "what changed is on record");
}

/// The address that the gateway keeps of an event sent with these headers.
fn kept_address(gateway: &Gateway, headers: &[(&str, &str)]) -> serde_json::Value {
    let tenant = format!(
        "t{}",
        gateway.get_json("/v1/admin/tenants", &gateway.admin_key())["tenants"].as_array().map_or(0, Vec::len)
    );
    gateway.tenant(&tenant);
    let request = gateway.request(Method::POST, "/v1/events").bearer_auth(gateway.key(&tenant));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request.body(r#"{"type":"custom"}"#)).expect(200);
    let export = gateway.get_json("/api/export", &gateway.token(&tenant, "export"));
    export["data"]["requests"][0]["ipAddress"].clone()
}

#[test]
fn the_clients_address_is_read_from_the_right_past_trusted_proxies_only() {
    let gateway = Setup::new()
        .config("[proxy]\ntrusted = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\nheader = \"x-forwarded-for\"")
        .start();
    for (headers, expected) in [
        (&[("X-Forwarded-For", "203.0.113.77")][..], json!("203.0.113.0")),
        (&[("X-Forwarded-For", "1.1.1.1, 203.0.113.77, 10.1.2.3")], json!("203.0.113.0")),
        (&[("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.77")], json!("203.0.113.0")),
        (&[("X-Forwarded-For", "2001:db8:1:2::3")], json!("2001:db8:1::")),
        (&[("X-Forwarded-For", "unknown")], json!(null)),
        (&[("X-Forwarded-For", "203.0.113.77, nonsense")], json!(null)),
        (&[("Forwarded", "for=1.1.1.1"), ("X-Real-Ip", "1.1.1.1"), ("True-Client-Ip", "1.1.1.1")], json!("127.0.0.0")),
        (&[], json!("127.0.0.0")),
    ] {
        assert_eq!(kept_address(&gateway, headers), expected, "{headers:?}");
    }
}

#[test]
fn forwarding_headers_from_anybody_else_are_ignored() {
    let spoofed = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("Forwarded", "for=1.1.1.1"),
        ("X-Real-Ip", "1.1.1.1"),
        ("CF-Connecting-IP", "1.1.1.1"),
    ];
    for config in [
        "",
        "[proxy]\ntrusted = [\"10.0.0.0/8\"]\nheader = \"x-forwarded-for\"",
        "[proxy]\ntrusted = [\"10.0.0.0/8\"]\nheader = \"forwarded\"",
    ] {
        let gateway = Setup::new().config(config).start();
        assert_eq!(kept_address(&gateway, &spoofed), "127.0.0.0", "{config}");
    }
    let gateway = Setup::new().config("[proxy]\ntrusted = [\"127.0.0.1\"]\nheader = \"forwarded\"").start();
    let headers = [("Forwarded", "for=1.1.1.1, for=\"203.0.113.77:80\";proto=https"), ("X-Forwarded-For", "1.1.1.1")];
    assert_eq!(kept_address(&gateway, &headers), "203.0.113.0");
}

#[test]
fn more_requests_at_once_than_allowed_come_back_later_and_health_is_always_told() {
    let gateway = Setup::new().config("[limits]\nconcurrent_requests_max = 2").start();
    gateway.tenant("acme");
    let key = gateway.key("acme");
    let head =
        format!("POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 17\r\n\r\n{{");
    let event = json!({ "type": "custom" });
    let mut held = Vec::new();
    let refused = poll("an overload", || {
        // Each of these waits for the rest of a body; one that comes while the event below is served may be refused itself.
        let mut connection = gateway.connect();
        connection.write_all(head.as_bytes()).expect("the head");
        held.push(connection);
        Some(gateway.post_events(&key, &event)).filter(|answer| answer.status == 503)
    });
    assert!(!refused.header("retry-after").is_empty(), "503 says when to come back");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    send(gateway.request(Method::GET, "/healthz")).expect(200);
    send(gateway.request(Method::GET, "/metrics")).expect(200);
    drop(held);
    poll("room", || (gateway.post_events(&key, &event).status == 200).then_some(()));
}

#[test]
fn memory_is_bounded_whatever_is_sent_and_nothing_accepted_is_lost() {
    let gateway = Setup::new().config("[store]\nmemory_max = \"16MiB\"").start();
    gateway.tenant("acme");
    let (key, reader) = (gateway.key("acme"), gateway.token("acme", "query"));
    let text: String = (0..20_000).map(|n| format!("word{n} ")).collect();
    let mut accepted = 0;
    // Ten times as much as may be held.
    for round in 0..300 {
        let answer = gateway.post_events(
            &key,
            &json!([{ "type": "log", "body": text }, { "type": "log", "body": text, "n": accepted }]),
        );
        match answer.status {
            200 => accepted += 2,
            503 => assert!(!answer.header("retry-after").is_empty(), "503 says when to come back"),
            other => panic!("{other}: {}", answer.text()),
        }
        if round % 20 == 0 {
            let used = gateway.metric("tidegate_open_bucket_bytes", &[]);
            let most = gateway.metric("tidegate_open_bucket_bytes_max", &[]);
            assert!(used < most * 1.5, "{used} of {most} bytes");
        }
    }
    assert!(accepted > 100, "only {accepted} were accepted: nothing makes room");
    assert_eq!(gateway.get_json("/v1/query/summary", &reader)["events"], accepted);
    assert!(gateway.metric("tidegate_sealed_rows", &[]) > 0.0);
}
