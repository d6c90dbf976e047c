//! Whatever is sent, the answer names the place of the fault and never the value, memory stays flat, and the next request is served.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Setup, send};
use crate::pack::{ENCODINGS, bomb, packed};

/// Stands in everything that is sent; it must come back nowhere.
const MARKER: &str = "sEcReT-5e81c0";
/// The process never needs more, whatever is thrown at it here: 40 MiB at rest, and 128 MiB for bodies in the hardest of these tests.
const MEMORY_MAX: u64 = 300 << 20;

struct Target {
    gateway: Gateway,
    key: String,
}

impl Target {
    fn start(setup: Setup) -> Target {
        let gateway = setup.start();
        gateway.tenant("acme");
        Target { key: gateway.key("acme"), gateway }
    }

    fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let request = self.gateway.request(Method::POST, "/v1/events").bearer_auth(&self.key);
        let answer = send(
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body.into()),
        );
        assert!(!answer.everything().contains(MARKER), "the value comes back: {}", answer.everything());
        answer
    }

    fn problem(&self, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Value {
        let answer = self.post(headers, body).expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        answer.json()
    }

    /// Serves as before, has kept nothing of what was sent, and has never been large.
    fn assert_unharmed(&self) {
        let answer = self.gateway.post_events(&self.key, &json!({ "type": "custom" })).expect(200).json();
        assert_eq!(answer["accepted"], 1);
        send(self.gateway.request(Method::GET, "/readyz")).expect(200);
        assert_eq!(self.gateway.metric("tidegate_ledger_imbalance", &[]), 0.0);
        let (log, peak) = (self.gateway.stderr(), self.gateway.memory_peak());
        assert!(!log.contains(MARKER), "the value is in the log");
        assert!(!log.contains("panicked"), "something panicked:\n{log}");
        assert!(peak < MEMORY_MAX, "{} MiB were needed", peak >> 20);
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_line_and_column() {
    let target = Target::start(Setup::new());
    let at = |body: String, line: u64, column: Option<u64>| {
        let problem = target.problem(400, &[("Content-Type", "application/json")], body.clone());
        assert_eq!(problem["line"], line, "{problem} for {body}");
        if let Some(column) = column {
            assert_eq!(problem["column"], column, "{problem} for {body}");
        }
    };
    at(MARKER.to_owned(), 1, Some(1));
    at(String::new(), 1, None);
    at(format!("{{\"type\":\"custom\",\"name\":\"{MARKER}\""), 1, None);
    at(format!("[{{\"type\":\"custom\"}},\n {{\"type\": {MARKER}}}]"), 2, Some(11));
    at(format!("[{{\"type\":\"custom\"}},\n\n {MARKER}]"), 3, None);
    at(format!("{{\"type\":\"custom\"}} {MARKER}"), 1, None);
    at(format!("{{\"type\":\"custom\",\"n\":1e{MARKER}}}"), 1, None);
    at(format!("{{\"type\":\"{MARKER}\u{1}\"}}"), 1, None);
    at(format!("{{\"type\":\"\\ud800{MARKER}\"}}"), 1, None);

    let lines = format!("{{\"type\":\"custom\"}}\n{MARKER}\n{{\"type\":\"custom\"}}\n");
    let answer = target.post(&[("Content-Type", "application/x-ndjson")], lines).expect(200).json();
    assert_eq!(answer["results"], json!([{ "index": 1, "result": "rejected", "reason": "not_json" }]));
    target.assert_unharmed();
}

#[test]
fn what_is_not_utf_8_is_refused_with_its_place() {
    let target = Target::start(Setup::new());
    let bad = |text: &str| {
        text.replace('?', MARKER)
            .into_bytes()
            .into_iter()
            .map(|byte| if byte == b'!' { 0xff } else { byte })
            .collect::<Vec<u8>>()
    };
    let problem = target.problem(400, &[], bad("[{\"type\":\"custom\"},\n{\"name\":\"?!\"}]"));
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(10 + MARKER.len())));
    for body in ["!", "{\"!\":1}", "{\"type\":\"?!\"}"] {
        target.problem(400, &[("Content-Type", "application/json")], bad(body));
    }
    let answer = target
        .post(&[("Content-Type", "application/x-ndjson")], bad("{\"type\":\"custom\"}\n{\"type\":\"?!\"}"))
        .expect(200)
        .json();
    assert_eq!((&answer["accepted"], &answer["results"][0]["reason"]), (&json!(1), &json!("not_json")));
    target.assert_unharmed();
}

