//! The endpoints that the first users built their dashboards on: `/api/analytics` and `/api/sessions`.
//!
//! Field names, types and order are theirs and do not change. Both cover everything retained ([`ALL_TIME`](super::ALL_TIME)) and take no
//! parameters. Rates are fractions; response times are mean milliseconds with one decimal, 0 when no event has a duration; where their
//! scripts expect a text and nothing is known, it is `unknown`.
//!
//! Rates and response times are those of requests (`mcp.*` and `http.request`); tools are the names of `mcp.tool_call`.

use serde::Serialize;

use crate::clock::Millis;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::group::{Distinct, Groups};
use super::number::{rate, round};
use super::scan::{Chunk, Filter, View, error_need};
use super::session::{Found, Roll, find};
use super::{Error, Moment, Scan};

/// Tools and users in the lists of `/api/analytics`; the first users show ten.
const LISTED: usize = 10;
/// What stands where a text is expected and nothing is known.
const UNKNOWN: &str = "unknown";

/// Whether an answer may list single users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// `topUsers` is filled: for holders of `export`.
    Shown,
    /// `topUsers` is empty: for holders of `query` alone.
    Hidden,
}

/// What every answer is wrapped in. No `Debug` here and below: some of it belongs to people.
#[derive(Serialize)]
pub struct Envelope<T> {
    /// Always true; failures have another shape.
    pub success: bool,
    /// The answer proper.
    pub data: T,
    /// Number of things in `data` when that is a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// When it was asked.
    pub timestamp: Moment,
}

/// The data of `/api/analytics`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    /// Distinct users.
    pub total_users: u64,
    /// Sessions with activity within the timeout.
    pub active_sessions: u64,
    /// Number of requests.
    pub total_requests: u64,
    /// The most used tools; equally used ones by name.
    pub popular_tools: Vec<Tool>,
    /// Mean milliseconds of the requests.
    pub average_response_time: f64,
    /// Share of the requests that are errors, 0 to 1.
    pub error_rate: f64,
    /// The users with most requests.
    pub top_users: Vec<User>,
}

/// One tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its name.
    pub tool_name: String,
    /// Number of calls.
    pub usage_count: u64,
    /// The newest call.
    pub last_used: Moment,
    /// Mean milliseconds.
    pub average_response_time: f64,
    /// Number of calls that are errors.
    pub error_count: u64,
}

/// One user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Pseudonym.
    pub user_id: String,
    /// Number of requests.
    pub request_count: u64,
    /// The newest event of any type.
    pub last_activity: Moment,
}

/// Answers `/api/analytics`.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn analytics(
    scan: &Scan<'_>,
    timeout_ms: i64,
    now: Millis,
    subjects: Subjects,
) -> Result<Envelope<Analytics>, Error> {
    let mut requests = Usage::default();
    let mut tools = Tools::default();
    let mut users: Groups<Usage> = Groups::default();
    let mut active = Distinct::default();
    let active_since = now.plus(-timeout_ms).0;
    let need = Tools::need().text(TextColumn::Session).text(TextColumn::User);
    for chunk in scan.chunks(&need, Filter::default()) {
        let chunk = chunk?;
        let mut marks = Distinct::marks(chunk.dictionary(TextColumn::Session));
        let mut by_user = users.of(chunk.dictionary(TextColumn::User));
        let rows = chunk.view();
        for row in chunk.rows() {
            let is_request = rows.is_request(row);
            if is_request {
                requests.take(rows, row);
            }
            if let Some(user) = by_user.as_mut().and_then(|users| users.at(row)) {
                user.count += u64::from(is_request);
                user.last = user.last.max(rows.time(row));
            }
            if rows.time(row) >= active_since {
                marks.mark(row);
            }
        }
        active.take(&marks);
        tools.take(&chunk);
    }
    let users = users.into_entries();
    let data = Analytics {
        total_users: users.len() as u64,
        active_sessions: active.len(),
        total_requests: requests.count,
        popular_tools: tools.listed(LISTED),
        average_response_time: requests.mean_ms(),
        error_rate: rate(requests.errors, requests.count),
        top_users: match subjects {
            Subjects::Shown => busiest(users),
            Subjects::Hidden => Vec::new(),
        },
    };
    Ok(Envelope { success: true, data, count: None, timestamp: Moment(now) })
}

fn busiest(users: Vec<(Box<str>, Usage)>) -> Vec<User> {
    let mut users: Vec<_> = users.into_iter().filter(|(_, usage)| usage.count > 0).collect();
    Usage::rank(&mut users, LISTED);
    let user = |(id, usage): (Box<str>, Usage)| User {
        user_id: id.into(),
        request_count: usage.count,
        last_activity: Moment(Millis(usage.last)),
    };
    users.into_iter().map(user).collect()
}

/// How often something was used.
struct Usage {
    count: u64,
    errors: u64,
    last: i64,
    timed: u64,
    total_ms: f64,
}

