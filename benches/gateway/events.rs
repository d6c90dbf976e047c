//! Made-up events for measuring: the shapes and sizes of real ones, repeatable by seed.
//!
//! Sessions of some length draw person, client, agent and address once; events draw a tool from a skewed distribution and a log-normal duration,
//! and every fiftieth fails. One in five carries a sentence around one e-mail address, payment card, IPv4 address, telephone number, US
//! social security number or bearer token.

use std::f64::consts::TAU;
use std::io::Write;

/// Share of events with planted personal data.
const PLANTED: f64 = 0.2;
/// Sessions that go on at the same time.
const SESSIONS: usize = 400;
/// 2025-06-01T00:00:00Z, so that no gateway's clock finds them in the future; they follow each other in a few milliseconds.
pub(crate) const BEGIN_MS: u64 = 1_748_736_000_000;

const VERBS: [&str; 8] = ["search", "get", "list", "create", "update", "read", "run", "query"];
const NOUNS: [&str; 8] = ["issues", "file", "repos", "page", "messages", "tickets", "database", "calendar"];
const CLIENTS: [(&str, &str); 5] = [
    ("claude-desktop", "1.8.3"),
    ("cursor", "2.4.1"),
    ("vscode", "1.112.0"),
    ("claude-code", "3.0.14"),
    ("windsurf", "1.31.2"),
];
const SYSTEMS: [&str; 4] = [
    "Macintosh; Intel Mac OS X 10_15_7",
    "Windows NT 10.0; Win64; x64",
    "X11; Linux x86_64",
    "Macintosh; ARM Mac OS X 15_2",
];
const COUNTRIES: [&str; 8] = ["US", "IN", "DE", "GB", "FR", "BR", "JP", "CA"];
const WORDS: [&str; 32] = [
    "error",
    "timeout",
    "login",
    "payment",
    "refund",
    "customer",
    "deploy",
    "staging",
    "production",
    "memory",
    "latency",
    "graph",
    "index",
    "replica",
    "session",
    "webhook",
    "retry",
    "queue",
    "worker",
    "cache",
    "schema",
    "migration",
    "invoice",
    "report",
    "weekly",
    "revenue",
    "signup",
    "template",
    "upload",
    "backup",
    "policy",
    "release",
];
const ERRORS: [(&str, &str); 4] = [
    ("timeout", "upstream did not answer within 30000 ms"),
    ("rate_limited", "too many requests, retry after 12 s"),
    ("not_found", "no such resource"),
    ("internal", "unexpected null in response"),
];

/// Whether events carry an `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// None: a body may be sent many times, and none of its events is a duplicate.
    None,
    /// A UUID whose last twelve digits are to be overwritten before each sending.
    Patched,
}

/// Number of digits at each of [`Body::ids`].
pub(crate) const ID_DIGITS: usize = 12;

/// The body of one request.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) events: usize,
    /// Where in `bytes` the digits to overwrite begin.
    pub(crate) ids: Vec<usize>,
}

/// An endless source of events.
pub(crate) struct Source {
    rng: Rng,
    sessions: Vec<Session>,
    now_ms: u64,
}

struct Session {
    id: String,
    user: Option<String>,
    ip: String,
    client: (&'static str, &'static str),
    agent: String,
    country: &'static str,
    server: usize,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Source {
        let mut rng = Rng(seed);
        let sessions = (0..SESSIONS).map(|_| Session::new(&mut rng)).collect();
        Source { rng, sessions, now_ms: BEGIN_MS }
    }

    /// A JSON array of `events` events; one event stands alone.
    pub(crate) fn body(&mut self, events: usize, with: Ids) -> Body {
        let mut body = Body { bytes: Vec::with_capacity(events * 700 + 2), events, ids: Vec::new() };
        let array = events != 1;
        body.bytes.extend_from_slice(if array { b"[" } else { b"" });
        for index in 0..events {
            body.bytes.extend_from_slice(if index > 0 { b"," } else { b"" });
            self.event(&mut body, with);
        }
        body.bytes.extend_from_slice(if array { b"]" } else { b"" });
        body
    }