#[test]
fn members_of_the_wrong_type_are_refused_by_their_names() {
    let target = Target::start(Setup::new());
    let wrong: [(&str, Value, &str, &str); 24] = [
        ("type", json!(MARKER), "type_unknown", "/type"),
        ("type", json!([MARKER]), "wrong_type", "/type"),
        ("id", json!({ MARKER: 1 }), "wrong_type", "/id"),
        ("name", json!([MARKER]), "wrong_type", "/name"),
        ("timestamp", json!(MARKER), "timestamp_invalid", "/timestamp"),
        ("timestamp", json!(1_700_000_000), "timestamp_invalid", "/timestamp"),
        ("timestamp", json!([MARKER]), "timestamp_invalid", "/timestamp"),
        ("session", json!(1.5), "wrong_type", "/session"),
        ("user", json!([MARKER]), "wrong_type", "/user"),
        ("ip", json!(7), "wrong_type", "/ip"),
        ("user_agent", json!({}), "wrong_type", "/user_agent"),
        ("client", json!(MARKER), "wrong_type", "/client"),
        ("client", json!({ "name": [MARKER] }), "wrong_type", "/client/name"),
        ("server", json!({ "version": 7 }), "wrong_type", "/server/version"),
        ("duration_ms", json!(MARKER), "wrong_type", "/duration_ms"),
        ("duration_ms", json!(-1), "out_of_range", "/duration_ms"),
        ("ok", json!(MARKER), "wrong_type", "/ok"),
        ("error", json!([MARKER]), "wrong_type", "/error"),
        ("status", json!(MARKER), "wrong_type", "/status"),
        ("status", json!(99), "out_of_range", "/status"),
        ("value", json!(MARKER), "wrong_type", "/value"),
        ("consent", json!(MARKER), "out_of_range", "/consent"),
        ("attributes", json!([MARKER]), "wrong_type", "/attributes"),
        ("attributes", json!(MARKER), "wrong_type", "/attributes"),
    ];
    let events: Vec<Value> = wrong
        .iter()
        .map(|(name, value, ..)| {
            let mut event = json!({ "type": "custom" });
            event[name] = value.clone();
            event
        })
        .collect();
    let answer = target.post(&[], json!(events).to_string()).expect(200).json();
    let expected: Vec<Value> = (0..)
        .zip(&wrong)
        .map(|(index, (_, _, reason, place))| json!({ "index": index, "result": "rejected", "reason": reason, "place": place }))
        .collect();
    assert_eq!(answer["results"], json!(expected));
    target.assert_unharmed();
}

