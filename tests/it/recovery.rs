//! What was acknowledged is there, exactly once, whatever becomes of the process.
//!
//! The gateway is killed under load, again and again, on one directory; `TIDEGATE_TEST_ROUNDS` says how often (8 unless set). Every
//! event carries a number of its own, so that each one can be told from all others in what is exported afterwards.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::books::{self, Books};
use crate::gateway::{Gateway, PATIENCE};

const ROUNDS: u64 = 8;
const SENDERS: usize = 3;
const BATCH_MAX: u64 = 40;
const TYPES: [&str; 3] = ["mcp.tool_call", "http.request", "custom"];

/// A pseudo-random number; a failure does not depend on it, only the moment of the kill does.
fn random(below: u64) -> u64 {
    RandomState::new().hash_one(()) % below
}

fn event(n: u64) -> Value {
    let kind = TYPES[(n % TYPES.len() as u64) as usize];
    json!({"id": format!("event-{n}"), "type": kind, "name": "load", "attributes": {"n": n, "text": "t".repeat((n * 37 % 700) as usize)}})
}

fn body(numbers: &[u64]) -> Value {
    numbers.iter().map(|n| event(*n)).collect()
}

/// Sends batches until the gateway goes away or the load ends.
fn send_load(base: &str, key: &str, books: &Books, stop: &AtomicBool) {
    let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    while !stop.load(Ordering::Relaxed) {
        let numbers = books.fresh(1 + random(BATCH_MAX));
        let sent = client.post(format!("{base}/v1/events")).bearer_auth(key).body(body(&numbers).to_string()).send();
        let Ok(answer) = sent else { return };
        let status = answer.status().as_u16();
        let Ok(answer) = answer.json::<Value>() else { return };
        // While it drains, a gateway says that it does; whatever else it refuses is a fault.
        if status == 503 {
            return;
        }
        assert_eq!((status, &answer["accepted"]), (200, &json!(numbers.len())), "{answer}");
        books.acknowledge(&numbers);
    }
}

/// Runs the load while `meanwhile` does what it likes to the gateway.
fn under_load(gateway: &mut Gateway, key: &str, books: &Books, meanwhile: impl FnOnce(&mut Gateway)) {
    let base = gateway.base();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| send_load(&base, key, books, &stop));
        }
        meanwhile(gateway);
        stop.store(true, Ordering::Relaxed);
    });
}

/// The numbers of all stored events, and how often each is there.
fn stored(gateway: &Gateway) -> BTreeMap<u64, usize> {
    let token = gateway.token("default", "export");
    let export = gateway.get_json("/api/export", &token);
    let mut stored = BTreeMap::new();
    for request in export["data"]["requests"].as_array().expect("a list") {
        let n = request["attributes"]["n"].as_u64().expect("every event has a number");
        assert_eq!(request["attributes"], event(n)["attributes"], "event {n} is not what was sent");
        *stored.entry(n).or_default() += 1;
    }
    stored
}

/// Sends events again; those that are stored must be duplicates, the others must be accepted.
fn send_again(gateway: &Gateway, key: &str, books: &Books, numbers: &[u64], stored: &BTreeMap<u64, usize>) {
    for numbers in numbers.chunks(500) {
        let there = numbers.iter().filter(|n| stored.contains_key(n)).count();
        let answer = gateway.post_events(key, &body(numbers)).expect(200).json();
        let counts = (answer["duplicates"].as_u64(), answer["accepted"].as_u64());
        assert_eq!(counts, (Some(there as u64), Some((numbers.len() - there) as u64)), "sent again after a restart");
        books.acknowledge(numbers);
    }
}

#[track_caller]
fn assert_in_order(gateway: &Gateway) {
    assert_eq!(gateway.metric("tidegate_ledger_imbalance", &[]), 0.0, "events vanished from the books");
    assert_eq!(fsck(gateway), Ok(()));
}

/// What `tidegate fsck` finds.
fn fsck(gateway: &Gateway) -> Result<(), String> {
    let output = gateway.run(&["fsck"]);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(text) }
}

#[test]
fn what_was_acknowledged_survives_every_kill_exactly_once() {
    let rounds = books::rounds(ROUNDS);
    // Everything is read again in every round: a directory of its own for each few rounds keeps a long run from crawling.
    for first in (0..rounds).step_by(ROUNDS as usize) {
        kill_again_and_again(ROUNDS.min(rounds - first));
    }
}

