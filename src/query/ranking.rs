//! Events by the value of a dimension, ranked and under disclosure control: what `top` and `geo` have in common.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::privacy::event::EventType;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::disclosure::{Disclosure, Guard};
use super::group::{Groups, Numbers};
use super::params::By;
use super::scan::{Chunk, View};
use super::subject::{People, Subjects, SubjectsOfChunk};
use super::tally::Tally;
use super::{Error, Params, Scan};

/// The events of some values.
#[derive(Default)]
pub(super) struct Cell {
    pub tally: Tally,
    /// Whom they are about; empty when nobody asked.
    pub people: People,
}

impl Cell {
    fn take(&mut self, rows: View<'_>, row: usize, subject: Option<u32>) {
        self.tally.take(rows, row);
        self.people.extend(subject);
    }

    fn merge(&mut self, other: &Cell) {
        self.tally.merge(&other.tally);
        self.people.extend(&other.people);
    }

    fn sum<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> Cell {
        cells.into_iter().fold(Cell::default(), |mut sum, cell| {
            sum.merge(cell);
            sum
        })
    }

    /// Number of users among the people.
    pub fn users(&self) -> u64 {
        Subjects::users(&self.people)
    }
}

/// A value and its events; `None` for events without a value.
type Keyed = (Option<Box<str>>, Cell);

/// Every value with its events.
pub(super) struct Gathered {
    cells: Vec<Keyed>,
    subjects: Subjects,
}

/// Whether people are gathered too, which costs more than all the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Not asked.
    Nobody,
    /// Gathered.
    People,
}

impl Gathered {
    /// Adds what was counted elsewhere of a value, or of events without one.
    pub fn add(&mut self, key: Option<&str>, tally: &Tally) {
        match self.cells.iter_mut().find(|(known, _)| known.as_deref() == key) {
            Some((_, cell)) => cell.tally.merge(tally),
            None => self.cells.push((key.map(Box::from), Cell { tally: tally.clone(), people: People::default() })),
        }
    }
}

/// Reads the rows that `params` asks for, by the text of an attribute or, where there is none, by a column; with their people.
pub(super) fn gather_attribute(
    scan: &Scan<'_>,
    params: &Params,
    path: &str,
    column: TextColumn,
) -> Result<Gathered, Error> {
    let mut subjects = Subjects::default();
    let need = Tally::need().and(&Subjects::need()).text(column).attribute(path);
    let (mut groups, mut absent): (Groups<Cell>, _) = (Groups::default(), Cell::default());
    for chunk in scan.chunks(&need, params.filter()) {
        let chunk = chunk?;
        let (rows, columns, mut of_chunk) = (chunk.view(), chunk.columns(), subjects.of(&chunk));
        for row in chunk.rows() {
            let value = columns.attribute(path, row).or_else(|| columns.text(column, row).map(Cow::Borrowed));
            let entry = value.as_deref().and_then(|value| groups.entry(value));
            entry.unwrap_or(&mut absent).take(rows, row, of_chunk.at(row));
        }
    }
    let mut cells: Vec<Keyed> = groups.into_entries().into_iter().map(|(key, cell)| (Some(key), cell)).collect();
    if absent.tally.events > 0 {
        cells.push((None, absent));
    }
    Ok(Gathered { cells, subjects })
}

/// Reads the rows that `params` asks for, by `by`.
pub(super) fn gather(scan: &Scan<'_>, params: &Params, by: By, whom: Whom) -> Result<Gathered, Error> {
    let mut subjects = Subjects::default();
    let need = if whom == Whom::People { Tally::need().and(&Subjects::need()) } else { Tally::need() };
    let mut absent = Cell::default();
    let mut cells: Vec<Keyed> = match by.column() {
        Some(column) => {
            let mut groups: Groups<Cell> = Groups::default();
            for chunk in scan.chunks(&need.text(column), params.filter()) {
                take_text(&chunk?, column, &mut groups, &mut absent, &mut subjects, whom);
            }
            groups.into_entries().into_iter().map(|(key, cell)| (Some(key), cell)).collect()
        }
        None => {
            let mut numbers: Numbers<Cell> = Numbers::default();
            for chunk in scan.chunks(&with_number(need, by), params.filter()) {
                take_numbers(&chunk?, by, &mut numbers, &mut absent);
            }
            numbers.into_entries().into_iter().map(|(number, cell)| (Some(label(by, number)), cell)).collect()
        }
    };
    if absent.tally.events > 0 {
        cells.push((None, absent));
    }
    Ok(Gathered { cells, subjects })
}

fn take_text(
    chunk: &Chunk,
    column: TextColumn,
    groups: &mut Groups<Cell>,
    absent: &mut Cell,
    subjects: &mut Subjects,
    whom: Whom,
) {
    let rows = chunk.view();
    let mut entries = groups.of(chunk.dictionary(column));
    let mut subjects: Option<SubjectsOfChunk<'_, '_>> = (whom == Whom::People).then(|| subjects.of(chunk));
    for row in chunk.rows() {
        let entry = entries.as_mut().and_then(|entries| entries.at(row));
        let subject = subjects.as_mut().and_then(|subjects| subjects.at(row));
        entry.unwrap_or(&mut *absent).take(rows, row, subject);
    }
}

