//! Speed: of each room alone, and of the whole house under load.
//!
//! ```text
//! cargo bench                              everything, about eight minutes
//! cargo bench -- scrub                     one group: decode, scrub, privacy, store, query
//! cargo bench -- load                      only the load; --seconds 8 --warm 2 --runs 3 --case 100x16
//! cargo bench -- tsdb ...                  the store against its goals, see below
//! cargo bench -- bodies FILE               the load's requests for another driver: --events 100 --count 150 --seed 7
//! ```
//!
//! **Rooms** (criterion). Each group runs a baseline of the same work in the same process, so that ratios mean something on a machine
//! that others use too: decoding against `serde_json::Value`, scrubbing against six plain regular expressions, committing against one
//! `fdatasync` a batch, counting against one pass over a slice.
//!
//! **Load** (own driver, [`load`]). Starts the real binary on an empty directory, on a processor core of its own when there are two, and
//! posts events from the other one: a hundred a request over 16 connections, one a request over 64, one over 1. Counted are only events
//! that the gateway says it accepted, and all of the processor time that the server spends until it is idle again, so that work
//! left for after the answer does not come for free. Beside it, in the same round, runs a server of this folder that reads a request, appends its
//! body to a file, syncs groups and answers without looking into anything: "durable HTTP", and nothing else. `ratio` is events per CPU-second against it.
//! And, as "no rules", the gateway under a policy without detectors: what the privacy rules cost.
//!
//! Events are about 634 bytes, a fifth of them with personal data beyond user and address ([`events`]).
//!
//! **Store** ([`tsdb`]). A week of a hundred tenants, made by `benches/peers/gen.rs`, through the real rooms in this process, with an address-only
//! privacy policy, since the peers have none. JSON lines tell processor time, bytes on the disk and written, and memory:
//!
//! ```text
//! rustc --edition 2021 -O benches/peers/gen.rs -o gen && ./gen --rows 1000000 --out events.ndjson
//! cargo bench -- tsdb map events.ndjson requests       lines to requests of a tenant each; --batch 250
//! cargo bench -- tsdb load requests DIR                durable, sealed, merged, rolled up; --in-flight 8 --arrival nightly|live --journal-only --requests N
//! cargo bench -- tsdb query DIR --session S            the fifteen questions; --answers --passes 3 --only q01_summary_24h,...
//! cargo bench -- tsdb erase DIR                        one user of the largest tenant
//! cargo bench -- tsdb http requests DIR                the same bulk over HTTP, by the real binary; --in-flight 8
//! cargo bench -- tsdb shred DIR                        a day of one tenant; --tenant t00000
//! cargo bench -- tsdb drop DIR                         a day, then everything
//! cargo bench -- tsdb replay requests DIR              a start with 150,000 events in the journal
//! ```
//!
//! `make bench` runs the rooms, the load and all of these (minutes). `make bench-peers` runs `benches/peers/run.sh` (an hour; installs PostgreSQL and a
//! virtual environment): chdb, DuckDB and PostgreSQL on the same events in turn, answers compared, one table of medians and ratios.
//!
//! **Another driver.** `bodies` writes the same requests as `LENGTH`, a line feed, and that many bytes, again and again, as scripts for wrk
//! and the like read them:
//!
//! ```text
//! cargo bench -- bodies b100.bin --events 100 --count 150 ; cargo bench -- bodies b1.bin --events 1 --count 5000
//! taskset -c 0 tidegate serve --data D --listen 127.0.0.1:8099 &
//! KEY=$(tidegate key create --tenant default --data D)
//! python3 measure.py --url http://127.0.0.1:8099/v1/events --pid $! --bodies b100.bin --events 100 --conns 16 --header "Authorization: Bearer $KEY"
//! python3 measure.py --url http://127.0.0.1:8099/v1/events --pid $! --bodies b1.bin --events 1 --conns 64 --header "Authorization: Bearer $KEY"
//! ```

mod events;
mod load;
mod privacy;
mod rooms;
mod tsdb;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::str::FromStr;

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    // cargo itself adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let options = Options(&arguments);
    match arguments.first().map(String::as_str) {
        None => {
            rooms::run();
            load::run(&load::Plan::new(&options)?)
        }
        Some("load") => load::run(&load::Plan::new(&options)?),
        Some("bodies") => write_bodies(arguments.get(1).ok_or("bodies: name a file")?, &options),
        Some("tsdb") => tsdb::run(arguments.get(1..).unwrap_or_default(), &options),
        Some(load::BASELINE) => Ok(load::serve_baseline(arguments.get(1).ok_or("name a directory")?.as_ref())?),
        Some(_) => {
            rooms::run();
            Ok(())
        }
    }
}

/// The arguments after the first, as `--name value`.
struct Options<'a>(&'a [String]);

impl Options<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().skip_while(|argument| *argument != name).nth(1).map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        self.text(name).map_or(Ok(default), |text| text.parse().map_err(|_| format!("{name}: not a number")))
    }
}

fn write_bodies(path: &str, options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let mut source = events::Source::new(options.number("--seed", 7)?);
    let mut file = BufWriter::new(File::create(path)?);
    for _ in 0..options.number("--count", 150)? {
        let body = source.body(options.number("--events", 100)?, events::Ids::None);
        writeln!(file, "{}", body.bytes.len())?;
        file.write_all(&body.bytes)?;
    }
    Ok(file.flush()?)
}
