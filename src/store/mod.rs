//! The store: clean events in, durable and readable.
//!
//! ```text
//! EncodedRows ─► journal (one encrypted value a commit group) ─► open buckets (columns in memory)
//!                                                                     │ seal: size, memory, age, end of the bucket's time
//!                                                                     ▼
//! readers ◄──────────────── Part::load(&Need) ◄──────────────── sealed runs (column blocks in ingested files, manifest) ─► rollups
//!                                                                     │ merge once ─ erase ─ expire: destroy the key, unlink the file
//! ```
//!
//! It takes [`CleanEvent`]s only. Rows are staged on the writer's thread ([`Store::stage`]), become part of the group's batch when the group closes, and
//! are shown to readers once they are durable. Whatever changes what is sealed is one [`Rewrite`]; the store prepares it and says what belongs into the
//! batch, and `upkeep` decides when, and what is recorded. On start the open buckets are rebuilt from the journal.
//!
//! Reading order: what is stored where ([`key`]), rows ([`row`], [`columns`], [`column`]), the way in ([`journal`], [`open`]), the change ([`rewrite`], [`seal`],
//! [`retention`], [`erase`], [`rollup`]), the way out ([`need`], [`reader`], [`Part`]), the check ([`check`]). The grammar of everything stored is in
//! `FORMAT.md`, beside this file.

pub mod key;

pub mod column;
pub mod columns;
pub mod row;

mod block;
pub mod budget;
pub mod journal;
mod manifest;
pub mod need;
pub mod open;
pub mod run;
pub mod shelf;

pub mod erase;
pub mod retention;
pub mod rewrite;
pub mod rollup;
pub mod seal;
pub(crate) mod step;
pub mod subject;

pub mod part;
pub mod reader;

pub mod check;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::clock::Millis;
use crate::id::{Entropy, TenantId};
use crate::keys::{self, Vault};
use crate::kv::{self, Batch, Family, Kv, Participant};
use crate::privacy::event::CleanEvent;

use budget::{Budget, Shares};
use journal::{Frame, Journal};
use key::Class;
use need::Need;
use part::Source;
use reader::Reader;
use run::Run;
use shelf::Shelf;

pub use journal::POLICY_MARK_BYTES;
pub use open::Held;
pub use part::{Loaded, Part};
pub use retention::Retention;
pub use rewrite::Rewrite;
pub use seal::Which;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The floor failed.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The keys failed.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// A journal frame does not hold what was written.
    #[error("the journal is damaged at segment {segment}, group {sequence}")]
    Damaged {
        /// Segment of the journal.
        segment: u64,
        /// Group sequence.
        sequence: u64,
    },
    /// An entry of the manifest, or of another small table, does not hold what was written.
    #[error("the manifest is damaged, or the key file is another one")]
    DamagedManifest,
    /// A sealed bucket does not hold what was written.
    #[error("a sealed bucket is damaged: {what}")]
    DamagedBucket {
        /// What does not fit; never a value.
        what: &'static str,
    },
    /// A sealed bucket was let go while it was being read.
    #[error("a sealed bucket was erased while it was being read")]
    Erased,
    /// Keys are missing: the database is newer than the key file, or was restored.
    #[error(
        "{runs} sealed runs and {segments} journal segments have no key: the key file is older than the database, or the database is a \
         restored copy from before keys were destroyed; put the right key file back, or accept the loss with `tidegate restore`"
    )]
    KeysMissing {
        /// Runs without a key.
        runs: u64,
        /// Journal segments without a key.
        segments: u64,
    },
    /// Queries hold as much memory as they may.
    #[error("the queries that are under way hold as much memory as they may")]
    QueryMemory,
    /// A block is too large for the format.
    #[error("a block of a run is too large for the format")]
    RunTooLarge,
    /// A run is too large for the format.
    #[error(transparent)]
    TooLarge(#[from] column::TooLarge),
    /// The data directory was written by another version.
    #[error("the store has format {found}, this build reads format {}", key::FORMAT)]
    Format {
        /// The stored version.
        found: u8,
    },
    /// The compressor could not be set up.
    #[error("the compressor could not be set up")]
    Compressor(#[source] std::io::Error),
}

/// Rows of one request, encoded, with their boundaries.
#[derive(Default)]
pub struct EncodedRows {
    bytes: Vec<u8>,
    rows: Vec<EncodedRow>,
}

struct EncodedRow {
    end: usize,
    received: Millis,
}

impl EncodedRows {
    /// Room for rows that take about `bytes` together.
    pub fn with_capacity(bytes: usize) -> EncodedRows {
        EncodedRows { bytes: Vec::with_capacity(bytes), rows: Vec::new() }
    }

    /// Encodes one event received at `received`.
    pub fn push(&mut self, event: &CleanEvent<'_>, received: Millis) {
        row::encode(event, received, &mut self.bytes);
        self.rows.push(EncodedRow { end: self.bytes.len(), received });
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn iter(&self) -> impl Iterator<Item = (&EncodedRow, &[u8])> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let bytes = self.bytes.get(start..row.end).unwrap_or_default();
            start = row.end;
            (row, bytes)
        })
    }

    /// The bytes of one row.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.iter().nth(index).map(|(_, bytes)| bytes)
    }
}

