//! What this process has used, and what a directory holds.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

const NANOS_PER_SECOND: f64 = 1e9;

/// What was used up to a moment.
#[derive(Clone, Copy)]
pub(super) struct Used {
    at: Instant,
    cpu_s: f64,
    written: u64,
}

/// What was used between two moments.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) wall_s: f64,
    /// Of all threads, user and system.
    pub(super) cpu_s: f64,
    /// Bytes that were handed to the disk.
    pub(super) written: u64,
}

impl Used {
    pub(super) fn now() -> io::Result<Used> {
        Ok(Used { at: Instant::now(), cpu_s: cpu_s()?, written: field("/proc/self/io", "write_bytes:")? })
    }

    pub(super) fn since(&self) -> io::Result<Cost> {
        let now = Used::now()?;
        Ok(Cost {
            wall_s: now.at.duration_since(self.at).as_secs_f64(),
            cpu_s: now.cpu_s - self.cpu_s,
            written: now.written - self.written,
        })
    }
}

/// Processor time of all threads that live, in nanoseconds where `/proc/PID/stat` would count hundredths of a second. No thread of the gateway ends
/// while it is measured.
fn cpu_s() -> io::Result<f64> {
    let mut nanos = 0.0;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    }
    Ok(nanos / NANOS_PER_SECOND)
}

/// The most memory that was ever resident, in bytes.
pub(super) fn peak_bytes() -> io::Result<u64> {
    Ok(field("/proc/self/status", "VmHWM:")? * 1024)
}

/// The number after `name` in a file of `/proc`.
fn field(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("{path} has no {name}")))
}

/// Bytes of the files of a directory whose name passes, deep.
pub(super) fn bytes_of(dir: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        if kind.is_dir() {
            bytes += bytes_of(&entry.path(), wanted)?;
        } else if entry.file_name().to_str().is_some_and(wanted) {
            bytes += kind.len();
        }
    }
    Ok(bytes)
}

/// Prints one measurement.
pub(super) fn tell(measured: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{measured}")?;
    out.flush()
}
