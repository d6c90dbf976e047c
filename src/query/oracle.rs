//! What the kernels are compared with: the same definitions, written out row by row without a thought for speed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::clock::{HOUR_MS, MINUTE_MS, Millis};
use crate::privacy::event::EventType;
use crate::store::Part;
use crate::store::columns::Columns;
use crate::store::row::{Row, TEXT_COLUMNS, TextColumn};

use super::params::{By, Params, Question};
use super::series::Point;

/// The timeout in all comparisons.
pub const TIMEOUT_MS: i64 = 30 * MINUTE_MS;

/// One event in full.
#[derive(Clone, Debug)]
pub struct Sample {
    pub time: i64,
    pub received: i64,
    pub event_type: EventType,
    pub name: Option<String>,
    pub session: Option<String>,
    pub user: Option<String>,
    pub ip: Option<String>,
    pub country: Option<String>,
    pub trace: Option<String>,
    pub client: Option<(String, Option<String>)>,
    pub duration: Option<f64>,
    pub ok: Option<bool>,
    pub status: Option<u16>,
    pub attributes: String,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            time: 0,
            received: 0,
            event_type: EventType::Custom,
            name: None,
            session: None,
            user: None,
            ip: None,
            country: None,
            trace: None,
            client: None,
            duration: None,
            ok: None,
            status: None,
            attributes: String::new(),
        }
    }
}

impl Sample {
    pub fn is_error(&self) -> bool {
        let server_error = self.status.is_some_and(|s| s >= 500) && self.event_type == EventType::HttpRequest;
        match (self.event_type, self.ok) {
            (EventType::Error, _) | (_, Some(false)) => true,
            (_, Some(true)) => false,
            (_, None) => server_error,
        }
    }

    pub fn is_request(&self) -> bool {
        self.event_type.is_mcp() || self.event_type == EventType::HttpRequest
    }

    pub fn row(&self) -> Row<'_> {
        let mut text = [None; TEXT_COLUMNS];
        text[TextColumn::Name as usize] = self.name.as_deref();
        text[TextColumn::Session as usize] = self.session.as_deref();
        text[TextColumn::User as usize] = self.user.as_deref();
        text[TextColumn::Ip as usize] = self.ip.as_deref();
        text[TextColumn::Country as usize] = self.country.as_deref();
        text[TextColumn::TraceId as usize] = self.trace.as_deref();
        text[TextColumn::ClientName as usize] = self.client.as_ref().map(|c| c.0.as_str());
        text[TextColumn::ClientVersion as usize] = self.client.as_ref().and_then(|c| c.1.as_deref());
        Row {
            received: Millis(self.received),
            time: Millis(self.time),
            event_type: self.event_type,
            text,
            duration_ms: self.duration,
            ok: self.ok,
            status: self.status,
            value: None,
            attributes: &self.attributes,
            session_derived: false,
        }
    }
}

/// Few values of everything, so that they meet; times that lie just on and just beyond the timeout from one another.
pub fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let text = |pattern: &'static str| proptest::option::weighted(0.7, pattern);
    let when = ((0..48i64).prop_map(|n| n * 10 * MINUTE_MS), 0..2i64, 0..3i64);
    let what = (proptest::sample::select(EventType::ALL.as_slice()), text("[a-d]"), text("s[1-4]"));
    let who =
        (text("u[1-6]"), text("10.0.[0-2].0"), text("A[A-D]"), proptest::option::weighted(0.4, ("[XY]", text("[12]"))));
    let how = (
        proptest::option::of(0.0..5000.0f64),
        any::<Option<bool>>(),
        proptest::option::of(proptest::sample::select([200u16, 404, 500, 503].as_slice())),
    );
    let sample = (when, what, who, how).prop_map(|(when, what, who, how)| Sample {
        time: when.0 + when.1,
        received: when.2,
        event_type: what.0,
        name: what.1,
        session: what.2,
        user: who.0,
        ip: who.1,
        country: who.2,
        trace: None,
        client: who.3,
        duration: how.0,
        ok: how.1,
        status: how.2,
        attributes: String::new(),
    });
    proptest::collection::vec(sample, 0..80)
}

/// Parts of `chunk` samples each, all of them visible.
pub fn parts(samples: &[Sample], chunk: usize) -> Vec<Part> {
    let (from, to) = super::ALL_TIME;
    Query { from: from.0, to: to.0, ..Query::default() }.parts(samples, chunk)
}

/// A range and a filter.
#[derive(Clone, Debug)]
pub struct Query {
    pub from: i64,
    pub to: i64,
    pub event_type: Option<EventType>,
    pub name: Option<String>,
    pub session: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Query { from: 0, to: 10 * HOUR_MS, event_type: None, name: None, session: None }
    }
}

/// Ranges around the times of [`samples`]; filters that mostly match something.
pub fn query() -> impl Strategy<Value = Query> {
    let text = |pattern: &'static str| proptest::option::weighted(0.3, pattern);
    let event_type = proptest::option::weighted(0.2, proptest::sample::select(EventType::ALL.as_slice()));
    (0..4 * HOUR_MS, 1..6 * HOUR_MS, event_type, text("[a-e]"), text("s[1-5]")).prop_map(
        |(from, length, event_type, name, session)| Query { from, to: from + length, event_type, name, session },
    )
}

impl Query {
    pub fn params(&self, question: Question) -> Params {
        let steps = (question == Question::Funnel).then_some(("steps", "a,b"));
        let mut params = Params::parse(question, steps, Millis(0), 1000).unwrap();
        params.from = Millis(self.from);
        params.to = Millis(self.to);
        params.event_type = self.event_type;
        params.name = self.name.clone();
        params.session = self.session.clone();
        params.interval_ms = HOUR_MS;
        params.by = Some(By::Name);
        params
    }

