//! Attributes of a sealed run in memory: shapes, and a column for each frequent path.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::super::columns::member;
use super::json;
use super::shape::{Filler, Shape, Shapes};
use super::strings::{Pieces, Repeating};

/// The values of one path and kind, one after the other in the order of rows.
pub(in crate::store) enum Values {
    /// Numbers with so many digits behind the point.
    Numbers {
        /// Digits behind the point.
        scale: usize,
        /// The numbers without it.
        numbers: Vec<i64>,
    },
    /// Contents of strings, escapes as they are.
    Strings(Repeating),
    /// JSON as it stands.
    Tokens(Repeating),
}

impl Values {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Values::Numbers { numbers, .. } => numbers.len(),
            Values::Strings(texts) | Values::Tokens(texts) => texts.codes.len(),
        }
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Values::Numbers { numbers, .. } => numbers.len() * 8,
            Values::Strings(texts) | Values::Tokens(texts) => texts.bytes(),
        }
    }

    /// Appends a value as JSON.
    fn put(&self, out: &mut Vec<u8>, index: usize) -> Option<()> {
        match self {
            Values::Numbers { scale, numbers } => json::put_number(out, *numbers.get(index)?, *scale),
            Values::Strings(texts) => {
                out.push(b'"');
                out.extend_from_slice(texts.get(index)?.as_bytes());
                out.push(b'"');
            }
            Values::Tokens(texts) => out.extend_from_slice(texts.get(index)?.as_bytes()),
        }
        Some(())
    }

    /// A value as [`super::super::columns::Columns::attribute`] gives it.
    fn read(&self, index: usize) -> Option<Cow<'_, str>> {
        match self {
            Values::Numbers { scale, numbers } => {
                let mut out = Vec::with_capacity(20);
                json::put_number(&mut out, *numbers.get(index)?, *scale);
                String::from_utf8(out).ok().map(Cow::Owned)
            }
            Values::Strings(texts) => unescaped(texts.get(index)?),
            Values::Tokens(texts) => {
                let token = texts.get(index)?;
                match token.strip_prefix('"').and_then(|token| token.strip_suffix('"')) {
                    Some(content) => unescaped(content),
                    None => Some(Cow::Borrowed(token)),
                }
            }
        }
    }
}

/// The content of a JSON string without its escapes; `None` when they make no text.
fn unescaped(content: &str) -> Option<Cow<'_, str>> {
    if content.contains('\\') {
        serde_json::from_str(&format!("\"{content}\"")).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(content))
    }
}

/// The attributes of the rows of a run, or those of their paths that were read.
#[derive(Clone)]
pub(in crate::store) struct Shredded {
    shapes: Arc<Shapes>,
    columns: Vec<Option<Arc<Values>>>,
    rest: Option<Arc<Values>>,
    /// Bytes of all texts if they can be put together again, and the texts once somebody asked.
    whole: Option<(usize, OnceLock<Arc<Pieces>>)>,
}

impl Shredded {
    /// Attributes of which some columns may be missing; `None` when the columns do not fit the shapes.
    pub(super) fn new(
        shapes: Arc<Shapes>,
        columns: Vec<Option<Arc<Values>>>,
        rest: Option<Arc<Values>>,
    ) -> Option<Shredded> {
        let shredded = Shredded { shapes, columns, rest, whole: None };
        let fits = |filler, values: &Arc<Values>| shredded.shapes.values(filler) == Some(values.len());
        let columns_fit = (0..)
            .zip(&shredded.columns)
            .all(|(n, column)| column.as_ref().is_none_or(|values| fits(Filler::Column(n), values)));
        let rest_fits = shredded.rest.as_ref().is_none_or(|rest| fits(Filler::Rest, rest));
        (columns_fit && rest_fits).then_some(shredded)
    }

    /// Says that all columns are there and that the texts take so many bytes together: more are never put together.
    pub(super) fn complete(mut self, bytes: usize) -> Shredded {
        self.whole = Some((bytes, OnceLock::new()));
        self
    }

