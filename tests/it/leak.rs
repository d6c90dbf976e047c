//! Nothing personal is left behind: on the disk, in the log, in the metrics, in any answer.
//!
//! Canaries of every kind that the default policy knows are sent by every route, in every place of an event, in requests that are
//! refused, and beside events: in paths, queries, headers and the bodies of operators. Then every byte that the gateway left is searched,
//! once after it stopped in good order and once after it was killed. A harmless marker goes the same ways and must be found.

mod canary;
pub mod search;

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Setup, send};
use canary::{ANYWHERE, CARRIED, Canary, DECLARED, IPV4, agentcat, declared, everywhere, refused};
use search::{Piece, Words, answer, files, stored};

/// Harmless, and therefore kept.
const MARKER: &str = "harmless-marker-word";

/// Beside events: known by their place alone.
const EVENT_ID: &str = "canary-event-id";
const USER: &str = "canary-plain-user";
const IDEMPOTENCY_KEY: &str = "canary-idempotency-key";
const CLIENT_ADDRESS: &str = "198.51.100.77";
const CLIENT_ADDRESS_V6: &str = "2001:db8:77:88:99::aa";
const USER_AGENT: &str = "canary-user-agent/1.0";
/// Not personal by any form or place: must not be repeated by whoever refuses them.
const GARBAGE: &str = "canary-in-a-refused-place";

struct Story {
    gateway: Gateway,
    key: String,
    /// Everything that was answered.
    heard: Vec<Piece>,
    events: u64,
}

impl Story {
    fn begin() -> Story {
        let setup = Setup::new().config(
            "[server]\nclient_request_timeout = '1s'\n[log]\nfilter = 'trace'\n[proxy]\ntrusted = ['127.0.0.1/32']\nheader = 'x-forwarded-for'\n[agentcat]\nprojects = { proj_canary = 'default' }",
        );
        let gateway = setup.start();
        let key = gateway.key("default");
        Story { gateway, key, heard: Vec::new(), events: 0 }
    }

    /// A request as a client behind the trusted proxy sends it.
    fn request(&self, method: Method, route: &str) -> RequestBuilder {
        let address = if self.events.is_multiple_of(2) { CLIENT_ADDRESS } else { CLIENT_ADDRESS_V6 };
        self.gateway.request(method, route).header("X-Forwarded-For", address).header("User-Agent", USER_AGENT)
    }

    fn hear(&mut self, place: &str, request: RequestBuilder) -> Answer {
        let heard = send(request);
        self.heard.push(answer(place, &heard));
        heard
    }

    fn hear_raw(&mut self, place: &str, bytes: &[u8]) {
        let heard = self.gateway.raw(bytes);
        self.heard.push((format!("the answer of {place}"), heard.into_bytes()));
    }

    fn id(&mut self) -> String {
        self.events += 1;
        format!("{EVENT_ID}-{}", self.events)
    }

    /// Every event that the airlock must clean, with ids of its own.
    fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        for canary in ANYWHERE {
            for text in [canary.text.to_owned(), format!("note: {} (see there)", canary.text)] {
                events.push(everywhere(&self.id(), &text, &text, MARKER));
            }
        }
        events.push(everywhere(&self.id(), IPV4.text, "1.0", MARKER));
        events.push(json!({"id": self.id(), "type": "http.request", "user": USER, "attributes": declared()}));
        events
    }
}

#[test]
fn nothing_personal_is_left_by_a_gateway_that_stopped() {
    let mut story = Story::begin();
    tell(&mut story);
    ask(&mut story);
    story.gateway.stop();
    search(&story);
}

#[test]
fn nothing_personal_is_left_by_a_gateway_that_was_killed() {
    let mut story = Story::begin();
    tell(&mut story);
    ask(&mut story);
    story.gateway.kill();
    search(&story);
}

/// The control: were a canary let through, it would be found in every place that is searched.
#[test]
fn what_a_disabled_rule_lets_through_is_found() {
    let mut gateway = Setup::new().config("[privacy]\npolicy = 'policy.toml'").prepare();
    let off = |id: &str| format!("[[rules]]\nid = '{id}'\nenabled = false\n");
    std::fs::write(gateway.root().join("policy.toml"), off("email") + &off("card")).expect("a policy");
    gateway.restart();
    let canaries =
        ["e-mail", "card, blanks"].map(|name| ANYWHERE.iter().find(|canary| canary.name == name).expect("a canary"));
    let event = everywhere("1", &canaries.map(|canary| canary.text).join(" and "), "1.0", MARKER);
    gateway.post_events(&gateway.key("default"), &event).expect(200);
    let export = answer("the export", &gateway.get("/api/export", &gateway.token("default", "export")));
    gateway.kill();
    let words = Words::new(canaries.map(|canary| (canary.name, canary.word)));
    words.assert_present(&stored(&gateway.data()));
    words.assert_present(&[export]);
}

