//! The one way by which sealed runs come and go.
//!
//! Sealing open buckets, merging small runs, erasing a subject and expiry are all the same change: some runs are added, some are removed, some open rows
//! are let go. It is made in steps, so that a crash between any two of them leaves either the state before or the one after:
//!
//! ```text
//! 1  keys for the new runs              synced in the key file            a crash: keys without a run, destroyed at the next start
//! 2  their blocks as one sorted file    synced, then ingested             a crash: a segment without a run, unlinked at the next start
//! 3  one batch: entries of the new runs in the manifest, those of the old ones out, their keys doomed, the audit leaf
//! 4  readers see the new runs instead of the old ones and of the open rows (one lock)
//! 5  keys of the old runs destroyed, their files unlinked                 a crash: done at the next start, from what is doomed
//! 6  one batch: nothing is doomed any more
//! ```
//!
//! Step 3 is the moment of truth. Steps 1, 2 and 5 belong to the thread that seals; 3 and 6 to the writer's.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{TenantId, random};
use crate::keys::seal::{self, commitment};
use crate::keys::{DekId, Secret};
use crate::kv::{Batch, Family, SortedFile};

use super::block::{Place, Sealer};
use super::column::{self, BlockId, Encoded};
use super::columns::Columns;
use super::journal::PolicyMark;
use super::key::{self, BucketKey, Class, RunId};
use super::reader::{FRAME, frame};
use super::rollup::Rollup;
use super::run::{Form, Run};
use super::subject::Subjects;
use super::{Error, Store, step};

/// Runs below this many rows are stored as one value: values of their own for each column would take more in overhead than they save.
const FRAME_ROWS_MAX: usize = 1000;

/// Rows that are to become one run, or none when nothing of them is kept.
pub(super) struct Source {
    pub bucket: BucketKey,
    pub chunks: Vec<Arc<Columns>>,
    pub policies: Vec<PolicyMark>,
    pub through: u64,
    /// Whether the run will stay as it is.
    pub settled: bool,
    /// Whose rows are left out.
    pub without: Option<Arc<Subjects>>,
}

/// A change that is ready to be made: its new runs are on the disk, and nobody sees them yet.
#[must_use = "open rows stay aside until it is finished or abandoned"]
#[derive(Default)]
pub struct Rewrite {
    pub(super) added: Vec<Arc<Run>>,
    pub(super) removed: Vec<Arc<Run>>,
    pub(super) taken: Vec<BucketKey>,
    pub(super) rollups: Vec<Rollup>,
    pub(super) rows_dropped: u64,
    /// Those of the added runs that were there before, and will stay as they are from now on.
    pub(super) settling: Vec<Arc<Run>>,
    /// The least segment that was written for this change.
    pub(super) first_segment: Option<u64>,
    /// Changes of small tables, sealed already: staging must not be able to fail half way.
    pub(super) entries: Vec<(Family, Vec<u8>, Vec<u8>)>,
}

impl Rewrite {
    /// The runs that will be there.
    pub fn added(&self) -> &[Arc<Run>] {
        &self.added
    }

    /// The runs that will be gone.
    pub fn removed(&self) -> &[Arc<Run>] {
        &self.removed
    }

    /// Those of the added runs that were written for this change; the others had their entry changed.
    pub fn written(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.added.iter().filter(|run| self.first_segment.is_some_and(|first| run.id.segment >= first))
    }

    /// Those of the added runs that were there before, and will stay as they are from now on.
    pub fn settling(&self) -> &[Arc<Run>] {
        &self.settling
    }

    /// Rows that will be gone because they belong to erased subjects.
    pub fn rows_dropped(&self) -> u64 {
        self.rows_dropped
    }

    /// Bytes that were written for it.
    pub fn bytes_written(&self) -> u64 {
        self.written().map(|run| run.bytes).sum()
    }

    /// With runs that were written for it, each as `finish` makes it.
    pub(super) fn with(mut self, written: Written, finish: impl Fn(Run) -> Run) -> Rewrite {
        self.added.extend(written.runs.into_iter().map(|run| Arc::new(finish(run))));
        self.rows_dropped += written.rows_dropped;
        self.first_segment = written.first_segment;
        self
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.taken.is_empty()
    }
}

/// What steps 1 and 2 made.
pub(super) struct Written {
    pub runs: Vec<Run>,
    pub first_segment: Option<u64>,
    pub rows_dropped: u64,
}

