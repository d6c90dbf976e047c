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

/// What another process has used up to now.
pub(super) struct Process {
    pub(super) cpu_s: f64,
    pub(super) rss_peak: u64,
}

pub(super) fn of_process(pid: u32) -> io::Result<Process> {
    /// USER_HZ is 100 on every platform that Linux has.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; `utime` and `stime` are the 12th and 13th fields after it.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    let rss_peak = field(&format!("/proc/{pid}/status"), "VmHWM:")? * 1024;
    Ok(Process { cpu_s: ticks / TICKS_PER_SECOND, rss_peak })
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

/// Bytes of the files of a directory, deep.
pub(super) fn bytes_of(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Prints one measurement.
pub(super) fn tell(measured: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{measured}")?;
    out.flush()
}
