//! What was done to events, told: which wishes led to what, which rule fired where, and never on what.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Setup, send};

fn post(gateway: &Gateway, key: &str, route: &str, headers: &[(&str, &str)], events: &Value) -> Answer {
    let request = gateway.request(Method::POST, route).bearer_auth(key).header("Content-Type", "application/json");
    send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(events.to_string()))
}

#[test]
fn a_full_receipt_names_rule_place_and_method_of_every_redaction_and_no_value() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let events = json!([
        { "type": "custom", "name": "quiet" },
        { "type": "log", "body": "mail ann@example.com", "user": "ann@example.com",
          "attributes": { "bob@example.com": 1, "nested": { "password": "hunter2hunter2" } } },
    ]);
    let answer = post(&gateway, &key, "/v1/events?receipt=full", &[], &events).expect(200);
    let receipt = &answer.json()["receipt"];
    let told = |path: &str| {
        let details = receipt["details"].as_array().unwrap().iter();
        let found: Vec<&Value> = details.filter(|detail| detail["path"] == path).collect();
        assert_eq!(found.len(), 1, "{path} in {receipt}");
        assert_eq!(found[0]["index"], 1);
        (found[0]["rule"].clone(), found[0]["method"].clone())
    };
    assert_eq!(told("user"), (json!("user"), Value::Null));
    assert_eq!(told("body"), (json!("email"), json!("replace")));
    assert_eq!(told("attributes.*"), (json!("email"), json!("replace")));
    assert_eq!(told("attributes.nested.password"), (json!("secret_key"), json!("replace")));
    let count: u64 = receipt["redactions"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(receipt["details"].as_array().unwrap().len() as u64 + receipt["omitted"].as_u64().unwrap(), count);
    let text = answer.everything();
    assert!(!text.contains("ann@") && !text.contains("bob@") && !text.contains("hunter2"), "{text}");

    let plain = post(&gateway, &key, "/v1/events", &[], &events).expect(200).json();
    assert!(plain["receipt"].get("details").is_none());
    post(&gateway, &key, "/v1/events?receipt=everything", &[], &events).expect(400);
}

#[test]
fn a_long_list_ends_and_says_how_much_is_missing() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let events: Vec<Value> = (0..1500).map(|n| json!({ "type": "log", "body": format!("a{n}@example.com") })).collect();
    let answer = post(&gateway, &key, "/v1/events?receipt=full", &[], &json!(events)).expect(200).json();
    let receipt = &answer["receipt"];
    assert_eq!(receipt["details"].as_array().unwrap().len(), 1000);
    let counted: u64 = receipt["redactions"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(receipt["omitted"].as_u64().unwrap(), counted - 1000);
}

#[test]
fn a_replayed_answer_has_the_counts_and_not_the_list() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let send = || {
        let event = json!({ "type": "log", "body": "ann@example.com" });
        post(&gateway, &key, "/v1/events?receipt=full", &[("Idempotency-Key", "one")], &event).expect(200)
    };
    let (first, again) = (send().json(), send());
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert!(first["receipt"]["details"].is_array());
    assert!(again.json()["receipt"].get("details").is_none());
    assert_eq!(again.json()["receipt"]["redactions"], first["receipt"]["redactions"]);
}

#[test]
fn scrub_writes_a_receipt_of_every_redaction() {
    let gateway = Setup::new().prepare();
    let mut command = gateway.command(&["scrub", "--receipts", "receipts.ndjson"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = "{\"a\":\"fine\"}\n\n{\"who\":{\"mail\":\"ann@example.com\"},\"list\":[\"x\",\"bob@example.com\"]}\n\"carl@example.com\"\n";
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = fs::read_to_string(gateway.root().join("receipts.ndjson")).unwrap();
    assert!(!text.contains('@'), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let redaction = |line: u64, path: &str| json!({ "line": line, "path": path, "rule": "email", "method": "replace" });
    assert_eq!(lines[..3], [redaction(3, "who.mail"), redaction(3, "list.1"), redaction(4, "")]);
    assert_eq!(lines[3]["redactions"], json!({ "email": 3 }));
    assert_eq!(lines[3]["policy"].as_str().unwrap().len(), 64);
    assert_eq!(lines.len(), 4);
}

#[test]
fn what_a_wish_led_to_is_stored_with_the_event_counted_and_answered() {
    let setup = Setup::new().config("[privacy]\npolicy = \"privacy.toml\"").prepare();
    let policy = "[consent]\ngpc = 'minimize'\ndnt = 'ignore'\nminimize = ['user', 'address', 'derived_session']";
    fs::write(setup.root().join("privacy.toml"), policy).unwrap();
    let mut gateway = setup;
    gateway.restart();
    let key = gateway.key("default");
    let event = |name: &str| json!({ "type": "custom", "name": name, "user": "ann", "user_agent": "agent/1" });
    let both = [("Sec-GPC", "1"), ("DNT", "1")];
    let answer = post(&gateway, &key, "/v1/events", &both, &event("both")).expect(200).json();
    assert_eq!(answer["receipt"]["redactions"], json!({ "consent_gpc": 1 }));
    post(&gateway, &key, "/v1/events", &[("DNT", "1")], &event("dnt")).expect(200);
    let mut granted = event("granted");
    granted["consent"] = json!("granted");
    post(&gateway, &key, "/v1/events", &[("DNT", "0")], &granted).expect(200);
    let mut denied = event("denied");
    denied["consent"] = json!("denied");
    let answer = post(&gateway, &key, "/v1/events", &both, &denied).expect(200).json();
    assert_eq!(answer["results"][0]["reason"], "consent_denied");
    assert_eq!(answer["receipt"]["redactions"], json!({ "consent_flag": 1, "consent_gpc": 1 }));

    let sql = json!({ "sql": "SELECT name, attributes['privacy.consent'], attributes['user_agent'], user IS NULL FROM events ORDER BY name" });
    let token = gateway.token("default", "export");
    let rows = gateway.post_json("/v1/query/sql", &token, &sql).expect(200).json()["rows"].clone();
    let expected = json!([
        ["both", "gpc:minimize,dnt:ignore", "agent/1", true],
        ["dnt", "dnt:ignore", "agent/1", false],
        ["granted", "flag:granted", "agent/1", false],
    ]);
    assert_eq!(rows, expected);
    assert_eq!(gateway.metric("tidegate_redactions_total", &["rule=\"consent_gpc\""]), 2.0);
    assert_eq!(gateway.metric("tidegate_redactions_total", &["rule=\"consent_flag\""]), 1.0);
}
