//! E-mail addresses, with a plain or a percent-encoded `@`, with names and domains in Latin, Greek or Cyrillic letters, and as people write them
//! to hide them from machines: `ann [at] example [dot] com`, `ann at example dot com`.

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

/// A hidden address has at most so many dots on either side.
const HIDDEN_LABELS_MAX: usize = 5;

/// The address around the hidden `@` at `i`: a bracket before `at`, or the word itself.
pub(super) fn hidden(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let (at, sure) = hidden_mark(scan, i, b"at")?;
    let mut start = hidden_local(scan, i)?;
    // `ann dot lee at ...`
    for _ in 0..HIDDEN_LABELS_MAX {
        let Some(before) = scan.behind(start, 5).strip_suffix(b" dot ").map(|rest| start - 5 + rest.len()) else {
            break;
        };
        let Some(longer) = hidden_local(scan, before) else { break };
        start = longer;
    }
    let mut end = label_end(scan, at)?;
    let (mut labels, mut dots) = (1, 0);
    for _ in 0..HIDDEN_LABELS_MAX {
        let next = match (scan.at(end), hidden_mark(scan, end, b"dot")) {
            (b'.', _) => end + 1,
            (_, Some((next, _))) => {
                dots += 1;
                next
            }
            _ => break,
        };
        let Some(label) = label_end(scan, next) else { break };
        (end, labels) = (label, labels + 1);
    }
    let top = scan.behind(end, 24).iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    (labels > 1 && (sure || dots > 0) && top >= 2).then_some((start, end))
}

/// Where the domain's next label starts if the word (`at` or `dot`) stands at `i` in brackets or between blanks, and whether it is in brackets.
fn hidden_mark(scan: &Scan<'_>, i: usize, word: &[u8]) -> Option<(usize, bool)> {
    let blanks = |from: usize| scan.run_end(from, from + 2, |b| b == b' ');
    let open = blanks(i);
    let closing = match scan.at(open) {
        b'[' => Some(b']'),
        b'(' => Some(b')'),
        b'{' => Some(b'}'),
        _ => None,
    };
    let start = open + usize::from(closing.is_some());
    let end = start + word.len();
    let written = scan.slice(start, end).eq_ignore_ascii_case(word);
    match closing {
        Some(closing) => (written && scan.at(end) == closing).then(|| (blanks(end + 1), true)),
        None => {
            let apart = scan.at(start.wrapping_sub(1)) == b' ' && scan.at(end) == b' ';
            (written && apart).then(|| (blanks(end), false))
        }
    }
}

/// Where the word that ends at `i`, blanks apart, starts.
fn hidden_local(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let behind = scan.behind(i, LOCAL_MAX);
    let blanks = behind.iter().rev().take_while(|b| **b == b' ').count();
    let word = behind.get(..behind.len() - blanks)?;
    let is_letter = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
    let length = word.iter().rev().take_while(is_letter).count();
    let start = i - blanks - length;
    let letters = word.iter().rev().take(length).any(u8::is_ascii_alphanumeric);
    (blanks <= 1 && letters).then_some(start)
}

/// Where the label of a domain that starts at `start` ends.
fn label_end(scan: &Scan<'_>, start: usize) -> Option<usize> {
    const LABEL_MAX: usize = 63;
    let end = scan.run_end(start, start + LABEL_MAX + 1, |b| b.is_ascii_alphanumeric() || b == b'-');
    (start < end && end - start <= LABEL_MAX && scan.at(start) != b'-').then_some(end)
}
