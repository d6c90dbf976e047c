//! `geo`: the totals by country or by region, with their users; under [disclosure control](super::disclosure).
//!
//! A user who was seen in two places counts in both, and once in the sums. Regions are there only where the policy keeps them; they lie among the
//! attributes, so this is a slower question than that by country. An event whose region is not known counts under its country; so do all of a country
//! if too few people are in one of its regions, since the country's number is open to the same reader.

use serde::Serialize;

use crate::privacy::geo::REGION_ATTRIBUTE;
use crate::store::row::TextColumn;

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
    /// The busiest countries; equally busy ones in the order of their codes. Absent when regions were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countries: Option<Vec<Country>>,
    /// The busiest regions, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<Region>>,
    /// All that did not fit, or that too few people are from.
    pub other: Option<Others>,
    /// The events of no known place.
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

/// The events of one region.
#[derive(Debug, Serialize)]
pub struct Region {
    /// ISO 3166-2, or ISO 3166-1 for events of no known region, and for countries with a region of too few people.
    pub region: String,
    /// Its events and users.
    #[serde(flatten)]
    pub totals: Totals,
}

/// The events of several places.
#[derive(Debug, Serialize)]
pub struct Others {
    /// How many, if countries were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countries: Option<u64>,
    /// How many, if regions were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<u64>,
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

/// The rows that `params` asks for, by country or region, at most `params.limit` of them.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn geo(scan: &Scan<'_>, params: &Params, guard: Guard) -> Result<Geo, Error> {
    let ranked = match params.by_region {
        false => ranking::gather(scan, params, By::Country, Whom::People)?.ranked(params.limit, guard),
        true => ranking::gather_attribute(scan, params, REGION_ATTRIBUTE, TextColumn::Country)?.ranked_by_parts(
            params.limit,
            guard,
            country_of,
        ),
    };
    let rows = ranked.rows.into_iter().map(|(code, cell)| (String::from(code), Totals::of(&cell)));
    let (mut countries, mut regions) = (None, None);
    match params.by_region {
        false => countries = Some(rows.map(|(country, totals)| Country { country, totals }).collect()),
        true => regions = Some(rows.map(|(region, totals)| Region { region, totals }).collect()),
    }
    let other = |(count, cell): (u64, Cell)| Others {
        countries: (!params.by_region).then_some(count),
        regions: params.by_region.then_some(count),
        totals: Totals::of(&cell),
    };
    Ok(Geo {
        from: Moment(params.from),
        to: Moment(params.to),
        countries,
        regions,
        other: ranked.other.map(other),
        unknown: ranked.absent.as_ref().map(Totals::of),
        total: ranked.total.as_ref().map(Totals::of),
        disclosure: ranked.disclosure,
    })
}

fn country_of(region: &str) -> &str {
    region.split_once('-').map_or(region, |(country, _)| country)
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

    /// Whatever is hidden, nothing is learnt of a region by comparing the answer with that by country.
    #[test]
    fn regions_of_too_few_people_are_told_as_their_country() {
        let person = |n: u32, country: &str, region: &str| Sample {
            user: Some(format!("u{n}")),
            country: Some(country.to_owned()),
            attributes: if region.is_empty() {
                String::new()
            } else {
                format!(r#"{{"geo.region.iso_code":"{region}"}}"#)
            },
            ..Sample::default()
        };
        let crowds = [
            ("DE", "DE-BY", 9),
            ("DE", "DE-HH", 4),
            ("DE", "", 6),
            ("FR", "FR-75C", 8),
            ("FR", "FR-69", 7),
            ("JP", "JP-13", 9),
            ("LU", "LU-LU", 6),
        ];
        let mut samples = Vec::new();
        for (country, region, people) in crowds {
            let first = samples.len() as u32;
            samples.extend((first..first + people).map(|n| person(n, country, region)));
        }
        let query = oracle::Query::default();
        let parts = query.parts(&samples, 4);
        let scan = Scan::new(&parts, 1000).unwrap();
        let by = |by_region, guard| geo(&scan, &Params { by_region, ..query.params(Question::Geo) }, guard).unwrap();
        let names = |guard| by(true, guard).regions.unwrap().into_iter().map(|r| r.region).collect::<Vec<_>>();
        assert_eq!(names(Guard::OFF), ["DE-BY", "JP-13", "FR-75C", "FR-69", "DE", "LU-LU", "DE-HH"]);
        assert_eq!(names(Guard::of(5)), ["DE", "JP-13", "FR-75C", "FR-69", "LU-LU"]);
        assert_eq!(names(Guard::of(7)), ["DE", "FR-75C", "FR-69"], "LU is hidden, and JP with it");
        for k in 2..12 {
            let (regions, countries) = (by(true, Guard::of(k)), by(false, Guard::of(k)));
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            for Region { region, totals } in regions.regions.unwrap() {
                *sums.entry(country_of(&region).to_owned()).or_default() += totals.cells.events;
            }
            let whole = countries.countries.unwrap().into_iter().map(|c| (c.country, c.totals.cells.events));
            assert_eq!(sums, whole.collect(), "k = {k}");
        }
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
            let countries = found.countries.unwrap();
            prop_assert_eq!(countries.len(), groups.len());
            for country in &countries {
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
            let countries = found.countries.unwrap();
            for country in &countries {
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
                (None, _) => prop_assert!(countries.is_empty() && found.other.is_none() && found.disclosure.unwrap().withheld),
            }
        }
    }

    fn rows_owned(rows: &[&Sample]) -> Vec<Sample> {
        rows.iter().map(|s| (*s).clone()).collect()
    }
}
