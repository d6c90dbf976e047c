//! Takes the attributes of a run apart: shapes, columns for frequent paths, the rest as text.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::ROWS_MAX;
use super::json::{self, Kind, Scan};
use super::shape::{COLUMNS_MAX, Filler, HOLE, Shape, VALUES_MAX};
use super::shredded::Values;
use super::strings::Repeating;

/// Most shapes; rows of further shapes stay whole.
const SHAPES_MAX: usize = 1024;
/// Most text of shapes.
const SHAPE_BYTES_MAX: usize = 1 << 20;
/// Most (path, kind) pairs that are followed.
const PATHS_MAX: usize = 1024;
/// Most scalars of a run, so that no filler has more values than a reader takes, rows that stay whole included.
const SCALARS_MAX: usize = VALUES_MAX - ROWS_MAX;
/// From this many rows on, columns are blocks of their own and must have some values to be worth it.
const LARGE: usize = 1000;
/// The fewest values of a column in a large run.
const VALUES_MIN: usize = 16;

/// Attributes of rows, being taken apart.
#[derive(Default)]
pub(super) struct Shredder {
    scan: Scan,
    skeletons: Vec<Skeleton>,
    index: HashTable<u32>,
    skeleton_bytes: usize,
    columns: Vec<Column>,
    paths: HashMap<(String, Kind), usize>,
    codes: Vec<u32>,
    whole: Vec<String>,
    /// Scalars taken in.
    scalars: usize,
    hasher: DefaultHashBuilder,
}

/// A skeleton and the column of every scalar in it; without any text when it stands for rows that stay whole.
struct Skeleton {
    text: Vec<u8>,
    columns: Vec<usize>,
}

/// Values of one path and kind.
struct Column {
    path: String,
    kind: Kind,
    numbers: Vec<(i64, u8)>,
    texts: Repeating,
}

/// Attributes taken apart.
pub(super) struct Parts {
    /// The shapes in use, in the order of their codes from 1.
    pub(super) shapes: Vec<Shape>,
    /// The shape of every row, 0 for none.
    pub(super) codes: Vec<u32>,
    /// Columns with the path that each is of.
    pub(super) columns: Vec<(String, Values)>,
    /// What no column holds.
    pub(super) rest: Repeating,
}

impl Column {
    fn push(&mut self, token: &str, hasher: &DefaultHashBuilder) {
        match self.kind {
            Kind::Integer | Kind::Decimal => {
                let (integer, scale) = json::digits(token).unwrap_or_default();
                self.numbers.push((integer, scale as u8));
            }
            Kind::Text | Kind::Raw => {
                let last = self.texts.codes.last().copied().filter(|code| self.texts.value(*code) == Some(token));
                let code = last.unwrap_or_else(|| self.texts.code_of(token, hasher));
                self.texts.codes.push(code);
            }
        }
    }

    fn len(&self) -> usize {
        self.numbers.len() + self.texts.codes.len()
    }

    /// Appends one value as it stood.
    fn put(&self, out: &mut Vec<u8>, index: usize) {
        let text = self.texts.get(index).unwrap_or_default().as_bytes();
        match (self.kind, self.numbers.get(index)) {
            (Kind::Integer | Kind::Decimal, Some((integer, scale))) => {
                json::put_number(out, *integer, usize::from(*scale))
            }
            (Kind::Text, _) => out.extend([b"\"", text, b"\""].concat()),
            _ => out.extend_from_slice(text),
        }
    }

    fn finish(self) -> (String, Values) {
        let values = match self.kind {
            Kind::Integer | Kind::Decimal => {
                let scale = self.numbers.iter().map(|(_, scale)| *scale).max().unwrap_or(0);
                let rescaled = self.numbers.iter().map(|(integer, own)| integer * 10i64.pow(u32::from(scale - own)));
                Values::Numbers { scale: usize::from(scale), numbers: rescaled.collect() }
            }
            Kind::Text => Values::Strings(self.texts),
            Kind::Raw => Values::Tokens(self.texts),
        };
        (self.path, values)
    }
}

impl Shredder {
    /// Takes in the attributes of the next row; empty when it has none.
    pub(super) fn push(&mut self, text: &str) {
        let code = if text.is_empty() { 0 } else { self.code_of(text) };
        self.codes.push(code);
    }

    fn code_of(&mut self, text: &str) -> u32 {
        let apart = self.scan.read(text) && self.scalars + self.scan.scalars.len() <= SCALARS_MAX;
        let known = if apart { self.skeleton() } else { None };
        let Some(code) = known else {
            self.whole.push(text.to_owned());
            return self.find(&[]).unwrap_or_else(|| self.insert(Vec::new(), Vec::new()));
        };
        self.scalars += self.scan.scalars.len();
        if let Some(skeleton) = self.skeletons.get(code as usize - 1) {
            for (column, (_, range)) in skeleton.columns.iter().zip(&self.scan.scalars) {
                if let (Some(column), Some(token)) = (self.columns.get_mut(*column), text.get(range.clone())) {
                    column.push(token, &self.hasher);
                }
            }
        }
        code
    }

