//! `users`: who was seen, the newest activity first.
//!
//! Rows, so for holders of `export` only. A user who becomes active between two pages moves to the front and is not shown again on the
//! second. Events without a user are nobody's.

use std::cmp::Reverse;

use hashbrown::HashMap;
use serde::Serialize;

use crate::clock::Millis;
use crate::store::need::Plain;
use crate::store::row::TextColumn;

use super::group::{Groups, Names};
use super::params::Cursor;
use super::scan::error_need;
use super::visit::{Visit, touch};
use super::{Error, Moment, Params, Scan};

/// The answer of `users`. No `Debug` here and below: users are people.
#[derive(Serialize)]
pub struct Users {
    /// The users, newest activity first.
    pub users: Vec<User>,
    /// What to give as `cursor` to go on; `null` when this is the end.
    pub next_cursor: Option<String>,
}

/// One user.
#[derive(Serialize)]
pub struct User {
    /// Pseudonym.
    pub user: String,
    /// Time of the first event in the range.
    pub first_seen: Moment,
    /// Time of the last event in the range.
    pub last_seen: Moment,
    /// Number of events.
    pub events: u64,
    /// Number of sessions in which one of the events lies.
    pub sessions: u64,
    /// Number of errors.
    pub errors: u64,
}

/// What is gathered of one user.
struct Usage {
    first: i64,
    last: i64,
    events: u64,
    errors: u64,
    sessions: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Usage { first: i64::MAX, last: i64::MIN, events: 0, errors: 0, sessions: 0 }
    }
}

/// One page of the users of the rows that `params` asks for.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`].
pub fn users(scan: &Scan<'_>, params: &Params, timeout_ms: i64) -> Result<Users, Error> {
    let mut users: Groups<Usage> = Groups::default();
    let mut sessions = Names::default();
    let mut visits: HashMap<(u32, u32), Vec<Visit<()>>> = HashMap::new();
    let need = error_need().plain(Plain::Time).text(TextColumn::User).text(TextColumn::Session);
    for chunk in scan.chunks(&need, params.filter()) {
        let chunk = chunk?;
        let rows = chunk.view();
        let Some(mut by_user) = users.of(chunk.dictionary(TextColumn::User)) else { continue };
        let mut by_session = sessions.of(chunk.dictionary(TextColumn::Session));
        for row in chunk.rows() {
            let (time, is_error) = (rows.time(row), rows.is_error(row));
            let Some(user) = by_user.slot(row) else { continue };
            if let Some(usage) = by_user.at(row) {
                usage.first = usage.first.min(time);
                usage.last = usage.last.max(time);
                usage.events += 1;
                usage.errors += u64::from(is_error);
            }
            if let Some(session) = by_session.as_mut().and_then(|sessions| sessions.slot(row)) {
                touch(visits.entry((user, session)).or_default(), time, timeout_ms);
            }
        }
    }
    let mut found = users.into_entries();
    for ((user, _), visits) in visits {
        if let Some((_, usage)) = found.get_mut(user as usize) {
            usage.sessions += visits.len() as u64;
        }
    }
    Ok(page(found, params))
}

fn page(mut found: Vec<(Box<str>, Usage)>, params: &Params) -> Users {
    if let Some(Cursor { last_activity, id }) = &params.cursor {
        found.retain(|(user, usage)| (Reverse(usage.last), &**user) > (Reverse(last_activity.0), id.as_str()));
    }
    let newest_first =
        |a: &(Box<str>, Usage), b: &(Box<str>, Usage)| (Reverse(a.1.last), &a.0).cmp(&(Reverse(b.1.last), &b.0));
    let more = found.len() > params.limit;
    if more {
        found.select_nth_unstable_by(params.limit, newest_first);
        found.truncate(params.limit);
    }
    found.sort_unstable_by(newest_first);
    let next_cursor = found.last().filter(|_| more).map(|(user, usage)| Cursor::encode(Millis(usage.last), user));
    let user = |(user, usage): (Box<str>, Usage)| User {
        user: user.into(),
        first_seen: Moment(Millis(usage.first)),
        last_seen: Moment(Millis(usage.last)),
        events: usage.events,
        sessions: usage.sessions,
        errors: usage.errors,
    };
    Users { users: found.into_iter().map(user).collect(), next_cursor }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::oracle::{self, Sample, TIMEOUT_MS, samples};
    use super::super::params::Question;
    use super::*;

    proptest! {
        #[test]
        fn agrees_with_looking_at_every_user(samples in samples(), chunk in 1..20usize, query in oracle::query(), limit in 1..3usize) {
            let parts = query.parts(&samples, chunk);
            let scan = Scan::new(&parts, 1000).unwrap();
            let mut expected: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
            for row in query.matching(&samples) {
                if let Some(user) = &row.user {
                    expected.entry(user).or_default().push(row);
                }
            }
            let mut expected: Vec<_> = expected.into_iter().collect();
            expected.sort_by_key(|(_, rows)| Reverse(rows.iter().map(|s| s.time).max()));
            let mut expected = expected.into_iter();
            let mut params = Params { limit, ..query.params(Question::Users) };
            loop {
                let page = users(&scan, &params, TIMEOUT_MS).unwrap();
                for user in &page.users {
                    let (id, rows) = expected.next().unwrap();
                    prop_assert_eq!(&user.user, id);
                    prop_assert_eq!(Some(user.first_seen.0.0), rows.iter().map(|s| s.time).min());
                    prop_assert_eq!(Some(user.last_seen.0.0), rows.iter().map(|s| s.time).max());
                    prop_assert_eq!((user.events, user.errors), (rows.len() as u64, rows.iter().filter(|s| s.is_error()).count() as u64));
                    prop_assert_eq!(user.sessions, oracle::sessions(&rows).len() as u64);
                }
                let Some(next) = page.next_cursor else { break };
                params.cursor = Params::parse(Question::Users, [("cursor", next.as_str())], params.to, 10).ok().unwrap().cursor;
            }
            prop_assert!(expected.next().is_none());
        }
    }
}
