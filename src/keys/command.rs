//! KEKs behind an external command: whatever key management the operator has, without linking its SDK.
//!
//! The command is started once per call, never through a shell, with the gateway's environment; it reads one JSON
//! object from standard input and writes one to standard output:
//!
//! ```text
//! {"op":"create", "tenant":"0011223344556677", "epoch":1}   {"key":"<base64 of 32 bytes>"}   made unless it exists
//! {"op":"find",   "tenant":"0011223344556677", "epoch":1}   {"key":"<base64>"}  or  {"found":false}
//! {"op":"destroy","tenant":"0011223344556677", "epoch":1}   {"destroyed":true}  or  {"destroyed":false}: did not exist
//! {"op":"list",   "tenant":"0011223344556677"}              {"epochs":[1,2]}
//!                                                  any:     {"error":"words for the operator"}
//! ```
//!
//! An exit code other than 0 is a failure whatever was printed, a call that lasts longer than its timeout is killed, and
//! a long answer is cut off. Its standard error is discarded, since a careless command could print keys there and ours
//! is logged. Nothing of an answer but `error` gets into messages. KEKs are kept in memory once found, until destroyed:
//! a data key should not cost a process.
//!
//! Invariant: [`KekStore::destroy`] answers only what the command said, and a KEK whose destruction has begun never gets
//! into memory again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{CommandFailure, Error, KekStore, Secret};
use crate::id::TenantId;

/// The longest answer. A key takes 60 bytes; the rest is for lists of epochs.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// As much of an `error` as gets into our own messages.
const WORDS_MAX: usize = 200;
/// How often a command that has answered is asked whether it has ended. Most end at once.
const POLL: Duration = Duration::from_millis(1);

/// KEKs that a command keeps.
pub struct CommandKeks {
    program: String,
    args: Vec<String>,
    timeout: Duration,
    found: Mutex<Found>,
}

/// KEKs in memory: at most one or two for each tenant.
#[derive(Default)]
struct Found {
    keks: HashMap<(TenantId, u16), Arc<Secret>>,
    /// Rises whenever a destruction begins or ends: what was asked for before then may be outdated.
    destructions: u64,
}

#[derive(Serialize)]
struct Request {
    op: &'static str,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u16>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    /// Borrowed, so that no copy of the key is left in memory; base64 needs no escapes.
    #[serde(borrow)]
    key: Option<&'a str>,
    found: Option<bool>,
    destroyed: Option<bool>,
    epochs: Option<Vec<u16>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

impl CommandKeks {
    /// KEKs behind `program`, which is killed if it takes longer than `timeout`.
    pub fn new(program: String, args: Vec<String>, timeout: Duration) -> Self {
        CommandKeks { program, args, timeout, found: Mutex::default() }
    }

