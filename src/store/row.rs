//! One event as bytes, and as a view of those bytes.
//!
//! A clean event is encoded once, on the thread that scrubbed it. The same bytes go into the journal and feed the open
//! buckets, live and at replay, so that both ways cannot differ. The grammar is in `FORMAT.md`; [`Row::decode`] never
//! panics and never reads past its input.

use crate::clock::Millis;
use crate::privacy::event::{CleanEvent, EventType, Fields};

/// A column of text. The discriminants are bit numbers in stored rows: they never change and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TextColumn {
    /// Tool, route, resource or event name.
    Name = 0,
    /// Session.
    Session = 1,
    /// Pseudonym of the user.
    User = 2,
    /// Address in the form that the policy keeps.
    Ip = 3,
    /// Country.
    Country = 4,
    /// Client program.
    ClientName = 5,
    /// Its version.
    ClientVersion = 6,
    /// Reporting server.
    ServerName = 7,
    /// Its version.
    ServerVersion = 8,
    /// AI model.
    Model = 9,
    /// Language of the SDK.
    Language = 10,
    /// Kind of error.
    ErrorType = 11,
    /// Text of the error.
    ErrorMessage = 12,
    /// HTTP method.
    Method = 13,
    /// HTTP path.
    Path = 14,
    /// Unit of the value.
    Unit = 15,
    /// Severity of a log record.
    Severity = 16,
    /// Text of a log record.
    Body = 17,
    /// Trace.
    TraceId = 18,
    /// Span.
    SpanId = 19,
    /// Parent span.
    ParentId = 20,
}

/// Number of text columns.
pub const TEXT_COLUMNS: usize = 21;

impl TextColumn {
    /// Every text column, in the order of the discriminants.
    pub const ALL: [TextColumn; TEXT_COLUMNS] = [
        TextColumn::Name,
        TextColumn::Session,
        TextColumn::User,
        TextColumn::Ip,
        TextColumn::Country,
        TextColumn::ClientName,
        TextColumn::ClientVersion,
        TextColumn::ServerName,
        TextColumn::ServerVersion,
        TextColumn::Model,
        TextColumn::Language,
        TextColumn::ErrorType,
        TextColumn::ErrorMessage,
        TextColumn::Method,
        TextColumn::Path,
        TextColumn::Unit,
        TextColumn::Severity,
        TextColumn::Body,
        TextColumn::TraceId,
        TextColumn::SpanId,
        TextColumn::ParentId,
    ];

    /// The name in questions and answers.
    pub fn name(self) -> &'static str {
        match self {
            TextColumn::Name => "name",
            TextColumn::Session => "session",
            TextColumn::User => "user",
            TextColumn::Ip => "ip",
            TextColumn::Country => "country",
            TextColumn::ClientName => "client_name",
            TextColumn::ClientVersion => "client_version",
            TextColumn::ServerName => "server_name",
            TextColumn::ServerVersion => "server_version",
            TextColumn::Model => "model",
            TextColumn::Language => "language",
            TextColumn::ErrorType => "error_type",
            TextColumn::ErrorMessage => "error_message",
            TextColumn::Method => "method",
            TextColumn::Path => "path",
            TextColumn::Unit => "unit",
            TextColumn::Severity => "severity",
            TextColumn::Body => "body",
            TextColumn::TraceId => "trace_id",
            TextColumn::SpanId => "span_id",
            TextColumn::ParentId => "parent_id",
        }
    }

    /// Whether values repeat often enough that a dictionary pays.
    pub fn repeats(self) -> bool {
        !matches!(
            self,
            TextColumn::ErrorMessage
                | TextColumn::Body
                | TextColumn::TraceId
                | TextColumn::SpanId
                | TextColumn::ParentId
        )
    }

    fn of<'e>(self, fields: &'e Fields<'_>) -> Option<&'e str> {
        match self {
            TextColumn::Name => fields.name.as_deref(),
            TextColumn::Session => fields.session.as_deref(),
            TextColumn::User => fields.user.as_deref(),
            TextColumn::Ip => fields.ip.as_deref(),
            TextColumn::Country => fields.country.as_deref(),
            TextColumn::ClientName => fields.client_name.as_deref(),
            TextColumn::ClientVersion => fields.client_version.as_deref(),
            TextColumn::ServerName => fields.server_name.as_deref(),
            TextColumn::ServerVersion => fields.server_version.as_deref(),
            TextColumn::Model => fields.model.as_deref(),
            TextColumn::Language => fields.language.as_deref(),
            TextColumn::ErrorType => fields.error_type.as_deref(),
            TextColumn::ErrorMessage => fields.error_message.as_deref(),
            TextColumn::Method => fields.method.as_deref(),
            TextColumn::Path => fields.path.as_deref(),
            TextColumn::Unit => fields.unit.as_deref(),
            TextColumn::Severity => fields.severity.as_deref(),
            TextColumn::Body => fields.body.as_deref(),
            TextColumn::TraceId => fields.trace_id.as_deref(),
            TextColumn::SpanId => fields.span_id.as_deref(),
            TextColumn::ParentId => fields.parent_id.as_deref(),
        }
    }
}

/// Bits of a row's presence mask above those of the text columns.
mod bit {
    pub const DURATION: u32 = 21;
    pub const OK: u32 = 22;
    pub const FAILED: u32 = 23;
    pub const STATUS: u32 = 24;
    pub const VALUE: u32 = 25;
    pub const ATTRIBUTES: u32 = 26;
    pub const SESSION_DERIVED: u32 = 27;
    /// Bits from here on are of a later version.
    pub const END: u32 = 28;
}

