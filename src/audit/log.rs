//! The logs: appending, publishing, signing.
//!
//! [`Log`] holds the head of every log in memory twice: *staged* (with the leaves of the group that the writer is
//! filling) and *committed* (what is on disk). Appending touches only the staged head, on the writer thread; when the
//! group is closed its heads join the batch, and once that is synced they become the committed ones. Readers and
//! checkpoints see committed heads only.
//!
//! ```text
//! append ─► batch: leaf, nodes; staged head      (writer thread, any number of logs and leaves)
//! close_group ─► batch: one head per log touched
//!            fsync
//! committed ─► committed heads                   ─► checkpoint: sign ─► anchor file, synced ─► handed out
//! ```
//!
//! **What opening verifies.** With an anchor: its signature; that the database is not smaller than it; that the root
//! at the anchor's size is the signed one; and that the leaves after it lead to the stored head. This reads stored
//! nodes and a few leaves, never the whole log, so a leaf that was changed long ago is found by
//! [`check`](super::check), not here. The log does not sign anything that it did not verify or append itself, so no
//! two of its checkpoints contradict each other.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::layout::{self, NODE_LEVEL_MIN};
use super::note::{self, Checkpoint, VerifierKey};
use super::tree::{self, Frontier, Hash};
use super::{Error, Record, Subject, anchor};
use crate::keys::{Secret, SigningKey};
use crate::kv::{Batch, Family, Kv, Participant};

/// The name of a log, in its checkpoints and of its key.
pub(super) fn origin(gateway: &str, subject: Subject) -> String {
    match subject {
        Subject::Gateway => format!("{gateway}/audit"),
        Subject::Tenant(tenant) => format!("{gateway}/audit/{tenant}"),
    }
}

/// The size of a log and the root over its leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A checkpoint that may be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub head: Head,
    /// The signed note.
    pub note: String,
}

/// All audit logs of a gateway.
pub struct Log {
    gateway: String,
    key: SigningKey,
    public: [u8; 32],
    anchors: PathBuf,
    logs: RwLock<HashMap<Subject, Arc<Entry>>>,
    group: Mutex<Group>,
}

/// One log.
struct Entry {
    subject: Subject,
    staged: Mutex<Staged>,
    committed: Mutex<Frontier>,
    /// Held while signing, so that checkpoints of one log are signed one after the other.
    signed: Mutex<Option<SignedCheckpoint>>,
}

/// A head with the leaves of the writer's current group.
#[derive(Default)]
struct Staged {
    frontier: Frontier,
    /// Whether the current group knows of this log already.
    in_group: bool,
}

/// The logs that the writer's current group appended to.
#[derive(Default)]
struct Group {
    open: Vec<Arc<Entry>>,
    closed: Vec<(Arc<Entry>, Frontier)>,
}

impl Log {
    /// Reads and verifies the heads of all logs; see the module on what is verified. `gateway` stands in every
    /// checkpoint and must stay the same.
    pub fn open(kv: &Kv, gateway: &str, signing: Arc<Secret>, anchor_dir: &Path) -> Result<Log, Error> {
        if !note::is_key_name(gateway) {
            return Err(Error::GatewayName);
        }
        anchor::prepare(anchor_dir)?;
        let key = SigningKey::from_seed(&signing);
        let log = Log {
            gateway: gateway.to_owned(),
            public: key.public(),
            key,
            anchors: anchor_dir.to_owned(),
            logs: RwLock::default(),
            group: Mutex::default(),
        };
        let known: BTreeSet<Subject> = layout::subjects(kv)?.into_iter().chain(anchor::subjects(anchor_dir)?).collect();
        for subject in known {
            let entry = Arc::new(log.open_entry(kv, subject)?);
            log.logs.write().unwrap_or_else(PoisonError::into_inner).insert(subject, entry);
        }
        Ok(log)
    }

    /// Where signed checkpoints are kept.
    pub fn anchors(&self) -> &Path {
        &self.anchors
    }

