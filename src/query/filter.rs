//! `filter=`: a SQL condition over the columns of events.
//!
//! The same words as in `POST /v1/query/sql`: columns, `attributes['a.b']`, the same functions and operators; no queries, aggregates or
//! windows. It is compiled once and evaluated part by part, over the columns that it names and no others.

use crate::clock::Millis;
use crate::store::Loaded;
use crate::store::need::Need;

use super::Error;
use super::batch::{Reader, Source, kept};
use super::sql::{self, Predicate, need_of};

/// Rows that are looked at in one go: so few that a condition that takes its time with each can be stopped within a moment.
const BATCH_ROWS: usize = 512;

/// A condition. No `Display`: it may name a person.
pub struct RowFilter {
    predicate: Predicate,
    need: Need,
    subject_linked: bool,
}

impl RowFilter {
    /// Compiles a condition, in which `now()` is `now`.
    ///
    /// # Errors
    /// What is wrong with it and where, never its words.
    pub fn parse(text: &str, now: Millis) -> Result<RowFilter, sql::Error> {
        let predicate = sql::condition(text, now)?;
        let need = need_of(predicate.sources());
        let subject_linked = predicate.sources().iter().any(Source::is_subject_linked);
        Ok(RowFilter { predicate, need, subject_linked })
    }

    /// The columns that it looks at.
    pub fn need(&self) -> &Need {
        &self.need
    }

    /// Whether an answer under it could be about one person: it looks at who somebody is, or at free text.
    pub fn is_subject_linked(&self) -> bool {
        self.subject_linked
    }

    /// For every row of a part, whether it may be seen and the condition holds; `stop()` is asked now and then.
    ///
    /// # Errors
    /// [`sql::Error::Value`] when a value does not allow what the condition does with it, [`Error::Stopped`].
    pub fn mask(&self, loaded: &Loaded, stop: &dyn Fn() -> bool) -> Result<Vec<bool>, Error> {
        let visible: Vec<u32> = loaded.rows().filter_map(|row| u32::try_from(row).ok()).collect();
        let mut mask = vec![false; loaded.columns().len()];
        let mut reader = Reader::new(loaded.clone());
        for rows in visible.chunks(BATCH_ROWS) {
            if stop() {
                return Err(Error::Stopped);
            }
            let held = self.predicate.holds(&mut reader, rows);
            let held = held.map_err(|error| Error::Filter(sql::Error::of_rows(&error)))?;
            for row in kept(rows, &held) {
                if let Some(slot) = mask.get_mut(row as usize) {
                    *slot = true;
                }
            }
        }
        Ok(mask)
    }
}
