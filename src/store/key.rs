//! The registry of stored keys and of the buckets that they lead to.
//!
//! These bytes are for ever: a kind that is no longer written keeps its place here. The grammar of the values is in `FORMAT.md`.

use crate::clock::{HOUR_MS, Millis};
use crate::id::TenantId;
use crate::keys::DekId;
use crate::privacy::event::{EventType, Family};

/// Format version that this build writes and reads.
pub const FORMAT: u8 = 1;

/// Family `meta`: one byte, the format version of the whole store.
pub const META_FORMAT: &[u8] = b"store.format";
/// Family `meta`: the sequence number of the newest journal group, big-endian.
pub const META_JOURNAL_SEQUENCE: &[u8] = b"journal.sequence";
/// Family `meta`: every segment number below this one may have been used, big-endian.
pub const META_SEGMENTS: &[u8] = b"store.segments";

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
        match event_type.family() {
            Family::Http => Class::Http,
            Family::Mcp => Class::Mcp,
            Family::Custom => Class::Custom,
            Family::Metric => Class::Metric,
        }
    }

    /// Position in [`Class::ALL`].
    pub fn index(self) -> usize {
        self as usize - 1
    }

    /// The class of this discriminant.
    pub fn from_code(code: u8) -> Option<Class> {
        Class::ALL.into_iter().find(|class| *class as u8 == code)
    }

    /// How many hours one bucket covers. Part of the format, not a setting: at a restart rows must fall into the buckets that they were in.
    /// Http is kept for a day by default, so hours let its bytes go soon; a day of the others packs best.
    pub fn bucket_hours(self) -> u32 {
        match self {
            Class::Http => 1,
            Class::Mcp | Class::Custom | Class::Metric => 24,
        }
    }

    /// Its name in records and answers: that of the family of types that it holds.
    pub fn name(self) -> &'static str {
        match self {
            Class::Http => Family::Http.name(),
            Class::Mcp => Family::Mcp.name(),
            Class::Custom => Family::Custom.name(),
            Class::Metric => Family::Metric.name(),
        }
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
    /// Every stream.
    pub const ALL: [Stream; 4] = [Stream::Events, Stream::Logs, Stream::Spans, Stream::Metrics];

    /// The stream of this discriminant.
    pub fn from_code(code: u8) -> Option<Stream> {
        Stream::ALL.into_iter().find(|stream| *stream as u8 == code)
    }

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

/// Names one bucket: what is sealed, expired and merged together. Its time is that of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    /// Whose rows.
    pub tenant: TenantId,
    /// How long they are kept.
    pub class: Class,
    /// Where its time begins: hours since the epoch.
    pub hour: u32,
    /// What they are.
    pub stream: Stream,
}

impl BucketKey {
    /// The bucket of an event of that type, received then.
    pub fn of(tenant: TenantId, event_type: EventType, received: Millis) -> BucketKey {
        let class = Class::of(event_type);
        let hour = u32::try_from(received.0.div_euclid(HOUR_MS)).unwrap_or(0);
        BucketKey { tenant, class, hour: hour - hour % class.bucket_hours(), stream: Stream::of(event_type) }
    }

    /// The least key of a tenant.
    pub fn first_of(tenant: TenantId) -> BucketKey {
        BucketKey { tenant, class: Class::Http, hour: 0, stream: Stream::Events }
    }

    /// When its time begins.
    pub fn begins(&self) -> Millis {
        Millis(i64::from(self.hour) * HOUR_MS)
    }

    /// When its time is over: nothing arrives in it any more.
    pub fn ends(&self) -> Millis {
        self.begins().plus(i64::from(self.class.bucket_hours()) * HOUR_MS)
    }
}

/// Family `journal`: segment, then group sequence.
pub fn journal(segment: u64, sequence: u64) -> [u8; 16] {
    let mut key = [0; 16];
    let (high, low) = key.split_at_mut(8);
    high.copy_from_slice(&segment.to_be_bytes());
    low.copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Segment and sequence in a journal key.
pub fn journal_parts(key: &[u8]) -> Option<(u64, u64)> {
    let (segment, rest) = key.split_first_chunk::<8>()?;
    let sequence = <[u8; 8]>::try_from(rest).ok()?;
    Some((u64::from_be_bytes(*segment), u64::from_be_bytes(sequence)))
}

/// Names one run: the rows of one bucket that were sealed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The bucket.
    pub bucket: BucketKey,
    /// The file that it was written in; a file has at most one run of a bucket.
    pub segment: u64,
}

