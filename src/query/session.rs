//! Sessions: which events belong together, and what is told of them.
//!
//! A session is found by its `session` value and by time. Events arrive in no particular order, so none is started or ended by an arrival.
//! Instead every value has a list of visits (spans of time further apart than the timeout), and each event widens the visit that it
//! touches, joins the two that it bridges, or opens one of its own (`touch`). That gives what sorting by time and splitting at the gaps
//! would give, in one pass and without holding the rows. With a timeout of 30 minutes:
//!
//! ```text
//! 10:00        ─► [10:00]                      11:00        ─► [10:00 10:20] [11:00]
//! 10:20        ─► [10:00 10:20]                10:45        ─► [10:00 ─────── 11:00]
//! ```
//!
//! What a session says of itself is the first that is known of it by event time, since some SDKs name the client in every second event only.
//! A session that reaches beyond the range asked for is told as far as it lies inside. Sessions are ordered by last activity, the newest
//! first; one that becomes active between two pages moves to the front and is not shown again on the second.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::store::row::TextColumn;

use super::group::Groups;
use super::params::Cursor;
use super::scan::{Chunk, Filter};
use super::{Error, Moment, Params, Scan};

/// Distinct tools that are told of one session; of more, the first to arrive.
pub const TOOLS_MAX: usize = 100;

/// One span of activity of a session.
#[derive(Default)]
pub(super) struct Visit<T> {
    pub first: i64,
    pub last: i64,
    pub detail: T,
}

impl<T> Visit<T> {
    /// Whether the session goes on at `now`.
    pub fn is_active(&self, now: Millis, timeout_ms: i64) -> bool {
        now.since(Millis(self.last)) <= timeout_ms
    }
}

/// What is gathered of a visit.
pub(super) trait Detail: Default {
    /// Takes in what was gathered of a later visit.
    fn merge(&mut self, later: Self);
}

impl Detail for () {
    fn merge(&mut self, _later: Self) {}
}

/// The visit that something at `time` belongs to, widened to include it. `visits` stay in order and further apart than the timeout.
pub(super) fn touch<T: Detail>(visits: &mut Vec<Visit<T>>, time: i64, timeout_ms: i64) -> &mut Visit<T> {
    let reaches = |visit: &Visit<T>| visit.first.saturating_sub(timeout_ms) <= time;
    let at = visits.partition_point(|visit| visit.last.saturating_add(timeout_ms) < time);
    if !visits.get(at).is_some_and(reaches) {
        visits.insert(at, Visit { first: time, last: time, detail: T::default() });
    }
    let bridged = visits.get(at + 1).is_some_and(reaches).then(|| visits.remove(at + 1));
    let visit = visits.get_mut(at).expect("a visit was found or inserted at this place");
    visit.first = visit.first.min(time);
    visit.last = visit.last.max(time);
    if let Some(later) = bridged {
        visit.last = later.last;
        visit.detail.merge(later.detail);
    }
    visit
}

/// When something was said: event time, then arrival.
type At = (i64, i64);

/// The first value that is known by time.
struct First<T>(Option<(At, T)>);

impl<T> Default for First<T> {
    fn default() -> Self {
        First(None)
    }
}

impl<T> First<T> {
    fn offer(&mut self, at: At, value: Option<T>) {
        if let Some(value) = value
            && self.would_take(at)
        {
            self.0 = Some((at, value));
        }
    }

    fn would_take(&self, at: At) -> bool {
        self.0.as_ref().is_none_or(|(known, _)| at < *known)
    }

    fn merge(&mut self, other: First<T>) {
        if let Some((at, value)) = other.0 {
            self.offer(at, Some(value));
        }
    }

    fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

/// What is told of one session.
#[derive(Default)]
pub(super) struct Facts<'p> {
    pub events: u64,
    pub errors: u64,
    pub requests: u64,
    wanted: bool,
    user: First<&'p str>,
    client: First<(&'p str, Option<&'p str>)>,
    agent: First<Cow<'p, str>>,
    ip: First<&'p str>,
    country: First<&'p str>,
    tools: Vec<(At, &'p str)>,
}

impl<'p> Facts<'p> {
    fn take(&mut self, chunk: &Chunk<'p>, row: usize) {
        let columns = chunk.columns;
        let at = (chunk.time(row), columns.received().get(row).copied().unwrap_or_default());
        self.events += 1;
        self.errors += u64::from(chunk.is_error(row));
        self.requests += u64::from(chunk.is_request(row));
        self.user.offer(at, columns.text(TextColumn::User, row));
        self.ip.offer(at, columns.text(TextColumn::Ip, row));
        self.country.offer(at, columns.text(TextColumn::Country, row));
        match columns.text(TextColumn::ClientName, row) {
            Some(name) => self.client.offer(at, Some((name, columns.text(TextColumn::ClientVersion, row)))),
            None if self.client.0.is_none() && self.agent.would_take(at) => {
                self.agent.offer(at, user_agent(columns.attributes(row)));
            }
            None => {}
        }
        if chunk.is_tool_call(row)
            && let Some(name) = columns.text(TextColumn::Name, row)
        {
            self.use_tool(at, name);
        }
    }

    fn use_tool(&mut self, at: At, name: &'p str) {
        let full = self.tools.len() >= TOOLS_MAX;
        match self.tools.iter_mut().find(|(_, tool)| *tool == name) {
            Some((first, _)) => *first = at.min(*first),
            None if !full => self.tools.push((at, name)),
            None => {}
        }
    }

    /// Names of the tools in the order of first use.
    pub fn tools(&self) -> Vec<&'p str> {
        let mut tools = self.tools.clone();
        tools.sort_by_key(|(at, _)| *at);
        tools.into_iter().map(|(_, name)| name).collect()
    }

    /// The address in the form that the policy keeps.
    pub fn ip(&self) -> Option<&'p str> {
        self.ip.get().copied()
    }

    /// Name and version of the client, or else its user agent.
    pub fn client_info(&self) -> Option<String> {
        let client = self.client.get().map(|(name, version)| client_info(name, *version));
        client.or_else(|| self.agent.get().map(|agent| agent.to_string()))
    }
}

impl Detail for Facts<'_> {
    fn merge(&mut self, later: Self) {
        self.events += later.events;
        self.errors += later.errors;
        self.requests += later.requests;
        self.wanted |= later.wanted;
        self.user.merge(later.user);
        self.client.merge(later.client);
        self.agent.merge(later.agent);
        self.ip.merge(later.ip);
        self.country.merge(later.country);
        later.tools.into_iter().for_each(|(at, name)| self.use_tool(at, name));
    }
}

/// A client as the first users write it: `Claude Desktop v1.0`.
pub(super) fn client_info(name: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name} v{version}"))
}

/// The attribute `user_agent`, where ingest puts what a sender says of it.
fn user_agent(attributes: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Agent<'a> {
        #[serde(borrow)]
        user_agent: Cow<'a, str>,
    }
    // Most attributes have none: searching is much cheaper than parsing.
    memchr::memmem::find(attributes.as_bytes(), b"\"user_agent\"")?;
    serde_json::from_str::<Agent<'_>>(attributes).ok().map(|agent| agent.user_agent)
}

/// One session of a scan.
pub(super) struct Found<'p> {
    pub id: &'p str,
    pub visit: Visit<Facts<'p>>,
}

impl Found<'_> {
    fn order(&self) -> (std::cmp::Reverse<i64>, &str) {
        (std::cmp::Reverse(self.visit.last), self.id)
    }

    fn newest_first(a: &Found<'_>, b: &Found<'_>) -> Ordering {
        a.order().cmp(&b.order())
    }
}

/// The sessions in which something matches `wanted`; their other events belong to them too.
pub(super) fn find<'p>(scan: &Scan<'p>, wanted: Filter<'_>, timeout_ms: i64) -> Result<Vec<Found<'p>>, Error> {
    let mut sessions: Groups<'p, Vec<Visit<Facts<'p>>>> = Groups::default();
    for chunk in scan.chunks(Filter { session: wanted.session, ..Filter::default() }) {
        let chunk = chunk?;
        let matching = chunk.narrowed(wanted);
        let Some(mut entries) = sessions.of(chunk.dictionary(TextColumn::Session)) else { continue };
        for row in chunk.rows() {
            if let Some(visits) = entries.at(row) {
                let facts = &mut touch(visits, chunk.time(row), timeout_ms).detail;
                facts.take(&chunk, row);
                facts.wanted |= matching.as_ref().is_some_and(|chunk| chunk.matches(row));
            }
        }
    }
    let visits = sessions.into_entries().into_iter();
    let found = visits.flat_map(|(id, visits)| visits.into_iter().map(move |visit| Found { id, visit }));
    Ok(found.filter(|found| found.visit.detail.wanted).collect())
}

