//! A data subject asks to be forgotten, and is; a tenant is put on hold, and nothing of it goes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Gateway, poll, send};

const ANN: &str = "ann@subjects.example";
const BOB: &str = "bob@subjects.example";

fn events(user: &str, first: u64, count: u64) -> Value {
    let event = |n: u64| json!({"type": "mcp.tool_call", "name": "find", "user": user, "session": format!("of-{}", &user[..3]), "attributes": {"n": n}});
    (first..first + count).map(event).collect()
}

/// The numbers of all rows that the export shows, sorted.
fn exported(gateway: &Gateway) -> Vec<u64> {
    let export = gateway.get_json("/api/export", &gateway.token("default", "export"));
    let rows = export["data"]["requests"].as_array().expect("a list");
    let mut numbers: Vec<u64> = rows.iter().map(|row| row["attributes"]["n"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn state(gateway: &Gateway, id: &str) -> Value {
    gateway.get_json(&format!("/v1/subjects/requests/{id}"), &gateway.token("default", "subjects"))
}

fn leaves(gateway: &Gateway) -> String {
    let token = gateway.token("default", "compliance");
    gateway.get("/v1/audit/records?tenant=default&limit=1000", &token).expect(200).text()
}

#[test]
fn whoever_asks_to_be_forgotten_is_gone_at_once_and_for_good() {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    gateway.post_events(&key, &events(ANN, 0, 20)).expect(200);
    gateway.post_events(&key, &events(BOB, 100, 20)).expect(200);
    // Sealed, as most rows are by the time that somebody asks.
    gateway.value_of(&["backup", gateway.root().join("copy").to_str().unwrap()]);
    gateway.post_events(&key, &events(ANN, 20, 5)).expect(200);
    let others: Vec<u64> = (100..120).collect();
    let mut aside = events(ANN, 900, 1);
    aside[0]["timestamp"] = json!("2999-01-01T00:00:00Z");
    gateway.post_events(&key, &aside).expect(200);
    let quarantined = |gateway: &Gateway| {
        let kept = gateway.get_json("/v1/admin/quarantine?tenant=default", &gateway.admin_key());
        kept["events"].as_array().expect("a list").len()
    };
    assert_eq!((exported(&gateway).len(), quarantined(&gateway)), (45, 1));

    let order = json!({"type": "erasure", "user": ANN});
    let accepted =
        gateway.post_json("/v1/subjects/requests", &gateway.token("default", "subjects"), &order).expect(202);
    let id = accepted.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!((exported(&gateway), quarantined(&gateway)), (others.clone(), 0), "at once");
    gateway.kill();
    gateway.restart();
    assert_eq!(exported(&gateway), others, "after a kill");
    let done =
        poll("the end of the erasure", || Some(state(&gateway, &id)).filter(|state| state["status"] == "completed"));
    assert_eq!(done["erased"]["rows_left"], 0, "{done}");
    let analytics = gateway.get_json("/api/analytics", &gateway.token("default", "query"));
    assert_eq!((&analytics["data"]["totalRequests"], &analytics["data"]["totalUsers"]), (&json!(20), &json!(1)));

    for round in 0..2 {
        let answer = gateway.post_events(&key, &events(ANN, 30, 2)).expect(200).json();
        assert_eq!(
            (&answer["rejected"], &answer["results"][0]["reason"]),
            (&json!(2), &json!("suppressed")),
            "{answer}"
        );
        assert_eq!(exported(&gateway), others, "round {round}");
        assert_eq!(state(&gateway, &id)["status"], "completed");
        gateway.stop();
        gateway.restart();
    }
    let leaves = leaves(&gateway);
    assert!(leaves.matches("subject.erasure").count() >= 2 && leaves.contains("crypto_key.destroyed"), "{leaves}");
    let said = format!("{leaves}{done}{}", gateway.stderr());
    assert!(!said.contains(ANN) && !said.contains("ann%40"), "the subject is named");
    gateway.stop();
    let fsck = gateway.run(&["fsck"]);
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stdout));
}

#[test]
fn a_request_that_names_nobody_or_too_many_or_comes_from_the_wrong_hands_is_refused() {
    let gateway = Gateway::start();
    let token = gateway.token("default", "subjects");
    for order in [
        json!({"type": "erasure"}),
        json!({"type": "erasure", "user": ""}),
        json!({"type": "erasure", "user": ANN, "session": "s"}),
        json!({"type": "forgetting", "user": ANN}),
    ] {
        let refused = gateway.post_json("/v1/subjects/requests", &token, &order).expect(400).everything();
        assert!(!refused.contains(ANN), "the refusal names the subject");
    }
    let order = json!({"type": "erasure", "user": ANN});
    gateway.post_json("/v1/subjects/requests", &gateway.token("default", "query,export"), &order).expect(403);
    gateway.get("/v1/subjects/requests/sr_0000000000000000", &token).expect(404);
}

#[test]
fn a_hold_is_set_seen_recorded_and_ended_by_the_operator() {
    let mut gateway = Gateway::start();
    let route = "/v1/admin/tenants/default/hold";
    let admin = gateway.admin_key();
    let seen = |gateway: &Gateway| gateway.get_json(route, &admin)["hold"].clone();
    assert_eq!(seen(&gateway), false);
    send(gateway.request(Method::PUT, route).bearer_auth(&admin)).expect(200);
    assert_eq!(seen(&gateway), true);
    gateway.stop();
    gateway.restart();
    assert_eq!(seen(&gateway), true, "it survives a restart");
    gateway.delete(route, &admin).expect(200);
    assert_eq!(seen(&gateway), false);
    assert_eq!(leaves(&gateway).matches("legal_hold.changed").count(), 2);
    send(gateway.request(Method::PUT, route).bearer_auth(gateway.token("default", "query"))).expect(403);
}