/// Bytes of what leads every key of a segment: class, hour, segment.
const SEGMENT_PREFIX_BYTES: usize = 13;

impl RunId {
    /// Family `sealed`: class, hour, segment, tenant, stream, block. Led by the time, so that expiry unlinks whole files.
    pub fn block_key(&self, block: u16) -> Vec<u8> {
        let mut key = self.run_key();
        key.extend_from_slice(&block.to_be_bytes());
        key
    }

    /// What all of its blocks' keys begin with; also the context that its blocks are sealed in.
    pub fn run_key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(24);
        key.extend_from_slice(&segment_prefix(self.bucket.class, self.bucket.hour, self.segment));
        key.extend_from_slice(&self.bucket.tenant.0);
        key.push(self.bucket.stream as u8);
        key
    }

    /// Reads the key of a block.
    pub fn from_block_key(key: &[u8]) -> Option<(RunId, u16)> {
        let (class, rest) = key.split_first()?;
        let (hour, rest) = rest.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (tenant, rest) = rest.split_first_chunk()?;
        let (stream, block) = rest.split_first()?;
        let bucket = BucketKey {
            tenant: TenantId(*tenant),
            class: Class::from_code(*class)?,
            hour: u32::from_be_bytes(*hour),
            stream: Stream::from_code(*stream)?,
        };
        let block = u16::from_be_bytes(block.try_into().ok()?);
        Some((RunId { bucket, segment: u64::from_be_bytes(*segment) }, block))
    }

    /// Family `manifest`: `r`, then tenant first, since a tenant's runs are looked for together.
    pub fn manifest_key(&self) -> Vec<u8> {
        let mut key = vec![MANIFEST_RUN];
        key.extend_from_slice(&self.bucket.tenant.0);
        key.push(self.bucket.class as u8);
        key.extend_from_slice(&self.bucket.hour.to_be_bytes());
        key.extend_from_slice(&self.segment.to_be_bytes());
        key.push(self.bucket.stream as u8);
        key
    }

    /// Reads a key of the manifest.
    pub fn from_manifest_key(key: &[u8]) -> Option<RunId> {
        let (kind, rest) = key.split_first()?;
        let (tenant, rest) = rest.split_first_chunk()?;
        let (class, rest) = rest.split_first()?;
        let (hour, rest) = rest.split_first_chunk()?;
        let (segment, stream) = rest.split_first_chunk()?;
        let [stream] = stream else { return None };
        let bucket = BucketKey {
            tenant: TenantId(*tenant),
            class: Class::from_code(*class)?,
            hour: u32::from_be_bytes(*hour),
            stream: Stream::from_code(*stream)?,
        };
        (*kind == MANIFEST_RUN).then_some(RunId { bucket, segment: u64::from_be_bytes(*segment) })
    }
}

/// What all keys of one segment begin with in family `sealed`.
pub fn segment_prefix(class: Class, hour: u32, segment: u64) -> [u8; SEGMENT_PREFIX_BYTES] {
    let mut key = [class as u8; SEGMENT_PREFIX_BYTES];
    for (to, from) in key.iter_mut().skip(1).zip(hour.to_be_bytes().into_iter().chain(segment.to_be_bytes())) {
        *to = from;
    }
    key
}

/// The segment that a key of family `sealed` belongs to.
pub fn segment_of(key: &[u8]) -> Option<(Class, u32, u64)> {
    let (class, rest) = key.split_first()?;
    let (hour, rest) = rest.split_first_chunk()?;
    let (segment, _) = rest.split_first_chunk()?;
    Some((Class::from_code(*class)?, u32::from_be_bytes(*hour), u64::from_be_bytes(*segment)))
}

/// Family `manifest`: what is sealed.
pub const MANIFEST_RUN: u8 = b'r';
/// Family `manifest`: keys that are to be destroyed; tenant and number of the key follow.
pub const MANIFEST_DOOMED: u8 = b'd';
/// Family `manifest`: tenants whose rows do not expire.
pub const MANIFEST_HOLD: u8 = b'h';
/// Family `manifest`: subjects whose rows are being erased; tenant and number of the request follow.
pub const MANIFEST_ERASURE: u8 = b'e';

