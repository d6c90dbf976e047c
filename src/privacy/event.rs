//! The two kinds of event, and the wall between them.
//!
//! A [`RawEvent`] is what a sender said: anybody may make one, nobody can write one down (it has no `Serialize`, no
//! `Display`, no `Clone`, and its `Debug` shows sizes only). A [`CleanEvent`] is what may be kept: it is made by the pipeline and
//! nowhere else, and the store takes nothing else.
//!
//! ```compile_fail
//! # use tidegate::privacy::event::{CleanEvent, Fields};
//! fn smuggle(fields: Fields<'static>) -> CleanEvent<'static> {
//!     CleanEvent::new(fields, Default::default())
//! }
//! ```
//! The same lines with a raw event compile:
//! ```
//! # use tidegate::privacy::event::{Fields, RawEvent};
//! fn receive(fields: Fields<'static>) -> RawEvent<'static> {
//!     RawEvent::new(fields)
//! }
//! ```

use std::fmt;

use crate::clock::Millis;

use super::json::{Members, Text, write_members};

/// What kind of thing happened. The discriminants are stored: they never change and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventType {
    /// A client opened an MCP session.
    McpInitialize = 1,
    /// An MCP tool was called.
    McpToolCall = 2,
    /// The list of MCP tools was read.
    McpToolsList = 3,
    /// An MCP resource was read.
    McpResourceRead = 4,
    /// An MCP prompt was fetched.
    McpPromptGet = 5,
    /// An HTTP request was served.
    HttpRequest = 6,
    /// Anything that the sender calls an event.
    Custom = 7,
    /// A log record.
    Log = 8,
    /// A span of a trace.
    Span = 9,
    /// A measurement.
    Metric = 10,
    /// An error report.
    Error = 11,
    /// A user made known.
    Identify = 12,
    /// A release or deployment.
    Release = 13,
}

/// Types that are kept equally long and that a policy may treat as one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// HTTP requests.
    Http,
    /// MCP traffic.
    Mcp,
    /// Everything that is none of the others.
    Custom,
    /// Measurements.
    Metric,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 4] = [Family::Http, Family::Mcp, Family::Custom, Family::Metric];

    /// Its name in settings, policies and records.
    pub fn name(self) -> &'static str {
        match self {
            Family::Http => "http",
            Family::Mcp => "mcp",
            Family::Custom => "custom",
            Family::Metric => "metric",
        }
    }
}

impl EventType {
    /// Every type, in the order of their codes.
    pub const ALL: [EventType; 13] = [
        EventType::McpInitialize,
        EventType::McpToolCall,
        EventType::McpToolsList,
        EventType::McpResourceRead,
        EventType::McpPromptGet,
        EventType::HttpRequest,
        EventType::Custom,
        EventType::Log,
        EventType::Span,
        EventType::Metric,
        EventType::Error,
        EventType::Identify,
        EventType::Release,
    ];

    /// The name on the wire, such as `mcp.tool_call`.
    pub fn name(self) -> &'static str {
        match self {
            EventType::McpInitialize => "mcp.initialize",
            EventType::McpToolCall => "mcp.tool_call",
            EventType::McpToolsList => "mcp.tools_list",
            EventType::McpResourceRead => "mcp.resource_read",
            EventType::McpPromptGet => "mcp.prompt_get",
            EventType::HttpRequest => "http.request",
            EventType::Custom => "custom",
            EventType::Log => "log",
            EventType::Span => "span",
            EventType::Metric => "metric",
            EventType::Error => "error",
            EventType::Identify => "identify",
            EventType::Release => "release",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<EventType> {
        EventType::ALL.into_iter().find(|t| t.name() == name)
    }

    /// What it belongs to.
    pub fn family(self) -> Family {
        match self {
            EventType::HttpRequest => Family::Http,
            EventType::Metric => Family::Metric,
            EventType::McpInitialize
            | EventType::McpToolCall
            | EventType::McpToolsList
            | EventType::McpResourceRead
            | EventType::McpPromptGet => Family::Mcp,
            EventType::Custom
            | EventType::Log
            | EventType::Span
            | EventType::Error
            | EventType::Identify
            | EventType::Release => Family::Custom,
        }
    }

    /// The stored code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The type of that stored code.
    pub fn from_code(code: u8) -> Option<EventType> {
        EventType::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// Whether it is one of the `mcp.*` types.
    pub fn is_mcp(self) -> bool {
        self.name().starts_with("mcp.")
    }
}

/// A sender's own statement about the subject's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The subject agreed.
    Granted,
    /// The subject refused.
    Denied,
}

/// The members of an event, raw or clean. Absent members are `None`.
#[derive(Default)]
pub struct Fields<'a> {
    /// What happened; [`EventType::Custom`] unless set.
    pub event_type: Option<EventType>,
    /// The sender's id of the event, for idempotency; hashed, never stored.
    pub id: Option<Text<'a>>,
    /// Tool, route, resource or event name.
    pub name: Option<Text<'a>>,
    /// When it happened, by the sender's clock.
    pub timestamp: Option<Millis>,
    /// The session it belongs to.
    pub session: Option<Text<'a>>,
    /// The user who caused it.
    pub user: Option<Text<'a>>,
    /// The user's address.
    pub ip: Option<Text<'a>>,
    /// ISO 3166-1 alpha-2, looked up from the address before that was truncated.
    pub country: Option<Text<'a>>,
    /// The user's agent.
    pub user_agent: Option<Text<'a>>,
    /// Name of the client program.
    pub client_name: Option<Text<'a>>,
    /// Version of the client program.
    pub client_version: Option<Text<'a>>,
    /// Name of the reporting server.
    pub server_name: Option<Text<'a>>,
    /// Version of the reporting server.
    pub server_version: Option<Text<'a>>,
    /// AI model in use.
    pub model: Option<Text<'a>>,
    /// Programming language of the SDK.
    pub language: Option<Text<'a>>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<f64>,
    /// Whether it succeeded.
    pub ok: Option<bool>,
    /// Kind of error.
    pub error_type: Option<Text<'a>>,
    /// Text of the error.
    pub error_message: Option<Text<'a>>,
    /// HTTP method.
    pub method: Option<Text<'a>>,
    /// HTTP path.
    pub path: Option<Text<'a>>,
    /// HTTP status.
    pub status: Option<u16>,
    /// A measured value.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: Option<Text<'a>>,
    /// Severity of a log record.
    pub severity: Option<Text<'a>>,
    /// Text of a log record.
    pub body: Option<Text<'a>>,
    /// Trace, lower-case hex.
    pub trace_id: Option<Text<'a>>,
    /// Span, lower-case hex.
    pub span_id: Option<Text<'a>>,
    /// Parent span, lower-case hex.
    pub parent_id: Option<Text<'a>>,
    /// The subject's consent, as the sender states it.
    pub consent: Option<Consent>,
    /// Everything else.
    pub attributes: Members<'a>,
}

