//! Each room alone, beside a baseline of the same work.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use regex_automata::meta::Regex;
use serde_json::Value;
use tempfile::TempDir;

use tidegate::clock::{DAY_MS, Millis};
use tidegate::id::{Entropy, SystemEntropy, TenantId};
use tidegate::keys::{FileKeks, KeyFile, Vault};
use tidegate::kv::{Kv, Writer, WriterSettings};
use tidegate::privacy::{self, Context, PseudonymKeys, Receipt, Scrubber, Settings, Signals};
use tidegate::protocol::native::{self, Form};
use tidegate::protocol::{self, Limits};
use tidegate::query::disclosure::Guard;
use tidegate::query::params::Question;
use tidegate::query::{Params, Scan, series, summary, top};
use tidegate::store::need::Need;
use tidegate::store::{self, EncodedRows, MissingKeys, POLICY_MARK_BYTES, Retention, Store};

use crate::events::{BEGIN_MS, Body, Ids, Source};

/// Events in a request.
const BATCH: usize = 100;
/// Different requests, so that no branch or cache learns one by heart.
const BODIES: usize = 50;
/// Rows that a question reads.
const STORED: usize = 100_000;
const LIMITS: Limits = Limits { events_max: 10_000, event_max: 512 * 1024, depth_max: 32 };
const NOW: Millis = Millis(BEGIN_MS as i64 + DAY_MS);
const TENANT: TenantId = TenantId([7; 8]);
const POLICY: [u8; POLICY_MARK_BYTES] = [1; POLICY_MARK_BYTES];
const SETTINGS: store::Settings = store::Settings {
    retention: Retention { keep_ms: [30 * DAY_MS; _] },
    memory_max: 1 << 30,
    rollup_k: 10,
    missing_keys: MissingKeys::Refuse,
};
const TIMEOUT_MS: i64 = 30 * 60_000;

/// E-mail, card, US social security number, telephone, IPv4, bearer: six patterns as people write them.
const PLAIN_PATTERNS: [&str; 6] = [
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"\b\d(?:[ -]?\d){12,18}\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"(?:\+\d{1,3}[ .-]?)?\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{16,}",
];

/// Runs every group that the command line asks for.
pub(crate) fn run() {
    let mut criterion = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    decode(&mut criterion);
    scrub(&mut criterion);
    crate::privacy::run(&mut criterion);
    store(&mut criterion);
    query(&mut criterion);
    criterion.final_summary();
}

fn bodies() -> Vec<Body> {
    let mut source = Source::new(7);
    (0..BODIES).map(|_| source.body(BATCH, Ids::None)).collect()
}

fn decoded(body: &Body) -> protocol::Batch<'_> {
    native::decode(&body.bytes, Form::Json, &LIMITS).expect("the made-up events are valid")
}

/// Bytes to events.
fn decode(criterion: &mut Criterion) {
    let bodies = bodies();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut turn = bodies.iter().cycle();
    group.bench_function("baseline: serde_json::Value", |bench| {
        bench.iter(|| turn.next().map(|body| serde_json::from_slice::<Value>(&body.bytes)));
    });
    group.bench_function("native", |bench| bench.iter(|| turn.next().map(|body| decoded(body).len())));
    group.finish();
}

/// Events to clean events.
fn scrub(criterion: &mut Criterion) {
    let bodies = bodies();
    let scrubber = scrubber();
    let mut group = criterion.benchmark_group("scrub");
    group.throughput(Throughput::Elements(BATCH as u64));

    let patterns = Regex::new_many(&PLAIN_PATTERNS).expect("the patterns compile");
    let values: Vec<Value> = bodies.iter().filter_map(|body| serde_json::from_slice(&body.bytes).ok()).collect();
    let mut turn = values.iter().cycle();
    group.bench_function("baseline: find six plain patterns", |bench| {
        bench.iter(|| turn.next().map(|value| matches(&patterns, value)));
    });

    let mut turn = bodies.iter().cycle();
    group.bench_function("strict", |bench| {
        let batch = || turn.next().map(decoded).unwrap_or_default();
        bench.iter_batched(batch, |batch| scrubbed(&scrubber, batch).bytes(), BatchSize::LargeInput);
    });
    group.finish();
}

fn scrubber() -> Scrubber {
    Scrubber::from_toml(privacy::DEFAULT_POLICY, &Settings::default()).expect("the default policy compiles")
}

