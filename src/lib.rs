//! Tidegate: a privacy-first edge ingestion gateway with an embedded time-series store.
//!
//! This is the tour; the modules stand in the order in which to read them. Raw events come in at the top and leave as answers and proofs:
//!
//! ```text
//! bytes ─► authenticate ─► admit ─► decode ─► RawEvent ─► scrub ─► CleanEvent ─► journal ─► ack
//!          auth            limit    protocol              privacy                store
//! query ─► authenticate ─► open buckets ─► answer (and an audit record: reading is access)
//!          auth            store, query    http            audit
//! ```
//!
//! Layers, each importing only what stands above it: words ([`clock`], [`id`], [`outcome`], [`quoted`], [`sketch`], [`unit`]); floor ([`kv`], [`keys`]); mechanisms ([`auth`],
//! [`limit`], [`privacy`], [`store`], [`audit`]); use-cases ([`protocol`], [`ingest`], [`query`], [`upkeep`], [`monitor`], [`admin`]); rims ([`http`], [`cli`],
//! [`telemetry`]); root ([`config`], [`app`]). `tests/it/tidy.rs` holds the table and fails when it is broken.

pub mod clock;
pub mod id;
pub mod outcome;
pub mod quoted;
pub mod sketch;
pub mod unit;

pub mod kv;

pub mod keys;

pub mod auth;

pub mod limit;

pub mod privacy;

pub mod store;

pub mod audit;

pub mod protocol;

pub mod ingest;

pub mod query;

pub mod upkeep;

pub mod monitor;

pub mod admin;

pub mod telemetry;

pub mod http;

pub mod cli;

pub mod config;

pub mod app;