/// Bounds, and what to do about a restored database.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long rows are kept.
    pub retention: Retention,
    /// Memory for rows, remembered columns and queries together.
    pub memory_max: usize,
    /// A rollup names a tool or route only where at least this many subjects used it.
    pub rollup_k: usize,
    /// What becomes of sealed runs and journal segments without a key.
    pub missing_keys: MissingKeys,
}

/// What becomes of what cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKeys {
    /// The start is refused.
    Refuse,
    /// It is let go: it was shredded after the database was copied.
    LetGo,
}

/// What the writer's thread works on.
struct Tail {
    journal: Journal,
    /// The group that is being written, with its sequence.
    closed: Option<(u64, Frame)>,
    format_written: bool,
}

/// The open store.
pub struct Store {
    kv: Arc<Kv>,
    vault: Arc<Vault>,
    entropy: Arc<dyn Entropy>,
    reader: Arc<Reader>,
    shelf: RwLock<Shelf>,
    tail: Mutex<Tail>,
    /// The next segment of sealed runs.
    segments: AtomicU64,
    /// Bytes in the open buckets, readable while they are being written.
    open_bytes: AtomicUsize,
    shares: Shares,
    retention: RwLock<Retention>,
    rollup_k: usize,
    let_go: LetGo,
}

/// What a start found that could not be decrypted, and let go.
#[derive(Debug, Default)]
pub struct LetGo {
    runs: Vec<Run>,
    segments: Vec<u64>,
}

impl LetGo {
    /// Sealed runs.
    pub fn runs(&self) -> u64 {
        self.runs.len() as u64
    }

    /// Rows in them.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.rows)).sum()
    }

    /// Segments of the journal; how many rows they hold nobody can tell any more.
    pub fn segments(&self) -> u64 {
        self.segments.len() as u64
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.segments.is_empty()
    }
}

