//! The store against its goals: a million events through the real rooms, in this process, and what they cost then and later.
//!
//! [`map`] turns the generator's lines into requests of the native protocol, [`house`] opens the gateway on a directory with a clock that is moved
//! by hand, and [`load`], [`ask`] and [`change`] measure; [`http`] does the same through the real binary's sockets. Every measurement is one JSON object on a line of standard output, so that
//! `benches/peers` can put them beside those of other engines. What is counted is in [`measure`].

mod ask;
mod change;
mod house;
mod http;
mod load;
mod map;
mod measure;
mod questions;

use std::error::Error;
use std::path::Path;

use crate::Options;

/// Runs one subcommand; `arguments` begin with its name.
pub(crate) fn run(arguments: &[String], options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let path = |place: usize, what: &str| {
        arguments.get(place).map(|text| Path::new(text.as_str())).ok_or_else(|| format!("tsdb: name {what}"))
    };
    match arguments.first().map(String::as_str) {
        Some("map") => {
            map::write(path(1, "the events")?, path(2, "the file to write")?, options.number("--batch", 250)?)
        }
        Some("load") => load::run(path(1, "the requests")?, path(2, "a directory")?, &load::Plan::new(options)?),
        Some("http") => http::run(path(1, "the requests")?, path(2, "a directory")?, options),
        Some("query") => ask::run(path(1, "a directory")?, options),
        Some("replay") => change::replay(path(1, "the requests")?, path(2, "a directory")?),
        Some("erase") => change::erase(path(1, "a directory")?, options),
        Some("shred") => change::shred(path(1, "a directory")?, options),
        Some("drop") => change::drop_days(path(1, "a directory")?),
        Some(_) | None => Err("tsdb: one of map, load, http, query, replay, erase, shred, drop".into()),
    }
}
