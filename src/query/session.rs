//! `sessions`: what is told of each session.
//!
//! Which events belong together is decided by time: see `visit`.
//!
//! What a session says of itself is the first that is known of it by event time, since some SDKs name the client in every second event only.
//! A session that reaches beyond the range asked for is told as far as it lies inside. Sessions are ordered by last activity, the newest
//! first; one that becomes active between two pages moves to the front and is not shown again on the second.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Millis;
use crate::store::columns::Columns;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::group::{Entries, Groups, Names};
use super::params::Cursor;
use super::scan::{Chunk, Filter, View, error_need};
use super::visit::{Detail, Visit, touch};
use super::{Error, Moment, Params, Scan};

/// Distinct tools that are told of one session; of more, the first to arrive.
pub const TOOLS_MAX: usize = 100;

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

/// What is gathered of one session. Texts are slots of [`Texts`].
#[derive(Default)]
pub(super) struct Facts {
    pub events: u64,
    pub errors: u64,
    pub requests: u64,
    wanted: bool,
    user: First<u32>,
    client: First<(u32, Option<u32>)>,
    agent: First<Box<str>>,
    ip: First<u32>,
    country: First<u32>,
    tools: Vec<(At, u32)>,
}

impl Facts {
    fn use_tool(&mut self, at: At, tool: u32) {
        let full = self.tools.len() >= TOOLS_MAX;
        match self.tools.iter_mut().find(|(_, known)| *known == tool) {
            Some((first, _)) => *first = at.min(*first),
            None if !full => self.tools.push((at, tool)),
            None => {}
        }
    }
}

impl Detail for Facts {
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
        later.tools.into_iter().for_each(|(at, tool)| self.use_tool(at, tool));
    }
}

/// The texts that sessions speak of, each once.
#[derive(Default)]
struct Texts {
    users: Names,
    clients: Names,
    versions: Names,
    ips: Names,
    countries: Names,
    tools: Names,
}

impl Texts {
    /// The columns that it looks at.
    const COLUMNS: [TextColumn; 6] = [
        TextColumn::User,
        TextColumn::ClientName,
        TextColumn::ClientVersion,
        TextColumn::Ip,
        TextColumn::Country,
        TextColumn::Name,
    ];

    fn of<'t, 'c>(&'t mut self, chunk: &'c Chunk) -> TextsOfChunk<'t, 'c> {
        TextsOfChunk {
            rows: chunk.view(),
            users: self.users.of(chunk.dictionary(TextColumn::User)),
            clients: self.clients.of(chunk.dictionary(TextColumn::ClientName)),
            versions: self.versions.of(chunk.dictionary(TextColumn::ClientVersion)),
            ips: self.ips.of(chunk.dictionary(TextColumn::Ip)),
            countries: self.countries.of(chunk.dictionary(TextColumn::Country)),
            tools: self.tools.of(chunk.dictionary(TextColumn::Name)),
        }
    }
}

/// The way from a chunk's rows to [`Texts`].
struct TextsOfChunk<'t, 'c> {
    rows: View<'c>,
    users: Option<Entries<'t, 'c, ()>>,
    clients: Option<Entries<'t, 'c, ()>>,
    versions: Option<Entries<'t, 'c, ()>>,
    ips: Option<Entries<'t, 'c, ()>>,
    countries: Option<Entries<'t, 'c, ()>>,
    tools: Option<Entries<'t, 'c, ()>>,
}

impl TextsOfChunk<'_, '_> {
    /// Adds what a row says to the facts of its session.
    fn tell(&mut self, row: usize, facts: &mut Facts) {
        let (rows, columns) = (self.rows, self.rows.columns);
        let slot = |entries: &mut Option<Entries<'_, '_, ()>>| entries.as_mut().and_then(|entries| entries.slot(row));
        let at = (rows.time(row), columns.received().get(row).copied().unwrap_or_default());
        facts.events += 1;
        facts.errors += u64::from(rows.is_error(row));
        facts.requests += u64::from(rows.is_request(row));
        facts.user.offer(at, slot(&mut self.users));
        facts.ip.offer(at, slot(&mut self.ips));
        facts.country.offer(at, slot(&mut self.countries));
        match slot(&mut self.clients) {
            Some(client) => facts.client.offer(at, Some((client, slot(&mut self.versions)))),
            None if facts.client.0.is_none() && facts.agent.would_take(at) => {
                facts.agent.offer(at, user_agent(columns, row));
            }
            None => {}
        }
        if rows.is_tool_call(row)
            && let Some(tool) = slot(&mut self.tools)
        {
            facts.use_tool(at, tool);
        }
    }
}

/// A client as the first users write it: `Claude Desktop v1.0`.
pub(super) fn client_info(name: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name} v{version}"))
}

/// The attribute where ingest puts what a sender says of its user agent.
const USER_AGENT: &str = "user_agent";

fn user_agent(columns: &Columns, row: usize) -> Option<Box<str>> {
    // Where whole attributes are at hand most have none: searching is much cheaper than parsing.
    let attributes = columns.attributes(row).as_bytes();
    if !attributes.is_empty() && memchr::memmem::find(attributes, USER_AGENT.as_bytes()).is_none() {
        return None;
    }
    columns.attribute(USER_AGENT, row).map(|agent| Box::from(&*agent))
}

/// One session of a scan.
pub(super) struct Found {
    id: Arc<str>,
    pub visit: Visit<Facts>,
}

impl Found {
    fn order(&self) -> (Reverse<i64>, &str) {
        (Reverse(self.visit.last), &self.id)
    }

    fn newest_first(a: &Found, b: &Found) -> Ordering {
        a.order().cmp(&b.order())
    }

