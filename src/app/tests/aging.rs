//! What becomes of rows as time goes by.

use std::rc::Rc;

use super::*;
use crate::query::disclosure::Guard;
use crate::query::{Params, Question, Scan, summary, top};
use crate::store::step;

#[test]
fn a_small_bucket_that_closes_alone_has_its_record_like_every_other() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..9);
    house.seal();
    assert_eq!((house.count_records(Action::SegmentSealed), house.count_records(Action::BucketSealed)), (3, 0));
    house.clock.advance(20 * HOUR_MS);
    house.close_buckets();
    assert_eq!(house.count_records(Action::BucketSealed), 3);
    house.close();
    fsck(dir.path()).unwrap();
}

#[test]
fn expiry_destroys_keys_and_unlinks_files_and_rewrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..300);
    house.seal();
    house.clock.advance(20 * HOUR_MS);
    house.close_buckets();
    let names = |house: &House| {
        let files = fs::read_dir(house.config.data_dir.join("db")).unwrap().map(|entry| entry.unwrap());
        files.map(|entry| (entry.file_name(), entry.metadata().unwrap().len())).collect::<Vec<_>>()
    };
    let (files, deks, before) = (house.sealed_files(), house.vault().deks(), names(&house));
    let key_file = fs::read(dir.path().join("keys")).unwrap();
    house.clock.advance(DAY_MS);
    let visible = house.rows();
    assert_eq!(visible.len(), 200, "http is kept for a day, and hidden at once");
    assert_eq!(house.expire(), 100);
    assert_eq!(house.rows(), visible);
    assert_eq!(house.sealed_files(), files - 1);
    let left = house.vault().deks();
    assert_eq!(left.len(), deks.len() - 1);
    let sst = |(name, _): &&(std::ffi::OsString, u64)| name.to_string_lossy().ends_with(".sst");
    let after = names(&house);
    assert_eq!(after.iter().filter(sst).filter(|file| !before.contains(file)).count(), 0, "nothing was written anew");
    assert_ne!(fs::read(dir.path().join("keys")).unwrap(), key_file);
    let records = house.records(Subject::Tenant(house.tenant()));
    let expired: Vec<_> = records.iter().filter(|record| record.action == Action::BucketExpired.code()).collect();
    assert_eq!((expired.len(), expired[0].count), (1, Some(100)));
    house.assert_no_orphans();
    house.close();
    fsck(dir.path()).unwrap();
}

#[test]
fn a_hold_keeps_and_shows_everything_and_its_end_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..30);
    house.seal();
    house.hold(true);
    house.clock.advance(400 * DAY_MS);
    house.close_buckets();
    assert_eq!(house.expire(), 0);
    assert_eq!(house.rows().len(), 30);
    house.close();
    let house = House::open(dir.path(), NOW.plus(400 * DAY_MS));
    assert_eq!((house.expire(), house.rows().len()), (0, 30));
    house.hold(false);
    assert_eq!(house.rows().len(), 0, "hidden at once");
    assert_eq!(house.expire(), 30);
    assert_eq!((house.sealed_files(), house.vault().deks().len()), (0, 0));
    assert_eq!(house.count_records(Action::LegalHoldChanged), 2);
}

#[test]
fn a_hold_that_comes_between_the_decision_and_the_deed_stops_an_expiry() {
    let dir = tempfile::tempdir().unwrap();
    let house = Rc::new(House::open(dir.path(), NOW));
    house.send(0..30);
    house.seal();
    house.clock.advance(400 * DAY_MS);
    house.close_buckets();
    let other = Rc::clone(&house);
    let hold = move |name| {
        if name == "change ready" && !other.gateway.services.ingest.store.is_on_hold(other.tenant()) {
            other.hold(true);
        }
    };
    assert_eq!(step::watch(hold, || house.expire()), 0);
    assert_eq!((house.rows().len(), house.vault().deks().len()), (30, 3));
    assert_eq!(house.count_records(Action::BucketExpired), 0);
    house.hold(false);
    assert_eq!(house.expire(), 30);
}

