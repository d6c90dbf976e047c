//! Figures of one run, medians over runs, and the table.

use std::io::{self, Write};

use super::Contender;
use super::driver::Driven;
use super::server::Usage;

/// Figures of one run.
pub(super) struct Measured {
    driven: Driven,
    /// The server's processor seconds, until it was idle again.
    server_s: f64,
    /// Share of one core that neither server nor driver used, but somebody, in percent.
    others_percent: f64,
    /// Share of one core that the driver used, in percent.
    driver_percent: f64,
    peak_bytes: u64,
    written: u64,
}

impl Measured {
    /// `busy` is the usage at the end of the window, `after` when the server was idle again.
    pub(super) fn new(driven: Driven, before: Usage, busy: Usage, after: Usage, peak_bytes: u64) -> Measured {
        let share = |seconds: f64| 100.0 * seconds.max(0.0) / (busy.at - before.at).as_secs_f64();
        let (server, driver) = (busy.server_s - before.server_s, busy.driver_s - before.driver_s);
        let others = busy.machine_s - before.machine_s - server - driver;
        Measured {
            server_s: after.server_s - before.server_s,
            others_percent: share(others),
            driver_percent: share(driver),
            peak_bytes,
            written: after.written.saturating_sub(before.written),
            driven,
        }
    }

    /// Acknowledged events for each second of the server's processor time.
    pub(super) fn events_per_cpu_s(&self) -> f64 {
        self.driven.events as f64 / self.server_s.max(f64::MIN_POSITIVE)
    }

    fn events_per_s(&self) -> f64 {
        self.driven.events as f64 / self.driven.elapsed.as_secs_f64()
    }

    /// Milliseconds within which a share of the requests was answered.
    fn latency_ms(&self, share: f64) -> f64 {
        let latencies = &self.driven.latencies_us;
        let rank = (share * latencies.len().saturating_sub(1) as f64).round() as usize;
        latencies.get(rank).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
    }

    fn bytes_per_event(&self) -> f64 {
        self.written as f64 / self.driven.events as f64
    }
}

/// Prints one line a case and contender: the median of each column over the runs.
pub(super) fn print(out: &mut dyn Write, cases: &[&str], measured: &[(&str, Contender, Measured)]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<16} {:<8} {:>9} {:>12} {:>9} {:>8} {:>8} {:>8} {:>9} {:>12} {:>9} {:>8} {:>8} {:>8}",
        "events x conns",
        "server",
        "events/s",
        "events/CPU-s",
        "ratio",
        "p50 ms",
        "p99 ms",
        "max ms",
        "peak MB",
        "B written/ev",
        "B sent/ev",
        "failures",
        "driver %",
        "others %"
    )?;
    for case in cases {
        for contender in super::CONTENDERS {
            let of = |who: Contender| {
                measured.iter().filter(move |(name, by, _)| name == case && *by == who).map(|(_, _, m)| m)
            };
            let column = |figure: &dyn Fn(&Measured) -> f64| median(of(contender).map(figure).collect());
            // Of two runs of the same round, which met the same disturbances.
            let ratios = of(contender)
                .zip(of(Contender::Baseline))
                .map(|(own, baseline)| own.events_per_cpu_s() / baseline.events_per_cpu_s());
            writeln!(
                out,
                "{case:<16} {:<8} {:>9.0} {:>12.0} {:>9.3} {:>8.2} {:>8.2} {:>8.1} {:>9.1} {:>12.0} {:>9.0} {:>8.0} {:>8.0} {:>8.0}",
                contender.name(),
                column(&Measured::events_per_s),
                column(&Measured::events_per_cpu_s),
                median(ratios.collect()),
                column(&|m| m.latency_ms(0.50)),
                column(&|m| m.latency_ms(0.99)),
                column(&|m| m.latency_ms(1.0)),
                column(&|m| m.peak_bytes as f64 / 1e6),
                column(&Measured::bytes_per_event),
                column(&|m| m.driven.body_bytes as f64 / m.driven.events as f64),
                column(&|m| m.driven.failures as f64),
                column(&|m| m.driver_percent),
                column(&|m| m.others_percent),
            )?;
        }
    }
    writeln!(
        out,
        "Peak memory holds every event of warm-up and window: they stay in open buckets until they are sealed."
    )
}

/// The middle one; of an even number the upper.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
