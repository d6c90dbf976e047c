//! A client that leaves before it has its answer: what it asked for ends at once, and what it sent is taken or not, but never lost from the books.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::books::{Books, rounds};
use crate::gateway::{Gateway, Setup, poll};

/// No question here may end because its time is up.
const PATIENT: &str = "[query]\ntimeout = \"1h\"\nexport_timeout = \"1h\"\n";
/// A condition that takes its time with every event, and holds for none.
const SLOW: &str = "levenshtein(attributes['text'], concat(attributes['text'],'x')) > 9";

/// A gateway with events that are slow to look at.
fn laden(config: &str) -> Gateway {
    let gateway = Setup::new().config(config).start();
    let key = gateway.key("default");
    for first in [0, 10_000] {
        let event = |n: u64| json!({"type": "custom", "name": format!("n{n}"), "duration_ms": n, "attributes": {"text": format!("{n} {}", "text".repeat(150))}});
        gateway.post_events(&key, &(first..first + 10_000).map(event).collect()).expect(200);
    }
    gateway
}

fn request(gateway: &Gateway, head: &str, body: &str) -> TcpStream {
    let mut stream = gateway.connect();
    let token = gateway.token("default", "query,export");
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).expect("the request");
    stream
}

fn running(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_queries_running", &[])
}

/// Waits until so many questions are worked on, then lets their clients leave, and waits until nothing is left of them.
fn leave(gateway: &Gateway, clients: Vec<TcpStream>) {
    let count = clients.len() as f64;
    let before = gateway.metric("tidegate_http_abandoned_total", &[]);
    poll("the questions to begin", || (running(gateway) == count).then_some(()));
    drop(clients);
    poll("the questions to end", || (running(gateway) == 0.0).then_some(()));
    poll("the requests to end", || (gateway.metric("tidegate_http_in_flight", &[]) == 0.0).then_some(()));
    assert_eq!(gateway.metric("tidegate_query_bytes", &[]), 0.0, "they hold nothing any more");
    assert_eq!(gateway.metric("tidegate_http_abandoned_total", &[]) - before, count, "and none was answered");
}

#[test]
fn a_question_in_sql_ends_when_its_client_leaves() {
    let gateway = laden(&format!("{PATIENT}sql_queries_max = 2\nrows_max = 1000000000000"));
    let sql = "SELECT count(*) FROM events a, events b, events c WHERE a.duration_ms + b.duration_ms < c.duration_ms";
    let body = json!({ "sql": sql }).to_string();
    for _ in 0..3 {
        leave(&gateway, (0..2).map(|_| request(&gateway, "POST /v1/query/sql", &body)).collect());
    }
    let clerk = gateway.token("default", "export");
    let answer = gateway.post_json("/v1/query/sql", &clerk, &json!({ "sql": "SELECT count(*) FROM events" }));
    assert_eq!(answer.expect(200).json()["rows"], json!([[20_000]]), "its place is free");
}

#[test]
fn a_question_to_a_kernel_ends_when_its_client_leaves() {
    let gateway = laden(PATIENT);
    let filter: String = url(SLOW);
    for route in ["summary", "top", "users", "errors"] {
        leave(&gateway, vec![request(&gateway, &format!("GET /v1/query/{route}?filter={filter}"), "")]);
        let answered = gateway.metric("tidegate_http_requests_total", &[&format!("route=\"/v1/query/{route}\"")]);
        assert_eq!(answered, 0.0, "it was not answered to nobody");
    }
    let analyst = gateway.token("default", "query");
    assert_eq!(gateway.get_json("/v1/query/summary", &analyst)["events"], 20_000);
}

