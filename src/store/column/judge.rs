//! How small something will be: what zstd makes of it, at a lower level than when it is sealed.
//!
//! Forms are tried on small pieces, and setting a compressor up takes longer than compressing one, so each thread keeps its own.

use std::cell::RefCell;

use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// Chooses as the level of sealing would (measured: not a byte a thousand more), in half the time.
const LEVEL: i32 = 1;

#[derive(Default)]
struct Judge {
    compressor: Option<Compressor<'static>>,
    buffer: Vec<u8>,
}

thread_local! {
    static JUDGE: RefCell<Judge> = RefCell::default();
}

/// The size of `bytes` when they are compressed.
pub(super) fn compressed(bytes: &[u8]) -> usize {
    JUDGE.with_borrow_mut(|judge| judge.compressed(bytes)).unwrap_or(bytes.len())
}

impl Judge {
    fn compressed(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.compressor.is_none() {
            self.compressor = Compressor::new(LEVEL).ok();
        }
        self.buffer.clear();
        self.buffer.reserve(compress_bound(bytes.len()));
        self.compressor.as_mut()?.compress_to_buffer(bytes, &mut self.buffer).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_judged_smaller_than_what_does_not() {
        let mixed: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(compressed(&[7; 4096]) < 64);
        assert!(compressed(&mixed) > 1024);
        assert_eq!(compressed(&[7; 4096]), compressed(&[7; 4096]), "it keeps nothing of what it has seen");
    }
}
