//! `retention`: how many users come back, by when they came first; and new against returning users, period by period.
//!
//! A period is a day or a week from Monday on (UTC); the range is widened to whole ones at its beginning. A user is new in the period of the
//! first event that is retained at all, so the question looks at everything before the range too. Events without a user count for
//! nobody.
//!
//! Under [disclosure control](super::disclosure) a period with fewer than `k` new or fewer than `k` returning users tells neither (each would
//! follow from the other and the number of users, which `summary` tells), and neither do cohorts' returns of fewer than `k`.

use serde::Serialize;

use crate::clock::{DAY_MS, Millis};
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::disclosure::{Disclosure, Guard};
use super::group::Groups;
use super::series::Intervals;
use super::{Error, Moment, Params, Scan};

/// The answer of `retention`.
#[derive(Debug, Serialize)]
pub struct Retention {
    /// Start of the first period, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// `day` or `week`.
    pub period: &'static str,
    /// The periods in order of time, none left out.
    pub periods: Vec<Period>,
    /// What is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<Disclosure>,
}

/// One period and those who came first in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Period {
    /// Start of the period.
    pub start: Moment,
    /// Users who were never seen before; `null` when that is about too few.
    pub new: Option<u64>,
    /// Users who were seen before; `null` when that is about too few.
    pub returning: Option<u64>,
    /// Of the new users of this period, how many were seen in each later one.
    pub retained: Vec<Option<u64>>,
}

/// When a user was seen.
#[derive(Default)]
struct Seen {
    /// By period: whether there was an event.
    periods: u64,
    /// Whether there was one before the first period.
    before: bool,
}

/// The users of the rows that `params` asks for. The scan begins with the first event that is retained.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn retention(scan: &Scan<'_>, params: &Params, guard: Guard) -> Result<Retention, Error> {
    let mut users: Groups<Seen> = Groups::default();
    let mut intervals = Intervals::new(params.first_period(), params.period_ms);
    let count = usize::try_from(params.periods()).unwrap_or(0);
    for chunk in scan.chunks(&Need::of(&[Plain::Time], &[TextColumn::User]), params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        let Some(mut entries) = users.of(chunk.dictionary(TextColumn::User)) else { continue };
        for row in chunk.rows() {
            let Some(seen) = entries.at(row) else { continue };
            match intervals.at(rows.time(row)) {
                period if period < count => seen.periods |= 1 << period,
                _ => seen.before = true,
            }
        }
    }
    let users: Vec<Seen> = users.into_entries().into_iter().map(|(_, seen)| seen).collect();
    let mut table = Table::of(&users, count);
    let hidden = if guard.is_on() { table.hide(guard) } else { 0 };
    let period = |(number, start): (usize, i64)| Period {
        start: Moment(Millis(start)),
        new: table.new.get(number).copied().flatten(),
        returning: table.returning.get(number).copied().flatten(),
        retained: table.retained.get(number).cloned().unwrap_or_default(),
    };
    Ok(Retention {
        from: Moment(Millis(params.first_period())),
        to: Moment(params.to),
        period: if params.period_ms == DAY_MS { "day" } else { "week" },
        periods: (0..count).zip((0..).map(|number| intervals.begin(number))).map(period).collect(),
        disclosure: guard.told(hidden, false),
    })
}

/// The numbers of an answer, by period; `None` once hidden.
struct Table {
    new: Vec<Option<u64>>,
    returning: Vec<Option<u64>>,
    /// Of the new users of a period, how many were seen in each later one.
    retained: Vec<Vec<Option<u64>>>,
}

