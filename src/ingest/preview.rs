//! What would change if another policy held: two policies on one sample, nothing stored.
//!
//! The sample goes through decoding and both airlocks, and nowhere else: no journal, no quarantine, no books, no memory of ids. What is told of an
//! event is what either policy would have kept of it. Pseudonyms are made with keys of this preview alone, so they can be compared with each other and
//! with nothing that is stored.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::outcome::Refusal;
use crate::privacy::event::RawEvent;
use crate::privacy::{Context, PseudonymKeys, Receipt, Scrubber, Signals, differing_places};
use crate::protocol::native::{Events, Form};
use crate::protocol::{DecodeError, Limits};

/// Events of a sample, at most.
const EVENTS_MAX: usize = 1000;
/// Events that differ and are told in full, at most; the others are counted.
const TOLD_MAX: usize = 100;

/// Why a sample cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// What is compared, and under which circumstances.
pub struct Preview<'p> {
    /// What holds.
    pub base: &'p Scrubber,
    /// What might.
    pub candidate: &'p Scrubber,
    /// Bounds of decoding.
    pub limits: Limits,
    /// The signals that the sample came with.
    pub signals: Signals,
    /// Random, for this preview only.
    pub keys: &'p [u8; 32],
    /// The moment.
    pub now: Millis,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Events in the sample.
    events: usize,
    /// Events of which something else would be kept.
    changed: usize,
    base: Side,
    candidate: Side,
    /// The first of those that differ.
    differences: Vec<Difference>,
}

/// What one policy did to the whole sample.
#[derive(Debug, Serialize)]
struct Side {
    hash: String,
    /// Events that it refuses.
    refused: usize,
    redactions: Map<String, Value>,
}

/// One event of which something else would be kept.
#[derive(Debug, Serialize)]
struct Difference {
    index: usize,
    places: Vec<String>,
    base: Value,
    candidate: Value,
}

impl Preview<'_> {
    /// Compares on the events of a JSON text.
    pub fn run(&self, sample: &[u8]) -> Result<Compared, Error> {
        let limits = Limits { events_max: self.limits.events_max.min(EVENTS_MAX), ..self.limits };
        let (mut base, mut candidate) = (Count::default(), Count::default());
        let (mut events, mut changed, mut differences) = (0, 0, Vec::new());
        // A raw event cannot be copied, so the sample is read twice, in step.
        let twice = Events::new(sample, Form::Json, limits)?.zip(Events::new(sample, Form::Json, limits)?);
        for (index, (one, other)) in twice.enumerate() {
            let (one, other) =
                (self.scrub(self.base, one?, &mut base), self.scrub(self.candidate, other?, &mut candidate));
            events += 1;
            if one != other {
                changed += 1;
                if differences.len() < TOLD_MAX {
                    let places = differing_places(&one, &other);
                    differences.push(Difference { index, places, base: one, candidate: other });
                }
            }
        }
        let (base, candidate) = (base.side(self.base), candidate.side(self.candidate));
        Ok(Compared { events, changed, base, candidate, differences })
    }

    /// What a policy keeps of an event, or why it refuses it.
    fn scrub(&self, policy: &Scrubber, event: Result<RawEvent<'_>, Refusal>, count: &mut Count) -> Value {
        let context = Context {
            keys: PseudonymKeys { user: self.keys, address: self.keys, session: self.keys },
            client_address: None,
            geo: None,
            user_agent: None,
            signals: self.signals,
            received: self.now,
        };
        match event.and_then(|event| policy.scrub(event, &context, &mut count.receipt)) {
            Ok(clean) => clean.into_json(),
            Err(refusal) => {
                count.refused += 1;
                json!({ "refused": refusal.reason.code() })
            }
        }
    }
}

#[derive(Default)]
struct Count {
    receipt: Receipt,
    refused: usize,
}

impl Count {
    fn side(self, policy: &Scrubber) -> Side {
        Side {
            hash: policy.policy_hash_text().to_string(),
            refused: self.refused,
            redactions: self.receipt.iter().map(|(rule, n)| (rule.to_owned(), json!(n))).collect(),
        }
    }
}
