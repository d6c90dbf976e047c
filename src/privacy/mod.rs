//! The airlock: raw events go in, clean events come out, and nothing else passes.
//!
//! Reading order: what goes in and what comes out ([`event`], [`json`]); what the operator wrote and what runs ([`policy`],
//! [`selector`], [`redaction`]); what recognises personal data in a text ([`detect`]); what is done to one text (`leaf`), to one JSON
//! value (`walk`) and to one event (`pipeline`); and the parts that an event has besides its texts: [`address`], [`pseudonym`](mod@pseudonym),
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
//! What is missing (the engine is built to grow by a file per detector family): national identifiers other than the US SSN,
//! dates of birth, crypto addresses; `[at]` in e-mail addresses; text that is base64 or percent-encoded as a
//! whole (a percent-encoded `@` is known); look-alike and full-width characters; `mac` without separators; an allow-list mode.

// What goes in and what comes out.
pub mod event;
pub mod json;

// What the operator wrote and what runs.
pub mod policy;
mod preset;

pub mod selector;

pub mod redaction;

// What is found, and what is done to a text, a value, an event.
pub mod detect;

mod leaf;

mod embedded;

mod walk;

mod pair;
mod pipeline;

// An event's other parts.
pub mod address;
pub mod pseudonym;

pub mod consent;
pub mod receipt;

pub use address::AddressPolicy;
pub use consent::Signals;
pub use pipeline::{Context, Scrubber, Settings};
pub use policy::{PolicyError, PolicyErrors};
pub use pseudonym::{PseudonymKeys, pseudonym};
pub use receipt::Receipt;

/// The policy that applies when the operator names no other; it is also the manual of the policy language.
pub const DEFAULT_POLICY: &str = include_str!("../../config/privacy.toml");

#[cfg(test)]
mod corpus;