fn kill_again_and_again(rounds: u64) {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    let books = Books::default();
    for round in 0..rounds {
        under_load(&mut gateway, &key, &books, |gateway| {
            thread::sleep(Duration::from_millis(20 + random(400)));
            gateway.kill();
        });
        gateway.restart();
        let before = stored(&gateway);
        books.check(&before);
        send_again(&gateway, &key, &books, &books.unacknowledged(), &before);
        // One that was acknowledged long ago is known as well.
        send_again(&gateway, &key, &books, &[random(books.sent())], &stored(&gateway));
        let after = stored(&gateway);
        books.check(&after);
        assert_eq!(after.len() as u64, books.sent(), "in round {round}");
        assert_in_order(&gateway);
    }
    gateway.stop();
    assert_eq!(fsck(&gateway), Ok(()));
}

#[test]
fn a_graceful_stop_under_load_loses_nothing() {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    let books = Books::default();
    for _ in 0..3 {
        under_load(&mut gateway, &key, &books, |gateway| {
            thread::sleep(Duration::from_millis(200));
            gateway.stop();
        });
        assert_eq!(fsck(&gateway), Ok(()));
        gateway.restart();
        books.check(&stored(&gateway));
        assert_in_order(&gateway);
    }
    assert!(books.has_acknowledged(), "there was no load");
}

#[test]
fn a_torn_last_write_is_as_if_it_had_never_begun() {
    // The end is not there (the process was killed), or there is room for it and nothing in it (the power failed).
    for (missing, zeros) in [(1, false), (60, false), (1, true), (60, true)] {
        let mut gateway = Gateway::start();
        let key = gateway.key("default");
        let books = Books::default();
        let numbers = books.fresh(30);
        for n in &numbers {
            gateway.post_events(&key, &body(&[*n])).expect(200);
        }
        gateway.kill();
        let log = newest(&gateway.data().join("db"), "log");
        let file = OpenOptions::new().write(true).open(&log).unwrap();
        let whole_length = file.metadata().unwrap().len();
        file.set_len(whole_length - missing).unwrap();
        if zeros {
            file.set_len(whole_length).unwrap();
        }
        gateway.restart();
        let (last, whole) = numbers.split_last().unwrap();
        books.acknowledge(whole);
        let before = stored(&gateway);
        books.check(&before);
        assert!(!before.contains_key(last), "{missing} bytes short, and nothing is missing");
        // Neither the event nor its id is there: it can be sent again.
        send_again(&gateway, &key, &books, &numbers, &before);
        books.check(&stored(&gateway));
        assert_in_order(&gateway);
    }
}

#[test]
fn a_damaged_table_is_reported_and_never_served() {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    let books = Books::default();
    for _ in 0..20 {
        let numbers = books.fresh(50);
        gateway.post_events(&key, &body(&numbers)).expect(200);
        books.acknowledge(&numbers);
    }
    gateway.stop();
    // After a stop everything is in tables; the journal's is by far the largest.
    damage(&largest(&gateway.data().join("db"), "sst"));
    assert_noticed(&mut gateway, &books);
}

#[test]
fn a_damaged_log_is_reported_or_costs_nothing() {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    let books = Books::default();
    for _ in 0..20 {
        let numbers = books.fresh(50);
        gateway.post_events(&key, &body(&numbers)).expect(200);
        books.acknowledge(&numbers);
    }
    gateway.kill();
    damage(&newest(&gateway.data().join("db"), "log"));
    assert_noticed(&mut gateway, &books);
}

/// Damage must be told by a start that fails in plain words or by `fsck`; else everything must be there.
#[track_caller]
fn assert_noticed(gateway: &mut Gateway, books: &Books) {
    let found = fsck(gateway);
    match gateway.try_restart() {
        Err(told) => {
            assert!(told.contains("damaged") && !told.contains("panicked"), "no plain words: {told}");
            assert!(found.is_err(), "the start fails, and fsck finds nothing");
        }
        Ok(()) if found.is_ok() => books.check(&stored(gateway)),
        Ok(()) => {}
    }
}

/// Flips a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).unwrap();
}

fn newest(dir: &Path, extension: &str) -> PathBuf {
    // RocksDB numbers its files.
    with_extension(dir, extension).into_iter().filter(|path| fs::metadata(path).unwrap().len() > 0).max().unwrap()
}

fn largest(dir: &Path, extension: &str) -> PathBuf {
    with_extension(dir, extension).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn an_exported_key_file_put_back_opens_the_data_again() {
    let mut gateway = Gateway::start();
    let (keys, copy) = (gateway.data().join("keys"), gateway.root().join("keys.copy"));
    let export = ["keys", "export", copy.to_str().unwrap()];
    let refused = gateway.run(&export);
    assert!(!refused.status.success() && !copy.exists());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the gateway first"));

    gateway.stop();
    assert_eq!(gateway.value_of(&export), export[2]);
    fs::remove_file(&keys).unwrap();
    assert!(!gateway.run(&["keys", "export", "other"]).status.success() && !keys.exists(), "nothing is made up");
    assert!(gateway.try_restart().is_err());
    fs::rename(&copy, &keys).unwrap();
    gateway.restart();
}
