//! `journeys`: what sessions begin with, the most common first; under [disclosure control](super::disclosure).
//!
//! A journey is the names of a session's events in the order of time, a name that follows on itself told once, cut after so many. Events
//! without a name are not told, and sessions without any name have no journey. Sessions end after the timeout, as everywhere.

use std::cmp::Reverse;

use hashbrown::HashMap;
use serde::Serialize;

use crate::store::columns::ABSENT;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::disclosure::{Disclosure, Guard};
use super::group::Names;
use super::number::rate;
use super::subject::{People, Subjects};
use super::trail::{Mark, Trails};
use super::{Error, Moment, Params, Scan};

/// The answer of `journeys`.
#[derive(Debug, Serialize)]
pub struct Journeys {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// Names that are told of a journey at most.
    pub length: usize,
    /// The most common journeys; equally common ones in the order of their names.
    pub journeys: Vec<Journey>,
    /// All that did not fit, or that too few people went.
    pub other: Option<Others>,
    /// Number of sessions that have a journey; `null` when that is about too few people.
    pub sessions: Option<u64>,
    /// What is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<Disclosure>,
}

/// One journey.
#[derive(Debug, Serialize)]
pub struct Journey {
    /// The names in order.
    pub names: Vec<String>,
    /// Number of sessions that began so.
    pub sessions: u64,
    /// The share of all sessions, 0 to 1.
    pub share: f64,
}

/// Several journeys together.
#[derive(Debug, Serialize)]
pub struct Others {
    /// How many different ones.
    pub journeys: u64,
    /// Number of sessions.
    pub sessions: u64,
}

/// A journey by the slots of its names, and who went it.
#[derive(Default)]
struct Way {
    sessions: u64,
    people: People,
}

/// The journeys in the rows that `params` asks for, at most `params.limit`.
///
/// # Errors
/// [`Error::TooManyRows`], [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn journeys(scan: &Scan<'_>, params: &Params, timeout_ms: i64, guard: Guard) -> Result<Journeys, Error> {
    let mut trails = Trails::default();
    let mut names = Names::default();
    let mut subjects = Subjects::default();
    // Name and subject of every event of a session, by the number that its mark has.
    let mut told: Vec<(u32, Option<u32>)> = Vec::new();
    let need = Need::of(&[Plain::Time], &[TextColumn::Name]).and(&Subjects::need());
    for chunk in scan.chunks(&need, params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        let Some(mut entries) = names.of(chunk.dictionary(TextColumn::Name)) else { continue };
        let mut of_chunk = subjects.of(&chunk);
        let timed = chunk.rows().map(|row| (row, rows.time(row)));
        let sessions = chunk.dictionary(TextColumn::Session);
        trails.take(sessions, timed, |row| {
            sessions.filter(|sessions| sessions.code(row) != ABSENT)?;
            told.push((entries.slot(row)?, of_chunk.at(row)));
            u32::try_from(told.len() - 1).ok()
        })?;
    }
    let mut ways: HashMap<Vec<u32>, Way> = HashMap::new();
    let of = |mark: &Mark| told.get(mark.what as usize).copied().unwrap_or_default();
    trails.each(
        |_| (),
        |marks| {
            for session in marks.chunk_by(|a, b| b.time.saturating_sub(a.time) <= timeout_ms) {
                let mut journey: Vec<u32> = session.iter().map(|mark| of(mark).0).collect();
                journey.dedup();
                journey.truncate(params.length);
                let way = ways.entry(journey).or_default();
                way.sessions += 1;
                way.people.extend(session.iter().filter_map(|mark| of(mark).1));
            }
        },
    );
    Ok(answer(params, &names, &subjects, ways, guard))
}

