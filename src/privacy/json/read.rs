//! The reader: JSON text to values, one pass, nothing copied but texts with escapes.
//!
//! What it takes is JSON as RFC 8259 has it, no more and no less, and the tests hold it against `serde_json`. It is our own because reading is the largest part of
//! what an event costs before it is stored: values are handed to the place where they will stay ([`Reader::value`] takes a function) and not
//! passed upwards through results, which halves the time.

use std::borrow::Cow;

use crate::quoted::plain_length;

use super::{Json, Members, Text};

/// What stops a reader; where, [`Reader::at`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Syntax,
    /// Nested deeper than allowed.
    TooDeep,
}

/// A place in a JSON text, and how many levels may still be opened there.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    levels: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the front of `text`; values may nest `levels` arrays and objects.
    pub fn new(text: &'a str, levels: usize) -> Reader<'a> {
        Reader { text, at: 0, levels }
    }

    /// How far it has come, in bytes; after a fault, where that is.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The byte that comes next, white space skipped.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Nothing but white space may be left.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.peek().map_or(Ok(()), |_| Err(Fault::Syntax))
    }

    /// Reads one value and hands it to `take`.
    #[inline(always)]
    pub fn value<T>(&mut self, take: impl FnOnce(Json<'a>) -> T) -> Result<T, Fault> {
        match self.peek() {
            Some(b'"') => match self.plain_string() {
                Some(text) => Ok(take(Json::Str(Cow::Borrowed(text)))),
                None => self.escaped_string().map(|text| take(Json::Str(Cow::Owned(text)))),
            },
            Some(b'-' | b'0'..=b'9') => match self.integer() {
                Some(integer) => Ok(take(Json::Int(integer))),
                None => self.number().map(take),
            },
            Some(b'{') => self.object().map(|members| take(Json::Object(members))),
            Some(b'[') => self.array().map(|items| take(Json::Array(items))),
            Some(b'n') => self.word("null").map(|()| take(Json::Null)),
            Some(b't') => self.word("true").map(|()| take(Json::Bool(true))),
            Some(b'f') => self.word("false").map(|()| take(Json::Bool(false))),
            Some(_) | None => Err(Fault::Syntax),
        }
    }

    /// Reads the object that comes next: `member` is called after every name and must read its value.
    #[inline]
    pub fn members(&mut self, mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Fault>) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            return self.expect(b'}');
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Fault::Syntax);
            }
            let name = match self.plain_string() {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(self.escaped_string()?),
            };
            self.expect(b':')?;
            member(self, name)?;
            if self.peek() != Some(b',') {
                return self.expect(b'}');
            }
            self.at += 1;
        }
    }

    /// The same for an object inside another value.
    #[inline]
    pub fn inner_members(&mut self, member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Fault>) -> Result<(), Fault> {
        self.deeper(|reader| reader.members(member))
    }

    fn object(&mut self) -> Result<Members<'a>, Fault> {
        let mut members = Members::new();
        self.inner_members(|reader, name| reader.value(|value| members.push((name, value))))?;
        Ok(members)
    }

    fn array(&mut self) -> Result<Vec<Json<'a>>, Fault> {
        let mut items = Vec::new();
        self.deeper(|reader| {
            reader.expect(b'[')?;
            if reader.peek() == Some(b']') {
                return reader.expect(b']');
            }
            loop {
                reader.value(|value| items.push(value))?;
                if reader.peek() != Some(b',') {
                    return reader.expect(b']');
                }
                reader.at += 1;
            }
        })?;
        Ok(items)
    }

    #[inline]
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.levels = self.levels.checked_sub(1).ok_or(Fault::TooDeep)?;
        read(self)?;
        self.levels += 1;
        Ok(())
    }

    /// The string that comes next, if nothing in it is escaped.
    #[inline]
    fn plain_string(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let end = start + plain_length(self.bytes_from(start));
        if self.byte(end) != Some(b'"') {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// The string that comes next.
    #[cold]
    fn escaped_string(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let plain = plain_length(self.bytes_from(self.at));
            text.push_str(self.text.get(self.at..self.at + plain).unwrap_or_default());
            self.at += plain;
            match self.byte(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) | None => return Err(Fault::Syntax),
            }
        }
    }

    /// The character that an escape stands for; for one beyond the basic plane there are two of them.
    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 1;
        let letter = self.byte(self.at).ok_or(Fault::Syntax)?;
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(Fault::Syntax),
        };
        self.at += 1;
        Ok(character)
    }

    fn code_point(&mut self) -> Result<char, Fault> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(Fault::Syntax);
        }
        if !self.bytes_from(self.at).starts_with(b"\\u") {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        let second = self.four_digits()?.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(Fault::Syntax)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10 | second)).ok_or(Fault::Syntax)
    }

    /// The number behind a `u`.
    fn four_digits(&mut self) -> Result<u32, Fault> {
        let digits = self.bytes_from(self.at + 1).get(..4).ok_or(Fault::Syntax)?;
        let digit = |digit: &u8| char::from(*digit).to_digit(16).ok_or(Fault::Syntax);
        let number = digits.iter().try_fold(0, |number, next| Ok(number << 4 | digit(next)?))?;
        self.at += 5;
        Ok(number)
    }

    /// The number that comes next, if it is an integer of at most 18 digits.
    #[inline]
    fn integer(&mut self) -> Option<i64> {
        let negative = self.byte(self.at) == Some(b'-');
        let first = self.at + usize::from(negative);
        let (mut at, mut magnitude) = (first, 0i64);
        while let Some(digit @ b'0'..=b'9') = self.byte(at) {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            at += 1;
        }
        let leading_zero = self.byte(first) == Some(b'0') && (negative || at - first > 1);
        if leading_zero || !(1..=18).contains(&(at - first)) || matches!(self.byte(at), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at = at;
        Some(if negative { -magnitude } else { magnitude })
    }

    /// The number that comes next.
    fn number(&mut self) -> Result<Json<'a>, Fault> {
        let start = self.at;
        self.at += usize::from(self.byte(self.at) == Some(b'-'));
        let leading_zero = self.byte(self.at) == Some(b'0');
        if self.digits()? > 1 && leading_zero {
            return Err(Fault::Syntax);
        }
        let whole = self.at;
        if self.byte(self.at) == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(self.at), Some(b'e' | b'E')) {
            self.at += 1 + usize::from(matches!(self.byte(self.at + 1), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if whole == self.at && text != "-0" {
            if let Ok(integer) = text.parse() {
                return Ok(Json::Int(integer));
            }
            if let Ok(integer) = text.parse() {
                return Ok(Json::UInt(integer));
            }
        }
        let float: f64 = text.parse().map_err(|_| Fault::Syntax)?;
        if float.is_finite() { Ok(Json::Float(float)) } else { Err(Fault::Syntax) }
    }

    /// Steps over at least one digit; how many there were.
    fn digits(&mut self) -> Result<usize, Fault> {
        let digits = self.bytes_from(self.at).iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits > 0 { Ok(digits) } else { Err(Fault::Syntax) }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        if !self.bytes_from(self.at).starts_with(word.as_bytes()) {
            return Err(Fault::Syntax);
        }
        self.at += word.len();
        Ok(())
    }

    /// Steps over `byte`, which must come next.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    #[inline]
    fn bytes_from(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The same value as `serde_json` has it.
    fn known(value: &Json<'_>) -> Value {
        match value {
            Json::Null => Value::Null,
            Json::Bool(flag) => (*flag).into(),
            Json::Int(integer) => (*integer).into(),
            Json::UInt(integer) => (*integer).into(),
            Json::Float(float) => (*float).into(),
            Json::Str(text) => Value::String(text.clone().into_owned()),
            Json::Array(items) => items.iter().map(known).collect(),
            // A repeated name stays repeated in ours; there the last one counts.
            Json::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone().into_owned(), known(value))).collect())
            }
        }
    }

    /// Whether two values are the same; the other reader rounds some long fractions wrongly in the last place.
    fn is_same(ours: &Value, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Value::Array(ours), Value::Array(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_same(a, b))
            }
            (Value::Object(ours), Value::Object(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1))
            }
            (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                (a - b).abs() <= 1e-15 * a.abs()
            }
            _ => ours == theirs,
        }
    }

    /// Reads `text` with both readers, which must agree; whether it is JSON.
    fn read(text: &str) -> bool {
        let ours = Json::parse(text.as_bytes(), 100);
        let theirs = serde_json::from_str::<Value>(text);
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => assert!(is_same(&known(ours), theirs), "{text}"),
            _ => assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}"),
        }
        ours.is_ok()
    }

    #[test]
    fn what_is_json_is_read_and_what_is_not_is_refused() {
        let whole = ["0", "-0", "10", "-7", "123456789012345678", "9223372036854775807", "-9223372036854775808"];
        let larger = ["9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775809"];
        let broken = ["-0.0", "0.5", "1e3", "1E-2", "2.5e+10", "1e-400"];
        let texts = [r#""""#, r#""\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0000""#];
        let nested = [" [ 1 , [ ] , { } ] ", r#"{"a\nb":1,"":[null,true,false]}"#];
        for text in whole.iter().chain(&larger).chain(&broken).chain(&texts).chain(&nested) {
            assert!(read(text), "{text}");
        }
        let numbers = ["-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1e400", "0x1", "1 2", "NaN"];
        let words = ["", " ", "nul", "nulls", "True", "\u{feff}1", "'a'"];
        let texts = [r#"""#, r#""\"#, r#""\x""#, r#""\u12""#, r#""\u12g4""#, r#""\u+123""#, "\"\n\"", "\"\0\""];
        let halves = [r#""\ud83d""#, r#""\ud83d\n""#, r#""\ud83d\ud83d""#, r#""\ude00""#];
        let lists = ["[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "]", "[\u{a0}1]"];
        let objects = ["{", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{,}", "{\"a\":1 \"b\":2}"];
        for text in numbers.iter().chain(&words).chain(&texts).chain(&halves).chain(&lists).chain(&objects) {
            assert!(!read(text), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|flag| flag.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| serde_json::to_string(&n).unwrap()),
            "-?[0-9]{1,20}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            "\"[ -~é]{0,20}\"",
        ];
        scalar.prop_recursive(4, 24, 5, |inner| {
            let member = ("[a-z]{0,3}", inner.clone()).prop_map(|(name, value)| format!("\"{name}\" : {value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(" ,\t"))),
                proptest::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",\r\n"))),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_another_reader(text in json()) {
            read(&text);
        }

        #[test]
        fn it_agrees_about_damage(text in json(), at: prop::sample::Index, put in "[\\x00-\\x7f]{0,2}") {
            let mut letters: Vec<char> = text.chars().collect();
            let at = at.index(letters.len());
            letters.splice(at..=at, put.chars());
            read(&letters.into_iter().collect::<String>());
        }
    }
}
