//! The key-value floor: the only folder that names RocksDB.
//!
//! Owns the database handle, the list of column families ([`Family`]) and the one way to change them durably: a [`Batch`] that
//! the [`Writer`]'s thread writes and syncs for a whole group of submitters at once.
//!
//! Invariant: nothing is written outside a synced batch, and after a failed write nothing is written at all until a restart
//! (the only honest state, since the kernel may have dropped the pages that it could not write). So that a full disk does not come to that,
//! the writer looks for room before it begins.

mod log_check;
mod writer;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::properties::BACKGROUND_ERRORS;
use rocksdb::{
    BlockBasedOptions, ColumnFamilyDescriptor, DB, DBRecoveryMode, Direction, Env, IngestExternalFileOptions,
    IteratorMode, LogLevel, Options, ReadOptions, SstFileWriter, WriteBatch, WriteOptions,
};

pub use writer::{CommitError, GroupStats, Participant, Writer, WriterSettings};

/// Memory that RocksDB may use for unflushed writes, all families together.
const WRITE_BUFFERS_BYTES: usize = 64 << 20;
/// Write-ahead logs beyond this size make RocksDB flush the family that holds the oldest one.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Writes are handed to the disk in steps of this size, so that one sync never has much to do.
const BYTES_PER_SYNC: u64 = 1 << 20;

/// Attempts to open a database for reading: a writer beside us may remove a file between our reading its name and our opening it.
const LOOKS: usize = 3;

/// A part of the key space with its own tuning. The names are part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Format version, sequence heads.
    Meta,
    /// Accepted events, one value per commit group and retention class.
    Journal,
    /// Hashes of event ids and idempotency keys.
    Dedupe,
    /// Tenants and ingest keys.
    Catalog,
    /// Audit logs.
    Audit,
    /// Events kept aside.
    Quarantine,
    /// Sealed column blocks; written by file ingestion only, never through a batch.
    Sealed,
    /// What is sealed, what is on hold, what is being erased.
    Manifest,
    /// Totals that outlive their rows.
    Rollup,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 9] = [
        Family::Meta,
        Family::Journal,
        Family::Dedupe,
        Family::Catalog,
        Family::Audit,
        Family::Quarantine,
        Family::Sealed,
        Family::Manifest,
        Family::Rollup,
    ];

    /// Its name, on the disk and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Family::Meta => "meta",
            Family::Journal => "journal",
            Family::Dedupe => "dedupe",
            Family::Catalog => "catalog",
            Family::Audit => "audit",
            Family::Quarantine => "quarantine",
            Family::Sealed => "sealed",
            Family::Manifest => "manifest",
            Family::Rollup => "rollup",
        }
    }

    fn options(self) -> Options {
        let mut options = Options::default();
        if self == Family::Sealed {
            // Files come in whole and leave whole; nothing is ever rewritten. What is read is cached once it is decoded, not before.
            options.set_disable_auto_compactions(true);
            let mut table = BlockBasedOptions::default();
            table.disable_cache();
            options.set_block_based_table_factory(&table);
        }
        options
    }
}

