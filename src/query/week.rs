//! `series` with `group=hour_of_week`: the range folded into the hours of one week (UTC), to see when a service is busy.

use serde::Serialize;

use crate::clock::HOUR_MS;

use super::number::rate;
use super::tally::{Tally, shown};
use super::{Error, Moment, Params, Scan};

/// Hours of a week.
const HOURS: usize = 7 * 24;
/// The epoch was a Thursday: hours from the beginning of its week.
const EPOCH_HOUR: i64 = 3 * 24;

/// The answer of `series` with `group=hour_of_week`.
#[derive(Debug, Serialize)]
pub struct Week {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// What it is folded into.
    pub group: &'static str,
    /// Every hour of a week from Monday 0:00 on, none left out.
    pub points: Vec<Hour>,
}

/// The events of one hour of the week, in all weeks of the range.
#[derive(Debug, Serialize)]
pub struct Hour {
    /// 1 is Monday, 7 Sunday (ISO 8601).
    pub weekday: usize,
    /// Hour of the day, 0 to 23.
    pub hour: usize,
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

/// The rows that `params` asks for, by hour of the week.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn week(scan: &Scan<'_>, params: &Params) -> Result<Week, Error> {
    let mut tallies = vec![Tally::default(); HOURS];
    for chunk in scan.chunks(&Tally::need(), params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        for row in chunk.rows() {
            let hour = (rows.time(row).div_euclid(HOUR_MS) + EPOCH_HOUR).rem_euclid(HOURS as i64);
            if let Some(tally) = usize::try_from(hour).ok().and_then(|hour| tallies.get_mut(hour)) {
                tally.take(rows, row);
            }
        }
    }
    let hour = |(number, tally): (usize, &Tally)| Hour {
        weekday: number / 24 + 1,
        hour: number % 24,
        events: tally.events,
        errors: tally.errors,
        error_rate: rate(tally.errors, tally.events),
        mean_ms: shown(tally.durations.mean()),
        p95_ms: shown(tally.durations.quantile(0.95)),
    };
    let points = tallies.iter().enumerate().map(hour).collect();
    Ok(Week { from: Moment(params.from), to: Moment(params.to), group: "hour_of_week", points })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, Timelike};
    use proptest::prelude::*;

    use crate::clock::{DAY_MS, Millis};

    use super::super::oracle::{self, Sample, samples};
    use super::super::params::Question;
    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_calendar(samples in samples(), days in -20_000..20_000i64, chunk in 1..20usize) {
            let samples: Vec<Sample> =
                samples.into_iter().enumerate().map(|(n, s)| Sample { time: s.time + (days + n as i64 % 9) * DAY_MS, ..s }).collect();
            let parts = oracle::parts(&samples, chunk);
            let mut params = oracle::Query::default().params(Question::Series);
            (params.from, params.to) = (Millis(i64::MIN), Millis(i64::MAX));
            let found = week(&Scan::new(&parts, 1000).unwrap(), &params).unwrap();
            prop_assert_eq!(found.points.len(), HOURS);
            for point in &found.points {
                let mine = samples.iter().filter(|s| {
                    let at = DateTime::from_timestamp_millis(s.time).unwrap();
                    at.weekday().number_from_monday() as usize == point.weekday && at.hour() as usize == point.hour
                });
                let mine: Vec<&Sample> = mine.collect();
                prop_assert_eq!(point.events, mine.len() as u64);
                prop_assert_eq!(point.errors, mine.iter().filter(|s| s.is_error()).count() as u64);
            }
        }
    }
}
