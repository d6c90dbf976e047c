//! Which rows a question looks at.
//!
//! A [`Scan`] is the parts that the store gave, and the bounds on reading them. It loads one part after the other with the columns that the
//! question looks at, and hands it out as a [`Chunk`]: the positions of the rows that match, the filter translated to the part's dictionary
//! codes, so that a row is filtered by comparing numbers. A chunk is dropped before the next is loaded, so memory is bounded by one part. It
//! does not sort: rows come in the order of the store within a part, in no order between parts.

use crate::privacy::event::EventType;
use crate::store::columns::{Columns, Dictionary};
use crate::store::need::{Need, Plain};
use crate::store::rollup::Rollup;
use crate::store::row::TextColumn;
use crate::store::{Loaded, Part};

use super::Error;
use super::filter::RowFilter;

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
    past: &'p [Rollup],
}

impl<'p> Scan<'p> {
    /// A scan of `parts`, which [`Store::read`](crate::store::Store::read) gave for the range of the question.
    ///
    /// # Errors
    /// [`Error::TooManyRows`] when they hold more rows than `rows_max` (counted in whole parts, before anything is read).
    pub fn new(parts: &'p [Part], rows_max: u64) -> Result<Scan<'p>, Error> {
        let rows: u64 = parts.iter().map(|part| part.rows_max() as u64).sum();
        if rows > rows_max { Err(Error::TooManyRows { rows_max }) } else { Ok(Scan { parts, stop: None, past: &[] }) }
    }

    /// Ends the scan with [`Error::Stopped`] once `stop()` is true; it is asked before every part, and amid those whose rows a condition looks at.
    pub fn stopped_by(self, stop: &'p dyn Fn() -> bool) -> Scan<'p> {
        Scan { stop: Some(stop), ..self }
    }

    /// With the totals of days whose rows are gone, which [`Store::rollups`](crate::store::Store::rollups) gave.
    pub fn with_past(self, past: &'p [Rollup]) -> Scan<'p> {
        Scan { past, ..self }
    }

    /// Those totals.
    pub(super) fn past(&self) -> &'p [Rollup] {
        self.past
    }

    /// The parts in the order given.
    pub(super) fn parts(&self) -> &'p [Part] {
        self.parts
    }

    /// The visible rows of one part, with the columns of `need`.
    pub(super) fn load(&self, part: &Part, need: &Need) -> Result<Loaded, Error> {
        if self.is_stopped() { Err(Error::Stopped) } else { Ok(part.load(need)?) }
    }

    /// The chunks that hold a match, with the columns of `need` and those that the filter looks at.
    pub(super) fn chunks<'q>(
        &'q self,
        need: &Need,
        filter: Filter<'q>,
    ) -> impl Iterator<Item = Result<Chunk, Error>> + use<'p, 'q> {
        let need = need.clone().and(&filter.need());
        self.parts.iter().filter_map(move |part| self.chunk(part, &need, filter).transpose())
    }

    /// One part; `None` when no row matches. `need` includes what the filter looks at.
    pub(super) fn chunk(&self, part: &Part, need: &Need, filter: Filter<'_>) -> Result<Option<Chunk>, Error> {
        let stop = || self.is_stopped();
        if stop() {
            return Err(Error::Stopped);
        }
        // A session lies in few parts: its column alone says which.
        if filter.session.is_some() && Chunk::of(part.load(&filter.need())?, filter, &stop)?.is_none() {
            return Ok(None);
        }
        Chunk::of(part.load(need)?, filter, &stop)
    }

    /// Another filter in the codes of a chunk; `None` when no row can match it.
    pub(super) fn codes(&self, chunk: &Chunk, filter: Filter<'_>) -> Result<Option<Codes>, Error> {
        Codes::of(&chunk.loaded, filter, &|| self.is_stopped())
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop())
    }
}

/// What a row must have. Nothing is asked for by default.
#[derive(Clone, Copy, Default)]
pub(super) struct Filter<'q> {
    pub event_type: Option<EventType>,
    pub name: Option<&'q str>,
    pub session: Option<&'q str>,
    pub condition: Option<&'q RowFilter>,
}

impl Filter<'_> {
    /// The columns that it looks at.
    pub fn need(&self) -> Need {
        let plain = self.event_type.map(|_| Plain::EventType);
        let text = [self.name.map(|_| TextColumn::Name), self.session.map(|_| TextColumn::Session)];
        let need = plain.into_iter().fold(Need::NONE, Need::plain);
        let need = text.into_iter().flatten().fold(need, Need::text);
        self.condition.iter().fold(need, |need, condition| need.and(condition.need()))
    }
}

/// A [`Filter`] in the codes of one part.
pub(super) struct Codes {
    event_type: Option<u8>,
    name: Option<u32>,
    session: Option<u32>,
    /// For every row, whether the condition holds.
    held: Option<Vec<bool>>,
}

impl Codes {
    /// `None` when no row of the part can match.
    fn of(loaded: &Loaded, filter: Filter<'_>, stop: &dyn Fn() -> bool) -> Result<Option<Codes>, Error> {
        let code = |column, wanted: Option<&str>| match wanted {
            None => Some(None),
            Some(value) => Some(Some(loaded.columns().dictionary(column)?.find(value)?)),
        };
        let names = code(TextColumn::Name, filter.name).zip(code(TextColumn::Session, filter.session));
        let Some((name, session)) = names else { return Ok(None) };
        let held = filter.condition.map(|condition| condition.mask(loaded, stop)).transpose()?;
        Ok(Some(Codes { event_type: filter.event_type.map(EventType::code), name, session, held }))
    }