    /// The `session` value.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The sessions of a scan and what is known of them.
pub(super) struct Roll {
    pub found: Vec<Found>,
    texts: Texts,
}

impl Roll {
    /// Keeps the `limit` newest, in order.
    pub fn keep_newest(&mut self, limit: usize) {
        if limit < self.found.len() {
            self.found.select_nth_unstable_by(limit, Found::newest_first);
            self.found.truncate(limit);
        }
        self.found.sort_unstable_by(Found::newest_first);
    }

    /// Names of a session's tools in the order of first use.
    pub fn tools(&self, facts: &Facts) -> Vec<String> {
        let mut tools = facts.tools.clone();
        tools.sort_by_key(|(at, _)| *at);
        tools.into_iter().map(|(_, tool)| self.texts.tools.text(tool).to_owned()).collect()
    }

    /// A session's address in the form that the policy keeps.
    pub fn ip(&self, facts: &Facts) -> Option<&str> {
        facts.ip.get().map(|ip| self.texts.ips.text(*ip))
    }

    /// Name and version of the client, or else its user agent.
    pub fn client_info(&self, facts: &Facts) -> Option<String> {
        let (name, version) = self.client(facts);
        let client = name.map(|name| client_info(name, version));
        client.or_else(|| facts.agent.get().map(|agent| agent.to_string()))
    }

    fn client(&self, facts: &Facts) -> (Option<&str>, Option<&str>) {
        let (name, version) = facts.client.get().copied().unzip();
        (name.map(|name| self.texts.clients.text(name)), version.flatten().map(|v| self.texts.versions.text(v)))
    }
}

/// The sessions in which something matches `wanted`; their other events belong to them too.
pub(super) fn find(scan: &Scan<'_>, wanted: Filter<'_>, timeout_ms: i64) -> Result<Roll, Error> {
    let mut sessions: Groups<Vec<Visit<Facts>>> = Groups::default();
    let mut texts = Texts::default();
    let need = Texts::COLUMNS.into_iter().fold(error_need().and(&wanted.need()), Need::text);
    let need = need.text(TextColumn::Session).plain(Plain::Time).plain(Plain::Received).attribute(USER_AGENT);
    for chunk in scan.chunks(&need, Filter { session: wanted.session, ..Filter::default() }) {
        let chunk = chunk?;
        let codes = scan.codes(&chunk, wanted)?;
        let Some(mut entries) = sessions.of(chunk.dictionary(TextColumn::Session)) else { continue };
        let mut texts = texts.of(&chunk);
        for row in chunk.rows() {
            if let Some(visits) = entries.at(row) {
                let facts = &mut touch(visits, texts.rows.time(row), timeout_ms).detail;
                texts.tell(row, facts);
                facts.wanted |= codes.as_ref().is_some_and(|codes| codes.matches(chunk.columns(), row));
            }
        }
    }
    let mut found = Vec::new();
    for (id, visits) in sessions.into_entries() {
        let id: Arc<str> = id.into();
        let wanted = visits.into_iter().filter(|visit| visit.detail.wanted);
        found.extend(wanted.map(|visit| Found { id: Arc::clone(&id), visit }));
    }
    Ok(Roll { found, texts })
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
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn sessions(scan: &Scan<'_>, params: &Params, timeout_ms: i64, now: Millis) -> Result<Sessions, Error> {
    let mut roll = find(scan, params.filter(), timeout_ms)?;
    if let Some(Cursor { last_activity, id }) = &params.cursor {
        roll.found.retain(|found| found.order() > (Reverse(last_activity.0), id.as_str()));
    }
    let more = roll.found.len() > params.limit;
    roll.keep_newest(params.limit);
    let next_cursor = roll.found.last().filter(|_| more).map(|last| Cursor::encode(Millis(last.visit.last), &last.id));
    Ok(Sessions { sessions: roll.found.iter().map(|found| tell(&roll, found, timeout_ms, now)).collect(), next_cursor })
}

fn tell(roll: &Roll, found: &Found, timeout_ms: i64, now: Millis) -> Session {
    let (visit, facts) = (&found.visit, &found.visit.detail);
    let (name, version) = roll.client(facts);
    Session {
        id: found.id().to_owned(),
        user: facts.user.get().map(|user| roll.texts.users.text(*user).to_owned()),
        client: Client { name: name.map(str::to_owned), version: version.map(str::to_owned) },
        ip: roll.ip(facts).map(str::to_owned),
        country: facts.country.get().map(|country| roll.texts.countries.text(*country).to_owned()),
        started: Moment(Millis(visit.first)),
        last_activity: Moment(Millis(visit.last)),
        duration_ms: visit.last.saturating_sub(visit.first),
        events: facts.events,
        errors: facts.errors,
        tools: roll.tools(facts),
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
            found.client_info(&found.found[0].visit.detail)
        };
        let agent = r#"{"a":1,"user_agent":"curl/8 \"x\""}"#;
        let known = event(5, Some(("Claude Desktop", Some("1.0"))), "");
        assert_eq!(info(&[event(1, None, agent), known.clone(), event(2, None, "")]).unwrap(), "Claude Desktop v1.0");
        assert_eq!(info(&[known, event(3, Some(("Cursor", None)), "")]).unwrap(), "Cursor");
        assert_eq!(
            info(&[event(1, None, r#"{"x":{"user_agent":"inner"}}"#), event(2, None, agent)]).unwrap(),
            "curl/8 \"x\""
        );
        assert_eq!(info(&[event(1, None, r#"{"user_agent":null}"#)]), None);
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
        assert_eq!(found.tools(&found.found[0].visit.detail).len(), TOOLS_MAX);
    }
}
