//! The whole gateway without its listener, on a clock that is moved by hand: what becomes of rows over days, crashes and damage.
//!
//! Every event carries a number of its own, so that each can be told from all others. [`House`] opens a data directory, [`House::copy_to`] takes what a
//! process killed at that moment would leave: everything is synced before it counts, so the files as they are.

#[cfg(test)]
mod aging;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod erasing;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod pseudonyms;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod watched;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Error, Gateway, block_on, vault};
use crate::audit::{self, Action, StoredRecord, Subject};
use crate::cli::fsck;
use crate::clock::{Clock, DAY_MS, HOUR_MS, ManualClock, Millis};
use crate::config::{self, Config, Overrides};
use crate::id::{Entropy, SystemEntropy, TenantId};
use crate::ingest::answer::Answer;
use crate::ingest::suppression::Named;
use crate::ingest::{Ack, Context, Prepared, Sender};
use crate::keys::{KeyFile, KeyKind, SigningKey, Vault};
use crate::kv::Family;
use crate::privacy::Signals;
use crate::protocol::native::Form;
use crate::store::erase::Erasure;
use crate::store::need::Need;
use crate::store::subject::Subjects;
use crate::store::{Which, check};
use crate::upkeep::Upkeep;

const NOW: Millis = Millis(20_000 * DAY_MS + 5 * HOUR_MS);
const EVER: (Millis, Millis) = (Millis(i64::MIN), Millis(i64::MAX));
const TYPES: [&str; 3] = ["mcp.tool_call", "http.request", "custom"];
const USERS: u64 = 4;

/// An open data directory.
struct House {
    config: Config,
    clock: Arc<ManualClock>,
    gateway: Gateway,
}

fn config_of(dir: &Path) -> Config {
    let overrides = Overrides { data: Some(dir.to_owned()), ..Overrides::default() };
    config::load(&overrides, []).unwrap()
}

/// An event whose every member follows from its number; `user-N` with N below [`USERS`].
fn event(n: u64) -> Value {
    let kind = TYPES[(n % TYPES.len() as u64) as usize];
    json!({
        "id": format!("event-{n}"), "type": kind, "name": format!("tool-{}", n % 5), "user": user(n), "session": format!("session-{}", n % 7),
        "duration_ms": n % 300, "ok": !n.is_multiple_of(9), "attributes": {"n": n, "text": "t".repeat((n * 37 % 90) as usize)},
    })
}

/// Who caused event `n`: users take turns of three events, so that each has events of every class.
fn user(n: u64) -> String {
    format!("user-{}", n / 3 % USERS)
}

impl House {
    fn open(dir: &Path, now: Millis) -> House {
        House::try_open(dir, now).unwrap()
    }

    fn try_open(dir: &Path, now: Millis) -> Result<House, Error> {
        House::open_with(config_of(dir), now)
    }

