//! The promises of the vault, above all those about crashes: what the disk may hold is rebuilt byte by byte.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::id::SystemEntropy;
use crate::keys::slot::{COPY_BYTES, Content, PAGE_BYTES, PAIR_BYTES, decode};
use crate::keys::{FileKeks, KeyName};

const E: &SystemEntropy = &SystemEntropy;
const ACME: TenantId = TenantId([1; 8]);
const OTHER: TenantId = TenantId([2; 8]);

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn file(&self) -> Arc<KeyFile> {
        Arc::new(KeyFile::open(&self.path(), E).unwrap())
    }

    /// A vault whose KEKs lie in its file.
    fn vault(&self) -> Vault {
        let file = self.file();
        let keks = Arc::new(FileKeks::new(Arc::clone(&file), Arc::new(SystemEntropy)));
        Vault::new(file, keks, Arc::new(SystemEntropy))
    }

    /// A vault whose KEKs lie elsewhere.
    fn vault_with(&self, keks: &Arc<Elsewhere>) -> Vault {
        Vault::new(self.file(), Arc::clone(keks) as Arc<dyn KekStore>, Arc::new(SystemEntropy))
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).unwrap();
    }
}

/// KEKs outside the key file, with a look at the file before and after everything that happens to them.
#[derive(Default)]
struct Elsewhere {
    keks: Mutex<HashMap<(TenantId, u16), [u8; 32]>>,
    watched: Option<PathBuf>,
    seen: Mutex<Vec<State>>,
    destroys_nothing: AtomicBool,
}

/// What power failing at some moment would leave behind.
#[derive(Clone)]
struct State {
    file: Vec<u8>,
    keks: HashMap<(TenantId, u16), [u8; 32]>,
}

impl Elsewhere {
    fn watching(dir: &Dir) -> Arc<Elsewhere> {
        Arc::new(Elsewhere { watched: Some(dir.path()), ..Elsewhere::default() })
    }

    fn holding(keks: HashMap<(TenantId, u16), [u8; 32]>) -> Arc<Elsewhere> {
        Arc::new(Elsewhere { keks: Mutex::new(keks), ..Elsewhere::default() })
    }

    fn look(&self) {
        if let Some(path) = &self.watched {
            let state = State { file: fs::read(path).unwrap(), keks: self.keks.lock().unwrap().clone() };
            self.seen.lock().unwrap().push(state);
        }
    }
}

impl KekStore for Elsewhere {
    fn ensure(&self, names: &[(TenantId, u16)]) -> Result<Vec<Arc<Secret>>, Error> {
        self.look();
        let kek = |name| *self.keks.lock().unwrap().entry(name).or_insert_with(|| crate::id::random(E));
        let all = names.iter().map(|name| Arc::new(Secret::new(kek(*name)))).collect();
        self.look();
        Ok(all)
    }

    fn find(&self, tenant: TenantId, epoch: u16) -> Result<Option<Arc<Secret>>, Error> {
        Ok(self.keks.lock().unwrap().get(&(tenant, epoch)).map(|kek| Arc::new(Secret::new(*kek))))
    }

    fn destroy(&self, tenant: TenantId, epoch: u16) -> Result<bool, Error> {
        self.look();
        let existed = if self.destroys_nothing.load(Ordering::Relaxed) {
            true
        } else {
            self.keks.lock().unwrap().remove(&(tenant, epoch)).is_some()
        };
        self.look();
        Ok(existed)
    }

    fn epochs(&self, tenant: TenantId) -> Result<Vec<u16>, Error> {
        let mut epochs: Vec<u16> =
            self.keks.lock().unwrap().keys().filter(|name| name.0 == tenant).map(|name| name.1).collect();
        epochs.sort_unstable();
        Ok(epochs)
    }
}

/// Data keys and what they should be.
type Known = Vec<(TenantId, DekId, [u8; 32])>;

