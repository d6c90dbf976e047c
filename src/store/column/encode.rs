//! Rows to blocks.

use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use crate::clock::Millis;

use super::super::columns::{Columns, Spans};
use super::super::need::Plain;
use super::super::row::{TEXT_COLUMNS, TextColumn, put_bytes, put_varint};
use super::attributes::{Parts, Shredder};
use super::codes::{self, Beside, Wants};
use super::groups::Groups;
use super::judge::compressed;
use super::layout::{Form, Layout, Path};
use super::shredded::Values;
use super::strings::{ABSENT, Repeating, Strings};
use super::{BlockId, ROWS_MAX, TEXT_BYTES_MAX, decimal, ints, series, texts};

/// Below this many rows it is tried whether attributes are smaller taken apart; from here on they always were.
const TRY_BELOW: usize = 100;

/// A run as bytes.
pub struct Encoded {
    /// Number of rows.
    pub rows: usize,
    /// The extremes of the two times.
    pub spans: Spans,
    /// Every block, the layout first, by rising number.
    pub blocks: Vec<(BlockId, Vec<u8>)>,
}

/// A run cannot be stored as one: the caller must make it smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// More rows than [`ROWS_MAX`].
    #[error("a run of {0} rows")]
    Rows(usize),
    /// More text in one column than [`TEXT_BYTES_MAX`].
    #[error("a run with {0} bytes of text in one column")]
    Text(usize),
}

/// Encodes those rows of `chunks` for which `keep` says so, given chunk and row. `None` when that is no row.
///
/// # Errors
/// There is too much for one run.
pub fn encode(chunks: &[Arc<Columns>], keep: &dyn Fn(usize, usize) -> bool) -> Result<Option<Encoded>, TooLarge> {
    let order = order(chunks, keep);
    if order.rows.is_empty() {
        return Ok(None);
    }
    if order.rows.len() > ROWS_MAX {
        return Err(TooLarge::Rows(order.rows.len()));
    }
    let rows = Rows { chunks, order: order.rows };
    let times: Vec<i64> = rows.map(|columns, row| columns.time().get(row).copied().unwrap_or(0));
    let arrivals: Vec<i64> = rows.map(|columns, row| columns.received().get(row).copied().unwrap_or(0));
    let spans = Spans { received: extremes(&arrivals), time: extremes(&times) };
    let layout = Layout {
        rows: times.len(),
        spans,
        exist: 0,
        beside_groups: 0,
        beside_parent: 0,
        attribute_bytes: 0,
        paths: Vec::new(),
    };
    let mut run = Run { layout, groups: order.groups, blocks: Vec::new() };
    run.add(BlockId::GROUPS, Wants::Nothing, |out, groups| groups.put(out));
    run.add(BlockId::plain(Plain::Time), Wants::Groups, |out, groups| series::put_times(out, &times, groups));
    run.add(BlockId::plain(Plain::Received), Wants::Parent, |out, _| series::put_arrivals(out, &arrivals, &times));
    run.texts(&rows)?;
    run.numbers(&rows);
    run.attributes(&rows)?;
    Ok(Some(run.finish()))
}

/// The rows of a run in their order.
struct Rows<'c> {
    chunks: &'c [Arc<Columns>],
    order: Vec<(u32, u32)>,
}

