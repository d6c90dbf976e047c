//! SQL about a tenant's own events, within bounds, and never more than a question.

use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Setup};

/// Whatever is sent in a wrong place; it must never come back.
const MARKER: &str = "mArKeR-7be013";

struct Shop {
    gateway: Gateway,
    clerk: String,
    analyst: String,
}

impl Shop {
    fn open(config: &str) -> Shop {
        let gateway = Setup::new().config(config).start();
        for tenant in ["acme", "rival"] {
            gateway.tenant(tenant);
            let event = |number: u32| {
                let attributes = json!({ "repo": format!("{tenant}-{}", number % 3), "nested": { "deep": number } });
                json!({ "type": "mcp.tool_call", "name": format!("{tenant}-tool"), "user": format!("user-{number}"), "duration_ms": number, "ok": number > 1, "attributes": attributes })
            };
            let events: Vec<Value> = (1..=30).map(event).collect();
            gateway.post_events(&gateway.key(tenant), &json!(events)).expect(200);
        }
        let metric = json!({ "type": "metric", "name": "queue", "value": 7, "unit": "jobs" });
        gateway.post_events(&gateway.key("acme"), &metric).expect(200);
        let (clerk, analyst) = (gateway.token("acme", "query,export"), gateway.token("acme", "query"));
        Shop { gateway, clerk, analyst }
    }

    fn ask(&self, sql: &str) -> Answer {
        self.gateway.post_json("/v1/query/sql", &self.clerk, &json!({ "sql": sql }))
    }

    fn rows(&self, sql: &str) -> Value {
        self.ask(sql).expect(200).json()["rows"].clone()
    }
}

#[test]
fn answers_have_columns_and_rows() {
    let shop = Shop::open("");
    let answer = shop.ask("SELECT name, count(*) AS calls, avg(duration_ms) AS mean, count(*) FILTER (WHERE NOT ok) AS failed FROM events WHERE type = 'mcp.tool_call' GROUP BY name").expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let columns = json!([
        { "name": "name", "type": "text" }, { "name": "calls", "type": "integer" },
        { "name": "mean", "type": "number" }, { "name": "failed", "type": "integer" },
    ]);
    assert_eq!(answer.json(), json!({ "columns": columns, "rows": [["acme-tool", 30, 15.5, 1]], "truncated": false }));
    assert_eq!(shop.rows("SELECT name, value, unit FROM metrics"), json!([["queue", 7.0, "jobs"]]));
    let repos = "SELECT attributes['repo'], count(*) FROM events WHERE attributes['nested']['deep'] <> '30' GROUP BY 1 ORDER BY 1";
    assert_eq!(shop.rows(repos), json!([["acme-0", 9], ["acme-1", 10], ["acme-2", 10]]));
    assert_eq!(
        shop.rows("SELECT count(DISTINCT user) FROM events WHERE time > now() - interval '1 hour'"),
        json!([[30]])
    );
}

#[test]
fn no_text_reaches_another_tenant() {
    let shop = Shop::open("");
    for sql in [
        "SELECT * FROM events",
        "SELECT * FROM events WHERE true OR name = 'rival-tool'",
        "SELECT * FROM events UNION ALL SELECT * FROM events",
        "WITH events AS (SELECT * FROM events) SELECT * FROM events",
        "SELECT * FROM rival.events",
        "SELECT * FROM \"rival\".\"events\"",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM events /* tenant=rival */ -- tenant=rival",
        "SELECT * FROM metrics, events",
    ] {
        let answer = shop.ask(sql);
        assert!(matches!(answer.status, 200 | 400), "{sql}: {}", answer.status);
        assert!(!answer.text().contains("rival-"), "{sql}");
    }
    shop.gateway.post_json("/v1/query/sql?tenant=rival", &shop.clerk, &json!({ "sql": "SELECT 1" })).expect(403);
}

