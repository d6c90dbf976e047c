//! What is asked: the parameters that all questions share.
//!
//! Read from key-value pairs into [`Params`], with every default filled in. Whatever is unknown, repeated, malformed or of no use to the
//! question is refused: a mistyped filter must not turn into an answer about everything. An error names the parameter and the form that is
//! expected, never what was given.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use crate::privacy::event::EventType;
use crate::store::row::TextColumn;

use super::scan::Filter;

/// Points of a series at most: more than any screen has pixels; bounds the answer and the work.
pub const POINTS_MAX: i64 = 10_000;
/// The range when `from` is not given.
const DEFAULT_RANGE_MS: i64 = DAY_MS;
/// Rows of a `top` when `limit` is not given.
const DEFAULT_TOP: usize = 10;
/// Sessions a page when `limit` is not given.
const DEFAULT_PAGE: usize = 100;
/// Intervals that are chosen from when none is given: the shortest that makes at most [`DEFAULT_POINTS`] points.
const INTERVALS_MS: [i64; 7] = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS];
/// As many points as a chart shows well.
const DEFAULT_POINTS: i64 = 200;
/// First and last moment of the calendar that RFC 3339 can write (years 0 to 9999).
const CALENDAR: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

const MOMENT: &str = "RFC 3339, epoch milliseconds, `now`, or `-` and a number with s, m, h, d or w such as -24h";
const INTERVAL: &str = "a number with s, m, h or d, such as 5m";
const LIMIT: &str = "a whole number from 1 up to the configured limit";

/// What the questions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Totals.
    Summary,
    /// Totals over time.
    Series,
    /// Totals by a dimension.
    Top,
    /// The list of sessions.
    Sessions,
}

impl Question {
    /// The parameters that mean something to it.
    pub fn takes(self) -> &'static [&'static str] {
        match self {
            Question::Summary => &["from", "to", "type", "name", "session"],
            Question::Series => &["from", "to", "type", "name", "session", "interval"],
            Question::Top => &["from", "to", "type", "name", "session", "by", "limit"],
            Question::Sessions => &["from", "to", "type", "name", "session", "limit", "cursor"],
        }
    }

    fn default_limit(self) -> usize {
        match self {
            Question::Sessions => DEFAULT_PAGE,
            Question::Summary | Question::Series | Question::Top => DEFAULT_TOP,
        }
    }
}

/// A parameter was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// A parameter that this question does not know (its name is the asker's text, so it is not repeated here).
    #[error("unknown parameter: expected only {}", .takes.join(", "))]
    Unknown {
        /// What the question knows.
        takes: &'static [&'static str],
    },
    /// Given more than once.
    #[error("`{name}` is given more than once")]
    Repeated {
        /// The parameter.
        name: &'static str,
    },
    /// Not of the expected form.
    #[error("`{name}` is malformed: expected {expected}")]
    Malformed {
        /// The parameter.
        name: &'static str,
        /// The form.
        expected: &'static str,
    },
    /// `from` is not before `to`.
    #[error("`from` must be before `to`")]
    EmptyRange,
    /// The interval is too short for the range.
    #[error("the series would have {points} points, {POINTS_MAX} are the most: widen `interval` or shorten the range")]
    TooManyPoints {
        /// How many it would have.
        points: i64,
    },
    /// `limit` is larger than this gateway allows.
    #[error("`limit` is larger than {limit_max}, the most that one answer gives")]
    LimitTooLarge {
        /// The largest.
        limit_max: usize,
    },
    /// `filter` is not there yet.
    #[error("`filter` is not supported yet: use `type`, `name` and `session`")]
    FilterUnsupported,
    /// `by` names a dimension that could single out a person.
    #[error(
        "`by` cannot group by what may single out a person: use type, name, method, status, client, server, model, language or error"
    )]
    SubjectLinked,
}

/// What `top` groups by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Type of event.
    Type,
    /// Tool, route, resource or event name.
    Name,
    /// HTTP method.
    Method,
    /// HTTP status.
    Status,
    /// Name of the client program.
    Client,
    /// Name of the reporting server.
    Server,
    /// AI model.
    Model,
    /// Programming language.
    Language,
    /// Kind of error.
    Error,
}

