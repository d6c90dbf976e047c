//! What the sender is told.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::outcome::Outcome;
use crate::privacy::receipt::Redaction;
use crate::privacy::{Receipt, Scrubber};

/// Whether what was accepted has reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Written and synced.
    Synced,
    /// In memory, on its way (`?ack=memory`).
    Buffered,
}

/// Counts per outcome, the receipt, and every event that was not accepted.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Answer {
    /// Events stored.
    pub accepted: u64,
    /// Events that were stored before.
    pub duplicates: u64,
    /// Events refused.
    pub rejected: u64,
    /// Events kept aside.
    pub quarantined: u64,
    /// How safe the accepted ones are.
    pub durability: Durability,
    /// What the privacy policy did.
    pub receipt: PolicyReceipt,
    /// The events that were not accepted, by index.
    pub results: Vec<EventResult>,
}

/// Which policy was applied, and how often each of its rules changed something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyReceipt {
    policy: Arc<str>,
    redactions: Receipt,
    details: Option<Details>,
}

/// Every redaction, as far as an answer lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    listed: Vec<Detail>,
    omitted: u64,
}

/// One redaction: in which event, where, by which rule and how. Never what was there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Detail {
    index: usize,
    path: Arc<str>,
    rule: Arc<str>,
    /// A rule's method; absent for what is always done to a member of an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
}

impl PolicyReceipt {
    /// The receipt of a policy; `lists` says whether every redaction is told.
    pub fn new(policy: &Scrubber, mut redactions: Receipt, lists: bool) -> PolicyReceipt {
        let (listed, omitted) = redactions.take_listed();
        let detail = |redaction: Redaction| Detail {
            index: redaction.index,
            method: policy.method_of(&redaction.rule),
            path: redaction.path,
            rule: redaction.rule,
        };
        let details = lists.then(|| Details { listed: listed.into_iter().map(detail).collect(), omitted });
        PolicyReceipt { policy: Arc::clone(policy.policy_hash_text()), redactions, details }
    }

    /// Redactions by rule id.
    pub fn redactions(&self) -> &Receipt {
        &self.redactions
    }
}

/// `{"policy": hash, "redactions": {rule: count}}`, and with details `"details": [{"index", "path", "rule", "method"}], "omitted": n`.
impl Serialize for PolicyReceipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Redactions<'r>(&'r Receipt);
        impl Serialize for Redactions<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter())
            }
        }
        let mut fields = serializer.serialize_struct("PolicyReceipt", if self.details.is_some() { 4 } else { 2 })?;
        fields.serialize_field("policy", &*self.policy)?;
        fields.serialize_field("redactions", &Redactions(&self.redactions))?;
        if let Some(Details { listed, omitted }) = &self.details {
            fields.serialize_field("details", listed)?;
            fields.serialize_field("omitted", omitted)?;
        }
        fields.end()
    }
}

/// What became of one event that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EventResult {
    /// Position in the request, from 0; blank lines do not count.
    pub index: usize,
    /// `duplicate`, `rejected` or `quarantined`.
    pub result: &'static str,
    /// A reason's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// JSON pointer into the event; absent when the event as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Answer {
    /// An answer that counts nothing yet.
    pub fn new(durability: Durability, receipt: PolicyReceipt) -> Answer {
        Answer { accepted: 0, duplicates: 0, rejected: 0, quarantined: 0, durability, receipt, results: Vec::new() }
    }

    /// Counts the event at `index`.
    pub fn count(&mut self, index: usize, outcome: &Outcome) {
        let (result, refusal) = match outcome {
            Outcome::Accepted => {
                self.accepted += 1;
                return;
            }
            Outcome::Duplicate => {
                self.duplicates += 1;
                ("duplicate", None)
            }
            Outcome::Rejected(refusal) => {
                self.rejected += 1;
                ("rejected", Some(refusal))
            }
            Outcome::Quarantined(refusal) => {
                self.quarantined += 1;
                ("quarantined", Some(refusal))
            }
        };
        self.results.push(EventResult {
            index,
            result,
            reason: refusal.map(|refusal| refusal.reason.code()),
            place: refusal.map(|refusal| refusal.place.to_string()).filter(|place| !place.is_empty()),
        });
    }

    /// The same without the list of redactions.
    pub fn counts_only(&self) -> Answer {
        let mut answer = self.clone();
        answer.receipt.details = None;
        answer
    }

    /// The counts in one line, for the `Tidegate-Outcome` header.
    pub fn summary(&self) -> String {
        let Answer { accepted, duplicates, rejected, quarantined, .. } = self;
        format!("accepted={accepted}, duplicate={duplicates}, rejected={rejected}, quarantined={quarantined}")
    }

    /// The answer as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("counts and texts can always be written as JSON")
    }
}
