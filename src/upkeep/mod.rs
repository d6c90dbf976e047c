//! What has to be done to stored events, by whom nobody waits: sealing, merging, expiry, erasure, backup.
//!
//! The store prepares a change and knows what belongs into the batch that makes it; the trail knows how to record it; here both meet, and here is decided
//! in which order. Every change to what is sealed is made by [`Upkeep::make`], one at a time: two that touch the same run would lose rows.
//!
//! Reading order: this file, then [`mod@expiry`], [`erasure`], [`copy`]. It reads no clock: moments come in.

pub mod copy;
pub mod erasure;
pub mod expiry;
pub mod request;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::audit::trail::{Entry, Trail, Unrecorded};
use crate::audit::{self, Action, Outcome, Subject};
use crate::clock::Millis;
use crate::id::TenantId;
use crate::keys::{self, Vault};
use crate::kv::{Batch, CommitError, Writer};
use crate::store::run::Run;
use crate::store::{self, Rewrite, Store, Which, step};

/// Why something was not done. Nothing is half done: what a crash would finish, the next start or the next call finishes too.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// Nothing can be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The copy could not be made.
    #[error("the copy could not be made")]
    Copy(#[source] std::io::Error),
    /// What was erased can still be found.
    #[error("{rows} rows of an erased subject are still there")]
    StillThere {
        /// How many.
        rows: u64,
    },
}

impl From<Unrecorded> for Error {
    fn from(error: Unrecorded) -> Error {
        match error {
            Unrecorded::Commit(error) => Error::Commit(error),
            Unrecorded::Log(error) => Error::Audit(error),
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that are sealed now.
    pub rows_sealed: u64,
    /// Runs that are there now.
    pub runs_added: u64,
    /// Runs that are gone.
    pub runs_removed: u64,
    /// Rows that are gone.
    pub rows_removed: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
}

impl Done {
    fn and(self, other: Done) -> Done {
        Done {
            rows_sealed: self.rows_sealed + other.rows_sealed,
            runs_added: self.runs_added + other.runs_added,
            runs_removed: self.runs_removed + other.runs_removed,
            rows_removed: self.rows_removed + other.rows_removed,
            bytes_written: self.bytes_written + other.bytes_written,
        }
    }
}

/// Does it.
pub struct Upkeep {
    store: Arc<Store>,
    vault: Arc<Vault>,
    writer: Writer,
    trail: Arc<Trail>,
    turn: Mutex<()>,
}

/// The right to change what is sealed; there is one.
struct Turn<'u>(#[expect(dead_code, reason = "held, never looked at")] MutexGuard<'u, ()>);

impl Upkeep {
    /// Looks after `store`.
    pub fn new(store: Arc<Store>, vault: Arc<Vault>, writer: Writer, trail: Arc<Trail>) -> Upkeep {
        Upkeep { store, vault, writer, trail, turn: Mutex::new(()) }
    }

    /// Seals open buckets, then drops the journal as far as nothing needs it; goes on until there is no more to do or `stop()`.
    pub fn seal(&self, which: Which, now: Millis, stop: &dyn Fn() -> bool) -> Result<Done, Error> {
        let turn = self.turn();
        let done = self.seal_in_turn(&turn, which, now, stop)?;
        if done != Done::default() {
            self.drop_journal(&turn)?;
        }
        Ok(done)
    }

    fn seal_in_turn(&self, turn: &Turn<'_>, which: Which, now: Millis, stop: &dyn Fn() -> bool) -> Result<Done, Error> {
        let mut done = Done::default();
        while !stop() {
            let rewrite = self.store.seal(which, now)?;
            if rewrite.is_empty() {
                break;
            }
            done = done.and(self.make(turn, rewrite, now, Vec::new())?);
        }
        Ok(done)
    }

    /// Merges the small runs of buckets whose time is over, takes their totals and closes them.
    pub fn close_buckets(&self, now: Millis, stop: &dyn Fn() -> bool) -> Result<Done, Error> {
        let turn = self.turn();
        let mut done = Done::default();
        while !stop() {
            let rewrite = self.store.close_buckets(now)?;
            if rewrite.is_empty() {
                break;
            }
            done = done.and(self.make(&turn, rewrite, now, Vec::new())?);
        }
        Ok(done)
    }

