//! Typed columns in memory: the shape in which open buckets hold their rows.
//!
//! A [`Columns`] only grows. Text that repeats is kept once in a dictionary; text that does not is kept in one piece with
//! offsets. A column that no row has used costs nothing: it comes into being, with the rows before it absent, at its first value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::privacy::event::EventType;

use super::row::{Row, TEXT_COLUMNS, TextColumn};

/// The code of an absent value in a dictionary column; real values begin at 1.
pub const ABSENT: u32 = 0;

/// Rows of one bucket, column by column, in the order of arrival.
#[derive(Clone, Default)]
pub struct Columns {
    received: Vec<i64>,
    time: Vec<i64>,
    event_type: Vec<u8>,
    ok: Vec<u8>,
    session_derived: Vec<bool>,
    duration_ms: Sparse<f64>,
    status: Sparse<u16>,
    value: Sparse<f64>,
    text: [Strings; TEXT_COLUMNS],
    attributes: Pieces,
    spans: Option<Spans>,
    hasher: DefaultHashBuilder,
}

/// The first and last moments among the rows of a [`Columns`], for pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Earliest and latest arrival.
    pub received: (Millis, Millis),
    /// Earliest and latest event time.
    pub time: (Millis, Millis),
}

impl Spans {
    fn with(self, row: &Row<'_>) -> Spans {
        let widen = |(low, high): (Millis, Millis), at: Millis| (low.min(at), high.max(at));
        Spans { received: widen(self.received, row.received), time: widen(self.time, row.time) }
    }
}

impl Columns {
    /// Appends one row.
    pub fn push(&mut self, row: &Row<'_>) {
        let index = self.len();
        for (column, (strings, text)) in TextColumn::ALL.into_iter().zip(self.text.iter_mut().zip(row.text)) {
            if let Some(text) = text {
                strings.push(index, column, text, &self.hasher);
            }
        }
        self.duration_ms.push(index, row.duration_ms);
        self.status.push(index, row.status);
        self.value.push(index, row.value);
        if !row.attributes.is_empty() {
            self.attributes.push(index, row.attributes);
        }
        let first = Spans { received: (row.received, row.received), time: (row.time, row.time) };
        self.spans = Some(self.spans.unwrap_or(first).with(row));
        self.received.push(row.received.0);
        self.time.push(row.time.0);
        self.event_type.push(row.event_type.code());
        self.ok.push(row.ok.map_or(0, |ok| 1 + u8::from(ok)));
        self.session_derived.push(row.session_derived);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The extremes of the two times; `None` while there are no rows.
    pub fn spans(&self) -> Option<Spans> {
        self.spans
    }

    /// When each row was received, in milliseconds.
    pub fn received(&self) -> &[i64] {
        &self.received
    }

    /// When each row's event happened, in milliseconds.
    pub fn time(&self) -> &[i64] {
        &self.time
    }

    /// The type code of each row (see [`EventType::from_code`]).
    pub fn event_type(&self) -> &[u8] {
        &self.event_type
    }

    /// Whether each row succeeded: 0 not said, 1 no, 2 yes.
    pub fn ok(&self) -> &[u8] {
        &self.ok
    }

    /// The duration of a row in milliseconds.
    pub fn duration_ms(&self, row: usize) -> Option<f64> {
        self.duration_ms.get(row)
    }

    /// The HTTP status of a row.
    pub fn status(&self, row: usize) -> Option<u16> {
        self.status.get(row)
    }

    /// The measured value of a row.
    pub fn value(&self, row: usize) -> Option<f64> {
        self.value.get(row)
    }

    /// The text of one column in a row.
    pub fn text(&self, column: TextColumn, row: usize) -> Option<&str> {
        self.text.get(column as usize)?.get(row)
    }

    /// The dictionary form of a column that repeats (see [`TextColumn::repeats`]), for kernels that group by code.
    pub fn dictionary(&self, column: TextColumn) -> Option<Dictionary<'_>> {
        match self.text.get(column as usize)? {
            Strings::Repeating(repeating) => Some(Dictionary { codes: &repeating.codes, repeating }),
            Strings::Unused | Strings::Single(_) => None,
        }
    }

    /// The attributes of a row as a compact JSON object; empty when it has none.
    pub fn attributes(&self, row: usize) -> &str {
        self.attributes.get(row).unwrap_or("")
    }