impl By {
    /// Every dimension.
    pub const ALL: [By; 9] =
        [By::Type, By::Name, By::Method, By::Status, By::Client, By::Server, By::Model, By::Language, By::Error];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Name => "name",
            By::Method => "method",
            By::Status => "status",
            By::Client => "client",
            By::Server => "server",
            By::Model => "model",
            By::Language => "language",
            By::Error => "error",
        }
    }

    /// The text column that holds it; `None` for type and status, which are numbers.
    pub(super) fn column(self) -> Option<TextColumn> {
        match self {
            By::Type | By::Status => None,
            By::Name => Some(TextColumn::Name),
            By::Method => Some(TextColumn::Method),
            By::Client => Some(TextColumn::ClientName),
            By::Server => Some(TextColumn::ServerName),
            By::Model => Some(TextColumn::Model),
            By::Language => Some(TextColumn::Language),
            By::Error => Some(TextColumn::ErrorType),
        }
    }

    fn parse(text: &str) -> Result<By, ParamError> {
        const SUBJECT_LINKED: [&str; 5] = ["user", "session", "ip", "country", "path"];
        const EXPECTED: &str = "type, name, method, status, client, server, model, language or error";
        if SUBJECT_LINKED.contains(&text) {
            return Err(ParamError::SubjectLinked);
        }
        By::ALL.into_iter().find(|by| by.name() == text).ok_or(ParamError::Malformed { name: "by", expected: EXPECTED })
    }
}

/// Where a page of sessions ended. Opaque outside: base64url of the moment (8 bytes, big-endian) and the id.
pub struct Cursor {
    /// Last activity of the last session shown.
    pub last_activity: Millis,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// The cursor as text.
    pub fn encode(last_activity: Millis, id: &str) -> String {
        URL_SAFE_NO_PAD.encode([&last_activity.0.to_be_bytes(), id.as_bytes()].concat())
    }

    fn parse(text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (moment, id) = bytes.split_first_chunk::<8>()?;
        let id = std::str::from_utf8(id).ok()?.to_owned();
        Some(Cursor { last_activity: Millis(i64::from_be_bytes(*moment)), id })
    }
}

/// A question's parameters, defaults filled in. No `Debug`: a session may be among them.
pub struct Params {
    /// First moment, inclusive.
    pub from: Millis,
    /// Last moment, exclusive.
    pub to: Millis,
    /// Only events of this type.
    pub event_type: Option<EventType>,
    /// Only events of this name.
    pub name: Option<String>,
    /// Only events of this session.
    pub session: Option<String>,
    /// Length of a point of a series in milliseconds.
    pub interval_ms: i64,
    /// What `top` groups by.
    pub by: By,
    /// How many rows or sessions the answer has at most.
    pub limit: usize,
    /// Where the previous page ended.
    pub cursor: Option<Cursor>,
}

impl Params {
    /// Reads the parameters of `question`, percent-decoded, asked at `now`. Whatever is not listed in [`Question::takes`] is refused, so the
    /// caller takes out what is its own (`tenant`).
    ///
    /// Without `from` the range is the 24 hours before `to`; without `to` it ends after the present millisecond, so that what was
    /// acknowledged a moment ago counts.
    ///
    /// # Errors
    /// The first parameter that cannot be heeded.
    pub fn parse<'a>(
        question: Question,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Millis,
        limit_max: usize,
    ) -> Result<Params, ParamError> {
        let given = Given::collect(question, pairs)?;
        let to = given.read("to", MOMENT, |text| moment(text, now))?.unwrap_or(now.plus(1));
        let from = given.read("from", MOMENT, |text| moment(text, now))?.unwrap_or(to.plus(-DEFAULT_RANGE_MS));
        if from >= to {
            return Err(ParamError::EmptyRange);
        }
        let interval = given.read("interval", INTERVAL, |text| span(text).filter(|(_, unit)| *unit != 'w'))?;
        let interval_ms = interval.map_or_else(|| default_interval(from, to), |(length, _)| length);
        let params = Params {
            from,
            to,
            event_type: given.read("type", "an event type such as mcp.tool_call", EventType::from_name)?,
            name: given.read("name", "a text that is not empty", non_empty)?,
            session: given.read("session", "a text that is not empty", non_empty)?,
            interval_ms,
            by: given.get("by").map_or(Ok(By::Name), By::parse)?,
            limit: given.limit(limit_max)?.unwrap_or_else(|| question.default_limit().min(limit_max)),
            cursor: given.read("cursor", "the `next_cursor` of an earlier answer", Cursor::parse)?,
        };
        match params.points() {
            points if question == Question::Series && points > POINTS_MAX => Err(ParamError::TooManyPoints { points }),
            _ => Ok(params),
        }
    }

    /// Whether the answer is about one subject's events, so that the right to read aggregates is not enough.
    pub fn is_subject_filtered(&self) -> bool {
        self.session.is_some()
    }

    pub(super) fn filter(&self) -> Filter<'_> {
        Filter { event_type: self.event_type, name: self.name.as_deref(), session: self.session.as_deref() }
    }

    /// Start of the first point of a series: whole intervals since the epoch, so that it does not move with `from`.
    pub(super) fn first_point(&self) -> i64 {
        aligned(self.from, self.interval_ms)
    }

    /// Number of points of a series.
    pub(super) fn points(&self) -> i64 {
        points(self.from, self.to, self.interval_ms)
    }
}

