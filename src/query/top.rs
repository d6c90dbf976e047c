//! `top`: the totals by a dimension, the busiest first.
//!
//! What does not fit into the limit is added up in `other`, what has no value in `absent`: rows, other and absent together are the total.
//! Dimensions that could single out a person are under [disclosure control](super::disclosure).

use serde::Serialize;

use super::disclosure::{Disclosure, Guard};
use super::params::By;
use super::past::{Past, Told};
use super::ranking::{self, Cell, Whom};
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
    /// All values that did not fit, or that too few people have.
    pub other: Option<Other>,
    /// The events that have no value.
    pub absent: Option<Cells>,
    /// All events; `null` when they are about too few people.
    pub total: Option<Cells>,
    /// Which days are known by their totals only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollups: Option<Told>,
    /// What is not shown, where the dimension is linked to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<Disclosure>,
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

/// The events of all values that are not in a row of their own.
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
pub fn top(scan: &Scan<'_>, params: &Params, guard: Guard) -> Result<Top, Error> {
    let by = params.by.unwrap_or(By::Name);
    let guard = if by.is_subject_linked() { guard } else { Guard::OFF };
    let whom = if guard.is_on() { Whom::People } else { Whom::Nobody };
    let mut gathered = ranking::gather(scan, params, by, whom)?;
    let past = if by == By::Name {
        Past::by_name(scan.past(), params)
    } else {
        // Of other dimensions nothing is kept.
        Past::by_day(if by == By::Type { scan.past() } else { &[] }, params)
    };
    for cell in past.cells() {
        let key = if by == By::Type { Some(cell.event_type.name()) } else { cell.name.as_deref() };
        gathered.add(key, &Tally::of_cell(cell));
    }
    let ranked = gathered.ranked(params.limit, guard);
    let row = |(key, cell): (Box<str>, Cell)| Row { key: key.into(), cells: cell.tally.cells() };
    Ok(Top {
        from: Moment(params.from),
        to: Moment(params.to),
        by: by.name(),
        rows: ranked.rows.into_iter().map(row).collect(),
        other: ranked.other.map(|(keys, cell)| Other { keys, cells: cell.tally.cells() }),
        absent: ranked.absent.map(|cell| cell.tally.cells()),
        total: ranked.total.map(|cell| cell.tally.cells()),
        rollups: past.told(),
        disclosure: ranked.disclosure,
    })
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, close, samples, within_one_percent};
    use super::super::params::Question;
    use super::super::tally::Tally;
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
            for by in [By::Name, By::Type, By::Status, By::Client, By::User] {
                let params = Params { by: Some(by), limit, ..query.params(Question::Top) };
                let rows = query.matching(&samples);
                let parts = query.parts(&samples, chunk);
                let found = top(&Scan::new(&parts, 1000).unwrap(), &params, Guard::OFF).unwrap();
                let mut groups: BTreeMap<Option<String>, Vec<&Sample>> = BTreeMap::new();
                for sample in &rows {
                    let key = if by == By::Type {
                        Some(sample.event_type.name().to_owned())
                    } else if by == By::Status {
                        sample.status.map(|s| s.to_string())
                    } else if by == By::Client {
                        sample.client.clone().map(|c| c.0)
                    } else if by == By::User {
                        sample.user.clone()
                    } else {
                        sample.name.clone()
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
                check(&found.total.unwrap(), &rows);
            }
        }
    }

    #[test]
    fn has_the_promised_shape() {
        let named = |name: &str| Sample { name: Some(name.into()), duration: Some(10.0), ..Sample::default() };
        let parts = oracle::parts(&[named("scan"), named("scan"), named("list"), Sample::default()], 2);
        let params = Params { limit: 1, ..oracle::Query::default().params(Question::Top) };
        let found = top(&Scan::new(&parts, 10).unwrap(), &params, Guard::of(10)).unwrap();
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
