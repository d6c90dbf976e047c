//! The store: clean events in, durable and readable.
//!
//! Owns the journal and the open buckets, and what it calls [`Retention`]. It takes [`CleanEvent`]s only. Rows are staged on the writer's
//! thread ([`Store::stage`]), become part of the group's batch when the group closes, and are shown to readers once they are durable. On
//! start the buckets are rebuilt from the journal.
//!
//! The grammar of everything stored is in `FORMAT.md`, beside this file. Not here yet: sealing to column blocks, encryption at rest, rollups (format 0).

pub mod column;
pub mod columns;
mod journal;
pub mod key;
pub mod need;
mod open;
pub mod row;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::clock::Millis;
use crate::id::TenantId;
use crate::kv::{self, Batch, Family, Kv, Participant};
use crate::privacy::event::{CleanEvent, EventType};

use columns::{Columns, Spans};
use journal::{Frame, Journal};
use key::Class;
use need::Need;
use open::Buckets;

pub use journal::POLICY_MARK_BYTES;

/// What can go wrong when the store is opened or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The floor failed.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// A journal frame does not hold what was written.
    #[error("the journal is damaged at class {class:?}, sequence {sequence}")]
    Damaged {
        /// Retention class.
        class: Class,
        /// Group sequence.
        sequence: u64,
    },
    /// The data directory was written by another version.
    #[error("the store has format {found}, this build reads format {}", key::FORMAT)]
    Format {
        /// The stored version.
        found: u8,
    },
    /// A sealed bucket does not hold what was written.
    #[error("a sealed bucket is damaged: {what}")]
    DamagedBucket {
        /// What does not fit; never a value.
        what: &'static str,
    },
    /// The key of a sealed bucket was destroyed while it was being read.
    #[error("a sealed bucket was erased while it was being read")]
    Erased,
    /// The compressor could not be set up.
    #[error("the compressor could not be set up")]
    Compressor(#[source] std::io::Error),
}

/// How long rows are kept, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds, in the order of [`Class::ALL`].
    pub keep_ms: [i64; Class::ALL.len()],
}

impl Retention {
    /// Rows of `class` that arrived before this moment are gone.
    pub fn cutoff(&self, class: Class, now: Millis) -> Millis {
        now.plus(-self.keep_ms.get(class.index()).copied().unwrap_or(i64::MAX))
    }
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
    class: Class,
}

impl EncodedRows {
    /// Room for rows that take about `bytes` together.
    pub fn with_capacity(bytes: usize) -> EncodedRows {
        EncodedRows { bytes: Vec::with_capacity(bytes), rows: Vec::new() }
    }

    /// Encodes one event received at `received`.
    pub fn push(&mut self, event: &CleanEvent<'_>, received: Millis) {
        row::encode(event, received, &mut self.bytes);
        let class = Class::of(event.fields().event_type.unwrap_or(EventType::Custom));
        self.rows.push(EncodedRow { end: self.bytes.len(), received, class });
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

/// What the writer's thread works on.
struct Tail {
    journal: Journal,
    closed: Vec<Frame>,
    format_written: bool,
}

/// The open store.
pub struct Store {
    tail: Mutex<Tail>,
    buckets: RwLock<Buckets>,
    /// Bytes in the open buckets, readable while they are being written.
    open_bytes: AtomicUsize,
    retention: RwLock<Retention>,
}

impl Store {
    /// Rebuilds the open buckets from the journal, leaving out what is past its retention at `now`.
    ///
    /// # Errors
    /// Damage and unknown formats stop the start: an answer from half the data would be a wrong answer.
    pub fn open(kv: &Kv, retention: Retention, now: Millis) -> Result<Store, Error> {
        let format = kv.get(Family::Meta, key::META_FORMAT)?;
        match format.as_deref() {
            None | Some([key::FORMAT]) => {}
            Some(other) => return Err(Error::Format { found: other.first().copied().unwrap_or(u8::MAX) }),
        }
        let mut buckets = Buckets::default();
        let journal = Journal::replay(kv, &mut |tenant, row| {
            if row.received >= retention.cutoff(Class::of(row.event_type), now) {
                buckets.push(tenant, &row);
            }
        })?;
        Ok(Store {
            tail: Mutex::new(Tail { journal, closed: Vec::new(), format_written: format.is_some() }),
            open_bytes: AtomicUsize::new(buckets.bytes()),
            buckets: RwLock::new(buckets),
            retention: RwLock::new(retention),
        })
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
                tail.journal.push(row.class, tenant, policy, row.received, bytes);
            }
        }
    }

