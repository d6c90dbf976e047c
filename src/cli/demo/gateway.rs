//! The gateway as its clients see it: requests in, answers and counts out.
//!
//! Speaks HTTP only. Waits and tries again when the gateway asks for it, as any honest client does.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde_json::{Value, json};

use super::Error;

/// How often a request is made that is answered with 429 or 503.
const ATTEMPTS: u32 = 6;
/// No answer to the demo takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A gateway at a base address such as `http://127.0.0.1:8080`.
pub(super) struct Gateway {
    http: Client,
    base: String,
}

/// How a native batch travels.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A JSON array.
    Array,
    /// A line an event, gzip.
    Lines,
}

impl Gateway {
    pub(super) fn new(base: &str) -> Result<Gateway, Error> {
        // Proxies of the environment are for the world outside; this talks to the machine itself.
        let http = Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent("tidegate-demo")
            .build()
            .map_err(Error::unreachable)?;
        Ok(Gateway { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// The id of the tenant of that name, which is created if there is none.
    pub(super) fn tenant(&self, admin: &str, name: &str) -> Result<String, Error> {
        let what = "GET /v1/admin/tenants";
        let known = self.json(self.request(Method::GET, "/v1/admin/tenants", admin), what)?;
        let named = |tenant: &&Value| text(tenant, "name") == Some(name);
        if let Some(id) = list(&known, "tenants").iter().find(named).and_then(|tenant| text(tenant, "id")) {
            return Ok(id.to_owned());
        }
        self.create(admin, "/v1/admin/tenants", "POST /v1/admin/tenants", &json!({"name": name}), "id")
    }

    /// A new ingest key of a tenant.
    pub(super) fn ingest_key(&self, admin: &str, tenant: &str, label: &str) -> Result<String, Error> {
        let wanted = json!({"tenant": tenant, "scope": "ingest", "label": label});
        self.create(admin, "/v1/admin/keys", "POST /v1/admin/keys", &wanted, "key")
    }

    /// A new token of a tenant.
    pub(super) fn token(&self, admin: &str, tenant: &str, scope: &str, ttl: &str) -> Result<String, Error> {
        let wanted = json!({"tenant": tenant, "scope": scope, "subject": "demo", "ttl": ttl});
        self.create(admin, "/v1/admin/tokens", "POST /v1/admin/tokens", &wanted, "token")
    }

    fn create(
        &self,
        admin: &str,
        path: &str,
        what: &'static str,
        wanted: &Value,
        member: &str,
    ) -> Result<String, Error> {
        let answer = self.json(self.request(Method::POST, path, admin).json(wanted), what)?;
        text(&answer, member).map(str::to_owned).ok_or(Error::Unexpected { what })
    }

    /// Sends native events in one request.
    pub(super) fn send(&self, key: &str, events: &[Value], form: Form) -> Result<Tally, Error> {
        let what = "POST /v1/events";
        let request = self.request(Method::POST, "/v1/events", key);
        let request = match form {
            Form::Array => request.json(events),
            Form::Lines => {
                let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_ENCODING, "gzip")];
                headers.into_iter().fold(request, |r, (name, value)| r.header(name, value)).body(gzip_lines(events))
            }
        };
        let answer = self.json(request, what)?;
        Tally::of_answer(events.len() as u64, &answer).ok_or(Error::Unexpected { what })
    }

    /// Sends one event as AgentCat's SDKs do: the ingest key stands in the path, and the body of the answer says nothing.
    pub(super) fn send_agentcat(&self, key: &str, event: &Value) -> Result<Tally, Error> {
        let what = "POST /t/{key}/v1/public/events/";
        let request = self.http.post(format!("{}/t/{key}/v1/public/events/", self.base)).json(event);
        let response = self.answer(request, what)?;
        Tally::of_headers(response.headers()).ok_or(Error::Unexpected { what })
    }

    /// Reads a JSON document.
    pub(super) fn get(&self, token: &str, path: &str) -> Result<Value, Error> {
        self.json(self.request(Method::GET, path, token), "GET of an answer")
    }

    /// The status of a request that is expected to be refused.
    pub(super) fn status(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        body: &'static str,
    ) -> Result<u16, Error> {
        let request = self.request(method, path, credential).header(CONTENT_TYPE, "application/json").body(body);
        Ok(request.send().map_err(Error::unreachable)?.status().as_u16())
    }

    fn request(&self, method: Method, path: &str, credential: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(credential)
    }

    fn json(&self, request: RequestBuilder, what: &'static str) -> Result<Value, Error> {
        self.answer(request, what)?.json().map_err(|_| Error::Unexpected { what })
    }

    /// The successful answer to a request, which is made again when the gateway says that it is busy.
    fn answer(&self, request: RequestBuilder, what: &'static str) -> Result<Response, Error> {
        let mut attempt = 1;
        loop {
            let again = request.try_clone().ok_or(Error::Unexpected { what })?;
            let response = again.send().map_err(Error::unreachable)?;
            let status = response.status().as_u16();
            match status {
                200..300 => return Ok(response),
                429 | 503 if attempt < ATTEMPTS => thread::sleep(pause(&response)),
                _ => return Err(Error::Refused { what, status }),
            }
            attempt += 1;
        }
    }
}

/// How long the gateway asks to wait: at least a moment, and not so long that a demo would seem dead.
fn pause(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    seconds
        .map_or(Duration::from_millis(200), Duration::from_secs)
        .clamp(Duration::from_millis(200), Duration::from_secs(3))
}

fn gzip_lines(events: &[Value]) -> Vec<u8> {
    let mut lines = GzEncoder::new(Vec::new(), Compression::fast());
    let written = events.iter().try_for_each(|event| writeln!(lines, "{event}"));
    written.and_then(|()| lines.finish()).expect("writing to memory does not fail")
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What became of events, as the gateway itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
    pub(super) quarantined: u64,
    /// Finds of the airlock by rule.
    pub(super) redactions: BTreeMap<String, u64>,
    /// Refused events by reason.
    pub(super) reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Reads the answer to a native batch.
    fn of_answer(sent: u64, answer: &Value) -> Option<Tally> {
        let count = |member: &str| answer.get(member).and_then(Value::as_u64);
        let mut tally = Tally {
            sent,
            accepted: count("accepted")?,
            duplicates: count("duplicates")?,
            rejected: count("rejected")?,
            quarantined: count("quarantined")?,
            ..Tally::default()
        };
        for (rule, finds) in answer.pointer("/receipt/redactions")?.as_object()? {
            tally.redactions.insert(rule.clone(), finds.as_u64()?);
        }
        for reason in list(answer, "results").iter().filter_map(|result| text(result, "reason")) {
            *tally.reasons.entry(reason.to_owned()).or_default() += 1;
        }
        Some(tally)
    }

    /// Reads `Tidegate-Outcome: accepted=1, duplicate=0, rejected=0, quarantined=0`.
    fn of_headers(headers: &HeaderMap) -> Option<Tally> {
        let outcome = headers.get("tidegate-outcome")?.to_str().ok()?;
        let mut tally = Tally { sent: 1, ..Tally::default() };
        for (name, count) in outcome.split(',').filter_map(|part| part.trim().split_once('=')) {
            let count = count.parse().ok()?;
            match name {
                "accepted" => tally.accepted = count,
                "duplicate" => tally.duplicates = count,
                "rejected" => tally.rejected = count,
                "quarantined" => tally.quarantined = count,
                _ => {}
            }
        }
        Some(tally)
    }

    /// Adds another tally to this one.
    pub(super) fn add(&mut self, other: &Tally) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.rejected += other.rejected;
        self.quarantined += other.quarantined;
        for (rule, finds) in &other.redactions {
            *self.redactions.entry(rule.clone()).or_default() += finds;
        }
        for (reason, events) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += events;
        }
    }

    /// Whether every event that was sent has become something.
    pub(super) fn balances(&self) -> bool {
        self.sent == self.accepted + self.duplicates + self.rejected + self.quarantined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_reads_both_kinds_of_answer() {
        let answer = json!({"accepted": 2, "duplicates": 1, "rejected": 1, "quarantined": 0, "durability": "synced",
            "receipt": {"policy": "00", "redactions": {"email": 3}},
            "results": [{"index": 1, "result": "duplicate"}, {"index": 3, "result": "rejected", "reason": "type_unknown"}]});
        let mut tally = Tally::of_answer(4, &answer).unwrap();
        assert!(tally.balances());
        assert_eq!(tally.reasons, BTreeMap::from([("type_unknown".to_owned(), 1)]));

        let mut headers = HeaderMap::new();
        headers.insert("tidegate-outcome", "accepted=0, duplicate=1, rejected=0, quarantined=0".parse().unwrap());
        tally.add(&Tally::of_headers(&headers).unwrap());
        assert_eq!((tally.sent, tally.accepted, tally.duplicates, tally.rejected), (5, 2, 2, 1));
        assert!(tally.balances());
    }

    #[test]
    fn an_answer_without_counts_is_no_answer() {
        assert_eq!(Tally::of_answer(1, &json!({"status": "ok"})), None);
        assert_eq!(Tally::of_headers(&HeaderMap::new()), None);
    }
}
