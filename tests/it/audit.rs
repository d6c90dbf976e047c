//! Whoever changes what was recorded is found out: by `fsck`, at the start, or by a proof that does not hold.
//!
//! Two attackers: one who flips bytes in the files, and one who knows the format and changes the database through RocksDB, so that every checksum
//! fits. A third restores an older copy of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{DB, Options};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup};

const FAMILIES: [&str; 10] =
    ["default", "meta", "journal", "dedupe", "catalog", "audit", "quarantine", "sealed", "manifest", "rollup"];
/// Acts of one tenant: enough for inner nodes of its log to be stored.
const ACTS: usize = 40;

/// A stopped gateway with some history, and a token that reads it.
struct History {
    gateway: Gateway,
    reader: String,
    tenant: String,
}

impl History {
    fn make() -> History {
        let mut gateway = Setup::new().start();
        let tenant = gateway.tenant("acme");
        let key = gateway.key("acme");
        let reader = gateway.token("acme", "query,export,compliance");
        for number in 0..ACTS {
            gateway.post_events(&key, &json!({ "type": "mcp.tool_call", "id": number.to_string(), "name": format!("tool-{number}"), "user": "ana" })).expect(200);
            gateway.get_json("/api/export", &reader);
        }
        gateway.get(&format!("/v1/audit/tlog/{tenant}/checkpoint"), &reader).expect(200);
        gateway.get("/v1/audit/tlog/gateway/checkpoint", &gateway.admin_key()).expect(200);
        gateway.stop();
        History { gateway, reader, tenant }
    }

    fn db(&self) -> PathBuf {
        self.gateway.data().join("db")
    }

    /// What `fsck` says: its report, or its error.
    fn check(&self) -> Result<String, String> {
        let output = self.gateway.run(&["fsck"]);
        let report = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        if output.status.success() { Ok(report) } else { Err(report) }
    }