fn create(vault: &Vault, tenants: &[TenantId]) -> Known {
    let made = vault.create_deks(tenants).unwrap();
    assert_eq!(made.len(), tenants.len());
    tenants.iter().zip(made).map(|(tenant, (id, dek))| (*tenant, id, *dek.bytes())).collect()
}

fn find(vault: &Vault, tenant: TenantId, id: DekId) -> Option<[u8; 32]> {
    vault.dek(tenant, id).unwrap().map(|dek| *dek.bytes())
}

fn assert_all_there(vault: &Vault, known: &Known) {
    for (tenant, id, dek) in known {
        assert_eq!(find(vault, *tenant, *id).as_ref(), Some(dek), "{id}");
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The places of copies in which two states of a file differ, in the order in which they are written.
fn changed_copies(before: &[u8], after: &[u8]) -> Vec<Range<usize>> {
    let copies = (0..after.len()).step_by(COPY_BYTES).map(|start| start..start + COPY_BYTES);
    let mut changed: Vec<_> = copies.filter(|copy| before.get(copy.clone()) != after.get(copy.clone())).collect();
    changed.sort_by_key(|copy| (copy.start % PAIR_BYTES >= PAGE_BYTES, copy.start));
    changed
}

#[test]
fn data_keys_are_found_again_after_reopening() {
    let dir = Dir::new();
    let vault = dir.vault();
    let known = create(&vault, &[ACME, OTHER, ACME]);
    assert_all_there(&vault, &known);
    drop(vault);
    let vault = dir.vault();
    assert_all_there(&vault, &known);
    assert_eq!(vault.dek_ids(ACME), [known[0].1, known[2].1]);
    assert_eq!(vault.deks(), [(ACME, known[0].1), (ACME, known[2].1), (OTHER, known[1].1)]);
    assert_eq!(find(&vault, OTHER, known[0].1), None, "an id belongs to one tenant");
    assert_eq!(vault.dek_ids(TenantId([9; 8])), []);
}

#[test]
fn ten_thousand_data_keys_cost_two_syncs_like_one() {
    let dir = Dir::new();
    let vault = dir.vault();
    let known = create(&vault, &[ACME; 10_000]);
    let syncs = |act: &dyn Fn()| {
        let before = vault.file.syncs();
        act();
        vault.file.syncs() - before
    };
    assert!(vault.file.syncs() < 20, "growth and the first KEK cost no more either");
    let all: Vec<_> = known.iter().map(|(tenant, id, _)| (*tenant, *id)).collect();
    assert_eq!(syncs(&|| assert_eq!(vault.destroy_deks(&all).unwrap(), 10_000)), 2);
    assert_eq!(syncs(&|| drop(create(&vault, &[ACME]))), 2);
    assert_eq!(syncs(&|| drop(create(&vault, &[ACME; 9_999]))), 2);
    assert_eq!(syncs(&|| drop(create(&vault, &[]))), 0);
    assert_eq!(syncs(&|| assert_eq!(vault.destroy_deks(&all).unwrap(), 0)), 0, "they are gone already");
}

#[test]
fn kek_and_noted_epoch_of_many_new_tenants_are_made_together() {
    let dir = Dir::new();
    let vault = dir.vault();
    let tenants: Vec<TenantId> = (0..1000u64).map(|n| TenantId(n.to_be_bytes())).collect();
    let known = create(&vault, &tenants);
    assert!(vault.file.syncs() < 20);
    assert_all_there(&vault, &known);
}

#[test]
fn no_id_comes_twice() {
    let dir = Dir::new();
    let mut last = DekId(0);
    for _ in 0..5 {
        let vault = dir.vault();
        for (tenant, id, _) in create(&vault, &[ACME, OTHER, ACME]) {
            assert!(id > last, "ids rise");
            last = id;
            vault.destroy_deks(&[(tenant, id)]).unwrap();
        }
    }
    assert_eq!(last.count(), 15);
}

#[test]
fn ids_go_on_behind_a_counter_that_power_failure_left_behind() {
    let dir = Dir::new();
    let vault = dir.vault();
    create(&vault, &[ACME]);
    let before = dir.bytes();
    let known = create(&vault, &[ACME]);
    let after = dir.bytes();
    drop(vault);
    // The new key's slot reached the disk, the counter's did not.
    let mut bytes = before.clone();
    let is_counter = |copy: &Range<usize>| after[copy.start + 5] == 13;
    for copy in changed_copies(&before, &after).into_iter().filter(|copy| !is_counter(copy)) {
        bytes[copy.clone()].copy_from_slice(&after[copy]);
    }
    assert_ne!(bytes, after);
    dir.write(&bytes);
    let vault = dir.vault();
    assert_all_there(&vault, &known);
    vault.destroy_deks(&[(ACME, known[0].1)]).unwrap();
    drop(vault);
    assert!(create(&dir.vault(), &[ACME])[0].1.count() > known[0].1.count());
}

#[test]
fn neither_data_keys_nor_destroyed_keks_lie_in_the_file() {
    let dir = Dir::new();
    let vault = dir.vault();
    let known = create(&vault, &[ACME, ACME, OTHER]);
    let kek = *vault.file.find(KeyKind::Kek, ACME.0, 1).unwrap().bytes();
    let wrapped = vault.file.wrapped(ACME, known[0].1).unwrap();
    assert!(contains(&dir.bytes(), &kek) && contains(&dir.bytes(), &wrapped.bytes));
    assert_eq!(vault.destroy_deks(&[(ACME, known[0].1), (ACME, known[0].1), (OTHER, known[0].1)]).unwrap(), 1);
    assert_eq!(find(&vault, ACME, known[0].1), None);
    assert!(!contains(&dir.bytes(), &wrapped.bytes));
    let old = vault.file.wrapped(ACME, known[1].1).unwrap();
    let advanced = vault.advance_kek(ACME).unwrap();
    assert_eq!(advanced, Some(Advanced { tenant: ACME, from: 1, to: 2, rewrapped: 1 }));
    let bytes = dir.bytes();
    assert!(!contains(&bytes, &kek) && !contains(&bytes, &old.bytes));
    assert!(known.iter().all(|(_, _, dek)| !contains(&bytes, dek)), "only their wrapped form is written");
    assert_all_there(&vault, &known[1..].to_vec());
    drop(vault);
    let vault = dir.vault();
    assert_all_there(&vault, &known[1..].to_vec());
    assert_eq!(find(&vault, ACME, known[0].1), None);
}

#[test]
fn an_old_file_gives_no_destroyed_key_away_once_the_kek_is_gone() {
    let dir = Dir::new();
    let keks = Arc::new(Elsewhere::default());
    let vault = dir.vault_with(&keks);
    let known = create(&vault, &[ACME; 5]);
    let old = dir.bytes();
    vault.destroy_deks(&[(ACME, known[3].1)]).unwrap();
    vault.advance_kek(ACME).unwrap();
    drop(vault);
    // Someone who has the old file and all keys of today.
    dir.write(&old);
    let vault = dir.vault_with(&keks);
    for (tenant, id, dek) in &known {
        let refusal = vault.dek(*tenant, *id).err().expect("it cannot be unwrapped").to_string();
        assert!(refusal.contains("key-encryption key of epoch 1 is missing"), "{refusal}");
        let wrapped = vault.file.wrapped(*tenant, *id).unwrap();
        for ((_, _), kek) in keks.keks.lock().unwrap().iter() {
            assert_ne!(wrap::unwrap(&Secret::new(*kek), *tenant, *id, &wrapped).bytes(), dek);
        }
    }
    assert!(known.iter().all(|(_, _, dek)| !contains(&old, dek)));
}

#[test]
fn an_advance_cut_off_between_any_two_steps_loses_nothing_and_goes_on() {
    let dir = Dir::new();
    let keks = Elsewhere::watching(&dir);
    let vault = dir.vault_with(&keks);
    let known = create(&vault, &[ACME, OTHER, ACME]);
    keks.seen.lock().unwrap().clear();
    vault.advance_kek(ACME).unwrap();
    keks.look();
    let states = keks.seen.lock().unwrap().clone();
    assert_eq!(states.len(), 5, "noted; made; wrapped anew; destroyed; noted as settled");
    drop(vault);
    for (step, state) in states.into_iter().enumerate() {
        dir.write(&state.file);
        let keks = Elsewhere::holding(state.keks.clone());
        let vault = dir.vault_with(&keks);
        assert_all_there(&vault, &known);
        let resumed = vault.resume_advances().unwrap();
        let rewrapped = if step < 2 { 2 } else { 0 };
        let expected = Advanced { tenant: ACME, from: 1, to: 2, rewrapped };
        assert_eq!(resumed, if step < 4 { vec![expected] } else { vec![] }, "step {step}");
        assert_all_there(&vault, &known);
        assert_eq!(keks.epochs(ACME).unwrap(), [2]);
        assert_eq!(vault.resume_advances().unwrap(), []);
        drop(vault);
        assert_all_there(&dir.vault_with(&keks), &known);

        // The next advance goes on as well, and then does its own work.
        dir.write(&state.file);
        let keks = Elsewhere::holding(state.keks);
        let vault = dir.vault_with(&keks);
        let expected = Advanced { tenant: ACME, from: 2, to: 3, rewrapped: 2 };
        assert_eq!(vault.advance_kek(ACME).unwrap(), Some(expected), "step {step}");
        assert_eq!(keks.epochs(ACME).unwrap(), [3]);
        assert_all_there(&vault, &known);
    }
}

#[test]
fn new_data_keys_of_an_interrupted_advance_wait_for_the_new_kek() {
    let dir = Dir::new();
    let keks = Elsewhere::watching(&dir);
    let vault = dir.vault_with(&keks);
    create(&vault, &[ACME]);
    keks.seen.lock().unwrap().clear();
    vault.advance_kek(ACME).unwrap();
    drop(vault);
    let noted = keks.seen.lock().unwrap()[0].clone();
    dir.write(&noted.file);
    let keks = Elsewhere::holding(noted.keks);
    let vault = dir.vault_with(&keks);
    let known = create(&vault, &[ACME]);
    assert_eq!(vault.file.wrapped(ACME, known[0].1).unwrap().kek_epoch, 2);
    assert_eq!(keks.epochs(ACME).unwrap(), [2]);
}

#[test]
fn wrapping_anew_torn_at_any_byte_leaves_every_data_key_readable() {
    let dir = Dir::new();
    let keks = Elsewhere::watching(&dir);
    let vault = dir.vault_with(&keks);
    let known = create(&vault, &[ACME, OTHER, ACME, ACME]);
    keks.seen.lock().unwrap().clear();
    vault.advance_kek(ACME).unwrap();
    let seen = keks.seen.lock().unwrap().clone();
    drop(vault);
    // Before anything is wrapped anew, and after it but before the old KEK is destroyed.
    let (before, after) = (&seen[1], &seen[2]);
    let both = &before.keks;
    assert!(both.contains_key(&(ACME, 1)) && both.contains_key(&(ACME, 2)));
    let copies = changed_copies(&before.file, &after.file);
    assert_eq!(copies.len(), 6, "two copies of three slots");
    let mut torn = before.file.clone();
    for copy in copies {
        for at in copy {
            torn[at] = after.file[at];
            dir.write(&torn);
            let keks = Elsewhere::holding(both.clone());
            let vault = dir.vault_with(&keks);
            assert_all_there(&vault, &known);
            let resumed = vault.resume_advances().unwrap();
            assert_eq!(resumed.len(), 1);
            assert_eq!(keks.epochs(ACME).unwrap(), [2]);
            assert_all_there(&vault, &known);
        }
    }
    assert_eq!(torn, after.file);
}

#[test]
fn making_and_destroying_torn_at_any_byte_touches_no_other_data_key() {
    let dir = Dir::new();
    let vault = dir.vault();
    let kept = create(&vault, &[ACME, OTHER]);
    let before = dir.bytes();
    let new = create(&vault, &[ACME, ACME]);
    let made = dir.bytes();
    vault.destroy_deks(&[(ACME, new[0].1), (ACME, new[1].1)]).unwrap();
    let destroyed = dir.bytes();
    drop(vault);
    for (before, after) in [(&before, &made), (&made, &destroyed)] {
        let mut torn = before.clone();
        for at in changed_copies(before, after).into_iter().flatten() {
            torn[at] = after[at];
            dir.write(&torn);
            let vault = dir.vault();
            assert_all_there(&vault, &kept);
            for (tenant, id, dek) in &new {
                assert!(find(&vault, *tenant, *id).is_none_or(|found| found == *dek));
            }
        }
        assert_eq!(torn, *after);
    }
}

#[test]
fn an_advance_that_found_an_unfinished_one_replaces_the_newer_kek_too() {
    let dir = Dir::new();
    let keks = Arc::new(Elsewhere::default());
    let vault = dir.vault_with(&keks);
    let known = create(&vault, &[ACME; 3]);
    keks.destroys_nothing.store(true, Ordering::Relaxed);
    let refusal = vault.advance_kek(ACME).unwrap_err().to_string();
    assert!(refusal.contains("epoch 1 is still there"), "{refusal}");
    assert_all_there(&vault, &known);
    assert!(vault.resume_advances().is_err());
    let later = create(&vault, &[ACME]);
    keks.destroys_nothing.store(false, Ordering::Relaxed);
    let advanced = vault.advance_kek(ACME).unwrap();
    assert_eq!(advanced, Some(Advanced { tenant: ACME, from: 2, to: 3, rewrapped: 4 }));
    assert_eq!(keks.epochs(ACME).unwrap(), [3]);
    assert_all_there(&vault, &[known, later].concat());
}

#[test]
fn a_tenant_without_data_keys_has_nothing_to_advance_and_one_whose_are_gone_has() {
    let dir = Dir::new();
    let vault = dir.vault();
    assert_eq!(vault.advance_kek(ACME).unwrap(), None);
    let known = create(&vault, &[ACME]);
    vault.destroy_deks(&[(ACME, known[0].1)]).unwrap();
    assert_eq!(vault.advance_kek(ACME).unwrap().unwrap().rewrapped, 0);
    assert_eq!(vault.file.list(KeyKind::Kek, ACME.0), [2]);
}

#[test]
fn a_missing_kek_is_named_and_its_data_keys_stay() {
    let dir = Dir::new();
    let keks = Arc::new(Elsewhere::default());
    let vault = dir.vault_with(&keks);
    let known = create(&vault, &[ACME, OTHER]);
    let kek = keks.keks.lock().unwrap().remove(&(ACME, 1)).unwrap();
    for refusal in
        [vault.dek(ACME, known[0].1).err(), vault.create_deks(&[OTHER, ACME]).err(), vault.advance_kek(ACME).err()]
    {
        assert!(matches!(refusal, Some(Error::KekMissing { tenant: ACME, epoch: 1 })), "{refusal:?}");
    }
    assert_eq!(vault.dek_ids(ACME).len(), 1);
    keks.keks.lock().unwrap().insert((ACME, 1), kek);
    assert_all_there(&vault, &known);
}

#[test]
fn epochs_end_with_a_clear_refusal() {
    let dir = Dir::new();
    let vault = dir.vault();
    let last = BTreeMap::from([(ACME, KekEpoch { current: u16::MAX, settled: true })]);
    vault.file.set_kek_epochs(&last).unwrap();
    let refusal = vault.advance_kek(ACME).unwrap_err().to_string();
    assert!(refusal.contains("all 65535 epochs"), "{refusal}");
}

#[test]
fn data_keys_are_found_and_made_while_keks_are_replaced() {
    let dir = Dir::new();
    let vault = dir.vault();
    let known = create(&vault, &[ACME, OTHER, ACME, OTHER]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_all_there(&vault, &known);
            }
        });
        let making = scope.spawn(|| {
            let mut made = Known::new();
            while !done.load(Ordering::Relaxed) {
                made.extend(create(&vault, &[ACME, OTHER]));
            }
            made
        });
        let advances: Result<Vec<_>, Error> = (0..20).map(|_| vault.advance_kek(ACME)).collect();
        done.store(true, Ordering::Relaxed);
        assert_eq!(advances.unwrap().len(), 20);
        reading.join().unwrap();
        let made = making.join().unwrap();
        assert_all_there(&vault, &made);
        let under = |(tenant, id, _): &(TenantId, DekId, _)| vault.file.wrapped(*tenant, *id).unwrap().kek_epoch;
        assert!(made.iter().all(|dek| under(dek) == if dek.0 == ACME { 21 } else { 1 }));
    });
}

