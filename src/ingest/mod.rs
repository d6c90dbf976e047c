//! Ingest: from the bytes of a request to a durable, honest answer.
//!
//! The flow is on one screen in [`accept`]. Beside it: the books that prove that no event vanishes ([`ledger`]), the memory of what was seen
//! ([`dedupe`] per event, [`idempotency`] per request), when events arrive ([`arrival`]), of whom nothing is taken ([`suppression`]), which
//! privacy policy holds for whom ([`policies`]) and what another would change ([`preview`]), what is kept aside ([`quarantine`]), the keys of the day
//! that make pseudonyms ([`epoch`]) and the answer itself ([`answer`]).
//!
//! It does not know who sends (that was decided before) and speaks no HTTP.

pub mod accept;
pub mod answer;
pub mod arrival;
pub mod dedupe;
pub mod epoch;
pub mod idempotency;
pub mod ledger;
pub mod policies;
pub mod preview;
pub mod quarantine;
pub mod suppression;
#[cfg(test)]
mod tests;

pub use accept::{Ack, Context, Error, Ingest, Prepared, Sender, Settings};
pub use answer::{Answer, Durability};
