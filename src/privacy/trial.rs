//! The tests that stand inside a policy file: what goes in, what must come out, which rules must fire.
//!
//! A policy whose tests fail is refused. A failure names the test, the places that differ and the rules that fired, never a value. Values that are
//! whole pseudonyms count as `u_*`, `a_*`, `s_*` or `p_*`, since nobody can foretell them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::clock::Millis;

use super::consent::Signals;
use super::event::RawEvent;
use super::flat;
use super::json::Json;
use super::pipeline::{Context, Scrubber};
use super::policy::PolicyError;
use super::policy::section::Section;
use super::policy::stream::Stream;
use super::pseudonym::{PseudonymKeys, is_pseudonym};
use super::receipt::Receipt;

/// As deep as an event may be.
const DEPTH_MAX: usize = 32;
/// What an event that is refused comes out as.
const REFUSED: &str = "refused";

/// One test.
pub(super) struct Trial {
    place: String,
    stream: Option<Stream>,
    given: Given,
    expect: Option<Value>,
    fires: Option<BTreeSet<String>>,
}

enum Given {
    /// A text or any other value that stands alone.
    Value(Value),
    /// A whole event, flat.
    Event(Value),
}

impl Trial {
    /// Reads one `[[tests]]` entry.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Trial> {
        let name = section.text("name").map(str::to_owned);
        if !section.has("name") {
            section.problem("name", "is missing");
        }
        let stream = section.text("stream").map(Stream::from_name);
        if stream == Some(None) {
            section.problem("stream", "is no stream");
        }
        let json = |value: Option<&toml::Value>| value.and_then(|value| serde_json::to_value(value).ok());
        let input = json(section.get("input")).map(Given::Value);
        let event = json(section.get("event")).map(Given::Event);
        let expect = json(section.get("expect"));
        let fires = section.texts("fires").map(|ids| ids.into_iter().collect());
        if input.is_some() == event.is_some() {
            section.problem("input", "a test has one of `input` and `event`");
        }
        if expect.is_none() && fires.is_none() {
            section.problem("expect", "a test has `expect`, `fires` or both");
        }
        name.and(input.or(event)).map(|given| Trial {
            place: section.place().to_owned(),
            stream: stream.flatten(),
            given,
            expect,
            fires,
        })
    }

    /// What went wrong, if something did.
    pub(super) fn run(&self, scrubber: &Scrubber) -> Option<PolicyError> {
        let mut receipt = Receipt::default();
        let failed = |problem: String| Some(PolicyError { place: self.place.clone(), problem });
        let came_out = match &self.given {
            Given::Value(value) => self.scrub_value(scrubber, value, &mut receipt),
            Given::Event(event) => match self.scrub_event(scrubber, event, &mut receipt) {
                Ok(value) => value,
                Err(problem) => return failed(problem),
            },
        };
        let fired: BTreeSet<String> = receipt.iter().map(|(rule, _)| rule.to_owned()).collect();
        let shown = |ids: &BTreeSet<String>| match ids.is_empty() {
            true => "no rule".to_owned(),
            false => ids.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        let mut problems = Vec::new();
        if let Some(expect) = &self.expect {
            let places = flat::differing_places(expect, &came_out);
            if !places.is_empty() {
                problems.push(format!("what comes out differs at {}", places.join(", ")));
            }
        }
        match &self.fires {
            Some(expected) if *expected != fired => {
                problems.push(format!("fired: {}, expected: {}", shown(&fired), shown(expected)));
            }
            Some(_) | None if problems.is_empty() => return None,
            Some(_) | None => problems.push(format!("fired: {}", shown(&fired))),
        }
        failed(format!("the test fails: {}", problems.join("; ")))
    }

    fn scrub_value(&self, scrubber: &Scrubber, value: &Value, receipt: &mut Receipt) -> Value {
        let text = value.to_string();
        let Ok(json) = Json::parse(text.as_bytes(), DEPTH_MAX) else { return Value::Null };
        let mut bytes = Vec::new();
        scrubber.scrub_value_of(self.stream, json, receipt).write_to(&mut bytes);
        settled(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn scrub_event(&self, scrubber: &Scrubber, event: &Value, receipt: &mut Receipt) -> Result<Value, String> {
        let text = event.to_string();
        let fields = Json::parse(text.as_bytes(), DEPTH_MAX).map_err(|error| error.to_string()).and_then(flat::read);
        let mut fields = fields.map_err(|_| "`event` has a member that is unknown or of the wrong type".to_owned())?;
        fields.event_type = fields.event_type.or(self.stream.map(Stream::example));
        let context = Context {
            keys: PseudonymKeys { user: &[1; 32], address: &[2; 32], session: &[3; 32] },
            client_address: None,
            geo: None,
            user_agent: None,
            signals: Signals::default(),
            received: Millis(0),
        };
        Ok(match scrubber.scrub(RawEvent::new(fields), &context, receipt) {
            Ok(clean) => settled(clean.into_json()),
            Err(_) => Value::String(REFUSED.to_owned()),
        })
    }
}

/// The value with `u_*` and the like in the place of pseudonyms.
fn settled(value: Value) -> Value {
    match value {
        Value::String(text) if is_pseudonym(&text) => Value::String(format!("{}*", text.get(..2).unwrap_or_default())),
        Value::Array(items) => Value::Array(items.into_iter().map(settled).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, settled(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