impl Store {
    /// Reads the manifest and rebuilds the open buckets from the journal, leaving out what is past its retention at `now`. Destroys nothing: that is
    /// for [`Store::finish_interrupted`], once nothing else stands against the start.
    ///
    /// # Errors
    /// Damage, missing keys and unknown formats stop the start: an answer from half the data would be a wrong answer.
    pub fn open(
        kv: &Arc<Kv>,
        vault: &Arc<Vault>,
        entropy: &Arc<dyn Entropy>,
        settings: Settings,
        now: Millis,
    ) -> Result<Store, Error> {
        let format = kv.get(Family::Meta, key::META_FORMAT)?;
        match format.as_deref() {
            None | Some([key::FORMAT]) => {}
            Some(other) => return Err(Error::Format { found: other.first().copied().unwrap_or(u8::MAX) }),
        }
        let shares = Shares::of(settings.memory_max);
        let reader = Reader::new(Arc::clone(kv), Arc::clone(vault), Budget::new(shares.queries), shares.cache as u64);
        let found = manifest::read(kv, vault)?;
        let retention = settings.retention;
        let (mut shelf, sealed_through) = (found.shelf, found.sealed_through);
        let Shelf { open, holds, .. } = &mut shelf;
        let (journal, unreadable) = Journal::replay(kv, vault, entropy, &mut |sequence, tenant, policy, row| {
            let class = Class::of(row.event_type);
            let bucket = key::BucketKey::of(tenant, row.event_type, row.received);
            let is_sealed = sealed_through.get(&bucket).is_some_and(|through| sequence <= *through);
            let is_past = row.received < retention.cutoff(class, now) && !holds.contains(&tenant);
            if !is_sealed && !is_past {
                open.push(sequence, tenant, policy, &row);
            }
        })?;
        open.reached(journal.sequence());
        let let_go = LetGo { runs: found.without_key, segments: unreadable.segments };
        if !let_go.is_empty() && settings.missing_keys == MissingKeys::Refuse {
            return Err(Error::KeysMissing { runs: let_go.runs(), segments: let_go.segments() });
        }
        let stored_segments = kv.get(Family::Meta, key::META_SEGMENTS)?;
        let used = stored_segments.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0);
        let next = retention::newest_segment(kv)?.map_or(used, |newest| used.max(newest + 1));
        let store = Store {
            kv: Arc::clone(kv),
            vault: Arc::clone(vault),
            entropy: Arc::clone(entropy),
            reader: Arc::new(reader),
            open_bytes: AtomicUsize::new(shelf.open.bytes()),
            shelf: RwLock::new(shelf),
            tail: Mutex::new(Tail { journal, closed: None, format_written: format.is_some() }),
            segments: AtomicU64::new(next),
            shares,
            retention: RwLock::new(retention),
            rollup_k: settings.rollup_k,
            let_go,
        };
        for erasure in store.erasures()? {
            store.show_erasure(&erasure);
        }
        Ok(store)
    }

    /// Finishes what a crash left half done: unlinks segments and destroys keys that nothing names. The caller must be sure that database and key
    /// file belong together and that the database is the newest there is: what an older one does not name may be all that is left of newer rows.
    pub fn finish_interrupted(&self) -> Result<rewrite::Done, Error> {
        self.unlink_orphans()?;
        let keys = manifest::destroy_unused_keys(&self.kv, &self.vault, &self.shelf().runs)?;
        self.tail().journal.destroy_unused_keys()?;
        Ok(rewrite::Done { keys })
    }

    /// What could not be decrypted at the start and is let go.
    pub fn let_go(&self) -> &LetGo {
        &self.let_go
    }

    /// Stages that what could not be decrypted is not there any more. Writer's thread only.
    pub fn stage_let_go(&self, batch: &mut Batch) {
        for run in &self.let_go.runs {
            batch.delete(Family::Manifest, &run.id.manifest_key());
        }
        for segment in &self.let_go.segments {
            batch.delete_range(Family::Journal, &key::journal(*segment, 0), &key::journal(segment + 1, 0));
        }
    }

    /// Stages the rows of one request for which `keep(index)` holds. Writer's thread only.
    pub fn stage(
        &self,
        tenant: TenantId,
        policy: [u8; POLICY_MARK_BYTES],
        rows: &EncodedRows,
        mut keep: impl FnMut(usize) -> bool,
    ) {
        let mut tail = self.tail();
        for (index, (row, bytes)) in rows.iter().enumerate() {
            if keep(index) {
                tail.journal.push(tenant, policy, row.received, bytes);
            }
        }
    }

    /// References to everything of `tenant` with `from <= time < to` that is not past its retention at `now`.
    pub fn read(&self, tenant: TenantId, from: Millis, to: Millis, now: Millis) -> Vec<Part> {
        let shelf = self.shelf();
        let hidden = shelf.hidden_of(tenant);
        let held = shelf.holds.contains(&tenant);
        let part = |source: Source, class: Class| {
            let not_before = self.visible_from(held, class, now);
            Some(Part::new(source, class, not_before, (from, to), hidden.clone())).filter(Part::may_have_rows)
        };
        let sealed = shelf.runs.of_tenant(tenant).filter_map(|run| {
            let class = run.id.bucket.class;
            part(Source::Sealed { run: Arc::clone(run), reader: Arc::clone(&self.reader) }, class)
        });
        let open = shelf.open.of_tenant(tenant);
        let open = open.filter_map(|(key, chunk)| part(Source::Open(Arc::clone(chunk)), key.class));
        sealed.chain(open).collect()
    }

    /// Whether writers must wait until something was sealed; never waits for a lock.
    pub fn is_full(&self) -> bool {
        self.open_bytes() >= self.shares.open
    }

    /// Bytes that the open buckets may hold.
    pub fn open_bytes_max(&self) -> usize {
        self.shares.open
    }

    /// Bytes of memory in the open buckets; never waits for a writer.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes.load(Ordering::Relaxed)
    }

    /// Rows of `tenant` that arrived at or after `from` and are not past their retention at `now`.
    ///
    /// # Errors
    /// Those of [`Part::load`].
    pub fn count_since(&self, tenant: TenantId, from: Millis, now: Millis) -> Result<u64, Error> {
        let parts = self.read(tenant, Millis(i64::MIN), Millis(i64::MAX), now);
        let need = Need::NONE.plain(need::Plain::Received);
        let mut arrived = 0;
        for part in parts.iter().filter(|part| part.spans().is_some_and(|spans| spans.received.1 >= from)) {
            let rows = part.load(&need)?;
            arrived += rows.columns().received().iter().filter(|received| **received >= from.0).count() as u64;
        }
        Ok(arrived)
    }

    /// When the newest row arrived that is there.
    pub fn newest_arrival(&self) -> Option<Millis> {
        let shelf = self.shelf();
        let sealed = shelf.runs.all().map(|run| run.spans.received.1).max();
        sealed.max(shelf.open.newest_arrival())
    }

    /// How much is held.
    pub fn usage(&self) -> Usage {
        let journal_bytes = self.tail().journal.bytes();
        let shelf = self.shelf();
        Usage {
            open_bytes: shelf.open.bytes(),
            open_rows: shelf.open.rows(),
            open_buckets: shelf.open.count(),
            sealed_rows: shelf.runs.rows(),
            sealed_bytes: shelf.runs.bytes(),
            runs: shelf.runs.count(),
            blocks_opened: self.reader.blocks_opened(),
            cached_bytes: self.reader.cached_bytes(),
            query_bytes: self.reader.held_bytes(),
            journal_bytes,
        }
    }

    /// The database.
    pub fn kv(&self) -> &Arc<Kv> {
        &self.kv
    }

    /// What reads sealed runs.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    fn next_segment(&self) -> u64 {
        self.segments.fetch_add(1, Ordering::Relaxed)
    }

    fn segments_used(&self) -> u64 {
        self.segments.load(Ordering::Relaxed)
    }

    fn note_open_bytes(&self, shelf: &Shelf) {
        self.open_bytes.store(shelf.open.bytes(), Ordering::Relaxed);
    }

    fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf_mut(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        // Only the writer's thread changes the tail, and a panic there ends all writing.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Participant for Store {
    fn close_group(&self, batch: &mut Batch) {
        let mut tail = self.tail();
        let closed = tail.journal.close_group(batch);
        tail.closed = closed.map(|frame| (tail.journal.sequence(), frame));
        if !tail.format_written && tail.closed.is_some() {
            batch.put(Family::Meta, key::META_FORMAT, &[key::FORMAT]);
            tail.format_written = true;
        }
    }

    fn committed(&self) {
        let mut tail = self.tail();
        let Some((sequence, frame)) = tail.closed.take() else { return };
        let mut shelf = self.shelf_mut();
        let taken = frame.visit(sequence, &mut |sequence, tenant, policy, row| {
            shelf.open.push(sequence, tenant, policy, &row);
        });
        taken.expect("rows that this process encoded a moment ago decode");
        shelf.open.reached(sequence);
        self.note_open_bytes(&shelf);
        drop(shelf);
        tail.journal.recycle(frame);
    }
}

/// What the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory of open buckets.
    pub open_bytes: usize,
    /// Rows in open buckets.
    pub open_rows: usize,
    /// Open buckets.
    pub open_buckets: usize,
    /// Rows in sealed runs.
    pub sealed_rows: u64,
    /// Bytes on disk of their blocks.
    pub sealed_bytes: u64,
    /// Sealed runs.
    pub runs: usize,
    /// Blocks that were decrypted since the start.
    pub blocks_opened: u64,
    /// Memory of decoded columns that are remembered.
    pub cached_bytes: u64,
    /// Memory of what queries hold.
    pub query_bytes: usize,
    /// Bytes in the journal.
    pub journal_bytes: u64,
}