    fn open_with(config: Config, now: Millis) -> Result<House, Error> {
        let clock = Arc::new(ManualClock::at(now));
        let gateway = Gateway::open(&config, Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemEntropy))?;
        Ok(House { config, clock, gateway })
    }

    /// Closes it in good order.
    fn close(self) {
        self.gateway.close();
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn upkeep(&self) -> &Upkeep {
        &self.gateway.services.upkeep
    }

    fn tenant(&self) -> TenantId {
        self.gateway.desk.directory.find_tenant(super::FIRST_TENANT).unwrap().id
    }

    fn another_tenant(&self) -> TenantId {
        let made = self.gateway.desk.create_tenant("another".to_owned(), "test".to_owned(), self.now());
        block_on(made).unwrap().id
    }

    fn send_as(&self, tenant: TenantId, events: &Value) -> Answer {
        self.commit(self.prepared(tenant, events))
    }

    /// Events that are clean and wait to be committed.
    fn prepared(&self, tenant: TenantId, events: &Value) -> Prepared {
        let context = Context {
            client_address: None,
            user_agent: None,
            signals: Signals::default(),
            received: self.now(),
            lists_redactions: false,
        };
        let sender = Sender { tenant, key: None };
        let ingest = &self.gateway.services.ingest;
        ingest.prepare(sender, events.to_string().as_bytes(), Form::Json, &context).unwrap()
    }

    fn commit(&self, prepared: Prepared) -> Answer {
        block_on(self.gateway.services.ingest.commit(prepared, Ack::Synced, None)).unwrap()
    }

    /// Sends events by their numbers; all of them must be taken.
    fn send(&self, numbers: std::ops::Range<u64>) {
        let count = numbers.end - numbers.start;
        let answer = self.send_as(self.tenant(), &numbers.map(event).collect());
        assert_eq!((answer.accepted, answer.results.len()), (count, 0));
    }

    /// The numbers of all rows that a reader sees, sorted; every row must be what was sent.
    fn rows(&self) -> Vec<u64> {
        self.try_rows().unwrap()
    }

    fn try_rows(&self) -> Result<Vec<u64>, crate::store::Error> {
        let mut numbers = Vec::new();
        for part in self.gateway.services.ingest.store.read(self.tenant(), EVER.0, EVER.1, self.now()) {
            let rows = part.load(&Need::all())?;
            for row in rows.rows() {
                let attributes: Value = serde_json::from_str(rows.columns().attributes(row)).unwrap();
                let n = attributes["n"].as_u64().unwrap();
                assert_eq!(attributes, event(n)["attributes"], "row {n} is not what was sent");
                numbers.push(n);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn seal(&self) {
        self.upkeep().seal(Which::All, self.now(), &|| false).unwrap();
    }

    fn close_buckets(&self) {
        self.upkeep().close_buckets(self.now(), &|| false).unwrap();
    }

    fn expire(&self) -> u64 {
        self.upkeep().expire(self.now(), &|| false).unwrap().rows_removed
    }

    fn hold(&self, on: bool) {
        block_on(self.upkeep().set_hold(self.tenant(), on, "test".to_owned(), self.now())).unwrap();
    }

    /// Has an erasure accepted as the route does it.
    fn ask_erasure(&self, name: &str) {
        block_on(self.asked_erasure(name));
    }

    async fn asked_erasure(&self, name: &str) {
        let ingest = &self.gateway.services.ingest;
        let users = ingest.epochs.user_pseudonyms(self.tenant(), name, self.now(), 0).unwrap();
        let subjects = Subjects { users, ..Subjects::default() };
        let listing = ingest.suppression.prepare(self.tenant(), Named::User(name), subjects.clone()).unwrap();
        let erasure = Erasure { tenant: self.tenant(), number: 7, subjects };
        let suppression = Arc::clone(&ingest.suppression);
        let accepted = self.upkeep().accept_erasure(erasure, "test".to_owned(), self.now(), move |batch| {
            suppression.stage(&listing, batch);
        });
        accepted.await.unwrap();
    }

    /// Does what was accepted; rows that are gone.
    fn erase(&self) -> u64 {
        let pending = self.upkeep().pending_erasures().unwrap();
        pending.iter().map(|erasure| self.upkeep().erase(erasure, self.now()).unwrap().rows).sum()
    }

    /// The codes of the records of a log, oldest first.
    fn records(&self, subject: Subject) -> Vec<StoredRecord> {
        let log = self.gateway.services.trail.log();
        let leaves = log.records(&self.gateway.services.kv, subject, 0, usize::MAX).unwrap();
        leaves.iter().map(|(_, leaf)| StoredRecord::parse(leaf).unwrap()).collect()
    }

    fn count_records(&self, action: Action) -> usize {
        let of = |subject| self.records(subject).iter().filter(|record| record.action == action.code()).count();
        of(Subject::Gateway) + of(Subject::Tenant(self.tenant()))
    }

    fn vault(&self) -> Vault {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        vault(&self.config, &self.gateway.key_file, &entropy)
    }

    fn sealed_files(&self) -> usize {
        self.gateway.services.kv.files(Family::Sealed).unwrap().len()
    }

    /// Every data key and every file belongs to a run, and every key of the journal to a segment that is there or is being written.
    fn assert_no_orphans(&self) {
        let mut findings = Vec::new();
        let vault = Arc::new(self.vault());
        let checked =
            check::check(&self.gateway.services.kv, &vault, &mut |finding| findings.push(finding.place)).unwrap();
        assert_eq!((findings, checked.orphans), (Vec::new(), 0));
        assert_eq!(vault.deks().len(), checked.runs.len(), "data keys without a run");
        let files = self.gateway.services.kv.files(Family::Sealed).unwrap();
        assert!(files.iter().all(|file| file.level > 0), "a file that overlaps others");
        let names: Vec<_> =
            fs::read_dir(self.config.data_dir.join("db")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(
            !names.iter().any(|path| path.extension().is_some_and(|kind| kind == "ingest")),
            "a file was left behind"
        );
    }

    /// Copies the data directory as a kill of the process would leave it.
    fn copy_to(&self, to: &Path) {
        copy_dir(&self.config.data_dir, to);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.gateway.services.ingest.writer.stop();
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &copy);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

/// Every file below a folder.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What `tidegate fsck` says of a data directory.
fn fsck(dir: &Path) -> Result<String, String> {
    let config = config_of(dir);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let file = KeyFile::open_read_only(&config.keys_path, &*entropy).map_err(|error| error.to_string())?;
    let file = Arc::new(file);
    let signing = file.find(KeyKind::AuditSigning, [0; 8], 0).ok_or("no key for the audit log")?;
    let vault = Arc::new(vault(&config, &file, &entropy));
    let public = SigningKey::from_seed(&signing).public();
    let checked = fsck::Checked { dir, gateway: &config.gateway_name, vault: &vault, public: &public };
    let mut out = Vec::new();
    let done = fsck::run(&checked, &mut out);
    let out = String::from_utf8(out).unwrap();
    done.map(|()| out.clone()).map_err(|error| format!("{out}{error}"))
}

/// Numbers below `below` that are not about `user`.
fn not_of(name: &str, below: u64) -> Vec<u64> {
    (0..below).filter(|n| user(*n) != name).collect()
}
