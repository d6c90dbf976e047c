//! What is asked: the parameters that all questions share.
//!
//! Read from key-value pairs into [`Params`], with every default filled in. Whatever is unknown, repeated, malformed or of no use to the
//! question is refused: a mistyped filter must not turn into an answer about everything. An error names the parameter and the form that is
//! expected, never what was given.

mod cursor;
mod dimension;
mod question;
#[cfg(test)]
mod tests;
mod words;

use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use crate::privacy::event::EventType;

use super::filter::RowFilter;
use super::scan::Filter;
use super::sql;

use words::{CALENDAR, moment, non_empty, number, span, step};

pub use cursor::{Cursor, EventKey, Place};
pub use dimension::{By, Whose};
pub use question::Question;
pub use words::Step;

/// Points of a series at most: more than any screen has pixels; bounds the answer and the work.
pub const POINTS_MAX: i64 = 10_000;
/// Periods of retention at most: the bits of the number in which a user's are kept.
pub const PERIODS_MAX: i64 = 64;
/// Steps of a funnel.
pub const STEPS_RANGE: std::ops::RangeInclusive<usize> = 2..=10;
/// Steps of a journey at most.
pub const LENGTH_MAX: usize = 20;
/// The time that a way through a funnel may take when `within` is not given.
const DEFAULT_WITHIN_MS: i64 = 30 * MINUTE_MS;
/// Steps of a journey when `length` is not given.
const DEFAULT_LENGTH: usize = 5;
/// The first Monday after the epoch, which was a Thursday.
const FIRST_MONDAY_MS: i64 = 4 * DAY_MS;
/// Intervals that are chosen from when none is given: the shortest that makes at most [`DEFAULT_POINTS`] points.
const INTERVALS_MS: [i64; 7] = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS];
/// As many points as a chart shows well.
const DEFAULT_POINTS: i64 = 200;

const MOMENT: &str = "RFC 3339, epoch milliseconds, `now`, or `-` and a number with s, m, h, d or w such as -24h";
const INTERVAL: &str = "a number with s, m, h or d, such as 5m";
const SPAN: &str = "a number with s, m, h, d or w, such as 30m";
const LIMIT: &str = "a whole number from 1 up to the configured limit";
const LENGTH: &str = "a whole number from 1 to 20";
const STEPS: &str = "2 to 10 steps joined by commas, each a name, `type:name` or `type:`";

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
    #[error(
        "the answer would have {points} points, {points_max} are the most: ask for longer intervals, fewer rows or a shorter range"
    )]
    TooManyPoints {
        /// How many it would have.
        points: i64,
        /// How many it may have.
        points_max: i64,
    },
    /// Not given, and there is no answer without.
    #[error("`{name}` is missing: expected {expected}")]
    Missing {
        /// The parameter.
        name: &'static str,
        /// The form.
        expected: &'static str,
    },
    /// Two parameters that cannot be heeded together.
    #[error("`{name}` and `{other}` cannot be given together")]
    Apart {
        /// The one.
        name: &'static str,
        /// The other.
        other: &'static str,
    },
    /// `limit` is larger than this gateway allows.
    #[error("`limit` is larger than {limit_max}, the most that one answer gives")]
    LimitTooLarge {
        /// The largest.
        limit_max: usize,
    },
    /// `filter` is no condition that is understood.
    #[error("`filter`: {0}")]
    Filter(sql::Error),
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
    /// Only events for which this holds.
    pub condition: Option<RowFilter>,
    /// Length of a point of a series in milliseconds.
    pub interval_ms: i64,
    /// What is grouped by; `None` for a series that is not.
    pub by: Option<By>,
    /// Whether places are regions, not countries.
    pub by_region: bool,
    /// Whether a series is folded into the hours of one week.
    pub by_hour_of_week: bool,
    /// The steps of a funnel.
    pub steps: Vec<Step>,
    /// How long the way through a funnel may take, in milliseconds.
    pub within_ms: i64,
    /// Whose way through a funnel is followed.
    pub whose: Whose,
    /// Length of a period of retention in milliseconds: a day or a week.
    pub period_ms: i64,
    /// How many steps of a journey are told at most.
    pub length: usize,
    /// How many rows the answer has at most.
    pub limit: usize,
    /// Where the previous page of sessions or users ended.
    pub cursor: Option<Cursor>,
    /// Where the previous page of events ended.
    pub place: Option<Place>,
}