#[test]
fn totals_outlive_their_rows_and_do_not_change_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..300);
    house.seal();
    house.clock.advance(20 * HOUR_MS);
    house.close_buckets();
    house.clock.advance(400 * DAY_MS);
    let store = &house.gateway.services.ingest.store;
    let totals = store.rollups(house.tenant(), house.now()).unwrap();
    let events = |totals: &[crate::store::rollup::Rollup]| {
        let cells = totals.iter().flat_map(|rollup| &rollup.cells);
        cells
            .filter(|cell| cell.scope == crate::store::rollup::Scope::Total)
            .map(|cell| cell.counted.events)
            .sum::<u64>()
    };
    assert_eq!(events(&totals), 300);
    assert_eq!(house.expire(), 300);
    assert_eq!(store.rollups(house.tenant(), house.now()).unwrap(), totals);
    house.close();
    let house = House::open(dir.path(), NOW.plus(500 * DAY_MS));
    assert_eq!(house.gateway.services.ingest.store.rollups(house.tenant(), house.now()).unwrap(), totals);
    fsck(dir.path()).unwrap();
}

#[test]
fn questions_about_days_whose_rows_are_gone_are_answered_from_totals_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..300);
    house.seal();
    let ask = |house: &House| {
        let store = &house.gateway.services.ingest.store;
        let day = Millis(NOW.day() * DAY_MS);
        let (from, to) = (day.to_string(), day.plus(DAY_MS).to_string());
        let pairs = [("from", from.as_str()), ("to", to.as_str())];
        let of = |question| Params::parse(question, pairs, house.now(), 100).unwrap();
        let parts = store.read(house.tenant(), day, day.plus(DAY_MS), house.now());
        let past = store.rollups(house.tenant(), house.now()).unwrap();
        let scan = Scan::new(&parts, u64::MAX).unwrap().with_past(&past);
        let summary = summary::summary(&scan, &of(Question::Summary), HOUR_MS).unwrap();
        let top = top::top(&scan, &of(Question::Top), Guard::OFF).unwrap();
        let named: u64 = top.rows.iter().map(|row| row.cells.events).sum();
        let other = top.absent.as_ref().map_or(0, |cells| cells.events);
        (summary.events, summary.errors, named + other, summary.rollups.is_some(), top.rollups.is_some())
    };
    let (events, errors, named, ..) = ask(&house);
    assert_eq!((events, named), (300, 300));
    assert_eq!(ask(&house), (300, errors, 300, false, false));
    house.clock.advance(30 * HOUR_MS);
    house.close_buckets();
    house.clock.advance(400 * DAY_MS);
    house.expire();
    assert_eq!(ask(&house), (300, errors, 300, true, true));
}

#[test]
fn late_events_land_in_todays_bucket_and_never_rewrite_an_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..30);
    house.seal();
    house.clock.advance(3 * DAY_MS);
    house.close_buckets();
    let deks = house.vault().deks();
    let mut late = event(99);
    late["timestamp"] = json!(NOW.0);
    assert_eq!(house.send_as(house.tenant(), &json!([late])).accepted, 1);
    house.seal();
    house.clock.advance(DAY_MS);
    house.close_buckets();
    let left = house.vault().deks();
    assert!(deks.iter().all(|dek| left.contains(dek)), "what was sealed is as it was");
    assert_eq!(left.len(), deks.len() + 1);
    assert!(house.rows().contains(&99));
}

#[test]
fn duplicates_stay_duplicates_over_sealing_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..30);
    house.seal();
    house.close();
    for hours in [1, 20, 40] {
        let house = House::open(dir.path(), NOW.plus(hours * HOUR_MS));
        let answer = house.send_as(house.tenant(), &(0..30).map(event).collect());
        assert_eq!((answer.accepted, answer.duplicates), (0, 30));
        house.seal();
        house.close();
    }
}

#[test]
fn what_cannot_be_sealed_leaves_nothing_behind_and_is_sealed_later() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..30);
    let all: Vec<u64> = (0..30).collect();
    let is_as_before = |house: &House| {
        assert_eq!(house.rows(), all);
        assert_eq!((house.sealed_files(), house.vault().deks().len()), (0, 0));
        house.assert_no_orphans();
    };
    // The second of three files cannot be made.
    let in_the_way = dir.path().join("db/segment-1.ingest");
    fs::create_dir(&in_the_way).unwrap();
    assert!(house.upkeep().seal(Which::All, NOW, &|| false).is_err());
    fs::remove_dir(&in_the_way).unwrap();
    is_as_before(&house);
    house.close();
    // All files can be made, and the batch cannot be written.
    let never_enough = ("TIDEGATE__STORE__DISK_FREE_MIN".to_owned(), "1TiB".to_owned());
    let overrides = Overrides { data: Some(dir.path().to_owned()), ..Overrides::default() };
    let house = House::open_with(config::load(&overrides, [never_enough]).unwrap(), NOW).unwrap();
    for _ in 0..3 {
        let refused = house.upkeep().seal(Which::All, NOW, &|| false);
        assert!(matches!(refused, Err(crate::upkeep::Error::Commit(crate::kv::CommitError::Full))));
        is_as_before(&house);
    }
    drop(house);
    let house = House::open(dir.path(), NOW);
    house.seal();
    assert_eq!((house.rows(), house.sealed_files()), (all, 3));
    house.assert_no_orphans();
}