fn search(story: &Story) {
    let data = story.gateway.data();
    let log = ("the log".to_owned(), story.gateway.stderr().into_bytes());
    let kept = stored(&data);
    Words::new([("marker", MARKER)]).assert_present(&kept);
    Words::new([("marker", MARKER)]).assert_present(&story.heard);
    Words::new([("target", "tidegate")]).assert_present(std::slice::from_ref(&log));

    let secret = story.key.rsplit('_').next().expect("a key has parts");
    let beside = [
        ("event id", EVENT_ID),
        ("user", USER),
        ("idempotency key", IDEMPOTENCY_KEY),
        ("client's address", CLIENT_ADDRESS),
        ("client's address, IPv6", CLIENT_ADDRESS_V6),
        ("user agent", USER_AGENT),
        ("garbage", GARBAGE),
        ("ingest key's secret", secret),
    ];
    let by_form = ANYWHERE.iter().chain([&IPV4]).map(|canary: &Canary| (canary.name, canary.word));
    let words = Words::new(by_form.chain(DECLARED.iter().copied()).chain(CARRIED.iter().copied()).chain(beside));
    let pieces: Vec<Piece> = [files(&data), kept, vec![log], story.heard.clone()].concat();
    words.assert_absent(&pieces);
}

/// Sends everything by every way.
fn tell(story: &mut Story) {
    tell_natively(story);
    tell_as_agentcat(story);
    tell_what_is_refused(story);
    tell_beside_events(story);
    tell_as_operator(story);
}

type Header<'h> = (&'static str, &'h str);
/// What it is called, the route, how the sender is known, how the body is written, and the bodies that some events make.
type Way<'w> = (&'static str, &'w str, Header<'w>, Header<'w>, &'w dyn Fn(&[Value]) -> Vec<Vec<u8>>);

fn tell_natively(story: &mut Story) {
    let key = story.key.clone();
    let bearer = format!("Bearer {key}");
    let by_path = format!("/t/{key}/v1/events");
    let basic = format!("Basic {}", STANDARD.encode(format!("{key}:")));
    let object = |events: &[Value]| events.iter().map(|event| event.to_string().into_bytes()).collect();
    let array = |events: &[Value]| vec![json!(events).to_string().into_bytes()];
    let lines =
        |events: &[Value]| vec![events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect::<Vec<u8>>()];
    let gzip = |events: &[Value]| vec![gzipped(json!(events).to_string().as_bytes())];
    let zstd = |events: &[Value]| {
        vec![zstd::stream::encode_all(json!(events).to_string().as_bytes(), 1).expect("zstd into memory")]
    };
    let json = ("Content-Type", "application/json");
    let ways: [Way<'_>; 6] = [
        ("objects", "/v1/events", ("Authorization", &bearer), json, &object),
        ("an array", "/v1/events", ("X-Api-Key", &key), json, &array),
        ("lines", "/v1/events", ("Authorization", &basic), ("Content-Type", "application/x-ndjson"), &lines),
        ("gzip", &by_path, ("Accept", "*/*"), ("Content-Encoding", "gzip"), &gzip),
        ("zstd", "/v1/events?ack=memory", ("Authorization", &bearer), ("Content-Encoding", "zstd"), &zstd),
        ("a slash", "//v1//events/", ("Authorization", &bearer), json, &array),
    ];
    for (place, route, (name, value), (form, of), bodies) in ways {
        let events = story.events();
        let mut accepted = 0;
        for (n, body) in bodies(&events).into_iter().enumerate() {
            let request = story.request(Method::POST, route).header(name, value).header(form, of).body(body);
            let request = request.header("Idempotency-Key", format!("{IDEMPOTENCY_KEY}-{place}-{n}"));
            let answer = story.hear(place, request).json();
            accepted += answer["accepted"].as_u64().expect("a count");
        }
        assert_eq!(accepted, events.len() as u64, "of the events sent as {place}");
    }
}

