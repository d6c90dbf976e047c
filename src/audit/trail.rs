//! The trail: how the rest of the house writes to the audit logs.
//!
//! Owns three ways to leave a record. *With a change*: [`Trail::stage`] adds the leaf to the batch that holds the change. *Before an
//! effect*: [`Trail::record`] returns once the intent is durable; no record, no effect. *In summary*: reads of aggregates are one record
//! per principal and minute ([`Trail::aggregate_read`]), refused accesses are counted ([`Trail::refused`]) and written by
//! [`Trail::stage_refusals`]. It knows nothing of HTTP; parameters must have passed the scrubber.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{MINUTE_MS, Millis};
use crate::id::Entropy;
use crate::kv::{Batch, CommitError, Writer};

use super::{Action, Error, Log, Outcome, Principals, Record, Subject};

/// Reasons and logs that refusals are counted for between two summaries; beyond it they are counted together.
const REFUSAL_KINDS_MAX: usize = 4096;
/// Principals whose current minute is remembered; beyond it the oldest minutes are forgotten, which only makes more records.
const READERS_MAX: usize = 65_536;

/// Why a record could not be made durable. The effect must not take place.
#[derive(Debug, thiserror::Error)]
pub enum Unrecorded {
    /// The writer refused or failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The principals' table could not be read.
    #[error(transparent)]
    Log(#[from] Error),
}

/// What is to be recorded; the trail adds commitment and nonce.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// What.
    pub action: Action,
    /// How it went.
    pub outcome: Outcome,
    /// The name of who did it (see `auth::Principal::name`), if a principal did.
    pub principal: Option<String>,
    /// With which parameters, scrubbed.
    pub params: Vec<(&'static str, String)>,
    /// How many.
    pub count: Option<u64>,
}

impl Entry {
    /// An entry without principal, parameters and count.
    pub fn new(at: Millis, action: Action, outcome: Outcome) -> Entry {
        Entry { at, action, outcome, principal: None, params: Vec::new(), count: None }
    }

    /// Names who did it.
    #[must_use]
    pub fn by(mut self, principal: impl Into<String>) -> Entry {
        self.principal = Some(principal.into());
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, name: &'static str, value: impl Into<String>) -> Entry {
        self.params.push((name, value.into()));
        self
    }

    /// Says how many.
    #[must_use]
    pub fn count(mut self, count: u64) -> Entry {
        self.count = Some(count);
        self
    }
}

/// Writes to the audit logs.
pub struct Trail {
    log: Arc<Log>,
    principals: Principals,
    writer: Writer,
    entropy: Arc<dyn Entropy>,
    readers: Mutex<HashMap<(Subject, String), i64>>,
    refusals: Mutex<HashMap<(Subject, &'static str), u64>>,
    leaves: AtomicU64,
}

impl Trail {
    /// A trail that writes to `log` through `writer`.
    pub fn new(log: Arc<Log>, principals: Principals, writer: Writer, entropy: Arc<dyn Entropy>) -> Trail {
        let (readers, refusals) = Default::default();
        Trail { log, principals, writer, entropy, readers, refusals, leaves: AtomicU64::new(0) }
    }

    /// The logs themselves.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The table that resolves commitments.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }

    /// Leaves written since the start.
    pub fn leaves(&self) -> u64 {
        self.leaves.load(Ordering::Relaxed)
    }

    /// Adds a record to `batch` and answers its index. Writer's thread only. On an error nothing was added.
    pub fn stage(&self, batch: &mut Batch, subject: Subject, entry: Entry) -> Result<u64, Error> {
        let mut record = Record::new(entry.at, entry.action, entry.outcome, &*self.entropy);
        if let Some(name) = &entry.principal {
            record = record.principal(self.principals.commit(batch, subject, name, &*self.entropy)?);
        }
        record.params = entry.params;
        record.count = entry.count;
        self.leaves.fetch_add(1, Ordering::Relaxed);
        Ok(self.log.append(batch, subject, record))
    }

    /// Makes a record durable and answers its index.
    pub async fn record(self: &Arc<Self>, subject: Subject, entry: Entry) -> Result<u64, Unrecorded> {
        let trail = Arc::clone(self);
        Ok(self.writer.commit_async(move |batch| trail.stage(batch, subject, entry)).await??)
    }

    /// Makes sure that a record of `principal` reading aggregates in this minute is durable.
    pub async fn aggregate_read(
        self: &Arc<Self>,
        subject: Subject,
        principal: String,
        at: Millis,
    ) -> Result<(), Unrecorded> {
        let minute = at.0.div_euclid(MINUTE_MS);
        let reader = (subject, principal.clone());
        if self.readers.lock().unwrap_or_else(PoisonError::into_inner).get(&reader) == Some(&minute) {
            return Ok(());
        }
        self.record(subject, Entry::new(at, Action::QueryAggregate, Outcome::Intent).by(principal)).await?;
        // Remembered only now: whoever asks in between makes a record of its own rather than relying on one that may fail.
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= READERS_MAX {
            readers.retain(|_, last| *last >= minute);
        }
        readers.insert(reader, minute);
        Ok(())
    }

    /// Counts a refused access for the next summary. `reason` is a code, never a value.
    pub fn refused(&self, subject: Subject, reason: &'static str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let full = refusals.len() >= REFUSAL_KINDS_MAX && !refusals.contains_key(&(subject, reason));
        let key = if full { (Subject::Gateway, "other") } else { (subject, reason) };
        *refusals.entry(key).or_default() += 1;
    }

    /// Writes one record per log and reason that was counted since the last time. Writer's thread only.
    pub fn stage_refusals(&self, batch: &mut Batch, at: Millis) -> Result<(), Error> {
        let counted = std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner));
        for ((subject, reason), count) in counted {
            let entry = Entry::new(at, Action::AccessRefused, Outcome::Refused).param("reason", reason).count(count);
            self.stage(batch, subject, entry)?;
        }
        Ok(())
    }

    /// Whether refusals wait to be written.
    pub fn has_refusals(&self) -> bool {
        !self.refusals.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
