//! Lists of dictionary codes, one a row: direct, in runs, once a session, or given another column.
//!
//! Dictionaries number their values in the order of first appearance, so a code is either one seen before or the next new one; the
//! next new one is always written as 1. A list of codes that are all new, such as those of ids, thus costs nothing.

use super::super::row::{Reader, put_varint};
use super::bits::{BitReader, BitWriter};
use super::groups::Groups;
use super::ints::{self, entropy_bits};
use super::prefix::{Decoder, Encoder, SYMBOLS_MAX};

const DIRECT: u8 = 0;
const RUNS: u8 = 1;
const GROUPED: u8 = 2;
const GIVEN: u8 = 3;

/// Cells of the largest table of (parent, code) pairs that is looked at.
const PAIRS_MAX: usize = 1 << 17;

/// What the reader of a list will know besides.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'b> {
    /// The sessions of the rows.
    pub(super) groups: Option<&'b Groups>,
    /// The codes of another column.
    pub(super) parent: Option<&'b [u32]>,
}

/// What a list of codes needs to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nothing else.
    Nothing,
    /// The sessions.
    Groups,
    /// The other column.
    Parent,
}

/// Appends codes in order of first appearance, 0 for absent; says what the reader will need.
pub(super) fn put(out: &mut Vec<u8>, codes: &[u32], beside: Beside<'_>) -> Wants {
    let Some(most) = codes.iter().max().copied() else { return Wants::Nothing };
    let direct = cost(codes.iter().copied(), most);
    let starts = |row: usize| row == 0 || codes.get(row) != codes.get(row - 1);
    let changes: Vec<usize> = (0..codes.len()).filter(|row| starts(*row)).collect();
    let runs = cost(changes.iter().filter_map(|row| codes.get(*row).copied()), most)
        + changes.len() as f64 * (2.0 + (codes.len() as f64 / changes.len() as f64).log2());
    let grouped = beside.groups.map(|groups| Grouped::of(codes, &changes, groups));
    let grouped_cost = grouped.as_ref().map_or(f64::MAX, |grouped| grouped.cost(codes, most));
    let pairs =
        beside.parent.filter(|parent| parent.len() == codes.len()).and_then(|parent| Pairs::of(codes, most, parent));
    let given = pairs.as_ref().map_or(f64::MAX, Pairs::cost);
    let least = direct.min(runs).min(grouped_cost).min(given);
    match (grouped, pairs, beside.parent) {
        (_, Some(pairs), Some(parent)) if given <= least => {
            out.push(GIVEN);
            pairs.put(out, codes, parent);
            Wants::Parent
        }
        (Some(grouped), _, _) if grouped_cost <= least => {
            out.push(GROUPED);
            put_varint(out, grouped.inside.len() as u64);
            put_positions(out, &grouped.inside);
            ints::put(out, &renumbered(grouped.firsts.iter().filter_map(|row| codes.get(*row).copied())));
            Wants::Groups
        }
        _ if runs < direct => {
            out.push(RUNS);
            put_varint(out, changes.len() as u64);
            put_positions(out, &changes);
            ints::put(out, &renumbered(changes.iter().filter_map(|row| codes.get(*row).copied())));
            Wants::Nothing
        }
        _ => {
            out.push(DIRECT);
            ints::put(out, &renumbered(codes.iter().copied()));
            Wants::Nothing
        }
    }
}

/// Reads the codes of `rows` rows, none above `most`.
pub(super) fn take(reader: &mut Reader<'_>, rows: usize, most: u32, beside: Beside<'_>) -> Option<Vec<u32>> {
    if rows == 0 {
        return Some(Vec::new());
    }
    match reader.byte()? {
        DIRECT => take_renumbered(reader, rows, most),
        RUNS => {
            let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= rows)?;
            let changes = take_positions(reader, count, rows)?;
            let values = take_renumbered(reader, count, most)?;
            spread(&changes, &values, rows)
        }
        GROUPED => {
            let groups = beside.groups.filter(|groups| groups.rows() == rows)?;
            let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= rows)?;
            let inside = take_positions(reader, count, rows)?;
            let changes = merged(groups.starts(), inside);
            let values = take_renumbered(reader, changes.len(), most)?;
            spread(&changes, &values, rows)
        }
        GIVEN => take_given(reader, most, beside.parent.filter(|parent| parent.len() == rows)?),
        _ => None,
    }
}

