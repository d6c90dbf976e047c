//! Counting the rows of a bucket, run by run, in memory that is bounded by what is distinct among them.
//!
//! Texts are numbered once per run and value, not per row. Rows are counted in *leaves*: one type, hour and name. A leaf lists the numbers of its users
//! and sessions, with repetitions that are taken out now and then; days, totals and the rest of the names are put together from leaves at the end.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::clock::{DAY_MS, HOUR_MS, Millis};
use crate::privacy::event::EventType;

use super::super::columns::{Columns, Dictionary};
use super::super::row::TextColumn;
use super::{Cell, Counted, Scope};

/// Names of one rollup at most; those beyond it count as other.
const NAMES_MAX: usize = 10_000;
/// No list is looked through for repetitions below this length.
const LIST_MIN: usize = 256;
const HOURS_OF_DAY: i64 = DAY_MS / HOUR_MS;

/// Numbers for texts, from 1; 0 is no text.
#[derive(Default)]
struct Numbers {
    known: HashMap<Box<str>, u32>,
}

impl Numbers {
    /// The number of each code of a dictionary.
    fn of(&mut self, dictionary: Option<Dictionary<'_>>) -> Vec<u32> {
        let Some(dictionary) = dictionary else { return Vec::new() };
        let mut number = |text: &str| {
            let next = u32::try_from(self.known.len() + 1).unwrap_or(u32::MAX);
            *self.known.entry_ref(text).or_insert(next)
        };
        (0..=dictionary.len()).map(|code| dictionary.value(code).map_or(0, &mut number)).collect()
    }

    fn len(&self) -> usize {
        self.known.len()
    }
}

/// Numbers seen while one list is looked through; emptied by beginning another round.
#[derive(Default)]
struct Marks {
    rounds: Vec<u32>,
    round: u32,
}

impl Marks {
    fn begin(&mut self, numbers: usize) {
        self.rounds.resize(self.rounds.len().max(numbers + 1), 0);
        self.round += 1;
    }

    /// Whether this is the first time in this round.
    fn is_first(&mut self, number: u32) -> bool {
        let Some(round) = self.rounds.get_mut(number as usize) else { return false };
        std::mem::replace(round, self.round) != self.round
    }
}

/// What is gathered of some rows.
#[derive(Default)]
struct Gathered {
    counted: Counted,
    users: Vec<u32>,
    sessions: Vec<u32>,
    /// Sessions of rows without a user: subjects of their own. One 0 for those without either.
    strangers: Vec<u32>,
    /// How long the lists may get before repetitions are taken out.
    limit: usize,
}

/// What of a row is counted.
struct Seen {
    time: i64,
    is_error: bool,
    duration_ms: Option<f64>,
    user: u32,
    session: u32,
}

/// Appends a number unless it is the one before: rows of a session follow each other.
fn push(list: &mut Vec<u32>, number: u32) {
    if list.last() != Some(&number) {
        list.push(number);
    }
}

impl Gathered {
    fn take(&mut self, row: &Seen) {
        let counted = &mut self.counted;
        counted.newest = if counted.events == 0 { Millis(row.time) } else { counted.newest.max(Millis(row.time)) };
        counted.events += 1;
        counted.errors += u64::from(row.is_error);
        if let Some(duration) = row.duration_ms {
            counted.durations.insert(duration);
        }
        if row.user > 0 {
            push(&mut self.users, row.user);
        } else {
            push(&mut self.strangers, row.session);
        }
        if row.session > 0 {
            push(&mut self.sessions, row.session);
        }
    }

    fn merge(&mut self, other: &Gathered) {
        let counted = &mut self.counted;
        let newest = other.counted.newest;
        counted.newest = if counted.events == 0 { newest } else { counted.newest.max(newest) };
        counted.events += other.counted.events;
        counted.errors += other.counted.errors;
        counted.durations.merge(&other.counted.durations);
        self.users.extend_from_slice(&other.users);
        self.sessions.extend_from_slice(&other.sessions);
        self.strangers.extend_from_slice(&other.strangers);
    }

    fn is_long(&self) -> bool {
        self.users.len().max(self.sessions.len()) > self.limit.max(LIST_MIN)
    }
}

/// Takes repetitions out of lists.
#[derive(Default)]
struct Distinct {
    users: usize,
    sessions: usize,
    marks: Marks,
}

impl Distinct {
    fn shorten(&mut self, gathered: &mut Gathered) {
        let Distinct { users, sessions, marks } = self;
        for (list, numbers) in [
            (&mut gathered.users, *users),
            (&mut gathered.sessions, *sessions),
            (&mut gathered.strangers, *sessions),
        ] {
            marks.begin(numbers);
            list.retain(|number| marks.is_first(*number));
        }
        gathered.limit = 2 * gathered.users.len().max(gathered.sessions.len());
    }
}

/// A gathering without repetitions.
struct Whole(Gathered);

impl Whole {
    fn of(mut gathered: Gathered, distinct: &mut Distinct) -> Whole {
        distinct.shorten(&mut gathered);
        Whole(gathered)
    }

    fn is_dense(&self, k: usize) -> bool {
        self.0.users.len() + self.0.strangers.len() >= k
    }

    fn counted(self) -> Counted {
        Counted { users: self.0.users.len() as u64, sessions: self.0.sessions.len() as u64, ..self.0.counted }
    }
}

