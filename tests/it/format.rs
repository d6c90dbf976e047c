//! What an earlier version wrote is read for ever.
//!
//! `tests/fixtures/format/N.zst` is a data directory as format version N was when it was settled: unsealed rows, a small run, a run of full columns,
//! a closed bucket with its totals. Beside it, `N.json` says what is in it. `TIDEGATE_WRITE_FIXTURE=1` writes the files of the present version, once:
//! when a test finds that they cannot be read any more, the code is wrong and not the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate::app::{Gateway, block_on};
use tidegate::clock::{DAY_MS, ManualClock, Millis};
use tidegate::config::{self, Config, Overrides};
use tidegate::id::{SystemEntropy, TenantId};
use tidegate::ingest::{Ack, Context, Sender};
use tidegate::privacy::Signals;
use tidegate::protocol::native::Form;
use tidegate::store::Which;
use tidegate::store::key::FORMAT;
use tidegate::store::need::Need;

const NOW: Millis = Millis(1_795_000_000_000);

fn fixture(version: u8, extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format/{version}.{extension}"))
}

fn configuration(root: &Path) -> Config {
    let overrides = Overrides { data: Some(root.join("data")), ..Overrides::default() };
    config::load(&overrides, []).unwrap()
}

fn open(root: &Path, now: Millis) -> Gateway {
    Gateway::open(&configuration(root), Arc::new(ManualClock::at(now)), Arc::new(SystemEntropy)).unwrap()
}

fn tenant(gateway: &Gateway) -> TenantId {
    gateway.desk.directory.find_tenant("default").unwrap().id
}

fn send(gateway: &Gateway, received: Millis, events: Value) {
    let ingest = &gateway.services.ingest;
    let sender = Sender { tenant: tenant(gateway), key: None };
    let context = Context {
        client_address: None,
        user_agent: None,
        signals: Signals::default(),
        received,
        lists_redactions: false,
    };
    let prepared = ingest.prepare(sender, events.to_string().as_bytes(), Form::Json, &context).unwrap();
    let expected = events.as_array().unwrap().len() as u64;
    assert_eq!(block_on(ingest.commit(prepared, Ack::Synced, None)).unwrap().accepted, expected);
}

fn event(kind: &str, n: u64, received: Millis) -> Value {
    json!({
        "type": kind, "name": format!("tool-{}", n % 5), "session": format!("session-{}", n / 7), "user": format!("user-{}", n % 40),
        "timestamp": received.0 - (n as i64) * 1000, "duration_ms": (n * 37 % 1000) as f64 / 8.0, "ok": !n.is_multiple_of(9),
        "client": { "name": "desk", "version": "1.2" }, "status": 200 + n % 3,
        "attributes": { "n": n, "deep": { "path": [n % 3, null, true] }, "text": format!("line {}\n\"quoted\" é", n % 11) },
    })
}

/// Every row, in a fixed order; and the totals of days whose rows are gone at the end of time.
fn content(gateway: &Gateway) -> Value {
    let (store, tenant) = (&gateway.services.ingest.store, tenant(gateway));
    let mut rows = Vec::new();
    for part in store.read(tenant, Millis(i64::MIN), Millis(i64::MAX), NOW) {
        let loaded = part.load(&Need::all()).unwrap();
        rows.extend(loaded.rows().map(|row| format!("{:?}", loaded.columns().row(row).unwrap())));
    }
    rows.sort();
    let rollups = store.rollups(tenant, NOW.plus(400 * DAY_MS)).unwrap();
    let rollups: Vec<String> =
        rollups.iter().flat_map(|rollup| &rollup.cells).map(|cell| format!("{cell:?}")).collect();
    let digest = blake3::hash(rows.join("\n").as_bytes()).to_hex().to_string();
    json!({ "rows": rows.len(), "digest": digest, "some": rows.iter().step_by(97).collect::<Vec<_>>(), "rollups": rollups })
}

fn write_fixture() {
    let root = tempfile::tempdir().unwrap();
    let gateway = open(root.path(), NOW);
    let upkeep = Arc::clone(&gateway.services.upkeep);
    // A bucket whose time is over: merged, counted, closed.
    let before = NOW.plus(-2 * DAY_MS);
    for part in 0..2 {
        send(&gateway, before, (part * 60..part * 60 + 60).map(|n| event("custom", n, before)).collect());
        upkeep.seal(Which::All, before, &|| false).unwrap();
    }
    upkeep.close_buckets(NOW, &|| false).unwrap();
    send(&gateway, NOW, (0..1200).map(|n| event("mcp.tool_call", n, NOW)).collect());
    send(&gateway, NOW, (0..30).map(|n| event("http.request", n, NOW)).collect());
    upkeep.seal(Which::All, NOW, &|| false).unwrap();
    send(&gateway, NOW, (0..20).map(|n| event("log", n, NOW)).collect());
    let content = content(&gateway);
    gateway.close();
    drop((gateway, upkeep));
    fs::create_dir_all(fixture(FORMAT, "zst").parent().unwrap()).unwrap();
    fs::write(fixture(FORMAT, "json"), serde_json::to_vec_pretty(&content).unwrap()).unwrap();
    let packed = zstd::encode_all(&pack(&root.path().join("data"))[..], 19).unwrap();
    fs::write(fixture(FORMAT, "zst"), packed).unwrap();
}

/// A directory as one file: for every file its name and its bytes, each led by its length.
fn pack(dir: &Path) -> Vec<u8> {
    let mut packed = Vec::new();
    for place in ["keys", "db", "anchors"] {
        let path = dir.join(place);
        let inside = if path.is_dir() {
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![path]
        };
        for file in inside {
            let name = file.strip_prefix(dir).unwrap().to_str().unwrap();
            let is_needed = !name.contains("LOG") && !name.ends_with("LOCK");
            for bytes in [name.as_bytes(), &fs::read(&file).unwrap()].into_iter().filter(|_| is_needed) {
                packed.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                packed.extend_from_slice(bytes);
            }
        }
    }
    packed
}

fn unpack(mut packed: &[u8], dir: &Path) {
    let mut next = || {
        let (length, rest) = packed.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
        packed = rest;
        Some(bytes)
    };
    while let Some(name) = next() {
        let path = dir.join(std::str::from_utf8(name).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, next().unwrap()).unwrap();
        if path.ends_with("keys") {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

#[test]
fn every_version_from_the_first_settled_one_on_is_read() {
    if std::env::var_os("TIDEGATE_WRITE_FIXTURE").is_some() {
        write_fixture();
    }
    for version in 1..=FORMAT {
        let root = tempfile::tempdir().unwrap();
        let packed = fs::read(fixture(version, "zst")).unwrap_or_else(|_| panic!("version {version} has no fixture"));
        unpack(&zstd::decode_all(&packed[..]).unwrap(), &root.path().join("data"));
        let gateway = open(root.path(), NOW);
        let expected: Value = serde_json::from_slice(&fs::read(fixture(version, "json")).unwrap()).unwrap();
        let found = content(&gateway);
        assert_eq!(found["rows"], 1370);
        assert_eq!(found, expected, "version {version} is read as something else");
        assert!(!found["rollups"].as_array().unwrap().is_empty());
        // It is not only read: everything that is done to what is stored can be done to it.
        let upkeep = &gateway.services.upkeep;
        upkeep.seal(Which::All, NOW, &|| false).unwrap();
        upkeep.close_buckets(NOW.plus(2 * DAY_MS), &|| false).unwrap();
        assert_eq!(content(&gateway)["digest"], expected["digest"]);
    }
}
