//! Undoing a body's compression without trusting it.
//!
//! The compressed payload is complete and in memory; what it inflates to is not known before it is done. So [`inflate`] works in
//! chunks of 64 KiB, asks for the deadline before each, and stops the moment the limit is passed: a bomb costs at most
//! the limit and one chunk. The window that a payload may demand is capped too (zstd 8 MiB, br 16 MiB by its format). Truncated
//! payloads and bytes after the end are errors: what was not read must not look as if it had been.
//!
//! Several encodings stacked on each other are not undone; no client of ours sends them.

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use zstd::stream::raw::{DParameter, Decoder, Operation};

/// Bytes inflated, and compressed bytes consumed, between two looks at the deadline.
const CHUNK: usize = 64 * 1024;
/// Base-2 logarithm of the largest window that a zstd frame may demand. 8 MiB is what RFC 8878 recommends decoders to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one or several members.
    Gzip,
    /// RFC 8878, one or several frames.
    Zstd,
    /// RFC 7932.
    Brotli,
}

impl Encoding {
    /// Reads the value of a `Content-Encoding` header, absent or not.
    pub fn from_header(value: Option<&str>) -> Result<Encoding, InflateError> {
        let mut found = Encoding::Identity;
        for token in value.unwrap_or_default().split(',').map(str::trim) {
            let encoding = Encoding::from_token(token).ok_or(InflateError::UnsupportedEncoding)?;
            if encoding == Encoding::Identity {
                continue;
            }
            if found != Encoding::Identity {
                return Err(InflateError::UnsupportedEncoding);
            }
            found = encoding;
        }
        Ok(found)
    }

    fn from_token(token: &str) -> Option<Encoding> {
        const TOKENS: [(&str, Encoding); 6] = [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("zstd", Encoding::Zstd),
            ("br", Encoding::Brotli),
        ];
        TOKENS.into_iter().find(|(name, _)| token.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
    }
}

/// Why a body was not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The encoding is unknown, or several are stacked.
    #[error("the content encoding is not supported: send one of gzip, zstd, br, identity")]
    UnsupportedEncoding,
    /// The body is larger than allowed once inflated.
    #[error("the body inflates to more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body is not what its encoding says, ends early, does not end where it should, or demands too large a window.
    #[error("the body does not inflate: it is damaged, truncated, or not in the encoding that it claims")]
    Corrupt,
    /// Inflating took too long.
    #[error("the body took too long to inflate")]
    OutOfTime,
}

/// Inflates a complete payload to at most `inflated_max` bytes. `deadline` says `true` when time is over.
pub fn inflate(
    encoding: Encoding,
    compressed: &[u8],
    inflated_max: usize,
    deadline: &mut dyn FnMut() -> bool,
) -> Result<Vec<u8>, InflateError> {
    let mut sink = Sink { bytes: Vec::new(), limit: inflated_max, deadline };
    match encoding {
        Encoding::Identity => copy(compressed, &mut sink)?,
        Encoding::Gzip => gzip(compressed, &mut sink)?,
        Encoding::Zstd => zstd(compressed, &mut sink)?,
        Encoding::Brotli => brotli(compressed, &mut sink)?,
    }
    Ok(sink.bytes)
}

/// Where inflated bytes go: it grows by chunks, and never past the limit by more than the one byte that shows the excess.
struct Sink<'d> {
    bytes: Vec<u8>,
    limit: usize,
    deadline: &'d mut dyn FnMut() -> bool,
}

