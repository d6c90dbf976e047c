//! Which rows a question looks at.
//!
//! A [`Scan`] is the parts that the store gave, and the bounds on reading them. It hands out one chunk after the other with the filter
//! already translated to the chunk's dictionary codes, so that a row is filtered by comparing numbers, and a chunk that cannot hold a
//! match is skipped. It does not sort: rows come in the order of arrival within a bucket, in no order between buckets.

use crate::privacy::event::EventType;
use crate::store::Part;
use crate::store::columns::{Columns, Dictionary};
use crate::store::row::TextColumn;

use super::Error;

/// The status from which a request that says nothing of `ok` has failed.
const FIRST_SERVER_ERROR: u16 = 500;
/// How [`Columns::ok`] says that an event failed.
const FAILED: u8 = 1;
/// How [`Columns::ok`] says nothing.
const NOT_SAID: u8 = 0;

/// The rows that one question reads.
#[derive(Clone, Copy)]
pub struct Scan<'p> {
    parts: &'p [Part],
    stop: Option<&'p dyn Fn() -> bool>,
}

impl<'p> Scan<'p> {
    /// A scan of `parts`, which [`Store::read`](crate::store::Store::read) gave for the range of the question.
    ///
    /// # Errors
    /// [`Error::TooManyRows`] when they hold more rows than `rows_max` (counted in whole chunks, before anything is read).
    pub fn new(parts: &'p [Part], rows_max: u64) -> Result<Scan<'p>, Error> {
        let rows: u64 = parts.iter().map(|part| part.columns().len() as u64).sum();
        if rows > rows_max { Err(Error::TooManyRows { rows_max }) } else { Ok(Scan { parts, stop: None }) }
    }

    /// Ends the scan with [`Error::Stopped`] once `stop()` is true; it is asked before every chunk (a few thousand rows).
    pub fn stopped_by(self, stop: &'p dyn Fn() -> bool) -> Scan<'p> {
        Scan { stop: Some(stop), ..self }
    }

    /// The parts in the order given.
    pub(super) fn parts(&self) -> &'p [Part] {
        self.parts
    }

    /// The chunks that may hold a match.
    pub(super) fn chunks<'q>(&'q self, filter: Filter<'q>) -> impl Iterator<Item = Result<Chunk<'p>, Error>> {
        self.parts.iter().filter_map(move |part| match self.stop {
            Some(stop) if stop() => Some(Err(Error::Stopped)),
            _ => Chunk::of(part, filter).map(Ok),
        })
    }
}

/// What a row must have. Nothing is asked for by default.
#[derive(Clone, Copy, Default)]
pub(super) struct Filter<'q> {
    pub event_type: Option<EventType>,
    pub name: Option<&'q str>,
    pub session: Option<&'q str>,
}