    /// Everything that was stored, as an answer.
    fn rows(&self) -> Value {
        self.gateway.get_json("/api/export", &self.reader)["data"].clone()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

fn restore(from: &Path, to: &Path) {
    fs::remove_dir_all(to).expect("the directory can be removed");
    copy(from, to);
}

/// Changes entries of the audit family as somebody who knows RocksDB would.
fn tamper(db: &Path, change: impl FnOnce(&mut Vec<(Vec<u8>, Vec<u8>)>)) {
    let open = DB::open_cf(&Options::default(), db, FAMILIES).expect("the database opens");
    let audit = open.cf_handle("audit").expect("the family");
    let before: Vec<(Vec<u8>, Vec<u8>)> = open
        .iterator_cf(audit, rocksdb::IteratorMode::Start)
        .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("an entry"))
        .collect();
    let mut after = before.clone();
    change(&mut after);
    assert_ne!(before, after, "nothing was changed");
    for (key, _) in &before {
        open.delete_cf(audit, key).expect("a deletion");
    }
    for (key, value) in &after {
        open.put_cf(audit, key, value).expect("a write");
    }
    open.flush_cf(audit).expect("a flush");
}

/// Positions of the leaves of a tenant's log among the entries.
fn leaves(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<usize> {
    let is_leaf = |entry: &(Vec<u8>, Vec<u8>)| entry.0[0] == 1 && entry.1.starts_with(b"{\"v\":1");
    (0..entries.len()).filter(|at| is_leaf(&entries[*at])).collect()
}

#[test]
fn whoever_changes_a_record_through_the_database_is_found_out() {
    let mut history = History::make();
    assert!(history.check().is_ok(), "{:?}", history.check());
    let whole = history.gateway.root().join("whole");
    copy(&history.db(), &whole);

    type Change = fn(&mut Vec<(Vec<u8>, Vec<u8>)>, &[usize]);
    let changes: [(&str, Change); 8] = [
        ("a leaf says something else", |entries, leaves| {
            let leaf = &mut entries[leaves[3]].1;
            let at = leaf.windows(5).position(|word| word == b"\"at\":").expect("a time") + 8;
            leaf[at] ^= 1;
        }),
        ("two leaves have changed places", |entries, leaves| {
            let first = entries[leaves[5]].1.clone();
            entries[leaves[5]].1 = std::mem::replace(&mut entries[leaves[9]].1, first);
        }),
        ("a leaf in the middle is gone", |entries, leaves| _ = entries.remove(leaves[7])),
        ("the last leaf is gone", |entries, leaves| _ = entries.remove(leaves[leaves.len() - 1])),
        ("a leaf was added", |entries, leaves| {
            let (mut key, leaf) = entries[leaves[leaves.len() - 1]].clone();
            *key.last_mut().expect("a key") += 1;
            entries.push((key, leaf));
        }),
        ("a node is another", |entries, _| {
            let node = entries.iter_mut().find(|(key, value)| key[9] == 3 && value.len() == 32).expect("a node");
            node.1[0] ^= 1;
        }),
        ("the head is another", |entries, _| {
            let head = entries.iter_mut().find(|(key, _)| key.len() == 10 && key[9] == 1).expect("a head");
            *head.1.last_mut().expect("a hash") ^= 1;
        }),
        ("the log is gone", |entries, _| entries.retain(|(key, _)| key[0] != 1)),
    ];
    for (name, change) in changes {
        restore(&whole, &history.db());
        tamper(&history.db(), |entries| {
            let leaves = leaves(entries);
            change(entries, &leaves);
        });
        let report = history.check().expect_err(&format!("{name}: not found"));
        assert!(report.contains("audit log"), "{name}: {report}");
        let process = history.gateway.run(&["fsck"]);
        assert_eq!(process.status.code(), Some(1), "{name}: the command fails, and does not crash");
    }

    // What the start verifies without reading every leaf: head, nodes and the signed checkpoint.
    for name in ["the head is another", "the log is gone"] {
        let (_, change) = changes.iter().find(|(known, _)| *known == name).expect("the change");
        restore(&whole, &history.db());
        tamper(&history.db(), |entries| {
            let leaves = leaves(entries);
            change(entries, &leaves);
        });
        let refused = history.gateway.try_restart().expect_err(&format!("{name}: served"));
        assert!(refused.contains("audit log"), "{name}: {refused}");
    }
    restore(&whole, &history.db());
    history.gateway.restart();
    assert_eq!(history.rows()["requests"].as_array().map(Vec::len), Some(ACTS));
}

#[test]
fn an_older_copy_of_the_database_is_refused() {
    let mut history = History::make();
    let old = history.gateway.root().join("old");
    copy(&history.db(), &old);
    history.gateway.restart();
    // Nobody asks for a checkpoint: that the log grew must be known outside the database all the same.
    history.gateway.get_json("/api/export", &history.reader);
    history.gateway.stop();
    restore(&old, &history.db());
    let report = history.check().expect_err("an older copy was not noticed");
    assert!(report.contains("rolled back") && report.contains(&history.tenant), "{report}");
    let refused = history.gateway.try_restart().expect_err("an older copy is served");
    assert!(refused.contains("rolled back"), "{refused}");
}

#[test]
fn anchors_of_another_key_or_another_log_are_refused() {
    let mut history = History::make();
    let anchors = history.gateway.data().join("anchors");
    let (own, meta) = (anchors.join(&history.tenant), anchors.join("gateway"));
    let good = fs::read(&own).expect("the tenant's anchor");
    let text = String::from_utf8(good.clone()).expect("a note");
    let mut size = text.lines().nth(1).expect("a size").parse::<u64>().expect("a number");
    size += 1;
    let forged = text
        .lines()
        .enumerate()
        .map(|(number, line)| if number == 1 { format!("{size}\n") } else { format!("{line}\n") })
        .collect::<String>();
    let other = fs::read(&meta).expect("the gateway's anchor");
    for (name, bytes) in [
        ("another size", forged.into_bytes()),
        ("another log's", other),
        ("nothing", Vec::new()),
        ("nonsense", vec![0xff; 300]),
    ] {
        fs::write(&own, bytes).expect("an anchor");
        assert!(history.check().is_err(), "{name}: not found");
        let refused = history.gateway.try_restart().expect_err(&format!("{name}: served"));
        assert!(refused.contains("audit log"), "{name}: {refused}");
    }
    fs::write(&own, good).expect("the anchor");
    assert!(history.check().is_ok());
    history.gateway.restart();
}

/// Bytes are flipped all over the files. `fsck` finds the damage or the byte did not matter: then every answer is the same.
#[test]
fn a_flipped_byte_is_found_or_changes_nothing() {
    const PER_FILE: u64 = 24;
    const SERVED_MAX: usize = 6;
    let mut history = History::make();
    history.gateway.restart();
    let rows = history.rows();
    history.gateway.stop();
    let whole = history.gateway.root().join("whole");
    copy(&history.db(), &whole);

    let (mut found, mut unnoticed) = (0, Vec::new());
    let files = fs::read_dir(&whole).expect("the database").map(|entry| entry.expect("a file").path());
    let holds_data = |path: &PathBuf| {
        path.extension().is_some_and(|kind| kind == "sst" || kind == "log")
            || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST"))
    };
    for path in files.filter(holds_data) {
        let bytes = fs::read(&path).expect("a file");
        let target = history.db().join(path.file_name().expect("a name"));
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64 ^ bytes.len() as u64;
        for _ in 0..PER_FILE.min(bytes.len() as u64) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from((seed >> 16) % bytes.len() as u64).expect("an offset");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (seed % 8);
            fs::write(&target, &flipped).expect("the damaged file");
            // A panic in here fails the test.
            match history.check() {
                Err(_) => found += 1,
                Ok(_) => unnoticed.push((target.clone(), flipped)),
            }
            fs::write(&target, &bytes).expect("the whole file");
        }
    }
    assert!(found > 50, "only {found} flipped bytes were found, {} were not", unnoticed.len());
    let step = (unnoticed.len() / SERVED_MAX).max(1);
    for (target, flipped) in unnoticed.iter().step_by(step) {
        restore(&whole, &history.db());
        fs::write(target, flipped).expect("the damaged file");
        if history.gateway.try_restart().is_err() {
            continue;
        }
        let served = history.rows();
        assert!(served == rows, "a flipped byte in {} was not found and changes an answer", target.display());
        history.gateway.kill();
    }
    assert!(!history.gateway.stderr().contains("panicked"), "{}", history.gateway.stderr());
}

#[test]
fn no_leaf_holds_anything_personal_whatever_the_parameters_say() {
    let gateway = Gateway::start();
    gateway.tenant("acme");
    let personal = [
        "ana.kovacs@example.com",
        "4111111111111111",
        "203.0.113.77",
        "DE89370400440532013000",
        "Zoe Quill",
        "+49 170 1234567",
    ];
    let order = json!({ "tenant": "acme", "scope": "query,export,compliance", "subject": "zoe.quill@example.com" });
    let issued = gateway.post_json("/v1/admin/tokens", &gateway.admin_key(), &order).expect(201).json();
    let reader = issued["token"].as_str().expect("a token").to_owned();
    let key = gateway
        .post_json("/v1/admin/keys", &gateway.admin_key(), &json!({ "tenant": "acme", "label": "Zoe Quill" }))
        .expect(201)
        .json();
    let key = key["key"].as_str().expect("a key");
    gateway
        .post_events(
            key,
            &json!({ "type": "custom", "user": "zoe.quill@example.com", "session": personal[0], "name": personal[3] }),
        )
        .expect(200);
    for value in personal.iter().filter(|value| **value != "Zoe Quill") {
        for name in ["name", "session"] {
            let url =
                reqwest::Url::parse_with_params(&format!("{}/v1/query/sessions", gateway.base()), [(name, value)])
                    .expect("a URL");
            crate::gateway::send(
                gateway.request(reqwest::Method::GET, &url.as_str()[gateway.base().len()..]).bearer_auth(&reader),
            )
            .expect(200);
        }
    }
    gateway.get("/v1/query/summary", "tg_zoe.quill@example.com").expect(401);

    let mut trail = String::new();
    for (log, token) in [("acme", &reader), ("gateway", &gateway.admin_key())] {
        let records = gateway.get_json(&format!("/v1/audit/records?tenant={log}&limit=1000"), token);
        for record in records["records"].as_array().expect("records") {
            trail.push_str(&record["leaf"].to_string());
        }
    }
    assert!(trail.matches("query.rows").count() >= 10, "every reading of rows is on record");
    for value in personal.iter().chain(&["zoe", "Quill", "kovacs"]) {
        assert!(!trail.contains(value), "{value} stands in a leaf");
    }
}
