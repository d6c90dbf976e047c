//! Counting agrees with counting row by row.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::columns::Columns;
use super::super::row::{Row, TEXT_COLUMNS};
use super::*;
use crate::clock::{DAY_MS, HOUR_MS};

/// Type, hour, user, session, name, failed.
type Sample = (bool, i64, Option<u8>, Option<u8>, Option<u8>, bool);
/// Events, errors, distinct users, distinct sessions, distinct subjects.
type Naive = (u64, u64, BTreeSet<u8>, BTreeSet<u8>, BTreeSet<(u8, Option<u8>)>);

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let text = || proptest::option::weighted(0.8, 0..6u8);
    proptest::collection::vec((any::<bool>(), 0..60i64, text(), text(), text(), any::<bool>()), 1..120)
}

fn type_of(sample: &Sample) -> EventType {
    if sample.0 { EventType::McpToolCall } else { EventType::McpInitialize }
}

fn columns(samples: &[Sample]) -> Columns {
    let mut columns = Columns::default();
    for sample in samples {
        let texts = [(TextColumn::User, sample.2), (TextColumn::Session, sample.3), (TextColumn::Name, sample.4)];
        let texts = texts.map(|(column, text)| (column, text.map(|text| format!("{text}"))));
        let mut text = [None; TEXT_COLUMNS];
        texts.iter().for_each(|(column, value)| text[*column as usize] = value.as_deref());
        let time = Millis(sample.1 * HOUR_MS + 5);
        columns.push(&Row {
            received: time,
            time,
            event_type: type_of(sample),
            text,
            duration_ms: Some(1.0),
            ok: Some(!sample.5),
            status: None,
            value: None,
            attributes: "",
            session_derived: false,
        });
    }
    columns
}

fn add(naive: &mut Naive, (_, _, user, session, _, failed): &Sample) {
    naive.0 += 1;
    naive.1 += u64::from(*failed);
    naive.2.extend(user);
    naive.3.extend(session);
    naive.4.insert(user.map_or((1, *session), |user| (0, Some(user))));
}

proptest! {
    #[test]
    fn cells_are_what_counting_row_by_row_gives(samples in samples(), run in 1..50usize, k in 1..5usize) {
        let mut tally = Tally::default();
        samples.chunks(run).for_each(|samples| tally.take(&columns(samples), None));
        let mut naive: BTreeMap<(Scope, u8, Option<String>, i64), Naive> = BTreeMap::new();
        for sample in &samples {
            let (code, day) = (type_of(sample).code(), sample.1 / 24 * DAY_MS);
            add(naive.entry((Scope::Total, code, None, day)).or_default(), sample);
            if let Some(name) = sample.4 {
                let name = Some(name.to_string());
                add(naive.entry((Scope::NameDay, code, name.clone(), day)).or_default(), sample);
                add(naive.entry((Scope::NameHour, code, name, sample.1 * HOUR_MS)).or_default(), sample);
            }
        }
        for sample in &samples {
            let (code, day) = (type_of(sample).code(), sample.1 / 24 * DAY_MS);
            let name = sample.4.map(|name| name.to_string());
            let is_sparse = name.is_some() && naive[&(Scope::NameDay, code, name, day)].4.len() < k;
            if is_sparse {
                add(naive.entry((Scope::Other, code, None, day)).or_default(), sample);
            }
        }
        naive.retain(|(scope, ..), of| !matches!(scope, Scope::NameDay | Scope::NameHour) || of.4.len() >= k);
        let cells = tally.cells(k);
        prop_assert_eq!(cells.len(), naive.len());
        for cell in cells {
            let place = (cell.scope, cell.event_type.code(), cell.name.clone(), cell.start.0);
            let Some(of) = naive.get(&place) else { return Err(TestCaseError::fail("a cell too many")) };
            let Counted { events, errors, users, sessions, durations, newest } = cell.counted;
            let expected = (of.0, of.1, of.2.len() as u64, of.3.len() as u64);
            prop_assert_eq!((events, errors, users, sessions), expected);
            prop_assert_eq!(durations.count(), events);
            prop_assert!(newest >= cell.start && newest.0 < cell.start.0 + DAY_MS);
        }
    }
}