    fn event(&mut self, body: &mut Body, with: Ids) {
        let rng = &mut self.rng;
        self.now_ms += rng.below(20) as u64;
        let turn = rng.below(SESSIONS);
        let session = self.sessions.get_mut(turn).expect("there are so many sessions");
        if rng.chance(0.05) {
            *session = Session::new(rng);
        }
        body.bytes.push(b'{');
        if with == Ids::Patched {
            body.bytes.extend_from_slice(br#""id":"019f0000-0000-7000-8000-"#);
            body.ids.push(body.bytes.len());
            body.bytes.extend_from_slice(br#"000000000000","#);
        }
        session.write(rng, self.now_ms, &mut body.bytes).expect("writing to memory does not fail");
    }
}

impl Session {
    fn new(rng: &mut Rng) -> Session {
        let system = *rng.pick(&SYSTEMS);
        Session {
            id: format!("ses_{}", rng.text(b"0123456789abcdefghjkmnpqrstvwxyz", 24)),
            user: rng.chance(0.9).then(|| format!("usr_{}", rng.text(b"0123456789abcdef", 16))),
            ip: rng.ip(),
            client: *rng.pick(&CLIENTS),
            agent: format!(
                "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
                120 + rng.below(12)
            ),
            country: rng.pick::<&str>(&COUNTRIES),
            server: rng.below(3),
        }
    }

    /// Writes an event of this session without its opening brace.
    fn write(&self, rng: &mut Rng, now_ms: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
        let call = rng.chance(0.75);
        let failed = rng.chance(0.02);
        let duration = rng.log_normal(120.0);
        write!(out, r#""type":"{}","#, if call { "mcp.tool_call" } else { "http.request" })?;
        write!(out, r#""timestamp":{now_ms},"session":"{}","duration_ms":{duration:.3},"ok":{}"#, self.id, !failed)?;
        if let Some(user) = &self.user {
            write!(out, r#","user":"{user}""#)?;
        }
        if failed {
            let (kind, message) = *rng.pick(&ERRORS);
            write!(out, r#","error":{{"type":"{kind}","message":"{message}"}}"#)?;
        }
        let (client, version) = self.client;
        write!(out, r#","ip":"{}","client":{{"name":"{client}","version":"{version}"}}"#, self.ip)?;
        write!(out, r#","user_agent":"{}","server":{{"name":"srv-{}"}}"#, self.agent, self.server)?;
        write!(out, r#","model":"claude-sonnet-4-5""#)?;
        if call {
            write_call(rng, out)?
        } else {
            write_request(rng, failed, out)?
        }
        let (bytes_in, bytes_out) = (rng.log_normal(200.0) as u64, rng.log_normal(1500.0) as u64);
        write!(out, r#","country":"{}","bytes_in":{bytes_in},"bytes_out":{bytes_out}"#, self.country)?;
        if rng.chance(PLANTED) {
            let (before, planted, after) = (rng.words(5), rng.personal(), rng.words(5));
            write!(out, r#","note":"{before} {planted} {after}""#)?;
        }
        write!(out, "}}}}")
    }
}

/// Writes name and the beginning of the attributes.
fn write_call(rng: &mut Rng, out: &mut Vec<u8>) -> std::io::Result<()> {
    let (verb, noun, words) = (rng.pick_early(&VERBS), rng.pick_early(&NOUNS), 2 + rng.below(8));
    let (limit, organisation, repository) = (10 + rng.below(90), rng.below(37), rng.below(200));
    write!(out, r#","name":"{verb}_{noun}","attributes":{{"query":"{}","limit":{limit}"#, rng.words(words))?;
    write!(out, r#","filters":{{"repo":"org{organisation}/repo-{repository}","state":"open"}}"#)?;
    if rng.chance(0.3) {
        let (folder, from) = (rng.words(1), rng.below(400));
        write!(out, r#","path":"/src/{folder}/{}.rs","lines":[{from},{}]"#, rng.words(1), from + 40)?;
    }
    Ok(())
}

fn write_request(rng: &mut Rng, failed: bool, out: &mut Vec<u8>) -> std::io::Result<()> {
    let method = *rng.pick(&["GET", "POST", "PUT"]);
    let (path, status) = (format!("/api/v1/{}", rng.pick_early(&NOUNS)), if failed { 500 } else { 200 });
    let trace = rng.text(b"0123456789abcdef", 32);
    write!(
        out,
        r#","name":"{path}","method":"{method}","path":"{path}","status":{status},"trace_id":"{trace}","attributes":{{"#
    )?;
    write!(out, r#""protocol":"HTTP/1.1""#)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        items.get(self.below(items.len())).expect("the tables have entries")
    }

    /// The first ones more often than the last.
    fn pick_early<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        let rank = (self.unit().powi(2) * items.len() as f64) as usize;
        items.get(rank).expect("the square of a number below 1 is below 1, and the tables have entries")
    }

    fn log_normal(&mut self, median: f64) -> f64 {
        let (u, v) = ((1.0 - self.unit()).max(f64::MIN_POSITIVE), self.unit());
        median * (0.9 * (-2.0 * u.ln()).sqrt() * (TAU * v).cos()).exp()
    }

    fn text(&mut self, alphabet: &[u8], n: usize) -> String {
        (0..n).map(|_| char::from(*self.pick(alphabet))).collect()
    }

    fn digits(&mut self, n: usize) -> String {
        self.text(b"0123456789", n)
    }

    fn words(&mut self, n: usize) -> String {
        (0..n).map(|_| *self.pick_early(&WORDS)).collect::<Vec<_>>().join(" ")
    }

    fn ip(&mut self) -> String {
        format!("{}.{}.{}.{}", 11 + self.below(188), self.below(256), self.below(256), 1 + self.below(254))
    }

    /// One value of six kinds.
    fn personal(&mut self) -> String {
        match self.below(6) {
            0 => format!(
                "{}{}@{}",
                self.pick(&["ana", "li.wei", "j.doe"]),
                self.below(1_000_000),
                self.pick(&["example.com", "mail.example.org"])
            ),
            1 => self.card(),
            2 => self.ip(),
            3 => format!("+1-{}-{}-{}", 201 + self.below(700), 201 + self.below(700), self.digits(4)),
            4 => format!("{}-{}-{}", 100 + self.below(565), 10 + self.below(89), 1000 + self.below(8999)),
            _ => {
                format!("Bearer {}", self.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 40))
            }
        }
    }

    /// Sixteen digits with a Luhn check digit, half of them in groups.
    fn card(&mut self) -> String {
        let mut digits = format!("4{}", self.digits(14));
        let doubled = |(place, digit): (usize, u8)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        };
        let sum: u32 = digits.bytes().rev().enumerate().map(doubled).sum();
        digits.push_str(&((10 - sum % 10) % 10).to_string());
        if self.chance(0.5) {
            for place in [12, 8, 4] {
                digits.insert(place, ' ');
            }
        }
        digits
    }
}
