//! The HTTP rim: requests in, answers out.
//!
//! Reading order: every route in one table ([`routes`]); what all handlers share ([`Services`], [`extract`], [`body`], [`pieces`], [`error`],
//! [`middleware`]); then a file per resource. A handler extracts, asks one use-case and maps the answer; it decides nothing else.
//!
//! When a client closes its connection, its handler is dropped wherever it waits. So nothing that must be finished waits in a handler: a change is
//! submitted to the writer whole, with what is to follow once it is durable (`Writer::commit_then`); events go to the end once they have arrived
//! ([`body::to_the_end`]); and questions hold a flag that tells their threads that nobody waits any more. Over HTTP/2 a dropped stream is noticed only with
//! the next byte that is sent on it: there a question ends by its time limit at the latest.

mod agentcat;
pub mod body;
mod desk;
pub mod error;
mod events;
mod export;
pub mod extract;
mod findings;
mod first_users;
pub mod middleware;
mod ops;
mod pieces;
mod privacy;
mod proofs;
mod questions;
pub mod routes;
mod sql;
mod subjects;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::admin::Desk;
use crate::audit::trail::Trail;
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::id::TenantId;
use crate::ingest::Ingest;
use crate::keys::Vault;
use crate::kv::Kv;
use crate::limit::{AddressRule, AuthFailures};
use crate::monitor::{self, Monitor};
use crate::query::sql::Engine;
use crate::telemetry::{Metrics, Reading};
use crate::upkeep::Upkeep;

use body::{BodyBudget, BodyLimits};

/// What the operator may change while the gateway runs.
#[derive(Clone, Debug)]
pub struct Live {
    /// Where a client's address is found.
    pub address: AddressRule,
    /// Bounds of request bodies.
    pub body: BodyLimits,
    /// A session ends after this long without activity, in milliseconds.
    pub session_timeout_ms: i64,
    /// Most rows that a list gives.
    pub limit_max: usize,
    /// Most rows that a question may read.
    pub rows_max: u64,
    /// People that a cell split by people is about at least; 1 shows all.
    pub disclosure_k: u64,
    /// Most rows of an answer to SQL.
    pub sql_rows_max: usize,
    /// Most bytes of an answer to SQL.
    pub sql_answer_max: usize,
    /// How long a question may take, in milliseconds.
    pub query_timeout_ms: u64,
    /// How long an export may take, its client's reading included.
    pub export_timeout: Duration,
    /// Requests served at one time.
    pub requests_max: usize,
    /// AgentCat's `project_id` to tenant.
    pub projects: HashMap<String, TenantId>,
    /// The limits in force, as an operator reads them.
    pub limits_text: serde_json::Value,
}

/// Everything that handlers use; made by the composition root.
pub struct Services {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Checks credentials.
    pub authenticator: Authenticator,
    /// Counts refused credentials by address.
    pub failures: AuthFailures,
    /// Takes events.
    pub ingest: Arc<Ingest>,
    /// Creates tenants, keys and tokens.
    pub desk: Arc<Desk>,
    /// Records what is done.
    pub trail: Arc<Trail>,
    /// Looks after what is stored.
    pub upkeep: Arc<Upkeep>,
    /// The keys of what is sealed in small entries.
    pub vault: Arc<Vault>,
    /// Looks again at what is stored.
    pub monitor: Monitor,
    /// How it looks.
    pub monitored: ArcSwap<monitor::Settings>,
    /// The database, for reading.
    pub kv: Arc<Kv>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// What may change.
    pub live: ArcSwap<Live>,
    /// Memory for bodies, all requests together.
    pub bodies: BodyBudget,
    /// Requests being served.
    pub in_flight: AtomicUsize,
    /// Requests are served.
    pub ready: AtomicBool,
    /// Who may read `/metrics`.
    pub metrics_door: MetricsDoor,
    /// Places for exports: each holds a thread for as long as its client reads.
    pub exports: Arc<Semaphore>,
    /// Answers SQL.
    pub sql: Engine,
    /// Held by every thread that works on a question or an export, whether its client is still there or not.
    pub working: Arc<()>,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsDoor {
    /// Everybody: the operator said so.
    Open,
    /// Whoever reaches the listener, which is on loopback, without a proxy in between; others with a token.
    Loopback,
    /// Holders of a token.
    Token,
}

impl Services {
    /// What the metrics read when somebody scrapes.
    pub fn reading(&self) -> Reading {
        let ingest = &self.ingest;
        let usage = ingest.store.usage();
        Reading {
            balance: ingest.ledger.total(),
            poisoned: ingest.writer.is_poisoned(),
            full: !ingest.writer.has_room(),
            ready: self.is_ready(),
            open_bytes: (usage.open_bytes, ingest.store.open_bytes_max()),
            open_rows: usage.open_rows,
            sealed: (usage.sealed_rows, usage.sealed_bytes, usage.runs),
            blocks_opened: usage.blocks_opened,
            cached_bytes: usage.cached_bytes,
            journal_bytes: usage.journal_bytes,
            queued_bytes: ingest.writer.queued_bytes(),
            requests: self.in_flight.load(Ordering::Relaxed),
            questions: Arc::strong_count(&self.working) - 1 + self.sql.running(),
            question_bytes: usage.query_bytes + self.sql.memory(),
            dedupe: (ingest.dedupe.len(), ingest.dedupe.forgotten()),
            leaves: self.trail.leaves(),
            monitored_rows: self.monitor.rows(),
            findings: self.monitor.found().collect(),
        }
    }

    /// Whether requests are served in full: events can be taken.
    pub fn is_ready(&self) -> bool {
        let writer = &self.ingest.writer;
        let has_room = writer.has_room() && !self.ingest.store.is_full();
        has_room && self.ready.load(Ordering::Relaxed) && !writer.is_poisoned()
    }
}
