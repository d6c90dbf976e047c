//! What each subject did, in the order of time: for questions about sequences.
//!
//! Such questions need all events of a subject at once, and those lie in many parts. So what is kept of an event is as little as can be, 16
//! bytes, and the number of them is bounded.

use crate::store::columns::Dictionary;

use super::Error;
use super::group::{Entries, Names};

/// Events that one question about sequences keeps at most: 64 MiB.
const MARKS_MAX: usize = 4 << 20;

/// One thing that a subject did.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    subject: u32,
    /// What it was, in the words of the question.
    pub what: u32,
    pub time: i64,
}

/// What all subjects did.
#[derive(Default)]
pub(super) struct Trails {
    subjects: Names,
    marks: Vec<Mark>,
}

impl Trails {
    /// Takes in the marks of one chunk: of the rows, those that have a subject and of which `what` says something.
    pub fn take(
        &mut self,
        subjects: Option<Dictionary<'_>>,
        rows: impl Iterator<Item = (usize, i64)>,
        mut what: impl FnMut(usize) -> Option<u32>,
    ) -> Result<(), Error> {
        let Some(mut entries): Option<Entries<'_, '_, ()>> = self.subjects.of(subjects) else { return Ok(()) };
        for (row, time) in rows {
            let Some(what) = what(row) else { continue };
            let Some(subject) = entries.slot(row) else { continue };
            if self.marks.len() >= MARKS_MAX {
                return Err(Error::TooManyRows { rows_max: MARKS_MAX as u64 });
            }
            self.marks.push(Mark { subject, what, time });
        }
        Ok(())
    }

    /// The marks of one subject after the other, each in the order of time; what happened at one moment as `tie` puts it.
    pub fn each<K: Ord>(mut self, tie: impl Fn(&Mark) -> K, mut visit: impl FnMut(&[Mark])) {
        self.marks.sort_by(|a, b| (a.subject, a.time).cmp(&(b.subject, b.time)).then_with(|| tie(a).cmp(&tie(b))));
        self.marks.chunk_by(|a, b| a.subject == b.subject).for_each(&mut visit);
    }
}
