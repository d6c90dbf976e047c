//! Whoever steals the data directory without the key file has nothing: no byte of any event.
//!
//! Words stand in every member of events that are kept, sealed ones, fresh ones and quarantined ones; that they are kept is seen in the export. Then every
//! byte of every file but the key file is searched, and so is whatever looks like compressed data.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup};
use crate::leak::search::{Piece, files};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An event with words in every member that takes a text. They are harmless, and therefore kept.
fn event(words: &str) -> Value {
    let word = |member: &str| format!("{words}{member}");
    json!({
        "type": "mcp.tool_call", "name": word("name"), "session": word("session"), "user": word("user"), "duration_ms": 12.5, "ok": false,
        "client": {"name": word("client"), "version": word("clientversion")}, "server": {"name": word("server"), "version": word("serverversion")},
        "model": word("model"), "language": word("language"), "error": {"type": word("errortype"), "message": word("errormessage")},
        "method": word("method"), "path": format!("/{}", word("path")), "unit": word("unit"),
        "attributes": {word("key"): word("value"), "deep": {"list": [word("inner")]}},
    })
}

/// Events that are sealed, fresh and quarantined, in a gateway that stopped in good order.
fn filled() -> Gateway {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    for _ in 0..3 {
        let answer = gateway.post_events(&key, &json!([event("sealedword"), event("sealedword")])).expect(200).json();
        assert_eq!(answer["accepted"], 2, "{answer}");
    }
    // A backup seals everything first, and is searched as well.
    let backup = gateway.data().join("backup");
    assert_eq!(gateway.value_of(&["backup", backup.to_str().unwrap()]), backup.to_str().unwrap());
    gateway.post_events(&key, &event("freshword")).expect(200);
    let mut future = event("quarantineword");
    future["timestamp"] = json!("2999-01-01T00:00:00Z");
    let answer = gateway.post_events(&key, &future).expect(200).json();
    assert_eq!(answer["quarantined"], 1, "{answer}");
    let export = gateway.get("/api/export", &gateway.token("default", "export")).expect(200).text();
    let aside = gateway.get("/v1/admin/quarantine?tenant=default", &gateway.admin_key()).expect(200).text();
    for (text, word) in [(&export, "sealedwordsession"), (&export, "freshwordvalue"), (&aside, "quarantinewordvalue")] {
        assert!(text.contains(word), "{word} is not kept, so that it would not be found: {text}");
    }
    gateway.stop();
    gateway
}

fn assert_absent(pieces: &[Piece], words: &[&str]) {
    for (place, bytes) in pieces {
        let lower = bytes.to_ascii_lowercase();
        for word in words {
            let found = memchr::memmem::find(&lower, word.as_bytes());
            assert_eq!(found, None, "{word} is in {place}");
        }
    }
}

/// Whatever can be inflated from anywhere in the pieces.
fn inflated(pieces: &[Piece]) -> Vec<Piece> {
    let mut found = Vec::new();
    for (place, bytes) in pieces {
        for at in memchr::memmem::find_iter(bytes, &ZSTD_MAGIC) {
            let mut out = Vec::new();
            // What was inflated before an error counts too.
            let _ = zstd::stream::copy_decode(&bytes[at..], &mut out);
            found.push((format!("a zstd frame at {at} of {place}"), out));
        }
    }
    found
}

fn refusal(gateway: &mut Gateway) -> (String, String) {
    let start = gateway.try_restart().expect_err("it must not start");
    let fsck = gateway.run(&["fsck"]);
    assert!(!fsck.status.success());
    (start, format!("{}{}", String::from_utf8_lossy(&fsck.stdout), String::from_utf8_lossy(&fsck.stderr)))
}

#[test]
fn without_the_key_file_no_byte_of_an_event_can_be_read() {
    let gateway = filled();
    let keys = gateway.data().join("keys");
    let is_key_file = |place: &str| Path::new(place) == keys;
    let pieces: Vec<Piece> = files(&gateway.data()).into_iter().filter(|(place, _)| !is_key_file(place)).collect();
    assert!(
        pieces.iter().any(|(place, _)| place.contains("/backup/") && place.ends_with(".sst")),
        "a backup is searched"
    );
    let words = ["sealedword", "freshword", "quarantineword"];
    assert_absent(&pieces, &words);
    assert_absent(&inflated(&pieces), &words);
    assert_absent(&[("the log".to_owned(), gateway.stderr().into_bytes())], &words);
    let fsck = gateway.run(&["fsck"]);
    let told = String::from_utf8_lossy(&fsck.stdout).into_owned();
    assert!(fsck.status.success() && told.contains("sealed: 1 runs, 6 rows"), "{told}");
}

/// The control: what is not encrypted is found by the same search.
#[test]
fn what_lies_open_is_found() {
    let frame = zstd::encode_all(&b"some text with a Sealedword in it"[..], 1).unwrap();
    let pieces = [("a file".to_owned(), [b"before".to_vec(), frame].concat())];
    assert!(std::panic::catch_unwind(|| assert_absent(&inflated(&pieces), &["sealedword"])).is_err());
}

#[test]
fn without_the_right_key_file_it_does_not_start_and_fsck_says_so() {
    let mut gateway = filled();
    let (keys, aside) = (gateway.data().join("keys"), gateway.root().join("keys.aside"));
    fs::rename(&keys, &aside).unwrap();
    let (start, fsck) = refusal(&mut gateway);
    assert!(start.contains("the key file is missing") && fsck.contains("keys"), "{start}\n{fsck}");
    assert!(!keys.exists(), "none is made up");

    let mut other = Setup::new().start();
    other.post_events(&other.key("default"), &event("other")).expect(200);
    other.stop();
    fs::copy(other.data().join("keys"), &keys).unwrap();
    let (start, fsck) = refusal(&mut gateway);
    assert!(start.contains("not the key file that the database was written with"), "{start}");
    assert!(!fsck.contains("panicked") && !fsck.trim().is_empty(), "{fsck}");
    assert_eq!(
        fs::read(&keys).unwrap(),
        fs::read(other.data().join("keys")).unwrap(),
        "no key of the other is destroyed"
    );

    fs::rename(&aside, &keys).unwrap();
    gateway.restart();
    let export = gateway.get("/api/export", &gateway.token("default", "export")).expect(200).text();
    assert!(export.contains("sealedwordsession") && export.contains("freshwordsession"));
}