impl Default for Usage {
    fn default() -> Self {
        Usage { count: 0, errors: 0, last: i64::MIN, timed: 0, total_ms: 0.0 }
    }
}

impl Usage {
    fn take(&mut self, rows: View<'_>, row: usize) {
        self.count += 1;
        self.errors += u64::from(rows.is_error(row));
        self.last = self.last.max(rows.time(row));
        if let Some(duration) = rows.columns.duration_ms(row) {
            self.timed += 1;
            self.total_ms += duration;
        }
    }

    fn mean_ms(&self) -> f64 {
        if self.timed == 0 { 0.0 } else { round(self.total_ms / self.timed as f64, 1) }
    }

    /// Keeps the `limit` with the highest counts, in order.
    fn rank(entries: &mut Vec<(Box<str>, Usage)>, limit: usize) {
        entries.sort_unstable_by(|(a, x), (b, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
        entries.truncate(limit);
    }
}

/// The use of tools by name. Calls without a name count for none.
#[derive(Default)]
pub(super) struct Tools(Groups<Usage>);

impl Tools {
    /// The columns that it looks at.
    pub fn need() -> Need {
        error_need().plain(Plain::Time).plain(Plain::Duration).text(TextColumn::Name)
    }

    /// Counts the calls in a chunk.
    pub fn take(&mut self, chunk: &Chunk) {
        let Some(mut by_name) = self.0.of(chunk.dictionary(TextColumn::Name)) else { return };
        let rows = chunk.view();
        for row in chunk.rows().filter(|row| rows.is_tool_call(*row)) {
            if let Some(usage) = by_name.at(row) {
                usage.take(rows, row);
            }
        }
    }

    /// The most used, at most `limit`.
    pub fn listed(self, limit: usize) -> Vec<Tool> {
        let mut entries = self.0.into_entries();
        Usage::rank(&mut entries, limit);
        let tool = |(name, usage): (Box<str>, Usage)| Tool {
            tool_name: name.into(),
            usage_count: usage.count,
            last_used: Moment(Millis(usage.last)),
            average_response_time: usage.mean_ms(),
            error_count: usage.errors,
        };
        entries.into_iter().map(tool).collect()
    }
}

/// One session as the first users know it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The `session` value.
    pub id: String,
    /// Name and version of the client, such as `Claude Desktop v1.0`; else its user agent; else `unknown`.
    pub client_info: String,
    /// Time of the first event.
    pub connected_at: Moment,
    /// Time of the last event.
    pub last_activity: Moment,
    /// Tools in the order of first use.
    pub tools_used: Vec<String>,
    /// The address in the form that the policy keeps; `unknown` when it keeps none.
    pub ip_address: String,
    /// Number of requests.
    pub total_requests: u64,
    /// Milliseconds between the first and the last event.
    pub session_duration: i64,
}

impl Session {
    pub(super) fn of(roll: &Roll, found: &Found) -> Session {
        let (visit, facts) = (&found.visit, &found.visit.detail);
        Session {
            id: found.id().to_owned(),
            client_info: roll.client_info(facts).unwrap_or_else(|| UNKNOWN.to_owned()),
            connected_at: Moment(Millis(visit.first)),
            last_activity: Moment(Millis(visit.last)),
            tools_used: roll.tools(facts),
            ip_address: roll.ip(facts).unwrap_or(UNKNOWN).to_owned(),
            total_requests: facts.requests,
            session_duration: visit.last.saturating_sub(visit.first),
        }
    }
}

/// Answers `/api/sessions`: the `limit` sessions with the newest activity, that first. `/api/export` has them all.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn sessions(scan: &Scan<'_>, timeout_ms: i64, now: Millis, limit: usize) -> Result<Envelope<Vec<Session>>, Error> {
    let mut roll = find(scan, Filter::default(), timeout_ms)?;
    roll.keep_newest(limit);
    let data: Vec<Session> = roll.found.iter().map(|found| Session::of(&roll, found)).collect();
    Ok(Envelope { success: true, count: Some(data.len()), data, timestamp: Moment(now) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use crate::privacy::event::EventType;

    use super::super::oracle::{self, Sample, TIMEOUT_MS, samples};
    use super::*;

    const NOW: Millis = Millis(6 * 3_600_000);

    proptest! {
        #[test]
        fn analytics_agree_with_counting_row_by_row(samples in samples(), chunk in 1..20usize) {
            let parts = oracle::parts(&samples, chunk);
            let scan = Scan::new(&parts, 1000).unwrap();
            let found = analytics(&scan, TIMEOUT_MS, NOW, Subjects::Shown).unwrap().data;
            let rows: Vec<&Sample> = samples.iter().collect();
            let requests: Vec<&Sample> = samples.iter().filter(|s| s.is_request()).collect();
            prop_assert_eq!(found.total_users, oracle::distinct(rows.iter().filter_map(|s| s.user.as_deref())));
            prop_assert_eq!(found.total_requests, requests.len() as u64);
            let errors = requests.iter().filter(|s| s.is_error()).count() as u64;
            prop_assert_eq!(found.error_rate, rate(errors, requests.len() as u64));
            let mean = oracle::mean(&oracle::durations(&requests)).unwrap_or(0.0);
            prop_assert!((found.average_response_time - mean).abs() <= 0.0501);
            let recent = rows.iter().filter(|s| NOW.0 - s.time <= TIMEOUT_MS);
            prop_assert_eq!(found.active_sessions, oracle::distinct(recent.filter_map(|s| s.session.as_deref())));

            let mut tools: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
            let mut users: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
            for s in rows {
                if let Some(name) = s.name.as_deref().filter(|_| s.event_type == EventType::McpToolCall) {
                    tools.entry(name).or_default().push(s);
                }
                if let Some(user) = s.user.as_deref() {
                    let entry = users.entry(user).or_insert((0, i64::MIN));
                    *entry = (entry.0 + u64::from(s.is_request()), entry.1.max(s.time));
                }
            }
            let mut tools: Vec<_> = tools.into_iter().collect();
            tools.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.len()));
            prop_assert_eq!(found.popular_tools.len(), tools.len());
            for (tool, (name, calls)) in found.popular_tools.iter().zip(tools) {
                prop_assert_eq!((tool.tool_name.as_str(), tool.usage_count), (name, calls.len() as u64));
                prop_assert_eq!(tool.error_count, calls.iter().filter(|s| s.is_error()).count() as u64);
                prop_assert_eq!(Some(tool.last_used.0.0), calls.iter().map(|s| s.time).max());
            }
            let mut users: Vec<_> = users.into_iter().filter(|(_, (count, _))| *count > 0).collect();
            users.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
            let listed: Vec<_> = found.top_users.iter().map(|u| (u.user_id.as_str(), (u.request_count, u.last_activity.0.0))).collect();
            prop_assert_eq!(listed, users);
        }
    }

