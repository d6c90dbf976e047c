//! The Merkle tree of RFC 6962, section 2.1, over SHA-256: hashes, roots, proofs and their verification. Pure.
//!
//! A tree over leaves `0..size` is never held whole. Appending needs only the roots of its complete subtrees, largest
//! first, one for each set bit of `size`: the [`Frontier`]. Proofs consist of roots of ranges of leaves; every such
//! range is a row of complete subtrees, which the caller's `source` looks up as (level, index): the root over leaves
//! `index << level .. (index + 1) << level`. With sizes in binary:
//!
//! ```text
//! size 7 = 0b111:   [0..4) [4..6) [6..7)     frontier of three hashes: (2, 0) (1, 2) (0, 6)
//! inclusion of leaf 5 in 7:   4..5,  6..7,  0..4
//! consistency of 6 with 7:    4..6,  6..7,  0..4
//! ```
//!
//! Verification follows the loops of RFC 9162, sections 2.1.3.2 and 2.1.4.2, which also reject proofs of the wrong
//! length.

use aws_lc_rs::digest;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// No log grows past this; a larger size in a stored record is damage.
pub const SIZE_MAX: u64 = 1 << 48;

/// The hash of a leaf: SHA-256 of `0x00` and the leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// The hash of an inner node: SHA-256 of `0x01` and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// SHA-256 of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    *context.finish().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// What must be known of a tree to append to it: its size and the roots of its complete subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// A frontier from stored parts; `None` unless there is one peak for each set bit of `size`.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Frontier> {
        (size <= SIZE_MAX && peaks.len() == size.count_ones() as usize).then_some(Frontier { size, peaks })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root of the tree; of the empty tree, the hash of nothing.
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }

    /// Appends a leaf by its hash. `completed(level, index, root)` is told of every subtree of at least two leaves
    /// that it completes.
    pub fn push(&mut self, leaf: Hash, completed: impl FnMut(u32, u64, &Hash)) {
        self.push_subtree(0, leaf, completed);
    }

    /// Appends all leaves up to size `to`, by as few subtrees of `source` as possible.
    pub fn extend<E>(&mut self, to: u64, mut source: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<(), E> {
        while let Some((level, index)) = first_subtree(self.size, to) {
            let root = source(level, index)?;
            self.push_subtree(level, root, |_, _, _| {});
        }
        Ok(())
    }

    fn push_subtree(&mut self, mut level: u32, mut root: Hash, mut completed: impl FnMut(u32, u64, &Hash)) {
        let mut index = self.size >> level;
        self.size += 1 << level;
        while index & 1 == 1 {
            let left = self.peaks.pop().expect("every set bit of the size has its peak");
            root = node_hash(&left, &root);
            index >>= 1;
            level += 1;
            completed(level, index, &root);
        }
        self.peaks.push(root);
    }
}

/// The root over the leaves `start..end`, which must be a subtree that RFC 6962 knows.
fn range_root<E>(start: u64, end: u64, source: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut at = start;
    let mut peaks = Vec::new();
    while let Some((level, index)) = first_subtree(at, end) {
        peaks.push(source(level, index)?);
        at += 1 << level;
    }
    Ok(fold(&peaks))
}

/// The largest complete subtree that begins at leaf `start` and ends at or before `end`, as level and index.
fn first_subtree(start: u64, end: u64) -> Option<(u32, u64)> {
    let level = end.checked_sub(start)?.checked_ilog2()?.min(start.trailing_zeros());
    Some((level, start >> level))
}

fn fold(peaks: &[Hash]) -> Hash {
    let root = peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    root.unwrap_or_else(|| sha256(&[]))
}

/// The proof that leaf `index` is in the tree of `size` leaves, leaf's sibling first; `None` if there is no such leaf.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut source: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = split(start, end);
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.into_iter().rev().map(|(start, end)| range_root(start, end, &mut source)).collect::<Result<_, _>>().map(Some)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves; `None` if `old` is 0 or larger than
/// `new`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut source: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old == 0 || old > new {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0, new);
    while old < end {
        let middle = split(start, end);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    if start > 0 {
        ranges.push((start, end));
    }
    ranges.into_iter().rev().map(|(start, end)| range_root(start, end, &mut source)).collect::<Result<_, _>>().map(Some)
}

/// Where RFC 6962 splits a range of at least two leaves: after the largest power of two smaller than its length.
fn split(start: u64, end: u64) -> u64 {
    start + (1 << (end - start - 1).ilog2())
}

/// Whether `proof` shows that `leaf` (a leaf hash) is number `index` of the tree of `size` leaves with this root (RFC
/// 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        match walk.step() {
            Step::Beyond => return false,
            Step::Right => hash = node_hash(sibling, &hash),
            Step::Left => hash = node_hash(&hash, sibling),
        }
    }
    walk.last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162, 2.1.4.2).
