//! Prefix codes (Huffman 1952, canonical form): frequent symbols in few bits.
//!
//! Symbols are ranks `0..n` into a list that the caller keeps. Lengths are at most [`LENGTH_MAX`], so that one table look-up decodes one
//! symbol. A code of a single symbol takes no bits at all. A stored code is complete (its Kraft sum is one), or it is refused.

use super::super::row::Reader;
use super::bits::{BitReader, BitWriter};

/// Longest code word.
pub(super) const LENGTH_MAX: u32 = 12;
/// Most symbols in one code: well below `2^LENGTH_MAX`, so that limiting lengths costs little.
pub(super) const SYMBOLS_MAX: usize = 2048;

/// Writes symbols.
pub(super) struct Encoder {
    words: Vec<(u16, u8)>,
}

impl Encoder {
    /// The best code for symbols that occur so often (never zero times, and at most [`SYMBOLS_MAX`] of them).
    pub(super) fn new(counts: &[u32]) -> Encoder {
        let lengths = lengths(counts);
        let mut words = vec![(0, 0); lengths.len()];
        assign(&lengths, |symbol, word, length| {
            if let Some(slot) = words.get_mut(symbol) {
                *slot = (word, length);
            }
        });
        Encoder { words }
    }

    /// Appends the code itself: the lengths, two in a byte. Nothing for a single symbol.
    pub(super) fn put_code(&self, out: &mut Vec<u8>) {
        if self.words.len() > 1 {
            out.extend(
                self.words.chunks(2).map(|pair| pair.iter().rev().fold(0, |byte, (_, length)| byte << 4 | length)),
            );
        }
    }

    /// Appends a symbol.
    #[inline]
    pub(super) fn put(&self, writer: &mut BitWriter, symbol: usize) {
        self.put_with(writer, symbol, 0, 0);
    }

    /// Appends a symbol and a number of so many bits.
    #[inline]
    pub(super) fn put_with(&self, writer: &mut BitWriter, symbol: usize, number: u64, width: u32) {
        let (word, length) = self.words.get(symbol).copied().unwrap_or_default();
        let length = u32::from(length);
        if length + width <= 32 {
            writer.put(u64::from(word) | number << length, length + width);
        } else {
            writer.put(u64::from(word), length);
            writer.put(number, width);
        }
    }
}

/// Reads symbols.
pub(super) struct Decoder {
    /// Symbol and length, by the next bits.
    table: Vec<(u16, u8)>,
    mask: u64,
    lengths: Vec<u8>,
}

impl Decoder {
    /// Reads a code of so many symbols.
    pub(super) fn take(reader: &mut Reader<'_>, symbols: usize) -> Option<Decoder> {
        if symbols <= 1 {
            return (symbols == 1).then(|| Decoder { table: vec![(0, 0)], mask: 0, lengths: vec![0] });
        }
        if symbols > SYMBOLS_MAX {
            return None;
        }
        let packed = reader.take(symbols.div_ceil(2))?;
        let lengths: Vec<u8> = packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(symbols).collect();
        let longest = u32::from(*lengths.iter().max()?);
        if longest > LENGTH_MAX || lengths.contains(&0) {
            return None;
        }
        if lengths.iter().map(|length| 1u32 << (longest - u32::from(*length))).sum::<u32>() != 1 << longest {
            return None;
        }
        let mut table = vec![(0, 0); 1 << longest];
        assign(&lengths, |symbol, word, length| {
            let step = 1usize << length;
            table.iter_mut().skip(usize::from(word)).step_by(step).for_each(|slot| *slot = (symbol as u16, length));
        });
        Some(Decoder { table, mask: (1 << longest) - 1, lengths })
    }

    /// Where the symbol at the front of `bits` stands in the table.
    #[inline]
    pub(super) fn place(&self, bits: u64) -> usize {
        (bits & self.mask) as usize
    }

    /// Symbol and length at every place of the table.
    pub(super) fn table(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.table.iter().map(|(symbol, length)| (usize::from(*symbol), u32::from(*length)))
    }

    /// Length of a symbol.
    pub(super) fn length(&self, symbol: usize) -> u32 {
        self.lengths.get(symbol).copied().map_or(0, u32::from)
    }

    /// Slots of the table.
    pub(super) fn slots(&self) -> usize {
        self.table.len()
    }

