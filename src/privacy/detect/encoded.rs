//! Base64 (plain and URL alphabet) that holds readable text in which something is found: it goes as a whole.
//!
//! One level deep: Base64 within Base64 is not looked into.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Kind, Scan};

/// Shorter runs hold nothing: `a@bc.de` takes ten characters.
pub(super) const RUN_MIN: usize = 12;

/// A longer run is a file: its beginning is looked into.
const RUN_MAX: usize = 64 * 1024;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// What is found first in the Base64 that starts at `i`, and where that Base64 ends.
#[inline]
pub(super) fn find(scan: &Scan<'_>, i: usize) -> Option<(Kind, usize)> {
    // Nearly all words are told by three bytes: the first one of ASCII text is of these, and two further on belong to the run.
    let likely = matches!(scan.at(i), b'I'..=b'Z' | b'a'..=b'f')
        && is_base64(scan.at(i + 7))
        && is_base64(scan.at(i + RUN_MIN - 1));
    if likely { read(scan, i) } else { None }
}

fn read(scan: &Scan<'_>, i: usize) -> Option<(Kind, usize)> {
    if scan.nested || is_base64(scan.before(i)) || !is_readable(scan.slice(i, i + 4)) {
        return None;
    }
    let end = scan.run_end(i, i + RUN_MAX, is_base64);
    if end - i < RUN_MIN || !is_readable(scan.slice(i + 4, i + 8)) || !is_readable(scan.slice(i + 8, i + 12)) {
        return None;
    }
    let padded = scan.run_end(end, end + 2, |b| b == b'=');
    let run = scan.slice(i, end);
    let decoded = if run.iter().any(|b| matches!(b, b'-' | b'_')) { URL.decode(run) } else { PLAIN.decode(run) };
    let text = String::from_utf8(decoded.ok()?).ok()?;
    if text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()) {
        return None;
    }
    let mut hits = Vec::new();
    let mut inner = Scan {
        text: &text,
        bytes: text.as_bytes(),
        names: scan.names,
        named: scan.named.clone(),
        wanted: scan.wanted,
        nested: true,
        floor: 0,
        hits: &mut hits,
    };
    inner.run();
    hits.first().map(|hit| (hit.kind, padded))
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

/// Whether four characters of Base64 decode to three bytes that may be of a text.
fn is_readable(four: &[u8]) -> bool {
    let [a, b, c, d] = four else { return false };
    let bits = |b: u8| match b {
        b'A'..=b'Z' => u32::from(b - b'A'),
        b'a'..=b'z' => u32::from(b - b'a') + 26,
        b'0'..=b'9' => u32::from(b - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => 0,
    };
    let [_, bytes @ ..] = (bits(*a) << 18 | bits(*b) << 12 | bits(*c) << 6 | bits(*d)).to_be_bytes();
    bytes.iter().all(|b| *b >= b' ' && *b != 0x7F || b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use crate::privacy::detect::{Kind, Kinds, Names, scan};

    fn found(text: &str) -> Vec<(Kind, &str)> {
        let mut hits = Vec::new();
        scan(text, Names::default(), Kinds::ALL, &mut hits);
        hits.iter().map(|hit| (hit.kind, &text[hit.start..hit.end])).collect()
    }

    #[test]
    fn base64_that_holds_something_goes_whole_and_other_base64_stays() {
        let whole = [
            (Kind::Email, "cGxlYXNlIHdyaXRlIHRvIGFubkBleGFtcGxlLmNvbSBub3c="),
            (Kind::Email, "eyJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSIsIm4iOjF9"),
            (Kind::Email, "bHV0ekBuYXZlci5jb20="),
            (Kind::Card, "NDExMTExMTExMTExMTExMSBpcyBteSBjYXJkPz8_"),
        ];
        for (kind, run) in whole {
            assert_eq!(found(&format!("data:text/plain;base64,{run} rest")), [(kind, run)]);
        }
        for text in [
            "aGVsbG8gd29ybGQsIHRoaXMgaXMgYSB0ZXN0IGxpbmU=",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
