//! Checking the logs in a database from the ground up: what `tidegate fsck` asks of the audit log.
//!
//! Where opening trusts stored tree nodes, this reads every leaf of every log, derives every node and root from them,
//! and compares them with the stored nodes, the head and the signed anchor. What it finds is data; it prints and
//! repairs nothing. Its answer holds for a database that nobody writes to meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;

use super::layout::{self, NODE_LEVEL_MIN};
use super::note::{Checkpoint, VerifierKey};
use super::tree::{Frontier, Hash, leaf_hash};
use super::{Error, LEAF_BYTES_MAX, StoredRecord, Subject, anchor, log, note};
use crate::kv::{Family, Kv};

/// The most findings that are reported of one log; one is enough to distrust it.
const FINDINGS_PER_LOG_MAX: usize = 100;

/// What was checked and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Logs read.
    pub logs: u64,
    /// Leaves read.
    pub leaves: u64,
    /// What is wrong; empty if all is well.
    pub findings: Vec<Finding>,
}

/// Something wrong with one log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("audit log {subject}: {problem}")]
pub struct Finding {
    /// Which log.
    pub subject: Subject,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The head cannot be read.
    #[error("the head cannot be read")]
    HeadMalformed,
    /// A leaf below the head's size is missing.
    #[error("leaf {index} is missing")]
    LeafMissing {
        /// Its number.
        index: u64,
    },
    /// A leaf lies at or above the head's size.
    #[error("leaf {index} lies beyond the head")]
    LeafBeyondHead {
        /// Its number.
        index: u64,
    },
    /// A leaf is not a record, or is too large.
    #[error("leaf {index} is not a record")]
    LeafMalformed {
        /// Its number.
        index: u64,
    },
    /// A stored node is not the root of its leaves, or is missing.
    #[error("leaves {first} to {last} do not have the stored root")]
    NodeMismatch {
        /// The first leaf under the node.
        first: u64,
        /// The last leaf under the node.
        last: u64,
    },
    /// The head is not that of the leaves.
    #[error("the leaves do not have the head's root")]
    HeadMismatch,
    /// The anchor file is not a checkpoint that the key signed for this log.
    #[error("the anchor file is no checkpoint of this log: {0}")]
    AnchorInvalid(note::Error),
    /// More leaves were signed than there are.
    #[error("{anchored} leaves were signed, but there are {stored}: the database was rolled back")]
    RolledBack {
        /// The size in the anchor.
        anchored: u64,
        /// The size in the database.
        stored: u64,
    },
    /// The leaves are not those that were signed.
    #[error("the first {anchored} leaves do not have the root that was signed")]
    AnchorMismatch {
        /// The size in the anchor.
        anchored: u64,
    },
}

/// Checks every log of the database and every anchor file. `public` is the key whose signatures the anchors must bear.
pub fn check(kv: &Kv, gateway: &str, public: &[u8; 32], anchor_dir: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    let known: BTreeSet<Subject> = layout::subjects(kv)?.into_iter().chain(anchor::subjects(anchor_dir)?).collect();
    for subject in known {
        let key = VerifierKey::new(&log::origin(gateway, subject), *public).map_err(|_| Error::GatewayName)?;
        let mut problems = Vec::new();
        let anchor = match anchor::read(anchor_dir, subject, &key) {
            Ok(anchor) => anchor.map(|(_, checkpoint)| checkpoint),
            Err(Error::Anchor { source, .. }) => {
                problems.push(Problem::AnchorInvalid(source));
                None
            }
            Err(other) => return Err(other),
        };
        report.leaves += Walk::new(kv, subject, anchor, &mut problems).run()?;
        report.logs += 1;
        let found = problems.into_iter().take(FINDINGS_PER_LOG_MAX);
        report.findings.extend(found.map(|problem| Finding { subject, problem }));
    }
    Ok(report)
}

/// The way through one log, leaf by leaf.
struct Walk<'a> {
    kv: &'a Kv,
    subject: Subject,
    anchor: Option<Checkpoint>,
    problems: &'a mut Vec<Problem>,
    derived: Frontier,
    /// Nodes completed by the last leaf, not yet compared.
    completed: VecDeque<(u32, u64, Hash)>,
}

impl<'a> Walk<'a> {
    fn new(kv: &'a Kv, subject: Subject, anchor: Option<Checkpoint>, problems: &'a mut Vec<Problem>) -> Self {
        Walk { kv, subject, anchor, problems, derived: Frontier::default(), completed: VecDeque::new() }
    }

    /// Answers the number of leaves read.
    fn run(mut self) -> Result<u64, Error> {
        let head = match layout::read_head(self.kv, self.subject) {
            Ok(head) => Some(head),
            Err(Error::Damaged { .. }) => {
                self.problems.push(Problem::HeadMalformed);
                None
            }
            Err(other) => return Err(other),
        };
        self.compare_anchor();
        self.walk(head.as_ref().map_or(u64::MAX, Frontier::size))?;
        let stored = self.derived.size();
        if let Some(head) = head {
            if stored < head.size() {
                self.problem(Problem::LeafMissing { index: stored });
            } else if self.derived != head {
                self.problem(Problem::HeadMismatch);
            }
        }
        if let Some(anchored) = self.anchor.as_ref().map(|anchor| anchor.size).filter(|anchored| *anchored > stored) {
            self.problem(Problem::RolledBack { anchored, stored });
        }
        Ok(stored)
    }

