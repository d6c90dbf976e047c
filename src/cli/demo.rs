//! The product on made-up traffic, through its own front door.
//!
//! Three tenants with a few hundred people come to life: an MCP server for developers, an HTTP shop, and support agents whose events come
//! from AgentCat's SDK. Their last hours are told again, flaws included: repeated events, impossible ones, and personal data where it
//! does not belong. Then the reader gets tokens and commands to look around with, and sees what is left of one event.
//!
//! A [`Demo`] speaks HTTP and nothing else, so that whatever it shows is what any client would see. It starts no server: that
//! is the composition root's business, which passes the address and the admin key.
//!
//! ```text
//! cast      who plays                    planted   personal data that belongs to nobody
//! traffic   what happens when            gateway   the HTTP client
//! native, agentcat   events              stage     a tenant, and the sending of its events
//! stream    visits that go on            story     what is printed
//! ```

mod agentcat;
mod cast;
mod gateway;
mod native;
mod planted;
mod random;
mod stage;
mod story;
mod stream;
mod traffic;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::clock::{Clock, Millis, SystemClock};

use cast::HOUSES;
use gateway::{Form, Gateway, Tally};
use random::Rng;
use stage::Stage;
use stream::Stream;

/// Scopes of the tokens that the reader gets.
const SCOPES: &str = "query,export,compliance";
/// How long they last: a working day, and less than what any sensible `token_ttl_max` forbids.
const TOKEN_TTL: &str = "8h";
/// How often the slow stream looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// How long it rests when the gateway does not answer.
const REST: Duration = Duration::from_secs(2);

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer came.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The gateway refused what the demo needs.
    #[error("the gateway answered {status} to {what}")]
    Refused {
        /// Method and route.
        what: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// An answer lacks what it promises.
    #[error("the gateway's answer to {what} is not what it promises")]
    Unexpected {
        /// Method and route.
        what: &'static str,
    },
    /// The story could not be printed.
    #[error("the demo's story could not be written")]
    Output(#[from] io::Error),
}

impl Error {
    /// The address is left out: it may hold an ingest key.
    fn unreachable(error: reqwest::Error) -> Error {
        Error::Unreachable(error.without_url())
    }
}

/// A demo against one running gateway.
pub struct Demo {
    /// Where it listens, such as `http://127.0.0.1:8080`.
    pub base: String,
    /// Its admin key.
    pub admin_key: String,
}

impl Demo {
    /// Plays the hours before now and prints what to look at. The same `seed` and moment give the same traffic.
    ///
    /// # Errors
    /// When the gateway does not do what its interface promises, or `out` cannot be written.
    pub fn run(&self, out: &mut dyn Write, seed: u64) -> Result<(), Error> {
        let now = SystemClock.now();
        let gateway = Gateway::new(&self.base)?;
        let stages = self.stages(&gateway, "demo")?;
        story::opening(out, &self.base)?;

        let mut total = Tally::default();
        for stage in &stages {
            let tally = stage.play(&gateway, &traffic::history(stage.house, seed, now))?;
            story::tally(out, stage.house.name, &tally)?;
            total.add(&tally);
        }
        story::findings(out, &total)?;

        let tokens = stages.iter().map(|stage| gateway.token(&self.admin_key, &stage.tenant, SCOPES, TOKEN_TTL));
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        story::refusals(out, &turned_away(&gateway, &stages, &tokens)?)?;
        if let (Some(stage), Some(token)) = (stages.last(), tokens.last()) {
            let (before, after) = one_event(&gateway, stage, token, seed, now)?;
            story::before_and_after(out, &before, after.as_ref())?;
        }
        let guides: Vec<_> = stages.iter().zip(&tokens).map(|(stage, token)| stage.guide(token)).collect();
        story::look_around(out, &self.base, &guides)?;
        Ok(out.flush()?)
    }

    /// Goes on with a slow stream of events until `stop` is set. A gateway that does not answer for a while is waited for.
    ///
    /// # Errors
    /// When the tenants cannot be opened at the beginning.
    pub fn trickle(&self, stop: &AtomicBool) -> Result<(), Error> {
        let gateway = Gateway::new(&self.base)?;
        let stages = self.stages(&gateway, "demo-stream")?;
        let mut streams: Vec<Stream> = stages.into_iter().map(|stage| Stream::new(stage, SystemClock.now())).collect();
        while !stop.load(Ordering::Relaxed) {
            let now = SystemClock.now();
            let sent = streams.iter_mut().try_for_each(|stream| stream.advance(&gateway, now));
            thread::sleep(if sent.is_ok() { TICK } else { REST });
        }
        Ok(())
    }

    fn stages(&self, gateway: &Gateway, label: &str) -> Result<Vec<Stage>, Error> {
        HOUSES.iter().map(|house| Stage::open(gateway, &self.admin_key, house, label)).collect()
    }
}

/// Requests that nobody may make, and what they were answered.
fn turned_away(gateway: &Gateway, stages: &[Stage], tokens: &[String]) -> Result<Vec<story::Refusal>, Error> {
    let mut refusals = Vec::new();
    let mut attempt = |attempt, method, path: &str, credential: &str, body| {
        let status = gateway.status(method, path, credential, body)?;
        refusals.push(story::Refusal { attempt, status });
        Ok::<(), Error>(())
    };
    let (Some(stage), Some(token)) = (stages.first(), tokens.first()) else { return Ok(refusals) };
    let unknown = "tg_0000000000000000_0000000000000000000000000000000000000000000000000000000000000000";
    attempt("events with an unknown key", Method::POST, "/v1/events", unknown, "[]")?;
    attempt("reading with a key that may only write", Method::GET, "/api/sessions", &stage.key, "")?;
    attempt("a new tenant, by an analyst", Method::POST, "/v1/admin/tenants", token, r#"{"name": "mine"}"#)?;
    attempt("a body that is not JSON", Method::POST, "/v1/events", &stage.key, r#"{"type": "custom", "#)?;
    Ok(refusals)
}

/// Sends one event full of personal data, and finds it again in the tenant's export.
fn one_event(
    gateway: &Gateway,
    stage: &Stage,
    token: &str,
    seed: u64,
    now: Millis,
) -> Result<(Value, Option<Value>), Error> {
    let before = native::showcase(stage.house, &mut Rng::new(seed ^ now.0 as u64, 99), now);
    gateway.send(&stage.key, std::slice::from_ref(&before), Form::Array)?;
    let export = gateway.get(token, "/api/export")?;
    let after = export.pointer("/data/requests").and_then(|requests| last_named(requests, native::SHOWCASE)).cloned();
    Ok((before, after))
}

/// The last object in a list one of whose members is the text `name`.
fn last_named<'v>(list: &'v Value, name: &str) -> Option<&'v Value> {
    let named = |item: &&Value| {
        item.as_object().is_some_and(|object| object.values().any(|value| value.as_str() == Some(name)))
    };
    list.as_array()?.iter().rfind(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shown_event_is_found_by_its_name() {
        let requests =
            json!([{"toolName": "a"}, {"toolName": "b", "n": 1}, {"toolName": "b", "n": 2}, {"toolName": "c"}]);
        assert_eq!(last_named(&requests, "b"), Some(&json!({"toolName": "b", "n": 2})));
        assert_eq!(last_named(&requests, "d"), None);
    }

    #[test]
    fn an_unreachable_gateway_is_an_error_without_its_address() {
        let demo = Demo { base: "http://127.0.0.1:1".to_owned(), admin_key: "tga_0".to_owned() };
        let error = demo.run(&mut Vec::new(), 1).unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)));
        assert!(!format!("{error:?}").contains("127.0.0.1:1/"));
    }
}
