//! Events in Tidegate's own protocol.

use serde_json::{Value, json};

use crate::clock::Millis;

use super::cast::{House, Route, Tool};
use super::planted;
use super::random::Rng;
use super::traffic::{Pace, Post, Protocol, Visit};

/// Share of events into which personal data slips beyond user and address.
const LEAKY: f64 = 0.10;

/// Name of the tool whose one call the demo shows before and after.
pub(super) const SHOWCASE: &str = "create_support_ticket";

const ERRORS: [(&str, &str); 6] = [
    ("timeout", "upstream did not answer within 30000 ms"),
    ("rate_limited", "too many requests, retry after 12 s"),
    ("not_found", "no such resource"),
    ("permission_denied", "token lacks scope repo:write"),
    ("invalid_params", "params.limit must be <= 100"),
    ("internal", "unexpected null in response"),
];
const QUERIES: [&str; 8] = [
    "open incidents of this week",
    "retry logic in the webhook worker",
    "who changed the invoice schema",
    "slow queries on the orders table",
    "failing tests after the migration",
    "customers without a plan",
    "rate limit of the export",
    "dashboard for weekly revenue",
];
const PATHS: [&str; 5] =
    ["/srv/app/src", "/srv/app/docs/howto.md", "/srv/app/Cargo.toml", "/srv/data/reports", "/srv/app/migrations"];

/// An MCP session: handshake, list of tools, calls.
pub(super) fn mcp_visit(visit: &Visit<'_>, tools: &[Tool], rng: &mut Rng, pace: &mut Pace) -> Vec<Post> {
    let handshake =
        json!({"duration_ms": round(rng.log_normal(9.0, 0.5)), "ok": true, "attributes": {"protocol": "2025-06-18"}});
    let mut posts = vec![visit.event("mcp.initialize", handshake, rng, pace)];
    if rng.chance(0.9) {
        posts.push(visit.event(
            "mcp.tools_list",
            json!({"duration_ms": round(rng.log_normal(4.0, 0.4)), "ok": true}),
            rng,
            pace,
        ));
    }
    for _ in 0..2 + rng.log_normal(9.0, 0.7) as usize {
        let own = match rng.below(40) {
            0 | 1 => {
                json!({"name": format!("file://{}", rng.pick(&PATHS)), "duration_ms": round(rng.log_normal(14.0, 0.8)), "ok": true})
            }
            2 => json!({"name": "review_changes", "duration_ms": round(rng.log_normal(6.0, 0.5)), "ok": true}),
            3 => {
                json!({"name": "feedback_given", "value": rng.between(1, 6), "unit": "stars", "attributes": {"comment": remark(rng)}})
            }
            _ => tool_call(rng.pick_early(tools), rng),
        };
        let kind = match own.get("name").and_then(Value::as_str) {
            Some("feedback_given") => "custom",
            Some("review_changes") => "mcp.prompt_get",
            Some(name) if name.starts_with("file://") => "mcp.resource_read",
            _ => "mcp.tool_call",
        };
        posts.push(visit.event(kind, own, rng, pace));
    }
    posts
}

fn tool_call(tool: &Tool, rng: &mut Rng) -> Value {
    let failed = rng.chance(tool.failing);
    let mut arguments =
        json!({"query": rng.pick(&QUERIES), "limit": rng.pick(&[10, 20, 50, 100]), "path": rng.pick(&PATHS)});
    if let Some(arguments) = arguments.as_object_mut().filter(|_| rng.chance(LEAKY)) {
        arguments.insert("note".to_owned(), json!(planted::sentence(rng)));
    }
    let mut attributes = json!({"arguments": arguments, "bytes_out": rng.log_normal(1500.0, 1.2) as u64});
    if let Some(attributes) = attributes.as_object_mut().filter(|_| rng.chance(0.03)) {
        attributes.insert("headers".to_owned(), headers(rng));
    }
    let mut own = json!({
        "name": tool.name, "ok": !failed, "attributes": attributes,
        "duration_ms": round(rng.log_normal(tool.median_ms, 0.7)),
    });
    if let Some(own) = own.as_object_mut().filter(|_| failed) {
        own.insert("error".to_owned(), error(rng));
    }
    own
}

/// Requests of one person to an HTTP service, with what the service itself has to tell about them.
pub(super) fn http_visit(visit: &Visit<'_>, routes: &[Route], rng: &mut Rng, pace: &mut Pace) -> Vec<Post> {
    let mut posts = Vec::new();
    if rng.chance(0.12) {
        let traits = json!({"attributes": {"email": visit.person.email, "name": visit.person.display, "plan": rng.pick(&["free", "pro", "team"])}});
        posts.push(visit.event("identify", traits, rng, pace));
    }
    for _ in 0..2 + rng.log_normal(7.0, 0.7) as usize {
        let route = rng.pick_early(routes);
        posts.push(visit.event("http.request", request(route, rng), rng, pace));
        let (kind, own) = match (route.path, rng.below(12)) {
            ("/v1/checkout", 0..9) => (
                "custom",
                json!({"name": "checkout_completed", "value": round(rng.log_normal(42.0, 0.8)), "unit": "EUR"}),
            ),
            ("/v1/login", 0) => {
                ("log", json!({"severity": "warn", "body": format!("failed login: {}", planted::sentence(rng))}))
            }
            (_, 1) => ("metric", json!({"name": "cart_items", "value": rng.between(1, 9), "unit": "1"})),
            (_, 2) if rng.chance(0.3) => {
                ("custom", json!({"name": "feedback_given", "attributes": {"comment": remark(rng)}}))
            }
            (_, 3) if rng.chance(0.1) => ("error", json!({"ok": false, "error": error(rng)})),
            _ => continue,
        };
        posts.push(visit.event(kind, own, rng, pace));
    }
    posts
}

