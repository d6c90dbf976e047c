//! Gathering rows by the value of a column.
//!
//! Every chunk has a dictionary of its own. [`Groups`] keeps one entry per distinct text over all chunks; an [`Entries`] remembers, for one
//! chunk, which code leads to which entry, so that a text is hashed once per chunk and not once per row, and copied once per question.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashSet, HashTable};

use crate::store::columns::{ABSENT, Dictionary};

/// Marks a code whose entry was not looked up yet.
const UNRESOLVED: u32 = u32::MAX;

/// Distinct texts, numbered in the order of their appearance.
pub(super) type Names = Groups<()>;

/// One `T` per distinct text. Entries are numbered in the order of their appearance; the number is called a slot.
pub(super) struct Groups<T> {
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    entries: Vec<(Box<str>, T)>,
}

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Groups { index: HashTable::new(), hasher: DefaultHashBuilder::default(), entries: Vec::new() }
    }
}

impl<T> Groups<T> {
    /// The text of a slot.
    pub fn text(&self, slot: u32) -> &str {
        self.entries.get(slot as usize).map_or("", |(text, _)| text)
    }

    /// The entries by slot.
    pub fn into_entries(self) -> Vec<(Box<str>, T)> {
        self.entries
    }
}

impl<T: Default> Groups<T> {
    /// The way from a chunk's rows to the entries; `None` when no row of the chunk has a value.
    pub fn of<'g, 'c>(&'g mut self, dictionary: Option<Dictionary<'c>>) -> Option<Entries<'g, 'c, T>> {
        let dictionary = dictionary?;
        Some(Entries { slots: vec![UNRESOLVED; dictionary.len() as usize + 1], dictionary, groups: self })
    }

    /// The entry of a text, which is new from now on if it was not there.
    pub fn entry(&mut self, text: &str) -> Option<&mut T> {
        let slot = self.slot(text);
        self.entries.get_mut(slot as usize).map(|(_, entry)| entry)
    }

    /// The slot of a text, which is new from now on if it was not there.
    pub fn slot(&mut self, text: &str) -> u32 {
        let Groups { index, hasher, entries } = self;
        let text_of = |slot: &u32| entries.get(*slot as usize).map_or("", |(text, _)| text);
        let hash = hasher.hash_one(text);
        if let Some(slot) = index.find(hash, |slot| text_of(slot) == text) {
            return *slot;
        }
        let slot = entries.len() as u32;
        index.insert_unique(hash, slot, |slot| hasher.hash_one(text_of(slot)));
        entries.push((Box::from(text), T::default()));
        slot
    }
}

/// The entries of [`Groups`], by the codes of one chunk.
pub(super) struct Entries<'g, 'c, T> {
    groups: &'g mut Groups<T>,
    dictionary: Dictionary<'c>,
    slots: Vec<u32>,
}

impl<T: Default> Entries<'_, '_, T> {
    /// The entry of a row; `None` when the row has no value.
    pub fn at(&mut self, row: usize) -> Option<&mut T> {
        let slot = self.slot(row)?;
        self.groups.entries.get_mut(slot as usize).map(|(_, entry)| entry)
    }

    /// The slot of a row; `None` when the row has no value.
    pub fn slot(&mut self, row: usize) -> Option<u32> {
        let code = self.dictionary.code(row);
        let slot = self.slots.get_mut(code as usize)?;
        if *slot == UNRESOLVED {
            *slot = self.groups.slot(self.dictionary.value(code)?);
        }
        Some(*slot)
    }
}

/// One `T` per distinct number.
#[derive(Default)]
pub(super) struct Numbers<T> {
    /// Position of the number's entry plus one; 0 without one. At most 256 kB.
    slots: Vec<u32>,
    entries: Vec<(u16, T)>,
}

impl<T: Default> Numbers<T> {
    /// The entry of a number.
    pub fn at(&mut self, number: u16) -> Option<&mut T> {
        let index = usize::from(number);
        if index >= self.slots.len() {
            self.slots.resize(index + 1, 0);
        }
        let slot = self.slots.get_mut(index)?;
        if *slot == 0 {
            self.entries.push((number, T::default()));
            *slot = self.entries.len() as u32;
        }
        self.entries.get_mut(*slot as usize - 1).map(|(_, entry)| entry)
    }

    /// The entries, in no promised order.
    pub fn into_entries(self) -> Vec<(u16, T)> {
        self.entries
    }
}

/// The distinct values of a column.
#[derive(Default)]
pub(super) struct Distinct(HashSet<Box<str>>);

impl Distinct {
    /// Marks for the values of one chunk.
    pub fn marks(dictionary: Option<Dictionary<'_>>) -> Marks<'_> {
        Marks { seen: dictionary.map_or_else(Vec::new, |d| vec![false; d.len() as usize + 1]), dictionary }
    }

    /// Adds the values that were marked.
    pub fn take(&mut self, marks: &Marks<'_>) {
        let Some(dictionary) = marks.dictionary else { return };
        let codes = (ABSENT..).zip(&marks.seen).filter(|(_, seen)| **seen);
        for value in codes.filter_map(|(code, _)| dictionary.value(code)) {
            self.0.get_or_insert_with(value, |value| Box::from(value));
        }
    }

    /// Number of distinct values.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Which values of a chunk were met.
pub(super) struct Marks<'c> {
    dictionary: Option<Dictionary<'c>>,
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
