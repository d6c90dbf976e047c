//! A full disk passes, a failed sync does not, and neither takes what was acknowledged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fault_env::{Fault, FaultEnv, Loss, Operation};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::kv::{CommitError, Family, Kv, Writer, WriterSettings};

use crate::gateway::{self, Answer, Gateway, Setup, poll};

const SETTINGS: WriterSettings =
    WriterSettings { linger: Duration::ZERO, group_bytes_max: 1 << 20, queue_bytes_max: 1 << 24, disk_free_min: 0 };

/// A database and its writer on a disk that can be told to fail.
struct Floor {
    disk: FaultEnv,
    dir: TempDir,
    open: Option<(Arc<Kv>, Writer)>,
}

impl Floor {
    fn new() -> Floor {
        let mut floor = Floor { disk: FaultEnv::new(), dir: tempfile::tempdir().unwrap(), open: None };
        floor.restart();
        floor
    }

    fn restart(&mut self) {
        if let Some((_, writer)) = self.open.take() {
            writer.stop();
        }
        let kv = Arc::new(Kv::open_on(&self.disk.env(), &self.dir.path().join("db")).unwrap());
        let writer = Writer::start(Arc::clone(&kv), Vec::new(), SETTINGS, |_| ()).unwrap();
        self.open = Some((kv, writer));
    }

    /// The power fails and comes back.
    fn power_cut(&mut self) {
        self.disk.cut_power();
        if let Some((_, writer)) = self.open.take() {
            writer.stop();
        }
        self.disk.restore_power(Loss::Everything);
        self.restart();
    }

    fn kv(&self) -> &Kv {
        &self.open.as_ref().unwrap().0
    }

    fn put(&self, key: u8) -> Result<(), CommitError> {
        self.open.as_ref().unwrap().1.commit(move |batch| batch.put(Family::Journal, &[key], &[key; 1000]))
    }

    #[track_caller]
    fn assert_there(&self, keys: &[u8]) {
        for key in keys {
            assert_eq!(self.kv().get(Family::Journal, &[*key]).unwrap(), Some(vec![*key; 1000]), "key {key}");
        }
    }
}

#[test]
fn a_failed_sync_is_followed_by_no_write_until_a_restart() {
    for fault in [Fault::Failure, Fault::NoSpace] {
        let mut floor = Floor::new();
        floor.put(1).unwrap();
        floor.disk.plan(Operation::Sync, ".log", 0, fault);
        assert_eq!(floor.put(2), Err(CommitError::Poisoned));
        // A disk that says that all is well again has forgotten what it could not write: it is not believed.
        floor.disk.heal();
        assert_eq!(floor.put(3), Err(CommitError::Poisoned));
        floor.assert_there(&[1]);
        assert!(floor.kv().flush().is_err(), "something was written after a failed sync");
        floor.power_cut();
        floor.assert_there(&[1]);
        assert_eq!(floor.kv().get(Family::Journal, &[3]).unwrap(), None);
        floor.put(4).unwrap();
        floor.restart();
        floor.assert_there(&[1, 4]);
    }
}

#[test]
fn a_write_that_ran_out_of_space_half_way_is_followed_by_none_until_a_restart() {
    let mut floor = Floor::new();
    floor.put(1).unwrap();
    floor.disk.plan(Operation::Write, ".log", 0, Fault::NoSpace);
    assert_eq!(floor.put(2), Err(CommitError::Poisoned));
    floor.disk.heal();
    assert_eq!(floor.put(3), Err(CommitError::Poisoned));
    floor.assert_there(&[1]);
    floor.restart();
    floor.assert_there(&[1]);
    floor.put(4).unwrap();
}

