//! What goes into the store comes out of it: live, after a restart, sealed, and not past its time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::need::{Need, Plain};
use super::row::{Row, TextColumn};
use super::*;
use crate::clock::{DAY_MS, HOUR_MS};
use crate::id::SystemEntropy;
use crate::keys::{FileKeks, KeyFile};
use crate::kv::{Writer, WriterSettings};
use crate::privacy::event::{EventType, Fields, RawEvent};
use crate::privacy::json::Json;
use crate::privacy::{self, DEFAULT_POLICY, PseudonymKeys, Receipt, Scrubber, Signals};

const NOW: Millis = Millis(20_000 * DAY_MS + 5 * HOUR_MS);
const KEEP: Retention = Retention { keep_ms: [DAY_MS, 30 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS] };
const EVER: (Millis, Millis) = (Millis(i64::MIN), Millis(i64::MAX));
const POLICY: [u8; POLICY_MARK_BYTES] = [9; POLICY_MARK_BYTES];
const SETTINGS: super::Settings =
    super::Settings { retention: KEEP, memory_max: 64 << 20, rollup_k: 3, missing_keys: MissingKeys::Refuse };

/// An open store with its writer and keys.
struct Bench {
    kv: Arc<Kv>,
    vault: Arc<Vault>,
    store: Arc<Store>,
    writer: Writer,
}

impl Bench {
    fn open(dir: &std::path::Path, now: Millis) -> Bench {
        Bench::try_open(dir, now).unwrap()
    }

    fn try_open(dir: &std::path::Path, now: Millis) -> Result<Bench, Error> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let kv = Arc::new(Kv::open(&dir.join("db")).unwrap());
        let file = Arc::new(KeyFile::open(&dir.join("keys"), &*entropy).unwrap());
        let keks = Arc::new(FileKeks::new(Arc::clone(&file), Arc::clone(&entropy)));
        let vault = Arc::new(Vault::new(file, keks, Arc::clone(&entropy)));
        let store = Arc::new(Store::open(&kv, &vault, &entropy, SETTINGS, now)?);
        let settings = WriterSettings {
            linger: Duration::ZERO,
            group_bytes_max: 1 << 18,
            queue_bytes_max: 1 << 24,
            disk_free_min: 0,
        };
        let writer = Writer::start(Arc::clone(&kv), vec![Arc::clone(&store) as _], settings, |_| ()).unwrap();
        Ok(Bench { kv, vault, store, writer })
    }

    fn append(&self, tenant: TenantId, rows: EncodedRows) {
        let store = Arc::clone(&self.store);
        self.writer.commit(move |_| store.stage(tenant, POLICY, &rows, |_| true)).unwrap();
    }

    /// Makes a change as `upkeep` does, without records.
    fn make(&self, rewrite: Rewrite) -> bool {
        let something = !rewrite.is_empty();
        let rewrite = Arc::new(rewrite);
        let (store, staged) = (Arc::clone(&self.store), Arc::clone(&rewrite));
        self.writer.commit(move |batch| store.stage_rewrite(&staged, batch)).unwrap();
        self.store.show_rewrite(&rewrite);
        let done = self.store.destroy_removed(&rewrite).unwrap();
        let store = Arc::clone(&self.store);
        self.writer.commit(move |batch| store.stage_done(&done, batch)).unwrap();
        something
    }

    fn seal(&self) {
        while self.make(self.store.seal(Which::All, NOW).unwrap()) {}
        let store = Arc::clone(&self.store);
        let dropped = self.writer.commit(move |batch| store.stage_journal_drop(batch)).unwrap();
        self.store.destroy_journal_keys(&dropped).unwrap();
    }

    fn close(&self, now: Millis) {
        while self.make(self.store.close_buckets(now).unwrap()) {}
    }

    fn expire(&self, now: Millis) {
        while self.make(self.store.expire(now).unwrap().0) {}
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

    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        check::check(&self.kv, &self.vault, &mut |finding| {
            findings.push(format!("{}: {}", finding.place, finding.error))
        })
        .unwrap();
        findings
    }
}