impl<'a> Fields<'a> {
    /// Every text that an event keeps, by the name that policies know it by. The pattern names every member, so that a new one cannot be
    /// forgotten; `id` is hashed and `user_agent` becomes an attribute.
    pub(super) fn texts(&mut self) -> [(&'static str, &mut Option<Text<'a>>); 21] {
        let Fields {
            event_type: _,
            id: _,
            name,
            timestamp: _,
            session,
            user,
            ip,
            country,
            user_agent: _,
            client_name,
            client_version,
            server_name,
            server_version,
            model,
            language,
            duration_ms: _,
            ok: _,
            error_type,
            error_message,
            method,
            path,
            status: _,
            value: _,
            unit,
            severity,
            body,
            trace_id,
            span_id,
            parent_id,
            consent: _,
            attributes: _,
        } = self;
        [
            ("name", name),
            ("session", session),
            ("user", user),
            ("ip", ip),
            ("country", country),
            ("client_name", client_name),
            ("client_version", client_version),
            ("server_name", server_name),
            ("server_version", server_version),
            ("model", model),
            ("language", language),
            ("error_type", error_type),
            ("error_message", error_message),
            ("method", method),
            ("path", path),
            ("unit", unit),
            ("severity", severity),
            ("body", body),
            ("trace_id", trace_id),
            ("span_id", span_id),
            ("parent_id", parent_id),
        ]
    }
}

/// An event as it was sent. It can be scrubbed or dropped, nothing else.
pub struct RawEvent<'a> {
    fields: Box<Fields<'a>>,
}

impl<'a> RawEvent<'a> {
    /// An event made of what a sender said.
    pub fn new(fields: impl Into<Box<Fields<'a>>>) -> Self {
        RawEvent { fields: fields.into() }
    }

    /// Takes the members out, for the pipeline.
    pub(super) fn into_fields(self) -> Box<Fields<'a>> {
        self.fields
    }

    /// What the sender calls the user, for the list of those of whom nothing is taken.
    pub fn user(&self) -> Option<&str> {
        self.fields.user.as_deref()
    }

    /// What the sender calls the session, for the same.
    pub fn session(&self) -> Option<&str> {
        self.fields.session.as_deref()
    }

    /// The sender's id of the event, for idempotency.
    pub fn id(&self) -> Option<&str> {
        self.fields.id.as_deref()
    }
}

/// Shows sizes only.
impl fmt::Debug for RawEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawEvent({} attributes)", self.fields.attributes.len())
    }
}

/// What the pipeline did to one event, beyond its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The session was not sent but derived from address and agent.
    pub session_derived: bool,
}

/// An event that may be kept.
pub struct CleanEvent<'a> {
    fields: Box<Fields<'a>>,
    provenance: Provenance,
}

impl<'a> CleanEvent<'a> {
    /// Called by the pipeline, on members that it has scrubbed. `fields.id` is `None` by then.
    pub(super) fn new(fields: Box<Fields<'a>>, provenance: Provenance) -> Self {
        CleanEvent { fields, provenance }
    }

    /// Takes the members out, to be shown.
    pub(super) fn into_fields(self) -> Fields<'a> {
        *self.fields
    }

    /// Reads the members.
    pub fn fields(&self) -> &Fields<'a> {
        &self.fields
    }

    /// What the pipeline did beyond the members' text.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Appends the attributes as a compact JSON object.
    pub fn write_attributes(&self, out: &mut Vec<u8>) {
        write_members(&self.fields.attributes, out);
    }
}

/// Shows sizes only, like its raw twin: a clean event still belongs to a tenant.
impl fmt::Debug for CleanEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CleanEvent({} attributes)", self.fields.attributes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_from_name_and_code() {
        for t in EventType::ALL {
            assert_eq!(EventType::from_name(t.name()), Some(t));
            assert_eq!(EventType::from_code(t.code()), Some(t));
        }
        assert_eq!(EventType::from_name("mcp.tool_call "), None);
        assert_eq!(EventType::from_code(0), None);
    }
}
