//! Secrets that a name before them in a text declares: `name=value`, `name: value`, `"name": "value"`, `<name>value</name>`, and a name beside
//! its value (`name="password" value="..."`).
//!
//! Reads a name backwards from the separator, and the value behind it as far as its quotes, its line or its word go. In programs as in prose
//! the same marks stand for other things, so a value without quotes must look like a secret, and a reference (`self.password`) is none.

use super::key_name::{Grade, NAME_MAX, grade, is_name_letter, may_be_graded};
use super::random::is_mixed;
use super::secret_value::{
    is_crypt, is_dull_value, is_parameter, is_phrase, looks_like_code, looks_secret, scheme_length, secret_start,
};
use super::{Kind, Scan, command, shape};

/// Where a value starts, and how it is written.
pub(super) struct Value {
    pub(super) start: usize,
    /// The quote that it stands in, and the backslashes before that.
    pub(super) quote: Option<(usize, u8)>,
    /// The quote before its name, which ends a header inside a quoted argument.
    closing: u8,
    /// Whether it is a parameter of a URL.
    query: bool,
    grade: Grade,
}

/// A value is judged by so many bytes; one that turns out to be a secret is taken to its end.
pub(super) const LOOK: usize = 128;

/// The secret that is assigned by the `=` or `:` at `i`.
pub(super) fn find(scan: &Scan<'_>, i: usize) -> Option<(Kind, usize, usize)> {
    if scan.at(i) == b':' && (scan.at(i + 1) == b':' || scan.before(i) == b':') {
        return None;
    }
    if scan.at(i) == b':' && scan.before(i) == b'r' {
        let found = command::net_use(scan, i).filter(|_| scan.wanted.contains(Kind::SecretKey));
        if let Some((start, end)) = found {
            return Some((Kind::SecretKey, start, end));
        }
    }
    let compared = scan.at(i) == b'=' && scan.at(i + 1) == b'=';
    let (name_start, name_end) = name_before(scan, i)?;
    let name = scan.str(name_start, name_end);
    let before = scan.before(name_start);
    let parameter = matches!(before, b'?' | b'&' | b'#');
    let grade = if is_pair_value(name) {
        paired_grade(scan, name_start)
    } else {
        grade(name).or_else(|| if parameter { ending_grade(name) } else { None })
    }?;
    let argument = grade == Grade::Phrase && is_argument_of_pass(scan, name_end);
    let grade = if argument { Grade::Secret } else { grade };
    let (start, quote) = value_start(scan, if compared { scan.run_end(i, i + 3, |b| b == b'=') - 1 } else { i });
    if compared && quote.is_none()
        || grade == Grade::Phrase && name.ends_with("PASS") && is_verdict(scan, name_end, start)
    {
        return None;
    }
    let bare = if quote.is_none() { past_markup(scan, start, grade) } else { start };
    let (markup, start) = (bare > start, bare);
    let value = Value { start, quote, closing: before, query: parameter, grade };
    let text = scan.str(start, value.end(scan, start + LOOK));
    let scheme = scheme_length(text, grade);
    let text = text.get(scheme..).unwrap_or("");
    let equals = scan.at(i) == b'=';
    let sure = equals || quote.is_some() || markup || argument;
    // `secret = compute` is a line of a program as often as one of a configuration.
    let spaced = scan.at(i + 1) == b' ' && quote.is_none() && !markup;
    let secret = match grade {
        Grade::Authorization => sure && !spaced || is_header_value(text, scheme > 0, grade),
        Grade::Cookie => text.contains('=') || sure && looks_secret(text),
        Grade::Secret if compared => looks_secret(text) || is_phrase(text),
        Grade::Secret => {
            sure && !spaced
                || text.len() == shape::UUID_LENGTH && shape::is_uuid(text.as_bytes(), 0)
                || looks_secret(text)
                || is_crypt(text)
                || is_line(scan, name_start, &value, text)
        }
        Grade::Likely => looks_secret(text) || is_crypt(text) || value.query && is_parameter(text),
        Grade::Phrase => looks_secret(text) || is_crypt(text) || !spaced && is_phrase(text),
        Grade::Code => looks_like_code(text),
        Grade::Weak => {
            let parameter = value.query || before == b';' || equals && quote.is_none();
            parameter && is_parameter(text) || is_mixed(text.as_bytes()) && !text.contains('/')
        }
        Grade::Query => (value.query || before == b';') && is_parameter(text),
    } || value.query && shape::is_uuid(text.as_bytes(), 0);
    let kind = match (value.query, grade) {
        (true, _) => Kind::QuerySecret,
        (false, Grade::Cookie) => Kind::Cookie,
        (false, _) => Kind::SecretKey,
    };
    if !secret || is_dull_value(text) || quote.is_none() && is_reference(text, name) {
        return None;
    }
    // What is not wanted is not read to its end, or many of its kind would be read again and again.
    scan.wanted.contains(kind).then(|| (kind, start + scheme, value.end(scan, scan.bytes.len())))
}

