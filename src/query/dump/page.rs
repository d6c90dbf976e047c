//! Which events one answer of an export has, so that an export that broke off goes on.
//!
//! A page is what arrived after one moment and up to another. Where rows lie changes when buckets are sealed and merged; when they arrived
//! does not, so the same page asked for again has the same events, unless some have expired or were erased. Where a page ends is known
//! before its first byte: a client that was cut off at any place asks for the same page again, and a page that came whole is never read twice.
//!
//! What arrived within [`UNSETTLED_MS`] may still be joined by events that arrived at the same time and became durable a moment later.
//! Pages never end there: the last page takes all of it, whatever its limit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Millis;
use crate::query::{Error, Scan};
use crate::store::Part;
use crate::store::need::{Need, Plain};

/// Longer than anything takes between the arrival of an event and its commit.
const UNSETTLED_MS: i64 = 60_000;

/// A range of arrival: after one moment, up to and including another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    after: Millis,
    until: Millis,
}

impl Page {
    /// Everything.
    pub const ALL: Page = Page { after: Millis(i64::MIN), until: Millis(i64::MAX) };

    /// Everything that comes after the page that gave `cursor`.
    pub fn after(cursor: Option<Millis>) -> Page {
        Page { after: cursor.unwrap_or(Page::ALL.after), ..Page::ALL }
    }

    /// The page that begins where the one that gave `cursor` ended, with about `limit` of the rows of `scan`: those that arrived in the same
    /// millisecond stay together. Rows count before they are filtered.
    ///
    /// # Errors
    /// Those of reading.
    pub fn beginning(scan: &Scan<'_>, cursor: Option<Millis>, limit: usize, now: Millis) -> Result<Page, Error> {
        let page = Page::after(cursor);
        let mut first = Earliest::new(limit);
        let mut parts: Vec<&Part> = scan.parts().iter().collect();
        parts.sort_by_key(|part| part.spans().map(|spans| spans.received.0));
        for part in parts {
            let is_later = part.spans().is_some_and(|spans| first.is_past(spans.received.0.0));
            if is_later || part.spans().is_none_or(|spans| spans.received.1 <= page.after) {
                continue;
            }
            let loaded = scan.load(part, &Need::NONE.plain(Plain::Received))?;
            let received = loaded.columns().received();
            first.extend(loaded.rows().filter_map(|row| received.get(row).copied()).filter(|at| *at > page.after.0));
        }
        let settled = now.plus(-UNSETTLED_MS);
        Ok(match first.last_of_full() {
            Some(last) if last < settled.0 => Page { until: Millis(last), ..page },
            Some(_) | None => page,
        })
    }

    /// What names the next page; `None` when this is the last.
    pub fn next_cursor(&self) -> Option<String> {
        (self.until != Page::ALL.until).then(|| URL_SAFE_NO_PAD.encode(self.until.0.to_be_bytes()))
    }

    /// Reads a cursor back.
    pub fn cursor(text: &str) -> Option<Millis> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Millis(i64::from_be_bytes(bytes.try_into().ok()?)))
    }

    /// Whether a row that arrived at `received` belongs to it.
    pub(super) fn has(&self, received: i64) -> bool {
        received > self.after.0 && received <= self.until.0
    }

    /// Whether any row that arrived between these moments may belong to it.
    pub(super) fn meets(&self, (first, last): (Millis, Millis)) -> bool {
        last > self.after && first <= self.until
    }
}

/// The earliest so many of many moments.
struct Earliest {
    limit: usize,
    moments: Vec<i64>,
}

impl Earliest {
    fn new(limit: usize) -> Earliest {
        Earliest { limit: limit.max(1), moments: Vec::new() }
    }

    fn extend(&mut self, moments: impl Iterator<Item = i64>) {
        for moment in moments {
            self.moments.push(moment);
            // Thinned out now and then, so that memory stays within twice the limit.
            if self.moments.len() >= self.limit.saturating_mul(2) {
                self.thin();
            }
        }
    }

    fn thin(&mut self) {
        if self.moments.len() > self.limit {
            self.moments.select_nth_unstable(self.limit - 1);
            self.moments.truncate(self.limit);
        }
    }

    /// Whether so many are known that none from `moment` on is among them.
    fn is_past(&mut self, moment: i64) -> bool {
        self.last_of_full().is_some_and(|last| moment > last)
    }

    /// The latest of them, if there are as many as the limit.
    fn last_of_full(&mut self) -> Option<i64> {
        self.thin();
        if self.moments.len() < self.limit { None } else { self.moments.iter().max().copied() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::oracle::{Query, Sample, samples};
    use super::*;

    const NOW: Millis = Millis(1 << 40);

    proptest! {
        #[test]
        fn pages_together_are_everything_once(samples in samples(), chunk in 1..20usize, limit in 1..30usize) {
            let parts = Query { from: 0, to: i64::MAX, ..Query::default() }.parts(&samples, chunk);
            let scan = Scan::new(&parts, u64::MAX).unwrap();
            let mut taken: Vec<Sample> = Vec::new();
            let mut cursor = None;
            loop {
                let page = Page::beginning(&scan, cursor, limit, NOW).unwrap();
                prop_assert_eq!(page, Page::beginning(&scan, cursor, limit, NOW).unwrap());
                let of_page = samples.iter().filter(|sample| page.has(sample.received));
                let before = taken.len();
                taken.extend(of_page.cloned());
                let Some(next) = page.next_cursor() else { break };
                prop_assert!(taken.len() - before >= limit);
                cursor = Page::cursor(&next);
            }
            prop_assert_eq!(taken.len(), samples.len());
        }

        #[test]
        fn no_text_makes_a_cursor_panic(text in "\\PC{0,20}") {
            let _ = Page::cursor(&text);
        }
    }

    #[test]
    fn what_has_just_arrived_is_never_split() {
        let samples: Vec<Sample> = (0..100).map(|n| Sample { received: n * 1000, ..Sample::default() }).collect();
        let parts = Query { from: 0, to: i64::MAX, ..Query::default() }.parts(&samples, 7);
        let scan = Scan::new(&parts, u64::MAX).unwrap();
        let page = |limit| Page::beginning(&scan, None, limit, Millis(99_000)).unwrap();
        assert_eq!(page(10), Page { until: Millis(9_000), ..Page::ALL });
        assert_eq!(page(39), Page { until: Millis(38_000), ..Page::ALL });
        assert_eq!(page(40), Page::ALL);
    }
}
