//! E-mail addresses, with a plain or a percent-encoded `@`, and with names and domains in Latin, Greek or Cyrillic letters.

use super::Scan;

/// RFC 5321 allows 64 bytes before the `@` and 255 after it.
const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 255;

/// Endings that no domain has and file names do (`logo@2x.png`).
const FILES: [&str; 12] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "html", "xml", "tgz"];

/// The address around the `@` at `i`, which takes `width` bytes.
pub(super) fn find(scan: &Scan<'_>, i: usize, width: usize) -> Option<(usize, usize)> {
    let start = local_start(scan, i, width == 3)?;
    let end = domain_end(scan, i + width)?;
    let name = scan.slice(start, i);
    let git = name == b"git" && matches!(scan.at(end), b':' | b'/');
    (!git).then_some((start, end))
}

fn local_start(scan: &Scan<'_>, i: usize, encoded: bool) -> Option<usize> {
    let behind = scan.behind(i, LOCAL_MAX);
    let length = behind.iter().rev().take_while(|&&b| is_local(b)).count();
    let mut start = i - length;
    while start < i && (matches!(scan.at(start), b'.' | b'-' | b'+' | b'\'') || !scan.text.is_char_boundary(start)) {
        start += 1;
    }
    // In an encoded text `%3C` and the like stand before the name.
    while encoded && scan.at(start) == b'%' && i - start > 3 {
        start += 3;
    }
    // A letter of another script may be prose that runs into the address: start after it.
    let tail = scan.str(start, i);
    if let Some((at, c)) = tail.char_indices().rev().find(|(_, c)| !c.is_ascii() && !is_european(*c)) {
        start += at + c.len_utf8();
    }
    (start < i).then_some(start)
}

fn is_local(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn is_european(c: char) -> bool {
    ('\u{c0}'..='\u{52f}').contains(&c)
}

/// Where the domain at `start` ends: labels of letters, digits and hyphens, at least one dot, and an ending of letters.
fn domain_end(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let rest = scan.text.get(start..)?;
    let mut end = 0;
    for (at, c) in rest.char_indices() {
        if at > DOMAIN_MAX || !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || is_european(c)) {
            break;
        }
        end = at + c.len_utf8();
    }
    let domain = rest.get(..end)?;
    let domain = domain.split("..").next().unwrap_or(domain).trim_end_matches(['.', '-']);
    let (host, mut top) = domain.rsplit_once('.')?;
    // A word glued to the address by a non-letter has ended it already; digits after the ending do not belong to it.
    if !top.starts_with("xn--") {
        let letters = top.find(|c: char| !c.is_alphabetic()).unwrap_or(top.len());
        top = top.get(..letters)?;
    }
    let well_formed = top.chars().count() >= 2 && !host.is_empty() && !host.starts_with(['.', '-']);
    let file = FILES.iter().any(|ending| top.eq_ignore_ascii_case(ending));
    (well_formed && !file).then_some(start + host.len() + 1 + top.len())
}
