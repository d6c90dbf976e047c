//! What goes into the store comes out of it: live, after a restart, and not past its time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::need::Need;
use super::row::{Row, TextColumn};
use super::*;
use crate::clock::{DAY_MS, HOUR_MS};
use crate::kv::{Writer, WriterSettings};
use crate::privacy::event::{Fields, RawEvent};
use crate::privacy::json::Json;
use crate::privacy::{self, DEFAULT_POLICY, PseudonymKeys, Receipt, Scrubber, Settings, Signals};

const NOW: Millis = Millis(20_000 * DAY_MS + 5 * HOUR_MS);
const KEEP: Retention = Retention { keep_ms: [DAY_MS, 30 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS] };
const EVER: (Millis, Millis) = (Millis(i64::MIN), Millis(i64::MAX));
const POLICY: [u8; POLICY_MARK_BYTES] = [9; POLICY_MARK_BYTES];

/// An open store with its writer.
struct Bench {
    kv: Arc<Kv>,
    store: Arc<Store>,
    writer: Writer,
}

impl Bench {
    fn open(dir: &std::path::Path, now: Millis) -> Bench {
        let kv = Arc::new(Kv::open(dir).unwrap());
        let store = Arc::new(Store::open(&kv, KEEP, now).unwrap());
        let settings = WriterSettings {
            linger: Duration::ZERO,
            group_bytes_max: 1 << 18,
            queue_bytes_max: 1 << 24,
            disk_free_min: 0,
        };
        let writer = Writer::start(Arc::clone(&kv), vec![Arc::clone(&store) as _], settings, |_| ()).unwrap();
        Bench { kv, store, writer }
    }

    fn append(&self, tenant: TenantId, rows: EncodedRows) {
        let store = Arc::clone(&self.store);
        self.writer.commit(move |_| store.stage(tenant, POLICY, &rows, |_| true)).unwrap();
    }

    /// Every visible row of a tenant as text, sorted, for comparison.
    fn rows(&self, tenant: TenantId, now: Millis) -> Vec<String> {
        let mut rows = Vec::new();
        for part in self.store.read(tenant, EVER.0, EVER.1, now) {
            let loaded = part.load(&Need::all()).unwrap();
            rows.extend(loaded.rows().map(|row| format!("{:?}", loaded.columns().row(row).unwrap())));
        }
        rows.sort();
        rows
    }
}

/// Events made by the real pipeline: there is no other way to get clean ones.
fn encode(events: &[(EventType, i64, u8)]) -> EncodedRows {
    let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &Settings::default()).unwrap();
    let keys = PseudonymKeys { user: &[1; 32], address: &[2; 32], session: &[3; 32] };
    let mut rows = EncodedRows::default();
    for (event_type, received, seed) in events {
        let fields = Fields {
            event_type: Some(*event_type),
            name: Some(format!("tool-{}", seed % 5).into()),
            session: seed.is_multiple_of(3).then(|| format!("session-{}", seed % 7).into()),
            user: seed.is_multiple_of(2).then(|| format!("user-{}", seed % 4).into()),
            timestamp: seed.is_multiple_of(2).then(|| Millis(received - i64::from(*seed))),
            duration_ms: seed.is_multiple_of(5).then(|| f64::from(*seed) / 3.0),
            ok: (!seed.is_multiple_of(4)).then_some(seed.is_multiple_of(3)),
            status: seed.is_multiple_of(7).then_some(500),
            error_message: seed.is_multiple_of(11).then(|| "it broke".into()),
            attributes: vec![("n".into(), Json::Int(i64::from(*seed)))],
            ..Fields::default()
        };
        let received = Millis(*received);
        let context =
            privacy::Context { keys, client_address: None, user_agent: None, signals: Signals::default(), received };
        let clean = scrubber.scrub(RawEvent::new(fields), &context, &mut Receipt::default()).unwrap();
        rows.push(&clean, received);
    }
    rows
}

