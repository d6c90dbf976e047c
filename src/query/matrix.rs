//! `series` with `by`: a series for each of the busiest values of a dimension.
//!
//! Reads twice: once to know which values are the busiest, and once to count them by interval; so what is held is what is shown. All
//! other values are one series, and so are the events without a value.

use hashbrown::HashMap;
use serde::Serialize;

use super::disclosure::Guard;
use super::params::By;
use super::ranking::{self, Whom, label, number, with_number};
use super::scan::{Chunk, View};
use super::series::{Intervals, Point};
use super::tally::Tally;
use super::{Error, Moment, Params, Scan};

/// The answer of `series` with `by`.
#[derive(Debug, Serialize)]
pub struct Matrix {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// Length of a point in milliseconds.
    pub interval_ms: i64,
    /// The dimension.
    pub by: &'static str,
    /// The busiest values; equally busy ones in the order of their keys.
    pub rows: Vec<Row>,
    /// All other values together.
    pub other: Option<Vec<Point>>,
    /// The events that have no value.
    pub absent: Option<Vec<Point>>,
}

/// The series of one value.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The value.
    pub key: String,
    /// Number of events in all points.
    pub events: u64,
    /// The points in order of time, none left out.
    pub points: Vec<Point>,
}

/// Which series a row of a chunk belongs to.
struct Lines {
    /// By value.
    named: HashMap<Box<str>, usize>,
    other: usize,
    absent: usize,
}

impl Lines {
    fn of(&self, text: Option<&str>) -> usize {
        text.map_or(self.absent, |text| self.named.get(text).copied().unwrap_or(self.other))
    }

    /// Calls `visit(row, line)` for every row of a chunk.
    fn each(&self, chunk: &Chunk, by: By, visit: &mut impl FnMut(View<'_>, usize, usize)) {
        let rows = chunk.view();
        match by.column().map(|column| chunk.dictionary(column)) {
            Some(Some(dictionary)) => {
                let lines: Vec<usize> = (0..=dictionary.len()).map(|code| self.of(dictionary.value(code))).collect();
                let line = |row| lines.get(dictionary.code(row) as usize).copied().unwrap_or(self.absent);
                chunk.rows().for_each(|row| visit(rows, row, line(row)));
            }
            Some(None) => chunk.rows().for_each(|row| visit(rows, row, self.absent)),
            None => {
                let mut lines: HashMap<Option<u16>, usize> = HashMap::new();
                for row in chunk.rows() {
                    let number = number(rows, by, row);
                    let line = lines.entry(number).or_insert_with(|| self.of(number.map(|n| label(by, n)).as_deref()));
                    visit(rows, row, *line);
                }
            }
        }
    }
}

/// The rows that `params` asks for, by `by` and interval; at most `params.limit` values.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn matrix(scan: &Scan<'_>, params: &Params, by: By) -> Result<Matrix, Error> {
    let ranked = ranking::gather(scan, params, by, Whom::Nobody)?.ranked(params.limit, Guard::OFF);
    let keys: Vec<Box<str>> = ranked.rows.into_iter().map(|(key, _)| key).collect();
    let lines = Lines { named: keys.iter().cloned().zip(0..).collect(), other: keys.len(), absent: keys.len() + 1 };
    let points = usize::try_from(params.points()).unwrap_or(0);
    let mut intervals = Intervals::of(params);
    let mut tallies = vec![Tally::default(); points * (keys.len() + 2)];
    let need = by.column().map_or_else(|| with_number(Tally::need(), by), |column| Tally::need().text(column));
    for chunk in scan.chunks(&need, params.filter()) {
        lines.each(&chunk?, by, &mut |rows, row, line| {
            let point = intervals.at(rows.time(row));
            if let Some(tally) = tallies.get_mut(line * points + point).filter(|_| point < points) {
                tally.take(rows, row);
            }
        });
    }
    let line = |line: usize| tallies.get(line * points..(line + 1) * points).unwrap_or_default();
    let spare = |number: usize| {
        let tallies = line(number);
        tallies.iter().any(|tally| tally.events > 0).then(|| intervals.points(tallies))
    };
    let row = |(number, key): (usize, Box<str>)| Row {
        key: key.into(),
        events: line(number).iter().map(|tally| tally.events).sum(),
        points: intervals.points(line(number)),
    };
    let (other, absent) = (spare(lines.other), spare(lines.absent));
    Ok(Matrix {
        from: Moment(params.from),
        to: Moment(params.to),
        interval_ms: params.interval_ms,
        by: by.name(),
        rows: keys.into_iter().enumerate().map(row).collect(),
        other,
        absent,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, samples};
    use super::super::params::Question;
    use super::super::series::series;
    use super::*;

    proptest! {
        #[test]
        fn every_line_is_the_series_of_its_value(samples in samples(), chunk in 1..20usize, query in oracle::query(), limit in 1..4usize) {
            for by in [By::Name, By::Type, By::Status] {
                let params = Params { limit, ..query.params(Question::Series) };
                let parts = query.parts(&samples, chunk);
                let found = matrix(&Scan::new(&parts, 1000).unwrap(), &params, by).unwrap();
                let key = |s: &Sample| {
                    let number = if by == By::Type { Some(s.event_type.name().to_owned()) } else { s.status.map(|status| status.to_string()) };
                    if by == By::Name { s.name.clone() } else { number }
                };
                let only = |wanted: &dyn Fn(Option<&str>) -> bool| {
                    let chosen: Vec<Sample> = samples.iter().filter(|s| wanted(key(s).as_deref())).cloned().collect();
                    let parts = query.parts(&chosen, chunk);
                    series(&Scan::new(&parts, 1000).unwrap(), &params).unwrap().points
                };
                let shown: Vec<&str> = found.rows.iter().map(|row| row.key.as_str()).collect();
                for row in &found.rows {
                    let expected = only(&|key| key == Some(row.key.as_str()));
                    prop_assert_eq!(row.events, expected.iter().map(|point| point.events).sum::<u64>());
                    oracle::same_points(&row.points, &expected);
                }
                let other = only(&|key| key.is_some_and(|key| !shown.contains(&key)));
                oracle::same_points(found.other.as_deref().unwrap_or(&only(&|_| false)), &other);
                let absent = only(&|key| key.is_none());
                oracle::same_points(found.absent.as_deref().unwrap_or(&only(&|_| false)), &absent);
                let least = found.rows.last().map_or(0, |row| row.events);
                let others = samples.iter().filter_map(key).filter(|key| !shown.contains(&key.as_str()));
                for hidden in others {
                    prop_assert!(only(&|key| key == Some(hidden.as_str())).iter().map(|point| point.events).sum::<u64>() <= least);
                }
            }
        }
    }
}
