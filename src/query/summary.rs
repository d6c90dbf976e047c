//! `summary`: the totals of a range.

use serde::Serialize;

use crate::privacy::event::EventType;
use crate::store::row::TextColumn;

use super::group::Distinct;
use super::number::rate;
use super::past::{Past, Told};
use super::tally::{Tally, shown};
use super::visit::Counter;
use super::{Error, Moment, Params, Scan};

/// Codes of event types lie below this.
const TYPE_CODES: usize = EventType::ALL.len() + 1;

/// The answer of `summary`.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// Number of events.
    pub events: u64,
    /// Number of events of types `mcp.*` and `http.request`.
    pub requests: u64,
    /// Number of errors.
    pub errors: u64,
    /// `errors / events`, 0 to 1.
    pub error_rate: f64,
    /// Number of distinct users.
    pub users: u64,
    /// Number of sessions.
    pub sessions: u64,
    /// How long the events took.
    pub duration_ms: Durations,
    /// The same by type, most events first; types without events are left out.
    pub types: Vec<OfType>,
    /// When the newest event happened.
    pub last_seen: Option<Moment>,
    /// Which days are known by their totals only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollups: Option<Told>,
}

/// How long events took, in milliseconds. Percentiles are within 1 %.
#[derive(Debug, Serialize)]
pub struct Durations {
    /// Number of events that say so.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// The events of one type.
#[derive(Debug, Serialize)]
pub struct OfType {
    /// The type.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// Number of events.
    pub events: u64,
    /// Number of errors.
    pub errors: u64,
    /// `errors / events`, 0 to 1.
    pub error_rate: f64,
}

/// Totals of the rows that `params` asks for. A session that reaches beyond the range counts with what lies in it.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn summary(scan: &Scan<'_>, params: &Params, timeout_ms: i64) -> Result<Summary, Error> {
    let mut types: [Tally; TYPE_CODES] = std::array::from_fn(|_| Tally::default());
    let mut users = Distinct::default();
    let mut sessions = Counter::default();
    let need = Tally::need().text(TextColumn::User).text(TextColumn::Session);
    for chunk in scan.chunks(&need, params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        let mut marks = Distinct::marks(chunk.dictionary(TextColumn::User));
        for row in chunk.rows() {
            if let Some(tally) = types.get_mut(usize::from(rows.type_code(row))) {
                tally.take(rows, row);
            }
            marks.mark(row);
        }
        users.take(&marks);
        sessions.take(&chunk, timeout_ms);
    }
    let past = Past::by_day(scan.past(), params);
    let (mut users, mut sessions) = (users.len(), sessions.count());
    for cell in past.cells() {
        if let Some(tally) = types.get_mut(usize::from(cell.event_type.code())) {
            tally.merge(&Tally::of_cell(cell));
        }
        users += cell.counted.users;
        sessions += cell.counted.sessions;
    }
    Ok(Summary { rollups: past.told(), ..answer(params, &types, users, sessions) })
}

fn answer(params: &Params, tallies: &[Tally; TYPE_CODES], users: u64, sessions: u64) -> Summary {
    let mut total = Tally::default();
    let mut requests = 0;
    let mut types = Vec::new();
    for (code, tally) in (0..).zip(tallies).filter(|(_, tally)| tally.events > 0) {
        let Some(event_type) = EventType::from_code(code) else { continue };
        total.merge(tally);
        if event_type.is_mcp() || event_type == EventType::HttpRequest {
            requests += tally.events;
        }
        let error_rate = rate(tally.errors, tally.events);
        types.push(OfType { event_type: event_type.name(), events: tally.events, errors: tally.errors, error_rate });
    }
    types.sort_by_key(|of| std::cmp::Reverse(of.events));
    let cells = total.cells();
    let durations = &total.durations;
    let at = |q| shown(durations.quantile(q));
    Summary {
        from: Moment(params.from),
        to: Moment(params.to),
        events: cells.events,
        requests,
        errors: cells.errors,
        error_rate: cells.error_rate,
        users,
        sessions,
        duration_ms: Durations {
            count: durations.count(),
            mean: cells.mean_ms,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
        },
        types,
        last_seen: cells.last_seen,
        rollups: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle::{self, TIMEOUT_MS, close, parts, samples, within_one_percent};
    use super::super::params::Question;
    use super::*;

    proptest! {
        #[test]
        fn agrees_with_counting_row_by_row(samples in samples(), chunk in 1..20usize, query in oracle::query()) {
            let params = query.params(Question::Summary);
            let rows = query.matching(&samples);
            let parts = query.parts(&samples, chunk);
            let found = summary(&Scan::new(&parts, 1000).unwrap(), &params, TIMEOUT_MS).unwrap();
            let errors = rows.iter().filter(|s| s.is_error()).count() as u64;
            prop_assert_eq!((found.events, found.errors), (rows.len() as u64, errors));
            prop_assert_eq!(found.requests, rows.iter().filter(|s| s.is_request()).count() as u64);
            prop_assert_eq!(found.users, oracle::distinct(rows.iter().filter_map(|s| s.user.as_deref())));
            prop_assert_eq!(found.sessions, oracle::sessions(&rows).len() as u64);
            prop_assert_eq!(found.types.iter().map(|t| t.events).sum::<u64>(), found.events);
            prop_assert_eq!(found.last_seen.map(|m| m.0.0), rows.iter().map(|s| s.time).max());
            let durations = oracle::durations(&rows);
            prop_assert_eq!(found.duration_ms.count, durations.len() as u64);
            prop_assert!(close(found.duration_ms.mean, oracle::mean(&durations)));
            for (found, q) in [(found.duration_ms.p50, 0.5), (found.duration_ms.p95, 0.95), (found.duration_ms.p99, 0.99)] {
                prop_assert!(within_one_percent(found, oracle::quantile(&durations, q)));
            }
        }
    }

    #[test]
    fn nothing_is_all_zeroes() {
        let params = oracle::Query::default().params(Question::Summary);
        let found = summary(&Scan::new(&parts(&[], 1), 0).unwrap(), &params, TIMEOUT_MS).unwrap();
        let json = serde_json::to_value(found).unwrap();
        assert_eq!(json["events"], 0);
        assert_eq!(json["error_rate"], 0.0);
        assert_eq!(json["duration_ms"]["p95"], serde_json::Value::Null);
        assert_eq!(json["types"], serde_json::json!([]));
        assert_eq!(json["from"], "1970-01-01T00:00:00.000Z");
    }
}