/// What a scan calls with every key and value.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// What can go wrong on the floor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the database open.
    #[error("the data directory is in use by another process")]
    Locked,
    /// The database, or a part of it, is damaged or of an unknown format.
    #[error("the database is damaged or of an unknown format")]
    Corrupt(#[source] rocksdb::Error),
    /// The write-ahead log is damaged before its end: what was acknowledged behind that place would be lost.
    #[error(
        "the write-ahead log, or the list of tables, is damaged before its end; restore it from a copy, or accept the loss by moving the log away"
    )]
    LogDamaged,
    /// The directory could not be read.
    #[error("the database's directory could not be read")]
    Directory(#[source] std::io::Error),
    /// No space is left on the disk.
    #[error("the disk is full")]
    Full(#[source] rocksdb::Error),
    /// The disk or the operating system refused.
    #[error("the database could not be read or written")]
    Io(#[source] rocksdb::Error),
}

impl From<rocksdb::Error> for Error {
    fn from(error: rocksdb::Error) -> Self {
        use rocksdb::ErrorKind;
        let kind = error.kind();
        if matches!(kind, ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotSupported) {
            Error::Corrupt(error)
        } else if error.as_ref().contains("No space left on device") {
            // RocksDB reports a full disk as an input/output error with these words,
            Error::Full(error)
        } else if error.as_ref().contains("lock") {
            // ... and a held LOCK file as a plain one.
            Error::Locked
        } else {
            Error::Io(error)
        }
    }
}

/// The open database.
pub struct Kv {
    db: DB,
    /// The disk that files of its own are made on, when it is not the machine's.
    env: Option<Env>,
    /// Failures of RocksDB's own work that it has recovered from, as far as is known.
    failures_over: AtomicU64,
}

impl Kv {
    /// Opens the database in `dir`, creating it if missing.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process holds it, [`Error::Corrupt`] or [`Error::LogDamaged`] when it is damaged beyond a torn last write.
    pub fn open(dir: &Path) -> Result<Kv, Error> {
        Kv::open_with(dir, None)
    }

    /// The same on a disk of the caller's: tests have one that fails and loses what was not synced.
    pub fn open_on(env: &Env, dir: &Path) -> Result<Kv, Error> {
        Kv::open_with(dir, Some(env.clone()))
    }

    fn open_with(dir: &Path, env: Option<Env>) -> Result<Kv, Error> {
        // Before anything is changed: a start that drops a part of the log also removes it. Other failures will be told by the opening itself.
        if check_log(dir)?.is_some()
            && let Err(Error::LogDamaged) = Kv::try_open_read_only(dir, env.as_ref())
        {
            return Err(Error::LogDamaged);
        }
        let mut options = on(env.as_ref(), Options::default());
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        // A process killed while writing leaves half a record at the end of the log: recover to the point before it. Damage before the end
        // was ruled out above; a log that went missing as a whole is noticed too.
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
        options.set_max_total_wal_size(WAL_BYTES_MAX);
        options.set_bytes_per_sync(BYTES_PER_SYNC);
        options.set_wal_bytes_per_sync(BYTES_PER_SYNC);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(4);
        options.set_log_level(LogLevel::Warn);
        let families = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family.options()));
        Ok(Kv::new(DB::open_cf_descriptors(&options, dir, families)?, env))
    }

    /// Opens an existing database for reading, also while another process writes it.
    pub fn open_read_only(dir: &Path) -> Result<Kv, Error> {
        let mut opened = Kv::try_open_read_only(dir, None);
        for _ in 1..LOOKS {
            if opened.is_ok() {
                break;
            }
            opened = Kv::try_open_read_only(dir, None);
        }
        opened
    }

    fn try_open_read_only(dir: &Path, env: Option<&Env>) -> Result<Kv, Error> {
        let newest = check_log(dir)?;
        let families = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family.options()));
        let mut options = on(env, Options::default());
        options.set_log_level(LogLevel::Warn);
        // As the writer has it: told otherwise, RocksDB tries to note that in a place that does not exist when reading only, and crashes.
        options.set_track_and_verify_wals_in_manifest(true);
        let db = DB::open_cf_descriptors_read_only(&options, dir, families, false)?;
        if newest.is_some_and(|newest| db.latest_sequence_number() < newest) {
            return Err(Error::LogDamaged);
        }
        Ok(Kv::new(db, None))
    }

    fn new(db: DB, env: Option<Env>) -> Kv {
        Kv { db, env, failures_over: AtomicU64::new(0) }
    }

    /// The value of `key`.
    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.db.get_cf(self.handle(family), key)?)
    }

    /// Calls `visit(key, value)` for every key that starts with `prefix`, from `from` on (which must not lie before `prefix`), in key
    /// order, until it breaks. Checksums of what is read are verified.
    pub fn scan(&self, family: Family, prefix: &[u8], from: &[u8], visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        let mode = IteratorMode::From(from, Direction::Forward);
        for entry in self.db.iterator_cf_opt(self.handle(family), options, mode) {
            let (key, value) = entry?;
            if !key.starts_with(prefix) || visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Writes `batch` and waits until it is on the disk.
    fn write_synced(&self, batch: Batch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let mut inner = WriteBatch::default();
        for change in batch.changes {
            match change {
                Change::Put(family, key, value) => inner.put_cf(self.handle(family), key, value),
                Change::Delete(family, key) => inner.delete_cf(self.handle(family), key),
                Change::DeleteRange(family, from, to) => inner.delete_range_cf(self.handle(family), from, to),
            }
        }
        Ok(self.db.write_opt(inner, &options)?)
    }

    /// Takes a file of sorted keys into a family: all of it at once, synced, without passing the log or memory. The file must not overlap
    /// what the family holds; if it does, nothing is taken. `fill` puts the keys in rising order.
    pub fn ingest<E: From<Error>>(
        &self,
        family: Family,
        name: &str,
        fill: impl FnOnce(&mut SortedFile<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let path = self.db.path().join(format!("{name}.ingest"));
        let options = on(self.env.as_ref(), family.options());
        let mut file = SortedFile { writer: SstFileWriter::create(&options) };
        file.writer.open(&path).map_err(Error::from)?;
        let taken = fill(&mut file).and_then(|()| Ok(self.take_in(family, &mut file, &path)?));
        if taken.is_err() {
            // The next start sweeps what cannot be removed now.
            let _ = std::fs::remove_file(&path);
        }
        taken
    }

    fn take_in(&self, family: Family, file: &mut SortedFile<'_>, path: &Path) -> Result<u64, Error> {
        file.writer.finish()?;
        let bytes = file.writer.file_size();
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        // An overlap would have to be resolved by order of arrival, in level 0: refused instead.
        options.set_allow_global_seqno(false);
        options.set_snapshot_consistency(false);
        self.db.ingest_external_file_cf_opts(self.handle(family), &options, vec![path])?;
        Ok(bytes)
    }

    /// Removes files that an interrupted [`Kv::ingest`] left behind.
    pub fn sweep_ingest(&self) -> Result<(), Error> {
        for entry in std::fs::read_dir(self.db.path()).map_err(Error::Directory)? {
            let path = entry.map_err(Error::Directory)?.path();
            if path.extension().is_some_and(|extension| extension == "ingest") {
                std::fs::remove_file(path).map_err(Error::Directory)?;
            }
        }
        Ok(())
    }

    /// Unlinks every file of `family` whose keys all lie between `from` and `to`, both inclusive. Nothing is rewritten.
    pub fn unlink(&self, family: Family, from: &[u8], to: &[u8]) -> Result<(), Error> {
        Ok(self.db.delete_file_in_range_cf(self.handle(family), from, to)?)
    }

    /// Gives back the space of what was removed between `from` and `to`, now and not when it happens to be compacted. What lies there and is not removed
    /// is rewritten.
    pub fn reclaim(&self, family: Family, from: &[u8], to: &[u8]) {
        self.db.compact_range_cf(self.handle(family), Some(from), Some(to));
    }

    /// The files of a family: level, bytes, least and greatest key.
    pub fn files(&self, family: Family) -> Result<Vec<FileInfo>, Error> {
        let all = self.db.live_files()?.into_iter();
        let mine = all.filter(|file| file.column_family_name == family.name());
        let info = |file: rocksdb::LiveFile| FileInfo {
            level: file.level,
            bytes: file.size as u64,
            first: file.start_key.unwrap_or_default(),
            last: file.end_key.unwrap_or_default(),
        };
        Ok(mine.map(info).collect())
    }

    /// Makes a copy of the whole database in `dir`, which must not exist: hard links where the file system has them. Writers go on meanwhile.
    pub fn checkpoint(&self, dir: &Path) -> Result<(), Error> {
        Ok(Checkpoint::new(&self.db)?.create_checkpoint(dir)?)
    }

    /// Bytes that may still be written to the disk, if it tells.
    fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.db.path()).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether RocksDB takes writes. It refuses them when its own work has failed, until it has recovered, and does not say so unless it is
    /// asked to write: then nothing is written, synced.
    ///
    /// # Errors
    /// [`Error::Full`] when it will recover by itself once there is room.
    fn check_writable(&self) -> Result<(), Error> {
        let failures = self.db.property_int_value(BACKGROUND_ERRORS)?.unwrap_or_default();
        if failures != self.failures_over.load(Ordering::Relaxed) {
            self.write_synced(Batch::default())?;
            self.failures_over.store(failures, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Ends RocksDB's own work, such as recovering from a failed write: nothing changes on the disk any more. Reads go on.
    fn freeze(&self) {
        self.db.cancel_all_background_work(false);
    }

    /// Writes everything that only the write-ahead log holds into tables, so that the next start has nothing to replay.
    pub fn flush(&self) -> Result<(), Error> {
        for family in Family::ALL {
            self.db.flush_cf(self.handle(family))?;
        }
        Ok(())
    }

    fn handle(&self, family: Family) -> &rocksdb::ColumnFamily {
        self.db.cf_handle(family.name()).expect("every family of the list is opened or created by open")
    }
}

fn on(env: Option<&Env>, mut options: Options) -> Options {
    if let Some(env) = env {
        options.set_env(env);
    }
    options
}

/// Refuses damage that RocksDB would not tell; the sequence number of the newest change in the logs.
fn check_log(dir: &Path) -> Result<Option<u64>, Error> {
    let logs = log_check::look(dir).map_err(Error::Directory)?;
    if logs.is_damaged { Err(Error::LogDamaged) } else { Ok(logs.newest) }
}

/// A file of sorted keys that is being written.
pub struct SortedFile<'o> {
    writer: SstFileWriter<'o>,
}

impl SortedFile<'_> {
    /// Adds a key, which must be greater than all before.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        Ok(self.writer.put(key, value)?)
    }
}

/// What is known of a file without reading it.
#[derive(Clone, Debug)]
pub struct FileInfo {
    /// Level of the tree.
    pub level: i32,
    /// Size.
    pub bytes: u64,
    /// Least key.
    pub first: Vec<u8>,
    /// Greatest key.
    pub last: Vec<u8>,
}

enum Change {
    Put(Family, Vec<u8>, Vec<u8>),
    Delete(Family, Vec<u8>),
    DeleteRange(Family, Vec<u8>, Vec<u8>),
}

/// Changes that become durable together or not at all.
#[derive(Default)]
pub struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    /// Sets `key` to `value`.
    pub fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.changes.push(Change::Put(family, key.to_vec(), value.to_vec()));
    }

    /// Sets `key` to `value` without a copy.
    pub fn put_owned(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.changes.push(Change::Put(family, key, value));
    }

    /// Removes `key`.
    pub fn delete(&mut self, family: Family, key: &[u8]) {
        self.changes.push(Change::Delete(family, key.to_vec()));
    }

    /// Removes every key from `from` up to, not including, `to`.
    pub fn delete_range(&mut self, family: Family, from: &[u8], to: &[u8]) {
        self.changes.push(Change::DeleteRange(family, from.to_vec(), to.to_vec()));
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_with_several_logs_can_be_read_beside_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::open(dir.path()).unwrap();
        for round in 0..3 {
            for family in [Family::Meta, Family::Audit] {
                let mut batch = Batch::default();
                batch.put(family, &[round], b"value");
                kv.write_synced(batch).unwrap();
            }
            // The other family still needs the log that is switched away from here.
            kv.db.flush_cf(kv.handle(Family::Meta)).unwrap();
        }
        let reader = Kv::open_read_only(dir.path()).unwrap();
        for family in [Family::Meta, Family::Audit] {
            assert_eq!(reader.get(family, &[2]).unwrap().as_deref(), Some(&b"value"[..]));
        }
    }

    #[test]
    fn a_second_process_is_told_that_the_directory_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Kv::open(dir.path()).unwrap();
        assert!(matches!(Kv::open(dir.path()), Err(Error::Locked)));
        assert!(Kv::open_read_only(dir.path()).is_ok());
    }

    fn numbers(kv: &Kv) -> Vec<u8> {
        let mut seen = Vec::new();
        kv.scan(Family::Sealed, &[], &[], &mut |key, _| {
            seen.extend_from_slice(key);
            ControlFlow::Continue(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn files_come_in_whole_leave_whole_and_never_overlap() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::open(dir.path()).unwrap();
        let take = |name: &str, keys: &[u8]| {
            kv.ingest(Family::Sealed, name, |file| keys.iter().try_for_each(|key| file.put(&[*key], b"value")))
        };
        take("b", &[4, 5, 6]).unwrap();
        take("a", &[1, 2, 3]).unwrap();
        assert!(matches!(take("c", &[5, 9]), Err(Error::Corrupt(_))));
        assert!(take("d", &[9, 8]).is_err(), "keys out of order");
        assert_eq!(numbers(&kv), [1, 2, 3, 4, 5, 6]);
        assert!(kv.files(Family::Sealed).unwrap().iter().all(|file| file.level > 0));
        kv.unlink(Family::Sealed, &[0], &[5]).unwrap();
        assert_eq!(numbers(&kv), [4, 5, 6], "only a file that lies inside is unlinked");
        let left_over = std::fs::read_dir(dir.path())
            .unwrap()
            .filter_map(|entry| entry.unwrap().path().extension().map(|e| e == "ingest"));
        assert!(!left_over.into_iter().any(|is_draft| is_draft));
        let copy = dir.path().join("copy");
        kv.checkpoint(&copy).unwrap();
        assert_eq!(numbers(&Kv::open(&copy).unwrap()), [4, 5, 6]);
    }

    #[test]
    fn a_scan_keeps_to_its_prefix_and_order() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::open(dir.path()).unwrap();
        let mut batch = Batch::default();
        for key in ["a1", "b2", "b1", "b3", "c1"] {
            batch.put(Family::Meta, key.as_bytes(), b"");
        }
        batch.delete_range(Family::Meta, b"b3", b"b4");
        kv.write_synced(batch).unwrap();
        let mut seen = Vec::new();
        kv.scan(Family::Meta, b"b", b"b", &mut |key, _| {
            seen.push(String::from_utf8_lossy(key).into_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, ["b1", "b2"]);
    }
}