    fn open_entry(&self, kv: &Kv, subject: Subject) -> Result<Entry, Error> {
        let head = layout::read_head(kv, subject)?;
        let anchor = anchor::read(&self.anchors, subject, &self.verifier_key(subject))?;
        verify_head(kv, subject, &head, anchor.as_ref().map(|(_, checkpoint)| checkpoint))?;
        let signed =
            anchor.map(|(note, said)| SignedCheckpoint { head: Head { size: said.size, root: said.root }, note });
        Ok(Entry {
            subject,
            staged: Mutex::new(Staged { frontier: head.clone(), in_group: false }),
            committed: Mutex::new(head),
            signed: Mutex::new(signed),
        })
    }

    /// Appends a record and answers its index. On the writer thread only, while it fills a group.
    pub fn append(&self, batch: &mut Batch, subject: Subject, record: Record) -> u64 {
        let entry = self.entry_or_new(subject);
        let leaf = record.leaf();
        let mut staged = lock(&entry.staged);
        let index = staged.frontier.size();
        batch.put(Family::Audit, &layout::leaf_key(subject, index), &leaf);
        staged.frontier.push(tree::leaf_hash(&leaf), |level, index, root| {
            if level >= NODE_LEVEL_MIN {
                batch.put(Family::Audit, &layout::node_key(subject, level, index), root);
            }
        });
        if !std::mem::replace(&mut staged.in_group, true) {
            lock(&self.group).open.push(Arc::clone(&entry));
        }
        index
    }

    /// The committed head of a log; `None` if it has no leaf yet.
    pub fn head(&self, subject: Subject) -> Option<Head> {
        let committed = lock(&self.entry(subject)?.committed).clone();
        (committed.size() > 0).then(|| Head { size: committed.size(), root: committed.root() })
    }

    /// The logs that exist, in no order.
    pub fn subjects(&self) -> Vec<Subject> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Signs the committed head of a log, if it changed since the last time; its anchor file is synced before this
    /// returns. `None` if the log has no leaf yet. Waits for the disk: not to be called from an async task.
    pub fn checkpoint(&self, subject: Subject) -> Result<Option<SignedCheckpoint>, Error> {
        let Some(entry) = self.entry(subject) else { return Ok(None) };
        let mut signed = lock(&entry.signed);
        let Some(head) = self.head(subject) else { return Ok(None) };
        if let Some(last) = signed.as_ref() {
            let anchored = last.head.size;
            if last.head == head {
                return Ok(Some(last.clone()));
            }
            if anchored >= head.size {
                return Err(Error::Contradiction { subject, anchored });
            }
        }
        let checkpoint = Checkpoint { origin: origin(&self.gateway, subject), size: head.size, root: head.root };
        let note = checkpoint.sign(&self.key).expect("the gateway's name was checked when the log was opened");
        anchor::write(&self.anchors, subject, &note)?;
        let checkpoint = SignedCheckpoint { head, note };
        *signed = Some(checkpoint.clone());
        Ok(Some(checkpoint))
    }

    /// What an auditor must know to verify checkpoints of this log.
    pub fn verifier_key(&self, subject: Subject) -> VerifierKey {
        VerifierKey::new(&origin(&self.gateway, subject), self.public)
            .expect("the gateway's name was checked when the log was opened")
    }

    /// Up to `limit` committed leaves from index `from` on.
    pub fn records(&self, kv: &Kv, subject: Subject, from: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let size = self.head(subject).map_or(0, |head| head.size);
        let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
        kv.scan(Family::Audit, &layout::leaf_prefix(subject), &layout::leaf_key(subject, from), &mut |key, leaf| {
            match layout::leaf_index(key).filter(|index| *index < size && found.len() < limit) {
                None => ControlFlow::Break(()),
                Some(index) => {
                    found.push((index, leaf.to_vec()));
                    ControlFlow::Continue(())
                }
            }
        })?;
        Ok(found)
    }

