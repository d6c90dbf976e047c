//! Typed columns in memory: what every reader of rows reads.
//!
//! The [`Columns`] of an open bucket only grow; those of a sealed run are put together from decoded blocks (see [`super::column`]) and never change. Text that repeats is kept once in a dictionary; text that does not is kept in one piece with
//! offsets. A column that no row has used costs nothing: it comes into being, with the rows before it absent, at its first value.

use std::borrow::Cow;
use std::collections::HashMap;

use hashbrown::DefaultHashBuilder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::privacy::event::EventType;

use super::column::held::{Held, Sparse};
use super::column::shredded::Shredded;
use super::column::strings::{Pieces, Strings};
use super::row::{Row, TEXT_COLUMNS, TextColumn};

pub use super::column::strings::{ABSENT, Dictionary};

/// Rows of one bucket, column by column: open, in the order of arrival, or sealed, by session.
#[derive(Clone, Default)]
pub struct Columns {
    rows: usize,
    pub(super) received: Held<Vec<i64>>,
    pub(super) time: Held<Vec<i64>>,
    pub(super) event_type: Held<Vec<u8>>,
    pub(super) ok: Held<Vec<u8>>,
    pub(super) session_derived: Held<Vec<bool>>,
    pub(super) duration_ms: Held<Sparse<f64>>,
    pub(super) status: Held<Sparse<u16>>,
    pub(super) value: Held<Sparse<f64>>,
    pub(super) text: [Held<Strings>; TEXT_COLUMNS],
    pub(super) attributes: Attributes,
    spans: Option<Spans>,
    hasher: DefaultHashBuilder,
}

/// How attributes are held.
#[derive(Clone)]
pub(super) enum Attributes {
    /// As texts.
    Whole(Held<Strings>),
    /// Taken apart.
    Shredded(Shredded),
}

impl Default for Attributes {
    fn default() -> Self {
        Attributes::Whole(Held::Own(Strings::Single(Pieces::default())))
    }
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
    /// The extremes of both.
    #[must_use]
    pub fn and(self, other: Spans) -> Spans {
        let widest = |a: (Millis, Millis), b: (Millis, Millis)| (a.0.min(b.0), a.1.max(b.1));
        Spans { received: widest(self.received, other.received), time: widest(self.time, other.time) }
    }

    fn with(self, row: &Row<'_>) -> Spans {
        let widen = |(low, high): (Millis, Millis), at: Millis| (low.min(at), high.max(at));
        Spans { received: widen(self.received, row.received), time: widen(self.time, row.time) }
    }
}

impl Columns {
    /// Sealed rows of which no column is known yet.
    pub(super) fn sealed(rows: usize, spans: Spans) -> Columns {
        Columns { rows, spans: Some(spans), ..Columns::default() }
    }

    /// Appends one row. Only open columns grow.
    pub fn push(&mut self, row: &Row<'_>) {
        let index = self.rows;
        for (column, (strings, text)) in TextColumn::ALL.into_iter().zip(self.text.iter_mut().zip(row.text)) {
            if let Some(text) = text {
                strings.to_mut().push(index, column, text, &self.hasher);
            }
        }
        if let Some(duration_ms) = row.duration_ms {
            self.duration_ms.to_mut().push(index, duration_ms);
        }
        if let Some(status) = row.status {
            self.status.to_mut().push(index, status);
        }
        if let Some(value) = row.value {
            self.value.to_mut().push(index, value);
        }
        if let (false, Attributes::Whole(strings)) = (row.attributes.is_empty(), &mut self.attributes)
            && let Strings::Single(pieces) = strings.to_mut()
        {
            pieces.push(index, row.attributes);
        }
        let first = Spans { received: (row.received, row.received), time: (row.time, row.time) };
        self.spans = Some(self.spans.unwrap_or(first).with(row));
        self.received.to_mut().push(row.received.0);
        self.time.to_mut().push(row.time.0);
        self.event_type.to_mut().push(row.event_type.code());
        self.ok.to_mut().push(row.ok.map_or(0, |ok| 1 + u8::from(ok)));
        self.session_derived.to_mut().push(row.session_derived);
        self.rows += 1;
    }

    /// Makes room for so much text of attributes, in rows that are still to come.
    pub(super) fn reserve_attributes(&mut self, bytes: usize) {
        if let Attributes::Whole(strings) = &mut self.attributes
            && let Strings::Single(pieces) = strings.to_mut()
        {
            pieces.reserve(bytes);
        }
    }