/// Events made by the real pipeline: there is no other way to get clean ones.
fn encode(events: &[(EventType, i64, u8)]) -> EncodedRows {
    let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &privacy::Settings::default()).unwrap();
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
        let context = privacy::Context {
            keys,
            client_address: None,
            geo: None,
            user_agent: None,
            signals: Signals::default(),
            received,
        };
        let clean = scrubber.scrub(RawEvent::new(fields), &context, &mut Receipt::default()).unwrap();
        rows.push(&clean, received);
    }
    rows
}

fn event_types() -> impl Strategy<Value = EventType> {
    proptest::sample::select(EventType::ALL.to_vec())
}

type Batches = Vec<(u8, Vec<(EventType, i64, u8)>)>;

fn batches() -> impl Strategy<Value = Batches> {
    let events = proptest::collection::vec((event_types(), 0..HOUR_MS, any::<u8>()), 0..40);
    proptest::collection::vec((0..3u8, events), 1..8)
}

fn tenant(n: u8) -> TenantId {
    TenantId([n; 8])
}

fn fill(bench: &Bench, batches: &Batches) -> usize {
    let mut sent = 0;
    for (owner, events) in batches {
        let events: Vec<_> = events.iter().map(|(kind, at, seed)| (*kind, NOW.0 - at, *seed)).collect();
        sent += events.len();
        bench.append(tenant(*owner), encode(&events));
    }
    sent
}

fn everything(bench: &Bench) -> Vec<Vec<String>> {
    (0..3).map(|n| bench.rows(tenant(n), NOW)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn readers_see_the_same_rows_live_sealed_merged_and_after_every_restart(first in batches(), second in batches()) {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), NOW);
        let mut sent = fill(&bench, &first);
        let live = everything(&bench);
        prop_assert_eq!(live.iter().map(Vec::len).sum::<usize>(), sent);
        bench.seal();
        prop_assert_eq!(&everything(&bench), &live, "sealed");
        prop_assert_eq!(bench.store.usage().open_rows, 0);
        sent += fill(&bench, &second);
        let both = everything(&bench);
        prop_assert_eq!(both.iter().map(Vec::len).sum::<usize>(), sent);
        bench.writer.stop();
        drop(bench);
        let again = Bench::open(dir.path(), NOW);
        prop_assert_eq!(&everything(&again), &both, "after a restart, partly sealed");
        again.seal();
        again.close(NOW.plus(2 * DAY_MS));
        prop_assert_eq!(&everything(&again), &both, "merged");
        let runs = again.store.usage().runs;
        again.close(NOW.plus(2 * DAY_MS));
        prop_assert_eq!(again.store.usage().runs, runs, "closed once");
        again.writer.stop();
        drop(again);
        let last = Bench::open(dir.path(), NOW);
        prop_assert_eq!(&everything(&last), &both, "merged, after a restart");
        prop_assert_eq!(last.findings(), Vec::<String>::new());
    }

    #[test]
    fn a_changed_byte_in_a_frame_is_damage_and_never_other_rows(position in any::<proptest::sample::Index>(), change in 1..=255u8) {
        let key = keys::Secret::new([3; 32]);
        let mut frame = Frame::default();
        let rows = encode(&[(EventType::McpToolCall, NOW.0, 1), (EventType::Custom, NOW.0, 2)]);
        for index in 0..rows.len() {
            frame.push(TenantId([1; 8]), POLICY, NOW, rows.get(index).unwrap());
        }
        let mut value = frame.encode(&key, b"place", [7; 12], &mut journal::Packer::new().unwrap());
        let mut seen = 0;
        journal::visit_value(&key, b"place", 5, &value, &mut |sequence, _, policy, _| seen += usize::from(sequence == 5 && policy == POLICY)).unwrap();
        prop_assert_eq!(seen, 2);
        let visit = |key: &keys::Secret, place: &[u8], value: &[u8]| journal::visit_value(key, place, 5, value, &mut |_, _, _, _| ());
        prop_assert!(visit(&key, b"plaice", &value).is_err());
        prop_assert!(visit(&keys::Secret::new([4; 32]), b"place", &value).is_err());
        let at = position.index(value.len());
        value[at] ^= change;
        prop_assert!(visit(&key, b"place", &value).is_err());
        prop_assert!(visit(&key, b"place", &value[..at]).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_never_taken_for_rows_with_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Row::decode(&bytes);
        let _ = journal::visit_value(&keys::Secret::new([3; 32]), b"", 0, &bytes, &mut |_, _, _, _| ());
    }
}

