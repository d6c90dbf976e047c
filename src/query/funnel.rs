//! `funnel`: how many come as far as which step, and how long each step takes.
//!
//! The steps must happen in their order, with whatever else in between, all within a span of time from the first. A subject counts with the
//! way on which it came furthest, wherever that began; of several such ways with the one that was there first. What happened at one
//! moment is taken in the order of the steps that it may be; one event is never two steps of a way.

use serde::Serialize;

use crate::privacy::event::EventType;
use crate::store::columns::Dictionary;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::number::{Sketch, rate};
use super::params::{STEPS_RANGE, Step};
use super::scan::{Chunk, Filter};
use super::tally::shown;
use super::trail::{Mark, Trails};
use super::{Error, Moment, Params, Scan};

/// The answer of `funnel`.
#[derive(Debug, Serialize)]
pub struct Funnel {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// Whose ways are followed: `session` or `user`.
    pub by: &'static str,
    /// Milliseconds that a way may take.
    pub within_ms: i64,
    /// The steps in order.
    pub steps: Vec<Reached>,
    /// The share of those who took the first step that took the last, 0 to 1.
    pub conversion: f64,
}

/// How many reached a step.
#[derive(Debug, Serialize)]
pub struct Reached {
    /// The step as it was asked for.
    pub step: String,
    /// Number of sessions or users that came as far.
    pub reached: u64,
    /// The share of those who took the first step.
    pub conversion: f64,
    /// The share of those who took the step before.
    pub from_previous: f64,
    /// Median time since the step before, in milliseconds, within 1 %.
    pub median_ms: Option<f64>,
}

/// The furthest way of every subject through `params.steps`.
///
/// # Errors
/// [`Error::TooManyRows`], [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn funnel(scan: &Scan<'_>, params: &Params) -> Result<Funnel, Error> {
    let column = params.whose.column();
    let mut trails = Trails::default();
    let need = Need::of(&[Plain::Time, Plain::EventType], &[TextColumn::Name, column]);
    for chunk in scan.chunks(&need, Filter::default()) {
        let chunk = chunk?;
        let Some(matcher) = Matcher::of(&params.steps, &chunk) else { continue };
        let rows = chunk.view();
        let timed = chunk.rows().map(|row| (row, rows.time(row)));
        trails.take(chunk.dictionary(column), timed, |row| matcher.steps(rows.type_code(row), row))?;
    }
    let mut reached = vec![0u64; params.steps.len()];
    let mut times = vec![Sketch::default(); params.steps.len()];
    trails.each(
        |mark| order(mark.what),
        |marks| {
            let way = furthest(marks, params.steps.len(), params.within_ms);
            reached.iter_mut().take(way.len()).for_each(|count| *count += 1);
            for (sketch, step) in times.iter_mut().skip(1).zip(way.windows(2)) {
                if let [before, after] = step {
                    sketch.insert(after.saturating_sub(*before) as f64);
                }
            }
        },
    );
    Ok(answer(params, &reached, &times))
}

/// The order of what happened at one moment: what is an early step comes first, so that the later may follow it.
fn order(steps: u32) -> (u32, u32) {
    (steps.trailing_zeros(), steps)
}

fn answer(params: &Params, reached: &[u64], times: &[Sketch]) -> Funnel {
    let first = reached.first().copied().unwrap_or(0);
    let before = std::iter::once(first).chain(reached.iter().copied());
    let steps = params.steps.iter().zip(reached).zip(before).zip(times);
    let steps = steps.map(|(((step, reached), before), times)| Reached {
        step: step.text.clone(),
        reached: *reached,
        conversion: rate(*reached, first),
        from_previous: rate(*reached, before),
        median_ms: shown(times.quantile(0.5)),
    });
    Funnel {
        from: Moment(params.from),
        to: Moment(params.to),
        by: params.whose.name(),
        within_ms: params.within_ms,
        steps: steps.collect(),
        conversion: rate(reached.last().copied().unwrap_or(0), first),
    }
}

/// Which steps an event may be, as the bits of a number, by the codes of one chunk.
struct Matcher<'c> {
    names: Option<Dictionary<'c>>,
    /// By code of the name.
    by_name: Vec<u32>,
    /// By code of the type.
    by_type: [u32; EventType::ALL.len() + 1],
}

