//! Exports are files that other programs read, page by page if wanted, and that another gateway takes.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tidegate::clock::{Clock, HOUR_MS, SystemClock};

use crate::gateway::{Answer, Gateway, Setup};

/// More than a page, sent in requests of their own so that they arrive at different times.
const REQUESTS: usize = 12;
const EVENTS: usize = REQUESTS * 10;

struct Shop {
    gateway: Gateway,
    clerk: String,
}

impl Shop {
    fn open(config: &str) -> Shop {
        let gateway = Setup::new().config(config).start();
        gateway.tenant("acme");
        let key = gateway.key("acme");
        for request in 0..REQUESTS {
            let event = |number: usize| {
                let number = request * 10 + number;
                json!({
                    "type": "http.request", "name": format!("n{number}"), "timestamp": SystemClock.now().0 - HOUR_MS,
                    "client": { "name": "cli", "version": "1" }, "server": { "name": "srv" }, "model": "m", "language": "rust",
                    "duration_ms": 1.25, "ok": false, "error": { "type": "Oops", "message": "no" }, "method": "GET",
                    "path": "/a", "status": 500, "value": 2.5, "unit": "ms", "severity": "warn", "body": "a \"text\"\nof two lines",
                    "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "attributes": { "n": number, "deep": { "er": [1, null, "x"] } },
                })
            };
            let events: Vec<Value> = (0..10).map(event).collect();
            gateway.post_events(&key, &json!(events)).expect(200);
        }
        let clerk = gateway.token("acme", "export");
        Shop { gateway, clerk }
    }

    fn get(&self, query: &str) -> Answer {
        self.gateway.get(&format!("/v1/export?{query}"), &self.clerk)
    }
}

fn names(batches: &[RecordBatch]) -> BTreeSet<String> {
    let of = |batch: &RecordBatch| {
        let names = batch.column_by_name("name").expect("a column of names").clone();
        arrow::array::AsArray::as_string::<i32>(&names).iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn every_format_reads_back() {
    let shop = Shop::open("");
    let expected: BTreeSet<String> = (0..EVENTS).map(|number| format!("n{number}")).collect();
    let parquet = shop.get("format=parquet").expect(200);
    assert_eq!(parquet.header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(parquet.header("content-disposition"), "attachment; filename=\"events.parquet\"");
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(parquet.body)).unwrap().build().unwrap();
    assert_eq!(names(&reader.map(Result::unwrap).collect::<Vec<_>>()), expected);
    let arrow = shop.get("format=arrow&columns=name,time").expect(200);
    let batches: Vec<_> = StreamReader::try_new(arrow.body.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!((names(&batches), batches[0].num_columns()), (expected.clone(), 2));
    let csv = shop.get("format=csv&columns=name,status,body").expect(200).text();
    assert!(csv.starts_with("name,status,body\n") && csv.contains(",500,\"a \"\"text\"\"\nof two lines\""), "{csv}");
    let ndjson = lines(&shop.get("").expect(200));
    assert_eq!(
        ndjson.iter().map(|event| event["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(),
        expected
    );
    let few = lines(&shop.get("filter=attributes%5B'n'%5D%20%3D%20'7'&type=http.request").expect(200));
    assert_eq!((few.len(), &few[0]["name"]), (1, &json!("n7")));
    for bad in
        ["format=xml", "columns=name", "format=csv&columns=nosuch", "limit=0", "cursor=%25", "filter=nosuch", "x=1"]
    {
        shop.get(bad).expect(400);
    }
    shop.gateway.get("/v1/export", &shop.gateway.token("acme", "query")).expect(403);
    let records = shop.gateway.get("/v1/audit/records", &shop.gateway.token("acme", "compliance")).expect(200).text();
    assert!(records.contains(r#""action":"export""#) && records.contains(r#""format":"parquet""#), "{records}");
}

#[test]
fn another_gateway_takes_the_lines_as_they_are() {
    let shop = Shop::open("");
    shop.gateway.tenant("twin");
    let exported = shop.get("").expect(200);
    let request = shop.gateway.request(reqwest::Method::POST, "/v1/events").bearer_auth(shop.gateway.key("twin"));
    let taken =
        crate::gateway::send(request.header("Content-Type", "application/x-ndjson").body(exported.body.clone()));
    assert_eq!(taken.expect(200).json()["accepted"], json!(EVENTS));
    let twin = shop.gateway.get("/v1/export", &shop.gateway.token("twin", "export")).expect(200);
    // Whose event it was is a pseudonym of a pseudonym in the twin; the rest is the same.
    let told = |answer: &Answer| {
        let mut events: Vec<String> = lines(answer)
            .into_iter()
            .map(|mut event| {
                for member in ["user", "session", "ip"] {
                    event.as_object_mut().unwrap().remove(member);
                }
                event.to_string()
            })
            .collect();
        events.sort();
        events
    };
    assert_eq!(told(&twin), told(&exported));
}

#[test]
fn pages_are_the_whole_and_can_be_had_again() {
    let shop = Shop::open("");
    let whole: BTreeSet<String> = shop.get("").expect(200).text().lines().map(str::to_owned).collect();
    assert_eq!(whole.len(), EVENTS);
    // All of it has just arrived, and what may still be joined by others is never split.
    let page = shop.get("limit=10").expect(200);
    assert_eq!((page.text().lines().count(), page.header("tidegate-next-cursor")), (EVENTS, ""));
}

#[test]
fn exports_are_refused_while_too_many_are_under_way_and_end_with_their_clients() {
    use std::io::{Read, Write};
    let shop = Shop::open("");
    let key = shop.gateway.key("acme");
    let long = "a long text that makes the export larger than what sockets hold ".repeat(100);
    for _ in 0..20 {
        let events: Vec<Value> = (0..500).map(|_| json!({ "type": "log", "body": long })).collect();
        shop.gateway.post_events(&key, &json!(events)).expect(200);
    }
    let open = || {
        let mut client = shop.gateway.connect();
        let head = format!("GET /v1/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", shop.clerk);
        client.write_all(head.as_bytes()).unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
        client
    };
    let clients: Vec<_> = (0..4).map(|_| open()).collect();
    shop.get("").expect(503);
    drop(clients);
    crate::gateway::poll("a place to be free", || (shop.get("limit=1&type=metric").status == 200).then_some(()));
}
