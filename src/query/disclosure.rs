//! Disclosure control: no number about fewer than `k` people leaves for somebody who may read aggregates only.
//!
//! Where an answer has a cell for every value of something that is linked to people (country, user, session, address, path, journey, cohort),
//! cells of fewer than `k` subjects are merged into one pool, which is shown as `other`. The pool itself must reach `k`, and must be of at
//! least two cells: otherwise total minus shown cells would tell what is hidden, so the smallest cell that could be shown joins it
//! (complementary suppression). When there is none to join, the totals are withheld with the cells. For example, with `k` = 10:
//!
//! ```text
//! subjects   DE 40  FR 12  LU 3            ─►  DE 40  other {FR LU} 15      (LU alone would be total - DE - FR)
//! subjects   DE 40  FR 12  LU 3  MT 9      ─►  DE 40  FR 12  other {LU MT} 12
//! subjects   LU 3                          ─►  withheld
//! ```
//!
//! What is hidden is decided before a limit is applied, so answers that differ by their limit only hide the same.
//!
//! What this does not do: answers about ranges that overlap can still be subtracted from one another. For that the gateway would have to
//! remember who asked what; every such question is in the audit log instead.

use serde::Serialize;

/// How many people a cell must be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    k: u64,
}

/// What an answer says of what it does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Disclosure {
    /// The least number of people that a cell is about.
    pub k: u64,
    /// How many cells were merged or left out.
    pub merged: u64,
    /// Whether the totals are left out too, since they are about too few people themselves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// Cells after disclosure control.
pub(super) struct Settled<C> {
    /// Those that may be shown one by one.
    pub shown: Vec<C>,
    /// Those that may be shown as a sum only, and not even so when `withheld`.
    pub pool: Vec<C>,
    /// Whether neither the pool nor a total that contains it may be shown.
    pub withheld: bool,
}

impl Guard {
    /// Everything is shown: to holders of `export`.
    pub const OFF: Guard = Guard { k: 1 };

    /// Cells of fewer than `k` people are not shown; 1 switches it off.
    pub fn of(k: u64) -> Guard {
        Guard { k }
    }

    /// Whether anything may be hidden.
    pub fn is_on(self) -> bool {
        self.k > 1
    }

    /// Whether a number about so many people must not be shown. Nobody is nobody's secret.
    pub(super) fn hides(self, subjects: u64) -> bool {
        self.is_on() && (1..self.k).contains(&subjects)
    }

    /// Whether a cell of so many people is shown with others only.
    pub(super) fn pools(self, subjects: u64) -> bool {
        self.is_on() && subjects < self.k
    }

    /// What an answer says; nothing when everything is shown.
    pub(super) fn told(self, merged: usize, withheld: bool) -> Option<Disclosure> {
        self.is_on().then_some(Disclosure { k: self.k, merged: merged as u64, withheld })
    }

    /// What is said instead of an answer.
    pub(super) fn withheld(self) -> Disclosure {
        Disclosure { k: self.k, merged: 0, withheld: true }
    }

