//! Names that declare their value a secret: of a JSON member, a header, a parameter, a variable.
//!
//! Names are compared as whole words (`client_secret`, `clientSecret`, `X-Client-Secret`), never as parts of words: `max_tokens`, `author` and
//! `monkey` declare nothing. [`grade`] says how sure a name makes us; [`assignment`] finds `name=value` and `name: value` in texts.

use super::{Kind, Scan, shape};
use crate::privacy::redaction::is_settled;

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::privacy) enum Grade {
    /// A header with credentials: its whole value is secret, but for the scheme before it.
    Authorization,
    /// A header with cookies.
    Cookie,
    /// Secret whatever it is.
    Secret,
    /// Secret if it looks like one.
    Likely,
    /// Secret if it is long and random, in the parameters of a URL, a cookie or the like.
    Weak,
}

/// Longer names are not looked at.
const NAME_MAX: usize = 64;

/// A name's last words, lower-cased, from the end.
struct Tail {
    buffer: [u8; NAME_MAX],
    words: [(usize, usize); 3],
    count: usize,
}

impl Tail {
    fn of(name: &[u8]) -> Option<Tail> {
        if name.len() > NAME_MAX {
            return None;
        }
        let mut tail = Tail { buffer: [0; NAME_MAX], words: [(0, 0); 3], count: 0 };
        for (slot, b) in tail.buffer.iter_mut().zip(name) {
            *slot = b.to_ascii_lowercase();
        }
        let mut end = name.len();
        for slot in &mut tail.words {
            while end > 0 && !is_name_letter(name, end - 1) {
                end -= 1;
            }
            let mut start = end;
            while start > 0 && is_name_letter(name, start - 1) && !(start < end && is_hump(name, start)) {
                start -= 1;
            }
            if start == end {
                break;
            }
            *slot = (start, end);
            tail.count += 1;
            end = start;
        }
        Some(tail)
    }

    /// The word `k` places from the end; empty if there is none.
    fn word(&self, k: usize) -> &str {
        let (start, end) = self.words.get(k).copied().unwrap_or((0, 0));
        std::str::from_utf8(self.buffer.get(start..end).unwrap_or(&[])).unwrap_or("")
    }
}

