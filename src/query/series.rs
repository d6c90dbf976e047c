//! `series`: the totals of a range, point by point.
//!
//! Points are whole intervals since the epoch (UTC), so that asking again later gives the same points; the first and the last may reach
//! beyond the range but count only what lies in it. Points without events are there too, with zeroes: a chart must not join over a gap.
//! [`matrix`](super::matrix) does the same for every value of a dimension, [`week`](super::week) for the hours of a week.
//! At most [`POINTS_MAX`](super::params::POINTS_MAX) points of at most 6 kB are held.

use serde::Serialize;

use crate::clock::Millis;

use super::matrix::{Matrix, matrix};
use super::number::rate;
use super::past::{Past, Told};
use super::tally::{Tally, shown};
use super::week::{Week, week};
use super::{Error, Moment, Params, Scan};

/// The answer of `series`, in the shape that the parameters ask for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// One series.
    Points(Series),
    /// With `by`: one for each value.
    Lines(Matrix),
    /// With `group=hour_of_week`.
    Hours(Week),
}

/// Answers `series` in the shape that `params` ask for.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn answer(scan: &Scan<'_>, params: &Params) -> Result<Answer, Error> {
    match params.by {
        _ if params.by_hour_of_week => week(scan, params).map(Answer::Hours),
        Some(by) => matrix(scan, params, by).map(Answer::Lines),
        None => series(scan, params).map(Answer::Points),
    }
}

/// The answer of `series` without `by` and `group`.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// Length of a point in milliseconds.
    pub interval_ms: i64,
    /// The points in order of time, none left out.
    pub points: Vec<Point>,
    /// Which days are known by their totals only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollups: Option<Told>,
}

/// The events of one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Start of the interval.
    pub time: Moment,
    /// Number of events.
    pub events: u64,
    /// Number of errors.
    pub errors: u64,
    /// `errors / events`, 0 to 1.
    pub error_rate: f64,
    /// Mean duration in milliseconds.
    pub mean_ms: Option<f64>,
    /// 95th percentile of the same, within 1 %.
    pub p95_ms: Option<f64>,
}

impl Point {
    pub(super) fn of(time: i64, tally: &Tally) -> Point {
        Point {
            time: Moment(Millis(time)),
            events: tally.events,
            errors: tally.errors,
            error_rate: rate(tally.errors, tally.events),
            mean_ms: shown(tally.durations.mean()),
            p95_ms: shown(tally.durations.quantile(0.95)),
        }
    }
}

/// Which interval a time lies in.
pub(super) struct Intervals {
    start: i64,
    length: i64,
    /// The last one found, and its times: neighbours mostly share one, and dividing costs more than looking.
    last: (usize, std::ops::Range<i64>),
}

impl Intervals {
    /// Those of `length` from `start` on.
    pub fn new(start: i64, length: i64) -> Intervals {
        Intervals { start, length, last: (0, 0..0) }
    }

    /// Those of the points of a series.
    pub fn of(params: &Params) -> Intervals {
        Intervals::new(params.first_point(), params.interval_ms)
    }

    /// The number of the interval; of what lies before the first, one that nothing has.
    #[inline]
    pub fn at(&mut self, time: i64) -> usize {
        if !self.last.1.contains(&time) {
            let number = time.saturating_sub(self.start).div_euclid(self.length);
            let begin = self.begin(number);
            self.last = (usize::try_from(number).unwrap_or(usize::MAX), begin..begin.saturating_add(self.length));
        }
        self.last.0
    }

    /// When an interval begins.
    pub fn begin(&self, number: i64) -> i64 {
        self.start.saturating_add(number.saturating_mul(self.length))
    }

    /// Tallies of neighbouring intervals as points, from the first on.
    pub fn points(&self, tallies: &[Tally]) -> Vec<Point> {
        (0..).zip(tallies).map(|(number, tally)| Point::of(self.begin(number), tally)).collect()
    }
}

/// The rows that `params` asks for, by interval.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn series(scan: &Scan<'_>, params: &Params) -> Result<Series, Error> {
    let mut intervals = Intervals::of(params);
    let mut tallies = vec![Tally::default(); usize::try_from(params.points()).unwrap_or(0)];
    for chunk in scan.chunks(&Tally::need(), params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        for row in chunk.rows() {
            if let Some(tally) = tallies.get_mut(intervals.at(rows.time(row))) {
                tally.take(rows, row);
            }
        }
    }
    let past = Past::by_interval(scan.past(), params);
    for cell in past.cells() {
        if let Some(tally) = tallies.get_mut(intervals.at(cell.start.0)) {
            tally.merge(&Tally::of_cell(cell));
        }
    }
    let (from, to, points) = (Moment(params.from), Moment(params.to), intervals.points(&tallies));
    Ok(Series { from, to, interval_ms: params.interval_ms, points, rollups: past.told() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle::{self, close, samples, within_one_percent};
    use super::super::params::Question;
    use super::*;

    proptest! {
        #[test]
        fn agrees_with_counting_row_by_row(samples in samples(), chunk in 1..20usize, query in oracle::query()) {
            let params = query.params(Question::Series);
            let rows = query.matching(&samples);
            let parts = query.parts(&samples, chunk);
            let found = series(&Scan::new(&parts, 1000).unwrap(), &params).unwrap();
            prop_assert_eq!(found.points.iter().map(|p| p.events).sum::<u64>(), rows.len() as u64);
            let mut expected = found.points.first().unwrap().time.0;
            prop_assert!(expected <= params.from);
            for point in &found.points {
                prop_assert_eq!(point.time.0, expected);
                prop_assert_eq!(expected.0 % params.interval_ms, 0);
                let end = expected.plus(params.interval_ms);
                let mine: Vec<_> = rows.iter().copied().filter(|s| s.time >= expected.0 && s.time < end.0).collect();
                prop_assert_eq!(point.events, mine.len() as u64);
                prop_assert_eq!(point.errors, mine.iter().filter(|s| s.is_error()).count() as u64);
                let durations = oracle::durations(&mine);
                prop_assert!(close(point.mean_ms, oracle::mean(&durations)));
                prop_assert!(within_one_percent(point.p95_ms, oracle::quantile(&durations, 0.95)));
                expected = end;
            }
            prop_assert!(expected >= params.to && expected.plus(-params.interval_ms) < params.to);
        }
    }
}