fn answer(params: &Params, names: &Names, subjects: &Subjects, ways: HashMap<Vec<u32>, Way>, guard: Guard) -> Journeys {
    let spelled = |slots: Vec<u32>| slots.into_iter().map(|slot| names.text(slot).to_owned()).collect::<Vec<String>>();
    let mut ways: Vec<(Vec<String>, Way)> = ways.into_iter().map(|(slots, way)| (spelled(slots), way)).collect();
    ways.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let total: u64 = ways.iter().map(|(_, way)| way.sessions).sum();
    let together = |ways: &[(Vec<String>, Way)]| {
        subjects.count(&ways.iter().flat_map(|(_, way)| way.people.iter().copied()).collect())
    };
    let mut settled = guard.settle(ways, |(_, way)| subjects.count(&way.people), together);
    settled.shown.sort_by_key(|(_, way)| Reverse(way.sessions));
    let beyond = settled.shown.split_off(params.limit.min(settled.shown.len()));
    let pool = settled.pool.iter().filter(|_| !settled.withheld);
    let others: Vec<u64> = beyond.iter().chain(pool).map(|(_, way)| way.sessions).collect();
    let journey =
        |(names, way): (Vec<String>, Way)| Journey { names, sessions: way.sessions, share: rate(way.sessions, total) };
    Journeys {
        from: Moment(params.from),
        to: Moment(params.to),
        length: params.length,
        journeys: settled.shown.into_iter().map(journey).collect(),
        other: (!others.is_empty()).then(|| Others { journeys: others.len() as u64, sessions: others.iter().sum() }),
        sessions: (!settled.withheld).then_some(total),
        disclosure: guard.told(settled.pool.len(), settled.withheld),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, TIMEOUT_MS, samples};
    use super::super::params::Question;
    use super::*;

    /// The sessions by what they begin with.
    fn naive<'s>(rows: &[&'s Sample], length: usize) -> BTreeMap<Vec<String>, Vec<oracle::Naive<'s>>> {
        let named: Vec<&Sample> = rows.iter().copied().filter(|s| s.name.is_some()).collect();
        let mut ways: BTreeMap<Vec<String>, Vec<_>> = BTreeMap::new();
        for session in oracle::sessions_by_time(&named) {
            let mut names: Vec<String> = session.rows.iter().filter_map(|s| s.name.clone()).collect();
            names.dedup();
            names.truncate(length);
            ways.entry(names).or_default().push(session);
        }
        ways
    }

    proptest! {
        #[test]
        fn agrees_with_spelling_every_session(samples in samples(), chunk in 1..20usize, length in 1..4usize, limit in 1..5usize) {
            let query = oracle::Query::default();
            let params = Params { length, limit, ..query.params(Question::Journeys) };
            let parts = query.parts(&samples, chunk);
            let found = journeys(&Scan::new(&parts, 1000).unwrap(), &params, TIMEOUT_MS, Guard::OFF).unwrap();
            let mut ways: Vec<_> = naive(&query.matching(&samples), length).into_iter().collect();
            ways.sort_by_key(|(_, sessions)| Reverse(sessions.len()));
            prop_assert_eq!(found.sessions, Some(ways.iter().map(|(_, sessions)| sessions.len() as u64).sum()));
            let told: Vec<_> = found.journeys.iter().map(|j| (j.names.clone(), j.sessions)).collect();
            let expected: Vec<_> = ways.iter().take(limit).map(|(names, sessions)| (names.clone(), sessions.len() as u64)).collect();
            prop_assert_eq!(told, expected);
            let beyond = ways.get(limit..).unwrap_or_default();
            prop_assert_eq!(found.other.map_or(0, |other| other.journeys), beyond.len() as u64);
        }

        #[test]
        fn a_way_that_few_went_is_not_told(samples in samples(), chunk in 1..20usize, k in 2..5u64) {
            let query = oracle::Query::default();
            let params = Params { length: 2, limit: 100, ..query.params(Question::Journeys) };
            let parts = query.parts(&samples, chunk);
            let found = journeys(&Scan::new(&parts, 1000).unwrap(), &params, TIMEOUT_MS, Guard::of(k)).unwrap();
            let rows = query.matching(&samples);
            let ways = naive(&rows, 2);
            let read: Vec<Sample> = rows.iter().filter(|s| s.name.is_some() && s.session.is_some()).map(|s| (*s).clone()).collect();
            for journey in &found.journeys {
                let went: Vec<&Sample> = ways[&journey.names].iter().flat_map(|session| session.rows.iter().copied()).collect();
                prop_assert!(oracle::subjects(&went, &read) >= k);
            }
        }
    }
}
