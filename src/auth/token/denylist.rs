//! Tokens that were revoked before they expire.
//!
//! An entry is a hash of issuer and `jti`, kept until the token would have expired anyway. The list is in memory and in the
//! family `Catalog`; it is capped, and when it is full a revocation is refused rather than another one forgotten.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::digest;

use crate::clock::{MINUTE_MS, Millis};
use crate::kv::{Batch, Family, Kv};

use super::super::directory::OpenError;
use super::super::record::{self, REVOKED_PREFIX, TokenRef};

/// How long an entry outlives its token; more than any leeway.
const GRACE_MS: i64 = 2 * MINUTE_MS;

/// The list is full of tokens that have not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many tokens are revoked; wait until some expire, or replace the signing key")]
pub struct DenylistFull;

/// The revoked tokens.
pub struct Denylist {
    entries: RwLock<HashMap<TokenRef, Millis>>,
    entries_max: usize,
}

impl Denylist {
    /// An empty list of at most `entries_max` tokens.
    pub fn empty(entries_max: usize) -> Denylist {
        Denylist { entries: RwLock::default(), entries_max }
    }

    /// Loads the list; an entry that cannot be read fails the start.
    pub fn open(kv: &Kv, entries_max: usize) -> Result<Denylist, OpenError> {
        let mut stored = Vec::new();
        kv.scan(Family::Catalog, REVOKED_PREFIX, REVOKED_PREFIX, &mut |key, value| {
            stored.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let read = stored
            .iter()
            .map(|(key, value)| record::decode_revoked(key.strip_prefix(REVOKED_PREFIX).unwrap_or_default(), value));
        Ok(Denylist { entries: RwLock::new(read.collect::<Result<_, _>>()?), entries_max })
    }

    /// Stages a revocation. It takes effect at once, before it is durable: refusing a token too early harms nobody.
    /// `expires` is the token's end, or `now` plus the longest lifetime if it is not known.
    pub fn stage_revoke(
        &self,
        batch: &mut Batch,
        issuer: &str,
        jti: &str,
        expires: Millis,
        now: Millis,
    ) -> Result<(), DenylistFull> {
        self.stage_sweep(batch, now);
        let reference = reference(issuer, jti);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.entries_max && !entries.contains_key(&reference) {
            return Err(DenylistFull);
        }
        let until = entries.get(&reference).map_or(expires, |known| expires.max(*known));
        entries.insert(reference, until);
        batch.put(Family::Catalog, &record::stored_key(REVOKED_PREFIX, &reference), &record::encode_revoked(until));
        Ok(())
    }

    /// Forgets the tokens that have expired.
    pub fn stage_sweep(&self, batch: &mut Batch, now: Millis) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).retain(|reference, expires| {
            let keep = now < expires.plus(GRACE_MS);
            if !keep {
                batch.delete(Family::Catalog, &record::stored_key(REVOKED_PREFIX, reference));
            }
            keep
        });
    }

    /// Whether the token was revoked.
    pub(super) fn contains(&self, issuer: &str, jti: &str) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        !entries.is_empty() && entries.contains_key(&reference(issuer, jti))
    }
}

fn reference(issuer: &str, jti: &str) -> TokenRef {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&(issuer.len() as u64).to_be_bytes());
    hash.update(issuer.as_bytes());
    hash.update(jti.as_bytes());
    let mut out = TokenRef::default();
    let digest = hash.finish();
    digest.as_ref().iter().zip(&mut out).for_each(|(from, to)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_full_list_refuses_and_forgets_only_what_has_expired() {
        let list = Denylist::empty(2);
        let mut batch = Batch::default();
        list.stage_revoke(&mut batch, "i", "a", NOW.plus(1_000), NOW).unwrap();
        list.stage_revoke(&mut batch, "i", "b", NOW.plus(9_000_000), NOW).unwrap();
        assert_eq!(list.stage_revoke(&mut batch, "i", "c", NOW.plus(1_000), NOW), Err(DenylistFull));
        let later = NOW.plus(1_000 + GRACE_MS);
        list.stage_revoke(&mut batch, "i", "c", later.plus(1), later).unwrap();
        assert!(!list.contains("i", "a") && list.contains("i", "b") && list.contains("i", "c"));
        assert!(!list.contains("other", "b"));
    }
}
