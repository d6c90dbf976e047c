//! `series`: the totals of a range, point by point.
//!
//! Points are whole intervals since the epoch (UTC), so that asking again later gives the same points; the first and the last may reach
//! beyond the range but count only what lies in it. Points without events are there too, with zeroes: a chart must not join over a gap.
//! At most [`POINTS_MAX`](super::params::POINTS_MAX) points of at most 6 kB are held.

use serde::Serialize;

use crate::clock::Millis;

use super::number::rate;
use super::tally::{Tally, shown};
use super::{Error, Moment, Params, Scan};

/// The answer of `series`.
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
}

/// The events of one interval.
#[derive(Debug, Serialize)]
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

/// The rows that `params` asks for, by interval.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn series(scan: &Scan<'_>, params: &Params) -> Result<Series, Error> {
    let (start, interval_ms) = (params.first_point(), params.interval_ms);
    let mut tallies = vec![Tally::default(); usize::try_from(params.points()).unwrap_or(0)];
    for chunk in scan.chunks(&Tally::need(), params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        // The point of the row before, and its times: neighbours mostly share one, and dividing costs more than looking.
        let (mut point, mut times) = (0, 0..0);
        for row in chunk.rows() {
            let time = rows.time(row);
            if !times.contains(&time) {
                let whole = time.saturating_sub(start).div_euclid(interval_ms);
                let begin = start.saturating_add(whole.saturating_mul(interval_ms));
                (point, times) =
                    (usize::try_from(whole).unwrap_or(usize::MAX), begin..begin.saturating_add(interval_ms));
            }
            if let Some(tally) = tallies.get_mut(point) {
                tally.take(rows, row);
            }
        }
    }
    let starts = (0..).map(|point: i64| Millis(start.saturating_add(point.saturating_mul(interval_ms))));
    let points = starts.zip(&tallies).map(|(time, tally)| Point {
        time: Moment(time),
        events: tally.events,
        errors: tally.errors,
        error_rate: rate(tally.errors, tally.events),
        mean_ms: shown(tally.durations.mean()),
        p95_ms: shown(tally.durations.quantile(0.95)),
    });
    Ok(Series { from: Moment(params.from), to: Moment(params.to), interval_ms, points: points.collect() })
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
