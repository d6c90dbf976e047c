//! Erasing data subjects.
//!
//! From the moment in which an erasure is durable nobody sees the subject's rows ([`Store::show_erasure`]). Then the bytes go, step by step, each
//! one a [`Rewrite`] or a drop of its own, so that a crash loses nothing but time:
//!
//! 1. open rows are sealed without the subject's, and the journal that still holds them is dropped with its key;
//! 2. runs that hold rows of the subject are written anew without them, under new keys ([`Store::rewrite_without`]);
//! 3. the tenant's key-encryption key changes, so that no copy of an old data key opens anything (`Vault::advance_kek`);
//! 4. everything that is left is read, and must not have a row of the subject ([`Store::rows_of`]);
//! 5. the entry is removed ([`Store::stage_erased`]).
//!
//! Whoever asks, in which order and with which records, is decided above (`upkeep`).

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::id::TenantId;
use crate::kv::{Batch, Family};

use super::key;
use super::need::Need;
use super::rewrite::{Rewrite, Source};
use super::run::Run;
use super::subject::Subjects;
use super::{Error, Store};

/// Rows of runs that one call rewrites.
const ROWS_AT_ONCE: usize = 128 << 10;

/// One erasure that is not done yet.
#[derive(Clone)]
pub struct Erasure {
    /// Whose rows.
    pub tenant: TenantId,
    /// Number of the request, unique within the gateway.
    pub number: u64,
    /// Who.
    pub subjects: Subjects,
}

/// The sealed entry of an erasure.
pub struct ErasureEntry {
    place: Vec<u8>,
    value: Vec<u8>,
}

impl Erasure {
    fn place(&self) -> Vec<u8> {
        [&[key::MANIFEST_ERASURE][..], &self.tenant.0, &self.number.to_be_bytes()].concat()
    }
}

impl Store {
    /// The entry that says that the subjects' rows are to go, for [`Store::stage_erasure`].
    pub fn prepare_erasure(&self, erasure: &Erasure) -> Result<ErasureEntry, Error> {
        let place = erasure.place();
        let value = self.seal_entry(erasure.tenant, &place, &erasure.subjects.encode())?;
        Ok(ErasureEntry { place, value })
    }

    /// Stages that the subjects' rows are to go. Writer's thread only.
    pub fn stage_erasure(&self, entry: ErasureEntry, batch: &mut Batch) {
        batch.put_owned(Family::Manifest, entry.place, entry.value);
    }

    /// Hides the subjects' rows; to be called once [`Store::stage_erasure`] is durable.
    pub fn show_erasure(&self, erasure: &Erasure) {
        let mut shelf = self.shelf_mut();
        let hidden = shelf.hidden.entry(erasure.tenant).or_default();
        *hidden = Arc::new(erasure.subjects.clone().and(hidden));
    }

    /// Whose rows of a tenant nobody is to see any more; `None` when nobody asked for it.
    pub fn hidden(&self, tenant: TenantId) -> Option<Arc<Subjects>> {
        self.shelf().hidden_of(tenant)
    }

