//! Promises about the whole product, kept over real HTTP by the real binary. One file a promise, one function a sentence of it.
//!
//! [`gateway`] starts and stops the binary in a directory of its own; every test has its own gateway, so tests do not know each other.

mod gateway;
mod leak;
mod pack;
mod routes;

mod api;
mod journey;
