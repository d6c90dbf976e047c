//! What an erasure promises while the gateway lives.

use futures_util::FutureExt;

use super::*;
use crate::outcome::Reason;

/// What leads a data key's copy in the key file (`keys/slot.rs`): state and kind, behind the generation.
const LIVE_DEK: [u8; 2] = [2, 10];
const PAGE_BYTES: usize = 4096;
const COPY_BYTES: usize = 64;

/// Puts the data keys of an old key file back into a new one, both copies of each: what a thief with an old copy could do.
fn with_old_deks(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut forged = new.to_vec();
    // The header takes the first pair of pages; then page A and page B of every group.
    for page in old.chunks(PAGE_BYTES).enumerate().skip(2) {
        for (at, copy) in page.1.chunks(COPY_BYTES).enumerate() {
            let place = page.0 * PAGE_BYTES + at * COPY_BYTES;
            if copy.get(4..6) == Some(&LIVE_DEK) {
                forged[place..place + COPY_BYTES].copy_from_slice(copy);
            }
        }
    }
    forged
}

#[test]
fn nobody_sees_an_erased_subject_from_the_moment_of_acceptance_on_and_nothing_of_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let house = House::open(&data, NOW);
    house.send(0..60);
    house.seal();
    house.send(60..120);
    house.copy_to(&dir.path().join("before"));
    let deks = house.vault().deks();
    house.ask_erasure("user-1");
    assert_eq!(house.rows(), not_of("user-1", 120), "at once");
    assert_eq!(house.erase(), 30);
    assert_eq!(house.rows(), not_of("user-1", 120), "afterwards");
    let now_there = house.vault().deks();
    assert!(
        deks.iter().all(|dek| !now_there.contains(dek)),
        "each run held rows of the subject, so each key is another"
    );
    house.assert_no_orphans();
    let records = house.records(Subject::Tenant(house.tenant()));
    let of = |action: Action| records.iter().filter(move |record| record.action == action.code()).collect::<Vec<_>>();
    let outcomes: Vec<_> = of(Action::SubjectErasure).iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [audit::Outcome::Intent, audit::Outcome::Success]);
    assert_eq!(of(Action::CryptoKeyDestroyed).len(), 1, "the epoch went on");
    assert_eq!(of(Action::SubjectErasure)[1].count, Some(30));
    house.close();
    assert!(fsck(&data).is_ok());

    // Old data keys with the key file of today.
    let old = fs::read(dir.path().join("before/keys")).unwrap();
    let new = fs::read(data.join("keys")).unwrap();
    let forged = with_old_deks(&old, &new);
    assert_ne!(forged, new, "there are old data keys");
    fs::write(data.join("keys"), forged).unwrap();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let file = Arc::new(KeyFile::open_read_only(&data.join("keys"), &*entropy).unwrap());
    let thief = vault(&config_of(&data), &file, &entropy);
    let opened = deks.iter().filter(|(tenant, dek)| matches!(thief.dek(*tenant, *dek), Ok(Some(_))));
    assert_eq!(opened.count(), 0, "an old data key opens");
}

#[test]
fn events_of_an_erased_subject_are_rejected_as_suppressed_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..12);
    house.ask_erasure("user-1");
    house.erase();
    let refused = |house: &House, first: u64| {
        let answer = house.send_as(house.tenant(), &(first..first + 12).map(event).collect());
        let reasons: Vec<_> = answer.results.iter().filter_map(|result| result.reason).collect();
        assert_eq!((answer.accepted, answer.rejected), (9, 3));
        assert_eq!(reasons, [Reason::Suppressed; 3].map(Reason::code));
    };
    refused(&house, 12);
    house.close();
    let house = House::open(dir.path(), NOW.plus(40 * DAY_MS));
    refused(&house, 24);
    let other = house.another_tenant();
    assert_eq!(house.send_as(other, &json!([event(3)])).accepted, 1, "another tenant's user of that name is another");
}

#[test]
fn an_erasure_leaves_every_other_row_as_it_was_and_works_on_a_closed_bucket() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    for first in [0, 1500, 3000] {
        house.send(first..first + 1500);
        house.seal();
    }
    house.clock.advance(20 * HOUR_MS);
    house.close_buckets();
    house.ask_erasure("user-2");
    assert_eq!(house.rows(), not_of("user-2", 4500));
    house.erase();
    assert_eq!(house.rows(), not_of("user-2", 4500));
    house.close_buckets();
    house.assert_no_orphans();
    house.close();
    assert!(fsck(dir.path()).is_ok());
    assert_eq!(House::open(dir.path(), NOW.plus(20 * HOUR_MS)).rows(), not_of("user-2", 4500));
}

#[test]
fn what_was_let_in_before_an_erasure_was_accepted_is_not_taken_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    let tenant = house.tenant();
    let aside = |n: u64| {
        let mut event = event(n);
        event["timestamp"] = json!("2999-01-01T00:00:00Z");
        event
    };
    let events: Value = (0..12).map(event).chain((12..24).map(aside)).collect();
    let before = house.send_as(tenant, &events);
    assert_eq!((before.accepted, before.quarantined), (12, 12));
    // The erasure comes, and is done, while these are on their way.
    let events: Value = (24..36).map(event).chain((36..48).map(aside)).collect();
    let on_their_way = house.prepared(tenant, &events);
    house.ask_erasure("user-1");
    house.erase();
    let answer = house.commit(on_their_way);
    assert_eq!((answer.accepted, answer.quarantined, answer.rejected), (9, 9, 6));
    let suppressed = answer.results.iter().filter(|result| result.reason == Some(Reason::Suppressed.code())).count();
    assert_eq!(suppressed, 6);
    let expected: Vec<u64> = (0..12).chain(24..36).filter(|n| user(*n) != "user-1").collect();
    assert_eq!(house.rows(), expected);
    let ingest = &house.gateway.services.ingest;
    let kept = ingest.quarantine.list(&house.gateway.services.kv, tenant, 100, house.now(), None).unwrap();
    let ours = |n: &u64| user(*n) == "user-1";
    // Those from before are the keeper's to remove.
    assert_eq!(kept.len(), 24 - (36..48).filter(ours).count());
    // The others' ids were not touched by it: sent again they are duplicates, and nothing is there twice.
    let again = house.send_as(tenant, &events);
    assert_eq!((again.accepted, again.duplicates, again.rejected), (0, 18, 6));
    assert_eq!(ingest.ledger.balance(tenant).imbalance(), 0);
}

#[test]
fn an_erasure_and_a_hold_are_done_also_when_whoever_asked_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path(), NOW);
    house.send(0..24);
    // Asked and dropped at the first wait, as a handler whose client leaves.
    assert!(house.asked_erasure("user-1").now_or_never().is_none());
    let hold = house.upkeep().set_hold(house.tenant(), true, "test".to_owned(), house.now());
    assert!(hold.now_or_never().is_none());
    // Whatever was submitted before this is done when this is.
    house.gateway.record(Action::ConfigLoaded, &[]).unwrap();
    assert_eq!(house.rows(), not_of("user-1", 24));
    assert_eq!(house.send_as(house.tenant(), &json!([event(27)])).rejected, 1, "and nothing more is taken of it");
    assert!(house.gateway.services.ingest.store.is_on_hold(house.tenant()));
    let lift = house.upkeep().set_hold(house.tenant(), false, "test".to_owned(), house.now());
    assert!(lift.now_or_never().is_none());
    house.gateway.record(Action::ConfigLoaded, &[]).unwrap();
    assert!(!house.gateway.services.ingest.store.is_on_hold(house.tenant()));
    assert_eq!(house.erase(), 6);
}
