//! Where a page ended. Opaque outside: base64url, numbers big-endian.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Millis;

/// Where a page of sessions or users ended.
pub struct Cursor {
    /// Last activity of the last one shown.
    pub last_activity: Millis,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// The cursor as text: the moment (8 bytes) and the id.
    pub fn encode(last_activity: Millis, id: &str) -> String {
        URL_SAFE_NO_PAD.encode([&last_activity.0.to_be_bytes(), id.as_bytes()].concat())
    }

    pub(super) fn parse(text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (moment, id) = bytes.split_first_chunk::<8>()?;
        let id = std::str::from_utf8(id).ok()?.to_owned();
        Some(Cursor { last_activity: Millis(i64::from_be_bytes(*moment)), id })
    }
}

/// Where a page of events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Time, arrival and checksum of the last event shown.
    pub key: EventKey,
    /// How many of that key were shown; such events do not differ.
    pub shown: u32,
}

/// What events are ordered by: time, arrival, and a checksum of what they say.
pub type EventKey = (i64, i64, u32);

impl Place {
    /// The place as text.
    pub fn encode(self) -> String {
        let (time, received, checksum) = self.key;
        let parts =
            [&time.to_be_bytes()[..], &received.to_be_bytes(), &checksum.to_be_bytes(), &self.shown.to_be_bytes()];
        URL_SAFE_NO_PAD.encode(parts.concat())
    }

    pub(super) fn parse(text: &str) -> Option<Place> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (received, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let shown = u32::from_be_bytes(rest.try_into().ok()?);
        let key = (i64::from_be_bytes(*time), i64::from_be_bytes(*received), u32::from_be_bytes(*checksum));
        Some(Place { key, shown })
    }
}