/// Keeps the `limit` newest, in order.
pub(super) fn keep_newest(found: &mut Vec<Found<'_>>, limit: usize) {
    if limit < found.len() {
        found.select_nth_unstable_by(limit, Found::newest_first);
        found.truncate(limit);
    }
    found.sort_unstable_by(Found::newest_first);
}

/// The answer of `sessions`. No `Debug` here and below: sessions belong to people.
#[derive(Serialize)]
pub struct Sessions {
    /// The sessions, newest activity first.
    pub sessions: Vec<Session>,
    /// What to give as `cursor` to go on; `null` when this is the end.
    pub next_cursor: Option<String>,
}

/// One session.
#[derive(Serialize)]
pub struct Session {
    /// The `session` value; two sessions of one value differ in `started`.
    pub id: String,
    /// Pseudonym of the user.
    pub user: Option<String>,
    /// The client program.
    pub client: Client,
    /// The address in the form that the policy keeps.
    pub ip: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Time of the first event.
    pub started: Moment,
    /// Time of the last event.
    pub last_activity: Moment,
    /// Milliseconds between the two.
    pub duration_ms: i64,
    /// Number of events.
    pub events: u64,
    /// Number of errors.
    pub errors: u64,
    /// Tools in the order of first use, at most [`TOOLS_MAX`].
    pub tools: Vec<String>,
    /// Whether the last activity lies within the timeout.
    pub active: bool,
}

