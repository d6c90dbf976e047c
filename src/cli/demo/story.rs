//! What the demo prints: counts, one event before and after, and commands to look around with.

use std::io::{self, Write};

use serde_json::Value;

use super::gateway::Tally;

/// A request that was refused, as it should be.
pub(super) struct Refusal {
    /// What was tried.
    pub(super) attempt: &'static str,
    /// What was answered.
    pub(super) status: u16,
}

/// What a reader needs to look into one tenant.
pub(super) struct Guide<'g> {
    pub(super) name: &'g str,
    /// Shell variable that will hold the token.
    pub(super) variable: &'g str,
    pub(super) tenant: &'g str,
    pub(super) token: &'g str,
    /// The type of most of its events.
    pub(super) kind: &'g str,
}

/// What is going on.
pub(super) fn opening(out: &mut dyn Write, base: &str) -> io::Result<()> {
    writeln!(
        out,
        "Tidegate demo at {base}\n\nThree tenants tell their last six hours. Every line is what the gateway itself answered:\n"
    )
}

/// One tenant's events.
pub(super) fn tally(out: &mut dyn Write, name: &str, tally: &Tally) -> io::Result<()> {
    let Tally { sent, accepted, duplicates, rejected, quarantined, .. } = tally;
    let balance = if tally.balances() { "" } else { "   DOES NOT BALANCE" };
    writeln!(
        out,
        "  {name:<14} {sent:>5} sent = {accepted:>5} accepted + {duplicates:>3} duplicates + {rejected:>3} rejected + {quarantined} quarantined{balance}"
    )
}

/// What was found and why events were refused, over all tenants.
pub(super) fn findings(out: &mut dyn Write, total: &Tally) -> io::Result<()> {
    writeln!(
        out,
        "\nTaken out before anything was written, in native events by rule:\n  {}",
        listed(&total.redactions)
    )?;
    writeln!(out, "Rejected, by reason:\n  {}", listed(&total.reasons))
}

fn listed(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Requests that were turned away.
pub(super) fn refusals(out: &mut dyn Write, refusals: &[Refusal]) -> io::Result<()> {
    writeln!(out, "\nTurned away at the door:")?;
    refusals.iter().try_for_each(|Refusal { attempt, status }| writeln!(out, "  {status}  {attempt}"))
}

/// One event as it was sent, and as the tenant's export gives it.
pub(super) fn before_and_after(out: &mut dyn Write, before: &Value, after: Option<&Value>) -> io::Result<()> {
    writeln!(out, "\nOne event as it was sent:\n\n{}", indented(before))?;
    match after {
        Some(after) => writeln!(out, "\nand what is left of it (GET /api/export):\n\n{}", indented(after)),
        None => writeln!(out, "\nIt does not appear in GET /api/export."),
    }
}

fn indented(value: &Value) -> String {
    format!("{value:#}").lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Tokens and commands.
pub(super) fn look_around(out: &mut dyn Write, base: &str, guides: &[Guide<'_>]) -> io::Result<()> {
    writeln!(out, "\nLook around. Tokens for eight hours, one a tenant (query, export, compliance):\n")?;
    for Guide { variable, token, .. } in guides {
        writeln!(out, "{variable}='{token}'")?;
    }
    for Guide { name, variable, tenant, kind, .. } in guides {
        let questions = [
            ("totals", "/v1/query/summary?from=-6h".to_owned()),
            ("by quarter of an hour", "/v1/query/series?from=-6h&interval=15m".to_owned()),
            ("most frequent", format!("/v1/query/top?from=-6h&type={kind}&limit=5")),
            ("dashboard", "/api/analytics".to_owned()),
            ("sessions", "/api/sessions".to_owned()),
            ("who looked at what", "/v1/audit/records?limit=20".to_owned()),
            ("signed proof", format!("/v1/audit/tlog/{tenant}/checkpoint")),
        ];
        writeln!(out, "\n# {name}")?;
        for (what, path) in questions {
            writeln!(out, "curl -s -H \"Authorization: Bearer ${variable}\" '{base}{path}'   # {what}")?;
        }
    }
    writeln!(out, "\n# the gateway\ncurl -s '{base}/readyz'\ncurl -s '{base}/metrics'")
}
