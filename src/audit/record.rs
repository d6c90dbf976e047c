//! What a leaf says.
//!
//! Owns the closed list of [`Action`]s and the exact bytes of a leaf. A leaf is one JSON object, hashed as it is
//! stored, so nobody ever has to agree on a canonical form:
//!
//! ```text
//! {"v":1,"at":"2026-11-22T13:15:00.000Z","action":"query.rows","outcome":"intent","principal":"<64 hex digits>",
//!  "params":{"from":"-1h"},"count":12,"nonce":"<32 hex digits>"}
//! ```
//!
//! `principal`, `params` and `count` are absent where there is nothing to say. A leaf is never larger than
//! [`LEAF_BYTES_MAX`]: longer parameters are cut and `"cut":true` says so. The caller gives parameters that have
//! passed the scrubber; nothing is scrubbed here.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::Commitment;
use crate::clock::Millis;
use crate::id::{Entropy, random};

/// The largest leaf: tlog-tiles counts leaf bytes with 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// What remains of a parameter's value when the leaf would be too large, in bytes.
const CUT_VALUE_BYTES: usize = 256;
/// What remains of the parameters when the leaf would be too large.
const CUT_PARAMS: usize = 32;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// What was done. The codes stand in leaves and are for ever; a retired action keeps its code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name,)+ }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Action] = &[$(Action::$name,)+];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Action::$name => $code,)+ }
            }
        }
    };
}

actions! {
    /// The gateway started; its version and configuration hash.
    ServiceStarted = "service.started",
    /// The gateway stopped in good order.
    ServiceStopped = "service.stopped",
    /// A tenant was created.
    TenantCreated = "tenant.created",
    /// A tenant's settings were changed.
    TenantUpdated = "tenant.updated",
    /// A tenant was deleted.
    TenantDeleted = "tenant.deleted",
    /// An ingest key was created.
    KeyCreated = "key.created",
    /// An ingest key was revoked.
    KeyRevoked = "key.revoked",
    /// An access token was issued.
    TokenIssued = "token.issued",
    /// An access token was revoked.
    TokenRevoked = "token.revoked",
    /// Accesses were refused; in summary, with their count.
    AccessRefused = "access.refused",
    /// A privacy policy was loaded.
    PolicyLoaded = "policy.loaded",
    /// A tenant's privacy policy was changed, or it goes back to the gateway's.
    PolicyChanged = "policy.changed",
    /// A limit or quota was changed.
    LimitsChanged = "limits.changed",
    /// The configuration was loaded anew.
    ConfigLoaded = "config.loaded",
    /// Rows were read.
    QueryRows = "query.rows",
    /// Aggregates were read; one record per principal and minute.
    QueryAggregate = "query.aggregate",
    /// Rows were exported.
    Export = "export",
    /// The audit log was read.
    AuditRead = "audit.read",
    /// Quarantined events were read.
    QuarantineRead = "quarantine.read",
    /// Rows past their retention were removed.
    RowsExpired = "rows.expired",
    /// Rows of one bucket were sealed, for as long as they are kept.
    BucketSealed = "bucket.sealed",
    /// Rows were sealed that will be merged with others when their time is over.
    SegmentSealed = "segment.sealed",
    /// A bucket was let go: its keys are destroyed.
    BucketExpired = "bucket.expired",
    /// A tenant was put on hold, or no longer.
    LegalHoldChanged = "legal_hold.changed",
    /// The rows of a data subject are to be erased, or were.
    SubjectErasure = "subject.erasure",
    /// A backup was begun.
    BackupMade = "backup.made",
    /// The database was opened after it was restored from a copy.
    DatabaseRestored = "database.restored",
    /// A key that makes pseudonyms was created.
    PseudonymKeyCreated = "pseudonym_key.created",
    /// A key that makes pseudonyms was destroyed.
    PseudonymKeyDestroyed = "pseudonym_key.destroyed",
    /// The leak monitor found something personal in what is stored.
    LeakFound = "leak.found",
    /// Its findings were read.
    FindingsRead = "findings.read",
    /// Any other key in the key file was created.
    CryptoKeyCreated = "crypto_key.created",
    /// Any other key in the key file was destroyed.
    CryptoKeyDestroyed = "crypto_key.destroyed",
    /// A principal's name was erased: its commitment resolves no more.
    PrincipalErased = "principal.erased",
    /// The machine's clock jumped.
    ClockStepped = "clock.stepped",
    /// Nothing happened, which is worth knowing.
    Heartbeat = "heartbeat",
}

impl Action {
    /// The action of this code.
    pub fn from_code(code: &str) -> Option<Action> {
        Action::ALL.iter().copied().find(|action| action.code() == code)
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// About to be done; recorded before the effect.
    Intent,
    /// Done.
    Success,
    /// Not allowed.
    Refused,
    /// Tried and failed.
    Error,
}

/// A leaf to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Millis,
    /// What.
    pub action: Action,
    /// Who, if a principal did it.
    pub principal: Option<Commitment>,
    /// How it went.
    pub outcome: Outcome,
    /// With which parameters: scrubbed, names unique.
    pub params: Vec<(&'static str, String)>,
    /// How many rows, bytes or accesses.
    pub count: Option<u64>,
    /// Random bytes that keep the leaf's hash from being guessed.
    pub nonce: [u8; 16],
}

impl Record {
    /// A record without principal, parameters or count.
    pub fn new(at: Millis, action: Action, outcome: Outcome, entropy: &dyn Entropy) -> Self {
        Record { at, action, principal: None, outcome, params: Vec::new(), count: None, nonce: random(entropy) }
    }