fn request(route: &Route, rng: &mut Rng) -> Value {
    let status = status(route.method, rng);
    let mut path = route.path.replace("{}", &rng.between(1_000, 9_999).to_string());
    if rng.chance(LEAKY / 2.0) {
        let (token, mail) = (rng.token(32), planted::email(rng));
        path.push_str(&format!("?token={token}&email={mail}"));
    }
    let mut own = json!({
        "name": format!("{} {}", route.method, route.path), "method": route.method, "path": path, "status": status, "ok": status < 500,
        "duration_ms": round(rng.log_normal(route.median_ms, 0.6)), "trace_id": rng.hex(32), "span_id": rng.hex(16),
        "attributes": {"bytes_in": rng.log_normal(180.0, 0.8) as u64, "bytes_out": rng.log_normal(2400.0, 1.1) as u64},
    });
    if let Some(own) = own.as_object_mut().filter(|_| status >= 500) {
        own.insert("error".to_owned(), error(rng));
    }
    own
}

fn status(method: &str, rng: &mut Rng) -> u16 {
    match rng.below(1000) {
        0..40 => 404,
        40..60 => 401,
        60..75 => 422,
        75..80 => 429,
        80..105 => 500,
        105..110 => 503,
        110..150 if method == "GET" => 304,
        _ if method == "POST" => 201,
        _ => 200,
    }
}

fn error(rng: &mut Rng) -> Value {
    let (kind, message) = *rng.pick(&ERRORS);
    let message = if rng.chance(0.25) { format!("{message} ({})", planted::sentence(rng)) } else { message.to_owned() };
    json!({"type": kind, "message": message})
}

/// Headers that a careless program reports along.
fn headers(rng: &mut Rng) -> Value {
    json!({"authorization": format!("Bearer {}", rng.token(40)), "cookie": format!("sid={}", rng.hex(32)), "accept": "application/json"})
}

fn remark(rng: &mut Rng) -> String {
    if rng.chance(0.5) {
        planted::sentence(rng)
    } else {
        (*rng.pick(&["works well", "too slow today", "love it", "confusing"])).to_owned()
    }
}

/// The deployment of a server.
pub(super) fn release(house: &House, rng: &mut Rng, at: Millis) -> Post {
    let (name, version) = house.server;
    let event = json!({"id": id(rng, at), "type": "release", "name": format!("{name} {version}"), "timestamp": at.to_string(),
        "server": {"name": name, "version": version}});
    Post { at, protocol: Protocol::Native, event }
}

/// One call with every kind of personal data that people put into such calls.
pub(super) fn showcase(house: &House, rng: &mut Rng, at: Millis) -> Value {
    let (person, (server, version)) = (house.person(at.0 as u64, 1), house.server);
    let (card, iban) = (planted::card(rng), planted::iban(rng));
    let note = format!("{} called from {} about card {card}; refund to {iban}", person.email, planted::phone(rng));
    json!({
        "id": id(rng, at), "type": "mcp.tool_call", "name": SHOWCASE, "timestamp": at.to_string(),
        "session": format!("mcp_7_{}", at.0), "user": person.email, "ip": person.ip,
        "client": {"name": "Claude Desktop", "version": "1.0.211"}, "server": {"name": server, "version": version},
        "model": "claude-sonnet-4-5", "duration_ms": 842.5, "ok": false,
        "error": {"type": "upstream", "message": format!("billing refused card {card} of {}", person.email)},
        "attributes": {
            "arguments": {"priority": "high", "note": note},
            "headers": {"authorization": format!("Bearer {}", rng.token(40)), "x-forwarded-for": planted::ipv4(rng)},
            "callback": format!("https://hooks.example.com/in?ticket=42&token={}", rng.token(24)),
        },
    })
}

impl Visit<'_> {
    /// An event of this visit with what it says of itself in `own`.
    pub(super) fn event(&self, kind: &str, own: Value, rng: &mut Rng, pace: &mut Pace) -> Post {
        let at = pace.next(rng);
        let (person, (server, version)) = (&self.person, self.house.server);
        let mut event = json!({
            "id": id(rng, at), "type": kind, "timestamp": at.to_string(), "session": self.session, "user": person.user, "ip": person.ip,
            "server": {"name": server, "version": version},
        });
        let about = if kind.starts_with("mcp.") {
            let (client, version) = person.client;
            json!({"client": {"name": client, "version": version}, "model": person.model, "language": "TypeScript"})
        } else {
            json!({"user_agent": person.user_agent, "language": "Python 3.12"})
        };
        if let Some(event) = event.as_object_mut() {
            let parts = [about, own]
                .into_iter()
                .filter_map(|part| if let Value::Object(part) = part { Some(part) } else { None });
            event.extend(parts.flatten());
        }
        Post { at, protocol: Protocol::Native, event }
    }
}

/// A UUID of version 7: time first, then randomness.
pub(super) fn id(rng: &mut Rng, at: Millis) -> String {
    let (high, low) = (at.0 >> 16, at.0 & 0xffff);
    format!("{high:08x}-{low:04x}-7{}-8{}-{}", rng.hex(3), rng.hex(3), rng.hex(12))
}

/// Milliseconds to three places.
fn round(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}
