//! One event in full: the members of the native protocol, those that are absent left out. Lists of events show when it arrived as well;
//! lines of exports do not, so that `POST /v1/events` of another gateway takes them as they are.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::privacy::event::EventType;
use crate::store::columns::Columns;
use crate::store::row::{Row, TextColumn};

use super::Moment;

#[derive(Serialize)]
struct Told<'c> {
    timestamp: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Moment>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Program<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Program<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'c RawValue>,
}

#[derive(Serialize)]
struct Program<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'c str>,
}

#[derive(Serialize)]
struct Failure<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'c str>,
}

/// A row as JSON; `None` when there is none at that position.
pub(super) fn tell(columns: &Columns, row: usize) -> Option<Box<RawValue>> {
    let attributes = columns.attributes_of(row);
    let row = Row { attributes: &attributes, ..columns.row_without_attributes(row)? };
    serde_json::value::to_raw_value(&Told { received: Some(Moment(row.received)), ..told(&row) }).ok()
}

/// Appends a row as a line of the native protocol.
pub(super) fn write_line(columns: &Columns, row: usize, out: &mut Vec<u8>) {
    let Some(row) = columns.row(row) else { return };
    serde_json::to_writer(&mut *out, &told(&row)).expect("plain fields always serialise into memory");
    out.push(b'\n');
}

fn told<'c>(row: &Row<'c>) -> Told<'c> {
    let text = |column| row.get(column);
    let program = |name, version| {
        let (name, version) = (text(name), text(version));
        (name.is_some() || version.is_some()).then_some(Program { name, version })
    };
    let (kind, message) = (text(TextColumn::ErrorType), text(TextColumn::ErrorMessage));
    Told {
        timestamp: Moment(Millis(row.time.0)),
        received: None,
        r#type: EventType::name(row.event_type),
        name: text(TextColumn::Name),
        session: text(TextColumn::Session),
        user: text(TextColumn::User),
        ip: text(TextColumn::Ip),
        country: text(TextColumn::Country),
        client: program(TextColumn::ClientName, TextColumn::ClientVersion),
        server: program(TextColumn::ServerName, TextColumn::ServerVersion),
        model: text(TextColumn::Model),
        language: text(TextColumn::Language),
        duration_ms: row.duration_ms,
        ok: row.ok,
        error: (kind.is_some() || message.is_some()).then_some(Failure { r#type: kind, message }),
        method: text(TextColumn::Method),
        path: text(TextColumn::Path),
        status: row.status,
        value: row.value,
        unit: text(TextColumn::Unit),
        severity: text(TextColumn::Severity),
        body: text(TextColumn::Body),
        trace_id: text(TextColumn::TraceId),
        span_id: text(TextColumn::SpanId),
        parent_id: text(TextColumn::ParentId),
        // What is stored is JSON; should it not be, the event is told without.
        attributes: serde_json::from_str(row.attributes).ok(),
    }
}
