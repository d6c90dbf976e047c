//! What is counted of a set of events, and how it is shown.

use serde::Serialize;

use crate::clock::Millis;
use crate::store::need::{Need, Plain};

use super::Moment;
use super::number::{Sketch, rate, round};
use super::scan::{View, error_need};

/// Decimals of milliseconds in answers: microseconds.
pub(super) const MS_DECIMALS: i32 = 3;

/// Counts, errors, durations and the newest moment of some events.
#[derive(Clone)]
pub(super) struct Tally {
    pub events: u64,
    pub errors: u64,
    pub durations: Sketch,
    newest: i64,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { events: 0, errors: 0, durations: Sketch::default(), newest: i64::MIN }
    }
}

impl Tally {
    /// What was counted elsewhere.
    pub fn counted(events: u64, errors: u64, durations: Sketch, newest: Millis) -> Tally {
        Tally { events, errors, durations, newest: newest.0 }
    }

    /// The columns that it looks at.
    pub fn need() -> Need {
        error_need().plain(Plain::Time).plain(Plain::Duration)
    }

    /// Counts one row.
    #[inline]
    pub fn take(&mut self, rows: View<'_>, row: usize) {
        self.events += 1;
        self.errors += u64::from(rows.is_error(row));
        self.newest = self.newest.max(rows.time(row));
        if let Some(duration) = rows.columns.duration_ms(row) {
            self.durations.insert(duration);
        }
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Tally) {
        self.events += other.events;
        self.errors += other.errors;
        self.newest = self.newest.max(other.newest);
        self.durations.merge(&other.durations);
    }

    /// The tally as it is shown.
    pub fn cells(&self) -> Cells {
        Cells {
            events: self.events,
            errors: self.errors,
            error_rate: rate(self.errors, self.events),
            mean_ms: shown(self.durations.mean()),
            p95_ms: shown(self.durations.quantile(0.95)),
            last_seen: (self.events > 0).then_some(Moment(Millis(self.newest))),
        }
    }
}

/// Milliseconds as they are shown.
pub(super) fn shown(milliseconds: Option<f64>) -> Option<f64> {
    milliseconds.map(|value| round(value, MS_DECIMALS))
}

/// What an answer says of a set of events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cells {
    /// Number of events.
    pub events: u64,
    /// Number of those that are errors.
    pub errors: u64,
    /// `errors / events`, 0 to 1; 0 without events.
    pub error_rate: f64,
    /// Mean duration in milliseconds of the events that have one.
    pub mean_ms: Option<f64>,
    /// 95th percentile of the same, within 1 %.
    pub p95_ms: Option<f64>,
    /// When the newest event happened.
    pub last_seen: Option<Moment>,
}
