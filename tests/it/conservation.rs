//! Whatever is sent, by whomever at once: received = accepted + duplicate + rejected + quarantined, and what was accepted is stored.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, poll, send};

const EVENTS_MAX: usize = 20;

#[derive(Clone, Copy, Debug)]
enum Event {
    Fresh,
    /// One of few ids, so that it often is a duplicate.
    Repeated(u8),
    Invalid,
    Denied,
    Future,
    /// A future one that is sent again and again.
    FutureRepeated(u8),
    TooLarge,
}

#[derive(Clone, Debug)]
enum Request {
    Array(Vec<Event>),
    Lines(Vec<Event>),
    Buffered(Vec<Event>),
    Idempotent(u8, Vec<Event>),
    Sdk(Event),
    SdkStranger,
    NotJson,
    TooMany,
    WrongKey,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Fresh),
        3 => (0..6u8).prop_map(Event::Repeated),
        2 => Just(Event::Invalid),
        1 => Just(Event::Denied),
        1 => Just(Event::Future),
        1 => (0..3u8).prop_map(Event::FutureRepeated),
        1 => Just(Event::TooLarge),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let events = || proptest::collection::vec(event(), 0..EVENTS_MAX);
    prop_oneof![
        4 => events().prop_map(Request::Array),
        3 => events().prop_map(Request::Lines),
        2 => events().prop_map(Request::Buffered),
        2 => ((0..3u8), events()).prop_map(|(key, events)| Request::Idempotent(key, events)),
        3 => event().prop_map(Request::Sdk),
        1 => Just(Request::SdkStranger),
        1 => Just(Request::NotJson),
        1 => Just(Request::TooMany),
        1 => Just(Request::WrongKey),
    ]
}

/// The event as a native one.
fn native(event: Event) -> Value {
    match event {
        Event::Fresh => json!({ "type": "custom" }),
        Event::Repeated(id) => json!({ "type": "custom", "id": format!("again-{id}") }),
        Event::Invalid => json!({ "type": "custom", "status": "no" }),
        Event::Denied => json!({ "type": "custom", "consent": "denied" }),
        Event::Future => json!({ "type": "custom", "timestamp": "2999-01-01T00:00:00Z" }),
        Event::FutureRepeated(id) => {
            json!({ "type": "custom", "timestamp": "2999-01-01T00:00:00Z", "id": format!("later-{id}") })
        }
        Event::TooLarge => json!({ "type": "custom", "name": "x".repeat(3000) }),
    }
}

/// The event as an SDK sends it.
fn sdk(event: Event, project: &str) -> Value {
    let mut sent = json!({ "project_id": project, "event_type": "mcp:tools/list" });
    match event {
        Event::Fresh | Event::Denied => {}
        Event::Repeated(id) => sent["id"] = json!(format!("again-{id}")),
        Event::Invalid => sent["duration"] = json!("long"),
        Event::Future => sent["timestamp"] = json!("2999-01-01T00:00:00Z"),
        Event::FutureRepeated(id) => {
            sent["timestamp"] = json!("2999-01-01T00:00:00Z");
            sent["id"] = json!(format!("later-{id}"));
        }
        Event::TooLarge => sent["response"] = json!("x".repeat(3000)),
    }
    sent
}

fn perform(gateway: &Gateway, key: &str, request: &Request) {
    let lines = |events: &[Event]| events.iter().map(|event| format!("{}\n", native(*event))).collect::<String>();
    let array = |events: &[Event]| json!(events.iter().map(|event| native(*event)).collect::<Vec<_>>()).to_string();
    let post = |path: &str, headers: &[(&str, &str)], body: String| {
        let request = gateway.request(Method::POST, path);
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body)).status
    };
    let bearer = format!("Bearer {key}");
    let auth = ("Authorization", bearer.as_str());
    let status = match request {
        Request::Array(events) => post("/v1/events", &[auth], array(events)),
        Request::Lines(events) => post("/v1/events", &[auth, ("Content-Type", "application/x-ndjson")], lines(events)),
        Request::Buffered(events) => post("/v1/events?ack=memory", &[auth], array(events)),
        Request::Idempotent(key, events) => {
            post("/v1/events", &[auth, ("Idempotency-Key", &format!("key-{key}"))], array(events))
        }
        Request::Sdk(event) => post("/v1/public/events/", &[], sdk(*event, key).to_string()),
        Request::SdkStranger => post("/v1/public/events/", &[], sdk(Event::Fresh, "stranger").to_string()),
        Request::NotJson => post("/v1/events", &[auth], "[{\"type\":\"custom\"},oops".to_owned()),
        Request::TooMany => post("/v1/events", &[auth], array(&[Event::Fresh; EVENTS_MAX + 1])),
        Request::WrongKey => post("/v1/events", &[("Authorization", "Bearer nonsense")], array(&[Event::Fresh])),
    };
    let expected: &[u16] = match request {
        Request::Array(_) | Request::Lines(_) => &[200],
        Request::Buffered(_) | Request::Sdk(_) | Request::SdkStranger => &[202],
        Request::Idempotent(..) => &[200, 409, 422],
        Request::NotJson => &[400],
        Request::TooMany => &[413],
        Request::WrongKey => &[401],
    };
    assert!(expected.contains(&status), "{request:?} was answered {status}");
}

/// What the metrics say: received, and what that became.
#[derive(Debug, PartialEq)]
struct Books {
    received: f64,
    accepted: f64,
    others: f64,
}

fn books(gateway: &Gateway) -> Books {
    let outcome = |name: &str| gateway.metric("tidegate_events_total", &[&format!("outcome=\"{name}\"")]);
    let others = outcome("duplicate") + outcome("rejected") + outcome("quarantined");
    Books { received: outcome("received"), accepted: outcome("accepted"), others }
}

#[test]
fn no_event_vanishes_and_none_appears_from_nowhere() {
    let limits = format!(
        "events_max = {EVENTS_MAX}\nevent_max = \"2KiB\"\nauth_failures_per_minute = 1000000\nauth_failures_burst = 1000000"
    );
    let gateway = Setup::new().config(&format!("[limits]\n{limits}")).start();
    let tenants = AtomicU64::new(0);
    let mut runner =
        TestRunner::new(Config { cases: 12, failure_persistence: None, max_shrink_iters: 50, ..Config::default() });
    let plans = proptest::collection::vec(proptest::collection::vec(request(), 0..25), 1..5);
    runner
        .run(&plans, |plan| {
            // A tenant of its own, so that what is stored can be counted.
            let name = format!("tenant-{}", tenants.fetch_add(1, Ordering::Relaxed));
            gateway.tenant(&name);
            let (key, reader) = (gateway.key(&name), gateway.token(&name, "query"));
            let before = books(&gateway);
            std::thread::scope(|scope| {
                for requests in &plan {
                    scope.spawn(|| requests.iter().for_each(|request| perform(&gateway, &key, request)));
                }
            });
            // Buffered events may still be on their way to the disk.
            let after = poll("the books to balance", || {
                Some(books(&gateway)).filter(|books| books.received == books.accepted + books.others)
            });
            assert_eq!(gateway.metric("tidegate_ledger_imbalance", &[]), 0.0);
            let stored = gateway.get_json("/v1/query/summary?from=0", &reader)["events"].as_f64();
            prop_assert_eq!(stored, Some(after.accepted - before.accepted), "{:?} became {:?}", before, after);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
