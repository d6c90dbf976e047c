//! Secrets that words before them in a sentence or a command declare: `the password for ann is ...`, `IDENTIFIED BY '...'`, `--password ...`,
//! `curl -u ann:...`, `login ann password ...`, `483920 is your code`.
//!
//! Prose says `password` a hundred times for each time that it tells one, so what follows must look like a secret, and an ordinary word, a
//! length or an algorithm's name does not.

use super::assignment::{LOOK, Value, is_reference, value_start};
use super::key_name::{Grade, grade, is_name_letter, may_be_graded};
use super::random::{is_hex_key, is_mixed};
use super::secret_value::{is_dull_value, is_phrase, looks_like_code, looks_secret};
use super::{Kind, Scan, is_word};

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
        Grade::Secret | Grade::Likely | Grade::Phrase => is_mixed(text.as_bytes()) || is_hex_key(text.as_bytes()),
        Grade::Authorization | Grade::Cookie | Grade::Code | Grade::Weak | Grade::Query => false,
    };
    (secret && !is_dull_value(text)).then_some((from, to))
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
        if is(&COPULAS) || colon || word == b"to" && SETTING.contains(&before) {
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
fn whole(scan: &Scan<'_>, from: usize, quote: Option<(usize, u8)>) -> (usize, usize) {
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

/// Commands and the flags behind which they take a password; `glued`: without a blank between.
const COMMANDS: [(&[u8], u8, bool); 12] = [
    (b"mysql", b'p', true),
    (b"mysqldump", b'p', true),
    (b"mysqladmin", b'p', true),
    (b"mariadb", b'p', true),
    (b"sshpass", b'p', false),
    (b"sshpass", b'p', true),
    (b"docker login", b'p', false),
    (b"podman login", b'p', false),
    (b"helm registry login", b'p', false),
    (b"az login", b'p', false),
    (b"redis-cli", b'a', false),
    (b"ldapsearch", b'w', false),
];

/// A command's name stands at most so far before its flag.
const COMMAND_FAR: usize = 160;

/// The secret behind the flag of a command whose first hyphen is at `i`.
pub(super) fn flag(scan: &Scan<'_>, i: usize) -> Option<(Kind, usize, usize)> {
    let before = scan.before(i);
    if is_word(before) || matches!(before, b'-' | b'.' | b'/' | b']') {
        return None;
    }
    let of = |kind: Kind| move |(start, end)| (kind, start, end);
    match scan.at(i + 1) {
        b'-' => long_flag(scan, i + 2).map(of(Kind::SecretKey)),
        b'b' => cookie_flag(scan, i + 1).map(of(Kind::Cookie)),
        _ => short_flag(scan, i + 1).map(of(Kind::SecretKey)),
    }
}

/// The cookies in quotes behind `curl -b`.
fn cookie_flag(scan: &Scan<'_>, start: usize) -> Option<(usize, usize)> {
    memchr::memmem::find(scan.behind(start, COMMAND_FAR), b"curl")?;
    let (from, quote) = value_start(scan, start);
    let to = Value::told(from, quote).end(scan, scan.bytes.len());
    let text = scan.str(from, to);
    (scan.at(start + 1) == b' ' && text.contains('=') && !is_dull_value(text)).then_some((from, to))
}

fn long_flag(scan: &Scan<'_>, start: usize) -> Option<(usize, usize)> {
    let end = scan.run_end(start, start + 40, |b| is_word(b) || b == b'-');
    if scan.at(end) != b' ' {
        return None;
    }
    let name = scan.str(start, end);
    if name == "user" || name == "proxy-user" {
        return user_and_password(scan, start, end + 1);
    }
    let grade = grade(name)?;
    let (from, quote) = value_start(scan, end);
    let (from, to) = whole(scan, from, quote);
    let text = scan.str(from, to.min(from + LOOK));
    let secret = match grade {
        Grade::Secret => quote.is_some() && !text.contains(' ') || looks_secret(text),
        Grade::Likely | Grade::Phrase => looks_secret(text),
        Grade::Code => looks_like_code(text),
        Grade::Weak | Grade::Query => is_mixed(text.as_bytes()) || is_hex_key(text.as_bytes()),
        Grade::Authorization | Grade::Cookie => false,
    };
    (secret && !text.starts_with('-') && !is_dull_value(text)).then_some((from, to))
}

fn short_flag(scan: &Scan<'_>, start: usize) -> Option<(usize, usize)> {
    let letter = scan.at(start);
    if !matches!(letter, b'p' | b'a' | b'w' | b'u' | b'U') {
        return None;
    }
    let blank = scan.at(start + 1) == b' ';
    if blank && matches!(letter, b'u' | b'U') {
        return user_and_password(scan, start, start + 2);
    }
    let behind = scan.behind(start - 1, COMMAND_FAR);
    let known = COMMANDS.iter().any(|(command, flag, glued)| {
        *flag == letter && *glued != blank && memchr::memmem::find(behind, command).is_some()
    });
    if !known {
        return None;
    }
    let (from, quote) = value_start(scan, start);
    let (from, to) = whole(scan, from, quote);
    let text = scan.str(from, to.min(from + LOOK));
    (!text.starts_with('-') && text.len() >= 3 && !is_dull_value(text)).then_some((from, to))
}

/// The password in `ann:password`, which is at `at` behind the flag of a command that takes these.
fn user_and_password(scan: &Scan<'_>, flag: usize, at: usize) -> Option<(usize, usize)> {
    let behind = scan.behind(flag, COMMAND_FAR);
    let known = [&b"curl"[..], b"wget", b"http ", b"https ", b"xh ", b"smbclient"];
    if !known.iter().any(|command| memchr::memmem::find(behind, command).is_some()) {
        return None;
    }
    let (from, quote) = value_start(scan, at - 1);
    let (_, to) = whole(scan, from, quote);
    let start = from + scan.str(from, to).find([':', '%'])? + 1;
    let (start, to) = whole(scan, start, quote);
    let secret = scan.str(start, to);
    (!is_dull_value(secret) && !secret.starts_with('/')).then_some((start, to))
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
