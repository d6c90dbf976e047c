//! Tidegate's own protocol: an object, an array, or one event a line.
//!
//! [`Form`] says how a body is framed, [`Events`] walks it event by event, and [`decode`] collects what that yields. What an event
//! may hold is read in `event`. The three forms are one protocol: the same events give the same results in each of them.
//!
//! In an object or array a syntax error fails the request, because nothing after it can be trusted; a line that is not JSON is
//! one refused event. Reading stops at the first event past the limit, so a million tiny events cost no more than the limit does; an
//! event past its size limit is measured, not kept.

mod event;

use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::outcome::{Reason, Refusal};
use crate::privacy::event::{Fields, RawEvent};
use crate::privacy::json::{Fault, Reader, place};

use super::{Batch, DecodeError, Limits};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON text: an object, or an array of objects.
    Json,
    /// One JSON object a line; blank lines do not count.
    Ndjson,
}

impl Form {
    /// Tells the form from the value of a `Content-Type` header and, where that leaves it open, from the body.
    ///
    /// A missing type is left open, so are `text/plain` and the one that `curl -d` sends by itself. Two objects on two lines
    /// are NDJSON even when they are called JSON, since they can be nothing else.
    pub fn of(content_type: Option<&str>, body: &[u8]) -> Result<Form, DecodeError> {
        const JSON: [&str; 4] = ["", "application/json", "text/plain", "application/x-www-form-urlencoded"];
        const NDJSON: [&str; 4] =
            ["application/x-ndjson", "application/ndjson", "application/jsonlines", "application/x-jsonlines"];
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is = |name: &&str| essence.eq_ignore_ascii_case(name);
        if NDJSON.iter().any(is) {
            Ok(Form::Ndjson)
        } else if JSON.iter().any(is) {
            Ok(if is_lines(body) { Form::Ndjson } else { Form::Json })
        } else {
            Err(DecodeError::UnsupportedMediaType)
        }
    }
}

/// Whether an object ends at the end of a line and another begins on a later one. No single JSON text looks like that.
fn is_lines(body: &[u8]) -> bool {
    let body = without_mark(body).trim_ascii_start();
    let Some(end) = memchr::memchr(b'\n', body) else { return false };
    let (first, rest) = body.split_at(end);
    first.starts_with(b"{") && first.trim_ascii_end().ends_with(b"}") && rest.trim_ascii_start().starts_with(b"{")
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// Reads a whole body.
pub fn decode<'a>(body: &'a [u8], form: Form, limits: &Limits) -> Result<Batch<'a>, DecodeError> {
    Events::new(body, form, *limits)?.collect()
}

/// What became of one event: read, or refused.
type Event<'a> = Result<Box<Fields<'a>>, Refusal>;

/// The events of a body, one at a time, in order. After an error of the whole body there is nothing more.
pub struct Events<'a> {
    source: Source<'a>,
    limits: Limits,
    taken: usize,
}

enum Source<'a> {
    /// A JSON text that is one event.
    Single(Cursor<'a>),
    /// An array, the cursor behind its bracket or behind an event.
    Array(Cursor<'a>),
    /// The lines that are left.
    Lines(&'a [u8]),
    /// Nothing more.
    Done,
}

impl<'a> Events<'a> {
    /// Starts reading a body. A JSON text must be UTF-8 as a whole; lines are judged one by one.
    pub fn new(body: &'a [u8], form: Form, limits: Limits) -> Result<Events<'a>, DecodeError> {
        let body = without_mark(body);
        let source = match form {
            Form::Ndjson => Source::Lines(body),
            Form::Json => {
                let text = str::from_utf8(body).map_err(|error| syntax(body, error.valid_up_to()))?;
                let mut cursor = Cursor { text, at: 0 };
                if cursor.take(b'[') { Source::Array(cursor) } else { Source::Single(cursor) }
            }
        };
        Ok(Events { source, limits, taken: 0 })
    }

    /// The next event, its members in the open.
    fn next_fields(&mut self) -> Option<Result<Event<'a>, DecodeError>> {
        let step = match &mut self.source {
            Source::Single(cursor) => single(cursor, &self.limits, self.taken),
            Source::Array(cursor) => array_item(cursor, &self.limits, self.taken),
            Source::Lines(rest) => line(rest, &self.limits, self.taken),
            Source::Done => return None,
        };
        match step {
            Ok(ControlFlow::Continue(event)) => {
                self.taken = self.taken.saturating_add(1);
                Some(Ok(event))
            }
            Ok(ControlFlow::Break(())) => {
                self.source = Source::Done;
                None
            }
            Err(error) => {
                self.source = Source::Done;
                Some(Err(error))
            }
        }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Result<RawEvent<'a>, Refusal>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_fields().map(|read| read.map(|event| event.map(RawEvent::new)))
    }
}

/// An event, or the end of the body.
type Step<'a> = Result<ControlFlow<(), Event<'a>>, DecodeError>;

fn single<'a>(cursor: &mut Cursor<'a>, limits: &Limits, taken: usize) -> Step<'a> {
    if taken > 0 {
        return cursor.end();
    }
    room(limits, taken)?;
    cursor.event(limits).map(ControlFlow::Continue)
}

fn array_item<'a>(cursor: &mut Cursor<'a>, limits: &Limits, taken: usize) -> Step<'a> {
    if cursor.take(b']') {
        return cursor.end();
    }
    if taken > 0 && !cursor.take(b',') {
        return Err(cursor.syntax());
    }
    room(limits, taken)?;
    cursor.event(limits).map(ControlFlow::Continue)
}

