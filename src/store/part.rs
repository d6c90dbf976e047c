//! What a reader holds: references to rows, and rows with some of their columns.
//!
//! A [`Part`] is taken in one moment and read later, without any lock. [`Part::load`] fetches what is needed and marks the rows that the reader
//! must not see: outside of its range, past their retention, or of a subject that is being erased.

use std::sync::Arc;

use crate::clock::Millis;

use super::Error;
use super::budget::Reservation;
use super::columns::{Columns, Spans};
use super::key::Class;
use super::need::{Need, Plain};
use super::reader::Reader;
use super::run::Run;
use super::subject::Subjects;

/// Rows that a reader may see, not yet looked at: taking it costs nothing but a reference.
#[derive(Clone)]
pub struct Part {
    source: Source,
    class: Class,
    not_before: Millis,
    from: Millis,
    to: Millis,
    hidden: Option<Arc<Subjects>>,
}

/// Where the rows are.
#[derive(Clone)]
pub(super) enum Source {
    /// In memory.
    Open(Arc<Columns>),
    /// On the disk.
    Sealed { run: Arc<Run>, reader: Arc<Reader> },
}

impl Part {
    pub(super) fn new(
        source: Source,
        class: Class,
        not_before: Millis,
        (from, to): (Millis, Millis),
        hidden: Option<Arc<Subjects>>,
    ) -> Part {
        Part { source, class, not_before, from, to, hidden }
    }

    /// Whether anything in it may be in range and not past its retention.
    pub(super) fn may_have_rows(&self) -> bool {
        self.spans().is_some_and(|spans| {
            spans.received.1 >= self.not_before && spans.time.1 >= self.from && spans.time.0 < self.to
        })
    }

    /// A part whose rows are all retained.
    #[cfg(test)]
    pub(crate) fn for_test(columns: Columns, from: Millis, to: Millis) -> Part {
        let source = Source::Open(Arc::new(columns));
        Part { source, class: Class::Mcp, not_before: Millis(i64::MIN), from, to, hidden: None }
    }

    /// The same rows as those of another class.
    #[cfg(test)]
    pub(crate) fn with_class(self, class: Class) -> Part {
        Part { class, ..self }
    }

    /// The retention class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The most rows that it can have, those included that [`Part::load`] will hide.
    pub fn rows_max(&self) -> usize {
        match &self.source {
            Source::Open(columns) => columns.len(),
            Source::Sealed { run, .. } => run.rows as usize,
        }
    }

    /// Whether its rows are on the disk.
    pub fn is_sealed(&self) -> bool {
        matches!(self.source, Source::Sealed { .. })
    }

    /// The extremes of its times, those of hidden rows included; `None` without rows.
    pub fn spans(&self) -> Option<Spans> {
        match &self.source {
            Source::Open(columns) => columns.spans(),
            Source::Sealed { run, .. } => Some(run.spans),
        }
    }

    /// The rows with the columns that are asked for. Others may be there or read as absent.
    ///
    /// # Errors
    /// [`Error::DamagedBucket`], [`Error::Erased`], [`Error::QueryMemory`], [`Error::Kv`], [`Error::Keys`]: of sealed rows only.
    pub fn load(&self, need: &Need) -> Result<Loaded, Error> {
        let limits = self.limits();
        let (columns, reservation) = match &self.source {
            Source::Open(columns) => (Arc::clone(columns), None),
            Source::Sealed { run, reader } => {
                let (columns, reservation) = reader.load(run, &limits.need(self.hidden.as_deref()).and(need))?;
                (Arc::new(columns), Some(Arc::new(reservation)))
            }
        };
        let mut hidden = self.hidden.as_ref().and_then(|subjects| subjects.rows(&columns));
        if limits.time {
            hide(&mut hidden, columns.time(), |time| time < self.from.0 || time >= self.to.0);
        }
        if limits.received {
            hide(&mut hidden, columns.received(), |received| received < self.not_before.0);
        }
        Ok(Loaded { columns, class: self.class, hidden, _reservation: reservation })
    }

    /// Which limits cut through the part.
    fn limits(&self) -> Limits {
        self.spans().map_or(Limits { time: false, received: false }, |spans| Limits {
            time: spans.time.0 < self.from || spans.time.1 >= self.to,
            received: spans.received.0 < self.not_before,
        })
    }
}

struct Limits {
    time: bool,
    received: bool,
}

impl Limits {
    /// What has to be read in order to know which rows may be seen.
    fn need(&self, hidden: Option<&Subjects>) -> Need {
        let need = hidden.map_or(Need::NONE, Subjects::need);
        let need = if self.time { need.plain(Plain::Time) } else { need };
        if self.received { need.plain(Plain::Received) } else { need }
    }
}

fn hide(hidden: &mut Option<Vec<bool>>, values: &[i64], is_out: impl Fn(i64) -> bool) {
    if values.iter().any(|value| is_out(*value)) {
        let hidden = hidden.get_or_insert_with(|| vec![false; values.len()]);
        hidden.iter_mut().zip(values).for_each(|(hidden, value)| *hidden |= is_out(*value));
    }
}

/// Rows of one part with some of their columns.
#[derive(Clone)]
pub struct Loaded {
    columns: Arc<Columns>,
    class: Class,
    /// Rows that the reader must not see; `None` when it may see all.
    hidden: Option<Vec<bool>>,
    /// What they are charged with while they are held.
    _reservation: Option<Arc<Reservation>>,
}

impl Loaded {
    /// The columns; read them only at the positions that [`Loaded::rows`] gives.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The retention class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether every row may be seen.
    pub fn is_whole(&self) -> bool {
        self.hidden.is_none()
    }

    /// Whether a reader may see this row.
    pub fn is_visible(&self, row: usize) -> bool {
        self.hidden.as_ref().is_none_or(|hidden| hidden.get(row) == Some(&false))
    }

    /// Positions of the rows in range and not past their retention.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(|row| self.is_visible(*row))
    }
}