    /// Names who did it.
    pub fn principal(mut self, principal: Commitment) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Adds a parameter, which must have passed the scrubber.
    pub fn param(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    /// Says how many.
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// The leaf's bytes, at most [`LEAF_BYTES_MAX`].
    pub fn leaf(&self) -> Vec<u8> {
        let whole = self.encode(false);
        if whole.len() <= LEAF_BYTES_MAX { whole } else { self.shortened().encode(true) }
    }

    fn shortened(&self) -> Record {
        let mut params: Vec<_> = self.params.iter().take(CUT_PARAMS).cloned().collect();
        for (_, value) in &mut params {
            let end = (0..=CUT_VALUE_BYTES.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
            value.truncate(end.unwrap_or(0));
        }
        Record { params, ..self.clone() }
    }

    fn encode(&self, cut: bool) -> Vec<u8> {
        let wire = Wire {
            v: 1,
            at: self.at.to_string(),
            action: self.action.code(),
            outcome: self.outcome,
            principal: self.principal.map(|principal| principal.to_string()),
            params: &self.params,
            cut,
            count: self.count,
            nonce: hex::encode(self.nonce),
        };
        serde_json::to_vec(&wire).expect("texts and numbers can always be written as JSON")
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    v: u8,
    at: String,
    action: &'static str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    params: &'a [(&'static str, String)],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    nonce: String,
}

fn as_object<S: Serializer>(params: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(params.len()))?;
    for (name, value) in params {
        object.serialize_entry(name, value)?;
    }
    object.end()
}

/// A leaf that was read back. Its action may be one that a newer version added.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRecord {
    v: u8,
    /// When, RFC 3339.
    pub at: String,
    /// What: an action's code.
    pub action: String,
    /// How it went.
    pub outcome: Outcome,
    /// Who, as a commitment in hex.
    pub principal: Option<String>,
    /// With which parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Whether parameters were cut because the leaf would have been too large.
    #[serde(default)]
    pub cut: bool,
    /// How many.
    pub count: Option<u64>,
    /// The nonce in hex.
    pub nonce: String,
}

impl StoredRecord {
    /// Reads a leaf; `None` if it is not a record of version 1.
    pub fn parse(leaf: &[u8]) -> Option<StoredRecord> {
        serde_json::from_slice(leaf).ok().filter(|record: &StoredRecord| record.v == 1)
    }

    /// Who did it, if a principal did.
    pub fn commitment(&self) -> Option<Commitment> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(self.principal.as_deref()?, &mut bytes).ok()?;
        Some(Commitment(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        Record {
            at: Millis(1_795_353_300_000),
            action: Action::QueryRows,
            principal: Some(Commitment([0xab; 32])),
            outcome: Outcome::Intent,
            params: vec![("from", "-1h".into()), ("filter", "ok = \"x\"\n".into())],
            count: Some(12),
            nonce: [0x0f; 16],
        }
    }

    #[test]
    fn the_bytes_of_a_leaf_are_for_ever() {
        let full = format!(
            r#"{{"v":1,"at":"2026-11-22T13:15:00.000Z","action":"query.rows","outcome":"intent","principal":"{}","params":{{"from":"-1h","filter":"ok = \"x\"\n"}},"count":12,"nonce":"{}"}}"#,
            "ab".repeat(32),
            "0f".repeat(16)
        );
        assert_eq!(String::from_utf8(record().leaf()).unwrap(), full);
        let bare = Record { principal: None, params: vec![], count: None, ..record() };
        let nonce = "0f".repeat(16);
        let text = format!(
            r#"{{"v":1,"at":"2026-11-22T13:15:00.000Z","action":"query.rows","outcome":"intent","nonce":"{nonce}"}}"#
        );
        assert_eq!(String::from_utf8(bare.leaf()).unwrap(), text);
    }

    #[test]
    fn codes_are_dotted_words_and_name_one_action_each() {
        for action in Action::ALL {
            assert_eq!(Action::from_code(action.code()), Some(*action));
            assert!(action.code().chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_'));
        }
        assert_eq!(Action::from_code("query.everything"), None);
    }

    #[test]
    fn a_leaf_that_would_be_too_large_is_cut_and_says_so() {
        let fits = record().param("sql", "x".repeat(60_000));
        assert!(!StoredRecord::parse(&fits.leaf()).unwrap().cut);
        let read = StoredRecord::parse(&fits.param("more", "€".repeat(60_000)).leaf()).unwrap();
        assert!(read.cut);
        assert_eq!(read.params["more"], "€".repeat(85));
        assert_eq!(read.params["from"], "-1h");
    }

    proptest! {
        #[test]
        fn every_record_is_one_small_leaf_that_reads_back(
            at: i64, values in prop::collection::vec(prop::collection::vec("[\u{0}-\u{10}a€]{0,40}", 0..400), 0..40), count: Option<u64>
        ) {
            let params: Vec<_> = values.into_iter().map(|parts| ("value", parts.concat())).collect();
            let record = Record { at: Millis(at), params, count, ..record() };
            let leaf = record.leaf();
            prop_assert!(leaf.len() <= LEAF_BYTES_MAX);
            let read: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
            prop_assert_eq!(read["count"].as_u64(), count);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            prop_assert_eq!(StoredRecord::parse(&bytes), None);
        }
    }
}