/// A client program.
#[derive(Serialize)]
pub struct Client {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// One page of the sessions that have an event that `params` asks for. `type` and `name` choose sessions, not events within them.
///
/// # Errors
/// [`Error::Stopped`].
pub fn sessions(scan: &Scan<'_>, params: &Params, timeout_ms: i64, now: Millis) -> Result<Sessions, Error> {
    let mut found = find(scan, params.filter(), timeout_ms)?;
    if let Some(Cursor { last_activity, id }) = &params.cursor {
        found.retain(|found| found.order() > (std::cmp::Reverse(last_activity.0), id.as_str()));
    }
    let more = found.len() > params.limit;
    keep_newest(&mut found, params.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| Cursor::encode(Millis(last.visit.last), last.id));
    Ok(Sessions { sessions: found.iter().map(|found| tell(found, timeout_ms, now)).collect(), next_cursor })
}

fn tell(found: &Found<'_>, timeout_ms: i64, now: Millis) -> Session {
    let (visit, facts) = (&found.visit, &found.visit.detail);
    let text = |first: &First<&str>| first.get().map(|text| (*text).to_owned());
    let client = facts.client.get();
    Session {
        id: found.id.to_owned(),
        user: text(&facts.user),
        client: Client {
            name: client.map(|(name, _)| (*name).to_owned()),
            version: client.and_then(|(_, version)| version.map(str::to_owned)),
        },
        ip: text(&facts.ip),
        country: text(&facts.country),
        started: Moment(Millis(visit.first)),
        last_activity: Moment(Millis(visit.last)),
        duration_ms: visit.last.saturating_sub(visit.first),
        events: facts.events,
        errors: facts.errors,
        tools: facts.tools().into_iter().map(str::to_owned).collect(),
        active: visit.is_active(now, timeout_ms),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::privacy::event::EventType;

    use super::super::oracle::{self, Naive, Sample, TIMEOUT_MS, samples};
    use super::super::params::Question;
    use super::*;

    const MINUTE: i64 = 60_000;

    fn check(found: &Session, naive: &Naive<'_>, now: Millis) {
        let first = |get: fn(&Sample) -> Option<String>| naive.rows.iter().find_map(|s| get(s));
        assert_eq!((found.started.0.0, found.last_activity.0.0), (naive.first(), naive.last()));
        assert_eq!(found.duration_ms, naive.last() - naive.first());
        assert_eq!(found.events, naive.rows.len() as u64);
        assert_eq!(found.errors, naive.rows.iter().filter(|s| s.is_error()).count() as u64);
        assert_eq!(found.user, first(|s| s.user.clone()));
        assert_eq!(found.ip, first(|s| s.ip.clone()));
        assert_eq!(found.client.name, first(|s| s.client.clone().map(|c| c.0)));
        assert_eq!(found.active, now.0 - naive.last() <= TIMEOUT_MS);
        naive.check_tools(&found.tools);
    }

    proptest! {
        #[test]
        fn agrees_with_sorting_and_splitting(samples in samples(), chunk in 1..20usize, query in oracle::query(), limit in 1..6usize) {
            let now = Millis(6 * 60 * MINUTE);
            let parts = query.parts(&samples, chunk);
            let scan = Scan::new(&parts, 1000).unwrap();
            let mut naive = oracle::sessions(&query.of_session(&samples));
            naive.retain(|session| session.rows.iter().any(|s| query.is_match(s)));
            naive.sort_by_key(|session| (std::cmp::Reverse(session.last()), session.id));
            let mut params = Params { limit, ..query.params(Question::Sessions) };
            let mut pages = naive.chunks(limit);
            loop {
                let page = sessions(&scan, &params, TIMEOUT_MS, now).unwrap();
                let expected = pages.next().unwrap_or_default();
                prop_assert_eq!(page.sessions.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), expected.iter().map(|s| s.id).collect::<Vec<_>>());
                page.sessions.iter().zip(expected).for_each(|(found, naive)| check(found, naive, now));
                let Some(next) = page.next_cursor else { break };
                params.cursor = Params::parse(Question::Sessions, [("cursor", next.as_str())], now, 10).unwrap().cursor;
            }
            prop_assert!(pages.next().is_none());
        }
    }

    #[test]
    fn a_late_event_joins_what_was_apart() {
        let mut visits: Vec<Visit<()>> = Vec::new();
        let mut spans = |minute: i64| {
            touch(&mut visits, minute * MINUTE, 30 * MINUTE);
            visits.iter().map(|v| (v.first / MINUTE, v.last / MINUTE)).collect::<Vec<_>>()
        };
        assert_eq!(spans(600), [(600, 600)]);
        assert_eq!(spans(620), [(600, 620)]);
        assert_eq!(spans(660), [(600, 620), (660, 660)]);
        assert_eq!(spans(700), [(600, 620), (660, 660), (700, 700)]);
        assert_eq!(spans(650), [(600, 660), (700, 700)]);
        assert_eq!(spans(569), [(569, 569), (600, 660), (700, 700)]);
        assert_eq!(spans(730), [(569, 569), (600, 660), (700, 730)]);
    }

    #[test]
    fn the_client_is_the_first_that_is_known() {
        let event = |minute: i64, client: Option<(&str, Option<&str>)>, attributes: &str| Sample {
            time: minute * MINUTE,
            session: Some("s".into()),
            client: client.map(|(name, version)| (name.into(), version.map(Into::into))),
            attributes: attributes.into(),
            ..Sample::default()
        };
        let info = |samples: &[Sample]| {
            let parts = oracle::parts(samples, 2);
            let found = find(&Scan::new(&parts, 10).unwrap(), Filter::default(), TIMEOUT_MS).unwrap();
            found[0].visit.detail.client_info()
        };
        let agent = r#"{"a":1,"user_agent":"curl/8 \"x\""}"#;
        let known = event(5, Some(("Claude Desktop", Some("1.0"))), "");
        assert_eq!(info(&[event(1, None, agent), known.clone(), event(2, None, "")]).unwrap(), "Claude Desktop v1.0");
        assert_eq!(info(&[known, event(3, Some(("Cursor", None)), "")]).unwrap(), "Cursor");
        assert_eq!(
            info(&[event(1, None, r#"{"x":{"user_agent":"inner"}}"#), event(2, None, agent)]).unwrap(),
            "curl/8 \"x\""
        );
        assert_eq!(info(&[event(1, None, r#"{"user_agent":5}"#)]), None);
    }

    #[test]
    fn a_flood_of_tools_is_cut() {
        let call = |n: usize| Sample {
            event_type: EventType::McpToolCall,
            session: Some("s".into()),
            name: Some(format!("tool-{n}")),
            ..Sample::default()
        };
        let parts = oracle::parts(&(0..TOOLS_MAX + 50).map(call).collect::<Vec<_>>(), 64);
        let found = find(&Scan::new(&parts, 1000).unwrap(), Filter::default(), TIMEOUT_MS).unwrap();
        assert_eq!(found[0].visit.detail.tools().len(), TOOLS_MAX);
    }
}
