//! Text columns in memory: values kept once with a code a row, or pieces one after the other.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::super::row::TextColumn;

/// The code of an absent value in a dictionary column; real values begin at 1.
pub const ABSENT: u32 = 0;

/// A column whose values repeat, by code.
#[derive(Clone, Copy)]
pub struct Dictionary<'c> {
    repeating: &'c Repeating,
}

impl<'c> Dictionary<'c> {
    /// The code of a row; [`ABSENT`] when it has no value.
    pub fn code(&self, row: usize) -> u32 {
        self.repeating.codes.get(row).copied().unwrap_or(ABSENT)
    }

    /// The value of a code; `None` for [`ABSENT`].
    pub fn value(&self, code: u32) -> Option<&'c str> {
        self.repeating.value(code)
    }

    /// The code of a value, if any row has it.
    pub fn find(&self, value: &str) -> Option<u32> {
        (1..=self.len()).find(|code| self.value(*code) == Some(value))
    }

    /// Number of distinct values; codes run from 1 to this.
    pub fn len(&self) -> u32 {
        self.repeating.values.len() as u32
    }

    /// Whether no row has a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One text column.
#[derive(Clone, Default)]
pub(in crate::store) enum Strings {
    /// No row has a value.
    #[default]
    Unused,
    /// Values repeat.
    Repeating(Repeating),
    /// They do not, or nobody has looked yet.
    Single(Pieces),
}

impl Strings {
    pub(in crate::store) fn push(&mut self, row: usize, column: TextColumn, text: &str, hasher: &DefaultHashBuilder) {
        if matches!(self, Strings::Unused) {
            *self = if column.repeats() {
                Strings::Repeating(Repeating::default())
            } else {
                Strings::Single(Pieces::default())
            };
        }
        match self {
            Strings::Unused => {}
            Strings::Repeating(repeating) => repeating.push(row, text, hasher),
            Strings::Single(pieces) => pieces.push(row, text),
        }
    }

    pub(in crate::store) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Strings::Unused => None,
            Strings::Repeating(repeating) => repeating.get(row),
            Strings::Single(pieces) => pieces.get(row),
        }
    }

    pub(in crate::store) fn dictionary(&self) -> Option<Dictionary<'_>> {
        match self {
            Strings::Repeating(repeating) => Some(Dictionary { repeating }),
            Strings::Unused | Strings::Single(_) => None,
        }
    }

    pub(in crate::store) fn bytes(&self) -> usize {
        match self {
            Strings::Unused => 0,
            Strings::Repeating(repeating) => repeating.bytes(),
            Strings::Single(pieces) => pieces.bytes(),
        }
    }

    pub(in crate::store) fn shrink(&mut self) {
        match self {
            Strings::Unused => {}
            Strings::Repeating(repeating) => {
                repeating.codes.shrink_to_fit();
                repeating.values.shrink();
                // Only growing needs the index.
                repeating.index = HashTable::new();
            }
            Strings::Single(pieces) => pieces.shrink(),
        }
    }
}

/// Values kept once, and a code per row.
#[derive(Clone, Default)]
pub(in crate::store) struct Repeating {
    pub(super) codes: Vec<u32>,
    pub(super) values: Pieces,
    index: HashTable<Entry>,
}

/// A value in the index: enough of its hash to tell it from most others, and to move it, without looking at its text.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    code: u32,
}

impl Entry {
    /// The hash that the index goes by.
    #[inline]
    fn place(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Repeating {
    /// A column that will not grow.
    pub(super) fn new(codes: Vec<u32>, values: Pieces) -> Repeating {
        Repeating { codes, values, index: HashTable::new() }
    }

    fn push(&mut self, row: usize, text: &str, hasher: &DefaultHashBuilder) {
        self.codes.resize(row, ABSENT);
        let code = self.code_of(text, hasher);
        self.codes.push(code);
    }

    /// The code of a value; a new one if need be.
    pub(super) fn code_of(&mut self, text: &str, hasher: &DefaultHashBuilder) -> u32 {
        let Repeating { values, index, .. } = self;
        let hash = (hasher.hash_one(text) >> 32) as u32;
        let is_same = |entry: &Entry| entry.hash == hash && values.get(entry.code as usize - 1) == Some(text);
        if let Some(entry) = index.find(Entry::place(hash), is_same) {
            return entry.code;
        }
        let code = values.len() as u32 + 1;
        index.insert_unique(Entry::place(hash), Entry { hash, code }, |entry| Entry::place(entry.hash));
        values.push(values.len(), text);
        code
    }

    /// The value of a code.
    pub(super) fn value(&self, code: u32) -> Option<&str> {
        self.values.get((code as usize).checked_sub(1)?)
    }

    /// The value of a row.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.value(*self.codes.get(row)?)
    }

    pub(super) fn bytes(&self) -> usize {
        self.codes.capacity() * 4 + self.values.bytes() + self.index.capacity() * 9
    }
}

/// Texts one after the other; absent ones are empty and marked.
#[derive(Clone, Default, Debug, PartialEq)]
pub(in crate::store) struct Pieces {
    /// Where each piece ends in `bytes`; the topmost bit marks a present one.
    ends: Vec<u32>,
    bytes: String,
}

const PRESENT: u32 = 1 << 31;

impl Pieces {
    /// Appends the piece of a row; rows before it that have none are absent.
    pub(in crate::store) fn push(&mut self, row: usize, text: &str) {
        let end = self.bytes.len() as u32;
        self.ends.resize(row, end);
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len() as u32 | PRESENT);
    }

    /// Pieces that are all present, cut where they end; `None` when an end is out of order or within a character.
    pub(super) fn cut(bytes: String, mut ends: Vec<u32>) -> Option<Pieces> {
        let mut before = 0;
        for end in &mut ends {
            if *end < before || !bytes.is_char_boundary(*end as usize) {
                return None;
            }
            before = *end;
            *end |= PRESENT;
        }
        (before as usize == bytes.len() && before < PRESENT).then_some(Pieces { ends, bytes })
    }

    /// Room for so many rows with so much text.
    pub(super) fn with_capacity(rows: usize, bytes: usize) -> Pieces {
        Pieces { ends: Vec::with_capacity(rows), bytes: String::with_capacity(bytes) }
    }

    /// Makes room for so many more bytes of text.
    pub(in crate::store) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// The piece of a row.
    pub(in crate::store) fn get(&self, row: usize) -> Option<&str> {
        let end = *self.ends.get(row)?;
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end & !PRESENT);
        if end & PRESENT == 0 { None } else { self.bytes.get(start as usize..(end & !PRESENT) as usize) }
    }

    /// Number of rows.
    pub(in crate::store) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Length of all texts together.
    pub(in crate::store) fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The texts of rows that have one.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|row| self.get(row))
    }

    pub(in crate::store) fn bytes(&self) -> usize {
        self.ends.capacity() * 4 + self.bytes.capacity()
    }

    pub(in crate::store) fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }
}