impl Table {
    fn of(users: &[Seen], count: usize) -> Table {
        let mut new = vec![0; count];
        let mut returning = vec![0; count];
        let mut retained: Vec<Vec<u64>> = (0..count).map(|period| vec![0; count - period - 1]).collect();
        for seen in users {
            let first = if seen.before { None } else { Some(seen.periods.trailing_zeros() as usize) };
            if let Some(new) = first.and_then(|first| new.get_mut(first)) {
                *new += 1;
            }
            for period in (0..count).filter(|period| seen.periods & 1 << period != 0 && first != Some(*period)) {
                add(returning.get_mut(period));
                let cohort = first.and_then(|first| Some((first, retained.get_mut(first)?)));
                add(cohort.and_then(|(first, later)| later.get_mut(period - first - 1)));
            }
        }
        let shown = |numbers: Vec<u64>| numbers.into_iter().map(Some).collect::<Vec<_>>();
        Table { new: shown(new), returning: shown(returning), retained: retained.into_iter().map(shown).collect() }
    }

    /// Hides what is about too few people, and what that would follow from; tells how many numbers are hidden.
    fn hide(&mut self, guard: Guard) -> usize {
        let few = |number: &Option<u64>| number.is_some_and(|number| guard.hides(number));
        let mut hidden: Vec<bool> = self.new.iter().zip(&self.returning).map(|(n, r)| few(n) || few(r)).collect();
        // The new users of all periods together are no secret: what is hidden of them must not be too few either.
        let together: u64 =
            self.new.iter().zip(&hidden).filter(|(_, hidden)| **hidden).filter_map(|(new, _)| *new).sum();
        if guard.hides(together) {
            let open = self.new.iter().zip(&mut hidden).filter(|(new, hidden)| !**hidden && *new != &Some(0));
            if let Some((_, hidden)) = open.min_by_key(|(new, _)| **new) {
                *hidden = true;
            }
        }
        for (period, _) in hidden.iter().enumerate().filter(|(_, hidden)| **hidden) {
            set_none(self.new.get_mut(period));
            set_none(self.returning.get_mut(period));
            self.retained.get_mut(period).into_iter().flatten().for_each(|number| set_none(Some(number)));
        }
        for period in 0..self.returning.len() {
            self.hide_returns(period, guard);
        }
        let numbers = self.new.iter().chain(&self.returning).chain(self.retained.iter().flatten());
        numbers.filter(|number| number.is_none()).count()
    }

    /// Hides the returns in one period: those of cohorts are part of all that returned, so the rest of it must not be too few either.
    fn hide_returns(&mut self, period: usize, guard: Guard) {
        let returns =
            (0..period).filter_map(|cohort| Some((self.return_of(cohort, period).copied().flatten()?, cohort)));
        let (few, shown): (Vec<_>, Vec<_>) = returns.partition(|(number, _)| guard.hides(*number));
        few.into_iter().for_each(|(_, cohort)| set_none(self.return_of_mut(cohort, period)));
        let Some(total) = self.returning.get(period).copied().flatten() else { return };
        let rest = total.saturating_sub(shown.iter().map(|(number, _)| *number).sum());
        if guard.hides(rest) {
            match shown.into_iter().filter(|(number, _)| *number > 0).min() {
                Some((_, cohort)) => set_none(self.return_of_mut(cohort, period)),
                None => [&mut self.returning, &mut self.new].into_iter().for_each(|of| set_none(of.get_mut(period))),
            }
        }
    }

    fn return_of(&self, cohort: usize, period: usize) -> Option<&Option<u64>> {
        self.retained.get(cohort)?.get(period.checked_sub(cohort + 1)?)
    }

    fn return_of_mut(&mut self, cohort: usize, period: usize) -> Option<&mut Option<u64>> {
        self.retained.get_mut(cohort)?.get_mut(period.checked_sub(cohort + 1)?)
    }
}

fn add(number: Option<&mut u64>) {
    if let Some(number) = number {
        *number += 1;
    }
}