    /// The code of the skeleton just scanned; `None` when there are too many.
    fn skeleton(&mut self) -> Option<u32> {
        if let Some(code) = self.find(&self.scan.skeleton) {
            return Some(code);
        }
        self.skeleton_bytes += self.scan.skeleton.len();
        if self.skeletons.len() >= SHAPES_MAX
            || self.skeleton_bytes > SHAPE_BYTES_MAX
            || self.columns.len() >= PATHS_MAX
        {
            return None;
        }
        let text = self.scan.skeleton.clone();
        let mut columns = Vec::new();
        json::holes(&text, |path, kind| {
            let next = self.columns.len();
            let column = *self.paths.entry((path.to_owned(), kind)).or_insert(next);
            if column == next {
                self.columns.push(Column {
                    path: path.to_owned(),
                    kind,
                    numbers: Vec::new(),
                    texts: Repeating::default(),
                });
            }
            columns.push(column);
        });
        Some(self.insert(text, columns))
    }

    fn find(&self, text: &[u8]) -> Option<u32> {
        let same = |code: &u32| self.skeletons.get(*code as usize - 1).is_some_and(|skeleton| skeleton.text == text);
        self.index.find(self.hasher.hash_one(text), same).copied()
    }

    fn insert(&mut self, text: Vec<u8>, columns: Vec<usize>) -> u32 {
        let code = self.skeletons.len() as u32 + 1;
        let hash = self.hasher.hash_one(text.as_slice());
        self.skeletons.push(Skeleton { text, columns });
        let (skeletons, hasher) = (&self.skeletons, &self.hasher);
        let rehash = |code: &u32| {
            skeletons.get(*code as usize - 1).map_or(0, |skeleton| hasher.hash_one(skeleton.text.as_slice()))
        };
        self.index.insert_unique(hash, code, rehash);
        code
    }

    /// Chooses columns and makes the shapes.
    pub(super) fn finish(self) -> Parts {
        let least = if self.codes.len() < LARGE { 1 } else { VALUES_MIN };
        let mut chosen: Vec<usize> = (0..self.columns.len())
            .filter(|column| self.columns.get(*column).is_some_and(|c| c.len() >= least))
            .collect();
        chosen.sort_by_key(|column| std::cmp::Reverse(self.columns.get(*column).map(Column::len)));
        chosen.truncate(COLUMNS_MAX);
        chosen.sort_unstable();
        let fillers: Vec<Filler> = (0..self.columns.len())
            .map(|column| chosen.binary_search(&column).map_or(Filler::Rest, Filler::Column))
            .collect();
        let shapes = self.skeletons.iter().filter_map(|skeleton| skeleton.shape(&fillers)).collect();
        let rest = self.rest(&fillers);
        let columns = self.columns.into_iter().zip(&fillers).filter(|(_, filler)| **filler != Filler::Rest);
        Parts { shapes, codes: self.codes, columns: columns.map(|(column, _)| column.finish()).collect(), rest }
    }

    /// Everything that no column holds, in the order of rows and holes.
    fn rest(&self, fillers: &[Filler]) -> Repeating {
        let mut rest = Repeating::default();
        let mut whole = self.whole.iter();
        let mut next = vec![0usize; self.columns.len()];
        let mut token = Vec::new();
        let rows = self.codes.iter().filter_map(|code| self.skeletons.get((*code as usize).checked_sub(1)?));
        for skeleton in rows {
            if skeleton.text.is_empty() {
                let code = rest.code_of(whole.next().map_or("", String::as_str), &self.hasher);
                rest.codes.push(code);
            }
            for number in skeleton.columns.iter().filter(|column| fillers.get(**column) == Some(&Filler::Rest)) {
                let (Some(column), Some(next)) = (self.columns.get(*number), next.get_mut(*number)) else { continue };
                token.clear();
                column.put(&mut token, *next);
                *next += 1;
                let code = rest.code_of(std::str::from_utf8(&token).unwrap_or_default(), &self.hasher);
                rest.codes.push(code);
            }
        }
        rest
    }
}

impl Skeleton {
    fn shape(&self, fillers: &[Filler]) -> Option<Shape> {
        if self.text.is_empty() {
            return Shape::new(String::from_utf8(vec![HOLE, Filler::Rest.byte()]).ok()?);
        }
        let mut text = Vec::with_capacity(self.text.len() + self.columns.len());
        let mut columns = self.columns.iter();
        for byte in &self.text {
            if Kind::of(*byte).is_some() {
                let filler = fillers.get(*columns.next()?)?;
                text.extend_from_slice(&[HOLE, filler.byte()]);
            } else {
                text.push(*byte);
            }
        }
        Shape::new(String::from_utf8(text).ok()?)
    }
}
