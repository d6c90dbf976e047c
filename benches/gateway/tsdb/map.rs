//! From the generator's lines to requests of the native protocol.
//!
//! Each tenant's lines are gathered to batches, as its sender would; a batch ends when it is full or its day is over. A batch is written as a line
//! with the tenant, the moment of its newest event and its numbers of events and bytes, followed by the body. Ids are left out: the store gives none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use tidegate::clock::DAY_MS;

const BUFFER_BYTES: usize = 1 << 20;

/// A line of the generator.
#[derive(Deserialize)]
struct Line<'l> {
    ts: i64,
    tenant: &'l str,
    session: &'l str,
    user_id: Option<&'l str>,
    kind: &'l str,
    name: Option<Cow<'l, str>>,
    status: &'l str,
    #[serde(borrow)]
    duration_ms: &'l RawValue,
    error_code: Option<&'l str>,
    error_message: Option<Cow<'l, str>>,
    bytes_in: u64,
    bytes_out: u64,
    ip: &'l str,
    country: &'l str,
    client: &'l str,
    client_version: &'l str,
    user_agent: Cow<'l, str>,
    server: &'l str,
    #[serde(borrow)]
    params: &'l RawValue,
}

/// The events of one request.
pub(super) struct Request {
    pub(super) tenant: String,
    /// When its newest event happened.
    pub(super) newest: i64,
    pub(super) events: u64,
    pub(super) body: Vec<u8>,
}

#[derive(Default)]
struct Batch {
    newest: i64,
    events: usize,
    body: Vec<u8>,
}

/// Reads the generator's file and writes requests of up to `batch` events.
pub(super) fn write(events: &Path, requests: &Path, batch: usize) -> Result<(), Box<dyn Error>> {
    let mut lines = BufReader::with_capacity(BUFFER_BYTES, File::open(events)?);
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(requests)?);
    let mut open: BTreeMap<String, Batch> = BTreeMap::new();
    let (mut text, mut day) = (String::new(), 0);
    loop {
        text.clear();
        if lines.read_line(&mut text)? == 0 {
            break;
        }
        let line: Line<'_> = serde_json::from_str(&text)?;
        // Late events of yesterday arrive today.
        if line.ts / DAY_MS > day {
            day = line.ts / DAY_MS;
            finish_all(&mut open, &mut out)?;
        }
        if !open.contains_key(line.tenant) {
            open.insert(line.tenant.to_owned(), Batch::default());
        }
        let Some(gathered) = open.get_mut(line.tenant) else { continue };
        gathered.newest = gathered.newest.max(line.ts).max(day * DAY_MS);
        gathered.events += 1;
        line.write(&mut gathered.body)?;
        if gathered.events >= batch {
            gathered.finish(line.tenant, &mut out)?;
        }
    }
    finish_all(&mut open, &mut out)?;
    Ok(out.flush()?)
}

fn finish_all(open: &mut BTreeMap<String, Batch>, out: &mut impl Write) -> std::io::Result<()> {
    let mut left: Vec<(&String, &mut Batch)> = open.iter_mut().filter(|(_, batch)| batch.events > 0).collect();
    left.sort_by_key(|(_, batch)| batch.newest);
    left.into_iter().try_for_each(|(tenant, batch)| batch.finish(tenant, out))
}

impl Batch {
    fn finish(&mut self, tenant: &str, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{tenant} {} {} {}", self.newest, self.events, self.body.len())?;
        out.write_all(&self.body)?;
        (self.newest, self.events) = (0, 0);
        self.body.clear();
        Ok(())
    }
}

impl Line<'_> {
    /// The event in native form. `params` become attributes beside those that have no member of their own.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
        let event_type = match self.kind {
            "mcp.list_tools" => "mcp.tools_list",
            kind if kind.starts_with("mcp.") => kind,
            // Its class is kept for a day by default, and this data is a week's.
            _ => "custom",
        };
        write!(out, r#"{{"type":"{event_type}","timestamp":{},"session":"{}""#, self.ts, self.session)?;
        if let Some(user) = self.user_id {
            write!(out, r#","user":"{user}""#)?;
        }
        if let Some(name) = &self.name {
            write!(out, r#","name":{}"#, serde_json::to_string(name)?)?;
        }
        write!(out, r#","duration_ms":{},"ok":{}"#, self.duration_ms, self.status != "error")?;
        if let Some(code) = self.error_code {
            let message = serde_json::to_string(self.error_message.as_deref().unwrap_or_default())?;
            write!(out, r#","error":{{"type":"{code}","message":{message}}}"#)?;
        }
        write!(out, r#","ip":"{}","user_agent":{}"#, self.ip, serde_json::to_string(&self.user_agent)?)?;
        write!(out, r#","client":{{"name":"{}","version":"{}"}}"#, self.client, self.client_version)?;
        write!(out, r#","server":{{"name":"{}"}},"attributes":{{"bytes_in":{}"#, self.server, self.bytes_in)?;
        write!(out, r#","bytes_out":{},"country":"{}""#, self.bytes_out, self.country)?;
        if self.kind == "http.request" {
            write!(out, r#","kind":"http.request""#)?;
        }
        let params = self.params.get().trim_start_matches('{').trim_end();
        let params = params.strip_suffix('}').ok_or("params: not an object")?;
        if !params.is_empty() {
            write!(out, ",{params}")?;
        }
        Ok(writeln!(out, "}}}}")?)
    }
}

/// Requests out of a file that [`write`] made.
pub(super) struct Requests {
    file: BufReader<File>,
    head: String,
}

impl Requests {
    pub(super) fn open(path: &Path) -> std::io::Result<Requests> {
        Ok(Requests { file: BufReader::with_capacity(BUFFER_BYTES, File::open(path)?), head: String::new() })
    }

    /// The next one; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Request>, Box<dyn Error>> {
        self.head.clear();
        if self.file.read_line(&mut self.head)? == 0 {
            return Ok(None);
        }
        let parts: Vec<&str> = self.head.split_whitespace().collect();
        let [tenant, newest, events, bytes] = parts.as_slice() else { return Err("not a file of requests".into()) };
        let mut body = vec![0; bytes.parse()?];
        self.file.read_exact(&mut body)?;
        Ok(Some(Request { tenant: (*tenant).to_owned(), newest: newest.parse()?, events: events.parse()?, body }))
    }
}