#[test]
fn an_export_ends_when_its_client_leaves_before_the_first_byte_or_amid_them() {
    let gateway = laden(PATIENT);
    let slow = format!("GET /v1/export?filter={}", url(SLOW));
    // As many as there are places, again and again. One leaves, and its export ends long before those of the others.
    for _ in 0..3 {
        let mut clients = (0..4).map(|_| request(&gateway, &slow, "")).collect::<Vec<_>>();
        poll("the exports to begin", || (running(&gateway) == 4.0).then_some(()));
        let full = gateway.get("/v1/export", &gateway.token("default", "export"));
        assert_eq!(full.status, 503);
        drop(clients.pop());
        poll("its export to end", || (running(&gateway) == 3.0).then_some(()));
        for client in &mut clients {
            client.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
            let mut answer = [0; 4096];
            let read = client.read(&mut answer).unwrap_or_default();
            assert!(!answer[..read].ends_with(b"0\r\n\r\n"), "the others go on");
        }
        drop(clients);
        poll("the exports to end", || (running(&gateway) == 0.0).then_some(()));
    }
    for path in ["/v1/export", "/api/export"] {
        let mut amid = request(&gateway, &format!("GET {path}"), "");
        amid.read_exact(&mut [0; 1000]).expect("the beginning");
        // It does not end by itself: what is left is more than the connection holds.
        assert_eq!(running(&gateway), 1.0);
        drop(amid);
        poll("the export to end", || (running(&gateway) == 0.0).then_some(()));
    }
    assert_eq!(gateway.metric("tidegate_query_bytes", &[]), 0.0);
    let whole = gateway.get("/v1/export", &gateway.token("default", "export")).expect(200);
    assert_eq!(whole.text().lines().count(), 20_000);
}

#[test]
fn an_export_whose_client_does_not_read_ends_by_its_time_and_is_not_taken_for_whole() {
    let gateway = laden("[query]\nexport_timeout = \"2s\"\n");
    for path in ["/v1/export", "/api/export"] {
        let mut clients: Vec<TcpStream> = (0..4).map(|_| request(&gateway, &format!("GET {path}"), "")).collect();
        poll("the exports to end", || (running(&gateway) == 0.0).then_some(()));
        let small = poll("a free place", || {
            Some(gateway.get("/v1/export?type=metric", &gateway.token("default", "export")))
                .filter(|answer| answer.status == 200)
        });
        assert!(small.body.is_empty());
        let mut answer = Vec::new();
        let _ = clients.remove(0).read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && !answer.ends_with(b"0\r\n\r\n"), "it looks whole");
    }
    // One that reads, but whose export takes too long.
    let mut slow = request(&gateway, &format!("GET /v1/export?filter={}", url(SLOW)), "");
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && !answer.ends_with(b"0\r\n\r\n"), "it looks whole");
    assert!(gateway.stderr().contains("its time is up"));
}

#[test]
fn events_whose_sender_leaves_at_any_moment_are_taken_or_not_and_the_books_balance() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let books = Books::default();
    let mut expected = 0;
    for round in 0..rounds(60) {
        let parcel = Parcel::new(&books, round, &key);
        for _ in 0..random(3) {
            let mut stream = gateway.connect();
            // The gateway may have closed its side already.
            let _ = stream.write_all(&parcel.bytes[..random(parcel.bytes.len() as u64 + 1) as usize]);
        }
        if round % 2 == 0 {
            // Sent whole, and not waited for.
            let mut stream = gateway.connect();
            stream.write_all(&parcel.bytes).expect("the whole request");
            drop(stream);
        }
        // Sent again, and waited for: whatever became of the others, each is there once.
        let answer = poll("an answer", || {
            let mut stream = gateway.connect();
            stream.write_all(&parcel.bytes).expect("the whole request");
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            // An earlier one with its idempotency key is still on its way.
            (!answer.starts_with("HTTP/1.1 409 ")).then_some(answer)
        });
        let taken: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default())
            .unwrap_or_else(|_| panic!("round {round}: {answer}"));
        let count = parcel.numbers.len() as u64;
        assert_eq!(taken["accepted"].as_u64().zip(taken["duplicates"].as_u64()).map(|(a, d)| a + d), Some(count));
        books.acknowledge(&parcel.numbers);
        expected += count;
    }
    settled(&gateway);
    assert_eq!(gateway.metric("tidegate_events_total", &["outcome=\"accepted\""]), expected as f64);
    books.check(&stored(&gateway));
}