    /// Reads the leaves up to the first gap or the head's size.
    fn walk(&mut self, head_size: u64) -> Result<(), Error> {
        let (kv, prefix) = (self.kv, layout::leaf_prefix(self.subject));
        let mut failed = Ok(());
        kv.scan(Family::Audit, &prefix, &prefix, &mut |key, leaf| {
            let index = self.derived.size();
            if layout::leaf_index(key) != Some(index) {
                return ControlFlow::Break(());
            }
            if index == head_size {
                self.problem(Problem::LeafBeyondHead { index });
                return ControlFlow::Break(());
            }
            failed = self.leaf(index, leaf);
            if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed
    }

    fn leaf(&mut self, index: u64, leaf: &[u8]) -> Result<(), Error> {
        if leaf.len() > LEAF_BYTES_MAX || StoredRecord::parse(leaf).is_none() {
            self.problem(Problem::LeafMalformed { index });
        }
        let completed = &mut self.completed;
        self.derived.push(leaf_hash(leaf), |level, index, root| {
            if level >= NODE_LEVEL_MIN {
                completed.push_back((level, index, *root));
            }
        });
        while let Some((level, index, root)) = self.completed.pop_front() {
            let stored = self.kv.get(Family::Audit, &layout::node_key(self.subject, level, index))?;
            if stored.as_deref() != Some(&root[..]) {
                let (first, last) = (index << level, ((index + 1) << level) - 1);
                self.problem(Problem::NodeMismatch { first, last });
            }
        }
        self.compare_anchor();
        Ok(())
    }

    /// Compares the root so far with the signed one, at the signed size.
    fn compare_anchor(&mut self) {
        let Some(anchor) = &self.anchor else { return };
        let (anchored, root) = (anchor.size, anchor.root);
        if anchored == self.derived.size() && root != self.derived.root() {
            self.problem(Problem::AnchorMismatch { anchored });
        }
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < FINDINGS_PER_LOG_MAX {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixture::{Disk, GATEWAY, TENANT};

    fn findings(disk: &Disk) -> Vec<Problem> {
        let report = check(&disk.kv(), GATEWAY, &disk.public(), &disk.anchors()).unwrap();
        report.findings.into_iter().map(|finding| finding.problem).collect()
    }

    fn signed(leaves: u64) -> Disk {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, TENANT, leaves);
        log.checkpoint(TENANT).unwrap();
        disk
    }

    #[test]
    fn sound_logs_have_no_findings() {
        let disk = Disk::new();
        let log = disk.open();
        disk.append(&log, Subject::Gateway, 3);
        disk.append(&log, TENANT, 40);
        log.checkpoint(TENANT).unwrap();
        disk.append(&log, TENANT, 7);
        let report = check(&disk.kv(), GATEWAY, &disk.public(), &disk.anchors()).unwrap();
        assert_eq!((report.logs, report.leaves, report.findings), (2, 50, vec![]));
    }

    #[test]
    fn every_changed_leaf_is_found_and_located() {
        let disk = signed(40);
        for index in 0..40 {
            let key = layout::leaf_key(TENANT, index);
            let nonce = |leaf: &mut Vec<u8>| {
                let at = leaf.len() - 3;
                leaf[at] = if leaf[at] == b'0' { b'1' } else { b'0' };
            };
            let whole = disk.change(&key, nonce);
            let found = findings(&disk);
            assert!(
                found.contains(&Problem::AnchorMismatch { anchored: 40 }) && found.contains(&Problem::HeadMismatch)
            );
            let first = index & !15;
            assert_eq!(found.contains(&Problem::NodeMismatch { first, last: first + 15 }), index < 32, "leaf {index}");
            disk.change(&key, |leaf| *leaf = whole);
            assert_eq!(findings(&disk), []);
        }
    }

    #[test]
    fn a_missing_a_surplus_and_a_senseless_leaf_are_found() {
        let disk = signed(10);
        let last = disk.remove(&layout::leaf_key(TENANT, 9));
        assert_eq!(
            findings(&disk),
            [Problem::LeafMissing { index: 9 }, Problem::RolledBack { anchored: 10, stored: 9 }]
        );
        disk.put(&layout::leaf_key(TENANT, 9), &last);
        disk.put(&layout::leaf_key(TENANT, 10), &last);
        assert_eq!(findings(&disk), [Problem::LeafBeyondHead { index: 10 }]);
        disk.remove(&layout::leaf_key(TENANT, 10));
        disk.put(&layout::leaf_key(TENANT, 4), b"not a record");
        assert!(findings(&disk).contains(&Problem::LeafMalformed { index: 4 }));
    }

    #[test]
    fn a_changed_head_node_or_anchor_is_found() {
        let disk = signed(40);
        let head = disk.change(&layout::head_key(TENANT), |head| head[12] ^= 1);
        assert_eq!(findings(&disk), [Problem::HeadMismatch]);
        disk.put(&layout::head_key(TENANT), b"");
        assert_eq!(findings(&disk), [Problem::HeadMalformed]);
        disk.put(&layout::head_key(TENANT), &head);
        let node = disk.change(&layout::node_key(TENANT, 4, 1), |node| node[0] ^= 1);
        assert_eq!(findings(&disk), [Problem::NodeMismatch { first: 16, last: 31 }]);
        disk.put(&layout::node_key(TENANT, 4, 1), &node);
        let path = anchor::path(&disk.anchors(), TENANT);
        let note = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, note.replace("\n40\n", "\n39\n")).unwrap();
        assert_eq!(findings(&disk), [Problem::AnchorInvalid(note::Error::FalseSignature)]);
    }

    #[test]
    fn a_database_without_the_log_that_was_signed_is_found() {
        let disk = signed(2);
        let empty = disk.with_rows(&[]);
        assert_eq!(findings(&empty), [Problem::RolledBack { anchored: 2, stored: 0 }]);
    }
}