impl Sink<'_> {
    /// Lets `produce` write one chunk; it says how many bytes it wrote.
    fn chunk(&mut self, produce: impl FnOnce(&mut [u8]) -> Result<usize, InflateError>) -> Result<usize, InflateError> {
        if (self.deadline)() {
            return Err(InflateError::OutOfTime);
        }
        let filled = self.bytes.len();
        let room = CHUNK.min(self.limit.saturating_sub(filled).saturating_add(1));
        self.reserve();
        self.bytes.resize(filled.saturating_add(room), 0);
        let written = produce(self.bytes.get_mut(filled..).unwrap_or_default())?;
        self.bytes.truncate(filled.saturating_add(written));
        if self.bytes.len() > self.limit {
            return Err(InflateError::TooLarge { limit: self.limit });
        }
        Ok(written)
    }

    /// Reserves all that is allowed at once: pages that are never touched cost nothing, while a vector that doubles holds up to three times
    /// its content while it is copied.
    fn reserve(&mut self) {
        if self.bytes.capacity() == 0 {
            // If there is not that much, growing step by step may still do.
            let _ = self.bytes.try_reserve_exact(self.limit.saturating_add(1));
        }
    }

    /// Takes everything that `reader` gives.
    fn drain(&mut self, reader: &mut impl Read) -> Result<(), InflateError> {
        while self.chunk(|out| reader.read(out).map_err(|_| InflateError::Corrupt))? > 0 {}
        Ok(())
    }
}

fn copy(input: &[u8], sink: &mut Sink<'_>) -> Result<(), InflateError> {
    if input.len() > sink.limit {
        return Err(InflateError::TooLarge { limit: sink.limit });
    }
    sink.bytes.extend_from_slice(input);
    Ok(())
}

fn gzip(mut input: &[u8], sink: &mut Sink<'_>) -> Result<(), InflateError> {
    loop {
        let mut member = flate2::bufread::GzDecoder::new(input);
        sink.drain(&mut member)?;
        input = member.into_inner();
        if input.is_empty() {
            return Ok(());
        }
    }
}

fn zstd(mut input: &[u8], sink: &mut Sink<'_>) -> Result<(), InflateError> {
    let corrupt = |_| InflateError::Corrupt;
    let mut decoder = Decoder::new().map_err(corrupt)?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(corrupt)?;
    loop {
        let (mut consumed, mut frame_ended) = (0, false);
        let written = sink.chunk(|out| {
            let status = decoder.run_on_buffers(head(input), out).map_err(corrupt)?;
            (consumed, frame_ended) = (status.bytes_read, status.remaining == 0);
            Ok(status.bytes_written)
        })?;
        input = input.get(consumed..).unwrap_or_default();
        if frame_ended && input.is_empty() {
            return Ok(());
        }
        if consumed == 0 && written == 0 {
            return Err(InflateError::Corrupt);
        }
    }
}

