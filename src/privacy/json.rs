//! A JSON value that borrows its text from the request body, read under limits.
//!
//! [`Json`] is raw: it can be read, walked and scrubbed, but not written. Only [`CleanJson`], which the pipeline makes,
//! has a way back to bytes. [`Reader`] makes values out of text; depth is limited while it reads, so a hostile body cannot exhaust the stack; the number
//! of values is bounded by the size of the body, which the HTTP rim limits.

mod read;

use std::borrow::Cow;
use std::fmt;

use crate::quoted::plain_length;

pub use read::{Fault, Reader};

/// Text borrowed from the request where possible.
pub type Text<'a> = Cow<'a, str>;

/// A JSON object in the order of its members; a repeated name stays repeated.
pub type Members<'a> = Vec<(Text<'a>, Json<'a>)>;

/// A raw JSON value.
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer that fits 64 bits, signed.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// A string, unescaped.
    Str(Text<'a>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Members<'a>),
}

/// Shows the kind of value, never the value.
impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Int(_) | Json::UInt(_) | Json::Float(_) => "number",
            Json::Str(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        })
    }
}

/// Why a text is not an acceptable JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (or not UTF-8); the place is given, the text is not.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// 1-based.
        line: usize,
        /// 1-based, in bytes.
        column: usize,
    },
    /// Nested deeper than allowed.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

impl<'a> Json<'a> {
    /// Parses one JSON text of at most `depth_max` levels; only white space may follow it.
    pub fn parse(text: &'a [u8], depth_max: usize) -> Result<Json<'a>, JsonError> {
        let syntax = |at: usize| {
            let (line, column) = place(text, at);
            JsonError::Syntax { line, column }
        };
        let mut reader = Reader::new(str::from_utf8(text).map_err(|error| syntax(error.valid_up_to()))?, depth_max);
        let read = reader.value(|value| value).and_then(|value| reader.end().map(|()| value));
        read.map_err(|fault| match fault {
            Fault::TooDeep => JsonError::TooDeep { limit: depth_max },
            Fault::Syntax => syntax(reader.at()),
        })
    }
}

/// Line and column of the byte at `at`, both from 1; of the last byte if that is the end.
pub fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let lines = memchr::memchr_iter(b'\n', before).count();
    let columns = memchr::memrchr(b'\n', before).map_or(before.len(), |end| before.len() - end - 1);
    (lines + 1, columns + usize::from(at < text.len()))
}

/// A scrubbed JSON value: the only kind that can be written.
pub struct CleanJson<'a>(Json<'a>);

impl<'a> CleanJson<'a> {
    /// Called by the pipeline, on values that it has scrubbed.
    pub(super) fn new(scrubbed: Json<'a>) -> Self {
        CleanJson(scrubbed)
    }

    /// Reads the value.
    pub fn get(&self) -> &Json<'a> {
        &self.0
    }

    /// Appends the value as compact JSON.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_value(&self.0, out);
    }
}

/// Appends `members` as a compact JSON object.
pub(super) fn write_members(members: &[(Text<'_>, Json<'_>)], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

pub(super) fn write_value(value: &Json<'_>, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Json::UInt(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Json::Float(n) => write_serde(n, out),
        Json::Str(text) => write_string(text, out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        Json::Object(members) => write_members(members, out),
    }
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    if plain_length(text.as_bytes()) < text.len() {
        return write_serde(text, out);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn write_serde<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a string or number always serialises into memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let mut out = Vec::new();
        CleanJson::new(Json::parse(text.as_bytes(), 16).unwrap()).write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_what_it_reads() {
        for text in [
            r#"{"a":[1,-2,18446744073709551615,0.5,null,true],"b":{"c":"\"\n\u0001é"}}"#,
            "[]",
            "\"x\"",
            "{\"a\":1,\"a\":2}",
        ] {
            assert_eq!(round_trip(text), text);
        }
    }

    #[test]
    fn depth_is_refused_at_the_limit_and_not_before() {
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(nest(16).as_bytes(), 16).is_ok());
        assert_eq!(Json::parse(nest(17).as_bytes(), 16).unwrap_err(), JsonError::TooDeep { limit: 16 });
        assert_eq!(Json::parse(nest(1_000_000).as_bytes(), 16).unwrap_err(), JsonError::TooDeep { limit: 16 });
    }

    #[test]
    fn a_fault_names_its_place_and_never_the_text() {
        let error = Json::parse(b"{\"a\": secret}", 16).unwrap_err();
        assert_eq!(error, JsonError::Syntax { line: 1, column: 7 });
        assert!(!error.to_string().contains("secret"));
        assert_eq!(Json::parse(b"[1,\n\"\xff\"]", 16).unwrap_err(), JsonError::Syntax { line: 2, column: 2 });
    }
}