/// Family `manifest`: the key of data key `dek` of `tenant` is to be destroyed.
pub fn doomed(tenant: TenantId, dek: DekId) -> Vec<u8> {
    [&[MANIFEST_DOOMED][..], &tenant.0, &dek.0.to_be_bytes()].concat()
}

/// Reads a key that [`doomed`] made.
pub fn doomed_parts(key: &[u8]) -> Option<(TenantId, DekId)> {
    let (kind, rest) = key.split_first()?;
    let (tenant, dek) = rest.split_first_chunk()?;
    (*kind == MANIFEST_DOOMED).then_some((TenantId(*tenant), DekId(u64::from_be_bytes(dek.try_into().ok()?))))
}

/// Family `manifest`: `tenant` is on hold.
pub fn hold(tenant: TenantId) -> Vec<u8> {
    [&[MANIFEST_HOLD][..], &tenant.0].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(class: Class, hour: u32, segment: u64, tenant: [u8; 8]) -> RunId {
        RunId { bucket: BucketKey { tenant: TenantId(tenant), class, hour, stream: Stream::Events }, segment }
    }

    proptest! {
        #[test]
        fn journal_keys_sort_as_segment_and_sequence(a: (u64, u64), b: (u64, u64)) {
            let (x, y) = (journal(a.0, a.1), journal(b.0, b.1));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(journal_parts(&x), Some(a));
        }

        #[test]
        fn sealed_keys_sort_by_class_then_time_then_segment_whatever_the_rest(a: (u32, u64, [u8; 8]), b: (u32, u64, [u8; 8]), block: u16) {
            let (x, y) = (run(Class::Mcp, a.0, a.1, a.2), run(Class::Mcp, b.0, b.1, b.2));
            if (a.0, a.1) != (b.0, b.1) {
                prop_assert_eq!((a.0, a.1).cmp(&(b.0, b.1)), x.block_key(1).cmp(&y.block_key(1)));
            }
            prop_assert_eq!(RunId::from_block_key(&x.block_key(block)), Some((x, block)));
            prop_assert_eq!(RunId::from_manifest_key(&x.manifest_key()), Some(x));
            prop_assert_eq!(segment_of(&x.block_key(block)), Some((Class::Mcp, a.0, a.1)));
            prop_assert!(x.block_key(block).starts_with(&segment_prefix(Class::Mcp, a.0, a.1)));
        }

        #[test]
        fn no_bytes_are_taken_for_a_key_with_a_panic(bytes: Vec<u8>) {
            let _ = (RunId::from_block_key(&bytes), RunId::from_manifest_key(&bytes), doomed_parts(&bytes));
            let _ = (journal_parts(&bytes), segment_of(&bytes));
        }

        #[test]
        fn a_row_arrives_within_the_time_of_its_bucket(received in 0..4_000_000_000_000i64, kind in 0..EventType::ALL.len()) {
            let bucket = BucketKey::of(TenantId([0; 8]), EventType::ALL[kind], Millis(received));
            prop_assert!(bucket.begins().0 <= received && received < bucket.ends().0);
        }
    }

    #[test]
    fn every_type_has_a_class_and_a_stream() {
        for t in EventType::ALL {
            let key = BucketKey::of(TenantId([0; 8]), t, Millis(0));
            assert_eq!(key.class == Class::Mcp, t.is_mcp());
        }
    }

    #[test]
    fn codes_are_for_ever() {
        assert_eq!(Class::ALL.map(|class| class as u8), [1, 2, 3, 4]);
        assert_eq!(Stream::ALL.map(|stream| stream as u8), [1, 2, 3, 4]);
        assert_eq!(
            hex::encode(run(Class::Mcp, 5, 7, [9; 8]).block_key(258)),
            "02000000050000000000000007090909090909090901".to_owned() + "0102"
        );
        assert_eq!(doomed_parts(&doomed(TenantId([3; 8]), DekId(9))), Some((TenantId([3; 8]), DekId(9))));
    }
}
