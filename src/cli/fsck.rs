//! `tidegate fsck`: is everything still what was written?
//!
//! Opens the database for reading only, so it may run beside a serving gateway; then it may see the checkpoint files a little newer than its
//! view of the database, and looks again before it reports that.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::audit::{self, Action, Problem, Subject};
use crate::auth::{Directory, DirectoryLimits, OpenError};
use crate::id::TenantId;
use crate::ingest::policies;
use crate::keys::Vault;
use crate::kv::{self, Family, Kv};
use crate::store;

/// Looks at a database that is being written.
const LOOKS: usize = 3;

/// Why the check could not be made, or what it found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be read.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The keys cannot be used.
    #[error(transparent)]
    Store(store::Error),
    /// The audit logs cannot be read.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The report could not be written.
    #[error("writing failed")]
    Io(#[from] std::io::Error),
    /// Something is not what was written.
    #[error("{findings} finding(s): the data directory is damaged or was tampered with")]
    Damaged {
        /// How many.
        findings: usize,
    },
}

/// What is checked.
pub struct Checked<'c> {
    /// The data directory.
    pub dir: &'c Path,
    /// The gateway's name.
    pub gateway: &'c str,
    /// The keys.
    pub vault: &'c Arc<Vault>,
    /// The public half of the key that signed its checkpoints.
    pub public: &'c [u8; 32],
}

/// Checks a data directory.
pub fn run(checked: &Checked<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let Checked { dir, gateway, vault, public } = *checked;
    let mut findings = 0;
    let kv = Arc::new(Kv::open_read_only(&dir.join("db"))?);
    findings += check_tables(&kv, out)?;
    let store = check_store(&kv, vault, &mut findings, out)?;
    findings += check_leaves(&kv, &store, out)?;
    match Directory::open(&kv, DirectoryLimits { tenants_max: usize::MAX, keys_per_tenant_max: usize::MAX }) {
        Ok(directory) => writeln!(out, "catalog: {} tenants: ok", directory.tenants().len())?,
        Err(OpenError::Kv(error)) => return Err(error.into()),
        Err(error) => {
            findings += 1;
            writeln!(out, "catalog: {error}")?;
        }
    }
    match policies::check(&kv, vault) {
        Ok(versions) => writeln!(out, "policies: {versions} versions of tenants' policies: ok")?,
        Err(policies::Error::Kv(error)) => return Err(error.into()),
        Err(error) => {
            findings += 1;
            writeln!(out, "policies: {error}")?;
        }
    }
    drop((kv, store));
    let report = check_audit(dir, gateway, public)?;
    for finding in &report.findings {
        writeln!(out, "audit log {}: {}", finding.subject, finding.problem)?;
    }
    findings += report.findings.len();
    if report.findings.is_empty() {
        writeln!(out, "audit: {} logs, {} leaves, every root re-derived: ok", report.logs, report.leaves)?;
    }
    if findings == 0 { Ok(()) } else { Err(Error::Damaged { findings }) }
}

/// Reads every table whole: its checksums are looked at, whatever else is.
fn check_tables(kv: &Kv, out: &mut dyn Write) -> Result<usize, Error> {
    let mut findings = 0;
    let mut entries = 0u64;
    for family in Family::ALL {
        let read = kv.scan(family, &[], &[], &mut |_, _| {
            entries += 1;
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            findings += 1;
            writeln!(out, "tables of {}: {error}", family.name())?;
        }
    }
    if findings == 0 {
        writeln!(out, "tables: {entries} entries, every checksum looked at: ok")?;
    }
    Ok(findings)
}

fn check_store(
    kv: &Arc<Kv>,
    vault: &Arc<Vault>,
    findings: &mut usize,
    out: &mut dyn Write,
) -> Result<store::check::Checked, Error> {
    let mut lines = Vec::new();
    let checked =
        store::check::check(kv, vault, &mut |finding| lines.push(format!("{}: {}", finding.place, finding.error)));
    let checked = match checked {
        Err(store::Error::Kv(error)) => return Err(error.into()),
        Err(error) => return Err(Error::Store(error)),
        Ok(checked) => checked,
    };
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    *findings += lines.len();
    let ok = if lines.is_empty() { "ok" } else { "see above" };
    writeln!(out, "journal: {} frames, {} rows: {ok}", checked.frames, checked.journal_rows)?;
    let (runs, rows) = (checked.runs.len(), checked.rows);
    writeln!(out, "sealed: {runs} runs, {rows} rows, every block opened; {} rollups: {ok}", checked.rollups)?;
    if checked.orphans > 0 {
        writeln!(out, "sealed: {} segments are left over from a crash; the next start removes them", checked.orphans)?;
    }
    Ok(checked)
}

/// Every run that will stay must have its leaf, with the digest of its blocks: a run that was swapped in has none.
fn check_leaves(kv: &Kv, store: &store::check::Checked, out: &mut dyn Write) -> Result<usize, Error> {
    let mut known: HashMap<TenantId, HashSet<String>> = HashMap::new();
    let mut missing = 0;
    for run in store.runs.iter().filter(|run| run.settled) {
        let tenant = run.id.bucket.tenant;
        let digests = match known.entry(tenant) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(sealed_digests(kv, tenant)?),
        };
        if !digests.contains(&hex::encode(run.digest)) {
            missing += 1;
            writeln!(out, "audit log of {tenant}: no leaf says that segment {} was sealed", run.id.segment)?;
        }
    }
    Ok(missing)
}

/// The digests of all runs that a tenant's log says were sealed.
fn sealed_digests(kv: &Kv, tenant: TenantId) -> Result<HashSet<String>, Error> {
    let mut digests = HashSet::new();
    audit::for_each_leaf(kv, Subject::Tenant(tenant), &mut |leaf| {
        let leaf: serde_json::Value = serde_json::from_slice(leaf).unwrap_or_default();
        if leaf.get("action").and_then(|action| action.as_str()) == Some(Action::BucketSealed.code()) {
            digests.extend(leaf.pointer("/params/digest").and_then(|digest| digest.as_str()).map(str::to_owned));
        }
    })?;
    Ok(digests)
}

fn check_audit(dir: &Path, gateway: &str, public: &[u8; 32]) -> Result<audit::Report, Error> {
    let look = || -> Result<audit::Report, Error> {
        let kv = Kv::open_read_only(&dir.join("db"))?;
        Ok(audit::check(&kv, gateway, public, &dir.join("anchors"))?)
    };
    let mut report = look()?;
    for _ in 1..LOOKS {
        if !report.findings.iter().any(|finding| matches!(finding.problem, Problem::RolledBack { .. })) {
            break;
        }
        report = look()?;
    }
    Ok(report)
}
