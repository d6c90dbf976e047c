//! Lists of events, page by page: the newest errors, the events of a session, the events of a trace.
//!
//! Parts are looked at in the order in which they may hold the next event, and no further than the page needs. Of each, only the columns that
//! say which rows are wanted are read first; all others only when some are.
//!
//! Events are ordered by time, then arrival, then a checksum of what they say, which does not depend on where they are stored: a page goes on
//! where the last one ended even when buckets were sealed in between. Events that do not differ at all are told apart by counting them.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::Part;
use crate::store::columns::Columns;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::event;
use super::params::{EventKey, Place};
use super::scan::{Filter, View, error_need};
use super::{Error, Params, Scan};

/// The answer. No `Debug`: events are about people.
#[derive(Serialize)]
pub struct Events {
    /// The events in order.
    pub events: Vec<Box<RawValue>>,
    /// What to give as `cursor` to go on; `null` when this is the end.
    pub next_cursor: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl Order {
    fn of<K: Ord>(self, a: &K, b: &K) -> Ordering {
        match self {
            Order::OldestFirst => a.cmp(b),
            Order::NewestFirst => b.cmp(a),
        }
    }
}

/// The newest errors that `params` asks for, newest first.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn errors(scan: &Scan<'_>, params: &Params) -> Result<Events, Error> {
    let wanted = Wanted {
        order: Order::NewestFirst,
        filter: params.filter(),
        need: error_need(),
        is_wanted: &|rows, row| rows.is_error(row),
    };
    wanted.page(scan, params.limit, params.place)
}

/// The events of the session `params.session`, oldest first: all that `session` says, whatever lies in between.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn replay(scan: &Scan<'_>, params: &Params) -> Result<Events, Error> {
    let wanted =
        Wanted { order: Order::OldestFirst, filter: params.filter(), need: Need::NONE, is_wanted: &|_, _| true };
    wanted.page(scan, params.limit, params.place)
}

/// The events of a trace, oldest first.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn trace(scan: &Scan<'_>, params: &Params, id: &str) -> Result<Events, Error> {
    let wanted = Wanted {
        order: Order::OldestFirst,
        filter: params.filter(),
        need: Need::NONE.text(TextColumn::TraceId),
        is_wanted: &|rows, row| rows.columns.text(TextColumn::TraceId, row) == Some(id),
    };
    wanted.page(scan, params.limit, params.place)
}

/// Which events are listed, in which order.
struct Wanted<'q> {
    order: Order,
    filter: Filter<'q>,
    /// The columns that `is_wanted` looks at.
    need: Need,
    is_wanted: &'q dyn Fn(View<'_>, usize) -> bool,
}

/// An event that may be on the page.
struct Candidate {
    key: EventKey,
    event: Box<RawValue>,
}