    /// Divides cells into what is shown and what is pooled. `subjects` is the number of people in a cell, `together` that in several. Of
    /// equally small cells the first joins a pool, so cells come in an order that does not depend on how they were read.
    pub(super) fn settle<C>(
        self,
        cells: Vec<C>,
        subjects: impl Fn(&C) -> u64,
        together: impl Fn(&[C]) -> u64,
    ) -> Settled<C> {
        if !self.is_on() {
            return Settled { shown: cells, pool: Vec::new(), withheld: false };
        }
        // Cells of events that name nobody are pooled too: nobody knows whose they are.
        let (mut shown, mut pool): (Vec<C>, Vec<C>) = cells.into_iter().partition(|cell| subjects(cell) >= self.k);
        let is_weak = |pool: &[C]| pool.len() == 1 || !pool.is_empty() && together(pool) < self.k;
        let mut withheld = false;
        if is_weak(&pool) {
            let smallest = shown.iter().enumerate().min_by_key(|(_, cell)| subjects(cell)).map(|(index, _)| index);
            match smallest {
                Some(index) => pool.push(shown.remove(index)),
                None => withheld = true,
            }
        }
        Settled { shown, pool, withheld }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Cell = (usize, BTreeSet<u8>);

    fn union(cells: &[Cell]) -> u64 {
        cells.iter().flat_map(|(_, people)| people).collect::<BTreeSet<_>>().len() as u64
    }

    /// Whether the unknowns `hidden` that are told apart by the published sums can be computed: Gaussian elimination modulo a prime.
    fn computable(mut sums: Vec<Vec<i64>>, unknown: usize, cells: usize) -> bool {
        const P: i64 = 1_000_003;
        let power = |base: i64| {
            (0..20)
                .fold((1i64, base, P - 2), |(acc, base, e), _| {
                    (if e & 1 == 1 { acc * base % P } else { acc }, base * base % P, e >> 1)
                })
                .0
        };
        let order: Vec<usize> = (0..cells).filter(|cell| *cell != unknown).collect();
        let mut row = 0;
        for column in order {
            let Some(pivot) = (row..sums.len()).find(|r| sums[*r][column] % P != 0) else { continue };
            sums.swap(row, pivot);
            let inverse = power(sums[row][column].rem_euclid(P));
            let lead: Vec<i64> = sums[row].iter().map(|v| v.rem_euclid(P) * inverse % P).collect();
            for (r, other) in sums.iter_mut().enumerate() {
                let factor = other[column].rem_euclid(P);
                if r != row && factor != 0 {
                    other.iter_mut().zip(&lead).for_each(|(v, l)| *v = (*v - factor * l).rem_euclid(P));
                }
            }
            sums[row] = lead;
            row += 1;
        }
        sums[row..].iter().any(|sum| sum[unknown].rem_euclid(P) != 0)
    }

    proptest! {
        #[test]
        fn no_hidden_cell_of_few_people_follows_from_any_answers(
            people in proptest::collection::vec(proptest::collection::btree_set(0..30u8, 0..14), 1..8),
            k in 2..12u64,
        ) {
            let cells: Vec<Cell> = people.into_iter().enumerate().collect();
            let settled = Guard::of(k).settle(cells.clone(), |cell| cell.1.len() as u64, union);
            let count = cells.len();
            let vector = |members: &[&Cell]| {
                (0..count).map(|index| i64::from(members.iter().any(|cell| cell.0 == index))).collect::<Vec<i64>>()
            };
            // Everything that answers with any limit publish: cells up to the limit, the rest with the pool, and the total.
            let mut sums: Vec<Vec<i64>> = Vec::new();
            for limit in 0..=settled.shown.len() {
                let (first, beyond) = settled.shown.split_at(limit);
                sums.extend(first.iter().map(|cell| vector(&[cell])));
                if !settled.withheld {
                    sums.push(vector(&beyond.iter().chain(&settled.pool).collect::<Vec<_>>()));
                    sums.push(vector(&cells.iter().collect::<Vec<_>>()));
                }
            }
            for cell in cells.iter().filter(|cell| (cell.1.len() as u64) < k) {
                prop_assert!(settled.pool.iter().any(|pooled| pooled.0 == cell.0));
                prop_assert!(!computable(sums.clone(), cell.0, count), "cell {}", cell.0);
            }
            prop_assert!(settled.withheld || settled.pool.is_empty() || union(&settled.pool) >= k);
            prop_assert!(!settled.withheld || settled.shown.is_empty());
        }
    }

    #[test]
    fn the_examples_of_the_tour_hold() {
        let settle = |sizes: &[u64]| {
            let settled = Guard::of(10).settle(sizes.to_vec(), |n| *n, |cells| cells.iter().sum());
            (settled.shown, settled.pool, settled.withheld)
        };
        assert_eq!(settle(&[40, 12, 3]), (vec![40], vec![3, 12], false));
        assert_eq!(settle(&[40, 12, 3, 9]), (vec![40, 12], vec![3, 9], false));
        assert_eq!(settle(&[3]), (vec![], vec![3], true));
        assert_eq!(settle(&[3, 4]), (vec![], vec![3, 4], true));
        assert_eq!(settle(&[]), (vec![], vec![], false));
    }

    #[test]
    fn one_switches_it_off() {
        let settled = Guard::of(1).settle(vec![0u64, 1, 2], |n| *n, |cells| cells.iter().sum());
        assert_eq!((settled.shown, Guard::of(1).told(0, false)), (vec![0, 1, 2], None));
        assert!(!Guard::OFF.is_on() && !Guard::of(1).hides(1) && Guard::of(2).hides(1) && !Guard::of(2).hides(0));
    }
}