#[test]
fn when_tables_find_no_space_groups_are_refused_whole_and_taken_again_without_a_restart() {
    let mut floor = Floor::new();
    floor.put(1).unwrap();
    floor.disk.plan(Operation::Write, ".sst", 0, Fault::NoSpace);
    assert!(floor.kv().flush().is_err(), "there was no table to write");
    assert_eq!(floor.put(2), Err(CommitError::Full));
    floor.assert_there(&[1]);
    assert_eq!(floor.put(3), Err(CommitError::Full));
    floor.disk.heal();
    // RocksDB looks every few seconds whether there is room again.
    poll("a write after the disk was full", || match floor.put(4) {
        Ok(()) => Some(()),
        Err(error) => {
            assert_eq!(error, CommitError::Full);
            None
        }
    });
    floor.power_cut();
    floor.assert_there(&[1, 4]);
    for refused in [2, 3] {
        assert_eq!(floor.kv().get(Family::Journal, &[refused]).unwrap(), None);
    }
}

/// A small file system at a gateway's data directory.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    fn mount(dir: &Path, megabytes: u64) -> SmallDisk {
        fs::create_dir_all(dir).unwrap();
        let options = format!("size={megabytes}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        let told = match &mounted {
            Ok(output) if output.status.success() => return SmallDisk { dir: dir.to_owned() },
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        panic!(
            "a full disk cannot be tested: this test mounts a small file system, which takes root ({})",
            told.trim()
        );
    }

    /// Leaves so many bytes free, whatever is there.
    fn leave(&self, megabytes: u64) {
        self.make_room();
        let free = rustix::fs::statvfs(&self.dir).unwrap();
        let ballast = (free.f_bavail * free.f_frsize).saturating_sub(megabytes << 20);
        let file = File::create(self.ballast()).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, ballast).unwrap();
    }

    fn make_room(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it until they are gone.
        let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
    }
}

fn send(gateway: &Gateway, key: &str, n: u64) -> Answer {
    let text = "t".repeat(2000);
    gateway
        .post_events(key, &json!({"id": format!("event-{n}"), "type": "custom", "attributes": {"n": n, "text": text}}))
}

#[track_caller]
fn assert_refused(answer: Answer) {
    let answer = answer.expect(503);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.header("retry-after").parse::<u64>().is_ok(), "{}", answer.everything());
    assert!(answer.json()["detail"].as_str().unwrap().contains("disk is full"), "{}", answer.text());
}

fn ready(gateway: &Gateway) -> u16 {
    gateway::send(gateway.request(Method::GET, "/readyz")).status
}

fn stored(gateway: &Gateway, token: &str) -> Vec<u64> {
    let export = gateway.get_json("/api/export", token);
    let requests = export["data"]["requests"].as_array().expect("a list");
    let mut numbers: Vec<u64> =
        requests.iter().map(|request: &Value| request["attributes"]["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_full_disk_refuses_events_serves_reads_and_recovers_alone() {
    let mut gateway = Setup::new().config("[store]\ndisk_free_min = '32MiB'").prepare();
    let disk = SmallDisk::mount(&gateway.data(), 256);
    gateway.restart();
    let (key, token) = (gateway.key("default"), gateway.token("default", "export"));
    send(&gateway, &key, 1).expect(200);

    disk.leave(24);
    assert_refused(send(&gateway, &key, 2));
    assert_eq!(stored(&gateway, &token), [1], "reads and their records go on");
    assert_eq!((ready(&gateway), gateway.metric("tidegate_disk_full", &[])), (503, 1.0));
    disk.make_room();
    assert_eq!((ready(&gateway), gateway.metric("tidegate_disk_full", &[])), (200, 0.0));
    send(&gateway, &key, 3).expect(200);

    // To the last byte: a read that cannot be recorded must not take place, and no harm is done.
    disk.leave(0);
    assert_refused(send(&gateway, &key, 4));
    assert_refused(gateway.get("/api/export", &token));
    disk.make_room();
    send(&gateway, &key, 5).expect(200);
    assert_eq!(stored(&gateway, &token), [1, 3, 5]);
    gateway.kill();
    gateway.restart();
    assert_eq!(stored(&gateway, &token), [1, 3, 5]);
    send(&gateway, &key, 2).expect(200);
    assert!(gateway.run(&["fsck"]).status.success());
}