#[test]
fn rows_that_a_clock_set_back_puts_into_a_closed_bucket_are_found_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    // Two runs a bucket, so that closing merges them.
    house.send(0..150);
    house.seal();
    house.send(150..300);
    house.seal();
    house.clock.advance(20 * HOUR_MS);
    house.close_buckets();
    house.close();
    // The clock was set back while the gateway did not run.
    let house = House::open(dir.path(), NOW);
    house.send(300..450);
    house.seal();
    house.clock.advance(20 * HOUR_MS);
    house.close_buckets();
    assert_eq!(house.rows(), (0..450).collect::<Vec<_>>());
    house.assert_no_orphans();
    house.clock.advance(400 * DAY_MS);
    let store = &house.gateway.services.ingest.store;
    let totals = store.rollups(house.tenant(), house.now()).unwrap();
    let cells = totals.iter().flat_map(|rollup| &rollup.cells);
    let counted = cells.filter(|cell| cell.scope == crate::store::rollup::Scope::Total).map(|cell| cell.counted.events);
    assert_eq!(counted.sum::<u64>(), 450);
    assert_eq!(house.expire(), 450);
    house.close();
    fsck(dir.path()).unwrap();
}

#[test]
fn arrival_goes_on_after_a_restart_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let arrival = |house: &House, back_ms: i64| house.gateway.services.ingest.arrivals.at(NOW.plus(-back_ms));
    let house = House::open(dir.path(), NOW);
    house.send(0..3);
    house.close();
    let house = House::open(dir.path(), NOW);
    assert_eq!(arrival(&house, 60_000), NOW, "known from the journal");
    house.seal();
    house.close();
    let house = House::open(dir.path(), NOW);
    assert_eq!(arrival(&house, 60_000), NOW, "known from sealed runs");
    assert_eq!(arrival(&house, 2 * HOUR_MS), NOW.plus(-2 * HOUR_MS));
}

#[test]
fn a_bucket_with_more_small_runs_than_fit_into_memory_is_merged_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let small = ("TIDEGATE__STORE__MEMORY_MAX".to_owned(), "32MiB".to_owned());
    let overrides = Overrides { data: Some(dir.path().to_owned()), ..Overrides::default() };
    let house = House::open_with(config::load(&overrides, [small]).unwrap(), NOW).unwrap();
    // Texts that do not become smaller on the disk: 100 KiB a run, and half a MiB may be merged at a time.
    let text = |n: u64| -> String {
        let seeds = (0..32).map(|word: u64| blake3::hash(&[n.to_le_bytes(), word.to_le_bytes()].concat()));
        seeds.map(|hash| hash.to_hex().to_string()).collect()
    };
    let event = |n: u64| json!({"type": "custom", "attributes": {"n": n, "text": text(n)}});
    for first in (0..1000).step_by(100) {
        assert_eq!(house.send_as(house.tenant(), &(first..first + 100).map(event).collect()).accepted, 100);
        house.seal();
    }
    house.clock.advance(30 * HOUR_MS);
    let store = &house.gateway.services.ingest.store;
    let step = store.close_buckets(house.now()).unwrap();
    let merged: u64 = step.removed().iter().map(|run| run.bytes).sum();
    assert!((1..=512 << 10).contains(&merged), "{merged} bytes at once");
    store.abandon_rewrite(&step);
    house.close_buckets();
    let runs = house.vault().deks().len();
    assert!((2..6).contains(&runs), "{runs} runs are left of ten");
    let parts = store.read(house.tenant(), EVER.0, EVER.1, house.now());
    assert_eq!(parts.iter().map(crate::store::Part::rows_max).sum::<usize>(), 1000);
    assert!(store.close_buckets(house.now()).unwrap().is_empty(), "it is closed");
    house.close();
    fsck(dir.path()).unwrap();
}