fn take_numbers(chunk: &Chunk, by: By, numbers: &mut Numbers<Cell>, absent: &mut Cell) {
    let rows = chunk.view();
    for row in chunk.rows() {
        let entry = number(rows, by, row).and_then(|number| numbers.at(number));
        entry.unwrap_or(&mut *absent).take(rows, row, None);
    }
}

/// The columns of a dimension that is a number.
pub(super) fn with_number(need: Need, by: By) -> Need {
    if by == By::Type { need.plain(Plain::EventType) } else { need.plain(Plain::Status) }
}

/// The number of a row in a dimension that is one.
pub(super) fn number(rows: View<'_>, by: By, row: usize) -> Option<u16> {
    if by == By::Type { Some(u16::from(rows.type_code(row))) } else { rows.columns.status(row) }
}

/// How a number is shown.
pub(super) fn label(by: By, number: u16) -> Box<str> {
    let event_type = u8::try_from(number).ok().filter(|_| by == By::Type).and_then(EventType::from_code);
    event_type.map_or_else(|| number.to_string().into_boxed_str(), |event_type| event_type.name().into())
}

/// Values in the order of an answer.
pub(super) struct Ranked {
    /// The busiest values; equally busy ones in the order of their keys.
    pub rows: Vec<(Box<str>, Cell)>,
    /// All values that did not fit or may not be shown, and how many they are.
    pub other: Option<(u64, Cell)>,
    /// The events that have no value.
    pub absent: Option<Cell>,
    /// All events; `None` when they are about too few people.
    pub total: Option<Cell>,
    /// What is not shown.
    pub disclosure: Option<Disclosure>,
}

impl Gathered {
    /// The `limit` busiest values.
    pub fn ranked(self, limit: usize, guard: Guard) -> Ranked {
        let Gathered { cells, subjects } = self;
        rank(cells, &subjects, limit, guard, |shown| shown)
    }

    /// The same for values that are parts of a whole. What is shown is decided for the wholes, as in the answer that is split by them, and a whole that is
    /// shown is told by its parts if each of them is about enough people: so the two answers subtracted from one another tell nothing more.
    pub fn ranked_by_parts(self, limit: usize, guard: Guard, whole: impl Fn(&str) -> &str) -> Ranked {
        let Gathered { cells, subjects } = self;
        let mut parts: HashMap<Option<Box<str>>, Vec<Keyed>> = HashMap::new();
        for (key, cell) in cells {
            parts.entry(key.as_deref().map(|key| whole(key).into())).or_default().push((key, cell));
        }
        let wholes = parts.iter().map(|(key, parts)| (key.clone(), Cell::sum(parts.iter().map(|(_, cell)| cell))));
        let wholes: Vec<Keyed> = wholes.collect();
        let is_enough = |(_, cell): &Keyed| !guard.pools(subjects.count(&cell.people));
        let refine = |shown: Vec<Keyed>| {
            let told = |(key, cell): Keyed| match parts.remove(&key) {
                Some(parts) if parts.iter().all(is_enough) => parts,
                Some(_) | None => vec![(key, cell)],
            };
            shown.into_iter().flat_map(told).collect()
        };
        rank(wholes, &subjects, limit, guard, refine)
    }
}

fn rank(
    mut cells: Vec<Keyed>,
    subjects: &Subjects,
    limit: usize,
    guard: Guard,
    refine: impl FnOnce(Vec<Keyed>) -> Vec<Keyed>,
) -> Ranked {
    cells.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let total = Cell::sum(cells.iter().map(|(_, cell)| cell));
    let count = |cell: &Keyed| subjects.count(&cell.1.people);
    let settled =
        guard.settle(cells, count, |cells| subjects.count(&Cell::sum(cells.iter().map(|(_, cell)| cell)).people));
    let mut absent = None;
    let mut rows = Vec::new();
    for (key, cell) in refine(settled.shown) {
        match key {
            Some(key) => rows.push((key, cell)),
            None => absent = Some(cell),
        }
    }
    rows.sort_by(|(a, one), (b, other)| other.tally.events.cmp(&one.tally.events).then_with(|| a.cmp(b)));
    let beyond = rows.split_off(limit.min(rows.len()));
    let pool = settled.pool.iter().filter(|_| !settled.withheld).map(|(_, cell)| cell);
    let others: Vec<&Cell> = beyond.iter().map(|(_, cell)| cell).chain(pool).collect();
    let other = (!others.is_empty()).then(|| (others.len() as u64, Cell::sum(others)));
    let disclosure = guard.told(settled.pool.len(), settled.withheld);
    Ranked { rows, other, absent, total: (!settled.withheld).then_some(total), disclosure }
}
