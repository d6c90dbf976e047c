//! What the gateway says of itself: log lines and metrics.
//!
//! Invariant: neither holds personal data. Labels are route patterns, methods, statuses, codes of closed lists and rule ids of the
//! policy; never a path, a key, a tenant's name or anything that a sender chose. Log lines are written through `tracing` by code that
//! has no raw event at hand.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::ingest::ledger::Balance;
use crate::kv::GroupStats;
use crate::outcome::Reason;
use crate::privacy::Receipt;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Sends log lines to standard error from now on. A second call changes nothing.
pub fn init_logging(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Below `info` libraries tell what they were sent (the HTTP server: malformed headers), whatever the filter says.
    let ours = || filter_fn(|told| told.target().starts_with("tidegate") || *told.level() <= Level::INFO);
    // The only failure is that a subscriber is there already.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).finish().with(ours()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(ours()).try_init(),
    };
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Because {
    reason: &'static str,
}

/// Stands for every rule that a tenant added: their names are the tenants' choice, and there may be any number of them.
const TENANT_RULE: &str = "tenant_rule";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Rule {
    rule: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Policy {
    policy: &'static str,
}

/// Moments that are read when somebody scrapes.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The books of all tenants.
    pub balance: Balance,
    /// Whether a write failed.
    pub poisoned: bool,
    /// Whether the disk is too full for events.
    pub full: bool,
    /// Whether requests are served.
    pub ready: bool,
    /// Bytes in open buckets, and the most that they may hold.
    pub open_bytes: (usize, usize),
    /// Rows in open buckets.
    pub open_rows: usize,
    /// Rows in sealed runs, the bytes that these take, and how many runs there are.
    pub sealed: (u64, u64, usize),
    /// Blocks of sealed runs that were decrypted since the start.
    pub blocks_opened: u64,
    /// Bytes of decoded columns that are remembered.
    pub cached_bytes: u64,
    /// Bytes in the journal.
    pub journal_bytes: u64,
    /// Bytes waiting for the writer.
    pub queued_bytes: usize,
    /// Requests that have no answer yet.
    pub requests: usize,
    /// Questions and exports that are worked on.
    pub questions: usize,
    /// Bytes that they hold.
    pub question_bytes: usize,
    /// Event ids remembered, and forgotten before their time.
    pub dedupe: (usize, u64),
    /// Audit records written.
    pub leaves: u64,
    /// Stored rows that were scanned again.
    pub monitored_rows: u64,
    /// What was found in them, by kind.
    pub findings: Vec<(&'static str, u64)>,
}

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    abandoned: Counter,
    requests_in_flight: Gauge,
    questions: Gauge,
    question_bytes: Gauge,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    commits: Histogram,
    group_size: Histogram,
    events: Family<Ended, Counter<u64, AtomicU64>>,
    redactions: Family<Rule, Counter>,
    auth_failures: Family<Because, Counter>,
    rate_limited: Family<Policy, Counter>,
    leaves: Counter,
    monitored_rows: Counter,
    findings: Family<OfKind, Counter<u64, AtomicU64>>,
    dedupe_forgotten: Counter,
    imbalance: Gauge,
    in_flight: Gauge,
    poisoned: Gauge,
    full: Gauge,
    ready: Gauge,
    open_bytes: Gauge,
    open_bytes_max: Gauge,
    open_rows: Gauge,
    sealed_rows: Gauge,
    sealed_bytes: Gauge,
    sealed_runs: Gauge,
    blocks_opened: Counter,
    cached_bytes: Gauge,
    journal_bytes: Gauge,
    queued_bytes: Gauge,
    dedupe_entries: Gauge,
}

