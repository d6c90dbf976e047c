//! Typed reading of one member of an event.
//!
//! Each function takes the member's JSON value and its place (a JSON pointer of names that we define) and gives the typed value,
//! `None` for `null`, or the refusal. Nothing is guessed: a number in quotes is not a number.

use std::borrow::Cow;

use crate::clock::Millis;
use crate::outcome::{Reason, Refusal};
use crate::privacy::json::{Json, Members, Text};

/// Below this, a number of milliseconds lies before March 1973: the sender counts in seconds.
const EPOCH_MS_MIN: f64 = 1e11;
/// 9999-12-31T23:59:59.999Z.
const TIMESTAMP_MAX: i64 = 253_402_300_799_999;

/// What a reader gives: the value, or nothing for `null`, or the refusal of the event.
pub(super) type Read<T> = Result<Option<T>, Refusal>;

/// A string.
pub(super) fn text<'a>(value: Json<'a>, place: &'static str) -> Read<Text<'a>> {
    match value {
        Json::Null => Ok(None),
        Json::Str(text) => Ok(Some(text)),
        Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => {
            Err(Refusal::at(Reason::WrongType, place))
        }
    }
}

/// An identifier: a string, or an integer, which becomes its digits.
pub(super) fn identifier<'a>(value: Json<'a>, place: &'static str) -> Read<Text<'a>> {
    match value {
        Json::Int(n) => Ok(Some(Cow::Owned(n.to_string()))),
        Json::UInt(n) => Ok(Some(Cow::Owned(n.to_string()))),
        Json::Null | Json::Str(_) | Json::Bool(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => {
            text(value, place)
        }
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Json<'_>, place: &'static str) -> Read<bool> {
    match value {
        Json::Null => Ok(None),
        Json::Bool(flag) => Ok(Some(*flag)),
        Json::Str(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => {
            Err(Refusal::at(Reason::WrongType, place))
        }
    }
}

/// A finite number.
pub(super) fn number(value: &Json<'_>, place: &'static str) -> Read<f64> {
    let number = match value {
        Json::Null => return Ok(None),
        Json::Int(n) => *n as f64,
        Json::UInt(n) => *n as f64,
        Json::Float(n) => *n,
        Json::Str(_) | Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
            return Err(Refusal::at(Reason::WrongType, place));
        }
    };
    if number.is_finite() { Ok(Some(number)) } else { Err(Refusal::at(Reason::OutOfRange, place)) }
}

/// A duration in milliseconds: at least 0, at most some thirty years. What is longer is no duration: card numbers have been seen there.
pub(super) fn duration_ms(value: &Json<'_>, place: &'static str) -> Read<f64> {
    const LONGEST_MS: f64 = 1e12;
    match number(value, place)? {
        Some(number) if !(0.0..LONGEST_MS).contains(&number) => Err(Refusal::at(Reason::OutOfRange, place)),
        read => Ok(read),
    }
}

/// An HTTP status, 100 to 599.
pub(super) fn status(value: &Json<'_>, place: &'static str) -> Read<u16> {
    match number(value, place)? {
        None => Ok(None),
        Some(status) if status.fract() == 0.0 && (100.0..600.0).contains(&status) => Ok(Some(status as u16)),
        Some(_) => Err(Refusal::at(Reason::OutOfRange, place)),
    }
}

/// A moment from 1970 to the year 9999: RFC 3339, or milliseconds since the epoch. Numbers that look like seconds are refused.
pub(super) fn timestamp(value: &Json<'_>, place: &'static str) -> Read<Millis> {
    let invalid = || Refusal::at(Reason::TimestampInvalid, place);
    if let Json::Str(text) = value {
        let moment = Millis::parse_rfc3339(text).filter(|moment| (0..=TIMESTAMP_MAX).contains(&moment.0));
        return moment.map(Some).ok_or_else(invalid);
    }
    match number(value, place).map_err(|_| invalid())? {
        None => Ok(None),
        Some(ms) if (EPOCH_MS_MIN..=TIMESTAMP_MAX as f64).contains(&ms) => Ok(Some(Millis(ms as i64))),
        Some(_) => Err(invalid()),
    }
}

/// An object.
pub(super) fn object<'a>(value: Json<'a>, place: &'static str) -> Read<Members<'a>> {
    match value {
        Json::Null => Ok(None),
        Json::Object(members) => Ok(Some(members)),
        Json::Str(_) | Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) | Json::Array(_) => {
            Err(Refusal::at(Reason::WrongType, place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(reason: Reason) -> Refusal {
        Refusal::at(reason, "/x")
    }

    #[test]
    fn a_timestamp_is_rfc_3339_or_milliseconds() {
        let read = |text: &str| timestamp(&Json::parse(text.as_bytes(), 4).unwrap(), "/x");
        let noon = Millis(1_795_348_800_000);
        for text in
            ["\"2026-11-22T12:00:00Z\"", "\"2026-11-22T13:00:00.000499+01:00\"", "1795348800000", "1795348800000.7"]
        {
            assert_eq!(read(text), Ok(Some(noon)), "{text}");
        }
        assert_eq!(read("null"), Ok(None));
        let seconds_or_worse =
            ["1795348800", "0", "-1", "99999999999", "253402300800000", "1e300", "1795348800000000000"];
        let no_moment = ["\"\"", "\"yesterday\"", "\"1795348800000\"", "\"1969-12-31T23:59:59Z\"", "true", "{}", "[]"];
        for text in seconds_or_worse.into_iter().chain(no_moment) {
            assert_eq!(read(text), Err(at(Reason::TimestampInvalid)), "{text}");
        }
    }

    #[test]
    fn numbers_keep_to_their_ranges_and_are_never_strings() {
        assert_eq!(duration_ms(&Json::Float(-0.5), "/x"), Err(at(Reason::OutOfRange)));
        assert_eq!(duration_ms(&Json::Float(f64::INFINITY), "/x"), Err(at(Reason::OutOfRange)));
        assert_eq!(duration_ms(&Json::Int(4_111_111_111_111_111), "/x"), Err(at(Reason::OutOfRange)), "a card number");
        assert_eq!(duration_ms(&Json::Str("5".into()), "/x"), Err(at(Reason::WrongType)));
        assert_eq!(duration_ms(&Json::Int(0), "/x"), Ok(Some(0.0)));
        for (sent, read) in
            [(99.0, None), (100.0, Some(100)), (599.0, Some(599)), (600.0, None), (200.5, None), (-200.0, None)]
        {
            assert_eq!(status(&Json::Float(sent), "/x").ok().flatten(), read, "{sent}");
        }
    }

    #[test]
    fn an_identifier_may_be_an_integer() {
        assert_eq!(identifier(Json::Int(-7), "/x").unwrap().as_deref(), Some("-7"));
        assert_eq!(identifier(Json::UInt(u64::MAX), "/x").unwrap().as_deref(), Some("18446744073709551615"));
        assert_eq!(identifier(Json::Float(0.5), "/x"), Err(at(Reason::WrongType)));
        assert_eq!(identifier(Json::Null, "/x"), Ok(None));
    }
}