fn set_none(number: Option<&mut Option<u64>>) {
    if let Some(number) = number {
        *number = None;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, samples};
    use super::super::params::Question;
    use super::*;

    /// Days instead of minutes, so that there are cohorts.
    fn days(samples: Vec<Sample>) -> Vec<Sample> {
        samples.into_iter().map(|s| Sample { time: s.time / 600_000 % 12 * DAY_MS + s.time % 7, ..s }).collect()
    }

    fn ask(samples: &[Sample], chunk: usize, from: i64, to: i64, guard: Guard) -> Retention {
        let parts = oracle::Query { from: i64::MIN, to, ..oracle::Query::default() }.parts(samples, chunk);
        let params = oracle::Query { from, to, ..oracle::Query::default() }.params(Question::Retention);
        retention(&Scan::new(&parts, 1000).unwrap(), &params, guard).unwrap()
    }

    proptest! {
        #[test]
        fn agrees_with_following_every_user(samples in samples(), chunk in 1..20usize, from in 0..6i64, length in 1..7i64) {
            let samples = days(samples);
            let (start, to) = (from * DAY_MS, (from + length) * DAY_MS);
            let found = ask(&samples, chunk, start + 5, to, Guard::OFF);
            prop_assert_eq!((found.from.0.0, found.periods.len() as i64), (start, length));
            let mut days: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
            for s in samples.iter().filter(|s| s.time < to) {
                if let Some(user) = &s.user {
                    days.entry(user).or_default().insert(s.time / DAY_MS);
                }
            }
            for (number, period) in (from..).zip(&found.periods) {
                let users: Vec<_> = days.values().filter(|days| days.contains(&number)).collect();
                let is_new = |days: &&&BTreeSet<i64>| days.first() == Some(&number);
                prop_assert_eq!(period.new, Some(users.iter().filter(is_new).count() as u64));
                prop_assert_eq!(period.returning, Some(users.iter().filter(|days| !is_new(days)).count() as u64));
                for (later, retained) in (number + 1..).zip(&period.retained) {
                    let expected = users.iter().filter(is_new).filter(|days| days.contains(&later)).count() as u64;
                    prop_assert_eq!(*retained, Some(expected));
                }
                prop_assert_eq!(period.retained.len() as i64, from + length - number - 1);
            }
        }

        #[test]
        fn few_users_are_nowhere_told(samples in samples(), chunk in 1..20usize, k in 2..5u64) {
            let samples = days(samples);
            let exact = ask(&samples, chunk, 0, 12 * DAY_MS, Guard::OFF);
            let found = ask(&samples, chunk, 0, 12 * DAY_MS, Guard::of(k));
            for (number, (exact, found)) in exact.periods.iter().zip(&found.periods).enumerate() {
                let numbers = [found.new, found.returning].into_iter().chain(found.retained.iter().copied());
                for shown in numbers.flatten() {
                    prop_assert!(shown == 0 || shown >= k, "{found:?}");
                }
                // The number of users of a period is no secret: the one must not give the other away.
                prop_assert_eq!(found.new.is_none(), found.returning.is_none());
                prop_assert!(found.new.is_none_or(|new| Some(new) == exact.new));
                let returns = |periods: &[Period]| {
                    (0..number).map(|cohort| periods[cohort].retained[number - cohort - 1]).collect::<Vec<_>>()
                };
                if let Some(returning) = found.returning {
                    let rest = returning - returns(&ask(&samples, chunk, 0, 12 * DAY_MS, Guard::of(k)).periods).into_iter().flatten().sum::<u64>();
                    prop_assert!(rest == 0 || rest >= k, "{rest} of {returning} in {number}");
                }
            }
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        // 1970-01-05 was a Monday.
        let at = |day: i64, user: &str| Sample { time: day * DAY_MS, user: Some(user.into()), ..Sample::default() };
        let parts = oracle::Query { from: i64::MIN, to: 18 * DAY_MS, ..oracle::Query::default() }
            .parts(&[at(4, "a"), at(10, "b"), at(11, "a")], 2);
        let mut params =
            oracle::Query { from: 6 * DAY_MS, to: 18 * DAY_MS, ..oracle::Query::default() }.params(Question::Retention);
        params.period_ms = 7 * DAY_MS;
        let found = retention(&Scan::new(&parts, 10).unwrap(), &params, Guard::OFF).unwrap();
        let told: Vec<_> =
            found.periods.iter().map(|p| (p.start.0.day(), p.new, p.returning, p.retained.clone())).collect();
        assert_eq!(told, [(4, Some(2), Some(0), vec![Some(1)]), (11, Some(0), Some(1), vec![])]);
    }
}