    fn call() -> Sample {
        Sample {
            time: 1_000,
            event_type: EventType::McpToolCall,
            name: Some("scan_directory".into()),
            session: Some("mcp_1".into()),
            user: Some("u1".into()),
            ip: Some("192.168.1.0".into()),
            client: Some(("Claude Desktop".into(), Some("1.0".into()))),
            duration: Some(125.46),
            ok: Some(true),
            ..Sample::default()
        }
    }

    #[test]
    fn the_shapes_are_those_of_the_first_users() {
        let failed = Sample { time: 61_000, ok: Some(false), duration: None, ..call() };
        let parts = oracle::parts(&[failed, call()], 1);
        let scan = Scan::new(&parts, 10).unwrap();
        let now = Millis(120_000);
        let text = serde_json::to_string(&analytics(&scan, TIMEOUT_MS, now, Subjects::Hidden).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"success":true,"data":{"totalUsers":1,"activeSessions":1,"totalRequests":2,"popularTools":[{"toolName":"scan_directory","usageCount":2,"lastUsed":"1970-01-01T00:01:01.000Z","averageResponseTime":125.5,"errorCount":1}],"averageResponseTime":125.5,"errorRate":0.5,"topUsers":[]},"timestamp":"1970-01-01T00:02:00.000Z"}"#
        );
        let text = serde_json::to_string(&sessions(&scan, TIMEOUT_MS, now, 5).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"success":true,"data":[{"id":"mcp_1","clientInfo":"Claude Desktop v1.0","connectedAt":"1970-01-01T00:00:01.000Z","lastActivity":"1970-01-01T00:01:01.000Z","toolsUsed":["scan_directory"],"ipAddress":"192.168.1.0","totalRequests":2,"sessionDuration":60000}],"count":1,"timestamp":"1970-01-01T00:02:00.000Z"}"#
        );
        let shown = analytics(&scan, TIMEOUT_MS, now, Subjects::Shown).unwrap();
        let user = json!([{"userId": "u1", "requestCount": 2, "lastActivity": "1970-01-01T00:01:01.000Z"}]);
        assert_eq!(serde_json::to_value(shown.data.top_users).unwrap(), user);
    }

    #[test]
    fn without_any_event_everything_is_zero() {
        let found = analytics(&Scan::new(&[], 0).unwrap(), TIMEOUT_MS, NOW, Subjects::Shown).unwrap();
        assert_eq!((found.data.total_requests, found.data.error_rate, found.data.average_response_time), (0, 0.0, 0.0));
    }

    #[test]
    fn what_is_not_known_is_said_so_and_the_limit_keeps_the_newest() {
        let bare = |session: &str, time| Sample { session: Some(session.into()), time, ..Sample::default() };
        let parts = oracle::parts(&[bare("old", 0), bare("new", 5)], 2);
        let found = sessions(&Scan::new(&parts, 10).unwrap(), TIMEOUT_MS, NOW, 1).unwrap();
        let known: Vec<_> = found.data.iter().map(|s| (&*s.id, &*s.client_info, &*s.ip_address)).collect();
        assert_eq!((known, found.count), (vec![("new", "unknown", "unknown")], Some(1)));
    }
}