impl Wanted<'_> {
    fn page(&self, scan: &Scan<'_>, limit: usize, place: Option<Place>) -> Result<Events, Error> {
        let skipped = place.map_or(0, |place| place.shown as usize);
        // One more than the page, to know whether it is the last.
        let enough = limit.saturating_add(skipped).saturating_add(1);
        let mut found: Vec<Candidate> = Vec::new();
        for (part, best) in self.in_order(scan.parts()) {
            let worst = found.get(enough - 1).map(|candidate| candidate.key);
            if worst.is_some_and(|worst| self.order.of(&worst.0, &best).is_lt()) {
                break;
            }
            self.take(scan, part, Bounds { place, worst, enough }, &mut found)?;
            found.sort_by(|a, b| self.order.of(&a.key, &b.key));
            found.truncate(enough);
        }
        let shown = found.iter().take_while(|candidate| place.is_some_and(|place| candidate.key == place.key)).count();
        found.drain(..shown.min(skipped));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| {
            let on_page = found.iter().filter(|candidate| candidate.key == last.key).count();
            let before = place.filter(|place| place.key == last.key).map_or(0, |place| place.shown);
            Place { key: last.key, shown: before.saturating_add(u32::try_from(on_page).unwrap_or(u32::MAX)) }.encode()
        });
        Ok(Events { events: found.into_iter().map(|candidate| candidate.event).collect(), next_cursor: next })
    }

    /// The parts by the time of the first event that they may hold.
    fn in_order<'p>(&self, parts: &'p [Part]) -> Vec<(&'p Part, i64)> {
        let best = |part: &Part| {
            part.spans().map(|spans| match self.order {
                Order::OldestFirst => spans.time.0.0,
                Order::NewestFirst => spans.time.1.0,
            })
        };
        let mut parts: Vec<(&Part, i64)> = parts.iter().filter_map(|part| Some((part, best(part)?))).collect();
        parts.sort_by(|(_, a), (_, b)| self.order.of(a, b));
        parts
    }

    /// Adds the events of one part that may be on the page.
    fn take(&self, scan: &Scan<'_>, part: &Part, bounds: Bounds, found: &mut Vec<Candidate>) -> Result<(), Error> {
        if bounds.place.is_some_and(|place| self.is_passed(part, place)) {
            return Ok(());
        }
        let need = self.need.clone().and(&self.filter.need()).plain(Plain::Time).plain(Plain::Received);
        let Some(chunk) = scan.chunk(part, &need, self.filter)? else { return Ok(()) };
        let rows = chunk.view();
        let wanted = chunk.rows().filter(|row| (self.is_wanted)(rows, *row));
        let mut wanted: Vec<((i64, i64), usize)> = wanted.map(|row| (moment(rows.columns, row), row)).collect();
        let is_ahead = |at: &(i64, i64), key: EventKey| self.order.of(at, &(key.0, key.1)).is_lt();
        wanted.retain(|(at, _)| {
            let is_shown = bounds.place.is_some_and(|place| is_ahead(at, place.key));
            let is_beyond = bounds.worst.is_some_and(|worst| self.order.of(at, &(worst.0, worst.1)).is_gt());
            !is_shown && !is_beyond
        });
        wanted.sort_by(|(a, _), (b, _)| self.order.of(a, b));
        // What was shown at the very place may have to be skipped; what happened at the moment of the last may have to be preferred.
        let at_place = wanted.iter().filter(|(at, _)| bounds.place.is_some_and(|p| *at == (p.key.0, p.key.1))).count();
        let last = wanted.get(at_place.saturating_add(bounds.enough) - 1).map(|(at, _)| *at);
        wanted.retain(|(at, _)| last.is_none_or(|last| self.order.of(at, &last).is_le()));
        if wanted.is_empty() {
            return Ok(());
        }
        let loaded = part.load(&Need::all())?;
        for ((time, received), row) in wanted {
            let Some(event) = event::tell(loaded.columns(), row) else { continue };
            let key = (time, received, crc32c::crc32c(event.get().as_bytes()));
            if bounds.place.is_none_or(|place| self.order.of(&key, &place.key).is_ge()) {
                found.push(Candidate { key, event });
            }
        }
        Ok(())
    }

    /// Whether all events of a part were shown on earlier pages.
    fn is_passed(&self, part: &Part, place: Place) -> bool {
        part.spans().is_none_or(|spans| match self.order {
            Order::OldestFirst => spans.time.1.0 < place.key.0,
            Order::NewestFirst => spans.time.0.0 > place.key.0,
        })
    }
}

/// What is known of the page so far.
#[derive(Clone, Copy)]
struct Bounds {
    /// Where the page before ended.
    place: Option<Place>,
    /// The last event that would be on the page.
    worst: Option<EventKey>,
    /// As many events as are needed.
    enough: usize,
}

