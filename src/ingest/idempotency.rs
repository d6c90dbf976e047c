//! `Idempotency-Key`: the same request twice has the effect and the answer of one.
//!
//! The answer of a request that carries a key is stored in the batch that makes its events durable, under a keyed hash of tenant, sender
//! and key. A second request with the same key and payload gets that answer back; with another payload it is refused; while
//! the first one is on its way it is told to wait.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{HOUR_MS, Millis};
use crate::id::TenantId;
use crate::keys::Secret;
use crate::kv::{self, Batch, Family, Kv};

use super::dedupe::{IdHash, keyed_hash};

/// Leads the stored answers; then the hash.
const ANSWER_PREFIX: u8 = b'i';
/// Leads the index by hour of expiry; then the hour, big-endian, and the hash.
const EXPIRY_PREFIX: u8 = b'x';
/// Entries removed in one batch.
const PRUNE_MAX: usize = 1_000;

/// The longest key that is accepted, in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// Why a request with a key is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The key was used with another payload.
    #[error("the idempotency key was used with another request")]
    Reused,
    /// The first request with this key is being processed.
    #[error("a request with this idempotency key is being processed")]
    InFlight,
    /// The stored answers could not be read.
    #[error(transparent)]
    Kv(#[from] kv::Error),
}

/// How far a round of pruning got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// Some expired answers are left.
    Some,
    /// None is left.
    All,
}

/// What a request with a key may do.
pub enum Begun {
    /// Go on; the claim ends when it is dropped.
    First(Claim),
    /// Answer this, stored by the first request.
    Replay(Vec<u8>),
}

/// The keys of requests that are on their way, and the answers of those that were.
pub struct Idempotency {
    kv: Arc<Kv>,
    key: Secret,
    window_ms: i64,
    in_flight: Arc<Mutex<HashSet<IdHash>>>,
}

/// The right to carry out the request with one key.
pub struct Claim {
    hash: IdHash,
    fingerprint: IdHash,
    in_flight: Arc<Mutex<HashSet<IdHash>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        locked(&self.in_flight).remove(&self.hash);
    }
}

impl Idempotency {
    /// Answers stored in `kv`, valid for `window_ms`.
    pub fn new(kv: Arc<Kv>, key: Secret, window_ms: i64) -> Idempotency {
        Idempotency { kv, key, window_ms, in_flight: Arc::default() }
    }

    /// Looks up `key`, sent by `sender` of `tenant` with the payload `body`.
    pub fn begin(&self, tenant: TenantId, sender: &str, key: &str, body: &[u8], now: Millis) -> Result<Begun, Refused> {
        let scoped = [sender.as_bytes(), b"\0", key.as_bytes()].concat();
        let hash = keyed_hash(&self.key, b"idempotency key", tenant, &scoped);
        let fingerprint = keyed_hash(&self.key, b"idempotency payload", tenant, body);
        // Claimed before the look-up: an answer that is stored in between is then seen.
        if !locked(&self.in_flight).insert(hash) {
            return Err(Refused::InFlight);
        }
        let claim = Claim { hash, fingerprint, in_flight: Arc::clone(&self.in_flight) };
        match self.kv.get(Family::Dedupe, &answer_key(hash))?.as_deref().and_then(decode) {
            Some(stored) if stored.expires > now => {
                if stored.fingerprint == fingerprint {
                    Ok(Begun::Replay(stored.body.to_vec()))
                } else {
                    Err(Refused::Reused)
                }
            }
            Some(_) | None => Ok(Begun::First(claim)),
        }
    }

    /// Stages the answer to a claimed request. Writer's thread only.
    pub fn stage(&self, batch: &mut Batch, claim: &Claim, body: &[u8], now: Millis) {
        let expires = now.plus(self.window_ms);
        let mut value = Vec::with_capacity(24 + body.len());
        value.extend_from_slice(&expires.0.to_be_bytes());
        value.extend_from_slice(&claim.fingerprint);
        value.extend_from_slice(body);
        batch.put(Family::Dedupe, &answer_key(claim.hash), &value);
        batch.put(Family::Dedupe, &expiry_key(expires, claim.hash), b"");
    }

    /// Stages the removal of answers that expired before `now`, so many at a time that acknowledgements do not wait. Writer's thread only.
    pub fn stage_prune(&self, batch: &mut Batch, now: Millis) -> Result<Pruned, kv::Error> {
        let mut left = PRUNE_MAX;
        let mut expired: Vec<IdHash> = Vec::new();
        self.kv.scan(Family::Dedupe, &[EXPIRY_PREFIX], &[EXPIRY_PREFIX], &mut |key, _| {
            let hour = key.get(1..9).and_then(|hour| Some(i64::from_be_bytes(hour.try_into().ok()?)));
            let over = hour.is_none_or(|hour| (hour + 1) * HOUR_MS > now.0);
            if over || left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            batch.delete(Family::Dedupe, key);
            if let Some(hash) = key.get(9..).and_then(|hash| hash.try_into().ok()) {
                expired.push(hash);
            }
            ControlFlow::Continue(())
        })?;
        for hash in expired {
            // The key may have been used again since: then its answer is a newer one.
            let stored = self.kv.get(Family::Dedupe, &answer_key(hash))?;
            if stored.as_deref().and_then(decode).is_none_or(|stored| stored.expires <= now) {
                batch.delete(Family::Dedupe, &answer_key(hash));
            }
        }
        Ok(if left == 0 { Pruned::Some } else { Pruned::All })
    }
}

struct Stored<'a> {
    expires: Millis,
    fingerprint: IdHash,
    body: &'a [u8],
}

fn decode(value: &[u8]) -> Option<Stored<'_>> {
    let (expires, rest) = value.split_first_chunk()?;
    let (fingerprint, body) = rest.split_first_chunk()?;
    Some(Stored { expires: Millis(i64::from_be_bytes(*expires)), fingerprint: *fingerprint, body })
}

fn answer_key(hash: IdHash) -> Vec<u8> {
    [&[ANSWER_PREFIX][..], &hash].concat()
}

fn expiry_key(expires: Millis, hash: IdHash) -> Vec<u8> {
    [&[EXPIRY_PREFIX][..], &expires.0.div_euclid(HOUR_MS).to_be_bytes(), &hash].concat()
}

fn locked(set: &Mutex<HashSet<IdHash>>) -> MutexGuard<'_, HashSet<IdHash>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}
