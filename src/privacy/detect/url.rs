//! Credentials in URLs: the user information before the host, and web hooks whose path is the secret.
//!
//! Secret query parameters are assignments like any other: see [`key_name`](super::key_name).

use super::{Kind, Scan};
use crate::privacy::redaction::is_settled;

/// The user information of a longer URL is not looked for.
const AUTHORITY_MAX: usize = 512;

/// A user name without a password that is at least so long is a token.
const TOKEN_MIN: usize = 12;

/// Hosts whose paths are secrets: the first bytes after `://`.
const HOOKS: [&str; 5] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "outlook.office.com/webhook/",
];

/// The secret in the URL whose `://` is at `i`.
pub(super) fn find(scan: &Scan<'_>, i: usize) -> Option<(Kind, usize, usize)> {
    let start = i + 3;
    for hook in HOOKS {
        let path = start + hook.len();
        if scan.slice(start, path).eq_ignore_ascii_case(hook.as_bytes()) {
            let end = scan.run_end(path, path + 256, |b| {
                b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'@' | b'.')
            });
            return (end > path + 10).then_some((Kind::ApiKey, path, end));
        }
    }
    let limit = scan.bytes.len().min(start + AUTHORITY_MAX);
    let stop = |b: &u8| {
        matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`' | b'{' | b'}')
            || b.is_ascii_whitespace()
    };
    let authority = scan.slice(start, limit);
    let authority = authority.get(..authority.iter().position(stop).unwrap_or(authority.len()))?;
    let at = start + memchr::memrchr(b'@', authority)?;
    let (from, user_alone) = match memchr::memchr(b':', authority) {
        Some(colon) if start + colon < at => (start + colon + 1, false),
        _ => (start, true),
    };
    let value = scan.str(from, at);
    let harmless = value.is_empty() || is_settled(value) || user_alone && value.len() < TOKEN_MIN;
    (!harmless).then_some((Kind::UrlCredentials, from, at))
}