    /// The text of a row, empty when it has none or not every column is there. The first call puts all rows together.
    pub(in crate::store) fn text(&self, row: usize) -> &str {
        let Some((bytes, whole)) = &self.whole else { return "" };
        whole.get_or_init(|| Arc::new(self.together(*bytes))).get(row).unwrap_or("")
    }

    /// The same without the other rows: for who wants few.
    pub(in crate::store) fn one_text(&self, row: usize) -> Cow<'_, str> {
        if self.whole.as_ref().is_none_or(|(_, whole)| whole.get().is_some()) {
            return Cow::Borrowed(self.text(row));
        }
        let mut out = Vec::new();
        let put = self.shapes.of(row).and_then(|shape| self.put(&mut out, shape, 0..shape.text().len(), row));
        put.and_then(|()| String::from_utf8(out).ok()).map_or(Cow::Borrowed(""), Cow::Owned)
    }

    fn together(&self, bytes: usize) -> Pieces {
        let mut pieces = Pieces::with_capacity(self.shapes.rows(), bytes);
        let (mut out, mut left) = (Vec::new(), bytes);
        for row in 0..self.shapes.rows() {
            let Some(shape) = self.shapes.of(row) else { continue };
            out.clear();
            let put = self.put(&mut out, shape, 0..shape.text().len(), row);
            // Texts that take more than the layout says are not what was written, and memory is bounded all the same.
            let Some(rest) = left.checked_sub(out.len()) else { break };
            left = rest;
            if let Some(text) = put.and_then(|()| std::str::from_utf8(&out).ok()) {
                pieces.push(row, text);
            }
        }
        pieces
    }

    /// The member of a row's attributes at a path.
    pub(in crate::store) fn attribute(&self, path: &str, row: usize) -> Option<Cow<'_, str>> {
        let shape = self.shapes.of(row)?;
        if shape.is_whole() {
            let (values, index) = self.value(Filler::Rest, 0, row)?;
            let Values::Tokens(texts) = values else { return None };
            return member(texts.get(index)?, path);
        }
        self.read(shape, shape.find(path)?, row)
    }

    /// What stands in a part of a shape, in a row.
    fn read<'s>(&'s self, shape: &'s Shape, range: Range<usize>, row: usize) -> Option<Cow<'s, str>> {
        let literal = shape.text().get(range.clone())?;
        let mut holes = shape.holes_in(range.clone());
        match holes.next() {
            None => (literal != "null").then_some(Cow::Borrowed(literal)),
            Some((at, filler, nth)) if at == range.start => {
                let (values, index) = self.value(filler, nth, row)?;
                values.read(index)
            }
            Some(_) => {
                let mut out = Vec::new();
                self.put(&mut out, shape, range, row)?;
                String::from_utf8(out).ok().map(Cow::Owned)
            }
        }
    }

    fn put(&self, out: &mut Vec<u8>, shape: &Shape, range: Range<usize>, row: usize) -> Option<()> {
        let bytes = shape.text().as_bytes();
        let mut from = range.start;
        for (at, filler, nth) in shape.holes_in(range.clone()) {
            out.extend_from_slice(bytes.get(from..at)?);
            let (values, index) = self.value(filler, nth, row)?;
            values.put(out, index)?;
            from = at + 2;
        }
        out.extend_from_slice(bytes.get(from..range.end)?);
        Some(())
    }

    fn value(&self, filler: Filler, nth: usize, row: usize) -> Option<(&Values, usize)> {
        let values = match filler {
            Filler::Column(column) => self.columns.get(column)?.as_ref()?,
            Filler::Rest => self.rest.as_ref()?,
        };
        Some((values, self.shapes.start(filler, row)? + nth))
    }

    /// Bytes of memory held, columns that others share included.
    pub(in crate::store) fn bytes(&self) -> usize {
        let columns = self.columns.iter().flatten().chain(&self.rest).map(|values| values.bytes()).sum::<usize>();
        let whole = self.whole.as_ref().and_then(|(_, whole)| whole.get()).map_or(0, |whole| whole.bytes());
        self.shapes.bytes() + columns + whole
    }
}
