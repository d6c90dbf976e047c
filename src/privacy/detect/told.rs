//! Secrets that words before them in a sentence or a table declare: `the password for ann is ...`, `IDENTIFIED BY '...'`,
//! `login ann password ...`, `"password","..."`, `483920 is your code`.
//!
//! Prose says `password` a hundred times for each time that it tells one, so what follows must look like a secret, and an ordinary word, a
//! length or an algorithm's name does not.

use super::assignment::{LOOK, Value, is_reference, value_start};
use super::key_name::{Grade, grade, is_name_letter, may_be_graded};
use super::random::{is_hex_key, is_mixed};
use super::secret_value::{is_dull_value, is_phrase, looks_like_code, looks_secret, secret_start};
use super::{Kind, Scan};

/// Words that say that the next is it.
#[rustfmt::skip]
const COPULAS: [&[u8]; 20] = [
    b"is", b"was", b"are", b"ist", b"lautet", b"war", b"est", b"es", "é".as_bytes(), "è".as_bytes(), "är".as_bytes(), b"er", b"jest",
    b"je", b"becomes", b"equals", b"este", b"on", b"is:", b"sono",
];

/// Words between those and the secret.
const ADVERBS: [&[u8]; 8] = [b"now", b"set", b"currently", b"still", b"just", b"jetzt", b"nun", b"maintenant"];

/// Words before `to` that make it say so.
const SETTING: [&[u8]; 6] = [b"set", b"changed", b"updated", b"reset", b"password", b"back"];

/// Words before `as` that do.
const RENDERING: [&[u8]; 5] = [b"rendered", b"resolved", b"expanded", b"entered", b"given"];

/// So many words may stand between the word for a secret and the one that tells it.
const WORDS_BETWEEN: usize = 5;

/// Words that say too little without the one before them.
const SHORT_MAX: usize = 6;

/// The secret that the word `start..end` begins to tell.
pub(super) fn find(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    if !scan.wanted.contains(Kind::SecretKey) {
        return None;
    }
    if end - start == 2
        && let Some(found) = identified_by(scan, start, end)
    {
        return Some(found);
    }
    if scan.at(end) == b'(' {
        return sql_function(scan, start, end);
    }
    match scan.at(end) {
        b'"' => return quoted_name(scan, start, end),
        b'}' if scan.at(end + 1) == b'}' => {
            return grade(scan.str(start, end)).and_then(|grade| behind_copula(scan, end + 2, grade));
        }
        _ => {}
    }
    let end = scan.run_end(end, end + 8, is_name_letter);
    if !matches!(scan.at(end), b' ' | b'\t') || !may_be_graded(scan.slice(start, end)) {
        return None;
    }
    let grade = grade(phrase(scan, start, end))?;
    if matches!(grade, Grade::Authorization | Grade::Cookie | Grade::Query) {
        return None;
    }
    beside(scan, start, end, grade).or_else(|| behind_copula(scan, end, grade))
}

/// The value of the name that ends in the word `start..end` and stands in quotes, where no `=` or `:` follows: the next cell of a row, the part of
/// a form, the `default` in the block of a variable.
#[inline(never)]
fn quoted_name(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    const NAME_MAX: usize = 40;
    const BLOCK_MAX: usize = 400;
    let behind = scan.behind(start, NAME_MAX);
    let opened = behind.iter().rposition(|b| *b == b'"')?;
    let from = start - (behind.len() - opened - 1);
    let before = behind.get(..opened)?;
    let next = scan.at(end + 1);
    if !(matches!(next, b',' | b'\n' | b'\r') || next == b' ' && scan.at(end + 2) == b'{') {
        return None;
    }
    let grade = grade(scan.str(from, end))?;
    let (from, to) = if next == b',' {
        cell(scan, end + 1)?
    } else if next == b' ' {
        if !before.ends_with(b"variable ") {
            return None;
        }
        let block = scan.slice(end + 2, (end + BLOCK_MAX).min(scan.bytes.len()));
        let block = block.get(..block.iter().position(|b| *b == b'}').unwrap_or(block.len()))?;
        let word = end + 2 + memchr::memmem::find(block, b"default")? + b"default".len();
        let equals = scan.run_end(word, word + 16, |b| b == b' ');
        let (from, quote) = value_start(scan, equals);
        if scan.at(equals) != b'=' || quote.is_none() {
            return None;
        }
        whole(scan, from, quote)
    } else {
        if !before.ends_with(b"name=") {
            return None;
        }
        let line = scan.run_end(end + 1, end + 5, |b| matches!(b, b'\n' | b'\r'));
        let breaks = scan.slice(end + 1, line).iter().filter(|b| **b == b'\n').count();
        let to = scan.run_end(line, line + LOOK, |b| !matches!(b, b'\n' | b'\r'));
        (breaks == 2).then_some((line, to))?
    };
    let text = scan.str(from, to);
    let secret = if next == b',' { tells(text, grade) } else { secret_start(text, grade).is_some() };
    (secret && !is_dull_value(text)).then_some((from, to))
}