    /// Reads one symbol.
    #[inline]
    pub(super) fn next(&self, bits: &mut BitReader<'_>) -> usize {
        let (symbol, length) = self.table.get(self.place(bits.peek())).copied().unwrap_or_default();
        bits.skip(u32::from(length));
        usize::from(symbol)
    }
}

/// Gives every symbol its word, bits reversed since words are written least significant bit first.
fn assign(lengths: &[u8], mut give: impl FnMut(usize, u16, u8)) {
    let mut next = 0u32;
    for length in 1..=LENGTH_MAX as u8 {
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == length) {
            give(symbol, (next as u16).reverse_bits() >> (16 - u32::from(length)), length);
            next += 1;
        }
        next <<= 1;
    }
}

/// Code lengths for counts, none above [`LENGTH_MAX`].
fn lengths(counts: &[u32]) -> Vec<u8> {
    let mut counts: Vec<u64> = counts.iter().map(|count| u64::from(*count).max(1)).collect();
    loop {
        let lengths = depths(&counts);
        if lengths.iter().all(|length| u32::from(*length) <= LENGTH_MAX) {
            return lengths;
        }
        counts.iter_mut().for_each(|count| *count = *count / 2 + 1);
    }
}

/// Depths of the leaves of the Huffman tree, by the two-queue method.
fn depths(counts: &[u64]) -> Vec<u8> {
    let leaves = counts.len();
    if leaves < 2 {
        return vec![0; leaves];
    }
    let mut order: Vec<usize> = (0..leaves).collect();
    order.sort_by_key(|leaf| counts.get(*leaf).copied());
    let weight = |leaf: usize| order.get(leaf).and_then(|leaf| counts.get(*leaf)).copied();
    // Nodes 0..leaves are leaves by rising weight; later ones are inner nodes, made in order of rising weight as well.
    let mut parent = vec![0usize; 2 * leaves - 1];
    let mut inner: Vec<u64> = Vec::with_capacity(leaves - 1);
    let (mut leaf, mut node) = (0, 0);
    while inner.len() < leaves - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let child = match (weight(leaf), inner.get(node).copied()) {
                (Some(l), Some(n)) if n < l => (n, None),
                (Some(l), _) => (l, Some(leaf)),
                (None, n) => (n.unwrap_or(0), None),
            };
            sum += child.0;
            let index = child.1.unwrap_or(leaves + node);
            if child.1.is_some() {
                leaf += 1
            } else {
                node += 1
            }
            if let Some(slot) = parent.get_mut(index) {
                *slot = leaves + inner.len();
            }
        }
        inner.push(sum);
    }
    let mut depth = vec![0u8; 2 * leaves - 1];
    for index in (0..2 * leaves - 2).rev() {
        let above = parent.get(index).and_then(|parent| depth.get(*parent)).copied().unwrap_or(0);
        if let Some(slot) = depth.get_mut(index) {
            *slot = above.saturating_add(1);
        }
    }
    let mut lengths = vec![0; leaves];
    for (leaf, depth) in order.iter().zip(depth) {
        if let Some(slot) = lengths.get_mut(*leaf) {
            *slot = depth;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn symbols_come_back_and_every_code_is_complete(counts in proptest::collection::vec(1..1_000_000u32, 1..300)) {
            let encoder = Encoder::new(&counts);
            let mut out = Vec::new();
            encoder.put_code(&mut out);
            let mut writer = BitWriter::default();
            (0..counts.len()).for_each(|symbol| encoder.put(&mut writer, symbol));
            let bits = writer.finish();
            let mut reader = Reader { bytes: &out };
            let decoder = Decoder::take(&mut reader, counts.len()).unwrap();
            prop_assert!(reader.bytes.is_empty());
            let mut bits = BitReader::new(&bits);
            for symbol in 0..counts.len() {
                prop_assert_eq!(decoder.next(&mut bits), symbol);
            }
            prop_assert!(bits.finished());
        }

        #[test]
        fn lengths_are_limited_whatever_the_counts(n in 2..=SYMBOLS_MAX) {
            let counts: Vec<u32> = (0..n).map(|n| 1 << (n % 31)).collect();
            prop_assert!(lengths(&counts).iter().all(|l| (1..=LENGTH_MAX).contains(&u32::from(*l))));
        }
    }

    #[test]
    fn incomplete_and_overfull_codes_are_refused() {
        for code in [[0x22u8, 0x02], [0x11, 0x01], [0x00, 0x00]] {
            assert!(Decoder::take(&mut Reader { bytes: &code }, 3).is_none());
        }
    }
}
