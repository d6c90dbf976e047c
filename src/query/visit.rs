//! Which events of a session belong together: spans of time further apart than the timeout.
//!
//! Events arrive in no particular order, so none begins or ends a visit by its arrival. Instead every session has a list of visits, and each
//! event widens the visit that it touches, joins those that it bridges, or opens one of its own ([`touch`]). That gives what sorting by time and
//! splitting at the gaps would give, in one pass and without holding the rows. With a timeout of 30 minutes:
//!
//! ```text
//! 10:00        ─► [10:00]                      11:00        ─► [10:00 10:20] [11:00]
//! 10:20        ─► [10:00 10:20]                10:45        ─► [10:00 ─────── 11:00]
//! ```

use crate::clock::Millis;
use crate::store::columns::{ABSENT, Dictionary};
use crate::store::row::TextColumn;

use super::group::Groups;
use super::scan::Chunk;

/// One span of activity of a session.
#[derive(Default)]
pub(super) struct Visit<T> {
    pub first: i64,
    pub last: i64,
    pub detail: T,
}

impl<T> Visit<T> {
    /// Whether the session goes on at `now`.
    pub fn is_active(&self, now: Millis, timeout_ms: i64) -> bool {
        now.since(Millis(self.last)) <= timeout_ms
    }
}

/// What is gathered of a visit.
pub(super) trait Detail: Default {
    /// Takes in what was gathered of a later visit.
    fn merge(&mut self, later: Self);
}

impl Detail for () {
    fn merge(&mut self, _later: Self) {}
}

/// The visit that something at `time` belongs to, widened to include it. `visits` stay in order and further apart than the timeout.
pub(super) fn touch<T: Detail>(visits: &mut Vec<Visit<T>>, time: i64, timeout_ms: i64) -> &mut Visit<T> {
    touch_span(visits, (time, time), timeout_ms)
}

/// The same for a span in which no two neighbours lie further apart than the timeout.
fn touch_span<T: Detail>(visits: &mut Vec<Visit<T>>, (first, last): (i64, i64), timeout_ms: i64) -> &mut Visit<T> {
    let at = visits.partition_point(|visit| visit.last.saturating_add(timeout_ms) < first);
    let reaches = |visit: &&Visit<T>| visit.first.saturating_sub(timeout_ms) <= last;
    let reached = visits.iter().skip(at).take_while(reaches).count();
    if reached == 0 {
        visits.insert(at, Visit { first, last, detail: T::default() });
    }
    let bridged = if reached > 1 { visits.drain(at + 1..at + reached).collect() } else { Vec::new() };
    let visit = visits.get_mut(at).expect("a visit was found or inserted at this place");
    visit.first = visit.first.min(first);
    visit.last = visit.last.max(last);
    for later in bridged {
        visit.last = visit.last.max(later.last);
        visit.detail.merge(later.detail);
    }
    visit
}

/// Counts sessions where nothing else is asked of them.
#[derive(Default)]
pub(super) struct Counter(Groups<Vec<Visit<()>>>);

impl Counter {
    /// Takes in the rows of a chunk.
    pub fn take(&mut self, chunk: &Chunk, timeout_ms: i64) {
        const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
        let Some(sessions) = chunk.dictionary(TextColumn::Session) else { return };
        let rows = chunk.view();
        // The present visit of each session: rows of a visit mostly come together, and only what is left at its end is looked up.
        let mut present = vec![NOTHING; sessions.len() as usize + 1];
        for row in chunk.rows() {
            let (code, time) = (sessions.code(row), rows.time(row));
            let Some(span) = present.get_mut(code as usize) else { continue };
            let begin = span.0.saturating_sub(timeout_ms);
            if time < begin || time > span.1.saturating_add(timeout_ms) {
                self.put(sessions, code, *span, timeout_ms);
                *span = NOTHING;
            }
            *span = (span.0.min(time), span.1.max(time));
        }
        for (code, span) in (ABSENT..).zip(present) {
            self.put(sessions, code, span, timeout_ms);
        }
    }

    fn put(&mut self, sessions: Dictionary<'_>, code: u32, span: (i64, i64), timeout_ms: i64) {
        let visits = sessions.value(code).filter(|_| span.0 <= span.1).and_then(|value| self.0.entry(value));
        if let Some(visits) = visits {
            touch_span(visits, span, timeout_ms);
        }
    }

    /// Number of sessions.
    pub fn count(self) -> u64 {
        self.0.into_entries().iter().map(|(_, visits)| visits.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_late_event_joins_what_was_apart() {
        let mut visits: Vec<Visit<()>> = Vec::new();
        let mut spans = |minute: i64| {
            touch(&mut visits, minute * MINUTE, 30 * MINUTE);
            visits.iter().map(|v| (v.first / MINUTE, v.last / MINUTE)).collect::<Vec<_>>()
        };
        assert_eq!(spans(600), [(600, 600)]);
        assert_eq!(spans(620), [(600, 620)]);
        assert_eq!(spans(660), [(600, 620), (660, 660)]);
        assert_eq!(spans(700), [(600, 620), (660, 660), (700, 700)]);
        assert_eq!(spans(650), [(600, 660), (700, 700)]);
        assert_eq!(spans(569), [(569, 569), (600, 660), (700, 700)]);
        assert_eq!(spans(730), [(569, 569), (600, 660), (700, 730)]);
    }
}
