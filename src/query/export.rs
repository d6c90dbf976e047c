//! `/api/export`: everything that is retained, as one JSON document in pieces.
//!
//! ```text
//! {"success":true,"data":{"sessions":[...],"requests":[...],"toolUsage":[...]},"timestamp":"..."}
//! ```
//!
//! Sessions are those of `/api/sessions`, newest activity first; requests are all events, of whatever type, in the order of time; tool usage
//! is that of `/api/analytics`, complete. The document has no upper bound, so it is never held: [`Export`] is an iterator over pieces. What
//! is held are the sessions and the parts that overlap in time at the present place; each is loaded when its time comes. It is meant to run on
//! a thread of its own that hands pieces to the client as fast as that takes them; dropping it ends the work.
//!
//! A session past [`TOOLS_MAX`](super::session::TOOLS_MAX) tools lists the first of them only; its events are all there.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Millis;
use crate::privacy::event::EventType;
use crate::store::columns::Columns;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;
use crate::store::{Loaded, Part};

use super::first_users::{Session, Tools};
use super::scan::{Filter, View};
use super::session::{Roll, client_info, find};
use super::{Error, Moment, Scan};

/// A piece is handed out once it has this size; it is at most one event larger.
const PIECE_BYTES: usize = 64 << 10;

/// The columns that [`Request`] tells.
const TOLD: [TextColumn; 10] = [
    TextColumn::Name,
    TextColumn::Session,
    TextColumn::User,
    TextColumn::Ip,
    TextColumn::Method,
    TextColumn::Path,
    TextColumn::ErrorMessage,
    TextColumn::ErrorType,
    TextColumn::ClientName,
    TextColumn::ClientVersion,
];

/// The document, piece by piece. After an error there are no more pieces.
pub struct Export {
    stage: Stage,
    /// Whether the present list has a member yet.
    begun: bool,
    roll: Roll,
    /// Sessions that were told.
    told: usize,
    rows: InOrder,
    tools: Tools,
    now: Millis,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Sessions,
    Requests,
    ToolUsage,
    Done,
}

impl Export {
    /// Reads everything once, for the sessions and the tools; the events themselves are read as the pieces are taken.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
    pub fn new(scan: &Scan<'_>, timeout_ms: i64, now: Millis) -> Result<Export, Error> {
        let mut roll = find(scan, Filter::default(), timeout_ms)?;
        roll.keep_newest(usize::MAX);
        let mut tools = Tools::default();
        for chunk in scan.chunks(&Tools::need(), Filter::default()) {
            tools.take(&chunk?);
        }
        let rows = InOrder::of(scan.parts());
        Ok(Export { stage: Stage::Opening, begun: false, roll, told: 0, rows, tools, now })
    }

