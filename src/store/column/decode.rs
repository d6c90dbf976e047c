//! Blocks back to columns in memory.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::columns::{Attributes, Columns};
use super::super::need::Plain;
use super::super::row::{Damaged, Reader, TextColumn};
use super::codes::{self, Beside};
use super::decimal::{self, Presence};
use super::groups::Groups;
use super::held::{Held, Sparse};
use super::layout::{Form, Layout};
use super::shape::{COLUMNS_MAX, Shape, Shapes};
use super::shredded::{Shredded, Values};
use super::strings::{Repeating, Strings};
use super::{BlockId, ints, series, texts};

/// A decoded block. Cloning shares it.
#[derive(Clone)]
pub struct Decoded(Content);

#[derive(Clone)]
enum Content {
    Groups(Arc<Groups>),
    Moments(Arc<Vec<i64>>),
    Bytes(Arc<Vec<u8>>),
    Flags(Arc<Vec<bool>>),
    Numbers(Arc<Sparse<f64>>),
    Statuses(Arc<Sparse<u16>>),
    Text(Arc<Strings>),
    Shapes(Arc<Shapes>),
    Values(Arc<Values>),
}

impl Decoded {
    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Content::Groups(groups) => groups.bytes(),
            Content::Moments(moments) => moments.len() * 8,
            Content::Bytes(bytes) => bytes.len(),
            Content::Flags(flags) => flags.len(),
            Content::Numbers(numbers) => numbers.bytes(),
            Content::Statuses(statuses) => statuses.bytes(),
            Content::Text(text) => text.bytes(),
            Content::Shapes(shapes) => shapes.bytes(),
            Content::Values(values) => values.bytes(),
        }
    }

    /// The codes that other columns are read beside.
    fn codes(&self) -> Option<Cow<'_, [u32]>> {
        match &self.0 {
            Content::Bytes(bytes) => Some(bytes.iter().map(|byte| u32::from(*byte)).collect()),
            Content::Text(text) => match text.as_ref() {
                Strings::Repeating(repeating) => Some(Cow::Borrowed(&repeating.codes)),
                Strings::Unused | Strings::Single(_) => None,
            },
            Content::Groups(_)
            | Content::Moments(_)
            | Content::Flags(_)
            | Content::Numbers(_)
            | Content::Statuses(_)
            | Content::Shapes(_)
            | Content::Values(_) => None,
        }
    }
}

/// Decodes one block. `others` gives the blocks decoded before it, in the order of [`Layout::blocks_for`].
///
/// # Errors
/// The bytes are not such a block of that run, or one that it is read beside is missing.
pub fn decode_block(
    layout: &Layout,
    block: BlockId,
    bytes: &[u8],
    others: &dyn Fn(BlockId) -> Option<Decoded>,
) -> Result<Decoded, Damaged> {
    let mut reader = Reader { bytes };
    let content = read(layout, block, &mut reader, others).ok_or(Damaged)?;
    if reader.bytes.is_empty() { Ok(Decoded(content)) } else { Err(Damaged) }
}

fn read(
    layout: &Layout,
    block: BlockId,
    reader: &mut Reader<'_>,
    others: &dyn Fn(BlockId) -> Option<Decoded>,
) -> Option<Content> {
    if !layout.exists(block) {
        return None;
    }
    let rows = layout.rows;
    let column = block.column().and_then(|column| layout.paths.get(column));
    let groups = if layout.beside_groups & block.bit() != 0 || column.is_some_and(|column| column.beside_groups) {
        let Content::Groups(groups) = others(BlockId::GROUPS)?.0 else { return None };
        Some(groups)
    } else {
        None
    };
    let parent = if layout.beside_parent & block.bit() != 0 { Some(others(block.parent()?)?) } else { None };
    if block == BlockId::plain(Plain::Received) {
        let Content::Moments(times) = &parent.as_ref()?.0 else { return None };
        return Some(Content::Moments(Arc::new(series::take_arrivals(reader, times)?)));
    }
    let parent = parent.as_ref().map(|parent| parent.codes()).map_or(Some(None), |codes| codes.map(Some))?;
    let beside = Beside { groups: groups.as_deref(), parent: parent.as_deref() };
    if let Some(column) = column {
        let values = match column.form {
            Form::Numbers => {
                let scale = usize::from(reader.byte()?);
                let numbers = series::take(reader, column.values)?;
                (scale <= super::json::DECIMALS_MAX).then_some(Values::Numbers { scale, numbers })?
            }
            Form::Strings => Values::Strings(take_text(reader, column.values, beside)?),
            Form::Tokens => Values::Tokens(take_text(reader, column.values, beside)?),
        };
        return Some(Content::Values(Arc::new(values)));
    }
    Some(match block {
        BlockId::GROUPS => Content::Groups(Arc::new(Groups::take(reader, rows)?)),
        BlockId::SHAPES => Content::Shapes(Arc::new(take_shapes(layout, reader, beside)?)),
        BlockId::REST => {
            let values = usize::try_from(reader.varint()?).ok().filter(|values| *values <= super::shape::VALUES_MAX)?;
            Content::Values(Arc::new(Values::Tokens(take_text(reader, values, beside)?)))
        }
        _ => match plain_of(block) {
            None => Content::Text(Arc::new(Strings::Repeating(take_text(reader, rows, beside)?))),
            Some(Plain::Attributes) => Content::Text(Arc::new(Strings::Repeating(take_text(reader, rows, beside)?))),
            Some(Plain::Time) => Content::Moments(Arc::new(series::take_times(reader, groups.as_deref()?)?)),
            Some(Plain::Received) => return None,
            Some(Plain::EventType | Plain::Ok) => Content::Bytes(Arc::new(take_bytes(reader, rows, beside)?)),
            Some(Plain::SessionDerived) => {
                Content::Flags(Arc::new(take_bytes(reader, rows, beside)?.into_iter().map(|flag| flag != 0).collect()))
            }
            Some(Plain::Duration | Plain::Value) => {
                let places = Presence::take(reader, rows)?;
                let numbers = decimal::take(reader, places.len())?;
                Content::Numbers(Arc::new(Sparse::spread(rows, &places, numbers)))
            }
            Some(Plain::Status) => {
                let places = Presence::take(reader, rows)?;
                let statuses = ints::take(reader, places.len(), |status| u16::try_from(status).ok())?;
                let statuses = statuses.into_iter().collect::<Option<Vec<u16>>>()?;
                Content::Statuses(Arc::new(Sparse::spread(rows, &places, statuses)))
            }
        },
    })
}

