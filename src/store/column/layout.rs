//! What a run consists of: its rows, their extremes, its blocks, and what each block needs to be read.

use crate::clock::Millis;

use super::super::columns::Spans;
use super::super::need::{Need, Plain};
use super::super::row::{Damaged, Reader, TextColumn, put_bytes, put_varint, unzigzag, zigzag};
use super::codes::Wants;
use super::shape::COLUMNS_MAX;
use super::texts::TEXT_MAX;
use super::{BlockId, ROWS_MAX};

/// Version of the grammar of blocks.
const VERSION: u8 = 1;

/// Describes one run; the content of its [`BlockId::LAYOUT`].
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(super) rows: usize,
    pub(super) spans: Spans,
    /// Blocks of fixed columns that exist, one bit each.
    pub(super) exist: u64,
    /// Those of them that are read beside the sessions.
    pub(super) beside_groups: u64,
    /// Those of them that are read beside another column (see [`BlockId::parent`]).
    pub(super) beside_parent: u64,
    /// Bytes of all attributes as JSON text.
    pub(super) attribute_bytes: usize,
    pub(super) paths: Vec<Path>,
}

/// One column of attributes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    /// Names of members from the outside in, joined by dots; elements of arrays are `[]`.
    pub(super) path: String,
    pub(super) form: Form,
    pub(super) values: usize,
    /// Whether it is read beside the sessions.
    pub(super) beside_groups: bool,
}

/// What a column of attributes holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    Numbers = 0,
    Strings = 1,
    Tokens = 2,
}

impl BlockId {
    /// The column that a column may depend on: fixed, so that a reader need not look.
    pub(super) fn parent(self) -> Option<BlockId> {
        let name = BlockId::text(TextColumn::Name);
        let error_type = BlockId::text(TextColumn::ErrorType);
        let after_name =
            [TextColumn::Method, TextColumn::Path, TextColumn::Unit, TextColumn::Severity, TextColumn::Model];
        match self {
            BlockId::SHAPES => Some(BlockId::plain(Plain::EventType)),
            _ if self == BlockId::plain(Plain::EventType) => Some(name),
            _ if self == BlockId::plain(Plain::Received) => Some(BlockId::plain(Plain::Time)),
            _ if self == BlockId::plain(Plain::Ok) => Some(error_type),
            _ if self == BlockId::text(TextColumn::ErrorMessage) => Some(error_type),
            _ if after_name.iter().any(|column| self == BlockId::text(*column)) => Some(name),
            _ => None,
        }
    }
}

/// Every fixed block, those first that others may depend on.
fn fixed() -> impl Iterator<Item = BlockId> {
    let texts = TextColumn::ALL.into_iter().map(BlockId::text);
    let plain = Plain::ALL.into_iter().map(BlockId::plain);
    let (first, rest): (Vec<BlockId>, Vec<BlockId>) = texts.chain(plain).partition(|block| block.parent().is_none());
    // Of the dependent ones only the type has dependants of its own.
    let event_type = BlockId::plain(Plain::EventType);
    let rest = rest.into_iter().filter(move |block| *block != event_type);
    std::iter::once(BlockId::GROUPS)
        .chain(first)
        .chain([event_type])
        .chain(rest)
        .chain([BlockId::SHAPES, BlockId::REST])
}

impl Layout {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The extremes of the two times.
    pub fn spans(&self) -> Spans {
        self.spans
    }

    /// Every block but the layout itself, each behind those that it is read beside.
    pub fn blocks(&self) -> Vec<BlockId> {
        let fixed = fixed().filter(|block| self.exists(*block));
        fixed.chain((0..self.paths.len()).filter_map(BlockId::attribute)).collect()
    }

    /// The blocks that a reader needs, each behind those that it is read beside.
    pub fn blocks_for(&self, need: &Need) -> Vec<BlockId> {
        let mut wanted = 0u64;
        let plain = Plain::ALL.into_iter().filter(|column| need.has(*column)).map(BlockId::plain);
        let text = TextColumn::ALL.into_iter().filter(|column| need.has_text(*column)).map(BlockId::text);
        plain.chain(text).for_each(|block| wanted |= block.bit());
        let every = need.has(Plain::Attributes);
        let mut columns = Vec::new();
        if every || !need.paths().is_empty() {
            wanted |= BlockId::SHAPES.bit() | BlockId::REST.bit() | BlockId::plain(Plain::Attributes).bit();
            let asked = |path: &Path| every || need.paths().iter().any(|asked| path.is_within(asked));
            columns.extend((0..).zip(&self.paths).filter(|(_, path)| asked(path)));
        }
        if columns.iter().any(|(_, path)| path.beside_groups) {
            wanted |= BlockId::GROUPS.bit();
        }
        // Dependants come last in the order of blocks, so that going backwards finds what they depend on.
        let order: Vec<BlockId> = fixed().filter(|block| self.exists(*block)).collect();
        for block in order.iter().rev().filter(|block| block.bit() != 0) {
            if wanted & block.bit() == 0 {
                continue;
            }
            if self.beside_groups & block.bit() != 0 {
                wanted |= BlockId::GROUPS.bit();
            }
            if self.beside_parent & block.bit() != 0 {
                wanted |= block.parent().map_or(0, BlockId::bit);
            }
        }
        let fixed = order.into_iter().filter(|block| wanted & block.bit() != 0);
        fixed.chain(columns.into_iter().filter_map(|(column, _)| BlockId::attribute(column))).collect()
    }

