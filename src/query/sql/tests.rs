//! Promises about SQL and filters, on parts in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::clock::{HOUR_MS, Millis};
use crate::privacy::event::EventType;
use crate::query;
use crate::query::filter::RowFilter;
use crate::query::oracle::{Sample, samples};
use crate::query::{Params, Question, Scan, summary};
use crate::store::Part;
use crate::store::columns::Columns;
use crate::store::key::Class;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

use super::*;

const NOW: Millis = Millis(6 * HOUR_MS);
/// Of a thousand of [`long_names`], a part each, this takes long.
const LONG: &str = "SELECT sum(levenshtein(name, reverse(name))) FROM events";
const MAX: AnswerMax = AnswerMax { rows: 1000, bytes: 1 << 20 };

/// Parts of at most `chunk` rows, each of one class, as the store gives them for a range.
fn data(samples: &[Sample], chunk: usize) -> Data {
    let mut stored: Vec<(Class, Columns)> = Vec::new();
    for class in Class::ALL {
        let of_class: Vec<_> = samples.iter().filter(|s| Class::of(s.event_type) == class).collect();
        for samples in of_class.chunks(chunk) {
            let mut columns = Columns::default();
            samples.iter().for_each(|sample| columns.push(&sample.row()));
            stored.push((class, columns));
        }
    }
    let open = move |from: Millis, to: Millis| {
        let meets = |columns: &Columns| columns.spans().is_some_and(|s| s.time.1 >= from && s.time.0 < to);
        let part = |(class, columns): &(Class, Columns)| Part::for_test(columns.clone(), from, to).with_class(*class);
        stored.iter().filter(|(_, columns)| meets(columns)).map(part).collect()
    };
    Data::reading(open, 1_000_000)
}

fn engine() -> Engine {
    Engine::new(EngineMax { memory: 16 << 20, queries: 2 }).unwrap()
}