/// Finds in all texts of a value.
fn matches(patterns: &Regex, value: &Value) -> usize {
    match value {
        Value::String(text) => patterns.find_iter(text).count(),
        Value::Array(items) => items.iter().map(|item| matches(patterns, item)).sum(),
        Value::Object(members) => members.values().map(|member| matches(patterns, member)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Scrubs a batch and encodes what is left, as ingest does.
fn scrubbed(scrubber: &Scrubber, batch: protocol::Batch<'_>) -> EncodedRows {
    let (user, address, session) = ([1; 32], [2; 32], [3; 32]);
    let context = Context {
        keys: PseudonymKeys { user: &user, address: &address, session: &session },
        client_address: None,
        geo: None,
        user_agent: None,
        signals: Signals::default(),
        received: NOW,
    };
    let mut receipt = Receipt::default();
    let mut rows = EncodedRows::default();
    for raw in batch.into_iter().flatten() {
        if let Ok(clean) = scrubber.scrub(raw, &context, &mut receipt) {
            rows.push(&clean, NOW);
        }
    }
    black_box(receipt);
    rows
}

/// A store on an empty directory with its writer.
struct Shelf {
    kv: Arc<Kv>,
    vault: Arc<Vault>,
    entropy: Arc<dyn Entropy>,
    store: Arc<Store>,
    writer: Writer,
    dir: TempDir,
}

impl Shelf {
    fn new() -> Shelf {
        // Not the system's temporary folder: that may lie in memory, where syncing costs nothing.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build's folder is writable");
        let kv = Arc::new(Kv::open(&dir.path().join("db")).expect("an empty database opens"));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let file = KeyFile::open(&dir.path().join("keys"), &*entropy).expect("a new key file can be made");
        let file = Arc::new(file);
        let keks = Arc::new(FileKeks::new(Arc::clone(&file), Arc::clone(&entropy)));
        let vault = Arc::new(Vault::new(file, keks, Arc::clone(&entropy)));
        let store = Arc::new(Store::open(&kv, &vault, &entropy, SETTINGS, NOW).expect("an empty store opens"));
        let settings = WriterSettings {
            linger: Duration::from_millis(1),
            group_bytes_max: 256 * 1024,
            queue_bytes_max: 64 << 20,
            disk_free_min: 0,
        };
        let writer = Writer::start(Arc::clone(&kv), vec![Arc::clone(&store) as _], settings, |_| {});
        Shelf { kv, vault, entropy, store, writer: writer.expect("a thread starts"), dir }
    }

    /// Makes rows durable.
    fn commit(&self, rows: Arc<EncodedRows>) {
        let store = Arc::clone(&self.store);
        let committed = self.writer.commit(move |_| store.stage(TENANT, POLICY, &rows, |_| true));
        committed.expect("the disk of a benchmark has room");
    }
}

/// Clean rows to the disk, and back at start.
fn store(criterion: &mut Criterion) {
    let (bodies, scrubber) = (bodies(), scrubber());
    let batches: Vec<Arc<EncodedRows>> =
        bodies.iter().map(|body| Arc::new(scrubbed(&scrubber, decoded(body)))).collect();
    let shelf = Shelf::new();
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH as u64));

    let mut file = File::create(shelf.dir.path().join("baseline")).expect("the build's folder is writable");
    let mut turn = bodies.iter().cycle();
    group.bench_function("baseline: append and fdatasync", |bench| {
        bench.iter(|| turn.next().map(|body| file.write_all(&body.bytes).and_then(|()| file.sync_data())));
    });
    let mut turn = batches.iter().cycle();
    group.bench_function("commit", |bench| bench.iter(|| turn.next().map(|rows| shelf.commit(Arc::clone(rows)))));
    group.finish();

    let shelf = Shelf::new();
    batches.iter().cycle().take(200).for_each(|rows| shelf.commit(Arc::clone(rows)));
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(200 * BATCH as u64));
    group.bench_function("replay", |bench| {
        let open = || Store::open(&shelf.kv, &shelf.vault, &shelf.entropy, SETTINGS, NOW);
        bench.iter(|| open().map(|store| store.usage().open_rows))
    });
    group.finish();
    shelf.writer.stop();
}

/// Stored rows to answers.
fn query(criterion: &mut Criterion) {
    let scrubber = scrubber();
    let shelf = Shelf::new();
    let mut source = Source::new(7);
    for _ in 0..STORED / 1000 {
        let body = source.body(1000, Ids::None);
        shelf.commit(Arc::new(scrubbed(&scrubber, decoded(&body))));
    }
    let pairs = [("from", "2025-05-31T00:00:00Z"), ("to", "2025-06-03T00:00:00Z")];
    let params = |question| Params::parse(question, pairs, NOW, 10_000).expect("the parameters are valid");
    let read = |params: &Params| shelf.store.read(TENANT, params.from, params.to, NOW);

    let mut group = criterion.benchmark_group("query");
    group.throughput(Throughput::Elements(STORED as u64));
    let parts = read(&params(Question::Summary));
    group.bench_function("baseline: count times in range", |bench| {
        bench.iter(|| {
            parts.iter().filter_map(|part| part.load(&Need::NONE).ok()).map(|rows| rows.rows().count()).sum::<usize>()
        });
    });
    let asked = params(Question::Summary);
    group.bench_function("summary", |bench| {
        bench.iter(|| {
            let parts = read(&asked);
            Scan::new(&parts, u64::MAX)
                .and_then(|scan| summary::summary(&scan, &asked, TIMEOUT_MS))
                .map(|answer| answer.events)
        });
    });
    let asked = params(Question::Series);
    group.bench_function("series", |bench| {
        bench.iter(|| {
            let parts = read(&asked);
            Scan::new(&parts, u64::MAX).and_then(|scan| series::series(&scan, &asked)).map(|answer| answer.points.len())
        });
    });
    let asked = params(Question::Top);
    group.bench_function("top", |bench| {
        bench.iter(|| {
            let parts = read(&asked);
            Scan::new(&parts, u64::MAX)
                .and_then(|scan| top::top(&scan, &asked, Guard::OFF))
                .map(|answer| answer.rows.len())
        });
    });
    group.finish();
    shelf.writer.stop();
}
