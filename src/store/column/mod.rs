//! Column blocks: how a sealed run of rows becomes bytes, and back.
//!
//! A *run* is the rows of one bucket sealed together, sorted by session; sessions stand in the order of their first event, so that both the
//! gaps within sessions and those between their beginnings are small. Every column becomes one block; a small `layout` block says which there are.
//! Blocks are tightly coded but not compressed, encrypted or checked: the layers above do that. A column may be read *beside* another (its
//! sessions, the name of the event), which then costs nothing where it follows from it; [`Layout::blocks_for`] lists blocks in an order in which
//! that works.
//!
//! Invariants: what was encoded comes back exactly, attributes byte for byte; no bytes make a decoder panic or take more than a few times
//! [`TEXT_BYTES_MAX`] of memory. The grammar is in `FORMAT.md`.

mod attributes;
mod bits;
mod codes;
mod decimal;
mod decode;
mod encode;
mod fields;
mod groups;
pub(super) mod held;
mod ints;
mod json;
mod judge;
mod layout;
mod prefix;
mod series;
mod shape;
pub(super) mod shredded;
pub(super) mod strings;
mod template;
#[cfg(test)]
mod tests;
mod texts;
mod words;

use super::need::Plain;
use super::row::TextColumn;

pub use decode::{Decoded, decode_block};
pub use encode::{Encoded, TooLarge, encode};
pub use layout::Layout;

/// Most rows of a run.
pub const ROWS_MAX: usize = 65_536;
/// Most text of one column, and of all attributes, of a run.
pub const TEXT_BYTES_MAX: usize = texts::TEXT_MAX;

/// Names a block within its run. Part of stored keys: numbers never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u16);

/// The block of the first column of attributes.
const FIRST_ATTRIBUTE: u16 = 256;

impl BlockId {
    /// The layout: always there, read first.
    pub const LAYOUT: BlockId = BlockId(0);
    /// Where sessions begin and end.
    pub(super) const GROUPS: BlockId = BlockId(49);
    /// The shapes of attributes.
    pub(super) const SHAPES: BlockId = BlockId(50);
    /// Parts of attributes that have no column.
    pub(super) const REST: BlockId = BlockId(51);

    /// The block of a text column: 1 to 21.
    pub(super) const fn text(column: TextColumn) -> BlockId {
        BlockId(1 + column as u16)
    }

    /// The block of another column: 33 to 41.
    pub(super) const fn plain(column: Plain) -> BlockId {
        BlockId(1 + column as u16)
    }

    /// The block of a column of attributes: from 256.
    pub(super) fn attribute(column: usize) -> Option<BlockId> {
        Some(BlockId(u16::try_from(column).ok()?.checked_add(FIRST_ATTRIBUTE)?))
    }

    /// The column of attributes that it is the block of.
    pub(super) fn column(self) -> Option<usize> {
        self.0.checked_sub(FIRST_ATTRIBUTE).map(usize::from)
    }

    /// The bit of a fixed block in the sets of a layout; 0 for others.
    fn bit(self) -> u64 {
        if (1..64).contains(&self.0) { 1 << self.0 } else { 0 }
    }
}