    /// Makes a change with its records: `records` and one for every run that will stay as it is.
    fn make(&self, turn: &Turn<'_>, rewrite: Rewrite, now: Millis, records: Vec<(Subject, Entry)>) -> Result<Done, Error> {
        let done = tell(&rewrite);
        let rewrite = Arc::new(rewrite);
        let mut entries = records;
        entries.extend(sealed_records(&rewrite, now));
        let (store, trail, staged) = (Arc::clone(&self.store), Arc::clone(&self.trail), Arc::clone(&rewrite));
        let made = self.writer.commit(move |batch| {
            store.stage_rewrite(&staged, batch);
            stage_all(&trail, batch, entries)
        });
        if let Err(error) = made {
            match error {
                CommitError::Full | CommitError::Overloaded => self.store.undo_rewrite(&rewrite),
                CommitError::Poisoned | CommitError::Stopped => self.store.abandon_rewrite(&rewrite),
            }
            return Err(error.into());
        }
        step::passed("batch durable");
        self.store.show_rewrite(&rewrite);
        step::passed("shown");
        self.destroy_removed(turn, &rewrite)?;
        made??;
        Ok(done)
    }

    /// Destroys what a change removed: keys, then files, then the notes that they are doomed.
    fn destroy_removed(&self, _turn: &Turn<'_>, rewrite: &Rewrite) -> Result<(), Error> {
        if !rewrite.removed().is_empty() {
            let destroyed = self.store.destroy_removed(rewrite)?;
            let store = Arc::clone(&self.store);
            self.writer.commit(move |batch| store.stage_done(&destroyed, batch))?;
            step::passed("notes gone");
        }
        Ok(())
    }

    /// Drops the journal as far as no row needs it, and destroys its keys.
    fn drop_journal(&self, _turn: &Turn<'_>) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        let segments = self.writer.commit(move |batch| store.stage_journal_drop(batch))?;
        step::passed("journal dropped");
        self.store.destroy_journal_keys(&segments)?;
        step::passed("journal keys destroyed");
        Ok(())
    }

    fn turn(&self) -> Turn<'_> {
        // A panic of another holder left nothing half done that a crash would not leave too.
        Turn(self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn stage_all(trail: &Trail, batch: &mut Batch, entries: Vec<(Subject, Entry)>) -> Result<(), audit::Error> {
    entries.into_iter().try_for_each(|(subject, entry)| trail.stage(batch, subject, entry).map(|_| ()))
}

fn tell(rewrite: &Rewrite) -> Done {
    let rows = |runs: &[Arc<Run>]| runs.iter().map(|run| u64::from(run.rows)).sum::<u64>();
    Done {
        rows_sealed: rows(rewrite.added()),
        runs_added: rewrite.added().len() as u64,
        runs_removed: rewrite.removed().len() as u64,
        rows_removed: rewrite.rows_dropped(),
        bytes_written: rewrite.bytes_written(),
    }
}

/// A run that will stay has a record in its tenant's log; those that will be merged are recorded by segment, in the gateway's own log, since there may
/// be very many and they are gone within a day.
fn sealed_records(rewrite: &Rewrite, now: Millis) -> Vec<(Subject, Entry)> {
    let mut records = Vec::new();
    let mut passing: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for run in rewrite.written().chain(rewrite.settling()) {
        if run.settled {
            records.push((Subject::Tenant(run.id.bucket.tenant), sealed_record(run, now)));
        } else {
            let (runs, rows) = passing.entry(run.id.segment).or_default();
            (*runs, *rows) = (*runs + 1, *rows + u64::from(run.rows));
        }
    }
    let segment = |(segment, (runs, rows)): (u64, (u64, u64))| {
        let entry = Entry::new(now, Action::SegmentSealed, Outcome::Success).param("segment", segment.to_string());
        (Subject::Gateway, entry.param("runs", runs.to_string()).count(rows))
    };
    records.extend(passing.into_iter().map(segment));
    records
}

fn sealed_record(run: &Run, now: Millis) -> Entry {
    let policies: Vec<String> = run.policies.iter().map(hex::encode).collect();
    bucket_entry(Action::BucketSealed, run, now)
        .param("digest", hex::encode(run.digest))
        .param("key", hex::encode(run.commitment))
        .param("policies", policies.join(","))
        .count(u64::from(run.rows))
}

fn bucket_entry(action: Action, run: &Run, now: Millis) -> Entry {
    Entry::new(now, action, Outcome::Success)
        .param("class", run.id.bucket.class.name())
        .param("from", run.id.bucket.begins().to_string())
        .param("segment", run.id.segment.to_string())
}

/// Everything of one tenant.
fn of_tenant(tenant: TenantId) -> Subject {
    Subject::Tenant(tenant)
}
