//! Takes a compact JSON object apart into its skeleton and its scalars, and finds members by path.
//!
//! The skeleton is the text with every scalar but `null` replaced by a mark, a control character that cannot stand in JSON. The scanner is stricter than
//! JSON where that makes skeletons simple (no white space, no escapes in names, limited depth): what it refuses is kept as text.

use std::ops::Range;

use crate::quoted::plain_length;

/// Deepest nesting that is taken apart.
const DEPTH_MAX: usize = 24;

/// Kinds of scalars. The discriminants are the marks in skeletons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Kind {
    /// An integer that prints as it stood.
    Integer = 1,
    /// A number with decimals that prints as it stood.
    Decimal = 2,
    /// A string; its content without the quotes, escapes as they are.
    Text = 3,
    /// Anything else: `true`, `false`, numbers in unusual clothes.
    Raw = 4,
}

impl Kind {
    /// The kind of a mark.
    pub(super) fn of(mark: u8) -> Option<Kind> {
        [Kind::Integer, Kind::Decimal, Kind::Text, Kind::Raw].into_iter().find(|kind| *kind as u8 == mark)
    }
}

/// A text taken apart.
#[derive(Default)]
pub(super) struct Scan {
    /// The skeleton.
    pub(super) skeleton: Vec<u8>,
    /// Where each scalar stands in the text, strings without their quotes.
    pub(super) scalars: Vec<(Kind, Range<usize>)>,
}

impl Scan {
    /// Takes `text` apart; `false` when it must stay as it is.
    pub(super) fn read(&mut self, text: &str) -> bool {
        self.skeleton.clear();
        self.scalars.clear();
        let bytes = text.as_bytes();
        bytes.first() == Some(&b'{') && self.value(bytes, 0, 0) == Some(bytes.len())
    }

    /// Reads the value at `at`; returns where it ends.
    fn value(&mut self, bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
        match *bytes.get(at)? {
            b'{' => self.list(bytes, at, depth, b'}', true),
            b'[' => self.list(bytes, at, depth, b']', false),
            b'"' => {
                let end = string_end(bytes, at + 1, true)?;
                self.scalar(Kind::Text, at + 1..end);
                Some(end + 1)
            }
            b'n' if bytes.get(at..)?.starts_with(b"null") => {
                self.skeleton.extend_from_slice(b"null");
                Some(at + 4)
            }
            b't' if bytes.get(at..)?.starts_with(b"true") => Some(self.scalar(Kind::Raw, at..at + 4)),
            b'f' if bytes.get(at..)?.starts_with(b"false") => Some(self.scalar(Kind::Raw, at..at + 5)),
            _ => {
                let (kind, length) = number(bytes.get(at..)?)?;
                Some(self.scalar(kind, at..at + length))
            }
        }
    }

    fn scalar(&mut self, kind: Kind, range: Range<usize>) -> usize {
        self.skeleton.push(kind as u8);
        let end = range.end;
        self.scalars.push((kind, range));
        end
    }

    fn list(&mut self, bytes: &[u8], at: usize, depth: usize, close: u8, named: bool) -> Option<usize> {
        if depth == DEPTH_MAX {
            return None;
        }
        self.skeleton.push(*bytes.get(at)?);
        let mut at = at + 1;
        if *bytes.get(at)? != close {
            loop {
                if named {
                    let end = if *bytes.get(at)? == b'"' { string_end(bytes, at + 1, false)? } else { return None };
                    if *bytes.get(end + 1)? != b':' {
                        return None;
                    }
                    self.skeleton.extend_from_slice(bytes.get(at..end + 2)?);
                    at = end + 2;
                }
                at = self.value(bytes, at, depth + 1)?;
                match *bytes.get(at)? {
                    b',' => self.skeleton.push(b','),
                    next if next == close => break,
                    _ => return None,
                }
                at += 1;
            }
        }
        self.skeleton.push(close);
        Some(at + 1)
    }
}

