//! Compressed bodies, honest and not.
//!
//! There is no br compressor at hand: the streams are written bit by bit, after RFC 7932.

use std::io::Write as _;

use flate2::Compression;

/// The encodings that the gateway inflates, by the name in `Content-Encoding`.
pub const ENCODINGS: [&str; 3] = ["gzip", "zstd", "br"];
const GIB: usize = 1 << 30;

/// `bytes` in one of [`ENCODINGS`].
pub fn packed(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => gzip(bytes, Compression::fast()),
        "zstd" => zstd::encode_all(bytes, 1).expect("zstd in memory"),
        "br" => brotli(bytes),
        other => panic!("no such encoding: {other}"),
    }
}

/// A small body that inflates to a gigabyte of zeros, the digit.
pub fn bomb(encoding: &str) -> Vec<u8> {
    match encoding {
        "gzip" => gzip(&vec![b'0'; 1 << 20], Compression::best()).repeat(GIB >> 20),
        "zstd" => zstd_bomb(),
        "br" => brotli_bomb(),
        other => panic!("no such encoding: {other}"),
    }
}

fn gzip(bytes: &[u8], how: Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), how);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("gzip in memory")
}

/// Bits, least significant first.
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

/// Meta-blocks that are not compressed.
fn brotli(bytes: &[u8]) -> Vec<u8> {
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

/// Run-length blocks of 128 KiB, four bytes each.
fn zstd_bomb() -> Vec<u8> {
    let blocks = GIB >> 17;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3];
    for block in 1..=blocks {
        let header = (1u32 << 17) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b'0');
    }
    frame
}

/// Meta-blocks of 16 MiB, each one literal and one copy of it: 13 bytes a block.
fn brotli_bomb() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0, 1);
    for _ in 0..GIB >> 24 {
        bits.push(0, 1).push(2, 2).push((1 << 24) - 1, 24).push(0, 1); // 2^24 bytes follow, compressed
        bits.push(0, 3).push(0, 6).push(0, 2).push(0, 2); // one block type and one prefix tree of each kind
        bits.push(1, 2).push(0, 2).push(usize::from(b'0'), 8); // the one literal
        bits.push(1, 2).push(0, 2).push(384 + 8 + 7, 10); // the one command: insert 1, copy 2118 and more
        bits.push(1, 2).push(0, 2).push(16, 6); // the one distance code
        bits.push((1 << 24) - 1 - 2118, 24).push(0, 1); // how much more; distance 1
    }
    bits.push(3, 2).bytes()
}