/// The codes as they are written: 0 absent, 1 the next new one, above that the codes seen before, by one higher.
fn renumbered(codes: impl Iterator<Item = u32>) -> Vec<u64> {
    let mut next = 1;
    let number = |code: u32| {
        if code == next {
            next += 1;
            return 1;
        }
        if code == 0 { 0 } else { u64::from(code) + 1 }
    };
    codes.map(number).collect()
}

fn take_renumbered(reader: &mut Reader<'_>, count: usize, most: u32) -> Option<Vec<u32>> {
    let mut codes = ints::take(reader, count, |number| u32::try_from(number).unwrap_or(u32::MAX))?;
    let mut next = 1u32;
    let mut highest = 0;
    for code in &mut codes {
        *code = match *code {
            0 => 0,
            1 => {
                next += 1;
                next - 1
            }
            seen => seen - 1,
        };
        highest = highest.max(*code);
    }
    (highest <= most).then_some(codes)
}

/// Bits of a direct list, about.
fn cost(codes: impl Iterator<Item = u32>, most: u32) -> f64 {
    let mut counts = vec![0u32; most as usize + 1];
    let mut total = 0;
    for code in codes {
        total += 1;
        if let Some(count) = counts.get_mut(code as usize) {
            *count += 1;
        }
    }
    // Every first appearance is written as 1.
    let mut repeats: Vec<u32> =
        counts.iter().skip(1).map(|count| count.saturating_sub(1)).filter(|count| *count > 0).collect();
    let fresh = counts.iter().skip(1).filter(|count| **count > 0).count() as u32;
    repeats.push(fresh);
    repeats.push(counts.first().copied().unwrap_or(0));
    let table = if repeats.iter().filter(|count| **count > 0).count() > 1 { 12.0 * repeats.len() as f64 } else { 0.0 };
    // A short list is packed rather than graded.
    let packed = f64::from(32 - (most + 1).leading_zeros()) * f64::from(total);
    32.0 + packed.min(entropy_bits(&repeats, total as usize) + table)
}

/// Changes of a column that mostly changes with the session.
struct Grouped {
    /// Rows that begin a session, or a new value within one.
    firsts: Vec<usize>,
    /// Rows that begin a new value within a session.
    inside: Vec<usize>,
}

impl Grouped {
    fn of(codes: &[u32], changes: &[usize], groups: &Groups) -> Grouped {
        let mut starts = groups.starts().peekable();
        let mut inside = Vec::new();
        for change in changes {
            while starts.next_if(|start| start < change).is_some() {}
            if starts.peek() != Some(change) {
                inside.push(*change);
            }
        }
        debug_assert_eq!(groups.rows(), codes.len());
        Grouped { firsts: merged(groups.starts(), inside.clone()), inside }
    }

    fn cost(&self, codes: &[u32], most: u32) -> f64 {
        let positions =
            self.inside.len() as f64 * (2.0 + (codes.len() as f64 / self.inside.len().max(1) as f64).log2());
        8.0 + positions + cost(self.firsts.iter().filter_map(|row| codes.get(*row).copied()), most)
    }
}

fn merged(starts: impl Iterator<Item = usize>, inside: Vec<usize>) -> Vec<usize> {
    let mut inside = inside.into_iter().peekable();
    let mut all = Vec::new();
    for start in starts {
        while let Some(before) = inside.next_if(|row| *row < start) {
            all.push(before);
        }
        all.push(start);
    }
    all.extend(inside);
    all
}

fn put_positions(out: &mut Vec<u8>, positions: &[usize]) {
    let mut next = 0;
    let gaps = positions.iter().map(|position| (position - std::mem::replace(&mut next, position + 1)) as u64);
    ints::put(out, &gaps.collect::<Vec<_>>());
}