    pub fn parts(&self, samples: &[Sample], chunk: usize) -> Vec<Part> {
        let part = |samples: &[Sample]| {
            let mut columns = Columns::default();
            samples.iter().for_each(|sample| columns.push(&sample.row()));
            Part::for_test(columns, Millis(self.from), Millis(self.to))
        };
        samples.chunks(chunk).map(part).collect()
    }

    fn in_range(&self, sample: &Sample) -> bool {
        sample.time >= self.from && sample.time < self.to
    }

    /// Whether a sample in range passes the filter.
    pub fn is_match(&self, sample: &Sample) -> bool {
        self.event_type.is_none_or(|t| t == sample.event_type)
            && (self.name.is_none() || self.name == sample.name)
            && (self.session.is_none() || self.session == sample.session)
    }

    /// The samples in range that pass the filter.
    pub fn matching<'s>(&self, samples: &'s [Sample]) -> Vec<&'s Sample> {
        samples.iter().filter(|s| self.in_range(s) && self.is_match(s)).collect()
    }

    /// The samples in range whose session passes the filter, whatever their type and name.
    pub fn of_session<'s>(&self, samples: &'s [Sample]) -> Vec<&'s Sample> {
        Query { event_type: None, name: None, ..self.clone() }.matching(samples)
    }
}

/// One session, its events in order.
pub struct Naive<'s> {
    pub id: &'s str,
    pub rows: Vec<&'s Sample>,
}

impl Naive<'_> {
    pub fn first(&self) -> i64 {
        self.rows[0].time
    }

    pub fn last(&self) -> i64 {
        self.rows[self.rows.len() - 1].time
    }

    /// Asserts that `tools` are the distinct tools called, in the order of first use (any order among those of one moment).
    pub fn check_tools(&self, tools: &[String]) {
        let mut first: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for call in self.rows.iter().filter(|s| s.event_type == EventType::McpToolCall) {
            if let Some(name) = &call.name {
                first.entry(name).or_insert((call.time, call.received));
            }
        }
        let moments: Vec<_> =
            tools.iter().map(|tool| first.remove(tool.as_str()).expect("a tool that was called")).collect();
        assert!(first.is_empty() && moments.is_sorted());
    }
}

/// The people that some of all samples read are about.
pub fn subjects(rows: &[&Sample], read: &[Sample]) -> u64 {
    let identified = |session: &str| read.iter().any(|s| s.user.is_some() && s.session.as_deref() == Some(session));
    let of = |s: &&Sample| match (&s.user, &s.session) {
        (Some(user), _) => Some((true, user.clone())),
        (None, Some(session)) if !identified(session) => Some((false, session.clone())),
        (None, _) => None,
    };
    rows.iter().filter_map(of).collect::<BTreeSet<_>>().len() as u64
}

/// Asserts that two series are equal but for percentiles that were gathered in another order.
pub fn same_points(found: &[Point], expected: &[Point]) {
    let rough = |points: &[Point]| points.iter().map(|p| (p.time, p.events, p.errors)).collect::<Vec<_>>();
    assert_eq!(rough(found), rough(expected));
    assert!(found.iter().zip(expected).all(|(a, b)| close(a.mean_ms, b.mean_ms) && a.p95_ms == b.p95_ms));
}

/// Sorts by time and splits where nothing happened for longer than the timeout.
pub fn sessions<'s>(rows: &[&'s Sample]) -> Vec<Naive<'s>> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|s| (s.time, s.received));
    split(&rows)
}

/// The same, with events of one moment in the order given.
pub fn sessions_by_time<'s>(rows: &[&'s Sample]) -> Vec<Naive<'s>> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|s| s.time);
    split(&rows)
}

fn split<'s>(rows: &[&'s Sample]) -> Vec<Naive<'s>> {
    let mut by_id: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for row in rows {
        if let Some(id) = &row.session {
            by_id.entry(id).or_default().push(row);
        }
    }
    let runs = |rows: &[&'s Sample]| {
        rows.chunk_by(|a, b| b.time - a.time <= TIMEOUT_MS).map(<[_]>::to_vec).collect::<Vec<_>>()
    };
    by_id.into_iter().flat_map(|(id, rows)| runs(&rows).into_iter().map(move |rows| Naive { id, rows })).collect()
}

pub fn distinct<'s>(values: impl Iterator<Item = &'s str>) -> u64 {
    values.collect::<BTreeSet<_>>().len() as u64
}

/// The durations that there are, in order.
pub fn durations(rows: &[&Sample]) -> Vec<f64> {
    let mut durations: Vec<f64> = rows.iter().filter_map(|s| s.duration).collect();
    durations.sort_by(f64::total_cmp);
    durations
}

pub fn mean(sorted: &[f64]) -> Option<f64> {
    (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64)
}

pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    sorted.get((q * sorted.len().checked_sub(1)? as f64) as usize).copied()
}

/// Equal but for the rounding of answers.
pub fn close(found: Option<f64>, exact: Option<f64>) -> bool {
    agrees(found, exact, 0.0)
}

pub fn within_one_percent(found: Option<f64>, exact: Option<f64>) -> bool {
    agrees(found, exact, 0.01)
}

fn agrees(found: Option<f64>, exact: Option<f64>, share: f64) -> bool {
    match (found, exact) {
        (Some(found), Some(exact)) => (found - exact).abs() <= exact * share + 0.001,
        (None, None) => true,
        _ => false,
    }
}