#[test]
fn what_is_too_large_too_deep_or_too_much_is_refused_with_the_limit() {
    let target = Target::start(Setup::new());
    let body = format!("{{\"type\":\"custom\",\"name\":\"{MARKER}{}\"}}", "x".repeat(9 << 20));
    assert_eq!(target.problem(413, &[], body)["limit_bytes"], 8 << 20);

    let large = json!({ "type": "custom", "name": format!("{MARKER}{}", "x".repeat(600 << 10)) });
    let answer =
        target.post(&[], json!([{ "type": "custom" }, large, { "type": "custom" }]).to_string()).expect(200).json();
    assert_eq!(answer["results"], json!([{ "index": 1, "result": "rejected", "reason": "too_large" }]));
    assert_eq!(answer["accepted"], 2, "one large event does not take the others with it");

    let deep = |levels: usize| {
        format!("{{\"type\":\"custom\",\"a\":{}\"{MARKER}\"{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    assert_eq!(target.problem(400, &[], deep(40))["limit_levels"], 32);
    assert_eq!(target.problem(400, &[], deep(1_000_000))["limit_levels"], 32);
    let open = format!("{{\"type\":\"custom\",\"a\":{}", "{\"a\":".repeat(500_000));
    assert_eq!(target.problem(400, &[], open)["limit_levels"], 32);

    // A million tiny events: 17 MB, which compresses to next to nothing.
    let million = |between: &str, ends: (&str, &str)| {
        format!("{}{}{}", ends.0, vec![r#"{"type":"custom"}"#; 1_000_000].join(between), ends.1)
    };
    assert_eq!(target.problem(413, &[], million(",", ("[", "]")))["limit_bytes"], 8 << 20);
    for encoding in ["gzip", "zstd"] {
        for (form, body) in
            [("application/json", million(",", ("[", "]"))), ("application/x-ndjson", million("\n", ("", "")))]
        {
            let body = packed(encoding, body.as_bytes());
            let problem = target.problem(413, &[("Content-Encoding", encoding), ("Content-Type", form)], body);
            assert_eq!(problem["limit_events"], 10_000, "{encoding} {form}");
        }
    }
    let nothing = "0\n".repeat(1_000_000);
    assert_eq!(target.problem(413, &[("Content-Type", "application/x-ndjson")], nothing)["limit_events"], 10_000);
    let reader = target.gateway.token("acme", "query");
    assert_eq!(
        target.gateway.get_json("/v1/query/summary", &reader)["events"],
        2,
        "nothing of a refused request is stored"
    );
    target.assert_unharmed();
}

#[test]
fn bombs_are_refused_before_they_unfold() {
    let target = Target::start(Setup::new());
    for encoding in ENCODINGS {
        let bomb = bomb(encoding);
        assert!(bomb.len() < 8 << 20, "the body itself is allowed");
        assert_eq!(target.problem(413, &[("Content-Encoding", encoding)], bomb)["limit_bytes"], 32 << 20, "{encoding}");
    }
    target.assert_unharmed();
}

/// What all bodies together may hold is 16 times the largest.
#[test]
fn many_bombs_at_once_share_one_budget() {
    let target = Target::start(Setup::new().config("[limits]\nbody_max = \"8MiB\"\ninflated_max = \"8MiB\""));
    let bombs: Vec<(&str, Vec<u8>)> = ENCODINGS.into_iter().map(|encoding| (encoding, bomb(encoding))).collect();
    let target = &target;
    std::thread::scope(|scope| {
        for (encoding, bomb) in bombs.iter().cycle().take(30) {
            scope.spawn(move || {
                let status = target.post(&[("Content-Encoding", encoding)], bomb.clone()).status;
                assert!(matches!(status, 413 | 503), "{encoding}: {status}");
            });
        }
    });
    target.assert_unharmed();
}

#[test]
fn what_is_packed_wrongly_is_refused() {
    let target = Target::start(Setup::new());
    let event = format!("{{\"type\":\"custom\",\"name\":\"{MARKER}\"}}");
    for encoding in ENCODINGS {
        let whole = packed(encoding, event.as_bytes());
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x40;
        let tail = [&whole[..], MARKER.as_bytes()].concat();
        for body in [whole[..whole.len() - 3].to_vec(), tail, event.clone().into_bytes(), Vec::new()] {
            target.problem(400, &[("Content-Encoding", encoding)], body);
        }
        // Of the three, br has no checksum: a flipped bit may go unnoticed, but not with effects beyond the event.
        assert!(matches!(target.post(&[("Content-Encoding", encoding)], flipped).status, 200 | 400), "{encoding}");
    }
    for encoding in ["deflate", "gzip, gzip", "compress", MARKER] {
        let answer = target.post(&[("Content-Encoding", encoding)], event.clone()).expect(415);
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd, br, identity");
    }
    for form in [
        "text/html",
        "application/xml",
        "multipart/form-data; boundary=x",
        &format!("x/{MARKER}"),
        "application/octet-stream",
    ] {
        let answer = target.post(&[("Content-Type", form)], event.clone()).expect(415);
        assert_eq!(answer.header("accept"), "application/json, application/x-ndjson");
    }
    target.assert_unharmed();
}

#[test]
fn slow_and_broken_clients_cost_their_own_connection_only() {
    let target =
        Target::start(Setup::new().config("[server]\nbody_timeout = \"300ms\"\nclient_request_timeout = \"500ms\""));
    let head = |length: &str| {
        format!(
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n{length}\r\n\r\n",
            target.key
        )
    };
    let read = |mut connection: std::net::TcpStream| {
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer);
        assert!(!answer.contains(MARKER), "{answer}");
        answer
    };
    let event = format!("{{\"type\":\"custom\",\"name\":\"{MARKER}\"}}");

    let mut dripping = target.gateway.connect();
    dripping.write_all(format!("{}{}", head("Content-Length: 1000"), &event[..5]).as_bytes()).expect("the beginning");
    let answer = read(dripping);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("application/problem+json"), "{answer}");

    let mut cut = target.gateway.connect();
    cut.write_all(format!("{}{event}", head("Content-Length: 1000")).as_bytes()).expect("the beginning");
    cut.shutdown(Shutdown::Write).expect("the end");
    let answer = read(cut);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );

    let mut slow_head = target.gateway.connect();
    slow_head.write_all(b"POST /v1/events HTTP/1.1\r\nHos").expect("the beginning");
    let answer = read(slow_head);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");

    for broken in [
        format!("{}zz\r\n{event}\r\n0\r\n\r\n", head("Transfer-Encoding: chunked")),
        format!("{}{event}", head("Content-Length: -1")),
        format!("{}{event}", head("Content-Length: 5\r\nContent-Length: 50")),
        format!("{}{event}", head("Content-Length: 5\r\nTransfer-Encoding: chunked")),
        format!("{MARKER}\r\n\r\n"),
        format!("GET /{MARKER} HTTP/9.9\r\n\r\n"),
        format!("{}\r\n", "x".repeat(1 << 20)),
    ] {
        let answer = target.gateway.raw(broken.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.contains(MARKER), "{answer}");
    }

    // Five hundred that say half a sentence and leave, while others are served.
    let held: Vec<_> = (0..500)
        .map(|_| {
            let mut connection = target.gateway.connect();
            connection.write_all(b"POST /v1/events HTTP/1.1\r\n").expect("the beginning");
            connection
        })
        .collect();
    target.gateway.post_events(&target.key, &json!({ "type": "custom" })).expect(200);
    drop(held);
    let reader = target.gateway.token("acme", "query");
    assert_eq!(
        target.gateway.get_json("/v1/query/summary", &reader)["events"],
        1,
        "nothing of a broken request is stored"
    );
    target.assert_unharmed();
}

#[test]
fn a_long_query_or_header_is_refused_without_harm() {
    let target = Target::start(Setup::new());
    let reader = target.gateway.token("acme", "query");
    for query in [
        format!("name={}", MARKER.repeat(1000)),
        format!("from={MARKER}"),
        "name=%ff%fe".to_owned(),
        "name=%".to_owned(),
        "limit=99999999999999999999".to_owned(),
        "from=-999999999999w".to_owned(),
        "interval=1s&from=0".to_owned(),
        "from=now&to=now".to_owned(),
        "&&&===".to_owned(),
    ] {
        for route in ["summary", "series", "top"] {
            let answer = target.gateway.get(&format!("/v1/query/{route}?{query}"), &reader);
            assert!(
                matches!(answer.status, 200 | 400 | 414 | 431),
                "{route}?{query}: {} {}",
                answer.status,
                answer.text()
            );
            assert!(!answer.everything().contains(MARKER), "{}", answer.everything());
        }
    }
    let huge = target
        .gateway
        .raw(format!("GET /v1/query/top HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", MARKER.repeat(20_000)).as_bytes());
    assert!(!huge.contains(MARKER) && !huge.starts_with("HTTP/1.1 5"), "{huge}");
    target.assert_unharmed();
}
