//! What is sealed when, and what is merged.
//!
//! An open bucket is sealed when it is large enough for a run of full size, when memory is short, when its rows hold up the journal, and when
//! its time is over. The work is trickled: one call does a bounded amount of it, and the caller comes back. When a bucket's time is over its small
//! runs are merged, once; what has full size stays as it is for ever. Then its totals are taken ([`super::rollup`]), and the bucket is *closed*.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::{HOUR_MS, MINUTE_MS, Millis};

use super::columns::Columns;
use super::key::BucketKey;
use super::need::Need;
use super::open::{Held, Taken};
use super::rewrite::{Rewrite, Source};
use super::run::Run;
use super::{Error, Store};

/// Rows of a run of full size. A run is what an erasure rewrites: with 16 Ki rows, erasing one of many subjects touches little, and larger runs
/// would save no more than 3 % of the bytes (measured).
pub const RUN_ROWS: usize = 16 << 10;
/// A run of at least this many rows is not merged with others: it would cost more than it saves.
const SETTLED_ROWS: usize = 8 << 10;
/// A run is closed at this size in memory at most, whatever its rows: what a reader decodes at once stays bounded, and below what a block may hold.
const RUN_BYTES: usize = 16 << 20;
/// It is closed earlier where memory is scarce, at this part of what open rows may take: encoding a run takes a few times its size.
const RUN_SHARE: usize = 16;
/// The least of that.
const RUN_BYTES_MIN: usize = 1 << 20;
/// Rows that one call works on, so that memory stays bounded and a stop need not wait.
const ROWS_AT_ONCE: usize = 128 << 10;
/// Buckets that one call works on.
const BUCKETS_AT_ONCE: usize = 4096;
/// Time for the last commit groups of a bucket to become durable after its time is over.
const GRACE_MS: i64 = MINUTE_MS;
/// Rows stay in the journal alone at most this long: then quiet buckets are sealed too, however small, so that the log and its key can go.
const JOURNAL_AGE_MAX_MS: i64 = 2 * HOUR_MS;
/// The journal holds at most about this much; more has to be read again at a start.
const JOURNAL_BYTES_MAX: u64 = 1 << 30;
/// Memory is short when open buckets use more than this share of what they may (in percent), and enough is sealed to get below the other.
const PRESSURE_PERCENT: (usize, usize) = (60, 40);

/// Why buckets are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that are due.
    Due,
    /// All of them, whatever their size: before a backup, or because the journal has to go.
    All,
}