/// Every tree begins with the empty one, without proof.
pub fn verify_consistency(old: u64, new: u64, proof: &[Hash], old_root: &Hash, new_root: &Hash) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == sha256(&[]);
    }
    if old > new {
        return false;
    }
    // A complete old tree is itself the first node, and left out of the proof.
    let (first, rest) = match proof.split_first() {
        None => return false,
        Some(_) if old.is_power_of_two() => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
    };
    let mut walk = Walk { node: old - 1, last: new - 1 };
    walk.rise(walk.node.trailing_ones());
    let (mut from_old, mut from_new) = (first, first);
    for sibling in rest {
        match walk.step() {
            Step::Beyond => return false,
            Step::Right => {
                from_old = node_hash(sibling, &from_old);
                from_new = node_hash(sibling, &from_new);
            }
            Step::Left => from_new = node_hash(&from_new, sibling),
        }
    }
    walk.last == 0 && from_old == *old_root && from_new == *new_root
}

/// The way from a node up to the root, on a level of nodes `0..=last`.
struct Walk {
    node: u64,
    last: u64,
}

/// What a proof's next hash is to the node.
enum Step {
    /// Its left sibling: the node is a right child.
    Right,
    /// Its right sibling: the node is a left child.
    Left,
    /// Nothing: the node is the root already.
    Beyond,
}

impl Walk {
    fn step(&mut self) -> Step {
        if self.last == 0 {
            return Step::Beyond;
        }
        if self.node & 1 == 0 && self.node != self.last {
            self.rise(1);
            return Step::Left;
        }
        // The last node of a level without a partner rises alone until it is a right child.
        if self.node & 1 == 0 {
            self.rise(self.node.trailing_zeros());
        }
        self.rise(1);
        Step::Right
    }

