//! Killed at every step of every change to what is sealed: afterwards each row is there exactly once or rightly gone, nothing is left over, and
//! going on finishes the work.
//!
//! At each moment that a change passes ([`step`]) the data directory is copied; every copy is then opened, which is what a start after a kill at that
//! moment does.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use super::*;
use crate::store::step;

/// Does `work` and answers a copy of the directory for each moment it passed, in order.
fn copies(house: &House, to: &Path, work: impl FnOnce(&House)) -> Vec<(&'static str, PathBuf)> {
    let taken = Rc::new(RefCell::new(Vec::new()));
    let (noted, from, to) = (Rc::clone(&taken), house.config.data_dir.clone(), to.to_owned());
    let watcher = move |name| {
        let mut noted = noted.borrow_mut();
        let copy = to.join(noted.len().to_string());
        copy_dir(&from, &copy);
        noted.push((name, copy));
    };
    step::watch(watcher, || work(house));
    taken.take()
}

/// Passes all of these moments and no other, whatever their number and order.
#[track_caller]
fn assert_passed(copies: &[(&'static str, PathBuf)], expected: &[&'static str]) {
    let passed: BTreeSet<_> = copies.iter().map(|(name, _)| *name).collect();
    assert_eq!(passed, expected.iter().copied().collect());
}

/// Opens every copy, checks it, goes on with it, and checks it again.
fn check_each(copies: &[(&'static str, PathBuf)], now: Millis, go_on: impl Fn(&House), check: impl Fn(&House, &str)) {
    for (name, dir) in copies {
        let house = House::open(dir, now);
        check(&house, &format!("killed when: {name}"));
        house.assert_no_orphans();
        go_on(&house);
        check(&house, &format!("killed when: {name}; then finished"));
        house.assert_no_orphans();
        house.close();
        let found = fsck(dir).unwrap_or_else(|found| panic!("killed when: {name}\n{found}"));
        assert!(!found.contains("left over"), "{found}");
        let again = House::open(dir, now);
        check(&again, &format!("killed when: {name}; finished and started again"));
    }
}

#[test]
fn sealing() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(&dir.path().join("data"), NOW);
    house.send(0..60);
    house.seal();
    house.send(60..120);
    let copies = copies(&house, &dir.path().join("copies"), House::seal);
    assert_passed(
        &copies,
        &[
            "keys made",
            "file written",
            "file taken in",
            "change ready",
            "batch durable",
            "shown",
            "journal dropped",
            "journal keys destroyed",
        ],
    );
    check_each(&copies, NOW, House::seal, |house, when| {
        assert_eq!(house.rows(), (0..120).collect::<Vec<_>>(), "{when}");
        let again = house.send_as(house.tenant(), &(0..120).map(event).collect());
        assert_eq!(again.duplicates, 120, "{when}: duplicates are known");
    });
}

#[test]
fn merging() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(&dir.path().join("data"), NOW);
    for first in [0, 60, 120] {
        house.send(first..first + 60);
        house.seal();
    }
    house.clock.advance(HOUR_MS * 20);
    let copies = copies(&house, &dir.path().join("copies"), House::close_buckets);
    let steps = [
        "keys made",
        "file written",
        "file taken in",
        "change ready",
        "batch durable",
        "shown",
        "keys destroyed",
        "files unlinked",
        "notes gone",
    ];
    assert_passed(&copies, &steps);
    let runs = house.gateway.services.ingest.store.usage().runs;
    check_each(&copies, house.now(), House::close_buckets, |house, when| {
        assert_eq!(house.rows(), (0..180).collect::<Vec<_>>(), "{when}");
        if when.contains("then finished") {
            assert_eq!(house.gateway.services.ingest.store.usage().runs, runs, "{when}");
        }
    });
}

#[test]
fn expiry() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(&dir.path().join("data"), NOW);
    house.send(0..60);
    house.seal();
    house.clock.advance(2 * DAY_MS);
    house.close_buckets();
    house.send(60..90);
    let kept: Vec<u64> = (0..90).filter(|n| *n >= 60 || n % 3 != 1).collect();
    let copies = copies(&house, &dir.path().join("copies"), |house| assert_eq!(house.expire(), 20));
    assert_passed(
        &copies,
        &[
            "change ready",
            "batch durable",
            "shown",
            "keys destroyed",
            "files unlinked",
            "notes gone",
            "journal dropped",
            "journal keys destroyed",
        ],
    );
    let keys = house.vault().deks().len();
    check_each(
        &copies,
        house.now(),
        |house| _ = house.expire(),
        |house, when| {
            assert_eq!(house.rows(), kept, "{when}");
            let is_undone = when == "killed when: change ready";
            assert_eq!(house.count_records(Action::BucketExpired), usize::from(!is_undone), "{when}: recorded once");
            let left = house.vault().deks().len();
            assert_eq!(left, keys + usize::from(is_undone), "{when}: the next start destroys what is doomed");
        },
    );
}

#[test]
fn erasure() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(&dir.path().join("data"), NOW);
    house.send(0..60);
    house.seal();
    house.send(60..120);
    house.ask_erasure("user-1");
    let copies = copies(&house, &dir.path().join("copies"), |house| assert_eq!(house.erase(), 30));
    let steps = [
        "keys made",
        "file written",
        "file taken in",
        "change ready",
        "batch durable",
        "shown",
        "journal dropped",
        "journal keys destroyed",
        "journal flushed",
        "keys destroyed",
        "files unlinked",
        "notes gone",
        "rewritten",
        "key-encryption key replaced",
        "replacement recorded",
        "completed",
    ];
    assert_passed(&copies, &steps);
    check_each(
        &copies,
        NOW,
        |house| _ = house.erase(),
        |house, when| {
            assert_eq!(house.rows(), not_of("user-1", 120), "{when}");
            let refused = house.send_as(house.tenant(), &json!([event(123)]));
            assert_eq!((user(123).as_str(), refused.rejected), ("user-1", 1), "{when}: suppressed");
            if when.contains("finished") {
                let store = &house.gateway.services.ingest.store;
                let epochs = &house.gateway.services.ingest.epochs;
                let users = epochs.user_pseudonyms(house.tenant(), "user-1", NOW, 0).unwrap();
                let subjects = Subjects { users, ..Subjects::default() };
                assert_eq!(store.rows_of(house.tenant(), &subjects).unwrap(), 0, "{when}");
                assert!(house.upkeep().pending_erasures().unwrap().is_empty(), "{when}");
            }
        },
    );
}
