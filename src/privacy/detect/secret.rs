//! Providers' keys in a text: those that a prefix tells, and those that their shape alone does.
//!
//! A prefix alone is never enough: the rest must have the alphabet and length of the [form](super::provider), end where it should, and look
//! random. Checksums that some providers put into their keys are not asked for: a mistyped or cut key is a leak too, and randomness keeps
//! words out.

use super::provider::{self, Form};
use super::random::{is_hex_key, is_mixed, is_random};
use super::secret_value::is_crypt;
use super::{Scan, is_word};

/// The end of the provider's key at `i`.
pub(super) fn api_key(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if scan.continues(i) {
        return None;
    }
    provider::starting_with(scan.at(i), scan.at(i + 1)).find_map(|form| end_of(form, scan, i))
}

fn end_of(form: &Form, scan: &Scan<'_>, i: usize) -> Option<usize> {
    let start = i + form.prefix.len();
    if scan.slice(i, start) != form.prefix.as_bytes() {
        return None;
    }
    let holds = |b: u8| form.body.holds(b);
    let mut end = scan.run_end(start, start + form.max.min(LONG) + 1, holds);
    if form.max > LONG && end > start + LONG {
        let random = form.body.is_random(scan.slice(start, end));
        return random.then(|| scan.run_end(end, start + LONGEST, holds));
    }
    while end > start && matches!(scan.at(end - 1), b'.' | b'/') {
        end -= 1;
    }
    let body = scan.slice(start, end);
    let sized = (form.min..=form.max).contains(&body.len()) && !is_word(scan.at(end));
    (sized && form.body.is_random(body)).then_some(end)
}

/// Keys that may be longer than this are judged by so many bytes, and taken to their end or cut there: what follows is scanned on its own.
const LONG: usize = 400;
const LONGEST: usize = 16 * 1024;

/// How far behind an access key its secret may stand.
const BESIDE: usize = 64;
/// The length of Amazon's secret keys.
const AWS_SECRET: usize = 40;

/// The secret that stands close behind the access key of Amazon's that is `start..end`.
pub(super) fn beside(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    if !matches!(scan.slice(start, start + 4), b"AKIA" | b"ASIA") {
        return None;
    }
    let limit = scan.bytes.len().min(end + BESIDE + AWS_SECRET);
    let mut at = end;
    while at < limit.min(end + BESIDE) {
        let run = scan.run_end(at, limit + 1, is_base64);
        if run - at == AWS_SECRET && is_mixed(scan.slice(at, run)) {
            return Some((at, run));
        }
        at = run + 1;
    }
    None
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')
}

/// The end of the key that begins with the digits `start..end`: of a bot (Telegram: a colon and 35 characters), a person (Asana: a colon and
/// 32 hexadecimal digits), an app (Facebook: a bar and 27 characters).
pub(super) fn after_digits(scan: &Scan<'_>, start: usize, end: usize) -> Option<usize> {
    let length = end - start;
    let from = end + 1;
    let key = scan.run_end(from, end + 64, |b| is_word(b) || b == b'-');
    let body = scan.slice(from, key);
    let fits = match scan.at(end) {
        b':' if (8..=10).contains(&length) => body.starts_with(b"AA") && (30..=40).contains(&body.len()),
        b':' if (12..=20).contains(&length) => body.len() == 32 && is_hex_key(body),
        b'|' if (13..=20).contains(&length) => (26..=32).contains(&body.len()) && is_random(body),
        _ => false,
    };
    fits.then_some(key)
}

/// What a refresh token of Google's begins with.
const GOOGLE_REFRESH: &[u8] = b"1//0";

/// The end of the refresh token of Google's at `i`.
pub(super) fn google_refresh(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if scan.slice(i, i + GOOGLE_REFRESH.len()) != GOOGLE_REFRESH {
        return None;
    }
    let start = i + GOOGLE_REFRESH.len();
    let end = scan.run_end(start, start + 256, |b| is_word(b) || b == b'-');
    (end - start >= 40 && is_random(scan.slice(start, end))).then_some(end)
}

