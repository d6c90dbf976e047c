//! A text that is itself a JSON document, such as the arguments of a tool call or a logged body: scrubbed value by value, so that the names
//! in it count, and written as it was written. Only the values that changed are printed anew.

use std::ops::Range;

use super::json::{Json, write_string, write_value};
use super::leaf::Job;
use super::selector::Place;

/// Documents within documents are read as such down to this level; below, as texts.
const NESTING_MAX: usize = 3;

/// Deeper documents are read as texts.
const DEPTH_MAX: usize = 64;

/// Shorter texts hold no member.
const LENGTH_MIN: usize = 6;

impl Job<'_> {
    /// The text scrubbed as a document: `None` if it is none, `Some(None)` if nothing changed.
    pub(super) fn document(&mut self, text: &str, place: Option<&Place<'_>>) -> Option<Option<String>> {
        let body = text.trim_ascii();
        let enclosed = matches!(body.as_bytes(), [b'{', .., b'}'] | [b'[', .., b']']);
        if !enclosed || body.len() < LENGTH_MIN || self.nesting >= NESTING_MAX {
            return None;
        }
        let mut value = Json::parse(body.as_bytes(), DEPTH_MAX).ok()?;
        let redactions = self.receipt.total();
        self.nesting += 1;
        self.value(&mut value, place.map(Place::as_document).as_ref());
        self.nesting -= 1;
        Some((self.receipt.total() > redactions).then(|| reprint(text, &value)))
    }
}

/// The document `text` with the values of `scrubbed`, its blanks and the writing of what did not change kept; compact where members were
/// dropped.
fn reprint(text: &str, scrubbed: &Json<'_>) -> String {
    let tokens: Vec<Range<usize>> = tokens(text).collect();
    let mut printer = Printer { text, tokens: tokens.iter(), out: Vec::with_capacity(text.len()), copied: 0 };
    let complete = printer.print(scrubbed).is_some() && printer.tokens.next().is_none();
    if complete {
        printer.copy_to(text.len());
    } else {
        printer.out.clear();
        write_value(scrubbed, &mut printer.out);
    }
    String::from_utf8(printer.out).unwrap_or_default()
}

struct Printer<'t> {
    text: &'t str,
    /// Strings, member names, numbers and words of the document, in order.
    tokens: std::slice::Iter<'t, Range<usize>>,
    out: Vec<u8>,
    /// How much of the document has been printed.
    copied: usize,
}

impl Printer<'_> {
    /// Prints up to the end of `value`; `None` if the document has another shape.
    fn print(&mut self, value: &Json<'_>) -> Option<()> {
        match value {
            Json::Array(items) => items.iter().try_for_each(|item| self.print(item)),
            Json::Object(members) => members.iter().try_for_each(|(name, value)| {
                self.print_text(name)?;
                self.print(value)
            }),
            Json::Str(text) => self.print_text(text),
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) => {
                self.tokens.next().map(|_| ())
            }
        }
    }

    fn print_text(&mut self, text: &str) -> Option<()> {
        let token = self.tokens.next()?.clone();
        let written = self.text.get(token.clone())?;
        let same = match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) if !inner.contains('\\') => inner == text,
            Some(_) => serde_json::from_str::<String>(written).is_ok_and(|decoded| decoded == text),
            None => false,
        };
        if !same {
            self.copy_to(token.start);
            write_string(text, &mut self.out);
            self.copied = token.end;
        }
        Some(())
    }

    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.text.get(self.copied..end).unwrap_or("").as_bytes());
        self.copied = end;
    }
}

/// The strings, numbers and words of a valid document.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let structure = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'{' | b'}' | b'[' | b']' | b',' | b':');
        let start = at + bytes.get(at..)?.iter().position(|b| !structure(b))?;
        let rest = bytes.get(start..)?;
        let length = if rest.first() == Some(&b'"') {
            let mut escaped = false;
            let inner = rest.iter().skip(1).take_while(|b| {
                let goes_on = escaped || **b != b'"';
                escaped = **b == b'\\' && !escaped;
                goes_on
            });
            inner.count() + 2
        } else {
            rest.iter().position(structure).unwrap_or(rest.len())
        };
        at = start + length;
        Some(start..at.min(bytes.len()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::privacy::{DEFAULT_POLICY, Receipt, Scrubber, Settings};

    fn scrubbed(text: &str) -> String {
        let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &Settings::default()).unwrap();
        scrubber.scrub_text(text, &mut Receipt::default()).into_owned()
    }

    #[test]
    fn names_inside_a_document_count_and_its_writing_stays() {
        for (text, expected) in [
            (r#"{ "password" : "tulip tree",  "n": 1.50 }"#, r#"{ "password" : "[secret]",  "n": 1.50 }"#),
            (r#"[{"phone": 6505551234, "id": 6505551234}]"#, r#"[{"phone": "[phone]", "id": 6505551234}]"#),
            (r#"{"a":"{\"pin\": 1, \"to\": \"ann@example.com\"}"}"#, r#"{"a":"{\"pin\": 1, \"to\": \"[email]\"}"}"#),
            (r#"{"é\n": "\u00e9 ann@example.com"}"#, r#"{"é\n": "é [email]"}"#),
            (r#" {"ann@example.com": [1, true, null]} "#, r#" {"[email]": [1, true, null]} "#),
            ("{not json, ann@example.com}", "{not json, [email]}"),
        ] {
            assert_eq!(scrubbed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_for_a_text_holds_for_the_document_that_it_is() {
        let policy = "[[rules]]\nid = 'customer'\npattern = 'KD-[0-9]+'\nselector = 'body && $string'\n[[rules]]\nid = 'email'\nselector = '!body'";
        let scrubber = Scrubber::from_toml(policy, &Settings::default()).unwrap();
        let text = r#"{"body":"{\"a\": [\"KD-17\"], \"to\": \"ann@example.com\"}","other":"KD-17 ann@example.com"}"#;
        let mut out = Vec::new();
        let value = Json::parse(text.as_bytes(), DEPTH_MAX).unwrap();
        scrubber.scrub_value(value, &mut Receipt::default()).write_to(&mut out);
        let expected = r#"{"body":"{\"a\": [\"[customer]\"], \"to\": \"ann@example.com\"}","other":"KD-17 [email]"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_dropped_member_is_gone_with_its_name() {
        let policy = "[[rules]]\nid = 'secret_key'\nmethod = 'remove'";
        let scrubber = Scrubber::from_toml(policy, &Settings::default()).unwrap();
        let text = r#"{"a": 1, "password": "tulip tree"}"#;
        assert_eq!(scrubber.scrub_text(text, &mut Receipt::default()), r#"{"a":1}"#);
    }

    proptest! {
        #[test]
        fn a_document_without_finds_is_reprinted_to_the_byte(text in r#"[ ]{0,2}\{( ?"[a-zé\\\\"]{0,4}" ?: ?(1e5|-2\.50|"[ab ]{0,5}"|\[[ 1,]{0,4}\]),? ?){0,4}\}"#) {
            if let Ok(value) = Json::parse(text.as_bytes(), DEPTH_MAX) {
                prop_assert_eq!(reprint(&text, &value), text);
            }
        }
    }
}
