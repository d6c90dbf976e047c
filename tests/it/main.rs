//! Promises about the whole product, kept over real HTTP by the real binary. One file a promise, one function a sentence of it.
//!
//! [`gateway`] starts and stops the binary in a directory of its own; every test has its own gateway, so tests do not know each other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

mod books;
mod clients;
mod disk;
mod forge;
mod gateway;
mod leak;
#[path = "../../src/privacy/geo/mmdb.rs"]
mod mmdb;
mod pack;
mod power;
mod recovery;
mod routes;

mod api;
mod at_rest;
mod audit;
mod auth;
mod backup;
mod bad_input;
mod config;
mod conservation;
mod erasure;
mod export;
mod format;
mod geo;
mod journey;
mod leaving;
mod limits;
mod memory;
mod policy;
mod questions;
mod receipts;
mod shared_keys;
mod sql;
mod tenants;
mod tidy;
mod watched;