/// From a tenth of a millisecond to some ten seconds.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("tidegate"),
            requests: Family::default(),
            abandoned: Counter::default(),
            requests_in_flight: Gauge::default(),
            questions: Gauge::default(),
            question_bytes: Gauge::default(),
            seconds: Family::new_with_constructor(latency as fn() -> Histogram),
            commits: latency(),
            group_size: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            events: Family::default(),
            redactions: Family::default(),
            auth_failures: Family::default(),
            rate_limited: Family::default(),
            leaves: Counter::default(),
            monitored_rows: Counter::default(),
            findings: Family::default(),
            dedupe_forgotten: Counter::default(),
            imbalance: Gauge::default(),
            in_flight: Gauge::default(),
            poisoned: Gauge::default(),
            full: Gauge::default(),
            ready: Gauge::default(),
            open_bytes: Gauge::default(),
            open_bytes_max: Gauge::default(),
            open_rows: Gauge::default(),
            sealed_rows: Gauge::default(),
            sealed_bytes: Gauge::default(),
            sealed_runs: Gauge::default(),
            blocks_opened: Counter::default(),
            cached_bytes: Gauge::default(),
            journal_bytes: Gauge::default(),
            queued_bytes: Gauge::default(),
            dedupe_entries: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("http_requests", "Requests by route pattern, method and status", self.requests.clone());
        r.register("http_abandoned", "Requests whose client left before the answer", self.abandoned.clone());
        r.register("http_in_flight", "Requests that have no answer yet", self.requests_in_flight.clone());
        r.register("queries_running", "Questions and exports that are worked on", self.questions.clone());
        r.register("query_bytes", "Memory held by questions and exports", self.question_bytes.clone());
        r.register_with_unit("http", "Time to answer", Unit::Seconds, self.seconds.clone());
        r.register_with_unit("commit", "Time to write and sync a commit group", Unit::Seconds, self.commits.clone());
        r.register("commit_group_size", "Submissions in a commit group", self.group_size.clone());
        r.register(
            "events",
            "Events by outcome; received is the sum of the others and those in flight",
            self.events.clone(),
        );
        r.register("redactions", "Redactions by rule", self.redactions.clone());
        r.register("auth_failures", "Refused credentials by reason", self.auth_failures.clone());
        r.register("rate_limited", "Requests refused by a rate or quota", self.rate_limited.clone());
        r.register("audit_leaves", "Audit records written", self.leaves.clone());
        r.register("monitor_rows", "Stored events that the leak monitor scanned again", self.monitored_rows.clone());
        r.register("privacy_findings", "Finds of the leak monitor in stored events, by kind", self.findings.clone());
        r.register("dedupe_forgotten", "Event ids forgotten before the window ended", self.dedupe_forgotten.clone());
        r.register("ledger_imbalance", "Events received but nowhere to be found; must be 0", self.imbalance.clone());
        r.register("events_in_flight", "Events received and not yet ended", self.in_flight.clone());
        r.register("store_poisoned", "1 after a failed write, until a restart", self.poisoned.clone());
        r.register("disk_full", "1 while less than store.disk_free_min is free", self.full.clone());
        r.register("ready", "1 while requests are served", self.ready.clone());
        r.register("open_bucket_bytes", "Memory held by open buckets", self.open_bytes.clone());
        r.register("open_bucket_bytes_max", "Memory that open buckets may hold", self.open_bytes_max.clone());
        r.register("open_rows", "Rows in open buckets", self.open_rows.clone());
        r.register("sealed_rows", "Rows in sealed runs", self.sealed_rows.clone());
        r.register("sealed_bytes", "Bytes on disk of sealed runs", self.sealed_bytes.clone());
        r.register("sealed_runs", "Sealed runs", self.sealed_runs.clone());
        r.register("blocks_opened", "Blocks of sealed runs that were decrypted", self.blocks_opened.clone());
        r.register("column_cache_bytes", "Memory of decoded columns that are remembered", self.cached_bytes.clone());
        r.register("journal_bytes", "Bytes in the journal", self.journal_bytes.clone());
        r.register("writer_queue_bytes", "Bytes waiting to be written", self.queued_bytes.clone());
        r.register("dedupe_entries", "Event ids remembered", self.dedupe_entries.clone());
    }

    /// Counts an answered request. `route` is the pattern, never the path.
    pub fn answered(&self, route: Arc<str>, method: &'static str, status: u16, took: Duration) {
        let labels = Request { route, method, status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&Route { route: labels.route }).observe(took.as_secs_f64());
    }

    /// Counts a request whose client left before the answer.
    pub fn abandoned(&self) {
        self.abandoned.inc();
    }

    /// Counts a commit group.
    pub fn committed(&self, group: GroupStats) {
        self.commits.observe(group.took.as_secs_f64());
        self.group_size.observe(group.submissions as f64);
    }

    /// Counts redactions of one request; rules that are not `known`, which tenants name themselves, are counted together.
    pub fn redacted(&self, receipt: &Receipt, known: impl Fn(&str) -> bool) {
        for (rule, n) in receipt.shared() {
            let rule = if known(rule) { Arc::clone(rule) } else { Arc::from(TENANT_RULE) };
            self.redactions.get_or_create(&Rule { rule }).inc_by(n);
        }
    }

    /// Counts a refused credential.
    pub fn auth_failed(&self, reason: &'static str) {
        self.auth_failures.get_or_create(&Because { reason }).inc();
    }

    /// Counts a request refused by a rate or quota.
    pub fn rate_limited(&self, policy: &'static str) {
        self.rate_limited.get_or_create(&Policy { policy }).inc();
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self, reading: &Reading) -> String {
        self.take(reading);
        let mut out = String::new();
        encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out
    }

    fn take(&self, reading: &Reading) {
        let Balance { received, accepted, duplicates, rejected, quarantined, in_flight } = reading.balance.clone();
        let ended = |outcome, reason, n: u64| {
            let counter = self.events.get_or_create_owned(&Ended { outcome, reason });
            counter.inner().store(n, std::sync::atomic::Ordering::Relaxed);
        };
        ended("received", "", received);
        ended("accepted", "", accepted);
        ended("duplicate", "", duplicates);
        ended("quarantined", "", quarantined);
        for (reason, n) in Reason::ALL.into_iter().zip(rejected) {
            ended("rejected", reason.code(), n);
        }
        let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.requests_in_flight.set(whole(reading.requests));
        self.questions.set(whole(reading.questions));
        self.question_bytes.set(whole(reading.question_bytes));
        self.imbalance.set(reading.balance.imbalance());
        self.in_flight.set(in_flight as i64);
        self.poisoned.set(i64::from(reading.poisoned));
        self.full.set(i64::from(reading.full));
        self.ready.set(i64::from(reading.ready));
        self.open_bytes.set(whole(reading.open_bytes.0));
        self.open_bytes_max.set(whole(reading.open_bytes.1));
        self.open_rows.set(whole(reading.open_rows));
        let large = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let (rows, bytes, runs) = reading.sealed;
        self.sealed_rows.set(large(rows));
        self.sealed_bytes.set(large(bytes));
        self.sealed_runs.set(whole(runs));
        self.blocks_opened.inner().store(reading.blocks_opened, std::sync::atomic::Ordering::Relaxed);
        self.cached_bytes.set(large(reading.cached_bytes));
        self.journal_bytes.set(large(reading.journal_bytes));
        self.queued_bytes.set(whole(reading.queued_bytes));
        self.dedupe_entries.set(whole(reading.dedupe.0));
        self.dedupe_forgotten.inner().store(reading.dedupe.1, std::sync::atomic::Ordering::Relaxed);
        self.monitored_rows.inner().store(reading.monitored_rows, std::sync::atomic::Ordering::Relaxed);
        for (kind, n) in &reading.findings {
            let counter = self.findings.get_or_create_owned(&OfKind { kind });
            counter.inner().store(*n, std::sync::atomic::Ordering::Relaxed);
        }
        self.leaves.inner().store(reading.leaves, std::sync::atomic::Ordering::Relaxed);
    }
}
