//! How moments, spans, numbers and steps are written.

use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use crate::privacy::event::EventType;

/// First and last moment of the calendar that RFC 3339 can write (years 0 to 9999).
pub(super) const CALENDAR: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// A step of a funnel: events of a type, of a name, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As it was asked for.
    pub text: String,
    /// The type; any when not given.
    pub event_type: Option<EventType>,
    /// The name; any when not given.
    pub name: Option<String>,
}

/// `name`, `type:name` or `type:`. What stands before a colon and is no type belongs to the name.
pub(super) fn step(text: &str) -> Option<Step> {
    let of_type = text.split_once(':').and_then(|(of, name)| Some((EventType::from_name(of)?, name)));
    let (event_type, name) = of_type.map_or((None, text), |(event_type, name)| (Some(event_type), name));
    let name = non_empty(name);
    (event_type.is_some() || name.is_some()).then(|| Step { text: text.to_owned(), event_type, name })
}

pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn moment(text: &str, now: Millis) -> Option<Millis> {
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
pub(super) fn span(text: &str) -> Option<(i64, char)> {
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
pub(super) fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