#[test]
fn rows_past_their_retention_are_hidden_at_once_and_then_gone_from_memory_and_disk() {
    for sealed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::open(dir.path(), NOW);
        bench.append(tenant(1), encode(&[(EventType::HttpRequest, NOW.0, 1), (EventType::McpToolCall, NOW.0, 2)]));
        if sealed {
            bench.seal();
            assert_eq!(bench.vault.deks().len(), 2);
        }
        let later = NOW.plus(DAY_MS + 1);
        assert_eq!(bench.rows(tenant(1), NOW).len(), 2);
        assert_eq!(bench.rows(tenant(1), later).len(), 1, "http is kept for a day");
        bench.expire(later);
        assert_eq!(bench.rows(tenant(1), NOW).len(), 1, "even at an earlier moment it is gone");
        if sealed {
            assert_eq!((bench.vault.deks().len(), bench.kv.files(Family::Sealed).unwrap().len()), (1, 1));
        }
        assert_eq!(bench.findings(), Vec::<String>::new());
    }
}

#[test]
fn a_tenant_on_hold_keeps_and_sees_everything_and_the_hold_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    for n in [1, 2] {
        bench.append(tenant(n), encode(&[(EventType::HttpRequest, NOW.0, 1)]));
    }
    bench.seal();
    let store = Arc::clone(&bench.store);
    bench.writer.commit(move |batch| store.stage_hold(tenant(1), true, batch)).unwrap();
    bench.store.show_hold(tenant(1), true);
    let later = NOW.plus(10 * DAY_MS);
    bench.expire(later);
    assert_eq!((bench.rows(tenant(1), later).len(), bench.rows(tenant(2), later).len()), (1, 0));
    assert_eq!(bench.vault.deks().len(), 1, "the other tenant's key is gone, though the file that both are in stays");
    bench.writer.stop();
    drop(bench);
    let bench = Bench::open(dir.path(), later);
    assert_eq!(bench.rows(tenant(1), later).len(), 1);
    let store = Arc::clone(&bench.store);
    bench.writer.commit(move |batch| store.stage_hold(tenant(1), false, batch)).unwrap();
    bench.store.show_hold(tenant(1), false);
    bench.expire(later);
    assert_eq!((bench.vault.deks().len(), bench.kv.files(Family::Sealed).unwrap().len()), (0, 0));
}

#[test]
fn a_range_of_time_includes_its_beginning_and_excludes_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    bench.append(tenant(1), encode(&[(EventType::Custom, NOW.0, 1), (EventType::Custom, NOW.0 - 10, 1)]));
    let count = |from, to| {
        let parts = bench.store.read(tenant(1), from, to, NOW);
        parts.iter().map(|part| part.load(&Need::NONE).unwrap().rows().count()).sum::<usize>()
    };
    for _ in 0..2 {
        assert_eq!(count(NOW, NOW.plus(1)), 1);
        assert_eq!(count(NOW.plus(-1), NOW), 0);
        assert_eq!(count(NOW.plus(-10), NOW), 1);
        assert_eq!(count(NOW.plus(-10), NOW.plus(1)), 2);
        assert_eq!(count(NOW.plus(1), NOW.plus(2)), 0);
        bench.seal();
    }
}