/// Type, hour and number of the name: a leaf.
type Leaf = (u8, i64, u32);

/// Counting in progress.
#[derive(Default)]
pub(super) struct Tally {
    users: Numbers,
    sessions: Numbers,
    names: Numbers,
    leaves: HashMap<Leaf, Gathered>,
    marks: Marks,
}

impl Tally {
    /// Counts the rows of one run that are not `erased`.
    pub(super) fn take(&mut self, columns: &Columns, erased: Option<&[bool]>) {
        let coded = |numbers: &mut Numbers, column: TextColumn| {
            let dictionary = columns.dictionary(column);
            (dictionary, numbers.of(dictionary))
        };
        let users = coded(&mut self.users, TextColumn::User);
        let sessions = coded(&mut self.sessions, TextColumn::Session);
        let names = coded(&mut self.names, TextColumn::Name);
        let number = |(dictionary, numbers): &(Option<Dictionary<'_>>, Vec<u32>), row: usize| {
            let code = dictionary.map_or(0, |dictionary| dictionary.code(row));
            numbers.get(code as usize).copied().unwrap_or(0)
        };
        for (row, (time, code)) in columns.time().iter().zip(columns.event_type()).enumerate() {
            if erased.is_some_and(|erased| erased.get(row) == Some(&true)) {
                continue;
            }
            let leaf = (*code, time.div_euclid(HOUR_MS), number(&names, row));
            self.leaves.entry(leaf).or_default().take(&Seen {
                time: *time,
                is_error: columns.is_error(row),
                duration_ms: columns.duration_ms(row),
                user: number(&users, row),
                session: number(&sessions, row),
            });
        }
        let mut distinct = self.distinct();
        self.leaves.values_mut().filter(|leaf| leaf.is_long()).for_each(|leaf| distinct.shorten(leaf));
        self.marks = distinct.marks;
    }

    fn distinct(&mut self) -> Distinct {
        Distinct { users: self.users.len(), sessions: self.sessions.len(), marks: std::mem::take(&mut self.marks) }
    }

    /// What was counted; names only where at least `k` subjects took part.
    pub(super) fn cells(mut self, k: usize) -> Vec<Cell> {
        let mut distinct = self.distinct();
        let texts: HashMap<u32, Box<str>> = self.names.known.into_iter().map(|(text, number)| (number, text)).collect();
        let mut totals: BTreeMap<(u8, i64), Gathered> = BTreeMap::new();
        let mut names: BTreeMap<(u8, i64, u32), Vec<(i64, Gathered)>> = BTreeMap::new();
        for ((code, hour, name), gathered) in self.leaves {
            let day = hour.div_euclid(HOURS_OF_DAY);
            let total = totals.entry((code, day)).or_default();
            total.merge(&gathered);
            if total.is_long() {
                distinct.shorten(total);
            }
            names.entry((code, day, name)).or_default().push((hour, gathered));
        }
        let mut cells = Cells::default();
        for ((code, day), total) in totals {
            cells.add(Scope::Total, code, None, day * DAY_MS, Whole::of(total, &mut distinct));
        }
        let mut named: Vec<Named> = Vec::new();
        for ((code, day, number), mut hours) in names {
            // Rows without a name are in the totals only.
            let Some(name) = texts.get(&number) else { continue };
            hours.sort_unstable_by_key(|(hour, _)| *hour);
            let events = hours.iter().map(|(_, gathered)| gathered.counted.events).sum();
            named.push(Named { code, day, name, events, hours });
        }
        named.sort_unstable_by(|a, b| b.events.cmp(&a.events).then_with(|| a.place().cmp(&b.place())));
        let mut others: BTreeMap<(u8, i64), Gathered> = BTreeMap::new();
        for (place, Named { code, day, name, hours, .. }) in named.into_iter().enumerate() {
            let mut whole = Gathered::default();
            hours.iter().for_each(|(_, gathered)| whole.merge(gathered));
            let whole = Whole::of(whole, &mut distinct);
            if place >= NAMES_MAX || !whole.is_dense(k) {
                others.entry((code, day)).or_default().merge(&whole.0);
                continue;
            }
            cells.add(Scope::NameDay, code, Some(name), day * DAY_MS, whole);
            for (hour, gathered) in hours {
                let whole = Whole::of(gathered, &mut distinct);
                if whole.is_dense(k) {
                    cells.add(Scope::NameHour, code, Some(name), hour * HOUR_MS, whole);
                }
            }
        }
        for ((code, day), gathered) in others {
            cells.add(Scope::Other, code, None, day * DAY_MS, Whole::of(gathered, &mut distinct));
        }
        cells.0
    }
}

/// The leaves of one name on one day.
struct Named<'n> {
    code: u8,
    day: i64,
    name: &'n str,
    events: u64,
    hours: Vec<(i64, Gathered)>,
}

impl Named<'_> {
    fn place(&self) -> (u8, i64, &str) {
        (self.code, self.day, self.name)
    }
}

#[derive(Default)]
struct Cells(Vec<Cell>);

impl Cells {
    fn add(&mut self, scope: Scope, code: u8, name: Option<&str>, start: i64, whole: Whole) {
        let Some(event_type) = EventType::from_code(code) else { return };
        let name = name.map(str::to_owned);
        self.0.push(Cell { scope, event_type, name, start: Millis(start), counted: whole.counted() });
    }
}