/// What is in quotes behind the comma at `at`.
fn cell(scan: &Scan<'_>, at: usize) -> Option<(usize, usize)> {
    let (from, quote) = value_start(scan, at);
    Some(whole(scan, from, Some(quote?)))
}

/// The word, and the one before it if it is short.
fn phrase<'s>(scan: &Scan<'s>, start: usize, end: usize) -> &'s str {
    let behind = scan.behind(start, 20);
    let before = match behind.split_last() {
        Some((b' ' | b'-', rest)) if end - start <= SHORT_MAX => {
            rest.iter().rev().take_while(|b| is_name_letter(**b)).count()
        }
        _ => 0,
    };
    let from = if before > 0 { start - before - 1 } else { start };
    scan.text.get(from..end).or_else(|| scan.text.get(start..end)).unwrap_or("")
}

/// The value right behind the word: `PASSWORD 'x'`, `login ann password x`, `with password x`, `token <random>`.
fn beside(scan: &Scan<'_>, start: usize, end: usize, grade: Grade) -> Option<(usize, usize)> {
    // The next column of a table is the value as well.
    let column = scan.at(end) == b'\t' || scan.slice(end, end + 3) == b" | ";
    let (from, quote) = value_start(scan, if scan.at(end + 1) == b'|' { end + 1 } else { end });
    let (from, to) = whole(scan, from, quote);
    let text = scan.str(from, to.min(from + LOOK));
    let before = scan.behind(start, 80).trim_ascii_end();
    let secret = match grade {
        Grade::Secret if quote.is_some() => text.len() >= 3 && !text.contains(' ') && !is_reference(text, ""),
        Grade::Secret if is_login(before) => from == end + 1,
        Grade::Secret if column || before.ends_with(b"with") || before.ends_with(b"using") => tells(text, grade),
        Grade::Secret if is_strong(text) => true,
        Grade::Secret | Grade::Likely | Grade::Phrase => is_mixed(text.as_bytes()) || is_hex_key(text.as_bytes()),
        Grade::Authorization | Grade::Cookie | Grade::Code | Grade::Weak | Grade::Query => false,
    };
    (secret && !is_dull_value(text)).then_some((from, to))
}

/// Whether a value is what rules for passwords ask for, and so no word: small letters, capitals, digits, and a mark among them.
fn is_strong(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or(&[]);
    let has = |of: fn(&u8) -> bool| bytes.iter().any(of);
    let marked = inner.iter().any(|b| b"!@#$%^&*".contains(b));
    bytes.len() >= 8
        && marked
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && looks_secret(text)
}