impl<'c> Matcher<'c> {
    /// `None` when no row of the chunk is a step.
    fn of(steps: &[Step], chunk: &'c Chunk) -> Option<Matcher<'c>> {
        let names = chunk.dictionary(TextColumn::Name);
        let bits = |is_step: &dyn Fn(&Step) -> bool| {
            (0u32..).zip(steps).filter(|(_, step)| is_step(step)).fold(0, |bits, (number, _)| bits | 1 << number)
        };
        let of_name = |code| {
            let name = names.and_then(|names| names.value(code));
            bits(&|step| step.name.as_deref().is_none_or(|wanted| Some(wanted) == name))
        };
        let by_name: Vec<u32> = (0..=names.map_or(0, |names| names.len())).map(of_name).collect();
        let of_type = |code: usize| {
            let event_type = u8::try_from(code).ok().and_then(EventType::from_code);
            bits(&|step| step.event_type.is_none_or(|wanted| Some(wanted) == event_type))
        };
        by_name.iter().any(|bits| *bits != 0).then(|| Matcher { names, by_name, by_type: std::array::from_fn(of_type) })
    }

    fn steps(&self, type_code: u8, row: usize) -> Option<u32> {
        let name = self.names.map_or(0, |names| names.code(row));
        let bits = self.by_name.get(name as usize)? & self.by_type.get(usize::from(type_code))?;
        (bits != 0).then_some(bits)
    }
}

/// The times of the steps of the furthest way; of several, of the one that was complete first.
///
/// Of all ways that have come as far as a step, only the one that began last is kept: it has the most time left.
fn furthest(marks: &[Mark], steps: usize, within_ms: i64) -> Vec<i64> {
    const NONE: Option<[i64; *STEPS_RANGE.end()]> = None;
    let mut ways = [NONE; *STEPS_RANGE.end()];
    let mut best: Vec<i64> = Vec::new();
    for mark in marks {
        // From the last step down, so that one event is not two steps of a way.
        for step in (0..steps).rev().filter(|step| mark.what & 1 << step != 0) {
            let before = step.checked_sub(1).map(|before| ways.get(before).copied().flatten());
            let mut way = match before {
                None => [mark.time; *STEPS_RANGE.end()],
                Some(Some(way)) if mark.time.saturating_sub(first(&way)) < within_ms => way,
                Some(_) => continue,
            };
            if let Some(at) = way.get_mut(step) {
                *at = mark.time;
            }
            if let Some(kept) = ways.get_mut(step)
                && kept.is_none_or(|kept| first(&kept) <= first(&way))
            {
                *kept = Some(way);
            }
            if step >= best.len() {
                best = way.iter().take(step + 1).copied().collect();
            }
        }
    }
    best
}

fn first(way: &[i64]) -> i64 {
    way.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::super::oracle::{self, Sample, samples};
    use super::super::params::{Question, Whose};
    use super::*;

    const STEPS: &str = "a,custom:b,mcp.tool_call:";

    fn is_step(step: usize, s: &Sample) -> bool {
        match step {
            0 => s.name.as_deref() == Some("a"),
            1 => s.name.as_deref() == Some("b") && s.event_type == EventType::Custom,
            _ => s.event_type == EventType::McpToolCall,
        }
    }

    /// Tries every event for every step.
    fn level(rows: &[&Sample], step: usize, start: Option<i64>, within: i64) -> usize {
        let mut best = step;
        for (index, row) in rows.iter().enumerate() {
            let in_time = start.is_none_or(|start| row.time - start < within);
            if step < 3 && in_time && is_step(step, row) {
                best = best.max(level(&rows[index + 1..], step + 1, start.or(Some(row.time)), within));
            }
        }
        best
    }

    fn in_order(mut rows: Vec<&Sample>) -> Vec<&Sample> {
        let steps = |s: &Sample| (0..3).filter(|step| is_step(*step, s)).fold(0, |bits, step| bits | 1 << step);
        rows.sort_by_key(|s| (s.time, order(steps(s))));
        rows
    }

    proptest! {
        #[test]
        fn agrees_with_trying_every_way(samples in samples(), chunk in 1..20usize, by_user: bool, minutes in 1..200i64) {
            let query = oracle::Query { from: 0, to: 8 * 3_600_000, ..oracle::Query::default() };
            let mut params = query.params(Question::Funnel);
            params.steps = Params::parse(Question::Funnel, [("steps", STEPS)], params.to, 10).ok().unwrap().steps;
            params.within_ms = minutes * 60_000;
            params.whose = if by_user { Whose::User } else { Whose::Session };
            let parts = query.parts(&samples, chunk);
            let found = funnel(&Scan::new(&parts, 1000).unwrap(), &params).unwrap();
            let mut subjects: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
            for row in query.matching(&samples) {
                if let Some(subject) = if by_user { &row.user } else { &row.session } {
                    subjects.entry(subject).or_default().push(row);
                }
            }
            let levels: Vec<usize> = subjects.into_values().map(|rows| level(&in_order(rows), 0, None, params.within_ms)).collect();
            for (step, reached) in found.steps.iter().enumerate() {
                prop_assert_eq!(reached.reached, levels.iter().filter(|level| **level > step).count() as u64, "step {}", step);
                prop_assert!(reached.median_ms.is_none_or(|ms| step > 0 && ms <= params.within_ms as f64));
                prop_assert_eq!(reached.median_ms.is_some(), step > 0 && reached.reached > 0);
            }
        }
    }

    #[test]
    fn tells_shares_and_times() {
        let at = |session: &str, second: i64, name: &str| Sample {
            session: Some(session.into()),
            time: second * 1000,
            name: Some(name.into()),
            ..Sample::default()
        };
        let rows = [
            at("1", 0, "a"),
            at("1", 10, "b"),
            at("2", 5, "a"),
            at("3", 0, "b"),
            at("3", 1, "a"),
            at("4", 0, "a"),
            at("4", 60, "b"),
        ];
        let mut params = oracle::Query::default().params(Question::Funnel);
        params.steps = Params::parse(Question::Funnel, [("steps", "a,b")], params.to, 10).ok().unwrap().steps;
        params.within_ms = 60_000;
        let parts = oracle::parts(&rows, 3);
        let found = serde_json::to_value(funnel(&Scan::new(&parts, 10).unwrap(), &params).unwrap()).unwrap();
        assert_eq!(
            found["steps"][0],
            serde_json::json!({"step": "a", "reached": 4, "conversion": 1.0, "from_previous": 1.0, "median_ms": null})
        );
        assert_eq!(
            found["steps"][1],
            serde_json::json!({"step": "b", "reached": 1, "conversion": 0.25, "from_previous": 0.25, "median_ms": 10_000.0})
        );
        assert_eq!((&found["conversion"], &found["within_ms"]), (&0.25.into(), &60_000.into()));
    }
}
