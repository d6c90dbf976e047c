//! Whole runs: what goes in comes out, and damage is told.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;
use proptest::prelude::*;

use crate::clock::Millis;
use crate::privacy::event::EventType;

use super::super::columns::Columns;
use super::super::need::{Need, Plain};
use super::super::row::{Damaged, Row, TEXT_COLUMNS, TextColumn};
use super::{BlockId, Decoded, Encoded, Layout, decode_block, encode};

/// A row that owns what it holds.
#[derive(Clone, Debug)]
struct Event {
    times: (i64, i64),
    event_type: u8,
    texts: Vec<Option<String>>,
    numbers: (Option<f64>, Option<f64>, Option<u16>),
    ok: Option<bool>,
    derived: bool,
    attributes: String,
}

impl Event {
    fn row(&self) -> Row<'_> {
        Row {
            received: Millis(self.times.0),
            time: Millis(self.times.1),
            event_type: EventType::from_code(self.event_type).unwrap(),
            text: std::array::from_fn(|column| self.texts[column].as_deref()),
            duration_ms: self.numbers.0,
            ok: self.ok,
            status: self.numbers.2,
            value: self.numbers.1,
            attributes: &self.attributes,
            session_derived: self.derived,
        }
    }
}

/// Any JSON value as compact text; numbers as people and machines write them.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        (-50..50i64).prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,10})\\.[0-9]{1,10}([eE][+-]?[0-9]{1,3})?",
        prop::sample::select(vec![
            "-0",
            "-0.0",
            "1.50",
            "1e400",
            "0.0",
            "12.0",
            "1E5",
            "123456789012345678901234567890"
        ])
        .prop_map(str::to_owned),
        "[a-c ]{0,3}".prop_map(|text| format!("\"{text}\"")),
        "\\PC{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::sample::select(vec![r#""\u00e9\/\n""#, r#""\ud800""#, r#""\ud83d\ude00""#, "\"\""])
            .prop_map(str::to_owned),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name =
        prop_oneof![6 => "[a-d]", 1 => "[a-c]\\.[a-c]", 1 => "", 1 => "[é\\[\\]]{1,3}", 1 => Just("x\\ty".to_owned())];
    proptest::collection::vec((name, value), 0..5).prop_map(|members| {
        format!(
            "{{{}}}",
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",")
        )
    })
}

fn attributes() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        4 => object(json()),
        4 => (0..1000u32, "[a-z]{1,6}", any::<bool>()).prop_map(|(n, text, flag)| format!("{{\"n\":{n},\"deep\":{{\"text\":\"{text}\",\"flag\":{flag}}}}}")),
        1 => "\\PC{0,12}",
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let texts = proptest::collection::vec(
        proptest::option::weighted(0.3, prop_oneof!["[a-cé]{0,3}", "u_[0-9a-f]{8}"]),
        TEXT_COLUMNS,
    );
    let number = || {
        proptest::option::of(prop_oneof![
            (0..100_000i64).prop_map(|n| n as f64 / 1000.0),
            any::<u64>().prop_map(f64::from_bits)
        ])
    };
    let times = prop_oneof![4 => (0..5i64, 0..5i64), 1 => (any::<i64>(), any::<i64>())];
    (
        times,
        1..=13u8,
        texts,
        (number(), number(), any::<Option<u16>>()),
        any::<Option<bool>>(),
        any::<bool>(),
        attributes(),
    )
        .prop_map(|(times, event_type, texts, numbers, ok, derived, attributes)| Event {
            times,
            event_type,
            texts,
            numbers,
            ok,
            derived,
            attributes,
        })
}

fn chunks(events: &[Event], size: usize) -> Vec<Arc<Columns>> {
    let chunk = |events: &[Event]| {
        let mut columns = Columns::default();
        events.iter().for_each(|event| columns.push(&event.row()));
        Arc::new(columns)
    };
    events.chunks(size).map(chunk).collect()
}

fn read(encoded: &Encoded, need: &Need) -> Result<Columns, Damaged> {
    let bytes: HashMap<BlockId, &Vec<u8>> = encoded.blocks.iter().map(|(block, bytes)| (*block, bytes)).collect();
    let layout = Layout::decode(bytes.get(&BlockId::LAYOUT).ok_or(Damaged)?)?;
    let mut decoded: HashMap<BlockId, Decoded> = HashMap::new();
    for block in layout.blocks_for(need) {
        let content =
            decode_block(&layout, block, bytes.get(&block).ok_or(Damaged)?, &|other| decoded.get(&other).cloned())?;
        decoded.insert(block, content);
    }
    Columns::assemble(&layout, decoded)
}

/// What two rows must agree in: NaN is equal to itself here.
fn shown(row: &Row<'_>) -> String {
    format!("{row:?} {:?} {:?}", row.duration_ms.map(f64::to_bits), row.value.map(f64::to_bits))
}

