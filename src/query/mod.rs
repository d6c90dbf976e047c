//! The questions that dashboards ask, answered straight from columns.
//!
//! Reading order: what is asked ([`params`]), which rows are looked at ([`scan`]), how they are gathered (`group`, `tally`, [`number`]), about
//! whom they are (`subject`) and what may be told of that ([`disclosure`], [`audience`]); then a file per question, those about sums first, those about
//! sequences next, rows last; then the first users' endpoints, [`first_users`] and [`export`]; then what is asked in words of SQL: the columns as Arrow
//! arrays ([`batch`]), `filter=` ([`filter`]), queries ([`sql`]) and exports of rows ([`dump`]).
//!
//! ```text
//! key=value pairs ─► Params ─► Store::read(tenant, params.from, params.to, now) ─► Scan ─► summary | series | top | ... ─► Serialize
//! ```
//!
//! Words that every answer uses alike:
//! - an **error** is an event with `ok` false, one of type `error`, or an `http.request` that says nothing of `ok` and has a status from
//!   500 up. A status of 4xx alone is the caller's mistake, not an error;
//! - a **request** is an event of a type `mcp.*` or `http.request`;
//! - **users** are distinct values of `user`; events without one count for no user;
//! - a **session** is a run of events with the same `session` in which no two neighbours in time lie further apart than the timeout; a
//!   later event with the same value begins another session (see [`session`]);
//! - **times** are event times, not times of arrival; ranges include `from` and exclude `to`;
//! - **durations** are in milliseconds, taken over the events that have one; percentiles are within 1 % (see [`number`]).
//!
//! Invariants: one pass over the rows, one part in memory at a time; no allocation per row; memory bounded by the distinct values among
//! the rows read. Every question says which columns it looks at, and no other is read. Cells about too few people are told to holders of
//! `export` only.
//!
//! Of days whose rows are gone totals answer, and say so (`past`).
//!
//! What is missing: answers about ranges that overlap can be subtracted from one another (see [`disclosure`]).
//! This folder knows nothing of HTTP, of scopes and of the current moment: they come in as values.

pub mod params;
pub mod scan;

pub mod audience;
pub mod disclosure;
mod group;
pub mod number;
mod past;
mod subject;
mod tally;

pub mod summary;

pub mod matrix;
pub mod series;
pub mod week;

pub mod geo;
mod ranking;
pub mod top;

pub mod funnel;
pub mod journeys;
pub mod retention;
mod trail;

mod event;
pub mod listing;
pub mod session;
pub mod users;
mod visit;

pub mod export;
pub mod first_users;

pub mod batch;
pub mod dump;
pub mod filter;
pub mod sql;

#[cfg(test)]
mod oracle;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::clock::Millis;
use crate::store;

pub use params::{ParamError, Params, Question};
pub use past::Told;
pub use scan::Scan;
pub use tally::Cells;

/// The range that the first users' endpoints cover: everything retained.
pub const ALL_TIME: (Millis, Millis) = (Millis(i64::MIN), Millis(i64::MAX));

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer would need more rows than one question may read.
    #[error("more than {rows_max} events would have to be read: ask for a shorter range")]
    TooManyRows {
        /// The limit.
        rows_max: u64,
    },
    /// The caller's stop signal was given: its time is up or nobody awaits its answer.
    #[error("the question took too long and was stopped: ask for a shorter range")]
    Stopped,
    /// Sealed rows were erased while they were being read: asking again gives the answer without them.
    #[error("events were erased while they were being read: ask again")]
    Erased,
    /// `filter` cannot be applied to what is stored.
    #[error("`filter`: {0}")]
    Filter(sql::Error),
    /// Rows do not fit into the format of a file.
    #[error("events cannot be written in this format")]
    Format,
    /// Queries hold as much memory as they may.
    #[error(
        "the questions that are being answered hold as much memory as they may: ask again later, or for a shorter range"
    )]
    Memory,
    /// Stored rows cannot be read as they were written.
    #[error("stored events cannot be read")]
    Damaged(#[source] store::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        if matches!(error, store::Error::Erased) {
            Error::Erased
        } else if matches!(error, store::Error::QueryMemory) {
            Error::Memory
        } else {
            Error::Damaged(error)
        }
    }
}

/// Asks once more when rows were erased under the first attempt, which reads the store anew.
///
/// # Errors
/// Those of the last attempt.
pub fn retried<T>(attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match attempt() {
        Err(Error::Erased) => attempt(),
        answered => answered,
    }
}

/// A moment in an answer: RFC 3339 with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Millis);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_was_erased_meanwhile_is_asked_for_once_more() {
        let attempts = Cell::new(0);
        let erased_until = |last: u32| {
            attempts.set(0);
            retried(|| {
                attempts.set(attempts.get() + 1);
                if attempts.get() < last { Err(Error::from(store::Error::Erased)) } else { Ok(()) }
            })
        };
        assert!(erased_until(2).is_ok() && attempts.get() == 2);
        assert!(matches!(erased_until(3), Err(Error::Erased)) && attempts.get() == 2);
        let damaged = store::Error::DamagedBucket { what: "a checksum" };
        assert!(matches!(Error::from(damaged), Error::Damaged(_)));
    }
}