fn is_name_letter(name: &[u8], i: usize) -> bool {
    name.get(i).is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether a word starts at `i` inside a run of letters: a capital after a small letter, or the last capital of several before a small one.
fn is_hump(name: &[u8], i: usize) -> bool {
    let at = |k: usize| name.get(k).copied().unwrap_or(0);
    let upper = at(i).is_ascii_uppercase();
    upper && i > 0 && (!at(i - 1).is_ascii_uppercase() || at(i + 1).is_ascii_lowercase())
}

/// Whether a name may have a grade at all, by its last two letters; spares nearly all names the rest.
fn may_be_graded(name: &[u8]) -> bool {
    let mut letters = name.iter().rev().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    let (last, before) = (letters.next().unwrap_or(0), letters.next().unwrap_or(0));
    matches!(
        &[before, last],
        b"rd"
            | b"wd"
            | b"se"
            | b"de"
            | b"et"
            | b"ts"
            | b"al"
            | b"ls"
            | b"ey"
            | b"en"
            | b"wt"
            | b"vv"
            | b"v2"
            | b"vc"
            | b"tp"
            | b"ss"
            | b"th"
            | b"er"
            | b"fa"
            | b"on"
            | b"ie"
            | b"es"
            | b"ig"
            | b"re"
            | b"id"
    )
}

/// What the name says about its value.
pub(in crate::privacy) fn grade(name: &str) -> Option<Grade> {
    let name = name.as_bytes();
    if !may_be_graded(name) {
        return None;
    }
    let tail = Tail::of(name)?;
    let before = tail.word(1);
    match tail.word(0) {
        "authorization" => is_header_word(before).then_some(Grade::Authorization),
        "cookie" | "cookies" => is_header_word(before).then_some(Grade::Cookie),
        "password" | "passwd" | "passphrase" | "passcode" | "pwd" | "secret" | "credential" | "credentials"
        | "apikey" | "secretkey" | "privatekey" | "accesskey" | "accesstoken" | "refreshtoken" | "authtoken"
        | "clientsecret" | "userpassword" | "jwt" | "cvv" | "cvv2" | "cvc" | "otp" | "totp" | "xapikey"
        | "sessiontoken" | "idtoken" | "csrftoken" | "pgpassword" => Some(Grade::Secret),
        "word" => (before == "pass").then_some(Grade::Secret),
        "secrets" | "pass" | "auth" | "bearer" | "mfa" => Some(Grade::Likely),
        "token" => token_grade(before),
        "key" => key_grade(before),
        "code" | "sig" | "signature" | "session" | "sid" | "sessionid" | "jsessionid" | "phpsessid" | "sessid" => {
            Some(Grade::Weak)
        }
        "id" => (before == "session").then_some(Grade::Weak),
        _ => None,
    }
}

fn is_header_word(word: &str) -> bool {
    matches!(
        word,
        "" | "proxy"
            | "set"
            | "header"
            | "headers"
            | "request"
            | "response"
            | "http"
            | "x"
            | "forwarded"
            | "original"
            | "session"
            | "auth"
    )
}

fn token_grade(before: &str) -> Option<Grade> {
    match before {
        "page" | "next" | "prev" | "previous" | "continuation" | "cursor" | "pagination" | "sync" | "max" | "min"
        | "eos" | "bos" | "pad" | "unk" | "stop" | "start" | "end" | "prompt" | "completion" | "per" | "first"
        | "last" | "progress" => None,
        "access" | "refresh" | "id" | "auth" | "bearer" | "session" | "csrf" | "xsrf" | "api" | "security"
        | "secret" | "oauth" | "sas" | "device" | "push" | "reset" | "verification" | "service" | "personal"
        | "bot" | "private" | "signing" | "master" | "admin" => Some(Grade::Secret),
        _ => Some(Grade::Likely),
    }
}

fn key_grade(before: &str) -> Option<Grade> {
    match before {
        "api" | "private" | "secret" | "access" | "account" | "encryption" | "signing" | "shared" | "master"
        | "auth" | "subscription" | "ssh" | "hmac" | "aes" | "rsa" | "storage" | "functions" | "admin" | "license"
        | "decryption" | "wrapping" | "client" => Some(Grade::Secret),
        "" => Some(Grade::Weak),
        _ => None,
    }
}

/// Whether a value without quotes or structure around it looks like a secret and not like a word, number or id.
pub(in crate::privacy) fn looks_secret(value: &str) -> bool {
    let bytes = value.as_bytes();
    let code = value.contains("::") || value.contains('(');
    if bytes.len() < 6 || bytes.contains(&b' ') || code || value.contains("://") || shape::is_uuid(bytes, 0) {
        return false;
    }
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let hump = bytes.windows(2).any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let dotted = bytes.iter().filter(|b| **b == b'.').count() >= 2 && letters < digits;
    letters > 0 && !dotted && (digits > 0 || bytes.len() >= 20 && hump)
}

/// Whether a value is long and random enough to be a secret under a name that may mean anything.
fn is_random(value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut seen = [false; 256];
    for b in bytes {
        if let Some(slot) = seen.get_mut(usize::from(*b)) {
            *slot = true;
        }
    }
    let variety = seen.iter().filter(|seen| **seen).count();
    let alphabet = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_-+/=%.".contains(b));
    bytes.len() >= 16 && alphabet && variety >= 8 && looks_secret(value)
}

/// Whether a value says that there is no secret: a constant, a template, a placeholder.
pub(in crate::privacy) fn is_dull_value(value: &str) -> bool {
    const CONSTANTS: [&str; 14] = [
        "null",
        "none",
        "nil",
        "undefined",
        "true",
        "false",
        "yes",
        "no",
        "string",
        "required",
        "optional",
        "redacted",
        "empty",
        "masked",
    ];
    value.is_empty()
        || is_settled(value)
        || CONSTANTS.iter().any(|constant| value.eq_ignore_ascii_case(constant))
        || value.starts_with(['$', '<', '{'])
        || matches!(value.as_bytes(), [b'%', b's' | b'd' | b'v' | b'(', ..])
        || value.len() >= 3 && value.bytes().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.'))
}

/// Where a value starts, and how it is written.
struct Value {
    start: usize,
    /// The quote that it stands in, and the backslashes before that.
    quote: Option<(usize, u8)>,
    /// The quote before its name, which ends a header inside a quoted argument.
    closing: u8,
    /// Whether it is a parameter of a URL.
    query: bool,
    grade: Grade,
}

/// A value is judged by so many bytes; one that turns out to be a secret is taken to its end.
const LOOK: usize = 128;

/// The secret that is assigned by the `=` or `:` at `i`.
pub(super) fn assignment(scan: &Scan<'_>, i: usize) -> Option<(Kind, usize, usize)> {
    let (name_start, name_end) = name_before(scan, i)?;
    let grade = grade(scan.str(name_start, name_end))?;
    let before = scan.before(name_start);
    let (start, quote) = value_start(scan, i);
    let value = Value { start, quote, closing: before, query: matches!(before, b'?' | b'&'), grade };
    let text = scan.str(start, value.end(scan, start + LOOK));
    let scheme = scheme_length(text, grade);
    let text = text.get(scheme..).unwrap_or("");
    let equals = scan.at(i) == b'=';
    let sure = equals || quote.is_some();
    // `secret = compute` is a line of a program as often as one of a configuration.
    let spaced = scan.at(i + 1) == b' ' && quote.is_none();
    let secret = match grade {
        Grade::Authorization | Grade::Cookie => sure || is_header_value(text, scheme > 0, grade),
        Grade::Secret => sure && !spaced || looks_secret(text),
        Grade::Likely => looks_secret(text),
        Grade::Weak => (value.query || before == b';' || equals && quote.is_none()) && is_random(text),
    };
    if !secret || is_dull_value(text) {
        return None;
    }
    let kind = if value.query { Kind::QuerySecret } else { Kind::SecretKey };
    Some((kind, start + scheme, value.end(scan, scan.bytes.len())))
}

/// The password in the sentence `password is ...` at `i`.
pub(super) fn told(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    const WORD: &[u8] = b"password";
    let is = i + WORD.len();
    if !scan.slice(i, is).eq_ignore_ascii_case(WORD) || scan.slice(is, is + 4) != b" is " {
        return None;
    }
    let (start, quote) = value_start(scan, is + 3);
    let value = Value { start, quote, closing: 0, query: false, grade: Grade::Secret };
    let secret = looks_secret(scan.str(start, value.end(scan, start + LOOK)));
    secret.then(|| (start, value.end(scan, scan.bytes.len())))
}

/// In running text `cookie: ` may begin a sentence; a cookie has a `=`, and credentials are no words.
fn is_header_value(value: &str, scheme: bool, grade: Grade) -> bool {
    match grade {
        Grade::Cookie => value.contains('='),
        Grade::Authorization if scheme => !value.bytes().all(|b| b.is_ascii_alphabetic()) || value.len() >= 16,
        Grade::Authorization => looks_secret(value),
        Grade::Secret | Grade::Likely | Grade::Weak => false,
    }
}

/// The name that ends at the separator at `i`, over a blank and a quote.
fn name_before(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let mut end = i;
    if scan.before(end) == b' ' {
        end -= 1;
    }
    if matches!(scan.before(end), b'"' | b'\'' | b'`') {
        end -= 1;
        while scan.before(end) == b'\\' {
            end -= 1;
        }
    }
    if !may_be_graded(scan.behind(end, 3)) {
        return None;
    }
    let behind = scan.behind(end, NAME_MAX + 1);
    let length =
        behind.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    (3..=NAME_MAX).contains(&length).then_some((end - length, end))
}

/// Where the value after the separator at `i` starts, and the quote (with the backslashes before it) that it stands in.
fn value_start(scan: &Scan<'_>, i: usize) -> (usize, Option<(usize, u8)>) {
    let arrow = usize::from(scan.at(i) == b'=' && scan.at(i + 1) == b'>');
    let start = scan.run_end(i + 1 + arrow, i + 4, |b| b == b' ' || b == b'\t');
    let slashes = scan.run_end(start, start + 4, |b| b == b'\\') - start;
    match scan.at(start + slashes) {
        quote @ (b'"' | b'\'') if slashes <= 3 => (start + slashes + 1, Some((slashes, quote))),
        _ => (start, None),
    }
}

impl Value {
    /// Where it ends, at most at `limit`.
    fn end(&self, scan: &Scan<'_>, limit: usize) -> usize {
        let limit = limit.min(scan.bytes.len());
        let header = |b: u8| !matches!(b, b'\n' | b'\r' | b'"' | b'\'') && (b != self.closing || b != b'`');
        let end = match (self.quote, self.grade) {
            (Some(quote), _) => quoted_end(scan, self.start, limit, quote),
            (None, Grade::Authorization) => authorization_end(scan, self.start, limit, header),
            (None, Grade::Cookie) => cookies_end(scan, self.start, limit, header),
            (None, Grade::Secret | Grade::Likely | Grade::Weak) => self.word_end(scan, limit),
        };
        floor_boundary(scan, end)
    }

    /// The end of a value without quotes. A bracket that closes something else is not part of it; a placeholder in brackets is taken
    /// whole.
    fn word_end(&self, scan: &Scan<'_>, limit: usize) -> usize {
        let ends = |b: u8| match b {
            b'&' | b';' | b',' | b'"' | b'\'' | b'<' | b'>' | b')' | b'}' | b'|' | b'\\' | b'`' => true,
            b'#' => self.query,
            _ => b.is_ascii_whitespace(),
        };
        let placeholder = usize::from(scan.at(self.start) == b'<');
        let end = scan.run_end(self.start + placeholder, limit, |b| !ends(b));
        let foreign = end > self.start && scan.at(end - 1) == b']' && scan.at(self.start) != b'[';
        end - usize::from(foreign)
    }
}

/// Where the closing quote is: the same quote after the same number of backslashes.
fn quoted_end(scan: &Scan<'_>, start: usize, limit: usize, (slashes, quote): (usize, u8)) -> usize {
    let mut behind = 0;
    for (at, b) in scan.slice(start, limit).iter().enumerate() {
        if *b == quote && behind == slashes {
            return start + at - slashes;
        }
        behind = if *b == b'\\' { behind + 1 } else { 0 };
    }
    limit
}

/// A scheme and one token; with parameters (`Digest username="ann", ...`) the whole line.
fn authorization_end(scan: &Scan<'_>, start: usize, limit: usize, header: impl Fn(u8) -> bool) -> usize {
    let word = |at: usize| scan.run_end(at, limit, |b| header(b) && b != b' ' && b != b',' && b != b';');
    let first = word(start);
    if scan.at(first) != b' ' || scheme_length(scan.str(start, first + 1), Grade::Authorization) == 0 {
        return first;
    }
    let second = word(first + 1);
    let parameters = scan.slice(first + 1, second).contains(&b'=') && matches!(scan.at(second), b',' | b'"');
    if parameters { scan.run_end(second, limit, |b| !matches!(b, b'\n' | b'\r')) } else { second }
}

/// `a=b; c=d`, to the end of the last pair.
fn cookies_end(scan: &Scan<'_>, start: usize, limit: usize, header: impl Fn(u8) -> bool) -> usize {
    let mut end = scan.run_end(start, limit, |b| header(b) && b != b' ');
    while end > start && scan.at(end - 1) == b';' && scan.at(end) == b' ' {
        let next = scan.run_end(end + 1, limit, |b| header(b) && b != b' ');
        if next <= end + 1 {
            break;
        }
        end = next;
    }
    end
}

/// The bytes at the start of an authorization header's value that name the scheme, and the blank after them.
pub(in crate::privacy) fn scheme_length(value: &str, grade: Grade) -> usize {
    const SCHEMES: [&str; 9] = ["bearer", "basic", "digest", "negotiate", "token", "apikey", "hmac", "dpop", "key"];
    match value.split_once(' ') {
        Some((scheme, _))
            if grade == Grade::Authorization && SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            scheme.len() + 1
        }
        _ => 0,
    }
}

fn floor_boundary(scan: &Scan<'_>, mut end: usize) -> usize {
    while end > 0 && !scan.text.is_char_boundary(end) {
        end -= 1;
    }
    end
}
