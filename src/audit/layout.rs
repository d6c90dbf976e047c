//! How the audit logs lie in the database: family `Audit`, all integers big-endian.
//!
//! ```text
//! key   = subject kind rest
//! subject = 0x00 zeros(8)  the gateway's log   |   0x01 tenant id(8)
//! kind  rest                  value
//! 0x01                        head: version(1) = 1, size(8), the frontier's hashes, largest subtree first (32 each)
//! 0x02  index(8)              leaf: its exact bytes
//! 0x03  level(1) index(8)     node: root(32) of the complete subtree over leaves index << level ..; only levels >= 4
//! 0x04  commitment(32)        principal: sealed name and salt (see principals)
//! 0x05  name hash(16)         commitment(32) of the principal of that name
//! ```
//!
//! The head sorts first, so that the heads of all logs are read by jumping from one to the next without touching a
//! leaf. Nodes cost an eighth of a row per leaf, and make the root at any size a matter of some lookups and at most
//! 15 leaves; lower levels are not worth their bytes.

use std::ops::ControlFlow;

use super::tree::{Frontier, Hash, leaf_hash};
use super::{Error, Subject};
use crate::id::TenantId;
use crate::kv::{Family, Kv};

/// The lowest level of which nodes are stored.
pub const NODE_LEVEL_MIN: u32 = 4;

const HEAD: u8 = 1;
const LEAF: u8 = 2;
const NODE: u8 = 3;
const PRINCIPAL: u8 = 4;
const PRINCIPAL_NAME: u8 = 5;
const AFTER_LAST: u8 = 0xff;

const GATEWAY: u8 = 0;
const TENANT: u8 = 1;
const HEAD_VERSION: u8 = 1;

fn key(subject: Subject, kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let (tag, id) = match subject {
        Subject::Gateway => (GATEWAY, [0; 8]),
        Subject::Tenant(TenantId(id)) => (TENANT, id),
    };
    [&[&[tag][..], &id, &[kind]].concat()[..], &rest.concat()].concat()
}

/// The key of a log's head.
pub fn head_key(subject: Subject) -> Vec<u8> {
    key(subject, HEAD, &[])
}

/// The key of a leaf.
pub fn leaf_key(subject: Subject, index: u64) -> Vec<u8> {
    key(subject, LEAF, &[&index.to_be_bytes()])
}

/// What the keys of all leaves of a log begin with.
pub fn leaf_prefix(subject: Subject) -> Vec<u8> {
    key(subject, LEAF, &[])
}

/// The leaf's index at the end of a leaf's key.
pub fn leaf_index(key: &[u8]) -> Option<u64> {
    key.get(10..)?.try_into().ok().map(u64::from_be_bytes)
}

/// The key of a node.
pub fn node_key(subject: Subject, level: u32, index: u64) -> Vec<u8> {
    let level = u8::try_from(level).expect("sizes have at most 48 bits, and so levels");
    key(subject, NODE, &[&[level], &index.to_be_bytes()])
}

/// The key of a principal's sealed name.
pub fn principal_key(subject: Subject, commitment: &Hash) -> Vec<u8> {
    key(subject, PRINCIPAL, &[commitment])
}

/// The key under which a principal's commitment is found by its name.
pub fn principal_name_key(subject: Subject, name_hash: &[u8; 16]) -> Vec<u8> {
    key(subject, PRINCIPAL_NAME, &[name_hash])
}

/// The bytes of a head.
pub fn encode_head(frontier: &Frontier) -> Vec<u8> {
    let mut head = vec![HEAD_VERSION];
    head.extend_from_slice(&frontier.size().to_be_bytes());
    head.extend(frontier.peaks().iter().flatten());
    head
}

/// Reads a head.
pub fn decode_head(head: &[u8]) -> Option<Frontier> {
    let (&[HEAD_VERSION], rest) = head.split_first_chunk::<1>()? else { return None };
    let (size, peaks) = rest.split_first_chunk::<8>()?;
    let (peaks, odd) = peaks.as_chunks::<32>();
    if odd.is_empty() { Frontier::from_parts(u64::from_be_bytes(*size), peaks.to_vec()) } else { None }
}

