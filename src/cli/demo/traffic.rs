//! What is sent, and when: visits of people, made of events, laid out in time.
//!
//! A visit is one session of one person: its events follow each other in pauses that vary as people's do. [`history`] lays out the
//! visits of the hours before the demo, with the flaws that real senders have: the same event twice, and events that cannot be
//! accepted. [`visit`] alone gives the rest of the demo its slow stream. Nothing here sends anything.

use serde_json::{Value, json};

use crate::clock::{HOUR_MS, Millis};

use super::agentcat;
use super::cast::{House, Person, Trade};
use super::native;
use super::random::Rng;

/// How far back the history goes.
pub(super) const HISTORY_MS: i64 = 6 * HOUR_MS;
/// Share of events that a sender repeats, as SDKs do after an answer that got lost.
const REPEATED: f64 = 0.012;
/// Share of events that no gateway could accept.
const FAULTY: f64 = 0.006;

/// One event and the moment at which it happens.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) at: Millis,
    pub(super) protocol: Protocol,
    pub(super) event: Value,
}

/// In which protocol an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `POST /v1/events`.
    Native,
    /// `POST /t/{key}/v1/public/events/`.
    AgentCat,
}

/// A session of one person.
pub(super) struct Visit<'h> {
    pub(super) house: &'h House,
    pub(super) person: Person,
    pub(super) session: String,
}

/// Everything that happened at a tenant in the [`HISTORY_MS`] before `now`, in order of time.
pub(super) fn history(house: &House, seed: u64, now: Millis) -> Vec<Post> {
    let mut rng = Rng::new(seed ^ now.0 as u64, house.name.len() as u64);
    let mut posts = vec![native::release(house, &mut rng, now.plus(-HISTORY_MS / 2))];
    for _ in 0..house.visits {
        let start = now.plus(-((rng.unit().powf(1.2) * HISTORY_MS as f64) as i64));
        posts.extend(visit(house, seed, &mut rng, start));
    }
    posts.retain(|post| post.at <= now);
    posts.sort_by_key(|post| post.at);
    with_flaws(posts, &mut rng)
}

/// One visit that begins at `start`.
pub(super) fn visit(house: &House, seed: u64, rng: &mut Rng, start: Millis) -> Vec<Post> {
    let number = (rng.unit().powf(1.4) * house.people as f64) as usize;
    let session = format!("mcp_{}_{}", rng.below(1000), start.0);
    let visit = Visit { house, person: house.person(seed, number), session };
    let mut clock = Pace { at: start };
    match house.trade {
        Trade::Mcp(tools) if rng.chance(house.agentcat_share) => agentcat::visit(&visit, tools, rng, &mut clock),
        Trade::Mcp(tools) => native::mcp_visit(&visit, tools, rng, &mut clock),
        Trade::Http(routes) => native::http_visit(&visit, routes, rng, &mut clock),
    }
}

/// Time as it passes in a visit.
pub(super) struct Pace {
    at: Millis,
}

impl Pace {
    /// The moment of the next event: a pause later, a few seconds or, rarely, minutes.
    pub(super) fn next(&mut self, rng: &mut Rng) -> Millis {
        self.at = self.at.plus(rng.log_normal(7_000.0, 1.1) as i64);
        self.at
    }
}

/// Repeats some events a little later and strews in faulty ones.
fn with_flaws(posts: Vec<Post>, rng: &mut Rng) -> Vec<Post> {
    let mut flawed: Vec<Post> = Vec::with_capacity(posts.len() + posts.len() / 32);
    for post in posts {
        if rng.chance(REPEATED)
            && let Some(earlier) =
                flawed.len().checked_sub(1 + rng.below(60)).and_then(|index| flawed.get(index)).cloned()
        {
            flawed.push(earlier);
        }
        if rng.chance(FAULTY) {
            flawed.push(Post { at: post.at, protocol: Protocol::Native, event: fault(rng, post.at) });
        }
        flawed.push(post);
    }
    flawed
}

/// An event that must be refused, each for another reason.
fn fault(rng: &mut Rng, at: Millis) -> Value {
    let timestamp = at.to_string();
    match rng.below(8) {
        0 => json!({"type": "mcp.tool_cal", "timestamp": timestamp, "name": "scan_directory"}),
        1 => json!({"name": "a type was forgotten", "timestamp": timestamp}),
        2 => json!({"type": "mcp.tool_call", "timestamp": timestamp, "name": "read_file", "duration_ms": "fast"}),
        3 => json!({"type": "mcp.tool_call", "timestamp": timestamp, "name": "read_file", "duration_ms": -5}),
        4 => json!({"type": "custom", "timestamp": "yesterday at noon", "name": "signup"}),
        5 => json!({"type": "http.request", "timestamp": timestamp, "method": "GET", "path": "/", "status": 99_999}),
        6 => json!({"type": "custom", "timestamp": timestamp, "name": "newsletter_opened", "consent": "denied"}),
        _ => json!(["not", "an", "event"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cast::HOUSES;
    use super::*;
    use crate::protocol::{self, Limits, native::Form};

    const NOW: Millis = Millis(1_795_000_000_000);
    const LIMITS: Limits = Limits { events_max: 10_000, event_max: 512 * 1024, depth_max: 32 };

    fn all(seed: u64) -> Vec<Post> {
        HOUSES.iter().flat_map(|house| history(house, seed, NOW)).collect()
    }

    #[test]
    fn the_same_seed_and_moment_give_the_same_history() {
        let texts = |seed| all(seed).iter().map(|post| post.event.to_string()).collect::<Vec<_>>();
        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
    }

    #[test]
    fn all_but_the_faults_are_read_by_the_decoders() {
        let (mut read, mut refused) = (0, 0);
        for post in all(7) {
            let body = post.event.to_string();
            let event = match post.protocol {
                Protocol::Native => {
                    let mut batch = protocol::native::decode(body.as_bytes(), Form::Json, &LIMITS).unwrap();
                    // An array is a batch, whose items are no events here.
                    batch.pop().unwrap()
                }
                Protocol::AgentCat => protocol::agentcat::decode(body.as_bytes(), &LIMITS).unwrap().event,
            };
            match event {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(read > 5_000, "{read} events were read");
        assert!((10..read / 50).contains(&refused), "{refused} events were refused");
    }

    #[test]
    fn the_history_is_in_order_and_ends_now() {
        let posts = history(&HOUSES[0], 7, NOW);
        assert!(posts.iter().all(|post| post.at <= NOW && post.at.since(NOW) >= -2 * HISTORY_MS));
        assert!(posts.iter().filter(|post| post.at.since(NOW) > -HOUR_MS).count() > 100);
    }
}
