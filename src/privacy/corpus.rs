//! The labelled records of `benches/privacy`, and what is made of them by chance: a floor under the score, and the properties that hold for
//! any text.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::json::Json;
use super::{DEFAULT_POLICY, Receipt, Scrubber, Settings};

const DEPTH_MAX: usize = 100;

const POSITIVE: &[u8] = include_bytes!("../../benches/privacy/pos.jsonl.gz");
const NEGATIVE: &[u8] = include_bytes!("../../benches/privacy/neg.jsonl.gz");

/// Pieces that make detectors start, stop or mistake.
const PIECES: [&str; 24] = [
    "@",
    "%40",
    "\\n",
    "\\\"",
    "\"",
    "'",
    ":",
    "://",
    "=",
    "+49",
    "-----BEGIN PRIVATE KEY-----",
    "eyJ",
    "Bearer ",
    "password=",
    "phone ",
    "[email]",
    "\u{200b}",
    "\u{ff20}",
    "é",
    "名",
    "&#64;",
    "[at]",
    "4111 1111 1111 1111",
    "::",
];

struct Record {
    text: String,
    json: bool,
    /// What must not be left.
    values: Vec<String>,
    /// Whether parts of it may be taken for personal data.
    arguable: bool,
}

fn records(packed: &[u8]) -> Vec<Record> {
    let mut lines = String::new();
    GzDecoder::new(packed).read_to_string(&mut lines).unwrap();
    let record = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let spans = record["spans"].as_array().cloned().unwrap_or_default();
        Record {
            text: record["text"].as_str().unwrap().to_owned(),
            json: record["format"] == "json",
            arguable: record["neutral"].as_array().is_some_and(|spans| !spans.is_empty()),
            values: spans.iter().map(|span| span["value"].as_str().unwrap().to_owned()).collect(),
        }
    };
    lines.lines().map(record).collect()
}

fn scrubber() -> Scrubber {
    Scrubber::from_toml(DEFAULT_POLICY, &Settings::default()).unwrap()
}

fn scrub(scrubber: &Scrubber, text: &str, json: bool) -> String {
    let mut receipt = Receipt::default();
    if !json {
        return scrubber.scrub_text(text, &mut receipt).into_owned();
    }
    let mut out = Vec::new();
    let value = Json::parse(text.as_bytes(), DEPTH_MAX).unwrap();
    scrubber.scrub_value(value, &mut receipt).write_to(&mut out);
    String::from_utf8(out).unwrap()
}

/// The same document for texts that differ in blanks only.
fn canonical(text: &str, json: bool) -> String {
    if json { serde_json::from_str::<Value>(text).unwrap().to_string() } else { text.to_owned() }
}

#[test]
fn of_the_labelled_values_nearly_none_is_left_and_of_the_rest_nothing_is_altered() {
    let scrubber = scrubber();
    let (mut values, mut left) = (0, 0);
    for record in records(POSITIVE) {
        let scrubbed = scrub(&scrubber, &record.text, record.json);
        values += record.values.len();
        left += record.values.iter().filter(|value| scrubbed.contains(value.as_str())).count();
    }
    assert!(left * 100 <= values, "{left} of {values} values are left");

    let negatives: Vec<Record> = records(NEGATIVE).into_iter().filter(|record| !record.arguable).collect();
    let altered = |record: &&Record| {
        let scrubbed = scrub(&scrubber, &record.text, record.json);
        canonical(&scrubbed, record.json) != canonical(&record.text, record.json)
    };
    let altered = negatives.iter().filter(altered).count();
    assert!(
        altered * 500 <= negatives.len(),
        "{altered} of {} records without personal data are altered",
        negatives.len()
    );
}

#[test]
fn whatever_happens_to_a_record_scrubbing_it_twice_is_scrubbing_it_once() {
    #[expect(clippy::disallowed_methods, reason = "how long it runs is up to who runs it")]
    let rounds: usize = std::env::var("TIDEGATE_TEST_ROUNDS").map_or(30, |n| n.parse().unwrap());
    let scrubber = scrubber();
    let records = records(POSITIVE);
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for _ in 0..rounds * 100 {
        let other = &records[chance.below(records.len())].text;
        let text = mutated(&records[chance.below(records.len())].text, other, &mut chance);
        let once = scrub(&scrubber, &text, false);
        assert!(scrub(&scrubber, &once, false) == once, "scrubbing again changes the text:\n{text}");
        let document =
            serde_json::json!({ "phone": text, other.get(..8).unwrap_or("k"): [text], "n": chance.0 }).to_string();
        let once = scrub(&scrubber, &document, true);
        assert!(scrub(&scrubber, &once, true) == once, "scrubbing again changes the document:\n{document}");
    }
}

/// A text with pieces cut out, doubled, put in, and taken from another.
fn mutated(text: &str, other: &str, chance: &mut Chance) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(4) {
        let at = chance.below(chars.len() + 1);
        let end = (at + chance.below(12)).min(chars.len());
        match chance.below(4) {
            0 => drop(chars.splice(at..end, [])),
            1 => drop(chars.splice(at..at, PIECES[chance.below(PIECES.len())].chars())),
            2 => {
                let copy = chars[at..end].to_vec();
                chars.splice(end..end, copy);
            }
            _ => {
                let from = chance.below(other.chars().count() + 1);
                chars.splice(at..end, other.chars().skip(from).take(24));
            }
        }
    }
    chars.into_iter().collect()
}

/// Numbers by chance, the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}