#[test]
fn a_journal_segment_has_its_own_key_until_that_is_destroyed() {
    let dir = Dir::new();
    let vault = dir.vault();
    let key = *vault.journal_key(7).unwrap().bytes();
    assert_eq!(vault.journal_key(7).unwrap().bytes(), &key);
    assert_ne!(vault.journal_key(8).unwrap().bytes(), &key);
    drop(vault);
    let vault = dir.vault();
    assert_eq!(vault.find_journal_key(7).unwrap().bytes(), &key);
    assert_eq!(vault.journal_segments(), [7, 8]);
    assert!(vault.destroy_journal_key(7).unwrap());
    assert!(!vault.destroy_journal_key(7).unwrap());
    assert!(vault.find_journal_key(7).is_none() && !contains(&dir.bytes(), &key));
    assert_eq!(vault.journal_segments(), [8]);
}

#[test]
fn keys_by_name_are_destroyed_together() {
    let dir = Dir::new();
    let file = dir.file();
    let names: Vec<KeyName> = (0..200).map(|epoch| (KeyKind::Address, [3; 8], epoch)).collect();
    let keys = file.ensure_all(&names, E).unwrap();
    let before = file.syncs();
    assert_eq!(file.destroy_all(&names[..150]).unwrap(), 150);
    assert_eq!(file.syncs() - before, 2);
    assert_eq!(file.destroy_all(&names[100..160]).unwrap(), 10);
    assert_eq!(file.list(KeyKind::Address, [3; 8]), (160..200).collect::<Vec<u64>>());
    let bytes = dir.bytes();
    assert!(keys[..160].iter().all(|(key, _)| !contains(&bytes, key.bytes())));
    assert!(keys[160..].iter().all(|(key, _)| contains(&bytes, key.bytes())));
}