/// Whether the words before `password` are those of a `.netrc` file: `login ann`.
fn is_login(before: &[u8]) -> bool {
    let mut words = before.rsplit(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let _name = words.next();
    words.next() == Some(b"login")
}

/// The value behind `is` and the like, over the words between.
fn behind_copula(scan: &Scan<'_>, end: usize, grade: Grade) -> Option<(usize, usize)> {
    let mut at = end;
    let mut before: &[u8] = b"password";
    for _ in 0..WORDS_BETWEEN {
        let word_start = at + 1;
        let word_end = scan.run_end(word_start, word_start + 24, is_name_letter);
        let word = scan.slice(word_start, word_end);
        let colon = scan.at(word_end) == b':';
        let is = |known: &[&[u8]]| known.iter().any(|known| known.eq_ignore_ascii_case(word));
        if word.is_empty() || scan.at(word_end) != b' ' && !colon {
            return None;
        }
        if is(&COPULAS)
            || colon
            || word == b"to" && SETTING.contains(&before)
            || word == b"as" && RENDERING.contains(&before)
        {
            if let Some(found) = value_after(scan, word_end, grade, !colon) {
                return Some(found);
            }
            if colon {
                return None;
            }
        }
        before = word;
        at = word_end;
    }
    None
}

fn value_after(scan: &Scan<'_>, at: usize, grade: Grade, adverb: bool) -> Option<(usize, usize)> {
    let (from, quote) = value_start(scan, at);
    let (from, to) = whole(scan, from, quote);
    let text = scan.str(from, to.min(from + LOOK));
    if tells(text, grade) || quote.is_some() && grade == Grade::Secret && text.len() >= 4 && !text.contains(' ') {
        return (!is_dull_value(text)).then_some((from, to));
    }
    let is_adverb = adverb && quote.is_none() && ADVERBS.contains(&text.as_bytes()) && scan.at(to) == b' ';
    if is_adverb { value_after(scan, to, grade, false) } else { None }
}

/// The value from `from` on without the full stop of its sentence.
pub(super) fn whole(scan: &Scan<'_>, from: usize, quote: Option<(usize, u8)>) -> (usize, usize) {
    let mut end = Value::told(from, quote).end(scan, scan.bytes.len());
    if quote.is_none() {
        while end > from && matches!(scan.at(end - 1), b'.' | b':' | b'?') {
            end -= 1;
        }
    }
    (from, end)
}

/// Whether a word in a sentence is the secret that it speaks of.
fn tells(text: &str, grade: Grade) -> bool {
    let secret = match grade {
        Grade::Code => looks_like_code(text),
        Grade::Weak => is_mixed(text.as_bytes()) || is_hex_key(text.as_bytes()),
        Grade::Secret | Grade::Phrase => looks_secret(text) || is_phrase(text),
        Grade::Likely => looks_secret(text),
        Grade::Authorization | Grade::Cookie | Grade::Query => false,
    };
    secret && !is_reference(text, "")
}

/// The literal behind `IDENTIFIED BY`, whose second word is `start..end`.
fn identified_by(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    if scan.at(end + 1) != b'\'' && scan.at(end + 1) != b'"' || !scan.slice(start, end).eq_ignore_ascii_case(b"by") {
        return None;
    }
    let before = scan.behind(start, 48).to_ascii_lowercase();
    memchr::memmem::find(&before, b"identified ")?;
    let (from, quote) = value_start(scan, end);
    let (from, to) = whole(scan, from, quote);
    (!is_dull_value(scan.str(from, to))).then_some((from, to))
}

/// The literal in `PASSWORD('...')`, whose bracket is at `end`.
fn sql_function(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    if scan.slice(start, end) != b"PASSWORD" || scan.at(end + 1) != b'\'' {
        return None;
    }
    let (from, to) = whole(scan, end + 2, Some((0, b'\'')));
    (!is_dull_value(scan.str(from, to))).then_some((from, to))
}

/// The password in a line of `.pgpass`, whose port is `start..end`: `host:5432:database:ann:password`.
pub(super) fn pgpass(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    if scan.slice(start, end) != b"5432" || scan.before(start) != b':' {
        return None;
    }
    let field =
        |at: usize| scan.run_end(at, at + 64, |b| !b.is_ascii_whitespace() && !matches!(b, b':' | b'"' | b'\'' | b'/'));
    let database = field(end + 1);
    let user = field(database + 1);
    let password = field(user + 1);
    let shaped = scan.at(database) == b':' && scan.at(user) == b':' && scan.at(password) != b':';
    let secret = scan.str(user + 1, password);
    (shaped && !is_dull_value(secret)).then_some((user + 1, password))
}

/// Whether the digits `start..end` are a code that the words behind them name: `483920 is your verification code`.
pub(super) fn is_code(scan: &Scan<'_>, start: usize, end: usize) -> bool {
    const IS: [&[u8]; 4] = [b" is your ", b" is the ", b" as your ", b" ist Ihr "];
    if !(4..=8).contains(&(end - start)) {
        return false;
    }
    let Some(is) = IS.iter().find(|is| scan.slice(end, end + is.len()) == **is) else { return false };
    let from = end + is.len();
    let sentence = scan.slice(from, (from + 48).min(scan.bytes.len()));
    let sentence =
        sentence.get(..sentence.iter().position(|b| matches!(b, b'.' | b',' | b'\n')).unwrap_or(sentence.len()));
    sentence.unwrap_or(&[]).split(|b| !is_name_letter(*b)).any(|word| {
        [&b"code"[..], b"otp", b"pin", b"passcode", b"password"].iter().any(|known| known.eq_ignore_ascii_case(word))
    })
}
