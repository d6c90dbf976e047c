//! The privacy engine alone: line by line as `tidegate scrub` works, on a recorded mixture of events (690 bytes, a fifth with personal data), on text
//! made to be slow, and with more and more rules.

use std::hint::black_box;
use std::io::Read;

use criterion::{Criterion, Throughput};
use flate2::read::GzDecoder;
use serde_json::Value;

use tidegate::privacy::detect::{self, Kind, Kinds, Names};
use tidegate::privacy::json::Json;
use tidegate::privacy::{Receipt, Scrubber, Settings};

const EVENTS: &[u8] = include_bytes!("../privacy/speed.jsonl.gz");

/// Nesting of one event.
const DEPTH_MAX: usize = 64;

/// Bytes of a hostile text; the longer one shows whether time is linear.
const SHORT: usize = 16 * 1024;
const LONG: usize = 256 * 1024;

/// Pieces that begin something again and again, so that a detector that reads on from each of them would be slow.
const HOSTILE: [(&str, &str); 14] = [
    ("at signs", "a@"),
    ("digits", "4"),
    ("groups of digits", "4111 "),
    ("plus signs", "+4"),
    ("hexadecimal and colons", "f:"),
    ("dots", "1.1."),
    ("assignments", "password="),
    ("quotes", "password=\\\""),
    ("tokens", "eyJhbGciOi-"),
    ("schemes", "https://a:"),
    ("PEM headers", "-----BEGIN PRIVATE KEY-----"),
    ("Base64", "cGxlYXNlIHdyaXRl"),
    ("percent signs", "%40%25"),
    ("capitals", "Dear Ann Bo "),
];

pub(crate) fn run(criterion: &mut Criterion) {
    let mut text = String::new();
    GzDecoder::new(EVENTS).read_to_string(&mut text).expect("the events of this folder unpack");
    let lines: Vec<&str> = text.lines().collect();
    events(criterion, &lines);
    rules(criterion, &lines);
    hostile(criterion);
}

/// Events of every kind.
fn events(criterion: &mut Criterion, lines: &[&str]) {
    let bytes = lines.iter().map(|line| line.len()).sum::<usize>();
    let scrubber = scrubber("");
    let mut group = criterion.benchmark_group("privacy");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("baseline: serde_json::Value, parsed and written", |bench| {
        bench.iter(|| {
            lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .map(|v| v.to_string().len())
                .sum::<usize>()
        });
    });
    group.bench_function("parse, scrub, write", |bench| bench.iter(|| scrubbed(&scrubber, lines)));

    let leaves: Vec<(String, String)> = lines.iter().flat_map(|line| leaves(line)).collect();
    group.throughput(Throughput::Bytes(leaves.iter().map(|(_, text)| text.len() as u64).sum()));
    group.bench_function("scan only, of decoded texts and names", |bench| {
        let mut hits = Vec::new();
        bench.iter(|| {
            hits.clear();
            for (name, text) in leaves.iter().filter(|(_, text)| !detect::is_dull(text)) {
                detect::scan(text, Names::of(name), Kinds::ALL, &mut hits);
            }
            hits.len()
        });
    });
    group.finish();
}

/// What a rule more costs: the same events under policies with a part of the detectors, and with keys besides.
fn rules(criterion: &mut Criterion, lines: &[&str]) {
    let mut group = criterion.benchmark_group("privacy rules");
    group.throughput(Throughput::Bytes(lines.iter().map(|line| line.len() as u64).sum()));
    for count in [0, 1, 8, 16, 32, Kind::ALL.len()] {
        let off =
            Kind::ALL.iter().skip(count).map(|kind| format!("[[rules]]\nid = '{}'\nenabled = false\n", kind.name()));
        let scrubber = scrubber(&off.collect::<String>());
        group.bench_function(format!("{count} detectors"), |bench| bench.iter(|| scrubbed(&scrubber, lines)));
    }
    for count in [16_u8, 128] {
        // An id has letters only.
        let letter = |n: u8| char::from(b'a' + n % 26);
        let key =
            |n: u8| format!("[[rules]]\nid = 'key-{}{}'\nkeys = ['customer_field_{n}']\n", letter(n / 26), letter(n));
        let keys = (0..count).map(key);
        let scrubber = scrubber(&keys.collect::<String>());
        group.bench_function(format!("all detectors and {count} keys"), |bench| {
            bench.iter(|| scrubbed(&scrubber, lines))
        });
    }
    group.finish();
}

/// Throughput must be the same for the short and the long text.
fn hostile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("privacy hostile");
    for (name, piece) in HOSTILE {
        for length in [SHORT, LONG] {
            let text = piece.repeat(length / piece.len());
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(format!("{name}, {} KiB", length / 1024), |bench| {
                let mut hits = Vec::new();
                bench.iter(|| {
                    hits.clear();
                    detect::scan(&text, Names::default(), Kinds::ALL, &mut hits);
                    hits.len()
                });
            });
        }
    }
    group.finish();
}

fn scrubber(rules: &str) -> Scrubber {
    Scrubber::from_toml(&format!("preset = 'strict'\n{rules}"), &Settings::default()).expect("the policy compiles")
}

fn scrubbed(scrubber: &Scrubber, lines: &[&str]) -> usize {
    let (mut receipt, mut out) = (Receipt::default(), Vec::new());
    let mut bytes = 0;
    for line in lines {
        out.clear();
        if let Ok(value) = Json::parse(line.as_bytes(), DEPTH_MAX) {
            scrubber.scrub_value(value, &mut receipt).write_to(&mut out);
        }
        bytes += out.len();
    }
    black_box(receipt);
    bytes
}

/// The texts and member names of an event, each text under its name.
fn leaves(line: &str) -> Vec<(String, String)> {
    fn add(value: &Value, name: &str, leaves: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => leaves.push((name.to_owned(), text.clone())),
            Value::Array(items) => items.iter().for_each(|item| add(item, name, leaves)),
            Value::Object(members) => {
                for (name, value) in members {
                    leaves.push((String::new(), name.clone()));
                    add(value, name, leaves);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(line) {
        add(&value, "", &mut found);
    }
    found
}
