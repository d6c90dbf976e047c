//! Whom an event is about, for counting people.
//!
//! The subject of an event is its user; without one, its session; without either, nobody. A session in which any event that was read names a
//! user is that user's, so it does not count a second time: whoever logs in half-way is one person, not two.

use hashbrown::HashSet;

use crate::store::need::Need;
use crate::store::row::TextColumn;

use super::group::{Entries, Names};
use super::scan::Chunk;

/// Set in subjects that are sessions.
const SESSION: u32 = 1;

/// A set of subjects, by the numbers that [`Subjects`] gives them.
pub(super) type People = HashSet<u32>;

/// Everybody who was met.
#[derive(Default)]
pub(super) struct Subjects {
    users: Names,
    sessions: Names,
    /// By session: whether it has a user.
    identified: Vec<bool>,
}

impl Subjects {
    /// The columns that it looks at.
    pub fn need() -> Need {
        Need::of(&[], &[TextColumn::User, TextColumn::Session])
    }

    /// The way from a chunk's rows to their subjects.
    pub fn of<'s, 'c>(&'s mut self, chunk: &'c Chunk) -> SubjectsOfChunk<'s, 'c> {
        SubjectsOfChunk {
            users: self.users.of(chunk.dictionary(TextColumn::User)),
            sessions: self.sessions.of(chunk.dictionary(TextColumn::Session)),
            identified: &mut self.identified,
        }
    }

    /// Number of people in a set, once everything was read.
    pub fn count(&self, people: &People) -> u64 {
        let is_own = |subject: &&u32| {
            let session = (**subject >> 1) as usize;
            **subject & SESSION == 0 || self.identified.get(session) != Some(&true)
        };
        people.iter().filter(is_own).count() as u64
    }

    /// Number of users in a set.
    pub fn users(people: &People) -> u64 {
        people.iter().filter(|subject| **subject & SESSION == 0).count() as u64
    }
}

/// Subjects by the rows of one chunk.
pub(super) struct SubjectsOfChunk<'s, 'c> {
    users: Option<Entries<'s, 'c, ()>>,
    sessions: Option<Entries<'s, 'c, ()>>,
    identified: &'s mut Vec<bool>,
}

impl SubjectsOfChunk<'_, '_> {
    /// The subject of a row; `None` when it is about nobody.
    pub fn at(&mut self, row: usize) -> Option<u32> {
        let session = self.sessions.as_mut().and_then(|sessions| sessions.slot(row));
        let Some(user) = self.users.as_mut().and_then(|users| users.slot(row)) else {
            return session.map(|session| session << 1 | SESSION);
        };
        if let Some(session) = session.map(|session| session as usize) {
            if session >= self.identified.len() {
                self.identified.resize(session + 1, false);
            }
            if let Some(identified) = self.identified.get_mut(session) {
                *identified = true;
            }
        }
        Some(user << 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use super::super::oracle::{self, samples};
    use super::super::scan::{Filter, Scan};
    use super::*;

    proptest! {
        #[test]
        fn a_person_counts_once(samples in samples(), chunk in 1..20usize) {
            let parts = oracle::parts(&samples, chunk);
            let (mut subjects, mut people) = (Subjects::default(), People::new());
            for chunk in Scan::new(&parts, 1000).unwrap().chunks(&Subjects::need(), Filter::default()) {
                let chunk = chunk.unwrap();
                let mut of_chunk = subjects.of(&chunk);
                people.extend(chunk.rows().filter_map(|row| of_chunk.at(row)));
            }
            prop_assert_eq!(subjects.count(&people), oracle::subjects(&samples.iter().collect::<Vec<_>>(), &samples));
            let users: BTreeSet<_> = samples.iter().filter_map(|s| s.user.as_deref()).collect();
            prop_assert_eq!(Subjects::users(&people), users.len() as u64);
        }
    }
}