    /// References to everything of `tenant` with `from <= time < to` that is not past its retention at `now`.
    pub fn read(&self, tenant: TenantId, from: Millis, to: Millis, now: Millis) -> Vec<Part> {
        let retention = *self.retention.read().unwrap_or_else(PoisonError::into_inner);
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).read(tenant, from, to, &retention, now)
    }

    /// Stages the removal of everything past its retention at `now`. Writer's thread only.
    ///
    /// The journal goes by commit group, memory by bucket, so rows may leave the one a while before the other.
    pub fn stage_expiry(&self, now: Millis, batch: &mut Batch) -> Expired {
        let retention = *self.retention.read().unwrap_or_else(PoisonError::into_inner);
        let mut tail = self.tail();
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let mut expired = Expired::default();
        for class in Class::ALL {
            let cutoff = retention.cutoff(class, now);
            expired.frames += tail.journal.expire(class, cutoff, batch);
            expired.rows += buckets.expire(class, cutoff);
        }
        self.open_bytes.store(buckets.bytes(), Ordering::Relaxed);
        expired
    }

    /// Changes how long rows are kept, from the next read on.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.write().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// Bytes of memory in the open buckets; never waits for a writer.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes.load(Ordering::Relaxed)
    }

    /// Rows of `tenant` that arrived at or after `from` and are not past their retention at `now`.
    pub fn count_since(&self, tenant: TenantId, from: Millis, now: Millis) -> u64 {
        let parts = self.read(tenant, Millis(i64::MIN), Millis(i64::MAX), now);
        let need = Need::NONE.plain(need::Plain::Received);
        let arrived = |part: &Part| {
            part.load(&need).map_or(0, |rows| rows.columns().received().iter().filter(|at| **at >= from.0).count())
        };
        parts.iter().map(|part| arrived(part) as u64).sum()
    }

    /// How much the open buckets hold.
    pub fn usage(&self) -> Usage {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        Usage { bytes: buckets.bytes(), rows: buckets.rows(), buckets: buckets.len() }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        // Only the writer's thread changes the tail, and a panic there ends all writing.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Participant for Store {
    fn close_group(&self, batch: &mut Batch) {
        let mut tail = self.tail();
        tail.closed = tail.journal.close_group(batch);
        if !tail.format_written && !tail.closed.is_empty() {
            batch.put(Family::Meta, key::META_FORMAT, &[key::FORMAT]);
            tail.format_written = true;
        }
    }

    fn committed(&self) {
        let mut tail = self.tail();
        if tail.closed.is_empty() {
            return;
        }
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        for frame in std::mem::take(&mut tail.closed) {
            let taken = frame.visit(&mut |tenant, row| buckets.push(tenant, &row));
            taken.expect("rows that this process encoded a moment ago decode");
            tail.journal.recycle(frame);
        }
        self.open_bytes.store(buckets.bytes(), Ordering::Relaxed);
    }
}

/// What expiry removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Journal frames, from the disk.
    pub frames: usize,
    /// Rows, from memory.
    pub rows: usize,
}

/// What the open buckets hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory.
    pub bytes: usize,
    /// Rows.
    pub rows: usize,
    /// Buckets.
    pub buckets: usize,
}

/// Rows that a reader may see, not yet looked at: taking it costs nothing but a reference.
#[derive(Clone)]
pub struct Part {
    columns: Arc<Columns>,
    class: Class,
    not_before: Millis,
    from: Millis,
    to: Millis,
}

impl Part {
    fn new(columns: Arc<Columns>, class: Class, not_before: Millis, from: Millis, to: Millis) -> Part {
        Part { columns, class, not_before, from, to }
    }

    /// A part whose rows are all retained.
    #[cfg(test)]
    pub(crate) fn for_test(columns: Columns, from: Millis, to: Millis) -> Part {
        Part::new(Arc::new(columns), Class::Mcp, Millis(i64::MIN), from, to)
    }

    /// The retention class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The most rows that it can have, those included that [`Part::load`] will hide.
    pub fn rows_max(&self) -> usize {
        self.columns.len()
    }

    /// The extremes of its times, those of hidden rows included; `None` without rows.
    pub fn spans(&self) -> Option<Spans> {
        self.columns.spans()
    }

    /// The columns; read them only at the positions that [`Part::rows`] gives.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Positions of the rows in range and not past their retention, in order of arrival.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let (times, received) = (self.columns.time(), self.columns.received());
        times.iter().zip(received).enumerate().filter_map(|(row, (time, received))| {
            let visible = *received >= self.not_before.0 && *time >= self.from.0 && *time < self.to.0;
            visible.then_some(row)
        })
    }

    /// The rows with the columns that are asked for. Others may be there or read as absent.
    ///
    /// # Errors
    /// [`Error::DamagedBucket`], [`Error::Erased`], [`Error::Kv`]: of sealed rows only.
    pub fn load(&self, need: &Need) -> Result<Loaded, Error> {
        let _ = need;
        let columns = Arc::clone(&self.columns);
        let visible = columns
            .time()
            .iter()
            .zip(columns.received())
            .map(|(time, received)| *received >= self.not_before.0 && *time >= self.from.0 && *time < self.to.0);
        let hidden: Vec<bool> = visible.map(|visible| !visible).collect();
        let hidden = hidden.contains(&true).then_some(hidden);
        Ok(Loaded { columns, class: self.class, hidden })
    }
}

/// Rows of one part with some of their columns.
#[derive(Clone)]
pub struct Loaded {
    columns: Arc<Columns>,
    class: Class,
    /// Rows that the reader must not see; `None` when it may see all.
    hidden: Option<Vec<bool>>,
}

impl Loaded {
    /// The columns; read them only at the positions that [`Loaded::rows`] gives.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The retention class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether every row may be seen.
    pub fn is_whole(&self) -> bool {
        self.hidden.is_none()
    }

    /// Whether a reader may see this row.
    pub fn is_visible(&self, row: usize) -> bool {
        self.hidden.as_ref().is_none_or(|hidden| hidden.get(row) == Some(&false))
    }

    /// Positions of the rows in range and not past their retention.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(|row| self.is_visible(*row))
    }
}

/// Reads the whole journal as `fsck` does; returns the number of frames and of rows.
///
/// # Errors
/// The first damage found.
pub fn check(kv: &Kv) -> Result<(u64, u64), Error> {
    let (mut frames, mut rows) = (0, 0);
    for class in Class::ALL {
        journal::for_each_frame(kv, class, &mut |_, value| {
            frames += 1;
            journal::visit_value(value, &mut |_, _| rows += 1)
        })?;
    }
    Ok((frames, rows))
}
