//! Shapes that look like data and are not: UUIDs and timestamps. Recognised first, and skipped as a whole.

/// 8-4-4-4-12 hexadecimal digits and four hyphens.
pub(super) const UUID_LENGTH: usize = 36;

/// Whether a UUID starts at `i` and ends there where it should.
pub(super) fn is_uuid(bytes: &[u8], i: usize) -> bool {
    let Some(text) = bytes.get(i..).and_then(|rest| rest.first_chunk::<UUID_LENGTH>()) else { return false };
    let hyphens = text[8] == b'-' && text[13] == b'-' && text[18] == b'-' && text[23] == b'-';
    hyphens
        && text.iter().filter(|b| b.is_ascii_hexdigit()).count() == UUID_LENGTH - 4
        && !bytes.get(i + UUID_LENGTH).is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether a text is a UUID and nothing else, or a point of time other than the beginning of a day: a third of what programs report.
pub fn is_id_or_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.len() {
        UUID_LENGTH => is_uuid(bytes, 0),
        20..UUID_LENGTH => {
            let midnight = bytes.get(11..16) == Some(b"00:00");
            bytes.first_chunk::<4>().is_some_and(|year| year.iter().all(u8::is_ascii_digit))
                && !midnight
                && timestamp(bytes, 0, 4)
                    .is_some_and(|end| bytes.get(end..).is_none_or(|rest| matches!(rest, [] | b"Z")))
        }
        _ => false,
    }
}

/// The end of the date or date-time that starts at `i` with digits up to `digits_end`: `2026-11-22`, also with `/`, and the time
/// and zone that may follow it.
pub(super) fn timestamp(bytes: &[u8], i: usize, digits_end: usize) -> Option<usize> {
    if digits_end - i != 4 {
        return None;
    }
    let at = |k: usize| bytes.get(i + k).copied().unwrap_or(0);
    let two = |k: usize| at(k).is_ascii_digit() && at(k + 1).is_ascii_digit();
    let mark = at(4);
    let year = matches!((at(0), at(1)), (b'1', b'9') | (b'2', b'0'));
    let date =
        year && (mark == b'-' || mark == b'/') && two(5) && at(7) == mark && two(8) && at(5) <= b'1' && at(8) <= b'3';
    if !date || at(10).is_ascii_digit() {
        return None;
    }
    let time = matches!(at(10), b'T' | b't' | b' ' | b'_') && two(11) && at(13) == b':' && two(14);
    if !time {
        return Some(i + 10);
    }
    let mut end = 16;
    if at(16) == b':' && two(17) {
        end = 19;
        if matches!(at(19), b'.' | b',') {
            end = 20;
            while at(end).is_ascii_digit() && end < 30 {
                end += 1;
            }
        }
    }
    if matches!(at(end), b'+' | b'-') && two(end + 1) {
        end += 3;
        if at(end) == b':' && two(end + 1) {
            end += 3;
        } else if two(end) {
            end += 2;
        }
    }
    Some(i + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_taken_whole() {
        for text in [
            "2026-11-22",
            "2026-11-22T13:15:00.488577+02:00",
            "2026/11/22 13:15:00",
            "2026-11-22 13:15",
            "2026-11-22T13:15:00-0500",
        ] {
            assert_eq!(timestamp(text.as_bytes(), 0, 4), Some(text.len()), "{text}");
        }
        for text in ["2026-99-22", "4111-11-11", "2026", "2026-1", "2026-11-221"] {
            assert_eq!(timestamp(text.as_bytes(), 0, 4), None, "{text}");
        }
    }

    #[test]
    fn texts_that_are_ids_or_times_and_nothing_else() {
        for text in ["018d948b-d264-7102-8c36-ec7e95a6ad20", "2026-05-04T13:48:21.741Z", "2026-05-04T13:48:21+02:00"] {
            assert!(is_id_or_time(text), "{text}");
        }
        for text in [
            "018d948b-d264-7102-8c36-ec7e95a6ad2x",
            "2026-05-04T00:00:00.000Z",
            "2026-05-04T13:48:21.741Z ann",
            "2026-05-04",
        ] {
            assert!(!is_id_or_time(text), "{text}");
        }
    }

    #[test]
    fn a_uuid_ends_where_it_should() {
        assert!(is_uuid(b"018d948b-d264-7102-8c36-ec7e95a6ad20,", 0));
        assert!(!is_uuid(b"018d948b-d264-7102-8c36-ec7e95a6ad201", 0));
        assert!(!is_uuid(b"018d948b-d264-7102-8c36", 0));
    }
}