    /// The erasures that are not done yet.
    pub fn erasures(&self) -> Result<Vec<Erasure>, Error> {
        let mut sealed = Vec::new();
        self.kv.scan(Family::Manifest, &[key::MANIFEST_ERASURE], &[key::MANIFEST_ERASURE], &mut |place, value| {
            sealed.push((place.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let opened = sealed.into_iter().map(|(place, value)| {
            let (tenant, number) = place_parts(&place).ok_or(Error::DamagedManifest)?;
            let plain = self.open_entry(tenant, &place, &value)?;
            let subjects = Subjects::decode(&plain).map_err(|_| Error::DamagedManifest)?;
            Ok(Erasure { tenant, number, subjects })
        });
        opened.collect()
    }

    /// Writes some of the runs that hold rows of hidden subjects anew, without them; empty when none holds any.
    pub fn rewrite_without(&self, tenant: TenantId) -> Result<Rewrite, Error> {
        let (runs, hidden) = {
            let shelf = self.shelf();
            (shelf.runs.of_tenant(tenant).cloned().collect::<Vec<_>>(), shelf.hidden_of(tenant))
        };
        let Some(hidden) = hidden else { return Ok(Rewrite::default()) };
        let (mut sources, mut removed, mut rows) = (Vec::new(), Vec::new(), 0);
        for run in runs {
            if hidden.rows(&self.reader.load(&run, &hidden.need())?.0).is_none() {
                continue;
            }
            rows += run.rows as usize;
            sources.push(Source {
                bucket: run.id.bucket,
                chunks: vec![Arc::new(self.reader.load(&run, &Need::all())?.0)],
                policies: run.policies.clone(),
                through: run.through,
                settled: run.settled,
                without: Some(Arc::clone(&hidden)),
            });
            removed.push(run);
            if rows >= ROWS_AT_ONCE {
                break;
            }
        }
        let rolled: std::collections::BTreeMap<_, bool> =
            removed.iter().map(|run| (run.id.bucket, run.rolled)).collect();
        let written = self.write_runs(sources)?;
        // What was counted in rollups stays counted: they single nobody out.
        let as_before = |run: Run| Run { rolled: rolled.get(&run.id.bucket) == Some(&true), ..run };
        self.prepare(Rewrite { removed, ..Rewrite::default() }.with(written, as_before))
    }

    /// Counts the rows of subjects in everything that is stored, hidden or not, past the cache.
    pub fn rows_of(&self, tenant: TenantId, subjects: &Subjects) -> Result<u64, Error> {
        let (runs, chunks) = {
            let shelf = self.shelf();
            let chunks: Vec<_> = shelf.open.of_tenant(tenant).map(|(_, chunk)| Arc::clone(chunk)).collect();
            (shelf.runs.of_tenant(tenant).cloned().collect::<Vec<_>>(), chunks)
        };
        let count =
            |rows: Option<Vec<bool>>| rows.map_or(0, |rows| rows.iter().filter(|theirs| **theirs).count() as u64);
        let mut found = chunks.iter().map(|chunk| count(subjects.rows(chunk))).sum();
        for run in runs {
            found += count(subjects.rows(&self.reader.verify(&run)?));
        }
        Ok(found)
    }

    /// Stages that an erasure is done. Writer's thread only.
    pub fn stage_erased(&self, erasure: &Erasure, batch: &mut Batch) {
        batch.delete(Family::Manifest, &erasure.place());
    }

    /// To be called once [`Store::stage_erased`] is durable; `left` are the erasures of the tenant that are not done.
    pub fn show_erased(&self, tenant: TenantId, left: &[Erasure]) {
        let mine = left.iter().filter(|erasure| erasure.tenant == tenant);
        let hidden = mine.fold(Subjects::default(), |all, erasure| all.and(&erasure.subjects));
        let mut shelf = self.shelf_mut();
        if hidden.is_empty() {
            shelf.hidden.remove(&tenant);
        } else {
            shelf.hidden.insert(tenant, Arc::new(hidden));
        }
    }
}

fn place_parts(place: &[u8]) -> Option<(TenantId, u64)> {
    let (kind, rest) = place.split_first()?;
    let (tenant, number) = rest.split_first_chunk()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    (*kind == key::MANIFEST_ERASURE).then_some((TenantId(*tenant), number))
}

/// The journal as an erasure needs it.
impl Store {
    /// Begins a new journal segment; answers the newest group of the old one. Writer's thread only.
    pub fn rotate_journal(&self) -> Result<u64, Error> {
        let mut tail = self.tail();
        tail.journal.rotate()?;
        Ok(tail.journal.sequence())
    }

    /// Whether every row up to this journal group is sealed, expired or erased.
    pub fn is_sealed_through(&self, sequence: u64) -> bool {
        self.shelf().open.oldest_sequence() > sequence
    }

    /// Stages the removal of journal segments that nothing needs any more. Writer's thread only. Once that is durable the keys of the answered
    /// segments are to be destroyed with [`Store::destroy_journal_keys`].
    pub fn stage_journal_drop(&self, batch: &mut Batch) -> Vec<u64> {
        let oldest = self.shelf().open.oldest_sequence();
        self.tail().journal.stage_drop(oldest, batch)
    }

    /// Destroys the keys of dropped segments, and gives their space back.
    pub fn destroy_journal_keys(&self, segments: &[u64]) -> Result<(), Error> {
        for segment in segments {
            self.vault.destroy_journal_key(*segment)?;
        }
        if let Some(last) = segments.last() {
            self.kv.reclaim(Family::Journal, &key::journal(0, 0), &key::journal(*last, u64::MAX));
        }
        Ok(())
    }
}
