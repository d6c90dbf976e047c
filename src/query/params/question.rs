//! What the questions are, and which parameters mean something to each.

use crate::clock::DAY_MS;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Totals.
    Summary,
    /// Totals over time.
    Series,
    /// Totals by a dimension.
    Top,
    /// Totals by country or region.
    Geo,
    /// How many come as far as which step.
    Funnel,
    /// How many users come back.
    Retention,
    /// What happens in sessions, in order.
    Journeys,
    /// The list of sessions.
    Sessions,
    /// The list of users.
    Users,
    /// The newest errors.
    Errors,
    /// The events of one session.
    Replay,
    /// The events of one trace.
    Trace,
    /// All events, for a file.
    Export,
}

/// Rows of a `top` and of what is like it when `limit` is not given.
const DEFAULT_TOP: usize = 10;
/// Rows a page when `limit` is not given.
const DEFAULT_PAGE: usize = 100;
/// Events of a session or a trace when `limit` is not given.
const DEFAULT_REPLAY: usize = 1000;

impl Question {
    /// Every question.
    pub const ALL: [Question; 13] = [
        Question::Summary,
        Question::Series,
        Question::Top,
        Question::Geo,
        Question::Funnel,
        Question::Retention,
        Question::Journeys,
        Question::Sessions,
        Question::Users,
        Question::Errors,
        Question::Replay,
        Question::Trace,
        Question::Export,
    ];

    /// The last part of its route, or what stands for it in records.
    pub fn name(self) -> &'static str {
        match self {
            Question::Summary => "summary",
            Question::Series => "series",
            Question::Top => "top",
            Question::Geo => "geo",
            Question::Funnel => "funnel",
            Question::Retention => "retention",
            Question::Journeys => "journeys",
            Question::Sessions => "sessions",
            Question::Users => "users",
            Question::Errors => "errors",
            Question::Replay => "sessions/{id}",
            Question::Trace => "traces/{id}",
            Question::Export => "export",
        }
    }

    /// The parameters that mean something to it.
    pub fn takes(self) -> &'static [&'static str] {
        match self {
            Question::Summary => &["from", "to", "type", "name", "session", "filter"],
            Question::Series => {
                &["from", "to", "type", "name", "session", "filter", "interval", "by", "group", "limit"]
            }
            Question::Top => &["from", "to", "type", "name", "session", "filter", "by", "limit"],
            Question::Geo => &["from", "to", "type", "name", "filter", "by", "limit"],
            Question::Funnel => &["from", "to", "steps", "within", "by"],
            Question::Retention => &["from", "to", "type", "name", "filter", "period"],
            Question::Journeys => &["from", "to", "type", "filter", "length", "limit"],
            Question::Sessions | Question::Errors => {
                &["from", "to", "type", "name", "session", "filter", "limit", "cursor"]
            }
            Question::Users => &["from", "to", "type", "name", "filter", "limit", "cursor"],
            Question::Replay | Question::Trace => &["from", "to", "limit", "cursor"],
            Question::Export => &["from", "to", "type", "name", "session", "filter"],
        }
    }

    /// How many rows it gives when nobody says.
    pub(super) fn default_limit(self) -> usize {
        match self {
            Question::Sessions | Question::Users | Question::Errors => DEFAULT_PAGE,
            Question::Replay | Question::Trace => DEFAULT_REPLAY,
            Question::Summary
            | Question::Series
            | Question::Top
            | Question::Geo
            | Question::Funnel
            | Question::Retention
            | Question::Journeys
            | Question::Export => DEFAULT_TOP,
        }
    }

    /// How far back it looks when `from` is not given; `None` for all that is retained: whoever asks for one session or trace need not
    /// know its day, and an export is of everything.
    pub(super) fn default_range_ms(self) -> Option<i64> {
        match self {
            Question::Replay | Question::Trace | Question::Export => None,
            Question::Retention => Some(30 * DAY_MS),
            Question::Summary
            | Question::Series
            | Question::Top
            | Question::Geo
            | Question::Funnel
            | Question::Journeys
            | Question::Sessions
            | Question::Users
            | Question::Errors => Some(DAY_MS),
        }
    }
}