    /// Appends the next bit of the document.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        match self.stage {
            Stage::Opening => self.turn(Stage::Sessions, r#"{"success":true,"data":{"sessions":["#, out),
            Stage::Sessions => match self.roll.found.get(self.told) {
                Some(found) => {
                    self.told += 1;
                    let session = Session::of(&self.roll, found);
                    self.member(&session, out);
                }
                None => self.turn(Stage::Requests, r#"],"requests":["#, out),
            },
            Stage::Requests => match self.rows.next().transpose()? {
                Some((loaded, row)) => {
                    let columns = loaded.columns();
                    self.member(&Request::of(columns, row), out);
                    // The attributes are JSON already: they take the place of the closing brace.
                    let attributes = Some(columns.attributes(row)).filter(|text| !text.is_empty()).unwrap_or("{}");
                    out.pop();
                    out.extend_from_slice(br#","attributes":"#);
                    out.extend_from_slice(attributes.as_bytes());
                    out.push(b'}');
                }
                None => self.turn(Stage::ToolUsage, r#"],"toolUsage":["#, out),
            },
            Stage::ToolUsage => {
                for tool in std::mem::take(&mut self.tools).listed(usize::MAX) {
                    self.member(&tool, out);
                }
                let end = format!(r#"]}},"timestamp":"{}"}}"#, self.now);
                self.turn(Stage::Done, &end, out);
            }
            Stage::Done => {}
        }
        Ok(())
    }

    fn turn(&mut self, stage: Stage, text: &str, out: &mut Vec<u8>) {
        self.stage = stage;
        self.begun = false;
        out.extend_from_slice(text.as_bytes());
    }

    fn member<T: Serialize>(&mut self, member: &T, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            out.push(b',');
        }
        serde_json::to_writer(out, member).expect("plain fields always serialise into memory");
    }
}

impl Iterator for Export {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES && self.stage != Stage::Done {
            if let Err(error) = self.step(&mut piece) {
                self.stage = Stage::Done;
                return Some(Err(error));
            }
        }
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

/// One event; `attributes` follow.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'p> {
    timestamp: Moment,
    r#type: &'static str,
    name: Option<&'p str>,
    session_id: Option<&'p str>,
    user_id: Option<&'p str>,
    ip_address: Option<&'p str>,
    method: Option<&'p str>,
    path: Option<&'p str>,
    status_code: Option<u16>,
    /// Milliseconds.
    response_time: Option<f64>,
    /// Not an error.
    success: bool,
    /// Text of the error, or else its kind.
    error: Option<&'p str>,
    client_info: Option<String>,
}

impl<'p> Request<'p> {
    fn of(columns: &'p Columns, row: usize) -> Request<'p> {
        let text = |column| columns.text(column, row);
        let code = columns.event_type().get(row).copied().unwrap_or_default();
        Request {
            timestamp: Moment(Millis(columns.time().get(row).copied().unwrap_or_default())),
            r#type: EventType::from_code(code).map_or("", EventType::name),
            name: text(TextColumn::Name),
            session_id: text(TextColumn::Session),
            user_id: text(TextColumn::User),
            ip_address: text(TextColumn::Ip),
            method: text(TextColumn::Method),
            path: text(TextColumn::Path),
            status_code: columns.status(row),
            response_time: columns.duration_ms(row),
            success: !View::of(columns).is_error(row),
            error: text(TextColumn::ErrorMessage).or_else(|| text(TextColumn::ErrorType)),
            client_info: text(TextColumn::ClientName).map(|name| client_info(name, text(TextColumn::ClientVersion))),
        }
    }
}

/// All rows in the order of time, then of arrival.
///
/// Parts wait in the order of their earliest event and are loaded and sorted when that is reached, so that few are open at once unless
/// events come very late.
struct InOrder {
    /// The part that begins first is the last.
    waiting: Vec<(i64, usize, Part)>,
    open: BinaryHeap<Reverse<Run>>,
}

impl InOrder {
    fn of(parts: &[Part]) -> InOrder {
        let earliest = |part: &Part| part.spans().map(|spans| spans.time.0.0);
        let with_start =
            parts.iter().enumerate().filter_map(|(order, part)| Some((earliest(part)?, order, part.clone())));
        let mut waiting: Vec<_> = with_start.collect();
        waiting.sort_unstable_by_key(|(start, order, _)| Reverse((*start, *order)));
        InOrder { waiting, open: BinaryHeap::new() }
    }

    /// Opens every part that may hold the next row.
    fn open_due(&mut self) -> Result<(), Error> {
        while let Some((_, order, part)) =
            self.waiting.pop_if(|(start, _, _)| self.open.peek().is_none_or(|Reverse(run)| run.at.0 >= *start))
        {
            self.open.extend(Run::of(&part, order)?.map(Reverse));
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<(Arc<Loaded>, usize)>, Error> {
        self.open_due()?;
        let Some(Reverse(run)) = self.open.pop() else { return Ok(None) };
        let next = (Arc::clone(&run.loaded), run.row);
        self.open.extend(run.advanced().map(Reverse));
        Ok(Some(next))
    }
}

impl Iterator for InOrder {
    type Item = Result<(Arc<Loaded>, usize), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// The rows of one part that are still to come, in order.
struct Run {
    /// Time and arrival of the next row, and the part's number.
    at: (i64, i64, usize),
    row: usize,
    rest: std::vec::IntoIter<u32>,
    loaded: Arc<Loaded>,
}

impl Run {
    /// `None` when no row is visible.
    fn of(part: &Part, order: usize) -> Result<Option<Run>, Error> {
        let need = TOLD.into_iter().fold(Need::of(&Plain::ALL, &[]), Need::text);
        let loaded = Arc::new(part.load(&need)?);
        let mut rows: Vec<u32> = loaded.rows().filter_map(|row| u32::try_from(row).ok()).collect();
        rows.sort_by_key(|row| moment(loaded.columns(), *row as usize));
        Ok(Run { at: (0, 0, order), row: 0, rest: rows.into_iter(), loaded }.advanced())
    }

    fn advanced(mut self) -> Option<Run> {
        self.row = self.rest.next()? as usize;
        let (time, received) = moment(self.loaded.columns(), self.row);
        self.at = (time, received, self.at.2);
        Some(self)
    }
}

fn moment(columns: &Columns, row: usize) -> (i64, i64) {
    let at = |times: &[i64]| times.get(row).copied().unwrap_or_default();
    (at(columns.time()), at(columns.received()))
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Run {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::first_users::{self, Subjects};
    use super::super::oracle::{self, Sample, TIMEOUT_MS, samples};
    use super::*;

    const NOW: Millis = Millis(6 * 3_600_000);

    fn document(parts: &[Part]) -> String {
        let scan = Scan::new(parts, u64::MAX).unwrap();
        String::from_utf8(Export::new(&scan, TIMEOUT_MS, NOW).unwrap().flat_map(Result::unwrap).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn has_every_event_in_order_and_the_lists_of_the_other_endpoints(samples in samples(), chunk in 1..20usize) {
            let parts = oracle::parts(&samples, chunk);
            let scan = Scan::new(&parts, 1000).unwrap();
            let found: Value = serde_json::from_str(&document(&parts)).unwrap();
            let mut expected: Vec<&Sample> = samples.iter().collect();
            expected.sort_by_key(|s| (s.time, s.received));
            let requests = found["data"]["requests"].as_array().unwrap();
            prop_assert_eq!(requests.len(), expected.len());
            for (request, sample) in requests.iter().zip(expected) {
                prop_assert_eq!(&request["timestamp"], &Millis(sample.time).to_string());
                prop_assert_eq!(&request["type"], sample.event_type.name());
                prop_assert_eq!(&request["success"], !sample.is_error());
                for (member, text) in [("name", &sample.name), ("sessionId", &sample.session), ("userId", &sample.user), ("ipAddress", &sample.ip)] {
                    prop_assert_eq!(request[member].as_str(), text.as_deref());
                }
                prop_assert!(oracle::close(request["responseTime"].as_f64(), sample.duration));
                prop_assert_eq!(request["statusCode"].as_u64(), sample.status.map(u64::from));
            }
            let sessions = first_users::sessions(&scan, TIMEOUT_MS, NOW, 1000).unwrap().data;
            prop_assert_eq!(&found["data"]["sessions"], &serde_json::to_value(sessions).unwrap());
            let analytics = first_users::analytics(&scan, TIMEOUT_MS, NOW, Subjects::Hidden).unwrap().data;
            prop_assert_eq!(&found["data"]["toolUsage"], &serde_json::to_value(analytics.popular_tools).unwrap());
        }
    }

    #[test]
    fn a_document_has_the_promised_shape() {
        assert_eq!(
            document(&[]),
            r#"{"success":true,"data":{"sessions":[],"requests":[],"toolUsage":[]},"timestamp":"1970-01-01T06:00:00.000Z"}"#
        );
        let sample = Sample { attributes: r#"{"a":"\"}"}"#.into(), ..Sample::default() };
        let text = document(&oracle::parts(&[sample.clone(), Sample { attributes: String::new(), ..sample }], 2));
        let empty = r#""type":"custom","name":null,"sessionId":null,"userId":null,"ipAddress":null,"method":null,"path":null,"statusCode":null,"responseTime":null,"success":true,"error":null,"clientInfo":null,"attributes""#;
        let row = |attributes: &str| format!(r#"{{"timestamp":"1970-01-01T00:00:00.000Z",{empty}:{attributes}}}"#);
        let rows = format!(r#""requests":[{},{}]"#, row(r#"{"a":"\"}"}"#), row("{}"));
        assert!(text.contains(&rows), "{text}");
    }

    #[test]
    fn comes_in_pieces_of_bounded_size() {
        let sample = Sample { attributes: format!(r#"{{"a":"{}"}}"#, "x".repeat(1000)), ..Sample::default() };
        let parts = oracle::parts(&vec![sample; 500], 100);
        let scan = Scan::new(&parts, 500).unwrap();
        let pieces: Vec<usize> =
            Export::new(&scan, TIMEOUT_MS, NOW).unwrap().map(|piece| piece.unwrap().len()).collect();
        assert!(pieces.len() > 8 && pieces.iter().all(|size| *size < PIECE_BYTES + 2000), "{pieces:?}");
    }
}