fn moment(columns: &Columns, row: usize) -> (i64, i64) {
    let at = |times: &[i64]| times.get(row).copied().unwrap_or_default();
    (at(columns.time()), at(columns.received()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::oracle::{self, Sample, samples};
    use super::super::params::Question;
    use super::*;

    fn key(event: &Value) -> (String, String) {
        (event["timestamp"].as_str().unwrap().to_owned(), event["received"].as_str().unwrap().to_owned())
    }

    /// All pages; parts are cut differently for every page, as sealing does.
    fn pages(
        query: &oracle::Query,
        samples: &[Sample],
        question: Question,
        params: &mut Params,
        ask: fn(&Scan<'_>, &Params) -> Result<Events, Error>,
    ) -> Vec<Value> {
        let mut events = Vec::new();
        for chunk in (1..).map(|page| page * 7 % 19 + 1) {
            let parts = query.parts(samples, chunk);
            let page = ask(&Scan::new(&parts, 1000).unwrap(), params).unwrap();
            assert!(page.events.len() <= params.limit);
            events.extend(page.events.iter().map(|event| serde_json::from_str::<Value>(event.get()).unwrap()));
            let Some(next) = page.next_cursor else { break };
            assert!(!page.events.is_empty());
            params.place = Params::parse(question, [("cursor", next.as_str())], params.to, 10).ok().unwrap().place;
        }
        events
    }

    fn spelled(samples: &[&Sample]) -> Vec<String> {
        let tell = |sample: &&Sample| {
            let parts = oracle::parts(&[(*sample).clone()], 1);
            event::tell(parts[0].load(&Need::all()).unwrap().columns(), 0).unwrap().get().to_owned()
        };
        let mut spelled: Vec<String> = samples.iter().map(tell).collect();
        spelled.sort();
        spelled
    }

    fn text(events: &[Value]) -> Vec<String> {
        // Compared as values, since the order of members is lost in them.
        let mut texts: Vec<String> = events.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    }

    fn as_values(texts: Vec<String>) -> Vec<String> {
        text(&texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect::<Vec<Value>>())
    }

    proptest! {
        #[test]
        fn the_pages_of_errors_are_all_errors_newest_first(samples in samples(), query in oracle::query(), limit in 1..6usize) {
            let mut params = Params { limit, ..query.params(Question::Errors) };
            let found = pages(&query, &samples, Question::Errors, &mut params, errors);
            prop_assert!(found.is_sorted_by(|a, b| key(a) >= key(b)));
            let expected: Vec<&Sample> = query.matching(&samples).into_iter().filter(|s| s.is_error()).collect();
            prop_assert_eq!(text(&found), as_values(spelled(&expected)));
        }

        #[test]
        fn the_pages_of_a_session_are_all_its_events_oldest_first(samples in samples(), limit in 1..6usize, twice: bool) {
            let mut samples = samples;
            if twice {
                samples.extend(samples.clone());
            }
            let query = oracle::Query { session: Some("s1".into()), ..oracle::Query::default() };
            let mut params = Params { limit, ..query.params(Question::Replay) };
            let found = pages(&query, &samples, Question::Replay, &mut params, replay);
            prop_assert!(found.is_sorted_by(|a, b| key(a) <= key(b)));
            prop_assert_eq!(text(&found), as_values(spelled(&query.matching(&samples))));
        }
    }

    #[test]
    fn a_trace_is_found_by_its_id() {
        let of = |trace: Option<&str>, time| Sample { trace: trace.map(Into::into), time, ..Sample::default() };
        let parts = oracle::parts(&[of(Some("t2"), 3), of(Some("t1"), 2), of(None, 1), of(Some("t1"), 0)], 2);
        let params = oracle::Query::default().params(Question::Trace);
        let found = trace(&Scan::new(&parts, 10).unwrap(), &params, "t1").unwrap();
        let times: Vec<Value> =
            found.events.iter().map(|e| serde_json::from_str::<Value>(e.get()).unwrap()["timestamp"].clone()).collect();
        assert_eq!(times, ["1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.002Z"]);
        assert_eq!(found.next_cursor, None);
    }

    #[test]
    fn no_part_is_read_that_the_page_does_not_need() {
        let error = |time| Sample { time, ok: Some(false), ..Sample::default() };
        let parts = oracle::parts(&(0..50).map(error).collect::<Vec<_>>(), 5);
        let read = std::cell::Cell::new(0);
        let stop = || {
            read.set(read.get() + 1);
            false
        };
        let params = Params { limit: 7, ..oracle::Query::default().params(Question::Errors) };
        let found = errors(&Scan::new(&parts, 100).unwrap().stopped_by(&stop), &params).unwrap();
        assert_eq!((found.events.len(), read.get()), (7, 2));
    }

    #[test]
    fn an_event_tells_what_is_there_and_nothing_else() {
        let sample = Sample {
            name: Some("scan".into()),
            client: Some(("Claude".into(), None)),
            ok: Some(true),
            attributes: r#"{"a":1.50}"#.into(),
            ..Sample::default()
        };
        assert_eq!(
            spelled(&[&sample, &Sample::default()]),
            [
                r#"{"timestamp":"1970-01-01T00:00:00.000Z","received":"1970-01-01T00:00:00.000Z","type":"custom","name":"scan","client":{"name":"Claude"},"ok":true,"attributes":{"a":1.50}}"#,
                r#"{"timestamp":"1970-01-01T00:00:00.000Z","received":"1970-01-01T00:00:00.000Z","type":"custom"}"#,
            ]
        );
    }
}
