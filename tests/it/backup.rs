//! A backup, made while the gateway serves, holds everything that was acknowledged before it, and becomes a gateway again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, poll, send};

fn body(numbers: std::ops::Range<u64>) -> Value {
    numbers
        .map(|n| json!({"id": format!("b-{n}"), "type": "mcp.tool_call", "name": "load", "attributes": {"n": n}}))
        .collect()
}

fn stored(gateway: &Gateway) -> Vec<u64> {
    let export = gateway.get_json("/api/export", &gateway.token("default", "export"));
    let rows = export["data"]["requests"].as_array().expect("a list");
    let mut numbers: Vec<u64> = rows.iter().map(|row| row["attributes"]["n"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

/// A gateway made of a backup and a key file; what restoring said.
fn restored(backup: &Path, keys: &Path) -> (Gateway, String) {
    let mut gateway = Setup::new().prepare();
    fs::create_dir(gateway.data()).unwrap();
    let refused = gateway.run(&["restore", backup.to_str().unwrap()]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("put it in place first"));
    fs::copy(keys, gateway.data().join("keys")).unwrap();
    let output = gateway.run(&["restore", backup.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), gateway.data().to_str().unwrap());
    let fsck = gateway.run(&["fsck"]);
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stdout));
    gateway.restart();
    (gateway, said)
}

#[test]
fn what_was_acknowledged_before_a_backup_is_in_it() {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    let (next, stop) = (Mutex::new(0), AtomicBool::new(false));
    let backups: Vec<PathBuf> = (0..3).map(|n| gateway.root().join(format!("backup-{n}"))).collect();
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let first = *next.lock().unwrap();
                let answer = gateway.post_events(&key, &body(first..first + 20)).expect(200).json();
                assert_eq!(answer["accepted"], 20, "{answer}");
                *next.lock().unwrap() = first + 20;
            }
        });
        for (n, backup) in backups.iter().enumerate() {
            let acknowledged = *next.lock().unwrap();
            poll("some load", || (*next.lock().unwrap() > acknowledged + 60).then_some(()));
            before.push(*next.lock().unwrap());
            let dir = backup.to_str().unwrap();
            if n == 0 {
                gateway.post_json("/v1/admin/backups", &gateway.admin_key(), &json!({ "dir": dir })).expect(201);
            } else {
                assert_eq!(gateway.value_of(&["backup", dir]), dir);
            }
            // The key file of the moment; it is copied page by page, as an operator would.
            fs::copy(gateway.data().join("keys"), backup.with_extension("keys")).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let sent = *next.lock().unwrap();
    gateway.stop();
    for (backup, before) in backups.iter().zip(before) {
        assert!(!backup.join("keys").exists() && !backup.join("db/keys").exists(), "a backup holds no keys");
        let (mut copy, said) = restored(backup, &backup.with_extension("keys"));
        assert!(said.contains("0 rows in 0 sealed runs"), "{said}");
        let there = stored(&copy);
        assert!(there.len() as u64 >= before, "{} rows of {before} acknowledged before", there.len());
        assert_eq!(
            there,
            (0..there.len() as u64).collect::<Vec<_>>(),
            "each exactly once, and none from later without those before"
        );
        let key = copy.key("default");
        let duplicates = |first: u64| {
            copy.post_events(&key, &body(first..sent.min(first + 500))).expect(200).json()["duplicates"].as_u64()
        };
        let known: u64 = (0..sent).step_by(500).filter_map(duplicates).sum();
        assert_eq!(known, there.len() as u64, "what is in it is known");
        copy.stop();
    }
}

#[test]
fn a_stopped_directory_can_be_copied_too_and_nothing_is_overwritten() {
    let mut gateway = Gateway::start();
    gateway.post_events(&gateway.key("default"), &body(0..10)).expect(200);
    let policy = "/v1/privacy/policy?tenant=default";
    let own = gateway.request(Method::PUT, policy).bearer_auth(gateway.admin_key()).body("[user]\npolicy = 'remove'");
    let own = send(own).expect(200).json();
    gateway.stop();
    let backup = gateway.root().join("backup");
    let dir = backup.to_str().unwrap();
    assert_eq!(gateway.value_of(&["backup", dir]), dir);
    assert!(!gateway.run(&["backup", dir]).status.success(), "a directory that is there");
    let occupied = gateway.run(&["restore", dir]);
    assert!(
        !occupied.status.success() && String::from_utf8_lossy(&occupied.stderr).contains("there is something already")
    );
    let nothing = gateway.run(&["restore", gateway.root().to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("not a backup"));
    let (copy, _) = restored(&backup, &gateway.data().join("keys"));
    assert_eq!(stored(&copy), (0..10).collect::<Vec<_>>());
    assert_eq!(copy.get_json(policy, &copy.admin_key()), own, "a tenant's privacy policy, and who made it");
    let leaves = copy.get("/v1/audit/records?tenant=gateway&limit=1000", &copy.admin_key()).expect(200).text();
    assert!(leaves.contains("database.restored") && leaves.contains("backup.made"), "{leaves}");
}