impl Store {
    /// Seals some open buckets; empty when none is due.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn seal(&self, which: Which, now: Millis) -> Result<Rewrite, Error> {
        let chosen = self.choose(which, now);
        let taken: Vec<Taken> = {
            let mut shelf = self.shelf_mut();
            let mut rows = 0;
            let mut taken = Vec::new();
            for held in chosen.into_iter().take(BUCKETS_AT_ONCE) {
                if rows > 0 && rows + held.rows > ROWS_AT_ONCE {
                    break;
                }
                rows += held.rows;
                taken.extend(shelf.open.take(held.bucket));
            }
            taken
        };
        let buckets: Vec<BucketKey> = taken.iter().map(|taken| taken.bucket).collect();
        let sources = taken.into_iter().flat_map(|taken| self.sources_of(taken)).collect();
        let rewrite = Rewrite { taken: buckets.clone(), ..Rewrite::default() };
        let sealed = self.write_runs(sources).and_then(|written| self.prepare(rewrite.with(written, |run| run)));
        sealed.inspect_err(|_| self.put_back(&buckets))
    }

    /// The buckets to seal, those that matter most first.
    fn choose(&self, which: Which, now: Millis) -> Vec<Held> {
        let old_before = self.tail().journal.old_before(now, JOURNAL_AGE_MAX_MS, JOURNAL_BYTES_MAX);
        let shelf = self.shelf();
        let run_bytes = self.run_bytes();
        let is_due = |held: &Held| {
            let is_large = held.rows >= RUN_ROWS || held.bytes >= run_bytes;
            is_large || held.bucket.ends().plus(GRACE_MS) <= now || held.first_sequence < old_before
        };
        let (mut chosen, mut rest): (Vec<Held>, Vec<Held>) =
            shelf.open.held().partition(|held| which == Which::All || is_due(held));
        let percent = |percent: usize| self.shares.open / 100 * percent;
        let mut left = shelf.open.bytes().saturating_sub(chosen.iter().map(|held| held.bytes).sum());
        if shelf.open.bytes() > percent(PRESSURE_PERCENT.0) {
            rest.sort_unstable_by_key(|held| std::cmp::Reverse(held.bytes));
            for held in rest {
                if left <= percent(PRESSURE_PERCENT.1) {
                    break;
                }
                left = left.saturating_sub(held.bytes);
                chosen.push(held);
            }
        }
        chosen
    }

    /// Cuts what was taken into runs of about full size. All of them are sealed through the same group, and in the same batch.
    fn sources_of(&self, taken: Taken) -> Vec<Source> {
        let without = self.shelf().hidden_of(taken.bucket.tenant);
        let run_bytes = self.run_bytes();
        let pieces = cut(taken.chunks, run_bytes);
        let sources = pieces.into_iter().map(|chunks| Source {
            bucket: taken.bucket,
            settled: rows_of(&chunks) >= SETTLED_ROWS || bytes_of(&chunks) >= run_bytes / 2,
            chunks,
            policies: taken.policies.clone(),
            through: taken.through,
            without: without.clone(),
        });
        sources.collect()
    }

    /// The size in memory at which a run is closed.
    fn run_bytes(&self) -> usize {
        (self.shares.open / RUN_SHARE).clamp(RUN_BYTES_MIN, RUN_BYTES)
    }

    /// Merges the small runs of some buckets whose time is over, takes the totals of these buckets, and closes them; empty when all are closed.
    /// Of a bucket with very many small runs some are merged first, and it is closed by a later call.
    pub fn close_buckets(&self, now: Millis) -> Result<Rewrite, Error> {
        let mut rewrite = Rewrite::default();
        let mut sources = Vec::new();
        let mut rows = 0;
        let mut left_open = BTreeSet::new();
        for (bucket, runs) in self.buckets_to_close(now).into_iter().take(BUCKETS_AT_ONCE) {
            let bucket_rows: usize = runs.iter().map(|run| run.rows as usize).sum();
            if rows > 0 && rows + bucket_rows > ROWS_AT_ONCE {
                break;
            }
            rows += bucket_rows;
            if let Some(some) = self.too_many(&runs) {
                sources.extend(self.merged(bucket, &some)?);
                rewrite.removed.extend(some);
                left_open.insert(bucket);
                continue;
            }
            // A clock that was set back puts rows into a bucket that was closed: what was counted then is not counted again.
            let uncounted: Vec<_> = runs.iter().filter(|run| !run.rolled).cloned().collect();
            rewrite.rollups.extend(self.roll_up(bucket, &uncounted)?);
            let (small, large): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| !run.settled);
            rewrite.added.extend(large.iter().map(|run| Arc::new(closed((**run).clone()))));
            match small.as_slice() {
                [] => {}
                [alone] => {
                    let alone = Arc::new(closed((**alone).clone()));
                    rewrite.settling.push(Arc::clone(&alone));
                    rewrite.added.push(alone);
                }
                several => {
                    sources.extend(self.merged(bucket, several)?);
                    rewrite.removed.extend(several.iter().cloned());
                }
            }
        }
        let written = self.write_runs(sources)?;
        let finish = |run: Run| if left_open.contains(&run.id.bucket) { run } else { closed(run) };
        self.prepare(rewrite.with(written, finish))
    }

    /// Some small runs, if all of a bucket's are too many to be merged at once.
    fn too_many(&self, runs: &[Arc<Run>]) -> Option<Vec<Arc<Run>>> {
        // On the disk they take a fraction of what they take in memory.
        let bytes_max = (self.run_bytes() / 2) as u64;
        let (mut rows, mut bytes) = (0, 0);
        let mut fits = |run: &&Arc<Run>| {
            (rows, bytes) = (rows + run.rows as usize, bytes + run.bytes);
            rows <= ROWS_AT_ONCE && bytes <= bytes_max
        };
        let small: Vec<&Arc<Run>> = runs.iter().filter(|run| !run.settled).collect();
        // Two at least, or there would be no end.
        let count = small.iter().copied().take_while(|run| fits(run)).count().max(2);
        (count < small.len()).then(|| small.into_iter().take(count).cloned().collect())
    }

    fn buckets_to_close(&self, now: Millis) -> Vec<(BucketKey, Vec<Arc<Run>>)> {
        let shelf = self.shelf();
        let open: BTreeSet<BucketKey> = shelf.open.keys().copied().collect();
        let is_over = |bucket: &BucketKey| bucket.ends().plus(GRACE_MS) <= now && !open.contains(bucket);
        let ready = shelf.runs.all().filter(|run| !run.rolled).map(|run| run.id.bucket).filter(is_over);
        let ready: BTreeSet<BucketKey> = ready.collect();
        ready.into_iter().map(|bucket| (bucket, shelf.runs.of_bucket(bucket).cloned().collect())).collect()
    }

    fn merged(&self, bucket: BucketKey, runs: &[Arc<Run>]) -> Result<Vec<Source>, Error> {
        let mut policies: Vec<_> = runs.iter().flat_map(|run| run.policies.iter().copied()).collect();
        policies.sort_unstable();
        policies.dedup();
        let through = runs.iter().map(|run| run.through).max().unwrap_or_default();
        let without = self.shelf().hidden_of(bucket.tenant);
        let chunks = runs.iter().map(|run| Ok(Arc::new(self.reader.load(run, &Need::all())?.0)));
        let chunks = chunks.collect::<Result<Vec<_>, Error>>()?;
        let source = |chunks| Source {
            bucket,
            chunks,
            policies: policies.clone(),
            through,
            settled: true,
            without: without.clone(),
        };
        Ok(cut(chunks, self.run_bytes()).into_iter().map(source).collect())
    }
}

/// The same run in a bucket that is closed.
fn closed(run: Run) -> Run {
    Run { settled: true, rolled: true, ..run }
}

fn rows_of(chunks: &[Arc<Columns>]) -> usize {
    chunks.iter().map(|chunk| chunk.len()).sum()
}

fn bytes_of(chunks: &[Arc<Columns>]) -> usize {
    chunks.iter().map(|chunk| chunk.bytes()).sum()
}

/// Puts chunks together to pieces of about full size: at least that many rows or bytes, unless there is no more, and less than twice.
fn cut(chunks: Vec<Arc<Columns>>, bytes_max: usize) -> Vec<Vec<Arc<Columns>>> {
    let mut left = rows_of(&chunks);
    let mut pieces = Vec::new();
    let (mut piece, mut rows, mut bytes) = (Vec::new(), 0, 0);
    for chunk in chunks {
        left -= chunk.len();
        rows += chunk.len();
        bytes += chunk.bytes();
        piece.push(chunk);
        // A rest that is too small for a run of its own stays with this one.
        if rows >= RUN_ROWS && left >= SETTLED_ROWS || bytes >= bytes_max {
            pieces.push(std::mem::take(&mut piece));
            (rows, bytes) = (0, 0);
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}