#[test]
fn whatever_is_no_question_is_refused_without_an_echo() {
    let shop = Shop::open("");
    for sql in [
        format!("INSERT INTO events VALUES ('{MARKER}')"),
        format!("CREATE TABLE t AS SELECT '{MARKER}'"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/{MARKER}'"),
        format!("COPY events TO '/tmp/{MARKER}.csv'"),
        format!("SELECT 1; SELECT '{MARKER}'"),
        format!("SELECT * FROM '/{MARKER}.csv'"),
        format!("SELECT * FROM read_csv('{MARKER}')"),
        format!("SELECT * FROM generate_series(1, 10) {MARKER}"),
        "EXPLAIN ANALYZE SELECT * FROM events".to_owned(),
        "SHOW TABLES".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        format!("SELECT {MARKER} FROM events"),
        format!("SELECT {MARKER}(name) FROM events"),
        format!("SELEC '{MARKER}'"),
        format!("SELECT '{}'", "x".repeat(40_000)),
    ] {
        let answer = shop.ask(&sql).expect(400);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{sql}");
        assert!(!answer.everything().to_lowercase().contains(&MARKER.to_lowercase()), "{sql}: {}", answer.text());
    }
    let misplaced = shop.ask(&format!("SELECT name,\n  {MARKER} FROM events")).json();
    assert_eq!((&misplaced["line"], &misplaced["column"]), (&json!(2), &json!(3)));
    // What a stored value does not allow is said without the value.
    let converted = shop.ask("SELECT CAST(name AS BIGINT) FROM events").expect(422);
    assert!(!converted.text().contains("acme-tool"), "{}", converted.text());
    for body in [json!({}), json!({ "sql": 1 }), json!({ "sql": "SELECT 1", "x": MARKER }), json!([MARKER])] {
        let answer = shop.gateway.post_json("/v1/query/sql", &shop.clerk, &body).expect(400);
        assert!(!answer.text().contains(MARKER));
    }
    assert!(!shop.gateway.stderr().contains(MARKER));
}

#[test]
fn sql_needs_the_right_to_rows_and_is_recorded_without_its_values() {
    let shop = Shop::open("");
    shop.gateway.post_json("/v1/query/sql", &shop.analyst, &json!({ "sql": "SELECT 1" })).expect(403);
    shop.ask(&format!("SELECT name FROM events WHERE user = '{MARKER}'")).expect(200);
    let records = shop.gateway.get("/v1/audit/records", &shop.gateway.token("acme", "compliance")).expect(200).text();
    assert!(records.contains("SELECT name FROM events WHERE user = '?'"), "{records}");
    assert!(!records.contains(MARKER));
}

#[test]
fn limits_hold_and_say_so() {
    let shop = Shop::open("[query]\nsql_rows_max = 10\nrows_max = 1000\nsql_memory_max = \"1MiB\"\ntimeout = \"2s\"");
    let cut = shop.ask("SELECT name FROM events").expect(200).json();
    assert_eq!((cut["rows"].as_array().unwrap().len(), &cut["truncated"]), (10, &json!(true)));
    let sorted =
        "SELECT a.name FROM events a, events b, events c ORDER BY a.duration_ms * b.duration_ms * c.duration_ms";
    shop.ask(sorted).expect(422);
    let key = shop.gateway.key("acme");
    let events: Vec<Value> = (0..1000).map(|_| json!({ "type": "custom", "name": "many" })).collect();
    shop.gateway.post_events(&key, &json!(events)).expect(200);
    shop.ask("SELECT count(*) FROM events").expect(422);
    assert_eq!(shop.rows("SELECT count(*) FROM events WHERE type = 'mcp.tool_call'"), json!([[30]]));
}

#[test]
fn a_query_ends_when_its_time_is_up_and_gives_its_place_back() {
    let shop = Shop::open("[query]\nsql_queries_max = 1\ntimeout = \"1s\"");
    let key = shop.gateway.key("acme");
    let events: Vec<Value> = (0..400).map(|n| json!({ "type": "log", "body": format!("one of many {n}") })).collect();
    for _ in 0..40 {
        shop.gateway.post_events(&key, &json!(events)).expect(200);
    }
    // 256 million rows, each a microsecond.
    shop.ask("SELECT sum(levenshtein(a.body, b.body)) FROM events a, events b").expect(503);
    shop.ask("SELECT 1").expect(200);
}

#[test]
fn a_filter_means_the_same_in_every_question() {
    let shop = Shop::open("");
    let count = |token: &str, path: &str| shop.gateway.get_json(path, token)["events"].clone();
    let slow = "/v1/query/summary?filter=duration_ms%20%3E%2020";
    assert_eq!(count(&shop.analyst, slow), json!(10));
    assert_eq!(count(&shop.clerk, "/v1/query/summary?filter=attributes%5B'repo'%5D%20%3D%20'acme-1'"), json!(10));
    // About people: for holders of `export` only.
    shop.gateway.get("/v1/query/summary?filter=attributes%5B'repo'%5D%20%3D%20'acme-1'", &shop.analyst).expect(403);
    shop.gateway.get("/v1/query/summary?filter=user%20IS%20NOT%20NULL", &shop.analyst).expect(403);
    let top = shop.gateway.get_json("/v1/query/top?by=type&filter=duration_ms%20%3E%2020", &shop.analyst);
    assert_eq!(top["rows"][0]["events"], json!(10), "{top}");
    for bad in [
        format!("{MARKER}%20%3D%201"),
        format!("name%20%3D%20'{MARKER}"),
        "count(*)%20%3E%201".to_owned(),
        "1".to_owned(),
    ] {
        let answer = shop.gateway.get(&format!("/v1/query/summary?filter={bad}"), &shop.clerk).expect(400);
        assert!(!answer.everything().contains(MARKER), "{bad}: {}", answer.text());
    }
}