#[test]
fn a_reader_keeps_what_it_took_while_the_bucket_grows_and_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    bench.append(tenant(1), encode(&[(EventType::Custom, NOW.0, 1)]));
    let held = bench.store.read(tenant(1), EVER.0, EVER.1, NOW);
    bench.append(tenant(1), encode(&vec![(EventType::Custom, NOW.0, 2); 5_000]));
    bench.seal();
    assert_eq!(held.iter().map(|part| part.load(&Need::NONE).unwrap().rows().count()).sum::<usize>(), 1);
    assert_eq!(bench.rows(tenant(1), NOW).len(), 5_001);
}

#[test]
fn only_the_blocks_that_are_needed_are_decrypted_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    let events: Vec<_> = (0..2_000).map(|n| (EventType::McpToolCall, NOW.0 - n, (n % 200) as u8)).collect();
    bench.append(tenant(1), encode(&events));
    bench.seal();
    let opened = || bench.store.reader().blocks_opened();
    let load = |need: &Need| {
        let parts = bench.store.read(tenant(1), EVER.0, EVER.1, NOW);
        parts.iter().map(|part| part.load(need).unwrap().rows().count()).sum::<usize>()
    };
    let before = opened();
    assert_eq!(load(&Need::NONE), 2_000);
    assert_eq!(opened() - before, 1, "the layout");
    assert_eq!(load(&Need::NONE.plain(Plain::Duration)), 2_000);
    assert!(opened() - before <= 3, "one column, and at most one that it is read beside");
    let before = opened();
    assert_eq!(load(&Need::NONE.plain(Plain::Duration)), 2_000);
    assert_eq!(opened(), before, "remembered");
    let past = bench.store.read(tenant(1), NOW.plus(1), EVER.1, NOW);
    assert!(past.is_empty(), "a run outside of the range is not even opened");
}

#[test]
fn an_unknown_format_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    bench.writer.commit(|batch| batch.put(Family::Meta, key::META_FORMAT, &[7])).unwrap();
    bench.writer.stop();
    drop(bench);
    assert!(matches!(Bench::try_open(dir.path(), NOW), Err(Error::Format { found: 7 })));
}

#[test]
fn a_database_without_its_keys_is_refused_and_nothing_is_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    bench.append(tenant(1), encode(&[(EventType::Custom, NOW.0, 1)]));
    let early = std::fs::read(dir.path().join("keys")).unwrap();
    bench.seal();
    bench.append(tenant(1), encode(&[(EventType::Custom, NOW.0, 2)]));
    bench.writer.stop();
    drop(bench);
    let late = std::fs::read(dir.path().join("keys")).unwrap();
    std::fs::write(dir.path().join("keys"), early).unwrap();
    assert!(matches!(Bench::try_open(dir.path(), NOW), Err(Error::KeysMissing { runs: 1, .. })));
    std::fs::write(dir.path().join("keys"), late).unwrap();
    assert_eq!(Bench::open(dir.path(), NOW).rows(tenant(1), NOW).len(), 2);
}

#[test]
fn every_member_of_an_event_has_its_column() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    let tenant = TenantId([1; 8]);
    let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &privacy::Settings::default()).unwrap();
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
    let context = privacy::Context {
        keys,
        client_address: None,
        geo: None,
        user_agent: None,
        signals: Signals::default(),
        received: NOW,
    };
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

#[test]
fn the_cache_does_not_lose_count_when_what_it_holds_grows_by_reading() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::open(dir.path(), NOW);
    let events: Vec<_> = (0..2_000).map(|n| (EventType::McpToolCall, NOW.0 - n, (n % 200) as u8)).collect();
    for _ in 0..2 {
        bench.append(tenant(1), encode(&events));
        bench.seal();
    }
    assert_eq!(bench.rows(tenant(1), NOW).len(), 4_000);
    assert!(bench.store.usage().cached_bytes > 0);
    bench.expire(NOW.plus(31 * DAY_MS));
    assert_eq!(bench.store.usage().cached_bytes, 0);
}
