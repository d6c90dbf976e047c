//! Requests to durable, sealed, merged and rolled-up rows.
//!
//! Some requests are under way at a time, as with that many connections, and each is answered after its sync. The clock follows the events, so that
//! buckets are those of the days on which they happened; in between the keeper's work is done as often as the keeper would do it at this speed. At the
//! end the clock moves behind the last day, everything is sealed and closed, and the journal is dropped.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};

use tidegate::clock::{DAY_MS, HOUR_MS, Millis};
use tidegate::ingest::{self, Ack, Context, Ingest, Prepared};
use tidegate::privacy::Signals;
use tidegate::protocol::native::Form;
use tidegate::store::Which;

use crate::Options;

use super::house::{House, sender};
use super::map::{Request, Requests};
use super::measure::{Used, bytes_of, peak_bytes, tell};

/// The keeper looks every 50 ms; so many events come in meanwhile at the speed that is aimed at.
const EVENTS_PER_LOOK: u64 = 16_384;

/// When the day's events arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In the last hour of their day: as much in an hour as a busy gateway gets.
    Nightly,
    /// When they happen: quiet tenants' rows are sealed early, since the journal must not grow old.
    Live,
}

/// How requests are sent.
pub(super) struct Plan {
    /// Requests under way at a time.
    in_flight: usize,
    arrival: Arrival,
    /// Whether only the way to the sync is measured, without sealing.
    journal_only: bool,
    /// Requests to read.
    requests_max: usize,
}

impl Plan {
    pub(super) fn new(options: &Options<'_>) -> Result<Plan, String> {
        let arrival = match options.text("--arrival") {
            None | Some("nightly") => Arrival::Nightly,
            Some("live") => Arrival::Live,
            Some(_) => return Err("--arrival: nightly or live".into()),
        };
        Ok(Plan {
            in_flight: options.number("--in-flight", 8)?,
            arrival,
            journal_only: options.has("--journal-only"),
            requests_max: options.number("--requests", usize::MAX)?,
        })
    }

    /// So that all of it has to be read again at the next start; no more than fits in memory.
    pub(super) fn for_replay() -> Plan {
        Plan { in_flight: 8, arrival: Arrival::Nightly, journal_only: true, requests_max: 600 }
    }

    fn received(&self, request: &Request) -> Millis {
        let day = request.newest - request.newest % DAY_MS;
        match self.arrival {
            Arrival::Live => Millis(request.newest),
            Arrival::Nightly => Millis(day + DAY_MS - HOUR_MS + (request.newest - day) / 24),
        }
    }
}

/// Loads `requests` into a new directory and tells what it took.
pub(super) fn run(requests: &Path, dir: &Path, plan: &Plan) -> Result<(), Box<dyn Error>> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    let mut requests = Requests::open(requests)?;
    let Some(first) = requests.next(Vec::new())? else { return Err("no requests".into()) };
    let house = House::open(dir, plan.received(&first))?;
    let begun = Used::now()?;
    let events = send(&house, plan, first, &mut requests)?;
    let sent = begun.since()?;
    let mut done = sent;
    if !plan.journal_only {
        house.clock.reach(Millis(house.now().0 - house.now().0 % DAY_MS + 2 * DAY_MS));
        house.seal(Which::All)?;
        house.close_buckets()?;
        house.drop_journal()?;
        done = begun.since()?;
    }
    let usage = house.store().usage();
    let families = house.families()?;
    let written = begun.since()?.written;
    house.close();
    let data = dir.join("data");
    let disk = bytes_of(&data)?;
    // The journal's files hold nothing but what was dropped; they go when RocksDB compacts them.
    let journal: u64 = families.iter().filter(|(family, _)| family == "journal").map(|(_, bytes)| bytes).sum();
    let files: Map<String, Value> = families.into_iter().map(|(family, bytes)| (family, bytes.into())).collect();
    tell(&json!({
        "mode": "load", "engine": "tidegate", "events": events, "requests": plan.requests_max, "in_flight": plan.in_flight,
        "sent_cpu": sent.cpu_s, "sent_wall": sent.wall_s, "cpu": done.cpu_s, "wall": done.wall_s, "written": written,
        "runs": usage.runs, "sealed_rows": usage.sealed_rows, "sealed_bytes": usage.sealed_bytes, "open_rows": usage.open_rows,
        "rss_peak": peak_bytes()?, "disk": disk, "kept": disk - journal, "files": files,
        "keys": fs::metadata(data.join("keys"))?.len(),
    }))?;
    Ok(())
}

/// Requests that wait for their answers.
struct UnderWay {
    runtime: Runtime,
    answers: JoinSet<Result<bool, ingest::Error>>,
}

impl UnderWay {
    fn new() -> std::io::Result<UnderWay> {
        Ok(UnderWay { runtime: Builder::new_current_thread().build()?, answers: JoinSet::new() })
    }

    fn add(&mut self, ingest: &Arc<Ingest>, prepared: Prepared, events: u64) {
        let ingest = Arc::clone(ingest);
        let answer =
            async move { ingest.commit(prepared, Ack::Synced, None).await.map(|answer| answer.accepted == events) };
        self.answers.spawn_on(answer, self.runtime.handle());
        // Lets it hand its rows to the writer.
        self.runtime.block_on(yield_now());
    }

    /// Waits until no more than `most` are left.
    fn wait(&mut self, most: usize) -> Result<(), Box<dyn Error>> {
        while self.answers.len() > most
            && let Some(answer) = self.runtime.block_on(self.answers.join_next())
        {
            if !answer?? {
                return Err("not every event was accepted".into());
            }
        }
        Ok(())
    }
}

fn send(house: &House, plan: &Plan, first: Request, requests: &mut Requests) -> Result<u64, Box<dyn Error>> {
    let (mut next, mut left) = (Some(first), plan.requests_max);
    let (mut events, mut looked_at, mut day) = (0, 0, 0);
    let mut under_way = UnderWay::new()?;
    while let Some(request) = next.take().filter(|_| left > 0) {
        let received = plan.received(&request);
        house.clock.reach(received);
        let context = Context {
            client_address: None,
            user_agent: None,
            signals: Signals::default(),
            received,
            lists_redactions: false,
        };
        let prepared = house.ingest().prepare(sender(&request.tenant), &request.body, Form::Ndjson, &context)?;
        under_way.add(house.ingest(), prepared, request.events);
        under_way.wait(plan.in_flight - 1)?;
        events += request.events;
        if !plan.journal_only && events - looked_at >= EVENTS_PER_LOOK {
            looked_at = events;
            house.seal(Which::Due)?;
        }
        let today = received.0 / DAY_MS;
        if !plan.journal_only && today > day {
            day = today;
            house.close_buckets()?;
        }
        (next, left) = (requests.next(request.body)?, left - 1);
    }
    under_way.wait(0)?;
    Ok(events)
}
