//! `geo`: the totals by country, with their users; under [disclosure control](super::disclosure).
//!
//! A user who was seen in two countries counts in both, and once in the sums.

use serde::Serialize;

use super::disclosure::{Disclosure, Guard};
use super::params::By;
use super::ranking::{self, Cell, Whom};
use super::tally::Cells;
use super::{Error, Moment, Params, Scan};

/// The answer of `geo`.
#[derive(Debug, Serialize)]
pub struct Geo {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// The busiest countries; equally busy ones in the order of their codes.
    pub countries: Vec<Country>,
    /// All that did not fit, or that too few people are from.
    pub other: Option<Others>,
    /// The events of no known country.
    pub unknown: Option<Totals>,
    /// All events; `null` when they are about too few people.
    pub total: Option<Totals>,
    /// What is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<Disclosure>,
}

/// The events of one country.
#[derive(Debug, Serialize)]
pub struct Country {
    /// ISO 3166-1 alpha-2, as the policy keeps it.
    pub country: String,
    /// Its events and users.
    #[serde(flatten)]
    pub totals: Totals,
}

/// The events of several countries.
#[derive(Debug, Serialize)]
pub struct Others {
    /// How many.
    pub countries: u64,
    /// Their events and users.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Events and users.
#[derive(Debug, Serialize)]
pub struct Totals {
    /// Number of distinct users.
    pub users: u64,
    /// The events.
    #[serde(flatten)]
    pub cells: Cells,
}

impl Totals {
    fn of(cell: &Cell) -> Totals {
        Totals { users: cell.users(), cells: cell.tally.cells() }
    }
}

/// The rows that `params` asks for, by country, at most `params.limit` of them.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn geo(scan: &Scan<'_>, params: &Params, guard: Guard) -> Result<Geo, Error> {
    let ranked = ranking::gather(scan, params, By::Country, Whom::People)?.ranked(params.limit, guard);
    let country = |(country, cell): (Box<str>, Cell)| Country { country: country.into(), totals: Totals::of(&cell) };
    Ok(Geo {
        from: Moment(params.from),
        to: Moment(params.to),
        countries: ranked.rows.into_iter().map(country).collect(),
        other: ranked.other.map(|(countries, cell)| Others { countries, totals: Totals::of(&cell) }),
        unknown: ranked.absent.as_ref().map(Totals::of),
        total: ranked.total.as_ref().map(Totals::of),
        disclosure: ranked.disclosure,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, samples, within_one_percent};
    use super::super::params::Question;
    use super::*;

    fn check(found: &Totals, rows: &[&Sample]) {
        assert_eq!(found.cells.events, rows.len() as u64);
        assert_eq!(found.cells.errors, rows.iter().filter(|s| s.is_error()).count() as u64);
        assert_eq!(found.users, oracle::distinct(rows.iter().filter_map(|s| s.user.as_deref())));
        assert!(within_one_percent(found.cells.p95_ms, oracle::quantile(&oracle::durations(rows), 0.95)));
    }

    proptest! {
        #[test]
        fn agrees_with_counting_row_by_row(samples in samples(), chunk in 1..20usize, query in oracle::query()) {
            let params = query.params(Question::Geo);
            let rows = query.matching(&samples);
            let parts = query.parts(&samples, chunk);
            let found = geo(&Scan::new(&parts, 1000).unwrap(), &params, Guard::OFF).unwrap();
            let mut groups: BTreeMap<Option<&str>, Vec<&Sample>> = BTreeMap::new();
            rows.iter().for_each(|row| groups.entry(row.country.as_deref()).or_default().push(row));
            check(&found.total.unwrap(), &rows);
            if let Some(unknown) = groups.remove(&None) {
                check(found.unknown.as_ref().unwrap(), &unknown);
            }
            prop_assert_eq!(found.countries.len(), groups.len());
            for country in &found.countries {
                check(&country.totals, &groups[&Some(country.country.as_str())]);
            }
        }

        #[test]
        fn nobody_is_singled_out(samples in samples(), chunk in 1..20usize, k in 2..6u64, limit in 1..4usize) {
            let query = oracle::Query::default();
            let params = Params { limit, ..query.params(Question::Geo) };
            let parts = query.parts(&samples, chunk);
            let found = geo(&Scan::new(&parts, 1000).unwrap(), &params, Guard::of(k)).unwrap();
            let rows = query.matching(&samples);
            let of = |country: Option<&str>| rows.iter().copied().filter(|s| s.country.as_deref() == country).collect::<Vec<_>>();
            let mut known: BTreeSet<Option<&str>> = BTreeSet::new();
            for country in &found.countries {
                prop_assert!(oracle::subjects(&of(Some(&country.country)), &rows_owned(&rows)) >= k);
                known.insert(Some(&country.country));
            }
            if found.unknown.is_some() {
                prop_assert!(oracle::subjects(&of(None), &rows_owned(&rows)) >= k);
                known.insert(None);
            }
            let hidden: Vec<&Sample> = rows.iter().copied().filter(|s| !known.contains(&s.country.as_deref())).collect();
            match (&found.total, hidden.is_empty()) {
                (Some(_), false) => prop_assert!(oracle::subjects(&hidden, &rows_owned(&rows)) >= k),
                (Some(_), true) => {}
                (None, _) => prop_assert!(found.countries.is_empty() && found.other.is_none() && found.disclosure.unwrap().withheld),
            }
        }
    }

    fn rows_owned(rows: &[&Sample]) -> Vec<Sample> {
        rows.iter().map(|s| (*s).clone()).collect()
    }
}
