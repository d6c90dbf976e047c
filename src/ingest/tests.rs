//! Exactly once, per event and per request, over restarts.

use std::sync::Arc;
use std::time::Duration;

use super::dedupe::{Dedupe, DedupeSettings, IdHash};
use super::idempotency::{Begun, Idempotency, Pruned, Refused};
use crate::clock::{HOUR_MS, Millis};
use crate::id::TenantId;
use crate::keys::Secret;
use crate::kv::{Kv, Writer, WriterSettings};

const NOW: Millis = Millis(500_000 * HOUR_MS);
const TENANT: TenantId = TenantId([1; 8]);
const WINDOW: DedupeSettings = DedupeSettings { window_ms: 48 * HOUR_MS, entries_max: 1000 };

fn secret() -> Secret {
    Secret::new([5; 32])
}

fn writer(kv: &Arc<Kv>, dedupe: &Arc<Dedupe>) -> Writer {
    let settings =
        WriterSettings { linger: Duration::ZERO, group_bytes_max: 1 << 18, queue_bytes_max: 1 << 24, disk_free_min: 0 };
    Writer::start(Arc::clone(kv), vec![Arc::clone(dedupe) as _], settings, |_| ()).unwrap()
}

/// Opens the memory in `dir`, admits `ids` at `at`, and answers which of them were new.
fn admit(dir: &std::path::Path, settings: DedupeSettings, at: Millis, ids: &[IdHash]) -> Vec<bool> {
    let kv = Arc::new(Kv::open(dir).unwrap());
    let dedupe = Arc::new(Dedupe::open(&kv, secret(), settings, at).unwrap());
    let writer = writer(&kv, &dedupe);
    let (memory, ids) = (Arc::clone(&dedupe), ids.to_vec());
    let new = writer.commit(move |_| ids.iter().map(|id| memory.admit(*id, at)).collect()).unwrap();
    writer.stop();
    new
}

fn id(n: u64) -> IdHash {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_le_bytes());
    id
}

#[test]
fn an_id_is_new_once_also_after_a_restart_and_again_after_the_window() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(admit(dir.path(), WINDOW, NOW, &[id(1), id(1), id(2)]), [true, false, true]);
    assert_eq!(admit(dir.path(), WINDOW, NOW.plus(47 * HOUR_MS), &[id(1), id(2), id(3)]), [false, false, true]);
    assert_eq!(admit(dir.path(), WINDOW, NOW.plus(50 * HOUR_MS), &[id(1), id(3)]), [true, false]);
}

#[test]
fn ids_of_two_tenants_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let dedupe = Dedupe::open(&Kv::open(dir.path()).unwrap(), secret(), WINDOW, NOW).unwrap();
    assert_eq!(dedupe.hash(TENANT, "evt_1"), dedupe.hash(TENANT, "evt_1"));
    assert_ne!(dedupe.hash(TENANT, "evt_1"), dedupe.hash(TenantId([2; 8]), "evt_1"));
    assert_ne!(dedupe.hash(TENANT, "evt_1"), dedupe.hash(TENANT, "evt_2"));
}

#[test]
fn too_many_ids_forget_the_oldest_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Arc::new(Kv::open(dir.path()).unwrap());
    let settings = DedupeSettings { entries_max: 160, ..WINDOW };
    let dedupe = Dedupe::open(&kv, secret(), settings, NOW).unwrap();
    assert!((0..1_000).all(|n| dedupe.admit(id(n), NOW)));
    assert!(dedupe.len() <= 160, "{} ids are remembered", dedupe.len());
    assert_eq!(dedupe.len() as u64 + dedupe.forgotten(), 1_000);
    assert!(!dedupe.admit(id(999), NOW), "the newest is remembered");
    assert!(dedupe.admit(id(0), NOW), "the oldest is forgotten");
}

#[test]
fn the_second_request_with_a_key_gets_the_first_answer_and_another_payload_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Arc::new(Kv::open(dir.path()).unwrap());
    let dedupe = Arc::new(Dedupe::open(&kv, secret(), WINDOW, NOW).unwrap());
    let writer = writer(&kv, &dedupe);
    let memory = Arc::new(Idempotency::new(Arc::clone(&kv), secret(), 24 * HOUR_MS));
    let begin = |sender: &str, body: &[u8], now| memory.begin(TENANT, sender, "key", body, now);

    let Ok(Begun::First(claim)) = begin("a", b"body", NOW) else { panic!("the first request goes on") };
    assert!(matches!(begin("a", b"body", NOW), Err(Refused::InFlight)));
    assert!(matches!(begin("b", b"other", NOW), Ok(Begun::First(_))), "another sender's key is another key");
    let stored = Arc::clone(&memory);
    writer.commit(move |batch| stored.stage(batch, &claim, b"answer", NOW)).unwrap();

    assert!(matches!(begin("a", b"body", NOW), Ok(Begun::Replay(answer)) if answer == b"answer"));
    assert!(matches!(begin("a", b"body", NOW), Ok(Begun::Replay(_))), "a replay does not use the key up");
    assert!(matches!(begin("a", b"changed", NOW), Err(Refused::Reused)));
    let later = NOW.plus(25 * HOUR_MS);
    assert!(matches!(begin("a", b"changed", later), Ok(Begun::First(_))), "the window is over");
    let prune = Arc::clone(&memory);
    assert_eq!(writer.commit(move |batch| prune.stage_prune(batch, later).unwrap()), Ok(Pruned::All));
    assert!(matches!(begin("a", b"body", NOW), Ok(Begun::First(_))), "expired answers are gone from the disk");
}