/// A stored row is not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row is damaged or of a later format")]
pub struct Damaged;

/// One event, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// When the gateway received it.
    pub received: Millis,
    /// When it happened; `received` when the sender did not say.
    pub time: Millis,
    /// What happened.
    pub event_type: EventType,
    /// Text, by [`TextColumn`].
    pub text: [Option<&'a str>; TEXT_COLUMNS],
    /// Milliseconds.
    pub duration_ms: Option<f64>,
    /// Success.
    pub ok: Option<bool>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Measured value.
    pub value: Option<f64>,
    /// A compact JSON object, or empty.
    pub attributes: &'a str,
    /// The session was derived, not sent.
    pub session_derived: bool,
}

/// Appends `event`, received at `received`, to `out`.
pub fn encode(event: &CleanEvent<'_>, received: Millis, out: &mut Vec<u8>) {
    let fields = event.fields();
    let time = fields.timestamp.unwrap_or(received);
    out.push(fields.event_type.unwrap_or(EventType::Custom).code());
    put_varint(out, zigzag(received.0));
    put_varint(out, zigzag(time.0.wrapping_sub(received.0)));
    out.extend_from_slice(&mask_of(event).to_le_bytes());
    for column in TextColumn::ALL {
        if let Some(text) = column.of(fields) {
            put_bytes(out, text.as_bytes());
        }
    }
    if let Some(duration) = fields.duration_ms {
        out.extend_from_slice(&duration.to_le_bytes());
    }
    if let Some(status) = fields.status {
        out.extend_from_slice(&status.to_le_bytes());
    }
    if let Some(value) = fields.value {
        out.extend_from_slice(&value.to_le_bytes());
    }
    if !fields.attributes.is_empty() {
        let start = out.len();
        event.write_attributes(out);
        let length = out.len() - start;
        put_varint(out, length as u64);
        // The length is known only now, and belongs in front.
        let bytes = out.len() - start;
        out.get_mut(start..).unwrap_or_default().rotate_right(bytes - length);
    }
}

fn mask_of(event: &CleanEvent<'_>) -> u32 {
    let fields = event.fields();
    let text = TextColumn::ALL.into_iter().filter(|c| c.of(fields).is_some()).fold(0, |mask, c| mask | 1 << c as u32);
    let rest = [
        (bit::DURATION, fields.duration_ms.is_some()),
        (bit::OK, fields.ok == Some(true)),
        (bit::FAILED, fields.ok == Some(false)),
        (bit::STATUS, fields.status.is_some()),
        (bit::VALUE, fields.value.is_some()),
        (bit::ATTRIBUTES, !fields.attributes.is_empty()),
        (bit::SESSION_DERIVED, event.provenance().session_derived),
    ];
    rest.into_iter().filter(|(_, set)| *set).fold(text, |mask, (bit, _)| mask | 1 << bit)
}

impl<'a> Row<'a> {
    /// Decodes one row that fills `bytes`.
    pub fn decode(bytes: &'a [u8]) -> Result<Row<'a>, Damaged> {
        let mut reader = Reader { bytes };
        let row = Row::read(&mut reader).ok_or(Damaged)?;
        if reader.bytes.is_empty() { Ok(row) } else { Err(Damaged) }
    }

    fn read(reader: &mut Reader<'a>) -> Option<Row<'a>> {
        let event_type = EventType::from_code(reader.byte()?)?;
        let received = Millis(unzigzag(reader.varint()?));
        let time = Millis(received.0.wrapping_add(unzigzag(reader.varint()?)));
        let mask = u32::from_le_bytes(reader.array()?);
        if mask >> bit::END != 0 {
            return None;
        }
        let has = |bit: u32| mask & 1 << bit != 0;
        let mut text = [None; TEXT_COLUMNS];
        for (column, slot) in TextColumn::ALL.into_iter().zip(&mut text) {
            if has(column as u32) {
                *slot = Some(reader.text()?);
            }
        }
        let duration_ms = if has(bit::DURATION) { Some(f64::from_le_bytes(reader.array()?)) } else { None };
        let status = if has(bit::STATUS) { Some(u16::from_le_bytes(reader.array()?)) } else { None };
        let value = if has(bit::VALUE) { Some(f64::from_le_bytes(reader.array()?)) } else { None };
        let attributes = if has(bit::ATTRIBUTES) { reader.text()? } else { "" };
        let ok = match (has(bit::OK), has(bit::FAILED)) {
            (false, false) => None,
            (ok, failed) if ok != failed => Some(ok),
            _ => return None,
        };
        let session_derived = has(bit::SESSION_DERIVED);
        Some(Row { received, time, event_type, text, duration_ms, ok, status, value, attributes, session_derived })
    }

    /// The text of one column.
    pub fn get(&self, column: TextColumn) -> Option<&'a str> {
        self.text.get(column as usize).copied().flatten()
    }
}

/// Appends `value` as LEB128.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads from the front of a slice; `None` when the bytes end or make no sense.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(length)?;
        self.bytes = tail;
        Some(head)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                // The tenth byte carries the topmost bit only.
                return (shift < 63 || byte <= 1).then_some(value);
            }
        }
        None
    }

    pub(super) fn slice(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }
}