impl Params {
    /// Reads the parameters of `question`, percent-decoded, asked at `now`. Whatever is not listed in [`Question::takes`] is refused, so the
    /// caller takes out what is its own (`tenant`).
    ///
    /// Without `from` the range is the 24 hours before `to` (30 days for retention, everything for a session or trace); without `to` it ends after the present millisecond, so that what was
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
        let earliest = || question.default_range_ms().map_or(Millis(*CALENDAR.start()), |range| to.plus(-range));
        let from = given.read("from", MOMENT, |text| moment(text, now))?.unwrap_or_else(earliest);
        if from >= to {
            return Err(ParamError::EmptyRange);
        }
        let interval = given.read("interval", INTERVAL, |text| span(text).filter(|(_, unit)| *unit != 'w'))?;
        let is_event_list = matches!(question, Question::Errors | Question::Replay | Question::Trace);
        let cursor = "the `next_cursor` of an earlier answer";
        let is_funnel = question == Question::Funnel;
        let is_geo = question == Question::Geo;
        let params = Params {
            from,
            to,
            event_type: given.read("type", "an event type such as mcp.tool_call", EventType::from_name)?,
            name: given.read("name", "a text that is not empty", non_empty)?,
            session: given.read("session", "a text that is not empty", non_empty)?,
            condition: given
                .get("filter")
                .map(|text| RowFilter::parse(text, now))
                .transpose()
                .map_err(ParamError::Filter)?,
            interval_ms: interval.map_or_else(|| default_interval(from, to), |(length, _)| length),
            by: given.get("by").filter(|_| !is_funnel && !is_geo).map(By::parse).transpose()?,
            by_region: given.read_if("by", is_geo, "country or region", by_region)?.unwrap_or(false),
            by_hour_of_week: given
                .read("group", "hour_of_week", |text| (text == "hour_of_week").then_some(()))?
                .is_some(),
            steps: given.steps(question)?,
            within_ms: given.read("within", SPAN, span)?.map_or(DEFAULT_WITHIN_MS, |(length, _)| length),
            whose: match given.get("by").filter(|_| is_funnel) {
                None => Whose::Session,
                Some(text) => {
                    let expected = "session or user";
                    Whose::parse(text).ok_or(ParamError::Malformed { name: "by", expected })?
                }
            },
            period_ms: given.read("period", "day or week", period)?.unwrap_or(DAY_MS),
            length: given.read("length", LENGTH, length)?.unwrap_or(DEFAULT_LENGTH),
            limit: given.limit(limit_max)?.unwrap_or_else(|| question.default_limit().min(limit_max)),
            cursor: given.read_if("cursor", !is_event_list, cursor, Cursor::parse)?,
            place: given.read_if("cursor", is_event_list, cursor, Place::parse)?,
        };
        params.checked(question)
    }

    /// Refuses what only makes sense apart, and answers that nobody can read.
    fn checked(self, question: Question) -> Result<Params, ParamError> {
        if self.by_hour_of_week && self.by.is_some() {
            return Err(ParamError::Apart { name: "group", other: "by" });
        }
        let (points, points_max) = match question {
            Question::Series if self.by_hour_of_week => return Ok(self),
            // Beside the rows asked for there are those of all other values and of none.
            Question::Series if self.by.is_some() => {
                let rows = i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(2);
                (self.points().saturating_mul(rows), POINTS_MAX)
            }
            Question::Series => (self.points(), POINTS_MAX),
            Question::Retention => (self.periods(), PERIODS_MAX),
            Question::Summary
            | Question::Top
            | Question::Geo
            | Question::Funnel
            | Question::Journeys
            | Question::Sessions
            | Question::Users
            | Question::Errors
            | Question::Replay
            | Question::Trace
            | Question::Export => return Ok(self),
        };
        if points > points_max { Err(ParamError::TooManyPoints { points, points_max }) } else { Ok(self) }
    }

    /// The range of the rows that the question reads: of retention everything before its end, since a user is new once.
    pub fn range(&self, question: Question) -> (Millis, Millis) {
        if question == Question::Retention { (Millis(i64::MIN), self.to) } else { (self.from, self.to) }
    }

    /// Whether the answer is split by something that may single out a person.
    fn is_subject_split(&self, question: Question) -> bool {
        match question {
            Question::Geo | Question::Journeys | Question::Retention => true,
            Question::Top | Question::Series => self.by.is_some_and(By::is_subject_linked),
            Question::Summary
            | Question::Funnel
            | Question::Sessions
            | Question::Users
            | Question::Errors
            | Question::Replay
            | Question::Trace
            | Question::Export => false,
        }
    }

    /// Whether the right to read rows is needed for an aggregate: split by people so finely that little would be left to show, or split by
    /// people and filtered as well, since two such answers differ by what disclosure control hides in each.
    ///
    /// So it is for a condition about people: such conditions can be made to differ by one person, whatever their number.
    pub fn needs_export(&self, question: Question) -> bool {
        let is_plainly_filtered = self.event_type.is_some() || self.name.is_some() || self.condition.is_some();
        let is_filtered = is_plainly_filtered || self.is_subject_filtered();
        let is_about_people = self.condition.as_ref().is_some_and(RowFilter::is_subject_linked);
        is_about_people || self.is_subject_split(question) && (is_filtered || question == Question::Series)
    }

    /// Whether the answer is filtered by something that may single out a person.
    pub fn is_subject_filtered(&self) -> bool {
        self.session.is_some()
    }

    pub(in crate::query) fn filter(&self) -> Filter<'_> {
        Filter {
            event_type: self.event_type,
            name: self.name.as_deref(),
            session: self.session.as_deref(),
            condition: self.condition.as_ref(),
        }
    }

    /// Start of the first point of a series: whole intervals since the epoch, so that it does not move with `from`.
    pub(in crate::query) fn first_point(&self) -> i64 {
        aligned(self.from, self.interval_ms)
    }

    /// Number of points of a series.
    pub(in crate::query) fn points(&self) -> i64 {
        points(self.from, self.to, self.interval_ms)
    }

    /// Start of the first period of retention: midnight (UTC) of a day, or of a Monday.
    pub(in crate::query) fn first_period(&self) -> i64 {
        let monday = if self.period_ms == DAY_MS { 0 } else { FIRST_MONDAY_MS };
        aligned(self.from.plus(-monday), self.period_ms).saturating_add(monday)
    }

    /// Number of periods of retention.
    pub(in crate::query) fn periods(&self) -> i64 {
        let width = self.to.0.saturating_sub(self.first_period());
        width / self.period_ms + i64::from(width % self.period_ms != 0)
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

    /// The same where the parameter is of that kind.
    fn read_if<T>(
        &self,
        name: &'static str,
        is_mine: bool,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParamError> {
        if is_mine { self.read(name, expected, parse) } else { Ok(None) }
    }

    fn steps(&self, question: Question) -> Result<Vec<Step>, ParamError> {
        if question != Question::Funnel {
            return Ok(Vec::new());
        }
        let read = |text: &str| text.split(',').map(step).collect::<Option<Vec<Step>>>();
        let steps = self.read("steps", STEPS, |text| read(text).filter(|steps| STEPS_RANGE.contains(&steps.len())))?;
        steps.ok_or(ParamError::Missing { name: "steps", expected: STEPS })
    }

    fn limit(&self, limit_max: usize) -> Result<Option<usize>, ParamError> {
        let limit = self.read("limit", LIMIT, |text| number(text).filter(|n| *n > 0))?;
        match limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)) {
            Some(limit) if limit > limit_max => Err(ParamError::LimitTooLarge { limit_max }),
            limit => Ok(limit),
        }
    }
}

fn by_region(text: &str) -> Option<bool> {
    match text {
        "country" => Some(false),
        "region" => Some(true),
        _ => None,
    }
}

fn period(text: &str) -> Option<i64> {
    match text {
        "day" => Some(DAY_MS),
        "week" => Some(7 * DAY_MS),
        _ => None,
    }
}

fn length(text: &str) -> Option<usize> {
    number(text).and_then(|length| usize::try_from(length).ok()).filter(|length| (1..=LENGTH_MAX).contains(length))
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