#[test]
fn an_exported_file_put_back_has_every_key() {
    let dir = Dir::new();
    let vault = dir.vault();
    let known = create(&vault, &[ACME; 100]);
    let copy = dir.0.path().join("copy");
    vault.file.export(&copy).unwrap();
    let refusal = vault.file.export(&copy).unwrap_err().to_string();
    assert!(refusal.contains("copy"), "what exists is not overwritten: {refusal}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&copy).unwrap(), dir.bytes());
    vault.destroy_deks(&[(ACME, known[0].1)]).unwrap();
    drop(vault);
    fs::rename(&copy, dir.path()).unwrap();
    assert_all_there(&dir.vault(), &known);
}

#[test]
fn slots_of_data_keys_are_told_from_others() {
    let dir = Dir::new();
    let vault = dir.vault();
    create(&vault, &[ACME]);
    let bytes = dir.bytes();
    let kinds: Vec<_> = (0..4u32)
        .map(|slot| {
            let at = PAIR_BYTES + slot as usize * COPY_BYTES;
            match decode(slot, &bytes[at..at + COPY_BYTES]).unwrap().content.unwrap() {
                Content::Key((kind, ..), _) => kind.code(),
                Content::KekEpoch(..) => 12,
                Content::Dek(..) => 10,
                Content::DeksIssued(_) => 13,
                Content::Free(_) => 0,
            }
        })
        .collect();
    assert_eq!(kinds, [9, 12, 10, 13]);
}