#[test]
fn events_that_have_arrived_whole_are_taken_though_their_sender_does_not_wait() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let books = Books::default();
    for round in 0..rounds(24) {
        let parcel = Parcel::of(Form::ALL[(round % 3) as usize], &books, &key, "");
        let mut stream = gateway.connect();
        stream.write_all(&parcel.bytes).expect("the whole request");
        drop(stream);
        books.acknowledge(&parcel.numbers);
    }
    poll("all events", || {
        (gateway.metric("tidegate_events_total", &["outcome=\"accepted\""]) == books.sent() as f64).then_some(())
    });
    settled(&gateway);
    books.check(&stored(&gateway));
}

#[test]
fn an_erasure_whose_asker_does_not_wait_is_done() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let event = |n: u64| json!({"type": "custom", "user": format!("user-{}", n % 5), "attributes": {"n": n}});
    gateway.post_events(&key, &(0..50).map(event).collect()).expect(200);
    let token = gateway.token("default", "subjects");
    let body = json!({"type": "erasure", "user": "user-3"}).to_string();
    let mut stream = gateway.connect();
    let head = format!(
        "POST /v1/subjects/requests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("the request");
    drop(stream);
    poll("the subject to be gone", || (stored(&gateway).len() == 40).then_some(()));
    let answer = gateway.post_events(&key, &json!([event(3)])).expect(200).json();
    assert_eq!(answer["rejected"], 1, "{answer}");
}

/// How a parcel is packed.
#[derive(Clone, Copy)]
enum Form {
    /// So small that it is taken where it arrives.
    Small,
    /// So large that it is taken on another thread.
    Large,
    /// Small when it arrives, large when it is unpacked.
    Packed,
}

impl Form {
    const ALL: [Form; 3] = [Form::Small, Form::Packed, Form::Small];
    const ANY: [Form; 3] = [Form::Small, Form::Large, Form::Packed];
}

/// One request with events of its own.
struct Parcel {
    numbers: Vec<u64>,
    bytes: Vec<u8>,
}

impl Parcel {
    fn new(books: &Books, round: u64, key: &str) -> Parcel {
        let more = if random(3) == 0 { format!("Idempotency-Key: parcel-{round}\r\n") } else { String::new() };
        Parcel::of(Form::ANY[(round % 3) as usize], books, key, &more)
    }

    fn of(form: Form, books: &Books, key: &str, more: &str) -> Parcel {
        let (count, text) = match form {
            Form::Small => (5, 100),
            Form::Large => (400, 1000),
            Form::Packed => (300, 2000),
        };
        let numbers = books.fresh(count);
        let event = |n: &u64| json!({"type": "custom", "id": format!("e{n}"), "attributes": {"n": n, "text": "t".repeat(text)}});
        let events: Value = numbers.iter().map(event).collect();
        let (body, encoding) = match form {
            Form::Small | Form::Large => (events.to_string().into_bytes(), ""),
            Form::Packed => {
                (zstd::encode_all(events.to_string().as_bytes(), 3).expect("packed"), "Content-Encoding: zstd\r\n")
            }
        };
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n{more}{encoding}Content-Length: {}\r\n\r\n",
            body.len()
        );
        Parcel { numbers, bytes: [head.as_bytes(), &body].concat() }
    }
}

/// Waits until no event is on its way, and compares the books.
fn settled(gateway: &Gateway) {
    poll("the events to settle", || (gateway.metric("tidegate_events_in_flight", &[]) == 0.0).then_some(()));
    let outcome = |name: &str| gateway.metric("tidegate_events_total", &[&format!("outcome=\"{name}\"")]);
    let ended = outcome("accepted") + outcome("duplicate") + outcome("rejected") + outcome("quarantined");
    assert_eq!(outcome("received"), ended);
    assert_eq!(gateway.metric("tidegate_ledger_imbalance", &[]), 0.0);
}

/// The numbers of all stored events, and how often each is there.
fn stored(gateway: &Gateway) -> BTreeMap<u64, usize> {
    let export = gateway.get("/v1/export", &gateway.token("default", "export")).expect(200).text();
    let mut found = BTreeMap::new();
    for line in export.lines() {
        let event: Value = serde_json::from_str(line).expect("an event a line");
        *found.entry(event["attributes"]["n"].as_u64().expect("a number")).or_default() += 1;
    }
    found
}

/// A pseudo-random number; a failure does not depend on it, only the moment of the cut does.
fn random(below: u64) -> u64 {
    RandomState::new().hash_one(()) % below
}

fn url(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
