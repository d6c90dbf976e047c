//! Gathering rows by the value of a column.
//!
//! Every chunk has a dictionary of its own. [`Groups`] keeps one entry per distinct text over all chunks; an [`Entries`] remembers, for one
//! chunk, which code leads to which entry, so that a text is hashed once per chunk and not once per row.

use hashbrown::{HashMap, HashSet};

use crate::store::columns::{ABSENT, Dictionary};

/// Marks a code whose entry was not looked up yet.
const UNRESOLVED: u32 = u32::MAX;

/// One `T` per distinct text.
pub(super) struct Groups<'p, T> {
    index: HashMap<&'p str, u32>,
    entries: Vec<(&'p str, T)>,
}

impl<T> Default for Groups<'_, T> {
    fn default() -> Self {
        Groups { index: HashMap::new(), entries: Vec::new() }
    }
}

impl<'p, T: Default> Groups<'p, T> {
    /// The way from a chunk's rows to the entries; `None` when no row of the chunk has a value.
    pub fn of(&mut self, dictionary: Option<Dictionary<'p>>) -> Option<Entries<'_, 'p, T>> {
        let dictionary = dictionary?;
        Some(Entries { slots: vec![UNRESOLVED; dictionary.len() as usize + 1], dictionary, groups: self })
    }

    /// The entries, in no promised order.
    pub fn into_entries(self) -> Vec<(&'p str, T)> {
        self.entries
    }

    fn slot(&mut self, value: &'p str) -> u32 {
        *self.index.entry(value).or_insert_with(|| {
            self.entries.push((value, T::default()));
            self.entries.len() as u32 - 1
        })
    }
}

/// The entries of [`Groups`], by the codes of one chunk.
pub(super) struct Entries<'g, 'p, T> {
    groups: &'g mut Groups<'p, T>,
    dictionary: Dictionary<'p>,
    slots: Vec<u32>,
}

impl<T: Default> Entries<'_, '_, T> {
    /// The entry of a row; `None` when the row has no value.
    pub fn at(&mut self, row: usize) -> Option<&mut T> {
        let code = self.dictionary.code(row);
        let slot = self.slots.get_mut(code as usize)?;
        if *slot == UNRESOLVED {
            *slot = self.groups.slot(self.dictionary.value(code)?);
        }
        self.groups.entries.get_mut(*slot as usize).map(|(_, entry)| entry)
    }
}

/// The distinct values of a column.
#[derive(Default)]
pub(super) struct Distinct<'p>(HashSet<&'p str>);

impl<'p> Distinct<'p> {
    /// Marks for the values of one chunk.
    pub fn marks(dictionary: Option<Dictionary<'p>>) -> Marks<'p> {
        Marks { seen: dictionary.map_or_else(Vec::new, |d| vec![false; d.len() as usize + 1]), dictionary }
    }

    /// Adds the values that were marked.
    pub fn take(&mut self, marks: &Marks<'p>) {
        let Some(dictionary) = marks.dictionary else { return };
        let codes = (ABSENT..).zip(&marks.seen).filter(|(_, seen)| **seen);
        self.0.extend(codes.filter_map(|(code, _)| dictionary.value(code)));
    }

    /// Number of distinct values.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Which values of a chunk were met.
pub(super) struct Marks<'p> {
    dictionary: Option<Dictionary<'p>>,
    seen: Vec<bool>,
}

impl Marks<'_> {
    /// Marks the value of a row.
    pub fn mark(&mut self, row: usize) {
        let code = self.dictionary.map_or(ABSENT, |dictionary| dictionary.code(row));
        if let Some(seen) = self.seen.get_mut(code as usize) {
            *seen = true;
        }
    }
}
