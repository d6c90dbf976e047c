//! Promises about files of events.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::Value;

use crate::clock::Millis;
use crate::query::oracle::{Query, Sample, samples};
use crate::query::params::Question;

use super::*;

const NOW: Millis = Millis(1 << 40);

fn everything() -> Query {
    Query { from: 0, to: 1 << 40, ..Query::default() }
}

fn dump(samples: &[Sample], chunk: usize, format: Format, page: Page, query: &Query) -> Vec<u8> {
    let parts = query.parts(samples, chunk);
    let scan = Scan::new(&parts, u64::MAX).unwrap();
    let dump = Dump { params: query.params(Question::Summary), page, format, columns: COLUMNS.to_vec() };
    let mut file = Vec::new();
    dump.write(&scan, &mut |piece| {
        file.extend(piece);
        true
    })
    .unwrap();
    file
}

fn batches_of(format: Format, file: Vec<u8>) -> Vec<RecordBatch> {
    match format {
        Format::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap().build().unwrap();
            reader.map(Result::unwrap).collect()
        }
        Format::Arrow => StreamReader::try_new(file.as_slice(), None).unwrap().map(Result::unwrap).collect(),
        Format::Ndjson | Format::Csv => unreachable!(),
    }
}

/// Time, name and duration of every row, in order.
fn told(batches: &[RecordBatch]) -> Vec<(i64, Option<String>, Option<String>)> {
    let mut rows = Vec::new();
    for batch in batches {
        let times = batch.column_by_name("time").unwrap().as_primitive::<TimestampMillisecondType>();
        let names = batch.column_by_name("name").unwrap().as_string::<i32>();
        let durations = batch.column_by_name("duration_ms").unwrap().as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let name = names.iter().nth(row).flatten().map(str::to_owned);
            rows.push((times.value(row), name, durations.iter().nth(row).flatten().map(|d| d.to_string())));
        }
    }
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_format_has_exactly_the_matching_events(samples in samples(), chunk in 1..20usize, mut query in crate::query::oracle::query()) {
        query.to = query.to.max(query.from + 1);
        let matching = query.matching(&samples);
        let mut expected: Vec<_> =
            matching.iter().map(|s| (s.time, s.name.clone(), s.duration.map(|d| d.to_string()))).collect();
        expected.sort();
        for format in [Format::Parquet, Format::Arrow] {
            let file = dump(&samples, chunk, format, Page::ALL, &query);
            prop_assert_eq!(&told(&batches_of(format, file)), &expected);
        }
        let csv = String::from_utf8(dump(&samples, chunk, Format::Csv, Page::ALL, &query)).unwrap();
        prop_assert_eq!(csv.lines().next().unwrap(), COLUMNS.map(|(name, _)| name).join(","));
        prop_assert_eq!(csv.lines().count(), expected.len() + 1);
        let lines = String::from_utf8(dump(&samples, chunk, Format::Ndjson, Page::ALL, &query)).unwrap();
        let mut found: Vec<_> = lines.lines().map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            let time = Millis::parse_rfc3339(event["timestamp"].as_str().unwrap()).unwrap().0;
            (time, event["name"].as_str().map(str::to_owned), event["duration_ms"].as_f64().map(|d| d.to_string()))
        }).collect();
        found.sort();
        // The reader of these tests rounds numbers of sixteen digits.
        let read = |d: &String| serde_json::from_str::<f64>(d).unwrap().to_string();
        let expected: Vec<_> = expected.into_iter().map(|(t, name, d)| (t, name, d.as_ref().map(read))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn pages_of_a_file_are_the_file(samples in samples(), chunk in 1..20usize, limit in 1..30usize) {
        let whole = dump(&samples, chunk, Format::Ndjson, Page::ALL, &everything());
        let parts = everything().parts(&samples, chunk);
        let scan = Scan::new(&parts, u64::MAX).unwrap();
        let mut pages = Vec::new();
        let mut cursor = None;
        loop {
            let page = Page::beginning(&scan, cursor, limit, NOW).unwrap();
            pages.extend(dump(&samples, chunk, Format::Ndjson, page, &everything()));
            match page.next_cursor() {
                Some(next) => cursor = Page::cursor(&next),
                None => break,
            }
        }
        let sorted = |file: Vec<u8>| {
            let mut lines: Vec<String> = String::from_utf8(file).unwrap().lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(sorted(pages), sorted(whole));
    }
}

#[test]
fn an_export_of_nothing_is_a_file_all_the_same() {
    for format in [Format::Parquet, Format::Arrow] {
        let file = dump(&[], 1, format, Page::ALL, &everything());
        assert_eq!(batches_of(format, file).iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }
    assert!(dump(&[], 1, Format::Csv, Page::ALL, &everything()).starts_with(b"time,received,type,"));
    assert!(dump(&[], 1, Format::Ndjson, Page::ALL, &everything()).is_empty());
}

#[test]
fn no_text_runs_in_a_spreadsheet() {
    let named = |name: &str| Sample { name: Some(name.into()), ..Sample::default() };
    let samples = [named("=1+1"), named("@x"), named("-2"), named("a,\"b\"\nc"), named("plain")];
    let csv = String::from_utf8(dump(&samples, 10, Format::Csv, Page::ALL, &everything())).unwrap();
    for expected in [",'=1+1,", ",'@x,", ",'-2,", ",\"a,\"\"b\"\"\nc\",", ",plain,"] {
        assert!(csv.contains(expected), "{expected}: {csv}");
    }
    let parquet = told(&batches_of(Format::Parquet, dump(&samples, 10, Format::Parquet, Page::ALL, &everything())));
    assert_eq!(parquet[1].1.as_deref(), Some("=1+1"));
}

#[test]
fn row_groups_are_small_and_compressed() {
    let samples = vec![Sample { name: Some("the same name".into()), ..Sample::default() }; 70_000];
    let file = Bytes::from(dump(&samples, 4096, Format::Parquet, Page::ALL, &everything()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let groups: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [65_536, 70_000 - 65_536]);
    let column = reader.metadata().row_group(0).column(3);
    assert!(matches!(column.compression(), parquet::basic::Compression::ZSTD(_)));
}

#[test]
fn a_reader_that_wants_no_more_ends_the_work() {
    let samples = vec![Sample::default(); 100];
    let parts = everything().parts(&samples, 10);
    let scan = Scan::new(&parts, u64::MAX).unwrap();
    let params = everything().params(Question::Summary);
    let dump = Dump { params, page: Page::ALL, format: Format::Ndjson, columns: COLUMNS.to_vec() };
    let mut pieces = 0;
    dump.write(&scan, &mut |_| {
        pieces += 1;
        pieces < 3
    })
    .unwrap();
    assert_eq!(pieces, 3);
    assert!(matches!(dump.write(&scan.stopped_by(&|| true), &mut |_| true), Err(Error::Stopped)));
}

#[test]
fn columns_are_chosen_by_name() {
    let names = |text: &str| columns(text).map(|chosen| chosen.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(names("time, name"), Some(vec!["time", "name"]));
    for bad in ["", "time,time", "canary", "time,"] {
        assert_eq!(names(bad), None, "{bad}");
    }
}
