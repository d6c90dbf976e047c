//! `top`: the totals by a dimension, the busiest first.
//!
//! What does not fit into the limit is added up in `other`, what has no value in `absent`: rows, other and absent together are the total.
//! Dimensions that could single out a person are refused when the parameters are read.

use std::cmp::Reverse;

use serde::Serialize;

use crate::privacy::event::EventType;
use crate::store::need::Plain;
use crate::store::row::TextColumn;

use super::group::{Groups, Numbers};
use super::params::By;
use super::tally::{Cells, Tally};
use super::{Error, Moment, Params, Scan};

/// The answer of `top`.
#[derive(Debug, Serialize)]
pub struct Top {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// The dimension.
    pub by: &'static str,
    /// The busiest values; equally busy ones in the order of their keys.
    pub rows: Vec<Row>,
    /// All values that did not fit.
    pub other: Option<Other>,
    /// The events that have no value.
    pub absent: Option<Cells>,
    /// All events.
    pub total: Cells,
}

/// The events of one value.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The value.
    pub key: String,
    /// Its events.
    #[serde(flatten)]
    pub cells: Cells,
}

/// The events of all values beyond the limit.
#[derive(Debug, Serialize)]
pub struct Other {
    /// Number of distinct values.
    pub keys: u64,
    /// Their events.
    #[serde(flatten)]
    pub cells: Cells,
}

/// The rows that `params` asks for, by `params.by`, at most `params.limit` values.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn top(scan: &Scan<'_>, params: &Params) -> Result<Top, Error> {
    let (groups, absent) = match params.by {
        By::Type => by_number(scan, params, Plain::EventType)?,
        By::Status => by_number(scan, params, Plain::Status)?,
        By::Name | By::Method | By::Client | By::Server | By::Model | By::Language | By::Error => {
            by_text(scan, params, params.by.column().unwrap_or(TextColumn::Name))?
        }
    };
    Ok(answer(params, groups, absent))
}

/// The tallies by value, and that of the rows without one.
type Gathered = (Vec<(Box<str>, Tally)>, Tally);

fn by_text(scan: &Scan<'_>, params: &Params, column: TextColumn) -> Result<Gathered, Error> {
    let mut groups: Groups<Tally> = Groups::default();
    let mut absent = Tally::default();
    for chunk in scan.chunks(&Tally::need().text(column), params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        let mut entries = groups.of(chunk.dictionary(column));
        for row in chunk.rows() {
            let entry = entries.as_mut().and_then(|entries| entries.at(row));
            entry.unwrap_or(&mut absent).take(rows, row);
        }
    }
    Ok((groups.into_entries(), absent))
}

fn by_number(scan: &Scan<'_>, params: &Params, column: Plain) -> Result<Gathered, Error> {
    let mut groups: Numbers<Tally> = Numbers::default();
    let mut absent = Tally::default();
    let of_type = column == Plain::EventType;
    for chunk in scan.chunks(&Tally::need().plain(column), params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        for row in chunk.rows() {
            let number = if of_type { Some(u16::from(rows.type_code(row))) } else { rows.columns.status(row) };
            let entry = number.and_then(|number| groups.at(number));
            entry.unwrap_or(&mut absent).take(rows, row);
        }
    }
    let text = |number: u16| match u8::try_from(number).ok().and_then(EventType::from_code).filter(|_| of_type) {
        Some(event_type) => event_type.name().into(),
        None => number.to_string().into_boxed_str(),
    };
    Ok((groups.into_entries().into_iter().map(|(number, tally)| (text(number), tally)).collect(), absent))
}