    /// The proof that leaf `index` is among the first `size`; `None` if it is not, or if fewer are committed.
    pub fn inclusion_proof(
        &self,
        kv: &Kv,
        subject: Subject,
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, Error> {
        if self.head(subject).is_none_or(|head| head.size < size) {
            return Ok(None);
        }
        tree::inclusion_proof(index, size, |level, index| layout::read_subtree(kv, subject, level, index))
    }

    /// The proof that the log at size `new` begins with the log at size `old`; `None` if it cannot, or if fewer are
    /// committed.
    pub fn consistency_proof(&self, kv: &Kv, subject: Subject, old: u64, new: u64) -> Result<Option<Vec<Hash>>, Error> {
        if self.head(subject).is_none_or(|head| head.size < new) {
            return Ok(None);
        }
        tree::consistency_proof(old, new, |level, index| layout::read_subtree(kv, subject, level, index))
    }

    fn entry(&self, subject: Subject) -> Option<Arc<Entry>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(&subject).map(Arc::clone)
    }

    fn entry_or_new(&self, subject: Subject) -> Arc<Entry> {
        let new = || Entry { subject, staged: Mutex::default(), committed: Mutex::default(), signed: Mutex::default() };
        self.entry(subject).unwrap_or_else(|| {
            let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(logs.entry(subject).or_insert_with(|| Arc::new(new())))
        })
    }
}

impl Participant for Log {
    fn close_group(&self, batch: &mut Batch) {
        let mut group = lock(&self.group);
        for entry in std::mem::take(&mut group.open) {
            let head = {
                let mut staged = lock(&entry.staged);
                staged.in_group = false;
                staged.frontier.clone()
            };
            batch.put(Family::Audit, &layout::head_key(entry.subject), &layout::encode_head(&head));
            group.closed.push((entry, head));
        }
    }

    fn committed(&self) {
        for (entry, head) in std::mem::take(&mut lock(&self.group).closed) {
            *lock(&entry.committed) = head;
        }
    }
}

/// Compares the stored head with the signed checkpoint and with the leaves after it.
fn verify_head(kv: &Kv, subject: Subject, head: &Frontier, anchor: Option<&Checkpoint>) -> Result<(), Error> {
    let (anchored, signed_root) = anchor.map_or((0, None), |anchor| (anchor.size, Some(anchor.root)));
    if head.size() < anchored {
        return Err(Error::RolledBack { subject, anchored, stored: head.size() });
    }
    let contradiction = Error::Contradiction { subject, anchored };
    let mut derived = Frontier::default();
    if anchored == head.size() {
        derived.clone_from(head);
    } else {
        derived.extend(anchored, |level, index| layout::read_subtree(kv, subject, level, index))?;
    }
    if signed_root.is_some_and(|root| root != derived.root()) {
        return Err(contradiction);
    }
    derived.extend(head.size(), |level, index| layout::read_subtree(kv, subject, level, index))?;
    if derived == *head { Ok(()) } else { Err(contradiction) }
}