/// Where the closing quote of a string stands.
fn string_end(bytes: &[u8], mut at: usize, escapes: bool) -> Option<usize> {
    loop {
        at += plain_length(bytes.get(at..)?);
        match bytes.get(at..)? {
            [b'"', ..] => return Some(at),
            [b'\\', b'u', hex @ ..] if escapes && hex.get(..4)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] if escapes => at += 2,
            _ => return None,
        }
    }
}

/// The kind and length of the number at the front.
fn number(bytes: &[u8]) -> Option<(Kind, usize)> {
    let digits =
        |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(sign);
    let leading = bytes.get(sign..sign + whole)?;
    if whole == 0 || (whole > 1 && leading.first() == Some(&b'0')) {
        return None;
    }
    let mut end = sign + whole;
    let mut decimals = 0;
    if bytes.get(end) == Some(&b'.') {
        decimals = digits(end + 1);
        if decimals == 0 {
            return None;
        }
        end += 1 + decimals;
    }
    let mut plain = true;
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
        plain = false;
    }
    // -0 and -0.0 are no integers; trailing zeros would be lost.
    let zero = bytes.get(..end)?.iter().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    let kind = match (plain && !(sign == 1 && zero), decimals) {
        (true, 0) if whole <= 18 => Kind::Integer,
        (true, 1) if whole <= WHOLE_MAX => Kind::Decimal,
        (true, 2..=DECIMALS_MAX) if whole <= WHOLE_MAX && bytes.get(end - 1) != Some(&b'0') => Kind::Decimal,
        _ => Kind::Raw,
    };
    Some((kind, end))
}

/// Most digits before the point of a [`Kind::Decimal`].
const WHOLE_MAX: usize = 9;
/// Most digits behind it: together 17, which fit 64 bits.
pub(super) const DECIMALS_MAX: usize = 8;

/// The integer that a number is when its point is left out, and how many digits stood behind the point.
pub(super) fn digits(token: &str) -> Option<(i64, usize)> {
    let negative = token.starts_with('-');
    let mut magnitude = 0i64;
    let mut decimals = None;
    for byte in token.bytes().skip(usize::from(negative)) {
        if byte == b'.' {
            decimals = Some(0);
        } else {
            magnitude = magnitude.checked_mul(10)?.checked_add(i64::from(byte.wrapping_sub(b'0')))?;
            decimals = decimals.map(|decimals: usize| decimals + 1);
        }
    }
    Some((if negative { -magnitude } else { magnitude }, decimals.unwrap_or(0)))
}

/// Appends the number that is `integer` with `scale` digits behind the point: the inverse of [`digits`], trailing zeros dropped but one.
pub(super) fn put_number(out: &mut Vec<u8>, integer: i64, scale: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(integer.unsigned_abs()).as_bytes();
    if integer < 0 {
        out.push(b'-');
    }
    if scale == 0 {
        out.extend_from_slice(digits);
        return;
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    out.push(b'.');
    let start = out.len();
    out.resize(start + scale - fraction.len(), b'0');
    out.extend_from_slice(fraction);
    while out.len() > start + 1 && out.last() == Some(&b'0') {
        out.pop();
    }
}

/// Calls `hole` with the path and kind of every mark in a skeleton, in order. Members of objects are joined by dots; elements of arrays are `[]`.
pub(super) fn holes(skeleton: &[u8], mut hole: impl FnMut(&str, Kind)) {
    let mut path = String::new();
    // Lengths to cut the path back to, one for every list that is open.
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(byte) = skeleton.get(at) {
        at += 1;
        match *byte {
            b'{' => open.push(path.len()),
            b'[' => {
                open.push(path.len());
                path.push_str("[]");
            }
            b'}' | b']' => {
                if let Some(length) = open.pop() {
                    path.truncate(length);
                }
            }
            b'"' => {
                let Some(end) = string_end(skeleton, at, false) else { return };
                let length = open.last().copied().unwrap_or(0);
                path.truncate(length);
                if open.len() > 1 {
                    path.push('.');
                }
                path.push_str(std::str::from_utf8(skeleton.get(at..end).unwrap_or_default()).unwrap_or_default());
                at = end + 2;
            }
            mark => {
                if let Some(kind) = Kind::of(mark) {
                    hole(&path, kind);
                }
            }
        }
    }
}

/// Where the member of an object at a dotted path stands; of members of one name the last counts. `scalar` says how long the scalar at a place is.
pub(super) fn find(object: &[u8], path: &str, scalar: &impl Fn(&[u8]) -> usize) -> Option<Range<usize>> {
    if object.first() != Some(&b'{') {
        return None;
    }
    if let Some(found) = last_member(object, path, scalar) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let inner = last_member(object, path.get(..dot)?, scalar)?;
        let found = find(object.get(inner.clone())?, path.get(dot + 1..)?, scalar)?;
        Some(inner.start + found.start..inner.start + found.end)
    })
}