    /// One member of a row's attributes. `path` names it from the outside in, joined by dots, as `filters.repo`; the value is the text of a
    /// string, or else compact JSON; `None` for a member that is `null` or missing.
    pub fn attribute(&self, path: &str, row: usize) -> Option<Cow<'_, str>> {
        member(self.attributes(row), path)
    }

    /// Whether a row's session was derived from address and agent.
    pub fn session_derived(&self, row: usize) -> bool {
        self.session_derived.get(row).copied().unwrap_or(false)
    }

    /// One row as a view.
    pub fn row(&self, row: usize) -> Option<Row<'_>> {
        let mut text = [None; TEXT_COLUMNS];
        for (slot, strings) in text.iter_mut().zip(&self.text) {
            *slot = strings.get(row);
        }
        Some(Row {
            received: Millis(*self.received.get(row)?),
            time: Millis(*self.time.get(row)?),
            event_type: EventType::from_code(*self.event_type.get(row)?)?,
            text,
            duration_ms: self.duration_ms(row),
            ok: match self.ok.get(row)? {
                1 => Some(false),
                2 => Some(true),
                _ => None,
            },
            status: self.status(row),
            value: self.value(row),
            attributes: self.attributes(row),
            session_derived: self.session_derived(row),
        })
    }

    /// Bytes of memory held, spare capacity included.
    pub fn bytes(&self) -> usize {
        let fixed = self.received.capacity() * 8
            + self.time.capacity() * 8
            + self.event_type.capacity()
            + self.ok.capacity()
            + self.session_derived.capacity();
        let sparse = self.duration_ms.0.capacity() * 16 + self.status.0.capacity() * 4 + self.value.0.capacity() * 16;
        size_of::<Self>()
            + fixed
            + sparse
            + self.attributes.bytes()
            + self.text.iter().map(Strings::bytes).sum::<usize>()
    }

    /// Gives spare capacity back: the rows are complete.
    pub fn shrink(&mut self) {
        self.received.shrink_to_fit();
        self.time.shrink_to_fit();
        self.event_type.shrink_to_fit();
        self.ok.shrink_to_fit();
        self.session_derived.shrink_to_fit();
        self.duration_ms.0.shrink_to_fit();
        self.status.0.shrink_to_fit();
        self.value.0.shrink_to_fit();
        self.attributes.shrink();
        self.text.iter_mut().for_each(Strings::shrink);
    }
}

/// The member of a JSON object at a dotted path; a name that itself has dots is found too.
fn member<'j>(object: &'j str, path: &str) -> Option<Cow<'j, str>> {
    let members: HashMap<Cow<'j, str>, &'j RawValue> = serde_json::from_str(object).ok()?;
    if let Some(value) = members.get(path) {
        return match value.get().as_bytes().first()? {
            b'n' => None,
            b'"' => serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0),
            _ => Some(Cow::Borrowed(value.get())),
        };
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let inner = members.get(path.get(..dot)?)?;
        member(inner.get(), path.get(dot + 1..)?)
    })
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

/// A column whose values repeat, by code.
#[derive(Clone, Copy)]
pub struct Dictionary<'c> {
    codes: &'c [u32],
    repeating: &'c Repeating,
}

impl<'c> Dictionary<'c> {
    /// The code of a row; [`ABSENT`] when it has no value.
    pub fn code(&self, row: usize) -> u32 {
        self.codes.get(row).copied().unwrap_or(ABSENT)
    }

    /// The value of a code; `None` for [`ABSENT`].
    pub fn value(&self, code: u32) -> Option<&'c str> {
        self.repeating.values.get((code as usize).checked_sub(1)?)
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

/// Fixed-size values, absent ones included, from the first present one on.
#[derive(Clone)]
struct Sparse<T>(Vec<Option<T>>);

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Sparse(Vec::new())
    }
}

impl<T: Copy> Sparse<T> {
    fn push(&mut self, row: usize, value: Option<T>) {
        if value.is_some() {
            self.0.resize(row, None);
            self.0.push(value);
        }
    }

    fn get(&self, row: usize) -> Option<T> {
        self.0.get(row).copied().flatten()
    }
}

#[derive(Clone, Default)]
enum Strings {
    #[default]
    Unused,
    Repeating(Repeating),
    Single(Pieces),
}

