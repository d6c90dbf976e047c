//! Whom an erasure is about, as rows name them.

use std::collections::BTreeSet;

use super::EncodedRows;
use super::columns::Columns;
use super::need::Need;
use super::row::{Damaged, Reader, Row, TextColumn, put_bytes, put_varint};

/// Values of `user` and `session` that belong to subjects whose rows are to go. Pseudonyms: what a row holds, never what was sent.
/// No `Debug`: they belong to people.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Values of column `user`.
    pub users: BTreeSet<String>,
    /// Values of column `session`.
    pub sessions: BTreeSet<String>,
}

impl Subjects {
    /// Whether nobody is meant.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.sessions.is_empty()
    }

    /// Whom either means.
    #[must_use]
    pub fn and(mut self, other: &Subjects) -> Subjects {
        self.users.extend(other.users.iter().cloned());
        self.sessions.extend(other.sessions.iter().cloned());
        self
    }

    /// Whether a row is theirs.
    pub fn has(&self, row: &Row<'_>) -> bool {
        let among = |values: &BTreeSet<String>, value: Option<&str>| value.is_some_and(|value| values.contains(value));
        among(&self.users, row.get(TextColumn::User)) || among(&self.sessions, row.get(TextColumn::Session))
    }

    /// Which of some encoded rows are theirs.
    pub fn among(&self, rows: &EncodedRows) -> Vec<bool> {
        rows.iter().map(|(_, bytes)| Row::decode(bytes).is_ok_and(|row| self.has(&row))).collect()
    }

    /// The columns that tell.
    pub fn need(&self) -> Need {
        let need = if self.users.is_empty() { Need::NONE } else { Need::NONE.text(TextColumn::User) };
        if self.sessions.is_empty() { need } else { need.text(TextColumn::Session) }
    }

    /// Which rows are theirs; `None` when no row is. The columns of [`Subjects::need`] must be there.
    pub fn rows(&self, columns: &Columns) -> Option<Vec<bool>> {
        let mut theirs: Option<Vec<bool>> = None;
        for (column, values) in [(TextColumn::User, &self.users), (TextColumn::Session, &self.sessions)] {
            let Some(dictionary) = columns.dictionary(column).filter(|_| !values.is_empty()) else { continue };
            let is_theirs = |code: &u32| dictionary.value(*code).is_some_and(|value| values.contains(value));
            let codes: BTreeSet<u32> = (1..=dictionary.len()).filter(is_theirs).collect();
            if codes.is_empty() {
                continue;
            }
            let rows = theirs.get_or_insert_with(|| vec![false; columns.len()]);
            for (row, theirs) in rows.iter_mut().enumerate() {
                *theirs |= codes.contains(&dictionary.code(row));
            }
        }
        theirs.filter(|rows| rows.contains(&true))
    }

    /// The plain bytes of the entry that keeps them until they are gone.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for values in [&self.users, &self.sessions] {
            put_varint(&mut out, values.len() as u64);
            values.iter().for_each(|value| put_bytes(&mut out, value.as_bytes()));
        }
        out
    }

    /// Reads such an entry.
    pub(super) fn decode(bytes: &[u8]) -> Result<Subjects, Damaged> {
        let mut reader = Reader { bytes };
        let mut read = || -> Option<BTreeSet<String>> {
            let count = reader.varint()?;
            (0..count).map(|_| reader.text().map(str::to_owned)).collect()
        };
        let subjects = Subjects { users: read().ok_or(Damaged)?, sessions: read().ok_or(Damaged)? };
        if reader.bytes.is_empty() { Ok(subjects) } else { Err(Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::row::TEXT_COLUMNS;
    use super::*;
    use crate::clock::Millis;
    use crate::privacy::event::EventType;

    proptest! {
        #[test]
        fn an_entry_reads_back(users in proptest::collection::btree_set(".{0,9}", 0..5), sessions in proptest::collection::btree_set(".{0,9}", 0..5), cut in any::<proptest::sample::Index>()) {
            let subjects = Subjects { users, sessions };
            let bytes = subjects.encode();
            prop_assert!(Subjects::decode(&bytes).is_ok_and(|read| read == subjects));
            prop_assert!(Subjects::decode(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn rows_are_theirs_by_user_or_by_session() {
        let mut columns = Columns::default();
        for (user, session) in [(Some("u_a"), Some("s1")), (None, Some("s2")), (Some("u_b"), Some("s2")), (None, None)]
        {
            let mut text = [None; TEXT_COLUMNS];
            text[TextColumn::User as usize] = user;
            text[TextColumn::Session as usize] = session;
            columns.push(&Row {
                received: Millis(0),
                time: Millis(0),
                event_type: EventType::Custom,
                text,
                duration_ms: None,
                ok: None,
                status: None,
                value: None,
                attributes: "",
                session_derived: false,
            });
        }
        let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
        let of =
            |users: &[&str], sessions: &[&str]| Subjects { users: set(users), sessions: set(sessions) }.rows(&columns);
        assert_eq!(of(&["u_a"], &[]), Some(vec![true, false, false, false]));
        assert_eq!(of(&["u_a"], &["s2"]), Some(vec![true, true, true, false]));
        assert_eq!(of(&["s2", "u_"], &["u_a"]), None);
        assert_eq!(of(&[], &[]), None);
    }
}