fn answer(params: &Params, mut groups: Vec<(Box<str>, Tally)>, absent: Tally) -> Top {
    groups.sort_unstable_by(|(a, x), (b, y)| Reverse(x.events).cmp(&Reverse(y.events)).then_with(|| a.cmp(b)));
    let (shown, beyond) = groups.split_at(params.limit.min(groups.len()));
    let sum = |groups: &[(Box<str>, Tally)]| {
        groups.iter().fold(Tally::default(), |mut sum, (_, tally)| {
            sum.merge(tally);
            sum
        })
    };
    let rest = sum(beyond);
    let mut total = sum(shown);
    total.merge(&rest);
    total.merge(&absent);
    Top {
        from: Moment(params.from),
        to: Moment(params.to),
        by: params.by.name(),
        rows: shown.iter().map(|(key, tally)| Row { key: key.to_string(), cells: tally.cells() }).collect(),
        other: (!beyond.is_empty()).then(|| Other { keys: beyond.len() as u64, cells: rest.cells() }),
        absent: (absent.events > 0).then(|| absent.cells()),
        total: total.cells(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, close, samples, within_one_percent};
    use super::super::params::Question;
    use super::*;

    fn check(cells: &Cells, rows: &[&Sample]) {
        let durations = oracle::durations(rows);
        assert_eq!(cells.events, rows.len() as u64);
        assert_eq!(cells.errors, rows.iter().filter(|s| s.is_error()).count() as u64);
        assert_eq!(cells.last_seen.map(|m| m.0.0), rows.iter().map(|s| s.time).max());
        assert!(close(cells.mean_ms, oracle::mean(&durations)));
        assert!(within_one_percent(cells.p95_ms, oracle::quantile(&durations, 0.95)));
    }

    proptest! {
        #[test]
        fn agrees_with_counting_row_by_row(samples in samples(), chunk in 1..20usize, query in oracle::query(), limit in 1..5usize) {
            for by in [By::Name, By::Type, By::Status, By::Client] {
                let params = Params { by, limit, ..query.params(Question::Top) };
                let rows = query.matching(&samples);
                let parts = query.parts(&samples, chunk);
                let found = top(&Scan::new(&parts, 1000).unwrap(), &params).unwrap();
                let mut groups: BTreeMap<Option<String>, Vec<&Sample>> = BTreeMap::new();
                for sample in &rows {
                    let key = match by {
                        By::Type => Some(sample.event_type.name().to_owned()),
                        By::Status => sample.status.map(|s| s.to_string()),
                        By::Client => sample.client.clone().map(|c| c.0),
                        By::Name | By::Method | By::Server | By::Model | By::Language | By::Error => sample.name.clone(),
                    };
                    groups.entry(key).or_default().push(sample);
                }
                let absent = groups.remove(&None).unwrap_or_default();
                let mut groups: Vec<_> = groups.into_iter().map(|(key, rows)| (key.unwrap(), rows)).collect();
                groups.sort_by_key(|(_, rows)| Reverse(rows.len()));
                prop_assert_eq!(found.rows.len(), groups.len().min(limit));
                for (row, (key, rows)) in found.rows.iter().zip(&groups) {
                    prop_assert_eq!(&row.key, key);
                    check(&row.cells, rows);
                }
                let beyond = groups.get(limit..).unwrap_or_default();
                prop_assert_eq!(found.other.as_ref().map_or(0, |other| other.keys), beyond.len() as u64);
                if let Some(other) = &found.other {
                    check(&other.cells, &beyond.iter().flat_map(|(_, rows)| rows.iter().copied()).collect::<Vec<_>>());
                }
                check(&found.absent.clone().unwrap_or_else(|| Tally::default().cells()), &absent);
                check(&found.total, &rows);
            }
        }
    }

    #[test]
    fn has_the_promised_shape() {
        let named = |name: &str| Sample { name: Some(name.into()), duration: Some(10.0), ..Sample::default() };
        let parts = oracle::parts(&[named("scan"), named("scan"), named("list"), Sample::default()], 2);
        let params = Params { limit: 1, ..oracle::Query::default().params(Question::Top) };
        let found = top(&Scan::new(&parts, 10).unwrap(), &params).unwrap();
        let cells = |events: u64, ms: Option<f64>| serde_json::json!({"events": events, "errors": 0, "error_rate": 0.0, "mean_ms": ms, "p95_ms": ms, "last_seen": "1970-01-01T00:00:00.000Z"});
        let with = |mut cells: serde_json::Value, name: &str, value: serde_json::Value| {
            cells[name] = value;
            cells
        };
        let json = serde_json::to_value(found).unwrap();
        assert_eq!(json["by"], "name");
        assert_eq!(json["rows"], serde_json::json!([with(cells(2, Some(10.0)), "key", "scan".into())]));
        assert_eq!(json["other"], with(cells(1, Some(10.0)), "keys", 1.into()));
        assert_eq!(json["absent"], cells(1, None));
        assert_eq!(json["total"], cells(4, Some(10.0)));
    }
}
