//! Server processes: started on an empty directory, watched through `/proc`, ended with it.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;
use tempfile::TempDir;

use super::baseline::BASELINE;
use super::driver;

/// Ticks a second in `/proc/PID/stat`: USER_HZ is 100 on every platform that Linux has.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long a server may take to listen, or to become idle.
const PATIENCE: Duration = Duration::from_secs(60);
/// A server that uses less than a tick or two for so long is idle.
const QUIET: Duration = Duration::from_millis(1200);
const POLL: Duration = Duration::from_millis(200);

/// Who runs on which processor core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pinning {
    /// The server on core 0, the driver on core 1.
    Apart,
    /// Wherever the scheduler likes.
    None,
}

impl Pinning {
    /// Moves this process to core 1 if that can be done.
    pub(super) fn take() -> Pinning {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let own = std::process::id().to_string();
        let moved =
            || Command::new("taskset").args(["-cp", "1", &own]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if cores >= 2 && moved().is_ok_and(|status| status.success()) { Pinning::Apart } else { Pinning::None }
    }

    fn command(self, program: &Path) -> Command {
        match self {
            Pinning::Apart => {
                // taskset becomes the program, so that the process id stays.
                let mut command = Command::new("taskset");
                command.args(["-c", "0"]).arg(program);
                command
            }
            Pinning::None => Command::new(program),
        }
    }
}

impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pinning::Apart => "server on core 0, driver on core 1",
            Pinning::None => {
                "server and driver share the cores: CPU-seconds hold, latencies are worse than they need be"
            }
        })
    }
}

/// Processor time and bytes written up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) at: Instant,
    /// The server's seconds, user and system.
    pub(super) server_s: f64,
    /// This process's.
    pub(super) driver_s: f64,
    /// Everybody's.
    pub(super) machine_s: f64,
    /// Bytes that the server sent to the disk.
    pub(super) written: u64,
}

/// A running server; killed when dropped, its directory removed.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// For the gateway: its ingest key.
    key: Option<String>,
    _dir: TempDir,
}

impl Server {
    /// The gateway, with everything at its default but for the privacy policy, if one is given.
    pub(super) fn gateway(pinning: Pinning, policy: Option<&str>) -> Result<Server, Box<dyn Error>> {
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        fs::write(file.path(), policy.unwrap_or_default())?;
        let arguments = |dir: &Path| {
            let mut command = pinning.command(Path::new(env!("CARGO_BIN_EXE_tidegate")));
            command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir);
            if policy.is_some() {
                command.env("TIDEGATE__PRIVACY__POLICY", file.path());
            }
            command
        };
        let mut server = Server::start(arguments)?;
        server.key = Some(server.new_key()?);
        Ok(server)
    }

    /// The baseline: this very binary in its other role.
    pub(super) fn baseline(pinning: Pinning) -> Result<Server, Box<dyn Error>> {
        let own = std::env::current_exe()?;
        Server::start(|dir| {
            let mut command = pinning.command(&own);
            command.arg(BASELINE).arg(dir);
            command
        })
    }

    /// Starts a server that writes `DIR/address` once it listens.
    fn start(command: impl FnOnce(&Path) -> Command) -> Result<Server, Box<dyn Error>> {
        // Not the system's temporary folder: that may lie in memory, where syncing costs nothing.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let data = dir.path().join("data");
        let log = dir.path().join("log");
        let child = command(&data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?;
        let mut server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), key: None, _dir: dir };
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(address) =
                fs::read_to_string(data.join("address")).ok().and_then(|text| text.trim().parse().ok())
            {
                server.address = address;
                return Ok(server);
            }
            if server.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the server did not start; it says: {}", fs::read_to_string(log)?).into())
    }

    /// Asks for an ingest key of the tenant that every gateway has from the start.
    fn new_key(&self) -> Result<String, Box<dyn Error>> {
        let admin = fs::read_to_string(self._dir.path().join("data").join("admin.key"))?;
        let body = r#"{"tenant":"default"}"#;
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "POST /v1/admin/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nAccept: text/plain\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            admin.trim(),
            body.len()
        )?;
        let (mut answer, mut chunk) = (Vec::new(), [0u8; 4096]);
        loop {
            let read = stream.read(&mut chunk)?;
            answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if read == 0 || driver::length(&answer)?.is_some_and(|whole| answer.len() >= whole) {
                break;
            }
        }
        let text = String::from_utf8(answer)?;
        let key = text.split_once("\r\n\r\n").map(|(_, key)| key.trim()).filter(|key| key.starts_with("tg_"));
        Ok(key.ok_or("the gateway gave no ingest key")?.to_owned())
    }

    /// The head of a request with a body of so many bytes.
    pub(super) fn head(&self, length: usize) -> Vec<u8> {
        let key = self.key.as_deref().unwrap_or("none");
        format!("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n").into_bytes()
    }

    /// Whether an answer with status 200 says that so many events are stored.
    pub(super) fn acknowledges(&self, answer: &[u8], events: usize) -> bool {
        self.key.is_none() || memmem::find(answer, format!("\"accepted\":{events},").as_bytes()).is_some()
    }

    /// What was used so far.
    pub(super) fn usage(&self) -> io::Result<Usage> {
        Ok(Usage {
            at: Instant::now(),
            server_s: process_seconds(&self.child.id().to_string())?,
            driver_s: process_seconds("self")?,
            machine_s: machine_seconds()?,
            written: field(&format!("/proc/{}/io", self.child.id()), "write_bytes:")?,
        })
    }

    /// The most memory that was ever resident.
    pub(super) fn peak_bytes(&self) -> io::Result<u64> {
        Ok(field(&format!("/proc/{}/status", self.child.id()), "VmHWM:")? * 1024)
    }

    /// Waits until the server has nothing left to do.
    pub(super) fn wait_until_idle(&self) -> io::Result<()> {
        let process = self.child.id().to_string();
        let begin = Instant::now();
        let (mut last, mut since) = (process_seconds(&process)?, Instant::now());
        while since.elapsed() < QUIET && begin.elapsed() < PATIENCE {
            thread::sleep(POLL);
            let now = process_seconds(&process)?;
            if now - last > 0.02 {
                since = Instant::now();
            }
            last = now;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either may fail only because the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn process_seconds(process: &str) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything; `utime` and `stime` are the 12th and 13th fields after it.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
    Ok(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND)
}

/// Busy seconds of all cores: user, nice, system, interrupts and what a hypervisor took; not idle, not waiting.
fn machine_seconds() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8).enumerate();
    let busy =
        fields.filter(|(place, _)| *place != 3 && *place != 4).filter_map(|(_, field)| field.parse::<f64>().ok());
    Ok(busy.sum::<f64>() / TICKS_PER_SECOND)
}

/// The number after `name` in a file of `/proc`.
fn field(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("{path} has no {name}")))
}
