//! The leak monitor of a running gateway: found, told to those who may know, and never with the value.

use std::fs;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, poll};

/// A gateway whose policy is blind to e-mail addresses, and that scans every event again.
fn blind(watch: &str) -> Gateway {
    let config = format!("[privacy]\npolicy = \"privacy.toml\"\nmonitor_one_in = 1\nmonitor_watch = [{watch}]");
    let mut gateway = Setup::new().config(&config).prepare();
    fs::write(gateway.root().join("privacy.toml"), "[[rules]]\nid = 'email'\nenabled = false").unwrap();
    gateway.restart();
    gateway
}

fn findings(gateway: &Gateway, tenant: &str) -> Vec<Value> {
    let answer = gateway.get_json("/v1/privacy/findings", &gateway.token(tenant, "compliance"));
    answer["findings"].as_array().unwrap().clone()
}

#[test]
fn a_slip_is_listed_counted_logged_and_recorded_without_its_value() {
    let mut gateway = blind("\"email\"");
    let acme = gateway.tenant("acme");
    let key = gateway.key("acme");
    // The monitor looks at what arrives after it has seen the tenant once.
    let found = poll("a finding", || {
        let event =
            json!({ "type": "log", "body": "ok", "attributes": { "contact": { "mail": "slipped@canary.example" } } });
        gateway.post_events(&key, &event).expect(200);
        findings(&gateway, "acme").pop()
    });
    assert_eq!(found["kind"], "email");
    assert_eq!((found["stream"].clone(), found["column"].clone()), (json!("logs"), json!("attributes")));
    assert_eq!(found["path"], "contact.mail");
    assert!(found["count"].as_u64().unwrap() >= 1 && found["policy"].as_str().unwrap().len() == 16);
    assert_eq!(found["day"].as_str().unwrap(), &found["first"].as_str().unwrap()[..10]);
    assert!(gateway.metric("tidegate_privacy_findings_total", &["kind=\"email\""]) >= 1.0);
    assert!(gateway.metric("tidegate_monitor_rows_total", &[]) >= 1.0);
    let leaves = gateway.get("/v1/audit/records?limit=1000", &gateway.token("acme", "compliance")).expect(200).text();
    assert!(leaves.contains("leak.found") && leaves.contains("findings.read"));
    let log = gateway.stderr();
    let line = log.lines().find(|line| line.contains("the leak monitor found something")).unwrap();
    assert!(line.contains("email") && line.contains(&acme), "{line}");
    for (what, text) in
        [("log", log.as_str()), ("metrics", &gateway.metrics()), ("leaves", &leaves), ("finding", &found.to_string())]
    {
        assert!(!text.contains("canary"), "the value is in the {what}");
    }
    assert!(findings(&gateway, "default").is_empty(), "nobody sees another tenant's");
    // It is there after a kill.
    gateway.kill();
    gateway.restart();
    assert!(!findings(&gateway, "acme").is_empty());
}

#[test]
fn findings_are_for_compliance_and_for_operators() {
    let gateway = blind("");
    for scopes in ["query,export,subjects", "admin"] {
        gateway.get("/v1/privacy/findings", &gateway.token("default", scopes)).expect(403);
    }
    gateway.get("/v1/privacy/findings?tenant=default", &gateway.admin_key()).expect(200);
    gateway.get("/v1/privacy/findings", &gateway.admin_key()).expect(400);
    let token = gateway.token("default", "compliance");
    let answer = gateway.get_json("/v1/privacy/findings?from=2026-01-01&to=2026-01-31&limit=1", &token);
    assert_eq!(answer, json!({ "from": "2026-01-01", "to": "2026-01-31", "findings": [], "more": false }));
    for query in ["from=yesterday", "to=2026-13-01", "limit=0", "limit=x", "days=3"] {
        gateway.get(&format!("/v1/privacy/findings?{query}"), &token).expect(400);
    }
}

#[test]
fn what_the_policy_allows_is_no_finding() {
    let gateway = blind("");
    let key = gateway.key("default");
    let mut sent = 0;
    poll("events that were looked at", || {
        let event =
            json!({ "type": "log", "body": "allowed@canary.example 203.0.113.7", "user": "ann", "ip": "203.0.113.7" });
        gateway.post_events(&key, &event).expect(200);
        sent += 1;
        (gateway.metric("tidegate_monitor_rows_total", &[]) >= 1.0).then_some(())
    });
    assert!(sent >= 1 && findings(&gateway, "default").is_empty());
}
