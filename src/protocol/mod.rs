//! From received bytes to [`RawEvent`]s.
//!
//! A body passes through here in two steps: [`inflate`] undoes its compression under a size limit and a deadline, then the
//! decoder of the sender's protocol reads it: [`native`] for Tidegate's own events, [`agentcat`] for the AgentCat and MCPcat SDKs.
//! Every decoder takes hostile bytes: it never panics, stops at its [`Limits`], and its errors name places, never values.
//!
//! A fault that spoils the whole body is a [`DecodeError`]; a fault of one event is that event's
//! [`Refusal`](crate::outcome::Refusal), and its neighbours are kept. Nothing here knows about HTTP, tenants or rules, and
//! nothing removes personal data: that is the airlock's work. The one exception is what no rule should ever have to catch, end
//! users' request headers in AgentCat's events, which never become part of an event.

pub mod agentcat;
pub mod inflate;
mod member;
pub mod native;

use crate::outcome::Refusal;
use crate::privacy::event::RawEvent;
use crate::privacy::json::JsonError;

/// Deepest nesting that can be allowed: the reader calls itself for every level.
const DEPTH_CEILING: usize = 126;

/// How much a decoder takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events per request.
    pub events_max: usize,
    /// Bytes per event, as sent.
    pub event_max: usize,
    /// Nested objects and arrays per event, the event itself included; at least 1 and at most 126 take effect.
    pub depth_max: usize,
}

impl Limits {
    fn depth(&self) -> usize {
        self.depth_max.clamp(1, DEPTH_CEILING)
    }
}

/// The events of one request in the order in which they were sent, each read or refused.
pub type Batch<'a> = Vec<Result<RawEvent<'a>, Refusal>>;

/// Why a whole body cannot be read. The texts are public: they name places and limits, never what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The content type is none that is read here.
    #[error("the content type is not supported: send application/json or application/x-ndjson")]
    UnsupportedMediaType,
    /// The body is not JSON.
    #[error("the body is not valid JSON at line {line}, column {column}")]
    Json {
        /// 1-based.
        line: usize,
        /// 1-based, in bytes.
        column: usize,
    },
    /// An event is nested too deeply.
    #[error("an event is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit, in levels.
        limit: usize,
    },
    /// The body holds too many events.
    #[error("the body holds more than {limit} events")]
    TooManyEvents {
        /// The limit, in events.
        limit: usize,
    },
}

impl From<JsonError> for DecodeError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { line, column } => DecodeError::Json { line, column },
            JsonError::TooDeep { limit } => DecodeError::TooDeep { limit },
        }
    }
}