impl Strings {
    fn push(&mut self, row: usize, column: TextColumn, text: &str, hasher: &DefaultHashBuilder) {
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

    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Strings::Unused => None,
            Strings::Repeating(repeating) => {
                let code = repeating.codes.get(row).copied()?;
                repeating.values.get((code as usize).checked_sub(1)?)
            }
            Strings::Single(pieces) => pieces.get(row),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Strings::Unused => 0,
            Strings::Repeating(r) => r.codes.capacity() * 4 + r.values.bytes() + r.index.capacity() * 5,
            Strings::Single(pieces) => pieces.bytes(),
        }
    }

    fn shrink(&mut self) {
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
struct Repeating {
    codes: Vec<u32>,
    values: Pieces,
    index: HashTable<u32>,
}

impl Repeating {
    fn push(&mut self, row: usize, text: &str, hasher: &DefaultHashBuilder) {
        let Repeating { codes, values, index } = self;
        codes.resize(row, ABSENT);
        let hash = hasher.hash_one(text);
        let value_of = |code: u32| values.get((code as usize).wrapping_sub(1));
        if let Some(code) = index.find(hash, |code| value_of(*code) == Some(text)) {
            codes.push(*code);
            return;
        }
        let code = values.len() as u32 + 1;
        index.insert_unique(hash, code, |code| value_of(*code).map_or(0, |value| hasher.hash_one(value)));
        values.push(values.len(), text);
        codes.push(code);
    }
}

/// Texts one after the other; absent ones are empty and marked.
#[derive(Clone, Default)]
struct Pieces {
    /// Where each piece ends in `bytes`; the topmost bit marks a present one.
    ends: Vec<u32>,
    bytes: String,
}

const PRESENT: u32 = 1 << 31;

impl Pieces {
    fn push(&mut self, row: usize, text: &str) {
        let end = self.bytes.len() as u32;
        self.ends.resize(row, end);
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len() as u32 | PRESENT);
    }

    fn get(&self, row: usize) -> Option<&str> {
        let end = *self.ends.get(row)?;
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end & !PRESENT);
        if end & PRESENT == 0 { None } else { self.bytes.get(start as usize..(end & !PRESENT) as usize) }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn bytes(&self) -> usize {
        self.ends.capacity() * 4 + self.bytes.capacity()
    }

    fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Anything a row may hold: received, time, type, texts, duration, success, status.
    type Parts = (i64, i64, u8, Vec<Option<String>>, Option<f64>, Option<bool>, Option<u16>);

    /// Texts are from a small pool, so that dictionaries are hit.
    fn row_parts() -> impl Strategy<Value = Parts> {
        let text = proptest::option::weighted(0.3, "[a-cé]{0,3}");
        let texts = proptest::collection::vec(text, TEXT_COLUMNS);
        (
            0..5i64,
            0..5i64,
            1..=13u8,
            texts,
            proptest::option::of(0.0..1e9f64),
            any::<Option<bool>>(),
            any::<Option<u16>>(),
        )
    }

    proptest! {
        #[test]
        fn every_row_comes_back_as_it_went_in(parts in proptest::collection::vec(row_parts(), 0..60)) {
            let attributes: Vec<String> = (0..parts.len()).map(|n| if n % 3 == 0 { String::new() } else { format!("{{\"n\":{n}}}") }).collect();
            let rows: Vec<Row<'_>> = parts.iter().zip(&attributes).map(|(p, attributes)| Row {
                received: Millis(p.0),
                time: Millis(p.1),
                event_type: EventType::from_code(p.2).unwrap(),
                text: std::array::from_fn(|c| p.3[c].as_deref()),
                duration_ms: p.4,
                ok: p.5,
                status: p.6,
                value: p.4.map(|v| -v),
                attributes,
                session_derived: p.0 == 1,
            }).collect();
            let mut columns = Columns::default();
            rows.iter().for_each(|row| columns.push(row));
            prop_assert_eq!(columns.len(), rows.len());
            columns.shrink();
            for (index, row) in rows.iter().enumerate() {
                let read = columns.row(index).unwrap();
                prop_assert_eq!(&read, row);
            }
            prop_assert!(columns.row(rows.len()).is_none());
            let earliest = rows.iter().map(|r| r.time).min();
            prop_assert_eq!(columns.spans().map(|s| s.time.0), earliest);
        }
    }

    #[test]
    fn attributes_are_found_by_their_path() {
        let mut columns = Columns::default();
        let text = r#"{"a":"x\"y","n":1.50,"none":null,"deep":{"er":{"est":[1,"2"]},"dotted.name":true}}"#;
        columns.push(&Row { attributes: text, ..empty() });
        columns.push(&empty());
        let found = |path: &str| columns.attribute(path, 0).map(Cow::into_owned);
        assert_eq!(found("a").as_deref(), Some("x\"y"));
        assert_eq!(found("n").as_deref(), Some("1.50"));
        assert_eq!(found("deep.er.est").as_deref(), Some("[1,\"2\"]"));
        assert_eq!(found("deep.dotted.name").as_deref(), Some("true"));
        assert_eq!([found("none"), found("b"), found("a.b"), found("deep.x"), found("")], [None, None, None, None, None]);
        assert_eq!(columns.attribute("a", 1), None);
    }

    #[test]
    fn equal_texts_share_a_code() {
        let mut columns = Columns::default();
        for name in ["scan", "list", "scan"] {
            let mut row = Row { text: [None; TEXT_COLUMNS], ..empty() };
            row.text[TextColumn::Name as usize] = Some(name);
            columns.push(&row);
        }
        columns.push(&empty());
        let names = columns.dictionary(TextColumn::Name).unwrap();
        assert_eq!(names.len(), 2);
        assert_eq!([names.code(0), names.code(1), names.code(2), names.code(3)], [1, 2, 1, ABSENT]);
        assert_eq!(names.find("list"), Some(2));
        assert_eq!(names.find("lis"), None);
    }

    fn empty() -> Row<'static> {
        Row {
            received: Millis(0),
            time: Millis(0),
            event_type: EventType::Custom,
            text: [None; TEXT_COLUMNS],
            duration_ms: None,
            ok: None,
            status: None,
            value: None,
            attributes: "",
            session_derived: false,
        }
    }
}