fn event_types() -> impl Strategy<Value = EventType> {
    proptest::sample::select(EventType::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn readers_see_the_same_rows_live_and_after_a_restart(batches in proptest::collection::vec((0..3u8, proptest::collection::vec((event_types(), 0..HOUR_MS, any::<u8>()), 0..40)), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let tenant = |n: u8| TenantId([n; 8]);
        let bench = Bench::open(dir.path(), NOW);
        let mut sent = 0;
        for (owner, events) in &batches {
            let events: Vec<_> = events.iter().map(|(kind, at, seed)| (*kind, NOW.0 - at, *seed)).collect();
            sent += events.len();
            bench.append(tenant(*owner), encode(&events));
        }
        let before: Vec<_> = (0..3).map(|n| bench.rows(tenant(n), NOW)).collect();
        prop_assert_eq!(before.iter().map(Vec::len).sum::<usize>(), sent);
        bench.writer.stop();
        drop(bench);
        let again = Bench::open(dir.path(), NOW);
        let after: Vec<_> = (0..3).map(|n| again.rows(tenant(n), NOW)).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(check(&again.kv).unwrap().1, sent as u64);
    }

    #[test]
    fn a_changed_byte_in_a_frame_is_damage_and_never_other_rows(position in any::<proptest::sample::Index>(), change in 1..=255u8) {
        let mut frame = journal::Frame::default();
        let rows = encode(&[(EventType::McpToolCall, NOW.0, 1), (EventType::Custom, NOW.0, 2)]);
        for index in 0..rows.len() {
            frame.push(TenantId([1; 8]), POLICY, NOW, rows.get(index).unwrap());
        }
        let mut value = frame.encode(&mut journal::Packer::new().unwrap());
        let mut seen = 0;
        journal::visit_value(&value, &mut |_, _| seen += 1).unwrap();
        prop_assert_eq!(seen, 2);
        let at = position.index(value.len());
        value[at] ^= change;
        prop_assert!(journal::visit_value(&value, &mut |_, _| ()).is_err());
        prop_assert!(journal::visit_value(&value[..at], &mut |_, _| ()).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_never_taken_for_rows_with_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Row::decode(&bytes);
        let _ = journal::visit_value(&bytes, &mut |_, _| ());
    }
}

#[test]
fn rows_past_their_retention_are_hidden_at_once_and_then_gone_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = TenantId([1; 8]);
    let bench = Bench::open(dir.path(), NOW);
    bench.append(tenant, encode(&[(EventType::HttpRequest, NOW.0, 1), (EventType::McpToolCall, NOW.0, 2)]));
    let later = NOW.plus(DAY_MS + 1);
    assert_eq!(bench.rows(tenant, NOW).len(), 2);
    assert_eq!(bench.rows(tenant, later).len(), 1, "http is kept for a day");
    let store = Arc::clone(&bench.store);
    let expired = bench.writer.commit(move |batch| store.stage_expiry(later, batch)).unwrap();
    assert_eq!(expired, Expired { frames: 1, rows: 1 });
    assert_eq!(check(&bench.kv).unwrap(), (1, 1), "only the mcp frame is left");
    assert_eq!(bench.rows(tenant, later).len(), 1);
}

#[test]
fn a_range_of_time_includes_its_beginning_and_excludes_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = TenantId([1; 8]);
    let bench = Bench::open(dir.path(), NOW);
    bench.append(tenant, encode(&[(EventType::Custom, NOW.0, 1)]));
    let count = |from, to| {
        bench
            .store
            .read(tenant, from, to, NOW)
            .iter()
            .map(|part| part.load(&Need::NONE).unwrap().rows().count())
            .sum::<usize>()
    };
    assert_eq!(count(NOW, NOW.plus(1)), 1);
    assert_eq!(count(NOW.plus(-1), NOW), 0);
    assert_eq!(count(NOW.plus(1), NOW.plus(2)), 0);
}

#[test]
fn a_reader_keeps_what_it_took_while_the_bucket_grows() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = TenantId([1; 8]);
    let bench = Bench::open(dir.path(), NOW);
    bench.append(tenant, encode(&[(EventType::Custom, NOW.0, 1)]));
    let held = bench.store.read(tenant, EVER.0, EVER.1, NOW);
    bench.append(tenant, encode(&vec![(EventType::Custom, NOW.0, 2); 5_000]));
    assert_eq!(held.iter().map(|part| part.load(&Need::NONE).unwrap().rows().count()).sum::<usize>(), 1);
    assert_eq!(bench.rows(tenant, NOW).len(), 5_001);
    assert_eq!(bench.store.usage().rows, 5_001);
}

#[test]
fn an_unknown_format_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    bench.writer.commit(|batch| batch.put(Family::Meta, key::META_FORMAT, &[7])).unwrap();
    bench.writer.stop();
    assert!(matches!(Store::open(&bench.kv, KEEP, NOW), Err(Error::Format { found: 7 })));
}

#[test]
fn every_member_of_an_event_has_its_column() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    let tenant = TenantId([1; 8]);
    let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &Settings::default()).unwrap();
    let text = |n: usize| Some(format!("text {n}").into());
    let fields = Fields {
        event_type: Some(EventType::Log),
        name: text(0),
        session: text(1),
        client_name: text(5),
        client_version: text(6),
        server_name: text(7),
        server_version: text(8),
        model: text(9),
        language: text(10),
        error_type: text(11),
        error_message: text(12),
        method: text(13),
        path: text(14),
        unit: text(15),
        severity: text(16),
        body: text(17),
        trace_id: text(18),
        span_id: text(19),
        parent_id: text(20),
        ..Fields::default()
    };
    let keys = PseudonymKeys { user: &[1; 32], address: &[2; 32], session: &[3; 32] };
    let context =
        privacy::Context { keys, client_address: None, user_agent: None, signals: Signals::default(), received: NOW };
    let clean = scrubber.scrub(RawEvent::new(fields), &context, &mut Receipt::default()).unwrap();
    let mut rows = EncodedRows::default();
    rows.push(&clean, NOW);
    bench.append(tenant, rows);
    let parts = bench.store.read(tenant, EVER.0, EVER.1, NOW);
    let loaded = parts[0].load(&Need::all()).unwrap();
    let columns = loaded.columns();
    for column in TextColumn::ALL {
        let pseudonymous = matches!(column, TextColumn::User | TextColumn::Ip | TextColumn::Country);
        let expected = (!pseudonymous).then(|| format!("text {}", column as usize));
        assert_eq!(columns.text(column, 0).map(str::to_owned), expected, "{column:?}");
    }
}
