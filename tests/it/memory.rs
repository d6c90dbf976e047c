//! What the configuration says of memory is what the process takes, with a quarter more for all that nobody counts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use reqwest::blocking::Client;
use serde_json::json;
use tidegate::privacy::detect::Kind;

use crate::gateway::{Gateway, PATIENCE, Setup, poll};

const MIB: u64 = 1 << 20;
/// The parts of the budget that the configuration names: the store's own, what waits for the writer, SQL, bodies (sixteen of the largest), event ids.
const STORE: u64 = 96 * MIB;
const QUEUE: u64 = 4 * MIB;
const SQL: u64 = 16 * MIB;
const BODY: u64 = MIB;
const IDS: u64 = 50_000;
const ID_BYTES: u64 = 56;
/// And what it says that the program, the buffers of the database and what the allocator keeps take.
const FIXED: u64 = 384 * MIB;
const BUDGET: u64 = STORE + QUEUE + SQL + 16 * BODY + IDS * ID_BYTES + FIXED;

/// Requests that must be refused for want of memory before the load ends.
const REFUSALS: u64 = 200;
/// Questions that must be answered meanwhile.
const ANSWERS: u64 = 40;
const SENDERS: u64 = 3;
const EVENTS: u64 = 700;

fn setup() -> Setup {
    let (store, queue, sql, body) = (STORE / MIB, QUEUE / MIB, SQL / MIB, BODY / MIB);
    Setup::new().config(&format!(
        "[limits]\nbody_max = \"{body}MiB\"\ninflated_max = \"{body}MiB\"\n\
         [store]\nmemory_max = \"{store}MiB\"\nqueue_max = \"{queue}MiB\"\ndedupe_entries_max = {IDS}\n\
         [query]\nsql_memory_max = \"{sql}MiB\"\n[privacy]\npolicy = \"policy.toml\"\n"
    ))
}

/// A policy without detectors: so that events come in faster than they can be sealed.
fn without_rules() -> String {
    Kind::ALL.iter().map(|kind| format!("[[rules]]\nid = '{}'\nenabled = false\n", kind.name())).collect()
}

/// Events whose texts no dictionary saves, so that memory fills.
fn events(first: u64) -> Vec<u8> {
    let event = |n: u64| {
        let mut mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut word = || {
            mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:x}", mixed >> 8)
        };
        let text: Vec<String> = (0..60).map(|_| word()).collect();
        json!({"id": format!("e{n}"), "type": "mcp.tool_call", "name": format!("tool-{}", n % 40), "user": format!("user-{}", n / 50), "session": format!("session-{}", n / 20), "duration_ms": n % 1000, "attributes": {"n": n, "text": text.join(" ")}})
    };
    json!((first..first + EVENTS).map(event).collect::<Vec<_>>()).to_string().into_bytes()
}

struct Load<'g> {
    gateway: &'g Gateway,
    stop: AtomicBool,
    next: AtomicU64,
    sent: Mutex<BTreeMap<u16, u64>>,
    asked: Mutex<BTreeMap<u16, u64>>,
}

/// Ends the load when it goes, also when a promise was broken.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load<'_> {
    fn count(&self, answers: &Mutex<BTreeMap<u16, u64>>, status: u16) -> u64 {
        answers.lock().unwrap().get(&status).copied().unwrap_or_default()
    }

    fn send(&self, key: &str) {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        while !self.stop.load(Ordering::Relaxed) {
            let body = events(self.next.fetch_add(EVENTS, Ordering::Relaxed));
            // Refused ones come again, as senders do: what is refused must not cost memory either.
            while !self.stop.load(Ordering::Relaxed) {
                let request = client.post(format!("{}/v1/events", self.gateway.base())).bearer_auth(key);
                let answer = request.body(body.clone()).send().expect("an answer");
                let status = answer.status().as_u16();
                assert!(status == 200 || answer.headers().contains_key("retry-after"), "{status}");
                *self.sent.lock().unwrap().entry(status).or_default() += 1;
                if status == 200 {
                    break;
                }
            }
        }
    }

    fn ask(&self, token: &str) {
        let sql = |sql: &str| json!({ "sql": sql });
        let texts = [
            sql("SELECT session, count(*) FROM events GROUP BY session ORDER BY 2 DESC LIMIT 10"),
            sql("SELECT user, name, attributes['text'] FROM events ORDER BY attributes['text'] LIMIT 1000"),
        ];
        let routes = [
            "/v1/query/summary",
            "/v1/query/users",
            "/v1/query/sessions",
            "/v1/query/top?by=user",
            "/v1/export?limit=20000",
        ];
        while !self.stop.load(Ordering::Relaxed) {
            for text in &texts {
                self.answered(self.gateway.post_json("/v1/query/sql", token, text).status);
            }
            for route in routes {
                self.answered(self.gateway.get(route, token).status);
            }
        }
    }

    /// An answer, or a clear refusal.
    fn answered(&self, status: u16) {
        assert!([200, 422, 503].contains(&status), "a question was answered {status}");
        *self.asked.lock().unwrap().entry(status).or_default() += 1;
    }
}

#[test]
fn the_process_stays_within_its_memory_though_everybody_wants_more() {
    let mut gateway = setup().prepare();
    std::fs::write(gateway.root().join("policy.toml"), without_rules()).expect("a policy");
    gateway.restart();
    let gateway = gateway;
    let (key, token) = (gateway.key("default"), gateway.token("default", "query,export"));
    let load = Load {
        gateway: &gateway,
        stop: AtomicBool::new(false),
        next: AtomicU64::new(0),
        sent: Default::default(),
        asked: Default::default(),
    };
    let at_rest = gateway.memory_peak();
    thread::scope(|scope| {
        let _stops = Stop(&load.stop);
        (0..SENDERS).for_each(|_| _ = scope.spawn(|| load.send(&key)));
        (0..2).for_each(|_| _ = scope.spawn(|| load.ask(&token)));
        poll("enough refusals", || (load.count(&load.sent, 503) >= REFUSALS).then_some(()));
        poll("enough answers", || (load.count(&load.asked, 200) >= ANSWERS).then_some(()));
        // More than a process that kept what it refuses could hold.
        let sent = || load.count(&load.sent, 200) + load.count(&load.sent, 503);
        poll("enough bytes", || (sent() * BODY * 3 / 4 > 2 * BUDGET).then_some(()));
    });
    let peak = gateway.memory_peak();
    assert!(peak <= BUDGET + BUDGET / 4, "{} MiB of {} MiB, {} MiB at rest", peak / MIB, BUDGET / MIB, at_rest / MIB);
}
