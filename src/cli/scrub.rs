//! `tidegate scrub`: the airlock as a filter.
//!
//! Each line is one JSON value and comes out as one line. A line that is not JSON stops the work with its number: passing it on unread would be a
//! leak, leaving it out would lose data.
//!
//! Receipts are JSON lines too: one for every redaction, `{"line","path","rule","method"}`, then one with the policy's hash and the count of
//! every rule. Paths are selectors of scrubbed names; values are in neither.

use std::io::{BufRead, Write};

use serde_json::json;

use crate::privacy::json::{Json, JsonError};
use crate::privacy::{Receipt, Scrubber, Stream};

/// Nesting of one value.
const DEPTH_MAX: usize = 100;

/// Why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line is not JSON.
    #[error("line {line}: {source}")]
    Line {
        /// 1-based.
        line: usize,
        /// What is wrong with it.
        source: JsonError,
    },
    /// Input or output failed.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
}

/// Scrubs `input` to `output` by what the policy says of a stream, and tells `receipts` what was done.
pub fn run(
    scrubber: &Scrubber,
    stream: Option<Stream>,
    mut input: impl BufRead,
    mut output: impl Write,
    mut receipts: Option<impl Write>,
) -> Result<(), Error> {
    let mut receipt = if receipts.is_some() { Receipt::traced() } else { Receipt::default() };
    let (mut line, mut scrubbed) = (Vec::new(), Vec::new());
    for number in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.trim_ascii();
        scrubbed.clear();
        if !text.is_empty() {
            let value = Json::parse(text, DEPTH_MAX).map_err(|source| Error::Line { line: number, source })?;
            receipt.begin(number);
            scrubber.scrub_value_of(stream, value, &mut receipt).write_to(&mut scrubbed);
            if let Some(receipts) = &mut receipts {
                list(scrubber, &mut receipt, number, receipts)?;
            }
        }
        scrubbed.push(b'\n');
        output.write_all(&scrubbed)?;
    }
    output.flush()?;
    if let Some(receipts) = &mut receipts {
        let counts: serde_json::Map<_, _> = receipt.iter().map(|(rule, n)| (rule.to_owned(), n.into())).collect();
        writeln!(receipts, "{}", json!({ "policy": &**scrubber.policy_hash_text(), "redactions": counts }))?;
        receipts.flush()?;
    }
    Ok(())
}

/// Writes the redactions of one line.
fn list(scrubber: &Scrubber, receipt: &mut Receipt, line: usize, out: &mut impl Write) -> std::io::Result<()> {
    let (listed, omitted) = receipt.take_listed();
    for redaction in listed {
        let method = scrubber.method_of(&redaction.rule);
        writeln!(
            out,
            "{}",
            json!({ "line": line, "path": &*redaction.path, "rule": &*redaction.rule, "method": method })
        )?;
    }
    if omitted > 0 { writeln!(out, "{}", json!({ "line": line, "omitted": omitted })) } else { Ok(()) }
}