fn query(data: &Arc<Data>, text: &str) -> Query {
    Query { text: text.to_owned(), data: Arc::clone(data), now: NOW, max: MAX, timeout: Duration::from_secs(60) }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn answer_of(engine: &Engine, query: Query) -> Result<Value, Error> {
    block_on(engine.answer(query)).map(|answer| serde_json::from_slice(&answer.into_json()).unwrap())
}

fn ask(data: &Arc<Data>, text: &str) -> Result<Value, Error> {
    answer_of(&engine(), query(data, text))
}

fn rows(data: &Arc<Data>, text: &str) -> Value {
    ask(data, text).unwrap_or_else(|error| panic!("{text}: {error}"))["rows"].clone()
}

fn tool(name: &str, time: i64) -> Sample {
    Sample { event_type: EventType::McpToolCall, name: Some(name.into()), time, received: time, ..Sample::default() }
}

fn long_names() -> Vec<Sample> {
    let name: String = ('a'..='z').cycle().take(2_000).collect();
    vec![tool(&name, 1); 1_000]
}

fn with_attributes(attributes: &str) -> Sample {
    Sample { attributes: attributes.into(), ..tool("a", 0) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn groups_are_those_of_the_oracle(samples in samples(), chunk in 1..20usize) {
        let data = Arc::new(data(&samples, chunk));
        let mut expected: BTreeMap<(String, String), (u64, f64, u64)> = BTreeMap::new();
        for sample in &samples {
            let key = (sample.event_type.name().to_owned(), sample.name.clone().unwrap_or_default());
            let cell = expected.entry(key).or_default();
            cell.0 += 1;
            cell.1 += sample.duration.unwrap_or_default();
            cell.2 += u64::from(sample.ok == Some(false));
        }
        let found = rows(&data, "SELECT type, coalesce(name, ''), count(*), coalesce(sum(duration_ms), 0), count(*) FILTER (WHERE NOT ok) FROM events GROUP BY 1, 2 ORDER BY 1, 2");
        let found = found.as_array().unwrap();
        prop_assert_eq!(found.len(), expected.len());
        for (row, ((event_type, name), (count, sum, failed))) in found.iter().zip(expected) {
            prop_assert_eq!((&row[0], &row[1], &row[2], &row[4]), (&json!(event_type), &json!(name), &json!(count), &json!(failed)));
            prop_assert!((row[3].as_f64().unwrap() - sum).abs() < 1e-6 * (1.0 + sum));
        }
    }

    #[test]
    fn ranges_of_time_and_filters_hold_for_every_row(samples in samples(), chunk in 1..20usize, from in 0..8 * HOUR_MS, length in 1..4 * HOUR_MS, user in "u[1-4]") {
        let to = from + length;
        let data = Arc::new(data(&samples, chunk));
        let wanted = samples.iter().filter(|s| s.time >= from && s.time < to && s.user.as_deref() == Some(&user) && s.status != Some(404)).count();
        let condition = format!("time >= to_timestamp_millis({from}) AND time < to_timestamp_millis({to}) AND user = '{user}' AND status IS DISTINCT FROM 404");
        prop_assert_eq!(&rows(&data, &format!("SELECT count(*) FROM events WHERE {condition}"))[0][0], &json!(wanted));
        let filter = RowFilter::parse(&condition, NOW).unwrap();
        let mut kept = 0;
        for part in (data.open)(Millis(i64::MIN), Millis(i64::MAX)) {
            let loaded = part.load(filter.need()).unwrap();
            kept += filter.mask(&loaded, &|| false).unwrap().iter().filter(|kept| **kept).count();
        }
        prop_assert_eq!(kept, wanted);
    }
}

#[test]
fn a_filter_means_in_a_question_what_it_means_in_sql() {
    let samples: Vec<Sample> = (0..50i64)
        .map(|n| Sample { duration: Some(n as f64), user: Some(format!("u{}", n % 7)), ..tool("a", n) })
        .collect();
    let stored = Arc::new(data(&samples, 8));
    let parts = (stored.open)(Millis(0), Millis(HOUR_MS));
    let scan = Scan::new(&parts, u64::MAX).unwrap();
    for (condition, expected) in [("duration_ms >= 40", 10), ("user = 'u3' AND duration_ms < 20", 3), ("false", 0)] {
        let pairs = [("from", "0"), ("to", "3600000"), ("filter", condition)];
        let params = Params::parse(Question::Summary, pairs, NOW, 10).ok().unwrap();
        let summary = serde_json::to_value(summary::summary(&scan, &params, HOUR_MS).unwrap()).unwrap();
        assert_eq!(summary["events"], json!(expected), "{condition}");
        let counted = rows(&stored, &format!("SELECT count(*) FROM events WHERE {condition}"));
        assert_eq!(counted, json!([[expected]]), "{condition}");
        assert_eq!(params.needs_export(Question::Summary), condition.contains("user"));
    }
}

#[test]
fn every_column_can_be_asked_for_and_is_what_went_in() {
    let full = Sample {
        time: 1_500,
        received: 2_000,
        session: Some("s1".into()),
        user: Some("u1".into()),
        ip: Some("10.0.0.0".into()),
        client: Some(("X".into(), Some("2".into()))),
        duration: Some(1.5),
        ok: Some(true),
        status: Some(200),
        attributes: r#"{"a":1}"#.into(),
        ..tool("scan", 0)
    };
    let data = Arc::new(data(&[full], 1));
    let everything = ask(&data, "SELECT * FROM events").unwrap();
    let names: Vec<_> = everything["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, COLUMNS.map(|(name, _)| name));
    let listed = rows(&data, &format!("SELECT {} FROM events", names.join(", ")));
    assert_eq!(listed, everything["rows"]);
    let expected = json!([
        "1970-01-01T00:00:01.500Z",
        "1970-01-01T00:00:02Z",
        "mcp.tool_call",
        "scan",
        "s1",
        "u1",
        "10.0.0.0",
        null,
        "X",
        "2",
        null,
        null,
        null,
        null,
        1.5,
        true,
        null,
        null,
        null,
        null,
        200,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        "{\"a\":1}"
    ]);
    assert_eq!(everything["rows"], json!([expected]));
    assert_eq!(everything["columns"][0], json!({ "name": "time", "type": "timestamp" }));
    assert_eq!(everything["columns"][20], json!({ "name": "status", "type": "integer" }));
}

#[test]
fn metrics_are_events_of_that_type() {
    let metric = Sample { event_type: EventType::Metric, ..tool("cpu", 5) };
    let data = Arc::new(data(&[metric, tool("scan", 1)], 10));
    assert_eq!(rows(&data, "SELECT name FROM metrics"), json!([["cpu"]]));
    assert_eq!(data.reads().parts(), 1);
    assert_eq!(rows(&data, "SELECT count(*) FROM events"), json!([[2]]));
    assert!(ask(&data, "SELECT type FROM metrics").is_err());
}

#[test]
fn attributes_are_found_wherever_they_stand() {
    let samples = [
        with_attributes(r#"{"repo":"x","deep":{"er":7},"dotted.name":"d"}"#),
        with_attributes(r#"{"repo":"y"}"#),
        with_attributes(r#"{"repo":"x"}"#),
        with_attributes(""),
    ];
    let data = Arc::new(data(&samples, 2));
    let repos = "SELECT attributes['repo'], count(*) FROM events GROUP BY attributes['repo'] ORDER BY 1 NULLS LAST";
    assert_eq!(rows(&data, repos), json!([["x", 2], ["y", 1], [null, 1]]));
    assert_eq!(rows(&data, "SELECT count(*) FROM events WHERE attributes['repo'] = 'x'"), json!([[2]]));
    assert_eq!(
        rows(
            &data,
            "SELECT e.attributes['deep']['er'] AS a, upper(attributes['dotted.name']) FROM events e WHERE attributes['deep.er'] = '7'"
        ),
        json!([["7", "D"]])
    );
    assert_eq!(
        rows(&data, "WITH w AS (SELECT attributes FROM events LIMIT 4) SELECT count(attributes['repo']) FROM w"),
        json!([[3]])
    );
    assert_eq!(
        rows(&data, "SELECT * FROM (SELECT attributes['repo'] AS r FROM events) WHERE r LIKE 'y%'"),
        json!([["y"]])
    );
    let named = ask(&data, "SELECT attributes['repo'] FROM events LIMIT 1").unwrap();
    assert_eq!(named["columns"][0]["name"], "attributes['repo']");
}

#[test]
fn only_columns_in_use_are_loaded() {
    let samples = [with_attributes(r#"{"repo":"x"}"#), tool("b", 1)];
    let loaded = |text: &str| {
        let data = Arc::new(data(&samples, 10));
        rows(&data, text);
        data.reads().need()
    };
    assert_eq!(loaded("SELECT count(*) FROM events"), Need::NONE);
    assert_eq!(loaded("SELECT name FROM events"), Need::NONE.text(TextColumn::Name));
    assert_eq!(
        loaded("SELECT sum(duration_ms) FROM events WHERE status >= 200 GROUP BY name"),
        Need::of(&[Plain::Duration, Plain::Status], &[TextColumn::Name])
    );
    for text in [
        "SELECT count(*) FROM events WHERE attributes['repo'] = 'x'",
        "SELECT attributes['repo'] FROM events",
        "SELECT attributes['repo'], count(*) FROM events GROUP BY 1",
        "SELECT upper(attributes['repo']) FROM events ORDER BY attributes['repo'] LIMIT 1",
    ] {
        assert_eq!(loaded(text), Need::NONE.attribute("repo"), "{text}");
    }
    assert_eq!(loaded("SELECT attributes FROM events"), Need::of(&[Plain::Attributes], &[]));
}

#[test]
fn parts_out_of_range_are_not_loaded() {
    let hourly: Vec<Sample> = (0..24).map(|hour| tool("a", hour * HOUR_MS)).collect();
    let mut samples = hourly;
    samples.push(Sample { event_type: EventType::HttpRequest, ..tool("http", 3 * HOUR_MS) });
    let parts = |text: &str| {
        let data = Arc::new(data(&samples, 1));
        rows(&data, text);
        data.reads().parts()
    };
    assert_eq!(parts("SELECT count(*) FROM events"), 25);
    assert_eq!(parts("SELECT name FROM events WHERE time >= now() - interval '2 hours' AND time < now()"), 2);
    assert_eq!(
        parts("SELECT name FROM events WHERE time BETWEEN '1970-01-01T01:00:00Z' AND '1970-01-01T02:00:00Z'"),
        2
    );
    assert_eq!(parts("SELECT name FROM events WHERE '1970-01-01T22:00:00Z' <= time"), 2);
    assert_eq!(parts("SELECT name FROM events WHERE type = 'http.request'"), 1);
    assert_eq!(parts("SELECT name FROM events WHERE type = 'http.request' OR name = 'a'"), 25);
    assert_eq!(parts("SELECT name FROM events WHERE time < '1970-01-01' AND name = 'a'"), 0);
    assert_eq!(parts("SELECT name FROM events LIMIT 3"), 3);
}

#[test]
fn seconds_do_not_prune_what_lies_within_them() {
    let data = Arc::new(data(&[tool("a", 1_900)], 1));
    assert_eq!(
        rows(&data, "SELECT count(*) FROM events WHERE date_trunc('second', time) <= '1970-01-01T00:00:01Z'"),
        json!([[1]])
    );
    assert_eq!(
        rows(&data, "SELECT count(*) FROM events WHERE CAST(time AS TIMESTAMP(0)) <= '1970-01-01T00:00:01'"),
        json!([[1]])
    );
}

#[test]
fn what_analysts_write_works() {
    let samples: Vec<Sample> = (0..10i64)
        .map(|n| Sample {
            user: Some(format!("u{}", n % 3)),
            duration: Some(n as f64),
            ok: Some(n % 2 == 0),
            ..tool("scan", n * HOUR_MS)
        })
        .collect();
    let data = Arc::new(data(&samples, 3));
    for (text, expected) in [
        ("SELECT count(DISTINCT user) FROM events", json!([[3]])),
        ("SELECT user FROM events GROUP BY user HAVING count(*) > 3", json!([["u0"]])),
        ("SELECT time FROM events ORDER BY time DESC LIMIT 1", json!([["1970-01-01T09:00:00Z"]])),
        ("SELECT date_trunc('day', time) AS d, count(*) FROM events GROUP BY d", json!([["1970-01-01T00:00:00Z", 10]])),
        (
            "SELECT date_bin(interval '5 hours', time) AS b, avg(duration_ms) FROM events GROUP BY b ORDER BY b",
            json!([["1970-01-01T00:00:00Z", 2.0], ["1970-01-01T05:00:00Z", 7.0]]),
        ),
        (
            "SELECT CASE WHEN ok THEN 'yes' ELSE 'no' END AS o, max(duration_ms) FROM events GROUP BY o ORDER BY o",
            json!([["no", 9.0], ["yes", 8.0]]),
        ),
        ("SELECT name || '!' FROM events WHERE name LIKE 'sc%' AND name ~ '^s.a' LIMIT 1", json!([["scan!"]])),
        (
            "SELECT a.user FROM events a JOIN (SELECT user, max(time) t FROM events GROUP BY user) b ON a.user = b.user AND a.time = b.t ORDER BY 1",
            json!([["u0"], ["u1"], ["u2"]]),
        ),
        (
            "SELECT user, row_number() OVER (PARTITION BY user ORDER BY time) r FROM events ORDER BY r DESC, user LIMIT 1",
            json!([["u0", 4]]),
        ),
        ("SELECT name FROM events WHERE time IN (SELECT max(time) FROM events)", json!([["scan"]])),
        ("SELECT approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) > 3 FROM events", json!([[true]])),
        ("SELECT 1.0 / 0 FROM events WHERE false", json!([])),
        (
            "SELECT arr FROM (SELECT array_agg(duration_ms ORDER BY duration_ms) arr FROM events WHERE duration_ms < 2)",
            json!([[[0.0, 1.0]]]),
        ),
        ("SELECT 1 UNION ALL SELECT 2 ORDER BY 1", json!([[1], [2]])),
        (
            "SELECT 'nan'::double, date '2026-01-02', interval '1 day', NULL",
            json!([[null, "2026-01-02", "1 days", null]]),
        ),
    ] {
        assert_eq!(rows(&data, text), expected, "{text}");
    }
}

#[test]
fn no_name_leads_anywhere_else() {
    let data = Arc::new(data(&[tool("canary", 1)], 1));
    for text in [
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM datafusion.public.events",
        "SELECT * FROM public.events",
        "SELECT * FROM acme.events",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM generate_series(1, 1000000000)",
        "SELECT * FROM range(1, 10)",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT @@version",
        "SELECT version()",
        "SELECT repeat('a', 1000000000)",
        "SELECT random()",
        "SELECT tenant FROM events",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
        "SELECT * FROM unnest([1, 2])",
    ] {
        let error = ask(&data, text).unwrap_err();
        assert!(matches!(error, Error::Mistake { .. }), "{text}: {error:?}");
    }
    assert_eq!(data.reads().parts(), 0);
}

#[test]
fn mistakes_are_placed_and_quote_nothing() {
    let data = Arc::new(data(&[Sample { user: Some("canary".into()), ..tool("canary", 1) }], 1));
    for (text, what, place) in [
        ("SELECT name,\n  canary FROM events", "a column is unknown", "(line 2, column 3)"),
        ("SELECT nosuch(name) FROM events", "a function is unknown or not allowed", ""),
        ("SELECT name, count(*) FROM events", "a column must be in GROUP BY or inside an aggregate", ""),
        ("SELECT * FROM events WHERE 'canary' = = 1", "the SQL is not understood", "line 1"),
        ("SELECT * FROM canary", "a table is unknown", ""),
        ("SELECT name ~ user FROM events", "a pattern must be written out", ""),
        ("SELECT replace(name, 'a', user) FROM events", "a replacement must be written out", ""),
        ("SELECT name['canary'] FROM events", "only `attributes` has members", ""),
        ("EXPLAIN SELECT 1", "only one SELECT is allowed", ""),
        ("SELECT CAST(name AS BIGINT) FROM events", "a value cannot be converted to that type: use try_cast", ""),
        (
            "SELECT 1 / (duration_ms::int - duration_ms::int) FROM (SELECT 1 duration_ms FROM events)",
            "a number is divided by zero: use nullif",
            "",
        ),
    ] {
        let error = ask(&data, text).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(place) && !error.contains("canary"), "{text}: {error}");
    }
}

#[test]
fn answers_are_cut_and_say_so() {
    let data = Arc::new(data(&vec![tool("abcdefgh", 1); 50], 10));
    let max = |rows, bytes| {
        let answer =
            answer_of(&engine(), Query { max: AnswerMax { rows, bytes }, ..query(&data, "SELECT name FROM events") })
                .unwrap();
        (answer["rows"].as_array().unwrap().len(), answer["truncated"].as_bool().unwrap())
    };
    assert_eq!(max(50, 1 << 20), (50, false));
    assert_eq!(max(49, 1 << 20), (49, true));
    assert_eq!(max(50, 100), (8, true));
}

#[test]
fn a_query_stays_within_rows_memory_and_time() {
    let samples: Vec<Sample> = (0..2_000).map(|n| tool(&format!("name-{n}"), n)).collect();
    let stored = Arc::new(data(&samples, 100));
    let data = || {
        let stored = Arc::clone(&stored);
        Arc::new(Data::reading(move |from, to| (stored.open)(from, to), 1_000))
    };
    assert_eq!(ask(&data(), "SELECT count(*) FROM events"), Err(Error::TooManyRows { rows_max: 1_000 }));
    assert!(ask(&data(), "SELECT count(*) FROM events WHERE time < to_timestamp_millis(500)").is_ok());
    let long = Arc::new(self::data(&long_names(), 1));
    let soon = Query { timeout: Duration::from_millis(50), ..query(&long, LONG) };
    assert_eq!(answer_of(&engine(), soon), Err(Error::OutOfTime));
    // Read long before the time is up.
    let whole = Arc::new(self::data(&vec![tool("a", 1); 30_000], 30_000));
    for join in [
        "SELECT count(a.name || b.name) FROM events a, events b",
        "SELECT count(a.name || b.name) FROM events a JOIN events b ON a.type = b.type",
        "SELECT count(a.name || b.name) FROM events a JOIN events b ON a.time <= b.time",
        "SELECT count(a.name || b.name) FROM events a JOIN events b ON a.time < b.time",
    ] {
        let soon = Query { timeout: Duration::from_millis(300), ..query(&whole, join) };
        assert_eq!(answer_of(&engine(), soon), Err(Error::OutOfTime), "{join}");
    }
    let small = Engine::new(EngineMax { memory: 64 << 10, queries: 1 }).unwrap();
    let sorted = "SELECT name, time, attributes FROM events ORDER BY name, time";
    assert_eq!(answer_of(&small, query(&stored, sorted)), Err(Error::Memory));
    // The memory is given back.
    assert!(answer_of(&small, query(&stored, "SELECT count(*) FROM events")).is_ok());
}

#[test]
fn an_engine_answers_so_many_queries_at_a_time_and_stops_when_nobody_waits() {
    let data = Arc::new(data(&long_names(), 1));
    let engine = Engine::new(EngineMax { memory: 16 << 20, queries: 1 }).unwrap();
    block_on(async {
        let mut first = Box::pin(engine.answer(query(&data, LONG)));
        // Polled until it has begun to read.
        while data.reads().parts() < 3 {
            tokio::select! {
                _ = &mut first => panic!("a thousand parts take longer"),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
        assert_eq!(engine.answer(query(&data, "SELECT 1")).await.err(), Some(Error::Busy));
        drop(first);
        while engine.answer(query(&data, "SELECT 1")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(data.reads().parts() < 1000, "nobody waited, and everything was read");
}

#[test]
fn filters_say_what_they_need_and_whom_they_concern() {
    let filter = |text: &str| RowFilter::parse(text, NOW).unwrap_or_else(|error| panic!("{text}: {error}"));
    let plain = filter(
        "name LIKE 'scan%' AND (status BETWEEN 400 AND 499 OR NOT ok) AND duration_ms > 10 AND time > now() - interval '1 day'",
    );
    assert_eq!(*plain.need(), Need::of(&[Plain::Status, Plain::Ok, Plain::Duration, Plain::Time], &[TextColumn::Name]));
    assert!(!plain.is_subject_linked());
    for linked in [
        "user = 'a'",
        "session IS NULL",
        "ip = ''",
        "country = 'DE'",
        "attributes['a'] = 'b'",
        "body LIKE '%x%'",
        "error_message <> ''",
        "trace_id = 'a'",
        "upper(span_id) = 'A'",
        "parent_id = ''",
        "attributes = ''",
        "path = '/'",
        "ok OR user = 'a'",
    ] {
        assert!(filter(linked).is_subject_linked(), "{linked}");
    }
    assert_eq!(*filter("attributes['a.b'] = 'c'").need(), Need::NONE.attribute("a.b"));
    assert_eq!(*filter("true").need(), Need::NONE);
}

#[test]
fn what_is_no_condition_is_refused_and_not_quoted() {
    for text in [
        "",
        "canary = 1",
        "name",
        "1",
        "count(*) > 1",
        "name = (SELECT 'canary')",
        "row_number() OVER () = 1",
        "repeat('canary', 3) = ''",
        "EXISTS (SELECT 1)",
        "name = 'canary",
        "name IN (SELECT name FROM events)",
        "version() = 'canary'",
        "name ~ user",
        "name = 'a' AS canary",
    ] {
        let error = RowFilter::parse(text, NOW).err().unwrap_or_else(|| panic!("{text} is accepted"));
        assert!(!error.to_string().contains("canary"), "{text}: {error}");
    }
}

#[test]
fn a_mask_never_shows_a_hidden_row_and_bad_values_are_errors() {
    let mut columns = Columns::default();
    for time in 0..10 {
        columns.push(&tool(if time == 9 { "x" } else { "7" }, time).row());
    }
    let mask = |text: &str, to: i64| {
        let filter = RowFilter::parse(text, NOW).unwrap();
        let part = Part::for_test(columns.clone(), Millis(2), Millis(to)).load(filter.need()).unwrap();
        assert!(matches!(filter.mask(&part, &|| true), Err(query::Error::Stopped)));
        filter.mask(&part, &|| false)
    };
    assert_eq!(mask("true", 5).unwrap().iter().filter(|kept| **kept).count(), 3);
    assert_eq!(mask("CAST(name AS INT) = 7", 5).unwrap().iter().filter(|kept| **kept).count(), 3);
    assert!(matches!(mask("CAST(name AS INT) = 7", 10), Err(query::Error::Filter(Error::Value { .. }))));
    assert_eq!(mask("name = NULL", 10).unwrap().iter().filter(|kept| **kept).count(), 0);
}