fn line<'a>(rest: &mut &'a [u8], limits: &Limits, taken: usize) -> Step<'a> {
    loop {
        if rest.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        *rest = after.get(1..).unwrap_or_default();
        let line = line.trim_ascii();
        if !line.is_empty() {
            room(limits, taken)?;
            return Ok(ControlFlow::Continue(line_event(line, limits)));
        }
    }
}

fn line_event<'a>(line: &'a [u8], limits: &Limits) -> Event<'a> {
    if line.len() > limits.event_max {
        return Err(Refusal::whole(Reason::TooLarge));
    }
    let text = str::from_utf8(line).map_err(|_| Refusal::whole(Reason::NotJson))?;
    if !text.starts_with('{') {
        let reason = serde_json::from_str::<IgnoredAny>(text).map_or(Reason::NotJson, |_| Reason::NotAnObject);
        return Err(Refusal::whole(reason));
    }
    let mut reader = Reader::new(text, member_levels(limits));
    let read = event::read(&mut reader).and_then(|event| reader.end().map(|()| event));
    read.unwrap_or_else(|fault| {
        Err(Refusal::whole(match fault {
            Fault::TooDeep => Reason::TooDeep,
            Fault::Syntax => Reason::NotJson,
        }))
    })
}

/// Whether one more event may be read.
fn room(limits: &Limits, taken: usize) -> Result<(), DecodeError> {
    if taken < limits.events_max { Ok(()) } else { Err(DecodeError::TooManyEvents { limit: limits.events_max }) }
}

/// The levels left to an event's members: the event itself is one.
fn member_levels(limits: &Limits) -> usize {
    limits.depth().saturating_sub(1)
}

/// A place in a JSON text, between two values.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// What is left of the text, without the white space that it began with.
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default().trim_start_matches([' ', '\t', '\n', '\r']);
        self.at = self.text.len().saturating_sub(rest.len());
        rest
    }

    /// Steps over `mark` if it comes next.
    fn take(&mut self, mark: u8) -> bool {
        let found = self.rest().as_bytes().first() == Some(&mark);
        self.at = self.at.saturating_add(usize::from(found));
        found
    }

    /// Nothing but white space may be left.
    fn end(&mut self) -> Step<'a> {
        if self.rest().is_empty() { Ok(ControlFlow::Break(())) } else { Err(self.syntax()) }
    }

    /// Reads one event and steps over it. The reader sees at most one byte more than an event may have, so that a larger one
    /// costs no memory; what it then misses looks like a fault, until the event is measured.
    fn event(&mut self, limits: &Limits) -> Result<Event<'a>, DecodeError> {
        let rest = self.rest();
        if !rest.starts_with('{') {
            let size = self.measure(rest)?;
            let reason = if size > limits.event_max { Reason::TooLarge } else { Reason::NotAnObject };
            return Ok(self.step_over(size, reason));
        }
        let window = prefix(rest, limits.event_max.saturating_add(1));
        let mut reader = Reader::new(window, member_levels(limits));
        match event::read(&mut reader) {
            Ok(_) if reader.at() > limits.event_max => Ok(self.step_over(reader.at(), Reason::TooLarge)),
            Ok(event) => {
                self.at = self.at.saturating_add(reader.at());
                Ok(event)
            }
            Err(Fault::TooDeep) => Err(DecodeError::TooDeep { limit: limits.depth() }),
            Err(Fault::Syntax) => {
                let size = if window.len() < rest.len() { self.measure(rest)? } else { 0 };
                if size > limits.event_max {
                    return Ok(self.step_over(size, Reason::TooLarge));
                }
                let (line, column) = place(self.text.as_bytes(), self.at.saturating_add(reader.at()));
                Err(DecodeError::Json { line, column })
            }
        }
    }

    /// The size of the value at the cursor, found without keeping any of it.
    fn measure(&self, rest: &str) -> Result<usize, DecodeError> {
        let mut reader = serde_json::Deserializer::from_str(rest);
        IgnoredAny::deserialize(&mut reader).map_err(|error| self.fault(error.line(), error.column()))?;
        Ok(offset(reader))
    }

    /// Steps over an event that is refused whatever it holds.
    fn step_over(&mut self, size: usize, reason: Reason) -> Event<'a> {
        self.at = self.at.saturating_add(size);
        Err(Refusal::whole(reason))
    }

    /// A syntax error at the cursor.
    fn syntax(&self) -> DecodeError {
        syntax(self.text.as_bytes(), self.at)
    }

    /// A syntax error at `line` and `column` as a reader counts them that started at the cursor.
    fn fault(&self, line: usize, column: usize) -> DecodeError {
        let (lines_before, columns_before) = position(self.text.as_bytes(), self.at);
        let column = if line > 1 { column } else { columns_before.saturating_add(column) };
        DecodeError::Json { line: lines_before.saturating_add(line), column }
    }
}

/// How far a reader has come.
fn offset<'a>(reader: serde_json::Deserializer<serde_json::de::StrRead<'a>>) -> usize {
    reader.into_iter::<IgnoredAny>().byte_offset()
}

/// The longest beginning of `text` that has at most `len` bytes.
fn prefix(text: &str, len: usize) -> &str {
    let mut end = len.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

/// A syntax error at the byte `at`.
fn syntax(text: &[u8], at: usize) -> DecodeError {
    let (lines, columns) = position(text, at);
    DecodeError::Json { line: lines.saturating_add(1), column: columns.saturating_add(1) }
}

/// Whole lines before `at`, and bytes before it on its own line.
fn position(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let columns = memchr::memrchr(b'\n', before).map_or(before.len(), |end| before.len() - end - 1);
    (memchr::memchr_iter(b'\n', before).count(), columns)
}

#[cfg(test)]
mod tests;
