//! Streams: the kinds of events that a policy may treat in a way of their own.

use crate::privacy::event::{EventType, Family};

/// A stream, by the word that follows `streams.` in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// All types of a family: `http`, `mcp`, `custom`, `metric`, as in `[store.retention]`.
    Family(Family),
    /// One type: `log`, `span`, `mcp.tool_call`, ...
    Type(EventType),
}

impl Stream {
    /// The stream of that name. Where a family and a type have the same name, it is the family.
    pub fn from_name(name: &str) -> Option<Stream> {
        let family = Family::ALL.into_iter().find(|family| family.name() == name);
        family.map(Stream::Family).or_else(|| EventType::from_name(name).map(Stream::Type))
    }

    /// Whether events of a type belong to it.
    pub(super) fn has(self, event_type: EventType) -> bool {
        match self {
            Stream::Family(family) => event_type.family() == family,
            Stream::Type(own) => event_type == own,
        }
    }

    /// A type whose events belong to it and to no narrower stream, where there is one.
    pub(in crate::privacy) fn example(self) -> EventType {
        match self {
            Stream::Family(Family::Http) => EventType::HttpRequest,
            Stream::Family(Family::Mcp) => EventType::McpToolCall,
            Stream::Family(Family::Custom) => EventType::Custom,
            Stream::Family(Family::Metric) => EventType::Metric,
            Stream::Type(own) => own,
        }
    }

    /// Every name, for a message.
    pub fn names() -> String {
        let families = Family::ALL.into_iter().map(Family::name);
        let types = EventType::ALL.into_iter().map(EventType::name);
        let types = types.filter(|name| Family::ALL.into_iter().all(|family| family.name() != *name));
        families.chain(types).collect::<Vec<_>>().join(", ")
    }
}