    fn wants_all(&self) -> bool {
        self.event_type.is_none() && self.name.is_none() && self.session.is_none() && self.held.is_none()
    }

    /// Whether a visible row matches.
    pub fn matches(&self, columns: &Columns, row: usize) -> bool {
        let has = |column, wanted: Option<u32>| {
            wanted.is_none_or(|wanted| columns.dictionary(column).is_some_and(|codes| codes.code(row) == wanted))
        };
        self.event_type.is_none_or(|code| columns.event_type().get(row) == Some(&code))
            && has(TextColumn::Name, self.name)
            && has(TextColumn::Session, self.session)
            && self.held.as_ref().is_none_or(|held| held.get(row) == Some(&true))
    }
}

/// The matching rows of one part.
pub(super) struct Chunk {
    loaded: Loaded,
    /// Positions of the rows that match; `None` when all do.
    picked: Option<Vec<u32>>,
}

impl Chunk {
    /// `None` when no row matches.
    fn of(loaded: Loaded, filter: Filter<'_>, stop: &dyn Fn() -> bool) -> Result<Option<Chunk>, Error> {
        let Some(codes) = Codes::of(&loaded, filter, stop)? else { return Ok(None) };
        let columns = loaded.columns();
        if loaded.is_whole() && codes.wants_all() {
            return Ok((!columns.is_empty()).then_some(Chunk { loaded, picked: None }));
        }
        let matching = loaded.rows().filter(|row| codes.matches(columns, *row));
        let picked: Vec<u32> = matching.filter_map(|row| u32::try_from(row).ok()).collect();
        Ok((!picked.is_empty()).then_some(Chunk { loaded, picked: Some(picked) }))
    }

    /// Positions of the rows that match.
    pub fn rows(&self) -> Rows<'_> {
        match &self.picked {
            Some(picked) => Rows::Picked(picked.iter()),
            None => Rows::Every(0..self.columns().len()),
        }
    }

    /// The rows, those that do not match included.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The columns; read them only at the positions that [`Chunk::rows`] gives.
    pub fn columns(&self) -> &Columns {
        self.loaded.columns()
    }

    /// The dictionary of a column; `None` when no row of the chunk has a value.
    pub fn dictionary(&self, column: TextColumn) -> Option<Dictionary<'_>> {
        self.columns().dictionary(column)
    }

    /// The rows as the hot loops look at them.
    pub fn view(&self) -> View<'_> {
        View::of(self.columns())
    }
}

/// The columns that nearly every question looks at, at hand as slices.
#[derive(Clone, Copy)]
pub(super) struct View<'c> {
    pub columns: &'c Columns,
    times: &'c [i64],
    types: &'c [u8],
    ok: &'c [u8],
}

impl<'c> View<'c> {
    /// The view of some columns.
    pub fn of(columns: &'c Columns) -> View<'c> {
        View { columns, times: columns.time(), types: columns.event_type(), ok: columns.ok() }
    }

    /// When the event happened.
    #[inline]
    pub fn time(&self, row: usize) -> i64 {
        self.times.get(row).copied().unwrap_or_default()
    }

    /// The code of the event's type.
    #[inline]
    pub fn type_code(&self, row: usize) -> u8 {
        self.types.get(row).copied().unwrap_or_default()
    }

    /// Whether the event counts as an error (the definition is in the folder's tour).
    #[inline]
    pub fn is_error(&self, row: usize) -> bool {
        let ok = self.ok.get(row).copied().unwrap_or(NOT_SAID);
        let code = self.type_code(row);
        ok == FAILED
            || code == EventType::Error as u8
            || code == EventType::HttpRequest as u8
                && ok == NOT_SAID
                && self.columns.status(row).is_some_and(|status| status >= FIRST_SERVER_ERROR)
    }

    /// Whether the event counts as a request.
    #[inline]
    pub fn is_request(&self, row: usize) -> bool {
        is_request(self.type_code(row))
    }

    /// Whether the event is a call of a tool.
    #[inline]
    pub fn is_tool_call(&self, row: usize) -> bool {
        self.type_code(row) == EventType::McpToolCall as u8
    }
}

/// Positions of rows.
pub(super) enum Rows<'c> {
    /// All of a chunk.
    Every(std::ops::Range<usize>),
    /// Some.
    Picked(std::slice::Iter<'c, u32>),
}

impl Iterator for Rows<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        match self {
            Rows::Every(rows) => rows.next(),
            Rows::Picked(rows) => rows.next().map(|row| *row as usize),
        }
    }
}

/// The columns that [`View::is_error`] looks at.
pub(super) fn error_need() -> Need {
    Need::of(&[Plain::EventType, Plain::Ok, Plain::Status], &[])
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
            let loaded = parts[0].load(&error_need()).unwrap();
            assert_eq!(View::of(loaded.columns()).is_error(0), expected, "case {index}");
        }
    }

    #[test]
    fn a_scan_refuses_too_many_rows_and_stops_when_told() {
        let parts = parts(&vec![Sample::default(); 10], 5);
        assert!(matches!(Scan::new(&parts, 9).err(), Some(Error::TooManyRows { rows_max: 9 })));
        let scan = Scan::new(&parts, 10).unwrap();
        assert_eq!(scan.chunks(&Need::NONE, Filter::default()).filter(Result::is_ok).count(), 2);
        let stopped = scan.stopped_by(&|| true);
        assert!(matches!(stopped.chunks(&Need::NONE, Filter::default()).next(), Some(Err(Error::Stopped))));
    }
}