fn last_member(object: &[u8], name: &str, scalar: &impl Fn(&[u8]) -> usize) -> Option<Range<usize>> {
    let mut found = None;
    let mut at = 1;
    while object.get(at) == Some(&b'"') {
        let end = string_end(object, at + 1, false)?;
        let start = end + 2;
        let length = value_length(object.get(start..)?, scalar)?;
        if object.get(at + 1..end)? == name.as_bytes() {
            found = Some(start..start + length);
        }
        at = start + length + 1;
    }
    found
}

/// How long the value at the front is.
fn value_length(bytes: &[u8], scalar: &impl Fn(&[u8]) -> usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        match rest.first()? {
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' => at += 1,
            // In a skeleton only names are strings.
            b'"' => at = string_end(bytes, at + 1, false)? + 1,
            b'n' => at += 4,
            _ => at += scalar(rest).max(1),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &str) -> Option<(String, Vec<(Kind, &str)>)> {
        let mut scan = Scan::default();
        scan.read(text).then(|| {
            let skeleton = String::from_utf8(scan.skeleton).unwrap();
            (skeleton, scan.scalars.into_iter().map(|(kind, range)| (kind, &text[range])).collect())
        })
    }

    #[test]
    fn scalars_leave_marks() {
        let (skeleton, scalars) = scan(r#"{"a":1,"b":[-2.50,"x\"y",null],"c":{"d":true,"e":0.1}}"#).unwrap();
        assert_eq!(skeleton, "{\"a\":\u{1},\"b\":[\u{4},\u{3},null],\"c\":{\"d\":\u{4},\"e\":\u{2}}}");
        assert_eq!(
            scalars,
            [
                (Kind::Integer, "1"),
                (Kind::Raw, "-2.50"),
                (Kind::Text, "x\\\"y"),
                (Kind::Raw, "true"),
                (Kind::Decimal, "0.1")
            ]
        );
        let mut paths = Vec::new();
        holes(skeleton.as_bytes(), |path, kind| paths.push((path.to_owned(), kind)));
        let expected =
            [("a", Kind::Integer), ("b[]", Kind::Raw), ("b[]", Kind::Text), ("c.d", Kind::Raw), ("c.e", Kind::Decimal)];
        assert_eq!(paths, expected.map(|(path, kind)| (path.to_owned(), kind)));
    }

    #[test]
    fn what_is_not_compact_json_is_refused() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        for text in [
            "",
            "[]",
            "{",
            "{}}",
            "{\"a\" :1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\\n\":1}",
            "{\"a\":\"\\q\"}",
            "{\"a\":nul}",
            "{\"a\":1,}",
            &deep,
        ] {
            assert!(scan(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_print_as_they_stood(whole in 0..1_000_000_000u64, fraction in "[0-9]{0,8}", negative: bool) {
            let point = if fraction.is_empty() { "" } else { "." };
            let token = format!("{}{whole}{point}{fraction}", if negative { "-" } else { "" });
            let object = format!("{{\"n\":{token}}}");
            let scanned = scan(&object).unwrap().1;
            if scanned[0].0 != Kind::Raw {
                let (integer, scale) = digits(&token).unwrap();
                for wider in scale..=if scale == 0 { 0 } else { DECIMALS_MAX } {
                    let mut out = Vec::new();
                    put_number(&mut out, integer * 10i64.pow((wider - scale) as u32), wider);
                    prop_assert_eq!(String::from_utf8(out).unwrap(), token.clone());
                }
            }
        }
    }
}
