//! `tidegate scrub`: the airlock as a filter.
//!
//! Each line is one JSON value and comes out as one line. A line that is not JSON stops the work with its number: passing it on unread would be a
//! leak, leaving it out would lose data.

use std::io::{BufRead, Write};

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

/// Scrubs `input` to `output` by what the policy says of a stream; answers how often each rule fired.
pub fn run(
    scrubber: &Scrubber,
    stream: Option<Stream>,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<Receipt, Error> {
    let mut receipt = Receipt::default();
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
            scrubber.scrub_value_of(stream, value, &mut receipt).write_to(&mut scrubbed);
        }
        scrubbed.push(b'\n');
        output.write_all(&scrubbed)?;
    }
    output.flush()?;
    Ok(receipt)
}

/// The receipt as a JSON object: rule id to count.
pub fn receipt_json(receipt: &Receipt) -> String {
    let counts: serde_json::Map<String, serde_json::Value> =
        receipt.iter().map(|(rule, n)| (rule.to_owned(), n.into())).collect();
    serde_json::Value::Object(counts).to_string()
}