    /// The path of a column of attributes.
    pub fn path_name(&self, column: usize) -> &str {
        self.paths.get(column).map_or("", |path| path.path.as_str())
    }

    /// Whether the run has that block.
    pub fn exists(&self, block: BlockId) -> bool {
        self.exist & block.bit() != 0 || block.column().is_some_and(|column| column < self.paths.len())
    }

    /// Notes that a fixed block exists and what it is read beside.
    pub(super) fn add(&mut self, block: BlockId, wants: Wants) {
        self.exist |= block.bit();
        match wants {
            Wants::Nothing => {}
            Wants::Groups => self.beside_groups |= block.bit(),
            Wants::Parent => self.beside_parent |= block.bit(),
        }
    }

    /// The block's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.rows as u64);
        let Spans { received, time } = self.spans;
        put_varint(&mut out, zigzag(received.0.0));
        put_varint(&mut out, zigzag(received.1.0.wrapping_sub(received.0.0)));
        put_varint(&mut out, zigzag(time.0.0.wrapping_sub(received.0.0)));
        put_varint(&mut out, zigzag(time.1.0.wrapping_sub(time.0.0)));
        for bits in
            [self.exist, self.beside_groups, self.beside_parent, self.attribute_bytes as u64, self.paths.len() as u64]
        {
            put_varint(&mut out, bits);
        }
        for path in &self.paths {
            put_bytes(&mut out, path.path.as_bytes());
            out.push(path.form as u8 | u8::from(path.beside_groups) << 2 | u8::from(path.values == self.rows) << 3);
            if path.values != self.rows {
                put_varint(&mut out, path.values as u64);
            }
        }
        out
    }

    /// Reads a layout.
    ///
    /// # Errors
    /// The bytes are not one, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Layout, Damaged> {
        let mut reader = Reader { bytes };
        let layout = Layout::read(&mut reader).ok_or(Damaged)?;
        if reader.bytes.is_empty() { Ok(layout) } else { Err(Damaged) }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Layout> {
        if reader.byte()? != VERSION {
            return None;
        }
        let size = |number: u64, most: usize| usize::try_from(number).ok().filter(|number| *number <= most);
        let rows = size(reader.varint()?, ROWS_MAX).filter(|rows| *rows > 0)?;
        let received = unzigzag(reader.varint()?);
        let received = (Millis(received), Millis(received.wrapping_add(unzigzag(reader.varint()?))));
        let time = received.0.0.wrapping_add(unzigzag(reader.varint()?));
        let time = (Millis(time), Millis(time.wrapping_add(unzigzag(reader.varint()?))));
        let [exist, beside_groups, beside_parent] = [reader.varint()?, reader.varint()?, reader.varint()?];
        let known = fixed().fold(0, |known, block| known | block.bit());
        if exist & !known != 0 || (beside_groups | beside_parent) & !exist != 0 {
            return None;
        }
        let attribute_bytes = size(reader.varint()?, TEXT_MAX)?;
        let count = size(reader.varint()?, COLUMNS_MAX)?;
        let mut paths = Vec::with_capacity(count);
        for _ in 0..count {
            let path = std::str::from_utf8(reader.slice()?).ok()?.to_owned();
            let flags = reader.byte()?;
            let form = match flags & 3 {
                0 => Form::Numbers,
                1 => Form::Strings,
                2 => Form::Tokens,
                _ => return None,
            };
            let every_row = flags & 8 != 0;
            let values = if every_row { rows } else { size(reader.varint()?, super::shape::VALUES_MAX)? };
            paths.push(Path { path, form, values, beside_groups: flags & 4 != 0 });
        }
        let spans = Spans { received, time };
        Some(Layout { rows, spans, exist, beside_groups, beside_parent, attribute_bytes, paths })
    }
}

impl Path {
    /// Whether the column holds values of, or within, the member that a reader asked for.
    fn is_within(&self, asked: &str) -> bool {
        self.path.strip_prefix(asked).is_some_and(|behind| behind.is_empty() || behind.starts_with(['.', '[']))
    }
}
