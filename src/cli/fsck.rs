//! `tidegate fsck`: is everything still what was written?
//!
//! Opens the database for reading only, so it may run beside a serving gateway; then it may see the checkpoint files a little newer than its
//! view of the database, and looks again before it reports that.

use std::io::Write;
use std::path::Path;

use crate::audit::{self, Problem};
use crate::auth::{Directory, DirectoryLimits, OpenError};
use crate::kv::{self, Kv};
use crate::store;

/// Looks at a database that is being written.
const LOOKS: usize = 3;

/// Why the check could not be made, or what it found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be read.
    #[error(transparent)]
    Kv(#[from] kv::Error),
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

/// Checks the data directory `dir`; `public` is the key that signed its checkpoints.
pub fn run(dir: &Path, gateway: &str, public: &[u8; 32], out: &mut dyn Write) -> Result<(), Error> {
    let mut findings = 0;
    let kv = Kv::open_read_only(&dir.join("db"))?;
    match store::check(&kv) {
        Ok((frames, rows)) => writeln!(out, "journal: {frames} frames, {rows} rows: ok")?,
        Err(store::Error::Kv(error)) => return Err(error.into()),
        Err(error) => {
            findings += 1;
            writeln!(out, "journal: {error}")?;
        }
    }
    match Directory::open(&kv, DirectoryLimits { tenants_max: usize::MAX, keys_per_tenant_max: usize::MAX }) {
        Ok(directory) => writeln!(out, "catalog: {} tenants: ok", directory.tenants().len())?,
        Err(OpenError::Kv(error)) => return Err(error.into()),
        Err(error) => {
            findings += 1;
            writeln!(out, "catalog: {error}")?;
        }
    }
    drop(kv);
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