/// The pairs as given: known to the question, none twice.
struct Given<'a> {
    pairs: Vec<(&'static str, &'a str)>,
}

impl<'a> Given<'a> {
    fn collect(
        question: Question,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Given<'a>, ParamError> {
        let mut given = Given { pairs: Vec::new() };
        for (key, value) in pairs {
            if key == "filter" {
                return Err(ParamError::FilterUnsupported);
            }
            let takes = question.takes();
            let name = takes.iter().copied().find(|name| *name == key).ok_or(ParamError::Unknown { takes })?;
            if given.get(name).is_some() {
                return Err(ParamError::Repeated { name });
            }
            given.pairs.push((name, value));
        }
        Ok(given)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn read<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParamError> {
        let read = |text| parse(text).ok_or(ParamError::Malformed { name, expected });
        self.get(name).map(read).transpose()
    }

    fn limit(&self, limit_max: usize) -> Result<Option<usize>, ParamError> {
        let limit = self.read("limit", LIMIT, |text| number(text).filter(|n| *n > 0))?;
        match limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)) {
            Some(limit) if limit > limit_max => Err(ParamError::LimitTooLarge { limit_max }),
            limit => Ok(limit),
        }
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn moment(text: &str, now: Millis) -> Option<Millis> {
    let moment = match text.strip_prefix('-') {
        Some(ago) => now.plus(-span(ago)?.0),
        None if text == "now" => now,
        // The plus of an offset becomes a space when it is not percent-encoded.
        None => number(text)
            .map(Millis)
            .or_else(|| Millis::parse_rfc3339(text))
            .or_else(|| text.rsplit_once(' ').and_then(|(t, zone)| Millis::parse_rfc3339(&format!("{t}+{zone}"))))?,
    };
    CALENDAR.contains(&moment.0).then_some(moment)
}

/// A positive length of time such as `15m`, in milliseconds, and its unit.
fn span(text: &str) -> Option<(i64, char)> {
    let unit = text.chars().next_back()?;
    let unit_ms = match unit {
        's' => 1000,
        'm' => MINUTE_MS,
        'h' => HOUR_MS,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return None,
    };
    let length = number(text.strip_suffix(unit)?)?.checked_mul(unit_ms)?;
    (length > 0).then_some((length, unit))
}

/// Digits only: no sign, no spaces.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn aligned(from: Millis, interval_ms: i64) -> i64 {
    from.0.div_euclid(interval_ms).saturating_mul(interval_ms)
}

fn points(from: Millis, to: Millis, interval_ms: i64) -> i64 {
    let width = to.0.saturating_sub(aligned(from, interval_ms));
    width / interval_ms + i64::from(width % interval_ms != 0)
}