/// The rows of one part, and the filter in its codes.
pub(super) struct Chunk<'p> {
    part: &'p Part,
    pub columns: &'p Columns,
    event_type: Option<u8>,
    name: Option<(Dictionary<'p>, u32)>,
    session: Option<(Dictionary<'p>, u32)>,
}

impl<'p> Chunk<'p> {
    /// `None` when no row can match.
    fn of(part: &'p Part, filter: Filter<'_>) -> Option<Chunk<'p>> {
        let columns = part.columns();
        let coded = |column, wanted: Option<&str>| match wanted {
            None => Some(None),
            Some(value) => {
                let dictionary = columns.dictionary(column)?;
                Some(Some((dictionary, dictionary.find(value)?)))
            }
        };
        Some(Chunk {
            part,
            columns,
            event_type: filter.event_type.map(EventType::code),
            name: coded(TextColumn::Name, filter.name)?,
            session: coded(TextColumn::Session, filter.session)?,
        })
    }

    /// Positions of the rows that match.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let all = self.event_type.is_none() && self.name.is_none() && self.session.is_none();
        self.part.rows().filter(move |row| all || self.matches(*row))
    }

    /// The same rows under another filter; `None` when none can match.
    pub fn narrowed(&self, filter: Filter<'_>) -> Option<Chunk<'p>> {
        Chunk::of(self.part, filter)
    }

    /// Whether a row of [`Chunk::rows`] without a filter matches this one's.
    pub fn matches(&self, row: usize) -> bool {
        let has = |wanted: &Option<(Dictionary<'_>, u32)>| wanted.is_none_or(|(column, code)| column.code(row) == code);
        self.event_type.is_none_or(|code| self.type_code(row) == code) && has(&self.name) && has(&self.session)
    }

    /// The dictionary of a column; `None` when no row of the chunk has a value.
    pub fn dictionary(&self, column: TextColumn) -> Option<Dictionary<'p>> {
        self.columns.dictionary(column)
    }

    /// When the event happened.
    pub fn time(&self, row: usize) -> i64 {
        self.columns.time().get(row).copied().unwrap_or_default()
    }

    /// The code of the event's type.
    pub fn type_code(&self, row: usize) -> u8 {
        type_code(self.columns, row)
    }

    /// Whether the event counts as an error.
    pub fn is_error(&self, row: usize) -> bool {
        is_error(self.columns, row)
    }

    /// Whether the event counts as a request.
    pub fn is_request(&self, row: usize) -> bool {
        is_request(self.type_code(row))
    }

    /// Whether the event is a call of a tool.
    pub fn is_tool_call(&self, row: usize) -> bool {
        self.type_code(row) == EventType::McpToolCall as u8
    }
}

fn type_code(columns: &Columns, row: usize) -> u8 {
    columns.event_type().get(row).copied().unwrap_or_default()
}

/// Whether a row counts as an error (the definition is in the folder's tour).
pub(super) fn is_error(columns: &Columns, row: usize) -> bool {
    let ok = columns.ok().get(row).copied().unwrap_or(NOT_SAID);
    let code = type_code(columns, row);
    ok == FAILED
        || code == EventType::Error as u8
        || code == EventType::HttpRequest as u8
            && ok == NOT_SAID
            && columns.status(row).is_some_and(|status| status >= FIRST_SERVER_ERROR)
}

fn is_request(code: u8) -> bool {
    // The codes of `mcp.*` and `http.request`; a test compares them with the names.
    (EventType::McpInitialize as u8..=EventType::HttpRequest as u8).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Sample, parts};
    use super::*;

    #[test]
    fn requests_are_mcp_and_http() {
        for t in EventType::ALL {
            assert_eq!(is_request(t.code()), t.is_mcp() || t == EventType::HttpRequest, "{t:?}");
        }
    }

    #[test]
    fn errors_are_failures_reports_and_silent_server_errors() {
        let http = |ok, status| Sample { event_type: EventType::HttpRequest, ok, status, ..Sample::default() };
        let cases = [
            (http(None, Some(500)), true),
            (http(Some(true), Some(500)), false),
            (http(Some(false), Some(200)), true),
            (http(None, Some(404)), false),
            (http(None, None), false),
            (Sample { event_type: EventType::Error, ok: Some(true), ..Sample::default() }, true),
            (Sample { event_type: EventType::Custom, status: Some(500), ..Sample::default() }, false),
            (Sample { event_type: EventType::McpToolCall, ok: Some(false), ..Sample::default() }, true),
        ];
        for (index, (sample, expected)) in cases.into_iter().enumerate() {
            let parts = parts(&[sample], 1);
            assert_eq!(is_error(parts[0].columns(), 0), expected, "case {index}");
        }
    }

    #[test]
    fn a_scan_refuses_too_many_rows_and_stops_when_told() {
        let parts = parts(&vec![Sample::default(); 10], 5);
        assert_eq!(Scan::new(&parts, 9).err(), Some(Error::TooManyRows { rows_max: 9 }));
        let scan = Scan::new(&parts, 10).unwrap();
        assert_eq!(scan.chunks(Filter::default()).filter(Result::is_ok).count(), 2);
        let stopped = scan.stopped_by(&|| true);
        assert_eq!(stopped.chunks(Filter::default()).next().unwrap().err(), Some(Error::Stopped));
    }
}
