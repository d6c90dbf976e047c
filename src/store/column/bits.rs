//! Bits in a row, least significant first.
//!
//! A [`BitReader`] past its end reads zeros; [`BitReader::finished`] says afterwards whether that happened, so that tight loops
//! need no check per value.

/// The widest number that one [`BitReader::peek`] is sure to hold.
pub(super) const PEEK_BITS: u32 = 57;

/// Appends numbers of any width to bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    out: Vec<u8>,
    pending: u64,
    used: u32,
}

impl BitWriter {
    /// Room for about so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> BitWriter {
        BitWriter { out: Vec::with_capacity(bytes), ..BitWriter::default() }
    }

    /// Appends the low `width` bits of `value`; those above must be zero.
    #[inline]
    pub(super) fn put(&mut self, value: u64, width: u32) {
        if width > 32 {
            self.put_short(value & 0xffff_ffff, 32);
            self.put_short(value >> 32, width - 32);
        } else {
            self.put_short(value, width);
        }
    }

    #[inline]
    fn put_short(&mut self, value: u64, width: u32) {
        self.pending |= value << self.used;
        self.used += width;
        if self.used >= 32 {
            self.out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.used -= 32;
        }
    }

    /// The bytes; the last one is filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let [a, b, c, d, ..] = self.pending.to_le_bytes();
        let rest = [a, b, c, d];
        self.out.extend(rest.iter().take(self.used.div_ceil(8) as usize));
        self.out
    }
}

/// Reads what a [`BitWriter`] wrote.
pub(super) struct BitReader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> BitReader<'b> {
    /// Begins at the first bit.
    pub(super) fn new(bytes: &'b [u8]) -> BitReader<'b> {
        BitReader { bytes, at: 0 }
    }

    /// The next [`PEEK_BITS`] bits or more, without moving.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        let byte = self.at >> 3;
        let word = match self.bytes.get(byte..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.tail(byte),
        };
        word >> (self.at & 7)
    }

    #[cold]
    fn tail(&self, byte: usize) -> u64 {
        let rest = self.bytes.get(byte..).unwrap_or_default();
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }

    /// Moves on.
    #[inline]
    pub(super) fn skip(&mut self, width: u32) {
        self.at += width as usize;
    }

    /// The next `width` bits, at most 64.
    #[inline]
    pub(super) fn take(&mut self, width: u32) -> u64 {
        if width > PEEK_BITS {
            let low = self.take(32);
            return low | self.take(width - 32) << 32;
        }
        let value = self.peek() & ((1 << width) - 1);
        self.skip(width);
        value
    }

    /// Whether exactly the bytes given were read.
    pub(super) fn finished(&self) -> bool {
        self.at.div_ceil(8) == self.bytes.len()
    }
}

/// One flag a row, growing.
#[derive(Clone, Default, Debug, PartialEq)]
pub(in crate::store) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// Appends a flag.
    #[inline]
    pub(in crate::store) fn push(&mut self, set: bool) {
        let bit = u64::from(set) << (self.len & 63);
        match self.words.get_mut(self.len >> 6) {
            Some(word) => *word |= bit,
            None => self.words.push(bit),
        }
        self.len += 1;
    }

    /// Appends unset flags up to a length.
    pub(in crate::store) fn pad(&mut self, len: usize) {
        if len > self.len {
            self.words.resize(len.div_ceil(64), 0);
            self.len = len;
        }
    }

    /// Sets the first `len` flags.
    pub(super) fn fill(&mut self, len: usize) {
        self.words = vec![u64::MAX; len.div_ceil(64)];
        self.len = len;
    }

    /// Flag `index`; unset beyond the end.
    #[inline]
    pub(in crate::store) fn get(&self, index: usize) -> bool {
        self.words.get(index >> 6).is_some_and(|word| word >> (index & 63) & 1 == 1)
    }

    /// Bytes of memory held.
    pub(in crate::store) fn bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    /// Gives spare capacity back.
    pub(in crate::store) fn shrink(&mut self) {
        self.words.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_any_width_come_back(numbers in proptest::collection::vec((any::<u64>(), 0..=64u32), 0..200)) {
            let mut writer = BitWriter::default();
            let cut = |(value, width): (u64, u32)| if width == 0 { 0 } else { value >> (64 - width) };
            numbers.iter().for_each(|n| writer.put(cut(*n), n.1));
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len(), numbers.iter().map(|n| n.1 as usize).sum::<usize>().div_ceil(8));
            let mut reader = BitReader::new(&bytes);
            for n in &numbers {
                prop_assert_eq!(reader.take(n.1), cut(*n));
            }
            prop_assert!(reader.finished());
        }

        #[test]
        fn flags_come_back(flags in proptest::collection::vec(any::<bool>(), 0..200)) {
            let mut bits = Bits::default();
            flags.iter().for_each(|flag| bits.push(*flag));
            prop_assert_eq!((0..flags.len()).map(|n| bits.get(n)).collect::<Vec<_>>(), flags);
        }
    }
}