    /// How much text of attributes there is, in open columns.
    pub(super) fn attribute_bytes(&self) -> usize {
        match &self.attributes {
            Attributes::Whole(strings) => match &**strings {
                Strings::Single(pieces) => pieces.text_bytes(),
                Strings::Unused | Strings::Repeating(_) => 0,
            },
            Attributes::Shredded(_) => 0,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
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

    /// Whether a row counts as an error: it failed, or is an error report, or is a request that says nothing of success and has a status from 500 up.
    pub fn is_error(&self, row: usize) -> bool {
        const FIRST_SERVER_ERROR: u16 = 500;
        let ok = self.ok.get(row).copied().unwrap_or_default();
        let code = self.event_type.get(row).copied().unwrap_or_default();
        let is_silent_request = code == EventType::HttpRequest as u8 && ok == 0;
        ok == 1
            || code == EventType::Error as u8
            || is_silent_request && self.status(row).is_some_and(|status| status >= FIRST_SERVER_ERROR)
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
        self.strings(column).dictionary()
    }

    /// A text column.
    pub(super) fn strings(&self, column: TextColumn) -> &Strings {
        self.text.get(column as usize).map_or(&Strings::Unused, |strings| strings)
    }

    /// The attributes of a row as a compact JSON object; empty when it has none.
    pub fn attributes(&self, row: usize) -> &str {
        match &self.attributes {
            Attributes::Whole(strings) => strings.get(row).unwrap_or(""),
            Attributes::Shredded(shredded) => shredded.text(row),
        }
    }

    /// The same, for who looks at few rows: of a sealed run only this row's are put together.
    pub fn attributes_of(&self, row: usize) -> Cow<'_, str> {
        match &self.attributes {
            Attributes::Whole(strings) => Cow::Borrowed(strings.get(row).unwrap_or("")),
            Attributes::Shredded(shredded) => shredded.one_text(row),
        }
    }

    /// One member of a row's attributes. `path` names it from the outside in, joined by dots, as `filters.repo`; the value is the text of a
    /// string, or else compact JSON; `None` for a member that is `null` or missing.
    pub fn attribute(&self, path: &str, row: usize) -> Option<Cow<'_, str>> {
        match &self.attributes {
            Attributes::Whole(strings) => member(strings.get(row)?, path),
            Attributes::Shredded(shredded) => shredded.attribute(path, row),
        }
    }

    /// Whether a row's session was derived from address and agent.
    pub fn session_derived(&self, row: usize) -> bool {
        self.session_derived.get(row).copied().unwrap_or(false)
    }

    /// One row as a view.
    pub fn row(&self, row: usize) -> Option<Row<'_>> {
        Some(Row { attributes: self.attributes(row), ..self.row_without_attributes(row)? })
    }

    /// The same, its attributes left empty (see [`Columns::attributes_of`]).
    pub fn row_without_attributes(&self, row: usize) -> Option<Row<'_>> {
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
            attributes: "",
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
        let sparse = self.duration_ms.bytes() + self.status.bytes() + self.value.bytes();
        let attributes = match &self.attributes {
            Attributes::Whole(strings) => strings.bytes(),
            Attributes::Shredded(shredded) => shredded.bytes(),
        };
        size_of::<Self>() + fixed + sparse + attributes + self.text.iter().map(|strings| strings.bytes()).sum::<usize>()
    }

    /// Gives spare capacity back: the rows are complete.
    pub fn shrink(&mut self) {
        self.received.to_mut().shrink_to_fit();
        self.time.to_mut().shrink_to_fit();
        self.event_type.to_mut().shrink_to_fit();
        self.ok.to_mut().shrink_to_fit();
        self.session_derived.to_mut().shrink_to_fit();
        self.duration_ms.to_mut().shrink();
        self.status.to_mut().shrink();
        self.value.to_mut().shrink();
        self.text.iter_mut().for_each(|strings| strings.to_mut().shrink());
        if let Attributes::Whole(strings) = &mut self.attributes {
            strings.to_mut().shrink();
        }
    }
}

/// The member of a JSON object at a dotted path; a name that itself has dots is found too.
pub fn member<'j>(object: &'j str, path: &str) -> Option<Cow<'j, str>> {
    if object.is_empty() {
        return None;
    }
    let members: HashMap<Cow<'j, str>, &'j RawValue, DefaultHashBuilder> = serde_json::from_str(object).ok()?;
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
        assert_eq!(
            [found("none"), found("b"), found("a.b"), found("deep.x"), found("")],
            [None, None, None, None, None]
        );
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
