//! The airlock: raw events go in, clean events come out, and nothing else passes.
//!
//! Reading order: what goes in and what comes out ([`event`], [`json`]); what the operator wrote and what runs ([`policy`],
//! [`selector`], [`redaction`]) and what proves that it does what was meant (`trial`); what recognises personal data in a text ([`detect`]); what is
//! done to one text (`leaf`), to one JSON value (`walk`) and to one event (`pipeline`), after what may not stay at all went (`fields`); and the parts
//! that an event has besides its texts: [`address`], [`geo`], [`pseudonym`](mod@pseudonym),
//! [`consent`], and the count of what was done, [`receipt`].
//!
//! ```text
//! RawEvent ─► consent ─► user, address, session ─► every text, number and member name ─► CleanEvent
//!             (refuse,    (pseudonymize,             (detectors, patterns, key names;      + Receipt
//!              minimize)   truncate, drop)            replace the match, not the value)
//! ```
//!
//! Invariants:
//! - a [`CleanEvent`](event::CleanEvent) is made in `pipeline` and nowhere else;
//! - scrubbing what was scrubbed changes nothing, and no detector fires on it (`leaf` repeats until that holds);
//! - a text without personal data is handed through as it came, borrowed, without a copy;
//! - time is linear in the length of a text: detectors look a bounded distance ahead and behind.
//!
//! What is missing: names in running text that no label, greeting or list of given names tells, and East Asian addresses there; text encoded twice.

// What goes in and what comes out.
pub mod event;
pub mod json;

// What the operator wrote and what runs.
pub mod policy;
mod preset;

mod trial;

pub mod selector;

pub mod redaction;

// What is found, and what is done to a text, a value, an event.
pub mod detect;

mod leaf;

mod embedded;

mod walk;

mod fields;

mod pair;
mod pipeline;

mod flat;

// An event's other parts.
pub mod address;
pub mod geo;
pub mod pseudonym;

pub mod consent;
pub mod receipt;

pub use address::AddressPolicy;
pub use consent::Signals;
pub use flat::differing_places;
pub use geo::GeoDatabase;
pub use pipeline::{Context, Scrubber, Settings};
pub use policy::stream::Stream;
pub use policy::{Form, POLICY_BYTES_MAX, PolicyError, PolicyErrors};
pub use pseudonym::{PseudonymKeys, pseudonym};
pub use receipt::Receipt;

/// The policy that applies when the operator names no other; it is also the manual of the policy language.
pub const DEFAULT_POLICY: &str = include_str!("../../config/privacy.toml");

#[cfg(test)]
mod corpus;
