//! `fsck` of the store: is everything still what was written, and does it add up?
//!
//! Reads every journal frame and every block of every run past all caches, and re-derives what the manifest says of them: checksums, keys,
//! counts, times, digests. Changes nothing, so it may run beside a serving gateway.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::id::TenantId;
use crate::keys::Vault;
use crate::kv::{Family, Kv};

use super::budget::Budget;
use super::key;
use super::reader::Reader;
use super::rollup::Rollup;
use super::row::Row;
use super::run::Run;
use super::{Error, journal, manifest, rollup};

/// What was found in order.
#[derive(Default)]
pub struct Checked {
    /// Journal frames.
    pub frames: u64,
    /// Rows in them.
    pub journal_rows: u64,
    /// Runs whose every block was read.
    pub runs: Vec<Run>,
    /// Rows in them.
    pub rows: u64,
    /// Rollups.
    pub rollups: u64,
    /// Segments on the disk that no run names: a crash left them, and the next start removes them.
    pub orphans: u64,
}

/// Something that is not what was written.
pub struct Finding {
    /// Where: a journal place, or a run by its class, time and segment.
    pub place: String,
    /// What is wrong.
    pub error: Error,
}

/// Checks the whole store; `report` is told of everything that is wrong.
///
/// # Errors
/// The database cannot be read at all.
pub fn check(kv: &Arc<Kv>, vault: &Arc<Vault>, report: &mut dyn FnMut(Finding)) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let mut journal_keys_missing = BTreeSet::new();
    let read = journal::for_each_frame(kv, vault, &mut |frame| {
        checked.frames += 1;
        if !frame.has_key() {
            journal_keys_missing.insert(frame.segment);
        }
        frame.visit(&mut |_, _, _, _| checked.journal_rows += 1)
    });
    match read {
        Err(error @ Error::Damaged { .. }) => report(Finding { place: "journal".to_owned(), error }),
        read => read?,
    }
    check_runs(kv, vault, &mut checked, report)?;
    let (runs, segments) = (missing_runs(&checked, vault), journal_keys_missing.len() as u64);
    if runs + segments > 0 {
        report(Finding { place: "key file".to_owned(), error: Error::KeysMissing { runs, segments } });
    }
    check_rollups(kv, vault, &mut checked, report)?;
    let named: BTreeSet<_> = checked.runs.iter().map(|run| run.id.segment).collect();
    let on_disk = kv.files(Family::Sealed)?;
    let segments: BTreeSet<u64> =
        on_disk.iter().filter_map(|file| key::segment_of(&file.first)).map(|(_, _, segment)| segment).collect();
    checked.orphans = segments.difference(&named).count() as u64;
    Ok(checked)
}

fn check_runs(
    kv: &Arc<Kv>,
    vault: &Arc<Vault>,
    checked: &mut Checked,
    report: &mut dyn FnMut(Finding),
) -> Result<(), Error> {
    // Every block is read once: there is nothing to remember.
    let reader = Reader::new(Arc::clone(kv), Arc::clone(vault), Budget::new(usize::MAX), 0);
    let runs = match manifest::read_runs(kv, vault) {
        Ok(runs) => runs,
        Err(error @ Error::DamagedManifest) => {
            report(Finding { place: "manifest".to_owned(), error });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for run in runs {
        // Runs without a key are reported together.
        if vault.has_dek(run.id.bucket.tenant, run.dek) {
            match reader.verify(&run) {
                Ok(_) => checked.rows += u64::from(run.rows),
                Err(error @ Error::Kv(_)) => return Err(error),
                Err(error) => report(Finding { place: place_of(&run), error }),
            }
        }
        checked.runs.push(run);
    }
    Ok(())
}

fn missing_runs(checked: &Checked, vault: &Vault) -> u64 {
    checked.runs.iter().filter(|run| !vault.has_dek(run.id.bucket.tenant, run.dek)).count() as u64
}

fn check_rollups(
    kv: &Kv,
    vault: &Vault,
    checked: &mut Checked,
    report: &mut dyn FnMut(Finding),
) -> Result<(), Error> {
    let mut keys = manifest::IndexKeys::new(vault);
    let mut failed = None;
    kv.scan(Family::Rollup, &[], &[], &mut |place, value| {
        match rollup::open(&mut keys, place, value) {
            Ok(Rollup { .. }) => checked.rollups += 1,
            Err(error @ Error::DamagedManifest) => report(Finding { place: "rollups".to_owned(), error }),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(()), Err)
}

/// Calls `visit` with every row that is stored, decrypted: of the journal, sealed again or not, and of every run. For who wants to know what is
/// really there.
///
/// # Errors
/// The first thing that is not what was written.
pub fn for_each_row(kv: &Arc<Kv>, vault: &Arc<Vault>, visit: &mut dyn FnMut(TenantId, Row<'_>)) -> Result<(), Error> {
    journal::for_each_frame(kv, vault, &mut |frame| frame.visit(&mut |_, tenant, _, row| visit(tenant, row)))?;
    let reader = Reader::new(Arc::clone(kv), Arc::clone(vault), Budget::new(usize::MAX), 0);
    for run in manifest::read_runs(kv, vault)? {
        let columns = reader.verify(&run)?;
        (0..columns.len()).filter_map(|row| columns.row(row)).for_each(|row| visit(run.id.bucket.tenant, row));
    }
    Ok(())
}

/// Names a run without naming its tenant's data.
fn place_of(run: &Run) -> String {
    let bucket = run.id.bucket;
    format!("{} of {}, {}, segment {}", bucket.class.name(), bucket.begins(), bucket.tenant, run.id.segment)
}
