//! The fifteen questions of the peers' harness, asked of a loaded directory, with what each costs.
//!
//! One warm-up and then some passes over all of them, as the harness does with the other engines; the store is open, its cache is as small as its
//! settings make it. An answer is counted down to its JSON text, since others are counted down to their result sets.

use std::error::Error;
use std::path::Path;

use serde_json::json;

use crate::Options;

use super::house::House;
use super::measure::{Used, peak_bytes, tell};
use super::questions::{ALL, Asked, END};

/// Asks everything of the gateway in `dir`.
pub(super) fn run(dir: &Path, options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let house = House::open(dir, END)?;
    let asked = Asked {
        store: house.store(),
        session: options.text("--session").ok_or("tsdb query: name a session with --session")?,
        repo: options.text("--repo").unwrap_or("org0/repo-0"),
    };
    let only = options.text("--only");
    for pass in 0..=options.number("--passes", 3)? {
        for question in ALL.iter().filter(|question| only.is_none_or(|names| names.split(',').any(|name| name == question.name))) {
            let begun = Used::now()?;
            let answer = serde_json::to_vec(&(question.ask)(&asked)?)?;
            let cost = begun.since()?;
            tell(&json!({
                "mode": "query", "engine": "tidegate", "q": question.name, "kernel": question.kernel, "rep": pass,
                "cpu": cost.cpu_s, "wall": cost.wall_s, "bytes": answer.len(),
            }))?;
            if pass == 0 && options.has("--answers") {
                let rows: serde_json::Value = serde_json::from_slice(&answer)?;
                tell(&json!({"mode": "answer", "engine": "tidegate", "q": question.name, "rows": rows}))?;
            }
        }
    }
    tell(&json!({"mode": "asked", "engine": "tidegate", "rss_peak": peak_bytes()?}))?;
    house.close();
    Ok(())
}
