//! Findings: that something slipped, of what kind, where and how often. Never what.
//!
//! An entry is the sum of one day, kind and place of one tenant, so it grows by its count and not by its size; a tenant has at most
//! [`PLACES_MAX`] a day, the rest is counted under `*`. Entries are sealed under the tenant's index key like all small values, and kept for thirteen months, so
//! that a report of a year finds them all. A place is a column and a path of names; a name that could be data itself is `*`.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::{Entropy, TenantId, random};
use crate::keys::{self, Secret, Vault, seal};
use crate::kv::{self, Batch, Family, Kv};

/// Leads the entries in the catalog; tenant, day and hash follow.
const PREFIX: &[u8] = b"f|";
/// How long they are kept.
const KEEP_DAYS: i64 = 400;
/// Kinds and places of one tenant and day.
pub const PLACES_MAX: usize = 256;
/// A path is cut after so many names.
const STEPS_MAX: usize = 8;
/// A name that is longer is no name.
const NAME_BYTES_MAX: usize = 64;

/// One kind of data in one place on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What: the name of the detector that should have found it.
    pub kind: String,
    /// The kind of signal: `events`, `logs`, `spans`, `metrics`.
    pub stream: String,
    /// The column.
    pub column: String,
    /// Where in the attributes, names joined by dots; empty for other columns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How many, in the events that were looked at.
    pub count: u64,
    /// Arrival of the first of these events, epoch milliseconds.
    pub first: Millis,
    /// Arrival of the last.
    pub last: Millis,
    /// The policy that let it pass, as the first 16 hex digits of its hash.
    pub policy: String,
}

/// What makes two finds one finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub kind: &'static str,
    pub stream: &'static str,
    pub column: &'static str,
    pub path: String,
}

/// Why findings cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The key file.
    #[error(transparent)]
    Keys(#[from] keys::Error),
}

/// A finding and its day, days since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The day of arrival.
    pub day: u32,
    /// What was found.
    pub finding: Finding,
}

/// A path of names. Those that could be data themselves become `*`.
pub(super) fn path_of(steps: &[&str], is_suspect: impl Fn(&str) -> bool) -> String {
    let plain = |name: &&str| {
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        // More digits than a version or a number of a list has may be somebody's.
        let few_digits = name.bytes().filter(u8::is_ascii_digit).count() < 6;
        fits && few_digits && !is_suspect(name)
    };
    let shown = |name: &&str| if plain(name) { (*name).to_owned() } else { "*".to_owned() };
    let mut names: Vec<String> = steps.iter().take(STEPS_MAX).map(shown).collect();
    if steps.len() > STEPS_MAX {
        names.push("**".to_owned());
    }
    names.join(".")
}