fn tell_as_agentcat(story: &mut Story) {
    let key = story.key.clone();
    let by_path = format!("/t/{key}/v1/public/events/");
    let ways = [
        ("agentcat by path", by_path.as_str(), "proj_nobody", None),
        ("agentcat by header", "/v1/public/events", "proj_nobody", Some(&key)),
        ("agentcat by project", "/v1/public/events/", "proj_canary", None),
        ("agentcat by a key as project", "//v1/public/events", key.as_str(), None),
    ];
    for (place, route, project, header) in ways {
        for canary in ANYWHERE.iter().chain([&IPV4]) {
            let event = agentcat(&story.id(), project, canary.text, MARKER);
            let mut request = story.request(Method::POST, route).header("Content-Type", "application/json");
            if let Some(key) = header {
                request = request.header("X-Api-Key", key);
            }
            let answer = story.hear(place, request.body(event.to_string())).expect(202);
            assert!(answer.header("tidegate-outcome").starts_with("accepted=1"), "{place} refuses {}", canary.name);
        }
    }
}

/// Events and bodies that are refused or kept aside.
fn tell_what_is_refused(story: &mut Story) {
    let key = story.key.clone();
    let texts = ANYWHERE.iter().chain([&IPV4]).map(|canary| canary.text);
    for text in texts.chain([GARBAGE]) {
        let post = |story: &mut Story, place: &str, form: &str, body: String| {
            let request = story.request(Method::POST, "/v1/events").bearer_auth(&key).header("Content-Type", form);
            story.hear(place, request.body(body))
        };
        // What is kept aside is kept scrubbed, and garbage is only harmless garbage there.
        let events: Vec<Value> = refused(text)
            .into_iter()
            .filter(|event| text != GARBAGE || event["timestamp"] != "2999-01-01T00:00:00Z")
            .collect();
        let answer = post(story, "refused events", "application/json", json!(events).to_string()).expect(200).json();
        assert_eq!(answer["accepted"], 0, "one of the events that must be refused for {text} is accepted");
        let inside = json!(text).to_string();
        for body in [
            format!("{{\"type\":\"custom\",\"name\":{inside}"),
            format!("[{{\"type\":\"custom\"}} {inside}]"),
            format!("{inside}{inside}"),
            text.to_owned(),
            format!("{{\"type\":\"custom\",{inside}:tru}}"),
        ] {
            post(story, "malformed JSON", "application/json", body.clone());
            post(story, "malformed lines", "application/x-ndjson", format!("{body}\n{body}\n"));
            let request = story.request(Method::POST, "/v1/public/events").header("X-Api-Key", &key);
            story.hear("malformed AgentCat", request.body(body));
        }
        post(story, "another type", "application/xml", inside.clone());
        let event = json!({"id": text, "event_type": text, "project_id": text, "timestamp": text, "duration": text});
        let request = story.request(Method::POST, "/v1/public/events").body(event.to_string());
        story.hear("an unknown project", request).expect(202);
    }
}

/// Paths, queries and headers.
fn tell_beside_events(story: &mut Story) {
    let (key, reader) = (story.key.clone(), story.gateway.token("default", "query,export,compliance"));
    for text in ANYWHERE.iter().chain([&IPV4]).map(|canary| canary.text).chain([GARBAGE]) {
        let encoded = percent_encoded(text);
        for route in [
            format!("/{encoded}"),
            format!("/t/{encoded}/v1/events"),
            format!("/v1/events?ack={encoded}"),
            format!("/v1/events?{encoded}=1"),
        ] {
            let request = story.request(Method::POST, &route).bearer_auth(&key);
            story.hear("a path or query", request.body("{}"));
        }
        for route in [
            format!("/v1/query/summary?name={encoded}"),
            format!("/v1/query/summary?session={encoded}"),
            format!("/v1/query/summary?from={encoded}"),
            format!("/v1/query/top?by={encoded}"),
            format!("/v1/query/series?interval={encoded}"),
            format!("/v1/query/sessions?cursor={encoded}"),
            format!("/v1/query/sessions?{encoded}={encoded}"),
            format!("/v1/query/sessions/{encoded}"),
            format!("/v1/query/traces/{encoded}"),
            format!("/v1/query/errors?cursor={encoded}"),
            format!("/v1/query/funnel?within={encoded}"),
            format!("/api/analytics?tenant={encoded}"),
            format!("/v1/audit/records?from={encoded}"),
            format!("/v1/audit/tlog/{encoded}/checkpoint"),
        ] {
            let request = story.request(Method::GET, &route).bearer_auth(&reader);
            story.hear("a question", request);
        }
        // Recorded, since it asks for rows. Whatever is no personal data in itself may be in the record.
        if text != GARBAGE {
            let route = format!("/v1/query/sessions?name={encoded}&session={encoded}");
            let request = story.request(Method::GET, &route).bearer_auth(&reader);
            story.hear("a question for rows", request).expect(200);
        }
        let raw = text.replace('\n', " ");
        for name in [
            "Authorization",
            "X-Api-Key",
            "Cookie",
            "Idempotency-Key",
            "User-Agent",
            "Content-Type",
            "Content-Encoding",
            "X-Forwarded-For",
            "Accept",
            "Sec-GPC",
        ] {
            let head = format!(
                "POST /v1/events HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{name}: {raw}\r\nContent-Length: 2\r\n"
            );
            story.hear_raw("a header", format!("{head}\r\n{{}}").as_bytes());
            if name != "Authorization" && name != "X-Api-Key" {
                story.hear_raw("a header", format!("{head}X-Api-Key: {key}\r\n\r\n{{}}").as_bytes());
            }
        }
        for head in [
            format!("{raw}\r\n\r\n"),
            format!("GET /{raw} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"),
            format!("{} / HTTP/1.1\r\nHost: {raw}\r\nConnection: close\r\n\r\n", raw.replace(' ', "")),
            format!("GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nX-\u{e9}{raw}: {raw}\r\n\r\n"),
            format!("POST /v1/events HTTP/1.1\r\nHost: gateway\r\nContent-Length: {raw}\r\n\r\n"),
        ] {
            story.hear_raw("a malformed head", head.as_bytes());
        }
    }
}