fn brotli(mut input: &[u8], sink: &mut Sink<'_>) -> Result<(), InflateError> {
    let allocator = StandardAlloc::default;
    // Strict: RFC 7932 only. The large-window extension lets a few bytes demand a gigabyte.
    let mut state = BrotliState::new_strict(allocator(), allocator(), allocator());
    loop {
        let piece = head(input);
        let (mut left, mut consumed) = (piece.len(), 0);
        let mut result = BrotliResult::ResultFailure;
        sink.chunk(|out| {
            let (mut room, mut written, mut total) = (out.len(), 0, 0);
            result = BrotliDecompressStream(
                &mut left,
                &mut consumed,
                piece,
                &mut room,
                &mut written,
                out,
                &mut total,
                &mut state,
            );
            Ok(written)
        })?;
        input = input.get(consumed..).unwrap_or_default();
        match result {
            BrotliResult::ResultSuccess if input.is_empty() => return Ok(()),
            BrotliResult::ResultSuccess | BrotliResult::ResultFailure => return Err(InflateError::Corrupt),
            BrotliResult::NeedsMoreInput if input.is_empty() => return Err(InflateError::Corrupt),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
    }
}

/// At most one chunk of the payload, so that the deadline is seen even while nothing comes out.
fn head(input: &[u8]) -> &[u8] {
    input.get(..CHUNK).unwrap_or(input)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const GIB: usize = 1 << 30;
    const CODECS: [Encoding; 3] = [Encoding::Gzip, Encoding::Zstd, Encoding::Brotli];

    fn unhurried(encoding: Encoding, compressed: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
        inflate(encoding, compressed, max, &mut || false)
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Bits, least significant first, as RFC 7932 counts them.
    #[derive(Default)]
    struct Bits(Vec<bool>);

    impl Bits {
        fn push(&mut self, value: usize, width: usize) -> &mut Self {
            self.0.extend((0..width).map(|bit| value >> bit & 1 == 1));
            self
        }

        fn bytes(&self) -> Vec<u8> {
            self.0.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
        }
    }

    /// A br stream of uncompressed meta-blocks.
    fn brotlied(bytes: &[u8]) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.push(0, 1);
        for block in bytes.chunks(1 << 16) {
            bits.push(0, 1).push(0, 2).push(block.len() - 1, 16).push(1, 1);
            bits.push(0, bits.0.len().next_multiple_of(8) - bits.0.len());
            for byte in block {
                bits.push(usize::from(*byte), 8);
            }
        }
        bits.push(3, 2).bytes()
    }

    fn compressed(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Identity => bytes.to_vec(),
            Encoding::Gzip => gzipped(bytes),
            Encoding::Zstd => zstd::encode_all(bytes, 1).unwrap(),
            Encoding::Brotli => brotlied(bytes),
        }
    }

    /// A zstd frame of run-length blocks of 128 KiB, with a window of 2^`window_log` bytes.
    fn zstd_bomb(window_log: u8, blocks: usize) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3];
        for block in 1..=blocks {
            let header = (1u32 << 17) << 3 | 1 << 1 | u32::from(block == blocks);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(b'0');
        }
        frame
    }

    /// A br stream of meta-blocks of 16 MiB, each one literal and one copy of it at distance 1: 13 bytes a block.
    fn brotli_bomb(blocks: usize) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.push(0, 1);
        for _ in 0..blocks {
            bits.push(0, 1).push(2, 2).push((1 << 24) - 1, 24).push(0, 1); // 2^24 bytes follow, compressed
            bits.push(0, 3).push(0, 6).push(0, 2).push(0, 2); // one block type and one prefix tree of each kind
            bits.push(1, 2).push(0, 2).push(usize::from(b'0'), 8); // the one literal
            bits.push(1, 2).push(0, 2).push(384 + 8 + 7, 10); // the one command: insert 1, copy 2118 and more
            bits.push(1, 2).push(0, 2).push(16, 6); // the one distance code
            bits.push((1 << 24) - 1 - 2118, 24).push(0, 1); // how much more; distance 1
        }
        bits.push(3, 2).bytes()
    }

    #[test]
    fn headers_name_one_encoding() {
        let ok = [
            (None, Encoding::Identity),
            (Some(""), Encoding::Identity),
            (Some("identity"), Encoding::Identity),
            (Some("GZip"), Encoding::Gzip),
            (Some(" x-gzip "), Encoding::Gzip),
            (Some("identity, zstd"), Encoding::Zstd),
            (Some("br"), Encoding::Brotli),
        ];
        for (header, encoding) in ok {
            assert_eq!(Encoding::from_header(header), Ok(encoding), "{header:?}");
        }
        for header in ["gzip, br", "gzip,gzip", "deflate", "gzip;q=1", "*"] {
            assert_eq!(Encoding::from_header(Some(header)), Err(InflateError::UnsupportedEncoding), "{header}");
        }
    }

    #[test]
    fn a_known_br_stream_is_read() {
        assert_eq!(unhurried(Encoding::Brotli, b"\x0b\x02\x80hello\x03", 5).unwrap(), b"hello");
    }

    #[test]
    fn the_limit_is_exact() {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        for encoding in CODECS.into_iter().chain([Encoding::Identity]) {
            let packed = compressed(encoding, &bytes);
            assert!(unhurried(encoding, &packed, bytes.len()).unwrap() == bytes, "{encoding:?}");
            let over = unhurried(encoding, &packed, bytes.len() - 1);
            assert_eq!(over, Err(InflateError::TooLarge { limit: bytes.len() - 1 }), "{encoding:?}");
        }
    }

    #[test]
    fn several_members_and_frames_are_one_body() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let packed =
                [compressed(encoding, b"one "), compressed(encoding, b""), compressed(encoding, b"two")].concat();
            assert_eq!(unhurried(encoding, &packed, 100).unwrap(), b"one two", "{encoding:?}");
        }
    }

    #[test]
    fn truncation_and_trailing_bytes_are_errors() {
        for encoding in CODECS {
            let whole = compressed(encoding, b"a body that is long enough to be cut anywhere, anywhere, anywhere");
            for end in 0..whole.len() {
                assert_eq!(unhurried(encoding, &whole[..end], 1000), Err(InflateError::Corrupt), "{encoding:?} {end}");
            }
            for tail in [&b"x"[..], b"\0", b"\0\0\0\0\0\0\0\0\0\0\0\0", b"{\"type\":\"custom\"}"] {
                let longer = [&whole, tail].concat();
                assert_eq!(unhurried(encoding, &longer, 1000), Err(InflateError::Corrupt), "{encoding:?} {tail:?}");
            }
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let limit = 1 << 20;
        let gzip_bomb = gzipped(&vec![b'0'; 1 << 20]).repeat(GIB >> 20);
        let bombs = [
            (Encoding::Gzip, gzip_bomb),
            (Encoding::Zstd, zstd_bomb(20, GIB >> 17)),
            (Encoding::Brotli, brotli_bomb(GIB >> 24)),
        ];
        assert!(bombs[2].1.len() < 1024);
        for (encoding, bomb) in bombs {
            let mut chunks = 0;
            let result = inflate(encoding, &bomb, limit, &mut || {
                chunks += 1;
                false
            });
            assert_eq!(result, Err(InflateError::TooLarge { limit }), "{encoding:?}");
            // A chunk may come out short, but a bomb that is inflated whole needs 16,384 of them.
            assert!(chunks <= 4 * limit / CHUNK, "{encoding:?}: {chunks} chunks");
        }
    }

    #[test]
    fn the_bombs_are_real() {
        assert!(unhurried(Encoding::Zstd, &zstd_bomb(20, 4), GIB).unwrap() == vec![b'0'; 4 << 17]);
        assert!(unhurried(Encoding::Brotli, &brotli_bomb(1), GIB).unwrap() == vec![b'0'; 1 << 24]);
    }

    #[test]
    fn a_frame_cannot_demand_a_huge_window() {
        assert!(unhurried(Encoding::Zstd, &zstd_bomb(23, 1), GIB).is_ok());
        assert_eq!(unhurried(Encoding::Zstd, &zstd_bomb(24, 1), GIB), Err(InflateError::Corrupt));
        assert_eq!(unhurried(Encoding::Zstd, &zstd_bomb(31, 1), GIB), Err(InflateError::Corrupt));
        let large_window_br = [0x11, 0x1e, 0x03];
        assert_eq!(unhurried(Encoding::Brotli, &large_window_br, GIB), Err(InflateError::Corrupt));
    }

    #[test]
    fn the_deadline_is_seen_even_when_nothing_comes_out() {
        let silent = gzipped(b"").repeat(100_000);
        let mut looks = 0;
        let result = inflate(Encoding::Gzip, &silent, 100, &mut || {
            looks += 1;
            looks > 10
        });
        assert_eq!(result, Err(InflateError::OutOfTime));
        for encoding in CODECS {
            let late = inflate(encoding, &compressed(encoding, b"x"), 100, &mut || true);
            assert_eq!(late, Err(InflateError::OutOfTime), "{encoding:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            for encoding in CODECS {
                prop_assert_eq!(unhurried(encoding, &compressed(encoding, &bytes), 3000), Ok(bytes.clone()));
            }
        }

        #[test]
        fn damaged_payloads_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, flip: u8) {
            for encoding in CODECS {
                let mut packed = compressed(encoding, &bytes);
                let at = at.index(packed.len());
                packed[at] ^= flip;
                let _ = unhurried(encoding, &packed, 10_000);
                let _ = unhurried(encoding, &bytes, 10_000);
            }
        }
    }
}
