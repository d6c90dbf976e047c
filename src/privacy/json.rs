//! A JSON value that borrows its text from the request body, read under limits.
//!
//! [`Json`] is raw: it can be read, walked and scrubbed, but not written. Only [`CleanJson`], which the pipeline makes,
//! has a way back to bytes. Depth is limited while parsing, so a hostile body cannot exhaust the stack; the number of values is
//! bounded by the size of the body, which the HTTP rim limits.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Text borrowed from the request where possible.
pub type Text<'a> = Cow<'a, str>;

/// Most objects have no more members; room for them is made at once.
const MEMBERS_USUAL: usize = 8;

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

impl JsonError {
    /// A fault at a byte of the text.
    fn at(text: &[u8], offset: usize) -> JsonError {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        JsonError::Syntax { line, column }
    }
}

impl<'a> Json<'a> {
    /// Parses one JSON text of at most `depth_max` levels; only white space may follow it.
    pub fn parse(text: &'a [u8], depth_max: usize) -> Result<Json<'a>, JsonError> {
        let depth = Depth::new(depth_max);
        // Checked as a whole: that is quicker than string by string.
        let text = std::str::from_utf8(text).map_err(|error| JsonError::at(text, error.valid_up_to()))?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = depth.seed().deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        value.map_err(|error| depth.explain(&error))
    }
}

/// A depth limit shared by the values of one text, usable as a `serde` seed per value.
pub struct Depth {
    limit: usize,
    exceeded: Cell<bool>,
}

impl Depth {
    /// At most `limit` nested arrays and objects.
    pub fn new(limit: usize) -> Self {
        Depth { limit, exceeded: Cell::new(false) }
    }

    /// A seed that reads one value.
    pub fn seed(&self) -> Seed<'_> {
        Seed { depth: self, left: self.limit }
    }

    /// What a failure of the reader means; `serde_json`'s own text could quote the input and is dropped.
    pub fn explain(&self, error: &serde_json::Error) -> JsonError {
        if self.exceeded.get() {
            JsonError::TooDeep { limit: self.limit }
        } else {
            JsonError::Syntax { line: error.line(), column: error.column() }
        }
    }
}

/// Reads one [`Json`] value under a [`Depth`] limit.
#[derive(Clone, Copy)]
pub struct Seed<'d> {
    depth: &'d Depth,
    left: usize,
}

impl<'d> Seed<'d> {
    fn deeper<E: serde::de::Error>(self) -> Result<Seed<'d>, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Seed { left, ..self }),
            None => {
                self.depth.exceeded.set(true);
                Err(E::custom("too deep"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::UInt(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Str(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Str(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut out = Members::with_capacity(MEMBERS_USUAL);
        while let Some(Name(name)) = members.next_key()? {
            out.push((name, members.next_value_seed(inner)?));
        }
        Ok(Json::Object(out))
    }
}

/// A member's name, borrowed where it holds no escapes (`Cow`'s own implementation always copies).
struct Name<'a>(Text<'a>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(value)))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
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
    // Most strings need no escapes, and that is seen faster in one go than byte by byte.
    if text.bytes().fold(true, |plain, b| plain & (b >= b' ') & (b != b'"') & (b != b'\\')) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_serde(text, out);
    }
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