fn in_order(events: &[Event]) -> Vec<Event> {
    let session = |event: &Event| event.texts[TextColumn::Session as usize].clone();
    let mut firsts: HashMap<Option<String>, i64> = HashMap::new();
    for event in events {
        let first = firsts.entry(session(event)).or_insert(i64::MAX);
        *first = event.times.1.min(*first);
    }
    let mut first_seen: Vec<Option<String>> = Vec::new();
    events.iter().map(session).for_each(|s| {
        if !first_seen.contains(&s) {
            first_seen.push(s)
        }
    });
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|event| {
        let session = session(event);
        let seen = first_seen.iter().position(|s| *s == session);
        (session.is_some(), firsts[&session], seen, event.times.1, event.times.0)
    });
    sorted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_row_comes_back_sorted_by_session_and_time(events in proptest::collection::vec(event(), 1..50), size in 1..20usize, dropped in 0..60usize) {
        let chunks = chunks(&events, size);
        let kept: Vec<Event> = events.iter().enumerate().filter(|(index, _)| *index != dropped).map(|(_, event)| event.clone()).collect();
        let encoded = encode(&chunks, &|chunk, row| chunk * size + row != dropped).unwrap();
        prop_assert_eq!(encoded.is_none(), kept.is_empty());
        let Some(encoded) = encoded else { return Ok(()) };
        let columns = read(&encoded, &Need::all()).unwrap();
        let expected: Vec<String> = in_order(&kept).iter().map(|event| shown(&event.row())).collect();
        let found: Vec<String> = (0..columns.len()).map(|row| shown(&columns.row(row).unwrap())).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(columns.spans(), Some(encoded.spans));
        // What was sealed can be sealed again.
        let again = encode(&[Arc::new(columns)], &|_, _| true).unwrap().unwrap();
        prop_assert_eq!(again.blocks, encoded.blocks);
    }

    #[test]
    fn one_path_reads_as_it_does_in_an_open_bucket(
        events in proptest::collection::vec(event(), 1..40), repeat in 1..60usize, nested in prop::sample::select(vec!["a", "a.b", "b", "c", "deep.text", "deep", "n", "a.a.a", "", ".a", "a.", "b.c.d", "é", "d.x\ty"])
    ) {
        // Many rows of the same kinds are taken apart, few may stay whole.
        let events: Vec<Event> = events.iter().cycle().take(events.len() * repeat).cloned().collect();
        let encoded = encode(&chunks(&events, 4096), &|_, _| true).unwrap().unwrap();
        let sealed = read(&encoded, &Need::NONE.attribute(nested)).unwrap();
        let mut open = Columns::default();
        in_order(&events).iter().for_each(|event| open.push(&event.row()));
        for row in 0..open.len() {
            prop_assert_eq!(sealed.attribute(nested, row), open.attribute(nested, row), "{}", open.attributes(row));
        }
    }

    #[test]
    fn changed_bytes_never_panic(events in proptest::collection::vec(event(), 1..40), repeat in 1..40usize, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4)) {
        let events: Vec<Event> = events.iter().cycle().take(events.len() * repeat).cloned().collect();
        let mut encoded = encode(&chunks(&events, 4096), &|_, _| true).unwrap().unwrap();
        for (block, place, byte, cut) in changes {
            let block = block.index(encoded.blocks.len());
            let bytes = &mut encoded.blocks[block].1;
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                if cut { bytes.truncate(place) } else { bytes[place] = byte }
            }
        }
        if let Ok(columns) = read(&encoded, &Need::all()) {
            for row in 0..columns.len() {
                columns.row(row);
                columns.attribute("a.b", row);
            }
        }
    }
}

fn plain_event(n: usize) -> Event {
    Event {
        times: (1_790_000_000_000 + n as i64, 1_790_000_000_000 + n as i64),
        event_type: 7,
        texts: vec![None; TEXT_COLUMNS],
        numbers: (Some(n as f64 / 8.0), None, None),
        ok: None,
        derived: false,
        attributes: format!("{{\"n\":{n},\"s\":\"x{}\"}}", n % 3),
    }
}

#[test]
fn a_column_that_was_not_asked_for_is_absent() {
    let events: Vec<Event> = (0..2000).map(plain_event).collect();
    let encoded = encode(&chunks(&events, 4096), &|_, _| true).unwrap().unwrap();
    let columns = read(&encoded, &Need::NONE.plain(Plain::Time).attribute("n")).unwrap();
    assert_eq!(columns.len(), 2000);
    assert_eq!((columns.time().len(), columns.received().len(), columns.duration_ms(7)), (2000, 0, None));
    assert_eq!(columns.attribute("n", 7), Some(Cow::Borrowed("7")));
    assert_eq!((columns.attribute("s", 7), columns.attributes(7)), (None, ""));
}

#[test]
fn one_path_needs_few_blocks() {
    let events: Vec<Event> = (0..2000).map(plain_event).collect();
    let encoded = encode(&chunks(&events, 4096), &|_, _| true).unwrap().unwrap();
    let layout = Layout::decode(&encoded.blocks[0].1).unwrap();
    assert!(layout.blocks_for(&Need::NONE.attribute("n")).len() <= 4);
    assert!(layout.blocks_for(&Need::NONE).is_empty());
}

#[test]
fn layouts_of_later_versions_are_refused() {
    let encoded = encode(&chunks(&[plain_event(1)], 4096), &|_, _| true).unwrap().unwrap();
    let mut bytes = encoded.blocks[0].1.clone();
    bytes[0] += 1;
    assert_eq!(Layout::decode(&bytes), Err(Damaged));
}

#[test]
fn a_run_with_more_array_elements_than_a_column_takes_is_readable() {
    let long = format!("{{\"a\":[{}]}}", vec!["1"; 5000].join(","));
    let events: Vec<Event> = (0..900).map(|n| Event { attributes: long.clone(), ..plain_event(n) }).collect();
    let events: Vec<Event> = events.into_iter().chain((0..200).map(plain_event)).collect();
    let encoded = encode(&chunks(&events, 4096), &|_, _| true).unwrap().unwrap();
    let columns = read(&encoded, &Need::all()).unwrap();
    let found = (0..columns.len()).filter(|row| columns.attributes(*row) == long).count();
    assert_eq!((columns.len(), found), (1100, 900));
}