fn tell_as_operator(story: &mut Story) {
    let admin = story.gateway.admin_key();
    for text in ANYWHERE.iter().chain([&IPV4]).map(|canary| canary.text).chain([GARBAGE]) {
        let encoded = percent_encoded(text);
        for (route, body) in [
            ("/v1/admin/tenants", json!({"name": format!("\n{text}")})),
            ("/v1/admin/tenants", json!({"name": [text]})),
            ("/v1/admin/tenants", json!({"name": "x", text: 1})),
            ("/v1/admin/keys", json!({"tenant": text})),
            ("/v1/admin/keys", json!({"tenant": "default", "scope": text})),
            ("/v1/admin/tokens", json!({"tenant": text, "scope": "query"})),
            ("/v1/admin/tokens", json!({"tenant": "default", "scope": text})),
            ("/v1/admin/tokens", json!({"tenant": "default", "scope": "query", "ttl": text})),
            ("/v1/admin/tokens", json!(text)),
        ] {
            let request = story.request(Method::POST, route).bearer_auth(&admin);
            let answer = story.hear("an operator's mistake", request.body(body.to_string()));
            assert!((400..500).contains(&answer.status), "{route} takes {body}: {}", answer.status);
        }
        for (method, route) in [
            (Method::DELETE, format!("/v1/admin/keys/{encoded}")),
            (Method::DELETE, format!("/v1/admin/tokens/{encoded}")),
            (Method::GET, format!("/v1/admin/quarantine?tenant={encoded}")),
            (Method::GET, format!("/v1/admin/keys?tenant={encoded}")),
        ] {
            let request = story.request(method, &route).bearer_auth(&admin);
            let answer = story.hear("an operator's mistake", request);
            assert!((400..500).contains(&answer.status), "{route} answers {}", answer.status);
        }
    }
}

/// Asks for everything that can be asked for.
fn ask(story: &mut Story) {
    let reader = story.gateway.token("default", "query,export,compliance");
    let admin = story.gateway.admin_key();
    for (route, credential) in [
        ("/api/export", &reader),
        ("/api/sessions", &reader),
        ("/api/analytics", &reader),
        ("/v1/query/summary", &reader),
        ("/v1/query/series", &reader),
        ("/v1/query/top?limit=10000", &reader),
        ("/v1/query/top?by=type", &reader),
        ("/v1/query/sessions?limit=10000", &reader),
        ("/v1/query/series?by=name&interval=1h", &reader),
        ("/v1/query/geo", &reader),
        ("/v1/query/top?by=user&limit=10000", &reader),
        ("/v1/query/retention", &reader),
        ("/v1/query/journeys?limit=10000", &reader),
        ("/v1/query/users?limit=10000", &reader),
        ("/v1/query/errors?limit=10000", &reader),
        ("/v1/audit/records?limit=10000", &reader),
        ("/v1/audit/records?tenant=gateway&limit=10000", &admin),
        ("/v1/audit/tlog/gateway/checkpoint", &admin),
        ("/v1/admin/quarantine?tenant=default", &admin),
        ("/v1/admin/tenants", &admin),
        ("/v1/admin/keys?tenant=default", &admin),
        ("/v1/admin/limits", &admin),
        ("/metrics", &admin),
    ] {
        let request = story.gateway.request(Method::GET, route).bearer_auth(credential);
        story.hear(route, request).expect(200);
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip into memory");
    encoder.finish().expect("gzip into memory")
}

/// A path segment or a parameter's value.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