fn take_positions(reader: &mut Reader<'_>, count: usize, rows: usize) -> Option<Vec<usize>> {
    let mut positions = ints::take(reader, count, |gap| usize::try_from(gap).unwrap_or(usize::MAX))?;
    let mut next = 0usize;
    for position in &mut positions {
        *position = next.checked_add(*position).filter(|position| *position < rows)?;
        next = *position + 1;
    }
    Some(positions)
}

/// Values from each change to the next; the first change must be at the first row.
fn spread(changes: &[usize], values: &[u32], rows: usize) -> Option<Vec<u32>> {
    if changes.first() != Some(&0) {
        return None;
    }
    let mut codes = Vec::with_capacity(rows);
    let ends = changes.iter().skip(1).copied().chain(std::iter::once(rows));
    for (end, value) in ends.zip(values) {
        codes.resize(end.max(codes.len()), *value);
    }
    Some(codes)
}

/// How often each code occurs beside each code of the parent.
struct Pairs {
    width: usize,
    counts: Vec<u32>,
}

impl Pairs {
    fn of(codes: &[u32], most: u32, parent: &[u32]) -> Option<Pairs> {
        let width = most as usize + 1;
        let height = parent.iter().max().copied()? as usize + 1;
        let cells = width.checked_mul(height).filter(|cells| *cells <= PAIRS_MAX)?;
        let mut counts = vec![0; cells];
        for (code, parent) in codes.iter().zip(parent) {
            if let Some(count) = counts.get_mut(*parent as usize * width + *code as usize) {
                *count += 1;
            }
        }
        let pairs = Pairs { width, counts };
        let small = pairs.rows().all(|row| row.iter().filter(|count| **count > 0).count() <= SYMBOLS_MAX);
        small.then_some(pairs)
    }

    fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.counts.chunks(self.width)
    }

    fn cost(&self) -> f64 {
        let row = |counts: &[u32]| {
            let used = counts.iter().filter(|count| **count > 0).count();
            let total = counts.iter().map(|count| *count as usize).sum();
            8.0 + 12.0 * used as f64 + entropy_bits(counts, total)
        };
        32.0 + self.rows().map(row).sum::<f64>()
    }

    /// Per code of the parent: the codes beside it and their prefix code; then the words.
    fn put(&self, out: &mut Vec<u8>, codes: &[u32], parent: &[u32]) {
        put_varint(out, (self.counts.len() / self.width) as u64);
        let mut tables = Vec::new();
        for counts in self.rows() {
            let used: Vec<(usize, u32)> = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
            ints::put_ascending(out, used.iter().map(|(code, _)| *code as u64));
            let encoder = Encoder::new(&used.iter().map(|(_, count)| *count).collect::<Vec<_>>());
            encoder.put_code(out);
            let mut symbols = vec![0usize; self.width];
            for (symbol, (code, _)) in used.iter().enumerate() {
                if let Some(slot) = symbols.get_mut(*code) {
                    *slot = symbol;
                }
            }
            tables.push((encoder, symbols));
        }
        let mut writer = BitWriter::default();
        for (code, parent) in codes.iter().zip(parent) {
            if let Some((encoder, symbols)) = tables.get(*parent as usize) {
                encoder.put(&mut writer, symbols.get(*code as usize).copied().unwrap_or_default());
            }
        }
        out.extend_from_slice(&writer.finish());
    }
}

fn take_given(reader: &mut Reader<'_>, most: u32, parent: &[u32]) -> Option<Vec<u32>> {
    let height = usize::try_from(reader.varint()?).ok().filter(|height| *height <= reader.bytes.len())?;
    let mut tables = Vec::with_capacity(height);
    let mut entries = 0;
    for _ in 0..height {
        let codes = ints::take_ascending(reader, SYMBOLS_MAX)?;
        if codes.last().is_some_and(|last| *last > u64::from(most)) {
            return None;
        }
        // A parent's code that no row has needs no table.
        tables.push(if codes.is_empty() { None } else { Some((Decoder::take(reader, codes.len())?, codes)) });
        entries += codes_size(tables.last()?.as_ref());
        if entries > PAIRS_MAX * 8 {
            return None;
        }
    }
    let mut codes = Vec::with_capacity(parent.len());
    if reader.bytes.is_empty() {
        // Every code follows from the parent's.
        let only: Vec<Option<u32>> = tables.iter().map(|table| Some(*table.as_ref()?.1.first()? as u32)).collect();
        for parent in parent {
            codes.push((*only.get(*parent as usize)?)?);
        }
        return tables.iter().flatten().all(|(_, codes)| codes.len() == 1).then_some(codes);
    }
    let mut bits = BitReader::new(reader.take(reader.bytes.len())?);
    for parent in parent {
        let (decoder, known) = tables.get(*parent as usize)?.as_ref()?;
        let code = known.get(decoder.next(&mut bits)).copied()?;
        codes.push(code as u32);
    }
    bits.finished().then_some(codes)
}

