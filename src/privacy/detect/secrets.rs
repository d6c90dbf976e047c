//! Which detectors of secrets are asked at a word, a number or a mark.

use super::key_words::may_end;
use super::{Kind, Scan, assignment, columns, command, cookie, is_word, private_key, secret, token, told};

impl Scan<'_> {
    /// A word whose first two letters may begin a token or key. Returns where to go on.
    #[inline(never)]
    pub(super) fn secret_word(&mut self, i: usize, first: u8) -> Option<usize> {
        let early = match first {
            b'e' => token::jwt(self, i).map(|end| (Kind::Jwt, i, end)),
            b'B' | b'b' => token::bearer(self, i).map(|(start, end)| (Kind::Bearer, start, end)),
            _ => None,
        };
        if let Some(end) = early.and_then(|(kind, start, end)| self.hit(kind, start, end)) {
            return Some(end);
        }
        if let Some(end) = self.api_key(i) {
            return Some(end);
        }
        let bare = matches!(first, b'M' | b'P' | b'b').then(|| private_key::bare(self, i)).flatten()?;
        self.hit(Kind::PrivateKey, i, bare)
    }

    /// A secret that the word from `i` to `end` begins to tell. Returns where to go on.
    #[inline]
    pub(super) fn told(&mut self, i: usize, end: usize) -> Option<usize> {
        let length = end - i;
        let third = if length > 2 { self.at(end - 3) } else { 0 };
        let second = if length > 1 { self.at(end - 2) } else { 0 };
        if length == 6 && matches!(self.at(i), b'V' | b'v') && self.slice(i, end).eq_ignore_ascii_case(b"values") {
            let (start, end) = columns::find(self, i, end)?;
            return self.hit(Kind::SecretKey, start, end);
        }
        let by = length == 2 && matches!(self.at(i), b'b' | b'B');
        if !by && self.at(end) < 0x80 && !may_end(third, second, self.at(end - 1)) {
            return None;
        }
        let (start, end) = told::find(self, i, end)?;
        self.hit(Kind::SecretKey, start, end)
    }

    /// A provider's key at `i`, and the secret beside it. Returns where to go on.
    pub(super) fn api_key(&mut self, i: usize) -> Option<usize> {
        if !self.wanted.contains(Kind::ApiKey) {
            return None;
        }
        let end = secret::api_key(self, i)?;
        self.hit(Kind::ApiKey, i, end)?;
        let beside = secret::beside(self, i, end).and_then(|(start, end)| self.hit(Kind::ApiKey, start, end));
        Some(beside.unwrap_or(end))
    }

    /// Digits with which a secret begins, or that are one by what follows them. Returns where to go on.
    pub(super) fn keyed_number(&mut self, i: usize, end: usize) -> Option<usize> {
        match self.at(end) {
            b':' | b'|' if end - i >= 8 => {
                secret::after_digits(self, i, end).and_then(|end| self.hit(Kind::ApiKey, i, end))
            }
            b':' if end == i + 4 => {
                told::pgpass(self, i, end).and_then(|(start, end)| self.hit(Kind::SecretKey, start, end))
            }
            b'/' if end == i + 1 => secret::google_refresh(self, i).and_then(|end| self.hit(Kind::ApiKey, i, end)),
            b' ' if told::is_code(self, i, end) => self.hit(Kind::SecretKey, i, end),
            _ => None,
        }
    }

    /// The secret that the mark at `i` closes or stands in.
    #[inline(never)]
    pub(super) fn secret_mark(&self, i: usize, mark: u8) -> Option<(Kind, usize, usize)> {
        match mark {
            b'~' => secret::around_tilde(self, i).map(|(start, end)| (Kind::ApiKey, start, end)),
            b'$' => secret::crypt(self, i).map(|end| (Kind::SecretKey, i, end)),
            b'<' if self.at(i + 1) == b'/' => {
                assignment::element(self, i).map(|(start, end)| (Kind::SecretKey, start, end))
            }
            _ => None,
        }
    }

    /// The values of the cookies in `start..end`. Returns where to go on.
    pub(super) fn cookies(&mut self, start: usize, end: usize) -> Option<usize> {
        let text = self.str(start, end);
        if !text.contains('=') {
            return self.hit(Kind::Cookie, start, end);
        }
        let mut last = None;
        for (from, to) in cookie::values(text) {
            last = self.hit(Kind::Cookie, start + from, start + to).or(last);
        }
        last
    }

    /// What the hyphen at `i` opens, closes or stands in.
    pub(super) fn hyphen(&self, i: usize) -> Option<(Kind, usize, usize)> {
        match self.at(i + 1) {
            b'-' => private_key::armoured(self, i)
                .map(|(start, end)| (Kind::PrivateKey, start, end))
                .or_else(|| command::flag(self, i)),
            b'p' | b'a' | b'w' | b'u' | b'U' | b'b' | b'k' | b'S' if !is_word(self.before(i)) => command::flag(self, i),
            _ => secret::around_hyphen(self, i).map(|(start, end)| (Kind::ApiKey, start, end)),
        }
    }
}