/// The key whose first word is `start..end` and has no prefix to tell: of a bot (Discord: the number of its account in Base64, a stamp and a
/// signature), an account (New Relic, MaxMind, Azure's search: by letters at a fixed place).
pub(super) fn by_shape(scan: &Scan<'_>, start: usize, end: usize) -> Option<usize> {
    if scan.continues(start) {
        return None;
    }
    let word = scan.slice(start, end);
    match word.len() {
        24..=28 if scan.at(end) == b'.' => discord(scan, start, end),
        40..=44 if word.ends_with(b"NRAL") => is_random(word).then_some(end),
        40 if word.ends_with(b"_mmk") => is_random(word).then_some(end),
        52 if word.get(42..46) == Some(b"AzSe") => is_random(word).then_some(end),
        84 if word.get(76..80) == Some(b"AZDO") => is_random(word).then_some(end),
        _ => None,
    }
}

fn discord(scan: &Scan<'_>, start: usize, end: usize) -> Option<usize> {
    let part = |from: usize, most: usize| scan.run_end(from, from + most, |b| is_word(b) || b == b'-');
    let stamp = part(end + 1, 8);
    let signature = part(stamp + 1, 48);
    let shaped = stamp - end == 7 && scan.at(stamp) == b'.' && (27..=40).contains(&(signature - stamp - 1));
    (shaped && matches!(scan.at(start), b'M' | b'N' | b'O') && is_random(scan.slice(start, signature)))
        .then_some(signature)
}

/// The key around the hyphen at `i`: 32 hexadecimal digits before it, and a region (Mailchimp) or two further parts (Mailgun) behind.
pub(super) fn around_hyphen(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let region = scan.at(i + 1) == b'u' && scan.at(i + 2) == b's' && scan.at(i + 3).is_ascii_digit();
    let end = if region {
        scan.digits_end(i + 3)
    } else if scan.at(i + 9) == b'-' && scan.slice(i + 1, i + 9).iter().all(u8::is_ascii_hexdigit) {
        let end = scan.run_end(i + 10, i + 19, |b| b.is_ascii_hexdigit());
        if end != i + 18 {
            return None;
        }
        end
    } else {
        return None;
    };
    let behind = scan.behind(i, 33);
    let (edge, key) = behind.split_at(behind.len().checked_sub(32)?);
    let whole = !edge.iter().any(|b| is_word(*b) || *b == b'-') && !is_word(scan.at(end)) && scan.at(end) != b'-';
    (whole && is_hex_key(key)).then_some((i - 32, end))
}

/// The key of a service of Azure's around the plus at `i`: Base64 with the service's letters behind it and a checksum after these.
pub(super) fn around_plus(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    const SERVICES: [&[u8]; 8] = [b"ACR", b"ASt", b"ARm", b"AEh", b"ASb", b"ABa", b"AIoT", b"AMC"];
    if !SERVICES.iter().any(|service| scan.slice(i + 1, i + 1 + service.len()) == *service) {
        return None;
    }
    let behind = scan.behind(i, 88).iter().rev().take_while(|b| is_base64(**b)).count();
    let end = scan.run_end(i + 1, i + 24, |b| is_base64(b) || b == b'=');
    let shaped = (30..=84).contains(&behind) && (6..=16).contains(&(end - i - 1));
    (shaped && is_random(scan.slice(i - behind, end))).then_some((i - behind, end))
}

/// The secret of an application at Microsoft around the tilde at `i`: three characters, a digit, `Q~`, and 31 to 34 more.
pub(super) fn around_tilde(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let before = scan.behind(i, 5);
    let &[a, b, c, digit, b'Q'] = before else { return None };
    let holds = |b: u8| is_word(b) || matches!(b, b'.' | b'~' | b'-');
    let end = scan.run_end(i + 1, i + 36, holds);
    let fits = digit.is_ascii_digit() && [a, b, c].into_iter().all(holds) && (31..=34).contains(&(end - i - 1));
    (fits && is_random(scan.slice(i + 1, end))).then_some((i - 5, end))
}

/// The end of the password's hash in the form of `crypt` at `i`.
pub(super) fn crypt(scan: &Scan<'_>, i: usize) -> Option<usize> {
    let end = scan.run_end(i, i + 256, |b| b.is_ascii_alphanumeric() || b"$./=,+-".contains(&b));
    is_crypt(scan.str(i, end)).then_some(end)
}
