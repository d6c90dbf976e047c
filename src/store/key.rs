//! The registry of stored keys and of the buckets that they lead to.
//!
//! These bytes are for ever: a kind that is no longer written keeps its place here. The grammar of the values is in `FORMAT.md`.

use crate::clock::Millis;
use crate::id::TenantId;
use crate::privacy::event::EventType;

/// Format version that this build writes and reads.
pub const FORMAT: u8 = 0;

/// Family `meta`: one byte, the format version of the whole store.
pub const META_FORMAT: &[u8] = b"store.format";
/// Family `meta`: the sequence number of the newest journal group, big-endian.
pub const META_JOURNAL_SEQUENCE: &[u8] = b"journal.sequence";

/// Retention class: how long rows of a kind are kept. The discriminants lead stored keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// HTTP requests.
    Http = 1,
    /// MCP traffic.
    Mcp = 2,
    /// Everything that is neither of the others.
    Custom = 3,
    /// Measurements.
    Metric = 4,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 4] = [Class::Http, Class::Mcp, Class::Custom, Class::Metric];

    /// The class of an event type.
    pub fn of(event_type: EventType) -> Class {
        match event_type {
            EventType::HttpRequest => Class::Http,
            EventType::Metric => Class::Metric,
            EventType::McpInitialize
            | EventType::McpToolCall
            | EventType::McpToolsList
            | EventType::McpResourceRead
            | EventType::McpPromptGet => Class::Mcp,
            EventType::Custom
            | EventType::Log
            | EventType::Span
            | EventType::Error
            | EventType::Identify
            | EventType::Release => Class::Custom,
        }
    }

    /// Position in [`Class::ALL`].
    pub fn index(self) -> usize {
        self as usize - 1
    }
}

/// The kind of signal within a class. The discriminants are part of sealed keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Events proper.
    Events = 1,
    /// Log records and error reports.
    Logs = 2,
    /// Spans.
    Spans = 3,
    /// Measurements.
    Metrics = 4,
}

impl Stream {
    /// The stream of an event type.
    pub fn of(event_type: EventType) -> Stream {
        match event_type {
            EventType::Log | EventType::Error => Stream::Logs,
            EventType::Span => Stream::Spans,
            EventType::Metric => Stream::Metrics,
            EventType::McpInitialize
            | EventType::McpToolCall
            | EventType::McpToolsList
            | EventType::McpResourceRead
            | EventType::McpPromptGet
            | EventType::HttpRequest
            | EventType::Custom
            | EventType::Identify
            | EventType::Release => Stream::Events,
        }
    }
}

/// Names one bucket. Days are days of arrival. Ordered by tenant first: that is how open buckets are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketKey {
    /// Whose rows.
    pub tenant: TenantId,
    /// Day of arrival, counted from the epoch.
    pub day: i64,
    /// How long they are kept.
    pub class: Class,
    /// What they are.
    pub stream: Stream,
}

impl BucketKey {
    /// The bucket of an event of that type, received then.
    pub fn of(tenant: TenantId, event_type: EventType, received: Millis) -> BucketKey {
        BucketKey { tenant, day: received.day(), class: Class::of(event_type), stream: Stream::of(event_type) }
    }

    /// The least key of a tenant.
    pub fn first_of(tenant: TenantId) -> BucketKey {
        BucketKey { tenant, day: i64::MIN, class: Class::Http, stream: Stream::Events }
    }
}

/// Family `journal`: class, then group sequence, so that a class expires as one range.
pub fn journal(class: Class, sequence: u64) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = sequence.to_be_bytes();
    [class as u8, a, b, c, d, e, f, g, h]
}

/// The sequence in a journal key.
pub fn journal_sequence(key: &[u8]) -> Option<u64> {
    let (_, sequence) = key.split_first()?;
    Some(u64::from_be_bytes(sequence.try_into().ok()?))
}

/// Family `sealed`: class, day, segment, tenant, stream, column. Led by the day, so that expiry unlinks whole files.
pub fn sealed(bucket: BucketKey, segment: u64, column: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.push(bucket.class as u8);
    key.extend_from_slice(&u32::try_from(bucket.day).unwrap_or(0).to_be_bytes());
    key.extend_from_slice(&segment.to_be_bytes());
    key.extend_from_slice(&bucket.tenant.0);
    key.push(bucket.stream as u8);
    key.extend_from_slice(&column.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn journal_keys_sort_as_their_sequences(a: u64, b: u64) {
            let (x, y) = (journal(Class::Mcp, a), journal(Class::Mcp, b));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(journal_sequence(&x), Some(a));
        }

        #[test]
        fn sealed_keys_sort_by_class_then_day_whatever_the_rest(days in (0..40_000i64, 0..40_000i64), segments: (u64, u64), tenants: ([u8; 8], [u8; 8])) {
            let bucket = |day, tenant| BucketKey { tenant: TenantId(tenant), day, class: Class::Mcp, stream: Stream::Events };
            let (x, y) = (sealed(bucket(days.0, tenants.0), segments.0, 1), sealed(bucket(days.1, tenants.1), segments.1, 1));
            if days.0 != days.1 {
                prop_assert_eq!(days.0.cmp(&days.1), x.cmp(&y));
            }
        }
    }

    #[test]
    fn every_type_has_a_class_and_a_stream() {
        for t in EventType::ALL {
            let key = BucketKey::of(TenantId([0; 8]), t, Millis(0));
            assert_eq!(key.class == Class::Mcp, t.is_mcp());
        }
    }
}