/// Slots of memory that a table takes.
fn codes_size(table: Option<&(Decoder, Vec<u64>)>) -> usize {
    table.map_or(0, |(decoder, codes)| decoder.slots() + codes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Renumbers in order of first appearance.
    fn numbered(raw: &[u32]) -> Vec<u32> {
        let mut seen = vec![];
        raw.iter()
            .map(|r| {
                if *r == 0 {
                    0
                } else {
                    seen.iter().position(|s| s == r).unwrap_or_else(|| {
                        seen.push(*r);
                        seen.len() - 1
                    }) as u32
                        + 1
                }
            })
            .collect()
    }

    fn list() -> impl Strategy<Value = Vec<u32>> {
        prop_oneof![
            proptest::collection::vec(0..4u32, 0..300),
            proptest::collection::vec(any::<u32>(), 0..100),
            proptest::collection::vec((0..9u32, 1..20usize), 0..20)
                .prop_map(|runs| runs.into_iter().flat_map(|(code, n)| std::iter::repeat_n(code, n)).collect()),
        ]
    }

    proptest! {
        #[test]
        fn codes_come_back(raw in list(), sessions in proptest::collection::vec(0..3u32, 300), noise in proptest::collection::vec(0..40u8, 300)) {
            let sessions: Vec<u32> = sessions.into_iter().scan(0, |sum, step| { *sum += u32::from(step == 0); Some(*sum) }).take(raw.len()).collect();
            let groups = Groups::of(sessions.iter().copied());
            let derived: Vec<u32> = sessions.iter().zip(&noise).map(|(s, n)| if *n == 0 { 7 } else { s % 5 }).collect();
            for codes in [numbered(&raw), numbered(&derived)] {
                let most = codes.iter().max().copied().unwrap_or(0);
                let parent: Vec<u32> = codes.iter().map(|code| code / 2).collect();
                for beside in [Beside::default(), Beside { groups: Some(&groups), parent: None }, Beside { groups: Some(&groups), parent: Some(&parent) }] {
                    let mut out = Vec::new();
                    let wants = put(&mut out, &codes, beside);
                    let beside = match wants {
                        Wants::Nothing => Beside::default(),
                        Wants::Groups => Beside { parent: None, ..beside },
                        Wants::Parent => Beside { groups: None, ..beside },
                    };
                    let read = take(&mut Reader { bytes: &out }, codes.len(), most, beside);
                    prop_assert_eq!(read.as_ref(), Some(&codes));
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), tag in 0..4u8, count in 1..200usize) {
            let bytes = [vec![tag], bytes].concat();
            let groups = Groups::of((0..count as u32).map(|row| row / 7));
            let parent: Vec<u32> = (0..count as u32).map(|row| row % 3).collect();
            let beside = Beside { groups: Some(&groups), parent: Some(&parent) };
            if let Some(codes) = take(&mut Reader { bytes: &bytes }, count, 9, beside) {
                prop_assert!(codes.len() == count && codes.iter().all(|code| *code <= 9));
            }
        }
    }

    #[test]
    fn what_follows_from_another_column_costs_next_to_nothing() {
        let parent: Vec<u32> = (0..4000u32).map(|row| row * 7919 % 13).collect();
        let codes = numbered(&parent.iter().map(|code| code % 4 + 1).collect::<Vec<_>>());
        let mut out = Vec::new();
        assert_eq!(put(&mut out, &codes, Beside { groups: None, parent: Some(&parent) }), Wants::Parent);
        assert!(out.len() < 64, "{}", out.len());
    }
}
