//! The whole house under load: the release binary, driven over HTTP, beside a server that does nothing but write.
//!
//! [`server`] starts and watches processes, [`driver`] sends and counts, [`baseline`] is what they are compared with, [`table`] prints. One *run* is: fresh server on an
//! empty directory, warm-up, idle, measured window, idle again. Runs of all cases are interleaved, and the median of each column is printed, so that
//! a disturbance of the machine meets every case alike; the last column says how large it was.

mod baseline;
mod driver;
mod server;
mod table;

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use tidegate::privacy::detect::Kind;

use crate::Options;
use crate::events::{Ids, Source};

use driver::Requests;
use server::{Pinning, Server};
use table::Measured;

pub(crate) use baseline::{BASELINE, serve as serve_baseline};

/// One shape of load.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    /// Events in a request.
    events: usize,
    /// Different requests, sent in turn.
    bodies: usize,
    connections: usize,
    ids: Ids,
}

const CASES: [Case; 4] = [
    Case { name: "100x16", events: 100, bodies: 150, connections: 16, ids: Ids::None },
    Case { name: "1x64", events: 1, bodies: 5000, connections: 64, ids: Ids::None },
    Case { name: "1x1", events: 1, bodies: 5000, connections: 1, ids: Ids::None },
    Case { name: "100x16 with ids", events: 100, bodies: 150, connections: 16, ids: Ids::Patched },
];

/// What is to be measured, and for how long.
pub(crate) struct Plan {
    seconds: Duration,
    warm: Duration,
    runs: usize,
    cases: Vec<Case>,
}

impl Plan {
    pub(crate) fn new(options: &Options<'_>) -> Result<Plan, String> {
        let wanted = |case: &Case| options.text("--case").is_none_or(|name| case.name == name);
        Ok(Plan {
            seconds: Duration::from_secs(options.number("--seconds", 8)?),
            warm: Duration::from_secs(options.number("--warm", 2)?),
            runs: options.number("--runs", 3)?,
            cases: CASES.into_iter().filter(wanted).collect(),
        })
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Gateway,
    /// The gateway under a policy without detectors: what the rules cost.
    NoRules,
    Baseline,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Contender::Gateway => "gateway",
            Contender::NoRules => "no rules",
            Contender::Baseline => "baseline",
        }
    }
}

const CONTENDERS: [Contender; 3] = [Contender::Baseline, Contender::NoRules, Contender::Gateway];

/// Measures everything in the plan and prints a table.
pub(crate) fn run(plan: &Plan) -> Result<(), Box<dyn Error>> {
    let pinning = Pinning::take();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\nload: {} runs of {} s after {} s; {pinning}",
        plan.runs,
        plan.seconds.as_secs(),
        plan.warm.as_secs()
    )?;
    let mut measured = Vec::new();
    for round in 1..=plan.runs {
        for case in &plan.cases {
            let requests = Requests::new(&mut Source::new(7), case.events, case.bodies, case.ids);
            for contender in CONTENDERS {
                let result = measure(plan, case, contender, &requests, pinning)?;
                writeln!(
                    out,
                    "  round {round}  {:<16} {:<8} {:>9.0} events/CPU-s",
                    case.name,
                    contender.name(),
                    result.events_per_cpu_s()
                )?;
                out.flush()?;
                measured.push((case.name, contender, result));
            }
        }
    }
    let names: Vec<&str> = plan.cases.iter().map(|case| case.name).collect();
    table::print(&mut out, &names, &measured)?;
    Ok(())
}

/// A policy in which every detector is switched off.
fn without_rules() -> String {
    Kind::ALL.iter().map(|kind| format!("[[rules]]\nid = '{}'\nenabled = false\n", kind.name())).collect()
}

/// One run of one case.
fn measure(
    plan: &Plan,
    case: &Case,
    contender: Contender,
    requests: &Requests,
    pinning: Pinning,
) -> Result<Measured, Box<dyn Error>> {
    let server = match contender {
        Contender::Gateway => Server::gateway(pinning, None)?,
        Contender::NoRules => Server::gateway(pinning, Some(&without_rules()))?,
        Contender::Baseline => Server::baseline(pinning)?,
    };
    driver::drive(&server, requests, case.connections, plan.warm)?;
    server.wait_until_idle()?;

    let before = server.usage()?;
    let driven = driver::drive(&server, requests, case.connections, plan.seconds)?;
    let busy = server.usage()?;
    server.wait_until_idle()?;
    let after = server.usage()?;
    Ok(Measured::new(driven, before, busy, after, server.peak_bytes()?))
}