impl<'c> Rows<'c> {
    fn iter(&self) -> impl Iterator<Item = (usize, &'c Columns, usize)> + '_ {
        self.order.iter().filter_map(|(chunk, row)| {
            let columns = self.chunks.get(*chunk as usize)?;
            Some((*chunk as usize, columns.as_ref(), *row as usize))
        })
    }

    fn map<T>(&self, of: impl Fn(&'c Columns, usize) -> T) -> Vec<T> {
        let mut all = Vec::with_capacity(self.order.len());
        all.extend(self.iter().map(|(_, columns, row)| of(columns, row)));
        all
    }
}

fn extremes(moments: &[i64]) -> (Millis, Millis) {
    (Millis(moments.iter().min().copied().unwrap_or(0)), Millis(moments.iter().max().copied().unwrap_or(0)))
}

struct Order {
    rows: Vec<(u32, u32)>,
    groups: Groups,
}

/// Sorts rows by session, sessions by their first event; within a session by time, arrival and place.
fn order(chunks: &[Arc<Columns>], keep: &dyn Fn(usize, usize) -> bool) -> Order {
    let mut dictionary = Gather::default();
    let mut rows = Vec::with_capacity(chunks.iter().map(|columns| columns.len()).sum());
    let mut firsts: Vec<i64> = Vec::new();
    for (chunk, columns) in chunks.iter().enumerate() {
        let strings = columns.strings(TextColumn::Session);
        for row in (0..columns.len()).filter(|row| keep(chunk, *row)) {
            let session = dictionary.code(chunk, strings, row);
            let time = columns.time().get(row).copied().unwrap_or(0);
            let arrival = columns.received().get(row).copied().unwrap_or(0);
            if firsts.len() <= session as usize {
                firsts.resize(session as usize + 1, i64::MAX);
            }
            if let Some(first) = firsts.get_mut(session as usize) {
                *first = time.min(*first);
            }
            rows.push((session, time, arrival, (chunk as u32, row as u32)));
        }
    }
    let mut ranking: Vec<u32> = (0..firsts.len() as u32).collect();
    // Rows without a session come first, whenever they were.
    ranking.sort_by_key(|session| (*session != ABSENT, firsts.get(*session as usize).copied()));
    let mut ranks = vec![0u32; ranking.len()];
    for (rank, session) in (0..).zip(&ranking) {
        if let Some(slot) = ranks.get_mut(*session as usize) {
            *slot = rank;
        }
    }
    // Places of each session's rows: they arrive nearly in their order, so that sorting them by themselves costs little.
    let rank = |session: u32| ranks.get(session as usize).map_or(0, |rank| *rank as usize);
    let mut places = vec![0usize; ranking.len() + 1];
    for row in &rows {
        if let Some(size) = places.get_mut(rank(row.0) + 1) {
            *size += 1;
        }
    }
    let mut sum = 0;
    for place in &mut places {
        sum += *place;
        *place = sum;
    }
    let mut sorted = rows.clone();
    for row in &rows {
        let Some(place) = places.get_mut(rank(row.0)) else { continue };
        if let Some(slot) = sorted.get_mut(*place) {
            *slot = *row;
        }
        *place += 1;
    }
    sorted.chunk_by_mut(|a, b| a.0 == b.0).for_each(|session| session.sort_by_key(|row| (row.1, row.2)));
    let groups = Groups::of(sorted.iter().map(|row| row.0));
    Order { rows: sorted.into_iter().map(|row| row.3).collect(), groups }
}

/// Makes one dictionary of the texts of many chunks.
#[derive(Default)]
struct Gather {
    repeating: Repeating,
    /// Per chunk, for the codes of its own dictionary: the code here, 0 while unknown.
    known: Vec<Vec<u32>>,
    hasher: DefaultHashBuilder,
}

impl Gather {
    fn code(&mut self, chunk: usize, strings: &Strings, row: usize) -> u32 {
        match strings {
            Strings::Unused => ABSENT,
            Strings::Single(pieces) => {
                pieces.get(row).map_or(ABSENT, |text| self.repeating.code_of(text, &self.hasher))
            }
            Strings::Repeating(repeating) => {
                let own = repeating.codes.get(row).copied().unwrap_or(ABSENT) as usize;
                if own == 0 {
                    return ABSENT;
                }
                if self.known.len() <= chunk {
                    self.known.resize(chunk + 1, Vec::new());
                }
                let Some(known) = self.known.get_mut(chunk) else { return ABSENT };
                if known.is_empty() {
                    known.resize(repeating.values.len() + 1, 0);
                }
                let Some(code) = known.get_mut(own) else { return ABSENT };
                if *code == ABSENT {
                    *code =
                        repeating.values.get(own - 1).map_or(ABSENT, |text| self.repeating.code_of(text, &self.hasher));
                }
                *code
            }
        }
    }
}

/// A run being encoded.
struct Run {
    layout: Layout,
    groups: Groups,
    blocks: Vec<(BlockId, Vec<u8>)>,
}

impl Run {
    fn add(&mut self, block: BlockId, wants: Wants, put: impl FnOnce(&mut Vec<u8>, &Groups)) {
        let mut out = Vec::new();
        put(&mut out, &self.groups);
        self.layout.add(block, wants);
        self.blocks.push((block, out));
    }

    /// Adds a block of codes.
    fn add_codes(&mut self, block: BlockId, put: impl FnOnce(&mut Vec<u8>, &Groups) -> Wants) {
        let mut out = Vec::new();
        let wants = put(&mut out, &self.groups);
        self.layout.add(block, wants);
        self.blocks.push((block, out));
    }

    /// Text columns; and type and success, which follow from them.
    fn texts(&mut self, rows: &Rows<'_>) -> Result<(), TooLarge> {
        let mut columns: [Option<Repeating>; TEXT_COLUMNS] = Default::default();
        for (column, slot) in TextColumn::ALL.into_iter().zip(&mut columns) {
            let strings: Vec<&Strings> = rows.chunks.iter().map(|columns| columns.strings(column)).collect();
            if strings.iter().all(|strings| matches!(strings, Strings::Unused)) {
                continue;
            }
            let mut gather = Gather::default();
            let code = |(chunk, _, row): (usize, &Columns, usize)| {
                strings.get(chunk).map_or(ABSENT, |strings| gather.code(chunk, strings, row))
            };
            let mut codes = Vec::with_capacity(rows.order.len());
            codes.extend(rows.iter().map(code));
            if gather.repeating.values.len() > 0 {
                check(gather.repeating.values.text_bytes())?;
                gather.repeating.codes = codes;
                *slot = Some(gather.repeating);
            }
        }
        let parent_of = |block: BlockId| {
            let parent = TextColumn::ALL.into_iter().find(|column| Some(BlockId::text(*column)) == block.parent())?;
            columns.get(parent as usize)?.as_ref().map(|parent| parent.codes.as_slice())
        };
        for (column, repeating) in TextColumn::ALL.into_iter().zip(&columns) {
            let Some(repeating) = repeating else { continue };
            let block = BlockId::text(column);
            self.add_codes(block, |out, groups| {
                put_text(out, repeating, Beside { groups: Some(groups), parent: parent_of(block) })
            });
        }
        let types = rows.map(|columns, row| columns.event_type().get(row).copied().unwrap_or(0));
        let ok = rows.map(|columns, row| columns.ok().get(row).copied().unwrap_or(0));
        for (column, bytes) in [(Plain::EventType, types), (Plain::Ok, ok)] {
            let block = BlockId::plain(column);
            self.add_codes(block, |out, groups| {
                put_small(out, &bytes, Beside { groups: Some(groups), parent: parent_of(block) })
            });
        }
        Ok(())
    }

    /// Measurements, statuses and flags.
    fn numbers(&mut self, rows: &Rows<'_>) {
        let durations = rows.map(|columns, row| columns.duration_ms(row));
        let values = rows.map(|columns, row| columns.value(row));
        for (column, numbers) in [(Plain::Duration, durations), (Plain::Value, values)] {
            if numbers.iter().any(Option::is_some) {
                self.add(BlockId::plain(column), Wants::Nothing, |out, _| {
                    decimal::put_presence(out, numbers.iter().map(Option::is_some), numbers.len());
                    decimal::put(out, &numbers.into_iter().flatten().collect::<Vec<_>>());
                });
            }
        }
        let statuses = rows.map(|columns, row| columns.status(row));
        if statuses.iter().any(Option::is_some) {
            self.add(BlockId::plain(Plain::Status), Wants::Nothing, |out, _| {
                decimal::put_presence(out, statuses.iter().map(Option::is_some), statuses.len());
                ints::put(out, &statuses.into_iter().flatten().map(u64::from).collect::<Vec<_>>());
            });
        }
        let derived = rows.map(|columns, row| u8::from(columns.session_derived(row)));
        if derived.contains(&1) {
            let block = BlockId::plain(Plain::SessionDerived);
            self.add_codes(block, |out, groups| {
                put_small(out, &derived, Beside { groups: Some(groups), parent: None })
            });
        }
    }

    /// Attributes, taken apart unless they are smaller whole.
    fn attributes(&mut self, rows: &Rows<'_>) -> Result<(), TooLarge> {
        let bytes = rows.iter().map(|(_, columns, row)| columns.attributes(row).len()).sum();
        if bytes == 0 {
            return Ok(());
        }
        check(bytes)?;
        let mut shredder = Shredder::default();
        rows.iter().for_each(|(_, columns, row)| shredder.push(columns.attributes(row)));
        let types = rows.map(|columns, row| columns.event_type().get(row).copied().map_or(0, u32::from));
        let shredded = Taken::apart(shredder.finish(), &types, &self.groups);
        if types.len() < TRY_BELOW {
            let mut whole = Repeating::default();
            let hasher = DefaultHashBuilder::default();
            for (_, columns, row) in rows.iter() {
                let text = columns.attributes(row);
                let code = if text.is_empty() { ABSENT } else { whole.code_of(text, &hasher) };
                whole.codes.push(code);
            }
            let mut out = Vec::new();
            let wants = put_text(&mut out, &whole, Beside { groups: Some(&self.groups), parent: None });
            if compressed(&out) < shredded.compressed() {
                self.layout.add(BlockId::plain(Plain::Attributes), wants);
                self.blocks.push((BlockId::plain(Plain::Attributes), out));
                return Ok(());
            }
        }
        self.layout.attribute_bytes = bytes;
        self.layout.paths = shredded.paths;
        shredded.fixed.iter().for_each(|(block, wants, _)| self.layout.add(*block, *wants));
        self.blocks.extend(shredded.fixed.into_iter().map(|(block, _, bytes)| (block, bytes)));
        let columns = shredded.columns.into_iter().enumerate();
        self.blocks.extend(columns.filter_map(|(column, bytes)| Some((BlockId::attribute(column)?, bytes))));
        Ok(())
    }

    fn finish(mut self) -> Encoded {
        self.blocks.push((BlockId::LAYOUT, self.layout.encode()));
        self.blocks.sort_unstable_by_key(|(block, _)| *block);
        Encoded { rows: self.layout.rows, spans: self.layout.spans, blocks: self.blocks }
    }
}

fn check(text_bytes: usize) -> Result<(), TooLarge> {
    if text_bytes > TEXT_BYTES_MAX { Err(TooLarge::Text(text_bytes)) } else { Ok(()) }
}

/// Attributes as blocks.
struct Taken {
    fixed: Vec<(BlockId, Wants, Vec<u8>)>,
    paths: Vec<Path>,
    columns: Vec<Vec<u8>>,
}

impl Taken {
    fn apart(parts: Parts, types: &[u32], groups: &Groups) -> Taken {
        let mut paths = Vec::new();
        let mut columns = Vec::new();
        for (path, values) in parts.columns {
            let count = values.len();
            let beside = Beside { groups: Some(groups).filter(|groups| groups.rows() == count), parent: None };
            let mut out = Vec::new();
            let (form, wants) = match &values {
                Values::Numbers { scale, numbers } => {
                    out.push(*scale as u8);
                    series::put(&mut out, numbers);
                    (Form::Numbers, Wants::Nothing)
                }
                Values::Strings(texts) => (Form::Strings, put_text(&mut out, texts, beside)),
                Values::Tokens(texts) => (Form::Tokens, put_text(&mut out, texts, beside)),
            };
            paths.push(Path { path, form, values: count, beside_groups: wants == Wants::Groups });
            columns.push(out);
        }
        let path = |column: usize| paths.get(column).map(|path: &Path| path.path.as_str());
        let stored: Vec<String> = parts.shapes.iter().map(|shape| shape.stored(path)).collect();
        let mut out = Vec::new();
        put_varint(&mut out, stored.len() as u64);
        texts::put(&mut out, &stored.iter().map(String::as_str).collect::<Vec<_>>());
        let wants = codes::put(&mut out, &parts.codes, Beside { groups: Some(groups), parent: Some(types) });
        let mut fixed = vec![(BlockId::SHAPES, wants, out)];
        if !parts.rest.codes.is_empty() {
            let mut out = Vec::new();
            put_varint(&mut out, parts.rest.codes.len() as u64);
            put_text(&mut out, &parts.rest, Beside::default());
            fixed.push((BlockId::REST, Wants::Nothing, out));
        }
        Taken { fixed, paths, columns }
    }

    /// What zstd makes of all of it, the directory of paths included.
    fn compressed(&self) -> usize {
        let mut all: Vec<u8> = self.fixed.iter().flat_map(|(_, _, bytes)| bytes.iter().copied()).collect();
        self.paths.iter().for_each(|path| put_bytes(&mut all, path.path.as_bytes()));
        self.columns.iter().for_each(|column| put_bytes(&mut all, column));
        compressed(&all)
    }
}

/// Appends a dictionary and codes into it.
fn put_text(out: &mut Vec<u8>, repeating: &Repeating, beside: Beside<'_>) -> Wants {
    put_varint(out, repeating.values.len() as u64);
    texts::put(out, &repeating.values.iter().collect::<Vec<_>>());
    codes::put(out, &repeating.codes, beside)
}

/// Appends a dictionary of small numbers and codes into it.
fn put_small(out: &mut Vec<u8>, numbers: &[u8], beside: Beside<'_>) -> Wants {
    let mut known = [0u32; 256];
    let mut dictionary = Vec::new();
    let mut code = |number: u8| {
        let Some(slot) = known.get_mut(usize::from(number)) else { return ABSENT };
        if *slot == ABSENT {
            dictionary.push(number);
            *slot = dictionary.len() as u32;
        }
        *slot
    };
    let codes: Vec<u32> = numbers.iter().map(|number| code(*number)).collect();
    put_bytes(out, &dictionary);
    codes::put(out, &codes, beside)
}
