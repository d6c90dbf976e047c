//! `filter=`: a SQL condition over the columns of events.
//!
//! The same words as in `POST /v1/query/sql`: columns, `attributes['a.b']`, the same functions and operators; no queries, aggregates or
//! windows. It is compiled once and evaluated part by part, over the columns that it names and no others.

use crate::clock::Millis;
use crate::store::Loaded;
use crate::store::need::Need;

use super::batch::{Reader, Source, kept};
use super::sql::{self, Predicate, need_of};

/// Rows that are looked at in one go.
const BATCH_ROWS: usize = 8192;

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

    /// For every row of a part, whether it may be seen and the condition holds.
    ///
    /// # Errors
    /// [`sql::Error::Value`] when a value does not allow what the condition does with it.
    pub fn mask(&self, loaded: &Loaded) -> Result<Vec<bool>, sql::Error> {
        let visible: Vec<u32> = loaded.rows().filter_map(|row| u32::try_from(row).ok()).collect();
        let mut mask = vec![false; loaded.columns().len()];
        let mut reader = Reader::new(loaded.clone());
        for rows in visible.chunks(BATCH_ROWS) {
            let held = self.predicate.holds(&mut reader, rows).map_err(|error| sql::Error::of_rows(&error))?;
            for row in kept(rows, &held) {
                if let Some(slot) = mask.get_mut(row as usize) {
                    *slot = true;
                }
            }
        }
        Ok(mask)
    }
}