fn default_interval(from: Millis, to: Millis) -> i64 {
    let fits = |interval: &i64| points(from, to, *interval) <= DEFAULT_POINTS;
    // Ranges of many years get what makes them fit.
    let longest = || (to.since(from) / DEFAULT_POINTS / DAY_MS + 1) * DAY_MS;
    INTERVALS_MS.into_iter().find(fits).unwrap_or_else(longest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn parse(question: Question, pairs: &[(&str, &str)]) -> Result<Params, ParamError> {
        Params::parse(question, pairs.iter().copied(), NOW, 1000)
    }

    fn refused(question: Question, pairs: &[(&str, &str)]) -> ParamError {
        parse(question, pairs).err().unwrap()
    }

    #[test]
    fn defaults_are_the_last_day() {
        let params = parse(Question::Series, &[]).unwrap();
        assert_eq!((params.from, params.to), (NOW.plus(1 - DAY_MS), NOW.plus(1)));
        assert_eq!((params.interval_ms, params.by, params.limit), (15 * MINUTE_MS, By::Name, DEFAULT_TOP));
        assert_eq!(parse(Question::Sessions, &[]).unwrap().limit, DEFAULT_PAGE);
        assert_eq!(Params::parse(Question::Sessions, [], NOW, 7).ok().unwrap().limit, 7);
        assert!(!params.is_subject_filtered());
    }

    #[test]
    fn moments_have_four_forms() {
        let from =
            |text: &str| parse(Question::Summary, &[("from", text), ("to", "9999-12-31T00:00:00Z")]).map(|p| p.from.0);
        assert_eq!(from("2026-09-21T13:33:20Z"), Ok(1_789_997_600_000));
        assert_eq!(from("2026-09-21T15:33:20 02:00"), Ok(1_789_997_600_000));
        assert_eq!(from("1789997600000"), Ok(1_789_997_600_000));
        assert_eq!(from("now"), Ok(NOW.0));
        assert_eq!(from("-90m"), Ok(NOW.0 - 90 * MINUTE_MS));
        assert_eq!(from("-2w"), Ok(NOW.0 - 14 * DAY_MS));
        for bad in [
            "",
            "-",
            "-5",
            "-0h",
            "-m",
            "5m",
            "yesterday",
            "+5",
            "-é",
            "99999999999999999999",
            "-9999999999999w",
            "999999999999999",
        ] {
            assert!(matches!(from(bad), Err(ParamError::Malformed { name: "from", .. })), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_heeded_is_refused() {
        let limit = |text| refused(Question::Top, &[("limit", text)]);
        assert_eq!(limit("1001"), ParamError::LimitTooLarge { limit_max: 1000 });
        assert_eq!(limit("99999999999999999999"), ParamError::Malformed { name: "limit", expected: LIMIT });
        assert_eq!(limit("0"), ParamError::Malformed { name: "limit", expected: LIMIT });
        assert_eq!(refused(Question::Summary, &[("from", "now"), ("to", "-1s")]), ParamError::EmptyRange);
        assert_eq!(refused(Question::Summary, &[("to", "now"), ("from", "now")]), ParamError::EmptyRange);
        assert_eq!(refused(Question::Summary, &[("name", "a"), ("name", "a")]), ParamError::Repeated { name: "name" });
        assert_eq!(refused(Question::Top, &[("filter", "ok")]), ParamError::FilterUnsupported);
        for subject in ["user", "session", "ip", "country", "path"] {
            assert_eq!(refused(Question::Top, &[("by", subject)]), ParamError::SubjectLinked);
        }
        for (question, name, value) in [
            (Question::Top, "by", "colour"),
            (Question::Summary, "type", "mcp.tool"),
            (Question::Summary, "session", ""),
            (Question::Series, "interval", "1w"),
            (Question::Series, "interval", "0m"),
            (Question::Sessions, "cursor", "%%"),
            (Question::Sessions, "cursor", "AAAA"),
        ] {
            assert!(
                matches!(refused(question, &[(name, value)]), ParamError::Malformed { name: n, .. } if n == name),
                "{name}"
            );
        }
        let unused = [
            (Question::Summary, "interval"),
            (Question::Series, "by"),
            (Question::Top, "cursor"),
            (Question::Sessions, "by"),
        ];
        for (question, name) in unused {
            assert_eq!(refused(question, &[(name, "x")]), ParamError::Unknown { takes: question.takes() });
        }
    }

    #[test]
    fn errors_never_repeat_what_was_given() {
        for pairs in [
            ("session-canary", "x"),
            ("type", "canary"),
            ("from", "canary"),
            ("cursor", "canary"),
            ("by", "canary"),
            ("filter", "canary"),
        ] {
            for question in [Question::Summary, Question::Series, Question::Top, Question::Sessions] {
                assert!(!refused(question, &[pairs]).to_string().contains("canary"));
            }
        }
    }

    #[test]
    fn a_series_has_at_most_so_many_points() {
        assert_eq!(
            refused(Question::Series, &[("from", "-7d"), ("interval", "1m")]),
            ParamError::TooManyPoints { points: 10_081 }
        );
        assert!(parse(Question::Series, &[("from", "-6d"), ("interval", "1m")]).is_ok());
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(last: i64, id in "\\PC{0,40}") {
            let cursor = Cursor::parse(&Cursor::encode(Millis(last), &id)).unwrap();
            prop_assert_eq!((cursor.last_activity.0, cursor.id), (last, id));
        }

        #[test]
        fn no_text_makes_it_panic(value in "\\PC{0,30}", which in 0..8usize) {
            for question in [Question::Series, Question::Top, Question::Sessions] {
                let name = ["from", "to", "type", "interval", "by", "limit", "cursor", "name"][which];
                let _ = parse(question, &[(name, &value)]);
            }
        }

        #[test]
        fn the_default_interval_always_fits(from in CALENDAR, length in 1..=300_000_000_000_000i64) {
            let params = parse(Question::Series, &[("from", &from.max(0).to_string()), ("to", &(from.max(0) + length).min(*CALENDAR.end()).to_string())]);
            if let Ok(params) = params {
                prop_assert!(params.points() <= DEFAULT_POINTS + 1);
                prop_assert!(params.first_point() <= params.from.0);
                prop_assert!(params.first_point() + params.points() * params.interval_ms >= params.to.0);
            }
        }
    }
}