fn plain_of(block: BlockId) -> Option<Plain> {
    Plain::ALL.into_iter().find(|column| BlockId::plain(*column) == block)
}

/// A dictionary and `count` codes into it.
fn take_text(reader: &mut Reader<'_>, count: usize, beside: Beside<'_>) -> Option<Repeating> {
    let size = usize::try_from(reader.varint()?).ok().filter(|size| *size <= count)?;
    let values = texts::take(reader, size)?;
    let codes = codes::take(reader, count, u32::try_from(size).ok()?, beside)?;
    Some(Repeating::new(codes, values))
}

/// A dictionary of small numbers and a code into it for every row.
fn take_bytes(reader: &mut Reader<'_>, rows: usize, beside: Beside<'_>) -> Option<Vec<u8>> {
    let dictionary = reader.slice()?;
    let codes = codes::take(reader, rows, u32::try_from(dictionary.len()).ok()?, beside)?;
    codes.into_iter().map(|code| dictionary.get((code as usize).checked_sub(1)?).copied()).collect()
}

fn take_shapes(layout: &Layout, reader: &mut Reader<'_>, beside: Beside<'_>) -> Option<Shapes> {
    let text = take_text(reader, layout.rows, beside)?;
    let path = |column: usize| layout.paths.get(column).map(|path| path.path.as_str());
    let shapes: Vec<Shape> = text.values.iter().map(|stored| Shape::restore(stored, path)).collect::<Option<_>>()?;
    let shapes = Shapes::new(shapes, text.codes);
    let known = |(column, path): (usize, &super::layout::Path)| {
        shapes.values(super::shape::Filler::Column(column)) == Some(path.values)
    };
    layout.paths.iter().enumerate().all(known).then_some(shapes)
}

impl Columns {
    /// Puts decoded blocks of one run together; a block that is not among them reads as absent.
    ///
    /// # Errors
    /// The blocks do not fit each other.
    pub fn assemble(layout: &Layout, blocks: impl IntoIterator<Item = (BlockId, Decoded)>) -> Result<Columns, Damaged> {
        let mut columns = Columns::sealed(layout.rows, layout.spans);
        let mut shapes = None;
        let mut values: Vec<Option<Arc<Values>>> = vec![None; layout.paths.len().min(COLUMNS_MAX)];
        let mut rest = None;
        for (block, decoded) in blocks {
            match (decoded.0, block.column()) {
                (Content::Values(column), Some(number)) => *values.get_mut(number).ok_or(Damaged)? = Some(column),
                (Content::Values(remaining), None) => rest = Some(remaining),
                (Content::Shapes(found), _) => shapes = Some(found),
                (content, _) => place(&mut columns, block, content).ok_or(Damaged)?,
            }
        }
        if let Some(shapes) = shapes {
            let complete = values.iter().all(Option::is_some) && rest.is_some() == layout.exists(BlockId::REST);
            let mut shredded = Shredded::new(shapes, values, rest).ok_or(Damaged)?;
            if complete {
                shredded = shredded.complete(layout.attribute_bytes);
            }
            columns.attributes = Attributes::Shredded(shredded);
        }
        Ok(columns)
    }
}

/// Puts a fixed column in its place.
fn place(columns: &mut Columns, block: BlockId, content: Content) -> Option<()> {
    let plain = plain_of(block);
    match (content, plain) {
        (Content::Groups(_), _) => {}
        (Content::Moments(moments), Some(Plain::Time)) => columns.time = Held::Shared(moments),
        (Content::Moments(moments), Some(Plain::Received)) => columns.received = Held::Shared(moments),
        (Content::Bytes(types), Some(Plain::EventType)) => columns.event_type = Held::Shared(types),
        (Content::Bytes(ok), Some(Plain::Ok)) => columns.ok = Held::Shared(ok),
        (Content::Flags(flags), Some(Plain::SessionDerived)) => columns.session_derived = Held::Shared(flags),
        (Content::Numbers(numbers), Some(Plain::Duration)) => columns.duration_ms = Held::Shared(numbers),
        (Content::Numbers(numbers), Some(Plain::Value)) => columns.value = Held::Shared(numbers),
        (Content::Statuses(statuses), Some(Plain::Status)) => columns.status = Held::Shared(statuses),
        (Content::Text(text), Some(Plain::Attributes)) => columns.attributes = Attributes::Whole(Held::Shared(text)),
        (Content::Text(text), None) => {
            let column = TextColumn::ALL.into_iter().find(|column| BlockId::text(*column) == block)?;
            *columns.text.get_mut(column as usize)? = Held::Shared(text);
        }
        _ => return None,
    }
    Some(())
}
