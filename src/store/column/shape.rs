//! Shapes of attributes: the texts of rows with holes where values stand.
//!
//! In memory a shape is text in which a hole is two characters: a mark and what fills it. Stored, the name before a hole is left out when it is the last part of
//! the path of the column that fills the hole. A row whose attributes could not be taken apart has the shape of a single hole.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::json;

/// Begins a hole in a shape.
pub(super) const HOLE: u8 = 1;
/// Begins a hole in a stored shape, its name left out.
const NAMED_HOLE: u8 = 2;
/// What fills a hole: a column, from here on.
const FIRST: u8 = 0x20;
/// What fills a hole: the next of the remaining texts.
pub(super) const REST: u8 = 0x1f;
/// Most columns.
pub(super) const COLUMNS_MAX: usize = 64;

/// Who fills a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filler {
    /// A column of attributes, by number.
    Column(usize),
    /// The remaining texts.
    Rest,
}

impl Filler {
    /// As it stands in a shape.
    pub(super) fn byte(self) -> u8 {
        match self {
            Filler::Column(column) => FIRST + column as u8,
            Filler::Rest => REST,
        }
    }

    fn of(byte: u8) -> Option<Filler> {
        match byte {
            REST => Some(Filler::Rest),
            _ => byte
                .checked_sub(FIRST)
                .map(|column| Filler::Column(usize::from(column)))
                .filter(|_| usize::from(byte - FIRST) < COLUMNS_MAX),
        }
    }

    /// Position in lists of one entry a filler, the rest last.
    fn index(self) -> usize {
        match self {
            Filler::Column(column) => column,
            Filler::Rest => COLUMNS_MAX,
        }
    }
}

/// One shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    text: String,
    /// Where each hole stands, who fills it, and how many holes of that filler are before it.
    holes: Vec<(u32, Filler, u32)>,
}

impl Shape {
    /// A shape from its text; `None` when a hole makes no sense.
    pub(super) fn new(text: String) -> Option<Shape> {
        let mut before = [0u32; COLUMNS_MAX + 1];
        let mut holes = Vec::new();
        let bytes = text.as_bytes();
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == HOLE) {
            let filler = Filler::of(*bytes.get(at + 1)?)?;
            let count = before.get_mut(filler.index())?;
            holes.push((u32::try_from(at).ok()?, filler, *count));
            *count += 1;
        }
        Some(Shape { text, holes })
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The holes in a part of the text: where, who fills them, and how many of that filler are before.
    pub(super) fn holes_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Filler, usize)> + '_ {
        let from = self.holes.partition_point(|hole| (hole.0 as usize) < range.start);
        let holes = self.holes.get(from..).unwrap_or_default().iter();
        holes.map(|hole| (hole.0 as usize, hole.1, hole.2 as usize)).take_while(move |hole| hole.0 < range.end)
    }

    /// Whether the whole text of the row is one hole.
    pub(super) fn is_whole(&self) -> bool {
        self.text.len() == 2 && self.text.as_bytes().first() == Some(&HOLE)
    }

    /// Where the member at a path stands.
    pub(super) fn find(&self, path: &str) -> Option<Range<usize>> {
        json::find(self.text.as_bytes(), path, &|scalar| if scalar.first() == Some(&HOLE) { 2 } else { 1 })
    }

    /// How many holes a filler fills.
    fn count(&self, filler: Filler) -> u32 {
        self.holes.iter().filter(|hole| hole.1 == filler).count() as u32
    }

    /// As it is stored: names that columns know are left out.
    pub(super) fn stored<'p>(&self, path: impl Fn(usize) -> Option<&'p str>) -> String {
        let mut out = String::new();
        let mut from = 0;
        for (at, filler, _) in &self.holes {
            let at = *at as usize;
            let literal = self.text.get(from..at).unwrap_or_default();
            let name = match filler {
                Filler::Column(column) => path(*column).map(name_before),
                Filler::Rest => None,
            };
            match name.and_then(|name| literal.strip_suffix(name.as_str())) {
                Some(literal) => {
                    out.push_str(literal);
                    out.push(char::from(NAMED_HOLE));
                }
                None => {
                    out.push_str(literal);
                    out.push(char::from(HOLE));
                }
            }
            out.push(char::from(filler.byte()));
            from = at + 2;
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
        out
    }

    /// The inverse of [`Shape::stored`].
    pub(super) fn restore<'p>(stored: &str, path: impl Fn(usize) -> Option<&'p str>) -> Option<Shape> {
        let mut text = String::with_capacity(stored.len() * 2);
        let mut parts = stored.split(char::from(NAMED_HOLE));
        text.push_str(parts.next()?);
        for part in parts {
            let Filler::Column(column) = Filler::of(*part.as_bytes().first()?)? else { return None };
            text.push_str(&name_before(path(column)?));
            text.push(char::from(HOLE));
            text.push_str(part);
        }
        Shape::new(text)
    }
}

