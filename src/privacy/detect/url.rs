//! Credentials in URLs: the user information before the host, and web hooks whose path is the secret.
//!
//! Secret query parameters are assignments like any other: see [`key_name`](super::key_name).

use super::{Kind, Scan, is_word};
use crate::privacy::redaction::is_settled;

/// The user information of a longer URL is not looked for.
const AUTHORITY_MAX: usize = 512;

/// A user name without a password that is at least so long is a token.
const TOKEN_MIN: usize = 12;

/// Hosts whose paths are secrets: the first bytes after `://`.
const HOOKS: [&str; 14] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "canary.discord.com/api/webhooks/",
    "ptb.discord.com/api/webhooks/",
    "outlook.office.com/webhook/",
    "hooks.slack.com/triggers/",
    "hooks.zapier.com/hooks/catch/",
    "maker.ifttt.com/trigger/",
    "api.telegram.org/bot",
    "chat.googleapis.com/v1/spaces/",
    "open.feishu.cn/open-apis/bot/v2/hook/",
    "open.larksuite.com/open-apis/bot/v2/hook/",
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
    if let Some((start, end)) = teams_hook(scan, start) {
        return Some((Kind::ApiKey, start, end));
    }
    let limit = scan.bytes.len().min(start + AUTHORITY_MAX);
    let stop = |b: &u8| {
        matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`' | b'{' | b'}')
            || b.is_ascii_whitespace()
    };
    let rest = scan.slice(start, limit);
    let authority = rest.get(..rest.iter().position(stop).unwrap_or(rest.len()))?;
    let authority = unescaped(scan, i, rest, authority);
    let at = start + memchr::memrchr(b'@', authority)?;
    let (from, user_alone) = match memchr::memchr(b':', authority) {
        Some(colon) if start + colon < at => (start + colon + 1, false),
        _ => (start, true),
    };
    let value = scan.str(from, at);
    let harmless = value.is_empty() || is_settled(value) || user_alone && value.len() < TOKEN_MIN;
    (!harmless).then_some((Kind::UrlCredentials, from, at))
}

/// The authority with what lies behind a `/`, `?` or `#` in its password: people forget to escape these. Only of schemes other than the Web's,
/// where a port is never a word.
fn unescaped<'s>(scan: &Scan<'s>, i: usize, rest: &'s [u8], authority: &'s [u8]) -> &'s [u8] {
    let colon = memchr::memchr(b':', authority);
    let port = |colon: usize| authority.get(colon + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit));
    let scheme = scan.behind(i, 5);
    let web = scheme.ends_with(b"http") || scheme.ends_with(b"https") || scheme.ends_with(b"file");
    if web || authority.contains(&b'@') || colon.is_none_or(port) {
        return authority;
    }
    let quote = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>' | b'`' | b'{' | b'}');
    let whole = rest.get(..rest.iter().position(quote).unwrap_or(rest.len())).unwrap_or(authority);
    if whole.contains(&b'@') { whole } else { authority }
}

/// The password before the `@` at `i` of a data source that is no URL: `ann:password@tcp(db:3306)`, `thin:ann/password@host`.
pub(super) fn data_source(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let driver = |name: &[u8]| scan.slice(i + 1, i + 1 + name.len()) == name;
    let behind = scan.behind(i, 128);
    let length = behind.iter().rev().take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'')).count();
    let user = behind.get(behind.len() - length..)?;
    let base = i - length;
    let mark = if driver(b"tcp(") || driver(b"unix(") || driver(b"tcp6(") {
        memchr::memchr(b':', user)?
    } else {
        let oracle = user.windows(5).any(|window| window == b"thin:") || scan.behind(base, 8).ends_with(b"sqlplus ");
        if !oracle {
            return None;
        }
        memchr::memrchr(b'/', user)?
    };
    let start = base + mark + 1;
    let value = scan.str(start, i);
    let named = mark > 0 && is_word(scan.at(start - 2));
    (named && !value.is_empty() && !is_settled(value)).then_some((start, i))
}

/// The path of a web hook of Microsoft Teams, whose host is an organisation's own.
fn teams_hook(scan: &Scan<'_>, start: usize) -> Option<(usize, usize)> {
    const HOST: &[u8] = b".webhook.office.com/";
    let host = scan.run_end(start, start + 64, |b| b.is_ascii_alphanumeric() || b == b'-');
    if scan.slice(host, host + HOST.len()) != HOST {
        return None;
    }
    let path = host + HOST.len();
    let end =
        scan.run_end(path, path + 400, |b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'@' | b'.'));
    Some((path, end))
}
