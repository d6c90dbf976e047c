//! Secrets in commands: `--password ...`, `curl -u ann:...`, `mysql -p...`, `echo ... | sudo -S`, `net use ... /user:ann ...`.
//!
//! A flag of one letter means what it does to one command only, which must stand before it in the line.

use super::assignment::{LOOK, Value, value_start};
use super::key_name::{Grade, grade};
use super::random::{is_hex_key, is_mixed};
use super::secret_value::{is_dull_value, looks_like_code, looks_secret};
use super::told::whole;
use super::{Kind, Scan, is_word};

/// Commands and the flags behind which they take a password; `glued`: without a blank between.
const COMMANDS: [(&[u8], u8, bool); 16] = [
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
    (b"openssl", b'k', false),
    (b"http ", b'a', false),
    (b"https ", b'a', false),
    (b"xh ", b'a', false),
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
        b'b' => match htpasswd(scan, i + 1) {
            Some(found) => Some(of(Kind::SecretKey)(found)),
            None => cookie_flag(scan, i + 1).map(of(Kind::Cookie)),
        },
        b'S' => piped(scan, i).map(of(Kind::SecretKey)),
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
    let name = scan.str(start, end);
    if name == "user" || name == "proxy-user" {
        return user_and_password(scan, start, end + 1);
    }
    if name == "password-stdin" || name == "stdin" {
        return piped(scan, start - 2);
    }
    if scan.at(end) != b' ' {
        return None;
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
    if !matches!(letter, b'p' | b'a' | b'w' | b'u' | b'U' | b'k') {
        return None;
    }
    let blank = scan.at(start + 1) == b' ';
    if blank && matches!(letter, b'u' | b'U') {
        return user_and_password(scan, start, start + 2);
    }
    let behind = scan.behind(start - 1, COMMAND_FAR);
    if letter == b'a'
        && let Some(found) = user_and_password(scan, start, start + 2)
    {
        return Some(found);
    }
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

/// The text that `echo` pipes into the command whose flag at `i` has it read a password: `echo '...' | sudo -S`.
fn piped(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let behind = scan.behind(i, COMMAND_FAR);
    let echo = memchr::memmem::rfind(behind, b"echo ")?;
    let pipe = memchr::memrchr(b'|', behind).filter(|pipe| *pipe > echo)?;
    let command = behind.get(pipe..)?;
    let reads = [&b"sudo"[..], b"login", b"passwd", b"cryptsetup"];
    if !reads.iter().any(|known| memchr::memmem::find(command, known).is_some()) {
        return None;
    }
    let base = i - behind.len() + echo + b"echo".len();
    let base = if scan.slice(base, base + 4) == b" -n " { base + 3 } else { base };
    let (from, quote) = value_start(scan, base);
    let (from, to) = whole(scan, from, quote);
    (!is_dull_value(scan.str(from, to))).then_some((from, to))
}

/// The password behind a file and a user's name: `htpasswd -b FILE ann ...`; flag's letter at `start`.
fn htpasswd(scan: &Scan<'_>, start: usize) -> Option<(usize, usize)> {
    memchr::memmem::find(scan.behind(start, 16), b"htpasswd ")?;
    let word = |at: usize| scan.run_end(at, at + LOOK, |b| !b.is_ascii_whitespace());
    let file = word(word(start) + 1);
    let user = word(file + 1);
    let (from, quote) = value_start(scan, user);
    let (from, to) = whole(scan, from, quote);
    (!is_dull_value(scan.str(from, to))).then_some((from, to))
}

/// The password behind the user's name at the `:` at `i` in `net use ... /user:ann ...`.
#[inline(never)]
pub(super) fn net_use(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    if !scan.behind(i, 5).eq_ignore_ascii_case(b"/user") {
        return None;
    }
    memchr::memmem::find(&scan.behind(i, COMMAND_FAR).to_ascii_lowercase(), b"net use")?;
    let user = scan.run_end(i + 1, i + 1 + LOOK, |b| !b.is_ascii_whitespace());
    let (from, quote) = value_start(scan, user);
    let (from, to) = whole(scan, from, quote);
    let text = scan.str(from, to);
    (scan.at(user) == b' ' && !text.starts_with(['/', '*']) && !is_dull_value(text)).then_some((from, to))
}
