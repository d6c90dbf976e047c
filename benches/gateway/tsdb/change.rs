//! What changes a loaded directory, and what it costs: erasing a user, dropping days, a start with a full journal.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use serde_json::json;

use tidegate::app::block_on;
use tidegate::clock::{DAY_MS, Millis};
use tidegate::store::Retention;
use tidegate::store::erase::Erasure;
use tidegate::store::need::Need;
use tidegate::store::row::TextColumn;
use tidegate::store::subject::Subjects;

use crate::Options;

use super::house::{House, tenant};
use super::load;
use super::measure::{Used, tell};
use super::questions::END;

/// So long is kept that exactly the first day's rows are past their time: a run is once its newest row is, and that is at most a day old when the clock
/// stands seven days after its begin.
const FIRST_DAY_ENDS: i64 = 6 * DAY_MS;

/// Erases a user of the largest tenant who has about as many events as most.
pub(super) fn erase(dir: &Path, options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let house = House::open(dir, END)?;
    let tenant = tenant(options.text("--tenant").unwrap_or("t00000"));
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    for part in house.store().read(tenant, Millis(i64::MIN), Millis(i64::MAX), END) {
        let loaded = part.load(&Need::NONE.text(TextColumn::User))?;
        for user in loaded.rows().filter_map(|row| loaded.columns().text(TextColumn::User, row)) {
            *users.entry(user.to_owned()).or_default() += 1;
        }
    }
    let known = users.len();
    let mut by_events: Vec<(usize, String)> = users.into_iter().map(|(user, events)| (events, user)).collect();
    by_events.sort_unstable();
    let (events, user) = by_events.swap_remove(known / 2);
    let stored = house.store().usage();
    let subjects = Subjects { users: BTreeSet::from([user]), sessions: BTreeSet::new() };
    let erasure = Erasure { tenant, number: 1, subjects };
    let begun = Used::now()?;
    block_on(house.upkeep().accept_erasure(erasure.clone(), "bench".into(), END, |_| {}))?;
    let erased = house.upkeep().erase(&erasure, END)?;
    let cost = begun.since()?;
    tell(&json!({
        "mode": "erase", "users": known, "events": events, "rows": erased.rows, "runs_rewritten": erased.runs_rewritten, "runs": stored.runs,
        "bytes_written": erased.bytes_written, "stored_bytes": stored.sealed_bytes,
        "share": erased.bytes_written as f64 / stored.sealed_bytes as f64, "cpu": cost.cpu_s, "wall": cost.wall_s, "written": cost.written,
    }))?;
    house.close();
    Ok(())
}

/// Lets the oldest day of one tenant go, as expiry does when all others are on hold: its keys are destroyed, and nothing is written anew.
pub(super) fn shred(dir: &Path, options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    /// As many as the generator makes.
    const TENANTS: usize = 100;
    let house = House::open(dir, END)?;
    let shredded = tenant(options.text("--tenant").unwrap_or("t00000"));
    let others: Vec<_> = (0..TENANTS).map(|n| tenant(&format!("t{n:05}"))).filter(|other| *other != shredded).collect();
    let hold =
        |on| others.iter().try_for_each(|other| block_on(house.upkeep().set_hold(*other, on, "bench".into(), END)));
    hold(true)?;
    house.store().set_retention(Retention { keep_ms: [FIRST_DAY_ENDS; _] });
    let before = house.store().usage();
    let begun = Used::now()?;
    let done = house.upkeep().expire(house.now().plus(1), &|| false)?;
    let cost = begun.since()?;
    hold(false)?;
    tell(&json!({
        "mode": "shred", "rows": done.rows_removed, "runs": done.runs_removed, "bytes_rewritten": done.bytes_written,
        "bytes_freed": before.sealed_bytes - house.store().usage().sealed_bytes, "cpu": cost.cpu_s, "wall": cost.wall_s, "written": cost.written,
    }))?;
    house.close();
    Ok(())
}

/// Lets the oldest day go, then everything.
pub(super) fn drop_days(dir: &Path) -> Result<(), Box<dyn Error>> {
    let house = House::open(dir, END)?;
    for (what, keep_ms) in [("one day", FIRST_DAY_ENDS), ("all days", 0)] {
        house.store().set_retention(Retention { keep_ms: [keep_ms; _] });
        let before = house.store().usage();
        let begun = Used::now()?;
        let done = house.upkeep().expire(house.now().plus(1), &|| false)?;
        let cost = begun.since()?;
        tell(&json!({
            "mode": "drop", "what": what, "rows": done.rows_removed, "runs": done.runs_removed, "bytes_rewritten": done.bytes_written,
            "bytes_freed": before.sealed_bytes - house.store().usage().sealed_bytes, "cpu": cost.cpu_s, "wall": cost.wall_s, "written": cost.written,
        }))?;
    }
    house.close();
    Ok(())
}

/// Loads into the journal alone, ends, and opens again.
pub(super) fn replay(requests: &Path, dir: &Path) -> Result<(), Box<dyn Error>> {
    load::run(requests, dir, &load::Plan::for_replay())?;
    let begun = Used::now()?;
    let house = House::open(dir, END)?;
    let cost = begun.since()?;
    let rows = house.store().usage().open_rows;
    tell(
        &json!({"mode": "replay", "events": rows, "cpu": cost.cpu_s, "wall": cost.wall_s, "per_cpu_s": rows as f64 / cost.cpu_s}),
    )?;
    house.close();
    Ok(())
}
