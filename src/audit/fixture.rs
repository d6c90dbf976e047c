//! A data directory for the tests of this folder: a database, an anchor folder, one signing key.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Error, Log, Outcome, Record, Subject};
use crate::clock::Millis;
use crate::id::{SystemEntropy, TenantId};
use crate::keys::{Secret, SigningKey};
use crate::kv::{Batch, Family, Kv, Participant, Writer, WriterSettings};

pub const TENANT: Subject = Subject::Tenant(TenantId([0xa1; 8]));
pub const GATEWAY: &str = "gateway.example";

pub struct Disk {
    kv: Arc<Kv>,
    writer: Writer,
    anchors: Arc<tempfile::TempDir>,
    _database: tempfile::TempDir,
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.writer.stop();
    }
}

impl Disk {
    pub fn new() -> Self {
        Disk::beside(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// A new database beside this anchor folder.
    fn beside(anchors: Arc<tempfile::TempDir>) -> Self {
        const SETTINGS: WriterSettings = WriterSettings {
            linger: Duration::ZERO,
            group_bytes_max: 1 << 20,
            queue_bytes_max: 1 << 20,
            disk_free_min: 0,
        };
        let database = tempfile::tempdir().unwrap();
        let kv = Arc::new(Kv::open(database.path()).unwrap());
        let writer = Writer::start(Arc::clone(&kv), Vec::new(), SETTINGS, |_| ()).unwrap();
        Disk { kv, writer, anchors, _database: database }
    }

    /// The same anchor folder with another database.
    pub fn with_rows(&self, rows: &[(Vec<u8>, Vec<u8>)]) -> Disk {
        let other = Disk::beside(Arc::clone(&self.anchors));
        other.commit(|batch| rows.iter().for_each(|(key, value)| batch.put(Family::Audit, key, value)));
        other
    }

    /// Every row of the family.
    pub fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let visit = &mut |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        self.kv.scan(Family::Audit, &[], &[], visit).unwrap();
        rows
    }

    pub fn kv(&self) -> Arc<Kv> {
        Arc::clone(&self.kv)
    }

    pub fn anchors(&self) -> PathBuf {
        self.anchors.path().join("anchors")
    }

    pub fn public(&self) -> [u8; 32] {
        SigningKey::from_seed(&Secret::new([3; 32])).public()
    }

    pub fn try_open(&self) -> Result<Log, Error> {
        Log::open(&self.kv, GATEWAY, Arc::new(Secret::new([3; 32])), &self.anchors())
    }

    pub fn open(&self) -> Log {
        self.try_open().unwrap()
    }

    /// Fills a batch and writes it.
    pub fn commit<T>(&self, stage: impl FnOnce(&mut Batch) -> T) -> T {
        let mut batch = Batch::default();
        let staged = stage(&mut batch);
        self.writer.commit(move |group| *group = batch).unwrap();
        staged
    }

    /// Appends records in one group, as the writer would.
    pub fn append(&self, log: &Log, subject: Subject, count: u64) {
        self.commit(|batch| {
            for number in 0..count {
                log.append(batch, subject, record(number));
            }
            log.close_group(batch);
        });
        log.committed();
    }

    pub fn put(&self, key: &[u8], value: &[u8]) {
        self.commit(|batch| batch.put(Family::Audit, key, value));
    }

    /// Deletes a row and answers its value.
    pub fn remove(&self, key: &[u8]) -> Vec<u8> {
        let value = self.kv.get(Family::Audit, key).unwrap().unwrap();
        self.commit(|batch| batch.delete(Family::Audit, key));
        value
    }

    /// Changes a row and answers what it was.
    pub fn change(&self, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let before = self.kv.get(Family::Audit, key).unwrap().unwrap();
        let mut after = before.clone();
        change(&mut after);
        self.put(key, &after);
        before
    }
}

pub fn record(number: u64) -> Record {
    Record::new(Millis(1_795_353_300_000), Action::QueryRows, Outcome::Success, &SystemEntropy).count(number)
}

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
