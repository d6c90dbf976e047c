//! Keys and databases that do not belong together, and copies that were restored.

use super::*;

fn backup(house: &House, to: &Path) {
    house.gateway.back_up(to, "test".to_owned()).unwrap();
}

#[test]
fn a_new_database_never_takes_the_keys_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, wrong) = (dir.path().join("ours"), dir.path().join("wrong"));
    let house = House::open(&ours, NOW);
    house.send(0..30);
    house.seal();
    house.send(30..60);
    drop(house);
    let keys = fs::read(ours.join("keys")).unwrap();
    fs::create_dir(&wrong).unwrap();
    fs::rename(ours.join("keys"), wrong.join("keys")).unwrap();
    assert!(matches!(House::try_open(&wrong, NOW), Err(Error::KeyFileForeign { .. })));
    assert!(fs::read(wrong.join("keys")).unwrap() == keys, "no key was destroyed");
    fs::rename(wrong.join("keys"), ours.join("keys")).unwrap();
    assert_eq!(House::open(&ours, NOW).rows().len(), 60);
}

#[test]
fn a_database_that_was_rolled_back_does_not_open_and_costs_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let (data, old) = (dir.path().join("data"), dir.path().join("old"));
    let house = House::open(&data, NOW);
    house.send(0..30);
    // It leaves nothing in the journal, so that no key of that is missed.
    backup(&house, &dir.path().join("backup"));
    house.close();
    copy_dir(&data.join("db"), &old);
    let house = House::open(&data, NOW);
    house.send(30..60);
    house.seal();
    house.close();
    let keys = fs::read(data.join("keys")).unwrap();
    fs::rename(data.join("db"), dir.path().join("new")).unwrap();
    copy_dir(&old, &data.join("db"));
    let refused = House::try_open(&data, NOW).err();
    assert!(matches!(refused, Some(Error::Audit(audit::Error::RolledBack { .. }))), "{refused:?}");
    let count = |keys: &[u8]| keys.chunks(64).filter(|copy| copy.get(4..6) == Some(&[2, 10])).count();
    assert_eq!(count(&fs::read(data.join("keys")).unwrap()), count(&keys), "no data key was destroyed");
    fs::remove_dir_all(data.join("db")).unwrap();
    fs::rename(dir.path().join("new"), data.join("db")).unwrap();
    assert_eq!(House::open(&data, NOW).rows().len(), 60);
}

#[test]
fn a_backup_with_the_keys_of_its_time_holds_everything_that_was_acknowledged_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, again) = (dir.path().join("data"), dir.path().join("copy"), dir.path().join("again"));
    let house = House::open(&data, NOW);
    house.send(0..30);
    house.seal();
    house.send(30..60);
    backup(&house, &copy);
    house.send(60..90);
    assert!(house.gateway.back_up(&copy, "test".to_owned()).is_err(), "a directory that is there is not overwritten");
    fs::create_dir(&again).unwrap();
    house.gateway.key_file.export(&again.join("keys")).unwrap();
    assert!(!copy.join("keys").exists());
    let lost = house.rows();
    drop(house);
    crate::cli::restore::put_in_place(&copy, &again, &again.join("keys")).unwrap();
    let config = config_of(&again);
    let gateway = Gateway::open_restored(&config, Arc::new(ManualClock::at(NOW)), Arc::new(SystemEntropy)).unwrap();
    assert!(gateway.services.ingest.store.let_go().is_empty());
    gateway.close();
    drop(gateway);
    fsck(&again).unwrap();
    let house = House::open(&again, NOW);
    assert_eq!(house.rows(), (0..60).collect::<Vec<_>>());
    assert_eq!(lost.len(), 90);
    assert_eq!(house.count_records(Action::DatabaseRestored), 1);
    let occupied = crate::cli::restore::put_in_place(&copy, &again, &again.join("keys"));
    assert!(matches!(occupied, Err(crate::cli::restore::Error::Occupied { .. })));
}

#[test]
fn what_was_shredded_since_a_backup_does_not_come_back_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, again) = (dir.path().join("data"), dir.path().join("copy"), dir.path().join("again"));
    let house = House::open(&data, NOW);
    house.send(0..30);
    backup(&house, &copy);
    let later = NOW.plus(3 * DAY_MS);
    house.clock.advance(3 * DAY_MS);
    house.close_buckets();
    assert_eq!(house.expire(), 10);
    house.close();
    fs::create_dir(&again).unwrap();
    fs::copy(data.join("keys"), again.join("keys")).unwrap();
    crate::cli::restore::put_in_place(&copy, &again, &again.join("keys")).unwrap();
    assert!(matches!(
        House::try_open(&again, NOW),
        Err(Error::Store(crate::store::Error::KeysMissing { runs: 1, .. }))
    ));
    let config = config_of(&again);
    let gateway = Gateway::open_restored(&config, Arc::new(ManualClock::at(later)), Arc::new(SystemEntropy)).unwrap();
    let let_go = gateway.services.ingest.store.let_go();
    assert_eq!((let_go.runs(), let_go.rows()), (1, 10));
    gateway.services.ingest.writer.stop();
    drop(gateway);
    // From now on it is a database like every other, even when it was killed right after.
    fsck(&again).unwrap();
    let house = House::open(&again, later);
    house.assert_no_orphans();
    assert_eq!(house.rows().len(), 20);
    house.hold(true);
    assert_eq!(house.rows().len(), 20, "not even a hold brings it back");
}