/// The findings of a tenant that arrived from day `from` to day `to`, both included, oldest first; at most `limit`.
pub fn list(
    kv: &Kv,
    vault: &Vault,
    tenant: TenantId,
    (from, to): (u32, u32),
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    let Some(key) = vault.find_index_key(tenant) else { return Ok(Vec::new()) };
    let mut listed = Vec::new();
    kv.scan(Family::Catalog, &of_tenant(tenant), &of_day(tenant, from), &mut |place, value| {
        let Some(day) = day_of(place).filter(|day| *day <= to) else { return ControlFlow::Break(()) };
        listed.extend(open(&key, place, value).map(|finding| Listed { day, finding }));
        if listed.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(listed)
}

/// Entries that are to be written: place and sealed value; and whether each is new.
pub(super) struct Prepared {
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// The spots that were not known on that day before.
    pub new: Vec<Spot>,
}

/// Adds what was found on one day to what is known. Only one thread may do this.
pub(super) fn prepare(
    kv: &Kv,
    vault: &Vault,
    entropy: &dyn Entropy,
    (tenant, day): (TenantId, u32),
    found: Vec<(Spot, Finding)>,
) -> Result<Prepared, Error> {
    let key = vault.index_key(tenant)?;
    let mut known = 0;
    kv.scan(Family::Catalog, &of_day(tenant, day), &of_day(tenant, day), &mut |_, _| {
        known += 1;
        ControlFlow::Continue(())
    })?;
    let mut prepared = Prepared { entries: Vec::new(), new: Vec::new() };
    for (mut spot, mut finding) in found {
        let mut place = place_of(&key, tenant, day, &spot);
        let mut stored = kv.get(Family::Catalog, &place)?;
        if stored.is_none() && known >= PLACES_MAX {
            (spot.column, spot.path) = ("*", String::new());
            (finding.column, finding.path) = ("*".to_owned(), String::new());
            place = place_of(&key, tenant, day, &spot);
            stored = kv.get(Family::Catalog, &place)?;
        }
        // Spots that were merged under `*` a moment ago are not in the database yet.
        let pending = prepared.entries.iter().position(|(known, _)| *known == place);
        let before = pending.and_then(|at| prepared.entries.get(at)).map(|(_, value)| value.clone()).or(stored);
        match before.as_deref().and_then(|value| open(&key, &place, value)) {
            Some(before) => finding = before.and(finding),
            None => {
                known += 1;
                prepared.new.push(spot);
            }
        }
        let sealed = seal::seal(&key, random(entropy), &context(&place), &to_json(&finding));
        match pending.and_then(|at| prepared.entries.get_mut(at)) {
            Some((_, value)) => *value = sealed,
            None => prepared.entries.push((place, sealed)),
        }
    }
    Ok(prepared)
}

/// Stages the removal of the tenant's findings that are past their time. Writer's thread only.
pub fn stage_prune(batch: &mut Batch, tenant: TenantId, now: Millis) {
    let day = u32::try_from(now.day() - KEEP_DAYS).unwrap_or(0);
    batch.delete_range(Family::Catalog, &of_tenant(tenant), &of_day(tenant, day));
}

impl Finding {
    /// The same, found again.
    fn and(self, later: Finding) -> Finding {
        Finding {
            count: self.count + later.count,
            first: self.first.min(later.first),
            last: self.last.max(later.last),
            ..later
        }
    }
}

fn to_json(finding: &Finding) -> Vec<u8> {
    serde_json::to_vec(finding).expect("texts and numbers always serialise into memory")
}

fn open(key: &Secret, place: &[u8], value: &[u8]) -> Option<Finding> {
    serde_json::from_slice(&seal::open(key, &context(place), value).ok()?).ok()
}

fn of_tenant(tenant: TenantId) -> Vec<u8> {
    [PREFIX, &tenant.0].concat()
}

fn of_day(tenant: TenantId, day: u32) -> Vec<u8> {
    [PREFIX, &tenant.0, &day.to_be_bytes()].concat()
}

fn day_of(place: &[u8]) -> Option<u32> {
    let (day, _) = place.strip_prefix(PREFIX)?.get(8..)?.split_first_chunk()?;
    Some(u32::from_be_bytes(*day))
}

/// Names are in the value alone: a key of the database is in the clear.
fn place_of(key: &Secret, tenant: TenantId, day: u32, spot: &Spot) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_keyed(key.bytes());
    for part in [
        b"finding" as &[u8],
        spot.kind.as_bytes(),
        spot.stream.as_bytes(),
        spot.column.as_bytes(),
        spot.path.as_bytes(),
    ] {
        hasher.update(part).update(&[0]);
    }
    let hash = hasher.finalize();
    [&of_day(tenant, day)[..], hash.as_bytes().get(..16).unwrap_or_default()].concat()
}

fn context(place: &[u8]) -> Vec<u8> {
    [b"tidegate finding\0", place].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_names_and_nothing_that_could_be_data() {
        let long = "n".repeat(65);
        for (steps, path) in [
            (&["request", "headers", "x-id"][..], "request.headers.x-id"),
            (&["http.url", "*", "v2"][..], "http.url.*.v2"),
            (&["Ann Example", "ok"][..], "*.ok"),
            (&["12345678", "a@b"][..], "*.*"),
            (&[&long, ""][..], "*.*"),
            (&["suspect"][..], "*"),
            (&["a"; 10][..], "a.a.a.a.a.a.a.a.**"),
        ] {
            assert_eq!(path_of(steps, |name| name == "suspect"), path);
        }
    }
}