impl Store {
    /// Steps 1 and 2: writes the sources as runs.
    pub(super) fn write_runs(&self, sources: Vec<Source>) -> Result<Written, Error> {
        let mut dropped = 0;
        let mut by_file: BTreeMap<(Class, u32, usize), BTreeMap<BucketKey, Source>> = BTreeMap::new();
        for source in sources {
            let place = |round| (source.bucket.class, source.bucket.hour, round);
            // A segment has at most one run of a bucket.
            let round = (0..).find(|n| !by_file.get(&place(*n)).is_some_and(|file| file.contains_key(&source.bucket)));
            by_file.entry(place(round.unwrap_or_default())).or_default().insert(source.bucket, source);
        }
        let (mut runs, mut keys) = (Vec::new(), Vec::new());
        for ((class, hour, _), sources) in by_file {
            let written = self.write_segment(class, hour, sources.into_values().collect(), &mut keys, &mut dropped);
            match written {
                Ok(written) => runs.extend(written),
                Err(error) => {
                    self.discard(&keys, &runs.iter().collect::<Vec<_>>());
                    return Err(error);
                }
            }
        }
        let first_segment = runs.iter().map(|run| run.id.segment).min();
        Ok(Written { runs, first_segment, rows_dropped: dropped })
    }

    /// Writes one file; `made` gets the keys that were made for it, also when it fails.
    fn write_segment(
        &self,
        class: Class,
        hour: u32,
        sources: Vec<Source>,
        made: &mut Vec<(TenantId, DekId)>,
        dropped: &mut u64,
    ) -> Result<Vec<Run>, Error> {
        let mut encoded: Vec<(Source, Encoded)> = Vec::with_capacity(sources.len());
        for source in sources {
            let rows: usize = source.chunks.iter().map(|chunk| chunk.len()).sum();
            let run = encode(&source)?;
            *dropped += rows.saturating_sub(run.as_ref().map_or(0, |run| run.rows)) as u64;
            encoded.extend(run.map(|run| (source, run)));
        }
        if encoded.is_empty() {
            return Ok(Vec::new());
        }
        let tenants: Vec<TenantId> = encoded.iter().map(|(source, _)| source.bucket.tenant).collect();
        let keys = self.vault.create_deks(&tenants)?;
        made.extend(tenants.iter().zip(&keys).map(|(tenant, (dek, _))| (*tenant, *dek)));
        step::passed("keys made");
        let segment = self.next_segment();
        let mut sealer = Sealer::new().map_err(Error::Compressor)?;
        let mut runs = Vec::with_capacity(encoded.len());
        self.kv.ingest(Family::Sealed, &format!("segment-{segment}"), |file| {
            for ((source, encoded), (dek, secret)) in encoded.into_iter().zip(&keys) {
                let id = RunId { bucket: source.bucket, segment };
                let writer = RunWriter { store: self, id, secret, sealer: &mut sealer };
                runs.push(writer.write(file, source, encoded, *dek)?);
            }
            step::passed("file written");
            Ok::<(), Error>(())
        })?;
        step::passed("file taken in");
        debug_assert!(runs.iter().all(|run| run.id.bucket.class == class && run.id.bucket.hour == hour));
        Ok(runs)
    }

    /// Completes a change: what is left of steps 1 and 2. Afterwards staging cannot fail.
    pub(super) fn prepare(&self, mut rewrite: Rewrite) -> Result<Rewrite, Error> {
        for run in &rewrite.added {
            let place = run.id.manifest_key();
            let value = self.seal_entry(run.id.bucket.tenant, &place, &run.encode())?;
            rewrite.entries.push((Family::Manifest, place, value));
        }
        for rollup in &rewrite.rollups {
            let place = rollup.key();
            let value = self.seal_entry(rollup.bucket.tenant, &place, &rollup.encode())?;
            rewrite.entries.push((Family::Rollup, place, value));
        }
        Ok(rewrite)
    }

    /// Step 3. Writer's thread only.
    pub fn stage_rewrite(&self, rewrite: &Rewrite, batch: &mut Batch) {
        batch.put(Family::Meta, key::META_SEGMENTS, &self.segments_used().to_be_bytes());
        for run in &rewrite.removed {
            batch.delete(Family::Manifest, &run.id.manifest_key());
            batch.put(Family::Manifest, &key::doomed(run.id.bucket.tenant, run.dek), &[]);
        }
        rewrite.entries.iter().for_each(|(family, place, value)| batch.put(*family, place, value));
    }

    /// Step 4. To be called once the batch is durable.
    pub fn show_rewrite(&self, rewrite: &Rewrite) {
        let mut shelf = self.shelf_mut();
        rewrite.removed.iter().for_each(|run| shelf.runs.remove(run.id));
        rewrite.added.iter().for_each(|run| shelf.runs.add(Arc::clone(run)));
        rewrite.taken.iter().for_each(|bucket| shelf.open.sealed(*bucket));
        self.note_open_bytes(&shelf);
    }

    /// Instead of steps 3 to 6: open rows are as before; what was written has no entry and goes at the next start.
    pub fn abandon_rewrite(&self, rewrite: &Rewrite) {
        self.put_back(&rewrite.taken);
    }

    /// The same when the batch was certainly not written: what was written for the change goes now. The caller tries again soon, and a disk that is nearly
    /// full must not be filled by that.
    pub fn undo_rewrite(&self, rewrite: &Rewrite) {
        self.put_back(&rewrite.taken);
        let written: Vec<&Run> = rewrite.written().map(|run| &**run).collect();
        let keys: Vec<_> = written.iter().map(|run| (run.id.bucket.tenant, run.dek)).collect();
        self.discard(&keys, &written);
    }

