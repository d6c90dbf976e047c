//! Private keys: in PEM form of any sort, whole or cut off at either end, in PuTTY's form, and as bare Base64 of their usual beginnings.

use super::Scan;

const BEGIN: &[u8] = b"BEGIN ";
const END: &[u8] = b"END ";
const DASHES: &[u8] = b"----";
/// Longer labels are no labels.
const LABEL_MAX: usize = 56;
/// A 16,384-bit RSA key takes 13 kB; a longer text is cut at this place and the rest scanned on its own.
const KEY_MAX: usize = 16 * 1024;
/// Less Base64 than this before a closing line is no key.
const BODY_MIN: usize = 40;

/// The first letters of what [`bare`] knows.
pub(super) const WORDS: [&str; 6] = ["PuTTY", "MII", "MIG", "MHc", "MC4", "b3B"];

const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
const PUTTY_LAST: &[u8] = b"Private-MAC:";

/// The private key that the hyphen at `i` opens; or closes, where the opening line is missing.
pub(super) fn armoured(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    if scan.slice(i, i + DASHES.len()) != DASHES {
        return None;
    }
    let word = scan.run_end(i, i + 8, |b| b == b'-' || b == b' ');
    if scan.slice(word, word + BEGIN.len()) == BEGIN {
        let body = label_end(scan, word + BEGIN.len())?;
        return Some((i, body_end(scan, body)));
    }
    if scan.slice(word, word + END.len()) == END {
        let end = label_end(scan, word + END.len())?;
        let behind = scan.behind(i, KEY_MAX);
        let length = behind.iter().rev().take_while(|b| is_body(**b)).count();
        return (length >= BODY_MIN).then_some((i - length, end));
    }
    None
}

/// Where the label that starts at `i` and names a private key ends, dashes included.
fn label_end(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let label = scan.slice(i, (i + LABEL_MAX).min(scan.bytes.len()));
    let closing = memchr::memmem::find(label, DASHES)?;
    memchr::memmem::find(label.get(..closing)?, b"PRIVATE KEY")?;
    Some(scan.run_end(i + closing, i + closing + 6, |b| b == b'-'))
}

/// Where the key ends whose body starts at `body`: behind its closing line, or with what can belong to it.
fn body_end(scan: &Scan<'_>, body: usize) -> usize {
    let limit = scan.bytes.len().min(body + KEY_MAX);
    let text = scan.slice(body, limit);
    for dashes in memchr::memmem::find_iter(text, DASHES) {
        let word = scan.run_end(body + dashes, body + dashes + 8, |b| b == b'-' || b == b' ');
        if scan.slice(word, word + END.len()) == END {
            let label = scan.slice(word, limit.min(word + LABEL_MAX));
            let closing = memchr::memmem::find(label, DASHES);
            return closing.map_or(word + END.len(), |at| scan.run_end(word + at, word + at + 6, |b| b == b'-'));
        }
    }
    scan.run_end(body, limit, |b| is_body(b) || matches!(b, b':' | b',' | b'-'))
}

fn is_body(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || matches!(b, b'+' | b'/' | b'=' | b'\\')
}

/// The end of the private key without armour at `i`: PuTTY's file, or Base64 that begins as PKCS #1, PKCS #8, SEC 1 or OpenSSH keys do.
pub(super) fn bare(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if scan.slice(i, i + PUTTY.len()) == PUTTY {
        let limit = scan.bytes.len().min(i + KEY_MAX);
        let last = memchr::memmem::find(scan.slice(i, limit), PUTTY_LAST);
        let Some(last) = last else { return Some(floor_boundary(scan, limit)) };
        let start = scan.run_end(i + last + PUTTY_LAST.len(), limit, |b| b == b' ');
        return Some(scan.run_end(start, limit, |b| b.is_ascii_hexdigit()));
    }
    let starts = |at: usize, known: &[u8]| scan.slice(i + at, i + at + known.len()) == known;
    let known = starts(0, b"MII") && (starts(6, b"IBAAKC") || starts(6, b"IBADANBgkq"))
        || starts(0, b"MHcCAQEEI")
        || starts(0, b"MIGkAgEBBD")
        || starts(0, b"MIGHAgEAMBMG")
        || starts(0, b"MIG2AgEAMBAG")
        || starts(0, b"MC4CAQAwBQYDK2V")
        || starts(0, b"b3BlbnNzaC1rZXktdjE");
    let end = if known { lines_end(scan, i) } else { i };
    (end - i >= BODY_MIN).then_some(end)
}

/// Shorter lines of Base64 are a key's last.
const LINE_MIN: usize = 60;

/// Where the lines of Base64 from `i` on end.
fn lines_end(scan: &Scan<'_>, i: usize) -> usize {
    let limit = i + KEY_MAX;
    let mut start = i;
    loop {
        let end = scan.run_end(start, limit, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
        let next = match (scan.at(end), scan.at(end + 1)) {
            (b'\n', _) => end + 1,
            (b'\r', b'\n') | (b'\\', b'n') => end + 2,
            _ => return end,
        };
        if end - start < LINE_MIN || !scan.at(next).is_ascii_alphanumeric() {
            return end;
        }
        start = next;
    }
}

fn floor_boundary(scan: &Scan<'_>, mut end: usize) -> usize {
    while end > 0 && !scan.text.is_char_boundary(end) {
        end -= 1;
    }
    end
}