/// The name of a member as it stands before its value.
fn name_before(path: &str) -> String {
    format!("\"{}\":", path.rsplit('.').next().unwrap_or(path))
}

/// The shapes of a run and which row has which.
pub(in crate::store) struct Shapes {
    shapes: Vec<Shape>,
    /// 0 for a row without attributes; shapes begin at 1.
    codes: Vec<u32>,
    /// Per filler: where the values of each row begin, made when first asked for.
    starts: Vec<OnceLock<Arc<Vec<u32>>>>,
}

impl Shapes {
    /// Shapes and the codes of rows, which must be in range.
    pub(super) fn new(shapes: Vec<Shape>, codes: Vec<u32>) -> Shapes {
        Shapes { shapes, codes, starts: std::iter::repeat_with(OnceLock::new).take(COLUMNS_MAX + 1).collect() }
    }

    /// The shape of a row.
    pub(super) fn of(&self, row: usize) -> Option<&Shape> {
        self.shapes.get((*self.codes.get(row)? as usize).checked_sub(1)?)
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.codes.len()
    }

    /// Where the values of `row` begin among those of a filler.
    pub(super) fn start(&self, filler: Filler, row: usize) -> Option<usize> {
        let starts = self.starts.get(filler.index())?.get_or_init(|| Arc::new(self.starts_of(filler).0));
        starts.get(row).map(|start| *start as usize)
    }

    /// How many values a filler must have; `None` when beyond reason.
    pub(super) fn values(&self, filler: Filler) -> Option<usize> {
        let counts: Vec<u64> =
            std::iter::once(0).chain(self.shapes.iter().map(|shape| u64::from(shape.count(filler)))).collect();
        let total: u64 = self.codes.iter().filter_map(|code| counts.get(*code as usize)).sum();
        usize::try_from(total).ok().filter(|total| *total <= VALUES_MAX)
    }

    fn starts_of(&self, filler: Filler) -> (Vec<u32>, u32) {
        let counts: Vec<u32> = std::iter::once(0).chain(self.shapes.iter().map(|shape| shape.count(filler))).collect();
        let mut sum = 0u32;
        let starts = self.codes.iter().map(|code| {
            let start = sum;
            sum = sum.saturating_add(counts.get(*code as usize).copied().unwrap_or(0));
            start
        });
        (starts.collect(), sum)
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        let shapes: usize = self.shapes.iter().map(|shape| shape.text.len() + shape.holes.len() * 12 + 64).sum();
        let starts = self.starts.iter().filter_map(OnceLock::get).map(|starts| starts.len() * 4).sum::<usize>();
        self.codes.len() * 4 + shapes + starts
    }
}

/// Most values of one filler in a run.
pub(super) const VALUES_MAX: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_columns_know_are_not_stored() {
        let paths = ["a", "b.c", "d[]", "x"];
        let path = |column: usize| paths.get(column).copied();
        let text = "{\"a\":\u{1}\u{20},\"b\":{\"c\":\u{1}\u{21}},\"d\":[\u{1}\u{22},\u{1}\u{22}],\"y\":\u{1}\u{1f},\"z\":\u{1}\u{23}}";
        let shape = Shape::new(text.to_owned()).unwrap();
        let stored = shape.stored(path);
        assert_eq!(
            stored,
            "{\u{2}\u{20},\"b\":{\u{2}\u{21}},\"d\":[\u{1}\u{22},\u{1}\u{22}],\"y\":\u{1}\u{1f},\"z\":\u{1}\u{23}}"
        );
        assert_eq!(Shape::restore(&stored, path).as_ref(), Some(&shape));
        assert_eq!(shape.find("b.c").map(|range| &text[range]), Some("\u{1}\u{21}"));
        assert_eq!(shape.find("d").map(|range| &text[range]), Some("[\u{1}\u{22},\u{1}\u{22}]"));
        assert_eq!(
            shape.holes_in(shape.find("d").unwrap()).map(|hole| (hole.1, hole.2)).collect::<Vec<_>>(),
            [(Filler::Column(2), 0), (Filler::Column(2), 1)]
        );
        assert!(Shape::new("\u{1}".to_owned()).is_none() && Shape::new("\u{1}\u{7f}".to_owned()).is_none());
    }
}