    /// Runs the command for one request and reads its answer.
    fn ask<T>(
        &self,
        op: &'static str,
        tenant: TenantId,
        epoch: Option<u16>,
        read: impl FnOnce(Answer<'_>) -> Result<T, CommandFailure>,
    ) -> Result<T, Error> {
        let request = Request { op, tenant: hex::encode(tenant.0), epoch };
        let answered = self.run(&request).and_then(|(status, bytes)| {
            let answer = serde_json::from_slice::<Answer<'_>>(&bytes).ok();
            match answer {
                Some(Answer { error: Some(words), .. }) => Err(CommandFailure::Refused(shortened(&words))),
                _ if !status.success() => Err(CommandFailure::Exit(status)),
                Some(answer) => read(answer),
                None => Err(CommandFailure::Answer("not one JSON object of the kind that was asked for")),
            }
        });
        answered.map_err(|failure| Error::Command { program: self.program.clone(), operation: op, failure })
    }

    fn run(&self, request: &Request) -> Result<(ExitStatus, Zeroizing<Vec<u8>>), CommandFailure> {
        let deadline = Instant::now() + self.timeout;
        // A socket instead of a pipe, since reading from it can time out; and nobody who inherits it can block us.
        let (mut ours, theirs) = UnixStream::pair()?;
        let mut running = Running(
            Command::new(&self.program)
                .args(&self.args)
                .stdin(Stdio::piped())
                .stdout(Stdio::from(OwnedFd::from(theirs)))
                .stderr(Stdio::null())
                .spawn()?,
        );
        running.tell(&serde_json::to_vec(request).map_err(io::Error::from)?)?;
        let answer = read_answer(&mut ours, deadline)?;
        Ok((running.end(deadline)?, answer))
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The KEK in memory, or the one that the command answers with, which is kept.
    fn keep(
        &self,
        name: (TenantId, u16),
        ask: impl FnOnce() -> Result<Option<Secret>, Error>,
    ) -> Result<Option<Arc<Secret>>, Error> {
        let destructions = {
            let found = self.found();
            if let Some(kek) = found.keks.get(&name) {
                return Ok(Some(Arc::clone(kek)));
            }
            found.destructions
        };
        let Some(kek) = ask()?.map(Arc::new) else { return Ok(None) };
        let mut found = self.found();
        if found.destructions == destructions {
            found.keks.insert(name, Arc::clone(&kek));
        }
        Ok(Some(kek))
    }
}

impl KekStore for CommandKeks {
    fn ensure(&self, names: &[(TenantId, u16)]) -> Result<Vec<Arc<Secret>>, Error> {
        let create = |(tenant, epoch): (TenantId, u16)| {
            self.ask("create", tenant, Some(epoch), |answer| answer.secret()?.ok_or(UNFIT)).map(Some)
        };
        let made = names.iter().map(|name| self.keep(*name, || create(*name)));
        // `create` answers a key or an error, never none.
        made.filter_map(Result::transpose).collect()
    }

    fn find(&self, tenant: TenantId, epoch: u16) -> Result<Option<Arc<Secret>>, Error> {
        self.keep((tenant, epoch), || {
            self.ask("find", tenant, Some(epoch), |answer| match (answer.secret()?, answer.found) {
                (Some(kek), None | Some(true)) => Ok(Some(kek)),
                (None, Some(false)) => Ok(None),
                (_, _) => Err(UNFIT),
            })
        })
    }

    fn destroy(&self, tenant: TenantId, epoch: u16) -> Result<bool, Error> {
        self.found().destructions += 1;
        let existed = self.ask("destroy", tenant, Some(epoch), |answer| answer.destroyed.ok_or(UNFIT));
        let mut found = self.found();
        found.destructions += 1;
        if existed.is_ok() {
            found.keks.remove(&(tenant, epoch));
        }
        existed
    }

    fn epochs(&self, tenant: TenantId) -> Result<Vec<u16>, Error> {
        let mut epochs = self.ask("list", tenant, None, |answer| answer.epochs.ok_or(UNFIT))?;
        epochs.sort_unstable();
        epochs.dedup();
        Ok(epochs)
    }
}

const UNFIT: CommandFailure = CommandFailure::Answer("not one to the question");

impl Answer<'_> {
    fn secret(&self) -> Result<Option<Secret>, CommandFailure> {
        let Some(text) = self.key else { return Ok(None) };
        // One byte more than a key, so that a longer one does not pass for it; base64 wants room in threes.
        let mut bytes = Zeroizing::new([0u8; 36]);
        match BASE64_STANDARD.decode_slice(text, &mut bytes[..]) {
            Ok(32) => Ok(bytes.first_chunk().map(|key| Secret::new(*key))),
            Ok(_) | Err(_) => Err(CommandFailure::Answer("not a key of 32 bytes in base64")),
        }
    }
}

/// A started command, which does not outlive this.
struct Running(Child);

impl Running {
    fn tell(&mut self, request: &[u8]) -> io::Result<()> {
        let Some(mut stdin) = self.0.stdin.take() else { return Ok(()) };
        match stdin.write_all(request) {
            // It may know its answer without having read the question.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn end(&mut self, deadline: Instant) -> Result<ExitStatus, CommandFailure> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(CommandFailure::TimedOut);
            }
            sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing if it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads until the command closes its output.
fn read_answer(from: &mut UnixStream, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, CommandFailure> {
    let mut bytes = Zeroizing::new(vec![0u8; ANSWER_BYTES_MAX]);
    let mut length = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(CommandFailure::TimedOut);
        }
        from.set_read_timeout(Some(left))?;
        let room = bytes.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            return Err(CommandFailure::Answer("longer than 64 KiB"));
        }
        match from.read(room) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(CommandFailure::TimedOut);
            }
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn shortened(words: &str) -> String {
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests;