    /// Destroys keys and unlinks files that nothing will ever name. Should that fail, the next start does it.
    fn discard(&self, keys: &[(TenantId, DekId)], runs: &[&Run]) {
        let segments = runs.iter().map(|run| (run.id.bucket.class, run.id.bucket.hour, run.id.segment));
        let destroyed = self.vault.destroy_deks(keys).map_err(Error::from);
        if let Err(error) = destroyed.and_then(|_| self.unlink_unused(segments.collect())) {
            tracing::error!(error = &error as &dyn std::error::Error, "what was written in vain stays until the next start");
        }
    }

    pub(super) fn put_back(&self, taken: &[BucketKey]) {
        let mut shelf = self.shelf_mut();
        taken.iter().for_each(|bucket| shelf.open.put_back(*bucket));
    }

    /// Step 5: destroys the keys of the removed runs and unlinks the files that hold no run any more. Answers what is not doomed any more.
    pub fn destroy_removed(&self, rewrite: &Rewrite) -> Result<Done, Error> {
        let keys: Vec<_> = rewrite.removed.iter().map(|run| (run.id.bucket.tenant, run.dek)).collect();
        self.vault.destroy_deks(&keys)?;
        step::passed("keys destroyed");
        rewrite.removed.iter().for_each(|run| self.reader.forget(run.id));
        let segments = rewrite.removed.iter().map(|run| (run.id.bucket.class, run.id.bucket.hour, run.id.segment));
        self.unlink_unused(segments.collect())?;
        step::passed("files unlinked");
        Ok(Done { keys })
    }

    /// Step 6. Writer's thread only.
    pub fn stage_done(&self, done: &Done, batch: &mut Batch) {
        for (tenant, dek) in &done.keys {
            batch.delete(Family::Manifest, &key::doomed(*tenant, *dek));
        }
    }

    /// Seals a value of a small table under the tenant's index key, bound to its place.
    pub(super) fn seal_entry(&self, tenant: TenantId, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.vault.index_key(tenant)?;
        Ok(seal::seal(&key, random(&*self.entropy), place, plain))
    }

    /// Opens what [`Store::seal_entry`] sealed.
    pub(super) fn open_entry(&self, tenant: TenantId, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.vault.find_index_key(tenant).ok_or(Error::DamagedManifest)?;
        seal::open(&key, place, sealed).map_err(|_| Error::DamagedManifest)
    }
}

/// Keys that are destroyed.
#[derive(Default)]
#[must_use = "they stay doomed until it is staged"]
pub struct Done {
    pub(super) keys: Vec<(TenantId, DekId)>,
}

impl Done {
    /// How many.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }
}

fn encode(source: &Source) -> Result<Option<Encoded>, Error> {
    let left_out: Vec<Option<Vec<bool>>> = match &source.without {
        Some(subjects) => source.chunks.iter().map(|chunk| subjects.rows(chunk)).collect(),
        None => Vec::new(),
    };
    let keep = |chunk: usize, row: usize| {
        let left_out = left_out.get(chunk).and_then(Option::as_ref);
        left_out.is_none_or(|rows| rows.get(row) != Some(&true))
    };
    Ok(column::encode(&source.chunks, &keep)?)
}

/// Writes the blocks of one run into a file.
struct RunWriter<'w> {
    store: &'w Store,
    id: RunId,
    secret: &'w Secret,
    sealer: &'w mut Sealer,
}

impl RunWriter<'_> {
    fn write(mut self, file: &mut SortedFile<'_>, source: Source, encoded: Encoded, dek: DekId) -> Result<Run, Error> {
        let Encoded { rows, spans, mut blocks } = encoded;
        let form = if rows < FRAME_ROWS_MAX { Form::Frame } else { Form::Columns };
        let rows = u32::try_from(rows).map_err(|_| Error::RunTooLarge)?;
        if form == Form::Frame {
            blocks = vec![(FRAME, frame(&blocks))];
        }
        let run_key = self.id.run_key();
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        for (id, raw) in &blocks {
            let block = self.seal(&run_key, *id, rows, raw)?;
            hasher.update(&block);
            bytes += block.len() as u64;
            file.put(&self.id.block_key(id.0), &block)?;
        }
        Ok(Run {
            id: self.id,
            rows,
            spans,
            dek,
            commitment: commitment(self.secret, &run_key),
            through: source.through,
            form,
            settled: source.settled,
            rolled: false,
            bytes,
            digest: *hasher.finalize().as_bytes(),
            policies: source.policies,
        })
    }

    fn seal(&mut self, run: &[u8], block: BlockId, rows: u32, raw: &[u8]) -> Result<Vec<u8>, Error> {
        if raw.len() > super::block::RAW_BYTES_MAX {
            return Err(Error::RunTooLarge);
        }
        Ok(self.sealer.seal(self.secret, Place { run, block: block.0, rows }, random(&*self.store.entropy), raw))
    }
}
