//! What is known of days whose rows are gone: the totals that outlived them.
//!
//! They answer `summary`, `top` by name or type, and `series` without `by`, as far as whole days lie in the range and as far as what was asked can be
//! told of totals: filters by type and name can, all others cannot. The answer then says so ([`Told`]), for two things are less exact than rows: a day counts
//! only as a whole, and distinct users and sessions are added up by day and bucket, so that the sum is an upper bound.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::clock::{DAY_MS, HOUR_MS, Millis};
use crate::store::rollup::{Cell, Rollup, Scope};

use super::tally::Tally;
use super::{Moment, Params};

/// Totals that a question may use.
pub(super) struct Past<'r> {
    cells: Vec<&'r Cell>,
}

/// That an answer uses totals of days whose rows are gone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// The first such day.
    pub from: Moment,
    /// The end of the last.
    pub to: Moment,
    /// How many days.
    pub days: u64,
    /// What is less exact for it.
    pub note: &'static str,
}

const NOTE: &str = "rows of these days are gone: whole days are counted, users and sessions are upper bounds";

impl<'r> Past<'r> {
    /// The cells of `rollups` that answer `params` with days as the finest unit.
    pub fn by_day(rollups: &'r [Rollup], params: &Params) -> Past<'r> {
        let scopes: &[Scope] = if params.name.is_some() { &[Scope::NameDay] } else { &[Scope::Total] };
        Past::of(rollups, params, scopes, DAY_MS)
    }

    /// Those that name what was counted, and what was counted without a name.
    pub fn by_name(rollups: &'r [Rollup], params: &Params) -> Past<'r> {
        Past::of(rollups, params, &[Scope::NameDay, Scope::Other], DAY_MS)
    }

    /// Those for points of a series: days when its points are whole days, else hours, which are known of names only.
    pub fn by_interval(rollups: &'r [Rollup], params: &Params) -> Past<'r> {
        if params.interval_ms % DAY_MS == 0 {
            Past::by_day(rollups, params)
        } else if params.interval_ms % HOUR_MS == 0 && params.name.is_some() {
            Past::of(rollups, params, &[Scope::NameHour], HOUR_MS)
        } else {
            Past { cells: Vec::new() }
        }
    }

    fn of(rollups: &'r [Rollup], params: &Params, scopes: &[Scope], length_ms: i64) -> Past<'r> {
        if params.session.is_some() || params.condition.is_some() {
            return Past { cells: Vec::new() };
        }
        let is_asked_for = |cell: &&Cell| {
            scopes.contains(&cell.scope)
                && params.event_type.is_none_or(|event_type| event_type == cell.event_type)
                && params.name.as_ref().is_none_or(|name| cell.name.as_ref() == Some(name))
                && cell.start >= params.from
                && cell.start.plus(length_ms) <= params.to
        };
        Past { cells: rollups.iter().flat_map(|rollup| &rollup.cells).filter(is_asked_for).collect() }
    }

    /// The cells.
    pub fn cells(&self) -> impl Iterator<Item = &'r Cell> + '_ {
        self.cells.iter().copied()
    }

    /// What the answer says of them; `None` when there is none.
    pub fn told(&self) -> Option<Told> {
        let days: BTreeSet<i64> = self.cells.iter().map(|cell| cell.start.day()).collect();
        let (first, last) = (days.first()?, days.last()?);
        let at = |day: i64| Moment(Millis(day * DAY_MS));
        Some(Told { from: at(*first), to: at(last + 1), days: days.len() as u64, note: NOTE })
    }
}

impl Tally {
    /// What a cell has counted.
    pub(super) fn of_cell(cell: &Cell) -> Tally {
        let counted = &cell.counted;
        Tally::counted(counted.events, counted.errors, counted.durations.clone(), counted.newest)
    }
}