    fn rise(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// MTH of RFC 6962, word for word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
                node_hash(&mth(left), &mth(right))
            }
        }
    }

    fn source(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
        |level, index| {
            let start = (index << level) as usize;
            Ok(mth(&leaves[start..start + (1 << level)]))
        }
    }

    fn inclusion(index: u64, leaves: &[Hash]) -> Vec<Hash> {
        inclusion_proof(index, leaves.len() as u64, source(leaves)).unwrap().unwrap()
    }

    fn consistency(old: u64, leaves: &[Hash]) -> Vec<Hash> {
        consistency_proof(old, leaves.len() as u64, source(leaves)).unwrap().unwrap()
    }

    fn frontier(leaves: &[Hash]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(*leaf, |_, _, _| {}));
        frontier
    }

    fn numbered(count: u8) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(&[number])).collect()
    }

    struct Vectors(Value);

    impl Vectors {
        fn read() -> Self {
            let text = include_str!("../../tests/fixtures/rfc6962_vectors.json");
            Vectors(serde_json::from_str(text).unwrap())
        }

        fn leaves(&self) -> Vec<Hash> {
            let leaves = self.0["leaves_hex"].as_array().unwrap().iter();
            leaves.map(|leaf| leaf_hash(&hex::decode(leaf.as_str().unwrap()).unwrap())).collect()
        }

        fn root(&self, size: u64) -> Hash {
            hash(&self.0["roots"][size.to_string()])
        }
    }

    fn hash(value: &Value) -> Hash {
        hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
    }

    fn hashes(value: &Value) -> Vec<Hash> {
        value.as_array().unwrap().iter().map(hash).collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let vectors = Vectors::read();
        let leaves = vectors.leaves();
        assert_eq!(leaves, hashes(&vectors.0["leaf_hashes"]));
        for size in 0..=8 {
            assert_eq!(frontier(&leaves[..size]).root(), vectors.root(size as u64), "size {size}");
        }
    }

    #[test]
    fn proofs_are_those_of_certificate_transparency() {
        let vectors = Vectors::read();
        let leaves = vectors.leaves();
        let inclusions = vectors.0["inclusion"].as_array().unwrap();
        let consistencies = vectors.0["consistency"].as_array().unwrap();
        assert_eq!((inclusions.len(), consistencies.len()), (7, 7));
        for case in inclusions {
            let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
            let proof = inclusion(index, &leaves[..size as usize]);
            assert_eq!(proof, hashes(&case["path"]), "{index} in {size}");
            assert!(verify_inclusion(&leaves[index as usize], index, size, &proof, &vectors.root(size)));
        }
        for case in consistencies {
            let (old, new) = (case["old"].as_u64().unwrap(), case["new"].as_u64().unwrap());
            let proof = consistency(old, &leaves[..new as usize]);
            assert_eq!(proof, hashes(&case["path"]), "{old} to {new}");
            assert!(verify_consistency(old, new, &proof, &vectors.root(old), &vectors.root(new)));
        }
    }

    #[test]
    fn every_proof_up_to_forty_leaves_verifies_and_every_change_to_it_fails() {
        let all = numbered(40);
        for size in 1..=40u64 {
            let leaves = &all[..size as usize];
            let root = mth(leaves);
            assert_eq!(frontier(leaves).root(), root);
            for index in 0..size {
                let proof = inclusion(index, leaves);
                let verify = |proof: &[Hash]| verify_inclusion(&leaves[index as usize], index, size, proof, &root);
                assert!(verify(&proof), "leaf {index} of {size}");
                assert_eq!(changes(&proof).find(|changed| verify(changed)), None, "leaf {index} of {size}");
                assert!(!verify_inclusion(&leaf_hash(b"other"), index, size, &proof, &root));
            }
            for old in 1..=size {
                let old_root = mth(&all[..old as usize]);
                let proof = consistency(old, leaves);
                let verify = |proof: &[Hash]| verify_consistency(old, size, proof, &old_root, &root);
                assert!(verify(&proof), "{old} to {size}");
                assert_eq!(changes(&proof).find(|changed| verify(changed)), None, "{old} to {size}");
                assert!(!verify_consistency(old, size, &proof, &leaf_hash(b"other"), &root));
            }
        }
    }

    /// The proof with one bit flipped in each hash, without each hash, and with one hash more.
    fn changes(proof: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
        let flipped = (0..proof.len()).map(|at| {
            let mut changed = proof.to_vec();
            changed[at][at % 32] ^= 1;
            changed
        });
        let shortened = (0..proof.len()).map(|at| [&proof[..at], &proof[at + 1..]].concat());
        let lengthened = [[proof, &[[0; 32]]].concat(), [&[[0; 32]], proof].concat()];
        flipped.chain(shortened).chain(lengthened)
    }

    /// A root below the claimed one must not pass for it.
    #[test]
    fn a_proof_of_a_tree_of_half_the_claimed_size_is_rejected() {
        let leaves = numbered(32);
        for size in [1, 2, 4, 8, 16, 32u64] {
            let leaves = &leaves[..size as usize];
            let root = mth(leaves);
            for index in 0..size {
                let proof = inclusion(index, leaves);
                assert!(!verify_inclusion(&leaves[index as usize], index, 2 * size, &proof, &root));
                let old = mth(&leaves[..=index as usize]);
                let proof = consistency(index + 1, leaves);
                assert!(!verify_consistency(index + 1, 2 * size, &proof, &old, &root));
            }
        }
    }

    #[test]
    fn there_is_no_proof_for_what_is_not_there() {
        let leaves = numbered(4);
        assert_eq!(inclusion_proof(4, 4, source(&leaves)), Ok(None));
        assert_eq!(consistency_proof(0, 4, source(&leaves)), Ok(None));
        assert_eq!(consistency_proof(5, 4, source(&leaves)), Ok(None));
        assert!(!verify_inclusion(&leaves[0], 4, 4, &[], &leaves[0]));
        assert!(verify_consistency(0, 4, &[], &mth(&[]), &mth(&leaves)));
        assert!(!verify_consistency(0, 4, &[leaves[0]], &mth(&[]), &mth(&leaves)));
        assert!(!verify_consistency(5, 4, &[], &mth(&leaves), &mth(&leaves)));
    }

    #[test]
    fn a_frontier_needs_a_peak_for_each_set_bit() {
        assert!(Frontier::from_parts(5, vec![[0; 32]; 2]).is_some());
        assert_eq!(Frontier::from_parts(5, vec![[0; 32]; 3]), None);
        assert_eq!(Frontier::from_parts(u64::MAX, vec![[0; 32]; 64]), None);
    }

    proptest! {
        #[test]
        fn extending_by_subtrees_is_pushing_leaf_by_leaf(from in 0..=120usize, more in 0..=120usize) {
            let leaves = numbered(240);
            let leaves = &leaves[..from + more];
            let mut extended = frontier(&leaves[..from]);
            extended.extend(leaves.len() as u64, source(leaves)).unwrap();
            prop_assert_eq!(&extended, &frontier(leaves));
            prop_assert_eq!(extended.root(), mth(leaves));
        }

        #[test]
        fn completed_subtrees_are_reported_with_their_roots(count in 1..=200u8) {
            let leaves = numbered(count);
            let mut told = 0;
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.push(*leaf, |level, index, root| {
                    told += 1;
                    assert_eq!(Ok(*root), source(&leaves)(level, index));
                });
            }
            prop_assert_eq!(told, u32::from(count) - u32::from(count).count_ones());
        }

        #[test]
        fn any_proof_is_judged_without_panic(index: u64, size: u64, proof: Vec<Hash>, root: Hash) {
            verify_inclusion(&root, index, size, &proof, &root);
            verify_consistency(index, size, &proof, &root, &root);
        }
    }
}
