//! What became of a received event.
//!
//! Every event ends in exactly one [`Outcome`]. A refusal says why ([`Reason`], a closed list, safe as a metric label) and
//! where ([`Refusal::place`], a JSON pointer made of indexes and of names that Tidegate itself defines), never what.

use std::borrow::Cow;

/// How one received event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored.
    Accepted,
    /// An event with the same `id` was stored before.
    Duplicate,
    /// Not stored.
    Rejected(Refusal),
    /// Stored scrubbed, apart from the tenant's data, for an operator to look at.
    Quarantined(Refusal),
}

/// Why an event was refused, and where in the request the cause lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The cause.
    pub reason: Reason,
    /// JSON pointer relative to the event, such as `/duration_ms`; empty for the event as a whole.
    pub place: Cow<'static, str>,
}

impl Refusal {
    /// A refusal of the whole event.
    pub fn whole(reason: Reason) -> Self {
        Refusal { reason, place: Cow::Borrowed("") }
    }

    /// A refusal because of one member.
    pub fn at(reason: Reason, place: impl Into<Cow<'static, str>>) -> Self {
        Refusal { reason, place: place.into() }
    }
}

/// Why an event was refused. The codes are part of the interface: they appear in answers and as metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The line is not JSON (NDJSON only; elsewhere the whole request fails).
    NotJson,
    /// The event is not a JSON object.
    NotAnObject,
    /// `type` is missing.
    TypeMissing,
    /// `type` is not one of the known event types.
    TypeUnknown,
    /// A member has another JSON type than it must have.
    WrongType,
    /// A member's value lies outside its range.
    OutOfRange,
    /// `timestamp` is neither RFC 3339 nor epoch milliseconds.
    TimestampInvalid,
    /// The event's time lies further in the future than the policy allows.
    TimestampFuture,
    /// The event alone is larger than the limit.
    TooLarge,
    /// Objects and arrays are nested deeper than the limit.
    TooDeep,
    /// The subject has not consented.
    ConsentDenied,
    /// Tracking is switched off (`ENABLE_USER_TRACKING=false`).
    TrackingOff,
    /// The sender's protocol names a project that no tenant owns, or its credentials are not accepted.
    Unauthorized,
    /// A rate or quota was exceeded and the sender's protocol has no way to be told.
    RateLimited,
    /// The request could not be completed.
    Abandoned,
    /// The subject's erasure was asked for; nothing more is taken of it.
    Suppressed,
}

impl Reason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Reason; 16] = [
        Reason::NotJson,
        Reason::NotAnObject,
        Reason::TypeMissing,
        Reason::TypeUnknown,
        Reason::WrongType,
        Reason::OutOfRange,
        Reason::TimestampInvalid,
        Reason::TimestampFuture,
        Reason::TooLarge,
        Reason::TooDeep,
        Reason::ConsentDenied,
        Reason::TrackingOff,
        Reason::Unauthorized,
        Reason::RateLimited,
        Reason::Abandoned,
        Reason::Suppressed,
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Reason::NotJson => "not_json",
            Reason::NotAnObject => "not_an_object",
            Reason::TypeMissing => "type_missing",
            Reason::TypeUnknown => "type_unknown",
            Reason::WrongType => "wrong_type",
            Reason::OutOfRange => "out_of_range",
            Reason::TimestampInvalid => "timestamp_invalid",
            Reason::TimestampFuture => "timestamp_future",
            Reason::TooLarge => "too_large",
            Reason::TooDeep => "too_deep",
            Reason::ConsentDenied => "consent_denied",
            Reason::TrackingOff => "tracking_off",
            Reason::Unauthorized => "unauthorized",
            Reason::RateLimited => "rate_limited",
            Reason::Abandoned => "abandoned",
            Reason::Suppressed => "suppressed",
        }
    }
}