/// The end of a parameter's name may tell what it is, whatever its beginning: `hapikey`, `xsecret`.
#[inline(never)]
fn ending_grade(name: &str) -> Option<Grade> {
    const ENDINGS: [&str; 9] =
        ["apikey", "accesskey", "secret", "token", "signature", "password", "passwd", "authkey", "secretkey"];
    let ends = |ending: &str| {
        let at = name.len().checked_sub(ending.len());
        at.and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    // What has words of its own says what it is.
    let single = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (single && ENDINGS.iter().any(|ending| ends(ending))).then_some(Grade::Query)
}

/// Whether the `pass:` whose name ends at `end` is the argument by which openssl is given a password.
#[inline(never)]
fn is_argument_of_pass(scan: &Scan<'_>, end: usize) -> bool {
    [&b"-pass pass"[..], b"-passin pass", b"-passout pass"].iter().any(|flag| scan.behind(end, 14).ends_with(flag))
}

/// Whether the `PASS: ` whose name ends at `end` is what a test came to.
#[inline(never)]
fn is_verdict(scan: &Scan<'_>, end: usize, value: usize) -> bool {
    scan.behind(end, 8) == b"--- PASS" || scan.slice(value, value + 4).eq_ignore_ascii_case(b"test")
}

/// The secret in the element that the `</` at `i` closes: `<password>...</password>`.
pub(super) fn element(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let name_end = scan.run_end(i + 2, i + 2 + NAME_MAX, |b| b != b'>' && b != b' ' && b != b'<');
    if scan.at(name_end) != b'>' {
        return None;
    }
    if !may_be_graded(scan.slice(i + 2, name_end)) {
        return cell(scan, i, name_end + 1);
    }
    let grade = grade(scan.str(i + 2, name_end))?;
    let behind = scan.behind(i, 4 * LOOK);
    let length = behind.iter().rev().take_while(|b| !matches!(b, b'>' | b'<')).count();
    if length == behind.len() {
        return None;
    }
    let text = scan.str(i - length, i);
    let start = secret_start(text, grade).filter(|_| !is_reference(text, ""))?;
    Some((i - length + start, i))
}

/// The secret in the cell that opens at `next`, behind one that holds its name and closes at `i`: `<td>Password</td><td>...</td>`.
fn cell(scan: &Scan<'_>, i: usize, next: usize) -> Option<(usize, usize)> {
    if !may_be_graded(scan.behind(i, 8)) {
        return None;
    }
    let behind = scan.behind(i, NAME_MAX);
    let length = behind.iter().rev().take_while(|b| is_name_letter(**b) || matches!(b, b' ' | b'_' | b'-')).count();
    let labelled = behind.len() > length && scan.at(i - length - 1) == b'>';
    let open = scan.run_end(next, next + 8, |b| b.is_ascii_whitespace());
    let start = scan.run_end(open, open + 8, |b| b != b'>') + 1;
    let element = scan.at(open) == b'<' && scan.at(open + 1).is_ascii_alphabetic() && scan.at(start - 1) == b'>';
    let end = scan.run_end(start, start + LOOK, |b| b != b'<');
    let grade = grade(scan.str(i - length, i)).filter(|_| labelled && element && scan.at(end) == b'<')?;
    let from = secret_start(scan.str(start, end), grade)?;
    Some((start + from, end))
}

/// Names under which the value of a pair stands: what it is called is beside it.
fn is_pair_value(name: &str) -> bool {
    ["value", "content", "val"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// What the name says that stands in quotes before the name at `i`: `name="password" value=`, `"key": "secret", "value":`.
fn paired_grade(scan: &Scan<'_>, i: usize) -> Option<Grade> {
    let behind = scan.behind(i, NAME_MAX + 8);
    let quoted = |b: &u8| matches!(b, b'"' | b'\'');
    let end = behind.iter().rposition(|b| is_name_letter(*b))? + 1;
    let between = behind.get(end..)?;
    let lines = between.contains(&b'\n') && !between.iter().any(quoted);
    if !lines && !between.iter().any(quoted) {
        return None;
    }
    let opens = |b: &u8| if lines { matches!(b, b' ' | b':') } else { quoted(b) };
    let start = behind.get(..end)?.iter().rposition(opens)? + 1;
    let base = i - behind.len();
    let before = behind.get(..start - 1)?.trim_ascii_end().last();
    let named = matches!(before, Some(b'=' | b':'));
    grade(scan.str(base + start, base + end)).filter(|_| named)
}

/// Where the value itself starts in markup: behind `<b>`, `**`, or the bracket of a list of one.
fn past_markup(scan: &Scan<'_>, start: usize, grade: Grade) -> usize {
    const TAGS: [&[u8]; 14] = [
        b"<b>",
        b"<i>",
        b"<u>",
        b"<em>",
        b"<strong>",
        b"<code>",
        b"<tt>",
        b"<pre>",
        b"<kbd>",
        b"<mark>",
        b"<span>",
        b"</b> ",
        b"</strong> ",
        b"** ",
    ];
    match scan.at(start) {
        b'<' | b'*' => {
            let tag = TAGS.iter().find(|tag| scan.slice(start, start + tag.len()) == **tag);
            tag.map_or(start, |tag| start + tag.len())
        }
        b'[' if grade == Grade::Authorization
            && scan.slice(start, start + 16).iter().find(|b| matches!(b, b' ' | b']')) == Some(&b' ') =>
        {
            start + 1
        }
        _ => start,
    }
}

/// Whether `text` is a line's whole value, behind a name that starts the line, in a text of several lines: `password: wintertime`.
fn is_line(scan: &Scan<'_>, name_start: usize, value: &Value, text: &str) -> bool {
    let behind = scan.behind(name_start, 32);
    let indent = behind.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'-')).count();
    let starts = matches!(scan.before(name_start - indent), b'\n' | 0);
    let end = value.start + text.len();
    let ends = matches!(scan.at(end), b'\n' | b'\r' | 0);
    let several = scan.at(end) != 0 || scan.before(name_start - indent) == b'\n';
    starts && ends && several && text.len() >= 4 && !text.ends_with(['.', ':', '[', '('])
}

/// Whether a value names where the secret is instead of being it: `self.password`, `process.env.TOKEN`, `getpass(`, or the name itself.
pub(super) fn is_reference(value: &str, name: &str) -> bool {
    const ROOTS: [&str; 26] = [
        "self",
        "this",
        "process",
        "os",
        "config",
        "settings",
        "args",
        "env",
        "secrets",
        "vars",
        "var",
        "params",
        "req",
        "request",
        "options",
        "opts",
        "data",
        "props",
        "local",
        "module",
        "system",
        "ctx",
        "context",
        "user",
        "credentials",
        "app",
    ];
    if value.eq_ignore_ascii_case(name) || value.starts_with('@') && !value.contains(|c: char| c.is_ascii_digit()) {
        return true;
    }
    let Some(at) = value.find(['.', '(', '[']) else { return false };
    let (root, rest) = value.split_at(at);
    let word = !root.is_empty() && root.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let open = rest.starts_with(['(', '[']) && !rest.contains(|c: char| c.is_ascii_digit());
    word && (open || ROOTS.iter().any(|known| root.eq_ignore_ascii_case(known)))
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.()[]'\"".contains(&b))
}

/// In running text `cookie: ` may begin a sentence; a cookie has a `=`, and credentials are no words.
fn is_header_value(value: &str, scheme: bool, grade: Grade) -> bool {
    match grade {
        Grade::Cookie => value.contains('='),
        Grade::Authorization if scheme => !value.bytes().all(|b| b.is_ascii_alphabetic()) || value.len() >= 16,
        Grade::Authorization => looks_secret(value),
        Grade::Secret | Grade::Likely | Grade::Phrase | Grade::Code | Grade::Weak | Grade::Query => false,
    }
}

/// Words that say too little without the one before them, even over a blank: `api key: `, `verification code: `.
const SHORT_MAX: usize = 6;

/// The name that ends at the separator at `i`, over a blank and a quote.
fn name_before(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let mut end = i;
    if scan.before(end) == b' ' {
        end -= 1;
    }
    let mark = scan.before(end);
    if matches!(mark, b'"' | b'\'' | b'`' | b']') || mark == b')' && scan.at(i + 1) == b'(' {
        end -= 1;
        while matches!(scan.before(end), b'\\' | b'"' | b'\'') {
            end -= 1;
        }
    }
    if !may_be_graded(scan.behind(end, 8)) {
        return None;
    }
    let behind = scan.behind(end, NAME_MAX + 1);
    let belongs = |b: &u8| is_name_letter(*b) || matches!(b, b'_' | b'-' | b'.');
    let count = |text: &[u8]| text.iter().rev().take_while(|b| belongs(b)).count();
    let mut length = count(behind);
    if (3..=SHORT_MAX).contains(&length)
        && let Some((b' ', before)) =
            behind.get(..behind.len() - length).and_then(|rest| rest.split_last().map(|(b, rest)| (*b, rest)))
    {
        let word = count(before);
        length += if word > 1 { word + 1 } else { 0 };
    }
    let mut start = end - length;
    while start < end && !scan.text.is_char_boundary(start) {
        start += 1;
    }
    (2..=NAME_MAX).contains(&(end - start)).then_some((start, end))
}

/// Where the value after the separator at `i` starts, and the quote (with the backslashes before it) that it stands in.
pub(super) fn value_start(scan: &Scan<'_>, i: usize) -> (usize, Option<(usize, u8)>) {
    let arrow = usize::from(scan.at(i) == b'=' && scan.at(i + 1) == b'>');
    let start = scan.run_end(i + 1 + arrow, i + 4, |b| b == b' ' || b == b'\t');
    let start = if arrow == 1 { past_type(scan, start) } else { start };
    if scan.at(i + 1) == b'(' && scan.before(i) == b')' {
        return (i + 2, Some((0, b')')));
    }
    let slashes = scan.run_end(start, start + 4, |b| b == b'\\') - start;
    match scan.at(start + slashes) {
        quote @ (b'"' | b'\'' | b'`') if slashes <= 3 => (start + slashes + 1, Some((slashes, quote))),
        _ => (start, None),
    }
}

/// Where the value starts behind what PHP says of it: `string(12) "..."`.
#[inline(never)]
fn past_type(scan: &Scan<'_>, start: usize) -> usize {
    const STRING: &[u8] = b"string(";
    let digits = start + STRING.len();
    if scan.slice(start, digits) != STRING {
        return start;
    }
    let end = scan.run_end(digits, digits + 8, |b| b.is_ascii_digit());
    if scan.at(end) == b')' && scan.at(end + 1) == b' ' { end + 2 } else { start }
}

impl Value {
    /// A value that something else than a name declares.
    pub(super) fn told(start: usize, quote: Option<(usize, u8)>) -> Value {
        Value { start, quote, closing: 0, query: false, grade: Grade::Secret }
    }

    /// Where it ends, at most at `limit`.
    pub(super) fn end(&self, scan: &Scan<'_>, limit: usize) -> usize {
        let limit = limit.min(scan.bytes.len());
        let header = |b: u8| !matches!(b, b'\n' | b'\r' | b'"' | b'\'') && (b != self.closing || b != b'`');
        let end = match (self.quote, self.grade) {
            (Some(quote), _) => quoted_end(scan, self.start, limit, quote),
            (None, Grade::Authorization) => authorization_end(scan, self.start, limit, header),
            (None, Grade::Cookie) => cookies_end(scan, self.start, limit, header),
            (None, Grade::Secret | Grade::Likely | Grade::Phrase | Grade::Code | Grade::Weak | Grade::Query) => {
                self.word_end(scan, limit)
            }
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
        let last = if end > self.start { scan.at(end - 1) } else { 0 };
        let foreign = last == b']' && scan.at(self.start) != b'[' || self.query && matches!(last, b':' | b'.');
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

/// Schemes that one token follows.
const OF_ONE_TOKEN: [&str; 8] = ["bearer", "basic", "token", "apikey", "key", "bot", "ssws", "jwt"];

/// A scheme and one token; with parameters (`Digest username="ann", ...`) the whole line.
fn authorization_end(scan: &Scan<'_>, start: usize, limit: usize, header: impl Fn(u8) -> bool) -> usize {
    let word = |at: usize| scan.run_end(at, limit, |b| header(b) && b != b' ' && b != b',' && b != b';');
    let first = word(start);
    if scan.at(first) != b' ' || scheme_length(scan.str(start, first + 1), Grade::Authorization) == 0 {
        return first;
    }
    let second = word(first + 1);
    let listed = scan.before(start) == b'[' && scan.at(second - 1) == b']';
    let second = second - usize::from(listed);
    let single = OF_ONE_TOKEN.iter().any(|scheme| scan.str(start, first).eq_ignore_ascii_case(scheme));
    let parameters = !single && scan.slice(first + 1, second).contains(&b'=') && matches!(scan.at(second), b',' | b'"');
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

fn floor_boundary(scan: &Scan<'_>, mut end: usize) -> usize {
    while end > 0 && !scan.text.is_char_boundary(end) {
        end -= 1;
    }
    end
}