/// A panic elsewhere leaves these values whole, since each is replaced or appended to in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::audit::StoredRecord;
    use crate::audit::fixture::{Disk, GATEWAY, TENANT, record};
    use crate::id::TenantId;

    #[test]
    fn the_log_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Log>();
    }

    #[test]
    fn leaves_are_numbered_and_read_back_once_committed() {
        let disk = Disk::new();
        let log = disk.open();
        let kv = disk.kv();
        let indexes = disk.commit(|batch| {
            let indexes = [0, 1, 2].map(|number| log.append(batch, TENANT, record(number)));
            assert_eq!(log.append(batch, Subject::Gateway, record(0)), 0);
            log.close_group(batch);
            indexes
        });
        assert_eq!(indexes, [0, 1, 2]);
        assert_eq!((log.head(TENANT), log.records(&kv, TENANT, 0, 10).unwrap()), (None, vec![]));
        log.committed();
        assert_eq!(log.head(TENANT).unwrap().size, 3);
        let read = log.records(&kv, TENANT, 1, 1).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].0, StoredRecord::parse(&read[0].1).unwrap().count), (1, Some(1)));
        assert_eq!(log.records(&kv, TENANT, 3, 10).unwrap(), []);
        assert_eq!(log.records(&kv, Subject::Gateway, 0, 10).unwrap().len(), 1);
    }

    #[test]
    fn a_group_writes_one_head_per_log_and_an_idle_group_nothing() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 20);
        let rows = disk.rows();
        assert_eq!(rows.len(), 1 + 20 + 1, "head, leaves, the node over the first 16");
        disk.append(&log, TENANT, 0);
        assert_eq!(disk.rows(), rows);
    }

    #[test]
    fn reopening_goes_on_where_the_log_ended() {
        let disk = Disk::new();
        for round in 0..40u64 {
            let log = disk.open();
            assert_eq!(log.head(TENANT).map_or(0, |head| head.size), round * (round + 1) / 2);
            disk.append(&log, TENANT, round + 1);
            if round % 3 == 0 {
                log.checkpoint(TENANT).unwrap();
            }
        }
        let log = disk.open();
        let leaves = log.records(&disk.kv(), TENANT, 0, usize::MAX).unwrap();
        let mut derived = Frontier::default();
        leaves.iter().for_each(|(_, leaf)| derived.push(tree::leaf_hash(leaf), |_, _, _| {}));
        assert_eq!(log.head(TENANT), Some(Head { size: 820, root: derived.root() }));
    }

    #[test]
    fn a_checkpoint_is_signed_anchored_and_signed_anew_only_when_the_log_grew() {
        let disk = Disk::new();
        let log = disk.open();
        assert_eq!(log.checkpoint(TENANT).unwrap(), None);
        disk.append(&log, TENANT, 5);
        let first = log.checkpoint(TENANT).unwrap().unwrap();
        let said = Checkpoint::open(&first.note, &log.verifier_key(TENANT)).unwrap();
        assert_eq!(said.origin, "gateway.example/audit/tn_a1a1a1a1a1a1a1a1");
        assert_eq!((said.size, said.root), (5, log.head(TENANT).unwrap().root));
        assert_eq!(log.verifier_key(Subject::Gateway).name(), "gateway.example/audit");
        let path = anchor::path(&disk.anchors(), TENANT);
        assert_eq!(fs::read_to_string(&path).unwrap(), first.note);
        fs::remove_file(&path).unwrap();
        assert_eq!(log.checkpoint(TENANT).unwrap().as_ref(), Some(&first));
        assert!(!path.exists(), "nothing was signed, so nothing was written");
        disk.append(&log, TENANT, 1);
        let second = log.checkpoint(TENANT).unwrap().unwrap();
        assert_eq!(second.head.size, 6);
        assert_eq!(disk.open().checkpoint(TENANT).unwrap(), Some(second));
    }

    #[test]
    fn a_checkpoint_that_cannot_be_anchored_is_not_handed_out() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 1);
        fs::remove_dir(disk.anchors()).unwrap();
        assert!(matches!(log.checkpoint(TENANT), Err(Error::Io { .. })));
        fs::create_dir(disk.anchors()).unwrap();
        assert!(log.checkpoint(TENANT).unwrap().is_some());
    }

    #[test]
    fn a_rolled_back_database_does_not_open() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 3);
        let old = disk.rows();
        disk.append(&log, TENANT, 1);
        log.checkpoint(TENANT).unwrap();
        drop(log);
        let refusal = |rows: &[_]| disk.with_rows(rows).try_open().err().unwrap();
        assert!(matches!(refusal(&old), Error::RolledBack { anchored: 4, stored: 3, .. }));
        assert!(matches!(refusal(&[]), Error::RolledBack { anchored: 4, stored: 0, .. }));
    }

    #[test]
    fn a_database_with_another_history_does_not_open() {
        for more in [0, 1, 30] {
            let disk = Disk::new();
            let log = disk.open();
            disk.append(&log, TENANT, 20);
            let old = disk.rows();
            disk.append(&log, TENANT, 20);
            log.checkpoint(TENANT).unwrap();
            let note = fs::read(anchor::path(&disk.anchors(), TENANT)).unwrap();
            fs::remove_file(anchor::path(&disk.anchors(), TENANT)).unwrap();
            let fork = disk.with_rows(&old);
            fork.append(&fork.open(), TENANT, 20 + more);
            fs::write(anchor::path(&disk.anchors(), TENANT), note).unwrap();
            assert!(matches!(fork.try_open(), Err(Error::Contradiction { anchored: 40, .. })), "{more} leaves more");
        }
    }

    #[test]
    fn a_head_or_late_leaf_that_was_changed_does_not_open() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 20);
        log.checkpoint(TENANT).unwrap();
        disk.append(&log, TENANT, 3);
        drop(log);
        for (key, at) in
            [(layout::head_key(TENANT), 30), (layout::leaf_key(TENANT, 21), 60), (layout::leaf_key(TENANT, 18), 60)]
        {
            let whole = disk.change(&key, |value| value[at] ^= 1);
            assert!(matches!(disk.try_open(), Err(Error::Contradiction { .. })));
            disk.put(&key, &whole);
            disk.open();
        }
        let gone = disk.remove(&layout::leaf_key(TENANT, 22));
        assert!(matches!(disk.try_open(), Err(Error::Damaged { place: "leaf", .. })));
        disk.put(&layout::leaf_key(TENANT, 22), &gone);
        disk.put(&layout::head_key(TENANT), b"nonsense");
        assert!(matches!(disk.try_open(), Err(Error::Damaged { place: "head", .. })));
    }

    #[test]
    fn an_anchor_of_another_key_or_gateway_does_not_open() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 1);
        log.checkpoint(TENANT).unwrap();
        let open =
            |gateway, seed| Log::open(&disk.kv(), gateway, Arc::new(Secret::new([seed; 32])), &disk.anchors()).err();
        assert!(matches!(open(GATEWAY, 4), Some(Error::Anchor { source: note::Error::Unsigned, .. })));
        assert!(matches!(open("renamed", 3), Some(Error::Anchor { source: note::Error::OtherOrigin, .. })));
        assert!(matches!(open("not a name", 3), Some(Error::GatewayName)));
        assert!(open(GATEWAY, 3).is_none());
    }

    #[test]
    fn a_draft_of_an_anchor_that_a_crash_left_is_ignored() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 1);
        let draft = anchor::path(&disk.anchors(), TENANT).with_extension("draft");
        fs::write(&draft, "half a che").unwrap();
        assert!(disk.open().checkpoint(TENANT).unwrap().is_some());
        assert!(!draft.exists());
    }

    #[test]
    fn all_logs_are_found_without_reading_their_leaves() {
        let disk = Disk::new();
        let log = disk.open();
        let tenants: Vec<_> = [[0; 8], [1; 8], [0xff; 8]].map(|id| Subject::Tenant(TenantId(id))).into();
        for subject in tenants.iter().chain([&Subject::Gateway]) {
            disk.append(&log, *subject, 2);
        }
        let mut found = disk.open().subjects();
        found.sort();
        assert_eq!(found, [&[Subject::Gateway], &tenants[..]].concat());
        assert_eq!(layout::subjects(&disk.kv()).unwrap(), found);
    }

    #[test]
    fn proofs_from_the_database_verify() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, 70);
        let kv = disk.kv();
        let leaves = log.records(&kv, TENANT, 0, 70).unwrap();
        let mut roots = vec![Frontier::default()];
        for (_, leaf) in &leaves {
            let mut next = roots[roots.len() - 1].clone();
            next.push(tree::leaf_hash(leaf), |_, _, _| {});
            roots.push(next);
        }
        for size in [1, 15, 16, 17, 33, 64, 70u64] {
            let root = roots[size as usize].root();
            for index in 0..size {
                let proof = log.inclusion_proof(&kv, TENANT, index, size).unwrap().unwrap();
                let leaf = tree::leaf_hash(&leaves[index as usize].1);
                assert!(tree::verify_inclusion(&leaf, index, size, &proof, &root));
                let proof = log.consistency_proof(&kv, TENANT, index + 1, size).unwrap().unwrap();
                let old = roots[index as usize + 1].root();
                assert!(tree::verify_consistency(index + 1, size, &proof, &old, &root));
            }
        }
        assert_eq!(log.inclusion_proof(&kv, TENANT, 70, 71).unwrap(), None);
        assert_eq!(log.consistency_proof(&kv, TENANT, 1, 71).unwrap(), None);
    }
}