/// The stored head of a log; empty if the log does not exist.
pub fn read_head(kv: &Kv, subject: Subject) -> Result<Frontier, Error> {
    match kv.get(Family::Audit, &head_key(subject))? {
        None => Ok(Frontier::default()),
        Some(head) => decode_head(&head).ok_or(Error::Damaged { subject, place: "head" }),
    }
}

/// The root of a complete subtree: a stored node, or on the lower levels the hash of its leaves.
pub fn read_subtree(kv: &Kv, subject: Subject, level: u32, index: u64) -> Result<Hash, Error> {
    if level < NODE_LEVEL_MIN {
        return hash_leaves(kv, subject, index << level, 1 << level);
    }
    let node = kv.get(Family::Audit, &node_key(subject, level, index))?;
    node.and_then(|node| node.try_into().ok()).ok_or(Error::Damaged { subject, place: "tree node" })
}

fn hash_leaves(kv: &Kv, subject: Subject, first: u64, count: u64) -> Result<Hash, Error> {
    let mut frontier = Frontier::default();
    kv.scan(Family::Audit, &leaf_prefix(subject), &leaf_key(subject, first), &mut |key, leaf| {
        if frontier.size() == count || leaf_index(key) != Some(first + frontier.size()) {
            return ControlFlow::Break(());
        }
        frontier.push(leaf_hash(leaf), |_, _, _| {});
        ControlFlow::Continue(())
    })?;
    if frontier.size() == count { Ok(frontier.root()) } else { Err(Error::Damaged { subject, place: "leaf" }) }
}

/// Every log that has a row of any kind, found by jumping from log to log.
pub fn subjects(kv: &Kv) -> Result<Vec<Subject>, Error> {
    let mut found = Vec::new();
    let mut from = Vec::new();
    loop {
        let mut next = None;
        kv.scan(Family::Audit, &[], &from, &mut |key, _| {
            next = Some(read_subject(key));
            ControlFlow::Break(())
        })?;
        match next {
            None => return Ok(found),
            Some(None) => return Err(Error::Damaged { subject: Subject::Gateway, place: "key" }),
            Some(Some(subject)) => {
                found.push(subject);
                from = key(subject, AFTER_LAST, &[]);
            }
        }
    }
}

fn read_subject(key: &[u8]) -> Option<Subject> {
    let (&[tag], rest) = key.split_first_chunk::<1>()?;
    match (tag, *rest.first_chunk::<8>()?) {
        (GATEWAY, [0, 0, 0, 0, 0, 0, 0, 0]) => Some(Subject::Gateway),
        (TENANT, id) => Some(Subject::Tenant(TenantId(id))),
        (_, _) => None,
    }
}

/// Calls `visit` with every stored leaf of a log, in order.
pub fn for_each_leaf(kv: &Kv, subject: Subject, visit: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let prefix = leaf_prefix(subject);
    kv.scan(Family::Audit, &prefix, &prefix, &mut |_, leaf| {
        visit(leaf);
        ControlFlow::Continue(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_for_ever_and_sort_by_log_then_head_then_index() {
        let tenant = Subject::Tenant(TenantId([7; 8]));
        assert_eq!(hex::encode(head_key(Subject::Gateway)), "00000000000000000001");
        assert_eq!(hex::encode(leaf_key(tenant, 258)), "010707070707070707020000000000000102");
        assert_eq!(hex::encode(node_key(tenant, 4, 1)), "01070707070707070703040000000000000001");
        assert!(head_key(tenant) < leaf_key(tenant, 0) && leaf_key(tenant, 255) < leaf_key(tenant, 256));
        assert_eq!(leaf_index(&leaf_key(tenant, 258)), Some(258));
        assert_eq!(leaf_index(&head_key(tenant)), None);
    }

    proptest! {
        #[test]
        fn a_head_reads_back(leaves in 0..200u8) {
            let mut frontier = Frontier::default();
            (0..leaves).for_each(|leaf| frontier.push(leaf_hash(&[leaf]), |_, _, _| {}));
            let head = encode_head(&frontier);
            prop_assert_eq!(decode_head(&head), Some(frontier));
            prop_assert_eq!(decode_head(&head[..head.len() - 1]), None);
        }

        #[test]
        fn any_head_is_read_without_panic(bytes: Vec<u8>) {
            decode_head(&bytes);
            leaf_index(&bytes);
        }
    }
}
